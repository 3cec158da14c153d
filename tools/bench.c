// SPDX-License-Identifier: Apache-2.0
// bench.c: `chiaro bench`: problems timed on devices that take turns. Words: bench_word.c; data and runs: bench_problem.c;
// sets: bench_set.c; what differs: bench_compare.c; output: bench_report.c.
#include <stdlib.h>
#include <string.h>

#include "bench.h"

enum { LANES = 8, WORDS = 64 };

// One device. Its tool differs from the others' in the selector alone.
typedef struct lane {
    tool tool;
    chi_device *dev;
    chi_device_info info;
    bench_peak peak;
    char error[512]; // why it is left out
} lane;

typedef struct bench {
    tool tool;
    const char *given[WORDS], *reps_text, *dump, *provider, *sets, *problems, *devices, *compare, *with;
    bool peak, hash, list, profile, predict;
    uint64_t reps;
    word_list words;
    size_t lanes;
    lane lane[LANES];
    char selectors[1024];
    figure_file earlier, later;
} bench;

static int parse(bench *b, int argc, char **argv, size_t *given)
{
    const tool_option own[] = {
        { "reps", "N", "timed repeats after one that is not; default 9", &b->reps_text, NULL },
        { "set", "NAMES", "problems of these sets (a comma list) instead of, or after, PROBLEM", &b->sets, NULL },
        { "problems", "FILE", "sets of this file instead of the built-in ones; without --set all of them", &b->problems, NULL },
        { "list", NULL, "print the sets", NULL, &b->list },
        { "devices", "A,B,…", "selectors: these devices take turns, with ratios to the first", &b->devices, NULL },
        { "compare", "FILE", "beside the JSON lines of an earlier run", &b->compare, NULL },
        { "with", "FILE", "with --compare: take the later figures from this file, measure nothing", &b->with, NULL },
        { "peak", NULL, "measure each device's own peaks: fraction of the FMA peak, place under the roofline", NULL, &b->peak },
        { "profile", NULL, "launches and device time of each kernel in one repetition", NULL, &b->profile },
        { "hash", NULL, "FNV-1a 64 over value, then gradients; train-step: and the weights after N + 1 steps", NULL, &b->hash },
        { "dump", "FILE", "inputs and results as safetensors", &b->dump, NULL },
        { "predict", NULL, "beside losses the time that `chiaro plan` predicts", NULL, &b->predict },
        { "provider", "chiaro|clblast|auto", "gemm: whose product; auto (default): chiaro, or what tuning found under --numerics fast", &b->provider, NULL },
    };
    return tool_parse(&b->tool, argc, argv, own, sizeof own / sizeof *own,
        "bench PROBLEM… [--set NAMES] [--devices A,B] [--compare FILE] [--json]\n"
        "PROBLEM: gemm:NxMxD  logsumexp:NxMxD  stats:NxMxD  topk:NxMxD[,k=K]  clip:NxNxD  infonce:NxNxD  ntxent:NxNxD\n"
        "         supcon:NxNxD[,c=CLASSES]  siglip:NxNxD  moco:NxQUEUExD  conv:BATCHxCINxHxWxCOUT[,k=SIDE][,s=STRIDE][,p=PADDING][,b=0: forward alone]\n"
        "         train-step:BATCH  peak\n"
        "Rows of length 1 from seed 1 (y: seed 2), temperature 0.1, labels i mod 100. Time: wall clock from the first launch\n"
        "to the end, packing included, uploads not. gflops counts the least the mathematics needs (clip, infonce and siglip 3G,\n"
        "ntxent and supcon 1.5G, moco 2G, G = 2 N M D), gflops_executed what was run. The roof of a problem is the FMA peak, or less\n"
        "where copying its inputs and outputs once would take longer; small problems stay in caches and may pass it.\n"
        "A comparison gives times over earlier times with an interval of 95 %; where that holds 1 there is no difference,\n"
        "where the fastest repetitions say the opposite it is unclear.",
        "chiaro bench --set loss --peak --json > before.jsonl; chiaro bench --set loss --compare before.jsonl", b->given, given, WORDS);
}

