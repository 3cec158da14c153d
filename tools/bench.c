// SPDX-License-Identifier: Apache-2.0
// bench.c: `chiaro bench`: problems timed on devices that take turns. Words: bench_word.c; data and runs: bench_problem.c;
// devices: bench_lane.c; sets: bench_set.c; what differs: bench_compare.c; output: bench_report.c.
#include <stdlib.h>
#include <string.h>

#include "bench.h"

enum { LANES = 8, WORDS = 64 };

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
        { "reps", "N", "timed repeats after one that is not", &b->reps_text, NULL, "9" },
        { "set", "NAMES", "problems of these sets (a comma list) instead of, or after, PROBLEM", &b->sets, NULL },
        { "problems", "FILE", "sets of this file; without --set all of them", &b->problems, NULL, "the built-in ones" },
        { "list", NULL, "print the sets", NULL, &b->list },
        { "devices", "A,B,…", "selectors: these devices take turns, each in a process of its own, with ratios to the first", &b->devices, NULL },
        { "compare", "FILE", "beside the JSON lines of an earlier run", &b->compare, NULL },
        { "with", "FILE", "with --compare: take the later figures from this file, measure nothing", &b->with, NULL },
        { "peak", NULL, "measure each device's own peaks: fraction of the FMA peak, place under the roofline", NULL, &b->peak },
        { "profile", NULL, "launches and device time of each kernel in one repetition", NULL, &b->profile },
        { "hash", NULL, "FNV-1a 64 over value, then gradients; train-step: and the weights after N + 1 steps", NULL, &b->hash },
        { "dump", "FILE", "inputs and results as safetensors", &b->dump, NULL },
        { "predict", NULL, "beside losses the time that `chiaro plan` predicts", NULL, &b->predict },
        { "provider", "chiaro|clblast|auto", "gemm: whose product; auto: chiaro, or what tuning found under --numerics fast", &b->provider, NULL, "auto" },
    };
    const tool_command command = {
        "bench PROBLEM… [--set NAMES] [--devices A,B] [--compare FILE] [--json]",
        "PROBLEM:\n"
        "  gemm:NxMxD logsumexp:NxMxD stats:NxMxD topk:NxMxD[,k=K]\n"
        "  clip:NxNxD infonce:NxNxD siglip:NxNxD ntxent:NxNxD supcon:NxNxD[,c=CLASSES] moco:NxQUEUExD\n"
        "  conv:BATCHxCINxHxWxCOUT[,k=SIDE][,s=STRIDE][,p=PADDING][,b=0]\n"
        "  train-step:BATCH peak\n"
        "b=0: forward alone. Rows of length 1 from seed 1 (y: seed 2), temperature 0.1, labels i mod 100. Time: wall clock from the first launch\n"
        "to the end, packing included, uploads not. gflops counts the least the mathematics needs (clip, infonce and siglip 3G,\n"
        "ntxent and supcon 1.5G, moco 2G, G = 2 N M D), gflops_executed what was run. The roof of a problem is the FMA peak, or less\n"
        "where copying its inputs and outputs once would take longer; small problems stay in caches and may pass it.\n"
        "A comparison gives times over earlier times with an interval of 95 %; where that holds 1 there is no difference,\n"
        "where the fastest repetitions say the opposite it is unclear.",
        "chiaro bench --set loss --peak --json > before.jsonl\nchiaro bench --set loss --compare before.jsonl",
        TOOL_OPENS | TOOL_JSON, WORDS,
    };
    return tool_parse(&b->tool, argc, argv, &command, own, sizeof own / sizeof *own, b->given, given);
}

// The first given of the options that only a measurement uses; NULL: none was given.
static const char *measuring(const bench *b)
{
    const char *opening = tool_opening(&b->tool);
    return b->reps_text ? "reps" : b->devices ? "devices" : b->peak ? "peak" : b->profile ? "profile" : b->hash ? "hash" : b->dump ? "dump" : b->predict ? "predict"
           : b->provider ? "provider" : opening;
}

