/* SPDX-License-Identifier: BSD-3-Clause */
/* Slurm's words for why a job waits, in words for a person. */
#include "config.h"

#include <string.h>

#include "scheduler/slurm_parts.h"

/* The first whose word the reason begins with: longer words come first. */
static const struct {
    const char *word, *text;
    enum slurm_hope hope;
} reasons[] = {
    { "Resources", "the nodes, cores, memory or GPUs that it asks for are in "
      "use", HOPE_SIZE },
    { "Priority", "jobs of higher priority wait for the same nodes",
      HOPE_SIZE },
    { "DependencyNeverSatisfied", "a job that it depends on ended otherwise "
      "than it should: it will never start", HOPE_NONE },
    { "Dependency", "jobs that it depends on have not ended", HOPE_NONE },
    { "PartitionNodeLimit", "it asks for more or fewer nodes than the "
      "partition allows, or for nodes that are down", HOPE_SIZE },
    { "PartitionTimeLimit", "its walltime is over the limit of the "
      "partition", HOPE_SIZE },
    { "PartitionDown", "the partition is down: no job starts in it",
      HOPE_NONE },
    { "PartitionConfig", "a setting of the partition keeps it from starting",
      HOPE_NONE },
    { "PartitionInactive", "the partition is inactive: no job starts in it",
      HOPE_NONE },
    { "JobHeldUser", "its user holds it: mlbatch release lets it start",
      HOPE_NONE },
    { "JobHeldAdmin", "those who run the cluster hold it, or Slurm itself "
      "after starts that failed: they can release it", HOPE_NONE },
    { "JobHoldMaxRequeue", "it was requeued too often, and is held: those who "
      "run the cluster can release it", HOPE_NONE },
    { "BeginTime", "it is not to start before its time, which after a requeue "
      "is some minutes", HOPE_TIME },
    { "Licenses", "the licenses that it asks for are in use", HOPE_TIME },
    { "ReservationDeleted", "its reservation was deleted", HOPE_NONE },
    { "Reservation", "its reservation has not begun, or is in use", HOPE_TIME },
    { "ReqNodeNotAvail", "nodes that it needs are down, drained or reserved",
      HOPE_SIZE },
    { "Nodes required for job are DOWN", "nodes that it needs are down, "
      "drained or reserved", HOPE_SIZE },
    { "NodeDown", "a node that it needs is down", HOPE_SIZE },
    { "BadConstraints", "no node has all that it asks for", HOPE_SIZE },
    { "MaxMemPerLimit", "its memory is over the limit of the partition",
      HOPE_SIZE },
    { "JobArrayTaskLimit", "as many of its array run as may at a time",
      HOPE_TIME },
    { "Cleaning", "its last start is still being cleaned up", HOPE_TIME },
    { "Prolog", "its nodes are being made ready: it is about to start",
      HOPE_TIME },
    { "launch failed", "it could not be started, and Slurm holds it: those "
      "who run the cluster know why (scontrol release lets it try again)",
      HOPE_NONE },
    { "launch_failed", "it could not be started, and Slurm holds it: those "
      "who run the cluster know why (scontrol release lets it try again)",
      HOPE_NONE },
    { "JobLaunchFailure", "it could not be started", HOPE_NONE },
    { "job requeued in held state", "it was requeued, and is held: scontrol "
      "release lets it start", HOPE_NONE },
    { "AssociationJobLimit", "the account may have no more jobs", HOPE_TIME },
    { "AssociationResourceLimit", "the account may have no more of what it "
      "asks for", HOPE_SIZE },
    { "AssociationTimeLimit", "the account may use no more time", HOPE_SIZE },
    { "AccountNotAllowed", "its account may not use the partition", HOPE_NONE },
    { "AccountingPolicy", "a limit of the account or QOS is reached",
      HOPE_SIZE },
    { "InvalidAccount", "its account is gone", HOPE_NONE },
    { "InvalidQOS", "its QOS is gone", HOPE_NONE },
    { "QOSNotAllowed", "its QOS may not use the partition", HOPE_NONE },
    { "QOSJobLimit", "the QOS may have no more jobs", HOPE_TIME },
    { "QOSResourceLimit", "the QOS may have no more of what it asks for",
      HOPE_SIZE },
    { "QOSTimeLimit", "the QOS may use no more time", HOPE_SIZE },
    { "QOSUsageThreshold", "the account used too much for this QOS",
      HOPE_NONE },
    { "BurstBuffer", "the burst buffer is not ready", HOPE_TIME },
    { "Power", "there is not enough power for it", HOPE_SIZE },
    { "FrontEndDown", "the front end nodes are down", HOPE_NONE },
    { "SchedDefer", "Slurm will look at it at its next round", HOPE_TIME },
    { "SystemFailure", "Slurm itself failed: those who run the cluster know "
      "more", HOPE_NONE },
    { "None", "Slurm has not looked at it yet", HOPE_TIME },
};

