// SPDX-License-Identifier: Apache-2.0
// safetensors_write.c: writing safetensors files, whole or not at all. Header:
// include/chiaro/data.h. Reading: src/data/safetensors.c.
//
// Tensors keep their order in the header; their bytes lie by falling element size, so that each is
// aligned.
#include "safetensors.h"

#include <inttypes.h>
#include <string.h>

#include "../base/hash.h"
#include "../base/memory.h"

static const size_t element_sizes[] = { 8, 4, 2, 1 };
enum { SIZES = sizeof element_sizes / sizeof element_sizes[0] };

// Bytes as the file has them: little endian. `copy` receives a block to free where the host's
// differ.
static const void *file_bytes(const chi_tensor *t, void **copy)
{
    const size_t size = chi_type_bytes(t->type);
    *copy = NULL;
    if (chi__host_is_little())
        return t->bytes;
    *copy = chi__alloc(t->count, size);
    if (!*copy)
        return NULL;
    memcpy(*copy, t->bytes, t->count * size);
    chi__swap_bytes(*copy, t->count, size);
    return *copy;
}

static chi_status check_tensor(const char *path, const chi_tensor *t, uint64_t *bytes)
{
    size_t count;
    if (memchr(t->name, 0, sizeof t->name) == NULL || t->name[0] == 0 ||
        strcmp(t->name, CHI__METADATA) == 0)
        return chi__fail(NULL, CHI_ERR_ARGUMENT,
                         "%s: a tensor is named \"%.32s\", which safetensors cannot hold", path,
                         t->name);
    if (t->dims > CHI__MAX_DIMS || chi_type_bytes(t->type) == 0 ||
        !chi__tensor_size(t->type, t->shape, t->dims, &count, bytes) || count != t->count ||
        (count && !t->bytes))
        return chi__fail(NULL, CHI_ERR_ARGUMENT,
                         "%s: tensor %s: %zu elements do not fit its type, %zu sides or bytes",
                         path, t->name, t->count, t->dims);
    return CHI_OK;
}

// Byte ranges of all tensors, counted from the end of the header.
static chi_status place(const char *path, const chi_tensors *tensors, chi__extent *extents)
{
    uint64_t reached = 0, bytes;
    for (size_t i = 0; i < tensors->count; i++)
        CHI_TRY(check_tensor(path, &tensors->items[i], &bytes));
    for (size_t s = 0; s < SIZES; s++) {
        for (size_t i = 0; i < tensors->count; i++) {
            const chi_tensor *t = &tensors->items[i];
            if (chi_type_bytes(t->type) != element_sizes[s])
                continue;
            extents[i] = (chi__extent){ reached, reached + t->count * element_sizes[s], i };
            reached = extents[i].end;
        }
    }
    return CHI_OK;
}

// Takes `value`; false where it is NULL, the key is taken, or either is no UTF-8.
static bool put(json_t *object, const char *key, json_t *value)
{
    if (json_object_get(object, key)) {
        json_decref(value);
        return false;
    }
    return json_object_set_new(object, key, value) == 0;
}

static bool put_checksum(json_t *metadata, const char *name, uint64_t hash)
{
    char key[sizeof CHI__CHECKSUM + sizeof((chi_tensor *)0)->name], text[CHI__CHECKSUM_DIGITS + 1];
    snprintf(key, sizeof key, CHI__CHECKSUM "%s", name);
    chi__checksum_text(hash, text);
    return put(metadata, key, json_string(text));
}

static chi_status fill_metadata(const char *path, const chi_tensors *tensors, json_t *metadata)
{
    uint64_t hash;
    for (size_t i = 0; i < tensors->pairs; i++) {
        if (chi__is_checksum(tensors->keys[i]))
            continue; // of a file that was read: ours follow
        if (!put(metadata, tensors->keys[i], json_string(tensors->values[i])))
            return chi__fail(NULL, CHI_ERR_ARGUMENT,
                             "%s: metadata %.200s is twice there or no UTF-8", path,
                             tensors->keys[i]);
    }
    CHI_TRY(chi__checksum_header(tensors, (const size_t[]){ SIZE_MAX, SIZE_MAX }, &hash));
    // The text's own is filled in when the text is there.
    bool ok = put_checksum(metadata, CHI__CHECKSUM_REST, hash) &&
              put_checksum(metadata, CHI__CHECKSUM_TEXT, 0);
    for (size_t i = 0; i < tensors->count && ok; i++) {
        const chi_tensor *t = &tensors->items[i];
        void *copy;
        const void *bytes = file_bytes(t, &copy);
        ok = (bytes || !t->count) &&
             put_checksum(metadata, t->name,
                          chi__hash(CHI__HASH_START, bytes, t->count * chi_type_bytes(t->type)));
        chi__free(copy);
    }
    return ok ? CHI_OK
              : chi__fail(NULL, CHI_ERR_ARGUMENT, "%s: a tensor's name is twice there or no UTF-8",
                          path);
}

