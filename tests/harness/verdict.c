// SPDX-License-Identifier: Apache-2.0
// verdict.c: counts of checks. Header: verdict.h.
#include "verdict.h"

#include <math.h>
#include <stdint.h>
#include <stdio.h>
#include <string.h>

static size_t passed, failed;

void test_verdict(bool good, const char *what, const char *where, const char *why)
{
    if (!good)
        printf("%s, %s: %s\n", what, where, why);
    passed += good;
    failed += !good;
}

bool test_same_bits(const float *got, const float *want, size_t rows, size_t cols, const char *what)
{
    for (size_t i = 0; i < rows * cols; i++) {
        uint32_t a, b;
        memcpy(&a, &got[i], 4);
        memcpy(&b, &want[i], 4);
        if (a == b || (isnan(got[i]) && isnan(want[i])))
            continue;
        printf("%s: entry (%zu, %zu) is %a (%08x), it should be %a (%08x)\n", what, i / cols, i % cols, (double)got[i], a, (double)want[i], b);
        return false;
    }
    return true;
}

int test_summary(void)
{
    printf("%zu passed, %zu failed, 0 skipped\n", passed, failed);
    return failed != 0;
}
