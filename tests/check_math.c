// SPDX-License-Identifier: Apache-2.0
// check_math.c: the arithmetic of kernels/common/math.h: errors in ulp against doubles, the same bits in vectors
// (kernels/core/panel.h) and in plain C (src/ref/exact.c). Kernel: tests/check_math.cl.
// By default some 100,000 floats of each range; CHIARO_SMALL=1: some hundred; CHIARO_WHOLE=1: every float (two hours of one
// core), CHIARO_WHOLE=exp: of the ranges whose names begin so.
#include <chiaro/chiaro.h>

#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "../src/device/device.h"
#include "../src/ref/exact.h"
#include "../src/ref/exact_parts.h"
#include "../src/ref/siglip.h"
#include "harness/folder.h"
#include "harness/verdict.h"

typedef struct sweep {
    const char *name;
    uint32_t function; // of check_math.cl
    float low, high;   // from low to high, both of one sign, |low| < |high|
    float kappa;
    int shift;
    double most;       // ulp
    float (*host)(float x, float kappa, int shift);    // NULL: there is none
    double (*truth)(double x, double kappa, int shift); // NULL: not judged
    bool vector;
} sweep;

static double exp_truth(double x, double kappa, int shift) { return (void)kappa, (void)shift, exp(x); }
static double log_truth(double x, double kappa, int shift) { return (void)kappa, log(ldexp(x, shift)); }
static double power_truth(double x, double kappa, int shift) { return ldexp(exp2(x * kappa), -shift); } // the product is exact
static double log1p_truth(double x, double kappa, int shift) { return (void)kappa, log1p(ldexp(x, shift)); }
static double recip_truth(double x, double kappa, int shift) { return (void)kappa, (void)shift, 1.0 / x; }
static double rsqrt_truth(double x, double kappa, int shift) { return (void)kappa, (void)shift, 1.0 / sqrt(x); }
static double sqrt_truth(double x, double kappa, int shift) { return (void)kappa, (void)shift, sqrt(x); }
static double erf_truth(double x, double kappa, int shift) { return (void)kappa, (void)shift, erf(x); }

static float exp_host(float x, float kappa, int shift) { return (void)kappa, (void)shift, chi__exact_exp(x); }
static float log_host(float x, float kappa, int shift) { return (void)kappa, chi__exact_log(x, (float)shift); }
static float whole_host(float x, float kappa, int shift) { return (void)shift, chi__exact_split(x, kappa).n; }
static float part_host(float x, float kappa, int shift) { return (void)shift, chi__exact_split(x, kappa).p; }
static float shifted_host(float x, float kappa, int shift)
{
    const chi__exact_parts e = chi__exact_split(x, kappa);
    return chi__exact_scale(e.p, e.n - (float)shift);
}
static float minus_host(float x, float kappa, int shift) { return (void)kappa, (void)shift, chi__exact_exp_minus(x); }
static float log1p_unit_host(float x, float kappa, int shift) { return (void)kappa, (void)shift, chi__exact_log1p_unit(x); }
static float recip_unit_host(float x, float kappa, int shift) { return (void)kappa, (void)shift, chi__exact_recip_unit(x); }
static float recip_host(float x, float kappa, int shift) { return (void)kappa, (void)shift, chi__exact_reciprocal(x); }
static float rsqrt_host(float x, float kappa, int shift) { return (void)kappa, (void)shift, chi__exact_rsqrt(x); }
static float log1p_host(float x, float kappa, int shift) { return (void)kappa, chi__exact_log1p(x, (float)shift); }

