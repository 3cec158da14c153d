// SPDX-License-Identifier: Apache-2.0
// candidates.c: one candidate of a search after the other, and the finals in which the best meet the default. Order and time:
// search.c. Trials: trial.c. Header: search.h.
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "../base/clock.h"
#include "search.h"

enum { LEAST_ROWS = 1024, FIRST_ROWS = 2048, MOST_ROWS = 8192, ROUNDS = 4, FINAL_ROUNDS = 7, FINALISTS_A_CLASS = 2, DEFAULT_PATIENCE = 3, SLOWER = 4 };
static const double SHORT_US = 400.0, LONG_US = 30e3, LEAST_GAIN = 1.02, LEAST_WINS = 0.7, CLBLAST_US = 60e6, CLBLAST_LEAST_US = 12e6, TRIAL_US = 20e6, GRACE_US = 5e6, OPEN_US = 0.15e6;

static bool same_tile(const chi__tile *a, const chi__tile *b) { return strcmp(a->name, b->name) == 0; }

static void prepare(const chi__search *s, chi__trial *t)
{
    memset(t, 0, sizeof *t);
    t->device = &s->device;
    t->family = s->race->family;
    t->n = s->race->n;
    t->rounds = ROUNDS;
    memcpy(t->dims, s->race->dims, sizeof t->dims);
}

static double median(double *values, size_t count)
{
    for (size_t i = 1; i < count; i++)
        for (size_t k = i; k > 0 && values[k] < values[k - 1]; k--) {
            const double swap = values[k];
            values[k] = values[k - 1];
            values[k - 1] = swap;
        }
    return count % 2 ? values[count / 2] : 0.5 * (values[count / 2 - 1] + values[count / 2]);
}

static double least(const double *values, size_t count)
{
    double best = values[0];
    for (size_t i = 1; i < count; i++)
        best = values[i] < best ? values[i] : best;
    return best;
}

// ---- facts -------------------------------------------------------------------------------------------
static chi__fact fact_about(const chi__search *s, chi__fact_kind kind, const chi__tile *tile, size_t class)
{
    chi__fact f = { .kind = kind, .family = s->race->family, .tile = *tile, .dim = s->race->dims[class], .source = s->sources[s->race->family] };
    chi__trial_shape(f.family, s->race->n, f.dim, &f.n, &f.m);
    return f;
}

// What an earlier search found of this tile: its times, or that it was rejected.
static bool recall(const chi__search *s, const chi__tile *tile, chi__candidate *c)
{
    const chi__race *race = s->race;
    for (size_t i = 0; i < s->fact_count; i++) {
        const chi__fact *f = &s->facts[i];
        uint64_t n, m;
        if (f->family != race->family || f->source != s->sources[race->family] || !same_tile(&f->tile, tile))
            continue;
        if (f->kind == CHI__FACT_REJECTED) {
            c->rejected = true;
            return true;
        }
        for (size_t class = 0; class < CHI__CLASSES; class++) {
            chi__trial_shape(race->family, s->race->n, race->dims[class], &n, &m);
            if (f->kind == CHI__FACT_TRIED && f->dim == race->dims[class] && f->n == n && f->m == m)
                c->us[class] = f->us;
        }
    }
    return c->us[0] > 0.0 && c->us[1] > 0.0;
}

bool chi__race_knows(const chi__search *s, const chi__tile *tile)
{
    chi__candidate c = { 0 };
    return recall(s, tile, &c);
}

static chi_status reject(chi__search *s, const chi__tile *tile, const char *why, bool known)
{
    chi_tune_report *r = s->report;
    chi__fact f = fact_about(s, CHI__FACT_REJECTED, tile, 0);
    snprintf(f.why, sizeof f.why, "%s", why);
    if (r->rejected_count < CHI_TUNE_MOST_REJECTED) {
        snprintf(r->rejected[r->rejected_count].kernel, sizeof r->rejected->kernel, "%s", chi__family_name(s->race->family));
        snprintf(r->rejected[r->rejected_count].tile, sizeof r->rejected->tile, "%s", tile->name);
        snprintf(r->rejected[r->rejected_count].why, sizeof r->rejected->why, "%s", why);
    }
    r->rejected_count++;
    s->race->rejected++;
    chi__search_say(s, tile->name, "rejected: %s", why);
    return known || r->stopped ? CHI_OK : chi__store_put(s->folder, &s->identity, &f, 1);
}

static const char *why_of(const chi__search *s, const chi__tile *tile)
{
    for (size_t i = 0; i < s->fact_count; i++)
        if (s->facts[i].kind == CHI__FACT_REJECTED && s->facts[i].family == s->race->family && same_tile(&s->facts[i].tile, tile))
            return s->facts[i].why;
    return "";
}

