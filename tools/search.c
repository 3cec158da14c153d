// SPDX-License-Identifier: Apache-2.0
// search.c: `chiaro search`: the k rows of a base nearest to each query, exact. A base larger than
// the device is walked in blocks (chi_similarity_topk_more), which changes no bit; files are read
// and written a block at a time (npy_rows.c).
#include <inttypes.h>
#include <jansson.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "metric.h"
#include "search.h"
#include "text.h"

// ---- options and files --------------------------------------------------------------------------
static int read_options(search *s, int argc, char **argv)
{
    const tool_option own[] = {
        { "base", "FILE",
          "rows to search in, [rows][features]: .npy, idx, FILE.npz:NAME or FILE.safetensors:NAME",
          &s->base_path, NULL, NULL },
        { "query", "FILE", "rows to search for, [queries][features], likewise", &s->query_path,
          NULL, NULL },
        { "k", "N", "how many of each, 1 … 1024", &s->k_text, NULL, "10" },
        { "metric", "cosine|dot|euclidean", "euclidean: squared distance, smallest first",
          &s->metric_text, NULL, "cosine" },
        { "exclude-self", NULL, "no row finds itself: base and query are one file", NULL,
          &s->exclude_self, NULL },
        { "names", "FILE",
          "names of the base's rows: what embed wrote beside it, or one a line; default: BASE.tsv, "
          "where embed wrote it",
          &s->names_path, NULL, NULL },
        { "output", "DIR",
          "receives indices.npy (int64) and scores.npy (float32), both [queries][k], and, where "
          "rows have names, "
          "neighbours.tsv",
          &s->output, NULL, NULL },
    };
    const tool_command command = {
        "search --base FILE --query FILE --output DIR [--k N] [--metric M]",
        "Best first, ties by the lower index, exact: no option on memory, cores or threads changes "
        "a bit. A base larger than\n"
        "the device is walked in blocks. Files hold float32, float16, float64 or integers. A score "
        "of NaN (a NaN or an infinite\n"
        "feature, overflow) ranks below everything, so its row is listed only where fewer than k "
        "others are left.",
        "chiaro search --base features.npy --query queries.npy --k 10 --output found",
        TOOL_OPENS | TOOL_JSON | TOOL_QUIET,
        0,
    };
    const int result =
        tool_parse(&s->tool, argc, argv, &command, own, sizeof own / sizeof *own, NULL, NULL);
    if (result != TOOL_DONE || s->tool.help)
        return result;
    if (!s->base_path || !s->query_path || !s->output)
        return tool_usage("search needs --base, --query and --output (chiaro search --help)");
    s->k = 10;
    if (s->k_text && (!tool_count(s->k_text, &s->k) || s->k == 0 || s->k > SEARCH_MOST_K))
        return tool_usage("--k %s is not a number from 1 to %d", s->k_text, SEARCH_MOST_K);
    if (s->exclude_self && s->k == SEARCH_MOST_K)
        return tool_usage(
            "--k %d with --exclude-self: one more is looked for, and at most %d can be",
            SEARCH_MOST_K, SEARCH_MOST_K);
    s->list = s->k + s->exclude_self;
    return metric_parse(s->metric_text ? s->metric_text : "cosine", &s->metric);
}

static int open_rows(const char *path, chi_npy_reader **out, size_t *rows, size_t *dim)
{
    const chi_status st = chi_npy_open(path, out);
    if (st != CHI_OK)
        return tool_fail(st);
    const chi_tensor *t = chi_npy_describe(*out);
    if (t->dims != 2 || t->shape[1] == 0)
        return tool_error(
            "%s: %zu dimensions%s; rows of features are [rows][features], at least 1 feature", path,
            t->dims, t->dims == 2 ? " and no feature" : "");
    *rows = t->shape[0];
    *dim = t->shape[1];
    return TOOL_DONE;
}

