// SPDX-License-Identifier: Apache-2.0
// eval_json.c: what `chiaro eval` found, as one JSON object. For people: eval_report.c. See eval.h.
#include <jansson.h>
#include <stdlib.h>

#include "eval.h"
#include "metric.h"
#include "names.h"

static const char *const prefixes[EVAL_RESULTS] = { "", "untrained_", "raw_" };

// JSON is UTF-8; names are any bytes.
static json_t *text_of(const char *name)
{
    char text[4 * 4096];
    return json_string(name_escape(name, text, sizeof text));
}

static json_t *interval_of(chi_interval i) { return json_pack("[f, f]", i.low, i.high); }

static void put(json_t *to, const char *prefix, const char *name, const char *suffix, json_t *value)
{
    char key[96];
    snprintf(key, sizeof key, "%s%s%s", prefix, name, suffix);
    json_object_set_new(to, key, value);
}

// An accuracy and its interval; null: not measured though asked for.
static void put_score(json_t *to, const char *prefix, const char *name, const eval_score *s)
{
    put(to, prefix, name, "", s->predicted ? json_real(s->accuracy) : json_null());
    if (s->predicted)
        put(to, prefix, name, "_interval", interval_of(s->interval));
}

static int put_difference(const eval *v, json_t *to, const char *name, const eval_score *a,
                          const eval_score *b)
{
    double less;
    chi_interval interval;
    if (!a->predicted || !b->predicted)
        return TOOL_DONE;
    const int result = evaluation_difference(&v->e, a, b, &less, &interval);
    if (result != TOOL_DONE)
        return result;
    put(to, name, "_gain", "", json_real(less)); // of training
    put(to, name, "_gain_interval", "", interval_of(interval));
    return TOOL_DONE;
}

// kNN with one k, of everything.
static int put_neighbours(const eval *v, json_t *to, size_t k)
{
    const eval_result *r = v->results;
    for (size_t i = 0; i < (v->features ? 1u : EVAL_RESULTS); i++) {
        put_score(to, prefixes[i], "knn", &r[i].knn[k]);
        put_score(to, prefixes[i], "knn_weighted", &r[i].weighted[k]);
    }
    const int result =
        put_difference(v, to, "knn", &r[EVAL_TRAINED].knn[k], &r[EVAL_UNTRAINED].knn[k]);
    return result == TOOL_DONE ? put_difference(v, to, "knn_weighted", &r[EVAL_TRAINED].weighted[k],
                                                &r[EVAL_UNTRAINED].weighted[k])
                               : result;
}

static int put_list(const eval *v, json_t *to)
{
    json_t *list = json_array();
    int result = TOOL_DONE;
    for (size_t i = 0; i < v->e.ks && result == TOOL_DONE; i++) {
        json_t *one = json_pack("{s:I}", "k", (json_int_t)v->e.k[i]);
        result = put_neighbours(v, one, i);
        json_array_append_new(list, one);
    }
    json_object_set_new(to, "k", list);
    return result;
}

static json_t *class_of(const eval *v, size_t c, const eval_count *near, const eval_count *probe)
{
    json_t *one = json_pack("{s:o, s:I, s:I}", "class", text_of(v->e.names[c]), "rows",
                            (json_int_t)near->base, "tested", (json_int_t)near->tested);
    if (near->tested)
        json_object_set_new(one, "knn", json_real((double)near->right / (double)near->tested));
    if (near->tested && v->results[EVAL_TRAINED].probe.predicted)
        json_object_set_new(one, "linear", json_real((double)probe->right / (double)probe->tested));
    return one;
}

static json_t *classes_of(const eval *v)
{
    const eval_result *r = &v->results[EVAL_TRAINED];
    eval_count *near = eval_count_classes(&v->e, &r->knn[0]),
               *probe = eval_count_classes(&v->e, &r->probe);
    json_t *list = near && probe ? json_array() : json_null();
    for (size_t c = 0; near && probe && c < v->e.classes; c++)
        if (near[c].base || near[c].tested)
            json_array_append_new(list, class_of(v, c, &near[c], &probe[c]));
    free(near);
    free(probe);
    return list;
}

static json_t *notes_of(const eval *v)
{
    json_t *list = json_array();
    for (size_t i = 0; i < v->notes.count; i++)
        json_array_append_new(list, text_of(v->notes.text[i]));
    for (size_t r = 0; r < EVAL_RESULTS; r++)
        if (*v->results[r].why)
            json_array_append_new(list, text_of(v->results[r].why));
    return list;
}

static int fill(const eval *v, json_t *to)
{
    const eval_result *r = v->results;
    chi_device_info info;
    int result = put_neighbours(v, to, 0);
    for (size_t i = 0; i < (v->features ? 1u : EVAL_PIXELS); i++)
        put_score(to, prefixes[i], "linear", &r[i].probe);
    if (result == TOOL_DONE)
        result = put_difference(v, to, "linear", &r[EVAL_TRAINED].probe, &r[EVAL_UNTRAINED].probe);
    if (result == TOOL_DONE)
        result = put_list(v, to);
    chi_device_describe(v->e.dev, &info);
    json_object_set_new(to, "n_train", json_integer((json_int_t)v->e.base.count));
    json_object_set_new(to, "n_test", json_integer((json_int_t)v->e.query.count));
    json_object_set_new(to, "classes", json_integer((json_int_t)v->e.base_classes));
    json_object_set_new(to, "metric", json_string(metric_name(v->e.metric)));
    json_object_set_new(to, "seed", json_integer((json_int_t)v->e.seed));
    json_object_set_new(to, "device", text_of(info.name));
    json_object_set_new(to, "seconds", json_real(v->seconds));
    json_object_set_new(to, "notes", notes_of(v));
    if (v->per_class)
        json_object_set_new(to, "per_class", classes_of(v));
    return result;
}

// The object as text with its line's end, to be freed; NULL where it could not be made, and a
// status in *result.
static char *text_of_all(const eval *v, int *result)
{
    json_t *root = json_object();
    char *text = NULL, *line = NULL;
    *result = fill(v, root);
    if (*result == TOOL_DONE)
        text = json_dumps(root, JSON_REAL_PRECISION(7));
    json_decref(root);
    if (*result == TOOL_DONE && (!text || asprintf(&line, "%s\n", text) < 0)) {
        *result = tool_error("no memory for the numbers as JSON");
        line = NULL;
    }
    free(text);
    return line;
}

int eval_print_json(const eval *v)
{
    int result;
    char *text = text_of_all(v, &result);
    if (text)
        fputs(text, stdout);
    free(text);
    return result;
}

int eval_write_json(const eval *v)
{
    int result;
    char *text = text_of_all(v, &result);
    if (text)
        result = tool_write_text(v->json_file, text);
    free(text);
    return result;
}
