// SPDX-License-Identifier: Apache-2.0
// lbfgs.c: see lbfgs.h. All sums are plain and ascending, in double: the same on every host.
#include "lbfgs.h"

#include <math.h>
#include <string.h>

#include "../base/memory.h"

enum { HISTORY = 10, MOST_TRIALS = 25, VECTORS = 5 + 2 * HISTORY };
static const double SUFFICIENT = 1e-4, CURVATURE = 0.9; // the Wolfe conditions' constants
static const double LEAST_PROMISE = 1e-8;               // gᵀHg, in values
static const double ROUNDING = 1e-7;                    // of a value, in values

typedef struct point {
    double t, value, slope;
} point; // along the line

typedef struct search {
    size_t n, iterations, evaluations;
    const chi__lbfgs_options *o;
    double *x, *gradient, *direction, *trial, *trial_gradient, *applied;
    double *s[HISTORY], *y[HISTORY], rho[HISTORY];
    size_t kept, newest;
    double value, last; // last: t of trial and trial_gradient
} search;

static double dot(const double *a, const double *b, size_t n)
{
    double sum = 0.0;
    for (size_t i = 0; i < n; i++)
        sum += a[i] * b[i];
    return sum;
}

static double largest(const double *a, size_t n)
{
    double most = 0.0;
    for (size_t i = 0; i < n; i++)
        most = fmax(most, fabs(a[i]));
    return most;
}

// ---- line search --------------------------------------------------------------------------------
static chi_status evaluate(search *f, double t, point *out)
{
    for (size_t i = 0; i < f->n; i++)
        f->trial[i] = f->x[i] + t * f->direction[i];
    f->evaluations++;
    f->last = out->t = t;
    CHI_TRY(f->o->objective(f->o->user, f->trial, &out->value, f->trial_gradient));
    out->slope = dot(f->trial_gradient, f->direction, f->n);
    return CHI_OK;
}

// Minimum of the cubic through two points and their slopes, kept inside them.
static double between(point a, point b)
{
    const double d1 = a.slope + b.slope - 3.0 * (a.value - b.value) / (a.t - b.t),
                 square = d1 * d1 - a.slope * b.slope;
    const double low = fmin(a.t, b.t), high = fmax(a.t, b.t), margin = 0.1 * (high - low);
    double t = 0.5 * (low + high);
    if (square >= 0.0) {
        const double d2 = copysign(sqrt(square), b.t - a.t);
        t = b.t - (b.t - a.t) * (b.slope + d2 - d1) / (b.slope - a.slope + 2.0 * d2);
    }
    return !isfinite(t) ? 0.5 * (low + high) : fmin(fmax(t, low + margin), high - margin);
}

// Near the end values differ by less than they are rounded: then the slope, which is not, says
// whether there was a decrease (Hager & Zhang 2005, the approximate Wolfe conditions).
static bool too_high(point start, point p)
{
    if (p.value <= start.value + SUFFICIENT * p.t * start.slope)
        return false;
    return !(p.value <= start.value + ROUNDING * fabs(start.value) &&
             p.slope <= (2.0 * SUFFICIENT - 1.0) * start.slope);
}
static bool flat_enough(point start, point p) { return fabs(p.slope) <= -CURVATURE * start.slope; }

// Between a point that fits and one that does not.
static chi_status zoom(search *f, point start, point low, point high, point *best)
{
    for (size_t trial = 0; trial < MOST_TRIALS; trial++) {
        point p;
        CHI_TRY(evaluate(f, between(low, high), &p));
        if (too_high(start, p) || p.value > low.value + ROUNDING * fabs(low.value)) {
            high = p;
        } else {
            *best = p;
            if (flat_enough(start, p))
                return CHI_OK;
            if (p.slope * (high.t - low.t) >= 0.0)
                high = low;
            low = p;
        }
        if (!(fabs(high.t - low.t) * -start.slope >= ROUNDING * LEAST_PROMISE * fabs(start.value)))
            return CHI_OK;
    }
    return CHI_OK;
}

// A step that satisfies the strong Wolfe conditions, or the best one seen; t = 0: none.
static chi_status line_search(search *f, double first, point *best)
{
    const point start = { 0.0, f->value, dot(f->gradient, f->direction, f->n) };
    point before = start;
    double t = first;
    *best = start;
    for (size_t trial = 0; trial < MOST_TRIALS; trial++) {
        point p;
        CHI_TRY(evaluate(f, t, &p));
        if (too_high(start, p) || (trial > 0 && !(p.value < before.value)))
            return zoom(f, start, before, p, best);
        *best = p;
        if (flat_enough(start, p))
            return CHI_OK;
        if (p.slope >= 0.0)
            return zoom(f, start, p, before, best);
        before = p;
        t *= 4.0;
    }
    return CHI_OK;
}

// ---- directions ---------------------------------------------------------------------------------
// direction ← the caller's H · direction, or itself.
static void apply(search *f)
{
    if (!f->o->apply)
        return;
    f->o->apply(f->o->user, f->direction, f->applied);
    memcpy(f->direction, f->applied, f->n * sizeof *f->direction);
}

