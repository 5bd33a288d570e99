/* SPDX-License-Identifier: BSD-3-Clause */
/* A plan to qsub: options as argv, the script on its standard input. */
#include "config.h"

#include <ctype.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "plan/script.h"
#include "scheduler/environment.h"
#include "scheduler/pbs_parts.h"

/* What the job has its own of, and what shells will not have set. */
static const char *const not_exported[] = {
    "BASHOPTS", "BASH_VERSINFO", "CUDA_VISIBLE_DEVICES", "ENVIRONMENT",
    "EUID", "GPU_DEVICE_ORDINAL", "HOSTNAME", "IFS", "LINENO", "NCPUS",
    "NVIDIA_VISIBLE_DEVICES", "OLDPWD", "OPTIND", "PPID", "PWD",
    "ROCR_VISIBLE_DEVICES", "SHELLOPTS", "SHLVL", "TMPDIR", "UID", "_",
};

static bool is_exported(const char *pair)
{
    size_t n = strcspn(pair, "=");

    if (n == 0 || pair[n] != '=' || isdigit((unsigned char)pair[0]) ||
        strncmp(pair, "PBS_", 4) == 0)
        return false;
    for (size_t i = 0; i < n; i++)
        if (!isalnum((unsigned char)pair[i]) && pair[i] != '_')
            return false;
    for (size_t i = 0; i < sizeof(not_exported) / sizeof(not_exported[0]);
         i++)
        if (strlen(not_exported[i]) == n &&
            strncmp(pair, not_exported[i], n) == 0)
            return false;
    return true;
}

void pbs_exports(char *const *from, struct mlb_text *out)
{
    struct mlb_strings environment = MLB_STRINGS_INIT;

    environment_inherit(from, &environment);
    for (size_t i = 0; i < environment.count; i++) {
        const char *pair = environment.items[i];
        if (!is_exported(pair))
            continue;
        text_addf(out, "export %.*s=", (int)strcspn(pair, "="), pair);
        script_add_word(out, strchr(pair, '=') + 1);
        text_add(out, "\n");
    }
    strings_clear(&environment);
}

/* The plan's script, with the environment of whoever submits: PBS hands
 * nothing of it to the job by itself, -v breaks on quotes, and what -v and -V
 * pass every user can read. */
static void make_script(const struct mlb_plan *plan, struct mlb_text *out)
{
    mode_t mask = umask(0);

    umask(mask);
    text_addn(out, plan->script, plan->script_head);
    text_addf(out, "umask %04o\n", (unsigned)mask);
    pbs_exports(environ, out);
    text_add(out, plan->script + plan->script_head);
}

/* The last line that is an id: a site's own qsub may say more before. */
static bool read_id(const struct mlb_text *out, char *id)
{
    bool found = false;

    for (const char *line = out->data; *line;) {
        size_t n = strcspn(line, "\n");
        struct pbs_span s = { line, n };
        if (n < SCHEDULER_ID_SIZE && pbs_text_is_id(s)) {
            snprintf(id, SCHEDULER_ID_SIZE, "%.*s", (int)n, line);
            found = true;
        }
        line += n + (line[n] == '\n');
    }
    return found;
}

int pbs_submit(const struct mlb_plan *plan, const struct mlb_site *site,
               char *id, struct mlb_error *err)
{
    struct pbs_answer answer = PBS_ANSWER_INIT;
    struct mlb_strings argv = MLB_STRINGS_INIT;
    struct mlb_text script = MLB_TEXT_INIT;

    (void)site;
    strings_push(&argv, "qsub");
    /* Without -f another process, which may be an old one, answers with the
     * error of an earlier job; in Torque the letter means another thing. */
    if (!plan->torque)
        strings_push(&argv, "-f");
    /* The comments that say the same are not for qsub now. */
    strings_push(&argv, "-C");
    strings_push(&argv, "");
    strings_copy(&argv, &plan->request);
    make_script(plan, &script);
    int rc = pbs_run(argv.items, &script, &answer, err);
    if (rc == 0 && answer.code != 0)
        rc = pbs_refused(&answer, "PBS did not take the job", err);
    if (rc < 0 && answer.code != 0 && err && err->code == MLB_ERR_NOT_FOUND)
        err->code = MLB_ERR_REFUSED;
    if (rc == 0 && !read_id(&answer.out, id))
        rc = mlb_error_set(err, MLB_ERR_UNREACHABLE,
                           "qsub ended well, but gave no job id");
    pbs_answer_clear(&answer);
    strings_clear(&argv);
    text_clear(&script);
    return rc;
}
