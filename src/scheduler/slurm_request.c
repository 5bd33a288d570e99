/* SPDX-License-Identifier: BSD-3-Clause */
/* A plan as the message that sbatch would send for the plan's script. */
#include "config.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/resource.h>
#include <sys/stat.h>
#include <unistd.h>

#include "base/process.h"
#include "scheduler/environment.h"
#include "scheduler/slurm_parts.h"

/* The message has 16 bits for most counts; the uppermost values are flags. */
#define MOST_16 0xfff0L

char *slurm_request_keep(struct slurm_request *request, const char *s)
{
    strings_push(&request->owned, s);
    return request->owned.items[request->owned.count - 1];
}

static void set_number(struct mlb_strings *env, const char *name,
                       unsigned long long value)
{
    char text[32];

    snprintf(text, sizeof(text), "%llu", value);
    environment_set(env, name, text);
}

/* The limits of the submitter hold on the node as well, for as far as the
 * site propagates them: slurmd looks for each of these. */
static void add_limits(struct mlb_strings *env)
{
    static const struct {
        const char *name;
        int resource;
    } limits[] = {
        { "SLURM_RLIMIT_CPU", RLIMIT_CPU },
        { "SLURM_RLIMIT_FSIZE", RLIMIT_FSIZE },
        { "SLURM_RLIMIT_DATA", RLIMIT_DATA },
        { "SLURM_RLIMIT_STACK", RLIMIT_STACK },
        { "SLURM_RLIMIT_CORE", RLIMIT_CORE },
        { "SLURM_RLIMIT_RSS", RLIMIT_RSS },
        { "SLURM_RLIMIT_NPROC", RLIMIT_NPROC },
        { "SLURM_RLIMIT_NOFILE", RLIMIT_NOFILE },
        { "SLURM_RLIMIT_MEMLOCK", RLIMIT_MEMLOCK },
        { "SLURM_RLIMIT_AS", RLIMIT_AS },
    };

    for (size_t i = 0; i < sizeof(limits) / sizeof(limits[0]); i++) {
        struct rlimit limit;
        if (getrlimit((__rlimit_resource_t)limits[i].resource, &limit) == 0)
            set_number(env, limits[i].name, limit.rlim_cur);
    }
}

/* What sbatch adds to the environment: slurmd and the site's prologs read
 * some, programs in the job the others. */
static void add_variables(struct mlb_strings *env,
                          const struct mlb_plan *plan)
{
    char text[32];
    char *directory = getcwd(NULL, 0);
    mode_t mask = umask(0);

    umask(mask);
    environment_set(env, "SLURM_JOB_NAME", plan->name);
    environment_set(env, "SLURM_OPEN_MODE", "a");
    add_limits(env);
    snprintf(text, sizeof(text), "%d", getpriority(PRIO_PROCESS, 0));
    environment_set(env, "SLURM_PRIO_PROCESS", text);
    environment_set(env, "SLURM_SUBMIT_DIR", directory ? directory : "/");
    environment_set(env, "SLURM_SUBMIT_HOST", process_host());
    snprintf(text, sizeof(text), "%04o", (unsigned)mask);
    environment_set(env, "SLURM_UMASK", text);
    if (plan->gpus_per_task > 0)
        set_number(env, "SLURM_GPUS_PER_TASK",
                   (unsigned long long)plan->gpus_per_task);
    set_number(env, "SLURM_CPUS_PER_TASK",
               (unsigned long long)plan->cpus_per_task);
    set_number(env, "SLURM_NPROCS", (unsigned long long)plan->tasks);
    set_number(env, "SLURM_NTASKS", (unsigned long long)plan->tasks);
    set_number(env, "SLURM_NTASKS_PER_NODE",
               (unsigned long long)plan->tasks_per_node);
    free(directory);
}

static char *keep_output(struct slurm_request *r, const struct mlb_plan *plan)
{
    struct mlb_text t = MLB_TEXT_INIT;

    pattern_add_output(&t, plan);
    char *kept = slurm_request_keep(r, t.data);
    text_clear(&t);
    return kept;
}

static char *keep_or_null(struct slurm_request *r, const char *s)
{
    return s ? slurm_request_keep(r, s) : NULL;
}

