/* SPDX-License-Identifier: BSD-3-Clause */
/* Can the cluster give what the plan asks? */
#include "config.h"

#include <limits.h>
#include <stdlib.h>
#include <string.h>

#include "base/units.h"
#include "plan/plan.h"

void limits_clear(struct mlb_limits *limits)
{
    for (size_t i = 0; i < limits->partition_count; i++)
        free(limits->partitions[i].name);
    free(limits->partitions);
    if (limits->accounts.items)
        strings_clear(&limits->accounts);
    *limits = (struct mlb_limits)MLB_LIMITS_INIT;
}

/* The smaller of two limits, either of which may not be known. */
static long long tighter(long long a, long long b)
{
    if (a == MLB_UNSET || b == MLB_UNSET)
        return a == MLB_UNSET ? b : a;
    return a < b ? a : b;
}

static const struct mlb_partition *
find_partition(const struct mlb_limits *limits, const char *name)
{
    for (size_t i = 0; i < limits->partition_count; i++) {
        const struct mlb_partition *p = &limits->partitions[i];
        if (name ? strcmp(p->name, name) == 0 : p->is_default)
            return p;
    }
    return NULL;
}

/* "did you mean" over names that a function gives; adds to out. */
static void add_names(struct mlb_text *out, const char *word,
                      const char *const *names, size_t count)
{
    const char *near = text_suggest(word, names, count);

    if (near) {
        text_addf(out, ", did you mean \"%s\"?", near);
        return;
    }
    for (size_t i = 0; i < count && i < 10; i++)
        text_addf(out, "%s%s", i ? ", " : " (there are: ", names[i]);
    text_add(out, count ? (count > 10 ? ", ...)" : ")") : "");
}

static void unknown_partition(const struct mlb_plan *plan,
                              const struct mlb_job *job,
                              const struct mlb_limits *limits,
                              struct mlb_problems *problems)
{
    struct mlb_text t = MLB_TEXT_INIT;
    const char **names = xcalloc(limits->partition_count, sizeof(char *));

    for (size_t i = 0; i < limits->partition_count; i++)
        names[i] = limits->partitions[i].name;
    add_names(&t, plan->partition, names, limits->partition_count);
    problems_add(problems, job_origin(job, "resources.partition"),
                 "resources.partition: no partition \"%s\"%s",
                 plan->partition, t.data);
    text_clear(&t);
    free(names);
}

static void check_account(const struct mlb_plan *plan,
                          const struct mlb_job *job,
                          const struct mlb_limits *limits,
                          struct mlb_problems *problems)
{
    struct mlb_text t = MLB_TEXT_INIT;

    if (!plan->account || !limits->accounts_known ||
        strings_have(&limits->accounts, plan->account))
        return;
    add_names(&t, plan->account, (const char *const *)limits->accounts.items,
              limits->accounts.count);
    problems_add(problems, job_origin(job, "resources.account"),
                 "resources.account: you cannot charge account \"%s\"%s",
                 plan->account, t.data);
    text_clear(&t);
}

/* One row a limit: which key asks, how much is asked, how much there is. */
struct limit_row {
    const char *key;
    long long asked, most;
    void (*show)(struct mlb_text *out, long long value);
    const char *what;
};

static void show_count(struct mlb_text *out, long long value)
{
    text_addf(out, "%lld", value);
}

static void show_time(struct mlb_text *out, long long value)
{
    units_add_clock(out, (long)value);
}

/* partition NULL: the limits are what the widest of them has. */
static void check_rows(const struct limit_row *rows, size_t count,
                       const char *partition, const struct mlb_job *job,
                       struct mlb_problems *problems)
{
    for (size_t i = 0; i < count; i++) {
        const struct limit_row *row = &rows[i];
        struct mlb_text t = MLB_TEXT_INIT;
        if (row->most == MLB_UNSET || row->asked == MLB_UNSET ||
            row->asked <= row->most)
            continue;
        row->show(&t, row->asked);
        text_addf(&t, " %s, but ", row->what);
        if (partition)
            text_addf(&t, "partition \"%s\" has at most ", partition);
        else
            text_add(&t, "no partition has more than ");
        row->show(&t, row->most);
        problems_add(problems, job_origin(job, row->key), "%s: %s", row->key,
                     t.data);
        text_clear(&t);
    }
}

