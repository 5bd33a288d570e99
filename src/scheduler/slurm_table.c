/* SPDX-License-Identifier: BSD-3-Clause */
/* The native options that pass to Slurm, one row each. */
#include "config.h"

#include <stddef.h>
#include <stdlib.h>
#include <string.h>
#include <strings.h>

#include "base/units.h"
#include "scheduler/environment.h"
#include "scheduler/slurm_parts.h"

static void *at(struct slurm_request *r, size_t field)
{
    return (char *)&r->message + field;
}

static int set_text(struct slurm_request *r, size_t field, const char *value,
                    struct mlb_error *err)
{
    (void)err;
    *(char **)at(r, field) = slurm_request_keep(r, value);
    return 0;
}

/* "gpu:2,lic:1" as Slurm wants it: each item with the prefix in front. */
static int set_items(struct slurm_request *r, size_t field,
                     const char *prefix, const char *value)
{
    struct mlb_text t = MLB_TEXT_INIT;

    for (const char *p = value; *p;) {
        int n = (int)strcspn(p, ",");
        text_addf(&t, "%s%s%.*s", t.length ? "," : "", prefix, n, p);
        p += n + (p[n] == ',');
    }
    *(char **)at(r, field) = slurm_request_keep(r, t.data);
    text_clear(&t);
    return 0;
}

static int set_gres(struct slurm_request *r, size_t field, const char *value,
                    struct mlb_error *err)
{
    (void)err;
    return set_items(r, field, "gres:", value);
}

static int set_gpus(struct slurm_request *r, size_t field, const char *value,
                    struct mlb_error *err)
{
    (void)err;
    return set_items(r, field, "gres:gpu:", value);
}

static int set_bind(struct slurm_request *r, size_t field, const char *value,
                    struct mlb_error *err)
{
    (void)err;
    return set_items(r, field, "gpu:", value);
}

static int set_number16(struct slurm_request *r, size_t field,
                        const char *value, struct mlb_error *err)
{
    long n;

    if (units_parse_long(value, 0, 0xfff0, &n, err) < 0)
        return -1;
    *(uint16_t *)at(r, field) = (uint16_t)n;
    return 0;
}

static int set_number32(struct slurm_request *r, size_t field,
                        const char *value, struct mlb_error *err)
{
    long n;

    if (units_parse_long(value, 0, 0xfffffff0, &n, err) < 0)
        return -1;
    *(uint32_t *)at(r, field) = (uint32_t)n;
    return 0;
}

static int set_true(struct slurm_request *r, size_t field, const char *value,
                    struct mlb_error *err)
{
    (void)value, (void)err;
    *(uint16_t *)at(r, field) = 1;
    return 0;
}

static int set_false(struct slurm_request *r, size_t field,
                     const char *value, struct mlb_error *err)
{
    (void)value, (void)err;
    *(uint16_t *)at(r, field) = 0;
    return 0;
}

static int set_overcommit(struct slurm_request *r, size_t field,
                          const char *value, struct mlb_error *err)
{
    (void)field, (void)value, (void)err;
    r->message.overcommit = 1;
    /* Tasks may share a CPU: a node needs one, whatever was counted. */
    r->message.min_cpus = r->message.min_nodes > 1 ? r->message.min_nodes : 1;
    return 0;
}

static int set_hold(struct slurm_request *r, size_t field, const char *value,
                    struct mlb_error *err)
{
    (void)field, (void)value, (void)err;
    r->message.priority = 0;
    return 0;
}

/* field: the bits. */
static int set_bits(struct slurm_request *r, size_t field, const char *value,
                    struct mlb_error *err)
{
    (void)value, (void)err;
    r->message.bitflags |= field;
    return 0;
}

static int set_bad_dependency(struct slurm_request *r, size_t field,
                              const char *value, struct mlb_error *err)
{
    (void)field;
    bool yes = strcasecmp(value, "yes") == 0;

    if (!yes && strcasecmp(value, "no") != 0)
        return slurm_bad_value(err, value, "yes or no");
    r->message.bitflags &= ~(uint64_t)(KILL_INV_DEP | NO_KILL_INV_DEP);
    r->message.bitflags |= yes ? KILL_INV_DEP : NO_KILL_INV_DEP;
    return 0;
}

static int set_exclusive(struct slurm_request *r, size_t field,
                         const char *value, struct mlb_error *err)
{
    (void)field;
    if (!value)
        r->message.shared = JOB_SHARED_NONE;
    else if (strcasecmp(value, "user") == 0)
        r->message.shared = JOB_SHARED_USER;
    else if (strcasecmp(value, "mcs") == 0)
        r->message.shared = JOB_SHARED_MCS;
    else
        return slurm_bad_value(err, value, "user or mcs");
    return 0;
}

