// SPDX-License-Identifier: Apache-2.0
// safetensors.c: reading safetensors files. Header: include/chiaro/data.h. Writing:
// safetensors_write.c. Whether a file is whole, changed or damaged: changed.c.
//
// Layout: 8 bytes of header length (little endian), a JSON object, the tensors' bytes. Every number
// of the header is checked against the file before anything of its size is allocated.
#include "safetensors.h"

#include <inttypes.h>
#include <stdlib.h>
#include <string.h>

#include "../base/memory.h"
#include "container.h"

static chi_status read_header(chi__file *file, char **json, size_t *length)
{
    unsigned char raw[8];
    if (file->bytes < sizeof raw)
        return chi__fail(NULL, CHI_ERR_FORMAT,
                         "%s: %" PRIu64 " bytes are too few for a safetensors file", file->path,
                         file->bytes);
    CHI_TRY(chi__file_read(file, 0, raw, sizeof raw));
    uint64_t n = 0;
    for (int i = 7; i >= 0; i--)
        n = n << 8 | raw[i];
    if (n < 2 || n > file->bytes - sizeof raw || n > CHI__SAFETENSORS_MAX_HEADER)
        return chi__fail(NULL, CHI_ERR_FORMAT,
                         "%s: a header of %" PRIu64 " bytes in a file of %" PRIu64
                         " (2 to %d are allowed): not safetensors",
                         file->path, n, file->bytes, CHI__SAFETENSORS_MAX_HEADER);
    char *text = chi__alloc((size_t)n, 1);
    if (!text)
        return chi__fail(NULL, CHI_ERR_MEMORY, "%s: no memory for a header of %" PRIu64 " bytes",
                         file->path, n);
    const chi_status st = chi__file_read(file, sizeof raw, text, n);
    if (st != CHI_OK) {
        chi__free(text);
        return st;
    }
    *json = text;
    *length = (size_t)n;
    return CHI_OK;
}

// jansson refuses duplicate names, NUL in text and bad UTF-8 for us.
static chi_status parse_header(const chi__file *file, const char *text, uint64_t length,
                               json_t **root)
{
    json_error_t error;
    if (text[0] != '{')
        return chi__fail(NULL, CHI_ERR_FORMAT, "%s: offset 8: the header does not begin with '{'",
                         file->path);
    *root = json_loadb(text, (size_t)length, JSON_REJECT_DUPLICATES, &error);
    if (!*root)
        return chi__fail(NULL, CHI_ERR_FORMAT, "%s: offset %d: %s", file->path, 8 + error.position,
                         error.text);
    return CHI_OK;
}

static chi_status read_metadata(const chi__file *file, json_t *object, chi_tensors *to)
{
    const char *key;
    json_t *value;
    if (!object || json_is_null(object))
        return CHI_OK;
    if (!json_is_object(object))
        return chi__fail(NULL, CHI_ERR_FORMAT, "%s: __metadata__ is no object", file->path);
    const size_t pairs = json_object_size(object);
    to->keys = chi__alloc(pairs, sizeof *to->keys);
    to->values = chi__alloc(pairs, sizeof *to->values);
    if (!to->keys || !to->values)
        return chi__fail(NULL, CHI_ERR_MEMORY, "%s: no memory for %zu metadata pairs", file->path,
                         pairs);
    json_object_foreach(object, key, value) {
        if (!json_is_string(value))
            return chi__fail(NULL, CHI_ERR_FORMAT, "%s: metadata %.200s is no text", file->path,
                             key);
        to->keys[to->pairs] = chi__copy_text(key);
        to->values[to->pairs] = chi__copy_text(json_string_value(value));
        to->pairs++;
        if (!to->keys[to->pairs - 1] || !to->values[to->pairs - 1])
            return chi__fail(NULL, CHI_ERR_MEMORY, "%s: no memory for metadata", file->path);
    }
    return CHI_OK;
}

