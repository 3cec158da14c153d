// SPDX-License-Identifier: Apache-2.0
// trial.c: runs tiles of one kernel: results at ragged shapes, then times. A client of the public interface: it sees what a
// user sees. Asked by ask.c, in a process of its own where there is a runner. Header: trial.h.
#include <chiaro/data.h>
#include <chiaro/encoder.h>
#include <chiaro/loss.h>

#include <math.h>
#include <stdio.h>
#include <string.h>


#include "../base/clock.h"
#include "../base/hash.h"
#include "../base/memory.h"
#include "trial.h"

enum { X, Y, LABELS, OUT, INDICES, GRAD_X, GRAD_Y, VALUE, BUFFERS }; // results from OUT on
enum { TOPK = 10, CONV_IMAGES = 16, MOST_LABELS = 300, CLASSES = 7, NARROW_SIDE = 28, WIDE_SIDE = 14, KERNEL = 3 };
static const float TEMPERATURE = 0.1f;
static const double SAMPLE_US = 1e3, BUSY = 0.85; // the shortest that is worth a clock; a share of the processors

// One problem on one device.
typedef struct job {
    chi_device *dev;
    chi__family family;
    bool clblast;
    chi_loss_kind kind;              // loss
    size_t n, m, dim, height, width; // conv: n images of dim channels, height × width
    chi_similarity *sim;
    chi_loss *loss;
    chi_encoder *enc;
    chi_buffer *at[BUFFERS];
} job;

// ---- shapes ------------------------------------------------------------------------------------------
static size_t conv_side(size_t channels) { return chi__shape_class(channels) ? WIDE_SIDE : NARROW_SIDE; }

void chi__trial_shape(chi__family family, size_t n, size_t dim, uint64_t *rows, uint64_t *columns)
{
    const bool conv = family == CHI__FAMILY_CONV;
    *rows = conv ? CONV_IMAGES : n;
    *columns = conv ? conv_side(dim) * conv_side(dim) : n;
}

double chi__trial_flop(chi__family family, size_t n, size_t dim)
{
    uint64_t rows, columns;
    chi__trial_shape(family, n, dim, &rows, &columns);
    const double pairs = (double)rows * (double)columns;
    if (family == CHI__FAMILY_CONV)
        return 3.0 * 2.0 * pairs * (double)(dim * dim * KERNEL * KERNEL); // forward, and both gradients
    return (family == CHI__FAMILY_LOSS ? 3.0 : 1.0) * 2.0 * pairs * (double)dim;
}

// ---- one job -----------------------------------------------------------------------------------------
static void job_close(job *j)
{
    chi_similarity_destroy(&j->sim);
    chi_loss_destroy(&j->loss);
    chi_encoder_destroy(&j->enc);
    for (int i = 0; i < BUFFERS; i++)
        chi_buffer_destroy(&j->at[i]);
}

static chi_status add_rows(job *j, int place, uint64_t seed, size_t rows, size_t cols)
{
    float *x = chi__alloc(rows * cols, sizeof *x);
    chi_status st = x ? chi_random_unit_rows(seed, rows, cols, x) : CHI_ERR_MEMORY;
    if (st == CHI_OK)
        st = chi_buffer_create(j->dev, 4 * rows * cols, &j->at[place]);
    if (st == CHI_OK)
        st = chi_buffer_upload(j->at[place], 0, x, 4 * rows * cols);
    chi__free(x);
    return st;
}

static size_t pixels_of(const job *j) { return j->dim * j->height * j->width; }

static chi_status open_conv(job *j)
{
    const chi_layer layers[] = { { .kind = CHI_LAYER_CONV2D, .width = j->dim, .kernel = KERNEL, .padding = 1, .no_bias = true }, { .kind = CHI_LAYER_END } };
    CHI_TRY(chi_encoder_create(j->dev, j->n, (chi_shape){ j->dim, j->height, j->width }, layers, 1, &j->enc));
    CHI_TRY(add_rows(j, X, 1, j->n, pixels_of(j)));
    CHI_TRY(add_rows(j, Y, 2, j->n, pixels_of(j))); // gradient of the output
    CHI_TRY(chi_buffer_create(j->dev, 4 * j->n * pixels_of(j), &j->at[OUT]));
    return chi_buffer_create(j->dev, 4 * j->n * pixels_of(j), &j->at[GRAD_X]);
}

