// SPDX-License-Identifier: Apache-2.0
// tool.c: errors, interrupts, clocks and small files for every subcommand. Options: options.c. Header: tool.h.
#include "tool.h"
#include "progress.h"

#include <errno.h>
#include <signal.h>
#include <stdarg.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <time.h>
#include <unistd.h>

enum { MOST_TEXT = 1 << 26 };

double tool_seconds(void)
{
    struct timespec t;
    clock_gettime(CLOCK_MONOTONIC, &t);
    return (double)t.tv_sec + 1e-9 * (double)t.tv_nsec;
}

double tool_cpu_seconds(void)
{
    struct timespec t;
    clock_gettime(CLOCK_PROCESS_CPUTIME_ID, &t);
    return (double)t.tv_sec + 1e-9 * (double)t.tv_nsec;
}

// ---- errors ----------------------------------------------------------------------------------------
int tool_fail(chi_status status)
{
    progress_break();
    fprintf(stderr, "chiaro: %s\n", *chi_error_text() ? chi_error_text() : chi_status_text(status));
    return status == CHI_ERR_NO_DEVICE ? TOOL_NO_DEVICE : TOOL_FAILED;
}

static void say(const char *format, va_list list)
{
    fputs("chiaro: ", stderr);
    vfprintf(stderr, format, list);
    fputc('\n', stderr);
}

int tool_usage(const char *format, ...)
{
    va_list list;
    progress_break();
    va_start(list, format);
    say(format, list);
    va_end(list);
    return TOOL_USAGE;
}

int tool_error(const char *format, ...)
{
    va_list list;
    progress_break();
    va_start(list, format);
    say(format, list);
    va_end(list);
    return TOOL_FAILED;
}

void tool_say(bool quiet, const char *format, ...)
{
    va_list list;
    va_start(list, format);
    if (!quiet)
        say(format, list);
    va_end(list);
}

// ---- interrupts ------------------------------------------------------------------------------------
static volatile sig_atomic_t interrupts;
static void on_interrupt(int number)
{
    (void)number;
    interrupts = interrupts + 1;
    if (interrupts > 2) // the third means it
        _exit(TOOL_INTERRUPTED);
}

void tool_catch_interrupts(void)
{
    struct sigaction action = { .sa_handler = on_interrupt };
    sigaction(SIGINT, &action, NULL);
    sigaction(SIGTERM, &action, NULL);
}

int tool_interrupted(void) { return interrupts; }

// ---- files -----------------------------------------------------------------------------------------
// Of the file, where the path names an array inside one.
static bool stat_file(const char *path, struct stat *facts)
{
    char file[4200];
    if (stat(path, facts) == 0)
        return true;
    snprintf(file, sizeof file, "%s", path);
    char *colon = strrchr(file, ':');
    if (colon)
        *colon = 0;
    return colon && stat(file, facts) == 0;
}

bool tool_same_file(const char *path, const char *other)
{
    struct stat a, b;
    return stat_file(path, &a) && stat_file(other, &b) && a.st_dev == b.st_dev && a.st_ino == b.st_ino;
}

int tool_check_output(const char *path)
{
    struct stat facts;
    char folder[4200];
    snprintf(folder, sizeof folder, "%s", path);
    char *slash = strrchr(folder, '/');
    if (slash)
        slash[slash == folder] = 0;
    if (!*path)
        return tool_error("an output needs a name, this one is empty");
    if (stat(path, &facts) == 0 && !S_ISREG(facts.st_mode)) // renaming would put a file in a device's place
        return tool_error("%s: cannot write: not a regular file", path);
    return access(slash ? folder : ".", W_OK) == 0 ? TOOL_DONE : tool_error("%s: cannot write: %s", path, strerror(errno));
}

int tool_make_folder(const char *path)
{
    char part[4000];
    snprintf(part, sizeof part, "%s", path);
    for (char *slash = strchr(part + 1, '/'); slash; slash = strchr(slash + 1, '/')) {
        *slash = 0;
        mkdir(part, 0777); // what matters is the last one
        *slash = '/';
    }
    if (mkdir(part, 0777) == 0 || errno == EEXIST)
        return TOOL_DONE;
    return tool_error("%s: %s", path, strerror(errno));
}

int tool_write_text(const char *path, const char *text)
{
    char temp[4200];
    if (tool_check_output(path) != TOOL_DONE)
        return TOOL_FAILED;
    snprintf(temp, sizeof temp, "%s.tmp.%ld", path, (long)getpid());
    FILE *file = fopen(temp, "w");
    if (!file)
        return tool_error("%s: %s", path, strerror(errno));
    const bool written = fputs(text, file) >= 0 && fflush(file) == 0 && fsync(fileno(file)) == 0;
    const int why = errno;
    if (fclose(file) != 0 || !written || rename(temp, path) != 0) {
        const int error = written ? errno : why;
        unlink(temp);
        return tool_error("%s: %s", path, strerror(error));
    }
    return TOOL_DONE;
}

char *tool_read_text(const char *path)
{
    FILE *file = fopen(path, "re");
    char *text = NULL;
    size_t length = 0, room = 0;
    if (!file) {
        tool_error("%s: %s", path, strerror(errno));
        return NULL;
    }
    do {
        char *more = realloc(text, (room = room ? 2 * room : 1u << 16) + 1);
        if (!more)
            break;
        text = more;
        length += fread(text + length, 1, room - length, file);
    } while (length == room && room < MOST_TEXT);
    const int error = ferror(file) ? errno : 0;
    const bool whole = text && length < room && !error;
    fclose(file);
    if (error) {
        tool_error("%s: cannot read: %s", path, strerror(error));
        free(text);
        return NULL;
    }
    if (!whole) {
        tool_error("%s: not a text of less than %d bytes (%zu read)", path, MOST_TEXT, length);
        free(text);
        return NULL;
    }
    text[length] = 0;
    return text;
}
