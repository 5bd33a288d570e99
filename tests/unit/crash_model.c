/* SPDX-License-Identifier: BSD-3-Clause */
/* What a machine that stops may leave of a directory. */
#include "config.h"

#include "store_fixture.h"

#include <dirent.h>

#include "crash_model.h"

static unsigned char *read_all(const char *path, size_t *length)
{
    struct stat st;
    FILE *f = fopen(path, "r");

    assert_non_null(f);
    assert_int_equal(fstat(fileno(f), &st), 0);
    *length = (size_t)st.st_size;
    unsigned char *bytes = malloc(*length + 1);
    assert_non_null(bytes);
    assert_int_equal(fread(bytes, 1, *length, f), *length);
    fclose(f);
    return bytes;
}

static const struct model_file *find_file(const struct model *m,
                                          uint64_t number)
{
    for (size_t i = 0; i < m->file_count; i++)
        if (m->files[i].number == number)
            return &m->files[i];
    return NULL;
}

void model_begin(struct model *m, const char *directory)
{
    struct stat st;
    DIR *dir = opendir(directory);

    *m = (struct model){.directory = xstrdup(directory)};
    m->events = xcalloc(MODEL_EVENTS, sizeof(*m->events));
    assert_non_null(dir);
    assert_int_equal(fstat(dirfd(dir), &st), 0);
    m->directory_number = st.st_ino;
    for (struct dirent *d; (d = readdir(dir));) {
        char *path = xasprintf("%s/%s", directory, d->d_name);
        assert_int_equal(lstat(path, &st), 0);
        if (S_ISREG(st.st_mode)) {
            assert_true(m->file_count < MODEL_FILES);
            struct model_file *f = &m->files[m->file_count++];
            f->number = st.st_ino;
            f->name_before = xstrdup(d->d_name);
            f->before = read_all(path, &f->length);
        }
        free(path);
    }
    closedir(dir);
}

/* The name of a path in the directory; NULL: it is elsewhere. */
static char *name_in(const struct model *m, const char *path, size_t length)
{
    size_t n = strlen(m->directory);

    if (length <= n + 1 || memcmp(path, m->directory, n) != 0 ||
        path[n] != '/' || memchr(path + n + 1, '/', length - n - 1))
        return NULL;
    return strndup(path + n + 1, length - n - 1);
}

static bool is_data(const struct model_event *v)
{
    return v->e.op == FAULT_WROTE || v->e.op == FAULT_RESIZED ||
           v->e.op == FAULT_ALLOCATED;
}

/* From each event to the next sync of its file, or of the directory. */
static void find_syncs(struct model *m)
{
    for (size_t i = 0; i < m->count; i++) {
        struct model_event *v = &m->events[i];
        uint64_t by = is_data(v) ? v->e.file : m->directory_number;
        for (v->covered = i + 1; v->covered < m->count; v->covered++) {
            const struct fault_event *e = &m->events[v->covered].e;
            if (e->op == FAULT_SYNCED && e->file == by)
                break;
        }
    }
}

/* A file that is first heard of came into being then, under that name: an
 * event of its own, as its name may be lost. */
static void note_new(struct model *m, uint64_t number, const char *name)
{
    assert_true(m->file_count < MODEL_FILES && m->count < MODEL_EVENTS);
    m->files[m->file_count++].number = number;
    struct model_event *v = &m->events[m->count++];
    v->e = (struct fault_event){
        .op = FAULT_RENAMED, .file = number, .is_link = true};
    v->path = xstrdup("");
    v->other = xstrdup(name);
}

/* Names and the files they mean. */
struct names {
    const char *names[MODEL_FILES * 2];
    uint64_t files[MODEL_FILES * 2];
    size_t count;
};

static void unname(struct names *n, const char *name)
{
    for (size_t i = 0; i < n->count; i++)
        if (strcmp(n->names[i], name) == 0) {
            n->names[i] = n->names[--n->count];
            n->files[i] = n->files[n->count];
            return;
        }
}

/* Do to the names what an event does. */
static void change_names(struct names *n, const struct model_event *v)
{
    if (v->e.op != FAULT_RENAMED && v->e.op != FAULT_UNLINKED)
        return;
    if (v->path && !(v->e.op == FAULT_RENAMED && v->e.is_link))
        unname(n, v->path);
    if (v->e.op == FAULT_RENAMED && v->other) {
        unname(n, v->other);
        n->names[n->count] = v->other;
        n->files[n->count++] = v->e.file;
    }
}

static bool has_name(const struct names *n, uint64_t file)
{
    for (size_t i = 0; i < n->count; i++)
        if (n->files[i] == file)
            return true;
    return false;
}

static void names_before(const struct model *m, struct names *n)
{
    n->count = 0;
    for (size_t i = 0; i < m->file_count; i++)
        if (m->files[i].name_before) {
            n->names[n->count] = m->files[i].name_before;
            n->files[n->count++] = m->files[i].number;
        }
}

/* The next event of the log, and where the one after it is. */
static size_t next_event(const struct model *m, size_t at,
                         struct model_event *v)
{
    *v = (struct model_event){0};
    memcpy(&v->e, m->log + at, sizeof(v->e));
    at += sizeof(v->e);
    const char *path = (const char *)m->log + at;
    v->path = name_in(m, path, v->e.path_length);
    v->other = name_in(m, path + v->e.path_length, v->e.other_length);
    at += v->e.path_length + v->e.other_length;
    v->bytes = m->log + at;
    return at + (v->e.op == FAULT_WROTE ? v->e.length : 0);
}

