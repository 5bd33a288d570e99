/* SPDX-License-Identifier: BSD-3-Clause */
/* mlbatch doctor: what works here, line by line, and how to mend the rest. */
#include "config.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "base/files.h"
#include "base/json.h"
#include "base/process.h"
#include "cmd/cmd.h"

/* missing: mlbatch cannot do its work; absent: it does without. */
enum verdict { VERDICT_OK, VERDICT_ABSENT, VERDICT_MISSING };

struct finding {
    enum verdict verdict;
    char *what, *text;
};

struct findings {
    struct finding *items;
    size_t count;
};

static void add(struct findings *f, enum verdict verdict, const char *what,
                const char *text)
{
    f->items = xrealloc(f->items, (f->count + 1) * sizeof(*f->items));
    f->items[f->count++] =
        (struct finding){ verdict, xstrdup(what), xstrdup(text) };
}

static void look_at_store(const struct cmd_context *context,
                          struct findings *f)
{
    struct mlb_error err = { 0 };
    struct mlb_text t = MLB_TEXT_INIT;
    char *probe = xasprintf("%s/.doctor-%ld", context->store, (long)getpid());

    if (files_mkdirs(context->store, &err) == 0 &&
        files_publish(probe, "", 0, 0600, &err) == 0) {
        unlink(probe);
        add(f, VERDICT_OK, "store", context->store);
    } else {
        text_addf(&t, "%s; choose another with --store, MLBATCH_STORE or "
                  "store = in the site file", err.text);
        add(f, VERDICT_MISSING, "store", t.data);
    }
    text_clear(&t);
    free(probe);
}

static void look_at_site(const struct cmd_context *context,
                         struct findings *f)
{
    const struct mlb_site *site = context->site;
    struct mlb_text t = MLB_TEXT_INIT;

    for (size_t i = 0; i < site->sources.count; i++)
        text_addf(&t, "%s%s", i ? ", " : "", site->sources.items[i]);
    if (site->launcher_count == 0)
        add(f, VERDICT_MISSING, "site",
            "no site file with launchers was found; install etc/mlbatch.conf "
            "or name one with --site");
    else
        add(f, VERDICT_OK, "site", t.data);
    text_clear(&t);
}

static void look_at_schedulers(const struct cmd_context *context,
                               struct findings *f)
{
    bool any = false;

    for (size_t i = 0; schedulers[i]; i++) {
        struct mlb_probe probe = { { 0 }, { 0 } };
        struct mlb_error err = { 0 };
        if (schedulers[i]->probe(context->site, &probe, &err) < 0) {
            add(f, VERDICT_ABSENT, schedulers[i]->name, err.text);
            continue;
        }
        any = true;
        char *text = xasprintf("%s: %s", probe.version, probe.text);
        add(f, VERDICT_OK, schedulers[i]->name, text);
        free(text);
    }
#ifndef HAVE_SLURM
    add(f, VERDICT_ABSENT, "slurm", "this build has no Slurm; install "
        "libslurm-dev and configure again");
#endif
    if (!any)
        add(f, VERDICT_MISSING, "scheduler", "none answers");
}

/* What of a run works in another way on PBS, or not at all. */
static void look_at_pbs(const struct cmd_context *context,
                        struct findings *f)
{
    struct mlb_probe probe = { { 0 }, { 0 } };
    int torque = pbs_is_torque(NULL);

    if (torque < 0 || scheduler_pbs.probe(context->site, &probe, NULL) < 0)
        return;
    if (process_exists("pbs_tmrsh"))
        add(f, VERDICT_OK, "pbs nodes",
            "ranks start on other nodes by pbs_tmrsh, if jobs find it, too");
    else
        add(f, VERDICT_ABSENT, "pbs nodes",
            "there is no pbs_tmrsh here: if jobs have none either, ranks "
            "start on other nodes by ssh, of which PBS does not know");
    add(f, VERDICT_ABSENT, "pbs limits",
        "what queues allow is not looked at before a job is submitted: qsub "
        "refuses what is too much, or the job waits (mlbatch status says "
        "why); partitions in the site file are looked at");
    add(f, VERDICT_ABSENT, "pbs requeue",
        "users cannot have a job started again: a run goes on as another "
        "job, which its nodes must be allowed to submit");
    if (torque)
        add(f, VERDICT_ABSENT, "pbs log",
            "Torque copies a job's own words to the run when it ends, so the "
            "script writes the log; what Torque itself says is lost");
}

/* Each launcher's programs, on the schedulers that are not templates of the
 * agent itself. */
