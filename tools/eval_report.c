// SPDX-License-Identifier: Apache-2.0
// eval_report.c: what `chiaro eval` found, for people: tables within 80 columns, and every answer
// between tabs. JSON: eval_json.c. See eval.h.
#include <errno.h>
#include <inttypes.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "eval.h"
#include "metric.h"
#include "names.h"
#include "text.h"

enum { LABEL = 22, NAME_ROOM = 4 * 4096 };

eval_count *eval_count_classes(const evaluation *e, const eval_score *score)
{
    eval_count *n = calloc(e->classes + 1, sizeof *n);
    for (size_t i = 0; n && i < e->base.count; i++)
        n[e->base.labels[i]].base++;
    for (size_t i = 0; n && i < e->query.count; i++) {
        n[e->query.labels[i]].tested++;
        n[e->query.labels[i]].right +=
            score->predicted && score->predicted[i] == e->query.labels[i];
    }
    return n;
}

// ---- accuracies ---------------------------------------------------------------------------------
// One cell; the last of a line ends it.
static void print_cell(const char *text, bool last)
{
    enum { CELL = 29 };
    printf("%s%*s", text, last ? 0 : (int)(CELL - text_columns(text)), "");
    if (last)
        printf("\n");
}

static void print_score(const eval_score *s, bool last)
{
    char text[64];
    if (s->predicted)
        snprintf(text, sizeof text, "%10.4f  %6.3f … %.3f", s->accuracy, s->interval.low,
                 s->interval.high);
    else
        snprintf(text, sizeof text, "%10s", "-");
    print_cell(text, last);
}

static int print_difference(const eval *v, const eval_score *a, const eval_score *b, bool last)
{
    double less;
    char text[64];
    chi_interval interval;
    if (!a->predicted || !b->predicted) {
        print_cell("         -", last);
        return TOOL_DONE;
    }
    const int result = evaluation_difference(&v->e, a, b, &less, &interval);
    if (result != TOOL_DONE)
        return result;
    snprintf(text, sizeof text, "%+10.4f  %+6.3f … %+.3f", less, interval.low, interval.high);
    print_cell(text, last);
    return TOOL_DONE;
}

// One measure, or two side by side, for everything that was measured. at: the place of a score in a
// result.
typedef struct column {
    const char *head;
    size_t at;
} column;

static const eval_score *score_of(const eval_result *r, const column *c)
{
    return (const eval_score *)((const char *)r + c->at);
}

static bool measured(const eval *v, size_t result, const column *columns, size_t count)
{
    for (size_t c = 0; c < count; c++)
        if (score_of(&v->results[result], &columns[c])->predicted)
            return true;
    return false;
}

static int print_gain(const eval *v, const column *columns, size_t count)
{
    const eval_result *r = v->results;
    int result = TOOL_DONE;
    printf("%-*s", LABEL, "trained less untrained");
    for (size_t c = 0; c < count && result == TOOL_DONE; c++)
        result = print_difference(v, score_of(&r[EVAL_TRAINED], &columns[c]),
                                  score_of(&r[EVAL_UNTRAINED], &columns[c]), c + 1 == count);
    return result;
}

static int print_columns(const eval *v, const column *columns, size_t count)
{
    static const char *const names[EVAL_RESULTS] = { "trained", "the same, untrained",
                                                     "raw pixels" };
    char head[96];
    printf("%*s", LABEL, "");
    for (size_t c = 0; c < count; c++) {
        snprintf(head, sizeof head, "  %s", columns[c].head);
        print_cell(head, c + 1 == count);
    }
    printf("%*s", LABEL, "");
    for (size_t c = 0; c < count; c++)
        print_cell("  accuracy   95 % interval", c + 1 == count);
    for (size_t r = 0; r < EVAL_RESULTS; r++) {
        if (r != EVAL_TRAINED && !measured(v, r, columns, count))
            continue;
        printf("%-*s", LABEL, v->features ? "vectors" : names[r]);
        for (size_t c = 0; c < count; c++)
            print_score(score_of(&v->results[r], &columns[c]), c + 1 == count);
    }
    return measured(v, EVAL_UNTRAINED, columns, count) ? print_gain(v, columns, count) : TOOL_DONE;
}

static int print_accuracies(const eval *v)
{
    int result = TOOL_DONE;
    for (size_t i = 0; i < v->e.ks && result == TOOL_DONE; i++) {
        char head[64];
        snprintf(head, sizeof head, "kNN, k = %zu, %s", v->e.k[i], metric_name(v->e.metric));
        const column near[] = { { head, offsetof(eval_result, knn) + i * sizeof(eval_score) },
                                { "weighted by similarity",
                                  offsetof(eval_result, weighted) + i * sizeof(eval_score) } };
        result = print_columns(v, near, 2);
        printf("\n");
    }
    const column probe = { "linear probe", offsetof(eval_result, probe) };
    if (result == TOOL_DONE)
        result = print_columns(v, &probe, 1);
    return result;
}

// ---- classes ------------------------------------------------------------------------------------
static void print_share(const eval_count *n, bool measured_too)
{
    if (measured_too && n->tested)
        printf("%10.4f", (double)n->right / (double)n->tested);
    else
        printf("%10s", "-");
}

// As wide as the columns say, whatever bytes a name is of.
static void print_name(const char *name, size_t columns)
{
    char *text = malloc(NAME_ROOM);
    if (text)
        name_escape(name, text, NAME_ROOM);
    const size_t all = text ? text_columns(text) : 0, shown = all > columns ? columns - 1 : all;
    printf("%.*s%s%*s", text ? (int)text_cut(text, shown) : 0, text ? text : "",
           all > columns ? "…" : "", (int)(columns - (all > columns ? columns : all)), "");
    free(text);
}

