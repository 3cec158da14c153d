// SPDX-License-Identifier: Apache-2.0
// check_similarity.c: store, logsumexp and top-k against the float32 rules in plain C bit for bit, and against doubles
// with a derived bound. CHIARO_SMALL=1: tiny shapes, for slow devices.
#include <chiaro/chiaro.h>

#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "../src/ref/exact.h"
#include "harness/buffer.h"
#include "harness/verdict.h"

typedef struct problem {
    chi_metric metric;
    float scale;
    size_t n, m, dim, k;
} problem;

// Device buffers of one problem and what it should give.
typedef struct run {
    chi_device *dev;
    const problem *p;
    const char *tile;
    float *x, *y, *want, *lse;
    chi_buffer *bx, *by;
} run;

static char *name_of(const run *r, const char *part, char *to)
{
    static const char *const metrics[] = { "dot", "cosine", "squared Euclidean" };
    snprintf(to, 160, "%s, %s, scale %g, %zu x %zu x %zu, tile %s", part, metrics[r->p->metric], (double)r->p->scale, r->p->n, r->p->m, r->p->dim, r->tile);
    return to;
}

// Rows of several lengths; two equal columns, so that there are ties; a zero row.
static void fill(const problem *p, float *x, float *y)
{
    chi_random_unit_rows(21, p->n, p->dim, x);
    chi_random_unit_rows(22, p->m, p->dim, y);
    for (size_t i = 0; i < p->n; i++)
        for (size_t k = 0; k < p->dim && p->metric != CHI_METRIC_DOT; k++)
            x[i * p->dim + k] *= p->n > 4 && i == 2 ? 0.0f : 0.25f + (float)(i % 5);
    if (p->m > 7)
        memcpy(y + 7 * p->dim, y + 3 * p->dim, 4 * p->dim);
}

static void check_store(const run *r, chi_similarity *sim, chi_matrix mx, chi_matrix my)
{
    const size_t n = r->p->n, m = r->p->m;
    char what[160];
    float *got = malloc(4 * n * m);
    chi_buffer *out = test_buffer(r->dev, NULL, 4 * n * m);
    const bool good = chi_similarity_store(sim, mx, my, chi_matrix_view(out, n, m)) == CHI_OK && chi_buffer_download(out, 0, got, 4 * n * m) == CHI_OK;
    name_of(r, "store", what);
    test_verdict(good && test_same_bits(got, r->want, n, m, what), what, "rules", good ? "other bits" : chi_error_text());
    chi_buffer_destroy(&out);
    free(got);
}

static void check_logsumexp(const run *r, chi_similarity *sim, chi_matrix mx, chi_matrix my)
{
    const size_t n = r->p->n;
    char what[160];
    float *got = malloc(4 * n);
    chi_buffer *out = test_buffer(r->dev, NULL, 4 * n);
    const bool good = chi_similarity_logsumexp(sim, mx, my, chi_matrix_view(out, n, 1)) == CHI_OK && chi_buffer_download(out, 0, got, 4 * n) == CHI_OK;
    name_of(r, "logsumexp", what);
    test_verdict(good && test_same_bits(got, r->lse, n, 1, what), what, "rules", good ? "other bits" : chi_error_text());
    chi_buffer_destroy(&out);
    free(got);
}

// Better: larger (smaller for a distance), then the lower index; NaN last.
static bool better(const problem *p, const float *row, size_t a, size_t b)
{
    const float sign = p->metric == CHI_METRIC_SQUARED_EUCLIDEAN ? -1.0f : 1.0f, va = sign * row[a], vb = sign * row[b];
    return isnan(va) ? isnan(vb) && a < b : isnan(vb) || va > vb || (va == vb && a < b);
}

static void best_columns(const problem *p, const float *row, float *values, int32_t *indices)
{
    bool *taken = calloc(p->m, sizeof *taken);
    for (size_t q = 0; q < p->k; q++) {
        size_t best = SIZE_MAX;
        for (size_t j = 0; j < p->m; j++)
            if (!taken[j] && (best == SIZE_MAX || better(p, row, j, best)))
                best = j;
        values[q] = best == SIZE_MAX ? (p->metric == CHI_METRIC_SQUARED_EUCLIDEAN ? INFINITY : -INFINITY) : row[best];
        indices[q] = best == SIZE_MAX ? -1 : (int32_t)best;
        if (best != SIZE_MAX)
            taken[best] = true;
    }
    free(taken);
}

