/* SPDX-License-Identifier: BSD-3-Clause */
/* A job from the command line: file, overrides, sbatch's options, command. */
#include "config.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/files.h"
#include "cmd/prepare.h"

#define OPTION_KEY 2000      /* of the first option without a letter */

void cmd_request_clear(struct cmd_request *request)
{
    strings_clear(&request->overrides);
    strings_clear(&request->command);
    strings_clear(&request->values);
    free(request->options);
    *request = (struct cmd_request)CMD_REQUEST_INIT;
}

static void add_option(struct cmd_request *request,
                       const struct job_option *option, const char *value)
{
    size_t n = request->values.count;

    request->options =
        xrealloc(request->options, (n + 1) * sizeof(*request->options));
    request->options[n] = option;
    strings_push(&request->values, value);
}

static error_t parse_request(int key, char *arg, struct argp_state *state)
{
    for (size_t i = 0; job_options[i].name; i++) {
        int own = job_options[i].letter ? job_options[i].letter
                                        : OPTION_KEY + (int)i;
        if (key == own) {
            add_option(state->input, &job_options[i], arg);
            return 0;
        }
    }
    return ARGP_ERR_UNKNOWN;
}

const struct argp *cmd_request_argp(void)
{
    static struct argp_option *options;
    static struct argp argp = { .parser = parse_request };
    size_t count = 0;

    if (options)
        return &argp;
    while (job_options[count].name)
        count++;
    options = xcalloc(count + 1, sizeof(*options));
    for (size_t i = 0; i < count; i++) {
        const struct job_option *o = &job_options[i];
        options[i] = (struct argp_option){
            .name = o->name,
            .key = o->letter ? o->letter : OPTION_KEY + (int)i,
            .arg = o->argument,
            .doc = o->help,
            .group = 10,
        };
    }
    argp.options = options;
    return &argp;
}

void cmd_request_argument(struct cmd_request *request, char *arg,
                          struct argp_state *state)
{
    if (state->quoted && state->next > state->quoted)
        strings_push(&request->command, arg);
    else if (!request->file && !strchr(arg, '='))
        request->file = arg;
    else
        strings_push(&request->overrides, arg);
}

/* A job without a name is called after its program. */
static void name_after_command(struct mlb_job *job)
{
    if (job->name || job->command.count == 0)
        return;
    const char *program = job->command.items[job->shell ? 2 : 0];
    const char *slash = strrchr(program, '/');
    char *name = xstrdup(slash && slash[1] ? slash + 1 : program);
    name[strcspn(name, " ")] = '\0';
    job->name = name;
}

static int read_file(struct mlb_job *job, const char *path,
                     struct mlb_problems *problems, struct mlb_error *err)
{
    struct mlb_text start = MLB_TEXT_INIT;
    int rc = 0;

    if (files_read(path, 1 << 20, &start, NULL) == 0 &&
        strncmp(start.data, "#!", 2) == 0)
        rc = mlb_error_set(err, MLB_ERR_BAD_INPUT,
                           "%s is a script, not a job file: run it as a "
                           "command, mlbatch submit -- %s%s", path,
                           strchr(path, '/') ? "" : "./", path);
    text_clear(&start);
    return rc < 0 ? rc : job_read_file(job, path, problems, err);
}

struct mlb_job *cmd_request_job(const struct cmd_request *request,
                                struct mlb_problems *problems,
                                struct mlb_error *err)
{
    struct mlb_job *job = job_create();
    int rc = 0;

    if (request->file && request->command.count > 0)
        rc = mlb_error_set(err, MLB_ERR_USAGE,
                           "give a job file or a command after \"--\", not "
                           "both");
    else if (!request->file && request->command.count == 0)
        rc = mlb_error_set(err, MLB_ERR_USAGE,
                           "give a job file, or a command after \"--\"");
    else if (request->file)
        rc = read_file(job, request->file, problems, err);
    if (rc < 0) {
        job_destroy(job);
        return NULL;
    }
    strings_copy(&job->command, &request->command);
    if (!request->file)
        fields_add(&job->origins, "", "command line");
    for (size_t i = 0; i < request->values.count; i++)
        job_set_option(job, request->options[i], request->values.items[i],
                       problems);
    for (size_t i = 0; i < request->overrides.count; i++)
        job_override(job, request->overrides.items[i], problems);
    name_after_command(job);
    return job;
}
