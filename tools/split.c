// SPDX-License-Identifier: Apache-2.0
// split.c: rows held out by lot or by name. Header: split.h.
#include "split.h"

#include <inttypes.h>
#include <stdlib.h>
#include <string.h>

// The epoch of the order that rows are held out by; epochs of training count from 0.
static const uint64_t SPLIT_EPOCH = UINT32_MAX;

void split_free(split *s)
{
    free(s->train);
    free(s->test);
    *s = (split){ 0 };
}

// Lists of the marked rows and of the others.
static int from_marks(split *s, size_t n, const bool *held)
{
    *s = (split){ malloc((n + 1) * sizeof *s->train), malloc((n + 1) * sizeof *s->test), 0, 0 };
    if (!s->train || !s->test) {
        split_free(s);
        return tool_error("no memory for %zu rows", n);
    }
    for (size_t i = 0; i < n; i++)
        if (held[i])
            s->test[s->tested++] = (int32_t)i;
        else
            s->train[s->trained++] = (int32_t)i;
    return TOOL_DONE;
}

// ---- by lot -------------------------------------------------------------------------------------
// What rounding down took from a class's share.
typedef struct remainder { uint64_t lost; size_t class; } remainder;

static int largest_first(const void *a, const void *b)
{
    const remainder *x = a, *y = b;
    return x->lost != y->lost ? (x->lost < y->lost) - (x->lost > y->lost)
                              : (x->class > y->class) - (x->class < y->class);
}

// How many of each class: count · rows of the class / rows, rounded down, and one more where most is lost by that.
static bool apportion(const size_t *rows, size_t classes, size_t all, size_t count, size_t *quota)
{
    remainder *left = malloc((classes + 1) * sizeof *left);
    size_t given = 0;
    for (size_t c = 0; left && c < classes; c++) {
        const uint64_t share = (uint64_t)count * rows[c];
        given += quota[c] = (size_t)(share / all);
        left[c] = (remainder){ share % all, c };
    }
    if (left)
        qsort(left, classes, sizeof *left, largest_first);
    for (size_t i = 0; left && given < count; i++, given++)
        quota[left[i].class]++;
    free(left);
    return left != NULL;
}

static int class_of(const chi_labels *labels, int32_t row) { return labels ? labels->of[row] : 0; }

static int draw(bool *held, size_t n, const chi_labels *labels, size_t count, uint64_t seed,
                int32_t *order, size_t *rows, size_t *quota)
{
    const size_t classes = labels ? labels->classes : 1;
    size_t all = 0;
    for (size_t i = 0; i < n; i++)
        if (class_of(labels, (int32_t)i) >= 0) {
            rows[class_of(labels, (int32_t)i)]++;
            all++;
        }
    if (count >= all)
        return tool_error("holdout = %zu leaves none of the %zu images%s", count, all,
                          all < n ? " that have a class" : "");
    const chi_status st = chi_random_order(seed, SPLIT_EPOCH, n, order);
    if (st != CHI_OK)
        return tool_fail(st);
    if (!apportion(rows, classes, all, count, quota))
        return tool_error("no memory for %zu classes", classes);
    for (size_t i = 0; i < n; i++) {
        const int c = class_of(labels, order[i]);
        if (c >= 0 && quota[c]) {
            quota[c]--;
            held[order[i]] = true;
        }
    }
    return TOOL_DONE;
}

int split_draw(split *s, size_t n, const chi_labels *labels, size_t count, uint64_t seed)
{
    const size_t classes = labels ? labels->classes : 1;
    bool *held = calloc(n + 1, sizeof *held);
    int32_t *order = malloc((n + 1) * sizeof *order);
    size_t *rows = calloc(classes + 1, sizeof *rows), *quota = calloc(classes + 1, sizeof *quota);
    *s = (split){ 0 };
    int result =
        held && order && rows && quota ? TOOL_DONE : tool_error("no memory for %zu rows", n);
    if (result == TOOL_DONE && count)
        result = draw(held, n, labels, count, seed, order, rows, quota);
    if (result == TOOL_DONE)
        result = from_marks(s, n, held);
    free(held);
    free(order);
    free(rows);
    free(quota);
    return result;
}

