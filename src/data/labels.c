// SPDX-License-Identifier: Apache-2.0
// labels.c: names and ids become classes 0 … C − 1. Header: include/chiaro/labels.h. Reading:
// src/data/labels_read.c.
#include "labels.h"

#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "../base/fail.h"
#include "../base/memory.h"
#include "../base/text.h"

enum {
    DIGITS = 24, // room for a 64-bit integer's text
    SHOWN = 100, // of a name in a sentence
};

static const char *shown(const char *name, char to[SHOWN])
{
    chi__text_escape(name, to, SHOWN);
    return to;
}

// A label: its name, or its value where the name is NULL.
typedef struct key { const char *name; int64_t value; } key;

static int by_key(const void *a, const void *b)
{
    const key *x = a, *y = b;
    if (x->name)
        return strcmp(x->name, y->name);
    return x->value < y->value ? -1 : x->value > y->value;
}

// ---- integers in text ---------------------------------------------------------------------------

typedef enum word_kind { WORD, INTEGER, BEYOND } word_kind;

static word_kind read_integer(const char *text, int64_t *out)
{
    const bool negative = *text == '-';
    const uint64_t limit = negative ? (uint64_t)1 << 63 : INT64_MAX;
    uint64_t value = 0;
    bool fits = true;
    text += negative || *text == '+';
    if (!*text)
        return WORD;
    for (; *text; text++) {
        if (*text < '0' || *text > '9')
            return WORD;
        fits = fits && chi__mul(value, 10, &value) &&
               chi__add(value, (uint64_t)(*text - '0'), &value) && value <= limit;
    }
    if (!fits)
        return BEYOND;
    *out = negative ? (int64_t)(0 - value) : (int64_t)value;
    return INTEGER;
}

static const char *unlabelled_word(const chi_labels_options *options)
{
    return options && options->unlabelled ? options->unlabelled : "-1";
}

// ---- numbering ----------------------------------------------------------------------------------

// The names of `classes` sorted keys and the pointers to them, in one block.
static char **copy_names(const key *keys, size_t classes)
{
    size_t room = classes * sizeof(char *);
    for (size_t c = 0; c < classes; c++)
        room += keys[c].name ? strlen(keys[c].name) + 1 : DIGITS;
    char **names = chi__alloc(room, 1);
    char *at = (char *)(names + classes);
    for (size_t c = 0; names && c < classes; c++) {
        names[c] = at;
        if (keys[c].name)
            at = stpcpy(at, keys[c].name) + 1;
        else
            at += snprintf(at, DIGITS, "%" PRId64, keys[c].value) + 1;
    }
    return names;
}

// Sorts `count` keys and drops doubles; how many are left.
static size_t sort_unique(key *keys, size_t count)
{
    size_t kept = 0;
    if (count)
        qsort(keys, count, sizeof *keys, by_key);
    for (size_t i = 0; i < count; i++)
        if (i == 0 || by_key(&keys[kept - 1], &keys[i]) != 0)
            keys[kept++] = keys[i];
    return kept;
}

// Takes `of`, where rows without a class are −1 already; `keys` has one for each row.
static chi_status number(const char *where, const key *keys, size_t n, int32_t *of, chi_labels *out)
{
    chi_labels labels = { .count = n, .of = of };
    size_t labelled = 0;
    key *sorted = chi__alloc(n, sizeof *sorted);
    for (size_t i = 0; sorted && i < n; i++)
        if (of[i] >= 0)
            sorted[labelled++] = keys[i];
    labels.classes = sorted ? sort_unique(sorted, labelled) : 0;
    labels.names = sorted ? copy_names(sorted, labels.classes) : NULL;
    if (!labels.names) {
        chi__free(sorted);
        chi__free(of);
        return chi__fail(NULL, CHI_ERR_MEMORY, "%s: no memory for %zu labels", where, n);
    }
    for (size_t i = 0; i < n; i++)
        if (of[i] >= 0)
            of[i] = (int32_t)((const key *)bsearch(&keys[i], sorted, labels.classes, sizeof *sorted,
                                                   by_key) -
                              sorted);
    chi__free(sorted);
    *out = labels;
    return CHI_OK;
}

