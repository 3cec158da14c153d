// SPDX-License-Identifier: Apache-2.0
// choose.c: the default device by measurement. The measuring program: tools/probe.c. No probe runs where there is
// nothing to choose; times are kept in the cache folder, a line a device, for a day (notes.h).
#include "choose.h"

#include <stdio.h>
#include <string.h>

#include "../base/child.h"
#include "../base/env.h"
#include "../base/file.h"
#include "../base/text.h"
#include "notes.h"
#include "select.h"

enum { NOTE_ROOM = 400 };
static const char notes[] =
    "probe.notes"; // milliseconds, "busy" where the machine was, and the name; or -1 and what went wrong
static const double deadline_us = 10e6;
static const double failed = -1;

static bool find_probe(char *to, size_t room)
{
    char folder[4000];
    const char *named = chi__env("CHIARO_PROBE");
    if (named)
        snprintf(to, room, "%s", named);
    else if (chi__program_folder(folder, sizeof folder))
        snprintf(to, room, "%s/chiaro-probe", folder);
    else
        return false;
    return chi__file_exists(to);
}

// What a probe printed: milliseconds, and whether other programs used the processors meanwhile. false: no time.
static bool parse_output(char *output, double *ms, bool *busy)
{
    static const char word[] = " busy";
    chi__trim(output);
    const size_t length = strlen(output);
    *busy = length > strlen(word) && strcmp(output + length - strlen(word), word) == 0;
    if (*busy)
        output[length - strlen(word)] = '\0';
    return chi__parse_double(output, ms) && *ms > 0;
}

// Milliseconds, or `failed`; the note says which, and why.
static double probe(const chi_log *log, const char *program, const chi_device_info *info,
                    char *note, size_t room)
{
    char index[32], output[256];
    double ms = failed;
    bool busy;
    snprintf(index, sizeof index, "#%zu", info->index);
    char *const argv[] = { (char *)(uintptr_t)program, index, NULL };
    if (chi__child_run(argv, deadline_us, output, sizeof output) != CHI_OK) {
        snprintf(note, room, "-1 %s", chi_error_text());
        chi__say_to(log, CHI_LOG_WARNING,
                    "%s is not chosen by default, its probe failed: %s; it is asked again after a "
                    "day, or after chiaro cache clear; --device '%s' uses it "
                    "all the same",
                    info->name, chi_error_text(), info->selector);
        return failed;
    }
    if (!parse_output(output, &ms, &busy)) {
        snprintf(note, room, "-1 it printed no time");
        return failed;
    }
    snprintf(note, room, "%s %s%s", output, busy ? "busy " : "", info->name);
    return ms;
}

// The time that a note begins with, and what follows it; false: it has none.
static bool parse_note(const char *note, double *ms, const char **rest)
{
    char number[32];
    const size_t length = strcspn(note, " ");
    snprintf(number, sizeof number, "%.*s", (int)length, note);
    *rest = note[length] ? note + length + 1 : note + length;
    return chi__parse_double(number, ms) && (*ms > 0 || *ms == failed);
}

static double measure(const chi_log *log, const char *program, const chi_device_info *info,
                      bool *busy)
{
    char note[NOTE_ROOM];
    const char *rest;
    double ms = failed;
    if (!chi__note_read(NULL, notes, info, note, sizeof note, NULL) ||
        !parse_note(note, &ms, &rest)) {
        ms = probe(log, program, info, note, sizeof note);
        chi__note_add(NULL, notes, info, note);
        *busy = *busy || (parse_note(note, &ms, &rest) && ms > 0 && strncmp(rest, "busy ", 5) == 0);
    }
    return ms;
}

void chi__show_failed_probes(chi_device_info *list, size_t count)
{
    char note[NOTE_ROOM];
    const char *rest;
    double ms;
    long long age;
    for (size_t i = 0; i < count; i++) {
        if (list[i].state != CHI_DEVICE_OK ||
            !chi__note_read(NULL, notes, &list[i], note, sizeof note, &age) ||
            !parse_note(note, &ms, &rest) || ms != failed)
            continue;
        list[i].state = CHI_DEVICE_DEGRADED;
        snprintf(list[i].reason, sizeof list[i].reason,
                 "its probe failed %lld min ago: %.*s (asked again after a day, or after chiaro "
                 "cache clear)",
                 age / 60, (int)sizeof list[i].reason - 110, rest);
    }
}

// The device that was fastest, of those open to choice; false: no probe of any ended well.
static bool race(const chi_log *log, const char *program, const chi_device_info *list, size_t count,
                 const bool *excluded, size_t *best, double *least)
{
    bool busy = false;
    *least = 0;
    for (size_t i = 0; i < count; i++) {
        if (list[i].state > CHI_DEVICE_DEGRADED || (excluded && excluded[i]))
            continue;
        const double ms = measure(log, program, &list[i], &busy);
        if (ms < 0 || (*least > 0 && ms >= *least))
            continue;
        *least = ms;
        *best = i;
    }
    if (busy)
        chi__say_to(log, CHI_LOG_WARNING,
                    "other programs used the processors while devices were compared, so the "
                    "default is less sure; they are compared again after a day, or "
                    "after chiaro cache clear");
    return *least > 0;
}

// Into the log, and to who asks.
static bool choose_for(const chi__choosing *to, const chi_device_info *device, const char *why)
{
    if (to->why)
        snprintf(to->why, to->room, "%s", why);
    chi__say_to(to->log, CHI_LOG_INFO, "the default is %s: %s", device->name, why);
    return true;
}

bool chi__choose(const void *user, const chi_device_info *list, size_t count, const bool *excluded,
                 size_t *chosen)
{
    const chi__choosing *to = user;
    char program[4096], why[200];
    size_t open = 0;
    double least;
    for (size_t i = 0; i < count; i++)
        open += list[i].state <= CHI_DEVICE_DEGRADED && !(excluded && excluded[i]);
    if (open < 2)
        return chi__best(list, count, excluded, chosen);
    if (!find_probe(program, sizeof program))
        snprintf(why, sizeof why,
                 "a guess from units and clock, for chiaro-probe is not beside the program "
                 "(CHIARO_PROBE names it)");
    else if (race(to->log, program, list, count, excluded, chosen, &least))
        snprintf(why, sizeof why, "the fastest of %zu in a probe, %.3f ms", open, least);
    else
        snprintf(why, sizeof why, "a guess from units and clock, for no probe ended well");
    if (strncmp(why, "a guess", 7) == 0 && !chi__best(list, count, excluded, chosen))
        return false;
    return choose_for(to, &list[*chosen], why);
}
