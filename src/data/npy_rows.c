// SPDX-License-Identifier: Apache-2.0
// npy_rows.c: arrays a few rows at a time, for more than memory holds, read from any format and
// written as .npy. Finding them: array.c. Header: include/chiaro/data.h.
#include <inttypes.h>
#include <string.h>

#include "../base/memory.h"
#include "array.h"

enum { PIECE = 1 << 14 }; // elements converted at a time

struct chi_npy_reader {
    chi__array array;
    uint64_t start;   // of the elements in the file …
    chi_tensor whole; // … or all of them, where they are compressed
    size_t row;       // elements of one
};

struct chi_npy_writer {
    chi__writer file;
    uint64_t bytes, done;
};

// Leaves the reader with a place to read rows from.
static chi_status prepare(chi_npy_reader *r)
{
    chi__stream *s = &r->array.stream;
    CHI_TRY(chi__array_check_type(&r->array));
    r->row = 1;
    for (size_t d = 1; d < r->array.layout.tensor.dims; d++)
        r->row *= r->array.layout.tensor.shape[d];
    if (s->packing != CHI__PLAIN)
        return chi__array_load(&r->array, &r->whole);
    r->start = s->begin + s->done;
    return s->sum == CHI__SUM_NONE ? CHI_OK : chi__stream_skim(s);
}

chi_status chi_npy_open(const char *path, chi_npy_reader **out)
{
    if (!out)
        return chi__fail(NULL, CHI_ERR_ARGUMENT, "npy_open: no place for the result");
    *out = NULL;
    if (!path)
        return chi__fail(NULL, CHI_ERR_ARGUMENT, "npy_open: no path");
    chi_npy_reader *r = chi__alloc(1, sizeof *r);
    if (!r)
        return chi__fail(NULL, CHI_ERR_MEMORY, "%s: no memory for %zu bytes", path, sizeof *r);
    chi_status st = chi__array_open(path, &r->array);
    if (st == CHI_OK)
        st = prepare(r);
    if (st == CHI_OK)
        *out = r;
    else
        chi_npy_close(&r);
    return st;
}

void chi_npy_close(chi_npy_reader **reader)
{
    if (!reader || !*reader)
        return;
    chi__array_close(&(*reader)->array);
    chi_tensor_free(&(*reader)->whole);
    chi__free(*reader);
    *reader = NULL;
}

const chi_tensor *chi_npy_describe(const chi_npy_reader *reader)
{
    return &reader->array.layout.tensor;
}

// `count` elements from the file's element `first` on, as float32.
static chi_status read_run(chi_npy_reader *r, uint64_t first, size_t count, float *to)
{
    const chi__layout *l = &r->array.layout;
    const size_t bytes = chi_type_bytes(l->tensor.type);
    uint64_t piece[PIECE];
    for (size_t done = 0; done < count;) {
        const bool as_is = l->tensor.type == CHI_TYPE_F32;
        const size_t now = as_is || count - done < PIECE ? count - done : PIECE;
        void *at = as_is ? (void *)(to + done) : piece;
        CHI_TRY(chi__file_read(&r->array.file, r->start + (first + done) * bytes, at,
                               (uint64_t)now * bytes));
        if (l->swap)
            chi__swap_bytes(at, now, bytes);
        if (!as_is)
            chi__to_f32(l->tensor.type, piece, now, to + done);
        done += now;
    }
    return CHI_OK;
}

// In Fortran order a column, all rows of one place in a row, lies together: a few rows of it are
// read at a time.
static chi_status read_columns(chi_npy_reader *r, size_t first, size_t rows, float *to)
{
    const chi_tensor *t = &r->array.layout.tensor;
    float column[PIECE];
    chi__odometer place = { .shape = t->shape + 1, .dims = t->dims - 1 };
    for (size_t c = 0; c < r->row; c++, chi__odometer_step(&place)) {
        for (size_t done = 0; done < rows;) {
            const size_t now = rows - done < PIECE ? rows - done : PIECE;
            CHI_TRY(read_run(r, (uint64_t)c * t->shape[0] + first + done, now, column));
            for (size_t i = 0; i < now; i++)
                to[(done + i) * r->row + place.at] = column[i];
            done += now;
        }
    }
    return CHI_OK;
}

chi_status chi_npy_read_rows(chi_npy_reader *reader, size_t first, size_t rows, float *to)
{
    const chi_tensor *t = &reader->array.layout.tensor;
    const size_t all = t->dims ? t->shape[0] : 1;
    if (first > all || rows > all - first)
        return chi__fail(NULL, CHI_ERR_ARGUMENT, "%s: rows %zu … %zu of %zu",
                         reader->array.stream.name, first, first + rows, all);
    if (reader->whole.bytes) {
        const unsigned char *from = reader->whole.bytes;
        chi__to_f32(t->type, from + first * reader->row * chi_type_bytes(t->type),
                    rows * reader->row, to);
        return CHI_OK;
    }
    if (reader->array.layout.fortran)
        return read_columns(reader, first, rows, to);
    return read_run(reader, (uint64_t)first * reader->row, rows * reader->row, to);
}

// ---- writing ------------------------------------------------------------------------------------
chi_status chi_npy_create(const char *path, const chi_tensor *shape, chi_npy_writer **out)
{
    if (!out)
        return chi__fail(NULL, CHI_ERR_ARGUMENT, "npy_create: no place for the result");
    *out = NULL;
    chi_npy_writer *w = chi__alloc(1, sizeof *w);
    if (!w)
        return chi__fail(NULL, CHI_ERR_MEMORY, "npy_create: no memory for %zu bytes", sizeof *w);
    const chi_status st = chi__npy_begin(path, shape, &w->bytes, &w->file);
    if (st == CHI_OK)
        *out = w;
    else
        chi__free(w);
    return st;
}

chi_status chi_npy_append(chi_npy_writer *writer, const void *elements, uint64_t bytes)
{
    if (bytes > writer->bytes - writer->done)
        return chi__fail(NULL, CHI_ERR_ARGUMENT,
                         "%s: %" PRIu64 " bytes after %" PRIu64 " are more than the %" PRIu64
                         " of its shape",
                         writer->file.path, bytes, writer->done, writer->bytes);
    chi__writer_put(&writer->file, elements, (size_t)bytes);
    writer->done += bytes;
    return CHI_OK;
}

chi_status chi_npy_flush(chi_npy_writer *writer) { return chi__writer_flush(&writer->file); }

chi_status chi_npy_commit(chi_npy_writer **writer)
{
    if (!writer || !*writer)
        return CHI_OK;
    chi_npy_writer *w = *writer;
    chi_status st = CHI_OK;
    if (w->done != w->bytes)
        st = chi__fail(NULL, CHI_ERR_ARGUMENT, "%s: %" PRIu64 " of %" PRIu64 " bytes were written",
                       w->file.path, w->done, w->bytes);
    else
        st = chi__writer_commit(&w->file);
    chi_npy_discard(writer);
    return st;
}

void chi_npy_discard(chi_npy_writer **writer)
{
    if (!writer || !*writer)
        return;
    chi__writer_abort(&(*writer)->file);
    chi__free(*writer);
    *writer = NULL;
}