static void print_class(const eval *v, size_t c, const eval_count *near, const eval_count *probe)
{
    if (!near->base && !near->tested) // of the model's, but not in these sets
        return;
    print_name(v->e.names[c], 37);
    printf(" %10zu%10zu", near->base, near->tested);
    print_share(near, true);
    print_share(probe, v->results[EVAL_TRAINED].probe.predicted != NULL);
    printf("\n");
}

static int print_classes(const eval *v)
{
    const eval_result *r = &v->results[EVAL_TRAINED];
    eval_count *near = eval_count_classes(&v->e, &r->knn[0]),
               *probe = eval_count_classes(&v->e, &r->probe);
    char head[32];
    snprintf(head, sizeof head, "kNN k=%zu", v->e.k[0]);
    if (near && probe)
        printf("\n%-38s%10s%10s%10s%10s\n", "class", "rows", "tested", head, "probe");
    for (size_t c = 0; near && probe && c < v->e.classes; c++)
        print_class(v, c, &near[c], &probe[c]);
    const int result =
        near && probe ? TOOL_DONE : tool_error("no memory for %zu classes", v->e.classes);
    free(near);
    free(probe);
    return result;
}

// ---- in words
// ---------------------------------------------------------------------------------------- The
// accuracy of naming every row after the class that most rows to learn from have.
static double guess(const evaluation *e)
{
    size_t *rows = calloc(e->classes + 1, sizeof *rows), best = 0, right = 0;
    for (size_t i = 0; rows && i < e->base.count; i++)
        rows[e->base.labels[i]]++;
    for (size_t c = 0; rows && c < e->classes; c++)
        best = rows[c] > rows[best] ? c : best;
    for (size_t i = 0; rows && i < e->query.count; i++)
        right += (size_t)e->query.labels[i] == best;
    free(rows);
    return (double)right / (double)e->query.count;
}

static void print_meaning(const eval *v)
{
    const eval_result *trained = &v->results[EVAL_TRAINED], *pixels = &v->results[EVAL_PIXELS];
    char time[TEXT_ROOM];
    printf("\n");
    text_say(stdout, 0,
             "Learnt from %zu rows, tested on %zu, %zu class%s, %s. The most frequent class as the "
             "only answer would be "
             "right in %.4f.",
             v->e.base.count, v->e.query.count, v->e.base_classes, v->e.base_classes == 1 ? "" : "es",
             text_seconds(v->seconds, time),
             guess(&v->e));
    if (!v->features)
        text_say(stdout, 0,
                 "What the training is worth is the line \"trained less untrained\": where its "
                 "interval lies above 0, the network "
                 "learnt something that names these classes; raw pixels are what no network at all "
                 "gives.");
    if (pixels->knn[0].predicted && pixels->knn[0].accuracy > trained->knn[0].accuracy)
        text_say(stdout, 0,
                 "Raw pixels do better here: images that lie alike in their frame are near as they "
                 "are, and this network, or this "
                 "much training, has not found more than that.");
    for (size_t r = 0; r < EVAL_RESULTS; r++)
        if (*v->results[r].why && (r == 0 || strcmp(v->results[r].why, v->results[r - 1].why) != 0))
            text_say(stdout, 0, "Not measured: %s.", v->results[r].why);
    for (size_t i = 0; v->tool.quiet && i < v->notes.count; i++) // else said already
        text_say(stdout, 0, "%s.", v->notes.text[i]);
}

int eval_print(const eval *v)
{
    int result = print_accuracies(v);
    if (result == TOOL_DONE && v->per_class)
        result = print_classes(v);
    if (result == TOOL_DONE)
        print_meaning(v);
    return result;
}

// ---- every answer -------------------------------------------------------------------------------
static void write_answer(FILE *to, const eval *v, const eval_score *s, size_t i, char *room)
{
    fprintf(to, "\t%s",
            s->predicted ? name_escape(v->e.names[s->predicted[i]], room, NAME_ROOM) : "");
}

static void write_answers(FILE *to, const eval *v, char *room)
{
    const eval_result *r = &v->results[EVAL_TRAINED];
    const chi_pictures *pictures = v->test_set.count ? v->test_set.pictures : v->set.pictures;
    fprintf(to, "row%s\tclass\tknn\tprobe\n", pictures ? "\tpath" : "");
    for (size_t i = 0; i < v->e.query.count; i++) {
        fprintf(to, "%d", v->e.query.rows[i]);
        if (pictures)
            fprintf(to, "\t%s",
                    name_escape(chi_pictures_path(pictures, (size_t)v->e.query.rows[i]), room,
                                NAME_ROOM));
        fprintf(to, "\t%s", name_escape(v->e.names[v->e.query.labels[i]], room, NAME_ROOM));
        write_answer(to, v, &r->knn[0], i, room);
        write_answer(to, v, &r->probe, i, room);
        fputc('\n', to);
    }
}

int eval_write_predictions(const eval *v)
{
    char *text = NULL, *room = malloc(NAME_ROOM);
    size_t bytes = 0;
    FILE *to = room ? open_memstream(&text, &bytes) : NULL;
    if (to)
        write_answers(to, v, room);
    const bool whole = to && !ferror(to);
    const bool closed = to && fclose(to) == 0;
    const int result = whole && closed ? tool_write_text(v->predictions, text)
                                       : tool_error("no memory for the text of %s", v->predictions);
    free(text);
    free(room);
    return result;
}
