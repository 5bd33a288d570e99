/* SPDX-License-Identifier: BSD-3-Clause */
/* sample STORE DIRECTORY: put data set "pictures" into a store, and into a
 * directory checkpoints of steps 1 to 4, the last of which differs. */
#include "config.h"

#include "../unit/store_sample.h"

int main(int argc, char **argv)
{
    if (argc != 3)
        return 2;
    free(sample_dataset(argv[1]));
    for (uint64_t step = 1; step <= 4; step++)
        sample_checkpoint(argv[2], step, step == 4);
    return 0;
}