static bool size_of(const json_t *value, uint64_t *out)
{
    if (!json_is_integer(value) || json_integer_value(value) < 0)
        return false;
    *out = (uint64_t)json_integer_value(value);
    return true;
}

static chi_status read_shape(const chi__file *file, const char *name, const json_t *shape,
                             chi_tensor *t)
{
    if (!json_is_array(shape) || json_array_size(shape) > CHI__MAX_DIMS)
        return chi__fail(NULL, CHI_ERR_FORMAT,
                         "%s: tensor %s: the shape is no list of at most %d sizes", file->path,
                         name, CHI__MAX_DIMS);
    t->dims = json_array_size(shape);
    for (size_t d = 0; d < t->dims; d++) {
        uint64_t side;
        if (!size_of(json_array_get(shape, d), &side) || side > SIZE_MAX)
            return chi__fail(NULL, CHI_ERR_FORMAT, "%s: tensor %s: side %zu is no size", file->path,
                             name, d);
        t->shape[d] = (size_t)side;
    }
    return CHI_OK;
}

// Types of the format's that we do not compute with, and the bits of an element.
static const struct { const char *name; uint64_t bits;
} others[] = {
    { "F4", 4 },          { "F6_E2M3", 6 },     { "F6_E3M2", 6 },
    { "F8_E5M2", 8 },     { "F8_E4M3", 8 },     { "F8_E8M0", 8 },
    { "F8_E4M3FNUZ", 8 }, { "F8_E5M2FNUZ", 8 }, { "C64", 64 },
};

// Type and size of a tensor that has `bytes` in the file; false where its shape says another size.
static bool take_type(const char *word, chi_tensor *t, uint64_t bytes)
{
    uint64_t due, bits;
    if (chi__type_of_name(word, &t->type))
        return chi__tensor_size(t->type, t->shape, t->dims, &t->count, &due) && due == bytes;
    t->type = CHI_TYPE_OTHER;
    strcpy(t->word, word);
    t->size = bytes;
    if (!chi__tensor_size(CHI_TYPE_U8, t->shape, t->dims, &t->count, &due))
        return false;
    for (size_t i = 0; i < sizeof others / sizeof others[0]; i++)
        if (strcmp(word, others[i].name) == 0)
            return chi__mul(t->count, others[i].bits, &bits) && bits % 8 == 0 && bits / 8 == bytes;
    return true; // a type that the format does not name
}

// One entry of the header into t and its extent; nothing is allocated.
static chi_status read_entry(const chi__file *file, const char *name, const json_t *entry,
                             chi_tensor *t, chi__extent *at)
{
    if (name[0] == 0 || strlen(name) >= sizeof t->name)
        return chi__fail(NULL, CHI_ERR_FORMAT,
                         "%s: a tensor's name has %zu bytes (1 to %zu are allowed)", file->path,
                         strlen(name), sizeof t->name - 1);
    memcpy(t->name, name, strlen(name) + 1);
    const json_t *offsets = json_object_get(entry, "data_offsets");
    const char *type = json_string_value(json_object_get(entry, "dtype"));
    if (json_object_size(entry) != 3 || !type || json_array_size(offsets) != 2)
        return chi__fail(NULL, CHI_ERR_FORMAT,
                         "%s: tensor %s: not exactly dtype, shape and two data_offsets", file->path,
                         name);
    if (type[0] == 0 || strlen(type) >= sizeof t->word)
        return chi__fail(NULL, CHI_ERR_FORMAT, "%s: tensor %s: unknown dtype %.32s", file->path,
                         name, type);
    CHI_TRY(read_shape(file, name, json_object_get(entry, "shape"), t));
    if (!size_of(json_array_get(offsets, 0), &at->begin) ||
        !size_of(json_array_get(offsets, 1), &at->end) || at->end < at->begin)
        return chi__fail(NULL, CHI_ERR_FORMAT, "%s: tensor %s: data_offsets are no range",
                         file->path, name);
    if (!take_type(type, t, at->end - at->begin))
        return chi__fail(NULL, CHI_ERR_FORMAT,
                         "%s: tensor %s: %s and its shape do not fit data_offsets %" PRIu64
                         " to %" PRIu64,
                         file->path, name, type, at->begin, at->end);
    return CHI_OK;
}

