// SPDX-License-Identifier: Apache-2.0
// bench_lane.c: one device of `chiaro bench`: opened, given a problem, run, summed up; in this process where it is the only
// one, else in a process of its own, so that a driver that crashes or hangs ends nobody else's turn. Problems:
// bench_problem.c.
#include <errno.h>
#include <poll.h>
#include <signal.h>
#include <stdlib.h>
#include <string.h>
#include <sys/wait.h>
#include <unistd.h>

#include "bench.h"

// ---- here ----------------------------------------------------------------------------------------------
static void keep_error(char *to, size_t room, chi_status st)
{
    snprintf(to, room, "%s", *chi_error_text() ? chi_error_text() : chi_status_text(st));
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

static void open_here(lane *l)
{
    l->tool.options.log.user = &l->tool;
    l->tool.options.profile = l->profile;
    chi_status st = chi_device_open(&l->tool.options, &l->dev);
    if (st == CHI_OK)
        st = chi_device_describe(l->dev, &l->info);
    if (st == CHI_OK && l->measure)
        st = measure_peak(l);
    l->peak.measured = st == CHI_OK && l->measure;
    l->status = st == CHI_OK ? TOOL_DONE : st == CHI_ERR_NO_DEVICE ? TOOL_NO_DEVICE : TOOL_FAILED;
    if (st != CHI_OK) {
        keep_error(l->error, sizeof l->error, st);
        return;
    }
    snprintf(l->core, sizeof l->core, "%s", chi_device_core(l->dev) == CHI_CORE_PANEL ? "panel" : "group");
    snprintf(l->tile, sizeof l->tile, "%s", chi_device_tile(l->dev));
}

static void close_here(lane *l)
{
    problem_destroy(&l->problem);
    chi_device_close(&l->dev);
}

static void create_here(lane *l, const char *word, figure *f)
{
    problem_destroy(&l->problem);
    snprintf(f->word, sizeof f->word, "%s", word);
    l->problem = (problem){ .word = f->word, .dev = l->dev, .provider = l->provider, .predict = l->predict };
    chi_device_reset_peak(l->dev);
    f->times = calloc(l->reps, sizeof *f->times);
    f->kernels = calloc(FIGURE_KERNELS, sizeof *f->kernels);
    chi_status st = f->times && f->kernels && problem_read(&l->problem) == TOOL_DONE ? CHI_OK : CHI_ERR_MEMORY;
    if (st == CHI_OK)
        st = problem_create(&l->problem);
    if (st != CHI_OK)
        keep_error(f->error, sizeof f->error, st);
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

static void run_here(lane *l, figure *f, uint64_t repetition)
{
    const double start = tool_seconds(), cpu_start = tool_cpu_seconds();
    chi_status st = problem_run(&l->problem);
    if (st == CHI_OK)
        st = chi_device_finish(l->dev);
    const double ms = (tool_seconds() - start) * 1e3, cpu_ms = (tool_cpu_seconds() - cpu_start) * 1e3;
    if (st == CHI_OK && l->profile)
        st = profile(l->dev, f, repetition);
    if (st != CHI_OK)
        keep_error(f->error, sizeof f->error, st);
    if (st != CHI_OK || repetition == 0)
        return;
    f->cpu = f->reps == 0 || cpu_ms < f->cpu ? cpu_ms : f->cpu;
    f->times[f->reps++] = ms;
}

static void end_here(lane *l, figure *f)
{
    static const char *const kernels[PROBLEM_KINDS] = { [GEMM] = "core", [STATS] = "core", [LOGSUMEXP] = "logsumexp", [TOPK] = "topk", [CONV] = "conv" };
    problem *p = &l->problem;
    if (p->kind != TRAIN_STEP) // which has tiles of several kernels
        snprintf(f->tile, sizeof f->tile, "%s", chi_tune_tile(p->dev, kernels[p->kind] ? kernels[p->kind] : "loss", (size_t)p->number[p->kind == CONV ? 1 : 2]));
    figure_sum_up(f);
    chi_device_memory(p->dev, NULL, &f->peak_bytes);
    f->flop_minimum = p->flop_minimum;
    f->flop = p->flop;
    f->bytes = p->bytes;
    f->predicted = 1e3 * p->predicted;
    snprintf(f->scheme, sizeof f->scheme, "%s", p->scheme);
    const chi_status st = l->hash || l->dump ? problem_results(p, l->dump) : CHI_OK;
    snprintf(f->hash, sizeof f->hash, "%016llx", (unsigned long long)p->hash);
    if (st != CHI_OK)
        keep_error(f->error, sizeof f->error, st);
    problem_destroy(p);
}

// ---- in a process of its own -------------------------------------------------------------------------------
// Both ends are one program's: structures cross the pipes as they are.
typedef struct order {
    enum { CREATE, RUN, END } what;
    uint64_t repetition;
    char word[256];
} order;
typedef struct hello {
    int status;
    char error[512], core[8], tile[64];
    chi_device_info info;
    bench_peak peak;
} hello;
enum { PATIENCE_MS = 600000, MOST_PIPES = 64 };
static int parents_ends[MOST_PIPES], parents_count; // which no child may hold open

static bool send_all(int to, const void *from, size_t bytes)
{
    for (const char *at = from; bytes > 0;) {
        const ssize_t sent = write(to, at, bytes);
        if (sent <= 0 && errno != EINTR)
            return false;
        at += sent > 0 ? sent : 0;
        bytes -= sent > 0 ? (size_t)sent : 0;
    }
    return true;
}

// patience: milliseconds without a byte, −1 for ever.
static bool receive_all(int from, void *to, size_t bytes, int patience)
{
    for (char *at = to; bytes > 0;) {
        struct pollfd ready = { .fd = from, .events = POLLIN };
        const int found = poll(&ready, 1, patience);
        if (found == 0 || (found < 0 && errno != EINTR))
            return false;
        const ssize_t got = found > 0 ? read(from, at, bytes) : 0;
        if (found > 0 && (got == 0 || (got < 0 && errno != EINTR)))
            return false;
        at += got > 0 ? got : 0;
        bytes -= got > 0 ? (size_t)got : 0;
    }
    return true;
}

static void serve(lane *l, int from, int to)
{
    hello h = { 0 };
    figure f = { 0 };
    order o;
    open_here(l);
    h.status = l->status;
    h.info = l->info;
    h.peak = l->peak;
    memcpy(h.error, l->error, sizeof h.error);
    memcpy(h.core, l->core, sizeof h.core);
    memcpy(h.tile, l->tile, sizeof h.tile);
    bool there = send_all(to, &h, sizeof h) && l->status == TOOL_DONE;
    while (there && receive_all(from, &o, sizeof o, -1)) {
        if (o.what == CREATE) {
            figure_free(&f);
            f = (figure){ 0 };
            create_here(l, o.word, &f);
        } else if (o.what == RUN) {
            run_here(l, &f, o.repetition);
        } else {
            end_here(l, &f);
        }
        there = send_all(to, &f, sizeof f);
        if (there && o.what == END)
            there = send_all(to, f.times, f.reps * sizeof *f.times) && send_all(to, f.kernels, f.kernel_count * sizeof *f.kernels);
    }
    figure_free(&f);
    close_here(l);
    _exit(0);
}

// Why the other process says nothing, in l->error; it is gone afterwards.
static void lose(lane *l)
{
    int how = 0;
    struct pollfd ready = { .fd = l->from, .events = POLLIN };
    const bool hangs = poll(&ready, 1, 0) == 0; // an end of file would be there to be read
    if (hangs)
        kill((pid_t)l->process, SIGKILL);
    waitpid((pid_t)l->process, &how, 0);
    if (hangs)
        snprintf(l->error, sizeof l->error, "no answer within %d s: its driver hangs", PATIENCE_MS / 1000);
    else if (WIFSIGNALED(how))
        snprintf(l->error, sizeof l->error, "its process was ended by signal %d: its driver crashed, or somebody ended it", WTERMSIG(how));
    else
        snprintf(l->error, sizeof l->error, "its process ended with status %d: its driver ends the program", WEXITSTATUS(how));
    close(l->to);
    close(l->from);
    l->process = 0;
    l->status = TOOL_FAILED;
}

static void open_apart(lane *l)
{
    int down[2] = { -1, -1 }, up[2] = { -1, -1 };
    hello h;
    fflush(NULL);
    signal(SIGPIPE, SIG_IGN);
    const pid_t child = pipe(down) == 0 && pipe(up) == 0 ? fork() : -1;
    if (child == 0) {
        for (int i = 0; i < parents_count; i++)
            close(parents_ends[i]);
        close(down[1]);
        close(up[0]);
        serve(l, down[0], up[1]);
    }
    close(down[0]);
    close(up[1]);
    l->status = TOOL_FAILED;
    if (child < 0) {
        snprintf(l->error, sizeof l->error, "no process for it: %s", strerror(errno));
        close(down[1]);
        close(up[0]);
        return;
    }
    l->process = child;
    l->to = down[1];
    l->from = up[0];
    if (parents_count + 2 <= MOST_PIPES) {
        parents_ends[parents_count++] = l->to;
        parents_ends[parents_count++] = l->from;
    }
    if (!receive_all(l->from, &h, sizeof h, PATIENCE_MS)) {
        lose(l);
        return;
    }
    l->status = h.status;
    l->info = h.info;
    l->peak = h.peak;
    memcpy(l->error, h.error, sizeof l->error);
    memcpy(l->core, h.core, sizeof l->core);
    memcpy(l->tile, h.tile, sizeof l->tile);
}

// One order and its answer. What the parent knows better stays.
static void exchange(lane *l, const order *o, figure *f)
{
    figure got;
    double *times = NULL;
    figure_kernel *kernels = NULL;
    bool there = send_all(l->to, o, sizeof *o) && receive_all(l->from, &got, sizeof got, PATIENCE_MS);
    if (there && o->what == END) {
        times = malloc((got.reps + 1) * sizeof *times);
        kernels = malloc((got.kernel_count + 1) * sizeof *kernels);
        there = times && kernels && receive_all(l->from, times, got.reps * sizeof *times, PATIENCE_MS) &&
                receive_all(l->from, kernels, got.kernel_count * sizeof *kernels, PATIENCE_MS);
    }
    if (!there) {
        free(times);
        free(kernels);
        lose(l);
        snprintf(f->error, sizeof f->error, "%s", l->error);
        return;
    }
    *f = got;
    f->times = times;
    f->kernels = kernels;
}

// ---- either ----------------------------------------------------------------------------------------------
int lane_open(lane *l, bool apart)
{
    l->apart = apart;
    if (apart)
        open_apart(l);
    else
        open_here(l);
    return l->status;
}

void lane_name(const lane *l, const char *word, figure *f)
{
    snprintf(f->word, sizeof f->word, "%s", word);
    f->selector = l->tool.device;
    snprintf(f->device, sizeof f->device, "%s", l->info.name);
    snprintf(f->driver, sizeof f->driver, "%s", l->info.driver);
    snprintf(f->core, sizeof f->core, "%s", l->core);
    if (!*f->tile)
        snprintf(f->tile, sizeof f->tile, "%s", l->tile);
    snprintf(f->numerics, sizeof f->numerics, "%s", l->tool.options.numerics == CHI_NUMERICS_FAST ? "fast" : "exact");
    f->threads = l->info.units;
    if (l->status != TOOL_DONE)
        snprintf(f->error, sizeof f->error, "%s", l->error);
}

void lane_create(lane *l, const char *word, figure *f)
{
    if (l->apart && !l->process && l->lost) // what crashed on one problem may do another
        lane_open(l, true);
    l->lost = false;
    if (l->status == TOOL_DONE && l->apart) {
        order o = { .what = CREATE };
        snprintf(o.word, sizeof o.word, "%s", word);
        exchange(l, &o, f);
        l->lost = l->status != TOOL_DONE;
    } else if (l->status == TOOL_DONE) {
        create_here(l, word, f);
    }
    lane_name(l, word, f);
}

static void ask(lane *l, const order *o, figure *f)
{
    char word[sizeof f->word];
    memcpy(word, f->word, sizeof word);
    exchange(l, o, f);
    l->lost = l->status != TOOL_DONE;
    lane_name(l, word, f);
}

void lane_run(lane *l, figure *f, uint64_t repetition)
{
    if (l->apart)
        ask(l, &(order){ .what = RUN, .repetition = repetition }, f);
    else
        run_here(l, f, repetition);
}

void lane_end(lane *l, figure *f)
{
    if (l->apart)
        ask(l, &(order){ .what = END }, f);
    else
        end_here(l, f);
}

void lane_close(lane *l)
{
    if (!l->apart) {
        close_here(l);
    } else if (l->process) {
        close(l->to); // its end
        close(l->from);
        waitpid((pid_t)l->process, NULL, 0);
        l->process = 0;
    }
}