static chi_status open_loss(job *j)
{
    for (int place = GRAD_X; place <= GRAD_Y; place++)
        CHI_TRY(chi_buffer_create(j->dev, 4 * j->n * j->dim, &j->at[place]));
    CHI_TRY(chi_buffer_create(j->dev, 4, &j->at[VALUE]));
    if (j->kind == CHI_LOSS_SUPCON) {
        int32_t labels[MOST_LABELS];
        for (size_t i = 0; i < MOST_LABELS; i++)
            labels[i] = (int32_t)(i % CLASSES);
        CHI_TRY(chi_buffer_create(j->dev, sizeof labels, &j->at[LABELS]));
        CHI_TRY(chi_buffer_upload(j->at[LABELS], 0, labels, sizeof labels));
    }
    return chi_loss_create(j->dev, j->n, j->dim, &(chi_loss_options){ .kind = j->kind, .temperature = TEMPERATURE, .unit_rows = true }, &j->loss);
}

static chi_status job_open(job *j)
{
    static const unsigned uses[] = { [CHI__FAMILY_CORE] = CHI_SIMILARITY_STORE, [CHI__FAMILY_TOPK] = CHI_SIMILARITY_TOPK, [CHI__FAMILY_LOGSUMEXP] = CHI_SIMILARITY_LOGSUMEXP };
    const bool lse = j->family == CHI__FAMILY_LOGSUMEXP, topk = j->family == CHI__FAMILY_TOPK;
    if (j->family == CHI__FAMILY_CONV)
        return open_conv(j);
    CHI_TRY(add_rows(j, X, 1, j->n, j->dim));
    CHI_TRY(add_rows(j, Y, 2, j->m, j->dim));
    if (j->family == CHI__FAMILY_LOSS)
        return open_loss(j);
    CHI_TRY(chi_buffer_create(j->dev, 4 * j->n * (lse ? 1 : topk ? TOPK : j->m), &j->at[OUT]));
    if (topk)
        CHI_TRY(chi_buffer_create(j->dev, 4 * j->n * TOPK, &j->at[INDICES]));
    return chi_similarity_create(j->dev, j->n, j->m, j->dim, &(chi_similarity_options){
        .metric = lse ? CHI_METRIC_COSINE : CHI_METRIC_DOT, .scale = lse ? 1.0f / TEMPERATURE : 1.0f, .topk = TOPK,
        .uses = uses[j->family], .provider = j->clblast ? CHI_PROVIDER_CLBLAST : CHI_PROVIDER_CHIARO }, &j->sim);
}

static chi_status job_run(job *j)
{
    const chi_matrix x = chi_matrix_view(j->at[X], j->n, j->dim), y = chi_matrix_view(j->at[Y], j->m, j->dim);
    if (j->family == CHI__FAMILY_CONV) {
        const chi_matrix in = chi_matrix_view(j->at[X], j->n, pixels_of(j)), grad = chi_matrix_view(j->at[Y], j->n, pixels_of(j));
        CHI_TRY(chi_encoder_forward(j->enc, in, chi_matrix_view(j->at[OUT], j->n, pixels_of(j))));
        return chi_encoder_backward(j->enc, grad, chi_matrix_view(j->at[GRAD_X], j->n, pixels_of(j)));
    }
    if (j->family == CHI__FAMILY_LOSS) {
        chi_loss_args args = { .x = x, .labels = j->at[LABELS], .grad_x = chi_matrix_view(j->at[GRAD_X], j->n, j->dim), .value = chi_matrix_view(j->at[VALUE], 1, 1) };
        if (j->kind == CHI_LOSS_CLIP) {
            args.y = y;
            args.grad_y = chi_matrix_view(j->at[GRAD_Y], j->n, j->dim);
        }
        return chi_loss_eval(j->loss, &args, NULL);
    }
    if (j->family == CHI__FAMILY_TOPK)
        return chi_similarity_topk(j->sim, x, y, TOPK, chi_matrix_view(j->at[OUT], j->n, TOPK), j->at[INDICES]);
    return j->family == CHI__FAMILY_LOGSUMEXP ? chi_similarity_logsumexp(j->sim, x, y, chi_matrix_view(j->at[OUT], j->n, 1))
                                              : chi_similarity_store(j->sim, x, y, chi_matrix_view(j->at[OUT], j->n, j->m));
}

