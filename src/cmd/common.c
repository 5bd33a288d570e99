/* SPDX-License-Identifier: BSD-3-Clause */
/* What the subcommands share: options, site, store, messages. */
#include "config.h"

#include <limits.h>
#include <poll.h>
#include <pwd.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>
#include <unistd.h>

#include "base/files.h"
#include "base/json.h"
#include "base/process.h"
#include "cmd/cmd.h"

static const struct argp_option common_options[] = {
    { .name = "site", .key = 1001, .arg = "FILE", .group = 90,
      .doc = "Read this site file last" },
    { .name = "store", .key = 1002, .arg = "DIR",
      .doc = "The store: data sets and runs" },
    { .name = "scheduler", .key = 1003, .arg = "NAME",
      .doc = "auto, slurm, pbs or local" },
    { 0 },
};

static error_t parse_common(int key, char *arg, struct argp_state *state)
{
    struct cmd_options *options = state->input;

    switch (key) {
    case 1001:
        options->site = arg;
        return 0;
    case 1002:
        options->store = arg;
        return 0;
    case 1003:
        options->scheduler = arg;
        return 0;
    default:
        return ARGP_ERR_UNKNOWN;
    }
}

const struct argp cmd_common_argp = { .options = common_options,
                                      .parser = parse_common };

void cmd_parse(const struct argp *argp, int argc, char **argv, void *input)
{
    /* In order, so that what stands before "--" can be told from the command
     * after it. */
    argp_parse(argp, argc, argv, ARGP_IN_ORDER, NULL, input);
}

error_t cmd_parse_run(int key, char *arg, struct argp_state *state,
                      const char **run)
{
    switch (key) {
    case ARGP_KEY_ARG:
        if (*run)
            argp_error(state, "one run at a time");
        *run = arg;
        return 0;
    case ARGP_KEY_NO_ARGS:
        argp_error(state, "which run? (\"mlbatch list\" shows them)");
        return 0;
    default:
        return ARGP_ERR_UNKNOWN;
    }
}

void cmd_wait_for_news(int inotify, int ms)
{
    struct pollfd fd = { .fd = inotify, .events = POLLIN };
    char events[4096];

    if (poll(&fd, 1, ms) > 0 && read(inotify, events, sizeof(events)) < 0)
        poll(NULL, 0, ms);
}

int cmd_fail(const struct mlb_error *err)
{
    char *shown = text_printable(err->text);

    fprintf(stderr, "mlbatch: %s\n", shown);
    free(shown);
    return err->code;
}

int cmd_fail_problems(const struct mlb_problems *problems)
{
    problems_print(problems, stderr);
    return MLB_ERR_BAD_INPUT;
}

json_t *cmd_who(void)
{
    const struct passwd *user = getpwuid(getuid());
    char *uid = xasprintf("%ld", (long)getuid());
    json_t *who =
        json_pack("{s:o, s:o}", "by", json_text(user ? user->pw_name : uid),
                  "host", json_text(process_host()));

    free(uid);
    return who;
}

/* The directory of this very program. Caller frees. */
static char *own_directory(void)
{
    char path[PATH_MAX];
    ssize_t n = readlink("/proc/self/exe", path, sizeof(path) - 1);

    if (n <= 0)
        return xstrdup(BINDIR);
    path[n] = '\0';
    *strrchr(path, '/') = '\0';
    return xstrdup(path);
}

char *cmd_program(void)
{
    char *directory = own_directory();
    char *path = xasprintf("%s/mlbatch", directory);

    free(directory);
    return path;
}

/* A file of the installation: beside the program (a build tree), relative
 * to it (an installation that was moved), or where configure said. */
static char *own_file(const char *name, const char *relative,
                      const char *configured)
{
    char *directory = own_directory();
    char *places[] = { xasprintf("%s/%s", directory, name),
                       xasprintf("%s/../%s/%s", directory, relative, name),
                       xasprintf("%s/%s", configured, name) };
    size_t i = 0;

    while (i < 2 && !files_is_file(places[i]))
        i++;
    char *found = files_absolute(places[i]);
    for (i = 0; i < 3; i++)
        free(places[i]);
    free(directory);
    return found;
}

