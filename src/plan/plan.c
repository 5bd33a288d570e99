/* SPDX-License-Identifier: BSD-3-Clause */
/* From what is wanted to what is asked, launched and exported. */
#include "config.h"

#include <ctype.h>
#include <limits.h>
#include <stdlib.h>
#include <string.h>

#include "plan/pbs.h"
#include "plan/script.h"
#include "plan/plan.h"

#define RESTARTS 10              /* restart.max, if it is not given */

static long or_default(long value, long fallback)
{
    return value == MLB_UNSET ? fallback : value;
}

/* A job is planned even if its check found numbers out of bounds, so that
 * all that is wrong is told at once. */
static long product(long a, long b)
{
    long result;

    return __builtin_mul_overflow(a, b, &result) ? LONG_MAX : result;
}

static void set_resources(struct mlb_plan *plan,
                          const struct mlb_resources *r)
{
    plan->nodes = or_default(r->nodes, 1);
    plan->tasks_per_node = or_default(r->tasks_per_node, 1);
    plan->tasks = product(plan->nodes, plan->tasks_per_node);
    plan->cpus_per_task = or_default(r->cpus_per_task, 1);
    plan->gpus_per_task = or_default(r->gpus_per_task, 0);
    plan->gpus_per_node =
        product(plan->gpus_per_task, plan->tasks_per_node);
    plan->cores = product(plan->tasks, plan->cpus_per_task);
    plan->memory_per_node = r->memory_per_node;
    plan->walltime = r->walltime;
    plan->partition = xstrdup(r->partition);
    plan->account = xstrdup(r->account);
    plan->constraint = xstrdup(r->constraint);
}

/* The hardware's counters are read along with the rest, so not more often. */
static void set_counters(struct mlb_plan *plan, const struct mlb_job *job)
{
    if (or_default(job->counters.enabled, 1) == 0)
        return;
    plan->sample_every = or_default(job->counters.every, 1);
    plan->hardware_every = or_default(job->counters.hardware, 10);
    if (plan->hardware_every > 0 &&
        plan->hardware_every < plan->sample_every)
        plan->hardware_every = plan->sample_every;
    plan->mpi_stats = or_default(job->counters.mpi, 0);
}

/* All nodes of a plan are this machine when the scheduler is local. Cores
 * can be shared, at a price that the user should know; GPUs cannot. */
static void fit_local(struct mlb_plan *plan, const struct mlb_job *job,
                      const struct mlb_plan_context *context,
                      struct mlb_problems *problems)
{
    if (plan->cores > context->local_cores) {
        strings_pushf(&plan->notes,
                      "%ld task%s of %ld core%s each share this machine's "
                      "%ld", plan->tasks, plan->tasks == 1 ? "" : "s",
                      plan->cpus_per_task,
                      plan->cpus_per_task == 1 ? "" : "s",
                      context->local_cores);
        plan->cores = context->local_cores;
    } else if (plan->nodes > 1) {
        strings_pushf(&plan->notes,
                      "all %ld nodes of the job are this machine",
                      plan->nodes);
    }
    long gpus = product(plan->tasks, plan->gpus_per_task);
    if (gpus > context->local_gpus)
        problems_add(problems, job_origin(job, "resources.gpus_per_task"),
                     "resources.gpus_per_task: %ld GPUs in all, but this "
                     "machine declares %ld (local.gpus in the site file)",
                     gpus, context->local_gpus);
}

/* What a scheduler may show: job names are free, but a script's #SBATCH
 * lines end at a newline and nobody wants controls on a terminal. */
static char *shown_name(const char *name, bool pbs)
{
    if (pbs)
        return pbs_name(name);
    return text_is_printable(name) && *name ? xstrdup(name)
                                            : text_encode_name(name);
}