static chi_status allocate(const char *where, size_t n, key **keys, int32_t **of)
{
    if (n > INT32_MAX)
        return chi__fail(NULL, CHI_ERR_ARGUMENT, "%s: %zu labels, at most %d are taken", where, n,
                         INT32_MAX);
    *keys = chi__alloc(n, sizeof **keys);
    *of = chi__alloc(n, sizeof **of);
    if (*keys && *of)
        return CHI_OK;
    chi__free(*keys);
    chi__free(*of);
    return chi__fail(NULL, CHI_ERR_MEMORY, "%s: no memory for %zu labels", where, n);
}

chi_status chi__labels_from_values(const chi__label_source *source, const int64_t *values, size_t n,
                                   const chi_labels_options *options, chi_labels *out)
{
    key *keys;
    int32_t *of;
    int64_t none;
    if (read_integer(unlabelled_word(options), &none) != INTEGER)
        return chi__fail(NULL, CHI_ERR_ARGUMENT,
                         "%s: \"%.64s\" is to mean no class, but the labels are 64-bit integers",
                         source->where, unlabelled_word(options));
    CHI_TRY(allocate(source->where, n, &keys, &of));
    for (size_t i = 0; i < n; i++) {
        keys[i].value = values[i];
        of[i] = values[i] == none ? -1 : 0;
    }
    const chi_status st = number(source->where, keys, n, of, out);
    chi__free(keys);
    return st;
}

// Turns the keys into values where every labelled one is an integer; *done says whether.
static chi_status as_integers(const chi__label_source *source, key *keys, size_t n,
                              const char *word, int32_t *of, bool *done)
{
    int64_t none = 0;
    size_t beyond = SIZE_MAX;
    const bool has_none = read_integer(word, &none) == INTEGER;
    *done = false;
    for (size_t i = 0; i < n; i++) {
        if (of[i] < 0)
            continue;
        const word_kind kind = read_integer(keys[i].name, &keys[i].value);
        if (kind == WORD)
            return CHI_OK;
        if (kind == BEYOND && beyond == SIZE_MAX)
            beyond = i;
    }
    if (beyond != SIZE_MAX)
        return chi__fail(
            NULL, CHI_ERR_FORMAT,
            "%s: %s %zu: %.64s is beyond 64-bit integers, and all other labels are integers",
            source->where, source->unit, beyond + source->first, keys[beyond].name);
    for (size_t i = 0; i < n; i++) {
        of[i] = of[i] < 0 || (has_none && keys[i].value == none) ? -1 : 0;
        keys[i].name = NULL;
    }
    *done = true;
    return CHI_OK;
}

chi_status chi__labels_from_names(const chi__label_source *source, const char *const *names,
                                  size_t n, const chi_labels_options *options, chi_labels *out)
{
    const char *word = unlabelled_word(options);
    key *keys;
    int32_t *of;
    bool integers;
    chi_status st = CHI_OK;
    CHI_TRY(allocate(source->where, n, &keys, &of));
    for (size_t i = 0; i < n && st == CHI_OK; i++) {
        keys[i].name = names[i];
        if (!names[i] || !names[i][0])
            st = chi__fail(NULL, CHI_ERR_FORMAT, "%s: %s %zu is empty", source->where, source->unit,
                           i + source->first);
        else
            of[i] = strcmp(names[i], word) == 0 ? -1 : 0;
    }
    if (st == CHI_OK && !(options && options->words))
        st = as_integers(source, keys, n, word, of, &integers);
    if (st == CHI_OK)
        st = number(source->where, keys, n, of, out);
    else
        chi__free(of);
    chi__free(keys);
    return st;
}

chi_status chi_labels_from_names(const char *const *names, size_t n,
                                 const chi_labels_options *options, chi_labels *out)
{
    if ((n && !names) || !out)
        return chi__fail(NULL, CHI_ERR_ARGUMENT,
                         "labels_from_names: no names or no place for the result");
    return chi__labels_from_names(&(chi__label_source){ "labels", "row", 0 }, names, n, options,
                                  out);
}

