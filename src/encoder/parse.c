// SPDX-License-Identifier: Apache-2.0
// parse.c: networks as text, "conv2d:32,k=3,s=2,p=1,bias=0 batch_norm relu residual( linear:8 | linear:8 )".
// Header: include/chiaro/encoder.h. The list is planned by plan.c.
#include "encoder.h"

#include <ctype.h>
#include <stdio.h>
#include <string.h>

#include "../base/memory.h"
#include "../base/text.h"

enum { WORD = 96, MOST_DEPTH = 8 };

static const struct {
    const char *name;
    chi_layer_kind kind;
} kinds[] = {
    { "linear", CHI_LAYER_LINEAR }, { "conv2d", CHI_LAYER_CONV2D }, { "batch_norm", CHI_LAYER_BATCH_NORM }, { "relu", CHI_LAYER_RELU },
    { "gelu", CHI_LAYER_GELU }, { "max_pool", CHI_LAYER_MAX_POOL }, { "average_pool", CHI_LAYER_AVERAGE_POOL },
    { "global_pool", CHI_LAYER_GLOBAL_POOL }, { "flatten", CHI_LAYER_FLATTEN }, { "normalize", CHI_LAYER_NORMALIZE }, { "residual(", CHI_LAYER_RESIDUAL },
};
enum { KINDS = sizeof kinds / sizeof *kinds };

// Where the reader stands: the rest of the text, and the pool that all lists are cut from.
typedef struct reader {
    const char *at;
    chi_layer *pool;
    size_t used, room;
} reader;

// The next word, "" at the end. '|' and ')' are words, "residual(" is one.
static chi_status next_word(reader *r, char *word)
{
    while (isspace((unsigned char)*r->at))
        r->at++;
    size_t length = 0;
    while (r->at[length] && !isspace((unsigned char)r->at[length]) && r->at[length] != '|' && r->at[length] != ')' && (length == 0 || r->at[length - 1] != '('))
        length++;
    if (length == 0 && *r->at)
        length = 1;
    if (length >= WORD)
        return chi__fail(NULL, CHI_ERR_ARGUMENT, "network: a word of %zu characters, the most is %d", length, WORD - 1);
    memcpy(word, r->at, length);
    word[length] = 0;
    r->at += length;
    return CHI_OK;
}

static bool ends_list(const char *word) { return !*word || strcmp(word, "|") == 0 || strcmp(word, ")") == 0; }

// Layers up to the end of the list that starts here.
static chi_status count_layers(const reader *from, size_t *count)
{
    reader r = *from;
    char word[WORD];
    size_t depth = 0;
    for (*count = 0;;) {
        CHI_TRY(next_word(&r, word));
        if (!*word || (depth == 0 && ends_list(word)))
            return CHI_OK;
        if (strcmp(word, ")") == 0)
            depth--;
        else if (strcmp(word, "|") != 0)
            *count += depth == 0;
        depth += strcmp(word, "residual(") == 0;
    }
}

static chi_status set_option(chi_layer *l, const char *word, const char *key, const char *value)
{
    static const char *const keys[] = { "k", "s", "p", "g", "bias", "eps", "momentum" };
    size_t *const sizes[] = { &l->kernel, &l->stride, &l->padding, &l->groups };
    unsigned long long number = 0;
    double real = 0.0;
    size_t which = 0;
    while (which < sizeof keys / sizeof *keys && strcmp(keys[which], key) != 0)
        which++;
    if (which == sizeof keys / sizeof *keys)
        return chi__fail(NULL, CHI_ERR_ARGUMENT, "network: \"%s\": there is no option %s; the nearest is %s", word, key, chi__nearest(key, keys, sizeof keys / sizeof *keys));
    const bool may_be_zero = which == 2 || which == 4; // padding and bias: a zero that is written is no default
    const bool good = which < 5 ? chi__parse_u64(value, &number) && number < 1u << 30 && (which != 4 || number < 2) && (number || may_be_zero)
                                : chi__parse_double(value, &real) && real > 0.0;
    if (!good)
        return chi__fail(NULL, CHI_ERR_ARGUMENT, "network: \"%s\": %s=%s is not in range", word, key, value);
    if (which < 4)
        *sizes[which] = (size_t)number;
    else if (which == 4)
        l->no_bias = number == 0;
    else
        *(which == 5 ? &l->epsilon : &l->momentum) = (float)real;
    return CHI_OK;
}

