// SPDX-License-Identifier: Apache-2.0
// budget.h: the smallest memory budget that a loss can be evaluated under.
#ifndef CHI_TESTS_BUDGET_H
#define CHI_TESTS_BUDGET_H

#include <stdbool.h>

#include <chiaro/loss.h>

// Asks what a loss needs at least and adds `beside` bytes for inputs; 0 where 4 KiB are enough. *windows: whether its sums
// then go window by window, which a plan says by name.
uint64_t test_least_budget(const char *tile, size_t n, size_t dim, const chi_loss_options *options, uint64_t beside, bool *windows);

#endif
