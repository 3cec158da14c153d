// SPDX-License-Identifier: Apache-2.0
// recipe.c: reads recipes and checks every value. Header: recipe.h.
#include "recipe.h"

#include <ctype.h>
#include <stddef.h>
#include <string.h>

typedef enum kind { COUNT, NUMBER, WORD, TEXT } kind;
static const struct {
    const char *name, *fallback, *help;
    kind kind;
    size_t place;      // in struct recipe
    double low, high;  // both allowed
} keys[RECIPE_KEYS] = {
    { "loss", "ntxent", "ntxent or supcon", WORD, 0, 0, 0 },
    { "temperature", "0.2", "of the loss", NUMBER, offsetof(recipe, temperature), 1e-4, 1e4 },
    { "encoder", "", "layers of the network whose output are the features", TEXT, 0, 0, 0 },
    { "head", "linear:128 relu linear:64", "layers between features and loss, dropped afterwards", TEXT, 0, 0, 0 },
    { "batch", "512", "images a step; each gives two views", COUNT, offsetof(recipe, batch), 1, 1 << 24 },
    { "epochs", "4", "walks over the images", COUNT, offsetof(recipe, epochs), 1, 1e6 },
    { "steps", "0", "stop after so many steps; 0: all epochs", COUNT, offsetof(recipe, steps), 0, 1e12 },
    { "optimizer", "adamw", "adamw or sgd", WORD, 0, 0, 0 },
    { "rate", "0.001", "learning rate", NUMBER, offsetof(recipe, rate), 0, 1e3 },
    { "final_rate", "0", "cosine: rate at the end", NUMBER, offsetof(recipe, final_rate), 0, 1e3 },
    { "schedule", "constant", "constant or cosine", WORD, 0, 0, 0 },
    { "warmup", "0", "cosine: steps of linear warm-up", COUNT, offsetof(recipe, warmup), 0, 1e9 },
    { "momentum", "0", "sgd", NUMBER, offsetof(recipe, momentum), 0, 0.9999 },
    { "nesterov", "0", "sgd: 0 or 1", COUNT, 0, 0, 1 },
    { "weight_decay", "0", "of weights, not of biases and norms", NUMBER, offsetof(recipe, weight_decay), 0, 1e3 },
    { "shift", "0", "view: random crop after padding by so many pixels", COUNT, offsetof(recipe, shift), 0, 1024 },
    { "crop", "0", "view: random resized crop of at least this part of the area", NUMBER, offsetof(recipe, crop), 0, 1 },
    { "flip", "0", "view: probability of a horizontal flip", NUMBER, offsetof(recipe, flip), 0, 1 },
    { "jitter", "0", "view: probability of contrast and brightness", NUMBER, offsetof(recipe, jitter), 0, 1 },
    { "contrast", "0", "view: factor 1 ± this", NUMBER, offsetof(recipe, contrast), 0, 0.999 },
    { "brightness", "0", "view: factor 1 ± this", NUMBER, offsetof(recipe, brightness), 0, 0.999 },
    { "erase", "0", "view: probability of an erased box", NUMBER, offsetof(recipe, erase), 0, 1 },
    { "erase_low", "0", "view: least side of the box", COUNT, offsetof(recipe, erase_low), 0, 4096 },
    { "erase_high", "0", "view: largest side of the box", COUNT, offsetof(recipe, erase_high), 0, 4096 },
    { "checkpoint_every", "100", "steps between checkpoints", COUNT, offsetof(recipe, checkpoint_every), 1, 1e9 },
    { "keep", "2", "checkpoints kept", COUNT, offsetof(recipe, keep), 1, 1e6 },
    { "holdout", "0", "last images of the training set left out, for eval --holdout", COUNT, offsetof(recipe, holdout), 0, 1e9 },
    { "seed", "1", "weights, order and views", COUNT, offsetof(recipe, seed), 0, 9e15 },
};

const char *recipe_key(size_t index) { return index < RECIPE_KEYS ? keys[index].name : NULL; }
const char *recipe_help(size_t index) { return keys[index].help; }

void recipe_defaults(recipe *r)
{
    memset(r, 0, sizeof *r);
    for (size_t i = 0; i < RECIPE_KEYS; i++)
        snprintf(r->text[i], RECIPE_TEXT, "%s", keys[i].fallback);
}

static size_t find(const char *key)
{
    size_t i = 0;
    while (i < RECIPE_KEYS && strcmp(keys[i].name, key) != 0)
        i++;
    return i;
}

const char *recipe_text(const recipe *r, const char *key) { return r->text[find(key)]; }

