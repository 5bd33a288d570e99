/* SPDX-License-Identifier: BSD-3-Clause */
/* mlbatch report and mlbatch-store advise: cards of runs, and what their
 * next request should be. */
#include "config.h"

#include <limits.h>
#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <langinfo.h>
#include <locale.h>
#include <sys/ioctl.h>
#include <sys/stat.h>
#include <unistd.h>

#include "base/files.h"
#include "base/units.h"
#include "cmd/store_words.h"
#include "report/advise.h"
#include "report/card.h"
#include "run/points.h"
#include "run/record_read.h"
#include "run/run.h"

#define MOST_RUNS 20         /* that advice looks at */
#define ADVISE_NUMBERS 7

enum {
    KEY_CSV = 1101, KEY_HTML, KEY_PROMETHEUS, KEY_JOB, KEY_NUMBER,
};

struct report {
    struct store_words words;
    bool csv, html;
    const char *prometheus;
    const char *job;
    long numbers[ADVISE_NUMBERS];    /* of advise_options, in order */
};

static error_t parse_report(int key, char *arg, struct argp_state *state)
{
    struct report *report = state->input;

    if (key == KEY_CSV)
        report->csv = true;
    else if (key == KEY_HTML)
        report->html = true;
    else if (key == KEY_PROMETHEUS)
        report->prometheus = arg;
    else
        return store_parse_words(key, arg, state, &report->words);
    return 0;
}

static error_t parse_advise(int key, char *arg, struct argp_state *state)
{
    struct report *report = state->input;
    struct mlb_error err;

    if (key == KEY_JOB)
        report->job = arg;
    else if (key < KEY_NUMBER || key >= KEY_NUMBER + ADVISE_NUMBERS)
        return store_parse_words(key, arg, state, &report->words);
    else if (units_parse_long(arg, 0, LONG_MAX,
                              &report->numbers[key - KEY_NUMBER], &err) < 0)
        argp_error(state, "%s: %s", arg, err.text);
    return 0;
}

/* When a run was submitted: its plan is written once for each submission. */
static double submitted(const struct mlb_run *run)
{
    char *path = run_path(run, "plan");
    struct stat st;
    double when = stat(path, &st) < 0 ? 0
                  : (double)st.st_mtim.tv_sec +
                        (double)st.st_mtim.tv_nsec * 1e-9;

    free(path);
    return when;
}

struct dated {
    char *path;
    double when;
};

static int newest_first(const void *a, const void *b)
{
    const struct dated *l = a, *r = b;

    return (l->when < r->when) - (l->when > r->when);
}

/* Is id "NAME.N" of that encoded name? */
static bool is_of(const char *id, const char *encoded)
{
    const char *dot = strrchr(id, '.');

    return dot && (size_t)(dot - id) == strlen(encoded) &&
           strncmp(id, encoded, strlen(encoded)) == 0;
}

/* Directories of the newest runs, of a job's name or (NULL) of all. */
static int newest(const char *store, const char *job, size_t limit,
                  struct mlb_strings *paths, struct mlb_error *err)
{
    struct mlb_strings ids = MLB_STRINGS_INIT;
    char *encoded = job ? text_encode_name(job) : NULL;
    struct dated *runs = NULL;
    size_t count = 0;
    int rc = run_list(store, &ids, err);

    runs = xcalloc(ids.count + 1, sizeof(*runs));
    for (size_t i = 0; rc == 0 && i < ids.count; i++) {
        struct mlb_run run = MLB_RUN_INIT;
        if ((encoded && !is_of(ids.items[i], encoded)) ||
            run_find(store, ids.items[i], &run, NULL) < 0)
            continue;
        runs[count].when = submitted(&run);
        runs[count++].path = xstrdup(run.path);
        run_clear(&run);
    }
    qsort(runs, count, sizeof(*runs), newest_first);
    for (size_t i = 0; i < count && i < limit; i++)
        strings_push(paths, runs[i].path);
    for (size_t i = 0; i < count; i++)
        free(runs[i].path);
    free(runs);
    free(encoded);
    strings_clear(&ids);
    return rc;
}

