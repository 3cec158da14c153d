// SPDX-License-Identifier: Apache-2.0
// bench_report.c: figures of `chiaro bench` as a sentence, a table or JSON lines; beside other devices and earlier runs.
// What differs is decided in bench_compare.c.
#include <jansson.h>
#include <math.h>
#include <stdlib.h>
#include <string.h>

#include "bench.h"

enum { MOST_RUNS = 64, NOTES = 640 };

// ---- roofline ------------------------------------------------------------------------------------------
// What the device could do at most: its FMA peak, or less where the least traffic of the problem, copied at its measured
// speed, takes longer.
typedef struct roofline { double flop_per_byte, gflops, fraction; const char *bound; } roofline;

static double gflops_of(const figure *f) { return f->flop_minimum / f->best / 1e6; }

static roofline roof_of(const figure *f, const chi_device_peak *peak)
{
    roofline r = { .flop_per_byte = f->flop_minimum / f->bytes, .gflops = peak->fma_gflops, .bound = "compute" };
    if (r.flop_per_byte * peak->copy_gbytes_per_s < r.gflops) {
        r.gflops = r.flop_per_byte * peak->copy_gbytes_per_s;
        r.bound = "memory";
    }
    r.fraction = gflops_of(f) / r.gflops;
    return r;
}

// ---- earlier runs --------------------------------------------------------------------------------------
// The runs of one problem on one device in a file.
static size_t runs_of(const figure_file *file, const char *word, const char *device, const figure **runs)
{
    size_t count = 0;
    for (size_t i = 0; i < file->count && count < MOST_RUNS; i++)
        if (strcmp(file->figures[i].word, word) == 0 && strcmp(file->figures[i].device, device) == 0)
            runs[count++] = &file->figures[i];
    return count;
}

// Device of the problem's first figure after `from` that no figure before it has, or NULL.
static const char *next_device(const figure_file *file, const char *word, size_t *from)
{
    for (size_t i = *from; i < file->count; i++) {
        bool seen = strcmp(file->figures[i].word, word) != 0;
        for (size_t j = 0; j < i && !seen; j++)
            seen = strcmp(file->figures[j].word, word) == 0 && strcmp(file->figures[j].device, file->figures[i].device) == 0;
        if (!seen) {
            *from = i + 1;
            return file->figures[i].device;
        }
    }
    return NULL;
}

static void add_note(char *notes, const char *what, const char *then, const char *now)
{
    const size_t used = strlen(notes);
    if (strcmp(then, now) != 0)
        snprintf(notes + used, NOTES - used, "; %s was %s, is %s", what, *then ? then : "unknown", *now ? now : "unknown");
}

// What else differs than the time.
static void note_differences(char *notes, const figure *then, const figure *now)
{
    char a[24], b[24];
    notes[0] = 0;
    add_note(notes, "device", then->device, now->device);
    add_note(notes, "driver", then->driver, now->driver);
    add_note(notes, "core", then->core, now->core);
    add_note(notes, "tile", then->tile, now->tile);
    add_note(notes, "numerics", then->numerics, now->numerics);
    add_note(notes, "scheme", then->scheme, now->scheme);
    snprintf(a, sizeof a, "%llu", (unsigned long long)then->threads);
    snprintf(b, sizeof b, "%llu", (unsigned long long)now->threads);
    add_note(notes, "threads", a, b);
}

static void print_outliers(const char *when, const figure *const *runs, size_t count)
{
    size_t far = 0, total = 0;
    double worst = 0.0;
    for (size_t r = 0; r < count; r++) {
        double here;
        far += outliers(runs[r], &here);
        total += runs[r]->reps;
        worst = here > worst ? here : worst;
    }
    if (far)
        printf("; outliers%s: %zu of %zu, furthest %.3f ms", when, far, total, worst);
}

static json_t *outliers_json(const figure *const *runs, size_t count)
{
    json_t *list = json_array();
    for (size_t r = 0; r < count; r++) {
        double worst;
        json_array_append_new(list, json_integer((json_int_t)outliers(runs[r], &worst)));
    }
    return list;
}

static json_t *comparison_json(const comparison *c)
{
    json_t *object = json_pack("{s:f, s:f, s:s}", "ratio_median", c->median, "ratio_best", c->best, "verdict", c->verdict);
    json_object_set_new(object, "low", c->low > 0.0 ? json_real(c->low) : json_null());
    json_object_set_new(object, "high", c->low > 0.0 ? json_real(c->high) : json_null());
    return object;
}

