// SPDX-License-Identifier: Apache-2.0
// plan.c: what a loss takes, before anything is allocated: checks, scheme, bytes, flop, time. Header: include/chiaro/plan.h.
// Schemes of the walks: src/tiles/plan.c.
#include "loss.h"

#include <math.h>
#include <stdio.h>
#include <string.h>

#include "../base/memory.h"
#include "../base/text.h"

static const float DEFAULT_TEMPERATURE = 0.07f;
static const double MOST_BINADES = 100.0;           // logits that one shift can serve
static const uint64_t MOST_KEPT_BYTES = 512u << 20; // tiles kept without being asked to save memory
static const double LAUNCH_SECONDS = 20e-6, COPY_BYTES_A_SECOND = 16e9;

static const chi__loss_rules *rules_of(chi_loss_kind kind)
{
    static const chi__loss_rules *const all[] = { &chi__loss_clip, &chi__loss_infonce, &chi__loss_ntxent, &chi__loss_supcon,
                                                  &chi__loss_moco, &chi__loss_siglip };
    return (size_t)kind < sizeof all / sizeof *all ? all[kind] : NULL;
}

static chi_status check_rows(const chi_loss *loss, size_t rows, const char *what)
{
    if (rows > UINT32_MAX / 4 || loss->dim > UINT32_MAX / 4 / (rows ? rows : 1))
        return chi__fail(loss->dev, CHI_ERR_SHAPE, "%s: %s of %zu × %zu floats is more than 2^30, the most in one matrix",
                         loss->rules->name, what, rows, loss->dim);
    return CHI_OK;
}

chi_status chi__loss_resolve(chi_device *dev, size_t n, size_t dim, const chi_loss_options *options, chi_loss *loss)
{
    *loss = (chi_loss){ .dev = dev, .n = n, .dim = dim };
    if (options)
        loss->options = *options;
    chi_loss_options *o = &loss->options;
    loss->rules = rules_of(o->kind);
    if (!loss->rules)
        return chi__fail(dev, CHI_ERR_ARGUMENT, "loss: kind %d is not one of CHI_LOSS_CLIP … CHI_LOSS_SIGLIP", (int)o->kind);
    const char *name = loss->rules->name;
    if (o->temperature == 0.0f)
        o->temperature = DEFAULT_TEMPERATURE;
    if (!(o->temperature > 0x1p-126f) || !isfinite(o->temperature))
        return chi__fail(dev, CHI_ERR_ARGUMENT, "%s: temperature is %g, it must be a positive number", name, (double)o->temperature);
    if (o->empty_rows != CHI_EMPTY_ROWS_SKIP && o->empty_rows != CHI_EMPTY_ROWS_ZERO)
        return chi__fail(dev, CHI_ERR_ARGUMENT, "%s: empty_rows is %d, it must be 0 (skip) or 1 (zero)", name, (int)o->empty_rows);
    if (!isfinite(o->bias))
        return chi__fail(dev, CHI_ERR_ARGUMENT, "%s: bias is %g, it must be a number", name, (double)o->bias);
    if (!loss->rules->pointwise && (o->learnt_bias || o->bias != 0.0f))
        return chi__fail(dev, CHI_ERR_ARGUMENT, "%s: has no bias, bias %g and learnt_bias %d are for siglip", name, (double)o->bias, (int)o->learnt_bias);
    if (dim == 0)
        return chi__fail(dev, CHI_ERR_ARGUMENT, "%s: dim is 0, a row needs at least 1 feature", name);
    if (loss->rules->queue != (o->queue_rows != 0))
        return chi__fail(dev, CHI_ERR_ARGUMENT, "%s: queue_rows is %zu, %s", name, o->queue_rows,
                         loss->rules->queue ? "it must be at least 1" : "but it has no queue");
    if (loss->rules->even && n % 2)
        return chi__fail(dev, CHI_ERR_SHAPE, "%s: n is %zu, it must be even: row i + n/2 is the positive of row i", name, n);
    CHI_TRY(check_rows(loss, n, "x"));
    return check_rows(loss, o->queue_rows, "queue");
}

