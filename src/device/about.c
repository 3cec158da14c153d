// SPDX-License-Identifier: Apache-2.0
// about.c: the one place where drivers have names. Each row says what was seen, where and when.
#include "about.h"

#include <inttypes.h>
#include <stdio.h>
#include <string.h>

#include "../base/env.h"
#include "../base/text.h"
#include "device.h"

static const chi__about rows[] = {
    { "Clover", NULL, NULL, NULL, CHI__ABOUT_REFUSE, "Mesa's Clover was abandoned by its makers; use rusticl or the vendor's driver", "2026-11" },
    { "OpenCLOn12", NULL, NULL, NULL, CHI__ABOUT_DEGRADE, "a translation to Direct3D 12; the vendor's own driver is faster and sounder", "2026-11" },
    // Mesa 22.3.6, LLVM 15: a correct log-sum-exp of 1,024 columns was wrong (infinite, or off by 2.6) in three builds of six:
    // 4 rows × float8, 6 × float16, 1 × float. All of chiaro's own kernels that are tested there gave the right bits.
    { "rusticl", NULL, NULL, "23", CHI__ABOUT_DEGRADE, "rusticl of Mesa 22 gave wrong results in some builds of correct kernels", "2026-11" },
    // The same, a kernel of explicit vectors in each SIMD lane: statistics of one panel tile took 40 s, others over 150.
    { "rusticl", "llvmpipe", NULL, "23", CHI__ABOUT_NO_PANEL, "llvmpipe of Mesa 22 compiles a kernel of the panel core for minutes", "2026-11" },
    // Mesa 22.3.6 and 25.0.7: fma(0, −y, +0) came out as −0 in a chain from zero, in store_group.cl and topk_group.cl, cosine of
    // a zero row.
    { "rusticl", NULL, NULL, NULL, CHI__ABOUT_ZERO_SIGNS, "rusticl takes x + 0 for x", "2026-12" },
    // Mesa 22.3.6: images of more than 65,000 values came out half done where one work-item had them to itself; 224 × 224 × 3 were
    // right with 256. gallivm counts down from 65,535 over all loops of a function.
    { "rusticl", "llvmpipe", NULL, NULL, CHI__ABOUT_SHORT_LOOPS, "llvmpipe ends the loops of a work-item after 65535 turns", "2026-12" },
    { "Portable Computing Language", NULL, NULL, "1.5", CHI__ABOUT_REFUSE, "PoCL before 1.5 miscompiles kernels", "2026-11" },
    { "Portable Computing Language", NULL, NULL, NULL, CHI__ABOUT_OWN_CACHE, "PoCL keeps compiled programs itself", "2026-11" },
    { "Portable Computing Language", NULL, NULL, NULL, CHI__ABOUT_WHOLE_PARTS, "parts of PoCL's device run on all of its threads", "2026-11" },
    // 2026.22, two threads: 116 of 235 GFLOP/s (chiaro bench peak) while the thread that had enqueued slept until called back.
    { "Intel(R) OpenCL", NULL, NULL, NULL, CHI__ABOUT_WAITER_WORKS, "one of the threads that Intel's CPU runtime works with is the one that waits", "2026-11" },
    { "NVIDIA", NULL, NULL, NULL, CHI__ABOUT_OWN_CACHE, "NVIDIA's driver keeps compiled programs itself", "2026-11" },
};

const chi__about *chi__about_row(size_t index) { return index < sizeof rows / sizeof *rows ? &rows[index] : NULL; }

static bool is_digit(char c) { return c >= '0' && c <= '9'; }

// The next number of a version at *at, -1 where there is none.
static long next_number(const char **at)
{
    while (**at && !is_digit(**at))
        (*at)++;
    if (!**at)
        return -1;
    long value = 0;
    for (; is_digit(**at); (*at)++)
        value = value < 100000000 ? value * 10 + (**at - '0') : value;
    return value;
}

