// SPDX-License-Identifier: Apache-2.0
// npy_rows.c: .npy files a few rows at a time, for more than memory holds. The format: npy.c. Header: include/chiaro/data.h.
#include <inttypes.h>
#include <string.h>

#include "../base/memory.h"
#include "tensor.h"

struct chi_npy_reader {
    chi__file file;
    chi__npy_layout layout;
    size_t row; // elements of one
};

struct chi_npy_writer {
    chi__writer file;
    uint64_t bytes, done;
};

chi_status chi_npy_open(const char *path, chi_npy_reader **out)
{
    unsigned char first[6] = { 0 };
    if (!out)
        return chi__fail(NULL, CHI_ERR_ARGUMENT, "npy_open: no place for the result");
    *out = NULL;
    if (!path)
        return chi__fail(NULL, CHI_ERR_ARGUMENT, "npy_open: no path");
    chi_npy_reader *r = chi__alloc(1, sizeof *r);
    chi_status st;
    if (!r)
        return chi__fail(NULL, CHI_ERR_MEMORY, "%s: no memory for %zu bytes", path, sizeof *r);
    CHI_TRY_DONE(chi__file_open(path, &r->file));
    if (r->file.bytes >= sizeof first)
        CHI_TRY_DONE(chi__file_read(&r->file, 0, first, sizeof first));
    if (memcmp(first, "\x93NUMPY", sizeof first) != 0) {
        st = chi__fail(NULL, CHI_ERR_FORMAT, "%s: not .npy: its %" PRIu64 " bytes do not begin with \\x93NUMPY", path, r->file.bytes);
        goto done;
    }
    CHI_TRY_DONE(chi__npy_look(&r->file, &r->layout));
    r->row = 1;
    for (size_t d = 1; d < r->layout.tensor.dims; d++)
        r->row *= r->layout.tensor.shape[d];
    *out = r;
    return CHI_OK;
done:
    chi_npy_close(&r);
    return st;
}

void chi_npy_close(chi_npy_reader **reader)
{
    if (!reader || !*reader)
        return;
    chi__file_close(&(*reader)->file);
    chi__free(*reader);
    *reader = NULL;
}

const chi_tensor *chi_npy_describe(const chi_npy_reader *reader) { return &reader->layout.tensor; }

chi_status chi_npy_read_rows(chi_npy_reader *reader, size_t first, size_t rows, float *to)
{
    enum { PIECE = 1 << 16 }; // bytes converted at a time
    const chi__npy_layout *l = &reader->layout;
    const size_t bytes = chi_type_bytes(l->tensor.type), all = l->tensor.dims ? l->tensor.shape[0] : 1;
    if (first > all || rows > all - first)
        return chi__fail(NULL, CHI_ERR_ARGUMENT, "%s: rows %zu … %zu of %zu", reader->file.path, first, first + rows, all);
    const uint64_t offset = l->start + (uint64_t)first * reader->row * bytes;
    const size_t count = rows * reader->row;
    if (l->tensor.type == CHI_TYPE_F32) {
        CHI_TRY(chi__file_read(&reader->file, offset, to, 4ull * count));
        if (l->swap)
            chi__swap_bytes(to, count, 4);
        return CHI_OK;
    }
    uint64_t piece[PIECE / 8];
    for (size_t done = 0; done < count;) {
        const size_t now = count - done < PIECE / bytes ? count - done : PIECE / bytes;
        CHI_TRY(chi__file_read(&reader->file, offset + (uint64_t)done * bytes, piece, (uint64_t)now * bytes));
        if (l->swap)
            chi__swap_bytes(piece, now, bytes);
        chi__to_f32(l->tensor.type, piece, now, to + done);
        done += now;
    }
    return CHI_OK;
}

// ---- writing -------------------------------------------------------------------------------------
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
        return chi__fail(NULL, CHI_ERR_ARGUMENT, "%s: %" PRIu64 " bytes after %" PRIu64 " are more than the %" PRIu64 " of its shape",
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
        st = chi__fail(NULL, CHI_ERR_ARGUMENT, "%s: %" PRIu64 " of %" PRIu64 " bytes were written", w->file.path, w->done, w->bytes);
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
