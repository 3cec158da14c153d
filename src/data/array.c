// SPDX-License-Identifier: Apache-2.0
// array.c: finding one array by its path, and loading it. Header: array.h. The formats: npy.c,
// idx.c; what can hold several arrays: zip.c, safetensors.c.
#include "array.h"

#include <inttypes.h>
#include <string.h>

#include "../base/memory.h"
#include "container.h"

typedef enum format { UNKNOWN, IDX, GZIP, NPY, ZIP, SAFETENSORS } format;

// ---- paths --------------------------------------------------------------------------------------

static bool is_folder(const char *path)
{
    char inside[4100];
    snprintf(inside, sizeof inside, "%.4090s/.", path);
    return chi__file_exists(inside);
}

// The file to open, and the name behind it or NULL: the longest part before a colon that is a file.
static chi_status locate(const char *path, char file[4096], const char **name)
{
    const size_t length = strlen(path);
    if (length >= 4096)
        return chi__fail(NULL, CHI_ERR_FILE, "%.100s…: a path of %zu bytes, at most 4095 are taken",
                         path, length);
    strcpy(file, path);
    *name = NULL;
    if (chi__file_exists(path))
        return CHI_OK;
    for (size_t i = length; i-- > 1;) {
        if (path[i] != ':')
            continue;
        file[i] = 0;
        if (chi__file_exists(file) && !is_folder(file)) {
            *name = path + i + 1;
            return CHI_OK;
        }
    }
    strcpy(file, path);
    return CHI_OK;
}

// ---- formats ------------------------------------------------------------------------------------

static format format_of(const unsigned char first[CHI__STREAM_HEAD], uint64_t bytes)
{
    if (memcmp(first, "\x93NUM", 4) == 0)
        return NPY;
    if (first[0] == 0x1f && first[1] == 0x8b)
        return GZIP;
    if (memcmp(first, "PK", 2) == 0 && first[2] < 8)
        return ZIP;
    if (first[8] == '{' && !first[5] && !first[6] && !first[7]) // a header's length
        return SAFETENSORS;
    return first[0] == 0 && first[1] == 0 && bytes >= 4 ? IDX : UNKNOWN;
}

static chi_status look_at_file(chi__file *file, unsigned char first[CHI__STREAM_HEAD], format *out)
{
    memset(first, 0, CHI__STREAM_HEAD);
    CHI_TRY(chi__file_read(file, 0, first,
                           file->bytes < CHI__STREAM_HEAD ? file->bytes : CHI__STREAM_HEAD));
    *out = format_of(first, file->bytes);
    return CHI_OK;
}

static chi_status refuse(const char *name, const unsigned char *first, uint64_t bytes)
{
    if (bytes < 4)
        return chi__fail(NULL, CHI_ERR_FORMAT,
                         "%s: %" PRIu64 " bytes are too few for idx, npy, npz or safetensors", name,
                         bytes);
    return chi__fail(
        NULL, CHI_ERR_FORMAT,
        "%s: begins with %02x %02x %02x %02x: neither idx nor npy, nor one of them gzipped, "
        "nor npz, nor safetensors",
        name, first[0], first[1], first[2], first[3]);
}

// The header of the one array in a stream.
static chi_status look_at_stream(chi__array *a)
{
    unsigned char first[CHI__STREAM_HEAD];
    size_t count;
    CHI_TRY(chi__stream_open(&a->stream));
    CHI_TRY(chi__stream_peek(&a->stream, first, &count));
    const format is = format_of(first, count);
    if (is == NPY)
        return chi__npy_look(&a->stream, &a->layout);
    if (is == IDX ||
        (a->stream.packing == CHI__GZIPPED && is == UNKNOWN)) // whose sentences fit best
        return chi__idx_look(&a->stream, &a->layout);
    return refuse(a->stream.name, first, count);
}

chi_status chi__array_of_member(chi__array *a, const chi__member *m)
{
    CHI_TRY(chi__zip_stream(&a->file, m, &a->stream));
    CHI_TRY(look_at_stream(a));
    snprintf(a->layout.tensor.name, sizeof a->layout.tensor.name, "%s", m->name);
    return CHI_OK;
}

static chi_status open_zip(chi__array *a, const char *name)
{
    chi__zip zip;
    size_t at;
    CHI_TRY(chi__zip_read(&a->file, &zip));
    chi_status st = chi__zip_find(&a->file, &zip, name, &at);
    if (st == CHI_OK)
        st = chi__array_of_member(a, &zip.members[at]);
    a->layout.tensor.name[0] = 0; // known by its path
    chi__zip_free(&zip);
    return st;
}

static chi_status open_tensor(chi__array *a, const char *name)
{
    CHI_TRY(chi__safetensors_look(&a->file, name, &a->stream, &a->layout));
    return chi__stream_open(&a->stream);
}