#define LEAST 0x1p-126f
#define MOST  0x1.fffffep+127f
#define TAU_TENTH 14.4269504f // κ of a temperature of 0.1
static const sweep sweeps[] = {
    { "exp", 0, LEAST, 0x1.62e42ep+6f, 0, 0, 2.0, exp_host, exp_truth, false },
    { "exp", 0, -LEAST, -0x1.5d589ep+6f, 0, 0, 2.0, exp_host, exp_truth, false },
    { "log", 1, LEAST, MOST, 0, 0, 2.0, log_host, log_truth, false },
    { "log, 2^-40", 1, 0x1p-86f, MOST, 0, -40, 2.0, log_host, log_truth, false },
    { "log, 2^126", 1, LEAST, MOST, 0, 126, 2.0, log_host, log_truth, false },
    { "exponent, positive", 2, LEAST, MOST, TAU_TENTH, 0, 0.0, whole_host, NULL, true },
    { "exponent, negative", 2, -LEAST, -MOST, TAU_TENTH, 0, 0.0, whole_host, NULL, true },
    { "mantissa, positive", 3, LEAST, MOST, TAU_TENTH, 0, 0.0, part_host, NULL, true },
    { "mantissa, negative", 3, -LEAST, -MOST, TAU_TENTH, 0, 0.0, part_host, NULL, true },
    { "power, positive", 4, LEAST, 8.5f, TAU_TENTH, 0, 2.0, shifted_host, power_truth, true },
    { "power, negative", 4, -LEAST, -8.5f, TAU_TENTH, 0, 2.0, shifted_host, power_truth, true },
    { "power, shifted", 4, -LEAST, -80.0f, 1.44269504f, 15, 2.0, shifted_host, power_truth, true },
    { "power, underflow", 4, -70.0f, -1000.0f, 1.44269504f, 40, 0.0, shifted_host, NULL, true },
    { "exp of negatives", 5, -LEAST, -0x1.5d589ep+6f, 0, 0, 2.0, minus_host, exp_truth, true },
    { "log1p to 1", 6, LEAST, 1.0f, 0, 0, 2.0, log1p_unit_host, log1p_truth, true },
    { "reciprocal of 1 to 2", 7, 1.0f, 2.0f, 0, 0, 1.0, recip_unit_host, recip_truth, true },
    { "reciprocal", 8, 0x1p-100f, 0x1p100f, 0, 0, 1.0, recip_host, recip_truth, false },
    { "rsqrt", 9, 0x1p-100f, 0x1p100f, 0, 0, 2.0, rsqrt_host, rsqrt_truth, false },
    { "sqrt", 10, 0x1p-100f, 0x1p100f, 0, 0, 1.0, NULL, sqrt_truth, false },
    { "log1p", 11, LEAST, MOST, 0, 0, 4.0, log1p_host, log1p_truth, false },
    { "log1p, 2^-30", 11, 0x1p-90f, MOST, 0, -30, 4.0, log1p_host, log1p_truth, false },
    { "erf, positive", 12, 0x1p-100f, 6.0f, 0, 0, 2.0, NULL, erf_truth, false },
    { "erf, negative", 12, -0x1p-100f, -6.0f, 0, 0, 2.0, NULL, erf_truth, false },
};

enum { CHUNK = 1 << 18, WIDTH = 8 }; // of the vectors whose errors are printed, and that see every float

typedef struct check {
    chi_device *dev;
    chi__kernel *kernel;
    chi_buffer *scalars, *vectors;
    float *got, *wide;
    unsigned width;
} check;

static uint32_t bits_of(float x)
{
    uint32_t b;
    memcpy(&b, &x, 4);
    return b;
}

static float float_of(uint32_t b)
{
    float x;
    memcpy(&x, &b, 4);
    return x;
}

static double ulps(double got, double want) { return want == 0.0 ? fabs(got) : fabs(got - want) / ldexp(1.0, ilogb(want) - 23); }

// Denormal results may be flushed, so they are not compared.
static bool same(float got, float want) { return bits_of(got) == bits_of(want) || (isnan(got) && isnan(want)) || (want != 0.0f && fabsf(want) < LEAST); }

// The first float of a chunk that is not as it should be; the worst error so far.
static bool judge(const sweep *s, const check *c, uint32_t first, uint32_t step, uint32_t count, double *worst)
{
    for (uint32_t i = 0; i < count; i++) {
        const float x = float_of(first + i * step), got = c->got[i];
        const float want = s->host ? s->host(x, s->kappa, s->shift) : got;
        if (s->truth && fabsf(got) >= LEAST)
            *worst = fmax(*worst, ulps((double)got, s->truth((double)x, (double)s->kappa, s->shift)));
        if (same(got, want) && (!s->vector || same(c->wide[i], got)) && *worst <= s->most)
            continue;
        printf("%s: at %a it is %a, in vectors %a, in plain C %a; %.2f ulp\n", s->name, (double)x, (double)got, s->vector ? (double)c->wide[i] : NAN, (double)want, *worst);
        return false;
    }
    return true;
}

static void run_sweep(const sweep *s, const check *c, const char *where, uint32_t samples)
{
    const uint32_t low = bits_of(s->low), span = bits_of(s->high) - low;
    const uint32_t step = samples && span / samples > 1 ? (span / samples) | 1u : 1;
    double worst = 0.0;
    bool good = true;
    uint64_t tried = 0;
    for (uint64_t at = 0; at <= span && good; at += (uint64_t)step * CHUNK) {
        const uint64_t left = (span - at) / step + 1;
        const uint32_t count = left < CHUNK ? (uint32_t)left : CHUNK, first = low + (uint32_t)at;
        good = chi__run(c->dev, &(chi__launch){ .kernel = c->kernel, .global = { (count + c->width - 1) / c->width },
                   .args = { U32(s->function), U32(first), U32(step), F32(s->kappa), I32(s->shift), BUF(c->scalars), BUF(c->vectors) } }) == CHI_OK &&
               chi_buffer_download(c->scalars, 0, c->got, 4ull * count) == CHI_OK && chi_buffer_download(c->vectors, 0, c->wide, 4ull * count) == CHI_OK;
        good = good && judge(s, c, first, step, count, &worst);
        tried += count;
    }
    if (s->truth && c->width == WIDTH)
        printf("%-22s %11llu floats, at most %.3f ulp off\n", s->name, (unsigned long long)tried, worst);
    test_verdict(good, s->name, where, "more ulp than its limit, or other bits in vectors or plain C");
}

