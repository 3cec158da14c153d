// SPDX-License-Identifier: Apache-2.0
// verdict.h: counts of checks that go on after a failure.
#ifndef CHI_TESTS_VERDICT_H
#define CHI_TESTS_VERDICT_H

#include <stdbool.h>
#include <stddef.h>

// Counts; prints what failed, where and why.
void test_verdict(bool good, const char *what, const char *where, const char *why);
// Two arrays of the same bits, NaN equal to NaN; names the first entry that differs.
bool test_same_bits(const float *got, const float *want, size_t rows, size_t cols, const char *what);
// Prints "N passed, N failed, 0 skipped"; the program's exit status.
int test_summary(void);

#endif
