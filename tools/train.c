// SPDX-License-Identifier: Apache-2.0
// train.c: `chiaro train`: its options, and the order of things. Header: train.h. Recipes:
// recipe.c. Folder of a run: run.c.
#include <stdlib.h>
#include <string.h>

#include "train.h"

enum { OWN = 10 };

// ---- what is asked for --------------------------------------------------------------------------

// Every key of a recipe is an option, but for the seed, which all commands share, and what is said
// of pictures already.
static size_t add_keys(trainer *t, tool_option *own, size_t count)
{
    const size_t others = count;
    for (size_t i = 0; recipe_key(i); i++) {
        bool there = strcmp(recipe_key(i), "seed") == 0;
        for (size_t k = 0; k < others; k++)
            there = there || strcmp(own[k].name, recipe_key(i)) == 0;
        if (!there)
            own[count++] =
                (tool_option){ recipe_key(i),    "VALUE", recipe_help(i),
                                &t->overrides[i], NULL,    recipe_text(&t->recipe, recipe_key(i)) };
    }
    return count;
}

// A recipe that is named anywhere on the command line, so that the help can say its values.
static int read_named(trainer *t, int argc, char **argv)
{
    recipe_defaults(&t->recipe);
    for (int i = 1; i < argc; i++)
        if (recipe_builtin(argv[i]))
            return recipe_read(&t->recipe, recipe_builtin(argv[i]), argv[i]);
    return TOOL_DONE;
}

static int read_recipe(trainer *t)
{
    if (!t->recipe_name == !t->recipe_file)
        return tool_usage("train needs either the name of a recipe (pictures, simclr, supcon, "
                          "baseline) or --recipe FILE");
    if (t->recipe_name && !recipe_builtin(t->recipe_name))
        return tool_usage("there is no recipe \"%s\"; pictures, simclr, supcon and baseline are "
                          "built in, --recipe FILE reads one",
                          t->recipe_name);
    char *text = t->recipe_name ? NULL : tool_read_text(t->recipe_file);
    if (!t->recipe_name && !text)
        return TOOL_FAILED;
    recipe_defaults(&t->recipe);
    const int result = recipe_read(&t->recipe, text ? text : recipe_builtin(t->recipe_name),
                                   text ? t->recipe_file : t->recipe_name);
    free(text);
    return result;
}

static int override(trainer *t)
{
    int result = TOOL_DONE;
    t->overrides[recipe_find("seed")] = t->tool.seed_text;
    if (t->image_options.size)
        t->overrides[recipe_find("size")] = t->image_options.size;
    if (t->image_options.grey)
        t->overrides[recipe_find("grey")] = "1";
    for (size_t i = 0; recipe_key(i) && result == TOOL_DONE; i++)
        if (t->overrides[i])
            result = recipe_set(&t->recipe, recipe_key(i), t->overrides[i], "command line");
    return result == TOOL_DONE ? recipe_resolve(&t->recipe) : result;
}

// "900", "90m", "1h30m": seconds above 0.
static bool read_time(const char *text, double *seconds)
{
    static const struct {
        char unit;
        double seconds;
    } units[] = { { 's', 1 }, { 'm', 60 }, { 'h', 3600 }, { 'd', 86400 } };
    *seconds = 0.0;
    while (*text) {
        char number[32];
        double value = 0.0, scale = 1.0;
        const size_t length = strspn(text, "0123456789.");
        if (length == 0 || length >= sizeof number)
            return false;
        memcpy(number, text, length);
        number[length] = 0;
        text += length;
        bool known = *text == 0;
        for (size_t i = 0; i < sizeof units / sizeof *units && !known; i++)
            if (*text == units[i].unit) {
                known = true;
                scale = units[i].seconds;
            }
        if (!known || !tool_number(number, &value))
            return false;
        *seconds += value * scale;
        text += *text != 0;
    }
    return *seconds > 0.0 && *seconds < 1e9;
}

// Options that exclude each other, and those that are no recipe's.
static int check_ways(trainer *t)
{
    if (t->holdout_file && t->overrides[recipe_find("holdout")])
        return tool_usage("--holdout and --holdout-file exclude each other");
    if (t->dry_run && t->resume)
        return tool_usage("--dry-run and --resume exclude each other");
    if (t->time_text && !read_time(t->time_text, &t->limit))
        return tool_usage("--time-limit %s is not a time above 0, as 900 (seconds), 90m or 1h30m",
                          t->time_text);
    return TOOL_DONE;
}

