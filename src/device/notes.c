// SPDX-License-Identifier: Apache-2.0
// notes.c: lines about devices in files of the cache folder. Header: notes.h.
#include "notes.h"

#include <inttypes.h>
#include <stdio.h>
#include <string.h>

#include "../base/clock.h"
#include "../base/file.h"
#include "../base/hash.h"
#include "../base/memory.h"
#include "../base/text.h"
#include "cl.h"

enum { PATH_ROOM = 4200, KEY_ROOM = 32, MOST_BYTES = 1 << 20 };

// Folder and file; false: nothing is kept.
static bool find(const char *cache_dir, const char *file, char *folder, char *path)
{
    return chi_cache_path(cache_dir, folder, PATH_ROOM - 100) == CHI_OK &&
           snprintf(path, PATH_ROOM, "%s/%s", folder, file) < PATH_ROOM;
}

static char *load(const char *path)
{
    char *notes = NULL;
    if (!chi__file_exists(path) || chi__file_load(path, MOST_BYTES, &notes, NULL) != CHI_OK)
        return chi__copy_text("");
    return notes;
}

// A device's line begins with this.
static void key_of(const chi_device_info *info, char *to)
{
    char fingerprint[1024];
    chi__fingerprint(info, fingerprint, sizeof fingerprint);
    snprintf(to, KEY_ROOM, "%016" PRIx64 " ",
             chi__hash(CHI__HASH_START, fingerprint, strlen(fingerprint)));
}

// A line is "KEY NOTE @SECONDS", or "KEY NOTE" as the first versions wrote it: as old as its file.
typedef struct line {
    const char *note;
    size_t length; // of the note
    long long made_s;
} line;

// Takes the date off the note's end, where there is one.
static void take_date(line *l)
{
    char number[24];
    unsigned long long made;
    size_t digits = 0;
    while (digits < l->length && digits < sizeof number - 1 &&
           l->note[l->length - 1 - digits] >= '0' && l->note[l->length - 1 - digits] <= '9')
        digits++;
    if (digits + 2 > l->length || strncmp(l->note + l->length - digits - 2, " @", 2) != 0)
        return;
    snprintf(number, sizeof number, "%.*s", (int)digits, l->note + l->length - digits);
    l->made_s = chi__parse_u64(number, &made) && made < INT64_MAX ? (long long)made : 0;
    l->length -= digits + 2;
}

// The line at *at, which moves behind it; false: there is none.
static bool next_line(const char **at, size_t key_length, long long file_s, line *out)
{
    const size_t length = strcspn(*at, "\n");
    if (!**at)
        return false;
    *out = (line){ *at + (length < key_length ? length : key_length),
                   length < key_length ? 0 : length - key_length, file_s };
    *at += length + ((*at)[length] == '\n');
    take_date(out);
    return true;
}

// A clock that was set back makes notes of the future, which are as good as old ones.
static bool is_fresh(const line *l)
{
    const long long age = chi__date_s() - l->made_s;
    return age >= 0 && age <= CHI__NOTE_LIFE_S;
}

bool chi__note_read(const char *cache_dir, const char *file, const chi_device_info *info, char *to,
                    size_t room, long long *age_s)
{
    char folder[PATH_ROOM], path[PATH_ROOM], key[KEY_ROOM];
    char *notes = find(cache_dir, file, folder, path) ? load(path) : NULL;
    bool found = false;
    if (!notes)
        return false;
    key_of(info, key);
    const long long file_s = chi__file_date_s(path);
    line l;
    for (const char *at = notes, *start = at; !found && next_line(&at, strlen(key), file_s, &l);
         start = at) {
        found = strncmp(start, key, strlen(key)) == 0 && is_fresh(&l);
        if (found)
            snprintf(to, room, "%.*s", (int)l.length, l.note);
    }
    if (found && age_s)
        *age_s = chi__date_s() - l.made_s;
    chi__free(notes);
    return found;
}

void chi__note_add(const char *cache_dir, const char *file, const chi_device_info *info,
                   const char *note)
{
    char folder[PATH_ROOM], path[PATH_ROOM], key[KEY_ROOM];
    chi__text all = { 0 };
    chi__writer writer;
    char *notes = find(cache_dir, file, folder, path) ? load(path) : NULL;
    if (!notes)
        return;
    key_of(info, key);
    const long long file_s = chi__file_date_s(path);
    line l;
    for (const char *at = notes, *start = at; next_line(&at, strlen(key), file_s, &l); start = at)
        if (l.length && strncmp(start, key, strlen(key)) != 0 && is_fresh(&l))
            chi__text_add(&all, "%.*s%.*s @%lld\n", (int)strlen(key), start, (int)l.length, l.note,
                          l.made_s);
    chi__text_add(&all, "%s%s @%lld\n", key, note, chi__date_s());
    chi__free(notes);
    if (!all.failed && chi__make_folder(folder, 0700) == CHI_OK &&
        chi__writer_open(path, false, &writer) == CHI_OK) {
        chi__writer_put(&writer, all.at, all.length);
        chi__writer_commit(&writer);
    }
    chi__free(all.at);
}