static void print_comparison(const comparison *c)
{
    if (c->low > 0.0)
        printf("%.3f times the median (%.3f to %.3f), %.3f times the best: %s", c->median, c->low, c->high, c->best, c->verdict);
    else
        printf("%.3f times the median, %.3f times the best: no interval (fewer than %d repetitions on a side)", c->median, c->best, COMPARE_LEAST_REPS);
}

// `now` (one or more runs) against every device of the file, its own alone where that is there. Lines for people, or
// objects added to `list`.
static void against_file(const figure_file *file, const figure *const *now, size_t nows, json_t *list)
{
    const figure *then[MOST_RUNS];
    const char *device = now[0]->device, *other = NULL;
    size_t from = 0, count = runs_of(file, now[0]->word, device, then);
    if (count == 0)
        count = (other = next_device(file, now[0]->word, &from)) ? runs_of(file, now[0]->word, other, then) : 0;
    if (count == 0 && !list)
        printf("    %s has no %s\n", file->path, now[0]->word);
    while (count) {
        char notes[NOTES];
        const comparison c = compare_runs(then, count, now, nows);
        note_differences(notes, then[0], now[0]);
        if (list) {
            json_t *object = comparison_json(&c);
            json_object_set_new(object, "file", json_string(file->path));
            json_object_set_new(object, "line", json_integer(then[0]->line));
            json_object_set_new(object, "runs", json_integer((json_int_t)count));
            json_object_set_new(object, "differs", json_string(*notes ? notes + 2 : ""));
            json_object_set_new(object, "outliers_then", outliers_json(then, count));
            json_object_set_new(object, "outliers_now", outliers_json(now, nows));
            json_array_append_new(list, object);
        } else {
            printf("    against %s:%u%s: ", file->path, then[0]->line, count > 1 ? " and more runs" : "");
            print_comparison(&c);
            print_outliers(" then", then, count);
            print_outliers(" now", now, nows);
            printf("%s\n", notes);
        }
        other = other ? next_device(file, now[0]->word, &from) : NULL;
        count = other ? runs_of(file, now[0]->word, other, then) : 0;
    }
}

// ---- JSON ----------------------------------------------------------------------------------------------
static void add_times(json_t *line, const figure *f)
{
    json_t *times = json_array();
    for (size_t i = 0; i < f->reps; i++)
        json_array_append_new(times, json_real(f->times[i]));
    json_object_set_new(line, "times_ms", times);
}

static void add_kernels(json_t *line, const figure *f)
{
    json_t *list = json_array();
    for (size_t i = 0; i < f->kernel_count; i++)
        if (f->kernels[i].launches)
            json_array_append_new(list, json_pack("{s:s, s:I, s:f}", "kernel", f->kernels[i].name, "launches", (json_int_t)f->kernels[i].launches, "us", f->kernels[i].us));
    json_object_set_new(line, "kernels", list);
}

static void add_roof(json_t *line, const figure *f, const bench_peak *peak)
{
    if (!peak->measured) {
        json_object_set_new(line, "fraction_of_peak", json_null());
        return;
    }
    const roofline r = roof_of(f, &peak->is);
    json_object_set_new(line, "fraction_of_peak", json_real(gflops_of(f) / peak->is.fma_gflops));
    json_object_set_new(line, "roofline", json_pack("{s:f, s:f, s:f, s:s}", "flop_per_byte", r.flop_per_byte, "roof_gflops", r.gflops, "fraction", r.fraction, "bound", r.bound));
}

static void print_line(json_t *line)
{
    json_dumpf(line, stdout, JSON_REAL_PRECISION(7));
    printf("\n");
    fflush(stdout);
    json_decref(line);
}