/* A run, or those of a sweep's points that have begun. */
static int add_points(const struct mlb_run *run, struct mlb_strings *paths,
                      struct mlb_error *err)
{
    long count = points_count(run->path), begun = 0;

    for (long i = 0; i < count; i++) {
        char *path = xasprintf("%s/points/%ld", run->path, i);
        if (files_is_dir(path)) {
            strings_push(paths, path);
            begun++;
        }
        free(path);
    }
    if (count > 0 && begun == 0)
        return mlb_error_set(err, MLB_ERR_NOT_FOUND,
                             "%s: no point of it has begun", run->id);
    if (count == 0)
        strings_push(paths, run->path);
    return 0;
}

/* A directory of a run, or the name of one. */
static int find_run(const struct store_context *context, const char *word,
                    struct mlb_strings *paths, struct mlb_error *err)
{
    struct mlb_run run = MLB_RUN_INIT;
    int rc = 0;

    if (strchr(word, '/') && files_is_dir(word))
        strings_push(paths, word);
    else if (!context->store)
        rc = mlb_error_set(err, MLB_ERR_USAGE,
                           "no store: give --store=DIR");
    else if ((rc = run_find(context->store, word, &run, err)) == 0)
        rc = add_points(&run, paths, err);
    run_clear(&run);
    return rc;
}

static int find_runs(const struct report *report, struct mlb_strings *paths,
                     struct mlb_error *err)
{
    const struct store_context *context = report->words.context;
    int rc = 0;

    for (size_t i = 0; rc == 0 && i < report->words.words.count; i++)
        rc = find_run(context, report->words.words.items[i], paths, err);
    if (rc < 0 || report->words.words.count > 0)
        return rc;
    if (!context->store)
        return mlb_error_set(err, MLB_ERR_USAGE,
                             "no store: give --store=DIR");
    rc = newest(context->store, NULL, 1, paths, err);
    if (rc == 0 && paths->count == 0)
        rc = mlb_error_set(err, MLB_ERR_NOT_FOUND, "there are no runs in %s",
                           context->store);
    return rc;
}

static int make_card(const char *path, struct card *card,
                     struct mlb_error *err)
{
    struct record *record = record_open(path, err);
    int rc = record ? card_compute(record, card, err) : -1;

    record_close(record);
    return rc < 0 ? mlb_error_prefix(err, "%s", path) : 0;
}

/* Colours and blocks for those who can see them. */
static struct card_style style_of_terminal(void)
{
    const char *none = getenv("NO_COLOR"), *term = getenv("TERM");
    struct card_style style = { .width = 80 };
    struct winsize size;

    setlocale(LC_CTYPE, "");
    style.unicode = strcmp(nl_langinfo(CODESET), "UTF-8") == 0;
    setlocale(LC_CTYPE, "C");
    if (!isatty(STDOUT_FILENO))
        return style;
    style.color = !(none && *none) && term && strcmp(term, "dumb") != 0;
    if (ioctl(STDOUT_FILENO, TIOCGWINSZ, &size) == 0 && size.ws_col >= 40 &&
        size.ws_col < 80)
        style.width = size.ws_col;
    return style;
}

static int render(const struct report *report, const struct card *cards,
                  size_t count, struct mlb_text *out, struct mlb_error *err)
{
    const struct card_style style = style_of_terminal();
    int rc = 0;

    if (report->csv)
        card_csv(cards, count, out);
    if (report->prometheus)
        card_prometheus(cards, count, out);
    if (report->csv || report->prometheus)
        return 0;
    for (size_t i = 0; rc == 0 && i < count; i++) {
        if (report->words.context->json) {
            card_json(&cards[i], out);
        } else if (report->html) {
            rc = card_html(&cards[i], out, err);
        } else {
            text_add(out, i > 0 ? "\n" : "");
            card_text(&cards[i], &style, out);
        }
    }
    return rc;
}

