// SPDX-License-Identifier: Apache-2.0
// eval.c: `chiaro eval`: what the features of a trained encoder are worth, beside the same network untrained and raw pixels.
#include <stdlib.h>
#include <string.h>

#include "encode.h"

enum { NEIGHBOURS = 20 };

// The rows of a set that take part, and their classes.
typedef struct side {
    tool_images *images;
    int32_t *rows, *labels;
    size_t count;
} side;

typedef struct evaluation {
    tool tool;
    const char *path, *data, *images, *labels, *test_images, *test_labels, *holdout_text;
    uint64_t holdout;
    image_options image_options;
    model_file file;
    tool_images set, test_set; // the second with --test-images or t10k files alone
    side train, test;
    size_t classes;
    chi_device *dev;
    double knn, knn_weighted, linear, untrained_knn, untrained_weighted, untrained_linear, raw_knn, raw_weighted, seconds;
} evaluation;

static int read_options(evaluation *e, int argc, char **argv)
{
    tool_option own[7 + IMAGE_OPTIONS] = {
        { "model", "FILE", "model.safetensors or a checkpoint", &e->path, NULL },
        { "data", "DIR", "folder with train-… and t10k-… idx(.gz) files, or of pictures", &e->data, NULL },
        { "images", "FILE|DIR", "training images, with --labels, --test-images, --test-labels", &e->images, NULL },
        { "labels", "FILE", "their labels", &e->labels, NULL },
        { "test-images", "FILE|DIR", "test images", &e->test_images, NULL },
        { "test-labels", "FILE", "their labels", &e->test_labels, NULL },
        { "holdout", "N", "test on N training images instead; default: those that the model's training held out", &e->holdout_text, NULL },
    };
    const tool_command command = {
        "eval --model FILE --data DIR [--json]", NULL,
        "chiaro eval --model run/model.safetensors --data /usr/share/datasets/fashion-mnist --json",
        TOOL_OPENS | TOOL_JSON | TOOL_QUIET, 0,
    };
    images_add_options(&e->image_options, own + 7);
    const int result = tool_parse(&e->tool, argc, argv, &command, own, sizeof own / sizeof *own, NULL, NULL);
    if (result != TOOL_DONE || e->tool.help)
        return result;
    if (!e->path || (!e->data == !e->images))
        return tool_usage("eval needs --model, and either --data or --images");
    if (e->holdout_text && (!tool_count(e->holdout_text, &e->holdout) || e->holdout == 0))
        return tool_usage("--holdout %s is not a number of at least 1", e->holdout_text);
    return TOOL_DONE;
}

// ---- images and their rows ---------------------------------------------------------------------------
static int open_side(evaluation *e, tool_images *set, const char *part, const char *images, const char *labels, const pixel_rules *rules)
{
    const image_options *o = &e->image_options;
    const chi_shape wanted = e->file.facts.input;
    int result = images ? images_open(set, images, o, rules, wanted, e->tool.quiet)
                        : images_open_data(set, e->data, part, LABELS_NEEDED, o, rules, wanted, e->tool.quiet);
    if (result == TOOL_DONE && labels)
        result = images_label(set, labels, o);
    if (result == TOOL_DONE && !set->labels.count)
        result = tool_error("%s has no labels to evaluate with", set->path);
    return result;
}

// Those of `rows` (NULL: all) that have a class.
static int take_rows(side *s, tool_images *set, const int32_t *rows, size_t n)
{
    *s = (side){ set, malloc((n + 1) * sizeof *s->rows), malloc((n + 1) * sizeof *s->labels), 0 };
    if (!s->rows || !s->labels)
        return tool_error("no memory for %zu rows", n);
    for (size_t i = 0; i < n; i++) {
        const int32_t row = rows ? rows[i] : (int32_t)i;
        s->rows[s->count] = row;
        s->labels[s->count] = set->labels.of[row];
        s->count += set->labels.of[row] >= 0;
    }
    return s->count ? TOOL_DONE : tool_error("%s: none of %zu rows has a class", set->path, n);
}

