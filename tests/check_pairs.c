// SPDX-License-Identifier: Apache-2.0
// check_pairs.c: MoCo and SigLIP, whose pairs are used up in one pass: one hash over tiles of both cores and over budgets
// (from windows and panels of one superblock to whole); the float32 rules in plain C bit for bit; definitions in double,
// whose gradients pass central differences; faults of arguments. CHIARO_SMALL=1: tiny shapes, for slow devices.
#include <chiaro/chiaro.h>

#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "../src/ref/moco.h"
#include "../src/ref/siglip.h"
#include "harness/budget.h"
#include "harness/buffer.h"
#include "harness/verdict.h"

static bool small;
static const char *tiles[] = { "p8x32v16", "g32x32k16v4d2", "p6x16v8", "p4x16v4", "p8x32v16k128", "g32x32k16", "g32x32k16v4s8" };
static size_t tile_count; // that this device supports; two where small

typedef struct problem {
    chi_loss_kind kind;
    size_t n, m, dim; // m: of the queue
    float tau, bias;
    bool unit, learnt;
} problem;

// Scalars: value, dL/dlog(1/τ), dL/db. In doubles for the definition, in floats for device and rules.
typedef struct outcome { float scalars[3], *gx, *gy; } outcome;
typedef struct truth { double scalars[3], *gx, *gy; } truth;
typedef struct inputs { float *x, *y, *queue; } inputs;

// Rows of different lengths unless unit, one of them zero; x near y, so that positives stand out.
static inputs fill(const problem *p)
{
    const inputs in = { malloc(4 * p->n * p->dim), malloc(4 * p->n * p->dim), malloc(4 * (p->m + 1) * p->dim) };
    chi_random_unit_rows(13, p->n, p->dim, in.x);
    chi_random_unit_rows(14, p->n, p->dim, in.y);
    chi_random_unit_rows(15, p->m, p->dim, in.queue);
    for (size_t e = 0; e < p->n * p->dim && !p->unit; e++) {
        in.y[e] = 0.5f * in.y[e] + in.x[e];
        in.x[e] *= e / p->dim == 3 ? 0.0f : 0.1f + (float)(e / p->dim % 13);
    }
    for (size_t e = 0; e < p->m * p->dim && !p->unit; e++)
        in.queue[e] *= 0.3f + (float)(e / p->dim % 5);
    return in;
}

static chi_loss_options options_of(const problem *p)
{
    return (chi_loss_options){ .kind = p->kind, .temperature = p->tau, .unit_rows = p->unit, .learnt_temperature = p->learnt, .queue_rows = p->m,
                               .bias = p->kind == CHI_LOSS_SIGLIP && !p->learnt ? p->bias : 0.0f,
                               .learnt_bias = p->kind == CHI_LOSS_SIGLIP && p->learnt };
}

static chi_status evaluate(chi_device *dev, const problem *p, const inputs *in, bool with_gradient, outcome *o)
{
    const bool siglip = p->kind == CHI_LOSS_SIGLIP;
    const size_t bytes = 4 * p->n * p->dim;
    float scalars[4] = { logf(1.0f / p->tau), p->bias, 0.0f, 0.0f };
    chi_buffer *bx = test_buffer(dev, in->x, bytes), *by = test_buffer(dev, in->y, bytes), *bq = p->m ? test_buffer(dev, in->queue, 4 * p->m * p->dim) : NULL;
    chi_buffer *gx = test_buffer(dev, NULL, bytes), *gy = test_buffer(dev, NULL, bytes), *bs = test_buffer(dev, scalars, sizeof scalars);
    chi_matrix at[4];
    for (size_t i = 0; i < 4; i++) {
        at[i] = chi_matrix_view(bs, 1, 1);
        at[i].offset = i;
    }
    const chi_matrix none = { 0 };
    const chi_loss_args args = {
        .x = chi_matrix_view(bx, p->n, p->dim), .y = chi_matrix_view(by, p->n, p->dim), .queue = p->m ? chi_matrix_view(bq, p->m, p->dim) : none,
        .log_scale = p->learnt ? at[0] : none, .bias = p->learnt && siglip ? at[1] : none,
        .grad_x = with_gradient ? chi_matrix_view(gx, p->n, p->dim) : none, .grad_y = with_gradient && siglip ? chi_matrix_view(gy, p->n, p->dim) : none,
        .grad_log_scale = with_gradient ? at[2] : none, .grad_bias = with_gradient && siglip ? at[3] : none,
    };
    const chi_loss_options options = options_of(p);
    chi_loss *loss = NULL;
    chi_status st = chi_loss_create(dev, p->n, p->dim, &options, &loss);
    if (st == CHI_OK)
        st = chi_loss_eval(loss, &args, &o->scalars[0]);
    if (st == CHI_OK)
        st = chi_buffer_download(gx, 0, o->gx, bytes);
    if (st == CHI_OK)
        st = chi_buffer_download(gy, 0, o->gy, bytes);
    if (st == CHI_OK)
        st = chi_buffer_download(bs, 8, o->scalars + 1, 8);
    if (st != CHI_OK)
        printf("%s\n", chi_error_text());
    chi_loss_destroy(&loss);
    chi_buffer **all[] = { &bx, &by, &bq, &gx, &gy, &bs };
    for (size_t i = 0; i < 6; i++)
        chi_buffer_destroy(all[i]);
    return st;
}

