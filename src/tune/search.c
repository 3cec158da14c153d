// SPDX-License-Identifier: Apache-2.0
// search.c: chi_tune: which kernels, which candidates in which order, and when to end. One candidate: candidates.c.
// Header: include/chiaro/tuner.h.
//
// A kernel's race: the default; the table's default; on CPUs, and in thorough searches, all tiles of the table; the model's
// first shapes, or, once products were raced, what was best for them; then neighbours of the best (quick: in block, depth,
// stages and sub-groups; thorough: in everything, until none is better). Each kernel has its share of the time; what one
// leaves, the next ones have. The finals decide.
#include "search.h"

#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "../base/clock.h"
#include "../base/memory.h"

enum { NARROW = 128, WIDE = 512, NARROW_CHANNELS = 64, WIDE_CHANNELS = 256, MOST_SEEDS = 64 };
enum { QUICK_SEEDS = 12, THOROUGH_SEEDS = 28, QUICK_HEIRS = 2, THOROUGH_HEIRS = 6, QUICK_STEPS = 4, MOST_NEAR = 16, NEAR_BEST = 3 };
static const double LEAST_TRIALS = 2.5, QUICK_S = 50.0, THOROUGH_S = 840.0, PEAK_US = 30e6;
static const double shares[CHI__FAMILIES] = { 0.34, 0.16, 0.18, 0.32, 0.25 }; // of the time that is left, among those to come

// ---- progress ----------------------------------------------------------------------------------------
static bool tell(chi__search *s, const char *tile, const char *outcome)
{
    size_t tried = 0, rejected = 0;
    for (size_t i = 0; i < s->report->row_count; i += CHI__CLASSES) {
        tried += s->report->rows[i].tried;
        rejected += s->report->rows[i].rejected;
    }
    if (s->race) {
        tried += s->race->tried;
        rejected += s->race->rejected;
    }
    double fraction = (chi__now_us() - s->start) / (s->end - s->start);
    fraction = fraction < 0.0 ? 0.0 : fraction > 1.0 ? 1.0 : fraction;
    const chi_tune_progress p = { s->race ? chi__family_name(s->race->family) : "", tile, outcome, fraction, tried, rejected };
    if (s->options.progress && !s->options.progress(s->options.user, &p))
        s->report->stopped = true;
    return !s->report->stopped;
}

bool chi__search_goes_on(chi__search *s) { return tell(s, "", ""); }

bool chi__search_say(chi__search *s, const char *tile, const char *format, ...)
{
    char outcome[300];
    va_list args;
    va_start(args, format);
    vsnprintf(outcome, sizeof outcome, format, args);
    va_end(args);
    return tell(s, tile, outcome);
}

// ---- candidates in order -----------------------------------------------------------------------------
// Parameters that a kernel does not read are not varied.
static bool matters(const chi__tile *tile, chi__family family)
{
    if (tile->core == CHI_CORE_GROUP || (family != CHI__FAMILY_CORE && family != CHI__FAMILY_CONV))
        return true;
    return tile->tile_k == 0 && (family == CHI__FAMILY_CORE || tile->block == 128);
}

static size_t add_seed(chi__tile *seeds, size_t count, size_t room, const chi__tile *tile, chi__family family)
{
    for (size_t i = 0; i < count; i++)
        if (strcmp(seeds[i].name, tile->name) == 0)
            return count;
    if (count == room || !matters(tile, family))
        return count;
    seeds[count] = *tile;
    return count + 1;
}

// Shapes by the model, whole blocks, one stage and no blocks over k: what a race begins with.
static size_t add_model(const chi__search *s, chi__family family, chi__tile *seeds, size_t count, size_t room)
{
    chi__tile *all = chi__alloc(CHI__MOST_POINTS, sizeof *all);
    size_t left = all ? chi__space_list(s->core, &s->info, all, CHI__MOST_POINTS) : 0;
    while (left && count < room) {
        size_t best = 0;
        for (size_t i = 1; i < left; i++)
            if (chi__tile_cost(&all[i], &s->info) < chi__tile_cost(&all[best], &s->info))
                best = i;
        if (all[best].block == 128 && all[best].stages == 1 && !all[best].sub_groups && (s->core == CHI_CORE_GROUP || all[best].tile_k == 0))
            count = add_seed(seeds, count, room, &all[best], family);
        all[best] = all[--left];
    }
    chi__free(all);
    return count;
}

