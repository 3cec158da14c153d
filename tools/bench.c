// SPDX-License-Identifier: Apache-2.0
// bench.c: `chiaro bench`: one problem, timed. The problems: bench_problem.c.
#include <jansson.h>
#include <stdlib.h>
#include <string.h>

#include "bench.h"

typedef struct bench {
    tool tool;
    const char *word, *reps_text, *dump, *provider;
    bool peak, hash;
    uint64_t reps;
    chi_device *dev;
} bench;

static int by_size(const void *a, const void *b)
{
    const double x = *(const double *)a, y = *(const double *)b;
    return (x > y) - (x < y);
}

static int read_options(bench *b, int argc, char **argv)
{
    size_t words = 0;
    const tool_option own[] = {
        { "reps", "N", "timed repeats after one that is not; default 9", &b->reps_text, NULL },
        { "peak", NULL, "measure the device's own FMA and copy peaks beside it", NULL, &b->peak },
        { "hash", NULL, "FNV-1a 64 over value, then gradients; train-step: and the weights after N + 1 steps", NULL, &b->hash },
        { "dump", "FILE", "inputs and results as safetensors", &b->dump, NULL },
        { "provider", "chiaro|clblast", "gemm: whose product", &b->provider, NULL },
    };
    const int result = tool_parse(&b->tool, argc, argv, own, 5,
        "bench PROBLEM [--json]\nPROBLEM: gemm:NxMxD  logsumexp:NxMxD  stats:NxMxD  topk:NxMxD[,k=K]  clip:NxNxD  infonce:NxNxD  ntxent:NxNxD\n"
        "         supcon:NxNxD[,c=CLASSES]  conv:BATCHxCINxHxWxCOUT[,k=SIDE][,s=STRIDE][,p=PADDING][,b=0: forward alone]\n"
        "         train-step:BATCH  peak\n"
        "Rows of length 1 from seed 1 (y: seed 2), temperature 0.1, labels i mod 100. Time: wall clock from the first launch\n"
        "to the end, packing included, uploads not. gflops counts the least the mathematics needs (clip and infonce 3G,\n"
        "ntxent and supcon 1.5G, G = 2 N M D), gflops_executed what was run.",
        "chiaro bench clip:4096x4096x128 --peak --json", &b->word, &words, 1);
    if (result != TOOL_DONE || b->tool.help)
        return result;
    b->reps = 9;
    if (!b->word)
        return tool_usage("bench needs a PROBLEM, for example clip:4096x4096x128 (chiaro bench --help)");
    if (b->reps_text && (!tool_count(b->reps_text, &b->reps) || b->reps == 0 || b->reps > 100000))
        return tool_usage("--reps %s is not a number from 1 to 100000", b->reps_text);
    if (b->provider && strcmp(b->provider, "chiaro") != 0 && strcmp(b->provider, "clblast") != 0)
        return tool_usage("--provider %s is neither chiaro nor clblast", b->provider);
    return TOOL_DONE;
}

static int measure(bench *b, problem *p, double *times)
{
    for (uint64_t r = 0; r <= b->reps; r++) { // the first is not counted
        const double start = tool_seconds();
        chi_status st = problem_run(p);
        if (st == CHI_OK)
            st = chi_device_finish(b->dev);
        if (st != CHI_OK)
            return tool_fail(st);
        if (r > 0)
            times[r - 1] = (tool_seconds() - start) * 1e3;
    }
    qsort(times, b->reps, sizeof *times, by_size);
    chi_device_memory(b->dev, NULL, &p->peak_bytes);
    return TOOL_DONE;
}

static const char *core_of(const bench *b) { return chi_device_core(b->dev) == CHI_CORE_PANEL ? "panel" : "group"; }