// (sᵀy) / (yᵀHy) of the newest step: the size of H that fits it.
static double scale_of(search *f)
{
    const double *y = f->y[f->newest];
    if (!f->o->apply)
        return 1.0 / (f->rho[f->newest] * dot(y, y, f->n));
    f->o->apply(f->o->user, y, f->applied);
    return 1.0 / (f->rho[f->newest] * dot(y, f->applied, f->n));
}

// −H · gradient by the two loops.
static void find_direction(search *f)
{
    double alpha[HISTORY];
    const double scale = f->kept ? scale_of(f) : 1.0;
    for (size_t i = 0; i < f->n; i++)
        f->direction[i] = -f->gradient[i];
    for (size_t k = 0; k < f->kept; k++) {
        const size_t h = (f->newest + HISTORY - k) % HISTORY;
        alpha[h] = f->rho[h] * dot(f->s[h], f->direction, f->n);
        for (size_t i = 0; i < f->n; i++)
            f->direction[i] -= alpha[h] * f->y[h][i];
    }
    apply(f);
    for (size_t i = 0; i < f->n; i++)
        f->direction[i] *= scale;
    for (size_t k = f->kept; k-- > 0;) {
        const size_t h = (f->newest + HISTORY - k) % HISTORY;
        const double beta = f->rho[h] * dot(f->y[h], f->direction, f->n);
        for (size_t i = 0; i < f->n; i++)
            f->direction[i] += (alpha[h] - beta) * f->s[h][i];
    }
}

// To the point found; remembers the step if it saw positive curvature.
static chi_status move(search *f, point best)
{
    const size_t next = f->kept ? (f->newest + 1) % HISTORY : 0;
    if (f->last != best.t) // the line search has looked elsewhere since
        CHI_TRY(evaluate(f, best.t, &best));
    for (size_t i = 0; i < f->n; i++) {
        f->s[next][i] = f->trial[i] - f->x[i];
        f->y[next][i] = f->trial_gradient[i] - f->gradient[i];
    }
    const double curvature = dot(f->s[next], f->y[next], f->n);
    if (curvature > 0.0 && isfinite(1.0 / curvature)) {
        f->rho[next] = 1.0 / curvature;
        f->newest = next;
        f->kept += f->kept < HISTORY;
    }
    memcpy(f->x, f->trial, f->n * sizeof *f->x);
    memcpy(f->gradient, f->trial_gradient, f->n * sizeof *f->gradient);
    f->value = best.value;
    f->iterations++;
    return CHI_OK;
}

static double first_step(const search *f)
{
    double sum = 0.0;
    for (size_t i = 0; i < f->n; i++)
        sum += fabs(f->gradient[i]);
    return f->o->apply || f->kept ? 1.0 : fmin(1.0, 1.0 / sum);
}

static chi_status run(search *f)
{
    f->evaluations++;
    CHI_TRY(f->o->objective(f->o->user, f->x, &f->value, f->gradient));
    if (!isfinite(f->value) || !isfinite(dot(f->gradient, f->gradient, f->n)))
        return chi__fail(NULL, CHI_ERR_DATA, "lbfgs: the objective is %g at the start", f->value);
    while (f->iterations < f->o->iterations && largest(f->gradient, f->n) > 0.0) {
        point best;
        if (f->o->update)
            CHI_TRY(f->o->update(f->o->user, f->iterations, f->x));
        find_direction(f);
        if (!(-dot(f->gradient, f->direction, f->n) > LEAST_PROMISE * f->value))
            return CHI_OK;
        CHI_TRY(line_search(f, first_step(f), &best));
        if (best.t == 0.0)
            return CHI_OK;
        CHI_TRY(move(f, best));
        if (f->o->progress)
            f->o->progress(f->o->user, f->iterations);
    }
    return CHI_OK;
}

chi_status chi__lbfgs(size_t n, double *x, const chi__lbfgs_options *options,
                      chi__lbfgs_report *report)
{
    search f = { .n = n, .o = options, .x = x };
    double *room = chi__alloc(n, VECTORS * sizeof *room);
    if (!room)
        return chi__fail(NULL, CHI_ERR_MEMORY, "lbfgs: no memory for %d vectors of %zu numbers",
                         VECTORS, n);
    double **all[] = { &f.gradient, &f.direction, &f.trial, &f.trial_gradient, &f.applied };
    for (size_t i = 0; i < 5; i++)
        *all[i] = room + i * n;
    for (size_t h = 0; h < HISTORY; h++) {
        f.s[h] = room + (5 + 2 * h) * n;
        f.y[h] = room + (6 + 2 * h) * n;
    }
    const chi_status st = run(&f);
    *report = (chi__lbfgs_report){ f.value, largest(f.gradient, n), f.iterations, f.evaluations };
    chi__free(room);
    return st;
}
