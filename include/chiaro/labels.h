// SPDX-License-Identifier: Apache-2.0
// labels.h: labels are names. Ids, words or the names of folders become classes 0 … C − 1 once, on
// reading, and the list of names leads back. Host files: src/data/labels*.c.
#ifndef CHIARO_LABELS_H
#define CHIARO_LABELS_H

#include "status.h"

#ifdef __cplusplus
extern "C" {
#endif

// Class of each row. Classes are ordered, integers by value and names by their bytes, so the same
// set of labels has the same classes whatever the order of its rows. An integer's name is its
// decimal text. Owned by whoever made it; chi_labels_free.
typedef struct chi_labels {
    size_t count; // rows, at most 2³¹ − 1
    int32_t *of;  // [count] 0 … classes − 1; −1: the row has no class
    size_t classes;
    char **names; // [classes] any bytes but zero, not always UTF-8
} chi_labels;

typedef struct chi_labels_options {
    const char *unlabelled; // rows of this value or name have no class; default: "-1"
    bool words; // names stay names; default: where all rows (but unlabelled ones) are integers, they
                // are compared and ordered as such, and one beyond 64 bits is refused
} chi_labels_options;

// One label a row. The file is told by its first bytes, as chi_tensor_read does; what is none of
// its formats and holds no zero byte is text.
//   Arrays: [n] or [n][1] of integers, booleans, floats that are whole numbers, or numpy's strings
//   ('U8', 'S5').
//   Text: one name a line, of 1 to 4095 bytes, UTF-8 or not. Lines end in \n or \r\n, the last one
//   also where the file ends; blanks and tabs at a line's ends and a byte-order mark are no part of
//   a name. An empty line is an error.
chi_status chi_labels_read(const char *path, const chi_labels_options *options, chi_labels *out);
chi_status chi_labels_from_names(const char *const *names, size_t n,
                                 const chi_labels_options *options, chi_labels *out);
chi_status chi_labels_from_values(const int64_t *values, size_t n,
                                  const chi_labels_options *options, chi_labels *out);

// Renumbers to the classes of another set, a model's say: class i is then names[i], for i <
// classes. Classes of rows that it does not know are numbered behind them in their own order where
// `append` is set, else they are an error (CHI_ERR_DATA) that names the first such row.
chi_status chi_labels_map(chi_labels *labels, const char *const *names, size_t classes,
                          bool append);
void chi_labels_free(chi_labels *labels);

#ifdef __cplusplus
}
#endif
#endif