static int check_options(bench *b, size_t given)
{
    b->reps = 9;
    if (b->with && !b->compare)
        return tool_usage("--with FILE needs --compare FILE");
    if (b->with && (given || b->sets || b->problems || b->devices || b->dump))
        return tool_usage("--with FILE measures nothing: no problems and no devices beside it");
    if (!b->with && !b->list && !given && !b->sets && !b->problems)
        return tool_usage("bench needs a PROBLEM, for example clip:4096x4096x128 (chiaro bench --help), or --set NAME (chiaro bench --list)");
    if (b->reps_text && (!tool_count(b->reps_text, &b->reps) || b->reps == 0 || b->reps > 100000))
        return tool_usage("--reps %s is not a number from 1 to 100000", b->reps_text);
    if (b->provider && strcmp(b->provider, "chiaro") != 0 && strcmp(b->provider, "clblast") != 0 && strcmp(b->provider, "auto") != 0)
        return tool_usage("--provider %s is neither chiaro nor clblast nor auto", b->provider);
    if (b->devices && b->tool.device)
        return tool_usage("--device and --devices exclude each other");
    return TOOL_DONE;
}

// Each device's tool: the same options, its own selector.
static int split_devices(bench *b)
{
    b->lanes = 1;
    b->lane[0].tool = b->tool;
    if (!b->devices)
        return TOOL_DONE;
    if (strlen(b->devices) >= sizeof b->selectors)
        return tool_usage("--devices: %zu characters, at most %zu", strlen(b->devices), sizeof b->selectors - 1);
    snprintf(b->selectors, sizeof b->selectors, "%s", b->devices);
    size_t count = 0;
    for (char *part = b->selectors, *next; part; part = next) {
        if ((next = strchr(part, ',')) != NULL)
            *next++ = 0;
        if (!*part)
            return tool_usage("--devices %s: an empty selector", b->devices);
        if (count == LANES)
            return tool_usage("--devices: at most %d devices", LANES);
        b->lane[count].tool = b->tool;
        b->lane[count].tool.device = b->lane[count].tool.options.match = part;
        count++;
    }
    b->lanes = count;
    return TOOL_DONE;
}

static int collect(bench *b, size_t given)
{
    int result = TOOL_DONE;
    for (size_t i = 0; i < given && result == TOOL_DONE; i++)
        result = words_add(&b->words, b->given[i]);
    if (result == TOOL_DONE && (b->sets || b->problems))
        result = words_read(&b->words, b->problems, b->sets);
    for (size_t i = 0; i < b->words.count && result == TOOL_DONE; i++)
        if (strcmp(b->words.words[i], "peak") != 0)
            result = problem_check(b->words.words[i], b->provider); // before a device is opened
    if (result == TOOL_DONE && b->dump && (b->words.count != 1 || b->lanes != 1))
        return tool_usage("--dump is for one problem on one device, there are %zu on %zu", b->words.count, b->lanes);
    return result;
}

// A device that does not open leaves the others running; alone it ends the command.
static int open_lanes(bench *b)
{
    int result = TOOL_DONE;
    size_t open = 0;
    for (size_t d = 0; d < b->lanes; d++) {
        lane *l = &b->lane[d];
        l->tool.options.log.user = &l->tool;
        l->tool.profile = b->profile;
        const int opened = tool_open(&l->tool, &l->dev);
        if (opened == TOOL_DONE && chi_device_describe(l->dev, &l->info) == CHI_OK) {
            open++;
            continue;
        }
        snprintf(l->error, sizeof l->error, "%s", chi_error_text());
        result = opened;
    }
    return open ? TOOL_DONE : result;
}

static void fill(const bench *b, const lane *l, const char *word, figure *f)
{
    snprintf(f->word, sizeof f->word, "%s", word);
    f->selector = l->tool.device;
    if (!l->dev) {
        snprintf(f->error, sizeof f->error, "%s", l->error);
        return;
    }
    snprintf(f->device, sizeof f->device, "%s", l->info.name);
    snprintf(f->driver, sizeof f->driver, "%s", l->info.driver);
    snprintf(f->core, sizeof f->core, "%s", chi_device_core(l->dev) == CHI_CORE_PANEL ? "panel" : "group");
    snprintf(f->tile, sizeof f->tile, "%s", chi_device_tile(l->dev));
    snprintf(f->numerics, sizeof f->numerics, "%s", b->tool.options.numerics == CHI_NUMERICS_FAST ? "fast" : "exact");
    f->threads = l->info.units;
}

// The sentence of a failure, kept and printed.
static void fail(const bench *b, figure *f, chi_status st)
{
    snprintf(f->error, sizeof f->error, "%s", *chi_error_text() ? chi_error_text() : chi_status_text(st));
    if (b->lanes > 1)
        fprintf(stderr, "chiaro: %s: %s\n", f->selector, f->error);
    else
        tool_fail(st);
}