// The lists after blocks of so many columns; 0: all in one call by `sim`.
static chi_status run_topk(const run *r, chi_similarity *sim, chi_matrix mx, chi_matrix my, size_t block, chi_matrix values, chi_buffer *indices)
{
    const problem *p = r->p;
    chi_status st = block ? CHI_OK : chi_similarity_topk(sim, mx, my, p->k, values, indices);
    for (size_t first = 0, rows; block && first < p->m && st == CHI_OK; first += rows) {
        chi_similarity *part = NULL;
        rows = p->m - first < block ? p->m - first : block;
        st = chi_similarity_create(r->dev, p->n, rows, p->dim, &(chi_similarity_options){ .metric = p->metric, .scale = p->scale, .topk = p->k, .uses = CHI_SIMILARITY_TOPK }, &part);
        if (st == CHI_OK)
            st = chi_similarity_topk_more(part, mx, chi_matrix_rows(my, first, rows), p->k, first, values, indices);
        chi_similarity_destroy(&part);
    }
    return st;
}

static void check_topk(const run *r, chi_similarity *sim, chi_matrix mx, chi_matrix my, size_t block)
{
    const size_t n = r->p->n, k = r->p->k;
    char what[160];
    float *got = malloc(4 * n * k), *want = malloc(4 * n * k);
    int32_t *found = malloc(4 * n * k), *wanted = malloc(4 * n * k);
    chi_buffer *values = test_buffer(r->dev, NULL, 4 * n * k), *indices = test_buffer(r->dev, NULL, 4 * n * k);
    const bool good = run_topk(r, sim, mx, my, block, chi_matrix_view(values, n, k), indices) == CHI_OK &&
                      chi_buffer_download(values, 0, got, 4 * n * k) == CHI_OK && chi_buffer_download(indices, 0, found, 4 * n * k) == CHI_OK;
    for (size_t i = 0; i < n; i++)
        best_columns(r->p, r->want + i * r->p->m, want + i * k, wanted + i * k);
    name_of(r, block ? "topk in blocks" : "topk", what);
    test_verdict(good && test_same_bits(got, want, n, k, what), what, "rules", good ? "other values" : chi_error_text());
    test_verdict(good && memcmp(found, wanted, 4 * n * k) == 0, what, "rules", "other columns");
    chi_buffer_destroy(&values);
    chi_buffer_destroy(&indices);
    free(got);
    free(want);
    free(found);
    free(wanted);
}

// Counts, minimum and maximum are those of the stored matrix; mean and variance within the rounding of doubles.
static void check_stats(const run *r, chi_similarity *sim, chi_matrix mx, chi_matrix my)
{
    enum { BINS = 8 };
    const size_t pairs = r->p->n * r->p->m;
    uint64_t histogram[BINS], inside = 0;
    chi_pair_stats got;
    double sum = 0.0, squares = 0.0, low = INFINITY, high = -INFINITY;
    char what[160];
    for (size_t i = 0; i < pairs; i++) {
        sum += (double)r->want[i];
        low = fmin(low, (double)r->want[i]);
        high = fmax(high, (double)r->want[i]);
    }
    for (size_t i = 0; i < pairs; i++)
        squares += pow((double)r->want[i] - sum / (double)pairs, 2.0);
    const bool good = chi_similarity_stats(sim, mx, my, -1.0f, 1.0f, BINS, histogram, &got) == CHI_OK;
    for (int b = 0; b < BINS && good; b++)
        inside += histogram[b];
    name_of(r, "stats", what);
    test_verdict(good && inside + got.below + got.above == pairs && got.pairs == pairs && got.nan == 0, what, "definition", "pairs are lost");
    test_verdict(good && got.minimum == low && got.maximum == high, what, "definition", "other extremes");
    const double reach = fmax(fabs(low), fabs(high)) + 1e-30;
    test_verdict(good && fabs(got.mean - sum / (double)pairs) <= 1e-6 * reach, what, "definition", "another mean");
    test_verdict(good && fabs(got.variance - squares / (double)pairs) <= 1e-6 * reach * reach, what, "definition", "another variance");
}