static size_t seeds_of(const chi__search *s, chi__family family, chi__tile *seeds)
{
    const bool quick = s->options.effort == CHI_TUNE_QUICK;
    const size_t room = quick ? QUICK_SEEDS : THOROUGH_SEEDS, heirs = quick ? QUICK_HEIRS : THOROUGH_HEIRS;
    size_t count = add_seed(seeds, 0, room, &s->usual, family);
    chi__tile tile;
    for (size_t class = 0; class < CHI__CLASSES; class++)
        count = add_seed(seeds, count, room, &s->present[family][class], family);
    for (size_t class = 0; class < CHI__CLASSES && s->core_race; class++) {
        const chi__candidate *best[THOROUGH_HEIRS];
        const size_t found = chi__race_best(s->core_race, class, best, heirs);
        for (size_t i = 0; i < found; i++)
            count = add_seed(seeds, count, room, &best[i]->tile, family);
    }
    // A CPU's driver may name another vector width than it compiles for: the table has tiles of each.
    const bool widths = s->core == CHI_CORE_PANEL && !s->core_race;
    for (size_t i = 0; (!quick || widths) && chi_tile_name(s->core, i); i++)
        if (chi__tile_parse(s->core, chi_tile_name(s->core, i), &tile) && chi__tile_fits(&tile, &s->info))
            count = add_seed(seeds, count, room, &tile, family);
    return s->core_race && quick ? count : add_model(s, family, seeds, count, room);
}

// Whether one more trial would leave too little time for the finals. A first rival may take from later kernels' shares.
static bool is_over(chi__search *s)
{
    const double until = s->race->count < 2 ? s->end : s->race->until;
    return s->report->stopped || chi__now_us() + 1.1 * s->race->cost_us + chi__race_finish_us(s) > until;
}

static chi_status try_all(chi__search *s, const chi__tile *tiles, size_t count)
{
    for (size_t i = 0; i < count && !s->report->stopped; i++)
        if (chi__race_knows(s, &tiles[i]) || !is_over(s)) // what an earlier search found costs nothing
            CHI_TRY(chi__race_try(s, &tiles[i]));
    return CHI_OK;
}

// What a quick search varies about a best tile. On a CPU a second stage hides nothing, and sub-groups are a loop.
static bool is_close(const chi__search *s, const chi__tile *a, const chi__tile *b)
{
    return ((a->stages == 1 && !a->sub_groups) || !s->info.local_is_global) && a->tile_m == b->tile_m && a->tile_n == b->tile_n &&
           a->vec == b->vec && a->wg_m == b->wg_m && a->wg_n == b->wg_n;
}

// Neighbours of the best of a class that were not tried, by the model's order; returns how many.
static size_t neighbours_of(const chi__search *s, const chi__tile *tile, chi__tile *near)
{
    const bool quick = s->options.effort == CHI_TUNE_QUICK;
    const size_t count = chi__space_neighbours(tile, &s->info, near, MOST_NEAR);
    size_t kept = 0;
    for (size_t i = 0; i < count; i++)
        if (matters(&near[i], s->race->family) && (!quick || is_close(s, &near[i], tile)))
            near[kept++] = near[i];
    for (size_t i = 1; i < kept; i++)
        for (size_t k = i; k > 0 && chi__tile_cost(&near[k], &s->info) < chi__tile_cost(&near[k - 1], &s->info); k--) {
            const chi__tile swap = near[k];
            near[k] = near[k - 1];
            near[k - 1] = swap;
        }
    return kept;
}

// A round of neighbours of the best of each class; *tried grows by those that were new.
static chi_status try_neighbours(chi__search *s, size_t bests, size_t most, size_t *fresh)
{
    const size_t before = s->race->count;
    for (size_t rank = 0; rank < bests; rank++)
        for (size_t class = 0; class < CHI__CLASSES; class++) {
            const chi__candidate *best[NEAR_BEST];
            chi__tile near[MOST_NEAR];
            if (chi__race_best(s->race, class, best, bests) <= rank)
                continue;
            const size_t count = neighbours_of(s, &best[rank]->tile, near);
            CHI_TRY(try_all(s, near, count < most ? count : most));
        }
    *fresh = s->race->count - before;
    return CHI_OK;
}