char *cmd_helper(const char *program)
{
    return own_file(program, "libexec/mlbatch", PKGLIBEXECDIR);
}

/* The site files in the order of their weight. */
static int read_site(struct cmd_context *context, const char *last,
                     struct mlb_problems *problems, struct mlb_error *err)
{
    const char *home = getenv("HOME"), *named = getenv("MLBATCH_CONF");
    const char *config = getenv("XDG_CONFIG_HOME");
    char *installed = own_file("mlbatch.conf", "etc", SYSCONFDIR);
    char *user = config && *config == '/'
                     ? xasprintf("%s/mlbatch/mlbatch.conf", config)
                 : home ? xasprintf("%s/.config/mlbatch/mlbatch.conf", home)
                        : NULL;
    struct mlb_site *site = context->site;
    int rc = site_read_file(site, installed, true, problems, err);

    if (rc == 0 && user)
        rc = site_read_file(site, user, true, problems, err);
    if (rc == 0 && named && *named)
        rc = site_read_file(site, named, false, problems, err);
    if (rc == 0 && last)
        rc = site_read_file(site, last, false, problems, err);
    free(installed);
    free(user);
    return rc;
}

static int find_store(struct cmd_context *context, const char *option,
                      struct mlb_error *err)
{
    const char *home = getenv("HOME"), *named = getenv("MLBATCH_STORE");
    char *own = NULL;

    if (option || (named && *named))
        own = xstrdup(option ? option : named);
    else if (context->site->store)
        own = xstrdup(context->site->store);
    else if (home && *home == '/')
        own = xasprintf("%s/mlbatch", home);
    if (!own || !*own) {
        free(own);
        return mlb_error_set(err, MLB_ERR_USAGE,
                             "no place for the store: HOME is not set; give "
                             "--store=DIR or set MLBATCH_STORE");
    }
    context->store = files_absolute(own);
    free(own);
    free(context->site->store);
    context->site->store = xstrdup(context->store);
    return 0;
}

int cmd_open(struct cmd_context *context, const struct cmd_options *options)
{
    struct mlb_problems problems = MLB_PROBLEMS_INIT;
    struct mlb_error err = { 0 };
    const char *named = getenv("MLBATCH_SCHEDULER");
    int code = 0;

    context->site = site_create();
    if (read_site(context, options->site, &problems, &err) < 0 ||
        (problems.lines.count == 0 &&
         find_store(context, options->store, &err) < 0))
        code = cmd_fail(&err);
    if (problems.lines.count > 0)
        code = cmd_fail_problems(&problems);
    context->scheduler_name = options->scheduler   ? options->scheduler
                              : named && *named    ? named
                              : context->site->scheduler
                                  ? context->site->scheduler
                                  : "auto";
    problems_clear(&problems);
    return code;
}

void cmd_close(struct cmd_context *context)
{
    site_destroy(context->site);
    free(context->store);
    *context = (struct cmd_context)CMD_CONTEXT_INIT;
}

void cmd_add_time(struct mlb_text *out, double time)
{
    char text[64] = "-";
    time_t seconds = (time_t)time;
    struct tm tm;

    if (time > 0 && localtime_r(&seconds, &tm))
        strftime(text, sizeof(text), "%Y-%m-%d %H:%M:%S", &tm);
    text_add(out, text);
}

static bool coloured(void)
{
    const char *no = getenv("NO_COLOR"), *term = getenv("TERM");

    return isatty(1) && !(no && *no) && term && strcmp(term, "dumb") != 0;
}

const char *cmd_colour(enum mlb_state state)
{
    if (!coloured())
        return "";
    if (state == MLB_STATE_RUNNING || state == MLB_STATE_COMPLETED)
        return "\033[32m";
    if (state == MLB_STATE_PENDING || !state_is_final(state))
        return "\033[33m";
    return "\033[31m";
}

const char *cmd_colour_end(void)
{
    return coloured() ? "\033[0m" : "";
}
