// SPDX-License-Identifier: Apache-2.0
// store.c: the files of records: one a device and kind, in one folder, readable and mergeable. Lines: record.c. Header: record.h.
//
// NAME-HASH.tune holds best tiles, NAME-HASH.trials what a search tried: a next one begins there. Files are replaced whole,
// under one lock for the folder, so that two tuners lose nothing of each other's and a kill leaves the old file.
#include "record.h"

#include <inttypes.h>
#include <stdio.h>
#include <string.h>

#include "../base/env.h"
#include "../base/file.h"
#include "../base/hash.h"
#include "../base/memory.h"
#include "../base/text.h"

enum { PATH_ROOM = 4300, MOST_BYTES = 4 << 20, MOST_FILES = 1000, CHECK_BYTES = 64 << 10 };
static const double lock_us = 10e6;

chi_status chi__store_folder(const char *dir, char *to, size_t room)
{
    if (dir && !dir[0])
        return chi__fail(NULL, CHI_ERR_UNSUPPORTED, "no records are kept: their folder is switched off");
    if (!dir && !chi__records_folder(to, room))
        return chi__fail(NULL, CHI_ERR_UNSUPPORTED, "no records are kept: none of CHIARO_TUNE_DIR, XDG_DATA_HOME and HOME is set");
    if (dir && (size_t)snprintf(to, room, "%s", dir) >= room)
        return chi__fail(NULL, CHI_ERR_ARGUMENT, "the name of the folder of records is longer than %zu bytes", room - 1);
    return CHI_OK;
}

// ---- reading -----------------------------------------------------------------------------------------
static void note_bad(chi__bad_lines *bad, const char *file, size_t line, const char *why)
{
    if (bad->count++ == 0)
        snprintf(bad->first, sizeof bad->first, "%.255s:%zu: %s", file, line, why);
}

void chi__store_scan(const char *file, const char *text, size_t bytes, chi__visit visit, void *user, chi__bad_lines *bad)
{
    chi__identity device;
    chi__fact fact;
    bool head = false, known = false;
    char why[80];
    size_t number = 1;
    for (size_t at = 0; at < bytes; number++) {
        const char *line = text + at, *end = memchr(line, '\n', bytes - at);
        const size_t length = end ? (size_t)(end - line) : bytes - at;
        at += length + 1;
        chi__line what = chi__record_parse(line, length, &device, &fact, why);
        if (what == CHI__LINE_EMPTY)
            continue;
        if (!head && what != CHI__LINE_HEAD) {
            note_bad(bad, file, number, "a file of records begins with \"chiaro-tuning 1\"; this one is left alone");
            return;
        }
        head = true;
        known = known || what == CHI__LINE_DEVICE;
        if (what == CHI__LINE_FACT && !known) {
            snprintf(why, sizeof why, "no device was named before it");
            what = CHI__LINE_BAD;
        }
        if (what == CHI__LINE_BAD)
            note_bad(bad, file, number, why);
        else if (what == CHI__LINE_FACT && !visit(user, file, &device, &fact))
            return;
    }
}

chi_status chi__store_read(const char *folder, const char *end, chi__visit visit, void *user, chi__bad_lines *bad)
{
    char path[PATH_ROOM], *names = chi__list_folder(folder, end), *text;
    size_t files = 0, bytes;
    if (!names)
        return chi__fail(NULL, CHI_ERR_MEMORY, "%s: no memory for the names of its files", folder);
    for (const char *name = names; *name && files < MOST_FILES; name += strlen(name) + 1, files++) {
        snprintf(path, sizeof path, "%.4000s/%.255s", folder, name);
        if (chi__file_load(path, MOST_BYTES, &text, &bytes) != CHI_OK) {
            note_bad(bad, name, 0, chi_error_text());
            continue;
        }
        chi__store_scan(name, text, bytes, visit, user, bad);
        chi__free(text);
    }
    chi__free(names);
    return CHI_OK;
}

// ---- writing -----------------------------------------------------------------------------------------
// The device's file: what a person recognises of its name, and a hash of all that makes it this device.
static void file_of(const char *folder, const chi__identity *device, const char *end, char *path)
{
    char line[CHI__RECORD_LINE], name[49];
    size_t used = 0;
    chi__identity_print(device, line);
    for (const char *at = device->name; *at && used + 1 < sizeof name; at++) {
        const bool plain = (*at >= 'a' && *at <= 'z') || (*at >= 'A' && *at <= 'Z') || (*at >= '0' && *at <= '9');
        if (plain || (used && name[used - 1] != '-'))
            name[used++] = plain ? *at : '-';
    }
    while (used && name[used - 1] == '-')
        used--;
    name[used] = '\0';
    snprintf(path, PATH_ROOM, "%.4000s/%s%s%08" PRIx64 "%s", folder, name, used ? "-" : "", chi__hash(CHI__HASH_START, line, strlen(line)) & 0xffffffffu, end);
}

