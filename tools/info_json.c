// SPDX-License-Identifier: Apache-2.0
// info_json.c: all that a file holds but its numbers, as JSON. Header: info.h.
#include <math.h>
#include <string.h>

#include "info.h"

static json_t *tensor_json(const info_file *f, size_t i)
{
    const chi_tensor *t = &f->tensors.items[i];
    const tensor_range *r = &f->ranges[i];
    char name[1200];
    json_t *shape = json_array();
    for (size_t d = 0; d < t->dims; d++)
        json_array_append_new(shape, json_integer((json_int_t)t->shape[d]));
    chi_text_escape(t->name, name, sizeof name);
    return json_pack("{s:s, s:s, s:o, s:I, s:I, s:o, s:o, s:I, s:I}", "name", name, "type",
                     f->types[i], "shape", shape, "count", (json_int_t)t->count, "bytes",
                     (json_int_t)f->bytes[i], "min", r->finite ? json_real(r->low) : json_null(),
                     "max", r->finite ? json_real(r->high) : json_null(), "nan", (json_int_t)r->nan,
                     "infinite", (json_int_t)r->infinite);
}

static json_t *network_json(const info_file *f, const char *prefix)
{
    const network_size size = info_network(f, prefix);
    return json_pack("{s:I, s:I, s:I}", "parameters", (json_int_t)size.parameters, "statistics",
                     (json_int_t)size.statistics, "bytes", (json_int_t)size.bytes);
}

int info_print_json(const info_file *f)
{
    char path[4200];
    json_t *list = json_array(), *metadata = json_object();
    for (size_t i = 0; i < f->tensors.count; i++)
        json_array_append_new(list, tensor_json(f, i));
    for (size_t i = 0; i < f->tensors.pairs; i++)
        json_object_set_new(metadata, f->tensors.keys[i], json_string(f->tensors.values[i]));
    chi_text_escape(f->path, path, sizeof path); // JSON holds UTF-8 alone
    json_t *root =
        json_pack("{s:s, s:s, s:b, s:o, s:o}", "file", path, "format", f->format, "changed",
                  (int)f->tensors.changed, "tensors", list, "metadata", metadata);
    if (root && info_is_model(f)) {
        json_object_set_new(root, "encoder", network_json(f, "encoder."));
        json_object_set_new(root, "head", network_json(f, "head."));
    }
    if (!root)
        return tool_error("no memory for what %s holds", f->path);
    json_dumpf(root, stdout, JSON_COMPACT);
    printf("\n");
    json_decref(root);
    return TOOL_DONE;
}