static json_t *describe(const chi_tensor *t, const chi__extent *at)
{
    json_t *shape = json_array();
    for (size_t d = 0; d < t->dims; d++)
        if (json_array_append_new(shape, json_integer((json_int_t)t->shape[d])) != 0)
            break;
    return json_pack("{s:s,s:o,s:[I,I]}", "dtype", chi_type_name(t->type), "shape", shape,
                     "data_offsets", (json_int_t)at->begin, (json_int_t)at->end);
}

static void put_text_checksum(char *text, size_t length)
{
    char digits[CHI__CHECKSUM_DIGITS + 1];
    uint64_t hash;
    size_t at;
    if (!chi__checksum_of_text(text, length, &at, &hash))
        return; // there always is one
    chi__checksum_text(hash, digits);
    memcpy(text + at, digits, CHI__CHECKSUM_DIGITS);
}

// The header's text with spaces behind it, so that the tensors begin at a multiple of 8.
static chi_status print_header(const char *path, const json_t *root, char **out, size_t *length)
{
    const size_t used = json_dumpb(root, NULL, 0, JSON_COMPACT);
    const size_t padded = chi__round_up(used, 8);
    if (used == 0 || padded > CHI__SAFETENSORS_MAX_HEADER)
        return chi__fail(NULL, CHI_ERR_ARGUMENT, "%s: a header of %zu bytes (1 to %d are allowed)",
                         path, used, CHI__SAFETENSORS_MAX_HEADER);
    char *text = chi__alloc(padded, 1);
    if (!text)
        return chi__fail(NULL, CHI_ERR_MEMORY, "%s: no memory for a header of %zu bytes", path,
                         padded);
    json_dumpb(root, text, used, JSON_COMPACT);
    memset(text + used, ' ', padded - used);
    put_text_checksum(text, padded);
    *out = text;
    *length = padded;
    return CHI_OK;
}

static chi_status make_header(const char *path, const chi_tensors *tensors,
                              const chi__extent *extents, char **out, size_t *length)
{
    json_t *root = json_object(), *metadata = json_object();
    chi_status st = CHI_OK;
    if (!root || json_object_set_new(root, CHI__METADATA, metadata) != 0) {
        st = chi__fail(NULL, CHI_ERR_MEMORY, "%s: no memory for the header", path);
        goto done;
    }
    CHI_TRY_DONE(fill_metadata(path, tensors, metadata));
    for (size_t i = 0; i < tensors->count; i++) {
        if (!put(root, tensors->items[i].name, describe(&tensors->items[i], &extents[i]))) {
            st = chi__fail(NULL, CHI_ERR_MEMORY, "%s: no memory for the header", path);
            goto done;
        }
    }
    CHI_TRY_DONE(print_header(path, root, out, length));
done:
    json_decref(root);
    return st;
}

static chi_status write_file(const char *path, const chi_tensors *tensors, const char *header,
                             size_t length)
{
    chi__writer writer;
    unsigned char raw[8];
    CHI_TRY(chi__writer_open(path, true, &writer));
    for (unsigned i = 0; i < sizeof raw; i++)
        raw[i] = (unsigned char)((uint64_t)length >> 8 * i);
    chi__writer_put(&writer, raw, sizeof raw);
    chi__writer_put(&writer, header, length);
    for (size_t s = 0; s < SIZES; s++) {
        for (size_t i = 0; i < tensors->count; i++) {
            const chi_tensor *t = &tensors->items[i];
            void *copy;
            if (chi_type_bytes(t->type) != element_sizes[s] || t->count == 0)
                continue;
            const void *bytes = file_bytes(t, &copy);
            if (!bytes) {
                chi__writer_abort(&writer);
                return chi__fail(NULL, CHI_ERR_MEMORY, "%s: no memory to turn %s round", path,
                                 t->name);
            }
            chi__writer_put(&writer, bytes, t->count * element_sizes[s]);
            chi__free(copy);
        }
    }
    return chi__writer_commit(&writer);
}

chi_status chi_safetensors_write(const char *path, const chi_tensors *tensors)
{
    char *header = NULL;
    size_t length = 0;
    chi_status st;
    if (!path || !tensors)
        return chi__fail(NULL, CHI_ERR_ARGUMENT, "safetensors_write: no path or no tensors");
    chi__extent *extents = chi__alloc(tensors->count, sizeof *extents);
    if (!extents)
        return chi__fail(NULL, CHI_ERR_MEMORY, "%s: no memory for %zu tensors", path,
                         tensors->count);
    CHI_TRY_DONE(place(path, tensors, extents));
    CHI_TRY_DONE(make_header(path, tensors, extents, &header, &length));
    CHI_TRY_DONE(write_file(path, tensors, header, length));
done:
    chi__free(header);
    chi__free(extents);
    return st;
}
