// SPDX-License-Identifier: Apache-2.0
// zip.h: where the members of a zip archive lie. Reading them: stream.h.
#ifndef CHI_DATA_ZIP_H
#define CHI_DATA_ZIP_H

#include "stream.h"

typedef struct chi__member {
    char *name; // ended by a zero, without a final ".npy"
    bool suffix; // there was one
    uint16_t flags, method, name_bytes;
    uint32_t crc;
    uint64_t packed, bytes, offset; // offset: of its local header
    uint64_t end;                   // where the next member, or the directory, begins
} chi__member;

// The archive's directory, checked against the file: no member overlaps another.
typedef struct chi__zip { chi__member *members; size_t count; char *names; } chi__zip;
chi_status chi__zip_read(chi__file *file, chi__zip *out);
void chi__zip_free(chi__zip *zip);
// Fills in packing, place, size and checksum; .file and .name are the caller's. Reads the member's
// local header.
chi_status chi__zip_stream(chi__file *file, const chi__member *member, chi__stream *out);

#endif
