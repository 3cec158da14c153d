// SPDX-License-Identifier: Apache-2.0
// zip.c: the directory of a zip archive, as numpy.savez and others write it, zip64 included.
// Header: zip.h.
//
// From the end: the end record (22 bytes and a comment), before it perhaps zip64's locator (20) and
// end record (56), before that one entry a member. What an entry says of sizes holds; its local
// header says only where the data begin.
#include "zip.h"

#include <inttypes.h>
#include <stdlib.h>
#include <string.h>

#include "../base/memory.h"
#include "../base/text.h"

enum {
    SHOWN = 200,
    END = 22, LOCATOR = 20, END64 = 56, ENTRY = 46, LOCAL = 30,
    COMMENT_MAX = 65535,
    DIRECTORY_MAX = 64 << 20,
    STORED = 0, DEFLATE = 8,
    ENCRYPTED = 1 | 1 << 6,
};

static uint64_t number(const unsigned char *at, int bytes)
{
    uint64_t v = 0;
    while (bytes--)
        v = v << 8 | at[bytes];
    return v;
}

// A member's name for a sentence.
static const char *shown(const chi__member *m, char to[SHOWN])
{
    chi__text_escape(m->name, to, SHOWN);
    return to;
}

typedef struct directory {
    uint64_t offset, bytes, count, limit;
} directory; // limit: where the end records begin

// ---- the end records ----------------------------------------------------------------------------

static chi_status damaged(const chi__file *file, const char *why)
{
    return chi__fail(NULL, CHI_ERR_FORMAT, "%s: %s; the zip archive is cut short or damaged",
                     file->path, why);
}

static chi_status find_end(chi__file *file, uint64_t *at, unsigned char end[END])
{
    const uint64_t span = file->bytes < END + COMMENT_MAX ? file->bytes : END + COMMENT_MAX;
    unsigned char *tail = chi__alloc((size_t)span, 1);
    if (!tail)
        return chi__fail(NULL, CHI_ERR_MEMORY, "%s: no memory for %" PRIu64 " bytes", file->path,
                         span);
    chi_status st = chi__file_read(file, file->bytes - span, tail, span);
    size_t i = span < END ? 0 : (size_t)span - END + 1;
    bool found = false;
    while (st == CHI_OK && !found &&
           i-- > 0) // the last record whose comment ends where the file does
        found = memcmp(tail + i, "PK\5\6", 4) == 0 && i + END + number(tail + i + 20, 2) == span;
    if (st == CHI_OK && !found)
        st = damaged(file, "no end of a zip directory is found");
    if (st == CHI_OK) {
        memcpy(end, tail + i, END);
        *at = file->bytes - span + i;
    }
    chi__free(tail);
    return st;
}

// Where the end record's numbers are full, zip64's stand in for them.
static chi_status read_end64(chi__file *file, directory *d)
{
    unsigned char locator[LOCATOR], end[END64];
    if (d->limit < LOCATOR)
        return damaged(file, "no room for zip64's locator");
    CHI_TRY(chi__file_read(file, d->limit - LOCATOR, locator, LOCATOR));
    const uint64_t at = number(locator + 8, 8);
    if (memcmp(locator, "PK\6\7", 4) != 0 || at > d->limit - LOCATOR ||
        d->limit - LOCATOR - at < END64)
        return damaged(file, "zip64's locator is not where it should be");
    CHI_TRY(chi__file_read(file, at, end, END64));
    if (memcmp(end, "PK\6\6", 4) != 0 || number(end + 16, 4) || number(end + 20, 4))
        return damaged(file, "zip64's end record is not where it should be");
    *d = (directory){ .count = number(end + 32, 8),
                      .bytes = number(end + 40, 8),
                      .offset = number(end + 48, 8),
                      .limit = at };
    return CHI_OK;
}

