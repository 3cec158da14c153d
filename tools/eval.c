// SPDX-License-Identifier: Apache-2.0
// eval.c: `chiaro eval`: what features are worth, those of a trained encoder beside the same
// network untrained and raw pixels, or anybody's vectors. Options and order; the parts are listed
// in eval.h.
#include "eval.h"

#include <inttypes.h>
#include <stdlib.h>
#include <string.h>

#include "metric.h"

// ---- options ------------------------------------------------------------------------------------
enum { OWN_OPTIONS = 17 };

static void list_options(eval *v, tool_option *to)
{
    const tool_option own[OWN_OPTIONS] = {
        { "model", "FILE", "model.safetensors or a checkpoint", &v->model, NULL, NULL },
        { "changed", NULL, "take a model that another program changed", NULL, &v->changed, NULL },
        { "data", "DIR",
          "folder with train-… and t10k-… idx(.gz) files, or of pictures, whose folders are "
          "classes",
          &v->data, NULL, NULL },
        { "images", "FILE|DIR", "instead: images to learn from, an array or a folder of pictures",
          &v->images, NULL, NULL },
        { "features", "FILE", "instead of a model: vectors of any program, [rows][features]",
          &v->features, NULL, NULL },
        { "labels", "FILE", "a label for each of them: an array, or a text with one a line",
          &v->labels, NULL, NULL },
        { "test-images", "FILE|DIR", "images to test on", &v->test_images, NULL, NULL },
        { "test-features", "FILE", "vectors to test on", &v->test_features, NULL, NULL },
        { "test-labels", "FILE", "their labels", &v->test_labels, NULL, NULL },
        { "holdout", "N|P%",
          "test on so many of the rows, drawn by the seed, each class in proportion; default: on "
          "what the model's training "
          "held out, where that is known, else on 20%",
          &v->holdout, NULL, NULL },
        { "holdout-file", "FILE",
          "test on the rows that it names: numbers and ranges, 0-9 17, or an array",
          &v->holdout_file, NULL, NULL },
        { "k", "LIST", "neighbours that vote, as 1,5,20", &v->k_text, NULL, "20" },
        { "metric", "cosine|dot|euclidean", "what is near", &v->metric_text, NULL, "cosine" },
        { "batch", "N", "images at once; fewer where they do not fit, which changes no result",
          &v->batch_text, NULL, "500" },
        { "per-class", NULL, "accuracy and rows of each class too", NULL, &v->per_class, NULL },
        { "predictions", "FILE",
          "receives the answer for each row that was tested, as text between tabs", &v->predictions,
          NULL, NULL },
        { "json-file", "FILE", "receives what --json prints, beside the table", &v->json_file, NULL,
          NULL },
    };
    memcpy(to, own, sizeof own);
    images_add_options(&v->image_options, to + OWN_OPTIONS);
}

// "1,5,20" to numbers.
static int read_neighbours(eval *v)
{
    const char *text = v->k_text;
    for (; v->ks_asked < EVAL_LISTS; text++) {
        char word[24];
        uint64_t k = 0;
        const size_t length = strcspn(text, ",");
        snprintf(word, sizeof word, "%.*s", (int)length, text);
        if (length >= sizeof word || !tool_count(word, &k) || k == 0 || k > EVAL_MOST_NEIGHBOURS)
            return tool_usage("--k %s is not a list of numbers from 1 to %d, as 1,5,20", v->k_text,
                              EVAL_MOST_NEIGHBOURS);
        v->e.k[v->ks_asked++] = (size_t)k;
        text += length;
        if (!*text)
            return TOOL_DONE;
    }
    return tool_usage("--k %s has more than %d numbers", v->k_text, EVAL_LISTS);
}

// The first option of a list that was given; NULL: none was.
typedef struct given {
    const char *name;
    bool is;
} given;
static const char *first_given(const given *list, size_t count)
{
    for (size_t i = 0; i < count; i++)
        if (list[i].is)
            return list[i].name;
    return NULL;
}

// Options of the way that was not chosen.
static int check_ways(const eval *v)
{
    const image_options *o = &v->image_options;
    const given of_images[] = {
        { "model", v->model },
        { "data", v->data },
        { "images", v->images },
        { "test-images", v->test_images },
        { "batch", v->batch_text },
        { "changed", v->changed },
        { "layout", o->layout },
        { "range", o->range },
        { "size", o->size },
        { "grey", o->grey },
        { "max-pixels", o->max_pixels },
        { "skip-broken", o->skip_broken },
        { "picture-memory", o->picture_memory },
    };
    const char *other =
        v->features ? first_given(of_images, sizeof of_images / sizeof *of_images) : NULL;
    if (other)
        return tool_usage(
            "--features are evaluated as they are: --%s is for images through a model", other);
    if (!v->features && v->test_features)
        return tool_usage(
            "--test-features are tested by what is learnt from --features, which is missing");
    if (!v->features && (!v->model || !v->data == !v->images))
        return tool_usage("eval needs --model with either --data or --images, or --features with "
                          "--labels (chiaro eval --help)");
    if ((v->features || v->images) && !v->labels && !(v->images && images_is_folder(v->images)))
        return tool_usage("%s has no labels: --labels FILE", v->features ? v->features : v->images);
    return TOOL_DONE;
}