static chi_status run_once(problem *p, double *ms, double *cpu_ms)
{
    const double start = tool_seconds(), cpu_start = tool_cpu_seconds();
    chi_status st = problem_run(p);
    if (st == CHI_OK)
        st = chi_device_finish(p->dev);
    *ms = (tool_seconds() - start) * 1e3;
    *cpu_ms = (tool_cpu_seconds() - cpu_start) * 1e3;
    return st;
}

// What the device's clock says of the last repetition; repetition 0 only sets the totals.
static chi_status profile(chi_device *dev, figure *f, uint64_t repetition)
{
    chi_kernel_time times[FIGURE_KERNELS];
    size_t count = 0;
    const chi_status st = chi_device_kernel_times(dev, times, FIGURE_KERNELS, &count);
    for (size_t i = 0; st == CHI_OK && i < count && i < FIGURE_KERNELS; i++) {
        size_t at = 0;
        while (at < f->kernel_count && strcmp(f->kernels[at].name, times[i].name) != 0)
            at++;
        if (at == FIGURE_KERNELS)
            continue;
        figure_kernel *k = &f->kernels[at];
        if (at == f->kernel_count) {
            f->kernel_count++;
            memcpy(k->name, times[i].name, sizeof k->name);
        }
        const double us = times[i].total_us - k->total_us;
        k->us = repetition <= 1 || us < k->us ? us : k->us;
        k->launches = times[i].launches - k->total_launches;
        k->total_us = times[i].total_us;
        k->total_launches = times[i].launches;
    }
    return st;
}

// Repetition by repetition, every device in turn, the first of them a different one each time; the first is not counted.
static void take_turns(const bench *b, problem *problems, figure *figures)
{
    for (uint64_t r = 0; r <= b->reps; r++)
        for (size_t i = 0; i < b->lanes; i++) {
            const size_t d = (i + r) % b->lanes;
            figure *f = &figures[d];
            double ms = 0.0, cpu_ms = 0.0;
            if (*f->error)
                continue;
            chi_status st = run_once(&problems[d], &ms, &cpu_ms);
            if (st == CHI_OK && b->profile)
                st = profile(problems[d].dev, f, r);
            if (st != CHI_OK)
                fail(b, f, st);
            if (st != CHI_OK || r == 0)
                continue;
            f->cpu = f->reps == 0 || cpu_ms < f->cpu ? cpu_ms : f->cpu;
            f->times[f->reps++] = ms;
        }
}

static void sum_up(const bench *b, problem *p, figure *f)
{
    static const char *const kernels[PROBLEM_KINDS] = { [GEMM] = "core", [STATS] = "core", [LOGSUMEXP] = "logsumexp", [TOPK] = "topk", [CONV] = "conv" };
    if (p->kind != TRAIN_STEP) // which has tiles of several kernels
        snprintf(f->tile, sizeof f->tile, "%s", chi_tune_tile(p->dev, kernels[p->kind] ? kernels[p->kind] : "loss", (size_t)p->number[p->kind == CONV ? 1 : 2]));
    figure_sum_up(f);
    chi_device_memory(p->dev, NULL, &f->peak_bytes);
    f->flop_minimum = p->flop_minimum;
    f->flop = p->flop;
    f->bytes = p->bytes;
    f->predicted = 1e3 * p->predicted;
    snprintf(f->scheme, sizeof f->scheme, "%s", p->scheme);
    const chi_status st = b->hash || b->dump ? problem_results(p, b->dump) : CHI_OK;
    snprintf(f->hash, sizeof f->hash, "%016llx", (unsigned long long)p->hash);
    if (st != CHI_OK)
        fail(b, f, st);
}

