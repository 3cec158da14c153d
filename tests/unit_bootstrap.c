// SPDX-License-Identifier: Apache-2.0
// unit_bootstrap.c: bootstrap intervals against the exact distributions that their draws come from.
#include <chiaro/metrics.h>

#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "harness/verdict.h"

// P(plus − minus ≤ d) where each of m draws counts for it with a / m, against it with b / m.
static double below(size_t m, size_t a, size_t b, double d)
{
    const double pa = (double)a / (double)m, pb = (double)b / (double)m, pc = 1.0 - pa - pb;
    double sum = 0.0;
    for (size_t i = 0; i <= (a ? m : 0); i++)
        for (size_t j = 0; j <= (b ? m - i : 0); j++) {
            const size_t k = m - i - j;
            if ((double)i - (double)j > d || (k && a + b == m))
                continue;
            sum += exp(lgamma((double)m + 1) - lgamma((double)i + 1) - lgamma((double)j + 1) -
                       lgamma((double)k + 1) + (i ? (double)i * log(pa) : 0.0) +
                       (j ? (double)j * log(pb) : 0.0) + (k ? (double)k * log(pc) : 0.0));
        }
    return sum;
}

// The share of draws below an ordered draw is beta distributed; five of its deviations.
static void check_interval(size_t m, size_t a, size_t b, double level, uint64_t seed)
{
    const double outside = (1.0 - level) / 2.0,
                 reach = 5.0 * sqrt(outside * (1.0 - outside) / 2000.0);
    int32_t *first = calloc(m, 4), *second = calloc(m, 4), *labels = calloc(m, 4);
    char what[96];
    snprintf(what, sizeof what, "bootstrap of %zu, %zu for, %zu against, level %g", m, a, b, level);
    for (size_t i = 0; i < m; i++) {
        first[i] = i >= a;
        second[i] = b ? (i < a || i >= a + b) : 1;
    }
    const chi_bootstrap_options options = { .seed = seed, .level = level };
    chi_interval got = { 0 }, again = { 0 };
    const bool good = (b ? chi_bootstrap_difference(first, second, labels, m, &options, &got)
                         : chi_bootstrap(first, labels, m, &options, &got)) == CHI_OK &&
                      (b ? chi_bootstrap_difference(first, second, labels, m, &options, &again)
                         : chi_bootstrap(first, labels, m, &options, &again)) == CHI_OK;
    const double low = got.low * (double)m, high = got.high * (double)m;
    test_verdict(good && memcmp(&got, &again, sizeof got) == 0, what, "again", "another interval");
    test_verdict(good && below(m, a, b, low - 0.5) <= outside + reach &&
                     below(m, a, b, low + 0.5) >= outside - reach,
                 what, "low", "off the distribution");
    test_verdict(good && below(m, a, b, high - 0.5) <= 1.0 - outside + reach &&
                     below(m, a, b, high + 0.5) >= 1.0 - outside - reach,
                 what, "high", "off the distribution");
    free(first);
    free(second);
    free(labels);
}

static void check_bootstrap(void)
{
    static const int32_t right[2] = { 4, -7 }, wrong[2] = { 0, 0 };
    chi_interval got = { -1.0, -1.0 };
    check_interval(1, 1, 0, 0.95, 0);
    check_interval(1, 0, 0, 0.95, 0);
    check_interval(37, 30, 0, 0.95, 1);
    check_interval(37, 36, 0, 0.9, 1);
    check_interval(1000, 870, 0, 0.95, 2);
    check_interval(40, 9, 3, 0.95, 3);
    check_interval(25, 20, 5, 0.99, 4);
    check_interval(150, 1, 1, 0.5, 5);
    test_verdict(chi_bootstrap(right, right, 2, NULL, &got) == CHI_OK && got.low == 1.0 &&
                     got.high == 1.0,
                 "all right", "1 … 1", "another interval");
    test_verdict(chi_bootstrap_difference(wrong, right, right, 2, NULL, &got) == CHI_OK &&
                     got.low == -1.0 && got.high == -1.0,
                 "all lost", "−1 … −1", "another interval");
    got.low = 9.0;
    static const chi_bootstrap_options bad[] = {
        { .level = 1.0 }, { .level = -0.5 }, { .level = NAN }, { .draws = 10000001 }
    };
    for (size_t i = 0; i < 4; i++)
        test_verdict(chi_bootstrap(right, right, 2, &bad[i], &got) == CHI_ERR_ARGUMENT &&
                         got.low == 9.0,
                     "bootstrap refuses", chi_error_text(), "it was taken");
    test_verdict(chi_bootstrap(right, right, 0, NULL, &got) == CHI_ERR_ARGUMENT && got.low == 9.0,
                 "bootstrap refuses", "0 rows", "it was taken");
}

// Seed 0, 8727 of 10,000 right; and 500 gained, 91 lost: the numbers of every machine.
static void check_seed(void)
{
    enum { M = 10000 };
    int32_t *first = calloc(M, 4), *second = calloc(M, 4), *labels = calloc(M, 4);
    chi_interval one = { 0 }, two = { 0 };
    for (int i = 0; i < M; i++) {
        first[i] = i >= 8727;
        second[i] = i < 500 ? 1 : i < 8818 ? 0 : 1;
    }
    const bool good = chi_bootstrap(first, labels, M, NULL, &one) == CHI_OK &&
                      chi_bootstrap_difference(first, second, labels, M, NULL, &two) == CHI_OK;
    char got[128];
    snprintf(got, sizeof got, "%.4f %.4f, %.4f %.4f", one.low, one.high, two.low, two.high);
    test_verdict(good && strcmp(got, "0.8665 0.8790, 0.0364 0.0456") == 0, "bootstrap", "seed 0",
                 got);
    free(first);
    free(second);
    free(labels);
}

int main(void)
{
    check_bootstrap();
    check_seed();
    return test_summary();
}