int train_options(trainer *t, int argc, char **argv)
{
    tool_option own[RECIPE_KEYS + IMAGE_OPTIONS + OWN] = {
        { "recipe", "FILE", "a recipe of your own instead of a built-in one", &t->recipe_file,
          NULL },
        { "data", "DIR", "folder of pictures, or one with train-images-idx3-ubyte(.gz) and labels",
          &t->data, NULL },
        { "images", "FILE|DIR", "images as .npy, idx, FILE:NAME or a folder of pictures",
          &t->images, NULL },
        { "labels", "FILE", "their labels, for supcon and eval", &t->labels, NULL },
        { "output", "DIR",
          "folder of the run: config.txt, metrics.jsonl, checkpoints, model.safetensors",
          &t->output, NULL },
        { "holdout-file", "FILE",
          "images left out of training: rows and ranges, 0-9 17, or an array of rows",
          &t->holdout_file, NULL },
        { "init", "FILE", "begin with the weights of this model or checkpoint", &t->init, NULL },
        { "time-limit", "TIME",
          "end in time with a checkpoint and a model, as 900, 90m or 1h30m; --resume goes on",
          &t->time_text, NULL },
        { "dry-run", NULL, "say what the run takes of device, time and disk, and write nothing",
          NULL, &t->dry_run },
        { "resume", NULL, "go on from the newest checkpoint in --output, bit for bit", NULL,
          &t->resume },
    };
    const tool_command command = {
        "train RECIPE --data DIR --output DIR [OPTIONS]",
        "recipes: pictures, simclr, supcon, baseline; every key of a recipe is an option (chiaro "
        "train RECIPE --help shows its values)" IMAGES_ABOUT,
        "chiaro train simclr --data /usr/share/datasets/fashion-mnist --output run --epochs 2",
        TOOL_OPENS | TOOL_SEED | TOOL_QUIET,
        1,
    };
    int result = read_named(t, argc, argv);
    images_add_options(&t->image_options, own + OWN);
    const size_t count = add_keys(t, own, OWN + IMAGE_OPTIONS);
    if (result == TOOL_DONE)
        result = tool_parse(&t->tool, argc, argv, &command, own, count, &t->recipe_name, NULL);
    if (result != TOOL_DONE || t->tool.help)
        return result;
    result = read_recipe(t);
    if (result == TOOL_DONE)
        result = override(t);
    if (result == TOOL_DONE && (!t->data == !t->images))
        return tool_usage("train needs either --data DIR or --images FILE (with --labels FILE)");
    if (result == TOOL_DONE && !t->output)
        return tool_usage("train needs --output DIR");
    return result == TOOL_DONE ? check_ways(t) : result;
}

// ---- order --------------------------------------------------------------------------------------
static int finish(trainer *t)
{
    char path[4200];
    snprintf(path, sizeof path, "%.4000s/model.safetensors", t->output);
    t->model.facts.step = t->ended;
    const int result = model_write(&t->model, NULL, path);
    if (result == TOOL_DONE)
        train_say_end(t);
    return result;
}

// Everything before the first step, with nothing written.
static int prepare(trainer *t)
{
    int result = run_look(&t->run, t->output, &t->recipe, t->resume);
    if (result == TOOL_DONE)
        result = train_load(t);
    if (result == TOOL_DONE)
        result = tool_open(&t->tool, &t->dev);
    if (result == TOOL_DONE)
        result = train_make(t);
    if (result == TOOL_DONE)
        train_say_start(t);
    if (result == TOOL_DONE && t->init)
        result = train_init(t);
    return result;
}

static int begin(trainer *t, uint64_t *from)
{
    int result = run_start(&t->run, &t->recipe, t->facts.holdout);
    if (result == TOOL_DONE && t->resume)
        result = run_resume(&t->run, &t->model, t->optimizers, from);
    // Without it a run that is killed early would be gone on with without these weights.
    if (result == TOOL_DONE && t->init && !t->resume)
        result = train_checkpoint(t, 0);
    t->ended = *from;
    return result;
}

static int train(trainer *t)
{
    uint64_t from = 0;
    train_catch_wanted();
    progress_start(&t->progress, t->tool.quiet, "steps", 0);
    int result = prepare(t);
    if (result != TOOL_DONE || t->dry_run) {
        const int doubts = result == TOOL_DONE ? train_say_doubts(t) : result;
        return doubts == TOOL_DONE ? train_plan(t) : doubts;
    }
    tool_catch_interrupts(); // there was nothing to save before
    result = begin(t, &from);
    if (result == TOOL_DONE)
        result = train_say_doubts(t);
    if (result == TOOL_DONE)
        result = train_walk(t, from);
    return result == TOOL_DONE ? finish(t) : result;
}

int command_train(int argc, char **argv)
{
    trainer *t = calloc(1, sizeof *t);
    if (!t)
        return tool_error("no memory");
    t->began = tool_seconds();
    int result = train_options(t, argc, argv);
    if (result == TOOL_DONE && !t->tool.help)
        result = train(t);
    train_release(t);
    free(t);
    return result;
}
