// SPDX-License-Identifier: Apache-2.0
// features.h: rows of features that both metrics read on the host, a block at a time. Host:
// features.c, columns.c.
#ifndef CHI_TRAIN_FEATURES_H
#define CHI_TRAIN_FEATURES_H

#include <chiaro/metrics.h>

#include "../device/device.h"

// Everything that both calls ask of their rows: sizes, views, labels. Sentences begin with `who`.
chi_status chi__check_labelled(chi_device *dev, const char *who, const chi_labelled *base,
                               const chi_labelled *query, size_t classes);

// Rows first … first + rows − 1 of a matrix, on the host until the visit is over.
typedef struct chi__block {
    size_t first, rows, cols, stride;
    const float *at;
} chi__block;
typedef chi_status (*chi__visit)(void *user, const chi__block *block);
// Visits all rows in order, in blocks of at most 16 MiB (or one row).
chi_status chi__visit_rows(chi_device *dev, chi_matrix m, chi__visit visit, void *user);
// Refuses a block with an entry that is not finite and names it: "probe: base row 3, column 7 is
// nan".
chi_status chi__check_finite(chi_device *dev, const char *who, const char *side,
                              const chi__block *block);
// *to becomes a matrix like m with every entry times 2^exponent, in a new buffer.
chi_status chi__scaled_copy(chi_device *dev, chi_matrix m, int exponent, chi_buffer **buffer,
                            chi_matrix *to);

// ---- standardised columns
// ------------------------------------------------------------------------ x̂ = (x − mean) / by, in
// double; by is the biased deviation, 1 for a column that counts as constant (metrics.h).
typedef struct chi__columns {
    size_t count;
    double *mean, *by;
} chi__columns;
// Two walks over base; *out is empty on failure.
chi_status chi__columns_measure(chi_device *dev, chi_matrix base, chi__columns *out);
void chi__columns_finish(chi__columns *columns);
// Writes x̂ of a block of `side` to `to` [rows][count]; refuses what is not finite.
chi_status chi__columns_standardise(chi_device *dev, const chi__columns *columns, const char *side,
                                    const chi__block *block, float *to);

#endif
