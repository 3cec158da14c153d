// SPDX-License-Identifier: Apache-2.0
// facts.c: a model's facts to the metadata of its file and back. Header: facts.h.
#include "facts.h"

#include <inttypes.h>
#include <stdlib.h>
#include <string.h>

#include "names.h"

enum { PAIRS = 16, CONFIG = RECIPE_KEYS * (RECIPE_TEXT + 32) };

// ---- to metadata --------------------------------------------------------------------------------
// `value` NULL: there is nothing to say. false: no memory.
static bool pair(chi_tensors *to, const char *key, const char *value)
{
    if (!value)
        return true;
    to->keys[to->pairs] = strdup(key);
    to->values[to->pairs] = strdup(value);
    return to->keys[to->pairs] && to->values[to->pairs] && ++to->pairs;
}

static bool number(chi_tensors *to, const char *key, uint64_t value)
{
    char text[32];
    snprintf(text, sizeof text, "%" PRIu64, value);
    return pair(to, key, text);
}

static bool print_all(const model_facts *f, chi_tensors *to, const char *config, const char *names)
{
    char shape[96], pixels[PIXEL_TEXT], data[64], labels[32];
    snprintf(shape, sizeof shape, "%zu %zu %zu", f->input.channels, f->input.height,
             f->input.width);
    snprintf(data, sizeof data, "%016" PRIx64 " %" PRIu64, f->data_hash, f->data_count);
    snprintf(labels, sizeof labels, "%016" PRIx64, f->labels_hash);
    pixels_print(&f->rules, pixels);
    return pair(to, "chiaro.format", "1") && pair(to, "chiaro.config", config) &&
           pair(to, "chiaro.input", shape) && number(to, "chiaro.step", f->step) &&
           number(to, "chiaro.classes", f->classes) &&
           pair(to, "chiaro.pixels", f->ruled ? pixels : NULL) &&
           pair(to, "chiaro.labels", names) &&
           pair(to, "chiaro.data", f->data_count ? data : NULL) &&
           pair(to, "chiaro.holdout", f->holdout) &&
           pair(to, "chiaro.labels_hash", f->labels_hash ? labels : NULL);
}

int facts_print(const model_facts *facts, const char *path, chi_tensors *to)
{
    char *config = malloc(CONFIG),
         *names = facts->names ? names_print(facts->names, facts->classes) : NULL;
    to->keys = calloc(PAIRS, sizeof *to->keys);
    to->values = calloc(PAIRS, sizeof *to->values);
    bool done = config && to->keys && to->values && !names == !facts->names;
    if (done) {
        recipe_print(&facts->recipe, config, CONFIG);
        done = print_all(facts, to, config, names);
    }
    free(config);
    free(names);
    return done ? TOOL_DONE : tool_error("no memory for the metadata of %s", path);
}

// ---- from metadata ------------------------------------------------------------------------------
static bool read_data(const char *text, model_facts *out)
{
    return !text || sscanf(text, "%" SCNx64 " %" SCNu64, &out->data_hash, &out->data_count) == 2;
}

static bool read_labels(const char *text, model_facts *out)
{
    return !text || sscanf(text, "%" SCNx64, &out->labels_hash) == 1;
}

static bool read_names(const char *text, model_facts *out)
{
    size_t count = 0;
    return !text || (names_parse(text, &out->names, &count) && count == out->classes);
}

int facts_read(const chi_tensors *from, const char *path, model_facts *out)
{
    const char *config = chi_tensors_metadata(from, "chiaro.config"),
               *shape = chi_tensors_metadata(from, "chiaro.input");
    const char *count = chi_tensors_metadata(from, "chiaro.classes"),
               *step = chi_tensors_metadata(from, "chiaro.step");
    const char *pixels = chi_tensors_metadata(from, "chiaro.pixels"),
               *holdout = chi_tensors_metadata(from, "chiaro.holdout");
    uint64_t classes = 0;
    *out = (model_facts){ 0 };
    if (!config || !shape ||
        sscanf(shape, "%zu %zu %zu", &out->input.channels, &out->input.height, &out->input.width) !=
            3 ||
        (count && !tool_count(count, &classes)) || (step && !tool_count(step, &out->step)))
        return tool_error("%s: not a model of chiaro (its metadata lacks chiaro.config or "
                          "chiaro.input, or what chiaro.classes and "
                          "chiaro.step say are no numbers)",
                          path);
    out->classes = (size_t)classes;
    out->ruled = pixels != NULL;
    out->holdout = holdout ? strdup(holdout) : NULL;
    if ((pixels && !pixels_parse(pixels, &out->rules)) ||
        !read_names(chi_tensors_metadata(from, "chiaro.labels"), out) ||
        !read_data(chi_tensors_metadata(from, "chiaro.data"), out) ||
        !read_labels(chi_tensors_metadata(from, "chiaro.labels_hash"), out) ||
        (holdout && !out->holdout)) {
        facts_free(out);
        return tool_error("%s: its metadata (chiaro.pixels, chiaro.labels, chiaro.data) does not "
                          "read as this version writes it",
                          path);
    }
    recipe_defaults(&out->recipe);
    int result = recipe_read(&out->recipe, config, path);
    if (result == TOOL_DONE)
        result = recipe_resolve(&out->recipe);
    if (result != TOOL_DONE)
        facts_free(out);
    return result == TOOL_USAGE ? TOOL_FAILED : result;
}

void facts_free(model_facts *facts)
{
    names_free(facts->names, facts->classes);
    free(facts->holdout);
    *facts = (model_facts){ 0 };
}
