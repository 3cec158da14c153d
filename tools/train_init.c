// SPDX-License-Identifier: Apache-2.0
// train_init.c: weights to begin with, of a model that is there: --init. Header: train.h. Files of
// models: model.c.
#include <string.h>

#include "train.h"

static void print_shape(const size_t *shape, size_t dims, char *to, size_t room)
{
    size_t at = 0;
    *to = 0;
    for (size_t d = 0; d < dims && at < room; d++)
        at += (size_t)snprintf(to + at, room - at, "%s%zu", d ? " × " : "", shape[d]);
}

// The first tensor of a network that a file has otherwise, in words; false: they are the same.
static bool differs(const chi_tensors *from, const char *prefix, chi_parameters p, char *to,
                    size_t room)
{
    size_t theirs = 0;
    for (size_t i = 0; i < from->count; i++)
        theirs += strncmp(from->items[i].name, prefix, strlen(prefix)) == 0;
    for (size_t i = 0; i < p.count; i++) {
        char name[256], there[112], here[112];
        snprintf(name, sizeof name, "%s%s", prefix, p.items[i].name);
        const chi_tensor *t = chi_tensors_find(from, name);
        const bool same = t && t->type == CHI_TYPE_F32 && t->dims == p.items[i].dims &&
                          memcmp(t->shape, p.items[i].shape, t->dims * sizeof *t->shape) == 0;
        if (same)
            continue;
        print_shape(t ? t->shape : NULL, t ? t->dims : 0, there, sizeof there);
        print_shape(p.items[i].shape, p.items[i].dims, here, sizeof here);
        snprintf(to, room, "%s is %s here and %s there", name, here, t ? there : "missing");
        return true;
    }
    snprintf(to, room, "it has %zu tensors there and %zu here", theirs, p.count);
    return theirs != p.count;
}

static int load(chi_encoder *enc, const char *prefix, const chi_tensors *from)
{
    const chi_parameters p = chi_encoder_parameters(enc);
    for (size_t i = 0; i < p.count; i++) {
        char name[256];
        snprintf(name, sizeof name, "%s%s", prefix, p.items[i].name);
        const chi_status st = chi_encoder_write(enc, i, chi_tensors_find(from, name)->bytes);
        if (st != CHI_OK)
            return tool_fail(st);
    }
    return TOOL_DONE;
}

static int take(trainer *t, const model_file *file)
{
    char what[600], was[PIXEL_TEXT], is[PIXEL_TEXT];
    if (differs(&file->tensors, "encoder.", chi_encoder_parameters(t->model.encoder), what,
                sizeof what))
        return tool_error("%s has another encoder: %s; its own is --encoder \"%s\"", file->path,
                          what, recipe_text(&file->facts.recipe, "encoder"));
    int result = load(t->model.encoder, "encoder.", &file->tensors);
    if (result != TOOL_DONE)
        return result;
    const bool other =
        differs(&file->tensors, "head.", chi_encoder_parameters(t->model.head), what, sizeof what);
    progress_note(&t->progress,
                  other ? "weights: the encoder's are those of %s; its head is another one (%s), "
                          "so that of this run is drawn anew"
                        : "weights: those of %s",
                  file->path, what);
    pixels_print(&file->facts.rules, was);
    pixels_print(&t->facts.rules, is);
    if (file->facts.ruled && strcmp(was, is) != 0)
        progress_note(&t->progress, "note: %s was trained on pixels of \"%s\", these are of \"%s\"",
                      file->path, was, is);
    return other ? TOOL_DONE : load(t->model.head, "head.", &file->tensors);
}

int train_init(trainer *t)
{
    model_file file;
    int result = model_file_open(&file, t->init, false);
    if (result == TOOL_DONE)
        result = take(t, &file);
    model_file_close(&file);
    return result;
}