static void print_json(const bench_report *r, const figure *f, const figure *first, const bench_peak *peak)
{
    if (*f->error) {
        print_line(json_pack("{s:s, s:s, s:s}", "problem", f->word, "selector", f->selector ? f->selector : "auto", "error", f->error));
        return;
    }
    json_t *line = json_pack("{s:s, s:s, s:s, s:s, s:s, s:s, s:s, s:I, s:I, s:f, s:f, s:f, s:f, s:f, s:f, s:I, s:s}", "problem", f->word, "selector", f->selector ? f->selector : "auto",
                             "device", f->device, "driver", f->driver, "core", f->core, "tile", f->tile, "numerics", f->numerics, "threads", (json_int_t)f->threads,
                             "reps", (json_int_t)f->reps, "ms_min", f->best, "ms_median", f->median, "cpu_ms", f->cpu, "gflops", gflops_of(f), "gflops_executed", f->flop / f->best / 1e6,
                             "gbytes_per_s", f->bytes / f->best / 1e6, "peak_bytes", (json_int_t)f->peak_bytes, "scheme", f->scheme);
    add_roof(line, f, peak);
    if (f->predicted > 0.0)
        json_object_set_new(line, "predicted_ms", json_real(f->predicted));
    if (r->hash)
        json_object_set_new(line, "hash", json_string(f->hash));
    add_times(line, f);
    if (f->kernel_count)
        add_kernels(line, f);
    if (first && first != f) {
        const comparison c = compare_paired(first, f);
        json_t *object = comparison_json(&c);
        json_object_set_new(object, "to", json_string(first->selector ? first->selector : "auto"));
        json_object_set_new(line, "beside", object);
    }
    if (r->earlier) {
        json_t *list = json_array();
        against_file(r->earlier, &f, 1, list);
        json_object_set_new(line, "compare", list);
    }
    print_line(line);
}

// ---- for people ----------------------------------------------------------------------------------------
static void print_sentence(const bench_report *r, const figure *f, const bench_peak *peak)
{
    printf("%s on %s (%s, %s, %s): %.3f ms best, %.3f ms median of %zu; %.1f GFLOP/s (%.1f executed), %.1f GB/s, %.1f MiB at most", f->word, f->device, f->core, f->tile,
           f->scheme, f->best, f->median, f->reps, gflops_of(f), f->flop / f->best / 1e6, f->bytes / f->best / 1e6, (double)f->peak_bytes / 1048576.0);
    if (f->predicted > 0.0)
        printf("; the planner said %.3f ms, %.2f times the median", f->predicted, f->predicted / f->median);
    if (peak->measured) {
        const roofline roof = roof_of(f, &peak->is);
        printf("; %.1f %% of the FMA peak of %.1f, %.1f %% of the roof at %.1f flop/byte (%s bound)", 100.0 * gflops_of(f) / peak->is.fma_gflops, peak->is.fma_gflops,
               100.0 * roof.fraction, roof.flop_per_byte, roof.bound);
    }
    print_outliers("", &f, 1);
    printf(r->hash ? "; hash %s\n" : "\n", f->hash);
}

static void print_kernels(const figure *f)
{
    size_t launches = 0;
    double us = 0.0;
    for (size_t i = 0; i < f->kernel_count; i++) {
        launches += f->kernels[i].launches;
        us += f->kernels[i].us;
    }
    for (size_t i = 0; i < f->kernel_count; i++)
        if (f->kernels[i].launches)
            printf("    %-28s %3zu launches %12.1f us %5.1f %%\n", f->kernels[i].name, f->kernels[i].launches, f->kernels[i].us, us > 0.0 ? 100.0 * f->kernels[i].us / us : 0.0);
    if (launches)
        printf("    %-28s %3zu launches %12.1f us of %.1f at best\n", "together", launches, us, f->best * 1e3);
}

static void print_head(bench_report *r, const figure *figures, const bench_peak *peaks)
{
    for (size_t d = 0; d < r->devices; d++)
        if (*figures[d].device)
            printf("%c: %s (%s, %s, %llu threads or units)\n", (char)('a' + d), figures[d].device, figures[d].driver, figures[d].core, (unsigned long long)figures[d].threads);
    printf("%-30s %-2s %10s %10s %9s %8s %8s", "problem", "on", "ms best", "median", "GFLOP/s", "GB/s", "MiB");
    if (peaks[0].measured)
        printf(" %7s %9s %8s %-7s", "of peak", "flop/byte", "of roof", "bound");
    if (r->devices > 1)
        printf("  %-35s", "times a's median, paired");
    printf("  how\n");
    r->head_printed = true;
}

