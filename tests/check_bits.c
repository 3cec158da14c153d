// SPDX-License-Identifier: Apache-2.0
// check_bits.c: one hash for each loss and its gradients, each similarity, and a trained network, over tiles of
// both cores and over memory budgets (kept, hybrid, recomputed tiles); the loss against the float32 rules in plain C, bit
// for bit, and against its definition in double.
// CHIARO_SMALL=1: tiny shapes, for slow devices; CHIARO_SMALL=losses: of losses alone.
#include <chiaro/chiaro.h>

#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "../src/ref/exact.h"
#include "../src/ref/loss.h"
#include "harness/budget.h"
#include "harness/buffer.h"
#include "harness/verdict.h"

static bool small;

// Tiles that differ in every number: each compiles its own programs, which is where the time goes.
static const char *tiles[] = { "p8x32v16", "g32x32k16v4d2", "p6x16v8", "g64x64k16v4", "p4x16v4", "p8x32v16k128", "g64x64k16v4s16" };
static size_t tile_count; // that this device supports; two where small

// ---- losses ------------------------------------------------------------------------------------------
typedef struct problem {
    chi_loss_kind kind;
    size_t n, dim;
    float tau;
    bool unit, learnt;
} problem;

typedef struct outcome { float value, *gx, *gy, scale; uint64_t hash; const char *scheme; } outcome;

// Rows of different lengths unless unit, one of them zero, one too short to have a direction; labels repeat every 7 rows, one row stands alone.
static void fill(const problem *p, float *x, float *y, int32_t *labels)
{
    chi_random_unit_rows(3, p->n, p->dim, x);
    chi_random_unit_rows(4, p->n, p->dim, y);
    for (size_t i = 0; i < p->n; i++) {
        labels[i] = i == p->n / 2 ? 1000 : (int32_t)(i % 7);
        for (size_t k = 0; k < p->dim && !p->unit; k++) {
            y[i * p->dim + k] = 0.5f * y[i * p->dim + k] + x[i * p->dim + k];
            x[i * p->dim + k] *= i == 101 ? 0.0f : i == 103 ? 1e-20f : i == 107 ? 1e18f : 0.1f + (float)(i % 13);
        }
    }
}

static chi_loss_options options_of(const problem *p)
{
    return (chi_loss_options){ .kind = p->kind, .temperature = p->tau, .unit_rows = p->unit, .learnt_temperature = p->learnt };
}

static chi_status evaluate(chi_device *dev, const problem *p, const float *x, const float *y, const int32_t *labels, outcome *o)
{
    const size_t bytes = 4 * p->n * p->dim;
    const bool two = p->kind == CHI_LOSS_CLIP || p->kind == CHI_LOSS_INFONCE;
    float scale[2] = { logf(1.0f / p->tau), 0.0f };
    chi_buffer *bx = test_buffer(dev, x, bytes), *by = test_buffer(dev, y, bytes), *gx = test_buffer(dev, NULL, bytes), *gy = test_buffer(dev, NULL, bytes);
    chi_buffer *bl = test_buffer(dev, labels, 4 * p->n), *bs = test_buffer(dev, scale, sizeof scale);
    chi_loss_args a = { .x = chi_matrix_view(bx, p->n, p->dim), .grad_x = chi_matrix_view(gx, p->n, p->dim) };
    if (two) {
        a.y = chi_matrix_view(by, p->n, p->dim);
        a.grad_y = chi_matrix_view(gy, p->n, p->dim);
    }
    a.labels = p->kind == CHI_LOSS_SUPCON ? bl : NULL;
    if (p->learnt) {
        a.log_scale = a.grad_log_scale = chi_matrix_view(bs, 1, 1);
        a.grad_log_scale.offset = 1;
    }
    chi_loss *loss = NULL;
    const chi_loss_options options = options_of(p);
    chi_status st = chi_loss_create(dev, p->n, p->dim, &options, &loss);
    if (st == CHI_OK)
        st = chi_loss_eval(loss, &a, &o->value);
    if (st == CHI_OK)
        st = chi_buffer_download(gx, 0, o->gx, bytes);
    if (st == CHI_OK)
        st = chi_buffer_download(gy, 0, o->gy, bytes);
    if (st == CHI_OK)
        st = chi_buffer_download(bs, 0, scale, sizeof scale);
    o->scale = scale[1];
    o->hash = chi_hash(chi_hash(chi_hash(chi_hash(CHI_HASH_START, &o->value, 4), o->gx, bytes), o->gy, bytes), scale, sizeof scale);
    if (st == CHI_OK) {
        chi_plan report;
        chi_loss_describe(loss, &report);
        o->scheme = report.scheme;
    } else {
        printf("%s\n", chi_error_text());
    }
    chi_loss_destroy(&loss);
    chi_buffer **all[] = { &bx, &by, &gx, &gy, &bl, &bs };
    for (size_t i = 0; i < 6; i++)
        chi_buffer_destroy(all[i]);
    return st;
}

