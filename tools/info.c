// SPDX-License-Identifier: Apache-2.0
// info.c: `chiaro info FILE [--json]`: shapes, types, ranges and metadata of an idx, npy or safetensors file,
// checkpoints among them. Reading: include/chiaro/data.h.
#include <chiaro/data.h>

#include <inttypes.h>
#include <jansson.h>
#include <math.h>
#include <stdio.h>
#include <string.h>
#include <sys/stat.h>

#include "tool.h"

typedef struct range { double low, high; size_t finite, nan, infinite; } range;

// The format by the first bytes. What is none of ours is called idx, and chi_tensor_read says so.
static const char *format_of(const char *path)
{
    unsigned char first[9] = { 0 };
    struct stat facts; // a FIFO would keep fopen waiting
    FILE *file = stat(path, &facts) == 0 && S_ISREG(facts.st_mode) ? fopen(path, "rbe") : NULL;
    const size_t count = file ? fread(first, 1, sizeof first, file) : 0;
    if (file)
        fclose(file);
    uint64_t header = 0;
    for (int i = 7; i >= 0; i--)
        header = header << 8 | first[i];
    if (count == 9 && first[8] == '{' && header < (uint64_t)1 << 40)
        return "safetensors";
    if (first[0] == 0x1f && first[1] == 0x8b)
        return "idx.gz";
    return first[0] == 0x93 ? "npy" : "idx";
}

static double value_at(const chi_tensor *t, size_t i)
{
    switch (t->type) {
    case CHI_TYPE_F32: return (double)((const float *)t->bytes)[i];
    case CHI_TYPE_F64: return ((const double *)t->bytes)[i];
    case CHI_TYPE_U8: return ((const uint8_t *)t->bytes)[i];
    case CHI_TYPE_I8: return ((const int8_t *)t->bytes)[i];
    case CHI_TYPE_U16: return ((const uint16_t *)t->bytes)[i];
    case CHI_TYPE_I16: return ((const int16_t *)t->bytes)[i];
    case CHI_TYPE_U32: return ((const uint32_t *)t->bytes)[i];
    case CHI_TYPE_I32: return ((const int32_t *)t->bytes)[i];
    case CHI_TYPE_U64: return (double)((const uint64_t *)t->bytes)[i];
    case CHI_TYPE_I64: return (double)((const int64_t *)t->bytes)[i];
    case CHI_TYPE_BOOL: return ((const uint8_t *)t->bytes)[i] != 0;
    case CHI_TYPE_F16:
    case CHI_TYPE_BF16: // made F32 before
    case CHI_TYPE_OTHER: break;
    }
    return (double)NAN;
}

// Turns 16-bit floats into F32 in place, which holds each exactly.
static chi_status find_range(chi_tensor *t, range *out)
{
    range r = { .low = (double)INFINITY, .high = -(double)INFINITY };
    if (t->type == CHI_TYPE_F16 || t->type == CHI_TYPE_BF16) {
        const chi_status st = chi_tensor_to_f32(t);
        if (st != CHI_OK)
            return st;
    }
    for (size_t i = 0; i < t->count; i++) {
        const double v = value_at(t, i);
        if (isnan(v)) {
            r.nan++;
        } else if (isinf(v)) {
            r.infinite++;
        } else {
            r.finite++;
            r.low = v < r.low ? v : r.low;
            r.high = v > r.high ? v : r.high;
        }
    }
    *out = r;
    return CHI_OK;
}

// Text of a file is not to drive a terminal.
static void print_text(const char *text)
{
    for (; *text; text++)
        putchar((unsigned char)*text < 32 || *text == 127 ? '?' : *text);
}

static void print_tensor(const chi_tensor *t, const char *type, const range *r)
{
    printf("  ");
    print_text(t->name);
    printf("%s%-4s ", t->name[0] ? "  " : "", type);
    for (size_t d = 0; d < t->dims; d++)
        printf("%s%zu", d ? " x " : "", t->shape[d]);
    printf("%s", t->dims ? "" : "scalar");
    if (r->finite)
        printf("  %.9g to %.9g", r->low, r->high);
    if (r->nan || r->infinite)
        printf("  (%zu NaN, %zu infinite)", r->nan, r->infinite);
    printf("\n");
}