// The rules against doubles: |error| ≤ (dim + 4) · 2^-24 · scale · Σ |x_k y_k| an entry, doubled for a distance's two norms.
static void check_definition(const run *r)
{
    const problem *p = r->p;
    double worst = 0.0;
    char what[160];
    for (size_t i = 0; i < p->n; i++)
        for (size_t j = 0; j < p->m; j++) {
            double dot = 0.0, size = 0.0, nx = 0.0, ny = 0.0;
            for (size_t k = 0; k < p->dim; k++) {
                const double a = (double)r->x[i * p->dim + k], b = (double)r->y[j * p->dim + k];
                dot += a * b;
                size += fabs(a * b);
                nx += a * a;
                ny += b * b;
            }
            const double length = sqrt(nx * ny);
            const double s = p->metric == CHI_METRIC_DOT ? dot : p->metric == CHI_METRIC_COSINE ? (length > 0.0 ? dot / length : 0.0) : nx + ny - 2.0 * dot;
            const double reach = p->metric == CHI_METRIC_DOT ? size : p->metric == CHI_METRIC_COSINE ? (length > 0.0 ? size / length : 0.0) : nx + ny + 2.0 * size;
            const double bound = 2.0 * ((double)p->dim + 4.0) * 0x1p-24 * fabs((double)p->scale) * reach;
            worst = fmax(worst, fabs((double)r->want[i * p->m + j] - (double)p->scale * s) / (bound + 1e-300));
        }
    test_verdict(worst <= 1.0, name_of(r, "store", what), "definition", "the rules are further from doubles than their bound");
}

// The rules for one metric have cosine rows normalised first.
static void expect(run *r)
{
    const problem *p = r->p;
    float *ux = r->x, *uy = r->y, *spare = malloc(4 * (p->n + p->m) * (p->dim + 1));
    if (p->metric == CHI_METRIC_COSINE) {
        ux = spare;
        uy = spare + p->n * p->dim;
        chi__exact_normalize(p->n, p->dim, r->x, ux, uy + p->m * p->dim);
        chi__exact_normalize(p->m, p->dim, r->y, uy, uy + p->m * p->dim);
    }
    chi__exact_similarity(p->metric, p->scale, p->n, p->m, p->dim, ux, uy, r->want);
    chi__exact_logsumexp(p->metric, p->scale, p->n, p->m, p->dim, ux, uy, r->lse);
    free(spare);
}

static void check_problem(chi_device *dev, const char *tile, const problem *p)
{
    run r = { .dev = dev, .p = p, .tile = tile, .x = malloc(4 * p->n * p->dim), .y = malloc(4 * p->m * p->dim),
              .want = malloc(4 * p->n * p->m), .lse = malloc(4 * p->n) };
    chi_similarity *sim = NULL;
    fill(p, r.x, r.y);
    expect(&r);
    check_definition(&r);
    r.bx = test_buffer(dev, r.x, 4 * p->n * p->dim);
    r.by = test_buffer(dev, r.y, 4 * p->m * p->dim);
    const chi_matrix mx = chi_matrix_view(r.bx, p->n, p->dim), my = chi_matrix_view(r.by, p->m, p->dim);
    const chi_status st = chi_similarity_create(dev, p->n, p->m, p->dim, &(chi_similarity_options){ .metric = p->metric, .scale = p->scale, .topk = p->k }, &sim);
    test_verdict(st == CHI_OK, "create", tile, chi_error_text());
    if (st == CHI_OK) {
        check_store(&r, sim, mx, my);
        check_logsumexp(&r, sim, mx, my);
        check_topk(&r, sim, mx, my, 0);
        check_topk(&r, sim, mx, my, p->m / 3 + 1);
        check_stats(&r, sim, mx, my);
    }
    chi_similarity_destroy(&sim);
    chi_buffer_destroy(&r.bx);
    chi_buffer_destroy(&r.by);
    free(r.x);
    free(r.y);
    free(r.want);
    free(r.lse);
}

// Under the least budget, and a few bytes more, sums are joined window by window: to the same bits.
static void check_windows(const char *tile, chi_metric metric, float scale)
{
    enum { N = 701, M = 1403, DIM = 9 };
    static const uint64_t more[] = { 0, 40, 4 * 4 * N };
    const chi_similarity_options options = { .metric = metric, .scale = scale, .uses = CHI_SIMILARITY_LOGSUMEXP };
    float *x = malloc(4 * N * DIM), *y = malloc(4 * M * DIM), whole[N], parts[N];
    uint64_t least = 0, held = 0;
    chi_device *dev = NULL;
    chi_random_unit_rows(1, N, DIM, x);
    chi_random_unit_rows(2, M, DIM, y);
    if (chi_device_open(&(chi_device_options){ .tile = tile, .memory_bytes = 4096 }, &dev) == CHI_OK) {
        chi_device_memory(dev, &held, NULL);
        test_verdict(chi_similarity_bytes(dev, N, M, DIM, &options, &least) == CHI_OK && least > 4096, "bytes of windows", tile, "4 KiB are enough");
        chi_device_close(&dev);
    }
    for (int b = -1; b < 3; b++) {
        chi_similarity *sim = NULL;
        const uint64_t beside = 4 * ((N + M) * DIM + N) + 3 * 64, budget = b < 0 ? 0 : held + least + beside + more[b];
        if (chi_device_open(&(chi_device_options){ .tile = tile, .memory_bytes = budget }, &dev) != CHI_OK) {
            test_verdict(false, "windows", tile, chi_error_text());
            break;
        }
        chi_buffer *bx = test_buffer(dev, x, 4 * N * DIM), *by = test_buffer(dev, y, 4 * M * DIM), *out = test_buffer(dev, NULL, sizeof whole);
        const bool good = chi_similarity_create(dev, N, M, DIM, &options, &sim) == CHI_OK &&
                          chi_similarity_logsumexp(sim, chi_matrix_view(bx, N, DIM), chi_matrix_view(by, M, DIM), chi_matrix_view(out, N, 1)) == CHI_OK &&
                          chi_buffer_download(out, 0, b < 0 ? whole : parts, sizeof whole) == CHI_OK;
        test_verdict(good && (b < 0 || memcmp(whole, parts, sizeof whole) == 0), "windows of logsumexp", tile, good ? "other bits" : chi_error_text());
        chi_similarity_destroy(&sim);
        chi_buffer **buffers[] = { &bx, &by, &out };
        for (int i = 0; i < 3; i++)
            chi_buffer_destroy(buffers[i]);
        chi_device_close(&dev);
    }
    free(x);
    free(y);
}