static void set_texts(struct slurm_request *r, const struct mlb_plan *plan)
{
    job_desc_msg_t *m = &r->message;

    m->name = slurm_request_keep(r, plan->name);
    m->comment = slurm_request_keep(r, plan->comment);
    m->work_dir = slurm_request_keep(r, plan->directory);
    m->std_in = slurm_request_keep(r, "/dev/null");
    m->std_out = keep_output(r, plan);
    m->partition = keep_or_null(r, plan->partition);
    m->account = keep_or_null(r, plan->account);
    m->features = keep_or_null(r, plan->constraint);
    m->script = slurm_request_keep(r, plan->script);
    /* What `sbatch RUN_DIR/script` would show as the command. */
    char *script = xasprintf("%s/script", plan->run_dir);
    r->argv[0] = slurm_request_keep(r, script);
    free(script);
    m->argc = 1;
    m->argv = r->argv;
}

static void set_numbers(struct slurm_request *r, const struct mlb_plan *plan)
{
    job_desc_msg_t *m = &r->message;

    m->user_id = getuid();
    m->group_id = getgid();
    m->open_mode = OPEN_MODE_APPEND;
    m->min_nodes = m->max_nodes = (uint32_t)plan->nodes;
    m->num_tasks = (uint32_t)plan->tasks;
    m->ntasks_per_node = (uint16_t)plan->tasks_per_node;
    m->cpus_per_task = (uint16_t)plan->cpus_per_task;
    /* sbatch derives these two and the flags from options that were given,
     * and the plan's script gives both. */
    m->min_cpus = (uint32_t)(plan->tasks * plan->cpus_per_task);
    m->pn_min_cpus = (uint16_t)plan->cpus_per_task;
    m->bitflags |= JOB_NTASKS_SET | JOB_CPUS_SET;
    m->task_dist = SLURM_DIST_UNKNOWN;
    /* Here sbatch says no, where the default is not to say anything. */
    m->contiguous = m->mail_type = m->mem_bind_type = 0;
    if (plan->memory_per_node != MLB_UNSET)
        m->pn_min_memory =
            (uint64_t)((plan->memory_per_node + 1048575) / 1048576);
    if (plan->walltime != MLB_UNSET)
        m->time_limit = (uint32_t)((plan->walltime + 59) / 60);
    if (plan->array.points > 0) {
        char *array = plan->array.at_once == MLB_UNSET
                          ? xstrdup(plan->array.indices)
                          : xasprintf("%s%%%ld", plan->array.indices,
                                      plan->array.at_once);
        m->array_inx = slurm_request_keep(r, array);
        free(array);
    }
    if (plan->hold)
        m->priority = 0;
    if (plan->requeue)
        m->requeue = 1;
    if (plan->gpus_per_task > 0) {
        char text[64];
        snprintf(text, sizeof(text), "gres:gpu:%ld", plan->gpus_per_task);
        m->tres_per_task = slurm_request_keep(r, text);
    }
}

/* Jobs that must end before. What sbatch tells the job of it, too. */
static int set_after(struct slurm_request *r, const struct mlb_plan *plan,
                     struct mlb_error *err)
{
    struct mlb_text t = MLB_TEXT_INIT;

    if (plan->after.count == 0)
        return 0;
    if (r->message.dependency)
        return mlb_error_set(err, MLB_ERR_REFUSED,
                             "slurm.options: --dependency cannot be given "
                             "together with \"after\"");
    text_add(&t, "afterany");
    for (size_t i = 0; i < plan->after.count; i++)
        text_addf(&t, ":%s", plan->after.items[i]);
    r->message.dependency = slurm_request_keep(r, t.data);
    environment_set(&r->environment, "SLURM_JOB_DEPENDENCY", t.data);
    text_clear(&t);
    return 0;
}

int slurm_request_build(struct slurm_request *request,
                        const struct mlb_plan *plan, struct mlb_error *err)
{
    *request = (struct slurm_request){
        .environment = MLB_STRINGS_INIT, .owned = MLB_STRINGS_INIT,
    };
    if (plan->tasks_per_node > MOST_16 || plan->cpus_per_task > MOST_16 ||
        plan->tasks > 0xfffffff0L / plan->cpus_per_task)
        return mlb_error_set(err, MLB_ERR_REFUSED,
                             "%ld tasks of %ld cores are more than Slurm can "
                             "be asked for", plan->tasks, plan->cpus_per_task);
    slurm_init_job_desc_msg(&request->message);
    set_texts(request, plan);
    set_numbers(request, plan);
    environment_inherit(environ, &request->environment);
    add_variables(&request->environment, plan);
    if (slurm_options_apply(request, &plan->options, err) < 0 ||
        set_after(request, plan, err) < 0)
        return -1;
    request->message.environment = request->environment.items;
    request->message.env_size = (uint32_t)request->environment.count;
    return 0;
}

void slurm_request_clear(struct slurm_request *request)
{
    strings_clear(&request->environment);
    strings_clear(&request->owned);
}