static int check_forms(const struct report *report, size_t count,
                       struct mlb_error *err)
{
    int forms = report->csv + report->html + report->words.context->json +
                (report->prometheus != NULL);

    if (forms > 1)
        return mlb_error_set(err, MLB_ERR_USAGE, "only one of --json, --csv, "
                             "--html and --prometheus");
    if (report->html && count > 1)
        return mlb_error_set(err, MLB_ERR_USAGE,
                             "--html is a page of one run");
    return 0;
}

/* node_exporter reads a directory of such files: never half a one. */
static int publish(const struct report *report, const struct mlb_text *out,
                   struct mlb_error *err)
{
    if (report->prometheus && strcmp(report->prometheus, "-") != 0)
        return files_publish(report->prometheus, out->data, out->length,
                             0644, err);
    fwrite(out->data, 1, out->length, stdout);
    return 0;
}

static const struct argp_option report_options[] = {
    { .name = "csv", .key = KEY_CSV, .doc = "Print a table, a line a run" },
    { .name = "html", .key = KEY_HTML,
      .doc = "Print a page that stands alone" },
    { .name = "prometheus", .key = KEY_PROMETHEUS, .arg = "FILE",
      .doc = "Write FILE for Prometheus' node_exporter, whole or not at "
             "all; \"-\": print it" },
    { 0 },
};

int store_report(struct store_context *context, int argc, char **argv)
{
    static const struct argp argp = {
        .options = report_options, .parser = parse_report,
        .children = store_words_children, .args_doc = "[RUN|DIR...]",
        .doc = "Print the card of runs, without a name of the newest: what "
               "was asked and used, what could not be measured and why, and "
               "what to ask next.",
    };
    struct report report = { .words = { context, "which run?", 0, 0,
                                        MLB_STRINGS_INIT } };
    struct mlb_strings paths = MLB_STRINGS_INIT;
    struct mlb_text out = MLB_TEXT_INIT;
    struct mlb_error err = { 0 };
    size_t made = 0;

    argp_parse(&argp, argc, argv, 0, NULL, &report);
    int rc = find_runs(&report, &paths, &err);
    struct card *cards = xcalloc(paths.count + 1, sizeof(*cards));
    if (rc == 0)
        rc = check_forms(&report, paths.count, &err);
    for (; rc == 0 && made < paths.count; made++)
        rc = make_card(paths.items[made], &cards[made], &err);
    if (rc == 0)
        rc = render(&report, cards, made, &out, &err);
    if (rc == 0)
        rc = publish(&report, &out, &err);
    int code = rc < 0 ? store_fail(&err) : 0;
    for (size_t i = 0; i < made; i++)
        card_clear(&cards[i]);
    free(cards);
    text_clear(&out);
    strings_clear(&paths);
    strings_clear(&report.words.words);
    return code;
}

/* A run whose record cannot be had is passed over, and said so: advice from
 * the others is better than none. */
static size_t read_facts(const struct mlb_strings *paths,
                         struct advise_facts *facts)
{
    size_t count = 0;

    for (size_t i = 0; i < paths->count; i++) {
        struct mlb_error err = { 0 };
        struct record *record = record_open(paths->items[i], &err);
        if (record && advise_facts_read(&facts[count], record, &err) == 0) {
            count++;
        } else {
            mlb_error_prefix(&err, "passed over %s", paths->items[i]);
            store_fail(&err);
        }
        record_close(record);
    }
    return count;
}

