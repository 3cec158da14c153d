// SPDX-License-Identifier: Apache-2.0
// checksum.c: the checksums in a safetensors file's metadata; src/data/safetensors.h says what they cover.
#include "safetensors.h"

#include <inttypes.h>
#include <stdlib.h>
#include <string.h>

#include "../base/hash.h"
#include "../base/memory.h"

bool chi__is_checksum(const char *key) { return strncmp(key, CHI__CHECKSUM, strlen(CHI__CHECKSUM)) == 0; }

void chi__checksum_text(uint64_t hash, char to[CHI__CHECKSUM_TEXT])
{
    snprintf(to, CHI__CHECKSUM_TEXT, "%016" PRIx64, hash);
}

enum { KEY = sizeof CHI__CHECKSUM + sizeof((chi_tensor *)0)->name };

// A name and what stands beside it, to be sorted by name.
typedef struct named { const char *name; const void *what; } named;

static int by_name(const void *a, const void *b) { return strcmp(((const named *)a)->name, ((const named *)b)->name); }

static uint64_t hash_text(uint64_t hash, const char *text) { return chi__hash(hash, text, strlen(text) + 1); }

static uint64_t hash_tensor(uint64_t hash, const chi_tensor *t)
{
    char side[24];
    hash = hash_text(hash_text(hash, t->name), chi_type_name(t->type));
    for (size_t d = 0; d < t->dims; d++) {
        const int length = snprintf(side, sizeof side, "%s%zu", d ? " " : "", t->shape[d]);
        hash = chi__hash(hash, side, (size_t)length);
    }
    return chi__hash(hash, "", 1);
}

chi_status chi__checksum_header(const chi_tensors *tensors, uint64_t *out)
{
    const size_t most = tensors->pairs > tensors->count ? tensors->pairs : tensors->count;
    named *list = chi__alloc(most, sizeof *list);
    size_t pairs = 0;
    if (!list)
        return chi__fail(NULL, CHI_ERR_MEMORY, "checksum: no memory for %zu names", most);
    for (size_t i = 0; i < tensors->pairs; i++)
        if (!chi__is_checksum(tensors->keys[i]))
            list[pairs++] = (named){ tensors->keys[i], tensors->values[i] };
    qsort(list, pairs, sizeof *list, by_name);
    uint64_t hash = CHI__HASH_START;
    for (size_t i = 0; i < pairs; i++)
        hash = hash_text(hash_text(hash, list[i].name), list[i].what);
    for (size_t i = 0; i < tensors->count; i++)
        list[i] = (named){ tensors->items[i].name, &tensors->items[i] };
    qsort(list, tensors->count, sizeof *list, by_name);
    for (size_t i = 0; i < tensors->count; i++)
        hash = hash_tensor(hash, list[i].what);
    chi__free(list);
    *out = hash;
    return CHI_OK;
}

static chi_status compare(const char *path, const json_t *metadata, const char *name, uint64_t hash)
{
    char key[KEY], text[CHI__CHECKSUM_TEXT];
    snprintf(key, sizeof key, CHI__CHECKSUM "%s", name);
    const char *kept = json_string_value(json_object_get(metadata, key));
    if (!kept)
        return chi__fail(NULL, CHI_ERR_FORMAT, "%s: %s has no checksum, others have: the file is damaged", path, name);
    chi__checksum_text(hash, text);
    if (strcmp(kept, text) != 0)
        return chi__fail(NULL, CHI_ERR_FORMAT, "%s: %s has checksum %s, %.32s was written: the file is damaged", path,
                         name, text, kept);
    return CHI_OK;
}

static size_t count_checksums(const chi_tensors *tensors)
{
    size_t count = 0;
    for (size_t i = 0; i < tensors->pairs; i++)
        count += chi__is_checksum(tensors->keys[i]);
    return count;
}

chi_status chi__checksum_verify_header(const char *path, const json_t *metadata, const chi_tensors *tensors)
{
    uint64_t hash = 0;
    const size_t count = count_checksums(tensors);
    if (count == 0)
        return CHI_OK;
    if (count != tensors->count + 1)
        return chi__fail(NULL, CHI_ERR_FORMAT, "%s: %zu checksums for %zu tensors and the header: the file is damaged",
                         path, count, tensors->count);
    CHI_TRY(chi__checksum_header(tensors, &hash));
    return compare(path, metadata, CHI__CHECKSUM_REST, hash);
}

chi_status chi__checksum_verify(const char *path, const json_t *metadata, const chi_tensor *t)
{
    // The header's check has seen to it that one means all.
    if (!json_object_get(metadata, CHI__CHECKSUM CHI__CHECKSUM_REST))
        return CHI_OK;
    return compare(path, metadata, t->name, chi__hash(CHI__HASH_START, t->bytes, t->count * chi_type_bytes(t->type)));
}

bool chi__checksum_kept(const json_t *metadata, const char *name, uint64_t *out)
{
    char key[KEY];
    snprintf(key, sizeof key, CHI__CHECKSUM "%s", name);
    const char *kept = json_string_value(json_object_get(metadata, key));
    *out = kept ? strtoull(kept, NULL, 16) : 0;
    return kept;
}
