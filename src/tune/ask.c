// SPDX-License-Identifier: Apache-2.0
// ask.c: a trial as text, so that a process of its own can run it: a driver that hangs, crashes or leaves takes that process
// along and no other. Both ends are here; what is run is in trial.c. Header: trial.h.
#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "../base/child.h"
#include "../base/memory.h"
#include "../base/text.h"
#include "trial.h"

static const char request_head[] = "chiaro-trial 1";

// ---- the question ------------------------------------------------------------------------------------
static char *print_request(const chi__trial *t)
{
    const chi_device_options *d = t->device;
    chi__text text = { 0 };
    chi__text_add(&text, "%s\nkernel %s\nmatch %s\nthreads %u\nmemory %" PRIu64 "\ncore %d\n", request_head, t->peak ? "peak" : chi__family_name(t->family),
                  d->match ? d->match : "", d->threads, d->memory_bytes, (int)d->core);
    chi__text_add(&text, "n %zu\ndim0 %zu\ndim1 %zu\nrounds %zu\nunchecked %zu\nverify %zu\n", t->n, t->dims[0], t->dims[1], t->rounds, t->unchecked, t->verify);
    for (size_t i = 0; i < t->count; i++)
        chi__text_add(&text, "tile %s\n", t->tiles[i].tile);
    if (!text.failed)
        return text.at;
    chi__free(text.at);
    return NULL;
}

// "KEY VALUE": the value, ended in place; NULL: another key.
static char *value_of(char *line, const char *key)
{
    const size_t length = strlen(key);
    return strncmp(line, key, length) == 0 && line[length] == ' ' ? line + length + 1 : NULL;
}

static bool take_count(char *line, const char *key, uint64_t most, size_t *out, bool *known)
{
    unsigned long long value;
    const char *text = value_of(line, key);
    if (!text || !chi__parse_u64(text, &value) || value > most)
        return false;
    *out = (size_t)value;
    *known = true;
    return true;
}

static bool take_line(char *line, chi__trial *t, chi_device_options *d)
{
    size_t threads = 0, memory = 0, core = 0;
    bool known = false;
    char *text;
    if ((text = value_of(line, "kernel")) != NULL) {
        t->peak = strcmp(text, "peak") == 0;
        return t->peak || chi__family_find(text, strlen(text), &t->family);
    }
    if ((text = value_of(line, "match")) != NULL) {
        d->match = *text ? text : NULL;
        return true;
    }
    if ((text = value_of(line, "tile")) != NULL) {
        if (t->count == CHI__MOST_CONTESTANTS || strlen(text) >= CHI__TILE_NAME)
            return false;
        strcpy(t->tiles[t->count++].tile, text);
        return true;
    }
    if (take_count(line, "threads", 1u << 20, &threads, &known))
        d->threads = (unsigned)threads;
    else if (take_count(line, "memory", SIZE_MAX, &memory, &known))
        d->memory_bytes = memory;
    else if (take_count(line, "core", CHI_CORE_GROUP, &core, &known))
        d->core = (chi_core)core;
    else if (!take_count(line, "n", 1u << 20, &t->n, &known) && !take_count(line, "rounds", CHI__MOST_ROUNDS, &t->rounds, &known) &&
             !take_count(line, "verify", CHI__MOST_VERIFIED, &t->verify, &known) && !take_count(line, "unchecked", CHI__MOST_CONTESTANTS, &t->unchecked, &known) &&
             !take_count(line, "dim0", 1u << 20, &t->dims[0], &known))
        take_count(line, "dim1", 1u << 20, &t->dims[1], &known);
    return known;
}

// `text` is cut up.
static chi_status parse_request(char *text, chi__trial *t, chi_device_options *d)
{
    bool head = false;
    for (char *line = text, *next; line && *line; line = next) {
        if ((next = strchr(line, '\n')) != NULL)
            *next++ = '\0';
        if (!head && strcmp(line, request_head) != 0)
            return chi__fail(NULL, CHI_ERR_ARGUMENT, "a trial's request begins with \"%s\", not \"%.40s\"", request_head, line);
        if (head && !take_line(line, t, d))
            return chi__fail(NULL, CHI_ERR_ARGUMENT, "a trial's request says \"%.80s\"", line);
        head = true;
    }
    const size_t least = t->family == CHI__FAMILY_CONV ? 1 : 16;
    if (!head || (!t->peak && (t->count == 0 || t->n < least || (t->family != CHI__FAMILY_CORE && strcmp(t->tiles[t->count - 1].tile, "clblast") == 0))))
        return chi__fail(NULL, CHI_ERR_ARGUMENT, "a trial's request is incomplete: %zu tiles, n = %zu", t->count, t->n);
    return CHI_OK;
}

