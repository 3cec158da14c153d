// SPDX-License-Identifier: Apache-2.0
// embed.c: `chiaro embed`: images to features. Images through the model: encode.c.
#include <stdlib.h>
#include <string.h>

#include "encode.h"
#include "names.h"
#include "search_names.h"

enum { NAME_ROOM = 4 * 4096 }; // a path, every byte of it escaped

typedef struct embedding {
    tool tool;
    const char *path, *images_path, *output, *batch_text;
    bool head, changed;
    uint64_t batch;
    image_options image_options;
    model_file file;
    tool_images images;
    chi_device *dev;
    model model;
    encode_stage stage;
    chi_buffer *features;
    chi_npy_writer *writer;
    float *host;
} embedding;

static int read_options(embedding *e, int argc, char **argv)
{
    tool_option own[6 + IMAGE_OPTIONS] = {
        { "model", "FILE", "model.safetensors or a checkpoint", &e->path, NULL },
        { "images", "FILE|DIR", "an array (.npy, .npz:NAME, idx) or a folder of pictures",
          &e->images_path, NULL },
        { "output", "FILE", "features as .npy, float32 [images][features]", &e->output, NULL },
        { "changed", NULL, "take a model that another program changed", NULL, &e->changed },
        { "head", NULL, "behind the head, instead of the features before it", NULL, &e->head },
        { "batch", "N", "images at once; default 500, fewer where they do not fit", &e->batch_text,
          NULL },
    };
    const tool_command command = {
        "embed --model FILE --images FILE --output FILE",
        "Features of images by a trained encoder." IMAGES_ABOUT,
        "chiaro embed --model run/model.safetensors --images X.npy --output features.npy",
        TOOL_OPENS | TOOL_QUIET,
        0,
    };
    images_add_options(&e->image_options, own + 6);
    const int result =
        tool_parse(&e->tool, argc, argv, &command, own, sizeof own / sizeof *own, NULL, NULL);
    if (result != TOOL_DONE || e->tool.help)
        return result;
    e->batch = ENCODE_BATCH;
    if (!e->path || !e->images_path || !e->output)
        return tool_usage("embed needs --model, --images and --output");
    for (size_t i = 0; i < 2; i++)
        if (tool_same_file(e->output, i ? e->images_path : e->path))
            return tool_usage("--output %s is an input too; it would be written over", e->output);
    if (e->batch_text &&
        (!tool_count(e->batch_text, &e->batch) || e->batch == 0 || e->batch > ENCODE_BATCH))
        return tool_usage("--batch %s is not a number from 1 to %d", e->batch_text, ENCODE_BATCH);
    return TOOL_DONE;
}

static int open_images(embedding *e)
{
    const image_options *o = &e->image_options;
    pixel_rules rules;
    int result = model_file_open(&e->file, e->path, e->changed);
    if (result == TOOL_DONE)
        result = encode_rules(&e->file, o, &rules);
    return result == TOOL_DONE ? images_open(&e->images, e->images_path, o, &rules,
                                             e->file.facts.input, e->tool.quiet)
                               : result;
}

static int open_model(embedding *e)
{
    encode_plan plan;
    model_needs needs;
    int result = tool_open(&e->tool, &e->dev);
    if (result == TOOL_DONE)
        result = model_describe(e->dev, &e->file.facts, 1, 0, &needs);
    if (result == TOOL_DONE)
        result =
            encode_fit(e->dev, &e->file, &e->images, 0,
                       4ull * (e->head ? needs.outputs : needs.features), (size_t)e->batch, &plan);
    if (result == TOOL_DONE)
        result = model_from_file(&e->model, e->dev, &e->file, plan.batch, 0, false);
    if (result == TOOL_DONE)
        result = encode_stage_open(&e->stage, e->dev, &e->images, &plan);
    if (result != TOOL_DONE)
        return result;
    const size_t width = e->head ? plan.outputs : plan.features;
    e->host = malloc(4 * plan.batch * width);
    const chi_tensor shape = { .type = CHI_TYPE_F32,
                               .dims = 2,
                               .shape = { e->images.count, width },
                               .count = e->images.count * width };
    chi_status st = e->host ? chi_buffer_create(e->dev, 4ull * plan.batch * width, &e->features)
                            : CHI_ERR_MEMORY;
    if (st == CHI_OK)
        st = chi_npy_create(e->output, &shape, &e->writer);
    return st == CHI_OK ? TOOL_DONE : tool_fail(st);
}

