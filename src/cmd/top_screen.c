/* SPDX-License-Identifier: BSD-3-Clause */
/* mlbatch-top on a terminal. */
#include "config.h"

#include <locale.h>
#include <ncurses.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>

#include "cmd/top.h"

#define REFRESH_MS 1000
#define FILTER_MAX 60
#define HEAD 2               /* lines above the rows, and one below */
#define FOOT 1

enum paint { PLAIN, GOOD, BAD, TITLE };

struct state {
    struct top_screen *screen;
    char filter[FILTER_MAX + 1];
    bool typing, help, quit, color;
    size_t top;              /* the first row that is shown */
};

static const struct {
    int key;
    enum top_column column;
    const char *help;
} sort_keys[] = {
    { 'u', TOP_RUN, "run and rank" },
    { 'n', TOP_NODE, "node" },
    { 'c', TOP_CPU_USE, "CPU, the most first" },
    { 'm', TOP_RSS, "memory, the most first" },
    { 'i', TOP_READ_RATE, "bytes read, the most first" },
    { 'o', TOP_WRITE_RATE, "bytes written, the most first" },
    { 's', TOP_STEP, "step, the slowest first" },
    { 'p', TOP_RATE, "samples a second, the slowest first" },
    { 'l', TOP_LOSS, "loss, the highest first" },
    { 'g', TOP_GPU, "GPU use, the most first" },
    { 't', TOP_STATE, "state, the silent first" },
};
#define SORT_KEYS (sizeof(sort_keys) / sizeof(sort_keys[0]))

static void paint(const struct state *s, enum paint what, bool on)
{
    attr_t attribute = what == TITLE ? A_REVERSE : what == BAD ? A_BOLD : 0;

    if (s->color && (what == GOOD || what == BAD))
        attribute |= (attr_t)COLOR_PAIR(what);
    if (on)
        attron(attribute);
    else
        attroff(attribute);
}

/* A line of the screen, filled or cut to its width. */
static void put(const struct state *s, int y, enum paint what,
                const char *text)
{
    if (y >= LINES)
        return;
    move(y, 0);
    clrtoeol();
    paint(s, what, true);
    addnstr(text, -1);
    /* A line too long goes on in the next one, which is drawn later. */
    int filled = getcurx(stdscr);
    if (what == TITLE && getcury(stdscr) == y && filled < COLS)
        hline(' ' | A_REVERSE, COLS - filled);
    paint(s, what, false);
}

static size_t room(void)
{
    return LINES > HEAD + FOOT ? (size_t)(LINES - HEAD - FOOT) : 0;
}

/* Keep the first row where there is something to be seen. */
static void clamp(struct state *s)
{
    size_t rows = s->screen->view->row_count;

    if (rows <= room())
        s->top = 0;
    else if (s->top > rows - room())
        s->top = rows - room();
}

static void draw_help(const struct state *s)
{
    int y = 0;

    put(s, y++, TITLE, "mlbatch top: keys");
    put(s, y++, PLAIN, "  q  leave            h, ?  this help");
    put(s, y++, PLAIN, "  /  filter (run, node, state, rank); "
        "Enter: done, Esc: none");
    put(s, y++, PLAIN, "  arrows, Page Up, Page Down, Home, End  scroll");
    put(s, y++, PLAIN, "  r  the other way round; sorted by");
    for (size_t i = 0; i < SORT_KEYS && y < LINES; i++) {
        char line[80];
        snprintf(line, sizeof(line), "     %c  %s", sort_keys[i].key,
                 sort_keys[i].help);
        put(s, y++, PLAIN, line);
    }
    put(s, y++, PLAIN, "  -  not known, which is not 0");
    put(s, y++, PLAIN, "  GPU%  mean of the job's GPUs on the node");
}

static void draw_head(const struct state *s, const int widths[TOP_COLUMNS])
{
    const struct top_view *view = s->screen->view;
    struct mlb_strings problems = MLB_STRINGS_INIT;
    struct mlb_text t = MLB_TEXT_INIT;
    time_t now = time(NULL);
    char clock[16] = "";
    struct tm tm;

    if (localtime_r(&now, &tm))
        strftime(clock, sizeof(clock), "%H:%M:%S", &tm);
    text_addf(&t, "mlbatch top  %s  %zu task%s", clock, view->row_count,
              view->row_count == 1 ? "" : "s");
    if (view->hidden > 0)
        text_addf(&t, "  %zu run%s quiet for over an hour not shown",
                  view->hidden, view->hidden == 1 ? "" : "s");
    for (size_t i = 0; i < view->run_count; i++)
        top_run_problems(&view->runs[i], &problems);
    if (problems.count > 0)
        text_addf(&t, "  %zu damaged journal%s", problems.count,
                  problems.count == 1 ? "" : "s");
    strings_clear(&problems);
    if (s->filter[0] || s->typing)
        text_addf(&t, "  filter: %s%s", s->filter, s->typing ? "_" : "");
    put(s, 0, PLAIN, t.data);
    text_clear(&t);
    top_add_line(&t, top_titles, widths);
    put(s, 1, TITLE, t.data);
    text_clear(&t);
}