/* The variables of a data set: MLB_DATA_TRAIN for one used as "train". */
static void add_data(struct mlb_plan *plan, struct mlb_fields *fields,
                     const struct mlb_fields *data)
{
    for (size_t i = 0; data && i < data->pairs.count; i++) {
        const char *pair = data->pairs.items[i];
        const char *path = strchr(pair, '=') + 1;
        char *as = xstrndup(pair, (size_t)(path - 1 - pair));
        char *field = xasprintf("data.%s", as);
        fields_add(fields, field, path);
        free(field);
        for (char *c = as; *c; c++)
            *c = (char)toupper((unsigned char)*c);
        char *variable = xasprintf("MLB_DATA_%s", as);
        fields_add(&plan->environment, variable, path);
        free(variable);
        free(as);
    }
}

/* The variables of a point: MLB_SWEEP_LR for the value called lr. */
static void add_sweep(struct mlb_plan *plan, struct mlb_fields *fields,
                      const struct mlb_fields *sweep)
{
    for (size_t i = 0; sweep && i < sweep->pairs.count; i++) {
        const char *pair = sweep->pairs.items[i];
        const char *value = strchr(pair, '=') + 1;
        char *field = xasprintf("sweep.%.*s", (int)(value - 1 - pair), pair);
        fields_add(fields, field, value);
        for (char *s = field; *s; s++)
            *s = *s == '.' ? '_' : (char)toupper((unsigned char)*s);
        char *variable = xasprintf("MLB_%s", field);
        fields_add(&plan->environment, variable, value);
        free(variable);
        free(field);
    }
}

/* The names that templates may use; those of launchers are a part of them
 * (job/site.h). */
static void set_fields(struct mlb_fields *fields, const struct mlb_plan *plan,
                       const struct mlb_job *job,
                       const struct mlb_plan_context *context)
{
    fields_add(fields, "run", plan->run);
    fields_add(fields, "run.dir", plan->run_dir);
    fields_add(fields, "job", job->name);
    fields_add(fields, "store", context->store);
    fields_add(fields, "directory", plan->directory);
    fields_addf(fields, "checkpoint.dir", "%s/checkpoints", plan->run_dir);
    fields_addf(fields, "nodes", "%ld", plan->nodes);
    fields_addf(fields, "tasks", "%ld", plan->tasks);
    fields_addf(fields, "tasks_per_node", "%ld", plan->tasks_per_node);
    fields_addf(fields, "cpus_per_task", "%ld", plan->cpus_per_task);
    fields_addf(fields, "gpus_per_task", "%ld", plan->gpus_per_task);
    fields_add(fields, "agent", context->agent);
}

/* What mlb_saver_options_init of libmlbatch reads. */
static void add_checkpoint(struct mlb_fields *env, const struct mlb_job *job)
{
    if (job->checkpoint.keep != MLB_UNSET)
        fields_addf(env, "MLB_CHECKPOINT_KEEP", "%ld", job->checkpoint.keep);
    if (job->checkpoint.keep_every != MLB_UNSET)
        fields_addf(env, "MLB_CHECKPOINT_KEEP_EVERY", "%ld",
                    job->checkpoint.keep_every);
    if (job->checkpoint.best)
        fields_add(env, "MLB_CHECKPOINT_BEST", job->checkpoint.best);
    if (job->checkpoint.keep_best != MLB_UNSET)
        fields_addf(env, "MLB_CHECKPOINT_KEEP_BEST", "%ld",
                    job->checkpoint.keep_best);
    if (job->checkpoint.layout)
        fields_add(env, "MLB_CHECKPOINT_LAYOUT", job->checkpoint.layout);
}

static void set_environment(struct mlb_plan *plan, const struct mlb_job *job,
                            struct mlb_fields *fields,
                            const struct mlb_plan_context *context)
{
    struct mlb_fields *env = &plan->environment;

    fields_add(env, "MLB_RUN", plan->run);
    fields_add(env, "MLB_RUN_DIR", plan->run_dir);
    fields_add(env, "MLB_JOB_NAME", job->name);
    fields_addf(env, "MLB_CHECKPOINT_DIR", "%s/checkpoints", plan->run_dir);
    add_checkpoint(env, job);
    add_data(plan, fields, context->data);
    add_sweep(plan, fields, context->sweep);
    /* Output that appears when it is printed; threads that fit what was
     * asked, where most libraries would take the whole node. */
    if (!fields_get(&job->environment, "PYTHONUNBUFFERED"))
        fields_add(env, "PYTHONUNBUFFERED", "1");
    if (!fields_get(&job->environment, "OMP_NUM_THREADS"))
        fields_addf(env, "OMP_NUM_THREADS", "%ld", plan->cpus_per_task);
    strings_copy(&env->pairs, &job->environment.pairs);
}