static uint64_t hash_of(const problem *p, const outcome *o)
{
    return chi_hash(chi_hash(chi_hash(CHI_HASH_START, o->scalars, sizeof o->scalars), o->gx, 4 * p->n * p->dim), o->gy, 4 * p->n * p->dim);
}

static void define(const problem *p, const inputs *in, truth *t)
{
    if (p->kind == CHI_LOSS_SIGLIP)
        chi__ref_siglip(p->n, p->dim, (double)p->tau, (double)p->bias, p->unit, in->x, in->y, &t->scalars[0], t->gx, t->gy, &t->scalars[1], &t->scalars[2]);
    else
        chi__ref_moco(p->n, p->m, p->dim, (double)p->tau, p->unit, in->x, in->y, in->queue, &t->scalars[0], t->gx, &t->scalars[1]);
}

// The bound as in check_bits.c: a logit's chain of dim products, scaled by 1 / τ.
static void check_definition(const problem *p, const inputs *in, const outcome *o, const char *what)
{
    const size_t count = p->n * p->dim;
    const double bound = 4.0 * 0x1p-24 * ((double)p->dim / (double)p->tau + 32.0);
    truth t = { .gx = calloc(count, sizeof(double)), .gy = calloc(count, sizeof(double)) };
    define(p, in, &t);
    for (size_t i = 0; i < 3; i++) {
        const double error = fabs((double)o->scalars[i] - t.scalars[i]);
        if (error > bound * fmax(1.0, fabs(t.scalars[i])))
            printf("%s: scalar %zu is %.8g, by definition %.8g\n", what, i, (double)o->scalars[i], t.scalars[i]);
        test_verdict(error <= bound * fmax(1.0, fabs(t.scalars[i])), what, "default", "value, temperature's or bias's gradient are not those of the definition");
    }
    test_verdict(test_error(o->gx, t.gx, count) <= bound && test_error(o->gy, t.gy, count) <= bound, what, "default", "gradients are not those of the definition");
    free(t.gx);
    free(t.gy);
}

static void check_rules(const problem *p, const inputs *in, const outcome *o, const char *what)
{
    const float log_scale = logf(1.0f / p->tau);
    const chi__exact_loss_options options = { .n = p->n, .dim = p->dim, .temperature = p->tau, .log_scale = p->learnt ? &log_scale : NULL, .unit_rows = p->unit };
    outcome r = { .gx = calloc(p->n * p->dim, 4), .gy = calloc(p->n * p->dim, 4) };
    const bool done = p->kind == CHI_LOSS_SIGLIP
                          ? chi__exact_siglip(&options, p->bias, in->x, in->y, &r.scalars[0], r.gx, r.gy, &r.scalars[1], &r.scalars[2])
                          : chi__exact_moco(&options, p->m, in->x, in->y, in->queue, &r.scalars[0], r.gx, &r.scalars[1]);
    test_verdict(done && test_same_bits(o->scalars, r.scalars, 1, 3, "scalars"), what, "default", "the scalars break the float32 rules");
    test_verdict(done && test_same_bits(o->gx, r.gx, p->n, p->dim, "grad_x"), what, "default", "grad_x breaks the float32 rules");
    test_verdict(done && test_same_bits(o->gy, r.gy, p->n, p->dim, "grad_y"), what, "default", "grad_y breaks the float32 rules");
    free(r.gx);
    free(r.gy);
}

