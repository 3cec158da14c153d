// SPDX-License-Identifier: Apache-2.0
// recipe.c: reads recipes and checks every value. Header: recipe.h.
#include "recipe.h"

#include <ctype.h>
#include <stddef.h>
#include <string.h>

typedef enum kind { COUNT, NUMBER, WORD, TEXT, PART } kind; // PART: a count, or a percentage
static const struct {
    const char *name, *fallback, *help;
    kind kind;
    size_t place;      // in struct recipe
    double low, high;  // both allowed
} keys[RECIPE_KEYS] = {
    { "loss", "ntxent", "ntxent or supcon", WORD, 0, 0, 0 },
    { "temperature", "0.2", "of the loss", NUMBER, offsetof(recipe, temperature), 1e-4, 1e4 },
    { "encoder", "", "layers of the network whose output are the features", TEXT, 0, 0, 0 },
    { "head", "linear:128 relu linear:64", "layers between features and loss, dropped afterwards",
      TEXT, 0, 0, 0 },
    { "batch", "512", "images a step; each gives two views", COUNT, offsetof(recipe, batch), 1,
      1 << 24 },
    { "epochs", "4", "walks over the images", COUNT, offsetof(recipe, epochs), 1, 1e6 },
    { "steps", "0", "stop after so many steps; 0: all epochs", COUNT, offsetof(recipe, steps), 0,
      1e12 },
    { "optimizer", "adamw", "adamw or sgd", WORD, 0, 0, 0 },
    { "rate", "0.001", "learning rate", NUMBER, offsetof(recipe, rate), 0, 1e3 },
    { "final_rate", "0", "cosine: rate at the end", NUMBER, offsetof(recipe, final_rate), 0, 1e3 },
    { "schedule", "constant", "constant or cosine", WORD, 0, 0, 0 },
    { "warmup", "0", "cosine: steps of linear warm-up", COUNT, offsetof(recipe, warmup), 0, 1e9 },
    { "momentum", "0", "sgd", NUMBER, offsetof(recipe, momentum), 0, 0.9999 },
    { "nesterov", "0", "sgd: 0 or 1", COUNT, 0, 0, 1 },
    { "weight_decay", "0", "of weights, not of biases and norms", NUMBER,
      offsetof(recipe, weight_decay), 0, 1e3 },
    { "shift", "0", "view: random crop after padding by so many pixels", COUNT,
      offsetof(recipe, shift), 0, 1024 },
    { "crop", "0", "view: random resized crop of at least this part of the area", NUMBER,
      offsetof(recipe, crop), 0, 1 },
    { "flip", "0", "view: probability of a horizontal flip", NUMBER, offsetof(recipe, flip), 0, 1 },
    { "jitter", "0", "view: probability of contrast, brightness, saturation and hue, together",
      NUMBER, offsetof(recipe, jitter), 0, 1 },
    { "contrast", "0", "view: factor 1 ± this", NUMBER, offsetof(recipe, contrast), 0, 0.999 },
    { "brightness", "0", "view: factor 1 ± this", NUMBER, offsetof(recipe, brightness), 0, 0.999 },
    { "saturation", "0", "view: factor 1 ± this; images of three channels", NUMBER,
      offsetof(recipe, saturation), 0, 0.999 },
    { "hue", "0", "view: turned by ± this part of the circle; images of three channels", NUMBER,
      offsetof(recipe, hue), 0, 0.5 },
    { "random_grey", "0", "view: probability of grey; images of three channels", NUMBER,
      offsetof(recipe, random_grey), 0, 1 },
    { "erase", "0", "view: probability of an erased box", NUMBER, offsetof(recipe, erase), 0, 1 },
    { "erase_low", "0", "view: least side of the box", COUNT, offsetof(recipe, erase_low), 0,
      4096 },
    { "erase_high", "0", "view: largest side of the box", COUNT, offsetof(recipe, erase_high), 0,
      4096 },
    { "checkpoint_every", "100", "steps between checkpoints", COUNT,
      offsetof(recipe, checkpoint_every), 1, 1e9 },
    { "keep", "2", "checkpoints kept", COUNT, offsetof(recipe, keep), 1, 1e6 },
    { "size", "0", "pictures: side of the square that they become; 0: as they are", COUNT,
      offsetof(recipe, size), 0, 32768 },
    { "grey", "0", "pictures: 1 for one channel", COUNT, offsetof(recipe, grey), 0, 1 },
    { "holdout", "0",
      "images left out of training, for eval: a number, or 10% of those that have a class", PART, 0,
      0, 1e9 },
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

// Whether two names are the same but for dashes and underscores.
static bool same_name(const char *a, const char *b)
{
    for (; *a && *b; a++, b++)
        if (*a != *b && !(strchr("-_", *a) && strchr("-_", *b)))
            return false;
    return *a == *b;
}

size_t recipe_find(const char *key)
{
    size_t i = 0;
    while (i < RECIPE_KEYS && !same_name(keys[i].name, key))
        i++;
    return i;
}

const char *recipe_text(const recipe *r, const char *key) { return r->text[recipe_find(key)]; }

int recipe_set(recipe *r, const char *key, const char *value, const char *where)
{
    const size_t i = recipe_find(key);
    const char *names[RECIPE_KEYS];
    for (size_t k = 0; k < RECIPE_KEYS; k++)
        names[k] = keys[k].name;
    if (i == RECIPE_KEYS)
        return tool_usage("%s: there is no key \"%s\"; the nearest is \"%s\"", where, key,
                          tool_nearest(key, names, RECIPE_KEYS));
    if (strlen(value) >= RECIPE_TEXT)
        return tool_usage("%s: the value of %s has %zu characters, the most is %d", where, key,
                          strlen(value), RECIPE_TEXT - 1);
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
    size_t lines[RECIPE_KEYS + 1] = { 0 }; // in which each key is set; the last: of none
    text += strncmp(text, "\xef\xbb\xbf", 3) == 0 ? 3 : 0; // a byte-order mark
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
        const size_t i = recipe_find(trim(key));
        if (i < RECIPE_KEYS && lines[i])
            return tool_usage("%s: %s is set by line %zu already", where, keys[i].name, lines[i]);
        const int result = recipe_set(r, trim(key), trim(equals + 1), where);
        if (result != TOOL_DONE)
            return result;
        lines[i] = number;
    }
    return TOOL_DONE;
}

