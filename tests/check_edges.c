// SPDX-License-Identifier: Apache-2.0
// check_edges.c: shapes around the tile's, very tall and very wide ones, strides, extreme values and temperatures: each
// loss against the float32 rules bit for bit, or refused with outputs untouched.
#include <chiaro/chiaro.h>

#include <float.h>
#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "../src/ref/exact.h"
#include "harness/verdict.h"

typedef struct given {
    chi_loss_kind kind;
    size_t n, dim, stride; // stride: of every matrix, 0: dim
    float tau;
    float *x, *y;          // [n][dim]
    int32_t *labels;
} given;

static chi_buffer *make(chi_device *dev, size_t floats)
{
    chi_buffer *b = NULL;
    if (chi_buffer_create(dev, 4 * floats, &b) != CHI_OK)
        printf("%s\n", chi_error_text());
    return b;
}

static void move_rows(const given *g, chi_buffer *b, float *host, bool up)
{
    const size_t stride = g->stride ? g->stride : g->dim;
    for (size_t i = 0; i < g->n; i++)
        if ((up ? chi_buffer_upload(b, 4 * i * stride, host + i * g->dim, 4 * g->dim) : chi_buffer_download(b, 4 * i * stride, host + i * g->dim, 4 * g->dim)) != CHI_OK)
            printf("%s\n", chi_error_text());
}

static chi_matrix view(const given *g, chi_buffer *b)
{
    chi_matrix m = chi_matrix_view(b, g->n, g->dim);
    m.stride = g->stride;
    return m;
}

// The device's value and gradients are those of the rules.
static void check(chi_device *dev, const given *g, const char *what)
{
    const bool two = g->kind == CHI_LOSS_CLIP || g->kind == CHI_LOSS_INFONCE;
    const size_t room = g->n * (g->stride ? g->stride : g->dim), count = g->n * g->dim;
    float value = 0.0f, want = 0.0f, scale, *gx = calloc(count, 4), *gy = calloc(count, 4), *wx = calloc(count, 4), *wy = calloc(count, 4);
    chi_buffer *x = make(dev, room), *y = make(dev, room), *bx = make(dev, room), *by = make(dev, room), *labels = make(dev, g->n);
    chi_loss *loss = NULL;
    move_rows(g, x, g->x, true);
    move_rows(g, y, g->y, true);
    chi_buffer_upload(labels, 0, g->labels, 4 * g->n);
    chi_loss_args a = { .x = view(g, x), .grad_x = view(g, bx), .labels = g->kind == CHI_LOSS_SUPCON ? labels : NULL };
    if (two) {
        a.y = view(g, y);
        a.grad_y = view(g, by);
    }
    const bool good = chi_loss_create(dev, g->n, g->dim, &(chi_loss_options){ .kind = g->kind, .temperature = g->tau }, &loss) == CHI_OK &&
                      chi_loss_eval(loss, &a, &value) == CHI_OK;
    move_rows(g, bx, gx, false);
    move_rows(g, by, gy, false);
    chi__exact_loss(&(chi__exact_loss_options){ .kind = g->kind, .n = g->n, .dim = g->dim, .temperature = g->tau }, g->x, g->y, g->labels, &want, wx, wy, &scale);
    test_verdict(good && test_same_bits(&value, &want, 1, 1, what), what, "value", good ? "other bits than the rules" : chi_error_text());
    test_verdict(good && test_same_bits(gx, wx, g->n, g->dim, what), what, "grad_x", "other bits than the rules");
    if (two)
        test_verdict(good && test_same_bits(gy, wy, g->n, g->dim, what), what, "grad_y", "other bits than the rules");
    chi_loss_destroy(&loss);
    chi_buffer **all[] = { &x, &y, &bx, &by, &labels };
    for (int i = 0; i < 5; i++)
        chi_buffer_destroy(all[i]);
    free(gx);
    free(gy);
    free(wx);
    free(wy);
}

static given draw(chi_loss_kind kind, size_t n, size_t dim, float tau)
{
    given g = { .kind = kind, .n = n, .dim = dim, .tau = tau, .x = malloc(4 * n * dim), .y = malloc(4 * n * dim), .labels = malloc(4 * n) };
    chi_random_unit_rows(71, n, dim, g.x);
    chi_random_unit_rows(72, n, dim, g.y);
    for (size_t i = 0; i < n; i++)
        g.labels[i] = (int32_t)(i % 5) * 400000000; // up to 1.6e9: a label is a name, not an index
    return g;
}

static void drop(given *g)
{
    free(g->x);
    free(g->y);
    free(g->labels);
}