static int set_mail_type(struct slurm_request *r, size_t field,
                         const char *value, struct mlb_error *err)
{
    return slurm_parse_mail(value, at(r, field), err);
}

static int set_begin(struct slurm_request *r, size_t field, const char *value,
                     struct mlb_error *err)
{
    return slurm_parse_begin(value, at(r, field), err);
}

static int set_minutes(struct slurm_request *r, size_t field,
                       const char *value, struct mlb_error *err)
{
    return slurm_parse_minutes(value, at(r, field), err);
}

static int set_signal(struct slurm_request *r, size_t field,
                      const char *value, struct mlb_error *err)
{
    struct slurm_warning warning;

    (void)field;
    if (slurm_parse_signal(value, &warning, err) < 0)
        return -1;
    r->message.warn_flags = warning.flags;
    r->message.warn_signal = warning.signal;
    r->message.warn_time = warning.time;
    return 0;
}

static int set_nice(struct slurm_request *r, size_t field, const char *value,
                    struct mlb_error *err)
{
    long n = 100;

    (void)field;
    if (value && units_parse_long(value, -2147483645, 2147483645, &n, err) < 0)
        return -1;
    r->message.nice = (uint32_t)(NICE_OFFSET + n);
    return 0;
}

static int set_switches(struct slurm_request *r, size_t field,
                        const char *value, struct mlb_error *err)
{
    long count, wait = 0;
    const char *sign = strchr(value, '@');
    char *first = xstrndup(value, sign ? (size_t)(sign - value)
                                       : strlen(value));
    int rc = units_parse_long(first, 0, 0xfffffff0, &count, err);

    (void)field;
    free(first);
    if (rc == 0 && sign)
        rc = units_parse_sbatch_time(sign + 1, &wait, err);
    if (rc < 0)
        return -1;
    r->message.req_switch = (uint32_t)count;
    if (sign)
        r->message.wait4switch = (uint32_t)wait;
    return 0;
}

static int set_memory(struct slurm_request *r, size_t field,
                      const char *value, struct mlb_error *err)
{
    (void)field;
    return slurm_parse_memory(value, &r->message.pn_min_memory, err);
}

static int set_memory_per_cpu(struct slurm_request *r, size_t field,
                              const char *value, struct mlb_error *err)
{
    uint64_t megabytes;

    (void)field;
    if (slurm_parse_memory(value, &megabytes, err) < 0)
        return -1;
    r->message.pn_min_memory = megabytes | MEM_PER_CPU;
    return 0;
}

static int set_memory_per_gpu(struct slurm_request *r, size_t field,
                              const char *value, struct mlb_error *err)
{
    uint64_t megabytes;

    if (slurm_parse_memory(value, &megabytes, err) < 0)
        return -1;
    char *number = xasprintf("%llu", (unsigned long long)megabytes);
    environment_set(&r->environment, "SLURM_MEM_PER_GPU", number);
    int rc = set_gpus(r, field, number, err);
    free(number);
    return rc;
}

static int set_tmp(struct slurm_request *r, size_t field, const char *value,
                   struct mlb_error *err)
{
    uint64_t megabytes;

    (void)field;
    if (slurm_parse_memory(value, &megabytes, err) < 0)
        return -1;
    if (megabytes > 0xfffffff0)
        return slurm_bad_value(err, value, "a size below 4096T");
    r->message.pn_min_tmp_disk = (uint32_t)megabytes;
    return 0;
}

#define TEXT(field) ARGUMENT_NEEDED, set_text, offsetof(job_desc_msg_t, field)
#define COUNT16(field) \
    ARGUMENT_NEEDED, set_number16, offsetof(job_desc_msg_t, field)
#define COUNT32(field) \
    ARGUMENT_NEEDED, set_number32, offsetof(job_desc_msg_t, field)
#define FIELD(set, field) ARGUMENT_NEEDED, set, offsetof(job_desc_msg_t, field)
#define FLAG(set, field) ARGUMENT_NONE, set, offsetof(job_desc_msg_t, field)

/* Not here, and so refused: what mlbatch itself decides (name, comment,
 * output, nodes, tasks, array, export), for with another value the run would
 * not be the one that was planned. */