// ---- results -----------------------------------------------------------------------------------------
static chi_status hash_buffer(const chi_buffer *from, uint64_t *hash)
{
    const size_t bytes = (size_t)chi_buffer_bytes(from);
    unsigned char *copy = chi__alloc(bytes, 1);
    const chi_status st = copy ? chi_buffer_download(from, 0, copy, bytes) : CHI_ERR_MEMORY;
    if (st == CHI_OK)
        *hash = chi__hash(*hash, copy, bytes);
    chi__free(copy);
    return st;
}

static chi_status hash_outputs(job *j, uint64_t *hash)
{
    for (int place = OUT; place < BUFFERS; place++)
        if (j->at[place])
            CHI_TRY(hash_buffer(j->at[place], hash));
    const chi_parameters p = j->enc ? chi_encoder_parameters(j->enc) : (chi_parameters){ 0 };
    for (size_t i = 0; i < p.count; i++) {
        float *weights = chi__alloc(p.items[i].count, sizeof *weights);
        const chi_status st = weights ? chi_encoder_read(j->enc, i, 1, weights) : CHI_ERR_MEMORY;
        if (st == CHI_OK)
            *hash = chi__hash(*hash, weights, 4 * p.items[i].count);
        chi__free(weights);
        CHI_TRY(st);
    }
    return CHI_OK;
}

// Ragged about every tile, in superblocks of 128 and of 256. Columns of the product a multiple of vectors, so that what is
// checked is the kernel that is timed.
static const struct { size_t n, m, dim, height, width; } ragged[CHI__FAMILIES][2] = {
    [CHI__FAMILY_CORE] = { { 131, 304, 37, 0, 0 }, { 67, 4112, 9, 0, 0 } },      [CHI__FAMILY_TOPK] = { { 131, 307, 37, 0, 0 }, { 67, 4099, 9, 0, 0 } },
    [CHI__FAMILY_LOGSUMEXP] = { { 131, 307, 37, 0, 0 }, { 67, 4099, 9, 0, 0 } }, [CHI__FAMILY_LOSS] = { { 257, 257, 33, 0, 0 }, { 4099, 4099, 5, 0, 0 } },
    [CHI__FAMILY_CONV] = { { 3, 1, 7, 9, 5 }, { 37, 1, 19, 11, 13 } },
};

// Another's product is right to rounding: rows have length 1, so Σ|x||y| ≤ 1 and both sides err by dim · 2^-24 at most.
static chi_status compare_clblast(job *theirs, uint64_t *hash)
{
    const size_t count = theirs->n * theirs->m;
    const double bound = 2.0 * (double)theirs->dim * 0x1p-24;
    job ours = { .dev = theirs->dev, .family = theirs->family, .n = theirs->n, .m = theirs->m, .dim = theirs->dim };
    float *a = chi__alloc(count, sizeof *a), *b = chi__alloc(count, sizeof *b);
    double worst = 0.0;
    chi_status st = a && b ? job_open(&ours) : CHI_ERR_MEMORY;
    if (st == CHI_OK)
        st = job_run(&ours);
    if (st == CHI_OK)
        st = chi_buffer_download(ours.at[OUT], 0, a, 4 * count);
    if (st == CHI_OK)
        st = chi_buffer_download(theirs->at[OUT], 0, b, 4 * count);
    for (size_t i = 0; st == CHI_OK && i < count; i++)
        if (!(fabs((double)a[i] - (double)b[i]) <= worst))
            worst = fabs((double)a[i] - (double)b[i]);
    if (st == CHI_OK && !(worst <= bound))
        st = chi__fail(NULL, CHI_ERR_DATA, "its product is wrong by %g, rounding explains %g", worst, bound);
    if (st == CHI_OK)
        st = hash_outputs(&ours, hash);
    job_close(&ours);
    chi__free(a);
    chi__free(b);
    return st;
}