static int run_problem(bench *b, bench_report *r, const char *word)
{
    problem problems[LANES] = { 0 };
    figure figures[LANES] = { 0 };
    bench_peak peaks[LANES] = { 0 };
    int result = TOOL_DONE;
    for (size_t d = 0; d < b->lanes; d++) {
        problem *p = &problems[d];
        figure *f = &figures[d];
        fill(b, &b->lane[d], word, f);
        peaks[d] = b->lane[d].peak;
        *p = (problem){ .word = f->word, .dev = b->lane[d].dev, .provider = b->provider, .predict = b->predict };
        if (*f->error)
            continue;
        chi_device_reset_peak(p->dev);
        f->times = calloc(b->reps, sizeof *f->times);
        f->kernels = calloc(FIGURE_KERNELS, sizeof *f->kernels);
        chi_status st = f->times && f->kernels && problem_read(p) == TOOL_DONE ? CHI_OK : CHI_ERR_MEMORY;
        if (st == CHI_OK)
            st = problem_create(p);
        if (st != CHI_OK)
            fail(b, f, st);
    }
    take_turns(b, problems, figures);
    for (size_t d = 0; d < b->lanes; d++)
        if (!*figures[d].error)
            sum_up(b, &problems[d], &figures[d]);
    report_figures(r, figures, peaks);
    for (size_t d = 0; d < b->lanes; d++) {
        result = *figures[d].error ? TOOL_FAILED : result;
        problem_destroy(&problems[d]);
        figure_free(&figures[d]);
    }
    return result;
}

static int run_peak(bench *b)
{
    int result = TOOL_DONE;
    for (size_t d = 0; d < b->lanes; d++) {
        figure f = { 0 };
        chi_device_peak peak;
        fill(b, &b->lane[d], "peak", &f);
        const chi_status st = b->lane[d].dev ? chi_device_measure_peak(b->lane[d].dev, &peak) : CHI_ERR_NO_DEVICE;
        if (st == CHI_OK)
            report_peak(&f, &peak, b->tool.json);
        else if (b->lane[d].dev)
            tool_fail(st);
        result = st == CHI_OK ? result : TOOL_FAILED;
    }
    return result;
}

// On a handle of its own where memory is bounded: the bound is on the problem, not on what the copy is measured with.
static chi_status measure_peak(lane *l)
{
    if (!l->tool.options.memory_bytes)
        return chi_device_measure_peak(l->dev, &l->peak.is);
    chi_device_options options = l->tool.options;
    chi_device *dev = NULL;
    options.memory_bytes = 0;
    chi_status st = chi_device_open(&options, &dev);
    if (st == CHI_OK)
        st = chi_device_measure_peak(dev, &l->peak.is);
    chi_device_close(&dev);
    return st;
}

static int measure_peaks(bench *b)
{
    for (size_t d = 0; b->peak && d < b->lanes; d++) {
        lane *l = &b->lane[d];
        const chi_status st = l->dev ? measure_peak(l) : CHI_ERR_NO_DEVICE;
        l->peak.measured = st == CHI_OK;
        if (l->dev && st != CHI_OK)
            return tool_fail(st);
    }
    return TOOL_DONE;
}

static int run_all(bench *b)
{
    bench_report r = { .json = b->tool.json, .table = b->words.count * b->lanes > 1, .hash = b->hash, .devices = b->lanes, .earlier = b->compare ? &b->earlier : NULL };
    int result = open_lanes(b);
    if (result == TOOL_DONE)
        result = measure_peaks(b);
    if (result != TOOL_DONE)
        return result;
    for (size_t i = 0; i < b->words.count; i++) {
        const bool peak = strcmp(b->words.words[i], "peak") == 0;
        const int one = peak ? run_peak(b) : run_problem(b, &r, b->words.words[i]);
        result = one != TOOL_DONE ? one : result;
    }
    report_end(&r);
    return result;
}

static int run_files(bench *b)
{
    bench_report r = { .json = b->tool.json, .earlier = &b->earlier };
    b->later.path = b->with;
    const int result = figures_read(&b->later);
    if (result != TOOL_DONE)
        return result;
    report_files(&r, &b->later);
    report_end(&r);
    return TOOL_DONE;
}

int command_bench(int argc, char **argv)
{
    bench b = { 0 };
    size_t given = 0;
    int result = parse(&b, argc, argv, &given);
    if (result != TOOL_DONE || b.tool.help)
        return result;
    result = check_options(&b, given);
    if (result == TOOL_DONE && b.list)
        return words_print(b.problems, b.tool.json);
    if (result == TOOL_DONE)
        result = split_devices(&b);
    if (result == TOOL_DONE && !b.with)
        result = collect(&b, given);
    b.earlier.path = b.compare;
    if (result == TOOL_DONE && b.compare)
        result = figures_read(&b.earlier);
    if (result == TOOL_DONE)
        result = b.with ? run_files(&b) : run_all(&b);
    for (size_t d = 0; d < b.lanes; d++)
        chi_device_close(&b.lane[d].dev);
    words_free(&b.words);
    figures_free(&b.earlier);
    figures_free(&b.later);
    return result;
}