// A row of NaN and one of infinity stay what they are, and touch no other row.
static void check_not_finite(chi_device *dev, const char *tile)
{
    enum { N = 5, M = 33, DIM = 3 };
    float x[N * DIM], y[M * DIM], lse[N], all[N * M];
    chi_random_unit_rows(1, N, DIM, x);
    chi_random_unit_rows(2, M, DIM, y);
    x[1 * DIM] = NAN;
    x[3 * DIM + 2] = INFINITY;
    for (int metric = CHI_METRIC_DOT; metric <= CHI_METRIC_SQUARED_EUCLIDEAN; metric++) {
        chi_similarity *sim = NULL;
        chi_buffer *bx = test_buffer(dev, x, sizeof x), *by = test_buffer(dev, y, sizeof y), *out = test_buffer(dev, NULL, sizeof all), *row = test_buffer(dev, NULL, sizeof lse);
        const chi_matrix mx = chi_matrix_view(bx, N, DIM), my = chi_matrix_view(by, M, DIM);
        const bool good = chi_similarity_create(dev, N, M, DIM, &(chi_similarity_options){ .metric = (chi_metric)metric }, &sim) == CHI_OK &&
                          chi_similarity_store(sim, mx, my, chi_matrix_view(out, N, M)) == CHI_OK &&
                          chi_similarity_logsumexp(sim, mx, my, chi_matrix_view(row, N, 1)) == CHI_OK &&
                          chi_buffer_download(out, 0, all, sizeof all) == CHI_OK && chi_buffer_download(row, 0, lse, sizeof lse) == CHI_OK;
        bool nan = good && isnan(lse[1]), rest = good;
        for (int j = 0; j < M; j++) {
            nan = nan && isnan(all[1 * M + j]) && !(isfinite(all[3 * M + j]));
            rest = rest && isfinite(all[0 * M + j]) && isfinite(all[2 * M + j]) && isfinite(all[4 * M + j]);
        }
        test_verdict(nan, "NaN and infinity stay", tile, good ? "a number came out" : chi_error_text());
        test_verdict(rest && isfinite(lse[0]) && isfinite(lse[2]) && isfinite(lse[4]), "other rows", tile, "one row's NaN reached another");
        chi_similarity_destroy(&sim);
        chi_buffer **buffers[] = { &bx, &by, &out, &row };
        for (int i = 0; i < 4; i++)
            chi_buffer_destroy(buffers[i]);
    }
}