static void check_edges(void)
{
    test_verdict(chi__exact_exp(0.0f) == 1.0f && chi__exact_exp(-0.0f) == 1.0f && chi__exact_exp(INFINITY) == INFINITY && chi__exact_exp(-INFINITY) == 0.0f &&
                 chi__exact_exp(89.0f) == INFINITY && chi__exact_exp(-88.0f) == 0.0f && isnan(chi__exact_exp(NAN)), "exp", "edges", "not as said");
    test_verdict(chi__exact_log(0.0f, 3.0f) == -INFINITY && chi__exact_log(1.0f, 0.0f) == 0.0f && chi__exact_log(INFINITY, 0.0f) == INFINITY && isnan(chi__exact_log(NAN, 0.0f)),
                 "log", "edges", "not as said");
    test_verdict(chi__exact_log1p(0.0f, 9.0f) == 0.0f && chi__exact_log1p(INFINITY, 0.0f) == INFINITY, "log1p", "edges", "not as said");
}

// Single floats that no run has: the device gives what plain C gives.
static void check_points(const check *c)
{
    static const float points[] = { 0.0f, -0.0f, INFINITY, -INFINITY, NAN, 89.0f, -88.0f, 1e30f, -1e30f };
    for (size_t i = 0; i < sizeof points / sizeof *points; i++) {
        float got = 0.5f;
        const bool good = chi__run(c->dev, &(chi__launch){ .kernel = c->kernel, .global = { 1 }, .args = { U32(0), U32(bits_of(points[i])), U32(0), F32(1.0f), I32(0), BUF(c->scalars), BUF(c->vectors) } }) == CHI_OK &&
                          chi_buffer_download(c->scalars, 0, &got, 4) == CHI_OK;
        if (!good || !same(got, chi__exact_exp(points[i])))
            printf("e^%g is %g\n", (double)points[i], (double)got);
        test_verdict(good && same(got, chi__exact_exp(points[i])), "exp", "a point", "not that of plain C");
    }
}

static void link_to(const char *folder, const char *name)
{
    char target[4096], *real = NULL;
    snprintf(target, sizeof target, "%s/%s%s", getenv("CHIARO_TESTS"), folder, name);
    real = realpath(target, NULL);
    if (!real || symlink(real, test_path(name)) != 0)
        perror(target);
    free(real);
}

static void check_device(chi_device *dev, unsigned width, uint32_t samples)
{
    char defines[80], where[40];
    check c = { .dev = dev, .got = malloc(4 * CHUNK), .wide = malloc(4 * CHUNK), .width = width };
    snprintf(defines, sizeof defines, "TILE_M=1 TILE_N=16 VEC=%u", width);
    snprintf(where, sizeof where, "vectors of %u", width);
    const bool good = chi__kernel_get(dev, "check_math.cl", "check_math", defines, &c.kernel) == CHI_OK &&
                      chi_buffer_create(dev, 4 * (CHUNK + 16), &c.scalars) == CHI_OK && chi_buffer_create(dev, 4 * (CHUNK + 16), &c.vectors) == CHI_OK;
    test_verdict(good, "build", where, chi_error_text());
    const char *whole = width == WIDTH ? getenv("CHIARO_WHOLE") : NULL;
    for (size_t i = 0; good && i < sizeof sweeps / sizeof *sweeps; i++) {
        const bool every = whole && (strcmp(whole, "1") == 0 || strncmp(sweeps[i].name, whole, strlen(whole)) == 0);
        run_sweep(&sweeps[i], &c, where, every ? 0 : samples);
    }
    if (good)
        check_points(&c);
    chi_buffer_destroy(&c.scalars);
    chi_buffer_destroy(&c.vectors);
    free(c.got);
    free(c.wide);
}

int main(void)
{
    const bool small = getenv("CHIARO_SMALL") != NULL;
    chi_device *dev = NULL;
    check_edges();
    test_folder_make();
    link_to("../kernels/", "common");
    link_to("../kernels/", "core");
    link_to("", "check_math.cl");
    setenv("CHIARO_KERNEL_DIR", test_path(""), 1);
    if (chi_device_open(&(chi_device_options){ .core = CHI_CORE_GROUP }, &dev) != CHI_OK) {
        test_folder_remove();
        printf("%s\n", chi_error_text());
        return 77;
    }
    for (unsigned width = 4; width <= 16; width *= 2)
        if (width == WIDTH || !small)
            check_device(dev, width, small ? 300 : 100000);
    chi_device_close(&dev);
    test_folder_remove();
    return test_summary();
}
