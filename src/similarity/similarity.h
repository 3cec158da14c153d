// SPDX-License-Identifier: Apache-2.0
// similarity.h (internal): one plan over all pairs. Host files: similarity.c, topk.c, stats.c.
#ifndef CHI_SIMILARITY_SIMILARITY_H
#define CHI_SIMILARITY_SIMILARITY_H

#include <chiaro/similarity.h>

#include "../tiles/tiles.h"

enum { CHI__MOST_TOPK = 1024, CHI__MOST_BINS = 1024 };

struct chi_similarity {
    chi_device *dev;
    const chi__tile *tile;
    chi_similarity_options options; // resolved
    size_t n, m, dim;
    chi__operand x, y;
    chi__passes passes;             // logsumexp alone
    chi__kernel *store, *store_aligned, *logsumexp, *topk, *merge, *stats;
    chi_buffer *sums, *lows, *highs, *counts; // stats alone
    chi_buffer *part_values, *part_indices;   // topk alone, where columns are shared: lists of all parts but the first
    size_t parts;
};

// Checks and packs both sides.
chi_status chi__similarity_pack(chi_similarity *sim, chi_matrix x, chi_matrix y, const char *what);
chi_status chi__similarity_check_use(chi_similarity *sim, unsigned use, const char *what);
void chi__similarity_stats_plan(chi_similarity *sim, chi__needs *needs);
void chi__similarity_topk_plan(chi_similarity *sim, chi__needs *needs);
chi_status chi__similarity_topk_build(chi_similarity *sim);
double chi__similarity_flop(const chi_similarity *sim);
static inline bool chi__similarity_empty(const chi_similarity *sim) { return sim->n == 0 || sim->m == 0; }

#endif
