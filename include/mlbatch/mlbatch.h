/* SPDX-License-Identifier: BSD-3-Clause */
/* All of libmlbatch. */
#ifndef MLBATCH_MLBATCH_H
#define MLBATCH_MLBATCH_H

#include <mlbatch/checkpoint.h>
#include <mlbatch/dataset.h>
#include <mlbatch/dtype.h>
#include <mlbatch/error.h>
#include <mlbatch/group.h>
#include <mlbatch/progress.h>

#endif