static int check_options(bench *b, size_t given)
{
    b->reps = 9;
    const char *unlisted = given ? "a problem" : b->sets ? "--set" : b->compare ? "--compare" : b->with ? "--with" : measuring(b);
    if (b->list && unlisted)
        return tool_usage("bench --list prints all sets and measures nothing: it has no use for %s%s", unlisted == measuring(b) ? "--" : "", unlisted);
    if (b->with && !b->compare)
        return tool_usage("--with FILE needs --compare FILE");
    if (b->with && (given || b->sets || b->problems))
        return tool_usage("--with FILE measures nothing: no problems beside it");
    if (b->with && measuring(b))
        return tool_usage("--with FILE measures nothing: it has no use for --%s", measuring(b));
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

// Options that say something of a kind of problem alone, and the problems there are.
static int check_words(const bench *b)
{
    size_t timed = 0, losses = 0;
    for (size_t i = 0; i < b->words.count; i++) {
        problem p = { .word = b->words.words[i] };
        if (strcmp(p.word, "peak") == 0 || problem_read(&p) != TOOL_DONE)
            continue;
        timed++;
        losses += problem_forms[p.kind].loss;
    }
    const char *unused = timed ? NULL : b->hash ? "hash" : b->profile ? "profile" : b->dump ? "dump" : b->predict ? "predict" : b->provider ? "provider"
                         : b->compare ? "compare" : NULL;
    if (unused)
        return tool_usage("bench peak measures the device alone: it has no use for --%s", unused);
    if (b->predict && !losses)
        return tool_usage("--predict is for losses, and none is among the problems");
    if (b->dump && (b->words.count != 1 || b->lanes != 1))
        return tool_usage("--dump is for one problem on one device, there are %zu on %zu", b->words.count, b->lanes);
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
    return result == TOOL_DONE ? check_words(b) : result;
}

static void complain(const bench *b, const char *selector, const char *sentence)
{
    if (b->lanes > 1)
        fprintf(stderr, "chiaro: %s: %s\n", selector, sentence);
    else
        fprintf(stderr, "chiaro: %s\n", sentence);
}

// A device that does not open leaves the others running; alone it ends the command.
static int open_lanes(bench *b)
{
    int result = TOOL_DONE;
    size_t open = 0;
    bool measure = b->peak;
    for (size_t i = 0; i < b->words.count; i++)
        measure = measure || strcmp(b->words.words[i], "peak") == 0;
    for (size_t d = 0; d < b->lanes; d++) {
        lane *l = &b->lane[d];
        l->provider = b->provider;
        l->dump = b->dump;
        l->predict = b->predict;
        l->hash = b->hash;
        l->profile = b->profile;
        l->measure = measure;
        l->reps = b->reps;
        const int status = lane_open(l, b->lanes > 1);
        if (status != TOOL_DONE)
            complain(b, l->tool.device, l->error);
        result = status != TOOL_DONE ? status : result;
        open += status == TOOL_DONE;
    }
    return open ? TOOL_DONE : result;
}

// Repetition by repetition, every device in turn, the first of them a different one each time; the first is not counted.
static void take_turns(bench *b, figure *figures)
{
    for (uint64_t r = 0; r <= b->reps; r++)
        for (size_t i = 0; i < b->lanes; i++) {
            const size_t d = (i + r) % b->lanes;
            if (!*figures[d].error)
                lane_run(&b->lane[d], &figures[d], r);
        }
}

static int run_problem(bench *b, bench_report *r, const char *word)
{
    figure figures[LANES] = { 0 };
    bench_peak peaks[LANES] = { 0 };
    int result = TOOL_DONE;
    for (size_t d = 0; d < b->lanes; d++) {
        lane_create(&b->lane[d], word, &figures[d]);
        peaks[d] = b->peak ? b->lane[d].peak : (bench_peak){ 0 };
    }
    take_turns(b, figures);
    for (size_t d = 0; d < b->lanes; d++) {
        figure *f = &figures[d];
        if (!*f->error)
            lane_end(&b->lane[d], f);
        if (*f->error && (b->lane[d].status == TOOL_DONE || b->lane[d].lost)) // a device that never was there has been named
            complain(b, f->selector, f->error);
    }
    report_figures(r, figures, peaks);
    for (size_t d = 0; d < b->lanes; d++) {
        result = *figures[d].error ? TOOL_FAILED : result;
        figure_free(&figures[d]);
    }
    return result;
}

static int run_peak(bench *b)
{
    int result = TOOL_DONE;
    for (size_t d = 0; d < b->lanes; d++) {
        figure f = { 0 };
        lane_name(&b->lane[d], "peak", &f);
        if (b->lane[d].status == TOOL_DONE)
            report_peak(&f, &b->lane[d].peak.is, b->tool.json);
        else
            result = TOOL_FAILED;
    }
    return result;
}

static int run_all(bench *b)
{
    bench_report r = { .json = b->tool.json, .table = b->words.count * b->lanes > 1, .hash = b->hash, .peak = b->peak, .devices = b->lanes, .earlier = b->compare ? &b->earlier : NULL };
    int result = open_lanes(b);
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
        lane_close(&b.lane[d]);
    words_free(&b.words);
    figures_free(&b.earlier);
    figures_free(&b.later);
    return result;
}
