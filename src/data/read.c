// SPDX-License-Identifier: Apache-2.0
// read.c: which format a file has, by its first bytes. Header: include/chiaro/data.h. The formats:
// src/data/idx.c, src/data/npy.c.
#include <inttypes.h>
#include <string.h>

#include "tensor.h"

static chi_status refuse(const chi__file *file, const unsigned char *first)
{
    if (memcmp(first, "PK", 2) == 0)
        return chi__fail(NULL, CHI_ERR_FORMAT, "%s: a zip archive (.npz?); save one array with numpy.save", file->path);
    if (first[8] == '{')
        return chi__fail(NULL, CHI_ERR_FORMAT, "%s: looks like safetensors, not like idx, idx.gz or npy", file->path);
    return chi__fail(NULL, CHI_ERR_FORMAT, "%s: begins with %02x %02x %02x %02x: neither idx, idx.gz nor npy",
                     file->path, first[0], first[1], first[2], first[3]);
}

chi_status chi_tensor_read(const char *path, chi_tensor *out)
{
    chi__file file = { 0 };
    unsigned char first[9] = { 0 };
    chi_status st;
    if (!path || !out)
        return chi__fail(NULL, CHI_ERR_ARGUMENT, "tensor_read: no path or no place for the result");
    CHI_TRY(chi__file_open(path, &file));
    if (file.bytes < 4) {
        st = chi__fail(NULL, CHI_ERR_FORMAT, "%s: %" PRIu64 " bytes are too few for idx, idx.gz or npy", path,
                       file.bytes);
        goto done;
    }
    CHI_TRY_DONE(chi__file_read(&file, 0, first, file.bytes < sizeof first ? file.bytes : sizeof first));
    if (memcmp(first, "\x93NUM", 4) == 0)
        st = chi__npy_read(&file, out);
    else if (first[0] == 0x1f && first[1] == 0x8b)
        st = chi__idx_gz_read(&file, out);
    else if (first[0] == 0 && first[1] == 0)
        st = chi__idx_read(&file, out);
    else
        st = refuse(&file, first);
done:
    chi__file_close(&file);
    return st;
}
