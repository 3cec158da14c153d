// SPDX-License-Identifier: Apache-2.0
// picture_text.c: the texts in a PNG that say which way up it is: XMP, and EXIF as ImageMagick writes it, in hexadecimal.
// Header: picture.h. The chunks: picture_png.c.
#include "picture.h"

#include <string.h>

#include <zlib.h>

#include "../base/memory.h"

enum { LARGEST_TEXT = 1 << 20 };

// Bytes up to and with the next zero; 0: there is none.
static size_t word(const unsigned char *bytes, size_t count)
{
    const unsigned char *zero = memchr(bytes, 0, count);
    return zero ? (size_t)(zero - bytes) + 1 : 0;
}

// What comes of deflated bytes, at most LARGEST_TEXT of it, in a block to be freed; NULL: nothing, or no memory.
static unsigned char *inflated(const unsigned char *bytes, size_t count, size_t *length)
{
    z_stream z = { .next_in = (Bytef *)(uintptr_t)bytes, .avail_in = (uInt)count, .avail_out = LARGEST_TEXT };
    unsigned char *to = chi__alloc(LARGEST_TEXT, 1);
    if (!to || inflateInit(&z) != Z_OK) {
        chi__free(to);
        return NULL;
    }
    z.next_out = to;
    (void)inflate(&z, Z_FINISH); // a broken text says what it says up to there
    inflateEnd(&z);
    *length = LARGEST_TEXT - z.avail_out;
    return to;
}

static int digit(unsigned char c)
{
    if (c >= '0' && c <= '9')
        return c - '0';
    return c >= 'a' && c <= 'f' ? c - 'a' + 10 : c >= 'A' && c <= 'F' ? c - 'A' + 10 : -1;
}

// An empty line, a name and a length, then the bytes in hexadecimal with line breaks among them, here put in their place.
static unsigned orientation_of_profile(unsigned char *text, size_t count)
{
    size_t from = 0, bytes = 0;
    int high = -1;
    for (int lines = 0; lines < 3 && from < count; from++)
        lines += text[from] == '\n';
    for (; from < count; from++) {
        const int d = digit(text[from]);
        if (d < 0)
            continue;
        if (high >= 0)
            text[bytes++] = (unsigned char)(high << 4 | d);
        high = high < 0 ? d : -1;
    }
    return chi__exif_orientation(text, bytes);
}

static void take_profile(const unsigned char *text, size_t count, bool packed, chi__said *said)
{
    size_t length = count;
    unsigned char *copy = packed ? inflated(text, count, &length) : chi__alloc(count, 1);
    if (!copy)
        return;
    if (!packed)
        memcpy(copy, text, count);
    said->profile = orientation_of_profile(copy, length);
    chi__free(copy);
}

static void take_xmp(const unsigned char *text, size_t count, bool packed, chi__said *said)
{
    size_t length = count;
    unsigned char *unpacked = packed ? inflated(text, count, &length) : NULL;
    if (packed && !unpacked)
        return;
    said->xmp = chi__xmp_orientation(packed ? unpacked : text, length);
    chi__free(unpacked);
}

void chi__png_text(const char *type, const unsigned char *bytes, size_t count, chi__said *said)
{
    size_t at = word(bytes, count);
    const bool international = strcmp(type, "iTXt") == 0, packed = strcmp(type, "zTXt") == 0;
    if (!at)
        return;
    if (!international && strcmp((const char *)bytes, "Raw profile type exif") == 0 && at + packed <= count)
        take_profile(bytes + at + packed, count - at - packed, packed, said);
    if (!international || strcmp((const char *)bytes, "XML:com.adobe.xmp") != 0 || count - at < 2)
        return;
    const bool deflated = bytes[at] == 1;
    at += 2; // whether it is packed, and how; then a language and the keyword in it
    for (int i = 0; i < 2; i++) {
        const size_t length = word(bytes + at, count - at);
        if (!length)
            return;
        at += length;
    }
    take_xmp(bytes + at, count - at, deflated, said);
}
