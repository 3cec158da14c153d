// SPDX-License-Identifier: Apache-2.0
// info.c: `chiaro info FILE`: types, shapes, ranges and metadata of a file of arrays. A model is shown as a person reads it
// (info_model.c); --json has all of it (info_json.c). Reading: include/chiaro/data.h.
#include "info.h"

#include <inttypes.h>
#include <math.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "text.h"

// The format by the first bytes. What is none of ours is called idx, and chi_tensor_read says so.
static const char *format_of(const char *path)
{
    unsigned char first[9] = { 0 };
    struct stat facts; // a FIFO would keep fopen waiting
    const bool there = stat(path, &facts) == 0;
    FILE *file = there && S_ISREG(facts.st_mode) ? fopen(path, "rbe") : NULL;
    const size_t count = file ? fread(first, 1, sizeof first, file) : 0;
    if (file)
        fclose(file);
    uint64_t header = 0;
    for (int i = 7; i >= 0; i--)
        header = header << 8 | first[i];
    if (count == 9 && first[8] == '{' && header < (uint64_t)1 << 40)
        return "safetensors";
    if (count >= 4 && memcmp(first, "PK", 2) == 0 &&
        ((first[2] == 3 && first[3] == 4) || (first[2] == 5 && first[3] == 6)))
        return "npz";
    if (first[0] == 0x1f && first[1] == 0x8b)
        return "gzip";
    if (!there && strchr(path, ':'))
        return "array";
    return first[0] == 0x93 ? "npy" : "idx";
}

static double value_at(const chi_tensor *t, size_t i)
{
    switch (t->type) {
    case CHI_TYPE_F32:
        return (double)((const float *)t->bytes)[i];
    case CHI_TYPE_F64:
        return ((const double *)t->bytes)[i];
    case CHI_TYPE_U8:
        return ((const uint8_t *)t->bytes)[i];
    case CHI_TYPE_I8:
        return ((const int8_t *)t->bytes)[i];
    case CHI_TYPE_U16:
        return ((const uint16_t *)t->bytes)[i];
    case CHI_TYPE_I16:
        return ((const int16_t *)t->bytes)[i];
    case CHI_TYPE_U32:
        return ((const uint32_t *)t->bytes)[i];
    case CHI_TYPE_I32:
        return ((const int32_t *)t->bytes)[i];
    case CHI_TYPE_U64:
        return (double)((const uint64_t *)t->bytes)[i];
    case CHI_TYPE_I64:
        return (double)((const int64_t *)t->bytes)[i];
    case CHI_TYPE_BOOL:
        return ((const uint8_t *)t->bytes)[i] != 0;
    case CHI_TYPE_F16:
    case CHI_TYPE_BF16: // made F32 before
    case CHI_TYPE_OTHER:
        break;
    }
    return (double)NAN;
}

