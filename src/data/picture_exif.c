// SPDX-License-Identifier: Apache-2.0
// picture_exif.c: which way up a picture is, by EXIF or XMP. Header: picture.h.
#include "picture.h"

#include <string.h>

typedef struct tiff { const unsigned char *at; size_t count; bool big; } tiff;

static unsigned get(const tiff *t, size_t offset, size_t bytes)
{
    unsigned value = 0;
    for (size_t i = 0; i < bytes; i++)
        value |= (unsigned)t->at[offset + i] << 8 * (t->big ? bytes - 1 - i : i);
    return value;
}

// Bytes of a value of TIFF's integer types; 0: another type.
static size_t integer_bytes(unsigned type)
{
    enum { BYTE = 1, SHORT = 3, LONG = 4, SIGNED_BYTE = 6, SIGNED_SHORT = 8, SIGNED_LONG = 9 };
    if (type == BYTE || type == SIGNED_BYTE)
        return 1;
    if (type == SHORT || type == SIGNED_SHORT)
        return 2;
    return type == LONG || type == SIGNED_LONG ? 4 : 0;
}

static unsigned upright_if_unknown(unsigned value) { return value >= 1 && value <= 8 ? value : 1; }

unsigned chi__exif_orientation(const unsigned char *bytes, size_t count)
{
    enum { ORIENTATION = 274, ENTRY = 12 };
    for (int i = 0; i < 2 && count >= 6 && memcmp(bytes, "Exif\0\0", 6) == 0; i++, bytes += 6, count -= 6)
        ; // the mark that EXIF has in a JPEG; some writers keep it elsewhere, or write it twice
    if (count < 8 || (memcmp(bytes, "II*\0", 4) != 0 && memcmp(bytes, "MM\0*", 4) != 0))
        return 0;
    const tiff t = { bytes, count, bytes[0] == 'M' };
    const size_t list = get(&t, 4, 4);
    unsigned found = 0;
    if (list > count || count - list < 2)
        return 0;
    const size_t entries = get(&t, list, 2);
    for (size_t i = 0; i < entries && count - list - 2 >= (i + 1) * ENTRY; i++) {
        const size_t at = list + 2 + i * ENTRY, width = integer_bytes(get(&t, at + 2, 2));
        if (get(&t, at, 2) == ORIENTATION && width && get(&t, at + 4, 4) == 1)
            found = upright_if_unknown(get(&t, at + 8, width)); // where it stands twice, the last counts
    }
    return found;
}

unsigned chi__xmp_orientation(const unsigned char *xmp, size_t count)
{
    static const char name[] = "tiff:Orientation";
    const size_t length = sizeof name - 1;
    for (size_t i = 0; i + length + 1 < count; i++) {
        if (xmp[i] != 't' || memcmp(xmp + i, name, length) != 0)
            continue;
        size_t at = i + length;
        if (xmp[at] == '>')
            at++;
        else if (xmp[at] == '=' && xmp[at + 1] == '"')
            at += 2;
        else
            continue;
        if (at < count && xmp[at] >= '0' && xmp[at] <= '9')
            return upright_if_unknown((unsigned)(xmp[at] - '0'));
    }
    return 0;
}