static chi_status check(chi_device *dev, chi__family family, bool clblast, uint64_t *hash)
{
    *hash = CHI__HASH_START;
    for (int i = 0; i < 2; i++) {
        job j = { .dev = dev, .family = family, .clblast = clblast, .n = ragged[family][i].n, .m = ragged[family][i].m, .dim = ragged[family][i].dim,
                  .height = ragged[family][i].height, .width = ragged[family][i].width };
        chi_status st = job_open(&j);
        if (st == CHI_OK)
            st = job_run(&j);
        if (st == CHI_OK)
            st = clblast ? compare_clblast(&j, hash) : hash_outputs(&j, hash);
        job_close(&j);
        CHI_TRY(st);
    }
    return CHI_OK;
}

// Losses of x with itself, by neighbours and by labels: the same tile in programs of their own.
static chi_status verify(chi_device *dev, size_t count, uint64_t *hash)
{
    static const struct { chi_loss_kind kind; size_t n, dim; } losses[CHI__MOST_VERIFIED] = { { CHI_LOSS_NTXENT, 270, 31 }, { CHI_LOSS_SUPCON, 257, 29 } };
    for (size_t i = 0; i < count; i++) {
        job j = { .dev = dev, .family = CHI__FAMILY_LOSS, .kind = losses[i].kind, .n = losses[i].n, .m = losses[i].n, .dim = losses[i].dim };
        chi_status st = job_open(&j);
        if (st == CHI_OK)
            st = job_run(&j);
        if (st == CHI_OK)
            st = hash_outputs(&j, hash);
        job_close(&j);
        CHI_TRY(st);
    }
    return CHI_OK;
}

// ---- times -------------------------------------------------------------------------------------------
// Microseconds of one run, by `runs` runs in a row, and what the process worked in them.
static chi_status sample(job *j, size_t runs, double *us, double *cpu_us)
{
    const double start = chi__now_us(), cpu_start = chi__cpu_us();
    for (size_t i = 0; i < runs; i++)
        CHI_TRY(job_run(j));
    CHI_TRY(chi_device_finish(j->dev));
    *us = (chi__now_us() - start) / (double)runs;
    *cpu_us = (chi__cpu_us() - cpu_start) / (double)runs;
    return CHI_OK;
}

// A first run, which compiles, and how many make a sample.
static chi_status warm_up(job *j, size_t *runs)
{
    double us, cpu_us;
    CHI_TRY(sample(j, 1, &us, &cpu_us));
    CHI_TRY(sample(j, 1, &us, &cpu_us));
    *runs = us < SAMPLE_US ? (size_t)(SAMPLE_US / us) + 1 : 1;
    return CHI_OK;
}

static void fail_tile(chi__contestant *tile)
{
    tile->failed = true;
    snprintf(tile->why, sizeof tile->why, "%s", chi_error_text());
}