// ---- the answer --------------------------------------------------------------------------------------
// Drivers print too: a line of ours begins with "= ". Times in nanoseconds, whole, whatever the locale.
static chi_status print_answer(const chi__trial *t, char *to, size_t room)
{
    chi__text text = { 0 };
    if (t->peak)
        chi__text_add(&text, "= peak %.0f\n", t->peak_gflops * 1e3);
    for (size_t i = 0; i < t->count; i++) {
        const chi__contestant *tile = &t->tiles[i];
        if (tile->failed) {
            chi__text_add(&text, "= fail %zu %s\n", i, tile->why);
            continue;
        }
        chi__text_add(&text, "= hash %zu %016" PRIx64 "\n", i, tile->hash);
        for (size_t c = 0; c < CHI__CLASSES; c++)
            for (size_t r = 0; r < t->rounds && t->dims[c]; r++)
                chi__text_add(&text, "= ns %zu %zu %zu %.0f\n", i, c, r, tile->us[c][r] * 1e3);
    }
    chi__text_add(&text, t->busy ? "= busy\n= done\n" : "= done\n");
    const bool fits = !text.failed && text.length < room;
    if (fits)
        memcpy(to, text.at, text.length + 1);
    chi__free(text.at);
    return fits ? CHI_OK : chi__fail(NULL, CHI_ERR_MEMORY, "a trial's answer of %zu bytes has room for %zu", text.length, room);
}

static bool parse_answer_line(const char *line, chi__trial *t, bool *done)
{
    size_t i = 0, c = 0, r = 0;
    uint64_t value = 0;
    int at = 0;
    if (strcmp(line, "done") == 0) {
        *done = true;
        return true;
    }
    if (strcmp(line, "busy") == 0) {
        t->busy = true;
        return true;
    }
    if (sscanf(line, "peak %" SCNu64, &value) == 1) {
        t->peak_gflops = (double)value * 1e-3;
        return true;
    }
    if (sscanf(line, "fail %zu %n", &i, &at) == 1 && i < t->count) {
        t->tiles[i].failed = true;
        snprintf(t->tiles[i].why, sizeof t->tiles[i].why, "%s", line + at);
        return true;
    }
    if (sscanf(line, "hash %zu %" SCNx64, &i, &value) == 2 && i < t->count) {
        t->tiles[i].hash = value;
        return true;
    }
    if (sscanf(line, "ns %zu %zu %zu %" SCNu64, &i, &c, &r, &value) == 4 && i < t->count && c < CHI__CLASSES && r < CHI__MOST_ROUNDS) {
        t->tiles[i].us[c][r] = value ? (double)value * 1e-3 : 1e-3;
        return true;
    }
    return false;
}

// `text` is cut up.
static chi_status parse_answer(char *text, chi__trial *t)
{
    bool done = false;
    for (char *line = text, *next; line && *line; line = next) {
        if ((next = strchr(line, '\n')) != NULL)
            *next++ = '\0';
        if (line[0] == '=' && line[1] == ' ' && !parse_answer_line(line + 2, t, &done))
            return chi__fail(NULL, CHI_ERR_INTERNAL, "it answered \"%.80s\"", line);
    }
    if (!done)
        return chi__fail(NULL, CHI_ERR_INTERNAL, "it ended without an answer");
    for (size_t i = 0; i < t->count; i++)
        for (size_t c = 0; c < CHI__CLASSES; c++)
            for (size_t r = 0; r < t->rounds && t->dims[c] && !t->tiles[i].failed; r++)
                if (!(t->tiles[i].us[c][r] > 0.0))
                    return chi__fail(NULL, CHI_ERR_INTERNAL, "its answer has no time for %s", t->tiles[i].tile);
    return CHI_OK;
}

// ---- both ends ---------------------------------------------------------------------------------------
chi_status chi_tune_trial(const char *request, char *answer, size_t room)
{
    chi__trial *t = chi__alloc(1, sizeof *t);
    chi_device_options device = { 0 };
    char *text = request ? chi__copy_text(request) : NULL;
    chi_status st = t && text ? CHI_OK : chi__fail(NULL, request ? CHI_ERR_MEMORY : CHI_ERR_ARGUMENT, "a trial needs a request, and memory for it");
    if (st == CHI_OK)
        st = parse_request(text, t, &device);
    if (st == CHI_OK) {
        t->device = &device;
        st = chi__trial_run(t);
    }
    if (st == CHI_OK)
        st = print_answer(t, answer, room);
    chi__free(text);
    chi__free(t);
    return st;
}

static chi_status run_child(const char *runner, const char *request, double deadline_us, chi__trial *t)
{
    char *answer = chi__alloc(CHI__ANSWER, 1);
    char *const argv[] = { (char *)(uintptr_t)runner, "tune-trial", (char *)(uintptr_t)request, NULL };
    chi_status st = answer ? chi__child_run(argv, deadline_us, answer, CHI__ANSWER) : chi__fail(NULL, CHI_ERR_MEMORY, "no memory for an answer");
    if (st == CHI_OK)
        st = parse_answer(answer, t);
    chi__free(answer);
    return st;
}

chi_status chi__trial_ask(const char *runner, double deadline_us, chi__trial *t)
{
    if (!runner)
        return chi__trial_run(t);
    char *request = print_request(t);
    const chi_status st = request ? run_child(runner, request, deadline_us, t) : chi__fail(NULL, CHI_ERR_MEMORY, "no memory for a request");
    chi__free(request);
    return st;
}
