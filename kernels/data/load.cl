// SPDX-License-Identifier: Apache-2.0
// data/load.cl: images as they are, bytes / 255 or floats. One group owns one image. Host: src/data/augment.c.
// Set by the host: ITEMS, work-items of a group; FLOATS, whether images are floats.
#include "common/types.h"
#include "data/pixels.h"

#ifndef ITEMS
#error "kernels/data/load.cl: ITEMS is not set"
#endif

kernel __attribute__((reqd_work_group_size(ITEMS, 1, 1)))
void data_load(const uint first, const uint pixels, const ulong image0, const ulong offset, const uint stride,
               global const stored *restrict images, // [count][pixels]
               global float *restrict out)          // [n][stride] from offset
{
    const size_t row = first + get_group_id(0);
    global const stored *from = images + (image0 + row) * pixels;
    global float *to = out + offset + row * stride;
    const uint whole = pixels / 16, item = (uint)get_local_id(0);
    for (uint c = item; c < whole; c += ITEMS)
        vstore16(unit16_stored(c, from), c, to);
    for (uint p = 16 * whole + item; p < pixels; p += ITEMS)
        to[p] = unit_stored(from[p]);
}