// A logit is a chain of dim products scaled by 1 / τ: its error, and so the relative error of each weight, is at most
// dim · 2^-24 / τ; sums add log2(n) roundings. Random signs keep the real one far below.
static void check_definition(const problem *p, const float *x, const float *y, const int32_t *labels, const outcome *o, const char *what)
{
    double *gx = calloc(p->n * p->dim, sizeof *gx), *gy = calloc(p->n * p->dim, sizeof *gy), value = 0.0, scale = 0.0;
    const double bound = 4.0 * 0x1p-24 * ((double)p->dim / (double)p->tau + 32.0);
    chi__ref_loss(p->kind, p->n, p->dim, (double)p->tau, p->unit, x, y, labels, &value, gx, gy, &scale);
    const bool two = p->kind == CHI_LOSS_CLIP || p->kind == CHI_LOSS_INFONCE;
    test_verdict(fabs((double)o->value - value) <= bound * fmax(1.0, value), what, "default", "the value is not that of the definition");
    const double error_x = test_error(o->gx, gx, p->n * p->dim), error_y = two ? test_error(o->gy, gy, p->n * p->dim) : 0.0;
    if (error_x > bound || error_y > bound)
        printf("%s: errors %.2g and %.2g of the largest entry, bound %.2g\n", what, error_x, error_y, bound);
    test_verdict(error_x <= bound, what, "default", "grad_x is not that of the definition");
    if (two)
        test_verdict(error_y <= bound, what, "default", "grad_y is not that of the definition");
    if (p->learnt)
        test_verdict(fabs((double)o->scale - scale) <= bound * fmax(1.0, fabs(scale)), what, "default", "the temperature's gradient is not that of the definition");
    free(gx);
    free(gy);
}

// The float32 rules in plain C give the same bits.
static void check_rules(const problem *p, const float *x, const float *y, const int32_t *labels, const outcome *o, const char *what)
{
    float *gx = calloc(p->n * p->dim, 4), *gy = calloc(p->n * p->dim, 4), value = 0.0f, scale = 0.0f;
    const float log_scale = logf(1.0f / p->tau);
    const chi__exact_loss_options options = { .kind = p->kind, .n = p->n, .dim = p->dim, .temperature = p->tau,
                                              .log_scale = p->learnt ? &log_scale : NULL, .unit_rows = p->unit };
    const bool done = chi__exact_loss(&options, x, y, labels, &value, gx, gy, &scale);
    const bool two = p->kind == CHI_LOSS_CLIP || p->kind == CHI_LOSS_INFONCE;
    test_verdict(done && test_same_bits(&o->value, &value, 1, 1, "value"), what, "default", "the value breaks the float32 rules");
    test_verdict(done && test_same_bits(o->gx, gx, p->n, p->dim, "grad_x"), what, "default", "grad_x breaks the float32 rules");
    if (two)
        test_verdict(done && test_same_bits(o->gy, gy, p->n, p->dim, "grad_y"), what, "default", "grad_y breaks the float32 rules");
    if (p->learnt)
        test_verdict(done && test_same_bits(&o->scale, &scale, 1, 1, "grad_log_scale"), what, "default", "grad_log_scale breaks the float32 rules");
    free(gx);
    free(gy);
}