static void print_json(const bench *b, const problem *p, const double *times, const chi_device_info *info, double fma_peak)
{
    char hash[24];
    const double best = times[0], gflops = p->flop_minimum / best / 1e6;
    json_t *line = json_pack("{s:s, s:s, s:s, s:s, s:s, s:s, s:I, s:f, s:f, s:f, s:f, s:f, s:I, s:s}", "problem", p->word, "device", info->name, "driver",
                             info->driver, "core", core_of(b), "tile", chi_device_tile(b->dev), "numerics",
                             b->tool.options.numerics == CHI_NUMERICS_FAST ? "fast" : "exact", "reps", (json_int_t)b->reps, "ms_min", best, "ms_median",
                             times[b->reps / 2], "gflops", gflops, "gflops_executed", p->flop / best / 1e6, "gbytes_per_s", p->bytes / best / 1e6,
                             "peak_bytes", (json_int_t)p->peak_bytes, "scheme", p->scheme);
    json_object_set_new(line, "fraction_of_peak", fma_peak > 0.0 ? json_real(gflops / fma_peak) : json_null());
    snprintf(hash, sizeof hash, "%016llx", (unsigned long long)p->hash);
    if (b->hash)
        json_object_set_new(line, "hash", json_string(hash));
    json_dumpf(line, stdout, JSON_REAL_PRECISION(7));
    printf("\n");
    json_decref(line);
}

static void print(const bench *b, const problem *p, const double *times, double fma_peak)
{
    chi_device_info info;
    const double best = times[0], middle = times[b->reps / 2], gflops = p->flop_minimum / best / 1e6;
    chi_device_describe(b->dev, &info);
    if (b->tool.json) {
        print_json(b, p, times, &info, fma_peak);
        return;
    }
    printf("%s on %s (%s, %s, %s): %.3f ms best, %.3f ms median of %llu; %.1f GFLOP/s (%.1f executed), %.1f GB/s, %.1f MiB at most", p->word, info.name, core_of(b),
           chi_device_tile(b->dev), p->scheme, best, middle, (unsigned long long)b->reps, gflops, p->flop / best / 1e6, p->bytes / best / 1e6, (double)p->peak_bytes / 1048576.0);
    if (fma_peak > 0.0)
        printf("; %.1f %% of the FMA peak of %.1f", 100.0 * gflops / fma_peak, fma_peak);
    printf(b->hash ? "; hash %016llx\n" : "\n", (unsigned long long)p->hash);
}

static int run_peak(bench *b)
{
    chi_device_peak peak;
    const chi_status st = chi_device_measure_peak(b->dev, &peak);
    if (st != CHI_OK)
        return tool_fail(st);
    printf(b->tool.json ? "{\"problem\": \"peak\", \"fma_gflops\": %.2f, \"copy_gbytes_per_s\": %.2f, \"local_gbytes_per_s\": %.2f, \"launch_us\": %.2f, \"enqueue_us\": %.3f}\n"
                        : "FMA %.1f GFLOP/s, copy %.1f GB/s (read and written), local memory %.1f GB/s (read), a launch %.1f us and %.2f us in a row\n",
           peak.fma_gflops, peak.copy_gbytes_per_s, peak.local_gbytes_per_s, peak.launch_us, peak.enqueue_us);
    return TOOL_DONE;
}

static int run_problem(bench *b)
{
    problem p = { .word = b->word, .dev = b->dev, .provider = b->provider };
    chi_device_peak peak = { 0 };
    double *times = calloc(b->reps, sizeof *times);
    int result = times ? problem_create(&p) : tool_error("no memory for %llu times", (unsigned long long)b->reps);
    if (result == TOOL_DONE)
        result = measure(b, &p, times);
    if (result == TOOL_DONE && (b->hash || b->dump))
        result = problem_results(&p, b->dump);
    if (result == TOOL_DONE && b->peak) {
        const chi_status st = chi_device_measure_peak(b->dev, &peak);
        result = st == CHI_OK ? TOOL_DONE : tool_fail(st);
    }
    if (result == TOOL_DONE)
        print(b, &p, times, peak.fma_gflops);
    problem_destroy(&p);
    free(times);
    return result;
}

int command_bench(int argc, char **argv)
{
    bench b = { 0 };
    int result = read_options(&b, argc, argv);
    if (result != TOOL_DONE || b.tool.help)
        return result;
    const bool peak = strcmp(b.word, "peak") == 0;
    if (!peak)
        result = problem_check(b.word, b.provider); // before a device is opened
    if (result == TOOL_DONE)
        result = tool_open(&b.tool, &b.dev);
    if (result == TOOL_DONE)
        result = peak ? run_peak(&b) : run_problem(&b);
    chi_device_close(&b.dev);
    return result;
}