// ---- names --------------------------------------------------------------------------------------
static void write_names(FILE *to, const tool_images *im, char *room)
{
    fputs(NAMES_HEAD, to);
    for (size_t i = 0; i < im->count; i++) {
        const int32_t class = im->labels.count ? im->labels.of[i] : -1;
        fprintf(to, "%zu\t%s\t", i,
                name_escape(chi_pictures_path(im->pictures, i), room, NAME_ROOM));
        fprintf(to, "%s\n", class < 0 ? "" : name_escape(im->labels.names[class], room, NAME_ROOM));
    }
}

// Path and class of each row, for a folder of pictures; rows of an array have none.
static int save_names(const embedding *e)
{
    char path[4200], *text = NULL, *room = NULL;
    size_t bytes = 0;
    names_path(e->output, path, sizeof path);
    if (!e->images.pictures) {
        names_drop(path, NAMES_HEAD, e->tool.quiet);
        return TOOL_DONE;
    }
    room = malloc(NAME_ROOM);
    FILE *to = room ? open_memstream(&text, &bytes) : NULL;
    if (to)
        write_names(to, &e->images, room);
    const bool whole = to && !ferror(to), closed = to && fclose(to) == 0;
    const int result = whole && closed ? tool_write_text(path, text)
                                       : tool_error("no memory for the text of %s", path);
    free(text);
    free(room);
    return result;
}

// ---- features -----------------------------------------------------------------------------------
static chi_status append(void *user, size_t first, chi_matrix rows)
{
    embedding *e = user;
    const uint64_t bytes = 4ull * rows.rows * rows.cols;
    (void)first; // they come in order
    const chi_status st = chi_buffer_download(rows.buffer, 4ull * rows.offset, e->host, bytes);
    return st == CHI_OK ? chi_npy_append(e->writer, e->host, bytes) : st;
}

static int embed(embedding *e)
{
    const size_t width = e->head ? e->model.outputs : e->model.features;
    progress p;
    progress_start(&p, e->tool.quiet, "images", e->images.count);
    e->stage.shown = &p;
    const int result = encode_walk(&e->stage, &e->model, NULL, e->images.count, e->head,
                                   chi_matrix_view(e->features, e->model.batch, width), append, e);
    progress_end(&p);
    if (result != TOOL_DONE)
        return result;
    chi_status st = chi_npy_flush(e->writer);
    if (st == CHI_OK) {
        const int saved = save_names(e);
        if (saved != TOOL_DONE)
            return saved;
        st = chi_npy_commit(&e->writer);
    }
    if (st == CHI_OK && !e->tool.quiet)
        printf("%s: %zu × %zu features\n", e->output, e->images.count, width);
    if (st == CHI_OK && !e->tool.quiet && e->images.pictures)
        printf("%s.tsv: the path and class of each row\n", e->output);
    return st == CHI_OK ? TOOL_DONE : tool_fail(st);
}

static void release(embedding *e)
{
    chi_npy_discard(&e->writer);
    free(e->host);
    chi_buffer_destroy(&e->features);
    encode_stage_close(&e->stage);
    model_close(&e->model);
    chi_device_close(&e->dev);
    images_close(&e->images);
    model_file_close(&e->file);
}

int command_embed(int argc, char **argv)
{
    embedding *e = calloc(1, sizeof *e);
    if (!e)
        return tool_error("no memory");
    int result = read_options(e, argc, argv);
    if (result == TOOL_DONE && !e->tool.help) {
        tool_catch_interrupts();
        result = open_images(e);
        if (result == TOOL_DONE)
            result = open_model(e);
        if (result == TOOL_DONE)
            result = embed(e);
        release(e);
    }
    free(e);
    return result;
}