// Budgets of a problem: as much as it likes; where there are several superblocks, the least, whose sums go by windows of one;
// for larger ones, windows of a few, then some superblocks of kept tiles. The first tile sees them all, the second (of the
// other core) most, each of the others every second problem, or fourth on the group core: compiling is what takes time.
static size_t budgets_of(const problem *p, size_t t, size_t index, const char *what, uint64_t bytes[4])
{
    const chi_loss_options options = options_of(p);
    bool windows;
    bytes[0] = 0;
    if (t >= 2)
        return (t + index) % (tiles[t][0] == 'g' ? 4 : 2) == 0;
    bytes[1] = test_least_budget(tiles[t], p->n, p->dim, &options, 4 * (4 * p->n * p->dim + p->n) + 6 * 64, &windows);
    bytes[2] = bytes[1] + 24 * p->n;
    bytes[3] = bytes[1] + 1024 * p->n;
    const bool itself = p->kind == CHI_LOSS_NTXENT || p->kind == CHI_LOSS_SUPCON;
    test_verdict(windows == (p->n > (itself ? 256 : 128)), what, tiles[t], "sums go by windows where there are several superblocks");
    return p->n > 520 ? 4 : p->n > (t ? 520 : 256) ? 2 : 1;
}

static void check_problem(const problem *p, size_t index)
{
    static const char *const names[] = { "clip", "infonce", "ntxent", "supcon" };
    char what[96];
    uint64_t bytes[4];
    const size_t count = p->n * p->dim;
    float *x = malloc(4 * count), *y = malloc(4 * count);
    int32_t *labels = malloc(4 * p->n);
    outcome first = { .gx = calloc(count, 4), .gy = calloc(count, 4) }, other = { .gx = calloc(count, 4), .gy = calloc(count, 4) };
    snprintf(what, sizeof what, "%s %zu x %zu tau %g%s%s", names[p->kind], p->n, p->dim, (double)p->tau, p->unit ? " unit" : "", p->learnt ? " learnt" : "");
    fill(p, x, y, labels);
    bool have = false;
    for (size_t t = 0; t < tile_count; t++)
        for (size_t budget = 0, budgets = budgets_of(p, t, index, what, bytes); budget < budgets; budget++) {
            chi_device *dev = NULL;
            if (chi_device_open(&(chi_device_options){ .tile = tiles[t], .memory_bytes = bytes[budget] }, &dev) != CHI_OK) {
                test_verdict(false, what, tiles[t], chi_error_text());
                continue;
            }
            const chi_status st = evaluate(dev, p, x, y, labels, have ? &other : &first);
            if (!have && st == CHI_OK) {
                check_definition(p, x, y, labels, &first, what);
                check_rules(p, x, y, labels, &first, what);
            } else {
                test_verdict(st == CHI_OK && other.hash == first.hash, what, tiles[t], "other bits than the first tile");
            }
            have = true;
            chi_device_close(&dev);
        }
    printf("hash %016llx %s\n", (unsigned long long)first.hash, what);
    free(x);
    free(y);
    free(labels);
    free(first.gx);
    free(first.gy);
    free(other.gx);
    free(other.gy);
}

// ---- similarity and a network --------------------------------------------------------------------------
static uint64_t similarity_hash(chi_device *dev, chi_metric metric, float scale, size_t n, size_t m, size_t dim)
{
    float *x = malloc(4 * n * dim), *y = malloc(4 * m * dim), *all = malloc(4 * n * m);
    chi_random_unit_rows(5, n, dim, x);
    chi_random_unit_rows(6, m, dim, y);
    const size_t k = 9;
    chi_buffer *bx = test_buffer(dev, x, 4 * n * dim), *by = test_buffer(dev, y, 4 * m * dim), *out = test_buffer(dev, NULL, 4 * n * m), *lse = test_buffer(dev, NULL, 4 * n);
    chi_buffer *values = test_buffer(dev, NULL, 4 * n * k), *indices = test_buffer(dev, NULL, 4 * n * k);
    const chi_matrix mx = chi_matrix_view(bx, n, dim), my = chi_matrix_view(by, m, dim);
    uint64_t histogram[16], hash = CHI_HASH_START;
    chi_pair_stats stats;
    chi_similarity *sim = NULL;
    chi_status st = chi_similarity_create(dev, n, m, dim, &(chi_similarity_options){ .metric = metric, .scale = scale, .topk = k }, &sim);
    if (st == CHI_OK)
        st = chi_similarity_store(sim, mx, my, chi_matrix_view(out, n, m));
    if (st == CHI_OK)
        st = chi_similarity_logsumexp(sim, mx, my, chi_matrix_view(lse, n, 1));
    if (st == CHI_OK)
        st = chi_similarity_topk(sim, mx, my, k, chi_matrix_view(values, n, k), indices);
    if (st == CHI_OK)
        st = chi_similarity_stats(sim, mx, my, -1.0f, 1.0f, 16, histogram, &stats);
    const chi_buffer *parts[] = { out, lse, values, indices };
    const size_t bytes[] = { 4 * n * m, 4 * n, 4 * n * k, 4 * n * k };
    for (size_t i = 0; i < 4 && st == CHI_OK; i++) {
        st = chi_buffer_download(parts[i], 0, all, bytes[i] < 4 * n * m ? bytes[i] : 4 * n * m);
        hash = chi_hash(hash, all, bytes[i] < 4 * n * m ? bytes[i] : 4 * n * m);
    }
    hash = st == CHI_OK ? chi_hash(chi_hash(hash, histogram, sizeof histogram), &stats, sizeof stats) : 0;
    if (st != CHI_OK)
        printf("%s\n", chi_error_text());
    chi_similarity_destroy(&sim);
    chi_buffer **buffers[] = { &bx, &by, &out, &lse, &values, &indices };
    for (size_t i = 0; i < 6; i++)
        chi_buffer_destroy(buffers[i]);
    free(x);
    free(y);
    free(all);
    return hash;
}

