// SPDX-License-Identifier: Apache-2.0
// bootstrap.c: intervals of an accuracy, and of the difference of two, by resampling queries.
// Header: include/chiaro/metrics.h.
#include <chiaro/metrics.h>

#include <math.h>
#include <stdlib.h>

#include "../base/fail.h"
#include "../base/memory.h"
#include "../base/random.h"

enum { DRAWS = 2000, MOST_DRAWS = 10000000 };
static const double LEVEL = 0.95;
static const double LEAST_WEIGHT =
    0x1p-70; // of the likeliest outcome: less adds nothing to a sum of doubles

// How a query counts: for it (right; right by the first alone), against it (right by the other
// alone), or not at all.
typedef struct tally {
    size_t plus, minus, m;
} tally;

static double uniform(uint32_t high, uint32_t low)
{
    return ((double)((uint64_t)(high >> 6) << 27 | low >> 5) + 0.5) * 0x1p-53; // in (0, 1)
}

// P(j + 1) / P(j) of a binomial of `trials` with odds a : b.
static double up(size_t trials, double odds, size_t j)
{
    return (double)(trials - j) / (double)(j + 1) * odds;
}

// Inversion: outcomes in a fixed order, from the likeliest upwards and then downwards, each with
// its weight relative to the first. u < 0: none is chosen, *total receives the sum of the weights.
static size_t walk_outcomes(size_t trials, double odds, size_t mode, double u, double *total)
{
    double sum = 0.0, weight = 1.0;
    for (size_t j = mode; weight >= LEAST_WEIGHT; j++) {
        sum += weight;
        if (u >= 0.0 && sum >= u)
            return j;
        if (j == trials)
            break;
        weight *= up(trials, odds, j);
    }
    weight = 1.0;
    for (size_t j = mode; j > 0; j--) {
        weight /= up(trials, odds, j - 1);
        if (!(weight >= LEAST_WEIGHT))
            break;
        sum += weight;
        if (u >= 0.0 && sum >= u)
            return j - 1;
    }
    *total = sum;
    return mode;
}

// How many of `trials` draws hit, where `hits` of `of` would: the u-th part of the outcomes.
// Products and quotients alone, so that every machine's answer is the same.
static size_t draw_binomial(size_t trials, size_t hits, size_t of, double u)
{
    if (hits == 0 || hits == of || trials == 0)
        return hits ? trials : 0;
    const double odds = (double)hits / (double)(of - hits);
    const double likeliest = floor((double)(trials + 1) * ((double)hits / (double)of));
    const size_t mode = likeliest < (double)trials ? (size_t)likeliest : trials;
    double total = 0.0;
    walk_outcomes(trials, odds, mode, -1.0, &total);
    return walk_outcomes(trials, odds, mode, u * total, &total);
}

static int64_t draw(const tally *t, uint64_t seed, uint64_t number)
{
    const chi__random r = chi__random_at(seed, CHI__STREAM_BOOTSTRAP, 0, number);
    const size_t plus = draw_binomial(t->m, t->plus, t->m, uniform(r.word[0], r.word[1]));
    const size_t minus =
        draw_binomial(t->m - plus, t->minus, t->m - t->plus, uniform(r.word[2], r.word[3]));
    return (int64_t)plus - (int64_t)minus;
}

static int ascending(const void *a, const void *b)
{
    const int64_t x = *(const int64_t *)a, y = *(const int64_t *)b;
    return (x > y) - (x < y);
}

static chi_status interval_of(const tally *t, const chi_bootstrap_options *options,
                              chi_interval *out)
{
    const chi_bootstrap_options none = { 0 }, *o = options ? options : &none;
    const double level = o->level == 0.0 ? LEVEL : o->level;
    const size_t draws = o->draws ? o->draws : DRAWS;
    if (!(level > 0.0 && level < 1.0) || draws > MOST_DRAWS)
        return chi__fail(
            NULL, CHI_ERR_ARGUMENT,
            "bootstrap: level %g, %zu draws; the level must be within 0 … 1, draws at most %d",
            level, draws, MOST_DRAWS);
    int64_t *all = chi__alloc(draws, sizeof *all);
    if (!all)
        return chi__fail(NULL, CHI_ERR_MEMORY, "bootstrap: no memory for %zu draws", draws);
    for (size_t i = 0; i < draws; i++)
        all[i] = draw(t, o->seed, i);
    qsort(all, draws, sizeof *all, ascending);
    const size_t outside =
        (size_t)((double)draws * (1.0 - level) / 2.0 + 1e-9); // 2000 draws at 0.95: 50, not 49.99…
    *out = (chi_interval){ (double)all[outside] / (double)t->m,
                           (double)all[draws - 1 - outside] / (double)t->m };
    chi__free(all);
    return CHI_OK;
}

static chi_status check(const int32_t *predicted, const int32_t *other, const int32_t *labels,
                        size_t m)
{
    if (m == 0 || !predicted || !other || !labels)
        return chi__fail(NULL, CHI_ERR_ARGUMENT,
                         "bootstrap: %zu rows%s; at least 1, predictions and labels are needed", m,
                         m ? " without predictions or labels" : "");
    return CHI_OK;
}

chi_status chi_bootstrap(const int32_t *predicted, const int32_t *labels, size_t m,
                         const chi_bootstrap_options *options, chi_interval *interval)
{
    tally t = { .m = m };
    CHI_TRY(check(predicted, predicted, labels, m));
    for (size_t i = 0; i < m; i++)
        t.plus += predicted[i] == labels[i];
    return interval_of(&t, options, interval);
}

chi_status chi_bootstrap_difference(const int32_t *predicted, const int32_t *other,
                                    const int32_t *labels, size_t m,
                                    const chi_bootstrap_options *options, chi_interval *interval)
{
    tally t = { .m = m };
    CHI_TRY(check(predicted, other, labels, m));
    for (size_t i = 0; i < m; i++) {
        const bool first = predicted[i] == labels[i], second = other[i] == labels[i];
        t.plus += first && !second;
        t.minus += second && !first;
    }
    return interval_of(&t, options, interval);
}