static chi__pairs pairs_of(const chi_loss *loss)
{
    const chi__loss_rules *rules = loss->rules;
    const double kappa = 1.4426950408889634 / (double)loss->options.temperature;
    const bool shifted = !rules->pointwise && (loss->options.learnt_temperature || 2.0 * kappa > MOST_BINADES);
    return (chi__pairs){
        .n = loss->n, .m = rules->queue ? loss->options.queue_rows : loss->n, .dim = loss->dim, .symmetric = !rules->two_inputs,
        .columns = rules->columns, .positives = rules->positives, .weights = rules->weights, .own_positives = rules->queue,
        .constant = rules->queue, .pointwise = rules->pointwise, .shifted = shifted,
        .shift = shifted || rules->pointwise ? 0 : (int)ceil(kappa) + 1, .gradient = !loss->options.no_gradient,
    };
}

// Everything that the loss needs, with this room beyond the least; places are in *loss.
static void list(chi_loss *loss, const chi__tile *tile, chi__room room, chi__needs *needs)
{
    const chi__loss_rules *rules = loss->rules;
    const chi__pairs pairs = pairs_of(loss);
    const int columns = loss->options.no_gradient ? 0 : CHI__COLUMNS;
    const size_t n = loss->n, dim = loss->dim;
    needs->count = 0;
    chi__operand_plan(loss->dev, tile, "x", n, dim, CHI__LEFT | (rules->queue ? 0 : columns) | (rules->two_inputs ? 0 : CHI__RIGHT), needs, &loss->x);
    if (rules->two_inputs)
        chi__operand_plan(loss->dev, tile, "y", n, dim, (rules->queue ? 0 : CHI__RIGHT) | columns, needs, &loss->y);
    if (rules->queue)
        chi__operand_plan(loss->dev, tile, "queue", pairs.m, dim, CHI__RIGHT | columns, needs, &loss->queue);
    chi__passes_plan(loss->dev, tile, &pairs, room, needs, &loss->passes);
    chi__need(needs, "", "row values", 4ull * n, false, &loss->values);
    chi__need(needs, "", "row dots", 4ull * n, false, &loss->dots);
    if (rules->pointwise)
        chi__need(needs, "", "row slopes", 4ull * n, false, &loss->slopes);
    if (rules->labels)
        chi__need(needs, "", "counts of positives", 4ull * n, false, &loss->counts);
    chi__need(needs, "", "empty rows", 4, true, &loss->empty);
    chi__need(needs, "", "value", 4, true, &loss->value);
}

static chi_status refuse(const chi_loss *loss, const chi__tile *tile, const chi__needs *needs)
{
    size_t low = 0, high = loss->n;
    while (high - low > 1) {
        chi_loss other = *loss;
        chi__needs needed;
        other.n = low + (high - low) / 2;
        list(&other, tile, (chi__room){ 0, 0 }, &needed);
        *(chi__needs_fit(loss->dev, &needed) ? &low : &high) = other.n;
    }
    const uint64_t left = chi__memory_left(loss->dev), once = chi__max_alloc(loss->dev);
    char need[24], have[24], most[24], piece[24];
    return chi__fail(loss->dev, CHI_ERR_DEVICE_MEMORY, "%s: n = %zu, dim = %zu needs %s of scratch beside its inputs, %s in one piece; %s are left, %s "
                     "in one piece; the largest n that fits is %zu", loss->rules->name, loss->n, loss->dim,
                     chi__bytes_text(chi__needs_bytes(needs), need), chi__bytes_text(chi__needs_largest(needs), have),
                     chi__bytes_text(left, most), chi__bytes_text(once < left ? once : left, piece),
                     loss->rules->even ? low & ~(size_t)1 : low);
}

_Static_assert((int)CHI__MOST_NEEDS <= (int)CHI_PLAN_MOST_BUFFERS, "a plan names every buffer");

static void describe(chi_loss *loss, const chi__tile *tile, const chi__needs *needs)
{
    chi_plan *plan = &loss->plan;
    const double product = 2.0 * (double)loss->n * (double)loss->passes.pairs.m * (double)loss->dim;
    *plan = (chi_plan){ .scheme = chi__passes_scheme(&loss->passes), .core = tile->core, .tile = tile->name, .buffer_count = needs->count,
                        .scratch_bytes = chi__needs_bytes(needs), .flop = chi__passes_flop(&loss->passes),
                        .flop_minimum = product * (loss->options.no_gradient ? loss->rules->forward : loss->rules->minimum) };
    for (size_t i = 0; i < needs->count; i++) {
        memcpy(plan->buffers[i].name, needs->at[i].name, sizeof plan->buffers[i].name);
        plan->buffers[i].bytes = chi__buffer_counted(needs->at[i].bytes);
    }
    chi__passes_work(&loss->passes, &plan->launches);
    // Packing, row function and sum; projection of each gradient; labels checked, counted and weighed; scores of a queue's keys.
    const chi__loss_rules *rules = loss->rules;
    const size_t sides = loss->options.no_gradient || loss->options.unit_rows ? 0 : rules->two_inputs && !rules->queue ? 2 : 1;
    plan->launches += 3 + sides + (rules->two_inputs ? 1u : 0u) + (rules->queue ? 2u : 0u) + (rules->labels ? 3u : 0u);
}

