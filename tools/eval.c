// SPDX-License-Identifier: Apache-2.0
// eval.c: `chiaro eval`: what the features of a trained encoder are worth, beside the same network untrained and raw pixels.
#include <stdlib.h>
#include <string.h>

#include "model.h"

enum { NEIGHBOURS = 20, EVAL_BATCH = 500 };

typedef struct evaluation {
    tool tool;
    const char *path, *data, *images, *labels, *test_images, *test_labels, *holdout_text;
    uint64_t holdout;
    tool_images train, test;
    size_t n_train, n_test, pixels, classes;
    chi_device *dev;
    chi_buffer *train_pool, *test_pool;
    double knn, knn_weighted, linear, untrained_knn, untrained_weighted, untrained_linear, raw_knn, raw_weighted, seconds;
} evaluation;

static int read_options(evaluation *e, int argc, char **argv)
{
    const tool_option own[] = {
        { "model", "FILE", "model.safetensors or a checkpoint", &e->path, NULL },
        { "data", "DIR", "folder with train-… and t10k-… idx(.gz) files", &e->data, NULL },
        { "images", "FILE", "training images, with --labels, --test-images, --test-labels", &e->images, NULL },
        { "labels", "FILE", "their labels", &e->labels, NULL },
        { "test-images", "FILE", "test images", &e->test_images, NULL },
        { "test-labels", "FILE", "their labels", &e->test_labels, NULL },
        { "holdout", "N", "test on the last N training images instead (train with the same holdout)", &e->holdout_text, NULL },
    };
    const tool_command command = {
        "eval --model FILE --data DIR [--json]", NULL,
        "chiaro eval --model run/model.safetensors --data /usr/share/datasets/fashion-mnist --json",
        TOOL_OPENS | TOOL_JSON | TOOL_QUIET, 0,
    };
    const int result = tool_parse(&e->tool, argc, argv, &command, own, sizeof own / sizeof *own, NULL, NULL);
    if (result != TOOL_DONE || e->tool.help)
        return result;
    if (!e->path || (!e->data == !e->images))
        return tool_usage("eval needs --model, and either --data or --images");
    if (e->images && (!e->labels || (!e->holdout_text && (!e->test_images || !e->test_labels))))
        return tool_usage("--images needs --labels, and --test-images with --test-labels or --holdout");
    if (e->holdout_text && (!tool_count(e->holdout_text, &e->holdout) || e->holdout == 0))
        return tool_usage("--holdout %s is not a number of at least 1", e->holdout_text);
    return TOOL_DONE;
}

static int load(evaluation *e)
{
    int result = e->data ? tool_load_folder(e->data, "train", &e->train) : tool_load_files(e->images, e->labels, &e->train);
    if (result != TOOL_DONE)
        return result;
    if (e->holdout >= e->train.count)
        return tool_error("--holdout %llu leaves none of %zu images", (unsigned long long)e->holdout, e->train.count);
    e->pixels = e->train.channels * e->train.height * e->train.width;
    e->n_train = e->train.count - (size_t)e->holdout;
    if (!e->holdout)
        result = e->data ? tool_load_folder(e->data, "t10k", &e->test) : tool_load_files(e->test_images, e->test_labels, &e->test);
    e->n_test = e->holdout ? (size_t)e->holdout : e->test.count;
    if (result == TOOL_DONE && !e->holdout && e->test.channels * e->test.height * e->test.width != e->pixels)
        return tool_error("test images have %zu pixels, training images %zu", e->test.channels * e->test.height * e->test.width, e->pixels);
    e->classes = e->test.classes > e->train.classes ? e->test.classes : e->train.classes;
    return result;
}

static const int32_t *test_labels(const evaluation *e) { return e->holdout ? e->train.labels + e->n_train : e->test.labels; }

static int upload(evaluation *e)
{
    const uint8_t *test = e->holdout ? e->train.pixels + e->n_train * e->pixels : e->test.pixels;
    chi_status st = chi_buffer_create(e->dev, e->n_train * e->pixels, &e->train_pool);
    if (st == CHI_OK)
        st = chi_buffer_create(e->dev, e->n_test * e->pixels, &e->test_pool);
    if (st == CHI_OK)
        st = chi_buffer_upload(e->train_pool, 0, e->train.pixels, e->n_train * e->pixels);
    if (st == CHI_OK)
        st = chi_buffer_upload(e->test_pool, 0, test, e->n_test * e->pixels);
    return st == CHI_OK ? TOOL_DONE : tool_fail(st);
}