// Lists at their edges: many ties, NaN and infinity on both sides, k to 1,024 and beyond the columns, columns shared by
// several groups (few rows), blocks shorter than k. Small integers: the stored matrix is exact, so a sort of it decides.
static void check_lists(chi_device *dev, const char *tile, bool small)
{
    static const struct { size_t n, m, k, blocks[3]; } shapes[] = {
        { 5, 300, 64, { 17, 128, 299 } }, { 3, 40, 50, { 1, 39, 0 } }, { 131, 1100, 3, { 257, 1, 0 } }, { 6, 9000, 1024, { 500, 4096, 0 } }, { 1, 5000, 2, { 2500, 4999, 0 } },
    };
    enum { DIM = 3 };
    for (size_t s = 0; s < (small ? 2 : sizeof shapes / sizeof *shapes); s++)
        for (int metric = CHI_METRIC_DOT; metric <= CHI_METRIC_SQUARED_EUCLIDEAN; metric += 2) {
            const problem p = { (chi_metric)metric, 1.0f, shapes[s].n, shapes[s].m, DIM, shapes[s].k };
            run r = { .dev = dev, .p = &p, .tile = tile, .x = malloc(4 * p.n * DIM), .y = malloc(4 * p.m * DIM), .want = malloc(4 * p.n * p.m) };
            chi_similarity *sim = NULL;
            for (size_t i = 0; i < p.n * DIM; i++)
                r.x[i] = (float)((i * 2654435761u >> 16) % 5) - 2.0f;
            for (size_t i = 0; i < p.m * DIM; i++)
                r.y[i] = (float)((i * 2246822519u >> 16) % 7) - 3.0f;
            r.x[p.n / 2 * DIM] = p.n > 1 ? INFINITY : 1.0f;
            r.x[(p.n - 1) * DIM + 1] = p.n > 1 ? NAN : 2.0f;
            for (size_t j = 5; j < p.m; j += 11)
                r.y[j * DIM + 2] = j % 2 ? NAN : -INFINITY;
            chi__exact_similarity(p.metric, p.scale, p.n, p.m, DIM, r.x, r.y, r.want);
            r.bx = test_buffer(dev, r.x, 4 * p.n * DIM);
            r.by = test_buffer(dev, r.y, 4 * p.m * DIM);
            const chi_matrix mx = chi_matrix_view(r.bx, p.n, DIM), my = chi_matrix_view(r.by, p.m, DIM);
            uint64_t planned = 0, before = 0, after = 0;
            const chi_similarity_options options = { .metric = p.metric, .topk = p.k, .uses = CHI_SIMILARITY_TOPK };
            chi_device_memory(dev, &before, NULL);
            const bool good = chi_similarity_bytes(dev, p.n, p.m, DIM, &options, &planned) == CHI_OK && chi_similarity_create(dev, p.n, p.m, DIM, &options, &sim) == CHI_OK;
            chi_device_memory(dev, &after, NULL);
            test_verdict(good && after - before == planned, "bytes of topk", tile, "not what chi_similarity_bytes said");
            for (int b = -1; b < 3 && good; b++)
                if (b < 0 || shapes[s].blocks[b])
                    check_topk(&r, sim, mx, my, b < 0 ? 0 : shapes[s].blocks[b]);
            chi_similarity_destroy(&sim);
            chi_buffer_destroy(&r.bx);
            chi_buffer_destroy(&r.by);
            free(r.x);
            free(r.y);
            free(r.want);
        }
}

int main(void)
{
    static const char *tiles[] = { "p8x32v16", "g32x32k16v4d2", "p6x16v8", "g64x64k16v4", "p14x32v16", "g16x16k16", "g64x64k16v4s16", "p4x16v4", "p8x32v16k128" };
    static const problem problems[] = {
        { CHI_METRIC_DOT, 1.0f, 1, 1, 1, 1 },      { CHI_METRIC_DOT, 3.0f, 5, 17, 3, 17 },   { CHI_METRIC_COSINE, 10.0f, 9, 33, 7, 5 },
        { CHI_METRIC_SQUARED_EUCLIDEAN, -1.0f, 13, 21, 5, 3 }, { CHI_METRIC_COSINE, 300.0f, 33, 131, 17, 9 }, { CHI_METRIC_DOT, 40.0f, 130, 257, 37, 40 },
        { CHI_METRIC_SQUARED_EUCLIDEAN, 0.5f, 131, 300, 65, 11 }, { CHI_METRIC_COSINE, 10.0f, 3, 4097, 20, 4 },
    };
    const bool small = getenv("CHIARO_SMALL") != NULL;
    const size_t count = test_tiles(tiles, sizeof tiles / sizeof *tiles);
    for (size_t t = 0; t < (small && count > 2 ? 2 : count); t++) {
        chi_device *dev = NULL;
        if (chi_device_open(&(chi_device_options){ .tile = tiles[t] }, &dev) != CHI_OK) {
            test_verdict(false, "open", tiles[t], chi_error_text());
            continue;
        }
        for (size_t i = 0; i < (small ? 4 : sizeof problems / sizeof *problems); i++)
            check_problem(dev, tiles[t], &problems[i]);
        check_not_finite(dev, tiles[t]);
        check_lists(dev, tiles[t], small);
        chi_device_close(&dev);
        if (t < 2 && !small) {
            check_windows(tiles[t], CHI_METRIC_COSINE, 10.0f);
            check_windows(tiles[t], CHI_METRIC_SQUARED_EUCLIDEAN, -1.0f);
        }
    }
    return test_summary();
}
