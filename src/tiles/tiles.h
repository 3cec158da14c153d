// SPDX-License-Identifier: Apache-2.0
// tiles.h: walks over all pairs of rows of two matrices, tile by tile. Host: core.c, operand.c, passes.c.
#ifndef CHI_TILES_TILES_H
#define CHI_TILES_TILES_H

#include "../tune/tune.h"

// Terms of a sum over n that form one chain (DESIGN: numbers).
static inline size_t chi__superblock(size_t n) { return n < 4096 ? 128 : 256; }

// Terms before superblock s.
static inline size_t chi__terms_before(size_t n, size_t s)
{
    const size_t terms = s * chi__superblock(n);
    return terms < n ? terms : n;
}

// Every row padded to whole tile blocks: what arrays that tiles read must hold.
static inline size_t chi__padded(size_t n) { return (n + 255) / 256 * 256; }

// The tile that passes of one family over rows of `dim` features use on this device.
chi_status chi__core_tile(chi_device *dev, chi__family family, size_t dim, const chi__tile **out);

// "<stem>_panel.cl" or "<stem>_group.cl", whichever the core needs; to must hold 64 characters.
const char *chi__core_file(const char *stem, const chi__tile *tile, char *to);

// Kernels over rows (kernels/tiles/norms.h): rows of a work-item, and work-items of a group.
static inline size_t chi__item_rows(const chi__tile *tile) { return tile->core == CHI_CORE_PANEL ? 8 : 1; }
static inline size_t chi__row_items(const chi__tile *tile) { return tile->core == CHI_CORE_PANEL ? 1 : 64; }
// Kernels without a tile share a group's work among chi__items: one on a CPU. to, of 32 characters, receives "ITEMS=…".
const char *chi__items_define(const chi__tile *tile, char *to);

// ---- needs -------------------------------------------------------------------------------------
// Buffers of a plan, by name: counted before anything is allocated, then allocated as counted.
enum { CHI__MOST_NEEDS = 48 };
typedef struct chi__need_of {
    char name[32];
    uint64_t bytes;
    bool zeroed;
    chi_buffer **place;
} chi__need_of;
typedef struct chi__needs {
    chi__need_of at[CHI__MOST_NEEDS];
    size_t count;
} chi__needs;
void chi__need(chi__needs *needs, const char *who, const char *what, uint64_t bytes, bool zeroed, chi_buffer **place);
uint64_t chi__needs_bytes(const chi__needs *needs); // as the budget counts them
uint64_t chi__needs_largest(const chi__needs *needs);
bool chi__needs_fit(chi_device *dev, const chi__needs *needs); // what is left, and one piece
chi_status chi__needs_create(chi_device *dev, const chi__needs *needs); // all of them or none

// ---- programs ----------------------------------------------------------------------------------
// A file of kernels and its macros.
typedef struct chi__tiles_program { char file[64], defines[400]; } chi__tiles_program;

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
    int layouts;
    chi_matrix from;        // of the last pack
    chi_buffer *factors;    // [rows][2]: a row is multiplied by both
    chi_buffer *inverse;    // [rows padded]: for the way back through the normalisation, or squared norms
    chi_buffer *left;       // row panels TILE_M wide, or NULL
    chi_buffer *right;      // row panels TILE_N wide, or NULL
    chi_buffer *columns;    // column panels TILE_N wide, or NULL
    const chi__tiles_program *program; // that holds its kernels among others, or NULL: they are one of their own
    chi__kernel *pack;
} chi__operand;
typedef enum chi__layout { CHI__LEFT = 1, CHI__RIGHT = 2, CHI__COLUMNS = 4 } chi__layout;

// plan fills *out, whose place must not change any more, and lists its buffers; build compiles. program: see chi__operand; it must
// live as long.
void chi__operand_plan(chi_device *dev, const chi__tile *tile, const char *who, size_t rows, size_t dim, int layouts,
                       chi__needs *needs, chi__operand *out);
chi_status chi__operand_build(chi__operand *operand, const chi__tiles_program *program);
void chi__operand_destroy(chi__operand *operand);
// A kernel of tiles/pack.cl.
chi_status chi__operand_kernel(const chi__operand *operand, const char *name, chi__kernel **out);
// Enqueues norms and packing of m [rows][dim].
chi_status chi__operand_pack(chi__operand *operand, chi_matrix m, chi__rows_are rows_are);

// ---- passes over pairs -----------------------------------------------------------------------------
typedef enum chi__positives { CHI__POSITIVES_NONE = 0, CHI__POSITIVES_ONE = 1, CHI__POSITIVES_LABELS = 2 } chi__positives;
// What of a kept tile becomes G (kernels/tiles/gradient_panel.cl).
typedef enum chi__weights { CHI__WEIGHTS_BOTH = 0, CHI__WEIGHTS_LABELS = 1, CHI__WEIGHTS_ROWS = 2, CHI__WEIGHTS_KEPT = 3 } chi__weights;

