// SPDX-License-Identifier: Apache-2.0
// bench_table.c: see bench_table.h. Where the terminal is wide a row is one line; else what a row of 80 characters has no
// room for stands below it in words.
#include "bench_table.h"

#include <string.h>
#include <unistd.h>

#include "text.h"

enum { ROW = 80, PEAK_COLUMNS = 35, BESIDE_COLUMNS = 37, HOW_COLUMNS = 44, MORE = 1024 };

double figure_gflops(const figure *f) { return f->flop_minimum / f->best / 1e6; }

roofline figure_roof(const figure *f, const chi_device_peak *peak)
{
    roofline r = { .flop_per_byte = f->flop_minimum / f->bytes,
                   .gflops = peak->fma_gflops,
                   .bound = "compute" };
    if (r.flop_per_byte * peak->copy_gbytes_per_s < r.gflops) {
        r.gflops = r.flop_per_byte * peak->copy_gbytes_per_s;
        r.bound = "memory";
    }
    r.fraction = figure_gflops(f) / r.gflops;
    return r;
}

const char *outliers_text(const char *when, const figure *const *runs, size_t count, char *to)
{
    size_t far = 0, total = 0;
    double worst = 0.0;
    for (size_t r = 0; r < count; r++) {
        double here;
        far += outliers(runs[r], &here);
        total += runs[r]->reps;
        worst = here > worst ? here : worst;
    }
    to[0] = 0;
    if (far)
        snprintf(to, 128, "; outliers%s: %zu of %zu, furthest %.3f ms", when, far, total, worst);
    return to;
}

// What is said last of a figure in a sentence and in a row.
static void add_rest(const bench_report *r, const figure *f, char *to, size_t room)
{
    char far[128];
    snprintf(to, room, "%s%s%s", outliers_text("", &f, 1, far), r->hash ? "; hash " : "",
             r->hash ? f->hash : "");
}

void table_sentence(const bench_report *r, const figure *f, const bench_peak *peak)
{
    char predicted[128] = "", part[256] = "", rest[256];
    if (f->predicted > 0.0)
        snprintf(predicted, sizeof predicted, "; the planner said %.3f ms, %.2f times the median",
                 f->predicted, f->predicted / f->median);
    if (peak->measured) {
        const roofline roof = figure_roof(f, &peak->is);
        snprintf(
            part, sizeof part,
            "; %.1f %% of the FMA peak of %.1f, %.1f %% of the roof at %.1f flop/byte (%s bound)",
            100.0 * figure_gflops(f) / peak->is.fma_gflops, peak->is.fma_gflops,
            100.0 * roof.fraction, roof.flop_per_byte, roof.bound);
    }
    add_rest(r, f, rest, sizeof rest);
    text_say(stdout, 4,
             "%s on %s (%s, %s, %s): %.3f ms best, %.3f ms median of %zu; %.1f GFLOP/s (%.1f "
             "executed), %.1f GB/s, %.1f MiB at most%s%s%s",
             f->word, f->device, f->core, f->tile, f->scheme, f->best, f->median, f->reps,
             figure_gflops(f), f->flop / f->best / 1e6, f->bytes / f->best / 1e6,
             (double)f->peak_bytes / 1048576.0, predicted, part, rest);
}

void table_kernels(const figure *f)
{
    size_t launches = 0;
    double us = 0.0;
    for (size_t i = 0; i < f->kernel_count; i++) {
        launches += f->kernels[i].launches;
        us += f->kernels[i].us;
    }
    for (size_t i = 0; i < f->kernel_count; i++)
        if (f->kernels[i].launches)
            printf("    %-28s %3zu launches %12.1f us %5.1f %%\n", f->kernels[i].name,
                   f->kernels[i].launches, f->kernels[i].us,
                   us > 0.0 ? 100.0 * f->kernels[i].us / us : 0.0);
    if (launches)
        printf("    %-28s %3zu launches %12.1f us of %.1f at best\n", "together", launches, us,
               f->best * 1e3);
}

static char letter(const figure *figures, const figure *f) { return (char)('a' + (f - figures)); }