static const struct mlb_partition nothing_known = {
    .usable = true, .nodes = MLB_UNSET, .max_nodes = MLB_UNSET,
    .max_walltime = MLB_UNSET, .cpus_per_node = MLB_UNSET,
    .gpus_per_node = MLB_UNSET, .memory_per_node = MLB_UNSET,
};
static const struct mlb_site_partition nothing_said = {
    .max_nodes = MLB_UNSET, .max_walltime = MLB_UNSET,
    .cpus_per_node = MLB_UNSET, .gpus_per_node = MLB_UNSET,
    .memory_per_node = MLB_UNSET,
};

/* The larger of two limits; one that is not known may be any. */
static long long wider(long long a, long long b)
{
    if (a == MLB_UNSET || b == MLB_UNSET)
        return MLB_UNSET;
    return a > b ? a : b;
}

/* What some partition can give. */
static struct mlb_partition widest(const struct mlb_limits *limits)
{
    struct mlb_partition w = limits->partitions[0];

    w.nodes = (long)tighter(w.nodes, w.max_nodes);
    for (size_t i = 1; i < limits->partition_count; i++) {
        const struct mlb_partition *p = &limits->partitions[i];
        w.nodes = (long)wider(w.nodes, tighter(p->nodes, p->max_nodes));
        w.max_walltime = (long)wider(w.max_walltime, p->max_walltime);
        w.cpus_per_node = (long)wider(w.cpus_per_node, p->cpus_per_node);
        w.gpus_per_node = (long)wider(w.gpus_per_node, p->gpus_per_node);
        w.memory_per_node = wider(w.memory_per_node, p->memory_per_node);
    }
    w.max_nodes = w.nodes;
    w.usable = true;
    return w;
}

static void check_partition(const struct mlb_plan *plan,
                            const struct mlb_job *job,
                            const struct mlb_partition *p,
                            const struct mlb_site_partition *s,
                            struct mlb_problems *problems)
{
    long cpus;

    if (__builtin_mul_overflow(plan->tasks_per_node, plan->cpus_per_task,
                               &cpus))
        cpus = LONG_MAX;
    const struct limit_row rows[] = {
        { "resources.nodes", plan->nodes,
          tighter(tighter(p->nodes, p->max_nodes), s->max_nodes),
          show_count, "nodes" },
        { "resources.cpus_per_task", cpus,
          tighter(p->cpus_per_node, s->cpus_per_node), show_count,
          "CPUs on each node" },
        { "resources.gpus_per_task", plan->gpus_per_node,
          tighter(p->gpus_per_node, s->gpus_per_node), show_count,
          "GPUs on each node" },
        { "resources.memory_per_node", plan->memory_per_node,
          tighter(p->memory_per_node, s->memory_per_node), units_add_size,
          "of memory on each node" },
        { "resources.walltime", plan->walltime,
          tighter(p->max_walltime, s->max_walltime), show_time,
          "of walltime" },
    };
    check_rows(rows, sizeof(rows) / sizeof(rows[0]), p->name, job, problems);
}

void plan_fit(const struct mlb_plan *plan, const struct mlb_job *job,
              const struct mlb_site *site, const struct mlb_limits *limits,
              struct mlb_problems *problems)
{
    const struct mlb_partition *found =
        find_partition(limits, plan->partition);
    struct mlb_partition p = found ? *found : nothing_known;
    /* Slurm takes a list, and the first that will do: for it to judge. */
    bool list = plan->partition && strchr(plan->partition, ',');

    check_account(plan, job, limits, problems);
    if (!found && !list && plan->partition && limits->partition_count > 0) {
        unknown_partition(plan, job, limits, problems);
        p = widest(limits);
        p.name = NULL;
        check_partition(plan, job, &p, &nothing_said, problems);
        return;
    }
    if (!found)
        p.name = plan->partition ? plan->partition : (char *)"-";
    const struct mlb_site_partition *s = site_partition(site, p.name);
    if (!p.usable)
        problems_add(problems, job_origin(job, "resources.partition"),
                     "resources.partition: partition \"%s\" takes no jobs "
                     "from you now (it is down, or not for your account)",
                     p.name);
    check_partition(plan, job, &p, s ? s : &nothing_said, problems);
}