static chi_status find_directory(chi__file *file, directory *out)
{
    unsigned char end[END];
    directory d = { 0 };
    CHI_TRY(find_end(file, &d.limit, end));
    if (number(end + 4, 2) != number(end + 6, 2) || number(end + 8, 2) != number(end + 10, 2))
        return chi__fail(NULL, CHI_ERR_FORMAT, "%s: a part of a zip archive in several files",
                         file->path);
    d.count = number(end + 10, 2);
    d.bytes = number(end + 12, 4);
    d.offset = number(end + 16, 4);
    if (d.count == UINT16_MAX || d.bytes == UINT32_MAX || d.offset == UINT32_MAX)
        CHI_TRY(read_end64(file, &d));
    if (d.offset > d.limit || d.bytes > d.limit - d.offset || d.count > d.bytes / ENTRY)
        return chi__fail(NULL, CHI_ERR_FORMAT,
                         "%s: a zip directory of %" PRIu64 " entries and %" PRIu64
                         " bytes at byte %" PRIu64 " does not fit before byte %" PRIu64,
                         file->path, d.count, d.bytes, d.offset, d.limit);
    if (d.bytes > DIRECTORY_MAX)
        return chi__fail(NULL, CHI_ERR_FORMAT,
                         "%s: a zip directory of %" PRIu64 " bytes, at most %d are read",
                         file->path, d.bytes, DIRECTORY_MAX);
    *out = d;
    return CHI_OK;
}

// ---- entries ------------------------------------------------------------------------------------

// Numbers that are full stand in the extra field of zip64, in this order.
static bool read_extra(const unsigned char *at, size_t bytes, chi__member *m)
{
    uint64_t *const fields[] = { &m->bytes, &m->packed, &m->offset };
    while (bytes >= 4) {
        const size_t size = (size_t)number(at + 2, 2), id = (size_t)number(at, 2);
        size_t used = 0;
        if (size > bytes - 4)
            return false;
        for (size_t f = 0; f < 3 && id == 1; f++) {
            if (*fields[f] != UINT32_MAX)
                continue;
            if (used + 8 > size)
                return false;
            *fields[f] = number(at + 4 + used, 8);
            used += 8;
        }
        if (id == 1)
            return true;
        at += 4 + size;
        bytes -= 4 + size;
    }
    return true;
}

static void take_name(const unsigned char *from, size_t bytes, char *to, chi__member *m)
{
    memcpy(to, from, bytes);
    m->name = to;
    m->name_bytes = (uint16_t)bytes;
    m->suffix = bytes > 4 && memcmp(to + bytes - 4, ".npy", 4) == 0;
    to[m->suffix ? bytes - 4 : bytes] = 0;
}

// One entry into m; *used of its bytes. Names go to `names`, which has room for all of the
// directory.
static chi_status read_entry(const chi__file *file, const unsigned char *at, uint64_t left,
                             const directory *d, char *names, chi__member *m, size_t *used)
{
    if (left < ENTRY || memcmp(at, "PK\1\2", 4) != 0)
        return damaged(file, "an entry of the directory is not where it should be");
    const size_t name = (size_t)number(at + 28, 2), extra = (size_t)number(at + 30, 2);
    *used = ENTRY + name + extra + (size_t)number(at + 32, 2);
    *m = (chi__member){ .flags = (uint16_t)number(at + 8, 2),
                        .method = (uint16_t)number(at + 10, 2),
                        .crc = (uint32_t)number(at + 16, 4),
                        .packed = number(at + 20, 4),
                        .bytes = number(at + 24, 4),
                        .offset = number(at + 42, 4) };
    if (*used > left || memchr(at + ENTRY, 0, name) || !read_extra(at + ENTRY + name, extra, m))
        return damaged(
            file, "an entry of the directory is longer than the rest, or its name holds a zero");
    take_name(at + ENTRY, name, names, m);
    char shown_name[SHOWN];
    uint64_t end;
    if (!chi__add(m->offset, LOCAL + name, &end) || !chi__add(end, m->packed, &end) ||
        end > d->offset)
        return chi__fail(NULL, CHI_ERR_FORMAT,
                         "%s: member %s: %" PRIu64 " bytes at byte %" PRIu64
                         " do not fit before the directory at byte %" PRIu64,
                         file->path, shown(m, shown_name), m->packed, m->offset, d->offset);
    return CHI_OK;
}

static int by_offset(const void *a, const void *b)
{
    const chi__member *const *x = a, *const *y = b;
    return (*x)->offset < (*y)->offset ? -1 : (*x)->offset > (*y)->offset;
}