static chi_status keep_times(chi__search *s, const chi__candidate *c)
{
    chi__fact facts[CHI__CLASSES];
    for (size_t class = 0; class < CHI__CLASSES; class++) {
        facts[class] = fact_about(s, CHI__FACT_TRIED, &c->tile, class);
        facts[class].us = c->us[class];
    }
    chi__search_say(s, c->tile.name, "%.3f ms, %.3f ms", c->us[0] * 1e-3, c->us[1] * 1e-3);
    return chi__store_put(s->folder, &s->identity, facts, CHI__CLASSES);
}

// Where nobody set a deadline: what the default took, several times over, for the machine may have other things to do.
static double deadline_us(const chi__search *s)
{
    const double usual = SLOWER * s->race->base_us, asked = s->options.trial_seconds * 1e6;
    return asked > 0.0 ? asked : usual > TRIAL_US ? usual : TRIAL_US;
}

// ---- one candidate -----------------------------------------------------------------------------------
static chi_status ask(chi__search *s, chi__trial *t, double patience_us)
{
    const double start = chi__now_us();
    const chi_status st = chi__trial_ask(s->options.runner, patience_us, t);
    s->race->cost_us = chi__now_us() - start;
    s->report->busy = s->report->busy || t->busy;
    return st;
}

// Rows of an earlier search's problems, so that its times can be used; 0: there was none.
static size_t rows_before(const chi__search *s, chi__family family)
{
    for (size_t i = 0; i < s->fact_count; i++) {
        const chi__fact *f = &s->facts[i];
        if (f->kind == CHI__FACT_TRIED && f->family == family && f->source == s->sources[family] && f->n == f->m && f->n >= LEAST_ROWS && f->n <= MOST_ROWS)
            return (size_t)f->n;
    }
    return 0;
}

static chi_status run_default(chi__search *s, chi__trial *t)
{
    prepare(s, t);
    t->count = 1;
    strcpy(t->tiles[0].tile, s->base.name);
    CHI_TRY(ask(s, t, DEFAULT_PATIENCE * deadline_us(s)));
    return t->tiles[0].failed ? chi__fail(NULL, CHI_ERR_INTERNAL, "%s", t->tiles[0].why) : CHI_OK;
}

// Twice the rows: the finals hold a matrix for each finalist.
static bool fits_twice(const chi__search *s)
{
    return 4.0 * 4.0 * (double)s->race->n * (double)s->race->n * CHI__MOST_CONTESTANTS < 0.25 * (double)s->info.memory_bytes;
}

// Nothing to compare with: the other kernels go on, and only where none of them can be measured is that the search's failure.
// Not recorded: another driver, or another day, may build it.
static chi_status give_up(chi__search *s, chi_status st)
{
    const char *kernel = chi__family_name(s->race->family);
    char why[200];
    snprintf(why, sizeof why, "%s", chi_error_text());
    s->lost = st;
    snprintf(s->lost_why, sizeof s->lost_why, "the default tile %s for %s cannot be measured: %s", s->base.name, kernel, why);
    snprintf(s->report->note, sizeof s->report->note, "%s was left out: its default tile %s cannot be measured", kernel, s->base.name);
    s->race->count = 0;
    return reject(s, &s->base, why, true);
}

chi_status chi__race_start(chi__search *s)
{
    chi__trial t;
    chi__race *race = s->race;
    const size_t before = s->options.rows ? s->options.rows : rows_before(s, race->family);
    const bool open = before == 0 && race->family != CHI__FAMILY_CONV;
    race->n = before ? before : FIRST_ROWS;
    for (bool grown = false;;) { // until a run is neither too short for a clock nor so long that few could be tried
        const chi_status st = run_default(s, &t);
        if (!chi__search_goes_on(s))
            return CHI_OK;
        if (st != CHI_OK)
            return give_up(s, st);
        const bool grow = least(t.tiles[0].us[0], ROUNDS) < SHORT_US && race->n < MOST_ROWS && fits_twice(s);
        const bool shrink = least(t.tiles[0].us[1], ROUNDS) > LONG_US && race->n > LEAST_ROWS && !grown;
        if (!open || (!grow && !shrink))
            break;
        race->n = grow ? race->n * 2 : race->n / 2;
        grown = grow;
    }
    race->base_us = race->cost_us;
    race->hash = t.tiles[0].hash;
    race->all[0] = (chi__candidate){ .tile = s->base, .us = { least(t.tiles[0].us[0], ROUNDS), least(t.tiles[0].us[1], ROUNDS) } };
    race->count = race->tried = 1;
    return keep_times(s, &race->all[0]);
}

