// SPDX-License-Identifier: Apache-2.0
// model.c: see model.h.
#include "model.h"

#include <stdlib.h>
#include <string.h>

static size_t floats_of(chi_shape s) { return s.channels * s.height * s.width; }

static int make(chi_device *dev, const char *text, const char *what, size_t batch, chi_shape input,
                uint64_t seed, chi_encoder **out)
{
    chi_layer *layers = NULL;
    chi_status st = chi_layers_parse(text, &layers);
    if (st == CHI_OK)
        st = chi_encoder_create(dev, batch, input, layers, seed, out);
    chi_layers_free(&layers);
    if (st == CHI_OK)
        return TOOL_DONE;
    fprintf(stderr, "chiaro: %s = %s\n", what, text);
    return tool_fail(st);
}

int model_create(model *m, chi_device *dev, const model_facts *facts, size_t batch, uint64_t seed)
{
    *m = (model){ .dev = dev, .facts = *facts, .batch = batch };
    recipe *r = &m->facts.recipe;
    const int parsed = recipe_resolve(r); // its texts point into this copy
    if (parsed != TOOL_DONE)
        return parsed;
    int result = make(dev, r->encoder, "encoder", batch, facts->input, seed, &m->encoder);
    if (result == TOOL_DONE) {
        const chi_shape features = chi_encoder_output(m->encoder);
        m->features = floats_of(features);
        if (features.height * features.width != 1)
            result =
                tool_error("the encoder gives %zu × %zu × %zu; end it with flatten or global_pool",
                           features.channels, features.height, features.width);
    }
    if (result == TOOL_DONE)
        result =
            make(dev, r->head, "head", batch, chi_encoder_output(m->encoder), seed + 1, &m->head);
    if (result == TOOL_DONE)
        m->outputs = floats_of(chi_encoder_output(m->head));
    else
        model_close(m);
    return result;
}

static chi_status describe(chi_device *dev, const char *text, size_t batch, chi_shape input,
                           uint64_t spare, chi_encoder_needs *needs)
{
    chi_layer *layers = NULL;
    chi_status st = chi_layers_parse(text, &layers);
    if (st == CHI_OK)
        st = chi_encoder_describe(dev, batch, input, layers, spare, needs);
    chi_layers_free(&layers);
    return st;
}

int model_describe(chi_device *dev, const model_facts *facts, size_t batch, uint64_t spare_bytes,
                   model_needs *out)
{
    chi_encoder_needs encoder = { 0 }, head = { 0 };
    const char *encoder_text = recipe_text(&facts->recipe, "encoder");
    chi_status st = describe(dev, encoder_text, batch, facts->input, spare_bytes, &encoder);
    if (st == CHI_OK)
        st = describe(dev, recipe_text(&facts->recipe, "head"), batch, encoder.output, 0, &head);
    if (st == CHI_OK) // beside the head this time
        st = describe(dev, encoder_text, batch, facts->input, spare_bytes + head.bytes, &encoder);
    if (st != CHI_OK)
        return tool_fail(st);
    *out = (model_needs){ encoder, head, floats_of(encoder.output), floats_of(head.output),
                          encoder.largest };
    return TOOL_DONE;
}

void model_close(model *m)
{
    chi_encoder_destroy(&m->encoder);
    chi_encoder_destroy(&m->head);
}

// ---- to tensors --------------------------------------------------------------------------------------
static chi_tensor *add(chi_tensors *to, const char *prefix, const chi_parameter *p, bool flat)
{
    chi_tensor *items = realloc(to->items, (to->count + 1) * sizeof *items);
    if (!items)
        return NULL;
    to->items = items;
    chi_tensor *t = &items[to->count];
    memset(t, 0, sizeof *t);
    snprintf(t->name, sizeof t->name, "%s%s", prefix, p->name);
    t->type = CHI_TYPE_F32;
    t->dims = flat ? 1 : p->dims;
    t->count = t->shape[0] = p->count;
    for (size_t d = 0; d < p->dims && !flat; d++)
        t->shape[d] = p->shape[d];
    t->bytes = malloc(4 * p->count);
    to->count += t->bytes != NULL;
    return t->bytes ? t : NULL;
}