static int by_begin(const void *a, const void *b)
{
    const chi__extent *x = a, *y = b;
    if (x->begin != y->begin)
        return x->begin < y->begin ? -1 : 1;
    return x->end < y->end ? -1 : x->end > y->end;
}

// Sorted, the extents must touch: no overlap, no gap, and the last ends where the file does.
static chi_status check_extents(const chi__file *file, chi__extent *extents,
                                const chi_tensors *tensors, uint64_t bytes)
{
    uint64_t reached = 0;
    qsort(extents, tensors->count, sizeof *extents, by_begin);
    for (size_t i = 0; i < tensors->count; i++) {
        if (extents[i].begin != reached)
            return chi__fail(NULL, CHI_ERR_FORMAT,
                             "%s: tensor %s begins at %" PRIu64 " where %" PRIu64
                             " was due: tensors %s",
                             file->path, tensors->items[extents[i].item].name, extents[i].begin,
                             reached, extents[i].begin < reached ? "overlap" : "leave a gap");
        reached = extents[i].end;
    }
    if (reached != bytes)
        return chi__fail(NULL, CHI_ERR_FORMAT, "%s: the tensors end at %" PRIu64 " of %" PRIu64
                         " bytes after the header: %s", file->path, reached, bytes,
                         reached > bytes ? "the file is cut short" : "the file holds more");
    return CHI_OK;
}

static void free_header(chi__header *h)
{
    chi_tensors_free(&h->tensors);
    json_decref(h->root);
    chi__free(h->text);
    chi__free(h->extents);
}

static chi_status read_payload(chi__file *file, chi__header *h)
{
    for (size_t i = 0; i < h->tensors.count; i++) {
        chi_tensor *t = &h->tensors.items[h->extents[i].item];
        CHI_TRY(chi__tensor_allocate(t, file->path));
        CHI_TRY(chi__file_read(file, h->start + h->extents[i].begin, t->bytes,
                               h->extents[i].end - h->extents[i].begin));
    }
    return CHI_OK;
}

static void to_host_order(chi_tensors *tensors)
{
    for (size_t i = 0; i < tensors->count && !chi__host_is_little(); i++)
        if (tensors->items[i].type != CHI_TYPE_OTHER)
            chi__swap_bytes(tensors->items[i].bytes, tensors->items[i].count,
                            chi_type_bytes(tensors->items[i].type));
}

static chi_status read_entries(chi__file *file, chi__header *h)
{
    const char *name;
    json_t *entry;
    chi_tensors *to = &h->tensors;
    const size_t entries = json_object_size(h->root);
    h->metadata = json_object_get(h->root, CHI__METADATA);
    CHI_TRY(read_metadata(file, h->metadata, to));
    h->extents = chi__alloc(entries, sizeof *h->extents);
    to->items = chi__alloc(entries, sizeof *to->items);
    if (!h->extents || !to->items)
        return chi__fail(NULL, CHI_ERR_MEMORY, "%s: no memory for %zu tensors", file->path,
                         entries);
    json_object_foreach(h->root, name, entry) {
        if (strcmp(name, CHI__METADATA) == 0)
            continue;
        h->extents[to->count].item = to->count;
        CHI_TRY(read_entry(file, name, entry, &to->items[to->count], &h->extents[to->count]));
        to->count++;
    }
    return check_extents(file, h->extents, to, file->bytes - h->start);
}

