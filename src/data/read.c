// SPDX-License-Identifier: Apache-2.0
// read.c: which format a file has, by its first bytes. Header: include/chiaro/data.h. The formats:
// src/data/idx.c, src/data/npy.c.
#include <inttypes.h>
#include <string.h>

#include "tensor.h"

typedef enum format { UNKNOWN, IDX, GZIP, NPY, ZIP, SAFETENSORS } format;
enum { FIRST = 9 };

// By the first bytes; what the file does not have of them is zero.
static chi_status look(chi__file *file, unsigned char first[FIRST], format *out)
{
    memset(first, 0, FIRST);
    CHI_TRY(chi__file_read(file, 0, first, file->bytes < FIRST ? file->bytes : FIRST));
    if (memcmp(first, "\x93NUM", 4) == 0)
        *out = NPY;
    else if (first[0] == 0x1f && first[1] == 0x8b)
        *out = GZIP;
    else if (memcmp(first, "PK", 2) == 0 && first[2] < 8)
        *out = ZIP;
    else if (first[8] == '{' && !first[5] && !first[6] && !first[7]) // a header's length
        *out = SAFETENSORS;
    else
        *out = first[0] == 0 && first[1] == 0 && file->bytes >= 4 ? IDX : UNKNOWN;
    return CHI_OK;
}

static chi_status refuse(const chi__file *file, const unsigned char *first, format is)
{
    if (is == ZIP)
        return chi__fail(NULL, CHI_ERR_FORMAT, "%s: a zip archive (.npz?); save one array with numpy.save", file->path);
    if (is == SAFETENSORS)
        return chi__fail(NULL, CHI_ERR_FORMAT, "%s: looks like safetensors, not like idx, idx.gz or npy", file->path);
    if (file->bytes < 4)
        return chi__fail(NULL, CHI_ERR_FORMAT, "%s: %" PRIu64 " bytes are too few for idx, idx.gz or npy", file->path,
                         file->bytes);
    return chi__fail(NULL, CHI_ERR_FORMAT, "%s: begins with %02x %02x %02x %02x: neither idx, idx.gz nor npy",
                     file->path, first[0], first[1], first[2], first[3]);
}

chi_status chi__tensor_is_array(const char *path, bool *out)
{
    chi__file file = { 0 };
    unsigned char first[FIRST];
    format is;
    CHI_TRY(chi__file_open(path, &file));
    const chi_status st = look(&file, first, &is);
    chi__file_close(&file);
    if (st == CHI_OK)
        *out = is != UNKNOWN;
    return st;
}

chi_status chi_tensor_read(const char *path, chi_tensor *out)
{
    chi__file file = { 0 };
    unsigned char first[FIRST];
    format is;
    chi_status st;
    if (!path || !out)
        return chi__fail(NULL, CHI_ERR_ARGUMENT, "tensor_read: no path or no place for the result");
    CHI_TRY(chi__file_open(path, &file));
    CHI_TRY_DONE(look(&file, first, &is));
    if (is == NPY)
        st = chi__npy_read(&file, out);
    else if (is == GZIP)
        st = chi__idx_gz_read(&file, out);
    else if (is == IDX)
        st = chi__idx_read(&file, out);
    else
        st = refuse(&file, first, is);
done:
    chi__file_close(&file);
    return st;
}
