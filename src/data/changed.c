// SPDX-License-Identifier: Apache-2.0
// changed.c: whether a safetensors file of ours is whole, was changed by another program, or is
// damaged. The rule: include/chiaro/data.h, at chi_safetensors_read_with. The checksums:
// safetensors.h and checksum.c.
#include <inttypes.h>
#include <string.h>

#include "../base/hash.h"
#include "../base/memory.h"
#include "safetensors.h"

enum { MOST_PAIRS = 40 }; // among which others' are looked for

static chi_status damaged(const char *path, const char *what, uint64_t got, uint64_t due)
{
    return chi__fail(NULL, CHI_ERR_FORMAT,
                     "%s: %s has checksum %016" PRIx64 ", %016" PRIx64
                     " was written: the file is damaged",
                     path, what, got, due);
}

// ---- the header ---------------------------------------------------------------------------------

// Whether two texts of one length differ in one byte, as a flipped bit leaves them.
static bool one_byte_apart(const char *a, const char *b)
{
    size_t differ = 0;
    if (strlen(a) != strlen(b))
        return false;
    for (size_t i = 0; a[i]; i++)
        differ += a[i] != b[i];
    return differ == 1;
}

static bool nearly_has(const chi_tensors *tensors, const char *key)
{
    for (size_t i = 0; i < tensors->pairs; i++)
        if (one_byte_apart(tensors->keys[i], key))
            return true;
    return false;
}

// The text against its checksum: *as_written, or damaged where one byte of it or of the checksum
// explains the difference.
static chi_status judge_text(const char *path, const chi__header *h, bool *as_written)
{
    const char *kept =
        json_string_value(json_object_get(h->metadata, CHI__CHECKSUM CHI__CHECKSUM_TEXT));
    char digits[CHI__CHECKSUM_DIGITS + 1];
    uint64_t got, due = 0;
    size_t at;
    *as_written = false;
    if (!kept && nearly_has(&h->tensors, CHI__CHECKSUM CHI__CHECKSUM_TEXT))
        return chi__fail(NULL, CHI_ERR_FORMAT,
                         "%s: a letter of the name " CHI__CHECKSUM CHI__CHECKSUM_TEXT
                         " is another: the file is damaged",
                         path);
    if (!kept || !chi__checksum_of_text(h->text, h->length, &at, &got))
        return CHI_OK;
    chi__checksum_text(got, digits);
    *as_written = strcmp(kept, digits) == 0;
    if (*as_written)
        return CHI_OK;
    if (one_byte_apart(kept, digits))
        return chi__fail(NULL, CHI_ERR_FORMAT,
                         "%s: the header has checksum %s, %.32s was written: the file is damaged",
                         path, digits, kept);
    if (!chi__checksum_kept(h->metadata, CHI__CHECKSUM_TEXT, &due))
        return CHI_OK;
    char *text = chi__alloc(h->length, 1);
    if (!text)
        return chi__fail(NULL, CHI_ERR_MEMORY, "%s: no memory for %zu bytes", path, h->length);
    memcpy(text, h->text, h->length);
    memset(text + at, '0', CHI__CHECKSUM_DIGITS);
    const bool flipped = chi__hash_one_byte_off(text, h->length, got, due);
    chi__free(text);
    return flipped ? damaged(path, "the header", got, due) : CHI_OK;
}

// The same for files from before there was a checksum of the text: as we printed it, compact and
// padded, and with the checksums at the end of the metadata in the tensors' order, one name of them
// perhaps damaged.
static bool looks_as_written(const chi__header *h)
{
    const chi_tensors *t = &h->tensors;
    const size_t used = json_dumpb(h->root, NULL, 0, JSON_COMPACT);
    char key[sizeof CHI__CHECKSUM + sizeof t->items[0].name];
    size_t others = 0;
    char *again = used && used <= h->length ? chi__alloc(used, 1) : NULL;
    bool same = again && chi__round_up(used, 8) == h->length &&
                json_dumpb(h->root, again, used, JSON_COMPACT) == used &&
                memcmp(again, h->text, used) == 0 && t->pairs > t->count;
    chi__free(again);
    for (size_t i = 0; same && i <= t->count; i++) {
        snprintf(key, sizeof key, CHI__CHECKSUM "%s",
                 i ? t->items[i - 1].name : CHI__CHECKSUM_REST);
        others += strcmp(t->keys[t->pairs - t->count - 1 + i], key) != 0;
    }
    return same && others <= 1;
}

static bool all_have_checksums(const chi__header *h, size_t due)
{
    size_t count = 0;
    uint64_t kept;
    for (size_t i = 0; i < h->tensors.pairs; i++)
        count += chi__is_checksum(h->tensors.keys[i]);
    for (size_t i = 0; i < h->tensors.count; i++)
        if (!chi__checksum_kept(h->metadata, h->tensors.items[i].name, &kept))
            return false;
    return count == due;
}