// ---- by name ------------------------------------------------------------------------------------
static int mark(bool *held, size_t n, uint64_t first, uint64_t last, const char *where)
{
    if (first > last || last >= n)
        return tool_error("%s: rows %" PRIu64 " to %" PRIu64 " of %zu images; they count from 0",
                          where, first, last, n);
    for (uint64_t i = first; i <= last; i++)
        held[i] = true;
    return TOOL_DONE;
}

// "17" or "3-9".
static int mark_word(bool *held, size_t n, char *word, const char *where)
{
    uint64_t first = 0, last = 0;
    char *dash = strchr(word, '-');
    if (dash)
        *dash = 0;
    if (!tool_count(word, &first) || (dash && !tool_count(dash + 1, &last)))
        return tool_error("%s: \"%s%s%s\" is neither a row's number nor a range of them, as 3-9",
                          where, word, dash ? "-" : "", dash ? dash + 1 : "");
    return mark(held, n, first, dash ? last : first, where);
}

static int finish(split *s, size_t n, bool *held, int result, const char *where)
{
    *s = (split){ 0 };
    if (result == TOOL_DONE)
        result = from_marks(s, n, held);
    if (result == TOOL_DONE && (s->tested == 0 || s->trained == 0)) {
        result = tool_error("%s: %zu of %zu rows are held out; at least one must be, and one left",
                            where, s->tested, n);
        split_free(s);
    }
    free(held);
    return result;
}

int split_parse(split *s, size_t n, const char *text, const char *where)
{
    static const char blanks[] = " \t\r\n,";
    bool *held = calloc(n + 1, sizeof *held);
    int result = held ? TOOL_DONE : tool_error("no memory for %zu rows", n);
    for (text += strspn(text, blanks); *text && result == TOOL_DONE; text += strspn(text, blanks)) {
        char word[64];
        const size_t length = strcspn(text, blanks);
        snprintf(word, sizeof word, "%.*s", (int)length, text);
        result = length < sizeof word ? mark_word(held, n, word, where)
                                      : tool_error("%s: a word of %zu characters", where, length);
        text += length;
    }
    return finish(s, n, held, result, where);
}

static int read_array(split *s, size_t n, const chi_tensor *t, const char *path)
{
    bool *held = calloc(n + 1, sizeof *held);
    int result = held ? TOOL_DONE : tool_error("no memory for %zu rows", n);
    for (size_t i = 0; i < t->count && result == TOOL_DONE; i++) {
        const int64_t row = ((const int64_t *)t->bytes)[i];
        result = row < 0 ? tool_error("%s: row %" PRId64 " of %zu images; they count from 0", path,
                                      row, n)
                         : mark(held, n, (uint64_t)row, (uint64_t)row, path);
    }
    return finish(s, n, held, result, path);
}

int split_read(split *s, size_t n, const char *path)
{
    chi_tensor t = { 0 };
    chi_status st = chi_tensor_read(path, &t);
    if (st == CHI_OK)
        st = chi_tensor_to_i64(&t);
    if (st == CHI_OK) {
        const int result = read_array(s, n, &t, path);
        chi_tensor_free(&t);
        return result;
    }
    const bool array = t.bytes != NULL;
    chi_tensor_free(&t);
    if (array)
        return tool_fail(st);
    char *text = tool_read_text(path);
    const int result = text ? split_parse(s, n, text, path) : TOOL_FAILED;
    free(text);
    return result;
}

char *split_print(const split *s)
{
    enum { ROOM = 32 }; // for one range
    char *text = malloc(s->tested * ROOM + 1);
    size_t at = 0;
    if (!text)
        return NULL;
    text[0] = 0;
    for (size_t i = 0, next; i < s->tested; i = next) {
        for (next = i + 1; next < s->tested && s->test[next] == s->test[next - 1] + 1; next++)
            ;
        at += (size_t)snprintf(text + at, ROOM, next - i > 1 ? "%s%d-%d" : "%s%d", i ? " " : "",
                               s->test[i], s->test[next - 1]);
    }
    return text;
}
