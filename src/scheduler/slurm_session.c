/* SPDX-License-Identifier: BSD-3-Clause */
/* Around every call of libslurm: it must neither end this program, nor
 * write to its standard error, nor block for long without need. */
#include "config.h"

#include <errno.h>
#include <fcntl.h>
#include <signal.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/stat.h>
#include <sys/wait.h>
#include <time.h>
#include <unistd.h>
#include <slurm/slurm_errno.h>

#include "base/files.h"
#include "scheduler/slurm_parts.h"

/* slurm_init asks the DNS where there is no slurm.conf, and may wait for
 * files on a network: this is the limit of the trial, in seconds. */
#define INIT_LIMIT 10
#define CONTROLLERS_MOST 8
#define PING_SECONDS 2
#define STAMP "slurm-conf"     /* in the cache */

static int saved_stderr = -1;

/* A controller that answered a moment ago need not be pinged again. */
static time_t pinged_at;

/* libslurm's log goes to standard error until a program sets it up by
 * functions that no public header declares. */
static void silence(int to)
{
    fflush(stderr);
    saved_stderr = fcntl(2, F_DUPFD_CLOEXEC, 3);
    dup2(to, 2);
}

static void silence_all(void)
{
    int null = open("/dev/null", O_WRONLY | O_CLOEXEC);

    silence(null);
    if (null > 2)   /* if standard error was closed, null is in its place */
        close(null);
}

void slurm_leave(void)
{
    int saved = errno;

    fflush(stderr);
    if (saved_stderr >= 0) {
        dup2(saved_stderr, 2);
        close(saved_stderr);
    } else {
        close(2);
    }
    saved_stderr = -1;
    errno = saved;
}

/* ---- errors ---- */

#define SURE MLB_ERR_REFUSED
#define LOST MLB_ERR_UNREACHABLE
#define GONE MLB_ERR_NOT_FOUND

/* LOST are those after which the same call may work later; the last three of
 * them (no threads, queue full, creation off) are those sbatch retries. */
static const struct {
    int number;
    enum mlb_errcode code;
    const char *hint;
} translations[] = {
    { SLURM_UNEXPECTED_MSG_ERROR, LOST, NULL },
    { SLURM_COMMUNICATIONS_CONNECTION_ERROR, LOST, NULL },
    { SLURM_COMMUNICATIONS_SEND_ERROR, LOST, NULL },
    { SLURM_COMMUNICATIONS_RECEIVE_ERROR, LOST, NULL },
    { SLURM_COMMUNICATIONS_SHUTDOWN_ERROR, LOST, NULL },
    { SLURM_COMMUNICATIONS_MISSING_SOCKET_ERROR, LOST, NULL },
    { SLURMCTLD_COMMUNICATIONS_CONNECTION_ERROR, LOST, NULL },
    { SLURMCTLD_COMMUNICATIONS_SEND_ERROR, LOST, NULL },
    { SLURMCTLD_COMMUNICATIONS_RECEIVE_ERROR, LOST, NULL },
    { SLURMCTLD_COMMUNICATIONS_SHUTDOWN_ERROR, LOST, NULL },
    { SLURM_PROTOCOL_SOCKET_IMPL_ZERO_RECV_LENGTH, LOST, NULL },
    { SLURM_PROTOCOL_SOCKET_IMPL_NEGATIVE_RECV_LENGTH, LOST, NULL },
    { SLURM_PROTOCOL_SOCKET_IMPL_NOT_ALL_DATA_SENT, LOST, NULL },
    { ESLURM_PROTOCOL_INCOMPLETE_PACKET, LOST, NULL },
    { SLURM_PROTOCOL_SOCKET_IMPL_TIMEOUT, LOST, NULL },
    { SLURM_PROTOCOL_SOCKET_ZERO_BYTES_SENT, LOST, NULL },
    { ESLURM_IN_STANDBY_MODE, LOST, NULL },
    { ESLURM_IN_STANDBY_USE_BACKUP, LOST, NULL },
    { ECONNREFUSED, LOST, NULL }, { ECONNRESET, LOST, NULL },
    { ETIMEDOUT, LOST, NULL }, { EHOSTUNREACH, LOST, NULL },
    { ENETUNREACH, LOST, NULL }, { EPIPE, LOST, NULL },
    { EAGAIN, LOST, NULL },
    { ESLURM_ERROR_ON_DESC_TO_RECORD_COPY, LOST, NULL },
    { ESLURM_NODES_BUSY, LOST, NULL },
    { ESLURM_INVALID_JOB_ID, GONE, NULL },
    { ESLURM_ALREADY_DONE, GONE, NULL },
    { SLURM_PROTOCOL_AUTHENTICATION_ERROR, SURE,
      "is munged running, here and on the controller, with the same key?" },
    { SLURM_PROTOCOL_VERSION_ERROR, SURE,
      "this libslurm and the controller are too far apart" },
    { ESLURM_INVALID_PARTITION_NAME, SURE, "sinfo -s lists the partitions" },
    { ESLURM_DEFAULT_PARTITION_NOT_SET, SURE,
      "set resources.partition; sinfo -s lists the partitions" },
    { ESLURM_INVALID_ACCOUNT, SURE,
      "sacctmgr show associations where user=$USER lists yours" },
    { ESLURM_INVALID_QOS, SURE,
      "sacctmgr show associations where user=$USER lists yours" },
    { ESLURM_INVALID_FEATURE, SURE,
      "sinfo -o %f lists what resources.constraint may name" },
    { ESLURM_INVALID_GRES, SURE, "sinfo -o %G lists the GPUs" },
    { ESLURM_INVALID_TIME_LIMIT, SURE,
      "sinfo -o '%P %l' lists the limits of the partitions" },
    { ESLURM_REQUESTED_NODE_CONFIG_UNAVAILABLE, SURE,
      "no node is that large; sinfo -o '%P %c %m %G' lists them" },
    { ESLURM_ACCOUNTING_POLICY, SURE,
      "over a limit of the account or QOS" },
    { ESLURM_DEPENDENCY, SURE, "that job is unknown or long gone" },
};

