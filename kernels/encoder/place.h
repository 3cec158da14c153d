// SPDX-License-Identifier: Apache-2.0
// encoder/place.h: where positions of an activation lie, and vectors of channels with a ragged end.
// An activation is [image][row + border][column + border][channel]; its border is zero.
#include "common/math.h"

#define MAX_SB 256

// Floats between images, rows and neighbours (`channels`, where they lie side by side), and the first position's place.
typedef struct layout { uint rows, cols, channels, image, row, base; } layout;

inline size_t place(const layout *l, const uint p)
{
    const uint c = p % l->cols, r = p / l->cols % l->rows, b = p / l->cols / l->rows;
    return (size_t)l->base + (size_t)b * l->image + r * l->row + c * l->channels;
}

// The same, position after position, without dividing each time.
typedef struct walker { uint c, r; size_t at; } walker;

inline walker walk_from(const layout *l, const uint p)
{
    walker w = { p % l->cols, p / l->cols % l->rows, place(l, p) };
    return w;
}

inline void walk_on(const layout *l, walker *w)
{
    w->at += l->channels;
    if (++w->c < l->cols)
        return;
    w->c = 0;
    w->at += (long)l->row - (long)l->cols * l->channels; // a stride may step past the end
    if (++w->r < l->rows)
        return;
    w->r = 0;
    w->at += (long)l->image - (long)l->rows * l->row;
}

// 16 channels, zeros past the end.
inline float16 load_channels(global const float *from, const uint count)
{
    if (count >= 16)
        return vload16(0, from);
    float all[16];
    for (uint c = 0; c < 16; c++)
        all[c] = c < count ? from[c] : 0.0f;
    return vload16(0, all);
}

inline void store_channels(const float16 v, global float *to, const uint count)
{
    if (count >= 16) {
        vstore16(v, 0, to);
        return;
    }
    float all[16];
    vstore16(v, 0, all);
    for (uint c = 0; c < count; c++)
        to[c] = all[c];
}