// The array's name in FILE:NAME; "" where the whole path is a file's.
static const char *array_in(const char *path)
{
    const char *colon = strrchr(path, ':');
    return colon && access(path, F_OK) != 0 ? colon : "";
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
        return tool_error("%s has rows of %zu features, %s of %zu", s->query_path, query_dim,
                          s->base_path, s->dim);
    if (s->exclude_self && (strcmp(array_in(s->base_path), array_in(s->query_path)) != 0 ||
                            !tool_same_file(s->base_path, s->query_path)))
        return tool_error("--exclude-self: %s is not %s, so none of its rows is one of the base",
                          s->query_path, s->base_path);
    if (s->list > s->rows)
        return tool_error("--k %" PRIu64 " is more than the %zu rows of %s%s", s->k,
                          s->rows - s->exclude_self, s->base_path,
                          s->exclude_self ? " but the one that asks" : "");
    if (s->rows > INT32_MAX)
        return tool_error("%s has %zu rows; at most 2^31 - 1 can be searched", s->base_path,
                          s->rows);
    return TOOL_DONE;
}

static int read_names(search *s)
{
    const int result = row_names_read(&s->base_names, s->names_path, s->base_path, s->rows);
    return result == TOOL_DONE ? row_names_read(&s->query_names, NULL, s->query_path, s->queries)
                               : result;
}

// A file of the output folder, which must be no input.
static int output_path(const search *s, const char *name, char *to, size_t room)
{
    snprintf(to, room, "%.4000s/%s", s->output, name);
    const char *input = tool_same_file(to, s->base_path)    ? s->base_path
                        : tool_same_file(to, s->query_path) ? s->query_path
                                                            : NULL;
    return input ? tool_error("%s is an input; it would be written over", input) : TOOL_DONE;
}

static int open_outputs(search *s)
{
    char scores[4200], indices[4200], names[4200];
    chi_tensor t = { .type = CHI_TYPE_F32,
                     .dims = 2,
                     .shape = { s->queries, (size_t)s->k },
                     .count = s->queries * (size_t)s->k };
    int result = tool_make_folder(s->output);
    if (result == TOOL_DONE)
        result = output_path(s, "scores.npy", scores, sizeof scores);
    if (result == TOOL_DONE)
        result = output_path(s, "indices.npy", indices, sizeof indices);
    if (result == TOOL_DONE)
        result = output_path(s, "neighbours.tsv", names, sizeof names);
    if (result != TOOL_DONE)
        return result;
    chi_status st = chi_npy_create(scores, &t, &s->scores);
    t.type = CHI_TYPE_I64;
    if (st == CHI_OK)
        st = chi_npy_create(indices, &t, &s->indices);
    if (st != CHI_OK)
        return tool_fail(st);
    return s->base_names.rows
               ? neighbours_open(&s->neighbours, s->output, &s->base_names, &s->query_names)
               : TOOL_DONE;
}

// ---- the walk
// ---------------------------------------------------------------------------------------- The plan
// for these blocks; the last ones of a file are shorter.
static chi_status fit(search *s, size_t queries, size_t rows)
{
    const chi_similarity_options options = search_options(s);
    if (s->sim && s->sim_queries == queries && s->sim_rows == rows)
        return CHI_OK;
    chi_similarity_destroy(&s->sim);
    s->sim_queries = queries;
    s->sim_rows = rows;
    return chi_similarity_create(s->dev, queries, rows, s->dim, &options, &s->sim);
}