static void shapes(chi_device *dev)
{
    static const size_t sizes[][2] = { { 2, 1 }, { 2, 100000 }, { 30, 31 }, { 32, 32 }, { 34, 33 }, { 62, 63 }, { 64, 64 }, { 66, 65 }, { 126, 7 }, { 128, 8 }, { 130, 9 }, { 254, 251 } };
    for (size_t i = 0; i < sizeof sizes / sizeof *sizes; i++)
        for (chi_loss_kind kind = CHI_LOSS_CLIP; kind <= CHI_LOSS_SUPCON; kind++) {
            given g = draw(kind, sizes[i][0], sizes[i][1], 0.1f);
            char what[64];
            snprintf(what, sizeof what, "loss %d of %zu x %zu", (int)kind, g.n, g.dim);
            check(dev, &g, what);
            g.stride = g.dim + 5;
            if (g.dim < 100)
                check(dev, &g, strcat(what, ", rows 5 apart"));
            drop(&g);
        }
}

static void temperatures(chi_device *dev)
{
    static const float taus[] = { 1e-3f, 1e-6f, 1.0f, 1e6f };
    for (size_t i = 0; i < sizeof taus / sizeof *taus; i++)
        for (chi_loss_kind kind = CHI_LOSS_CLIP; kind <= CHI_LOSS_SUPCON; kind++) {
            given g = draw(kind, 66, 9, taus[i]);
            char what[64];
            snprintf(what, sizeof what, "loss %d at temperature %g", (int)kind, (double)g.tau);
            check(dev, &g, what);
            drop(&g);
        }
}

// Rows that are alike, opposite, huge, tiny, zero or negative zero; a row that matches its positive exactly.
static void values(chi_device *dev)
{
    static const char *const what[] = { "equal rows", "opposite rows", "entries of FLT_MAX", "entries of 1e-30", "rows of zeros", "rows of -0", "a dominating logit" };
    for (int v = 0; v < 7; v++)
        for (chi_loss_kind kind = CHI_LOSS_CLIP; kind <= CHI_LOSS_SUPCON; kind++) {
            given g = draw(kind, 36, 11, v == 6 ? 0.004f : 0.1f);
            for (size_t i = 0; i < g.n * g.dim; i++) {
                const size_t row = i / g.dim;
                g.x[i] = v == 0 ? g.x[i % g.dim] : v == 1 && row ? (row % 2 ? -g.x[i % g.dim] : g.x[i % g.dim]) : v == 2 ? (g.x[i] < 0.0f ? -FLT_MAX : FLT_MAX)
                       : v == 3 ? g.x[i] * 1e-30f : v == 4 ? 0.0f : v == 5 ? -0.0f : g.x[i];
                g.y[i] = v == 0 || v == 6 ? g.x[i] : g.y[i];
            }
            check(dev, &g, what[v]);
            drop(&g);
        }
}

// A NaN or an infinity in one row: the loss is NaN, at once, and the next evaluation is as good as the first.
static void not_finite(chi_device *dev)
{
    static const float bad[] = { NAN, INFINITY, -INFINITY };
    for (size_t b = 0; b < 3; b++)
        for (chi_loss_kind kind = CHI_LOSS_CLIP; kind <= CHI_LOSS_SUPCON; kind++) {
            given g = draw(kind, 36, 11, 0.1f);
            g.x[5 * g.dim + 3] = bad[b];
            float value = 0.0f;
            chi_buffer *x = make(dev, g.n * g.dim), *y = make(dev, g.n * g.dim), *labels = make(dev, g.n);
            chi_loss *loss = NULL;
            move_rows(&g, x, g.x, true);
            move_rows(&g, y, g.y, true);
            chi_buffer_upload(labels, 0, g.labels, 4 * g.n);
            chi_loss_args a = { .x = view(&g, x), .labels = kind == CHI_LOSS_SUPCON ? labels : NULL };
            if (kind <= CHI_LOSS_INFONCE)
                a.y = view(&g, y);
            const bool good = chi_loss_create(dev, g.n, g.dim, &(chi_loss_options){ .kind = kind, .temperature = g.tau }, &loss) == CHI_OK;
            test_verdict(good && chi_loss_eval(loss, &a, &value) == CHI_OK && isnan(value), "a row that is not finite", "value", "not NaN");
            g.x[5 * g.dim + 3] = 0.5f;
            move_rows(&g, x, g.x, true);
            test_verdict(good && chi_loss_eval(loss, &a, &value) == CHI_OK && isfinite(value), "the next rows", "value", "not finite");
            chi_loss_destroy(&loss);
            chi_buffer **all[] = { &x, &y, &labels };
            for (int i = 0; i < 3; i++)
                chi_buffer_destroy(all[i]);
            drop(&g);
        }
}