static const struct argp_option advise_options[] = {
    { .name = "job", .key = KEY_JOB, .arg = "NAME",
      .doc = "Runs of the job of this name" },
    { .name = "limit", .key = KEY_NUMBER, .arg = "N",
      .doc = "At most the newest N of them (20)" },
    { .name = "nodes", .key = KEY_NUMBER + 1, .arg = "N",
      .doc = "What is asked now; runs over other nodes do not count" },
    { .name = "tasks", .key = KEY_NUMBER + 2, .arg = "N",
      .doc = "The same, of tasks" },
    { .name = "cpus-per-task", .key = KEY_NUMBER + 3, .arg = "N",
      .doc = "What is asked now, instead of what the newest run asked" },
    { .name = "gpus-per-task", .key = KEY_NUMBER + 4, .arg = "N",
      .doc = "The same" },
    { .name = "memory-per-node", .key = KEY_NUMBER + 5, .arg = "BYTES",
      .doc = "The same; 0: the scheduler's default" },
    { .name = "walltime", .key = KEY_NUMBER + 6, .arg = "SECONDS",
      .doc = "The same" },
    { 0 },
};

/* What is asked now, from the options; false if they do not say. Runs of
 * another shape may need another share of a node: they are dropped. */
static bool read_request(const long *numbers, struct advise_facts *facts,
                         size_t *count, struct advise_request *request)
{
    size_t kept = 0;

    *request = (struct advise_request){
        .nodes = numbers[1], .tasks = numbers[2],
        .cpus_per_task = numbers[3], .gpus_per_task = numbers[4],
        .memory = numbers[5] > 0 ? (double)numbers[5] : NAN,
        .seconds = numbers[6] > 0 ? (double)numbers[6] : NAN,
    };
    if (request->nodes < 1 || request->tasks < 1)
        return false;
    for (size_t i = 0; i < *count; i++) {
        if (facts[i].nodes == request->nodes &&
            facts[i].tasks == request->tasks)
            facts[kept++] = facts[i];
        else
            advise_facts_clear(&facts[i]);
    }
    *count = kept;
    return true;
}

int store_advise(struct store_context *context, int argc, char **argv)
{
    static const struct argp argp = {
        .options = advise_options, .parser = parse_advise,
        .children = store_words_children,
        .doc = "Print as JSON what the next request of a job should be.",
    };
    struct report report = { .words = { context, "", 0, 0,
                                        MLB_STRINGS_INIT },
                             .numbers = { MOST_RUNS } };
    struct mlb_strings paths = MLB_STRINGS_INIT;
    struct advise_result result = { 0 };
    struct mlb_text out = MLB_TEXT_INIT;
    struct mlb_error err = { 0 };

    argp_parse(&argp, argc, argv, 0, NULL, &report);
    if (!context->store)
        return store_fail_no_store();
    int rc = report.job ? newest(context->store, report.job,
                                 (size_t)report.numbers[0], &paths, &err)
                        : mlb_error_set(&err, MLB_ERR_USAGE,
                                        "which job? (--job=NAME)");
    struct advise_facts *facts = xcalloc(paths.count + 1, sizeof(*facts));
    size_t count = rc < 0 ? 0 : read_facts(&paths, facts);
    struct advise_request request;
    bool asked = read_request(report.numbers, facts, &count, &request);
    if (rc == 0 && count == 0)
        rc = mlb_error_set(&err, MLB_ERR_NOT_FOUND, "no run of \"%s\"%s to "
                           "learn from", report.job,
                           asked ? " over as many nodes and tasks" : "");
    if (rc == 0) {
        advise_make(facts, count, asked ? &request : NULL, &result);
        advise_json(report.job, count, &result, &out);
        fwrite(out.data, 1, out.length, stdout);
    }
    int code = rc < 0 ? store_fail(&err) : 0;
    for (size_t i = 0; i < count; i++)
        advise_facts_clear(&facts[i]);
    free(facts);
    advise_clear(&result);
    text_clear(&out);
    strings_clear(&paths);
    strings_clear(&report.words.words);
    return code;
}