// One block of queries against the whole base. The next block is read while the device works on
// this one.
static chi_status walk(search *s, size_t queries, size_t *done)
{
    const chi_matrix x = chi_matrix_view(s->x, queries, s->dim),
                     best = chi_matrix_view(s->best, queries, (size_t)s->list);
    size_t rows = s->base_block;
    chi_status st = chi_npy_read_rows(s->base, 0, rows, s->block);
    for (size_t first = 0; first < s->rows && st == CHI_OK && !tool_interrupted(); first += rows) {
        const size_t next = first + rows;
        rows = s->rows - first < rows ? s->rows - first : rows;
        st = fit(s, queries, rows);
        if (st == CHI_OK)
            st = chi_buffer_upload(s->y, 0, s->block, 4ull * rows * s->dim);
        if (st == CHI_OK)
            st = chi_similarity_topk_more(s->sim, x, chi_matrix_view(s->y, rows, s->dim),
                                          (size_t)s->list, first, best, s->columns);
        if (st == CHI_OK && next < s->rows)
            st = chi_npy_read_rows(s->base, next, s->rows - next < rows ? s->rows - next : rows,
                                   s->block);
        const chi_status end = chi_device_finish(s->dev);
        st = st == CHI_OK ? end : st;
        if (st == CHI_OK)
            progress_show(&s->shown, ++*done, NULL);
    }
    return st;
}

// The first lists, to be shown to a person at the end.
static void keep_first(search *s, size_t queries)
{
    s->shown_queries = queries < SHOWN ? queries : SHOWN;
    s->shown_k = s->k < SHOWN_K ? (size_t)s->k : SHOWN_K;
    for (size_t i = 0; i < s->shown_queries; i++) {
        memcpy(s->shown_rows[i], s->wide + i * s->k, s->shown_k * sizeof **s->shown_rows);
        memcpy(s->shown_scores[i], s->values + i * s->k, s->shown_k * sizeof **s->shown_scores);
    }
}

// The list of a query as it is handed out: without the row itself, which need not be in it (equal
// rows before it fill the list).
static void hand_out(const search *s, size_t query, const float *values, const int32_t *found,
                     float *scores, int64_t *rows)
{
    const size_t k = (size_t)s->k;
    bool met = false;
    for (size_t j = 0; j < k; j++) {
        met = met || (s->exclude_self && found[j] == (int64_t)query);
        scores[j] = values[j + met];
        rows[j] = found[j + met];
    }
}

static chi_status collect(search *s, size_t first, size_t queries)
{
    const size_t list = (size_t)s->list, k = (size_t)s->k;
    chi_status st = chi_buffer_download(s->best, 0, s->values, 4ull * queries * list);
    if (st == CHI_OK)
        st = chi_buffer_download(s->columns, 0, s->found, 4ull * queries * list);
    for (size_t i = 0; i < queries && st == CHI_OK; i++) // forward in place: k is at most list
        hand_out(s, first + i, s->values + i * list, s->found + i * list, s->values + i * k,
                 s->wide + i * k);
    for (size_t i = 0; i < queries && st == CHI_OK && s->neighbours.file; i++)
        neighbours_write(&s->neighbours, first + i, k, s->wide + i * k, s->values + i * k);
    if (st == CHI_OK)
        st = chi_npy_append(s->scores, s->values, 4ull * queries * k);
    if (st == CHI_OK)
        st = chi_npy_append(s->indices, s->wide, 8ull * queries * k);
    if (st == CHI_OK && first == 0)
        keep_first(s, queries);
    return st;
}

static int walk_all(search *s)
{
    size_t done = 0;
    chi_status st = CHI_OK;
    progress_start(&s->shown, s->tool.quiet, "blocks", s->steps);
    if (s->steps)
        progress_show(&s->shown, 0, NULL);
    for (size_t first = 0; first < s->queries && st == CHI_OK && !tool_interrupted();
         first += s->query_block) {
        const size_t queries =
            s->queries - first < s->query_block ? s->queries - first : s->query_block;
        st = chi_npy_read_rows(s->query, first, queries, s->block);
        if (st == CHI_OK)
            st = chi_buffer_upload(s->x, 0, s->block, 4ull * queries * s->dim);
        if (st == CHI_OK)
            st = walk(s, queries, &done);
        if (st == CHI_OK && !tool_interrupted())
            st = collect(s, first, queries);
    }
    progress_end(&s->shown);
    chi_device_memory(s->dev, NULL, &s->peak_bytes);
    if (st != CHI_OK)
        return tool_fail(st);
    if (!tool_interrupted())
        return TOOL_DONE;
    fprintf(stderr, "chiaro: interrupted after %zu of %zu blocks; nothing was written\n", done,
            s->steps);
    return TOOL_INTERRUPTED;
}