// The definition's own gradients by central differences, a few entries of x and y.
static void check_differences(const problem *p, const inputs *in, const char *what)
{
    const size_t count = p->n * p->dim;
    truth t = { .gx = calloc(count, sizeof(double)), .gy = calloc(count, sizeof(double)) };
    truth up = { .gx = calloc(count, sizeof(double)), .gy = calloc(count, sizeof(double)) };
    define(p, in, &t);
    for (size_t e = 0; e < count; e += count / 5 + 1)
        for (int side = 0; side < (p->kind == CHI_LOSS_SIGLIP ? 2 : 1); side++) {
            float *at = (side ? in->y : in->x) + e;
            const float old = *at, high = old + 0x1p-14f, low = old - 0x1p-14f;
            if (!p->unit && e / p->dim == 3)
                continue; // a zero row: its direction jumps
            *at = high;
            define(p, in, &up);
            const double above = up.scalars[0];
            *at = low;
            define(p, in, &up);
            *at = old;
            const double slope = (above - up.scalars[0]) / ((double)high - (double)low), want = side ? t.gy[e] : t.gx[e];
            test_verdict(fabs(slope - want) <= 1e-3 * fabs(want) + 1e-4, what, "reference", "the definition's gradient is not its slope");
        }
    free(t.gx);
    free(t.gy);
    free(up.gx);
    free(up.gy);
}

static void check_problem(const problem *p)
{
    // What is liked; the least, found by asking; a few windows of sums more; a panel or window of tiles.
    static const struct { bool least; size_t a_row; uint64_t more; } budgets[] = { { false, 0, 0 }, { true, 0, 0 }, { true, 24, 0 }, { false, 0, 3u << 20 } };
    char what[96];
    const size_t count = p->n * p->dim;
    inputs in = fill(p);
    outcome first = { .gx = calloc(count, 4), .gy = calloc(count, 4) }, other = { .gx = calloc(count, 4), .gy = calloc(count, 4) };
    snprintf(what, sizeof what, "%s %zu x %zu x %zu tau %g%s%s", p->kind == CHI_LOSS_MOCO ? "moco" : "siglip", p->n, p->m, p->dim, (double)p->tau,
             p->unit ? " unit" : "", p->learnt ? " learnt" : "");
    check_differences(p, &in, what);
    uint64_t hash = 0;
    for (size_t t = 0; t < tile_count; t++)
        for (int b = 0; b < (t < 2 ? 4 : 1); b++) {
            chi_device *dev = NULL;
            chi_loss_options options = options_of(p);
            bool windows;
            uint64_t bytes = budgets[b].more + budgets[b].a_row * p->n;
            if (budgets[b].least) {
                const uint64_t least = test_least_budget(tiles[t], p->n, p->dim, &options, 4 * (4 * p->n + p->m) * p->dim + 6 * 64, &windows);
                bytes += least;
                test_verdict(least > 0 || p->n * p->dim < 999, what, tiles[t], "4 KiB are enough");
                test_verdict(windows || (p->n <= 128 && p->m < 4096) || p->m == 301, what, tiles[t], "sums go by no windows");
            }
            if (chi_device_open(&(chi_device_options){ .tile = tiles[t], .memory_bytes = bytes }, &dev) != CHI_OK) {
                test_verdict(false, what, tiles[t], chi_error_text());
                continue;
            }
            const chi_status st = evaluate(dev, p, &in, true, t + (size_t)b ? &other : &first);
            if (t + (size_t)b == 0) {
                hash = hash_of(p, &first);
                check_definition(p, &in, &first, what);
                check_rules(p, &in, &first, what);
                other.scalars[0] = NAN;
                test_verdict(evaluate(dev, p, &in, false, &other) == CHI_OK && memcmp(&other.scalars[0], &first.scalars[0], 4) == 0, what, tiles[t], "another value without gradients");
            }
            test_verdict(st == CHI_OK && (t + (size_t)b == 0 || hash_of(p, &other) == hash), what, tiles[t], "other bits than the first tile and budget");
            chi_device_close(&dev);
        }
    printf("hash %016llx\n", (unsigned long long)hash);
    float *all[] = { in.x, in.y, in.queue, first.gx, first.gy, other.gx, other.gy };
    for (size_t i = 0; i < 7; i++)
        free(all[i]);
}

