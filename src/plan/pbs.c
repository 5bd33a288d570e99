/* SPDX-License-Identifier: BSD-3-Clause */
/* What qsub is asked: resources in the words of OpenPBS or of Torque. */
#include "config.h"

#include <ctype.h>
#include <stdlib.h>
#include <string.h>

#include "plan/pbs.h"

#define MiB (1LL << 20)

/* Longer names, and some bytes, are refused by versions that are still in
 * use; some want a letter first. */
#define NAME_LENGTH 15
#define NAME_BYTES "abcdefghijklmnopqrstuvwxyz" \
                   "ABCDEFGHIJKLMNOPQRSTUVWXYZ0123456789_.+-"
#define PATH_BYTES NAME_BYTES "/=@%~"

/* Options of qsub as getopt has them: a colon for one with a value. */
static const char openpbs_options[] =
    "a:A:c:C:e:fGhIj:J:k:l:m:M:N:o:p:P:q:r:R:S:u:v:VW:Xz";
static const char torque_options[] =
    "a:A:b:c:C:d:D:e:fF:hIj:k:K:l:L:m:M:nN:o:p:P:q:r:S:t:T:u:v:VW:w:xXz";

/* Those that would take from mlbatch what it needs. */
static const struct {
    char letter;
    const char *why;
} refused[] = {
    { 'C', "mlbatch gives all options itself" },
    { 'I', "a run is not interactive" },
    { 'J', "arrays come of sweep" },
    { 'S', "the script is one for /bin/sh" },
    { 't', "arrays come of sweep" },
    { 'v', "use environment = { NAME = \"value\"; }, which others cannot "
           "read" },
    { 'x', "a run is not interactive" },
    { 'X', "a run is not interactive" },
    { 'z', "mlbatch must be told the job's id" },
};

char *pbs_name(const char *name)
{
    char made[NAME_LENGTH + 1] = "";
    size_t n = 0;

    if (!isalpha((unsigned char)name[0]))
        made[n++] = 'j';
    for (; *name && n < NAME_LENGTH; name++) {
        /* One for a character, however many bytes it has. */
        if (((unsigned char)*name & 0xc0) == 0x80)
            continue;
        made[n++] = strchr(NAME_BYTES, *name) ? *name : '_';
    }
    return xstrdup(made);
}

static bool is_plain_path(const char *path)
{
    return path[strspn(path, PATH_BYTES)] == '\0';
}

/* Torque copies its file to its place at the end, over that of an earlier
 * attempt. And PBS's paths have a host before a colon, a list after a comma
 * and ^array_index^: whatever is not plain the script opens itself. */
bool pbs_script_logs(const struct mlb_plan *plan)
{
    return plan->torque || !is_plain_path(plan->output);
}

static void option(struct mlb_strings *to, const char *letter,
                   const char *value)
{
    strings_push(to, letter);
    strings_push(to, value);
}

/* Does one of the user's own -l ask for this resource? */
static bool is_asked(const struct mlb_strings *options, const char *name)
{
    size_t n = strlen(name);

    for (size_t i = 0; i < options->count; i++) {
        const char *list = options->items[i];
        if (strncmp(list, "-l", 2) != 0)
            continue;
        if (!list[2] && i + 1 < options->count)
            list = options->items[++i];
        else
            list += 2;
        for (; *list; list += strcspn(list, ","), list += *list == ',')
            if (strncmp(list, name, n) == 0 && list[n] == '=')
                return true;
    }
    return false;
}

/* -l NAME=value, unless the user said it in PBS's words. */
static void resource(struct mlb_plan *plan, const char *name, char *value)
{
    if (is_asked(&plan->options, name)) {
        strings_pushf(&plan->notes, "pbs.options say %s, in place of what "
                      "resources ask (%s=%s)", name, name, value);
    } else {
        strings_push(&plan->request, "-l");
        strings_pushf(&plan->request, "%s=%s", name, value);
    }
    free(value);
}

static long long megabytes(long long bytes)
{
    return bytes / MiB + (bytes % MiB != 0);
}

static long cpus_per_node(const struct mlb_plan *plan)
{
    long cpus;

    if (__builtin_mul_overflow(plan->tasks_per_node, plan->cpus_per_task,
                               &cpus))
        return plan->cores;
    return cpus;
}

/* A chunk a node; "scatter", for else PBS puts two on one host if they fit.
 * mpiprocs is how often PBS_NODEFILE has the host. */
static void add_select(struct mlb_plan *plan)
{
    struct mlb_text t = MLB_TEXT_INIT;

    text_addf(&t, "%ld:ncpus=%ld:mpiprocs=%ld", plan->nodes,
              cpus_per_node(plan), plan->tasks_per_node);
    if (plan->gpus_per_node > 0)
        text_addf(&t, ":ngpus=%ld", plan->gpus_per_node);
    if (plan->memory_per_node != MLB_UNSET)
        text_addf(&t, ":mem=%lldmb", megabytes(plan->memory_per_node));
    if (plan->constraint)
        text_addf(&t, ":%s", plan->constraint);
    resource(plan, "select", text_detach(&t));
    resource(plan, "place", xstrdup("scatter"));
}

