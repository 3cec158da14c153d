// SPDX-License-Identifier: Apache-2.0
// bench_compare.c: whether two measurements differ: ratios of medians with bootstrap intervals, outliers, and the JSON
// lines of an earlier run. Printed by bench_report.c.
#include <jansson.h>
#include <math.h>
#include <stdlib.h>
#include <string.h>

#include "bench.h"

enum { DRAWS = 2000, MOST_DRAWN = 512, MOST_TIMES = 1000000 };

static int by_size(const void *a, const void *b)
{
    const double x = *(const double *)a, y = *(const double *)b;
    return (x > y) - (x < y);
}

// Of sorted values.
static double middle(const double *sorted, size_t count)
{
    return count % 2 ? sorted[count / 2] : 0.5 * (sorted[count / 2 - 1] + sorted[count / 2]);
}

static double median_of(double *values, size_t count)
{
    qsort(values, count, sizeof *values, by_size);
    return middle(values, count);
}

void figure_sum_up(figure *f)
{
    double *sorted = f->times && f->reps ? malloc(f->reps * sizeof *sorted) : NULL;
    if (!sorted)
        return;
    memcpy(sorted, f->times, f->reps * sizeof *sorted);
    f->median = median_of(sorted, f->reps);
    f->best = sorted[0];
    free(sorted);
}

void figure_free(figure *f)
{
    free(f->times);
    free(f->kernels);
    f->times = NULL;
    f->kernels = NULL;
}

size_t outliers(const figure *f, double *worst)
{
    size_t count = 0;
    *worst = 0.0;
    double *far = f->times && f->reps ? malloc(f->reps * sizeof *far) : NULL;
    if (!far)
        return 0;
    for (size_t i = 0; i < f->reps; i++)
        far[i] = fabs(f->times[i] - f->median);
    const double spread = 1.4826 * median_of(far, f->reps); // the standard deviation of a normal distribution
    for (size_t i = 0; i < f->reps; i++)
        if (fabs(f->times[i] - f->median) > 3.0 * spread && fabs(f->times[i] / f->median - 1.0) > 0.02) {
            count++;
            *worst = fabs(f->times[i] - f->median) > fabs(*worst - f->median) || *worst == 0.0 ? f->times[i] : *worst;
        }
    free(far);
    return count;
}

// ---- intervals -----------------------------------------------------------------------------------------
// The same draws every time: the interval is a function of the times.
static size_t draw(uint64_t *state, size_t count)
{
    *state ^= *state << 13;
    *state ^= *state >> 7;
    *state ^= *state << 17;
    return (size_t)((*state >> 11) % count);
}

// Median of as many times as there are, drawn anew: first the runs, then the repetitions of each.
static double drawn_median(uint64_t *state, const figure *const *runs, size_t count, double *room)
{
    size_t filled = 0;
    for (size_t r = 0; r < count; r++) {
        const figure *run = runs[count > 1 ? draw(state, count) : 0];
        const size_t most = MOST_DRAWN / count > 0 ? MOST_DRAWN / count : 1;
        for (size_t i = 0; i < run->reps && i < most && filled < MOST_DRAWN; i++)
            room[filled++] = run->times[draw(state, run->reps)];
    }
    return median_of(room, filled);
}

static double pooled_median(const figure *const *runs, size_t count, double *best)
{
    size_t total = 0, at = 0;
    for (size_t r = 0; r < count; r++) {
        total += runs[r]->reps;
        *best = r == 0 || runs[r]->best < *best ? runs[r]->best : *best;
    }
    double *all = total ? malloc(total * sizeof *all) : NULL;
    if (!all)
        return runs[0]->median;
    for (size_t r = 0; r < count; r++) {
        memcpy(all + at, runs[r]->times, runs[r]->reps * sizeof *all);
        at += runs[r]->reps;
    }
    const double median = median_of(all, total);
    free(all);
    return median;
}

static void judge(comparison *c, double *ratios)
{
    qsort(ratios, DRAWS, sizeof *ratios, by_size);
    c->low = ratios[DRAWS / 40];
    c->high = ratios[DRAWS - 1 - DRAWS / 40];
    c->verdict = c->low > 1.0 ? "slower" : c->high < 1.0 ? "faster" : "no difference";
    if ((c->low > 1.0 && c->best < 1.0) || (c->high < 1.0 && c->best > 1.0))
        c->verdict = "unclear"; // a neighbour's work, most likely: the undisturbed repetitions say otherwise
}

static bool enough(const figure *const *runs, size_t count)
{
    size_t total = 0;
    for (size_t r = 0; r < count; r++) {
        if (!runs[r]->times)
            return false;
        total += runs[r]->reps;
    }
    return total >= COMPARE_LEAST_REPS;
}

comparison compare_runs(const figure *const *first, size_t firsts, const figure *const *second, size_t seconds)
{
    comparison c = { .median = second[0]->median / first[0]->median, .best = second[0]->best / first[0]->best, .verdict = "no interval" };
    uint64_t state = 0x9e3779b97f4a7c15u;
    double a_best = 0.0, b_best = 0.0, room[MOST_DRAWN];
    double *ratios = enough(first, firsts) && enough(second, seconds) ? malloc(DRAWS * sizeof *ratios) : NULL;
    if (!ratios)
        return c;
    const double a = pooled_median(first, firsts, &a_best), b = pooled_median(second, seconds, &b_best);
    c.median = b / a;
    c.best = b_best / a_best;
    for (size_t d = 0; d < DRAWS; d++) {
        const double drawn = drawn_median(&state, first, firsts, room);
        ratios[d] = drawn_median(&state, second, seconds, room) / drawn;
    }
    judge(&c, ratios);
    free(ratios);
    return c;
}