/* Fields that are all ours, by how they begin, and what is said of one that
 * is not there: before and after its last part. */
static const struct own_field {
    const char *start, *before, *after;
} own_fields[] = {
    { "${data.", "data set of this job (datasets = ({ name = ...; as = \"",
      "\"; }))" },
    { "${sweep.", "value of this job's sweep (sweep = { grid = { ",
      " = [...]; }; })" },
};

/* ${HOME} belongs to the shell and stays, but ${data.trian} can only be a
 * slip: nobody else has names like that. */
static void check_names(const struct mlb_job *job, const char *word,
                        const struct own_field *own,
                        const struct mlb_fields *fields,
                        struct mlb_problems *problems)
{
    const char *p = word;

    while ((p = strstr(p, own->start))) {
        bool meant = p > word && p[-1] == '$';   /* as it is: $${...} */
        size_t n = strcspn(p, "}");
        if (!p[n])
            return;
        char *name = xstrndup(p + 2, n - 2);
        if (!meant && !fields_get(fields, name))
            problems_add(problems, job_origin(job, "command"),
                         "command: ${%s} names no %s%s%s", name, own->before,
                         strchr(name, '.') + 1, own->after);
        free(name);
        p += n;
    }
}

static void expand_all(const struct mlb_strings *from,
                       const struct mlb_fields *fields,
                       struct mlb_strings *to)
{
    for (size_t i = 0; i < from->count; i++) {
        struct mlb_text t = MLB_TEXT_INIT;
        template_expand(from->items[i], fields, &t);
        strings_push(to, t.data);
        text_clear(&t);
    }
}

static const struct mlb_strings *
find_launch(const struct mlb_job *job, const struct mlb_site *site,
            const char *scheduler, struct mlb_problems *problems)
{
    const char *name = job->launch ? job->launch : "plain";
    const struct mlb_launcher *l = site_launcher(site, name);
    const char *where = job_origin(job, "launch");

    if (!l) {
        const char **names = xcalloc(site->launcher_count, sizeof(char *));
        for (size_t i = 0; i < site->launcher_count; i++)
            names[i] = site->launchers[i].name;
        const char *near = text_suggest(name, names, site->launcher_count);
        problems_add(problems, where,
                     "launch: no launcher \"%s\" at this site%s%s%s", name,
                     near ? ", did you mean \"" : "", near ? near : "",
                     near ? "\"?" : "");
        free(names);
        return NULL;
    }
    const struct mlb_strings *argv =
        strcmp(scheduler, "slurm") == 0 ? &l->slurm
        : strcmp(scheduler, "pbs") == 0 ? &l->pbs
                                        : &l->local;
    if (argv->count == 0) {
        problems_add(problems, where,
                     "launch: launcher \"%s\" has no template for the "
                     "scheduler %s in the site file", name, scheduler);
        return NULL;
    }
    return argv;
}

static void set_command(struct mlb_plan *plan, const struct mlb_job *job,
                        const struct mlb_fields *fields,
                        struct mlb_problems *problems)
{
    for (size_t i = 0; i < job->command.count; i++)
        for (size_t k = 0; k < sizeof(own_fields) / sizeof(own_fields[0]); k++)
            check_names(job, job->command.items[i], &own_fields[k], fields,
                        problems);
    expand_all(&job->command, fields, &plan->command);
}

/* The agent's task as launch line is one process, whatever was asked. */
static void note_single(struct mlb_plan *plan,
                        const struct mlb_plan_context *context)
{
    const struct mlb_strings *l = &plan->launch;

    if (plan->tasks > 1 && l->count > 1 &&
        strcmp(l->items[0], context->agent) == 0 &&
        strcmp(l->items[1], "task") == 0)
        strings_pushf(&plan->notes,
                      "this launcher starts one process; what is asked for "
                      "the other %ld tasks is for it to use",
                      plan->tasks - 1);
}