// Refused in a sentence, and outputs stay as they were.
static void check_faults(chi_device *dev)
{
    chi_loss *loss = NULL;
    const chi_loss_options bad[] = { { .kind = CHI_LOSS_MOCO }, { .kind = CHI_LOSS_CLIP, .queue_rows = 4 }, { .kind = CHI_LOSS_CLIP, .bias = 1.0f },
                                     { .kind = CHI_LOSS_MOCO, .queue_rows = 4, .learnt_bias = true }, { .kind = CHI_LOSS_SIGLIP, .bias = NAN },
                                     { .kind = CHI_LOSS_SIGLIP, .queue_rows = 1 }, { .kind = (chi_loss_kind)77 } };
    for (size_t i = 0; i < sizeof bad / sizeof *bad; i++)
        test_verdict(chi_loss_create(dev, 8, 4, &bad[i], &loss) == CHI_ERR_ARGUMENT && !loss, "faults", "options", "nonsense was taken");
    chi_buffer *b = test_buffer(dev, NULL, 4 * 64 * 4);
    const chi_matrix m = chi_matrix_view(b, 8, 4), none = { 0 };
    const chi_loss_args args[] = { { .x = m, .y = m }, { .x = m, .y = m, .queue = m, .grad_y = m }, { .x = m, .y = m, .queue = m, .grad_bias = chi_matrix_view(b, 1, 1) },
                                   { .x = m, .queue = m }, { .x = m, .y = m, .queue = chi_matrix_view(b, 16, 4), .value = none } };
    if (chi_loss_create(dev, 8, 4, &(chi_loss_options){ .kind = CHI_LOSS_MOCO, .queue_rows = 9 }, &loss) != CHI_OK)
        printf("%s\n", chi_error_text());
    for (size_t i = 0; loss && i < sizeof args / sizeof *args; i++) {
        float value = 5.0f;
        test_verdict(chi_loss_eval(loss, &args[i], &value) < 0 && value == 5.0f, "faults", "moco's arguments", "nonsense was taken");
    }
    chi_loss_destroy(&loss);
    float value = 5.0f;
    test_verdict(chi_loss_create(dev, 0, 4, &(chi_loss_options){ .kind = CHI_LOSS_SIGLIP }, &loss) == CHI_OK &&
                     chi_loss_eval(loss, &(chi_loss_args){ .x = none }, &value) == CHI_OK && value == 0.0f, "faults", "n = 0", "its value is not 0");
    chi_loss_destroy(&loss);
    chi_buffer_destroy(&b);
}

int main(void)
{
    small = getenv("CHIARO_SMALL") != NULL;
    chi_device *dev = NULL;
    if (chi_device_open(NULL, &dev) != CHI_OK) {
        printf("%s\n", chi_error_text());
        return 77;
    }
    check_faults(dev);
    chi_device_close(&dev);
    tile_count = test_tiles(tiles, sizeof tiles / sizeof *tiles);
    tile_count = small && tile_count > 2 ? 2 : tile_count;
    static const problem tiny[] = { { CHI_LOSS_MOCO, 5, 21, 3, 0.1f, 0.0f, false, false }, { CHI_LOSS_MOCO, 4, 9, 4, 0.01f, 0.0f, true, true },
                                    { CHI_LOSS_SIGLIP, 18, 0, 3, 0.1f, -2.0f, false, false }, { CHI_LOSS_SIGLIP, 7, 0, 5, 0.05f, -1.0f, true, true } };
    static const problem full[] = {
        { CHI_LOSS_MOCO, 1, 1, 1, 0.5f, 0.0f, false, false },       { CHI_LOSS_MOCO, 70, 700, 33, 0.07f, 0.0f, false, false },
        { CHI_LOSS_MOCO, 131, 4500, 20, 0.2f, 0.0f, true, false },  { CHI_LOSS_MOCO, 33, 600, 17, 0.01f, 0.0f, false, false },
        { CHI_LOSS_MOCO, 300, 301, 16, 0.1f, 0.0f, true, true },    { CHI_LOSS_SIGLIP, 1, 0, 1, 0.1f, -10.0f, true, false },
        { CHI_LOSS_SIGLIP, 129, 0, 50, 0.1f, -10.0f, true, false }, { CHI_LOSS_SIGLIP, 700, 0, 24, 0.1f, 0.0f, false, false },
        { CHI_LOSS_SIGLIP, 257, 0, 33, 0.01f, 3.5f, false, true },
    };
    const problem *problems = small ? tiny : full;
    for (size_t i = 0; i < (small ? sizeof tiny : sizeof full) / sizeof *problems; i++)
        check_problem(&problems[i]);
    return test_summary();
}
