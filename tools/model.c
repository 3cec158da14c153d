// SPDX-License-Identifier: Apache-2.0
// model.c: see model.h.
#include "model.h"

#include <stdlib.h>
#include <string.h>

enum { PAIRS = 8 };

static size_t floats_of(chi_shape s) { return s.channels * s.height * s.width; }

static int make(chi_device *dev, const char *text, const char *what, size_t batch, chi_shape input, uint64_t seed, chi_encoder **out)
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

int model_create(model *m, chi_device *dev, const recipe *r, chi_shape input, size_t classes, size_t batch, uint64_t seed)
{
    *m = (model){ .dev = dev, .recipe = *r, .input = input, .classes = classes };
    const int parsed = recipe_resolve(&m->recipe); // its texts point into this copy
    if (parsed != TOOL_DONE)
        return parsed;
    int result = make(dev, m->recipe.encoder, "encoder", batch, input, seed, &m->encoder);
    if (result == TOOL_DONE) {
        const chi_shape features = chi_encoder_output(m->encoder);
        m->features = floats_of(features);
        if (features.height * features.width != 1)
            result = tool_error("the encoder gives %zu × %zu × %zu; end it with flatten or global_pool", features.channels, features.height, features.width);
    }
    if (result == TOOL_DONE)
        result = make(dev, m->recipe.head, "head", batch, chi_encoder_output(m->encoder), seed + 1, &m->head);
    if (result == TOOL_DONE)
        m->outputs = floats_of(chi_encoder_output(m->head));
    else
        model_close(m);
    return result;
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
        const chi_status st = chi_buffer_download(s.items[i].value.buffer, 0, t->bytes, 4 * s.items[i].count);
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

static bool pair(chi_tensors *to, const char *key, const char *value)
{
    to->keys[to->pairs] = strdup(key);
    to->values[to->pairs] = strdup(value);
    return to->keys[to->pairs] && to->values[to->pairs] && ++to->pairs;
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
    static char config[RECIPE_KEYS * (RECIPE_TEXT + 32)];
    char shape[96], step[32], classes[32];
    chi_tensors t = { 0 };
    int result = model_pack(m, optimizers, &t);
    t.keys = calloc(PAIRS, sizeof *t.keys);
    t.values = calloc(PAIRS, sizeof *t.values);
    recipe_print(&m->recipe, config, sizeof config);
    snprintf(shape, sizeof shape, "%zu %zu %zu", m->input.channels, m->input.height, m->input.width);
    snprintf(step, sizeof step, "%llu", (unsigned long long)m->step);
    snprintf(classes, sizeof classes, "%zu", m->classes);
    if (result == TOOL_DONE && !(t.keys && t.values && pair(&t, "chiaro.format", "1") && pair(&t, "chiaro.config", config) &&
                                 pair(&t, "chiaro.input", shape) && pair(&t, "chiaro.step", step) && pair(&t, "chiaro.classes", classes)))
        result = tool_error("no memory for the metadata of %s", path);
    if (result == TOOL_DONE) {
        const chi_status st = chi_safetensors_write(path, &t);
        result = st == CHI_OK ? TOOL_DONE : tool_fail(st);
    }
    drop(&t);
    return result;
}

// ---- from tensors ------------------------------------------------------------------------------------
static const chi_tensor *find(const chi_tensors *from, const char *prefix, const chi_parameter *p, const char *path)
{
    char name[256];
    snprintf(name, sizeof name, "%s%s", prefix, p->name);
    const chi_tensor *t = chi_tensors_find(from, name);
    if (!t || t->type != CHI_TYPE_F32 || t->count != p->count) {
        tool_error("%s: tensor %s is %s", path, name, t ? "of another type or size" : "missing");
        return NULL;
    }
    return t;
}

static int unpack_network(chi_encoder *enc, const char *prefix, const chi_tensors *from, const char *path)
{
    const chi_parameters p = chi_encoder_parameters(enc);
    for (size_t i = 0; i < p.count; i++) {
        const chi_tensor *t = find(from, prefix, &p.items[i], path);
        const chi_status st = t ? chi_encoder_write(enc, i, t->bytes) : CHI_OK;
        if (!t)
            return TOOL_FAILED;
        if (st != CHI_OK)
            return tool_fail(st);
    }
    return TOOL_DONE;
}

static int unpack_state(chi_optimizer *opt, const char *prefix, const chi_tensors *from, uint64_t steps, const char *path)
{
    const chi_optimizer_state s = chi_optimizer_get_state(opt);
    for (size_t i = 0; i < s.count; i++) {
        const chi_tensor *t = find(from, prefix, &s.items[i], path);
        const chi_status st = t ? chi_buffer_upload(s.items[i].value.buffer, 0, t->bytes, 4 * t->count) : CHI_OK;
        if (!t)
            return TOOL_FAILED;
        if (st != CHI_OK)
            return tool_fail(st);
    }
    chi_optimizer_set_steps(opt, steps);
    return TOOL_DONE;
}

int model_unpack(model *m, chi_optimizer *const *optimizers, const chi_tensors *from, const char *path)
{
    const char *text = chi_tensors_metadata(from, "chiaro.step");
    if (!text || !tool_count(text, &m->step))
        return tool_error("%s: not a model of chiaro (no chiaro.step in its metadata)", path);
    int result = unpack_network(m->encoder, "encoder.", from, path);
    if (result == TOOL_DONE)
        result = unpack_network(m->head, "head.", from, path);
    if (result == TOOL_DONE && optimizers)
        result = unpack_state(optimizers[0], "optimizer.encoder.", from, m->step, path);
    if (result == TOOL_DONE && optimizers)
        result = unpack_state(optimizers[1], "optimizer.head.", from, m->step, path);
    return result;
}

static int describe(const chi_tensors *from, const char *path, recipe *r, chi_shape *input, size_t *classes)
{
    const char *config = chi_tensors_metadata(from, "chiaro.config"), *shape = chi_tensors_metadata(from, "chiaro.input");
    const char *count = chi_tensors_metadata(from, "chiaro.classes");
    uint64_t number = 0;
    if (!config || !shape || sscanf(shape, "%zu %zu %zu", &input->channels, &input->height, &input->width) != 3 || !tool_count(count, &number))
        return tool_error("%s: not a model of chiaro (its metadata has no chiaro.config, chiaro.input and chiaro.classes)", path);
    *classes = (size_t)number;
    recipe_defaults(r);
    const int result = recipe_read(r, config, path);
    return result == TOOL_DONE ? recipe_resolve(r) : result;
}

int model_open(model *m, chi_device *dev, const char *path, size_t batch, bool drawn)
{
    chi_tensors t = { 0 };
    recipe *r = malloc(sizeof *r);
    chi_shape input = { 0 };
    size_t classes = 0;
    *m = (model){ 0 };
    const chi_status st = r ? chi_safetensors_read(path, &t) : CHI_ERR_MEMORY;
    int result = st == CHI_OK ? describe(&t, path, r, &input, &classes) : tool_fail(st);
    if (result == TOOL_DONE)
        result = model_create(m, dev, r, input, classes, batch, r->seed);
    if (result == TOOL_DONE && !drawn) {
        result = model_unpack(m, NULL, &t, path);
        if (result != TOOL_DONE)
            model_close(m);
    }
    free(r);
    chi_tensors_free(&t);
    return result == TOOL_USAGE ? TOOL_FAILED : result;
}

// ---- features ----------------------------------------------------------------------------------------
static chi_status run_features(model *m, const chi_buffer *images, size_t count, bool head, size_t batch, chi_matrix pixels, chi_matrix middle, chi_matrix out)
{
    for (size_t first = 0; first < count; first += batch) {
        const size_t rows = count - first < batch ? count - first : batch;
        const chi_matrix x = chi_matrix_rows(pixels, 0, rows), z = chi_matrix_rows(out, first, rows), h = chi_matrix_rows(middle, 0, rows);
        chi_status st = chi_images_load(m->dev, images, false, first, rows, pixels.cols, x);
        if (st == CHI_OK)
            st = chi_encoder_forward(m->encoder, x, head ? h : z);
        if (st == CHI_OK && head)
            st = chi_encoder_forward(m->head, h, z);
        if (st != CHI_OK)
            return st;
    }
    return chi_device_finish(m->dev);
}

int model_features(model *m, const chi_buffer *images, size_t count, bool head, chi_buffer **out)
{
    const size_t pixels = floats_of(m->input), width = head ? m->outputs : m->features, batch = count < 500 ? count : 500;
    chi_buffer *x = NULL, *middle = NULL;
    *out = NULL;
    chi_status st = chi_encoder_set_mode(m->encoder, CHI_ENCODER_EVAL);
    if (st == CHI_OK)
        st = chi_encoder_set_mode(m->head, CHI_ENCODER_EVAL);
    if (st == CHI_OK)
        st = chi_buffer_create(m->dev, 4ull * batch * pixels, &x);
    if (st == CHI_OK)
        st = chi_buffer_create(m->dev, 4ull * batch * m->features, &middle);
    if (st == CHI_OK)
        st = chi_buffer_create(m->dev, 4ull * count * width, out);
    if (st == CHI_OK)
        st = run_features(m, images, count, head, batch, chi_matrix_view(x, batch, pixels), chi_matrix_view(middle, batch, m->features),
                          chi_matrix_view(*out, count, width));
    chi_buffer_destroy(&x);
    chi_buffer_destroy(&middle);
    if (st != CHI_OK)
        chi_buffer_destroy(out);
    return st == CHI_OK ? TOOL_DONE : tool_fail(st);
}
