// SPDX-License-Identifier: Apache-2.0
// doctor.c: `chiaro doctor`: what a report of a fault needs, on one page. Header: doctor.h.
#include "doctor.h"

#include <jansson.h>
#include <pwd.h>
#include <stdarg.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "progress.h"
#include "text.h"

// ---- names that nobody else is to know ---------------------------------------------------------------
static bool is_word(char c)
{
    return (c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z') || (c >= '0' && c <= '9') || c == '_';
}

// Every `from` that is no part of a longer word becomes `to`.
static void replace(char *text, size_t room, const char *from, const char *to)
{
    const size_t length = strlen(from), other = strlen(to);
    if (length == 0)
        return;
    for (char *at = text; (at = strstr(at, from)) != NULL;) {
        const bool inside = (is_word(from[0]) && at > text && is_word(at[-1])) ||
                            (is_word(from[length - 1]) && is_word(at[length]));
        if (inside || strlen(text) - length + other >= room) {
            at += length;
            continue;
        }
        memmove(at + other, at + length, strlen(at + length) + 1);
        memcpy(at, to, other);
        at += other;
    }
}

static void hide_home(char *text, size_t room, const char *home)
{
    char bare[4096];
    snprintf(bare, sizeof bare, "%s", home ? home : "");
    for (size_t n = strlen(bare); n > 1 && bare[n - 1] == '/'; n--)
        bare[n - 1] = 0;
    if (bare[0] == '/' && bare[1])
        replace(text, room, bare, "~");
}

static void hide_names(char *text, size_t room)
{
    char host[256] = "";
    const struct passwd *user = getpwuid(getuid());
    hide_home(text, room, getenv("HOME"));
    hide_home(text, room, user ? user->pw_dir : NULL);
    const char *names[] = { user ? user->pw_name : NULL, getenv("USER"), getenv("LOGNAME"),
                            getenv("SUDO_USER") };
    for (size_t i = 0; i < sizeof names / sizeof *names; i++)
        if (names[i] && strcmp(names[i], "root") != 0)
            replace(text, room, names[i], "USER");
    if (gethostname(host, sizeof host - 1) != 0 || strcmp(host, "localhost") == 0)
        return;
    replace(text, room, host, "HOST");
    host[strcspn(host, ".")] = 0;
    replace(text, room, host, "HOST");
}

// ---- the page ----------------------------------------------------------------------------------------
static void add(page *p, const char *section, const char *key, const char *text)
{
    if (p->count == p->room) {
        page_line *more = realloc(p->lines, (p->room * 2 + 64) * sizeof *more);
        if (!more)
            return;
        p->lines = more;
        p->room = p->room * 2 + 64;
    }
    page_line *l = &p->lines[p->count++];
    l->section = section;
    snprintf(l->key, sizeof l->key, "%s", key);
    chi_text_escape(text, l->value, sizeof l->value);
}

void page_add(page *p, const char *section, const char *key, const char *format, ...)
{
    char text[2048];
    va_list list;
    va_start(list, format);
    vsnprintf(text, sizeof text, format, list);
    va_end(list);
    hide_names(text, sizeof text);
    add(p, section, key, text);
}

void page_add_name(page *p, const char *section, const char *key, const char *format, ...)
{
    char text[2048];
    va_list list;
    va_start(list, format);
    vsnprintf(text, sizeof text, format, list);
    va_end(list);
    add(p, section, key, text);
}

static void print_page(const page *p)
{
    enum { COLUMN = 22 };
    const size_t width = text_width(STDOUT_FILENO);
    for (size_t i = 0; i < p->count; i++) {
        const page_line *l = &p->lines[i];
        if (i == 0 || strcmp(p->lines[i - 1].section, l->section) != 0)
            printf("%s%s\n", i ? "\n" : "", l->section);
        const bool again =
            i && p->lines[i - 1].section == l->section && strcmp(p->lines[i - 1].key, l->key) == 0;
        const size_t columns = again ? 0 : text_columns(l->key);
        printf("  %s", again ? "" : l->key);
        if (columns > COLUMN - 3)
            printf("\n%*s", COLUMN, "");
        else
            printf("%*s", (int)(COLUMN - 2 - columns), "");
        text_wrap(stdout, l->value, COLUMN, COLUMN, width);
    }
}

// A section is an object; keys that stand there several times are lists.
static void print_json(const page *p)
{
    json_t *all = json_object();
    for (size_t i = 0; i < p->count; i++) {
        const page_line *l = &p->lines[i];
        if (!json_object_get(all, l->section))
            json_object_set_new(all, l->section, json_object());
        json_t *section = json_object_get(all, l->section),
               *before = json_object_get(section, l->key);
        if (before && !json_is_array(before)) {
            json_t *list = json_array();
            json_array_append(list, before);
            json_object_set_new(section, l->key, list);
            before = list;
        }
        if (before)
            json_array_append_new(before, json_string(l->value));
        else
            json_object_set_new(section, l->key, json_string(l->value));
    }
    json_object_set_new(all, "failed", json_integer((json_int_t)p->failed));
    json_dumpf(all, stdout, JSON_INDENT(2));
    printf("\n");
    json_decref(all);
}

static const char *state_of(const chi_device_info *d)
{
    static const char *const states[] = { "ok", "degraded", "refused", "duplicate" };
    return states[d->state];
}

static void add_devices(page *p, tool *t)
{
    size_t count = 0;
    chi_device_info *list = NULL;
    if (chi_device_list(&t->options, &list, &count) != CHI_OK)
        page_add(p, "devices", "none", "%s", chi_error_text());
    for (size_t i = 0; i < count; i++) {
        const chi_device_info *d = &list[i];
        char key[32], memory[TEXT_ROOM], largest[TEXT_ROOM];
        snprintf(key, sizeof key, "#%zu%s", d->index, d->is_default ? " (default)" : "");
        page_add_name(p, "devices", key, "%s, %s, by \"%s\"", d->name, d->type, d->selector);
        page_add_name(p, "devices", key, "%s, driver %s, %s", d->platform, d->driver, d->version);
        page_add_name(p, "devices", key,
                      "%u units, %u MHz, vectors of %u, %s, at most %s in one piece, groups of up "
                      "to %zu, %llu bytes of local memory%s%s",
                      d->units, d->clock_mhz, d->vector_width, text_bytes(d->memory_bytes, memory),
                      text_bytes(d->max_alloc_bytes, largest), d->max_group,
                      (unsigned long long)d->local_bytes,
                      d->local_is_global ? " (ordinary memory)" : "",
                      d->unified ? ", shares the host's memory" : "");
        page_add(p, "devices", key, "%s%s%s%s%s", state_of(d), *d->reason ? ": " : "", d->reason,
                 d->flushes_subnormals ? ", flushes subnormals" : "",
                 d->loses_zero_signs ? ", loses signs of zeros" : "");
    }
    chi_device_list_free(&list);
}

int command_doctor(int argc, char **argv)
{
    tool t = { 0 };
    page p = { 0 };
    const tool_command command = {
        "doctor [--device SELECTOR] [--json]",
        "What a report of a fault needs, on one page: versions, drivers, devices and what is wrong "
        "with them, folders, limits, environment, and a small check that a device gives the "
        "right results. The home folder is written ~, the user's and the host's names USER and "
        "HOST. Exit status: 0 where the check passes.",
        "chiaro doctor > report.txt",
        TOOL_OPENS | TOOL_JSON | TOOL_QUIET,
        0,
    };
    const int result = tool_parse(&t, argc, argv, &command, NULL, 0, NULL, NULL);
    if (result != TOOL_DONE || t.help)
        return result;
    doctor_system(&p);
    add_devices(&p, &t);
    doctor_drivers(&p);
    doctor_paths(&p);
    doctor_limits(&p);
    doctor_environment(&p);
    const size_t before = p.count;
    doctor_check(&p, &t);
    if (t.json)
        print_json(&p);
    else
        print_page(&p);
    const bool opened = p.count > before + 1;
    free(p.lines);
    return !opened ? TOOL_NO_DEVICE : p.failed ? TOOL_FAILED : TOOL_DONE;
}