// The old text without what the fresh fact replaces; whether it ends among facts of this device. Lines that say nothing to
// us stay: they may to a newer chiaro.
static bool keep_others(const char *old, size_t bytes, const chi__identity *own, const chi__fact *fresh, size_t count, chi__text *to)
{
    chi__identity device;
    chi__fact fact;
    char why[80];
    bool mine = false;
    for (size_t at = 0; at < bytes;) {
        const char *line = old + at, *end = memchr(line, '\n', bytes - at);
        const size_t length = end ? (size_t)(end - line) : bytes - at;
        at += length + 1;
        if (!length || memchr(line, '\0', length))
            continue;
        const chi__line what = chi__record_parse(line, length, &device, &fact, why);
        if (what == CHI__LINE_DEVICE)
            mine = chi__identity_same(&device, own);
        bool replaced = false;
        for (size_t i = 0; i < count && what == CHI__LINE_FACT && mine; i++)
            replaced = replaced || chi__fact_replaces(&fact, &fresh[i]);
        if (!replaced)
            chi__text_add(to, "%.*s\n", (int)length, line);
    }
    return mine;
}

// The file's new text: never NULL unless there is no memory.
static char *merged(const char *path, const chi__identity *device, const chi__fact *facts, size_t count)
{
    char line[CHI__RECORD_LINE], *old = NULL;
    size_t bytes = 0;
    chi__text all = { 0 };
    const bool readable = chi__file_exists(path) && chi__file_load(path, MOST_BYTES, &old, &bytes) == CHI_OK;
    const size_t head = strlen(chi__record_head);
    bool mine = false;
    if (readable && bytes > head && memcmp(old, chi__record_head, head) == 0 && old[head] == '\n')
        mine = keep_others(old, bytes, device, facts, count, &all);
    else // new, or so damaged that it is no file of records
        chi__text_add(&all, "%s\n", chi__record_head);
    chi__identity_print(device, line);
    if (!mine)
        chi__text_add(&all, "%s\n", line);
    for (size_t i = 0; i < count; i++) {
        chi__record_print(&facts[i], line);
        chi__text_add(&all, "%s\n", line);
    }
    chi__free(old);
    if (!all.failed)
        return all.at;
    chi__free(all.at);
    return NULL;
}

static chi_status write_text(const char *path, const char *text)
{
    chi__writer writer;
    CHI_TRY(chi__writer_open(path, true, &writer));
    chi__writer_put(&writer, text, strlen(text));
    return chi__writer_commit(&writer);
}

static chi_status take_lock(const char *folder, chi__lock *lock)
{
    char path[PATH_ROOM];
    CHI_TRY(chi__make_folder(folder, 0755));
    snprintf(path, sizeof path, "%.4000s/.lock", folder);
    return chi__lock_take(path, lock_us, lock);
}

chi_status chi__store_put(const char *folder, const chi__identity *device, const chi__fact *facts, size_t count)
{
    char path[PATH_ROOM];
    chi__lock lock;
    const bool settled = facts[0].kind == CHI__FACT_BEST || facts[0].kind == CHI__FACT_PROVIDER;
    CHI_TRY(take_lock(folder, &lock));
    file_of(folder, device, settled ? ".tune" : ".trials", path);
    char *text = merged(path, device, facts, count);
    const chi_status st = text ? write_text(path, text) : chi__fail(NULL, CHI_ERR_MEMORY, "%s: no memory for its text", path);
    chi__free(text);
    chi__lock_leave(&lock);
    return st;
}

chi_status chi__store_check(const char *folder)
{
    char path[PATH_ROOM];
    chi__lock lock;
    CHI_TRY(take_lock(folder, &lock));
    snprintf(path, sizeof path, "%.4000s/.check", folder);
    char *zeros = chi__alloc(CHECK_BYTES, 1);
    chi__writer writer;
    chi_status st = zeros ? chi__writer_open(path, true, &writer) : chi__fail(NULL, CHI_ERR_MEMORY, "no memory for %d bytes", CHECK_BYTES);
    if (st == CHI_OK) {
        chi__writer_put(&writer, zeros, CHECK_BYTES);
        st = chi__writer_commit(&writer);
    }
    chi__free(zeros);
    if (st == CHI_OK)
        st = chi__remove_file(path);
    chi__lock_leave(&lock);
    return st;
}
