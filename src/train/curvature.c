// SPDX-License-Identifier: Apache-2.0
// curvature.c: blocks of the probe's Hessian, multiplied on the device and factored on the host.
// See curvature.h.
#include "curvature.h"

#include <chiaro/similarity.h>

#include <math.h>
#include <string.h>

#include "../base/memory.h"
#include "../base/workers.h"

// Every class has a block of its own while they stay below these, else their mean is used for all.
static const double MOST_MULTIPLIES = 0x1p32, MOST_ENTRIES = 0x1p25;
enum { SAMPLES_A_COLUMN = 8, LEAST_SAMPLES = 1024, MOST_SAMPLE_FLOATS = 1 << 23, PANEL = 8 };
static const double LEAST_WEIGHT = 1e-4; // of a row, times 1 / classes: a block never vanishes
static const double LEAST_PIVOT =
    1e-6; // of the largest diagonal entry: float32's rounding of long sums

struct chi__curvature {
    chi_device *dev;
    chi__curvature_options o;
    chi_similarity *gram;
    chi_buffer *columns, *product;
    float *probabilities, *scaled,
        *product_host;   // [samples][padded], [width][samples], [width][width]
    size_t blocks, used; // that there is room for, and that are now; 1: the same for all classes
    double **factor;     // [blocks]: [width][width], U of B = UᵀU; its upper half
    double *column;      // [width]
};

static bool blocks_fit(double width, double blocks)
{
    return blocks * width * width * width / 6.0 <= MOST_MULTIPLIES &&
           blocks * width * width <= MOST_ENTRIES;
}

size_t chi__curvature_samples(size_t n, size_t width)
{
    if (!blocks_fit((double)width, 1.0))
        return 0;
    size_t samples =
        SAMPLES_A_COLUMN * width < LEAST_SAMPLES ? LEAST_SAMPLES : SAMPLES_A_COLUMN * width;
    samples = samples * width > MOST_SAMPLE_FLOATS ? MOST_SAMPLE_FLOATS / width : samples;
    return samples < n ? samples : n;
}

static chi_status get_factors(chi__curvature *c)
{
    const size_t entries = c->o.width * c->o.width,
                 most = blocks_fit((double)c->o.width, (double)c->o.classes) ? c->o.classes : 1;
    c->factor = chi__alloc(most, sizeof *c->factor);
    bool good = c->factor != NULL;
    for (; good && c->blocks < most; c->blocks += good)
        good = (c->factor[c->blocks] = chi__alloc(entries, sizeof **c->factor)) != NULL;
    c->probabilities = chi__alloc(c->o.samples, c->o.padded * sizeof *c->probabilities);
    c->scaled = chi__alloc(c->o.width, c->o.samples * sizeof *c->scaled);
    c->product_host = chi__alloc(entries, sizeof *c->product_host);
    c->column = chi__alloc(c->o.width, sizeof *c->column);
    if (!good || !c->probabilities || !c->scaled || !c->product_host || !c->column)
        return chi__fail(c->dev, CHI_ERR_MEMORY,
                         "probe: no memory for %zu blocks of %zu × %zu numbers", most, c->o.width,
                         c->o.width);
    return CHI_OK;
}

static chi_status get(chi__curvature *c)
{
    const size_t width = c->o.width, samples = c->o.samples;
    const chi_similarity_options options = { .uses = CHI_SIMILARITY_STORE,
                                             .provider = CHI_PROVIDER_CHIARO };
    CHI_TRY(get_factors(c));
    CHI_TRY(chi_similarity_create(c->dev, width, width, samples, &options, &c->gram));
    CHI_TRY(chi_buffer_create(c->dev, 4ull * width * samples, &c->columns));
    return chi_buffer_create(c->dev, 4ull * width * width, &c->product);
}

chi_status chi__curvature_create(chi_device *dev, const chi__curvature_options *options,
                                 chi__curvature **out)
{
    chi__curvature *c = chi__alloc(1, sizeof *c);
    *out = NULL;
    if (!c)
        return chi__fail(dev, CHI_ERR_MEMORY, "probe: no memory");
    c->dev = dev;
    c->o = *options;
    const chi_status st = get(c);
    if (st == CHI_OK)
        *out = c;
    else
        chi__curvature_destroy(&c);
    return st;
}

void chi__curvature_destroy(chi__curvature **curvature)
{
    chi__curvature *c = *curvature;
    if (!c)
        return;
    chi_similarity_destroy(&c->gram);
    chi_buffer_destroy(&c->columns);
    chi_buffer_destroy(&c->product);
    for (size_t b = 0; b < c->blocks; b++)
        chi__free(c->factor[b]);
    void *all[] = { c->factor, c->probabilities, c->scaled, c->product_host, c->column, c };
    for (size_t i = 0; i < sizeof all / sizeof *all; i++)
        chi__free(all[i]);
    *curvature = NULL;
}

// ---- blocks
// ------------------------------------------------------------------------------------------ p (1 −
// p) of one class, or its mean over the classes.
static double row_weight(const chi__curvature *c, size_t sample, size_t block)
{
    const float *p = c->probabilities + sample * c->o.padded;
    double sum = 0.0;
    if (c->used > 1)
        sum = (double)p[block] * (1.0 - (double)p[block]);
    else
        for (size_t k = 0; k < c->o.classes; k++)
            sum += (double)p[k] * (1.0 - (double)p[k]) / (double)c->o.classes;
    return sum + LEAST_WEIGHT / (double)c->o.classes;
}