/* ppn counts CPUs; mem is that of the whole job. */
static void add_nodes(struct mlb_plan *plan)
{
    struct mlb_text t = MLB_TEXT_INIT;
    long long memory;

    text_addf(&t, "%ld:ppn=%ld", plan->nodes, cpus_per_node(plan));
    if (plan->gpus_per_node > 0)
        text_addf(&t, ":gpus=%ld", plan->gpus_per_node);
    if (plan->constraint)
        text_addf(&t, ":%s", plan->constraint);
    resource(plan, "nodes", text_detach(&t));
    if (plan->memory_per_node != MLB_UNSET &&
        !__builtin_mul_overflow(megabytes(plan->memory_per_node),
                                (long long)plan->nodes, &memory))
        resource(plan, "mem", xasprintf("%lldmb", memory));
}

static void add_resources(struct mlb_plan *plan)
{
    if (plan->torque)
        add_nodes(plan);
    else
        add_select(plan);
    /* Days are no part of PBS's times; hours may be over 24. */
    if (plan->walltime != MLB_UNSET)
        resource(plan, "walltime",
                 xasprintf("%02ld:%02ld:%02ld", plan->walltime / 3600,
                           plan->walltime / 60 % 60, plan->walltime % 60));
    if (plan->partition)
        option(&plan->request, "-q", plan->partition);
    if (plan->account)
        option(&plan->request, "-A", plan->account);
}

/* It becomes a part of select or nodes, and must not become more. */
static void check_constraint(const struct mlb_plan *plan,
                             const struct mlb_job *job,
                             struct mlb_problems *problems)
{
    const char *c = plan->constraint;
    const char *where = job_origin(job, "resources.constraint");

    if (!c)
        return;
    if (c[strspn(c, NAME_BYTES "=:[]")] || strchr(c, '+')) {
        char *shown = text_printable(c);
        problems_add(problems, where, "resources.constraint: \"%s\" has "
                     "bytes that PBS has no place for", shown);
        free(shown);
    } else if (plan->torque ? strchr(c, '=') != NULL : !strchr(c, '=')) {
        problems_add(problems, where, "resources.constraint: on %s, not "
                     "\"%s\"", plan->torque
                         ? "Torque it is a property, as in \"a100\""
                         : "PBS it is a resource and its value, as in "
                           "\"gpu_type=a100\"", c);
    }
}

static const char *why_refused(char letter, const char *value, bool torque)
{
    const char *known = torque ? torque_options : openpbs_options;

    if (letter == ':' || !strchr(known, letter))
        return torque ? "Torque's qsub does not know it"
                      : "qsub does not know it";
    for (size_t i = 0; i < sizeof(refused) / sizeof(refused[0]); i++)
        if (refused[i].letter == letter)
            return refused[i].why;
    if (letter == 'W' && value && strstr(value, "block="))
        return "use mlbatch submit --wait";
    return NULL;
}

static void option_problem(const struct mlb_job *job, const char *word,
                           const char *why, struct mlb_problems *problems)
{
    char *shown = text_printable(word);

    problems_add(problems, job_origin(job, "pbs.options"),
                 "pbs.options: \"%s\": %s", shown, why);
    free(shown);
}

/* One word of options, which may hold several letters; the place of the next
 * one. */
static size_t check_option(const struct mlb_plan *plan,
                           const struct mlb_job *job, size_t at,
                           struct mlb_problems *problems)
{
    const char *word = job->pbs_options.items[at];
    const char *value = job->pbs_options.items[at + 1];
    const char *known = plan->torque ? torque_options : openpbs_options;

    if (word[0] != '-' || !word[1] || word[1] == '-') {
        option_problem(job, word, "is no option of qsub (they are a dash and "
                       "a letter)", problems);
        return at + 1;
    }
    for (const char *p = word + 1; *p; p++) {
        const char *row = *p == ':' ? NULL : strchr(known, *p);
        bool takes = row && row[1] == ':';
        const char *given = !takes ? NULL : p[1] ? p + 1 : value;
        const char *why = why_refused(*p, given, plan->torque);
        if (!why && takes && !given)
            why = "needs a value";
        if (why) {
            option_problem(job, word, why, problems);
            return at + 1 + (takes && !p[1] && value);
        }
        if (takes)
            return at + (p[1] ? 1 : 2);
    }
    return at + 1;
}

/* One that is deleted before it ever ran does not count as ended, and the job
 * waits for ever: explain says so. */
static void add_after(struct mlb_plan *plan)
{
    struct mlb_text value = MLB_TEXT_INIT;

    text_add(&value, "depend=afterany");
    for (size_t i = 0; i < plan->after.count; i++)
        text_addf(&value, ":%s", plan->after.items[i]);
    if (plan->after.count > 0)
        option(&plan->request, "-W", value.data);
    text_clear(&value);
}

void pbs_request(struct mlb_plan *plan, const struct mlb_job *job,
                 struct mlb_problems *problems)
{
    struct mlb_strings *to = &plan->request;

    strings_copy(&plan->options, &job->pbs_options);
    for (size_t i = 0; i < plan->options.count;)
        i = check_option(plan, job, i, problems);
    check_constraint(plan, job, problems);
    option(to, "-N", plan->name);
    option(to, "-S", job->modules.count > 0 ? "/bin/bash" : "/bin/sh");
    option(to, "-j", "oe");
    option(to, "-o", pbs_script_logs(plan) ? "/dev/null" : plan->output);
    /* Else the log comes when the job has ended, or never. */
    if (!pbs_script_logs(plan))
        option(to, "-k", "oed");
    option(to, "-W", "umask=077");
    add_after(plan);
    add_resources(plan);
    if (plan->hold)
        strings_push(to, "-h");
    strings_push(to, "-v");
    strings_pushf(to, "MLB_TOKEN=%s", plan->token);
    strings_copy(to, &plan->options);
}
