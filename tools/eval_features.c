// SPDX-License-Identifier: Apache-2.0
// eval_features.c: anybody's vectors, from files to the device a block at a time, to `chiaro eval`.
// See eval.h.
#include <math.h>
#include <stdlib.h>
#include <string.h>

#include "eval.h"

enum { BLOCK_FLOATS = 1 << 22 };

// ---- files --------------------------------------------------------------------------------------
static int open_vectors(const char *path, chi_npy_reader **out)
{
    const chi_status st = chi_npy_open(path, out);
    if (st != CHI_OK)
        return tool_fail(st);
    const chi_tensor *t = chi_npy_describe(*out);
    if (t->dims != 2 || t->count == 0)
        return tool_error("%s: %zu dimensions and %zu elements; vectors are [rows][features]", path,
                          t->dims, t->count);
    if (t->shape[0] > INT32_MAX)
        return tool_error("%s has %zu rows; at most 2147483647 are taken", path, t->shape[0]);
    return TOOL_DONE;
}

static int open_labels(eval *v, const char *path, const char *of, size_t rows, chi_labels *out)
{
    const chi_labels_options options = { .unlabelled = v->image_options.unlabelled };
    const chi_status st = chi_labels_read(path, &options, out);
    if (st != CHI_OK)
        return tool_fail(st);
    return out->count == rows
               ? TOOL_DONE
               : tool_error("%s: %zu labels for the %zu rows of %s", path, out->count, rows, of);
}

static size_t rows_of(const chi_npy_reader *r) { return r ? chi_npy_describe(r)->shape[0] : 0; }
static size_t width_of(const chi_npy_reader *r) { return chi_npy_describe(r)->shape[1]; }

static int open_tested(eval *v)
{
    int result = open_vectors(v->test_features, &v->test_reader);
    if (result == TOOL_DONE && width_of(v->test_reader) != width_of(v->reader))
        result = tool_error("%s has rows of %zu features, %s of %zu", v->test_features,
                            width_of(v->test_reader), v->features, width_of(v->reader));
    return result == TOOL_DONE ? open_labels(v, v->test_labels, v->test_features,
                                             rows_of(v->test_reader), &v->test_vector_labels)
                               : result;
}

int eval_features_open(eval *v)
{
    int result = open_vectors(v->features, &v->reader);
    if (result == TOOL_DONE)
        result = open_labels(v, v->labels, v->features, rows_of(v->reader), &v->vector_labels);
    if (result == TOOL_DONE && v->test_features)
        result = open_tested(v);
    if (result != TOOL_DONE)
        return result;
    const uint64_t same = v->test_features && strcmp(v->features, v->test_features) ==
                                                  0; // then both are called the same
    const eval_set base = { v->features, "rows", rows_of(v->reader), &v->vector_labels, same };
    const eval_set test = { v->test_features, "rows", rows_of(v->test_reader),
                            &v->test_vector_labels, same };
    const eval_ask ask = { v->holdout, v->holdout_file, v->tool.seed, NULL, NULL };
    return eval_choose_rows(&ask, &base, v->test_features ? &test : NULL, &v->e, &v->notes);
}

void eval_features_close(eval *v)
{
    chi_npy_close(&v->reader);
    chi_npy_close(&v->test_reader);
    chi_labels_free(&v->vector_labels);
    chi_labels_free(&v->test_vector_labels);
}

// ---- to the device ------------------------------------------------------------------------------
static int check_row(const char *path, int32_t row, const float *values, size_t width)
{
    for (size_t i = 0; i < width; i++)
        if (!isfinite(values[i]))
            return tool_error(
                "%s: row %d, feature %zu is %g as float32; features are finite numbers", path, row,
                i, (double)values[i]);
    return TOOL_DONE;
}

// The rows of a side that lie in file rows first … first + count − 1, which `block` holds, one
// behind the other.
static int pick_rows(const char *path, const eval_side *side, size_t *at, size_t first,
                     size_t count, float *block, size_t width, size_t *picked)
{
    for (*picked = 0; *at < side->count && (size_t)side->rows[*at] < first + count;
         ++*at, ++*picked) {
        float *from = block + ((size_t)side->rows[*at] - first) * width,
              *to = block + *picked * width;
        memmove(to, from, width * sizeof *to);
        const int result = check_row(path, side->rows[*at], to, width);
        if (result != TOOL_DONE)
            return result;
    }
    return TOOL_DONE;
}

static int copy_rows(chi_npy_reader *reader, const char *path, const eval_side *side,
                     chi_buffer *to, float *block, size_t most, progress *p, uint64_t *done)
{
    const size_t rows = rows_of(reader), width = width_of(reader);
    int result = TOOL_DONE;
    for (size_t first = 0, at = 0; first < rows && result == TOOL_DONE; first += most) {
        const size_t count = rows - first < most ? rows - first : most, before = at;
        size_t picked = 0;
        if (tool_interrupted()) {
            tool_error("interrupted; nothing was written");
            return TOOL_INTERRUPTED;
        }
        chi_status st = chi_npy_read_rows(reader, first, count, block);
        if (st == CHI_OK)
            result = pick_rows(path, side, &at, first, count, block, width, &picked);
        if (st == CHI_OK && result == TOOL_DONE && picked)
            st = chi_buffer_upload(to, 4ull * before * width, block, 4ull * picked * width);
        if (st != CHI_OK)
            return tool_fail(st);
        progress_show(p, *done += picked, "read");
    }
    return result;
}

static int read_both(eval *v, eval_features *f)
{
    const size_t fit = BLOCK_FLOATS / f->width, most = fit ? fit : 1;
    float *block = malloc(4 * most * f->width);
    uint64_t done = 0;
    progress p;
    if (!block)
        return tool_error("no memory for %zu rows of %zu features", most, f->width);
    progress_start(&p, v->tool.quiet, "rows", v->e.base.count + v->e.query.count);
    int result = copy_rows(v->reader, v->features, &v->e.base, f->base, block, most, &p, &done);
    if (result == TOOL_DONE)
        result = copy_rows(v->test_reader ? v->test_reader : v->reader,
                           v->test_features ? v->test_features : v->features, &v->e.query, f->query,
                           block, most, &p, &done);
    progress_end(&p);
    free(block);
    return result;
}

int eval_features_measure(eval *v)
{
    eval_features f = { 0 };
    int result = evaluation_allocate(&v->e, width_of(v->reader), &f);
    if (result == TOOL_DONE)
        result = read_both(v, &f);
    if (result == TOOL_DONE)
        result = evaluation_measure(
            &v->e, "vectors", chi_matrix_view(f.base, v->e.base.count, f.width),
            chi_matrix_view(f.query, v->e.query.count, f.width), true, &v->results[EVAL_TRAINED]);
    evaluation_release(&f);
    return result;
}