static int pack_network(chi_encoder *enc, const char *prefix, chi_tensors *to)
{
    const chi_parameters p = chi_encoder_parameters(enc);
    for (size_t i = 0; i < p.count; i++) {
        chi_tensor *t = add(to, prefix, &p.items[i], false);
        const chi_status st = t ? chi_encoder_read(enc, i, 0, t->bytes) : CHI_OK;
        if (!t)
            return tool_error("no memory for %s%s", prefix, p.items[i].name);
        if (st != CHI_OK)
            return tool_fail(st);
    }
    return TOOL_DONE;
}

static int pack_state(const chi_optimizer *opt, const char *prefix, chi_tensors *to)
{
    const chi_optimizer_state s = chi_optimizer_get_state(opt);
    for (size_t i = 0; i < s.count; i++) {
        chi_tensor *t = add(to, prefix, &s.items[i], true); // device order: only chiaro reads it
        if (!t)
            return tool_error("no memory for %s%s", prefix, s.items[i].name);
        const chi_status st =
            chi_buffer_download(s.items[i].value.buffer, 0, t->bytes, 4 * s.items[i].count);
        if (st != CHI_OK)
            return tool_fail(st);
    }
    return TOOL_DONE;
}

int model_pack(const model *m, const chi_optimizer *const *optimizers, chi_tensors *to)
{
    int result = pack_network(m->encoder, "encoder.", to);
    if (result == TOOL_DONE)
        result = pack_network(m->head, "head.", to);
    if (result == TOOL_DONE && optimizers)
        result = pack_state(optimizers[0], "optimizer.encoder.", to);
    if (result == TOOL_DONE && optimizers)
        result = pack_state(optimizers[1], "optimizer.head.", to);
    return result;
}

static void drop(chi_tensors *t)
{
    for (size_t i = 0; i < t->count; i++)
        free(t->items[i].bytes);
    for (size_t i = 0; t->keys && i < t->pairs; i++) {
        free(t->keys[i]);
        free(t->values[i]);
    }
    free(t->items);
    free(t->keys);
    free(t->values);
}

int model_write(const model *m, const chi_optimizer *const *optimizers, const char *path)
{
    chi_tensors t = { 0 };
    int result = model_pack(m, optimizers, &t);
    if (result == TOOL_DONE)
        result = facts_print(&m->facts, path, &t);
    if (result == TOOL_DONE) {
        const chi_status st = chi_safetensors_write(path, &t);
        result = st == CHI_OK ? TOOL_DONE : tool_fail(st);
    }
    drop(&t);
    return result;
}

// ---- from tensors ------------------------------------------------------------------------------------
static void print_shape(const size_t *shape, size_t dims, char *to, size_t room)
{
    size_t at = (size_t)snprintf(to, room, "[");
    for (size_t d = 0; d < dims && at < room; d++)
        at += (size_t)snprintf(to + at, room - at, d ? ", %zu" : "%zu", shape[d]);
    if (at < room)
        snprintf(to + at, room - at, "]");
}

// flat: only chiaro writes and reads it, as one list.
static const chi_tensor *find(const chi_tensors *from, const char *prefix, const chi_parameter *p,
                              bool flat, const char *path)
{
    char name[256], has[200], wants[200];
    snprintf(name, sizeof name, "%s%s", prefix, p->name);
    const chi_tensor *t = chi_tensors_find(from, name);
    bool same = t && t->type == CHI_TYPE_F32 && (flat ? t->count == p->count : t->dims == p->dims);
    for (size_t d = 0; same && !flat && d < p->dims; d++)
        same = t->shape[d] == p->shape[d];
    if (same)
        return t;
    print_shape(p->shape, p->dims, wants, sizeof wants);
    if (t)
        print_shape(t->shape, t->dims, has, sizeof has);
    if (t)
        tool_error("%s: tensor %s is %s %s, the network takes F32 %s", path, name,
                   chi_tensor_type(t), has, wants);
    else
        tool_error("%s: tensor %s is missing; the network takes F32 %s", path, name, wants);
    return NULL;
}

