/* SPDX-License-Identifier: BSD-3-Clause */
/* Saving in the background: copy now, write from a thread, publish when all
 * ranks have written. */
#include "config.h"

#include <signal.h>
#include <stdlib.h>
#include <string.h>
#include <sys/resource.h>
#include <unistd.h>

#include "store/huge.h"
#include "store/saver.h"

#define PAGE UINT64_C(4096)
#define BACKGROUND_NICE 10

/* Where a part goes in the copy: what is adjacent in the file stays so, and
 * all lies in a page as it does there, so that direct I/O can take it from
 * here. */
static uint64_t place_copy(const struct staging_part *part, uint64_t end)
{
    return end + (part->file_offset - end) % PAGE;
}

static size_t copy_bytes(const struct save *save)
{
    uint64_t end = 0;

    for (size_t i = 0; i < save->count; i++)
        end = place_copy(&save->parts[i].part, end) +
              save->parts[i].part.length;
    return end;
}

/* Memory of huge pages, kept for the next save. */
static int need_warm(struct mlb_saver *s, size_t bytes)
{
    if (bytes <= s->warm_bytes)
        return 0;
    huge_unmap(s->warm, s->warm_bytes);
    s->warm_bytes = 0;
    s->warm = huge_map(bytes);
    if (!s->warm)
        return -1;
    s->warm_bytes = bytes;
    return 0;
}

static int copy_data(struct save *save, struct mlb_error *err)
{
    struct mlb_saver *s = save->saver;
    uint64_t end = 0;

    if (need_warm(s, copy_bytes(save)) < 0)
        return mlb_error_errno(err, MLB_ERR_IO, "no memory for a copy of "
                               "what is to be saved");
    for (size_t i = 0; i < save->count; i++) {
        struct staging_part *p = &save->parts[i].part;
        uint64_t at = place_copy(p, end);
        memcpy(s->warm + at, p->data, p->length);
        p->data = s->warm + at;
        end = at + p->length;
    }
    return 0;
}

static void *run(void *arg)
{
    struct save *save = arg;

    /* Only where the program leaves no core idle does this matter: then
     * the save takes longer rather than the training. */
    if (save->threaded)
        setpriority(PRIO_PROCESS, (id_t)gettid(), BACKGROUND_NICE);
    saver_write(save);
    atomic_store(&save->done, true);
    return NULL;
}

/* The program's signals are for its own threads. */
static int start_thread(struct save *save)
{
    sigset_t all, before;

    sigfillset(&all);
    pthread_sigmask(SIG_SETMASK, &all, &before);
    int error = pthread_create(&save->thread, NULL, run, save);
    pthread_sigmask(SIG_SETMASK, &before, NULL);
    return error ? -1 : 0;
}

int mlb_checkpoint_publish_async(struct mlb_checkpoint *checkpoint,
                                 struct mlb_error *err)
{
    struct mlb_saver *s = checkpoint->saver;
    struct save *save = saver_begin(checkpoint, err);

    if (save) {
        save->rc = copy_data(save, &save->error);
        save->threaded = save->rc == 0;
        if (save->threaded && start_thread(save) < 0)
            save->threaded = false;
        /* Without a thread it takes longer, and that is all. */
        if (!save->threaded)
            run(save);
        s->background = save;
    }
    saver_forget(checkpoint);
    return save ? 0 : -1;
}

static int finish(struct mlb_saver *s, struct mlb_error *err)
{
    struct save *save = s->background;

    s->background = NULL;
    if (save->threaded)
        pthread_join(save->thread, NULL);
    return saver_finish(save, err);
}

int mlb_saver_poll(struct mlb_saver *saver, struct mlb_error *err)
{
    size_t size = (size_t)exchange_size(&saver->x);
    int all = 0;

    if (!saver->background)
        return 0;
    unsigned char mine = atomic_load(&saver->background->done);
    if (exchange_words(&saver->x, &mine, 1, saver->done, err) < 0) {
        finish(saver, NULL);
        return -1;
    }
    for (size_t i = 0; i < size; i++)
        all += saver->done[i];
    if ((size_t)all < size)
        return 0;
    return finish(saver, err) < 0 ? -1 : 1;
}

int mlb_saver_wait(struct mlb_saver *saver, struct mlb_error *err)
{
    return saver->background ? finish(saver, err) : 0;
}
