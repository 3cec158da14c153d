// SPDX-License-Identifier: Apache-2.0
// search.h: what `chiaro search` was asked and holds, between its files: search.c (options, files,
// the walk), search_plan.c (blocks that fit), search_names.c (rows by name).
#ifndef CHIARO_SEARCH_H
#define CHIARO_SEARCH_H

#include "progress.h"
#include "search_names.h"

enum { SEARCH_MOST_K = 1024, SHOWN = 3, SHOWN_K = 5 };

typedef struct search {
    tool tool;
    const char *base_path, *query_path, *output, *metric_text, *k_text, *names_path;
    bool exclude_self;
    chi_metric metric;
    uint64_t k, list; // asked for, and looked for: one more where a row is not to find itself
    row_names base_names, query_names;
    neighbours neighbours;
    size_t shown_queries, shown_k; // the first lists
    int64_t shown_rows[SHOWN][SHOWN_K];
    float shown_scores[SHOWN][SHOWN_K];
    size_t queries, rows, dim;             // what the files hold
    size_t query_block, base_block, steps; // the plan
    chi_npy_reader *base, *query;
    chi_npy_writer *scores, *indices;
    chi_device *dev;
    chi_similarity *sim;
    size_t sim_queries, sim_rows;
    chi_buffer *x, *y, *best, *columns;
    float *block, *values;
    int32_t *found;
    int64_t *wide;
    progress shown;
    double start;
    uint64_t peak_bytes;
} search;

chi_similarity_options search_options(const search *s);
int search_plan(search *s);     // how many queries and rows at once
int search_allocate(search *s); // memory for them

#endif
