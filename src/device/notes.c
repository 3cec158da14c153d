// SPDX-License-Identifier: Apache-2.0
// notes.c: lines about devices in files of the cache folder. Header: notes.h.
#include "notes.h"

#include <inttypes.h>
#include <stdio.h>
#include <string.h>

#include "../base/file.h"
#include "../base/hash.h"
#include "../base/memory.h"
#include "../base/text.h"
#include "cl.h"

enum { PATH_ROOM = 4200, KEY_ROOM = 32, MOST_BYTES = 1 << 20 };

// Folder and file; false: nothing is kept.
static bool find(const char *cache_dir, const char *file, char *folder, char *path)
{
    return chi_cache_path(cache_dir, folder, PATH_ROOM - 100) == CHI_OK && snprintf(path, PATH_ROOM, "%s/%s", folder, file) < PATH_ROOM;
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
    snprintf(to, KEY_ROOM, "%016" PRIx64 " ", chi__hash(CHI__HASH_START, fingerprint, strlen(fingerprint)));
}

bool chi__note_read(const char *cache_dir, const char *file, const chi_device_info *info, char *to, size_t room)
{
    char folder[PATH_ROOM], path[PATH_ROOM], key[KEY_ROOM];
    char *notes = find(cache_dir, file, folder, path) ? load(path) : NULL;
    if (!notes)
        return false;
    key_of(info, key);
    const char *line = strstr(notes, key);
    if (line) {
        line += strlen(key);
        snprintf(to, room, "%.*s", (int)strcspn(line, "\n"), line);
    }
    chi__free(notes);
    return line != NULL;
}

void chi__note_add(const char *cache_dir, const char *file, const chi_device_info *info, const char *note)
{
    char folder[PATH_ROOM], path[PATH_ROOM], key[KEY_ROOM];
    chi__text all = { 0 };
    chi__writer writer;
    char *notes = find(cache_dir, file, folder, path) ? load(path) : NULL;
    if (!notes)
        return;
    key_of(info, key);
    chi__text_add(&all, "%s%s%s\n", notes, key, note);
    chi__free(notes);
    if (!all.failed && chi__make_folder(folder, 0700) == CHI_OK && chi__writer_open(path, false, &writer) == CHI_OK) {
        chi__writer_put(&writer, all.at, all.length);
        chi__writer_commit(&writer);
    }
    chi__free(all.at);
}