chi_status chi__race_try(chi__search *s, const chi__tile *tile)
{
    chi__race *race = s->race;
    chi__trial t;
    for (size_t i = 0; i < race->count; i++)
        if (same_tile(&race->all[i].tile, tile))
            return CHI_OK;
    if (race->count == sizeof race->all / sizeof *race->all)
        return CHI_OK;
    chi__candidate *c = &race->all[race->count++];
    *c = (chi__candidate){ .tile = *tile };
    if (recall(s, tile, c)) {
        c->known = true;
        race->known++;
        return c->rejected ? reject(s, tile, why_of(s, tile), true) : CHI_OK;
    }
    race->tried++;
    prepare(s, &t);
    t.count = 2;
    t.unchecked = 1;
    strcpy(t.tiles[0].tile, s->base.name);
    strcpy(t.tiles[1].tile, tile->name);
    // A search ends in time: what is stopped before its deadline for that is not the tile's fault.
    const double left = s->end + GRACE_US - chi__now_us(), whole = deadline_us(s), patience = left < GRACE_US ? GRACE_US : left < whole ? left : whole;
    const chi_status st = ask(s, &t, patience);
    const chi__contestant *own = &t.tiles[0], *got = &t.tiles[1];
    char why[200];
    snprintf(why, sizeof why, "%s", st != CHI_OK ? chi_error_text() : got->failed ? got->why : "its results have other bits than the default's");
    c->rejected = st != CHI_OK || got->failed || got->hash != race->hash;
    if (c->rejected) {
        // An interrupt from the keyboard ends the trial as well: that says nothing about the tile.
        if (!chi__search_goes_on(s))
            return CHI_OK;
        if (st == CHI_ERR_TIMEOUT && patience < whole) {
            snprintf(s->report->note, sizeof s->report->note, "%s %s was given up after %.0f s: the time was over", chi__family_name(race->family), tile->name, patience * 1e-6);
            chi__search_say(s, tile->name, "given up: the time is over");
            return CHI_OK;
        }
        return reject(s, tile, why, false);
    }
    // In turns with the default: what else the machine does meanwhile slows down both.
    for (size_t class = 0; class < CHI__CLASSES; class++)
        c->us[class] = least(got->us[class], ROUNDS) * race->all[0].us[class] / (own->failed ? race->all[0].us[class] : least(own->us[class], ROUNDS));
    return keep_times(s, c);
}

size_t chi__race_best(const chi__race *race, size_t class, const chi__candidate **to, size_t room)
{
    size_t found = 0;
    for (size_t i = 0; i < race->count; i++) {
        if (race->all[i].rejected || !(race->all[i].us[class] > 0.0))
            continue;
        size_t at = found < room ? found++ : room;
        for (; at > 0 && race->all[i].us[class] < to[at - 1]->us[class]; at--)
            if (at < room)
                to[at] = to[at - 1];
        if (at < room)
            to[at] = &race->all[i];
    }
    return found;
}

// ---- finals ------------------------------------------------------------------------------------------
double chi__race_finish_us(const chi__search *s)
{
    const chi__candidate *base = &s->race->all[0];
    const double most = 1.0 + FINALISTS_A_CLASS * CHI__CLASSES, count = (double)s->race->count + 1.0, finalists = count < most ? count : most;
    return (s->race->family == CHI__FAMILY_LOSS ? 2.0 * s->race->base_us : 0.0) + 0.5e6 + finalists * OPEN_US + (FINAL_ROUNDS + 2.0) * (finalists * (base->us[0] + base->us[1]) + s->race->clblast_us);
}

static void add_finalist(chi__trial *t, const char *name)
{
    for (size_t i = 0; i < t->count; i++)
        if (strcmp(t->tiles[i].tile, name) == 0)
            return;
    if (t->count < CHI__MOST_CONTESTANTS)
        snprintf(t->tiles[t->count++].tile, CHI__TILE_NAME, "%s", name);
}

static bool is_rejected(const chi__race *race, const chi__tile *tile)
{
    for (size_t i = 0; i < race->count; i++)
        if (same_tile(&race->all[i].tile, tile))
            return race->all[i].rejected;
    return false;
}