// Which pairs count, and what is wanted of them.
typedef struct chi__pairs {
    size_t n, m, dim;
    bool euclidean, negated; // s is the squared distance; s is negated
    bool symmetric;          // y is x: a row is no candidate of its own
    bool columns;            // column sums too
    chi__positives positives;
    chi__weights weights;
    bool own_positives;      // a row's positive is no column of y but a row of a third matrix: its score is given
    bool constant;           // y has no gradient
    bool pointwise;          // no normaliser: value and G of a pair depend on its score alone
    bool shifted;            // a shift a row; else one for all
    int shift;
    bool gradient;           // tiles will be needed again
} chi__pairs;

typedef enum chi__scheme {
    CHI__SCHEME_FORWARD = 0, // no gradient
    CHI__SCHEME_KEPT,        // tiles of kept_rows are kept, those of the others computed again by panels
    CHI__SCHEME_WINDOWS,     // constant columns: by windows of columns, each used up at once
    CHI__SCHEME_PANELS,      // pointwise: by panels of rows, each used up at once
} chi__scheme;

// Kernels, scratch and scheme of one set of pairs. Arrays are readable up to the padded count.
typedef struct chi__passes {
    chi_device *dev;
    const chi__tile *tile;
    chi__pairs pairs;
    chi__scheme scheme;
    size_t row_parts, col_parts;      // superblocks of m, of n
    size_t kept_rows, panel_rows;     // KEPT; rows of one panel computed again, or of PANELS
    size_t window;                    // WINDOWS: columns
    size_t sums_window;               // superblocks of columns whose partial sums are held at once; row_parts: of all
    size_t sums_rows;                 // pointwise: rows whose partial sums are; n: of all
    bool joined;                      // partials of a window join totals: then a row function finds one sum a row
    chi__tiles_program program;       // of statistics, gradient and packing, where they share one
    bool weighed;                     // G is written over kept tiles before it is multiplied
    chi_buffer *scalars;              // κ, scale, weight · scale, weight, bias
    chi_buffer *row_sums, *col_sums, *row_scores, *row_shift, *col_shift; // sums: [chi__sum_parts][n or m]
    chi_buffer *row_window, *col_window, *score_window; // where joined: partials of the window
    chi_buffer *scores;               // [n] s of single positives
    chi_buffer *kept, *panel;
    chi_buffer *a, *b, *w, *q, *positive, *labels; // coefficients of the gradient, written by a row function
    chi__kernel *maxima, *largest, *shifts, *statistics, *totals, *exponentials, *weigh, *gradient;
} chi__passes;
// Partial sums of a row that a row function adds up: one a superblock, or the one total.
static inline size_t chi__sum_parts(const chi__passes *p) { return p->joined ? 1 : p->row_parts; }
static inline size_t chi__column_parts(const chi__passes *p) { return p->joined ? 1 : p->col_parts; } // of a column
// How much more than the least may go into partial sums and into kept tiles.
typedef struct chi__room { uint64_t sums, kept; } chi__room;
// What is left beyond needs that fit, as far as it is well spent on partial sums.
uint64_t chi__room_for_sums(chi_device *dev, const chi__needs *needs);
// plan fills *out, whose place must not change any more, and lists its buffers. build compiles.
void chi__passes_plan(chi_device *dev, const chi__tile *tile, const chi__pairs *pairs, chi__room room, chi__needs *needs,
                      chi__passes *out);
chi_status chi__passes_build(chi__passes *passes);
// Once built: the program that operands may share, or NULL.
const chi__tiles_program *chi__passes_program(const chi__passes *passes);
void chi__passes_destroy(chi__passes *passes);
const char *chi__passes_scheme(const chi__passes *passes); // "kept", "hybrid", …
double chi__passes_flop(const chi__passes *passes);
// Multiply-adds that take the passes' time, epilogues included, and launches: what a prediction of time is made of.
double chi__passes_work(const chi__passes *passes, size_t *launches);

// One evaluation. gx.buffer NULL: no gradient is wanted; gy.buffer NULL: not that of y. rows: the row function.
typedef struct chi__walk {
    const chi__operand *x, *y, *own; // own: the matrix of own_positives, else NULL
    chi_matrix gx, gy;
    chi_status (*rows)(void *user);
    void *user;
} chi__walk;
chi_status chi__passes_walk(chi__passes *passes, const chi__walk *walk);
// Sums alone.
chi_status chi__passes_forward(chi__passes *passes, const chi__operand *x, const chi__operand *y);

// ---- prediction ------------------------------------------------------------------------------------
// Seconds a multiply-add takes in the core with this tile, measured now, in some milliseconds.
chi_status chi__core_rate(chi_device *dev, const chi__tile *tile, double *seconds);

#endif