int slurm_failed(struct mlb_error *err, const char *what, int number)
{
    enum mlb_errcode code = MLB_ERR_REFUSED;

    pinged_at = 0;               /* whatever it was, look before the next */
    const char *hint = NULL;

    for (size_t i = 0; i < sizeof(translations) / sizeof(translations[0]);
         i++)
        if (translations[i].number == number) {
            code = translations[i].code;
            hint = translations[i].hint;
        }
    return mlb_error_set(err, code, "%s: %s%s%s%s", what,
                         slurm_strerror(number), hint ? " (" : "",
                         hint ? hint : "", hint ? ")" : "");
}

/* ---- the start ---- */

/* The file by which Slurm is found here, NULL if there is none. */
static const char *find_conf(void)
{
    static const char *const usual[] = {
        "/etc/slurm/slurm.conf", "/etc/slurm-llnl/slurm.conf",
        "/run/slurm/conf/slurm.conf", "/usr/local/etc/slurm.conf",
    };
    const char *named = getenv("SLURM_CONF");

    if (named)
        return named;
    for (size_t i = 0; i < sizeof(usual) / sizeof(usual[0]); i++)
        if (files_is_file(usual[i]))
            return usual[i];
    return NULL;
}

/* The first complaint in what libslurm wrote: "PROGRAM: error: WORDS". */
static void first_words(int fd, struct mlb_text *words)
{
    char text[1024];
    ssize_t n = pread(fd, text, sizeof(text) - 1, 0);

    text[n > 0 ? n : 0] = '\0';
    text[strcspn(text, "\n")] = '\0';
    const char *start = strstr(text, "error: ");
    if (!start)
        start = strstr(text, "fatal: ");
    text_add(words, start ? start + strlen("error: ") : text);
}

/* slurm_init ends the program when it finds no configuration or a bad one,
 * so a child tries first: one millisecond, once. */