// Whether the pairs and the tensors' names, types and shapes are those that were written, but for
// up to two more pairs.
static chi_status compare_content(const chi__header *h, bool has_text, bool *same)
{
    uint64_t due, got;
    *same = false;
    if (!all_have_checksums(h, h->tensors.count + 1 + has_text) ||
        !chi__checksum_kept(h->metadata, CHI__CHECKSUM_REST, &due))
        return CHI_OK;
    size_t left_out[MOST_PAIRS + 1] = { SIZE_MAX }, count = 1; // the first: none
    for (size_t i = 0; i < h->tensors.pairs && count <= MOST_PAIRS; i++)
        if (!chi__is_checksum(h->tensors.keys[i]))
            left_out[count++] = i;
    for (size_t a = 0; a < count && !*same; a++) {
        for (size_t b = 0; b <= a && !*same; b++) {
            const size_t without[2] = { left_out[a], left_out[b] };
            CHI_TRY(chi__checksum_header(&h->tensors, without, &got));
            *same = got == due;
        }
    }
    return CHI_OK;
}

chi_status chi__judge_header(const char *path, const chi__header *h, chi__origin *out)
{
    bool any = false, as_written, same;
    for (size_t i = 0; i < h->tensors.pairs; i++)
        any = any || chi__is_checksum(h->tensors.keys[i]);
    *out = CHI__FOREIGN;
    if (!any)
        return CHI_OK;
    const bool has_text = json_object_get(h->metadata, CHI__CHECKSUM CHI__CHECKSUM_TEXT);
    CHI_TRY(judge_text(path, h, &as_written));
    *out = CHI__AS_WRITTEN;
    if (as_written)
        return CHI_OK;
    CHI_TRY(compare_content(h, has_text, &same));
    as_written = !has_text && looks_as_written(h);
    if (as_written && !same)
        return chi__fail(NULL, CHI_ERR_FORMAT,
                         "%s: " CHI__CHECKSUM_REST
                         " or a tensor's name does not fit its checksum: the file is "
                         "damaged",
                         path);
    *out = as_written ? CHI__AS_WRITTEN : same ? CHI__REWRITTEN : CHI__CHANGED;
    return CHI_OK;
}

// ---- the tensors --------------------------------------------------------------------------------

// A digit of the checksum is another.
static bool one_digit_apart(uint64_t a, uint64_t b)
{
    uint64_t differ = a ^ b;
    while (differ && !(differ & 15))
        differ >>= 4;
    return differ < 16;
}

static bool one_byte_off(const chi_tensor *t, uint64_t got, uint64_t due)
{
    return one_digit_apart(got, due) ||
           chi__hash_one_byte_off(t->bytes, (size_t)chi_tensor_bytes(t), got, due);
}

static bool fits(const chi__header *h, const chi_tensor *t, uint64_t *got, uint64_t *due)
{
    *got = chi__hash(CHI__HASH_START, t->bytes, (size_t)chi_tensor_bytes(t));
    return chi__checksum_kept(h->metadata, t->name, due) && *got == *due;
}

chi_status chi__judge_tensors(const char *path, const chi__header *h, chi__origin origin,
                              bool *changed)
{
    const chi_tensor *flipped = NULL;
    uint64_t got, due;
    *changed = origin == CHI__CHANGED;
    if (origin == CHI__FOREIGN || origin == CHI__CHANGED)
        return CHI_OK;
    for (size_t i = 0; i < h->tensors.count && !*changed; i++) {
        const chi_tensor *t = &h->tensors.items[i];
        if (fits(h, t, &got, &due))
            continue;
        if (origin == CHI__AS_WRITTEN && one_byte_off(t, got, due))
            flipped = flipped ? flipped : t;
        else
            *changed = true;
    }
    if (!flipped || *changed)
        return CHI_OK;
    fits(h, flipped, &got, &due);
    return damaged(path, flipped->name, got, due);
}

chi_status chi__fail_changed(const char *path, const chi__header *h, chi__origin origin)
{
    uint64_t got, due;
    size_t i = 0;
    while (origin != CHI__CHANGED && i + 1 < h->tensors.count &&
           fits(h, &h->tensors.items[i], &got, &due))
        i++;
    return chi__fail(
        NULL, CHI_ERR_CHANGED,
        "%s: changed by another program after chiaro wrote it (%.64s is not what was written"
        "%s); --changed loads it all the same",
        path,
        origin == CHI__CHANGED ? "the list of its tensors or its metadata"
                               : h->tensors.items[i].name,
        origin == CHI__AS_WRITTEN ? ", in more than one byte: if nobody changed it, it is damaged"
                                  : "");
}
