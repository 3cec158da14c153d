// SPDX-License-Identifier: Apache-2.0
// search.c: `chiaro search`: the k rows of a base nearest to each query, exact. A base larger than the device is walked in
// blocks (chi_similarity_topk_more), which changes no bit; files are read and written a block at a time (npy_rows.c).
#include <inttypes.h>
#include <jansson.h>
#include <stdlib.h>
#include <string.h>

#include "progress.h"
#include "text.h"
#include "tool.h"

enum { MOST_K = 1024, FEW_ROWS = 1024, LISTS_A_BLOCK = 16, STEP_QUERIES = 128 };
static const uint64_t MOST_HOST = 256u << 20, MOST_FLOATS = 1u << 30, SHORT_STEP = 20000000000u; // multiply-adds a launch

typedef struct search {
    tool tool;
    const char *base_path, *query_path, *output, *metric_text, *k_text;
    chi_metric metric;
    uint64_t k;
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

// ---- options and files -------------------------------------------------------------------------------
static int read_options(search *s, int argc, char **argv)
{
    static const char *const metrics[] = { "dot", "cosine", "euclidean" };
    const tool_option own[] = {
        { "base", "FILE", "rows to search in, .npy [rows][features]", &s->base_path, NULL },
        { "query", "FILE", "rows to search for, .npy [queries][features]", &s->query_path, NULL },
        { "k", "N", "how many of each, 1 … 1024; default 10", &s->k_text, NULL },
        { "metric", "cosine|dot|euclidean", "default cosine; euclidean: squared distance, smallest first", &s->metric_text, NULL },
        { "output", "DIR", "receives indices.npy (int64) and scores.npy (float32), both [queries][k]", &s->output, NULL },
    };
    const tool_command command = {
        "search --base FILE --query FILE --output DIR [--k N] [--metric M]",
        "Best first, ties by the lower index, exact: no option on memory, cores or threads changes a bit. A base larger than\n"
        "the device is walked in blocks. Files hold float32, float16, float64 or integers. A score of NaN (a NaN or an infinite\n"
        "feature, overflow) ranks below everything, so its row is listed only where fewer than k others are left.",
        "chiaro search --base features.npy --query queries.npy --k 10 --output found", TOOL_OPENS | TOOL_JSON | TOOL_QUIET, 0,
    };
    const int result = tool_parse(&s->tool, argc, argv, &command, own, sizeof own / sizeof *own, NULL, NULL);
    if (result != TOOL_DONE || s->tool.help)
        return result;
    if (!s->base_path || !s->query_path || !s->output)
        return tool_usage("search needs --base, --query and --output (chiaro search --help)");
    s->k = 10;
    if (s->k_text && (!tool_count(s->k_text, &s->k) || s->k == 0 || s->k > MOST_K))
        return tool_usage("--k %s is not a number from 1 to %d", s->k_text, MOST_K);
    s->metric = CHI_METRIC_COSINE;
    if (!s->metric_text)
        return TOOL_DONE;
    for (int m = 0; m < 3; m++)
        if (strcmp(s->metric_text, metrics[m]) == 0) {
            s->metric = (chi_metric)m;
            return TOOL_DONE;
        }
    return tool_usage("there is no metric \"%s\"; the nearest is \"%s\"", s->metric_text, tool_nearest(s->metric_text, metrics, 3));
}

static int open_rows(const char *path, chi_npy_reader **out, size_t *rows, size_t *dim)
{
    const chi_status st = chi_npy_open(path, out);
    if (st != CHI_OK)
        return tool_fail(st);
    const chi_tensor *t = chi_npy_describe(*out);
    if (t->dims != 2 || t->shape[1] == 0)
        return tool_error("%s: %zu dimensions%s; rows of features are [rows][features], at least 1 feature", path, t->dims, t->dims == 2 ? " and no feature" : "");
    *rows = t->shape[0];
    *dim = t->shape[1];
    return TOOL_DONE;
}

static int open_inputs(search *s)
{
    size_t query_dim = 0;
    int result = open_rows(s->base_path, &s->base, &s->rows, &s->dim);
    if (result == TOOL_DONE)
        result = open_rows(s->query_path, &s->query, &s->queries, &query_dim);
    if (result != TOOL_DONE)
        return result;
    if (query_dim != s->dim)
        return tool_error("%s has rows of %zu features, %s of %zu", s->query_path, query_dim, s->base_path, s->dim);
    if (s->k > s->rows)
        return tool_error("--k %" PRIu64 " is more than the %zu rows of %s", s->k, s->rows, s->base_path);
    if (s->rows > INT32_MAX)
        return tool_error("%s has %zu rows; at most 2^31 - 1 can be searched", s->base_path, s->rows);
    return TOOL_DONE;
}

static int open_outputs(search *s)
{
    char path[4200];
    chi_tensor t = { .type = CHI_TYPE_F32, .dims = 2, .shape = { s->queries, (size_t)s->k }, .count = s->queries * (size_t)s->k };
    const int result = tool_make_folder(s->output);
    if (result != TOOL_DONE)
        return result;
    snprintf(path, sizeof path, "%.4000s/scores.npy", s->output);
    chi_status st = chi_npy_create(path, &t, &s->scores);
    t.type = CHI_TYPE_I64;
    snprintf(path, sizeof path, "%.4000s/indices.npy", s->output);
    if (st == CHI_OK)
        st = chi_npy_create(path, &t, &s->indices);
    return st == CHI_OK ? TOOL_DONE : tool_fail(st);
}

// ---- plan --------------------------------------------------------------------------------------------
static chi_similarity_options options_of(const search *s)
{
    return (chi_similarity_options){ .metric = s->metric, .topk = (size_t)s->k, .uses = CHI_SIMILARITY_TOPK };
}

// Device bytes of blocks of so many queries and base rows; UINT64_MAX: they cannot be at all.
static uint64_t bytes_of(const search *s, const chi_device_info *info, size_t queries, size_t rows)
{
    enum { ROUNDING = 64 * 4 }; // a bound on what our own four buffers are rounded up by
    const chi_similarity_options options = options_of(s);
    const uint64_t x = 4ull * queries * s->dim, y = 4ull * rows * s->dim, lists = 4ull * queries * s->k;
    uint64_t scratch = 0;
    if (x / 4 > MOST_FLOATS || y / 4 > MOST_FLOATS || x > info->max_alloc_bytes / 2 || y > info->max_alloc_bytes / 2 || lists > info->max_alloc_bytes)
        return UINT64_MAX;
    return chi_similarity_bytes(s->dev, queries, rows, s->dim, &options, &scratch) == CHI_OK ? x + y + 2 * lists + scratch + ROUNDING : UINT64_MAX;
}

// The most base rows that fit beside so many queries, 0: not one.
static size_t rows_beside(const search *s, const chi_device_info *info, size_t queries, uint64_t left)
{
    const uint64_t work = SHORT_STEP / queries / s->dim, host = MOST_HOST / 4 / s->dim;
    const uint64_t least = FEW_ROWS > LISTS_A_BLOCK * s->k ? FEW_ROWS : LISTS_A_BLOCK * s->k; // lists are sorted once a block
    const uint64_t cap = host < least || work < least ? least : host < work ? host : work;
    size_t low = 0, high = s->rows < cap ? s->rows : (size_t)cap;
    while (low < high) {
        const size_t middle = low + (high - low + 1) / 2;
        if (bytes_of(s, info, queries, middle) <= left)
            low = middle;
        else
            high = middle - 1;
    }
    return low;
}

// Many queries a block, so that the base is read seldom, but not at the price of slivers of the base.
static int plan(search *s)
{
    chi_device_info info;
    uint64_t held = 0;
    chi_device_describe(s->dev, &info);
    chi_device_memory(s->dev, &held, NULL);
    const uint64_t budget = chi_device_budget(s->dev), left = budget > held ? budget - held : 0;
    const uint64_t host = MOST_HOST / (4 * s->dim + 12 * s->k), cap = host < STEP_QUERIES ? STEP_QUERIES : host;
    const size_t enough = s->rows < FEW_ROWS ? s->rows : FEW_ROWS;
    size_t queries = s->queries < cap ? s->queries : (size_t)cap;
    size_t rows = rows_beside(s, &info, queries, left);
    while ((rows < enough && queries > STEP_QUERIES) || (rows == 0 && queries > 1)) {
        queries = (queries + 1) / 2;
        rows = rows_beside(s, &info, queries, left);
    }
    if (rows == 0)
        return tool_error("one query beside one row of %zu features needs %" PRIu64 " bytes on the device, %" PRIu64 " of %" PRIu64 " are left (--memory)",
                          s->dim, bytes_of(s, &info, 1, 1), left, budget);
    s->query_block = queries;
    s->base_block = rows;
    s->steps = (s->queries + queries - 1) / queries * ((s->rows + rows - 1) / rows);
    return TOOL_DONE;
}

static int allocate(search *s)
{
    const size_t lists = s->query_block * (size_t)s->k, most = s->query_block > s->base_block ? s->query_block : s->base_block;
    chi_status st = chi_buffer_create(s->dev, 4ull * s->query_block * s->dim, &s->x);
    if (st == CHI_OK)
        st = chi_buffer_create(s->dev, 4ull * s->base_block * s->dim, &s->y);
    if (st == CHI_OK)
        st = chi_buffer_create(s->dev, 4ull * lists, &s->best);
    if (st == CHI_OK)
        st = chi_buffer_create(s->dev, 4ull * lists, &s->columns);
    if (st != CHI_OK)
        return tool_fail(st);
    s->block = malloc(4 * most * s->dim);
    s->values = malloc(4 * lists);
    s->found = malloc(4 * lists);
    s->wide = malloc(8 * lists);
    return s->block && s->values && s->found && s->wide ? TOOL_DONE : tool_error("no memory for %zu rows of %zu floats and %zu results", most, s->dim, lists);
}

// ---- the walk ----------------------------------------------------------------------------------------
// The plan for these blocks; the last ones of a file are shorter.
static chi_status fit(search *s, size_t queries, size_t rows)
{
    const chi_similarity_options options = options_of(s);
    if (s->sim && s->sim_queries == queries && s->sim_rows == rows)
        return CHI_OK;
    chi_similarity_destroy(&s->sim);
    s->sim_queries = queries;
    s->sim_rows = rows;
    return chi_similarity_create(s->dev, queries, rows, s->dim, &options, &s->sim);
}

// One block of queries against the whole base. The next block is read while the device works on this one.
static chi_status walk(search *s, size_t queries, size_t *done)
{
    const chi_matrix x = chi_matrix_view(s->x, queries, s->dim), best = chi_matrix_view(s->best, queries, (size_t)s->k);
    size_t rows = s->base_block;
    chi_status st = chi_npy_read_rows(s->base, 0, rows, s->block);
    for (size_t first = 0; first < s->rows && st == CHI_OK && !tool_interrupted(); first += rows) {
        const size_t next = first + rows;
        rows = s->rows - first < rows ? s->rows - first : rows;
        st = fit(s, queries, rows);
        if (st == CHI_OK)
            st = chi_buffer_upload(s->y, 0, s->block, 4ull * rows * s->dim);
        if (st == CHI_OK)
            st = chi_similarity_topk_more(s->sim, x, chi_matrix_view(s->y, rows, s->dim), (size_t)s->k, first, best, s->columns);
        if (st == CHI_OK && next < s->rows)
            st = chi_npy_read_rows(s->base, next, s->rows - next < rows ? s->rows - next : rows, s->block);
        const chi_status end = chi_device_finish(s->dev);
        st = st == CHI_OK ? end : st;
        if (st == CHI_OK)
            progress_show(&s->shown, ++*done, NULL);
    }
    return st;
}

static chi_status collect(search *s, size_t queries)
{
    const size_t count = queries * (size_t)s->k;
    chi_status st = chi_buffer_download(s->best, 0, s->values, 4ull * count);
    if (st == CHI_OK)
        st = chi_buffer_download(s->columns, 0, s->found, 4ull * count);
    for (size_t i = 0; i < count; i++)
        s->wide[i] = s->found[i];
    if (st == CHI_OK)
        st = chi_npy_append(s->scores, s->values, 4ull * count);
    return st == CHI_OK ? chi_npy_append(s->indices, s->wide, 8ull * count) : st;
}

static int walk_all(search *s)
{
    size_t done = 0;
    chi_status st = CHI_OK;
    progress_start(&s->shown, s->tool.quiet, "blocks", s->steps);
    if (s->steps)
        progress_show(&s->shown, 0, NULL);
    for (size_t first = 0; first < s->queries && st == CHI_OK && !tool_interrupted(); first += s->query_block) {
        const size_t queries = s->queries - first < s->query_block ? s->queries - first : s->query_block;
        st = chi_npy_read_rows(s->query, first, queries, s->block);
        if (st == CHI_OK)
            st = chi_buffer_upload(s->x, 0, s->block, 4ull * queries * s->dim);
        if (st == CHI_OK)
            st = walk(s, queries, &done);
        if (st == CHI_OK && !tool_interrupted())
            st = collect(s, queries);
    }
    progress_end(&s->shown);
    chi_device_memory(s->dev, NULL, &s->peak_bytes);
    if (st != CHI_OK)
        return tool_fail(st);
    if (!tool_interrupted())
        return TOOL_DONE;
    fprintf(stderr, "chiaro: interrupted after %zu of %zu blocks; nothing was written\n", done, s->steps);
    return TOOL_INTERRUPTED;
}

// ---- results -----------------------------------------------------------------------------------------
static int commit(search *s)
{
    chi_status st = chi_npy_flush(s->scores); // both are safe before either is seen
    if (st == CHI_OK)
        st = chi_npy_flush(s->indices);
    if (st == CHI_OK)
        st = chi_npy_commit(&s->scores);
    if (st == CHI_OK)
        st = chi_npy_commit(&s->indices);
    return st == CHI_OK ? TOOL_DONE : tool_fail(st);
}

static void print(const search *s)
{
    static const char *const metrics[] = { "dot", "cosine", "euclidean" };
    const double seconds = tool_seconds() - s->start;
    if (!s->tool.json) {
        if (!s->tool.quiet)
            text_say(stdout, 4, "%s/indices.npy, scores.npy: the %" PRIu64 " best of %zu rows for each of %zu queries (%s, %zu features), %.1f s, blocks of %zu queries and %zu rows",
                     s->output, s->k, s->rows, s->queries, metrics[s->metric], s->dim, seconds, s->query_block, s->base_block);
        return;
    }
    chi_device_info info;
    chi_device_describe(s->dev, &info);
    json_t *line = json_pack("{s:I, s:I, s:I, s:I, s:s, s:s, s:I, s:I, s:I, s:f}", "queries", (json_int_t)s->queries, "rows", (json_int_t)s->rows, "dim", (json_int_t)s->dim,
                             "k", (json_int_t)s->k, "metric", metrics[s->metric], "device", info.name, "query_block", (json_int_t)s->query_block,
                             "base_block", (json_int_t)s->base_block, "peak_bytes", (json_int_t)s->peak_bytes, "seconds", seconds);
    json_dumpf(line, stdout, JSON_REAL_PRECISION(7));
    printf("\n");
    json_decref(line);
}

static void finish(search *s)
{
    chi_npy_discard(&s->scores);
    chi_npy_discard(&s->indices);
    chi_similarity_destroy(&s->sim);
    chi_buffer **const buffers[] = { &s->x, &s->y, &s->best, &s->columns };
    for (size_t i = 0; i < sizeof buffers / sizeof *buffers; i++)
        chi_buffer_destroy(buffers[i]);
    chi_device_close(&s->dev);
    chi_npy_close(&s->base);
    chi_npy_close(&s->query);
    free(s->block);
    free(s->values);
    free(s->found);
    free(s->wide);
}

int command_search(int argc, char **argv)
{
    search s = { .start = tool_seconds() };
    int result = read_options(&s, argc, argv);
    if (result != TOOL_DONE || s.tool.help)
        return result;
    tool_catch_interrupts();
    result = open_inputs(&s);
    if (result == TOOL_DONE)
        result = open_outputs(&s);
    if (result == TOOL_DONE)
        result = tool_open(&s.tool, &s.dev);
    if (result == TOOL_DONE && s.queries)
        result = plan(&s);
    if (result == TOOL_DONE && s.queries)
        result = allocate(&s);
    if (result == TOOL_DONE)
        result = walk_all(&s);
    if (result == TOOL_DONE)
        result = commit(&s);
    if (result == TOOL_DONE)
        print(&s);
    finish(&s);
    return result;
}