chi_status chi_labels_from_values(const int64_t *values, size_t n,
                                  const chi_labels_options *options, chi_labels *out)
{
    if ((n && !values) || !out)
        return chi__fail(NULL, CHI_ERR_ARGUMENT,
                         "labels_from_values: no values or no place for the result");
    return chi__labels_from_values(&(chi__label_source){ "labels", "row", 0 }, values, n, options,
                                   out);
}

// ---- the classes of another set -----------------------------------------------------------------

// Keys of the known names, sorted, with their places as values.
static chi_status sort_known(const char *const *names, size_t classes, key **out)
{
    key *known = chi__alloc(classes, sizeof *known);
    if (!known)
        return chi__fail(NULL, CHI_ERR_MEMORY, "labels_map: no memory for %zu classes", classes);
    for (size_t c = 0; c < classes; c++)
        known[c] = (key){ names[c], (int64_t)c };
    if (classes)
        qsort(known, classes, sizeof *known, by_key);
    for (size_t c = 1; c < classes; c++) {
        if (strcmp(known[c - 1].name, known[c].name) == 0) {
            char text[SHOWN];
            shown(known[c].name, text);
            chi__free(known);
            return chi__fail(NULL, CHI_ERR_ARGUMENT,
                             "labels_map: the class \"%s\" is twice among the %zu known", text,
                             classes);
        }
    }
    *out = known;
    return CHI_OK;
}

static size_t first_row_of(const chi_labels *labels, size_t class)
{
    size_t i = 0;
    while (i < labels->count && labels->of[i] != (int32_t)class)
        i++;
    return i;
}

// The new number of each class in to[], and all names in all[]; *count of them.
static chi_status place_classes(const chi_labels *labels, const key *known, size_t classes,
                                bool append, int32_t *to, key *all, size_t *count)
{
    for (size_t k = 0; k < classes; k++)
        all[known[k].value].name = known[k].name;
    char text[SHOWN];
    *count = classes;
    for (size_t c = 0; c < labels->classes; c++) {
        const key wanted = { .name = labels->names[c] };
        const key *hit = bsearch(&wanted, known, classes, sizeof *known, by_key);
        const size_t row = hit ? 0 : first_row_of(labels, c);
        if (!hit && row == labels->count)
            continue; // a class without rows need not be known
        if (!hit && !append)
            return chi__fail(NULL, CHI_ERR_DATA,
                             "row %zu has the class \"%s\", which is none of the %zu known", row,
                             shown(labels->names[c], text), classes);
        to[c] = (int32_t)(hit ? (size_t)hit->value : *count);
        if (!hit)
            all[(*count)++] = wanted;
    }
    return CHI_OK;
}

chi_status chi_labels_map(chi_labels *labels, const char *const *names, size_t classes, bool append)
{
    if (!labels || (classes && !names) || classes > INT32_MAX - (labels ? labels->classes : 0))
        return chi__fail(NULL, CHI_ERR_ARGUMENT,
                         "labels_map: no labels, no names or more than %d classes", INT32_MAX);
    key *known = NULL;
    char **renamed;
    size_t count;
    CHI_TRY(sort_known(names, classes, &known));
    key *all = chi__alloc(classes + labels->classes, sizeof *all);
    int32_t *to = chi__alloc(labels->classes, sizeof *to);
    chi_status st = all && to ? CHI_OK : CHI_ERR_MEMORY;
    if (st == CHI_OK)
        CHI_TRY_DONE(place_classes(labels, known, classes, append, to, all, &count));
    renamed = st == CHI_OK ? copy_names(all, count) : NULL;
    if (!renamed) {
        st = chi__fail(NULL, CHI_ERR_MEMORY, "labels_map: no memory for %zu and %zu classes",
                       classes, labels->classes);
        goto done;
    }
    for (size_t i = 0; i < labels->count; i++)
        labels->of[i] = labels->of[i] < 0 ? -1 : to[labels->of[i]];
    chi__free(labels->names);
    labels->names = renamed;
    labels->classes = count;
done:
    chi__free(known);
    chi__free(all);
    chi__free(to);
    return st;
}

void chi_labels_free(chi_labels *labels)
{
    if (!labels)
        return;
    chi__free(labels->of);
    chi__free(labels->names);
    *labels = (chi_labels){ 0 };
}