/* Of a later part of a sweep the same indices are others' points. */
static char *output_of(const struct mlb_plan_context *context)
{
    const char *dir = context->run_dir;

    if (!context->array)
        return xasprintf("%s/out/batch.log", dir);
    if (context->array->offset == 0)
        return xasprintf("%s/out/batch-", dir);
    return xasprintf("%s/out/batch-%ld-", dir, context->array->offset);
}

/* sbatch knows no "%a" in a pattern with a backslash. */
static void set_array(struct mlb_plan *plan, const struct mlb_job *job,
                      const struct mlb_plan_context *context,
                      struct mlb_problems *problems)
{
    if (!context->array)
        return;
    plan->array = *context->array;
    plan->array.indices = xstrdup(context->array->indices);
    if (strchr(plan->output, '\\') && strcmp(plan->scheduler, "slurm") == 0)
        problems_add(problems, job_origin(job, "sweep"),
                     "sweep: %s has a backslash, with which Slurm cannot "
                     "name a log for each point", context->store);
}

struct mlb_plan *plan_create(const struct mlb_job *job,
                             const struct mlb_site *site,
                             const struct mlb_plan_context *context,
                             struct mlb_problems *problems)
{
    struct mlb_fields fields = MLB_FIELDS_INIT;
    struct mlb_plan *plan = xcalloc(1, sizeof(*plan));
    size_t before = problems->lines.count;
    bool pbs = strcmp(context->scheduler, "pbs") == 0;

    *plan = (struct mlb_plan){
        .scheduler = xstrdup(context->scheduler),
        .run = xstrdup(context->run),
        .run_dir = xstrdup(context->run_dir),
        .store = xstrdup(context->store),
        .program = xstrdup(context->program),
        .name = shown_name(job->name, pbs),
        .token = xstrdup(context->token),
        .comment = xasprintf("mlbatch run=%s token=%s", context->run,
                             context->token),
        .directory = xstrdup(context->directory),
        .output = output_of(context),
        .after = MLB_STRINGS_INIT, .conditions = MLB_STRINGS_INIT,
        .hold = context->hold,
        .requeue = job->restart.on.count > 0,
        .options = MLB_STRINGS_INIT, .launch = MLB_STRINGS_INIT,
        .command = MLB_STRINGS_INIT, .environment = MLB_FIELDS_INIT,
        .notes = MLB_STRINGS_INIT, .request = MLB_STRINGS_INIT,
        .torque = pbs && context->torque,
    };
    if (context->after) {
        strings_copy(&plan->after, context->after);
        strings_copy(&plan->conditions, context->conditions);
    }
    set_array(plan, job, context, problems);
    set_resources(plan, &job->resources);
    set_counters(plan, job);
    if (pbs)
        pbs_request(plan, job, problems);
    else if (strcmp(plan->scheduler, "local") == 0)
        fit_local(plan, job, context, problems);
    else
        strings_copy(&plan->options, &job->slurm_options);
    const struct mlb_strings *launch =
        find_launch(job, site, plan->scheduler, problems);
    set_fields(&fields, plan, job, context);
    set_environment(plan, job, &fields, context);
    if (launch)
        expand_all(launch, &fields, &plan->launch);
    set_command(plan, job, &fields, problems);
    note_single(plan, context);
    plan->script = script_render(plan, job, context);
    fields_clear(&fields);
    if (problems->lines.count > before) {
        plan_destroy(plan);
        return NULL;
    }
    return plan;
}

