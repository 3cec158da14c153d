// SPDX-License-Identifier: Apache-2.0
// evaluation.c: see evaluation.h.
#include "evaluation.h"

#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "progress.h"
#include "text.h"

// ---- progress -----------------------------------------------------------------------------------
typedef struct watch {
    progress shown;
    const char *name, *doing;
} watch;

// The library's calls cannot be stopped from outside; nothing is half-written while they run.
static void stop(void)
{
    tool_error("interrupted; nothing was written");
    _exit(TOOL_INTERRUPTED);
}

static void hear(void *user, size_t done, size_t of)
{
    watch *w = user;
    if (tool_interrupted())
        stop();
    w->shown.total = of;
    progress_show(&w->shown, done, "%s: %s", w->name, w->doing);
}

// Whether it failed for want of memory alone; `why` receives what was not measured, and the reason.
static bool lacks_memory(chi_status st, const char *what, char *why, size_t room)
{
    if (st == CHI_ERR_DEVICE_MEMORY || st == CHI_ERR_MEMORY)
        snprintf(why, room, "no %s: %.300s", what, chi_error_text());
    return st == CHI_ERR_DEVICE_MEMORY || st == CHI_ERR_MEMORY;
}

// ---- measuring ----------------------------------------------------------------------------------
static chi_status set_score(const evaluation *e, const int32_t *predicted, double accuracy,
                            eval_score *out)
{
    const chi_bootstrap_options options = { .seed = e->seed };
    *out = (eval_score){ .accuracy = accuracy, .predicted = predicted };
    return chi_bootstrap(predicted, e->query.labels, e->query.count, &options, &out->interval);
}

static int measure_knn(const evaluation *e, const char *name, chi_labelled base, chi_labelled query,
                       bool optional, eval_result *out)
{
    const size_t m = e->query.count;
    chi_knn_report reports[EVAL_LISTS];
    watch w = { .name = name, .doing = "nearest neighbours" };
    chi_knn_args args = { .base = base,
                          .query = query,
                          .classes = e->classes,
                          .metric = e->metric,
                          .k = e->k,
                          .ks = e->ks,
                          .predicted = out->store,
                          .predicted_weighted = out->store + e->ks * m,
                          .progress = hear,
                          .user = &w };
    progress_start(&w.shown, e->quiet, "blocks", 0);
    chi_status st = chi_knn(e->dev, &args, reports);
    progress_end(&w.shown);
    if (optional && lacks_memory(st, name, out->why, sizeof out->why))
        return TOOL_DONE;
    for (size_t i = 0; i < e->ks && st == CHI_OK; i++) {
        st = set_score(e, args.predicted + i * m, reports[i].accuracy, &out->knn[i]);
        if (st == CHI_OK)
            st = set_score(e, args.predicted_weighted + i * m, reports[i].weighted,
                           &out->weighted[i]);
    }
    return st == CHI_OK ? TOOL_DONE : tool_fail(st);
}

// What the probe cannot do is no reason to lose what is known already.
static int measure_probe(const evaluation *e, const char *name, chi_labelled base,
                         chi_labelled query, eval_result *out)
{
    chi_probe_report report;
    watch w = { .name = name, .doing = "linear probe" };
    int32_t *predicted = out->store + 2 * e->ks * e->query.count;
    chi_probe_args args = { .base = base,
                            .query = query,
                            .classes = e->classes,
                            .predicted = predicted,
                            .progress = hear,
                            .user = &w };
    if (e->base_classes > EVAL_PROBE_CLASSES) {
        snprintf(out->why, sizeof out->why,
                 "the linear probe takes at most %d classes; the rows it would learn from have %zu",
                 EVAL_PROBE_CLASSES, e->base_classes);
        return TOOL_DONE;
    }
    progress_start(&w.shown, e->quiet, "steps at most", 0);
    chi_status st = chi_linear_probe(e->dev, &args, &report);
    progress_end(&w.shown);
    if (lacks_memory(st, "linear probe", out->why, sizeof out->why))
        return TOOL_DONE;
    if (st == CHI_OK)
        st = set_score(e, predicted, report.accuracy, &out->probe);
    return st == CHI_OK ? TOOL_DONE : tool_fail(st);
}

int evaluation_measure(const evaluation *e, const char *name, chi_matrix base, chi_matrix query,
                       bool probe, eval_result *out)
{
    const chi_labelled a = { base, e->base.labels }, b = { query, e->query.labels };
    *out = (eval_result){ .store = malloc((2 * e->ks + 1) * e->query.count * sizeof *out->store) };
    if (!out->store)
        return tool_error("no memory for %zu predictions of %zu rows", 2 * e->ks + 1,
                          e->query.count);
    const int result = measure_knn(e, name, a, b, !probe, out);
    return result == TOOL_DONE && probe ? measure_probe(e, name, a, b, out) : result;
}

void evaluation_free(eval_result *result)
{
    free(result->store);
    *result = (eval_result){ 0 };
}

int evaluation_difference(const evaluation *e, const eval_score *a, const eval_score *b,
                          double *less, chi_interval *interval)
{
    const chi_bootstrap_options options = { .seed = e->seed };
    *less = a->accuracy - b->accuracy;
    const chi_status st = chi_bootstrap_difference(a->predicted, b->predicted, e->query.labels,
                                                   e->query.count, &options, interval);
    return st == CHI_OK ? TOOL_DONE : tool_fail(st);
}

// ---- memory -------------------------------------------------------------------------------------
uint64_t evaluation_bytes(const evaluation *e, size_t width)
{
    return 4ull * (e->base.count + e->query.count) * width;
}

bool evaluation_fits(const evaluation *e, size_t width, uint64_t beside, char *why, size_t room)
{
    char all[TEXT_ROOM], rest[TEXT_ROOM], whole[TEXT_ROOM];
    chi_device_info info;
    uint64_t held = 0;
    chi_device_memory(e->dev, &held, NULL);
    chi_device_describe(e->dev, &info);
    const uint64_t budget = chi_device_budget(e->dev), left = budget > held ? budget - held : 0,
                   bytes = evaluation_bytes(e, width);
    const uint64_t larger =
        4ull * width * (e->base.count > e->query.count ? e->base.count : e->query.count);
    const bool one = larger <= info.max_alloc_bytes;
    if (bytes + beside <= left && one)
        return true;
    snprintf(why, room, "%zu + %zu rows of %zu features take %s on the device, %s of %s %s",
             e->base.count, e->query.count, width, text_bytes(bytes, all),
             text_bytes(one ? left : info.max_alloc_bytes, rest), text_bytes(budget, whole),
             one ? "are left (--memory)" : "can be one buffer");
    return false;
}

int evaluation_allocate(const evaluation *e, size_t width, eval_features *out)
{
    char why[300];
    *out = (eval_features){ .width = width };
    if (!evaluation_fits(e, width, 0, why, sizeof why))
        return tool_error("%s", why);
    chi_status st = chi_buffer_create(e->dev, 4ull * e->base.count * width, &out->base);
    if (st == CHI_OK)
        st = chi_buffer_create(e->dev, 4ull * e->query.count * width, &out->query);
    return st == CHI_OK ? TOOL_DONE : tool_fail(st);
}

void evaluation_release(eval_features *features)
{
    chi_buffer_destroy(&features->base);
    chi_buffer_destroy(&features->query);
}