static int try_init(struct mlb_error *err)
{
    int status = 0;
    struct mlb_text words = MLB_TEXT_INIT;
    int fd = memfd_create("slurm", MFD_CLOEXEC);
    pid_t pid;

    fflush(NULL);
    pid = fork();
    if (pid == 0) {
        if (fd >= 0)
            silence(fd);
        signal(SIGALRM, SIG_DFL);
        alarm(INIT_LIMIT);
        slurm_init(NULL);
        _exit(0);
    }
    while (pid > 0 && waitpid(pid, &status, 0) < 0 && errno == EINTR)
        continue;
    if (pid < 0) {
        mlb_error_errno(err, MLB_ERR_IO, "cannot start a process");
    } else if (status != 0) {
        first_words(fd, &words);
        bool here = find_conf() != NULL;
        mlb_error_set(err, here ? MLB_ERR_UNREACHABLE : MLB_ERR_UNSUPPORTED,
                      here ? "Slurm's configuration cannot be used: %s"
                           : "no Slurm is set up here: %s",
                      words.length ? words.data : "no answer in time");
    }
    if (fd >= 0)
        close(fd);
    text_clear(&words);
    return pid < 0 || status != 0 ? -1 : 0;
}

/* The configuration in a line: the same line, the same file. NULL if there
 * is no file that we know. */
static char *describe_conf(void)
{
    const char *path = find_conf();
    struct stat st;

    if (!path || stat(path, &st) < 0)
        return NULL;
    return xasprintf("%s %lld %lld.%09ld %ju %ld\n", path,
                     (long long)st.st_size, (long long)st.st_mtim.tv_sec,
                     st.st_mtim.tv_nsec, (uintmax_t)st.st_ino,
                     (long)SLURM_VERSION_NUMBER);
}

/* Try it in a child, unless this very configuration did well before. */
static int try_once(struct mlb_error *err)
{
    char *conf = describe_conf(), *path = files_cache_path(STAMP);
    struct mlb_text known = MLB_TEXT_INIT;
    int rc = 0;

    if (!conf || !path || files_read(path, 65536, &known, NULL) < 0 ||
        strcmp(known.data, conf) != 0) {
        rc = try_init(err);
        if (rc == 0 && conf && path)
            files_publish(path, conf, strlen(conf), 0600, NULL);
    }
    text_clear(&known);
    free(conf);
    free(path);
    return rc;
}

/* slurm_init runs, and ends the program if it fails. */
static bool in_init;

/* A file that slurm.conf includes has changed, or a plugin: the stamp does
 * not know these. Without it the next command hears the reason. */
static void on_exit_in_init(void)
{
    if (!in_init)
        return;
    char *path = files_cache_path(STAMP);
    if (path)
        unlink(path);
    free(path);
    slurm_leave();
    fputs("mlbatch: Slurm's configuration cannot be used any more; the same "
          "command again says why\n", stderr);
}

static int make_ready(struct mlb_error *err)
{
    static bool ready;
    const char *path = getenv("SLURM_CONF");

    if (ready)
        return 0;
    /* libslurm would wait a minute for a file that is not there. */
    if (path && *path && !files_is_file(path))
        return mlb_error_set(err, MLB_ERR_UNREACHABLE,
                             "SLURM_CONF names %s, which is not there", path);
    if (try_once(err) < 0)
        return -1;
    atexit(on_exit_in_init);
    silence_all();
    in_init = true;
    slurm_init(NULL);
    in_init = false;
    slurm_leave();
    ready = true;
    return 0;
}

int slurm_enter_unasked(struct mlb_error *err)
{
    if (make_ready(err) < 0)
        return -1;
    silence_all();
    return 0;
}

int slurm_enter(struct mlb_error *err)
{
    if (slurm_enter_unasked(err) < 0)
        return -1;
    if (pinged_at && time(NULL) - pinged_at < PING_SECONDS)
        return 0;
    /* Other calls try for MessageTimeout (10 s by default, some of them
     * twice) while nobody listens; a ping says so within a millisecond. A
     * controller that listens and is silent costs MessageTimeout even so:
     * no call of libslurm changes that. Where there is no such backup
     * controller, its ping fails without any message. */
    errno = 0;
    int first = 0;
    for (int i = 0; i < CONTROLLERS_MOST; i++) {
        if (slurm_ping(i) == SLURM_SUCCESS) {
            pinged_at = time(NULL);
            return 0;
        }
        if (i == 0)
            first = errno;
    }
    slurm_leave();
    return slurm_failed(err, "no Slurm controller answers", first);
}