// "conv2d:32,k=3": a kind, its width, and options.
static chi_status read_layer(const char *word, chi_layer *l)
{
    char copy[WORD], *options = NULL;
    const char *names[KINDS];
    size_t which = 0;
    snprintf(copy, sizeof copy, "%s", word);
    if ((options = strchr(copy, ':')) != NULL)
        *options++ = 0;
    for (size_t i = 0; i < KINDS; i++)
        names[i] = kinds[i].name;
    while (which < KINDS && strcmp(kinds[which].name, copy) != 0)
        which++;
    if (which == KINDS)
        return chi__fail(NULL, CHI_ERR_ARGUMENT, "network: there is no layer \"%s\"; the nearest is \"%s\"", copy, chi__nearest(copy, names, KINDS));
    *l = (chi_layer){ .kind = kinds[which].kind };
    for (char *part = options; part && *part;) {
        char *next = strchr(part, ','), *value = NULL;
        unsigned long long width = 0;
        if (next)
            *next++ = 0;
        if ((value = strchr(part, '=')) != NULL) {
            *value++ = 0;
            CHI_TRY(set_option(l, word, part, value));
        } else if (chi__parse_u64(part, &width) && width < 1u << 30) {
            l->width = (size_t)width;
        } else {
            return chi__fail(NULL, CHI_ERR_ARGUMENT, "network: \"%s\": \"%s\" is neither a width nor key=value", word, part);
        }
        part = next;
    }
    return CHI_OK;
}

static chi_status read_list(reader *r, size_t depth, chi_layer **list, char *end);

// After "residual(": a body, and a shortcut after '|'.
static chi_status read_residual(reader *r, size_t depth, chi_layer *l)
{
    char end[WORD];
    chi_layer *body = NULL, *shortcut = NULL;
    CHI_TRY(read_list(r, depth + 1, &body, end));
    if (strcmp(end, "|") == 0)
        CHI_TRY(read_list(r, depth + 1, &shortcut, end));
    if (strcmp(end, ")") != 0)
        return chi__fail(NULL, CHI_ERR_ARGUMENT, "network: a residual( is not closed");
    l->body = body;
    l->shortcut = shortcut;
    return CHI_OK;
}

static chi_status read_list(reader *r, size_t depth, chi_layer **list, char *end)
{
    size_t count = 0;
    if (depth > MOST_DEPTH)
        return chi__fail(NULL, CHI_ERR_ARGUMENT, "network: residuals are nested more than %d deep", MOST_DEPTH);
    CHI_TRY(count_layers(r, &count));
    if (r->used + count + 1 > r->room)
        return chi__fail(NULL, CHI_ERR_INTERNAL, "network: %zu layers do not fit the %zu counted", count, r->room);
    *list = r->pool + r->used;
    r->used += count + 1;
    for (size_t i = 0; i <= count; i++) {
        char word[WORD];
        CHI_TRY(next_word(r, word));
        if (ends_list(word)) {
            (*list)[i] = (chi_layer){ .kind = CHI_LAYER_END };
            memcpy(end, word, WORD);
            return CHI_OK;
        }
        CHI_TRY(read_layer(word, &(*list)[i]));
        if ((*list)[i].kind == CHI_LAYER_RESIDUAL)
            CHI_TRY(read_residual(r, depth, &(*list)[i]));
    }
    return chi__fail(NULL, CHI_ERR_INTERNAL, "network: more layers than were counted");
}

chi_status chi_layers_parse(const char *text, chi_layer **layers)
{
    *layers = NULL;
    if (!text)
        return chi__fail(NULL, CHI_ERR_ARGUMENT, "network: no text");
    char end[WORD] = "";
    reader r = { .at = text, .room = strlen(text) + 2 }; // a layer takes a character at least, and so does an end
    r.pool = chi__alloc(r.room, sizeof *r.pool);
    if (!r.pool)
        return chi__fail(NULL, CHI_ERR_MEMORY, "network: no memory for %zu layers", r.room);
    chi_status st = read_list(&r, 0, layers, end);
    if (st == CHI_OK && *end)
        st = chi__fail(NULL, CHI_ERR_ARGUMENT, "network: \"%s\" outside a residual( … )", end);
    if (st == CHI_OK && (*layers)->kind == CHI_LAYER_END)
        st = chi__fail(NULL, CHI_ERR_ARGUMENT, "network: there is no layer in \"%.60s\"", text);
    if (st != CHI_OK) {
        *layers = NULL;
        chi__free(r.pool);
    }
    return st;
}

void chi_layers_free(chi_layer **layers)
{
    if (!layers)
        return;
    chi__free(*layers); // the outermost list starts the pool
    *layers = NULL;
}
