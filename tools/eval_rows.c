// SPDX-License-Identifier: Apache-2.0
// eval_rows.c: see eval_rows.h.
#include "eval_rows.h"

#include <inttypes.h>
#include <stdarg.h>
#include <stdlib.h>
#include <string.h>

#include "names.h"

enum { NAME_ROOM = 96, FEW = 5 };
static const double USUAL_PERCENT = 20.0;

// ---- notes --------------------------------------------------------------------------------------
void eval_note(eval_notes *notes, const char *format, ...)
{
    char text[2000];
    va_list list;
    va_start(list, format);
    vsnprintf(text, sizeof text, format, list);
    va_end(list);
    tool_say(notes->quiet, "%s", text);
    if (notes->count < EVAL_NOTES && (notes->text[notes->count] = strdup(text)))
        notes->count++;
}

void eval_notes_free(eval_notes *notes)
{
    while (notes->count)
        free(notes->text[--notes->count]);
}

// ---- rows with a class
// ------------------------------------------------------------------------------- Those of `rows`
// (NULL: all) that have a class.
static int take_rows(const eval_set *set, const int32_t *rows, size_t n, eval_side *to,
                     eval_notes *notes)
{
    *to =
        (eval_side){ malloc((n + 1) * sizeof *to->rows), malloc((n + 1) * sizeof *to->labels), 0 };
    if (!to->rows || !to->labels)
        return tool_error("no memory for %zu rows", n);
    for (size_t i = 0; i < n; i++) {
        const int32_t row = rows ? rows[i] : (int32_t)i;
        to->rows[to->count] = row;
        to->labels[to->count] = set->labels->of[row];
        to->count += set->labels->of[row] >= 0;
    }
    if (!to->count)
        return tool_error("%s: none of %zu %s has a class", set->path, n, set->rows);
    if (to->count < n)
        eval_note(notes, "%s: %zu of %zu %s have no class and are left out", set->path,
                  n - to->count, n, set->rows);
    return TOOL_DONE;
}

// ---- which are held out -------------------------------------------------------------------------
static bool read_percent(const char *text, double *percent)
{
    char number[32];
    const size_t length = strlen(text);
    if (length < 2 || length > sizeof number || text[length - 1] != '%')
        return false;
    snprintf(number, sizeof number, "%.*s", (int)(length - 1), text);
    return tool_number(number, percent) && *percent > 0.0 && *percent < 100.0;
}

int eval_check_holdout(const char *text)
{
    uint64_t count = 0;
    double percent;
    if ((tool_count(text, &count) && count) || read_percent(text, &percent))
        return TOOL_DONE;
    return tool_usage("--holdout %s is neither a number of at least 1 nor a part, as 20%%", text);
}

// The model was trained on these very images.
static bool is_trained_on(const eval_ask *ask, const eval_set *set)
{
    return ask->model && ask->facts->data_count && ask->facts->data_hash == set->hash;
}

// Older models (849e892) keep neither which rows they held out, the last ones, nor of which images.
static bool holds_last(const eval_ask *ask, const eval_set *set)
{
    return ask->model && !ask->facts->data_count && ask->facts->recipe.holdout &&
           ask->facts->recipe.holdout < set->count;
}

static size_t labelled_rows(const eval_set *set)
{
    size_t all = 0;
    for (size_t i = 0; i < set->count; i++)
        all += set->labels->of[i] >= 0;
    return all;
}

static int take_models(const eval_ask *ask, const eval_set *set, split *s, eval_notes *notes)
{
    char last[64];
    if (!holds_last(ask, set)) {
        const int result = split_parse(s, set->count, ask->facts->holdout, ask->model);
        if (result == TOOL_DONE)
            eval_note(notes, "tested on the %zu %s of %s that the training of %s held out",
                      s->tested, set->rows, set->path, ask->model);
        return result;
    }
    const uint64_t count = ask->facts->recipe.holdout;
    eval_note(notes,
              "tested on the last %" PRIu64
              " %s of %s: %s is of a version that held the last ones out and kept no more "
              "about them",
              count, set->rows, set->path, ask->model);
    snprintf(last, sizeof last, "%" PRIu64 "-%zu", set->count - count, set->count - 1);
    return split_parse(s, set->count, last, ask->model);
}

