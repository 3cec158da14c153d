// SPDX-License-Identifier: Apache-2.0
// bench_report.c: figures of `chiaro bench` as JSON lines, and beside those of earlier runs. A table for people: bench_table.c.
// What differs is decided in bench_compare.c.
#include <jansson.h>
#include <stdlib.h>
#include <string.h>

#include "bench_table.h"
#include "text.h"

enum { MOST_RUNS = 64, NOTES = 640 };

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

static void say_comparison(const comparison *c, char *to)
{
    if (c->low > 0.0)
        snprintf(to, NOTES, "%.3f times the median (%.3f to %.3f), %.3f times the best: %s", c->median, c->low, c->high, c->best, c->verdict);
    else
        snprintf(to, NOTES, "%.3f times the median, %.3f times the best: no interval (fewer than %d repetitions on a side)", c->median, c->best, COMPARE_LEAST_REPS);
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
        text_say(stdout, 0, "    %s has no %s", file->path, now[0]->word);
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
            char said[NOTES], far[128], far_now[128];
            say_comparison(&c, said);
            text_say(stdout, 2, "    against %s:%u%s: %s%s%s%s", file->path, then[0]->line, count > 1 ? " and more runs" : "", said, outliers_text(" then", then, count, far),
                     outliers_text(" now", now, nows, far_now), notes);
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
    const roofline r = figure_roof(f, &peak->is);
    json_object_set_new(line, "fraction_of_peak", json_real(figure_gflops(f) / peak->is.fma_gflops));
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
                             "reps", (json_int_t)f->reps, "ms_min", f->best, "ms_median", f->median, "cpu_ms", f->cpu, "gflops", figure_gflops(f), "gflops_executed", f->flop / f->best / 1e6,
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

// ---- all of a run ---------------------------------------------------------------------------------------
void report_figures(bench_report *r, const figure *figures, const bench_peak *peaks)
{
    const figure *first = NULL; // others are compared with the first device that has a figure
    for (size_t d = r->devices > 1 ? r->devices : 0; d-- > 0;)
        first = *figures[d].error ? first : &figures[d];
    if (!r->json && r->table && !r->head_printed)
        table_head(r, figures, first);
    for (size_t d = 0; d < r->devices; d++) {
        const figure *f = &figures[d];
        if (r->json) {
            print_json(r, f, first, &peaks[d]);
            continue;
        }
        if (r->table)
            table_row(r, figures, d, first, &peaks[d]);
        else if (!*f->error)
            table_sentence(r, f, &peaks[d]);
        table_kernels(f);
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
            text_say(stdout, 4, "%s on %s", f->word, f->device);
            against_file(r->earlier, now, count, NULL);
        }
    }
}

void report_end(const bench_report *r)
{
    if (r->json)
        return;
    if (r->earlier)
        text_say(stdout, 0, "Times over the earlier ones, 95 %% bootstrap intervals of medians over repetitions and, where a file has several, over runs. What differs between "
                 "two processes is seen only where a side has several runs: append them to one file.");
    else if (r->devices > 1)
        text_say(stdout, 0, "Repetitions took turns over the devices; intervals of 95 %% by bootstrap over pairs.");
}

void report_peak(const figure *f, const chi_device_peak *peak, bool json)
{
    if (json) {
        print_line(json_pack("{s:s, s:s, s:s, s:f, s:f, s:f, s:f, s:f}", "problem", "peak", "device", f->device, "driver", f->driver, "fma_gflops", peak->fma_gflops, "copy_gbytes_per_s",
                             peak->copy_gbytes_per_s, "local_gbytes_per_s", peak->local_gbytes_per_s, "launch_us", peak->launch_us, "enqueue_us", peak->enqueue_us));
        return;
    }
    text_say(stdout, 4, "%s: FMA %.1f GFLOP/s, copy %.1f GB/s (read and written), local memory %.1f GB/s (read), a launch %.1f us and %.2f us in a row", f->device,
             peak->fma_gflops, peak->copy_gbytes_per_s, peak->local_gbytes_per_s, peak->launch_us, peak->enqueue_us);
}