// 65,537 × 65,537 pairs are more than 2^32: three rows are worked out beside it.
static void many_pairs(chi_device *dev)
{
    enum { N = 65537, DIM = 2 };
    static const size_t rows[] = { 0, 32771, N - 1 };
    float *x = malloc(4 * N * DIM), *got = malloc(4 * N), want;
    chi_similarity *sim = NULL;
    chi_buffer *bx = make(dev, N * DIM), *out = make(dev, N);
    chi_random_unit_rows(81, N, DIM, x);
    chi_buffer_upload(bx, 0, x, 4 * N * DIM);
    const chi_matrix m = chi_matrix_view(bx, N, DIM);
    const bool good = chi_similarity_create(dev, N, N, DIM, &(chi_similarity_options){ .scale = 5.0f, .uses = CHI_SIMILARITY_LOGSUMEXP }, &sim) == CHI_OK &&
                      chi_similarity_logsumexp(sim, m, m, chi_matrix_view(out, N, 1)) == CHI_OK && chi_buffer_download(out, 0, got, 4 * N) == CHI_OK;
    for (int i = 0; i < 3; i++) {
        chi__exact_logsumexp(CHI_METRIC_DOT, 5.0f, 1, N, DIM, x + rows[i] * DIM, x, &want);
        test_verdict(good && test_same_bits(&got[rows[i]], &want, 1, 1, "logsumexp"), "65537 x 65537 pairs", "rules", good ? "other bits" : chi_error_text());
    }
    chi_similarity_destroy(&sim);
    chi_buffer_destroy(&bx);
    chi_buffer_destroy(&out);
    free(x);
    free(got);
}

static void ignore(void *user, chi_log_level level, const char *sentence) { (void)user, (void)level, (void)sentence; }

// Refused, with the output as it was.
static void refusals(chi_device *dev)
{
    static const float taus[] = { -1.0f, NAN, INFINITY };
    const float marks[8] = { 1, 2, 3, 4, 5, 6, 7, 8 };
    float after[8];
    chi_loss *loss = NULL;
    for (size_t i = 0; i < 3; i++)
        test_verdict(chi_loss_create(dev, 4, 2, &(chi_loss_options){ .temperature = taus[i] }, &loss) == CHI_ERR_ARGUMENT && !loss, "temperature", "create", "taken");
    test_verdict(chi_loss_create(dev, 4, 0, NULL, &loss) == CHI_ERR_ARGUMENT && !loss, "dim 0", "create", "taken");
    test_verdict(chi_loss_create(dev, (size_t)1 << 33, (size_t)1 << 33, NULL, &loss) != CHI_OK && !loss, "2^33 x 2^33", "create", "taken");
    test_verdict(chi_loss_create(dev, 5, 2, &(chi_loss_options){ .kind = CHI_LOSS_NTXENT }, &loss) == CHI_ERR_SHAPE || !loss, "an odd number of rows", "create", "taken");
    chi_loss_destroy(&loss);
    chi_buffer *x = make(dev, 8), *g = make(dev, 8);
    chi_buffer_upload(g, 0, marks, sizeof marks);
    test_verdict(chi_loss_create(dev, 4, 2, NULL, &loss) == CHI_OK, "a loss", "create", chi_error_text());
    chi_matrix narrow = chi_matrix_view(x, 4, 2), far = narrow;
    narrow.stride = 1;
    far.offset = 3;
    const chi_matrix good = chi_matrix_view(x, 4, 2), to = chi_matrix_view(g, 4, 2), bad[] = { narrow, far, chi_matrix_view(x, 3, 2), chi_matrix_view(x, 2, 4), { 0 } };
    for (size_t i = 0; loss && i < sizeof bad / sizeof *bad; i++) {
        const chi_loss_args a = { .x = good, .y = bad[i], .grad_x = to };
        test_verdict(chi_loss_eval(loss, &a, NULL) != CHI_OK, "a matrix that does not fit", "eval", "taken");
    }
    test_verdict(chi_buffer_download(g, 0, after, sizeof after) == CHI_OK && memcmp(after, marks, sizeof after) == 0, "a refused call", "outputs", "changed");
    chi_loss_destroy(&loss);
    chi_buffer_destroy(&x);
    chi_buffer_destroy(&g);
}

int main(void)
{
    static const char *tiles[] = { "p8x32v16", "g32x32k16" };
    const size_t count = test_tiles(tiles, sizeof tiles / sizeof *tiles);
    for (size_t t = 0; t < count; t++) {
        chi_device *dev = NULL;
        if (chi_device_open(&(chi_device_options){ .tile = tiles[t], .log = { ignore, NULL } }, &dev) != CHI_OK) {
            printf("%s\n", chi_error_text());
            return 77;
        }
        shapes(dev);
        temperatures(dev);
        values(dev);
        not_finite(dev);
        refusals(dev);
        if (t == 0)
            many_pairs(dev);
        chi_device_close(&dev);
    }
    return test_summary();
}