static int split_set(evaluation *e)
{
    const model_facts *f = &e->file.facts;
    split s = { 0 };
    int result = TOOL_DONE;
    if (e->holdout)
        result = split_draw(&s, e->set.count, &e->set.labels, (size_t)e->holdout, f->recipe.seed);
    else if (!f->holdout)
        result = tool_usage("%s held nothing out: --holdout N, or --test-images with --test-labels", e->path);
    else if (f->data_hash != e->set.hash)
        result = tool_error("%s holds other images than those that %s was trained on, whose rows were held out; --holdout N, or --test-images",
                            e->set.path, e->path);
    else
        result = split_parse(&s, e->set.count, f->holdout, e->path);
    if (result == TOOL_DONE)
        result = take_rows(&e->train, &e->set, s.train, s.trained);
    if (result == TOOL_DONE)
        result = take_rows(&e->test, &e->set, s.test, s.tested);
    split_free(&s);
    return result;
}

static int load(evaluation *e)
{
    const image_options *o = &e->image_options;
    pixel_rules rules;
    int result = pixels_ask(o->layout, o->range, o->size, o->grey, &rules);
    if (result == TOOL_DONE)
        result = model_file_open(&e->file, e->path);
    if (result == TOOL_DONE && e->file.facts.ruled)
        result = pixels_keep(&rules, &e->file.facts.rules, e->file.facts.input, e->path);
    if (result == TOOL_DONE)
        result = open_side(e, &e->set, "train", e->images, e->labels, &rules);
    if (result != TOOL_DONE)
        return result;
    const bool test = !e->holdout && (e->test_images || e->data);
    if (!test) {
        e->classes = e->set.labels.classes;
        return split_set(e);
    }
    result = open_side(e, &e->test_set, "t10k", e->test_images, e->test_labels, &rules);
    if (result != TOOL_DONE)
        return result;
    const chi_status st = chi_labels_map(&e->test_set.labels, (const char *const *)e->set.labels.names, e->set.labels.classes, true);
    e->classes = e->test_set.labels.classes;
    result = st == CHI_OK ? take_rows(&e->train, &e->set, NULL, e->set.count) : tool_fail(st);
    return result == TOOL_DONE ? take_rows(&e->test, &e->test_set, NULL, e->test_set.count) : result;
}

// ---- measuring ---------------------------------------------------------------------------------------
static int measure(evaluation *e, chi_matrix a, chi_matrix b, double *knn, double *weighted, double *linear)
{
    const chi_labelled base = { a, e->train.labels }, query = { b, e->test.labels };
    const size_t k = e->train.count < NEIGHBOURS ? e->train.count : NEIGHBOURS;
    chi_knn_report near = { 0 };
    chi_probe_report probe = { 0 };
    chi_status st = chi_knn(e->dev, &(chi_knn_args){ .base = base, .query = query, .classes = e->classes, .metric = CHI_METRIC_COSINE, .k = &k, .ks = 1 }, &near);
    if (st == CHI_OK && linear)
        st = chi_linear_probe(e->dev, &(chi_probe_args){ .base = base, .query = query, .classes = e->classes }, &probe);
    if (st != CHI_OK)
        return tool_fail(st);
    *knn = near.accuracy;
    *weighted = near.weighted;
    if (linear)
        *linear = probe.accuracy;
    return TOOL_DONE;
}

// Rows of one side through the model (NULL: their pixels), to a matrix of their own.
static int encode(evaluation *e, side *s, model *m, chi_buffer **out, chi_matrix *z)
{
    const size_t batch = m ? m->batch : ENCODE_BATCH, width = m ? m->features : s->images->pixels;
    encode_stage stage = { 0 };
    const chi_status st = chi_buffer_create(e->dev, 4ull * s->count * width, out);
    int result = st == CHI_OK ? encode_stage_open(&stage, e->dev, s->images, batch, width) : tool_fail(st);
    *z = chi_matrix_view(*out, s->count, width);
    if (result == TOOL_DONE)
        result = encode_walk(&stage, m, s->rows, s->count, false, *z, NULL, NULL, NULL);
    encode_stage_close(&stage);
    return result;
}