// Turns 16-bit floats into F32 in place, which holds each exactly. Nothing is known of the numbers of other types.
static chi_status find_range(chi_tensor *t, tensor_range *out)
{
    tensor_range r = { .low = (double)INFINITY, .high = -(double)INFINITY };
    if (t->type == CHI_TYPE_F16 || t->type == CHI_TYPE_BF16) {
        const chi_status st = chi_tensor_to_f32(t);
        if (st != CHI_OK)
            return st;
    }
    for (size_t i = 0; i < t->count && t->type != CHI_TYPE_OTHER; i++) {
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

// ---- reading -----------------------------------------------------------------------------------------
static chi_status read_tensors(info_file *f)
{
    if (strcmp(f->format, "safetensors") == 0)
        return chi_safetensors_read_with(f->path, &(chi_safetensors_options){ .changed = true },
                                         &f->tensors);
    if (strcmp(f->format, "npz") == 0)
        return chi_npz_read(f->path, &f->tensors);
    const chi_status st = chi_tensor_read(f->path, &f->one);
    f->tensors.items = &f->one;
    f->tensors.count = st == CHI_OK;
    return st;
}

static int read_file(info_file *f)
{
    chi_status st = read_tensors(f);
    const size_t count = f->tensors.count;
    f->ranges = calloc(count + 1, sizeof *f->ranges);
    f->types = calloc(count + 1, sizeof *f->types);
    f->bytes = calloc(count + 1, sizeof *f->bytes);
    if (st == CHI_OK && !(f->ranges && f->types && f->bytes))
        return tool_error("no memory for the facts of %zu tensors", count);
    for (size_t i = 0; i < count && st == CHI_OK; i++) {
        chi_tensor *t = &f->tensors.items[i];
        snprintf(f->types[i], sizeof f->types[i], "%s", chi_tensor_type(t));
        f->bytes[i] = chi_tensor_bytes(t);
        st = find_range(t, &f->ranges[i]);
    }
    return st == CHI_OK ? TOOL_DONE : tool_fail(st);
}

static void free_file(info_file *f)
{
    if (f->tensors.items == &f->one)
        chi_tensor_free(&f->one);
    else
        chi_tensors_free(&f->tensors);
    free(f->ranges);
    free(f->types);
    free(f->bytes);
}

// ---- for people --------------------------------------------------------------------------------------
bool info_is_checksum(const char *key) { return strncmp(key, "checksum.", 9) == 0; }

void info_print_fact(const char *key, const char *value)
{
    char name[600], line[4096];
    chi_text_escape(key, name, sizeof name);
    if (!strchr(value, '\n')) {
        chi_text_escape(value, line, sizeof line);
        text_say(stdout, 4, "  %s = %s", name, line);
        return;
    }
    text_say(stdout, 4, "  %s =", name);
    while (*value) {
        char part[4096];
        const size_t length = strcspn(value, "\n");
        snprintf(part, sizeof part, "%.*s", (int)(length < sizeof part ? length : sizeof part - 1),
                 value);
        chi_text_escape(part, line, sizeof line);
        text_say(stdout, 4, "      %s", line);
        value += length + (value[length] == '\n');
    }
}

// "  name  F32  4 x 3  -1.5 to 2  (1 NaN, 0 infinite)", the numbers below where the line is full.
static void print_tensor(const info_file *f, size_t i, size_t width)
{
    char line[2048], name[1200], numbers[128] = "";
    const chi_tensor *t = &f->tensors.items[i];
    const tensor_range *r = &f->ranges[i];
    chi_text_escape(t->name, name, sizeof name);
    size_t at =
        (size_t)snprintf(line, sizeof line, "  %s%s%-4s ", name, name[0] ? "  " : "", f->types[i]);
    for (size_t d = 0; d < t->dims && at < sizeof line; d++)
        at += (size_t)snprintf(line + at, sizeof line - at, "%s%zu", d ? " x " : "", t->shape[d]);
    if (t->dims == 0)
        snprintf(line + at, sizeof line - at, "scalar");
    if (r->finite)
        at = (size_t)snprintf(numbers, sizeof numbers, "  %.9g to %.9g", r->low, r->high);
    if (r->nan || r->infinite)
        snprintf(numbers + strlen(numbers), sizeof numbers - strlen(numbers),
                 "  (%zu NaN, %zu infinite)", r->nan, r->infinite);
    const bool full = text_columns(line) + strlen(numbers) > width;
    printf("%s%s%s\n", line, full && *numbers ? "\n    " : "", numbers);
}

static int print_file(const info_file *f, bool checksums)
{
    char path[4200], bytes_text[TEXT_ROOM];
    size_t elements = 0, known = 0;
    uint64_t bytes = 0;
    int result = TOOL_DONE;
    for (size_t i = 0; i < f->tensors.count; i++) {
        elements += f->tensors.items[i].count;
        bytes += f->bytes[i];
    }
    chi_text_escape(f->path, path, sizeof path);
    text_say(stdout, 4, "%s: %s, %zu tensor%s, %zu elements, %" PRIu64 " bytes%s%s%s", path,
             f->format, f->tensors.count, f->tensors.count == 1 ? "" : "s", elements, bytes,
             bytes < 1024 ? "" : " (", bytes < 1024 ? "" : text_bytes(bytes, bytes_text),
             bytes < 1024 ? "" : ")");
    if (f->tensors.changed)
        text_say(stdout, 4, "  changed by another program after chiaro wrote it");
    const bool model = info_is_model(f);
    if (model)
        result = info_print_model(f);
    const size_t width = text_width(STDOUT_FILENO);
    for (size_t i = 0; i < f->tensors.count; i++)
        print_tensor(f, i, width);
    for (size_t i = 0; i < f->tensors.pairs; i++) {
        const bool sum = info_is_checksum(f->tensors.keys[i]);
        known += sum;
        if ((sum && checksums) || (!sum && (!model || result != TOOL_DONE)))
            info_print_fact(f->tensors.keys[i], f->tensors.values[i]);
    }
    if (known && !checksums)
        printf("  %zu checksums, %s (--checksums shows them)\n", known,
               f->tensors.changed ? "not all right" : "all right");
    return result;
}

int command_info(int argc, char **argv)
{
    tool t = { 0 };
    const char *path = NULL;
    bool checksums = false;
    const tool_option own[] = { { "checksums", NULL, "the checksums of a safetensors file too",
                                  NULL, &checksums } };
    const tool_command command = {
        "info FILE [--json]",
        "What is in a file: types, shapes, ranges and metadata of idx, npy, npz and safetensors "
        "files, also gzipped, and of one array as FILE:NAME. Of a model: "
        "network, input, recipe, sizes, what was done to the pixels, classes.",
        "chiaro info run/model.safetensors",
        TOOL_JSON,
        1,
    };
    int result = tool_parse(&t, argc, argv, &command, own, sizeof own / sizeof *own, &path, NULL);
    if (result != TOOL_DONE || t.help)
        return result;
    if (!path)
        return tool_usage("info needs a FILE (chiaro info --help)");
    if (checksums && t.json)
        return tool_usage("info --json has the checksums already: it has no use for --checksums");
    info_file f = { .path = path, .format = format_of(path) };
    result = read_file(&f);
    if (result == TOOL_DONE)
        result = t.json ? info_print_json(&f) : print_file(&f, checksums);
    free_file(&f);
    return result;
}