static chi_status open_in_file(chi__array *a, const char *name)
{
    unsigned char first[CHI__STREAM_HEAD];
    format is;
    CHI_TRY(look_at_file(&a->file, first, &is));
    if (is == ZIP)
        return open_zip(a, name);
    if (is == SAFETENSORS)
        return open_tensor(a, name);
    if (is == UNKNOWN)
        return refuse(a->file.path, first, a->file.bytes);
    if (name)
        return chi__fail(NULL, CHI_ERR_FORMAT,
                         "%s: holds one array without a name, so there is no \"%.200s\" in it",
                         a->file.path, name);
    a->stream.packing = is == GZIP ? CHI__GZIPPED : CHI__PLAIN;
    a->stream.packed = a->file.bytes;
    a->stream.bytes = is == GZIP ? 0 : a->file.bytes;
    return look_at_stream(a);
}

chi_status chi__array_open(const char *path, chi__array *out)
{
    char file[4096];
    const char *name;
    memset(out, 0, sizeof *out);
    CHI_TRY(locate(path, file, &name));
    CHI_TRY(chi__file_open(file, &out->file));
    out->stream.file = &out->file;
    snprintf(out->stream.name, sizeof out->stream.name, "%s", path);
    const chi_status st = open_in_file(out, name);
    if (st != CHI_OK)
        chi__array_close(out);
    return st;
}

void chi__array_close(chi__array *array)
{
    chi__stream_close(&array->stream);
    chi__file_close(&array->file);
}

chi_status chi__is_array(const char *path, bool *out)
{
    chi__file file = { 0 };
    unsigned char first[CHI__STREAM_HEAD];
    char part[4096];
    const char *name;
    format is;
    CHI_TRY(locate(path, part, &name));
    CHI_TRY(chi__file_open(part, &file));
    const chi_status st = look_at_file(&file, first, &is);
    chi__file_close(&file);
    if (st == CHI_OK)
        *out = is != UNKNOWN || name;
    return st;
}

// ---- elements -----------------------------------------------------------------------------------

chi_status chi__array_check_type(const chi__array *array)
{
    const char *name = array->stream.name, *word = array->layout.tensor.word;
    if (array->layout.tensor.type != CHI_TYPE_OTHER)
        return CHI_OK;
    if (strcmp(word, "structured") == 0)
        return chi__fail(NULL, CHI_ERR_FORMAT,
                         "%s: a structured type; save each field as an array of its own", name);
    if (strchr(word, 'O') && word[0] == '|')
        return chi__fail(NULL, CHI_ERR_FORMAT,
                         "%s: an array of Python objects, which cannot be read safely", name);
    return chi__fail(
        NULL, CHI_ERR_FORMAT,
        "%s: elements of type '%s'; floats of 16, 32, 64 bits, integers and booleans are read",
        name, word);
}

void chi__odometer_step(chi__odometer *o)
{
    for (size_t d = 0; d < o->dims; d++) {
        size_t stride = 1; // of this index in C order
        for (size_t later = d + 1; later < o->dims; later++)
            stride *= o->shape[later];
        o->at += stride;
        if (++o->index[d] < o->shape[d])
            return;
        o->at -= stride * o->shape[d];
        o->index[d] = 0;
    }
}

// Piece by piece, each element to its place.
static chi_status load_fortran(chi__stream *s, chi_tensor *t)
{
    enum { PIECE = 1 << 16 };
    uint64_t piece[PIECE / 8];
    const size_t size = chi_type_bytes(t->type);
    chi__odometer place = { .shape = t->shape, .dims = t->dims };
    CHI_TRY(chi__tensor_allocate(t, s->name));
    for (size_t done = 0; done < t->count;) {
        const size_t now = t->count - done < PIECE / size ? t->count - done : PIECE / size;
        CHI_TRY(chi__stream_take(s, piece, (uint64_t)now * size));
        for (size_t i = 0; i < now; i++, chi__odometer_step(&place))
            memcpy((unsigned char *)t->bytes + place.at * size,
                   (const unsigned char *)piece + i * size, size);
        done += now;
    }
    return CHI_OK;
}

chi_status chi__array_load(chi__array *array, chi_tensor *out)
{
    const chi__layout *l = &array->layout;
    chi_tensor t = l->tensor;
    chi_status st;
    if (l->fortran && t.type != CHI_TYPE_OTHER)
        st = load_fortran(&array->stream, &t);
    else
        st = chi__stream_block(&array->stream, l->bytes, &t.bytes);
    if (st == CHI_OK)
        st = chi__stream_end(&array->stream);
    if (st != CHI_OK) {
        chi__free(t.bytes);
        return st;
    }
    if (l->swap && t.type != CHI_TYPE_OTHER)
        chi__swap_bytes(t.bytes, t.count, chi_type_bytes(t.type));
    *out = t;
    return CHI_OK;
}

chi_status chi_tensor_read(const char *path, chi_tensor *out)
{
    chi__array array;
    if (!path || !out)
        return chi__fail(NULL, CHI_ERR_ARGUMENT, "tensor_read: no path or no place for the result");
    CHI_TRY(chi__array_open(path, &array));
    chi_status st = chi__array_check_type(&array);
    if (st == CHI_OK)
        st = chi__array_load(&array, out);
    chi__array_close(&array);
    return st;
}