const struct slurm_option slurm_options[] = {
    { "account", 'A', TEXT(account), NULL },
    { "acctg-freq", 0, TEXT(acctg_freq), "SLURM_ACCTG_FREQ" },
    { "batch", 0, TEXT(batch_features), NULL },
    { "bb", 0, TEXT(burst_buffer), NULL },
    { "begin", 'b', FIELD(set_begin, begin_time), NULL },
    { "cluster-constraint", 0, TEXT(cluster_features), NULL },
    { "constraint", 'C', TEXT(features), NULL },
    { "contiguous", 0, FLAG(set_true, contiguous), NULL },
    { "cores-per-socket", 0, COUNT16(cores_per_socket), NULL },
    { "cpus-per-gpu", 0, FIELD(set_gpus, cpus_per_tres),
      "SLURM_CPUS_PER_GPU" },
    { "deadline", 0, FIELD(set_begin, deadline), NULL },
    { "dependency", 'd', TEXT(dependency), "SLURM_JOB_DEPENDENCY" },
    { "exclude", 'x', TEXT(exc_nodes), NULL },
    { "exclusive", 0, ARGUMENT_OPTIONAL, set_exclusive, 0, NULL },
    { "gpu-bind", 0, FIELD(set_bind, tres_bind), "SLURM_GPU_BIND" },
    { "gpus", 'G', FIELD(set_gpus, tres_per_job), "SLURM_GPUS" },
    { "gpus-per-node", 0, FIELD(set_gpus, tres_per_node),
      "SLURM_GPUS_PER_NODE" },
    { "gres", 0, FIELD(set_gres, tres_per_node), NULL },
    { "hold", 'H', ARGUMENT_NONE, set_hold, 0, NULL },
    { "kill-on-invalid-dep", 0, ARGUMENT_NEEDED, set_bad_dependency, 0,
      NULL },
    { "licenses", 'L', TEXT(licenses), NULL },
    { "mail-type", 0, FIELD(set_mail_type, mail_type), NULL },
    { "mail-user", 0, TEXT(mail_user), NULL },
    { "mcs-label", 0, TEXT(mcs_label), NULL },
    { "mem", 0, ARGUMENT_NEEDED, set_memory, 0, NULL },
    { "mem-per-cpu", 0, ARGUMENT_NEEDED, set_memory_per_cpu, 0, NULL },
    { "mem-per-gpu", 0, FIELD(set_memory_per_gpu, mem_per_tres), NULL },
    { "mincpus", 0, COUNT16(pn_min_cpus), NULL },
    { "network", 0, TEXT(network), NULL },
    { "nice", 0, ARGUMENT_OPTIONAL, set_nice, 0, NULL },
    { "no-kill", 'k', FLAG(set_false, kill_on_node_fail), NULL },
    { "no-requeue", 0, FLAG(set_false, requeue), NULL },
    { "nodelist", 'w', TEXT(req_nodes), NULL },
    { "ntasks-per-core", 0, COUNT16(ntasks_per_core),
      "SLURM_NTASKS_PER_CORE" },
    { "ntasks-per-socket", 0, COUNT16(ntasks_per_socket),
      "SLURM_NTASKS_PER_SOCKET" },
    { "overcommit", 'O', ARGUMENT_NONE, set_overcommit, 0, NULL },
    { "oversubscribe", 's', FLAG(set_true, shared), NULL },
    { "partition", 'p', TEXT(partition), NULL },
    { "prefer", 0, TEXT(prefer), NULL },
    { "priority", 0, COUNT32(priority), NULL },
    { "qos", 'q', TEXT(qos), NULL },
    { "reboot", 0, FLAG(set_true, reboot), NULL },
    { "requeue", 0, FLAG(set_true, requeue), NULL },
    { "reservation", 0, TEXT(reservation), NULL },
    { "signal", 0, ARGUMENT_NEEDED, set_signal, 0, NULL },
    { "sockets-per-node", 0, COUNT16(sockets_per_node), NULL },
    { "spread-job", 0, ARGUMENT_NONE, set_bits, SPREAD_JOB, NULL },
    { "switches", 0, ARGUMENT_NEEDED, set_switches, 0, NULL },
    { "threads-per-core", 0, COUNT16(threads_per_core),
      "SLURM_THREADS_PER_CORE" },
    { "time", 't', FIELD(set_minutes, time_limit), NULL },
    { "time-min", 0, FIELD(set_minutes, time_min), NULL },
    { "tmp", 0, ARGUMENT_NEEDED, set_tmp, 0, NULL },
    { "use-min-nodes", 0, ARGUMENT_NONE, set_bits, USE_MIN_NODES, NULL },
    { "wait-all-nodes", 0, COUNT16(wait_all_nodes), NULL },
    { "wckey", 0, TEXT(wckey), NULL },
    { .name = NULL },
};