chi_status chi__loss_plan(chi_loss *loss, chi__needs *needs)
{
    const chi__tile *tile = NULL;
    CHI_TRY(chi__core_tile(loss->dev, loss->options.no_gradient ? CHI__FAMILY_LOGSUMEXP : CHI__FAMILY_LOSS, loss->dim, &tile));
    chi__room room = { 0, 0 };
    list(loss, tile, room, needs);
    if (!chi__needs_fit(loss->dev, needs)) {
        describe(loss, tile, needs);
        return refuse(loss, tile, needs);
    }
    room.sums = chi__room_for_sums(loss->dev, needs);
    for (list(loss, tile, room, needs); !chi__needs_fit(loss->dev, needs); list(loss, tile, room, needs))
        room.sums /= 2; // more than one piece may hold
    room.kept = chi__memory_left(loss->dev) - chi__needs_bytes(needs);
    const uint64_t all = (loss->passes.pairs.symmetric ? 2ull : 4ull) * chi__padded(loss->n) * chi__padded(loss->passes.pairs.m);
    if (loss->passes.scheme == CHI__SCHEME_KEPT && all > MOST_KEPT_BYTES && !chi__budget_is_asked(loss->dev))
        room.kept = 0;
    for (list(loss, tile, room, needs); !chi__needs_fit(loss->dev, needs); list(loss, tile, room, needs))
        room.kept /= 2;
    describe(loss, tile, needs);
    return CHI_OK;
}

// Inputs are read twice and written once a layout; gradients are written, read and written again.
static double moved_bytes(const chi_loss *loss)
{
    const chi__operand *const operands[] = { &loss->x, &loss->y, &loss->queue };
    double floats = 0.0;
    for (size_t i = 0; i < 3; i++) {
        const int layouts = operands[i]->layouts;
        const double copies = 2.0 + !!(layouts & CHI__LEFT) + !!(layouts & CHI__RIGHT) + !!(layouts & CHI__COLUMNS);
        const bool has_gradient = !loss->options.no_gradient && i < 2 && !(loss->rules->queue && i == 1);
        floats += (double)operands[i]->rows * (double)operands[i]->dim * (copies + (has_gradient ? 3.0 : 0.0));
    }
    return 4.0 * floats;
}

static void predict(chi_loss *loss)
{
    double rate = 0.0;
    size_t launches;
    chi_plan *plan = &loss->plan;
    if (chi__core_rate(loss->dev, loss->passes.tile, &rate) != CHI_OK) {
        snprintf(plan->basis, sizeof plan->basis, "the core could not be timed: %.160s", chi_error_text());
        return;
    }
    const double work = chi__passes_work(&loss->passes, &launches);
    const double moved = moved_bytes(loss);
    plan->seconds = work * rate + (double)plan->launches * LAUNCH_SECONDS + moved / COPY_BYTES_A_SECOND;
    snprintf(plan->basis, sizeof plan->basis, "%.0f million multiply-adds with their epilogues at %.2f ps each with tile %s, %zu launches of %.0f us, %.0f MB "
             "moved at %.0f GB/s", work * 1e-6, rate * 1e12, plan->tile, plan->launches, LAUNCH_SECONDS * 1e6, moved * 1e-6, COPY_BYTES_A_SECOND * 1e-9);
}

chi_status chi_plan_loss(chi_device *dev, size_t n, size_t dim, const chi_loss_options *options, chi_plan *plan)
{
    chi__needs needs;
    chi_loss loss;
    CHI_TRY(chi__loss_resolve(dev, n, dim, options, &loss));
    chi_plan none = { .scheme = "nothing", .tile = "" };
    if (n == 0) {
        *plan = none;
        return CHI_OK;
    }
    const chi_status st = chi__loss_plan(&loss, &needs);
    if (st != CHI_OK && st != CHI_ERR_DEVICE_MEMORY)
        return st;
    if (st == CHI_OK)
        predict(&loss);
    *plan = loss.plan;
    return st;
}

void chi_loss_describe(const chi_loss *loss, chi_plan *plan)
{
    *plan = loss->plan;
}