/* Whose limits, and of what: "QOSMaxGRESPerUser", "AssocGrpCpuLimit". */
static const struct {
    const char *word, *text;
} things[] = {
    { "SubmitJob", "submitted jobs" }, { "Job", "jobs" },
    { "Cpu", "cores" }, { "CPU", "cores" }, { "Mem", "memory" },
    { "Node", "nodes" }, { "GRES", "GPUs or the like" },
    { "Wall", "walltime" }, { "License", "licenses" },
    { "Energy", "energy" }, { "BB", "burst buffer" },
    { "Billing", "billing units" }, { "", "of some resource" },
};

#define COUNT(table) (sizeof(table) / sizeof((table)[0]))

static bool skip(const char **word, const char *start)
{
    size_t n = strlen(start);

    if (strncmp(*word, start, n) != 0)
        return false;
    *word += n;
    return true;
}

/* The limits have regular names, of which there are nearly two hundred. */
static enum slurm_hope describe_limit(const char *word, struct mlb_text *out)
{
    bool account = skip(&word, "Assoc");
    const char *whose = account ? "account" : "QOS";
    size_t i = 0;

    /* "MaxCpuPerAccount" is a QOS's, too. */
    if (!account && !skip(&word, "QOS") && !strstr(word, "PerAccount"))
        return HOPE_NONE;
    bool group = skip(&word, "Grp"), least = !group && skip(&word, "Min");
    if (!group && !least && !skip(&word, "Max"))
        return HOPE_NONE;
    while (strncmp(word, things[i].word, strlen(things[i].word)) != 0)
        i++;
    const char *minutes = strstr(word, "Minutes") ? " times minutes" : "";
    const char *thing = things[i].text;
    if (group)
        text_addf(out, "all jobs of the %s together may have no more %s%s",
                  whose, thing, minutes);
    else if (least)
        text_addf(out, "it asks for less %s than the %s wants of a job",
                  thing, whose);
    else if (strstr(word, "PerA"))
        text_addf(out, "an account may have no more %s%s in this %s", thing,
                  minutes, whose);
    else if (strstr(word, "PerUser") || strstr(thing, "jobs"))
        text_addf(out, "a user may have no more %s in this %s", thing,
                  whose);
    else
        text_addf(out, "it asks for more %s%s than the %s allows a job",
                  thing, minutes, whose);
    /* More jobs are more however small. */
    return strstr(thing, "jobs") ? HOPE_TIME : HOPE_SIZE;
}

enum slurm_hope slurm_reason_describe(const char *reason,
                                      struct mlb_text *out)
{
    for (size_t i = 0; i < COUNT(reasons); i++)
        if (strncmp(reason, reasons[i].word, strlen(reasons[i].word)) == 0) {
            text_add(out, reasons[i].text);
            return reasons[i].hope;
        }
    return describe_limit(reason, out);
}
