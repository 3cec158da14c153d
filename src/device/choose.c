// SPDX-License-Identifier: Apache-2.0
// choose.c: the default device by measurement. The measuring program: tools/probe.c. No probe runs where there is
// nothing to choose; times are kept in the cache folder, a line a device, so each is probed once a driver version.
#include "choose.h"

#include <inttypes.h>
#include <stdio.h>
#include <string.h>

#include "../base/child.h"
#include "../base/env.h"
#include "../base/file.h"
#include "../base/hash.h"
#include "../base/memory.h"
#include "../base/text.h"
#include "cl.h"
#include "select.h"

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

static bool notes_path(char *to, size_t room)
{
    char folder[4000];
    if (chi_cache_path(NULL, folder, sizeof folder) != CHI_OK)
        return false;
    return (size_t)snprintf(to, room, "%s/probe.txt", folder) < room;
}

// The line of one device begins with this.
static void note_key(const chi_device_info *info, char *to, size_t room)
{
    char fingerprint[1024];
    chi__fingerprint(info, fingerprint, sizeof fingerprint);
    snprintf(to, room, "%016" PRIx64 " ", chi__hash(CHI__HASH_START, fingerprint, strlen(fingerprint)));
}

static bool note_read(const char *notes, const chi_device_info *info, double *ms)
{
    char key[32], number[32];
    note_key(info, key, sizeof key);
    const char *line = strstr(notes, key);
    if (!line)
        return false;
    line += strlen(key);
    snprintf(number, sizeof number, "%.*s", (int)strcspn(line, " \n"), line);
    return chi__parse_double(number, ms) && (*ms > 0 || *ms == failed);
}

static void note_add(const char *notes, const chi_device_info *info, double ms)
{
    char path[4096], key[32];
    chi__text all = { 0 };
    chi__writer writer;
    if (!notes_path(path, sizeof path))
        return;
    note_key(info, key, sizeof key);
    // Microseconds as a whole number over 1000: printf's decimal point follows the locale.
    chi__text_add(&all, "%s%s%s%lu.%03lu %s\n", notes, key, ms < 0 ? "-" : "", (unsigned long)(ms < 0 ? -ms : ms),
                  (unsigned long)((ms < 0 ? -ms : ms) * 1e3) % 1000, info->name);
    *strrchr(path, '/') = '\0';
    chi_status st = chi__make_folder(path, 0700);
    path[strlen(path)] = '/';
    if (st == CHI_OK && !all.failed && chi__writer_open(path, false, &writer) == CHI_OK) {
        chi__writer_put(&writer, all.at, all.length);
        chi__writer_commit(&writer); // only a note: without it the next process probes again
    }
    chi__free(all.at);
}

static double probe(const chi_log *log, const char *program, const chi_device_info *info)
{
    char index[32], output[256];
    double ms = failed;
    snprintf(index, sizeof index, "#%zu", info->index);
    char *const argv[] = { (char *)(uintptr_t)program, index, NULL };
    if (chi__child_run(argv, deadline_us, output, sizeof output) != CHI_OK) {
        chi__say_to(log, CHI_LOG_WARNING, "%s is not chosen by default, its probe failed: %s; --device '%s' uses it all the same",
                    info->name, chi_error_text(), info->selector);
        return failed;
    }
    chi__trim(output);
    return chi__parse_double(output, &ms) && ms > 0 ? ms : failed;
}

static double measure(const chi_log *log, const char *program, const chi_device_info *info)
{
    char path[4096], *notes = NULL;
    double ms = failed;
    if (!notes_path(path, sizeof path) || !chi__file_exists(path) || chi__file_load(path, 1 << 20, &notes, NULL) != CHI_OK)
        notes = chi__copy_text("");
    if (notes && !note_read(notes, info, &ms)) {
        ms = probe(log, program, info);
        note_add(notes, info, ms);
    }
    chi__free(notes);
    return ms;
}

bool chi__choose(const void *user, const chi_device_info *list, size_t count, const bool *excluded, size_t *chosen)
{
    const chi_log *log = user;
    char program[4096];
    size_t open = 0, best = 0;
    double least = 0;
    for (size_t i = 0; i < count; i++)
        open += list[i].state <= CHI_DEVICE_DEGRADED && !(excluded && excluded[i]);
    if (open < 2)
        return chi__best(list, count, excluded, chosen);
    if (!find_probe(program, sizeof program)) {
        chi__say_to(log, CHI_LOG_INFO, "no probe ran, for chiaro-probe is not beside the program (CHIARO_PROBE names it): the default "
                                       "is a guess from units and clock");
        return chi__best(list, count, excluded, chosen);
    }
    for (size_t i = 0; i < count; i++) {
        if (list[i].state > CHI_DEVICE_DEGRADED || (excluded && excluded[i]))
            continue;
        const double ms = measure(log, program, &list[i]);
        if (ms < 0 || (least > 0 && ms >= least))
            continue;
        least = ms;
        best = i;
    }
    if (least == 0)
        return chi__best(list, count, excluded, chosen);
    chi__say_to(log, CHI_LOG_INFO, "the default is %s: the fastest of %zu in a probe, %.3f ms", list[best].name, open, least);
    *chosen = best;
    return true;
}