// ---- one kernel --------------------------------------------------------------------------------------
static void open_race(chi__search *s, chi__race *race, chi__family family, double until)
{
    const bool conv = family == CHI__FAMILY_CONV;
    memset(race, 0, sizeof *race);
    race->family = family;
    race->dims[0] = conv ? NARROW_CHANNELS : NARROW;
    race->dims[1] = conv ? WIDE_CHANNELS : WIDE;
    race->until = until;
    race->n = s->options.rows ? s->options.rows : 2048;
    s->race = race;
    for (size_t class = 0; class < CHI__CLASSES; class++) {
        chi_tune_row *row = &s->report->rows[s->report->row_count++];
        uint64_t n, m;
        chi__trial_shape(family, race->n, race->dims[class], &n, &m);
        *row = (chi_tune_row){ .kernel = chi__family_name(family), .n = (size_t)n, .m = (size_t)m, .dim = race->dims[class] };
        strcpy(row->default_tile, s->base.name);
    }
}

static void close_race(chi__search *s)
{
    chi_tune_row *rows = &s->report->rows[s->report->row_count - CHI__CLASSES];
    for (size_t class = 0; class < CHI__CLASSES; class++) {
        uint64_t n, m;
        chi__trial_shape(s->race->family, s->race->n, s->race->dims[class], &n, &m);
        rows[class].n = (size_t)n;
        rows[class].m = (size_t)m;
        rows[class].tried = s->race->tried;
        rows[class].rejected = s->race->rejected;
        rows[class].known = s->race->known;
    }
    s->race = NULL;
}

static chi_status run_race(chi__search *s)
{
    chi__tile seeds[MOST_SEEDS];
    const bool quick = s->options.effort == CHI_TUNE_QUICK;
    const size_t count = seeds_of(s, s->race->family, seeds);
    size_t fresh = 1;
    if (chi__search_goes_on(s))
        CHI_TRY(chi__race_start(s));
    if (s->report->stopped || s->race->count == 0)
        return CHI_OK;
    s->measured++;
    chi__race_clblast(s);
    CHI_TRY(try_all(s, seeds, count));
    if (quick)
        CHI_TRY(try_neighbours(s, 1, QUICK_STEPS, &fresh));
    while (!quick && fresh && !is_over(s))
        CHI_TRY(try_neighbours(s, NEAR_BEST, MOST_NEAR, &fresh));
    return s->report->stopped ? CHI_OK : chi__race_finish(s);
}

static void list_candidates(chi__search *s)
{
    chi__tile seeds[MOST_SEEDS];
    const size_t count = seeds_of(s, s->race->family, seeds);
    chi__search_say(s, s->base.name, "the default");
    for (size_t i = 0; i < count; i++)
        if (strcmp(seeds[i].name, s->base.name) != 0)
            chi__search_say(s, seeds[i].name, "%u registers, %llu bytes of local memory", chi__tile_registers(&seeds[i]), (unsigned long long)chi__tile_local_bytes(&seeds[i]));
}

// ---- all kernels -------------------------------------------------------------------------------------
static chi_status read_kernels(const chi_tune_options *o, bool *wanted)
{
    const char *at = o->kernels && o->kernels[0] ? o->kernels : o->effort == CHI_TUNE_QUICK ? "core,logsumexp,topk,loss" : "core,logsumexp,topk,loss,conv";
    while (*at) {
        const size_t length = strcspn(at, ",");
        chi__family family;
        if (!chi__family_find(at, length, &family))
            return chi__fail(NULL, CHI_ERR_ARGUMENT, "tune: there is no kernel \"%.*s\": core, logsumexp, topk, loss and conv are tuned", (int)length, at);
        wanted[family] = true;
        at += length + (at[length] == ',');
    }
    return CHI_OK;
}

