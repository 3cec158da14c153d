// SPDX-License-Identifier: Apache-2.0
// budget.c: the smallest memory budget that a loss can be evaluated under. Header: budget.h.
#include "budget.h"

#include <chiaro/chiaro.h>

#include <string.h>

uint64_t test_least_budget(const char *tile, size_t n, size_t dim, const chi_loss_options *options, uint64_t beside, bool *windows)
{
    chi_device *dev = NULL;
    chi_plan plan;
    uint64_t held = 0, bytes = 0;
    *windows = false;
    if (chi_device_open(&(chi_device_options){ .tile = tile, .memory_bytes = 4096 }, &dev) != CHI_OK)
        return 0;
    chi_device_memory(dev, &held, NULL);
    if (chi_plan_loss(dev, n, dim, options, &plan) == CHI_ERR_DEVICE_MEMORY) {
        bytes = held + plan.scratch_bytes + beside;
        for (size_t i = 0; i < plan.buffer_count; i++)
            *windows |= strcmp(plan.buffers[i].name, "row sums of a window") == 0;
    }
    chi_device_close(&dev);
    return bytes;
}
