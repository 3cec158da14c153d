// SPDX-License-Identifier: Apache-2.0
// checksum.c: the checksums in a safetensors file's metadata; src/data/safetensors.h says what they
// cover, changed.c what follows where they do not fit.
#include "safetensors.h"

#include <inttypes.h>
#include <stdlib.h>
#include <string.h>

#include "../base/hash.h"
#include "../base/memory.h"

bool chi__is_checksum(const char *key)
{
    return strncmp(key, CHI__CHECKSUM, strlen(CHI__CHECKSUM)) == 0;
}

void chi__checksum_text(uint64_t hash, char to[CHI__CHECKSUM_DIGITS + 1])
{
    snprintf(to, CHI__CHECKSUM_DIGITS + 1, "%016" PRIx64, hash);
}

// A name and what stands beside it, to be sorted by name.
typedef struct named { const char *name; const void *what; } named;

static int by_name(const void *a, const void *b)
{
    return strcmp(((const named *)a)->name, ((const named *)b)->name);
}

static uint64_t hash_text(uint64_t hash, const char *text)
{
    return chi__hash(hash, text, strlen(text) + 1);
}

static uint64_t hash_tensor(uint64_t hash, const chi_tensor *t)
{
    char side[24];
    hash = hash_text(hash_text(hash, t->name), chi_tensor_type(t));
    for (size_t d = 0; d < t->dims; d++) {
        const int length = snprintf(side, sizeof side, "%s%zu", d ? " " : "", t->shape[d]);
        hash = chi__hash(hash, side, (size_t)length);
    }
    return chi__hash(hash, "", 1);
}

chi_status chi__checksum_header(const chi_tensors *tensors, const size_t without[2], uint64_t *out)
{
    const size_t most = tensors->pairs > tensors->count ? tensors->pairs : tensors->count;
    named *list = chi__alloc(most, sizeof *list);
    size_t pairs = 0;
    if (!list)
        return chi__fail(NULL, CHI_ERR_MEMORY, "checksum: no memory for %zu names", most);
    for (size_t i = 0; i < tensors->pairs; i++)
        if (!chi__is_checksum(tensors->keys[i]) && i != without[0] && i != without[1])
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

bool chi__checksum_kept(const json_t *metadata, const char *name, uint64_t *out)
{
    char key[sizeof CHI__CHECKSUM + sizeof((chi_tensor *)0)->name];
    snprintf(key, sizeof key, CHI__CHECKSUM "%s", name);
    const char *kept = json_string_value(json_object_get(metadata, key));
    if (!kept || strlen(kept) != CHI__CHECKSUM_DIGITS ||
        strspn(kept, "0123456789abcdef") != CHI__CHECKSUM_DIGITS)
        return false;
    *out = strtoull(kept, NULL, 16);
    return true;
}

bool chi__checksum_of_text(const char *text, size_t length, size_t *digits, uint64_t *out)
{
    static const char key[] = "\"" CHI__CHECKSUM CHI__CHECKSUM_TEXT "\":\"",
                      zeros[] = "0000000000000000";
    const char *found = memmem(text, length, key,
                               sizeof key - 1); // within another text the quotes would be escaped
    const size_t at = found ? (size_t)(found - text) + sizeof key - 1 : length;
    if (at > length - CHI__CHECKSUM_DIGITS)
        return false;
    uint64_t hash = chi__hash(CHI__HASH_START, text, at);
    hash = chi__hash(hash, zeros, CHI__CHECKSUM_DIGITS);
    *out = chi__hash(hash, text + at + CHI__CHECKSUM_DIGITS, length - at - CHI__CHECKSUM_DIGITS);
    *digits = at;
    return true;
}