// All tiles at one shape, in turns.
static void time_class(chi__trial *t, size_t class, chi_device *const *devices)
{
    job jobs[CHI__MOST_CONTESTANTS] = { 0 };
    size_t runs[CHI__MOST_CONTESTANTS] = { 0 };
    uint64_t n, m;
    const size_t dim = t->dims[class], side = conv_side(dim);
    chi__trial_shape(t->family, t->n, dim, &n, &m);
    for (size_t i = 0; i < t->count; i++) {
        chi__contestant *tile = &t->tiles[i];
        job *j = &jobs[i];
        if (tile->failed)
            continue;
        *j = (job){ .dev = devices[i], .family = t->family, .clblast = strcmp(tile->tile, "clblast") == 0, .n = n, .m = m, .dim = dim, .height = side, .width = side };
        chi_status st = job_open(j);
        if (st == CHI_OK)
            st = warm_up(j, &runs[i]);
        if (st != CHI_OK)
            fail_tile(tile);
    }
    for (size_t r = 0; r < t->rounds; r++)
        for (size_t i = 0; i < t->count; i++)
            if (!t->tiles[i].failed && sample(&jobs[i], runs[i], &t->tiles[i].us[class][r], &t->tiles[i].cpu_us[class][r]) != CHI_OK)
                fail_tile(&t->tiles[i]);
    for (size_t i = 0; i < t->count; i++)
        job_close(&jobs[i]);
}

// On a CPU device whose threads did not get the processors to themselves, wall time says more of the others than of a tile:
// what the threads worked is taken instead.
static void settle_times(chi__trial *t, const chi_device_info *info)
{
    double wall = 0.0, cpu = 0.0;
    for (size_t i = 0; i < t->count; i++)
        for (size_t n = 0; n < CHI__CLASSES * t->rounds && !t->tiles[i].failed; n++) {
            wall += t->tiles[i].us[n / t->rounds][n % t->rounds];
            cpu += t->tiles[i].cpu_us[n / t->rounds][n % t->rounds];
        }
    t->busy = strcmp(info->type, "cpu") == 0 && cpu > 0.0 && cpu < BUSY * (double)info->units * wall;
    for (size_t i = 0; i < t->count && t->busy; i++)
        for (size_t n = 0; n < CHI__CLASSES * t->rounds && !t->tiles[i].failed; n++)
            t->tiles[i].us[n / t->rounds][n % t->rounds] = t->tiles[i].cpu_us[n / t->rounds][n % t->rounds] / (double)info->units;
}

static void say_nothing(void *user, chi_log_level level, const char *sentence)
{
    (void)user;
    (void)level;
    (void)sentence;
}

static chi_status run_peak(chi__trial *t, const chi_device_options *options)
{
    chi_device *dev = NULL;
    chi_device_peak peak = { 0 };
    chi_status st = chi_device_open(options, &dev);
    if (st == CHI_OK)
        st = chi_device_measure_peak(dev, &peak);
    t->peak_gflops = peak.fma_gflops;
    chi_device_close(&dev);
    return st;
}

chi_status chi__trial_run(chi__trial *t)
{
    chi_device *devices[CHI__MOST_CONTESTANTS] = { 0 };
    chi_device_options options = *t->device;
    options.log = (chi_log){ say_nothing, NULL };
    options.tune_dir = "";
    options.numerics = CHI_NUMERICS_EXACT; // candidates are compared by their bits
    options.tile = NULL;
    if (t->peak)
        return run_peak(t, &options);
    for (size_t i = 0; i < t->count; i++) {
        chi__contestant *tile = &t->tiles[i];
        const bool clblast = strcmp(tile->tile, "clblast") == 0;
        options.tile = clblast ? NULL : tile->tile;
        if (chi_device_open(&options, &devices[i]) != CHI_OK || (i >= t->unchecked && check(devices[i], t->family, clblast, &tile->hash) != CHI_OK))
            fail_tile(tile);
        if (t->family == CHI__FAMILY_LOSS && !tile->failed && verify(devices[i], t->verify, &tile->hash) != CHI_OK)
            fail_tile(tile);
    }
    for (size_t class = 0; class < CHI__CLASSES; class++)
        if (t->dims[class])
            time_class(t, class, devices);
    for (size_t i = 0; i < t->count; i++)
        if (devices[i]) {
            settle_times(t, chi__device_info(devices[i]));
            break;
        }
    for (size_t i = 0; i < t->count; i++)
        chi_device_close(&devices[i]);
    return CHI_OK;
}