// Weights after a few steps of a small network with every kind of layer.
static uint64_t network_hash(chi_device *dev)
{
    const size_t rows = small ? 4 : 40, pixels = 3 * 13 * 11;
    const char *text = "conv2d:8,k=3,s=2,p=1,bias=0 batch_norm relu residual( conv2d:8,k=3,p=1 batch_norm gelu conv2d:12,k=1,g=4 | conv2d:12,k=1 ) "
                       "max_pool:k=3,s=2,p=1 average_pool:k=2,s=1 gelu flatten linear:17 normalize";
    chi_layer *layers = NULL;
    chi_encoder *enc = NULL;
    chi_optimizer *opt = NULL;
    float *x = malloc(4 * rows * pixels), weights[4096];
    uint64_t hash = CHI_HASH_START;
    chi_random_unit_rows(7, rows, pixels, x);
    chi_buffer *bx = test_buffer(dev, x, 4 * rows * pixels), *z = test_buffer(dev, NULL, 4 * rows * 17), *g = test_buffer(dev, NULL, 4 * rows * 17);
    chi_status st = chi_layers_parse(text, &layers);
    if (st == CHI_OK)
        st = chi_encoder_create(dev, rows, (chi_shape){ 3, 13, 11 }, layers, 11, &enc);
    if (st == CHI_OK)
        st = chi_optimizer_create(dev, chi_encoder_parameters(enc), &(chi_optimizer_options){ .kind = CHI_OPTIMIZER_ADAMW, .weight_decay = 0.01f }, &opt);
    chi_loss *loss = NULL;
    if (st == CHI_OK)
        st = chi_loss_create(dev, rows, 17, &(chi_loss_options){ .kind = CHI_LOSS_NTXENT, .temperature = 0.2f }, &loss);
    for (int step = 0; step < (small ? 2 : 20) && st == CHI_OK; step++) {
        const chi_matrix mz = chi_matrix_view(z, rows, 17), mg = chi_matrix_view(g, rows, 17);
        st = chi_encoder_forward(enc, chi_matrix_view(bx, rows, pixels), mz);
        if (st == CHI_OK)
            st = chi_loss_eval(loss, &(chi_loss_args){ .x = mz, .grad_x = mg }, NULL);
        if (st == CHI_OK)
            st = chi_encoder_backward(enc, mg, (chi_matrix){ 0 });
        if (st == CHI_OK)
            st = chi_optimizer_step(opt, 0.01f);
    }
    const chi_parameters p = enc ? chi_encoder_parameters(enc) : (chi_parameters){ 0 };
    for (size_t i = 0; i < p.count && st == CHI_OK; i++) {
        st = p.items[i].count <= 4096 ? chi_encoder_read(enc, i, 0, weights) : CHI_ERR_SHAPE;
        hash = chi_hash(hash, weights, 4 * p.items[i].count);
    }
    if (st != CHI_OK)
        printf("%s\n", chi_error_text());
    chi_loss_destroy(&loss);
    chi_optimizer_destroy(&opt);
    chi_encoder_destroy(&enc);
    chi_layers_free(&layers);
    chi_buffer_destroy(&bx);
    chi_buffer_destroy(&z);
    chi_buffer_destroy(&g);
    free(x);
    return st == CHI_OK ? hash : 0;
}

