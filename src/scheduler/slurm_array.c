/* SPDX-License-Identifier: BSD-3-Clause */
/* What Slurm says of the jobs of arrays, "ARRAY_INDEX". */
#include "config.h"

#include <stdlib.h>
#include <string.h>

#include "base/units.h"
#include "scheduler/slurm_parts.h"

/* libslurm exports these, but does not declare them. */
extern int bitmap_test(bitstr_t *bitmap, int64_t bit)
    __asm__("slurm_bit_test");
extern int64_t bitmap_size(bitstr_t *bitmap) __asm__("slurm_bit_size");

struct task {
    uint32_t array, index;
    size_t which;                /* of the statuses */
};

uint32_t slurm_array_id(const char *text, uint32_t *index)
{
    const char *mark = strchr(text, '_');
    long number;

    if (!mark || units_parse_long(mark + 1, 0, 0xfffffff0, &number, NULL) < 0)
        return 0;
    *index = (uint32_t)number;
    char *array = xstrndup(text, (size_t)(mark - text));
    uint32_t id = slurm_id(array);
    free(array);
    return id;
}

static int compare_place(const struct task *x, const struct task *y)
{
    if (x->array != y->array)
        return x->array < y->array ? -1 : 1;
    return (x->index > y->index) - (x->index < y->index);
}

static int compare(const void *a, const void *b)
{
    return compare_place(a, b);
}

/* The first that is not before array and index. */
static size_t lower(const struct task *tasks, size_t count, uint32_t array,
                    uint32_t index)
{
    const struct task wanted = { array, index, 0 };
    size_t low = 0, high = count;

    while (low < high) {
        size_t middle = low + (high - low) / 2;
        if (compare_place(&tasks[middle], &wanted) < 0)
            low = middle + 1;
        else
            high = middle;
    }
    return low;
}

/* What is asked, and when the answer came. */
struct asked {
    const struct task *tasks;
    size_t count;
    struct mlb_job_status *statuses;
    time_t now;
};

static void answer_one(const struct asked *a, const slurm_job_info_t *job,
                       size_t i)
{
    struct mlb_job_status *status = &a->statuses[a->tasks[i].which];

    if (slurm_is_ours(job->comment, status->token))
        slurm_fill(job, a->now, status);
}

/* One record stands for all that have not been told apart from the array
 * yet. Its bitmap has them all; the text for people may be cut. */
static bool is_in(const slurm_job_info_t *job, uint32_t index)
{
    if (job->array_task_id != NO_VAL)
        return job->array_task_id == index;
    return job->array_bitmap && index < bitmap_size(job->array_bitmap) &&
           bitmap_test(job->array_bitmap, index);
}

const slurm_job_info_t *slurm_array_record(const job_info_msg_t *jobs,
                                           uint32_t index)
{
    for (uint32_t i = 0; i < jobs->record_count; i++) {
        const slurm_job_info_t *job = &jobs->job_array[i];
        if (index == NO_VAL ? job->array_task_id == NO_VAL
                            : job->array_job_id != 0 && is_in(job, index))
            return job;
    }
    return index == NO_VAL && jobs->record_count > 0 ? &jobs->job_array[0]
                                                     : NULL;
}

static void answer(const struct asked *a, const slurm_job_info_t *job)
{
    bool rest = job->array_task_id == NO_VAL;
    uint32_t array = job->array_job_id;

    for (size_t i = lower(a->tasks, a->count, array,
                          rest ? 0 : job->array_task_id);
         i < a->count && a->tasks[i].array == array &&
         (rest || a->tasks[i].index == job->array_task_id); i++)
        if (is_in(job, a->tasks[i].index))
            answer_one(a, job, i);
}

void slurm_array_answer(const job_info_msg_t *jobs, time_t now,
                        struct mlb_job_status *statuses, size_t count)
{
    struct task *tasks = xcalloc(count, sizeof(*tasks));
    size_t n = 0;

    for (size_t i = 0; i < count; i++) {
        tasks[n].array = slurm_array_id(statuses[i].id, &tasks[n].index);
        tasks[n].which = i;
        n += tasks[n].array != 0;
    }
    if (n > 0)
        qsort(tasks, n, sizeof(*tasks), compare);
    const struct asked asked = { tasks, n, statuses, now };
    for (uint32_t i = 0; n > 0 && i < jobs->record_count; i++)
        if (jobs->job_array[i].array_job_id != 0)
            answer(&asked, &jobs->job_array[i]);
    free(tasks);
}