static int draw(const eval_ask *ask, const eval_set *set, size_t count, split *s, eval_notes *notes)
{
    const int result = split_draw(s, set->count, set->labels, count, ask->seed);
    if (result == TOOL_DONE)
        eval_note(notes,
                  "tested on %zu %s of %s, drawn by --seed %" PRIu64 ", each class in proportion",
                  count, set->rows, set->path, ask->seed);
    return result;
}

// As many as are asked for, or else a fifth of the rows that have a class.
static size_t count_of(const eval_ask *ask, const eval_set *set)
{
    uint64_t count = 0;
    double percent = USUAL_PERCENT;
    if (ask->holdout && tool_count(ask->holdout, &count))
        return (size_t)count;
    if (ask->holdout)
        read_percent(ask->holdout, &percent);
    const size_t part = (size_t)((double)labelled_rows(set) * percent / 100.0 + 0.5);
    return part ? part : 1;
}

static size_t models_count(const eval_ask *ask, const eval_set *set)
{
    split s;
    if (holds_last(ask, set))
        return (size_t)ask->facts->recipe.holdout;
    if (!is_trained_on(ask, set) || !ask->facts->holdout ||
        split_parse(&s, set->count, ask->facts->holdout, ask->model) != TOOL_DONE)
        return 0;
    const size_t count = s.tested;
    split_free(&s);
    return count;
}

static int hold_out(const eval_ask *ask, const eval_set *set, split *s, eval_notes *notes)
{
    const size_t models = models_count(ask, set);
    if (ask->holdout_file) {
        const int result = split_read(s, set->count, ask->holdout_file);
        if (result == TOOL_DONE)
            eval_note(notes, "tested on the %zu %s of %s that %s names", s->tested, set->rows,
                      set->path, ask->holdout_file);
        return result;
    }
    if (models && (!ask->holdout || count_of(ask, set) == models))
        return take_models(ask, set, s, notes);
    if (!ask->holdout && ask->model && ask->facts->holdout)
        eval_note(notes,
                  "%s holds other images than those that %s was trained on, and which of them it has seen "
                  "is not known",
                  set->path, ask->model);
    return draw(ask, set, count_of(ask, set), s, notes);
}

// ---- what must be known -------------------------------------------------------------------------
// Of the rows that are tested, those that the model was trained on.
static int note_trained(const eval_ask *ask, const eval_set *set, const eval_side *side,
                        eval_notes *notes)
{
    split s = { 0 };
    bool *held = calloc(set->count + 1, sizeof *held);
    size_t trained = side->count;
    int result = held ? TOOL_DONE : tool_error("no memory for %zu rows", set->count);
    if (result == TOOL_DONE && ask->facts->holdout)
        result = split_parse(&s, set->count, ask->facts->holdout, ask->model);
    for (size_t i = 0; result == TOOL_DONE && i < s.tested; i++)
        held[s.test[i]] = true;
    for (size_t i = 0; result == TOOL_DONE && i < side->count; i++)
        trained -= held[side->rows[i]];
    if (result == TOOL_DONE && trained)
        eval_note(notes,
                  "%zu of the %zu %s that are tested are ones that %s was trained on: what it does "
                  "on them says little "
                  "about new ones",
                  trained, side->count, set->rows, ask->model);
    split_free(&s);
    free(held);
    return result;
}

// The classes that side a has and side b lacks, by name, the first few.
static void note_missing(const evaluation *e, const size_t *a, const size_t *b, const char *meaning,
                         eval_notes *notes)
{
    char text[FEW * (NAME_ROOM + 4) + 64], name[NAME_ROOM];
    size_t count = 0, at = 0;
    for (size_t c = 0; c < e->classes; c++) {
        if (!a[c] || b[c])
            continue;
        if (count++ < FEW)
            at += (size_t)snprintf(text + at, sizeof text - at, "%s\"%s\"", at ? ", " : "",
                                   name_escape(e->names[c], name, sizeof name));
    }
    if (count > FEW)
        snprintf(text + at, sizeof text - at, " and %zu more", count - FEW);
    if (count)
        eval_note(notes, "class%s %s: %s", count > 1 ? "es" : "", text, meaning);
}

