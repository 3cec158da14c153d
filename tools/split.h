// SPDX-License-Identifier: Apache-2.0
// split.h: which images are trained on, and which are held out to be evaluated on.
#ifndef CHIARO_SPLIT_H
#define CHIARO_SPLIT_H

#include "tool.h"

// Rows of a set of images, ascending; the two lists have none in common.
typedef struct split {
    int32_t *train, *test;
    size_t trained, tested;
} split;

// Holds out `count` of n rows, drawn by the seed. With labels: of rows that have a class, each class in proportion (largest
// remainders, the lower class first), so that a set sorted by class loses none. labels NULL: none. An exit status.
int split_draw(split *s, size_t n, const chi_labels *labels, size_t count, uint64_t seed);
// Holds out the rows that a text names: numbers and ranges, "0-9 17", between blanks or line ends, as split_print writes
// them. `where` is what sentences call the text.
int split_parse(split *s, size_t n, const char *text, const char *where);
int split_read(split *s, size_t n,
               const char *path);  // the same from a file: such a text, or an array of row numbers
char *split_print(const split *s); // the rows held out; NULL: no memory; freed with free
void split_free(split *s);

#endif