void plan_destroy(struct mlb_plan *plan)
{
    if (!plan)
        return;
    char *owned[] = { plan->scheduler, plan->run, plan->run_dir, plan->store,
                      plan->program, plan->name, plan->token, plan->comment,
                      plan->directory, plan->output, plan->partition,
                      plan->account, plan->constraint, plan->script,
                      plan->array.indices };
    for (size_t i = 0; i < sizeof(owned) / sizeof(owned[0]); i++)
        free(owned[i]);
    strings_clear(&plan->after);
    strings_clear(&plan->conditions);
    strings_clear(&plan->options);
    strings_clear(&plan->request);
    strings_clear(&plan->launch);
    strings_clear(&plan->command);
    fields_clear(&plan->environment);
    strings_clear(&plan->notes);
    free(plan);
}

struct mlb_plan *plan_asked(const struct mlb_job *job)
{
    struct mlb_plan *plan = xcalloc(1, sizeof(*plan));

    *plan = (struct mlb_plan){
        .after = MLB_STRINGS_INIT, .conditions = MLB_STRINGS_INIT,
        .options = MLB_STRINGS_INIT, .launch = MLB_STRINGS_INIT,
        .command = MLB_STRINGS_INIT, .environment = MLB_FIELDS_INIT,
        .notes = MLB_STRINGS_INIT, .request = MLB_STRINGS_INIT,
    };
    set_resources(plan, &job->resources);
    return plan;
}

void plan_agent_fields(const struct mlb_plan *plan, const struct mlb_job *job,
                       const struct mlb_site *site, struct mlb_fields *out)
{
    /* Of PBS's 10 s the agent needs some to write down the end. */
    long kill_wait = strcmp(plan->scheduler, "pbs") == 0 ? 8 : 30;
    const struct {
        const char *name;
        long value;
    } numbers[] = {
        { "nodes", plan->nodes },
        { "tasks", plan->tasks },
        { "tasks_per_node", plan->tasks_per_node },
        { "cpus_per_task", plan->cpus_per_task },
        { "gpus_per_task", plan->gpus_per_task },
        { "walltime", plan->walltime },
        { "memory_per_node", (long)plan->memory_per_node },
        { "peak_gflops", site->peak.gflops },
        { "peak_bandwidth", (long)site->peak.bandwidth },
        { "warn", or_default(job->checkpoint.warn, 0) },
        { "every", or_default(job->checkpoint.every, 0) },
        { "kill_wait", or_default(site->kill_wait, kill_wait) },
        { "sample_every", plan->sample_every },
        { "hardware_every", plan->hardware_every },
        { "mpi_stats", plan->mpi_stats },
        { "restart_max", or_default(job->restart.max, RESTARTS) },
    };
    const char *signal = job->checkpoint.signal;

    fields_add(out, "run", plan->run);
    fields_add(out, "scheduler", plan->scheduler);
    fields_add(out, "directory", plan->directory);
    /* The run's name may hold the word, too, but no blank. */
    fields_add(out, "token", plan->token);
    if (plan->store)
        fields_add(out, "store", plan->store);
    if (plan->program)
        fields_add(out, "program", plan->program);
    if (signal && strcmp(signal, "none") != 0)
        fields_add(out, "signal", signal);
    for (size_t i = 0; i < sizeof(numbers) / sizeof(numbers[0]); i++)
        fields_addf(out, numbers[i].name, "%ld", numbers[i].value);
    for (size_t i = 0; i < plan->conditions.count; i++)
        fields_add(out, "after", plan->conditions.items[i]);
    for (size_t i = 0; i < plan->launch.count; i++)
        fields_add(out, "launch", plan->launch.items[i]);
    for (size_t i = 0; i < plan->command.count; i++)
        fields_add(out, "command", plan->command.items[i]);
    for (size_t i = 0; i < plan->environment.pairs.count; i++)
        fields_add(out, "env", plan->environment.pairs.items[i]);
    for (size_t i = 0; i < job->checkpoint.command.count; i++)
        fields_add(out, "save_command", job->checkpoint.command.items[i]);
    for (size_t i = 0; i < job->restart.on.count; i++)
        fields_add(out, "restart_on",
                   state_name(job_restart_cause(job->restart.on.items[i])));
    for (size_t i = 0; i < job->restart.grow.count; i++)
        fields_add(out, "grow", job->restart.grow.items[i]);
}