// Who won a class: the least median, if it beats the default by more than noise in most rounds; else the default, 0.
static size_t winner_of(const chi__trial *t, size_t class, double *default_us, double *best_us)
{
    double all[CHI__MOST_ROUNDS];
    size_t best = 0;
    memcpy(all, t->tiles[0].us[class], sizeof all);
    *default_us = *best_us = median(all, t->rounds);
    for (size_t i = 1; i < t->count; i++) {
        double ratios[CHI__MOST_ROUNDS];
        size_t wins = 0;
        if (t->tiles[i].failed || strcmp(t->tiles[i].tile, "clblast") == 0)
            continue;
        for (size_t r = 0; r < t->rounds; r++) {
            ratios[r] = t->tiles[0].us[class][r] / t->tiles[i].us[class][r];
            wins += ratios[r] > 1.0;
        }
        memcpy(all, t->tiles[i].us[class], sizeof all);
        const double us = median(all, t->rounds);
        if (us < *best_us && median(ratios, t->rounds) >= LEAST_GAIN && (double)wins >= LEAST_WINS * (double)t->rounds) {
            best = i;
            *best_us = us;
        }
    }
    return best;
}

static chi_status record_class(chi__search *s, chi__trial *t, size_t class, double clblast_us)
{
    chi_tune_report *r = s->report;
    const chi__race *race = s->race;
    double default_us, best_us;
    chi__tile tile;
    const size_t best = winner_of(t, class, &default_us, &best_us);
    if (!chi__tile_parse(s->core, t->tiles[best].tile, &tile))
        return chi__fail(NULL, CHI_ERR_INTERNAL, "there is no tile \"%s\"", t->tiles[best].tile);
    chi__fact f = fact_about(s, CHI__FACT_BEST, &tile, class);
    f.us = best_us;
    f.default_us = default_us;
    f.busy = t->busy;
    f.fraction = r->peak_gflops > 0.0 && !t->busy ? chi__trial_flop(race->family, s->race->n, f.dim) / best_us * 1e-3 / r->peak_gflops : 0.0;
    if (f.fraction > 1.02) // the peak was measured while others used the device
        f.fraction = 0.0;
    CHI_TRY(chi__store_put(s->folder, &s->identity, &f, 1));
    if (clblast_us > 0.0) {
        chi__fact other = f;
        other.kind = CHI__FACT_PROVIDER;
        strcpy(other.provider, "clblast");
        other.us = clblast_us;
        other.default_us = best_us;
        CHI_TRY(chi__store_put(s->folder, &s->identity, &other, 1));
    }
    for (size_t i = 0; i < r->row_count; i++)
        if (strcmp(r->rows[i].kernel, chi__family_name(race->family)) == 0 && r->rows[i].dim == f.dim) {
            chi_tune_row *row = &r->rows[i];
            row->n = (size_t)f.n;
            row->m = (size_t)f.m;
            strcpy(row->best_tile, tile.name);
            row->default_us = default_us;
            row->best_us = best_us;
            row->fraction = f.fraction;
            row->clblast_us = clblast_us;
        }
    chi__search_say(s, "", "%s, %s features: %s, %.2f of the default's time", chi__family_name(race->family), class ? "more than 128" : "up to 128", tile.name,
                    best_us / default_us);
    return CHI_OK;
}

// Another's product, which compiles slowly and may fail: on its own before it joins the others, with a deadline of its own.
void chi__race_clblast(chi__search *s)
{
    chi__trial t;
    if (s->race->family != CHI__FAMILY_CORE || s->device.numerics != CHI_NUMERICS_FAST || !chi__clblast_is_here())
        return;
    const bool quick = s->options.effort == CHI_TUNE_QUICK;
    const double left = 0.5 * (s->end - chi__now_us()), patience = quick && left < CLBLAST_US ? left : CLBLAST_US;
    if (quick && left < CLBLAST_LEAST_US) {
        snprintf(s->report->note, sizeof s->report->note, "CLBlast was left out: its first call takes about 10 s, half of what is left are %.0f", left > 0.0 ? left * 1e-6 : 0.0);
        return;
    }
    prepare(s, &t);
    t.count = 1;
    strcpy(t.tiles[0].tile, "clblast");
    const chi_status st = chi__trial_ask(s->options.runner, patience, &t);
    if (st == CHI_OK && !t.tiles[0].failed && t.tiles[0].hash == s->race->hash) {
        s->race->clblast_us = least(t.tiles[0].us[0], ROUNDS) + least(t.tiles[0].us[1], ROUNDS);
        s->race->clblast = chi__search_say(s, "clblast", "%.3f ms, %.3f ms", least(t.tiles[0].us[0], ROUNDS) * 1e-3, least(t.tiles[0].us[1], ROUNDS) * 1e-3);
        return;
    }
    snprintf(s->report->note, sizeof s->report->note, "CLBlast was rejected: %.150s", st != CHI_OK ? chi_error_text() : t.tiles[0].why);
    chi__search_say(s, "clblast", "rejected: %s", st != CHI_OK ? chi_error_text() : t.tiles[0].why);
}

