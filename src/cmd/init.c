/* SPDX-License-Identifier: BSD-3-Clause */
/* mlbatch init: a commented job file to start from. */
#include "config.h"

#include <errno.h>
#include <stdio.h>
#include <string.h>

#include "base/files.h"
#include "cmd/cmd.h"

static const char starter[] =
    "# A job for mlbatch. \"mlbatch help job\" explains every key.\n"
    "#\n"
    "#   mlbatch plan %s       what it would ask of the cluster\n"
    "#   mlbatch submit %s     hand it to the scheduler\n"
    "#   mlbatch logs -f train         watch rank 0\n"
    "\n"
    "name = \"train\";\n"
    "\n"
    "# The program of each rank: a list of words, passed on as they are. One\n"
    "# string instead of a list is run by sh -c.\n"
    "command = [\"python3\", \"train.py\", \"--epochs\", \"20\"];\n"
    "\n"
    "# How ranks start: \"plain\" (one process), \"torch\" (RANK, WORLD_SIZE,\n"
    "# MASTER_ADDR ... are set) or \"mpi\".\n"
    "launch = \"plain\";\n"
    "\n"
    "resources = {\n"
    "    nodes = 1;\n"
    "    tasks_per_node = 1;\n"
    "    cpus_per_task = 1;\n"
    "    # gpus_per_task = 1;\n"
    "    # memory_per_node = \"16G\";\n"
    "    walltime = \"00:30:00\";\n"
    "    # partition = \"gpu\";\n"
    "    # account = \"project\";\n"
    "};\n"
    "\n"
    "# Data sets of the store (\"mlbatch dataset list\"). A rank finds it in\n"
    "# MLB_DATA_TRAIN, and the command may say ${data.train}.\n"
    "# datasets = ({ name = \"digits\"; as = \"train\"; });\n"
    "\n"
    "# For programs that use libmlbatch: when to save, how many to keep, and\n"
    "# how long before the walltime ends to ask for a last one.\n"
    "# checkpoint = { every = \"10m\"; keep = 3; warn = \"2m\"; };\n"
    "\n"
    "# Go on by itself from the last checkpoint.\n"
    "# restart = { on = [\"timeout\", \"preempted\", \"node_fail\"]; };\n"
    "\n"
    "# One point for each combination; the command may say ${sweep.lr}.\n"
    "# sweep = { grid = { lr = [0.1, 0.01]; seed = [1, 2, 3]; };\n"
    "#           at_once = 4; };\n"
    "\n"
    "# Start when another run has completed.\n"
    "# after = { ok = [\"prepare.3\"]; };\n"
    "\n"
    "# environment = { OMP_NUM_THREADS = \"2\"; };\n"
    "# modules = [\"cuda/12\"];\n";

static error_t parse(int key, char *arg, struct argp_state *state)
{
    const char **path = state->input;

    if (key != ARGP_KEY_ARG)
        return ARGP_ERR_UNKNOWN;
    if (*path)
        argp_error(state, "one file at most");
    *path = arg;
    return 0;
}

/* Both names in the comment are the file's. */
static void fill(struct mlb_text *t, const char *path)
{
    const char *p = starter, *mark;

    while ((mark = strstr(p, "%s"))) {
        text_addn(t, p, (size_t)(mark - p));
        text_add(t, path);
        p = mark + 2;
    }
    text_add(t, p);
}

int cmd_init(int argc, char **argv)
{
    static const struct argp argp = {
        .parser = parse, .args_doc = "[FILE]",
        .doc = "Write a commented job file to start from [train.conf].",
    };
    const char *path = NULL;
    struct mlb_text t = MLB_TEXT_INIT;
    struct mlb_error err = { 0 };
    int code = 0;

    cmd_parse(&argp, argc, argv, &path);
    path = path ? path : "train.conf";
    if (!text_is_printable(path)) {
        mlb_error_set(&err, MLB_ERR_USAGE,
                      "a file name without control characters, please");
        return cmd_fail(&err);
    }
    fill(&t, path);
    if (files_publish_new(path, t.data, t.length, 0644, &err) < 0) {
        if (errno == EEXIST)
            mlb_error_set(&err, MLB_ERR_FAILED,
                          "%s is there already and stays as it is", path);
        code = cmd_fail(&err);
    } else {
        printf("%s written; next: edit it, then mlbatch plan %s\n", path,
               path);
    }
    text_clear(&t);
    return code;
}
