// SPDX-License-Identifier: Apache-2.0
// labels.h: what making labels and reading them share. Public half: include/chiaro/labels.h.
#ifndef CHI_DATA_LABELS_H
#define CHI_DATA_LABELS_H

#include <chiaro/labels.h>

#include "array.h"

// Where rows come from, for sentences: "FILE: line 3" with .unit "line" and .first 1.
typedef struct chi__label_source { const char *where, *unit; size_t first; } chi__label_source;

chi_status chi__labels_from_names(const chi__label_source *source, const char *const *names,
                                  size_t n, const chi_labels_options *options, chi_labels *out);
chi_status chi__labels_from_values(const chi__label_source *source, const int64_t *values, size_t n,
                                   const chi_labels_options *options, chi_labels *out);
chi_status chi__labels_from_text(const char *path, const chi_labels_options *options,
                                 chi_labels *out);
// `bytes` are the elements of a layout with .text.
chi_status chi__labels_from_strings(const char *path, const chi__layout *layout, const void *bytes,
                                    const chi_labels_options *options, chi_labels *out);

#endif