int recipe_set(recipe *r, const char *key, const char *value, const char *where)
{
    const size_t i = find(key);
    const char *names[RECIPE_KEYS];
    for (size_t k = 0; k < RECIPE_KEYS; k++)
        names[k] = keys[k].name;
    if (i == RECIPE_KEYS)
        return tool_usage("%s: there is no key \"%s\"; the nearest is \"%s\"", where, key, tool_nearest(key, names, RECIPE_KEYS));
    if (strlen(value) >= RECIPE_TEXT)
        return tool_usage("%s: the value of %s has %zu characters, the most is %d", where, key, strlen(value), RECIPE_TEXT - 1);
    snprintf(r->text[i], RECIPE_TEXT, "%s", value);
    return TOOL_DONE;
}

static char *trim(char *text)
{
    while (isspace((unsigned char)*text))
        text++;
    for (char *end = text + strlen(text); end > text && isspace((unsigned char)end[-1]);)
        *--end = 0;
    return text;
}

int recipe_read(recipe *r, const char *text, const char *name)
{
    char line[RECIPE_TEXT + 64], where[320];
    for (size_t number = 1; *text; number++) {
        const size_t length = strcspn(text, "\n");
        snprintf(where, sizeof where, "%.256s:%zu", name, number);
        if (length >= sizeof line)
            return tool_usage("%s: a line of %zu characters", where, length);
        memcpy(line, text, length);
        line[length] = 0;
        text += length + (text[length] == '\n');
        char *key = trim(line), *equals = strchr(key, '=');
        if (!*key || *key == '#')
            continue;
        if (!equals)
            return tool_usage("%s: \"%s\" is not key = value", where, key);
        *equals = 0;
        const int result = recipe_set(r, trim(key), trim(equals + 1), where);
        if (result != TOOL_DONE)
            return result;
    }
    return TOOL_DONE;
}

static int take_number(recipe *r, size_t i)
{
    double value = 0.0;
    uint64_t count = 0;
    const bool good = keys[i].kind == COUNT ? tool_count(r->text[i], &count) : tool_number(r->text[i], &value);
    if (keys[i].kind == COUNT)
        value = (double)count;
    if (!good || !(value >= keys[i].low && value <= keys[i].high))
        return tool_usage("%s = %s: it must be a %snumber from %g to %g", keys[i].name, r->text[i], keys[i].kind == COUNT ? "whole " : "", keys[i].low, keys[i].high);
    if (keys[i].place && keys[i].kind == COUNT)
        *(uint64_t *)(void *)((char *)r + keys[i].place) = count;
    else if (keys[i].place)
        *(double *)(void *)((char *)r + keys[i].place) = value;
    return TOOL_DONE;
}

// One of two words: 0 or 1.
static int take_word(const recipe *r, const char *key, const char *first, const char *second, int *out)
{
    const char *value = r->text[find(key)];
    *out = strcmp(value, second) == 0;
    if (*out || strcmp(value, first) == 0)
        return TOOL_DONE;
    return tool_usage("%s = %s: it must be %s or %s", key, value, first, second);
}

int recipe_resolve(recipe *r)
{
    int supcon = 0, sgd = 0, cosine = 0, result = TOOL_DONE;
    for (size_t i = 0; i < RECIPE_KEYS && result == TOOL_DONE; i++)
        if (keys[i].kind == COUNT || keys[i].kind == NUMBER)
            result = take_number(r, i);
    if (result == TOOL_DONE)
        result = take_word(r, "loss", "ntxent", "supcon", &supcon);
    if (result == TOOL_DONE)
        result = take_word(r, "optimizer", "adamw", "sgd", &sgd);
    if (result == TOOL_DONE)
        result = take_word(r, "schedule", "constant", "cosine", &cosine);
    r->loss = supcon ? CHI_LOSS_SUPCON : CHI_LOSS_NTXENT;
    r->optimizer = sgd ? CHI_OPTIMIZER_SGD : CHI_OPTIMIZER_ADAMW;
    r->schedule = cosine ? CHI_SCHEDULE_COSINE : CHI_SCHEDULE_CONSTANT;
    r->nesterov = r->text[find("nesterov")][0] == '1';
    r->encoder = r->text[find("encoder")];
    r->head = r->text[find("head")];
    if (result == TOOL_DONE && r->shift && r->crop > 0.0)
        return tool_usage("shift = %llu and crop = %g exclude each other", (unsigned long long)r->shift, r->crop);
    if (result == TOOL_DONE && !*r->encoder)
        return tool_usage("encoder = … is missing: the layers of the network");
    return result;
}

void recipe_print(const recipe *r, char *to, size_t room)
{
    size_t at = 0;
    for (size_t i = 0; i < RECIPE_KEYS && at < room; i++)
        at += (size_t)snprintf(to + at, room - at, "%-16s = %s\n", keys[i].name, r->text[i]);
}

const char *recipe_builtin(const char *name)
{
    for (const text_source *s = recipe_sources; s->name; s++)
        if (strcmp(s->name, name) == 0)
            return s->text;
    return NULL;
}