/* Numbers of files that are gone are given again: a file by its number now,
 * told apart from those that had it before. */
static uint64_t newest_of(const struct model *m, uint64_t number)
{
    for (size_t i = m->file_count; i > 0; i--)
        if ((m->files[i - 1].number & MODEL_NUMBER) == number)
            return m->files[i - 1].number;
    return number;
}

void model_load(struct model *m, const char *log)
{
    struct names live;
    struct model_event v;
    size_t length, at = 0;

    m->log = read_all(log, &length);
    names_before(m, &live);
    while (at < length) {
        at = next_event(m, at, &v);
        uint64_t number = v.e.file;
        if (v.e.op != FAULT_SYNCED || number != m->directory_number)
            v.e.file = newest_of(m, number);
        if (is_data(&v) && v.path && !has_name(&live, v.e.file)) {
            v.e.file = number | (uint64_t)(m->file_count + 1) << 56;
            note_new(m, v.e.file, v.path);
            change_names(&live, &m->events[m->count - 1]);
        }
        assert_true(m->count < MODEL_EVENTS);
        if ((is_data(&v) && find_file(m, v.e.file)) || v.other ||
            (v.e.op == FAULT_UNLINKED && v.path) || v.e.op == FAULT_SYNCED)
            m->events[m->count++] = v;
        change_names(&live, &v);
    }
    find_syncs(m);
}

bool model_is_open(const struct model *m, size_t i, size_t end)
{
    return i < end && m->events[i].e.op != FAULT_SYNCED &&
           m->events[i].covered >= end;
}

uint64_t model_random(uint64_t *x)
{
    *x ^= *x << 13;
    *x ^= *x >> 7;
    *x ^= *x << 17;
    return *x;
}

/* A file as it may be found. */
struct content {
    unsigned char *bytes;
    size_t length, size;
};

static void resize(struct content *c, size_t length)
{
    if (length > c->size) {
        c->size = length * 2;
        c->bytes = xrealloc(c->bytes, c->size);
    }
    if (length > c->length)
        memset(c->bytes + c->length, 0, length - c->length);
    c->length = length;
}

/* Write an event's bytes; of a torn one, some units of the file. */
static void put(struct content *c, const struct model_event *v, bool torn,
                const struct model_choice *choice, uint64_t *seed)
{
    uint64_t at = v->e.offset, end = at + v->e.length;
    uint64_t how = model_random(seed) % 3, middle = at + v->e.length / 2;

    if (!torn) {
        if (end > c->length)
            resize(c, end);
        memcpy(c->bytes + at, v->bytes, v->e.length);
        return;
    }
    while (at < end) {
        uint64_t stop = (at / choice->unit + 1) * choice->unit;
        if (stop > end)
            stop = end;
        /* The first half, the second, or here and there. */
        bool there = how == 0   ? at < middle
                     : how == 1 ? at >= middle
                                : model_random(seed) % 2 != 0;
        if (there) {
            if (stop > c->length)
                resize(c, stop);
            memcpy(c->bytes + at, v->bytes + (at - v->e.offset), stop - at);
        }
        at = stop;
    }
}

static void fill(const struct model *m, const struct model_file *f,
                 const struct model_choice *choice, struct content *c)
{
    uint64_t seed = choice->seed | 1;

    c->length = 0;
    resize(c, f->length);
    if (f->length > 0)
        memcpy(c->bytes, f->before, f->length);
    for (size_t i = 0; i < choice->end; i++) {
        const struct model_event *v = &m->events[i];
        enum model_fate fate =
            model_is_open(m, i, choice->end) ? choice->fates[i] : MODEL_KEPT;
        if (v->e.file != f->number || !is_data(v) || fate == MODEL_DROPPED)
            continue;
        if (v->e.op == FAULT_WROTE)
            put(c, v, fate == MODEL_TORN, choice, &seed);
        else if (v->e.op == FAULT_RESIZED || v->e.offset > c->length)
            resize(c, v->e.offset);
    }
}

static void find_names(const struct model *m, const struct model_choice *choice,
                       struct names *n)
{
    names_before(m, n);
    for (size_t i = 0; i < choice->end; i++) {
        const struct model_event *v = &m->events[i];
        bool lost =
            model_is_open(m, i, choice->end) && choice->fates[i] != MODEL_KEPT;
        if (!lost)
            change_names(n, v);
    }
}

void model_make(const struct model *m, const struct model_choice *choice,
                const char *directory)
{
    static struct content content;
    struct names n;

    find_names(m, choice, &n);
    for (size_t i = 0; i < n.count; i++) {
        const struct model_file *f = find_file(m, n.files[i]);
        if (!f)
            fail_msg("%s is of a file that nobody made", n.names[i]);
        char *path = xasprintf("%s/%s", directory, n.names[i]);
        fill(m, f, choice, &content);
        FILE *out = fopen(path, "w");
        assert_non_null(out);
        assert_int_equal(fwrite(content.bytes, 1, content.length, out),
                         content.length);
        assert_int_equal(fclose(out), 0);
        free(path);
    }
}

void model_end(struct model *m)
{
    for (size_t i = 0; i < m->count; i++) {
        free(m->events[i].path);
        free(m->events[i].other);
    }
    for (size_t i = 0; i < m->file_count; i++) {
        free(m->files[i].before);
        free(m->files[i].name_before);
    }
    free(m->events);
    free(m->log);
    free(m->directory);
}