int chi__version_compare(const char *a, const char *b)
{
    for (;;) {
        const long x = next_number(&a), y = next_number(&b);
        if (x < 0 && y < 0)
            return 0;
        // 3.1 and 3.1.0 are one version.
        const long left = x < 0 ? 0 : x, right = y < 0 ? 0 : y;
        if (left != right)
            return left < right ? -1 : 1;
    }
}

bool chi__about_matches(const chi__about *row, const chi_device_info *info)
{
    if (!chi__contains_text(info->platform, row->platform))
        return false;
    if (row->device && !chi__contains_text(info->name, row->device) && !chi__contains_text(info->vendor, row->device))
        return false;
    if (row->from && chi__version_compare(info->driver, row->from) < 0)
        return false;
    return !row->before || chi__version_compare(info->driver, row->before) < 0;
}

const char *chi__about_why(const chi_device_info *info, chi__about_action action)
{
    for (size_t i = 0; i < sizeof rows / sizeof *rows; i++)
        if (rows[i].action == action && chi__about_matches(&rows[i], info))
            return rows[i].reason;
    return NULL;
}

void chi__about_offer_threads(unsigned threads)
{
    char text[16];
    snprintf(text, sizeof text, "%u", threads);
    chi__env_offer("POCL_MAX_PTHREAD_COUNT", text);
}

const char *chi__driver_settings(char *to)
{
    static const char *const prefixes[] = { "AMD_OCL_", "CL_CONFIG_", "GPU_ENABLE_", "IGC_", "LP_NATIVE_VECTOR_WIDTH=", "OCLGRIND_BUILD_OPTIONS=" };
    uint64_t sum = 0;
    for (size_t i = 0; i < sizeof prefixes / sizeof *prefixes; i++)
        sum += chi__env_hash(prefixes[i]);
    to[0] = '\0';
    if (sum)
        snprintf(to, CHI__SETTINGS_ROOM, ", settings %016" PRIx64, sum);
    return to;
}

static void apply_rows(chi_device_info *info)
{
    for (size_t i = 0; i < sizeof rows / sizeof *rows && info->state != CHI_DEVICE_REFUSED; i++) {
        const bool refuse = rows[i].action == CHI__ABOUT_REFUSE;
        if ((!refuse && rows[i].action != CHI__ABOUT_DEGRADE) || !chi__about_matches(&rows[i], info))
            continue;
        info->state = refuse ? CHI_DEVICE_REFUSED : CHI_DEVICE_DEGRADED;
        snprintf(info->reason, sizeof info->reason, "%s (seen %s)", rows[i].reason, rows[i].seen);
    }
}

// Two drivers that share one GPU: the one in the better state is kept, the first where they are alike.
static void mark_duplicate(chi_device_info *list, size_t index)
{
    chi_device_info *info = &list[index];
    for (size_t i = 0; i < index; i++) {
        if (!info->pci[0] || strcmp(list[i].pci, info->pci) != 0 || strcmp(list[i].platform, info->platform) == 0)
            continue;
        if (list[i].state == CHI_DEVICE_REFUSED || list[i].state == CHI_DEVICE_DUPLICATE || info->state == CHI_DEVICE_REFUSED)
            continue;
        chi_device_info *worse = info->state < list[i].state ? &list[i] : info;
        worse->state = CHI_DEVICE_DUPLICATE;
        snprintf(worse->reason, sizeof worse->reason, "the hardware of #%zu (PCI %s) through another platform",
                 worse == info ? i : index, info->pci);
    }
}

void chi__about_apply(chi_device_info *list, size_t count)
{
    for (size_t i = 0; i < count; i++) {
        apply_rows(&list[i]);
        list[i].loses_zero_signs = chi__about_has(&list[i], CHI__ABOUT_ZERO_SIGNS);
    }
    for (size_t i = 0; i < count; i++)
        mark_duplicate(list, i);
}
