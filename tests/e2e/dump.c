/* SPDX-License-Identifier: BSD-3-Clause */
/* Write argc, arguments, environment and directory to ./dumped, each ended
 * by a NUL byte: what really arrived. */
#include <stdio.h>
#include <unistd.h>

extern char **environ;

int main(int argc, char **argv)
{
    FILE *to = fopen("dumped", "w");
    char *here = getcwd(NULL, 0);

    if (!to || !here)
        return 1;
    fprintf(to, "%d%c", argc, 0);
    for (int i = 0; i < argc; i++)
        fprintf(to, "%s%c", argv[i], 0);
    for (char **e = environ; *e; e++)
        fprintf(to, "%s%c", *e, 0);
    fprintf(to, "%s%c", here, 0);
    return fclose(to) == 0 ? 0 : 1;
}
