// SPDX-License-Identifier: Apache-2.0
// eval_images.c: images through a model, trained and untrained, and as they are, to `chiaro eval`.
// See eval.h.
#include <string.h>

#include "eval.h"

// ---- images and rows ----------------------------------------------------------------------------
static int open_set(eval *v, tool_images *set, const char *part, const char *images,
                    const char *labels, const pixel_rules *rules)
{
    const image_options *o = &v->image_options;
    const chi_shape wanted = v->file.facts.input;
    int result = images
                     ? images_open(set, images, o, rules, wanted, v->tool.quiet)
                     : images_open_data(set, v->data, part, labels ? LABELS_UNUSED : LABELS_NEEDED,
                                        o, rules, wanted, v->tool.quiet);
    if (result == TOOL_DONE && labels)
        result = images_label(set, labels, o);
    if (result == TOOL_DONE && !set->labels.count)
        result = tool_error("%s: %zu images and no labels to evaluate with: a file (--labels, "
                            "--test-labels), or folders whose names are "
                            "the classes of the pictures in them",
                            set->path, set->count);
    return result;
}

static int choose_rows(eval *v, bool apart)
{
    const eval_set base = { v->set.path, "images", v->set.count, &v->set.labels, v->set.hash };
    const eval_set test = { v->test_set.path, "images", v->test_set.count, &v->test_set.labels,
                            v->test_set.hash };
    const eval_ask ask = { v->holdout, v->holdout_file, v->tool.seed, v->model, &v->file.facts };
    return eval_choose_rows(&ask, &base, apart ? &test : NULL, &v->e, &v->notes);
}

int eval_images_open(eval *v)
{
    pixel_rules rules;
    const bool apart = !v->holdout && !v->holdout_file &&
                       (v->test_images || (v->data && images_have_part(v->data, "t10k")));
    int result = model_file_open(&v->file, v->model, v->changed);
    if (result == TOOL_DONE)
        result = encode_rules(&v->file, &v->image_options, &rules);
    if (result == TOOL_DONE)
        result = open_set(v, &v->set, "train", v->images, v->labels, &rules);
    if (result == TOOL_DONE && apart)
        result = open_set(v, &v->test_set, "t10k", v->test_images, v->test_labels, &rules);
    return result == TOOL_DONE ? choose_rows(v, apart) : result;
}

void eval_images_close(eval *v)
{
    images_close(&v->set);
    images_close(&v->test_set);
    model_file_close(&v->file);
}

// ---- features -----------------------------------------------------------------------------------
static tool_images *tested_set(eval *v) { return v->test_set.count ? &v->test_set : &v->set; }

// One side through the model (NULL: as pixels) to rows of its own.
static int encode_side(eval *v, tool_images *images, const eval_side *side, model *m,
                       const encode_plan *plan, chi_buffer *to, size_t width, progress *p,
                       const char *name, uint64_t *done)
{
    encode_stage s;
    int result = encode_stage_open(&s, v->e.dev, images, plan);
    s.shown = p;
    s.doing = name;
    s.done = *done;
    if (result == TOOL_DONE)
        result = encode_walk(&s, m, side->rows, side->count, false,
                             chi_matrix_view(to, side->count, width), NULL, NULL);
    *done = s.done;
    encode_stage_close(&s);
    return result;
}

static int encode_both(eval *v, model *m, const encode_plan *plan, const char *name,
                       eval_features *to)
{
    char doing[64];
    progress p;
    uint64_t done = 0;
    snprintf(doing, sizeof doing, "%s", name);
    int result = evaluation_allocate(&v->e, to->width, to);
    progress_start(&p, v->tool.quiet, "images", v->e.base.count + v->e.query.count);
    if (result == TOOL_DONE)
        result =
            encode_side(v, &v->set, &v->e.base, m, plan, to->base, to->width, &p, doing, &done);
    if (result == TOOL_DONE)
        result = encode_side(v, tested_set(v), &v->e.query, m, plan, to->query, to->width, &p,
                             doing, &done);
    progress_end(&p);
    return result;
}

// The larger images of the two sets, in bytes: one may be of floats.
static const tool_images *heavier_set(eval *v)
{
    return image_bytes(tested_set(v)) > image_bytes(&v->set) ? tested_set(v) : &v->set;
}

static int encode_with_model(eval *v, bool drawn, const char *name, eval_features *to)
{
    encode_plan plan;
    model m = { 0 };
    model_needs needs;
    const size_t most = v->e.base.count > v->e.query.count ? v->e.base.count : v->e.query.count;
    int result = model_describe(v->e.dev, &v->file.facts, 1, 0, &needs);
    to->width = needs.features;
    if (result == TOOL_DONE)
        result = encode_fit(v->e.dev, &v->file, heavier_set(v), evaluation_bytes(&v->e, to->width),
                            0, most < v->batch ? most : v->batch, &plan);
    if (result == TOOL_DONE)
        result = model_from_file(&m, v->e.dev, &v->file, plan.batch, 0, drawn);
    if (result == TOOL_DONE)
        result = encode_both(v, &m, &plan, name, to);
    model_close(&m);
    return result;
}

static int measure_model(eval *v, bool drawn, const char *name, eval_result *to)
{
    eval_features f = { 0 };
    int result = encode_with_model(v, drawn, name, &f);
    if (result == TOOL_DONE)
        result = evaluation_measure(&v->e, name, chi_matrix_view(f.base, v->e.base.count, f.width),
                                    chi_matrix_view(f.query, v->e.query.count, f.width), true, to);
    evaluation_release(&f);
    return result;
}

// Pixels may be too many where features are not: that is no reason to lose the rest.
static int measure_pixels(eval *v, eval_result *to)
{
    static const char name[] = "raw pixels";
    eval_features f = { .width = v->set.pixels };
    encode_plan plan;
    char why[300];
    const size_t one = image_bytes(heavier_set(v)), few = (32u << 20) / one,
                 batch = few < 1          ? 1
                         : few < v->batch ? few
                                          : v->batch;
    if (!evaluation_fits(&v->e, f.width, one, why, sizeof why)) {
        snprintf(to->why, sizeof to->why, "no raw pixels: %s", why);
        return TOOL_DONE;
    }
    int result = encode_fit(v->e.dev, NULL, heavier_set(v), evaluation_bytes(&v->e, f.width), 0,
                            batch, &plan);
    if (result == TOOL_DONE)
        result = encode_both(v, NULL, &plan, name, &f);
    if (result == TOOL_DONE)
        result = evaluation_measure(&v->e, name, chi_matrix_view(f.base, v->e.base.count, f.width),
                                    chi_matrix_view(f.query, v->e.query.count, f.width), false, to);
    evaluation_release(&f);
    return result;
}

int eval_images_measure(eval *v)
{
    int result = measure_model(v, false, "trained network", &v->results[EVAL_TRAINED]);
    if (result == TOOL_DONE)
        result = measure_model(v, true, "untrained network", &v->results[EVAL_UNTRAINED]);
    return result == TOOL_DONE ? measure_pixels(v, &v->results[EVAL_PIXELS]) : result;
}