static void check_others(void)
{
    enum { CASES = 5 };
    static const struct { chi_metric metric; float scale; } metrics[CASES - 1] = {
        { CHI_METRIC_DOT, 1.0f }, { CHI_METRIC_COSINE, 10.0f }, { CHI_METRIC_SQUARED_EUCLIDEAN, -2.0f }, { CHI_METRIC_COSINE, 200.0f } };
    uint64_t first[CASES] = { 0 };
    for (size_t t = 0; t < tile_count; t++) {
        chi_device *dev = NULL;
        const char *tile = tiles[t];
        if (chi_device_open(&(chi_device_options){ .tile = tile }, &dev) != CHI_OK) {
            test_verdict(false, "similarity", tile, chi_error_text());
            continue;
        }
        for (size_t c = 0; c < CASES; c++) {
            if (t >= 2 && c + 1 < CASES && c != t % (CASES - 1))
                continue; // check_similarity.c has every tile and metric beside the rules
            const uint64_t hash = c + 1 == CASES ? network_hash(dev)
                                                 : similarity_hash(dev, metrics[c].metric, metrics[c].scale, small ? 5 : 131, small ? 19 : 307, small ? 3 : 37);
            test_verdict(hash != 0 && (t == 0 || hash == first[c]), c + 1 == CASES ? "weights after 20 steps" : "similarity", tile, "other bits than the first tile");
            first[c] = t == 0 ? hash : first[c];
        }
        chi_device_close(&dev);
    }
    for (size_t c = 0; c < CASES; c++)
        printf("hash %016llx\n", (unsigned long long)first[c]);
}

int main(void)
{
    small = getenv("CHIARO_SMALL") != NULL;
    chi_device *dev = NULL;
    if (chi_device_open(NULL, &dev) != CHI_OK) {
        printf("%s\n", chi_error_text());
        return 77;
    }
    chi_device_close(&dev);
    tile_count = test_tiles(tiles, sizeof tiles / sizeof *tiles);
    tile_count = small && tile_count > 2 ? 2 : tile_count;
    static const problem tiny[] = { { CHI_LOSS_CLIP, 6, 3, 0.1f, false, false }, { CHI_LOSS_NTXENT, 6, 5, 0.1f, false, false },
                                    { CHI_LOSS_SUPCON, 17, 3, 0.01f, false, false }, { CHI_LOSS_INFONCE, 9, 4, 0.01f, true, true } };
    static const problem full[] = {
        { CHI_LOSS_CLIP, 1, 1, 0.1f, false, false },     { CHI_LOSS_CLIP, 129, 50, 0.07f, true, false },   { CHI_LOSS_CLIP, 300, 64, 0.01f, false, false },
        { CHI_LOSS_CLIP, 257, 33, 0.1f, false, true },   { CHI_LOSS_CLIP, 1600, 40, 0.1f, false, false },  { CHI_LOSS_INFONCE, 131, 17, 0.1f, false, false },
        { CHI_LOSS_INFONCE, 300, 20, 0.02f, true, false }, { CHI_LOSS_NTXENT, 2, 3, 0.5f, false, false },  { CHI_LOSS_NTXENT, 130, 31, 0.1f, false, false },
        { CHI_LOSS_NTXENT, 600, 40, 0.01f, false, true }, { CHI_LOSS_NTXENT, 4200, 16, 0.2f, true, false }, { CHI_LOSS_SUPCON, 1, 4, 0.1f, false, false },
        { CHI_LOSS_SUPCON, 127, 29, 0.1f, false, false }, { CHI_LOSS_SUPCON, 520, 24, 0.02f, true, false }, { CHI_LOSS_SUPCON, 600, 40, 0.1f, false, true },
        { CHI_LOSS_CLIP, 66, 515, 0.1f, false, false },  { CHI_LOSS_SUPCON, 67, 515, 0.2f, false, false },
    };
    const problem *problems = small ? tiny : full;
    for (size_t i = 0; i < (small ? sizeof tiny : sizeof full) / sizeof *problems; i++)
        check_problem(&problems[i], i);
    if (!small || strcmp(getenv("CHIARO_SMALL"), "losses") != 0)
        check_others();
    return test_summary();
}
