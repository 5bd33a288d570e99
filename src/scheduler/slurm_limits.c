/* SPDX-License-Identifier: BSD-3-Clause */
/* What Slurm can give this user: partitions, their nodes, accounts. */
#include "config.h"

#include <errno.h>
#include <grp.h>
#include <pwd.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>
#include <slurm/slurm_errno.h>
#include <slurm/slurmdb.h>

#include "scheduler/slurm_parts.h"

#define MIB 1048576LL
/* A bit of AccountingStorageEnforce: jobs need a known account. Slurm's
 * public headers do not name it. */
#define ENFORCE_ASSOCIATIONS 0x0001

/* Is one of words in the comma-separated list? */
static bool list_has_any(const char *list, const struct mlb_strings *words)
{
    for (const char *p = list; *p;) {
        size_t n = strcspn(p, ",");
        for (size_t i = 0; i < words->count; i++)
            if (strlen(words->items[i]) == n &&
                strncmp(words->items[i], p, n) == 0)
                return true;
        p += n + (p[n] == ',');
    }
    return false;
}

static bool list_has_all(const char *list, const struct mlb_strings *words)
{
    for (size_t i = 0; i < words->count; i++) {
        struct mlb_strings one = { &words->items[i], 1 };
        if (!list_has_any(list, &one))
            return false;
    }
    return words->count > 0;
}

/* The GPUs in "gpu:a100:4(S:0-1),gpu:2,nvme:1". */
static long count_gpus(const char *gres)
{
    long total = 0;

    for (const char *p = gres ? gres : ""; *p;) {
        size_t n = strcspn(p, ",(");
        const char *colon = memrchr(p, ':', n);
        if (strncmp(p, "gpu", 3) == 0 && (n == 3 || p[3] == ':')) {
            long count = colon ? strtol(colon + 1, NULL, 10) : 1;
            /* "gpu:a100" is one of them. */
            total += count > 0 ? count : 1;
        }
        p += n;
        /* Sockets in brackets hold commas, too. */
        if (*p == '(')
            p += strcspn(p, ")");
        p += strcspn(p, ",");
        p += *p == ',';
    }
    return total;
}

static void add_node(struct mlb_partition *to, const node_info_t *node)
{
    long cpus = node->cpus_efctv ? node->cpus_efctv : node->cpus;
    long gpus = count_gpus(node->gres);
    long long memory =
        (long long)(node->real_memory - node->mem_spec_limit) * MIB;

    if (cpus > to->cpus_per_node)
        to->cpus_per_node = cpus;
    if (gpus > to->gpus_per_node)
        to->gpus_per_node = gpus;
    if (memory > to->memory_per_node)
        to->memory_per_node = memory;
}

/* Nodes that are down today count: they come back, and a job may wait. */
static void add_nodes(struct mlb_partition *to, const partition_info_t *from,
                      const node_info_msg_t *nodes)
{
    const int32_t *range = from->node_inx;

    for (; range && range[0] >= 0; range += 2)
        for (int32_t i = range[0]; i <= range[1]; i++)
            if ((uint32_t)i < nodes->record_count &&
                nodes->node_array[i].name)
                add_node(to, &nodes->node_array[i]);
    long most = from->max_cpus_per_node;
    if (from->max_cpus_per_node != INFINITE &&
        from->max_cpus_per_node != NO_VAL && most > 0 &&
        most < to->cpus_per_node)
        to->cpus_per_node = most;
}

static bool is_limit(uint32_t value)
{
    return value != INFINITE && value != NO_VAL;
}

/* Roughly: reservations and QOS decide as well, and only Slurm itself knows
 * all of its rules. When in doubt a partition is usable. */
static bool is_usable(const partition_info_t *p,
                      const struct mlb_limits *limits,
                      const struct mlb_strings *groups)
{
    bool root = getuid() == 0;

    if (!(p->state_up & PARTITION_SUBMIT) ||
        (root ? p->flags & PART_FLAG_NO_ROOT
              : p->flags & PART_FLAG_ROOT_ONLY))
        return false;
    if (p->allow_groups && !root && !list_has_any(p->allow_groups, groups))
        return false;
    if (!limits->accounts_known)
        return true;
    if (p->allow_accounts)
        return list_has_any(p->allow_accounts, &limits->accounts);
    return !p->deny_accounts ||
           !list_has_all(p->deny_accounts, &limits->accounts);
}

/* The names of this user's groups, if any partition wants to know: the site
 * may have to ask the network for each. */