static json_t *json_of(const chi_tensor *t, const char *type, const range *r)
{
    json_t *shape = json_array();
    for (size_t d = 0; d < t->dims; d++)
        json_array_append_new(shape, json_integer((json_int_t)t->shape[d]));
    return json_pack("{s:s, s:s, s:o, s:I, s:o, s:o, s:I, s:I}", "name", t->name, "type", type, "shape", shape, "count",
                     (json_int_t)t->count, "min", r->finite ? json_real(r->low) : json_null(), "max",
                     r->finite ? json_real(r->high) : json_null(), "nan", (json_int_t)r->nan, "infinite",
                     (json_int_t)r->infinite);
}

// One line a tensor, or one entry of `list` where that is given.
static chi_status show_tensors(chi_tensors *tensors, json_t *list)
{
    for (size_t i = 0; i < tensors->count; i++) {
        chi_tensor *t = &tensors->items[i];
        const char *type = chi_type_name(t->type);
        range r;
        const chi_status st = find_range(t, &r);
        if (st != CHI_OK)
            return st;
        if (list)
            json_array_append_new(list, json_of(t, type, &r));
        else
            print_tensor(t, type, &r);
    }
    return CHI_OK;
}

static int show_json(const char *path, const char *format, chi_tensors *tensors)
{
    json_t *list = json_array(), *metadata = json_object();
    const chi_status st = show_tensors(tensors, list);
    for (size_t i = 0; i < tensors->pairs; i++)
        json_object_set_new(metadata, tensors->keys[i], json_string(tensors->values[i]));
    json_t *root = json_pack("{s:s, s:s, s:o, s:o}", "file", path, "format", format, "tensors", list, "metadata", metadata);
    if (st == CHI_OK && root) {
        json_dumpf(root, stdout, JSON_COMPACT);
        printf("\n");
    }
    if (st == CHI_OK && !root)
        fprintf(stderr, "chiaro info: the path is no UTF-8, which JSON needs\n");
    json_decref(root);
    return st != CHI_OK ? tool_fail(st) : root ? TOOL_DONE : TOOL_FAILED;
}

static int show_text(const char *path, const char *format, chi_tensors *tensors)
{
    size_t elements = 0;
    uint64_t bytes = 0;
    for (size_t i = 0; i < tensors->count; i++) {
        elements += tensors->items[i].count;
        bytes += tensors->items[i].count * chi_type_bytes(tensors->items[i].type);
    }
    printf("%s: %s, %zu tensor%s, %zu elements, %" PRIu64 " bytes\n", path, format, tensors->count,
           tensors->count == 1 ? "" : "s", elements, bytes);
    const chi_status st = show_tensors(tensors, NULL);
    if (st != CHI_OK)
        return tool_fail(st);
    for (size_t i = 0; i < tensors->pairs; i++) {
        printf("  ");
        print_text(tensors->keys[i]);
        printf(" = ");
        print_text(tensors->values[i]);
        printf("\n");
    }
    return TOOL_DONE;
}

static int show(const char *path, bool json)
{
    const char *format = format_of(path);
    chi_tensors tensors = { 0 };
    chi_tensor one = { 0 };
    chi_status st;
    if (strcmp(format, "safetensors") == 0) {
        st = chi_safetensors_read(path, &tensors);
    } else {
        st = chi_tensor_read(path, &one);
        tensors.items = &one;
        tensors.count = 1;
    }
    if (st != CHI_OK)
        return tool_fail(st);
    const int code = json ? show_json(path, format, &tensors) : show_text(path, format, &tensors);
    if (tensors.items == &one)
        chi_tensor_free(&one);
    else
        chi_tensors_free(&tensors);
    return code;
}

int command_info(int argc, char **argv)
{
    tool t = { 0 };
    const char *path = NULL;
    const tool_command command = {
        "info FILE [--json]", "Types, shapes, ranges and metadata of an idx, idx.gz, npy or safetensors file.",
        "chiaro info run/model.safetensors", TOOL_JSON, 1,
    };
    const int result = tool_parse(&t, argc, argv, &command, NULL, 0, &path, NULL);
    if (result != TOOL_DONE || t.help)
        return result;
    return path ? show(path, t.json) : tool_usage("info needs a FILE (chiaro info --help)");
}