static void draw(struct state *s)
{
    const struct top_view *view = s->screen->view;
    int widths[TOP_COLUMNS];

    erase();
    clamp(s);
    top_widths(view, COLS, widths);
    if (s->help) {
        draw_help(s);
        refresh();
        return;
    }
    draw_head(s, widths);
    for (size_t i = 0; i < room() && s->top + i < view->row_count; i++) {
        const struct top_row *row = &view->rows[s->top + i];
        struct mlb_text t = MLB_TEXT_INIT;
        top_add_line(&t, (const char *const *)row->cells, widths);
        put(s, HEAD + (int)i,
            row->silent > 0 ? BAD : row->task->ended ? PLAIN : GOOD, t.data);
        text_clear(&t);
    }
    if (view->row_count == 0)
        put(s, HEAD + 1, PLAIN, s->filter[0] ? "  nothing matches"
                                             : "  nothing runs");
    put(s, LINES - 1, PLAIN, "q leave  h help  / filter  u c m s l sort  "
        "r reverse");
    refresh();
}

static void type(struct state *s, int key)
{
    size_t n = strlen(s->filter);

    if (key == 27)
        s->filter[0] = '\0';
    if (key == 27 || key == '\n' || key == '\r' || key == KEY_ENTER)
        s->typing = false;
    else if ((key == KEY_BACKSPACE || key == 127 || key == 8) && n > 0)
        s->filter[n - 1] = '\0';
    else if (key >= ' ' && key < 256 && key != 127 && n < FILTER_MAX)
        s->filter[n] = (char)key, s->filter[n + 1] = '\0';
}

static void scroll_by(struct state *s, long rows)
{
    if (rows < 0 && (size_t)-rows > s->top)
        s->top = 0;
    else
        s->top += (size_t)rows;
}

static void command(struct state *s, int key)
{
    struct top_view *view = s->screen->view;
    long page = (long)room();

    for (size_t i = 0; i < SORT_KEYS; i++)
        if (sort_keys[i].key == key)
            view->sort = sort_keys[i].column;
    switch (key) {
    case 'q':
        s->quit = true;
        break;
    case 'h':
    case '?':
        s->help = !s->help;
        break;
    case '/':
        s->typing = true;
        break;
    case 'r':
        view->reverse = !view->reverse;
        break;
    case KEY_UP:
    case KEY_DOWN:
        scroll_by(s, key == KEY_UP ? -1 : 1);
        break;
    case KEY_PPAGE:
    case KEY_NPAGE:
        scroll_by(s, key == KEY_PPAGE ? -page : page);
        break;
    case KEY_HOME:
        s->top = 0;
        break;
    case KEY_END:
        s->top = view->row_count;
        break;
    default:
        break;
    }
}

/* Every second, and at each key, something may look different. */
static void loop(struct state *s)
{
    struct top_screen *screen = s->screen;
    double next = 0;

    while (!s->quit) {
        double now = top_now();
        if (now >= next) {
            screen->poll(screen->context);
            next = top_now() + REFRESH_MS / 1e3;
        }
        screen->view->filter = s->filter;
        top_view_make(screen->view, top_now());
        draw(s);
        int wait = (int)((next - top_now()) * 1000);
        timeout(wait > 0 ? wait : 0);
        int key = getch();
        if (key == ERR)
            continue;
        if (s->help && key != 'q')
            s->help = false;
        else if (s->typing)
            type(s, key);
        else
            command(s, key);
    }
}

int top_screen(struct top_screen *screen, struct mlb_error *err)
{
    struct state s = { .screen = screen };
    const char *no = getenv("NO_COLOR");

    /* Of characters only: numbers are written with a point. */
    setlocale(LC_CTYPE, "");
    if (screen->view->filter)
        snprintf(s.filter, sizeof(s.filter), "%s", screen->view->filter);
    SCREEN *terminal = newterm(NULL, stdout, stdin);
    if (!terminal)
        return mlb_error_set(err, MLB_ERR_UNSUPPORTED, "this terminal is "
                             "not known (TERM=%s); --once prints a table",
                             getenv("TERM") ? getenv("TERM") : "");
    cbreak();
    noecho();
    curs_set(0);
    keypad(stdscr, TRUE);
    set_escdelay(50);
    scrollok(stdscr, FALSE);
    s.color = !(no && *no) && has_colors();
    if (s.color) {
        start_color();
        use_default_colors();
        init_pair(GOOD, COLOR_GREEN, -1);
        init_pair(BAD, COLOR_RED, -1);
    }
    loop(&s);
    endwin();
    delscreen(terminal);
    return 0;
}