// The finals; clblast: with it, the last.
static chi_status run_finals(chi__search *s, bool clblast, chi__trial *t)
{
    prepare(s, t);
    t->rounds = FINAL_ROUNDS;
    t->unchecked = CHI__MOST_CONTESTANTS;
    add_finalist(t, s->base.name);
    add_finalist(t, s->usual.name); // so that neither a bad default nor a hasty search is recorded over something better
    for (size_t class = 0; class < CHI__CLASSES; class++)
        if (!is_rejected(s->race, &s->present[s->race->family][class]))
            add_finalist(t, s->present[s->race->family][class].name);
    for (size_t class = 0; class < CHI__CLASSES; class++) {
        const chi__candidate *best[FINALISTS_A_CLASS];
        const size_t count = chi__race_best(s->race, class, best, FINALISTS_A_CLASS);
        for (size_t i = 0; i < count; i++)
            add_finalist(t, best[i]->tile.name);
    }
    if (clblast)
        add_finalist(t, "clblast");
    if (t->count == 1) // nobody to compare it with
        t->rounds = 1;
    CHI_TRY(ask(s, t, (double)t->count * deadline_us(s)));
    const chi__contestant *last = &t->tiles[t->count - 1], *failed = t->tiles[0].failed ? t->tiles : clblast && last->failed ? last : NULL;
    return failed ? chi__fail(NULL, CHI_ERR_INTERNAL, "%s", failed->why) : CHI_OK;
}

// Before a tile of losses is recorded: the programs that were not timed, beside the default's.
static chi_status verify_winner(chi__search *s, const char *name, bool *right)
{
    chi__trial t;
    chi__tile tile;
    prepare(s, &t);
    t.dims[0] = t.dims[1] = 0;
    t.verify = s->options.effort == CHI_TUNE_QUICK ? 1 : 2;
    t.count = 2;
    strcpy(t.tiles[0].tile, s->base.name);
    strcpy(t.tiles[1].tile, name);
    const chi_status st = ask(s, &t, 2.0 * deadline_us(s));
    *right = st == CHI_OK && !t.tiles[0].failed && !t.tiles[1].failed && t.tiles[0].hash == t.tiles[1].hash;
    if (*right || !chi__search_goes_on(s) || !chi__tile_parse(s->core, name, &tile) || (st == CHI_OK && t.tiles[0].failed))
        return CHI_OK;
    return reject(s, &tile, st != CHI_OK ? chi_error_text() : t.tiles[1].failed ? t.tiles[1].why : "losses of x with itself have other bits than by the default", false);
}

// Winners of losses that are wrong elsewhere leave the finals. The tile that ships went through the tests.
static chi_status verify_winners(chi__search *s, chi__trial *t)
{
    bool verified[CHI__MOST_CONTESTANTS] = { true };
    for (size_t i = 0; i < t->count; i++)
        verified[i] = i == 0 || strcmp(t->tiles[i].tile, s->usual.name) == 0;
    for (size_t class = 0; class < CHI__CLASSES && s->race->family == CHI__FAMILY_LOSS; class++)
        for (size_t best; !s->report->stopped && !verified[best = winner_of(t, class, &(double){ 0 }, &(double){ 0 })];) {
            bool right = false;
            CHI_TRY(verify_winner(s, t->tiles[best].tile, &right));
            verified[best] = true;
            t->tiles[best].failed = !right;
        }
    return CHI_OK;
}

chi_status chi__race_finish(chi__search *s)
{
    chi__trial t;
    bool clblast = s->race->clblast;
    chi_status st = run_finals(s, clblast, &t);
    if (st != CHI_OK && clblast && chi__search_goes_on(s)) {
        clblast = false;
        st = run_finals(s, false, &t);
    }
    if (!chi__search_goes_on(s))
        return CHI_OK;
    if (st != CHI_OK) { // what was tried is kept; the other kernels go on
        snprintf(s->report->note, sizeof s->report->note, "%s: the best could not be measured beside the default: %.100s", chi__family_name(s->race->family), chi_error_text());
        chi__search_say(s, "", "%s", s->report->note);
        return CHI_OK;
    }
    CHI_TRY(verify_winners(s, &t));
    for (size_t class = 0; class < CHI__CLASSES && !s->report->stopped; class++) {
        double all[CHI__MOST_ROUNDS];
        memcpy(all, t.tiles[t.count - 1].us[class], sizeof all);
        CHI_TRY(record_class(s, &t, class, clblast ? median(all, t.rounds) : 0.0));
    }
    return CHI_OK;
}