static int unpack_network(chi_encoder *enc, const char *prefix, const chi_tensors *from,
                          const char *path)
{
    const chi_parameters p = chi_encoder_parameters(enc);
    for (size_t i = 0; i < p.count; i++) {
        const chi_tensor *t = find(from, prefix, &p.items[i], false, path);
        const chi_status st = t ? chi_encoder_write(enc, i, t->bytes) : CHI_OK;
        if (!t)
            return TOOL_FAILED;
        if (st != CHI_OK)
            return tool_fail(st);
    }
    return TOOL_DONE;
}

static int unpack_state(chi_optimizer *opt, const char *prefix, const chi_tensors *from,
                        uint64_t steps, const char *path)
{
    const chi_optimizer_state s = chi_optimizer_get_state(opt);
    for (size_t i = 0; i < s.count; i++) {
        const chi_tensor *t = find(from, prefix, &s.items[i], true, path);
        const chi_status st =
            t ? chi_buffer_upload(s.items[i].value.buffer, 0, t->bytes, 4 * t->count) : CHI_OK;
        if (!t)
            return TOOL_FAILED;
        if (st != CHI_OK)
            return tool_fail(st);
    }
    chi_optimizer_set_steps(opt, steps);
    return TOOL_DONE;
}

int model_unpack(model *m, chi_optimizer *const *optimizers, const chi_tensors *from,
                 const char *path)
{
    const char *text = chi_tensors_metadata(from, "chiaro.step");
    if (text ? !tool_count(text, &m->facts.step) : optimizers != NULL)
        return tool_error("%s: no checkpoint of chiaro (chiaro.step in its metadata)", path);
    int result = unpack_network(m->encoder, "encoder.", from, path);
    if (result == TOOL_DONE)
        result = unpack_network(m->head, "head.", from, path);
    if (result == TOOL_DONE && optimizers)
        result = unpack_state(optimizers[0], "optimizer.encoder.", from, m->facts.step, path);
    if (result == TOOL_DONE && optimizers)
        result = unpack_state(optimizers[1], "optimizer.head.", from, m->facts.step, path);
    return result;
}

// ---- files -------------------------------------------------------------------------------------------
int model_file_open(model_file *file, const char *path, bool changed)
{
    const chi_safetensors_options options = { .changed = changed };
    *file = (model_file){ 0 };
    snprintf(file->path, sizeof file->path, "%s", path);
    const chi_status st = chi_safetensors_read_with(path, &options, &file->tensors);
    const int result =
        st == CHI_OK ? facts_read(&file->tensors, path, &file->facts) : tool_fail(st);
    if (result != TOOL_DONE)
        model_file_close(file);
    return result;
}

void model_file_close(model_file *file)
{
    facts_free(&file->facts);
    chi_tensors_free(&file->tensors);
}

int model_from_file(model *m, chi_device *dev, const model_file *file, size_t batch,
                    uint64_t spare_bytes, bool drawn)
{
    model_needs needs;
    int result = model_describe(dev, &file->facts, batch, spare_bytes, &needs);
    if (result == TOOL_DONE) // where not one row fits, create says what one needs
        result = model_create(m, dev, &file->facts, needs.largest ? needs.largest : 1,
                              file->facts.recipe.seed);
    if (result == TOOL_DONE && !drawn)
        result = model_unpack(m, NULL, &file->tensors, file->path);
    chi_status st =
        result == TOOL_DONE ? chi_encoder_set_mode(m->encoder, CHI_ENCODER_EVAL) : CHI_OK;
    if (result == TOOL_DONE && st == CHI_OK)
        st = chi_encoder_set_mode(m->head, CHI_ENCODER_EVAL);
    if (result == TOOL_DONE && st != CHI_OK)
        result = tool_fail(st);
    if (result != TOOL_DONE)
        model_close(m);
    return result;
}
