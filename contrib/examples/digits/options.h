/* SPDX-License-Identifier: BSD-3-Clause */
/* The command line of train. */
#ifndef OPTIONS_H
#define OPTIONS_H

struct options {
    long long epochs;            /* of the whole run, resumed or not */
    long long batch;             /* rows over all ranks */
    long long hidden;            /* units */
    long long seed;
    long long save_every;        /* epochs; 0: only when asked and at the end */
    long long keep;              /* checkpoints; 0: all, -1: not given */
    double rate;
};

/* Fill options; a bad command line ends the program with status 2. */
void options_read(struct options *options, int argc, char **argv);

#endif