static void print_row(const bench_report *r, const figure *f, const figure *first, size_t d, const bench_peak *peak)
{
    if (*f->error) {
        printf("%-30s %c  failed: %s\n", f->word, (char)('a' + d), f->error);
        return;
    }
    printf("%-30s %c  %10.3f %10.3f %9.1f %8.1f %8.1f", f->word, (char)('a' + d), f->best, f->median, gflops_of(f), f->bytes / f->best / 1e6, (double)f->peak_bytes / 1048576.0);
    if (peak->measured) {
        const roofline roof = roof_of(f, &peak->is);
        printf(" %5.1f %% %9.1f %6.1f %% %-7s", 100.0 * gflops_of(f) / peak->is.fma_gflops, roof.flop_per_byte, 100.0 * roof.fraction, roof.bound);
    }
    if (r->devices > 1 && first && first != f) {
        const comparison c = compare_paired(first, f);
        char interval[64] = "", all[128];
        if (c.low > 0.0)
            snprintf(interval, sizeof interval, "(%.2f to %.2f) ", c.low, c.high);
        snprintf(all, sizeof all, "%.2f %s%s", c.median, interval, c.verdict);
        printf("  %-35s", all);
    } else if (r->devices > 1) {
        printf("  %-35s", first == f ? "1" : "");
    }
    printf("  %s %s, %s", f->core, f->tile, f->scheme);
    if (f->predicted > 0.0)
        printf(", predicted %.3f ms (%.2f)", f->predicted, f->predicted / f->median);
    print_outliers("", &f, 1);
    printf(r->hash ? "; hash %s\n" : "\n", f->hash);
}

void report_figures(bench_report *r, const figure *figures, const bench_peak *peaks)
{
    const figure *first = NULL; // others are compared with the first device, where that has a figure
    if (r->devices > 1 && !*figures[0].error)
        first = &figures[0];
    if (!r->json && r->table && !r->head_printed)
        print_head(r, figures, peaks);
    for (size_t d = 0; d < r->devices; d++) {
        const figure *f = &figures[d];
        if (r->json) {
            print_json(r, f, first, &peaks[d]);
            continue;
        }
        if (r->table)
            print_row(r, f, first, d, &peaks[d]);
        else if (!*f->error)
            print_sentence(r, f, &peaks[d]);
        print_kernels(f);
        if (r->earlier && !*f->error)
            against_file(r->earlier, &f, 1, NULL);
    }
    fflush(stdout);
}

void report_files(bench_report *r, const figure_file *later)
{
    const figure *now[MOST_RUNS];
    for (size_t i = 0; i < later->count; i++) {
        const figure *f = &later->figures[i];
        const size_t count = runs_of(later, f->word, f->device, now);
        if (now[0] != f) // the group was printed at its first run
            continue;
        if (r->json) {
            json_t *line = json_pack("{s:s, s:s, s:I}", "problem", f->word, "device", f->device, "runs", (json_int_t)count), *list = json_array();
            against_file(r->earlier, now, count, list);
            json_object_set_new(line, "compare", list);
            print_line(line);
        } else {
            printf("%s on %s\n", f->word, f->device);
            against_file(r->earlier, now, count, NULL);
        }
    }
}

void report_end(const bench_report *r)
{
    if (r->json)
        return;
    if (r->earlier)
        printf("Times over the earlier ones, 95 %% bootstrap intervals of medians over repetitions and, where a file has several, over runs.\n"
               "What differs between two processes is seen only where a side has several runs: append them to one file.\n");
    else if (r->devices > 1)
        printf("Repetitions took turns over the devices; intervals of 95 %% by bootstrap over pairs.\n");
}

void report_peak(const figure *f, const chi_device_peak *peak, bool json)
{
    if (json) {
        print_line(json_pack("{s:s, s:s, s:s, s:f, s:f, s:f, s:f, s:f}", "problem", "peak", "device", f->device, "driver", f->driver, "fma_gflops", peak->fma_gflops, "copy_gbytes_per_s",
                             peak->copy_gbytes_per_s, "local_gbytes_per_s", peak->local_gbytes_per_s, "launch_us", peak->launch_us, "enqueue_us", peak->enqueue_us));
        return;
    }
    printf("%s: FMA %.1f GFLOP/s, copy %.1f GB/s (read and written), local memory %.1f GB/s (read), a launch %.1f us and %.2f us in a row\n", f->device,
           peak->fma_gflops, peak->copy_gbytes_per_s, peak->local_gbytes_per_s, peak->launch_us, peak->enqueue_us);
}