// One block, not yet factored: the product of the columns, each entry times the root of its row's
// weight.
static chi_status multiply(chi__curvature *c, size_t block)
{
    const size_t width = c->o.width, samples = c->o.samples;
    const chi_matrix columns = chi_matrix_view(c->columns, width, samples);
    for (size_t i = 0; i < samples; i++) {
        const double by = sqrt(row_weight(c, i, block) / (double)samples);
        for (size_t k = 0; k < width; k++)
            c->scaled[k * samples + i] = (float)(by * (double)c->o.rows[i * width + k]);
    }
    CHI_TRY(chi_buffer_upload(c->columns, 0, c->scaled, 4ull * width * samples));
    CHI_TRY(
        chi_similarity_store(c->gram, columns, columns, chi_matrix_view(c->product, width, width)));
    CHI_TRY(chi_buffer_download(c->product, 0, c->product_host, 4ull * width * width));
    for (size_t e = 0; e < width * width; e++)
        c->factor[block][e] = (double)c->product_host[e];
    for (size_t k = 0; k + 1 < width; k++)
        c->factor[block][k * width + k] += 2.0 * c->o.penalty;
    return CHI_OK;
}

// Rows k0 … k0 + rows − 1 of U, from what the rows before left. Pivots that rounding made too small
// are raised.
static void factorise_rows(double *u, size_t width, size_t k0, size_t rows, double least)
{
    for (size_t k = k0; k < k0 + rows; k++) {
        double *row = u + k * width;
        const double pivot = sqrt(fmax(row[k], least));
        row[k] = pivot;
        for (size_t j = k + 1; j < width; j++)
            row[j] /= pivot;
        for (size_t i = k + 1; i < k0 + rows; i++)
            for (size_t j = i; j < width; j++)
                u[i * width + j] -= row[i] * row[j];
    }
}

// Cholesky's factorisation in place, PANEL rows of U at a time: what is left is read once for all
// of them.
static chi_status factorise(void *user, size_t block)
{
    const chi__curvature *c = user;
    const size_t width = c->o.width;
    double *u = c->factor[block], least = 0.0;
    for (size_t k = 0; k < width; k++)
        least = fmax(least, LEAST_PIVOT * u[k * width + k]);
    for (size_t k0 = 0; k0 < width; k0 += PANEL) {
        const double *panel = u + k0 * width;
        factorise_rows(u, width, k0, width - k0 < PANEL ? width - k0 : PANEL, least);
        for (size_t i = k0 + PANEL; i < width; i++)
            for (size_t j = i; j < width; j++) {
                double left = u[i * width + j];
                for (size_t k = 0; k < PANEL; k++)
                    left -= panel[k * width + i] * panel[k * width + j];
                u[i * width + j] = left;
            }
    }
    return CHI_OK;
}

chi_status chi__curvature_update(chi__curvature *c, const double *x)
{
    bool zero = true;
    for (size_t e = 0; e < c->o.width * c->o.padded; e++)
        zero = zero && x[e] == 0.0;
    CHI_TRY(c->o.probabilities(c->o.user, x, c->probabilities));
    c->used = zero ? 1 : c->blocks; // without weights all classes have one block
    for (size_t b = 0; b < c->used; b++)
        CHI_TRY(multiply(c, b));
    return chi__work_do(&(chi__work){ .count = c->used, .one = factorise, .user = c });
}

// ---- P B⁻¹ P
// ------------------------------------------------------------------------------------------- Takes
// from every row of weights its mean over the classes.
static void project(const chi__curvature *c, double *x)
{
    for (size_t k = 0; k < c->o.width; k++) {
        double *row = x + k * c->o.padded, sum = 0.0;
        for (size_t i = 0; i < c->o.classes; i++)
            sum += row[i];
        for (size_t i = 0; i < c->o.classes; i++)
            row[i] -= sum / (double)c->o.classes;
    }
}

// UᵀU z = z, in place.
static void solve_column(const double *u, size_t width, double *z)
{
    for (size_t k = 0; k < width; k++) {
        z[k] /= u[k * width + k];
        for (size_t j = k + 1; j < width; j++)
            z[j] -= u[k * width + j] * z[k];
    }
    for (size_t k = width; k-- > 0;) {
        double sum = z[k];
        for (size_t j = k + 1; j < width; j++)
            sum -= u[k * width + j] * z[j];
        z[k] = sum / u[k * width + k];
    }
}

void chi__curvature_solve(chi__curvature *c, const double *g, double *to)
{
    const size_t width = c->o.width, padded = c->o.padded;
    memcpy(to, g, width * padded * sizeof *to);
    project(c, to);
    for (size_t b = 0; b < c->o.classes; b++) {
        for (size_t k = 0; k < width; k++)
            c->column[k] = to[k * padded + b];
        solve_column(c->factor[c->used > 1 ? b : 0], width, c->column);
        for (size_t k = 0; k < width; k++)
            to[k * padded + b] = c->column[k];
    }
    project(c, to);
}