comparison compare_paired(const figure *first, const figure *second)
{
    comparison c = { .median = second->median / first->median, .best = second->best / first->best, .verdict = "no interval" };
    const size_t count = first->reps < second->reps ? first->reps : second->reps, most = count < MOST_DRAWN ? count : MOST_DRAWN;
    double *ratios = count >= COMPARE_LEAST_REPS && first->times && second->times ? malloc(DRAWS * sizeof *ratios) : NULL;
    double room[MOST_DRAWN];
    uint64_t state = 0x9e3779b97f4a7c15u;
    for (size_t d = 0; ratios && d < DRAWS; d++) {
        for (size_t i = 0; i < most; i++) {
            const size_t at = draw(&state, count);
            room[i] = second->times[at] / first->times[at];
        }
        ratios[d] = median_of(room, most);
    }
    if (ratios)
        judge(&c, ratios);
    free(ratios);
    return c;
}

// ---- an earlier run ------------------------------------------------------------------------------------
static int refuse(const figure_file *file, unsigned line, const char *what)
{
    return tool_error("%s:%u: %s; --compare reads the lines of chiaro bench --json", file->path, line, what);
}

static void take_text(const json_t *object, const char *key, char *to, size_t room)
{
    const char *text = json_string_value(json_object_get(object, key));
    snprintf(to, room, "%s", text ? text : "");
}

static bool is_time(double ms) { return isfinite(ms) && ms > 0.0; }

static int take_times(const figure_file *file, figure *f, const json_t *object)
{
    const json_t *times = json_object_get(object, "times_ms");
    f->best = json_number_value(json_object_get(object, "ms_min"));
    f->median = json_number_value(json_object_get(object, "ms_median"));
    if (!is_time(f->best) || !is_time(f->median) || f->best > f->median)
        return refuse(file, f->line, "no ms_min and ms_median above 0");
    if (!times)
        return TOOL_DONE; // of a version that kept none
    f->reps = json_array_size(times);
    if (f->reps == 0 || f->reps > MOST_TIMES)
        return refuse(file, f->line, "times_ms is no list of 1 to 1,000,000 times");
    f->times = malloc(f->reps * sizeof *f->times);
    if (!f->times)
        return tool_error("no memory for %zu times", f->reps);
    for (size_t i = 0; i < f->reps; i++) {
        f->times[i] = json_number_value(json_array_get(times, i));
        if (!is_time(f->times[i]))
            return refuse(file, f->line, "a time of times_ms is not above 0");
    }
    figure_sum_up(f);
    return TOOL_DONE;
}

static int take_figure(figure_file *file, unsigned line, const json_t *object)
{
    figure f = { .line = line };
    if (json_object_get(object, "error") || json_object_get(object, "fma_gflops")) // a device that failed; peaks
        return TOOL_DONE;
    take_text(object, "problem", f.word, sizeof f.word);
    take_text(object, "device", f.device, sizeof f.device);
    take_text(object, "driver", f.driver, sizeof f.driver);
    take_text(object, "core", f.core, sizeof f.core);
    take_text(object, "tile", f.tile, sizeof f.tile);
    take_text(object, "numerics", f.numerics, sizeof f.numerics);
    take_text(object, "scheme", f.scheme, sizeof f.scheme);
    f.threads = (uint64_t)json_integer_value(json_object_get(object, "threads"));
    if (!*f.word || !*f.device)
        return refuse(file, line, "an object without problem and device");
    if (file->count == file->room) {
        const size_t room = 2 * file->room + 16;
        figure *more = realloc(file->figures, room * sizeof *more);
        if (!more)
            return tool_error("no memory for %zu figures", room);
        file->figures = more;
        file->room = room;
    }
    const int result = take_times(file, &f, object);
    if (result == TOOL_DONE)
        file->figures[file->count++] = f;
    else
        figure_free(&f);
    return result;
}

int figures_read(figure_file *file)
{
    char *line = NULL;
    size_t room = 0;
    unsigned number = 0;
    int result = TOOL_DONE;
    FILE *in = fopen(file->path, "r");
    if (!in)
        return tool_error("%s: cannot be opened", file->path);
    for (ssize_t length; result == TOOL_DONE && (length = getline(&line, &room, in)) >= 0;) {
        json_error_t why;
        number++;
        if (line[strspn(line, " \t\r\n")] == 0 && strlen(line) == (size_t)length)
            continue;
        json_t *object = json_loadb(line, (size_t)length, JSON_REJECT_DUPLICATES, &why);
        result = json_is_object(object) ? take_figure(file, number, object) : refuse(file, number, object ? "no JSON object" : why.text);
        json_decref(object);
    }
    if (result == TOOL_DONE && ferror(in))
        result = tool_error("%s: cannot be read", file->path);
    if (result == TOOL_DONE && file->count == 0)
        result = tool_error("%s: no figure in %u lines; --compare reads the lines of chiaro bench --json", file->path, number);
    free(line);
    fclose(in);
    return result;
}

void figures_free(figure_file *file)
{
    for (size_t i = 0; i < file->count; i++)
        figure_free(&file->figures[i]);
    free(file->figures);
    file->figures = NULL;
    file->count = file->room = 0;
}
