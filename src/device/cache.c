// SPDX-License-Identifier: Apache-2.0
// cache.c: compiled programs on disk. A driver that is given a damaged binary may end the process, so an entry
// has our own header, length, key and hash, and none reaches a driver before all of it is checked.
#include "cache.h"

#include <inttypes.h>
#include <stdio.h>
#include <string.h>

#include "../base/env.h"
#include "../base/file.h"
#include "../base/hash.h"
#include "../base/memory.h"
#include "../base/text.h"
#include "about.h"
#include "cl.h"

// The file: this, the key's text, the program. Numbers as the host writes them: a cache does not travel.
typedef struct head {
    char magic[16];
    uint64_t key_bytes, program_bytes, hash; // hash: of key and program
} head;
static const char magic[16] = "chiaro program 1";
static const uint64_t most_bytes = 256u << 20;

chi_status chi_cache_path(const char *cache_dir, char *to, size_t room)
{
    const char *mode = chi__env("CHIARO_CACHE");
    if ((cache_dir && !cache_dir[0]) || (mode && strcmp(mode, "0") == 0))
        return chi__fail(NULL, CHI_ERR_UNSUPPORTED, "no programs are kept: the cache is switched off");
    if (!cache_dir && !chi__cache_folder(to, room))
        return chi__fail(NULL, CHI_ERR_UNSUPPORTED, "no programs are kept: none of CHIARO_CACHE_DIR, XDG_CACHE_HOME and HOME is set");
    if (cache_dir && (size_t)snprintf(to, room, "%s", cache_dir) >= room)
        return chi__fail(NULL, CHI_ERR_ARGUMENT, "the cache folder's name is longer than %zu bytes", room - 1);
    return CHI_OK;
}

chi_status chi_cache_clear(const char *cache_dir, size_t *removed)
{
    char path[4096];
    *removed = 0;
    CHI_TRY(chi_cache_path(cache_dir, path, sizeof path));
    size_t programs = 0;
    CHI_TRY(chi__remove_marked(path, ".notes", removed));
    const chi_status st = chi__remove_marked(path, ".program", &programs);
    *removed += programs;
    return st;
}

chi_status chi__cache_open(chi_device *dev, const char *folder)
{
    const char *mode = chi__env("CHIARO_CACHE");
    char path[4096];
    if (chi_cache_path(folder, path, sizeof path) != CHI_OK)
        return CHI_OK;
    dev->caches_programs = (mode && strcmp(mode, "force") == 0) || !chi__about_has(&dev->info, CHI__ABOUT_OWN_CACHE);
    if (!dev->caches_programs)
        return CHI_OK;
    // Programs are code: nobody else may put one there.
    if (chi__make_folder(path, 0700) != CHI_OK || !chi__folder_is_private(path)) {
        chi__say(dev, CHI_LOG_WARNING, "programs are not kept: %s", chi_error_text());
        dev->caches_programs = false;
        return CHI_OK;
    }
    dev->cache = chi__copy_text(path);
    return dev->cache ? CHI_OK : chi__fail(NULL, CHI_ERR_MEMORY, "no memory for the name of the cache folder");
}

static void entry_path(const chi_device *dev, const char *key, char *to, size_t room)
{
    snprintf(to, room, "%s/%016" PRIx64 ".program", dev->cache, chi__hash(CHI__HASH_START, key, strlen(key)));
}

// The program of an entry that holds what its head says, NULL otherwise.
static const char *check(const char *bytes, size_t count, const char *key, uint64_t *program_bytes)
{
    head h;
    uint64_t total = sizeof h;
    if (count < sizeof h)
        return NULL;
    memcpy(&h, bytes, sizeof h);
    if (memcmp(h.magic, magic, sizeof magic) != 0 || h.key_bytes != strlen(key) || !chi__add(total, h.key_bytes, &total) ||
        !chi__add(total, h.program_bytes, &total) || total != count || h.program_bytes == 0)
        return NULL;
    if (memcmp(bytes + sizeof h, key, h.key_bytes) != 0 ||
        chi__hash(CHI__HASH_START, bytes + sizeof h, count - sizeof h) != h.hash)
        return NULL;
    *program_bytes = h.program_bytes;
    return bytes + sizeof h + h.key_bytes;
}

bool chi__cache_load(chi_device *dev, const char *key, void **bytes, size_t *count)
{
    char path[4200], *all;
    size_t size;
    uint64_t program_bytes = 0;
    if (!dev->caches_programs)
        return false;
    entry_path(dev, key, path, sizeof path);
    if (!chi__file_exists(path) || chi__file_load(path, most_bytes, &all, &size) != CHI_OK)
        return false;
    const char *program = check(all, size, key, &program_bytes);
    if (!program) {
        chi__say(dev, CHI_LOG_INFO, "%s: damaged, or another program's: it is built again", path);
        chi__remove_file(path);
        chi__free(all);
        return false;
    }
    memmove(all, program, program_bytes);
    *bytes = all;
    *count = program_bytes;
    return true;
}

void chi__cache_store(chi_device *dev, const char *key, const void *bytes, size_t count)
{
    char path[4200];
    chi__writer writer;
    if (!dev->caches_programs)
        return;
    head h = { .key_bytes = strlen(key), .program_bytes = count };
    memcpy(h.magic, magic, sizeof magic);
    h.hash = chi__hash(chi__hash(CHI__HASH_START, key, strlen(key)), bytes, count);
    entry_path(dev, key, path, sizeof path);
    chi_status st = chi__writer_open(path, false, &writer);
    if (st == CHI_OK) {
        chi__writer_put(&writer, &h, sizeof h);
        chi__writer_put(&writer, key, strlen(key));
        chi__writer_put(&writer, bytes, count);
        st = chi__writer_commit(&writer);
    }
    if (st != CHI_OK) {
        chi__say(dev, CHI_LOG_WARNING, "programs are not kept: %s", chi_error_text());
        dev->caches_programs = false;
    }
}

void chi__cache_drop(chi_device *dev, const char *key)
{
    char path[4200];
    if (!dev->caches_programs)
        return;
    entry_path(dev, key, path, sizeof path);
    chi__remove_file(path);
}