static int measure_with(evaluation *e, model *m, double *knn, double *weighted, double *linear)
{
    chi_buffer *train = NULL, *test = NULL;
    chi_matrix a, b;
    int result = encode(e, &e->train, m, &train, &a);
    if (result == TOOL_DONE)
        result = encode(e, &e->test, m, &test, &b);
    if (result == TOOL_DONE)
        result = measure(e, a, b, knn, weighted, linear);
    chi_buffer_destroy(&train);
    chi_buffer_destroy(&test);
    return result;
}

static int measure_model(evaluation *e, bool drawn, double *knn, double *weighted, double *linear)
{
    model m = { 0 };
    model_needs needs;
    int result = model_describe(e->dev, &e->file.facts, ENCODE_BATCH, 0, &needs);
    if (result != TOOL_DONE)
        return result;
    const uint64_t rows = 4ull * (e->train.count + e->test.count) * needs.features;
    const uint64_t spare = rows + encode_stage_bytes(&e->set, ENCODE_BATCH, needs.features);
    result = model_from_file(&m, e->dev, &e->file, ENCODE_BATCH, spare, drawn);
    if (result == TOOL_DONE)
        result = measure_with(e, &m, knn, weighted, linear);
    model_close(&m);
    return result;
}

static void print(const evaluation *e)
{
    if (e->tool.json)
        printf("{\"knn\": %.4f, \"knn_weighted\": %.4f, \"linear\": %.4f, \"untrained_knn\": %.4f, \"untrained_linear\": %.4f, \"raw_knn\": %.4f, "
               "\"n_train\": %zu, \"n_test\": %zu, \"seconds\": %.1f}\n",
               e->knn, e->knn_weighted, e->linear, e->untrained_knn, e->untrained_linear, e->raw_knn, e->train.count, e->test.count, e->seconds);
    else
        printf("                    kNN (k = 20)   weighted   linear probe\n"
               "trained                  %.4f     %.4f         %.4f\n"
               "the same, untrained      %.4f     %.4f         %.4f\n"
               "raw pixels               %.4f     %.4f\n"
               "%zu training images, %zu test images, %.1f s\n",
               e->knn, e->knn_weighted, e->linear, e->untrained_knn, e->untrained_weighted, e->untrained_linear, e->raw_knn, e->raw_weighted,
               e->train.count, e->test.count, e->seconds);
}

static void release(evaluation *e)
{
    side *const sides[] = { &e->train, &e->test };
    for (size_t i = 0; i < 2; i++) {
        free(sides[i]->rows);
        free(sides[i]->labels);
    }
    chi_device_close(&e->dev);
    images_close(&e->set);
    images_close(&e->test_set);
    model_file_close(&e->file);
}

int command_eval(int argc, char **argv)
{
    evaluation *e = calloc(1, sizeof *e);
    const double start = tool_seconds();
    if (!e)
        return tool_error("no memory");
    int result = read_options(e, argc, argv);
    if (result == TOOL_DONE && !e->tool.help) {
        tool_catch_interrupts();
        result = load(e);
        if (result == TOOL_DONE)
            result = tool_open(&e->tool, &e->dev);
        if (result == TOOL_DONE)
            result = measure_model(e, false, &e->knn, &e->knn_weighted, &e->linear);
        if (result == TOOL_DONE)
            result = measure_model(e, true, &e->untrained_knn, &e->untrained_weighted, &e->untrained_linear);
        if (result == TOOL_DONE)
            result = measure_with(e, NULL, &e->raw_knn, &e->raw_weighted, NULL);
        e->seconds = tool_seconds() - start;
        if (result == TOOL_DONE)
            print(e);
        release(e);
    }
    free(e);
    return result;
}