// Each member's end is where the next begins.
static chi_status check_overlap(const chi__file *file, const directory *d, chi__zip *zip)
{
    char name[SHOWN], next[SHOWN];
    chi__member **sorted = chi__alloc(zip->count, sizeof *sorted);
    chi_status st = CHI_OK;
    if (!sorted)
        return chi__fail(NULL, CHI_ERR_MEMORY, "%s: no memory for %zu members", file->path,
                         zip->count);
    for (size_t i = 0; i < zip->count; i++)
        sorted[i] = &zip->members[i];
    if (zip->count)
        qsort(sorted, zip->count, sizeof *sorted, by_offset);
    for (size_t i = 0; i < zip->count && st == CHI_OK; i++) {
        chi__member *m = sorted[i];
        m->end = i + 1 < zip->count ? sorted[i + 1]->offset : d->offset;
        if (m->offset + LOCAL + m->name_bytes + m->packed > m->end)
            st = chi__fail(NULL, CHI_ERR_FORMAT,
                           "%s: members %s and %s overlap: not a zip archive of an honest program",
                           file->path, shown(m, name), shown(sorted[i + 1], next));
    }
    chi__free(sorted);
    return st;
}

static chi_status read_entries(chi__file *file, const directory *d, const unsigned char *raw,
                               chi__zip *zip)
{
    char *names = zip->names;
    uint64_t done = 0;
    for (uint64_t i = 0; i < d->count; i++) {
        chi__member *m = &zip->members[zip->count];
        size_t used = 0;
        CHI_TRY(read_entry(file, raw + done, d->bytes - done, d, names, m, &used));
        done += used;
        names += m->name_bytes + 1;
        zip->count += !(m->name_bytes && m->name[m->name_bytes - 1] == '/' &&
                        !m->suffix); // a folder is no member
    }
    return check_overlap(file, d, zip);
}

chi_status chi__zip_read(chi__file *file, chi__zip *out)
{
    directory d = { 0 };
    chi__zip zip = { 0 };
    chi_status st;
    CHI_TRY(find_directory(file, &d));
    unsigned char *raw = chi__alloc((size_t)d.bytes, 1);
    zip.members = chi__alloc((size_t)d.count + 1,
                             sizeof *zip.members); // + 1: a folder at the end is read and dropped
    zip.names = chi__alloc((size_t)d.bytes, 1); // an entry is longer than its name and a zero
    if (!raw || !zip.members || !zip.names) {
        st = chi__fail(NULL, CHI_ERR_MEMORY, "%s: no memory for %" PRIu64 " members", file->path,
                       d.count);
        goto done;
    }
    CHI_TRY_DONE(chi__file_read(file, d.offset, raw, d.bytes));
    CHI_TRY_DONE(read_entries(file, &d, raw, &zip));
    *out = zip;
done:
    chi__free(raw);
    if (st != CHI_OK)
        chi__zip_free(&zip);
    return st;
}

void chi__zip_free(chi__zip *zip)
{
    chi__free(zip->members);
    chi__free(zip->names);
    *zip = (chi__zip){ 0 };
}

// ---- one member ---------------------------------------------------------------------------------

chi_status chi__zip_stream(chi__file *file, const chi__member *m, chi__stream *out)
{
    unsigned char local[LOCAL];
    char name[SHOWN];
    if (m->flags & ENCRYPTED)
        return chi__fail(NULL, CHI_ERR_FORMAT, "%s: member %s is encrypted", file->path,
                         shown(m, name));
    if (m->method != STORED && m->method != DEFLATE)
        return chi__fail(
            NULL, CHI_ERR_FORMAT,
            "%s: member %s is packed by method %d; stored (0) and deflated (8) are read",
            file->path, shown(m, name), m->method);
    if (m->method == STORED ? m->bytes != m->packed : m->bytes / CHI__DEFLATE_RATIO > m->packed)
        return chi__fail(NULL, CHI_ERR_FORMAT,
                         "%s: member %s is to hold %" PRIu64 " bytes in %" PRIu64
                         ", which its method cannot",
                         file->path, shown(m, name), m->bytes, m->packed);
    CHI_TRY(chi__file_read(file, m->offset, local, LOCAL));
    const uint64_t begin = m->offset + LOCAL + number(local + 26, 2) + number(local + 28, 2);
    if (memcmp(local, "PK\3\4", 4) != 0 || number(local + 26, 2) != m->name_bytes ||
        begin > m->end || m->packed > m->end - begin || number(local + 8, 2) != m->method)
        return chi__fail(NULL, CHI_ERR_FORMAT,
                         "%s: member %s: its own header at byte %" PRIu64
                         " says something else than the directory: the file is damaged",
                         file->path, shown(m, name), m->offset);
    out->packing = m->method == STORED ? CHI__PLAIN : CHI__DEFLATED;
    out->begin = begin;
    out->packed = m->packed;
    out->bytes = m->bytes;
    out->sum = CHI__SUM_CRC;
    out->sum_due = m->crc;
    return CHI_OK;
}