static void look_at_launchers(const struct cmd_context *context,
                              struct findings *f)
{
    for (size_t i = 0; i < context->site->launcher_count; i++) {
        const struct mlb_launcher *l = &context->site->launchers[i];
        const struct {
            const char *on;
            const struct mlb_strings *argv;
        } rows[] = { { "slurm", &l->slurm }, { "pbs", &l->pbs },
                     { "local", &l->local } };
        for (size_t k = 0; k < 3; k++) {
            const char *program = rows[k].argv->items[0];
            if (!program || program[0] == '$')
                continue;
            bool here = process_exists(program);
            char *what = xasprintf("launcher %s", l->name);
            char *text = xasprintf(here ? "on %s by %s"
                                        : "on %s it needs %s, which is not "
                                          "on PATH here",
                                   rows[k].on, program);
            add(f, here ? VERDICT_OK : VERDICT_ABSENT, what, text);
            free(what);
            free(text);
        }
    }
}

/* "NAME: ok: text" or "NAME: unavailable: text", a line each. */
static void take_lines(struct findings *f, char *lines)
{
    char *rest = lines, *line;

    while ((line = strsep(&rest, "\n"))) {
        char *colon = strstr(line, ": ");
        if (!colon)
            continue;
        *colon = '\0';
        bool ok = strncmp(colon + 2, "ok: ", 4) == 0;
        char *text = strstr(colon + 2, ": ");
        add(f, ok ? VERDICT_OK : VERDICT_ABSENT, line,
            text ? text + 2 : colon + 2);
    }
}

static void ask_helper(struct findings *f, const char *program,
                       const char *argument)
{
    struct mlb_text out = MLB_TEXT_INIT;
    struct mlb_error err = { 0 };
    char *path = cmd_helper(program);
    int status = 0;
    const struct process_call call = {
        .argv = (char *[]){ path, (char *)"probe", (char *)argument, NULL },
        .out = &out,
    };

    if (process_run(&call, &status, &err) < 0 || status != 0) {
        char *text = err.text[0] ? xstrdup(err.text)
                                 : xasprintf("%s probe failed", path);
        add(f, VERDICT_MISSING, program, text);
        free(text);
    } else {
        add(f, VERDICT_OK, program, path);
        take_lines(f, out.data);
    }
    text_clear(&out);
    free(path);
}

static int print_findings(const struct findings *f, bool json)
{
    static const struct {
        const char *word;
        enum mlb_state colour;
    } verdicts[] = { { "ok", MLB_STATE_COMPLETED },
                     { "absent", MLB_STATE_PENDING },
                     { "MISSING", MLB_STATE_FAILED } };
    static const char *const json_words[] = { "ok", "absent", "missing" };
    json_t *array = json_array();
    int code = 0;

    for (size_t i = 0; i < f->count; i++) {
        const struct finding *x = &f->items[i];
        if (x->verdict == VERDICT_MISSING)
            code = MLB_ERR_FAILED;
        if (json)
            json_array_append_new(
                array, json_pack("{s:s, s:o, s:o}", "verdict",
                                 json_words[x->verdict], "what",
                                 json_text(x->what), "text",
                                 json_text(x->text)));
        else
            printf("%s%-8s%s %-18s %s\n",
                   cmd_colour(verdicts[x->verdict].colour),
                   verdicts[x->verdict].word, cmd_colour_end(), x->what,
                   x->text);
    }
    if (json) {
        json_t *o = json_pack("{s:i, s:O}", "schema", 1, "findings", array);
        json_print(o);
        json_decref(o);
    }
    json_decref(array);
    return code;
}

struct arguments {
    struct cmd_options common;
    bool json;
};

static const struct argp_option options[] = {
    { .name = "json", .key = 'j', .doc = "Print JSON" },
    { 0 },
};

static error_t parse(int key, char *arg, struct argp_state *state)
{
    struct arguments *a = state->input;

    (void)arg;
    if (key == ARGP_KEY_INIT)
        state->child_inputs[0] = &a->common;
    else if (key == 'j')
        a->json = true;
    else
        return ARGP_ERR_UNKNOWN;
    return 0;
}

int cmd_doctor(int argc, char **argv)
{
    static const struct argp_child children[] = {
        { &cmd_common_argp, 0, NULL, 90 }, { 0 },
    };
    static const struct argp argp = {
        .options = options, .parser = parse, .children = children,
        .doc = "Say what works here, what is absent and what is missing, "
               "with the fix. Exits with 1 if something is missing.",
    };
    struct arguments a = { 0 };
    struct cmd_context context = CMD_CONTEXT_INIT;
    struct findings f = { 0 };

    cmd_parse(&argp, argc, argv, &a);
    int code = cmd_open(&context, &a.common);
    if (code == 0) {
        add(&f, VERDICT_OK, "mlbatch", PACKAGE_VERSION);
        look_at_site(&context, &f);
        look_at_store(&context, &f);
        look_at_schedulers(&context, &f);
        look_at_pbs(&context, &f);
        look_at_launchers(&context, &f);
        ask_helper(&f, "mlbatch-agent", NULL);
        ask_helper(&f, "mlbatch-store", context.store);
        code = print_findings(&f, a.json);
    }
    for (size_t i = 0; i < f.count; i++) {
        free(f.items[i].what);
        free(f.items[i].text);
    }
    free(f.items);
    cmd_close(&context);
    return code;
}
