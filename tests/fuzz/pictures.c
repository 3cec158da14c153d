// SPDX-License-Identifier: Apache-2.0
// pictures.c: a libFuzzer target over PNG and JPEG files. Built as read.c is. The last byte of an input says how it is read,
// and whether a PNG's checksums are made right first: a wrong one ends the reading before its chunk is looked at.
#include <chiaro/pictures.h>

#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <unistd.h>

#include <zlib.h>

int LLVMFuzzerTestOneInput(const uint8_t *bytes, size_t count);

static void make_sums_right(uint8_t *png, size_t count)
{
    size_t at = 8;
    while (count >= 12 && at <= count - 12) {
        const size_t length = (size_t)png[at] << 24 | (size_t)png[at + 1] << 16 | (size_t)png[at + 2] << 8 | png[at + 3];
        if (length > count - at - 12)
            return;
        const uLong sum = crc32(crc32(0, NULL, 0), png + at + 4, (uInt)(4 + length));
        for (int i = 0; i < 4; i++)
            png[at + 8 + length + (size_t)i] = (uint8_t)(sum >> (24 - 8 * i));
        at += length + 12;
    }
}

int LLVMFuzzerTestOneInput(const uint8_t *bytes, size_t count)
{
    const uint8_t how = count ? bytes[count - 1] : 0;
    uint8_t *copy = malloc(count + 1);
    char path[64];
    const int file = memfd_create("fuzz", MFD_CLOEXEC);
    if (!copy || file < 0)
        return -1;
    memcpy(copy, bytes, count);
    if (how & 1)
        make_sums_right(copy, count);
    if (write(file, copy, count) != (ssize_t)count)
        return -1;
    snprintf(path, sizeof path, "/proc/self/fd/%d", file);
    chi_tensor t = { .bytes = NULL };
    const chi_picture_options o = { .grey = how & 2, .size = how & 4 ? 1 + how / 8 : 0, .max_pixels = 1 << 18 };
    if (chi_picture_read(path, &o, &t) == CHI_OK)
        chi_tensor_free(&t);
    close(file);
    free(copy);
    return 0;
}
