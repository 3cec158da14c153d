// SPDX-License-Identifier: Apache-2.0
// tiles.h: walks over all pairs of rows of two matrices, tile by tile. Host: core.c, operand.c, passes.c.
#ifndef CHI_TILES_TILES_H
#define CHI_TILES_TILES_H

#include "../tune/tune.h"

// Terms of a sum over n that form one chain (DESIGN: numbers).
static inline size_t chi__superblock(size_t n) { return n < 4096 ? 128 : 256; }

// Every row padded to whole tile blocks: what arrays that tiles read must hold.
static inline size_t chi__padded(size_t n) { return (n + 255) / 256 * 256; }

// The tile that passes of one family over rows of `dim` features use on this device.
chi_status chi__core_tile(chi_device *dev, chi__family family, size_t dim, const chi__tile **out);

// "<stem>_panel.cl" or "<stem>_group.cl", whichever the core needs; to must hold 64 characters.
const char *chi__core_file(const char *stem, const chi__tile *tile, char *to);

// ---- operands ----------------------------------------------------------------------------------
// One matrix in the layouts that the passes read: row panels for scores, column panels for gradients.
typedef enum chi__rows_are {
    CHI__ROWS_RAW = 0,         // to be normalised
    CHI__ROWS_UNIT = 1,        // claimed to be unit: checked
    CHI__ROWS_AS_THEY_ARE = 2,
    CHI__ROWS_SQUARED = 3,     // as they are, and `inverse` receives their squared norms
} chi__rows_are;
typedef struct chi__operand {
    chi_device *dev;
    const chi__tile *tile;
    size_t rows, dim;
    chi_matrix from;        // of the last pack
    chi_buffer *factors;    // [rows][2]: a row is multiplied by both
    chi_buffer *inverse;    // [rows padded]: for the way back through the normalisation, or squared norms
    chi_buffer *left;       // row panels TILE_M wide, or NULL
    chi_buffer *right;      // row panels TILE_N wide, or NULL
    chi_buffer *columns;    // column panels TILE_N wide, or NULL
    chi__kernel *norms, *pack_rows, *pack_columns;
} chi__operand;
typedef enum chi__layout { CHI__LEFT = 1, CHI__RIGHT = 2, CHI__COLUMNS = 4 } chi__layout;

chi_status chi__operand_create(chi_device *dev, const chi__tile *tile, size_t rows, size_t dim, int layouts, chi__operand *out);
void chi__operand_destroy(chi__operand *operand);
uint64_t chi__operand_bytes(const chi__tile *tile, size_t rows, size_t dim, int layouts);
// Enqueues norms and packing of m [rows][dim].
chi_status chi__operand_pack(chi__operand *operand, chi_matrix m, chi__rows_are rows_are);

// ---- passes over pairs -----------------------------------------------------------------------------
typedef enum chi__positives { CHI__POSITIVES_NONE = 0, CHI__POSITIVES_ONE = 1, CHI__POSITIVES_LABELS = 2 } chi__positives;
typedef enum chi__weights { CHI__WEIGHTS_BOTH = 0, CHI__WEIGHTS_LABELS = 1, CHI__WEIGHTS_ROWS = 2 } chi__weights;

// Which pairs count, and what is wanted of them.
typedef struct chi__pairs {
    size_t n, m, dim;
    bool euclidean, negated; // s is the squared distance; s is negated
    bool symmetric;          // y is x: a row is no candidate of its own
    bool columns;            // column sums too
    chi__positives positives;
    chi__weights weights;
    bool shifted;            // a shift a row; else one for all
    int shift;
    bool gradient;           // tiles will be needed again
    bool one_gradient;       // of dX alone
} chi__pairs;

// Kernels, scratch and scheme of one set of pairs. Arrays are readable up to the padded count.
typedef struct chi__passes {
    chi_device *dev;
    const chi__tile *tile;
    chi__pairs pairs;
    size_t row_parts, col_parts;      // superblocks of m, of n
    size_t kept_rows, panel_rows;     // rows whose tiles are kept; rows of one panel computed again
    bool half;                        // only tiles on and above the diagonal are kept and walked
    chi_buffer *scalars;              // κ, scale, weight · scale, weight
    chi_buffer *row_sums, *col_sums, *row_scores, *row_shift, *col_shift;
    chi_buffer *scores;               // [n] s of single positives
    chi_buffer *kept, *panel;
    chi_buffer *a, *b, *w, *q, *positive, *labels; // coefficients of the gradient, written by a row function
    chi__kernel *maxima, *shifts, *statistics, *exponentials, *gradient, *gradient_panel;
} chi__passes;

// Bytes of scratch at the least (nothing kept) and what keeping all tiles adds.
uint64_t chi__passes_bytes(const chi__tile *tile, const chi__pairs *pairs, uint64_t *kept);
// keep_bytes: how much may go into kept tiles.
chi_status chi__passes_create(chi_device *dev, const chi__tile *tile, const chi__pairs *pairs, uint64_t keep_bytes, chi__passes *out);
void chi__passes_destroy(chi__passes *passes);

chi_status chi__passes_forward(chi__passes *passes, const chi__operand *x, const chi__operand *y);
// After the row function. grad_y.buffer NULL: not wanted.
chi_status chi__passes_backward(chi__passes *passes, const chi__operand *x, const chi__operand *y, chi_matrix grad_x, chi_matrix grad_y);
double chi__passes_flop(const chi__passes *passes);

#endif