// ---- results ------------------------------------------------------------------------------------
static int commit(search *s)
{
    char names[4200];
    chi_status st = chi_npy_flush(s->scores); // all are safe before any is seen
    if (st == CHI_OK)
        st = chi_npy_flush(s->indices);
    int result = st == CHI_OK ? neighbours_flush(&s->neighbours) : tool_fail(st);
    if (result != TOOL_DONE)
        return result;
    snprintf(names, sizeof names, "%.4000s/neighbours.tsv", s->output);
    if (!s->neighbours.file)
        names_drop(names, NEIGHBOURS_HEAD, s->tool.quiet);
    st = chi_npy_commit(&s->scores);
    if (st == CHI_OK)
        st = chi_npy_commit(&s->indices);
    return st == CHI_OK ? neighbours_commit(&s->neighbours) : tool_fail(st);
}

static void print_text(const search *s)
{
    const bool named = s->base_names.rows > 0;
    text_say(stdout, 4,
             "%s/indices.npy, scores.npy%s: the %" PRIu64
             " best of %zu rows for each of %zu queries (%s, %zu features%s), %.1f s, "
             "blocks of %zu queries and %zu rows",
             s->output, named ? ", neighbours.tsv" : "", s->k, s->rows, s->queries,
             metric_name(s->metric), s->dim, s->exclude_self ? ", none itself" : "",
             tool_seconds() - s->start, s->query_block, s->base_block);
    if (!named || !s->shown_queries)
        return;
    printf("\n  %3s  %12s  %10s  %s\n", "", "score", "row", "name");
    for (size_t i = 0; i < s->shown_queries; i++)
        neighbours_print(&s->neighbours, i, s->shown_k, s->shown_rows[i], s->shown_scores[i]);
}

static void print_json(const search *s)
{
    chi_device_info info;
    chi_device_describe(s->dev, &info);
    json_t *line = json_pack(
        "{s:I, s:I, s:I, s:I, s:s, s:s, s:I, s:I, s:I, s:f}", "queries", (json_int_t)s->queries,
        "rows", (json_int_t)s->rows, "dim", (json_int_t)s->dim, "k", (json_int_t)s->k, "metric",
        metric_name(s->metric), "device", info.name, "query_block", (json_int_t)s->query_block,
        "base_block", (json_int_t)s->base_block, "peak_bytes", (json_int_t)s->peak_bytes, "seconds",
        tool_seconds() - s->start);
    json_object_set_new(line, "exclude_self", json_boolean(s->exclude_self));
    json_object_set_new(line, "names", json_boolean(s->base_names.rows > 0));
    json_dumpf(line, stdout, JSON_REAL_PRECISION(7));
    printf("\n");
    json_decref(line);
}

static void finish(search *s)
{
    neighbours_discard(&s->neighbours);
    row_names_free(&s->base_names);
    row_names_free(&s->query_names);
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
        result = read_names(&s);
    if (result == TOOL_DONE)
        result = open_outputs(&s);
    if (result == TOOL_DONE)
        result = tool_open(&s.tool, &s.dev);
    if (result == TOOL_DONE && s.queries)
        result = search_plan(&s);
    if (result == TOOL_DONE && s.queries)
        result = search_allocate(&s);
    if (result == TOOL_DONE)
        result = walk_all(&s);
    if (result == TOOL_DONE)
        result = commit(&s);
    if (result == TOOL_DONE && s.tool.json)
        print_json(&s);
    else if (result == TOOL_DONE && !s.tool.quiet)
        print_text(&s);
    finish(&s);
    return result;
}