static int measure(evaluation *e, const chi_buffer *a, const chi_buffer *b, size_t width, double *knn, double *weighted, double *linear)
{
    const chi_labelled base = { chi_matrix_view((chi_buffer *)a, e->n_train, width), e->train.labels };
    const chi_labelled query = { chi_matrix_view((chi_buffer *)b, e->n_test, width), test_labels(e) };
    const size_t k = e->n_train < NEIGHBOURS ? e->n_train : NEIGHBOURS;
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

static int measure_model(evaluation *e, bool drawn, double *knn, double *weighted, double *linear)
{
    model m;
    chi_buffer *train = NULL, *test = NULL;
    int result = model_open(&m, e->dev, e->path, EVAL_BATCH, drawn);
    if (result == TOOL_DONE && m.input.channels * m.input.height * m.input.width != e->pixels)
        result = tool_error("%s takes %zu × %zu × %zu pixels, the images have %zu", e->path, m.input.channels, m.input.height, m.input.width, e->pixels);
    if (result == TOOL_DONE)
        result = model_features(&m, e->train_pool, e->n_train, false, &train);
    if (result == TOOL_DONE)
        result = model_features(&m, e->test_pool, e->n_test, false, &test);
    if (result == TOOL_DONE)
        result = measure(e, train, test, m.features, knn, weighted, linear);
    chi_buffer_destroy(&train);
    chi_buffer_destroy(&test);
    model_close(&m);
    return result;
}

static int measure_pixels(evaluation *e)
{
    chi_buffer *train = NULL, *test = NULL;
    chi_status st = chi_buffer_create(e->dev, 4ull * e->n_train * e->pixels, &train);
    if (st == CHI_OK)
        st = chi_buffer_create(e->dev, 4ull * e->n_test * e->pixels, &test);
    if (st == CHI_OK)
        st = chi_images_load(e->dev, e->train_pool, false, 0, e->n_train, e->pixels, chi_matrix_view(train, e->n_train, e->pixels));
    if (st == CHI_OK)
        st = chi_images_load(e->dev, e->test_pool, false, 0, e->n_test, e->pixels, chi_matrix_view(test, e->n_test, e->pixels));
    const int result = st == CHI_OK ? measure(e, train, test, e->pixels, &e->raw_knn, &e->raw_weighted, NULL) : tool_fail(st);
    chi_buffer_destroy(&train);
    chi_buffer_destroy(&test);
    return result;
}

static void print(const evaluation *e)
{
    if (e->tool.json)
        printf("{\"knn\": %.4f, \"knn_weighted\": %.4f, \"linear\": %.4f, \"untrained_knn\": %.4f, \"untrained_linear\": %.4f, \"raw_knn\": %.4f, "
               "\"n_train\": %zu, \"n_test\": %zu, \"seconds\": %.1f}\n",
               e->knn, e->knn_weighted, e->linear, e->untrained_knn, e->untrained_linear, e->raw_knn, e->n_train, e->n_test, e->seconds);
    else
        printf("                    kNN (k = 20)   weighted   linear probe\n"
               "trained                  %.4f     %.4f         %.4f\n"
               "the same, untrained      %.4f     %.4f         %.4f\n"
               "raw pixels               %.4f     %.4f\n"
               "%zu training images, %zu test images, %.1f s\n",
               e->knn, e->knn_weighted, e->linear, e->untrained_knn, e->untrained_weighted, e->untrained_linear, e->raw_knn, e->raw_weighted,
               e->n_train, e->n_test, e->seconds);
}

int command_eval(int argc, char **argv)
{
    evaluation e = { 0 };
    const double start = tool_seconds();
    int result = read_options(&e, argc, argv);
    if (result != TOOL_DONE || e.tool.help)
        return result;
    result = load(&e);
    if (result == TOOL_DONE)
        result = tool_open(&e.tool, &e.dev);
    if (result == TOOL_DONE)
        result = upload(&e);
    if (result == TOOL_DONE)
        result = measure_model(&e, false, &e.knn, &e.knn_weighted, &e.linear);
    if (result == TOOL_DONE)
        result = measure_model(&e, true, &e.untrained_knn, &e.untrained_weighted, &e.untrained_linear);
    if (result == TOOL_DONE)
        result = measure_pixels(&e);
    e.seconds = tool_seconds() - start;
    if (result == TOOL_DONE)
        print(&e);
    chi_buffer_destroy(&e.train_pool);
    chi_buffer_destroy(&e.test_pool);
    chi_device_close(&e.dev);
    tool_free_images(&e.train);
    tool_free_images(&e.test);
    return result;
}