static int check_tested(const eval *v)
{
    const char *test = v->features ? v->test_features : v->test_images;
    const given ways[] = { { v->features ? "test-features" : "test-images", test },
                           { "holdout", v->holdout },
                           { "holdout-file", v->holdout_file } };
    const size_t count = (size_t)(ways[0].is + ways[1].is + ways[2].is);
    if (v->test_labels && !test)
        return tool_usage("--test-labels %s: of which rows? --%s is missing", v->test_labels,
                          ways[0].name);
    if (test && !v->test_labels && !(v->test_images && images_is_folder(v->test_images)))
        return tool_usage("%s has no labels: --test-labels FILE", test);
    if (count > 1)
        return tool_usage("--%s, --holdout and --holdout-file exclude each other: each says which "
                          "rows are tested",
                          ways[0].name);
    return v->holdout ? eval_check_holdout(v->holdout) : TOOL_DONE;
}

static int check_output(const eval *v, const char *option, const char *path)
{
    const char *const inputs[] = { v->model,       v->images,   v->labels,        v->test_images,
                                   v->test_labels, v->features, v->test_features, v->holdout_file };
    for (size_t i = 0; i < sizeof inputs / sizeof *inputs; i++)
        if (inputs[i] && tool_same_file(path, inputs[i]))
            return tool_usage("--%s %s is an input too; it would be written over", option, path);
    return tool_check_output(path);
}

static int check_outputs(const eval *v)
{
    int result = TOOL_DONE;
    if (v->predictions && v->json_file && strcmp(v->predictions, v->json_file) == 0)
        return tool_usage("--predictions and --json-file are both %s", v->json_file);
    if (v->predictions)
        result = check_output(v, "predictions", v->predictions);
    return result == TOOL_DONE && v->json_file ? check_output(v, "json-file", v->json_file) : result;
}

static int read_options(eval *v, int argc, char **argv)
{
    tool_option own[OWN_OPTIONS + IMAGE_OPTIONS];
    const tool_command command = {
        "eval (--model FILE --data DIR | --features FILE --labels FILE) [--json]",
        "How often the nearest neighbours among rows with known labels, and a linear classifier "
        "learnt from them, name the class of rows "
        "that are tested. Features of a model stand beside those of the same network untrained and "
        "beside raw pixels. Intervals are "
        "bootstrap ones, 95 %." IMAGES_ABOUT,
        "chiaro eval --model run/model.safetensors --data /usr/share/datasets/fashion-mnist --json",
        TOOL_OPENS | TOOL_SEED | TOOL_JSON | TOOL_QUIET,
        0,
    };
    uint64_t batch = ENCODE_BATCH;
    list_options(v, own);
    int result =
        tool_parse(&v->tool, argc, argv, &command, own, sizeof own / sizeof *own, NULL, NULL);
    if (result != TOOL_DONE || v->tool.help)
        return result;
    if (v->batch_text && (!tool_count(v->batch_text, &batch) || batch == 0 || batch > ENCODE_BATCH))
        return tool_usage("--batch %s is not a number from 1 to %d", v->batch_text, ENCODE_BATCH);
    v->batch = (size_t)batch;
    v->e.quiet = v->notes.quiet = v->tool.quiet;
    v->e.seed = v->tool.seed;
    result = metric_parse(v->metric_text ? v->metric_text : "cosine", &v->e.metric);
    if (result == TOOL_DONE && v->k_text)
        result = read_neighbours(v);
    if (result == TOOL_DONE)
        result = check_ways(v);
    if (result == TOOL_DONE)
        result = check_tested(v);
    return result == TOOL_DONE ? check_outputs(v) : result;
}

// ---- order --------------------------------------------------------------------------------------
// Twenty neighbours where there are as many rows.
static int fit_neighbours(eval *v)
{
    const size_t rows = v->e.base.count;
    v->e.ks = v->ks_asked;
    for (size_t i = 0; i < v->ks_asked; i++)
        if (v->e.k[i] > rows)
            return tool_error("--k %zu is more than the %zu rows to learn from", v->e.k[i], rows);
    if (v->ks_asked)
        return TOOL_DONE;
    v->e.ks = 1;
    v->e.k[0] = rows < EVAL_NEIGHBOURS ? rows : EVAL_NEIGHBOURS;
    if (rows < EVAL_NEIGHBOURS)
        eval_note(&v->notes, "k = %zu instead of %d: there are no more rows to learn from", rows,
                  EVAL_NEIGHBOURS);
    return TOOL_DONE;
}

static int evaluate(eval *v)
{
    const double start = tool_seconds();
    int result = v->features ? eval_features_open(v) : eval_images_open(v);
    if (result == TOOL_DONE)
        result = fit_neighbours(v);
    if (result == TOOL_DONE)
        result = tool_open(&v->tool, &v->e.dev);
    if (result == TOOL_DONE)
        result = v->features ? eval_features_measure(v) : eval_images_measure(v);
    v->seconds = tool_seconds() - start;
    if (result != TOOL_DONE)
        return result;
    const int printed = v->tool.json ? eval_print_json(v) : eval_print(v);
    result = v->predictions ? eval_write_predictions(v) : TOOL_DONE;
    if (result == TOOL_DONE && v->json_file)
        result = eval_write_json(v);
    return result == TOOL_DONE ? printed : result;
}

int command_eval(int argc, char **argv)
{
    eval *v = calloc(1, sizeof *v);
    if (!v)
        return tool_error("no memory");
    int result = read_options(v, argc, argv);
    if (result == TOOL_DONE && !v->tool.help) {
        tool_catch_interrupts();
        result = evaluate(v);
        for (size_t i = 0; i < EVAL_RESULTS; i++)
            evaluation_free(&v->results[i]);
        eval_free_rows(&v->e);
        eval_notes_free(&v->notes);
        chi_device_close(&v->e.dev);
        eval_images_close(v);
        eval_features_close(v);
    }
    free(v);
    return result;
}