static void add_groups(struct mlb_strings *names,
                       const partition_info_msg_t *from)
{
    gid_t groups[1024];
    uint32_t asks = 0;

    while (asks < from->record_count &&
           !from->partition_array[asks].allow_groups)
        asks++;
    if (asks == from->record_count)
        return;
    int count = getgroups(1024, groups);
    for (int i = -1; i < count; i++) {
        const struct group *g = getgrgid(i < 0 ? getegid() : groups[i]);
        if (g)
            strings_push(names, g->gr_name);
    }
}

static void add_partitions(struct mlb_limits *limits,
                           const partition_info_msg_t *from,
                           const node_info_msg_t *nodes)
{
    struct mlb_strings groups = MLB_STRINGS_INIT;

    add_groups(&groups, from);
    limits->partitions = xcalloc(from->record_count ? from->record_count : 1,
                                 sizeof(*limits->partitions));
    for (uint32_t i = 0; i < from->record_count; i++) {
        const partition_info_t *p = &from->partition_array[i];
        struct mlb_partition *to =
            &limits->partitions[limits->partition_count++];
        *to = (struct mlb_partition){
            .name = xstrdup(p->name),
            .usable = is_usable(p, limits, &groups),
            .is_default = p->flags & PART_FLAG_DEFAULT,
            .nodes = (long)p->total_nodes,
            .max_nodes = is_limit(p->max_nodes) ? (long)p->max_nodes
                                                : MLB_UNSET,
            .max_walltime = is_limit(p->max_time) ? (long)p->max_time * 60
                                                  : MLB_UNSET,
            .cpus_per_node = MLB_UNSET, .gpus_per_node = MLB_UNSET,
            .memory_per_node = MLB_UNSET,
        };
        add_nodes(to, p, nodes);
    }
    strings_clear(&groups);
}

/* The size of arrays, and the accounts of this user, if Slurm insists on
 * accounts and says which. It need not: then any account is as good as
 * another. */
static void add_configured(struct mlb_limits *limits)
{
    const struct passwd *user = getpwuid(getuid());
    slurm_conf_t *conf = NULL;
    assoc_mgr_info_msg_t *info = NULL;
    assoc_mgr_info_request_msg_t ask = { .flags = ASSOC_MGR_INFO_FLAG_ASSOC };

    if (slurm_load_ctl_conf(0, &conf) != SLURM_SUCCESS)
        return;
    bool enforced =
        user && conf->accounting_storage_enforce & ENFORCE_ASSOCIATIONS;
    limits->array_size = conf->max_array_sz;
    slurm_free_ctl_conf(conf);
    if (!enforced)
        return;
    ask.user_list = slurm_list_create(NULL);
    slurm_list_append(ask.user_list, user->pw_name);
    if (slurm_load_assoc_mgr_info(&ask, &info) == SLURM_SUCCESS &&
        info->assoc_list) {
        ListIterator next = slurm_list_iterator_create(info->assoc_list);
        const slurmdb_assoc_rec_t *a;
        while ((a = slurm_list_next(next)))
            if (a->acct && a->user && strcmp(a->user, user->pw_name) == 0 &&
                !strings_have(&limits->accounts, a->acct))
                strings_push(&limits->accounts, a->acct);
        slurm_list_iterator_destroy(next);
    }
    limits->accounts_known = limits->accounts.count > 0;
    if (info)
        slurm_free_assoc_mgr_info_msg(info);
    slurm_list_destroy(ask.user_list);
}

int slurm_limits(const struct mlb_site *site, struct mlb_limits *limits,
                 struct mlb_error *err)
{
    partition_info_msg_t *partitions = NULL;
    node_info_msg_t *nodes = NULL;

    (void)site;
    *limits = (struct mlb_limits){ .accounts = MLB_STRINGS_INIT };
    if (slurm_enter(err) < 0)
        return -1;
    /* Hidden partitions, too: hidden is not forbidden. */
    int rc = slurm_load_partitions(0, &partitions, SHOW_ALL);
    if (rc == SLURM_SUCCESS)
        rc = slurm_load_node(0, &nodes, SHOW_ALL);
    int number = errno;
    if (rc == SLURM_SUCCESS) {
        add_configured(limits);
        add_partitions(limits, partitions, nodes);
    }
    slurm_leave();
    if (partitions)
        slurm_free_partition_info_msg(partitions);
    if (nodes)
        slurm_free_node_info_msg(nodes);
    if (rc != SLURM_SUCCESS)
        return slurm_failed(err, "Slurm did not tell its limits", number);
    return 0;
}