static int take_number(recipe *r, size_t i)
{
    double value = 0.0;
    uint64_t count = 0;
    const bool good =
        keys[i].kind == COUNT ? tool_count(r->text[i], &count) : tool_number(r->text[i], &value);
    if (keys[i].kind == COUNT)
        value = (double)count;
    if (!good || !(value >= keys[i].low && value <= keys[i].high))
        return tool_usage("%s = %s: it must be a %snumber from %.10g to %.10g", keys[i].name, r->text[i],
                          keys[i].kind == COUNT ? "whole " : "", keys[i].low, keys[i].high);
    if (keys[i].place && keys[i].kind == COUNT)
        *(uint64_t *)(void *)((char *)r + keys[i].place) = count;
    else if (keys[i].place)
        *(double *)(void *)((char *)r + keys[i].place) = value;
    return TOOL_DONE;
}

// "46", or "10%" of the rows that have a class.
static int take_part(recipe *r, size_t i)
{
    char number[32];
    const char *text = r->text[i];
    const size_t length = strlen(text);
    double percent = 0.0;
    r->holdout = 0;
    r->holdout_part = 0.0;
    if (length == 0 || length >= sizeof number || text[length - 1] != '%') {
        const bool good = tool_count(text, &r->holdout) && (double)r->holdout <= keys[i].high;
        return good ? TOOL_DONE
                    : tool_usage("%s = %s: it must be a whole number of images, or a part of them "
                                 "as 10%%",
                                 keys[i].name, text);
    }
    memcpy(number, text, length - 1);
    number[length - 1] = 0;
    if (!tool_number(number, &percent) || !(percent >= 0.0 && percent < 100.0))
        return tool_usage("%s = %s: the part must be at least 0%% and less than 100%%",
                          keys[i].name, text);
    r->holdout_part = percent / 100.0;
    return TOOL_DONE;
}

// One of two words: 0 or 1.
static int take_word(const recipe *r, const char *key, const char *first, const char *second,
                     int *out)
{
    const char *value = r->text[recipe_find(key)];
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
        else if (keys[i].kind == PART)
            result = take_part(r, i);
    if (result == TOOL_DONE)
        result = take_word(r, "loss", "ntxent", "supcon", &supcon);
    if (result == TOOL_DONE)
        result = take_word(r, "optimizer", "adamw", "sgd", &sgd);
    if (result == TOOL_DONE)
        result = take_word(r, "schedule", "constant", "cosine", &cosine);
    r->loss = supcon ? CHI_LOSS_SUPCON : CHI_LOSS_NTXENT;
    r->optimizer = sgd ? CHI_OPTIMIZER_SGD : CHI_OPTIMIZER_ADAMW;
    r->schedule = cosine ? CHI_SCHEDULE_COSINE : CHI_SCHEDULE_CONSTANT;
    r->nesterov = r->text[recipe_find("nesterov")][0] == '1';
    r->encoder = r->text[recipe_find("encoder")];
    r->head = r->text[recipe_find("head")];
    if (result == TOOL_DONE && r->shift && r->crop > 0.0)
        return tool_usage("shift = %llu and crop = %g exclude each other",
                          (unsigned long long)r->shift, r->crop);
    if (result == TOOL_DONE && !*r->encoder)
        return tool_usage("encoder = … is missing: the layers of the network");
    return result;
}

// ---- comparing ----------------------------------------------------------------------------------

// Words the same, whatever blanks stand between them.
static bool same_words(const char *a, const char *b)
{
    static const char blanks[] = " \t";
    for (;;) {
        a += strspn(a, blanks);
        b += strspn(b, blanks);
        const size_t length = strcspn(a, blanks);
        if (length != strcspn(b, blanks) || strncmp(a, b, length) != 0)
            return false;
        if (!length)
            return true;
        a += length;
        b += length;
    }
}

static bool same_value(size_t i, const recipe *a, const recipe *b)
{
    double x = 0.0, y = 0.0;
    if (keys[i].kind == PART)
        return a->holdout == b->holdout &&
               !(a->holdout_part < b->holdout_part || a->holdout_part > b->holdout_part);
    if (keys[i].kind == TEXT || keys[i].kind == WORD)
        return same_words(a->text[i], b->text[i]);
    if (keys[i].kind == COUNT) {
        uint64_t m = 0, n = 0;
        return tool_count(a->text[i], &m) && tool_count(b->text[i], &n) && m == n;
    }
    return tool_number(a->text[i], &x) && tool_number(b->text[i], &y) && !(x < y || x > y);
}

size_t recipe_difference(const recipe *a, const recipe *b, bool lasting)
{
    for (size_t i = 0; i < RECIPE_KEYS; i++) {
        const bool passed = lasting && (strcmp(keys[i].name, "checkpoint_every") == 0 ||
                                        strcmp(keys[i].name, "keep") == 0);
        if (!passed && !same_value(i, a, b))
            return i;
    }
    return RECIPE_KEYS;
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