void table_head(bench_report *r, const figure *figures, const figure *first)
{
    char beside[64] = "";
    const int needed =
        ROW + (r->peak ? PEAK_COLUMNS : 0) + (r->devices > 1 ? BESIDE_COLUMNS : 0) + HOW_COLUMNS;
    r->wide = text_width(STDOUT_FILENO) >= (size_t)needed;
    if (first)
        snprintf(beside, sizeof beside, "times %c's median, paired", letter(figures, first));
    for (size_t d = 0; d < r->devices; d++)
        if (*figures[d].device)
            text_say(stdout, 3, "%c: %s (%s, %s, %llu threads or units)", (char)('a' + d),
                     figures[d].device, figures[d].driver, figures[d].core,
                     (unsigned long long)figures[d].threads);
    printf("%-28s %-2s %9s %9s %9s %8s %8s", "problem", "on", "ms best", "median", "GFLOP/s",
           "GB/s", "MiB");
    if (r->wide && r->peak)
        printf(" %7s %9s %8s %-7s", "of peak", "flop/byte", "of roof", "bound");
    if (r->wide && r->devices > 1)
        printf("  %-35s", beside);
    printf(r->wide ? "  how\n" : "\n");
    r->head_printed = true;
}

// "1.02 (0.98 to 1.05) no difference", before it whose median where the head does not say that.
static void say_beside(const bench_report *r, const figure *figures, const figure *f,
                       const figure *first, char *to, size_t room)
{
    char interval[64] = "", whose[32] = "";
    snprintf(to, room, "%s", first == f && r->wide ? "1" : "");
    if (!first || first == f)
        return;
    const comparison c = compare_paired(first, f);
    if (c.low > 0.0)
        snprintf(interval, sizeof interval, "(%.2f to %.2f) ", c.low, c.high);
    if (!r->wide)
        snprintf(whose, sizeof whose, "times %c's median: ", letter(figures, first));
    snprintf(to, room, "%s%.2f %s%s", whose, c.median, interval, c.verdict);
}

static void row_wide(const bench_report *r, const figure *f, const bench_peak *peak,
                     const char *beside, const char *how)
{
    if (r->peak && peak->measured) {
        const roofline roof = figure_roof(f, &peak->is);
        printf(" %5.1f %% %9.1f %6.1f %% %-7s", 100.0 * figure_gflops(f) / peak->is.fma_gflops,
               roof.flop_per_byte, 100.0 * roof.fraction, roof.bound);
    } else if (r->peak) {
        printf(" %7s %9s %8s %-7s", "-", "-", "-", "-");
    }
    if (r->devices > 1)
        printf("  %-35s", beside);
    printf("  %s\n", how);
}

static void row_narrow(const bench_report *r, const figure *f, const bench_peak *peak,
                       const char *beside, const char *how)
{
    char part[128] = "";
    if (r->peak && peak->measured) {
        const roofline roof = figure_roof(f, &peak->is);
        snprintf(part, sizeof part, "; %.1f %% of peak, %.1f %% of roof at %.1f flop/byte (%s)",
                 100.0 * figure_gflops(f) / peak->is.fma_gflops, 100.0 * roof.fraction,
                 roof.flop_per_byte, roof.bound);
    }
    printf("\n");
    text_say(stdout, 0, "    %s%s%s%s", how, part, *beside ? "; " : "", beside);
}

void table_row(const bench_report *r, const figure *figures, size_t d, const figure *first,
               const bench_peak *peak)
{
    const figure *f = &figures[d];
    char how[MORE], beside[128], rest[256], predicted[128] = "";
    if (*f->error) {
        text_say(stdout, 4, "%s on %c failed: %s", f->word, (char)('a' + d), f->error);
        return;
    }
    if (text_columns(f->word) > 28) // the numbers keep their columns
        printf("%s\n%-28s", f->word, "");
    else
        printf("%-28s", f->word);
    printf(" %c  %9.3f %9.3f %9.1f %8.1f %8.1f", (char)('a' + d), f->best, f->median,
           figure_gflops(f), f->bytes / f->best / 1e6, (double)f->peak_bytes / 1048576.0);
    if (f->predicted > 0.0)
        snprintf(predicted, sizeof predicted, ", predicted %.3f ms (%.2f)", f->predicted,
                 f->predicted / f->median);
    add_rest(r, f, rest, sizeof rest);
    snprintf(how, sizeof how, "%s %s, %s%s%s", f->core, f->tile, f->scheme, predicted, rest);
    say_beside(r, figures, f, first, beside, sizeof beside);
    (r->wide ? row_wide : row_narrow)(r, f, peak, beside, how);
}
