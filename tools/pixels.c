// SPDX-License-Identifier: Apache-2.0
// pixels.c: rules by which numbers become pixels: asked for, kept in a model, compared. Arrays: array.c. Header: pixels.h.
#include "pixels.h"

#include <math.h>
#include <string.h>

static const char *const layouts[] = { "any", "nchw", "nhwc" };
static const char *const scales[] = { "any", "bytes", "unit", "range" };

void pixels_print(const pixel_rules *rules, char to[PIXEL_TEXT])
{
    char range[80] = "";
    if (rules->values == VALUES_RANGE)
        snprintf(range, sizeof range, ":%.17g,%.17g", rules->low, rules->high);
    snprintf(to, PIXEL_TEXT, "layout=%s values=%s%s size=%llu grey=%d pictures=%d",
             layouts[rules->layout], scales[rules->values], range, (unsigned long long)rules->size,
             rules->grey, rules->pictures);
}

// The place of a word among several; false: it is none of them.
static bool place_of(const char *word, const char *const *words, int count, int *out)
{
    for (*out = 0; *out < count; ++*out)
        if (strcmp(word, words[*out]) == 0)
            return true;
    return false;
}

static bool parse_range(const char *text, double *low, double *high)
{
    char first[64];
    const size_t length = strcspn(text, ",");
    if (length >= sizeof first || !text[length])
        return false;
    memcpy(first, text, length);
    first[length] = 0;
    return tool_number(first, low) && tool_number(text + length + 1, high) && isfinite(*low) &&
           isfinite(*high) && *low < *high;
}

bool pixels_parse(const char *text, pixel_rules *out)
{
    char layout[16], values[96];
    unsigned long long size = 0;
    int grey = 0, pictures = 0, place = 0;
    *out = (pixel_rules){ 0 };
    if (sscanf(text, "layout=%15s values=%95s size=%llu grey=%d pictures=%d", layout, values, &size,
               &grey, &pictures) != 5)
        return false;
    char *colon = strchr(values, ':');
    if (colon)
        *colon++ = 0;
    if (!place_of(layout, layouts, 3, &place))
        return false;
    out->layout = (pixel_layout)place;
    if (!place_of(values, scales, 4, &place) || (place == VALUES_RANGE) != (colon != NULL))
        return false;
    out->values = (pixel_values)place;
    out->size = size;
    out->grey = grey != 0;
    out->pictures = pictures != 0;
    return !colon || parse_range(colon, &out->low, &out->high);
}

int pixels_ask(const char *layout, const char *range, const char *size, bool grey, pixel_rules *out)
{
    int place = LAYOUT_ANY;
    *out = (pixel_rules){ .grey = grey };
    if (layout && (!place_of(layout, layouts, 3, &place) || place == LAYOUT_ANY))
        return tool_usage("--layout %s is neither nchw (channels, rows, columns) nor nhwc (rows, "
                          "columns, channels)",
                          layout);
    out->layout = (pixel_layout)place;
    if (range && !parse_range(range, &out->low, &out->high))
        return tool_usage("--range %s is not LOW,HIGH, two numbers of which the first is smaller, "
                          "as 0,65535 or -2.5,2.5",
                          range);
    out->values = range ? VALUES_RANGE : VALUES_ANY;
    if (size && (!tool_count(size, &out->size) || out->size == 0 || out->size > 1u << 15))
        return tool_usage("--size %s is not a number of pixels from 1 to 32768", size);
    return TOOL_DONE;
}

// How pictures become what a model takes that was trained on an array.
static pixel_rules fit_pictures(const pixel_rules *kept, chi_shape input)
{
    pixel_rules fitting = *kept;
    fitting.grey = input.channels == 1;
    fitting.size = input.height == input.width ? input.height : 0;
    return fitting;
}

int pixels_keep(pixel_rules *asked, const pixel_rules *of, chi_shape input, const char *path)
{
    const pixel_rules fitting = of->pictures ? *of : fit_pictures(of, input), *kept = &fitting;
    if (asked->layout && kept->layout && asked->layout != kept->layout)
        return tool_error("%s was trained on images in the layout %s; --layout %s contradicts it",
                          path, layouts[kept->layout], layouts[asked->layout]);
    if (asked->values == VALUES_RANGE && kept->values &&
        (kept->values != VALUES_RANGE || asked->low != kept->low || asked->high != kept->high)) {
        char was[PIXEL_TEXT];
        pixels_print(kept, was);
        return tool_error("%s was trained on other values (%s); --range %g,%g contradicts it", path,
                          was, asked->low, asked->high);
    }
    if (asked->size && asked->size != kept->size)
        return tool_error(
            "%s takes %zu × %zu × %zu (channels, rows, columns)%s; --size %llu contradicts it",
            path, input.channels, input.height, input.width,
            kept->size ? "" : ", pictures as they are", (unsigned long long)asked->size);
    if (asked->grey && !kept->grey)
        return tool_error("%s takes %zu channels; --grey contradicts it", path, input.channels);
    asked->layout = asked->layout ? asked->layout : kept->layout;
    if (asked->values == VALUES_ANY && !kept->pictures) {
        asked->values = kept->values;
        asked->low = kept->low;
        asked->high = kept->high;
    }
    asked->size = kept->size;
    asked->grey = kept->grey;
    return TOOL_DONE;
}