static int note_classes(evaluation *e, eval_notes *notes)
{
    size_t *base = calloc(e->classes + 1, sizeof *base),
           *query = calloc(e->classes + 1, sizeof *query);
    char name[NAME_ROOM];
    if (!base || !query) {
        free(base);
        free(query);
        return tool_error("no memory for %zu classes", e->classes);
    }
    for (size_t i = 0; i < e->base.count; i++)
        base[e->base.labels[i]]++;
    for (size_t i = 0; i < e->query.count; i++)
        query[e->query.labels[i]]++;
    e->base_classes = 0;
    for (size_t c = 0; c < e->classes; c++)
        e->base_classes += base[c] > 0;
    note_missing(e, query, base,
                 "tested, but no row to learn from has it, so every answer there is wrong", notes);
    note_missing(e, base, query, "no row that is tested has it", notes);
    if (e->base_classes == 1)
        eval_note(notes, "every row to learn from is of class \"%s\", so that is the only answer",
                  name_escape(e->names[e->base.labels[0]], name, sizeof name));
    free(base);
    free(query);
    return TOOL_DONE;
}

// ---- in order
// ---------------------------------------------------------------------------------------- One list
// of classes for the model and both sets.
static int map_labels(const eval_ask *ask, const eval_set *base, const eval_set *query,
                      evaluation *to)
{
    const bool names = ask->model && ask->facts->names;
    const chi_labels *last = query ? query->labels : base->labels;
    chi_status st = CHI_OK;
    if (names)
        st = chi_labels_map(base->labels, (const char *const *)ask->facts->names,
                            ask->facts->classes, true);
    if (st == CHI_OK && query)
        st = chi_labels_map(query->labels, (const char *const *)base->labels->names,
                            base->labels->classes, true);
    to->classes = last->classes;
    to->names = last->names;
    return st == CHI_OK ? TOOL_DONE : tool_fail(st);
}

static int choose_held_out(const eval_ask *ask, const eval_set *set, evaluation *to,
                           eval_notes *notes)
{
    split s = { 0 };
    int result = hold_out(ask, set, &s, notes);
    if (result == TOOL_DONE)
        result = take_rows(set, s.train, s.trained, &to->base, notes);
    if (result == TOOL_DONE)
        result = take_rows(set, s.test, s.tested, &to->query, notes);
    split_free(&s);
    return result;
}

static int choose_sets(const eval_set *base, const eval_set *query, evaluation *to,
                       eval_notes *notes)
{
    int result = take_rows(base, NULL, base->count, &to->base, notes);
    if (result == TOOL_DONE)
        result = take_rows(query, NULL, query->count, &to->query, notes);
    if (result == TOOL_DONE && base->hash && base->hash == query->hash)
        eval_note(notes, "%s and %s hold the same %s: each row that is tested finds itself",
                  base->path, query->path, base->rows);
    return result;
}

int eval_choose_rows(const eval_ask *ask, const eval_set *base, const eval_set *query,
                     evaluation *to, eval_notes *notes)
{
    const eval_set *tested = query ? query : base;
    int result = map_labels(ask, base, query, to);
    if (result == TOOL_DONE)
        result =
            query ? choose_sets(base, query, to, notes) : choose_held_out(ask, base, to, notes);
    if (result == TOOL_DONE && is_trained_on(ask, tested))
        result = note_trained(ask, tested, &to->query, notes);
    return result == TOOL_DONE ? note_classes(to, notes) : result;
}

void eval_free_rows(evaluation *e)
{
    eval_side *const sides[] = { &e->base, &e->query };
    for (size_t i = 0; i < 2; i++) {
        free(sides[i]->rows);
        free(sides[i]->labels);
        *sides[i] = (eval_side){ 0 };
    }
}