static chi_status resolve(chi__search *s, const chi_device_options *device, const chi_tune_options *options)
{
    chi_tune_options *o = &s->options;
    if (options)
        *o = *options;
    if (o->effort != CHI_TUNE_QUICK && o->effort != CHI_TUNE_THOROUGH)
        return chi__fail(NULL, CHI_ERR_ARGUMENT, "tune: effort %d is neither quick (0) nor thorough (1)", (int)o->effort);
    if (!(o->seconds >= 0.0) || !(o->trial_seconds >= 0.0) || o->seconds > 1e6 || o->trial_seconds > 600.0)
        return chi__fail(NULL, CHI_ERR_ARGUMENT, "tune: %g seconds in all and %g for a trial (at most 600) are no times", o->seconds, o->trial_seconds);
    if (o->rows && (o->rows < 16 || o->rows > 65536))
        return chi__fail(NULL, CHI_ERR_ARGUMENT, "tune: %zu rows, it must be 16 … 65536", o->rows);
    o->seconds = o->seconds > 0.0 ? o->seconds : o->effort == CHI_TUNE_QUICK ? QUICK_S : THOROUGH_S;
    s->start = chi__now_us();
    s->end = s->start + o->seconds * 1e6;
    if (device)
        s->device = *device;
    return CHI_OK;
}

static void say_nothing(void *user, chi_log_level level, const char *sentence)
{
    (void)user;
    (void)level;
    (void)sentence;
}

// The tiles in use: a search that finds nothing must not make them worse. What is to be said of the device was said.
static chi_status look_at_records(chi__search *s)
{
    chi_device *dev = NULL;
    chi_device_options silent = s->device;
    silent.log = (chi_log){ say_nothing, NULL };
    CHI_TRY(chi_device_open(&silent, &dev));
    for (int f = 0; f < CHI__FAMILIES; f++)
        for (size_t class = 0; class < CHI__CLASSES; class++)
            s->present[f][class] = *chi__tuned_tile(dev, (chi__family)f, class ? WIDE : NARROW, NULL);
    chi_device_close(&dev);
    return CHI_OK;
}

// What is known without a trial: device, core, default, sources.
static chi_status look_at_device(chi__search *s)
{
    chi_device *dev = NULL;
    CHI_TRY(chi_device_open(&s->device, &dev));
    s->info = *chi__device_info(dev);
    s->core = chi_device_core(dev);
    s->base = *chi__device_tile(dev);
    chi__identity_of(&s->info, &s->identity);
    chi_status st = CHI_OK;
    for (int f = 0; f < CHI__FAMILIES && st == CHI_OK; f++)
        st = chi__family_source(dev, (chi__family)f, &s->sources[f]);
    chi_device_close(&dev);
    if (st == CHI_OK && !chi__tile_parse(s->core, chi__tile_default(s->core, &s->info), &s->usual))
        st = chi__fail(NULL, CHI_ERR_INTERNAL, "the default tile %s is none of its space", chi__tile_default(s->core, &s->info));
    s->device.core = s->core; // settled here: trials do not compare the cores again
    s->device.match = s->info.selector;
    s->device.tile = NULL;
    return st == CHI_OK ? look_at_records(s) : st;
}

static bool remember(void *user, const char *file, const chi__identity *device, const chi__fact *fact)
{
    chi__search *s = user;
    (void)file;
    if (s->fact_count < CHI__MOST_FACTS && chi__identity_same(device, &s->identity))
        s->facts[s->fact_count++] = *fact;
    return true;
}

static chi_status measure_peak(chi__search *s)
{
    chi__trial *t = chi__alloc(1, sizeof *t);
    if (!t)
        return chi__fail(NULL, CHI_ERR_MEMORY, "no memory for a trial");
    t->peak = true;
    t->device = &s->device;
    if (chi__trial_ask(s->options.runner, PEAK_US, t) == CHI_OK) // else fractions stay unknown
        s->report->peak_gflops = t->peak_gflops;
    chi__free(t);
    return CHI_OK;
}

// Whether too little time is left to measure the next kernel's default, a rival and the finals, by what the one before took.
static bool is_late(const chi__search *s, double base_us)
{
    return !s->options.dry_run && base_us > 0.0 && chi__now_us() + LEAST_TRIALS * base_us > s->end;
}

