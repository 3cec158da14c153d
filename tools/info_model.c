// SPDX-License-Identifier: Apache-2.0
// info_model.c: a model of chiaro as a person reads it. The facts of its metadata: facts.h. Header: info.h.
#include <inttypes.h>
#include <stdlib.h>
#include <string.h>

#include "facts.h"
#include "info.h"
#include "names.h"
#include "text.h"

bool info_is_model(const info_file *f)
{
    return chi_tensors_metadata(&f->tensors, "chiaro.config") != NULL;
}

network_size info_network(const info_file *f, const char *prefix)
{
    network_size size = { 0 };
    for (size_t i = 0; i < f->tensors.count; i++) {
        const chi_tensor *t = &f->tensors.items[i];
        if (strncmp(t->name, prefix, strlen(prefix)) != 0)
            continue;
        size.tensors++;
        size.bytes += f->bytes[i];
        *(strstr(t->name, ".running_") ? &size.statistics : &size.parameters) += t->count;
    }
    return size;
}

// Keys that this version says in words; others are shown as they are.
static bool is_known(const char *key)
{
    static const char *const known[] = { "format", "config", "input", "step",   "classes",
                                         "pixels", "labels", "data",  "holdout" };
    if (strncmp(key, "chiaro.", 7) != 0)
        return false;
    for (size_t i = 0; i < sizeof known / sizeof *known; i++)
        if (strcmp(key + 7, known[i]) == 0)
            return true;
    return false;
}

static void say(const char *what, const char *text)
{
    enum { COLUMN = 14 };
    printf("  %-11s ", what);
    text_wrap(stdout, text, COLUMN, COLUMN, text_width(fileno(stdout)));
}

static void print_network(const info_file *f, const char *what, const char *prefix,
                          const char *layers)
{
    char text[2048], number[TEXT_ROOM], bytes[TEXT_ROOM], statistics[64] = "", exact[64] = "";
    const network_size size = info_network(f, prefix);
    if (size.statistics)
        snprintf(statistics, sizeof statistics, ", %zu running statistics", size.statistics);
    chi_text_escape(layers, text, sizeof text);
    say(what, *text ? text : "none");
    if (size.tensors) {
        if (size.bytes >= 1024) // fewer are printed exactly
            snprintf(exact, sizeof exact, " (%" PRIu64 " bytes)", size.bytes);
        snprintf(text, sizeof text, "%s parameters%s, %s%s", text_number(size.parameters, number),
                 statistics, text_bytes(size.bytes, bytes), exact);
        say("", text);
    }
}

// What was done to the pixels, in words.
static void print_pixels(const model_facts *facts)
{
    static const char *const values[] = { "as they are", "bytes, 0 to 255", "numbers from 0 to 1",
                                          "" };
    static const char *const layouts[] = { "", ", channels before rows and columns",
                                           ", channels behind rows and columns" };
    const pixel_rules *r = &facts->rules;
    char text[300], range[80], size[80] = "";
    snprintf(range, sizeof range, "%.9g to %.9g, as 0 to 1", r->low, r->high);
    if (r->size)
        snprintf(size, sizeof size, ", pictures of %" PRIu64 " x %" PRIu64, r->size, r->size);
    snprintf(text, sizeof text, "%s%s%s%s", r->values == VALUES_RANGE ? range : values[r->values],
             layouts[r->layout], size, r->grey ? ", made grey" : "");
    say("pixels", facts->ruled ? text : "not known: the program that wrote it did not say");
}

static void print_recipe(const recipe *r)
{
    char text[8192];
    size_t at = 0;
    text[0] = 0;
    for (size_t i = 0; recipe_key(i); i++) {
        const char *key = recipe_key(i), *value = recipe_text(r, key);
        if (strcmp(key, "encoder") == 0 || strcmp(key, "head") == 0 || at >= sizeof text)
            continue;
        at += (size_t)snprintf(text + at, sizeof text - at, "%s%s=%s", at ? ", " : "", key, value);
    }
    say("recipe", text);
}

// Names of classes, as many as a few lines hold.
static void print_classes(const model_facts *facts)
{
    enum { MOST = 24 };
    char text[4096], name[160];
    size_t at = (size_t)snprintf(text, sizeof text, "%zu", facts->classes);
    for (size_t i = 0; facts->names && i < facts->classes && i < MOST && at < sizeof text; i++)
        at += (size_t)snprintf(text + at, sizeof text - at, "%s%s", i ? ", " : ": ",
                               name_escape(facts->names[i], name, sizeof name));
    if (facts->names && facts->classes > MOST && at < sizeof text)
        snprintf(text + at, sizeof text - at, ", … (--json names all)");
    say("classes", facts->classes ? text : "none: it was trained without labels");
}

static void print_data(const model_facts *facts)
{
    char text[300], count[TEXT_ROOM];
    if (facts->data_count) {
        snprintf(text, sizeof text, "%s images, hash %016" PRIx64,
                 text_number(facts->data_count, count), facts->data_hash);
        say("data", text);
    }
    if (facts->holdout) {
        const size_t length = strlen(facts->holdout);
        snprintf(text, sizeof text, "rows %.100s%s", facts->holdout,
                 length > 100 ? " … (--json has all)" : "");
        say("held out", text);
    }
}

int info_print_model(const info_file *f)
{
    char text[200];
    model_facts facts;
    const int result = facts_read(&f->tensors, f->path, &facts);
    if (result != TOOL_DONE)
        return result;
    const network_size state = info_network(f, "optimizer");
    snprintf(text, sizeof text, "%" PRIu64 "%s", facts.step,
             state.tensors ? " (a checkpoint, with the optimiser's state)" : "");
    say("step", text);
    snprintf(text, sizeof text, "%zu x %zu x %zu (channels x rows x columns)", facts.input.channels,
             facts.input.height, facts.input.width);
    say("input", text);
    print_pixels(&facts);
    print_network(f, "encoder", "encoder.", facts.recipe.encoder);
    print_network(f, "head", "head.", facts.recipe.head);
    print_recipe(&facts.recipe);
    print_classes(&facts);
    print_data(&facts);
    for (size_t i = 0; i < f->tensors.pairs; i++)
        if (!is_known(f->tensors.keys[i]) && !info_is_checksum(f->tensors.keys[i]))
            info_print_fact(f->tensors.keys[i], f->tensors.values[i]);
    facts_free(&facts);
    return TOOL_DONE;
}
