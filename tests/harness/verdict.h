// SPDX-License-Identifier: Apache-2.0
// verdict.h: counts of checks that go on after a failure.
#ifndef CHI_TESTS_VERDICT_H
#define CHI_TESTS_VERDICT_H

#include <chiaro/status.h>

// Counts; prints what failed, where and why.
void test_verdict(bool good, const char *what, const char *where, const char *why);
// Two arrays of the same bits, NaN equal to NaN, and zeros equal where test_tiles met a device that loses their signs; names the first entry that differs.
bool test_same_bits(const float *got, const float *want, size_t rows, size_t cols, const char *what);
// Largest error against the largest entry.
double test_error(const float *got, const double *want, size_t n);
// Leaves the tiles that the default device supports, in order, and returns how many; one that it refuses for a reason of its
// own (CHI_ERR_UNSUPPORTED) is printed with it and counted as skipped. So is, once, what the device is known to get wrong.
size_t test_tiles(const char **tiles, size_t count);
// Prints "N passed, N failed, N skipped"; the program's exit status.
int test_summary(void);

#endif