static void leave_out(chi__search *s, chi__family family)
{
    char *note = s->report->note;
    const size_t room = sizeof s->report->note, used = strlen(note);
    const char *after = strstr(note, " left out for want of time");
    if (after) // one more of them
        snprintf(note + (after - note), room - (size_t)(after - note), ", %s left out for want of time", chi__family_name(family));
    else
        snprintf(note + used, room - used, "%s%s left out for want of time", used ? "; " : "", chi__family_name(family));
}

static chi_status run_all(chi__search *s, const bool *wanted, chi__race *races)
{
    static const chi__family order[] = { CHI__FAMILY_CORE, CHI__FAMILY_LOGSUMEXP, CHI__FAMILY_TOPK, CHI__FAMILY_LOSS, CHI__FAMILY_CONV };
    double base_us = 0.0; // what the default of the kernel before took
    for (size_t i = 0; i < CHI__FAMILIES && !s->report->stopped; i++) {
        double rest = 0.0;
        const double now = chi__now_us();
        for (size_t k = i; k < CHI__FAMILIES; k++)
            rest += wanted[order[k]] ? shares[order[k]] : 0.0;
        if (!wanted[order[i]])
            continue;
        if (is_late(s, base_us)) {
            leave_out(s, order[i]);
            continue;
        }
        open_race(s, &races[order[i]], order[i], now + (s->end - now) * shares[order[i]] / rest);
        chi_status st = CHI_OK;
        if (s->options.dry_run)
            list_candidates(s);
        else
            st = run_race(s);
        close_race(s);
        base_us = races[order[i]].base_us > 0.0 ? races[order[i]].base_us : base_us;
        CHI_TRY(st);
        if (order[i] == CHI__FAMILY_CORE && races[order[i]].count > 0)
            s->core_race = &races[order[i]];
    }
    return s->lost == CHI_OK || s->measured ? CHI_OK : chi__fail(NULL, s->lost, "%s", s->lost_why);
}

static chi_status search(chi__search *s, const bool *wanted, chi__race *races)
{
    chi__bad_lines bad = { 0 };
    if (!chi__search_goes_on(s)) // also the first sign of life
        return CHI_OK;
    CHI_TRY(look_at_device(s));
    if (!s->options.dry_run) {
        CHI_TRY(chi__store_read(s->folder, ".trials", remember, s, &bad));
        CHI_TRY(measure_peak(s));
    }
    return run_all(s, wanted, races);
}

chi_status chi_tune(const chi_device_options *device, const chi_tune_options *options, chi_tune_report *report)
{
    bool wanted[CHI__FAMILIES] = { false };
    chi_tune_report *fresh = chi__alloc(1, sizeof *fresh);
    chi__search *s = chi__alloc(1, sizeof *s);
    chi__race *races = chi__alloc(CHI__FAMILIES, sizeof *races);
    chi__fact *facts = chi__alloc(CHI__MOST_FACTS, sizeof *facts);
    chi_status st = fresh && s && races && facts ? CHI_OK : chi__fail(NULL, CHI_ERR_MEMORY, "tune: no memory for a search");
    if (st == CHI_OK) {
        s->report = fresh;
        s->facts = facts;
        st = resolve(s, device, options);
    }
    if (st == CHI_OK)
        st = read_kernels(&s->options, wanted);
    if (st == CHI_OK)
        st = chi__store_folder(s->device.tune_dir, s->folder, sizeof s->folder);
    if (st == CHI_OK && !s->options.dry_run)
        st = chi__store_check(s->folder); // before anything takes time
    if (st == CHI_OK)
        st = search(s, wanted, races);
    if (st == CHI_OK && report) {
        fresh->seconds = (chi__now_us() - s->start) * 1e-6;
        *report = *fresh;
    }
    chi__free(fresh);
    chi__free(s);
    chi__free(races);
    chi__free(facts);
    return st;
}

const char *chi_tune_tile(const chi_device *dev, const char *kernel, size_t dim)
{
    chi__family family;
    return kernel && chi__family_find(kernel, strlen(kernel), &family) ? chi__tuned_tile(dev, family, dim, NULL)->name : NULL;
}
