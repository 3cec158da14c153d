// SPDX-License-Identifier: Apache-2.0
// verdict.c: counts of checks. Header: verdict.h.
#include "verdict.h"

#include <chiaro/device.h>
#include <math.h>
#include <stdint.h>
#include <stdio.h>
#include <string.h>

static size_t passed, failed, skipped;
static bool any_zero;

void test_verdict(bool good, const char *what, const char *where, const char *why)
{
    if (!good)
        printf("%s, %s: %s\n", what, where, why);
    passed += good;
    failed += !good;
}

double test_error(const float *got, const double *want, size_t n)
{
    double worst = 0.0, most = 1e-30;
    for (size_t i = 0; i < n; i++) {
        most = fmax(most, fabs(want[i]));
        worst = fmax(worst, fabs((double)got[i] - want[i]));
    }
    return worst / most;
}

size_t test_tiles(const char **tiles, size_t count)
{
    size_t left = 0;
    for (size_t t = 0; t < count; t++) {
        chi_device *dev = NULL;
        chi_device_info info = { 0 };
        const chi_status st = chi_device_open(&(chi_device_options){ .tile = tiles[t] }, &dev);
        if (st == CHI_OK)
            chi_device_describe(dev, &info);
        if (info.loses_zero_signs && !any_zero) {
            printf("signs of zeros: skipped: %s loses them\n", info.name);
            skipped++;
            any_zero = true;
        }
        chi_device_close(&dev);
        if (st != CHI_ERR_UNSUPPORTED) {
            tiles[left++] = tiles[t];
            continue;
        }
        printf("%s: skipped: %s\n", tiles[t], chi_error_text());
        skipped++;
    }
    return left;
}

bool test_same_bits(const float *got, const float *want, size_t rows, size_t cols, const char *what)
{
    for (size_t i = 0; i < rows * cols; i++) {
        uint32_t a, b;
        memcpy(&a, &got[i], 4);
        memcpy(&b, &want[i], 4);
        if (a == b || (isnan(got[i]) && isnan(want[i])) || (any_zero && got[i] == 0.0f && want[i] == 0.0f))
            continue;
        printf("%s: entry (%zu, %zu) is %a (%08x), it should be %a (%08x)\n", what, i / cols, i % cols, (double)got[i], a, (double)want[i], b);
        return false;
    }
    return true;
}

int test_summary(void)
{
    printf("%zu passed, %zu failed, %zu skipped\n", passed, failed, skipped);
    return failed != 0;
}