static chi_status look(chi__file *file, chi__header *h, chi__origin *origin)
{
    CHI_TRY(read_header(file, &h->text, &h->length));
    CHI_TRY(parse_header(file, h->text, h->length, &h->root));
    h->start = 8 + h->length;
    CHI_TRY(read_entries(file, h));
    return chi__judge_header(file->path, h, origin);
}

chi_status chi__safetensors_look(chi__file *file, const char *name, chi__stream *stream,
                                 chi__layout *layout)
{
    chi__header h = { 0 };
    const char **names = NULL;
    size_t at = 0;
    chi__origin origin;
    chi_status st;
    CHI_TRY_DONE(look(file, &h, &origin));
    names = chi__alloc(h.tensors.count, sizeof *names);
    if (!names) {
        st = chi__fail(NULL, CHI_ERR_MEMORY, "%s: no memory for %zu names", file->path,
                       h.tensors.count);
        goto done;
    }
    for (size_t i = 0; i < h.tensors.count; i++)
        names[i] = h.tensors.items[h.extents[i].item].name;
    CHI_TRY_DONE(chi__choose_array(file->path, names, h.tensors.count, name, &at));
    layout->tensor = h.tensors.items[h.extents[at].item];
    layout->bytes = stream->bytes = stream->packed = h.extents[at].end - h.extents[at].begin;
    layout->swap = !chi__host_is_little();
    stream->begin = h.start + h.extents[at].begin;
    // As data a changed file is what it says; only what we wrote must be as we wrote it.
    if (origin == CHI__AS_WRITTEN &&
        chi__checksum_kept(h.metadata, layout->tensor.name, &stream->sum_due))
        stream->sum = CHI__SUM_FNV;
    layout->tensor.name[0] = 0; // known by its path
done:
    chi__free(names);
    free_header(&h);
    return st;
}

chi_status chi_safetensors_read_with(const char *path, const chi_safetensors_options *options,
                                     chi_tensors *out)
{
    chi__file file = { 0 };
    chi__header h = { 0 };
    chi__origin origin;
    chi_status st;
    if (!path || !out)
        return chi__fail(NULL, CHI_ERR_ARGUMENT,
                         "safetensors_read: no path or no place for the result");
    CHI_TRY(chi__file_open(path, &file));
    CHI_TRY_DONE(look(&file, &h, &origin));
    CHI_TRY_DONE(read_payload(&file, &h));
    CHI_TRY_DONE(chi__judge_tensors(path, &h, origin, &h.tensors.changed));
    if (h.tensors.changed && !(options && options->changed)) {
        st = chi__fail_changed(path, &h, origin);
        goto done;
    }
    to_host_order(&h.tensors);
    *out = h.tensors;
    h.tensors = (chi_tensors){ 0 };
done:
    free_header(&h);
    chi__file_close(&file);
    return st;
}

chi_status chi_safetensors_read(const char *path, chi_tensors *out)
{
    return chi_safetensors_read_with(path, NULL, out);
}

const chi_tensor *chi_tensors_find(const chi_tensors *tensors, const char *name)
{
    for (size_t i = 0; i < tensors->count; i++)
        if (strcmp(tensors->items[i].name, name) == 0)
            return &tensors->items[i];
    return NULL;
}

const char *chi_tensors_metadata(const chi_tensors *tensors, const char *key)
{
    for (size_t i = 0; i < tensors->pairs; i++)
        if (strcmp(tensors->keys[i], key) == 0)
            return tensors->values[i];
    return NULL;
}

void chi_tensors_free(chi_tensors *tensors)
{
    if (!tensors)
        return;
    for (size_t i = 0; i < tensors->count; i++)
        chi_tensor_free(&tensors->items[i]);
    for (size_t i = 0; i < tensors->pairs; i++) {
        chi__free(tensors->keys[i]);
        chi__free(tensors->values[i]);
    }
    chi__free(tensors->items);
    chi__free(tensors->keys);
    chi__free(tensors->values);
    memset(tensors, 0, sizeof *tensors);
}
