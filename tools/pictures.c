// SPDX-License-Identifier: Apache-2.0
// pictures.c: folders of pictures as sets of images: decoded once where they fit in memory, else when they are fetched.
// Decoding: include/chiaro/pictures.h. The rest: images.c.
#include <stdlib.h>
#include <string.h>

#include "images.h"
#include "progress.h"
#include "text.h"

// A quarter of the memory that is free.
static uint64_t spare_memory(void)
{
    char line[128];
    unsigned long long kilobytes = 0;
    FILE *file = fopen("/proc/meminfo", "re");
    while (file && fgets(line, sizeof line, file) &&
           sscanf(line, "MemAvailable: %llu", &kilobytes) != 1)
        ;
    if (file)
        fclose(file);
    return kilobytes * 1024 / 4;
}

static int read_options(const tool_images *im, const image_options *o, chi_pictures_options *to,
                        uint64_t *memory)
{
    *to = (chi_pictures_options){ .picture = { .size = (size_t)im->rules.size,
                                               .grey = im->rules.grey },
                                  .skip_broken = o->skip_broken,
                                  .unlabelled = o->unlabelled };
    *memory = spare_memory();
    if (o->max_pixels &&
        (!tool_count(o->max_pixels, &to->picture.max_pixels) || to->picture.max_pixels == 0))
        return tool_usage("--max-pixels %s is not a number of at least 1", o->max_pixels);
    if (o->picture_memory && !tool_bytes(o->picture_memory, memory))
        return tool_usage("--picture-memory %s is not a size, as 800M or a number of bytes",
                          o->picture_memory);
    if (o->range || o->layout)
        return tool_usage("%s is a folder of pictures: --range and --layout are for arrays",
                          im->path);
    if (im->rules.values == VALUES_RANGE)
        return tool_error(
            "%s is a folder of pictures; the model was trained on numbers from %g to %g", im->path,
            im->rules.low, im->rules.high);
    return TOOL_DONE;
}

static void say_facts(const tool_images *im, const chi_pictures_facts *f, bool quiet)
{
    if (f->broken)
        tool_say(quiet, "%s: %zu broken pictures left out; the first: %s", im->path, f->broken,
                 f->first_broken);
    if (f->loops)
        tool_say(quiet, "%s: %zu links that loop were not followed", im->path, f->loops);
    if (f->others)
        tool_say(quiet, "%s: %zu file%s neither PNG nor JPEG, and left out", im->path, f->others,
                 f->others == 1 ? " is" : "s are");
    const chi_labels *classes = chi_pictures_labels(im->pictures);
    size_t hidden = 0, first = 0;
    for (size_t i = 0; classes && i < classes->classes; i++)
        if (classes->names[i][0] == '.' && hidden++ == 0)
            first = i;
    if (hidden)
        tool_say(quiet, "%s: hidden folders are classes too, %zu of them; the first: %s", im->path,
                 hidden, classes->names[first]);
    if (f->empty)
        tool_say(quiet, "%s: %zu folders without a picture are no class; the first: %s", im->path,
                 f->empty, f->first_empty);
}

static void show(void *user, size_t done, size_t of)
{
    progress *p = user;
    p->total = of;
    progress_show(p, done, NULL);
}

static int load(tool_images *im, uint64_t memory, bool quiet)
{
    const chi_pictures_facts *f = chi_pictures_describe(im->pictures);
    const bool keep = f->bytes <= memory;
    char all[TEXT_ROOM], room[TEXT_ROOM];
    progress p;
    if (!keep)
        tool_say(quiet,
                 "%s: %zu pictures take %s, more than the %s of --picture-memory: they are decoded "
                 "whenever they are needed",
                 im->path, f->count, text_bytes(f->bytes, all), text_bytes(memory, room));
    progress_start(&p, quiet, "pictures decoded", f->count);
    const chi_status st = chi_pictures_load(im->pictures, keep, show, &p);
    progress_end(&p);
    return st == CHI_OK ? TOOL_DONE : tool_fail(st);
}

// The folder's classes as a set of labels that can be renumbered.
static int copy_labels(tool_images *im, const char *unlabelled)
{
    const chi_labels *from = chi_pictures_labels(im->pictures);
    const char **names = from ? malloc(from->count * sizeof *names) : NULL;
    if (!from)
        return TOOL_DONE;
    for (size_t i = 0; names && i < from->count; i++)
        names[i] = from->of[i] < 0 ? unlabelled ? unlabelled : "-1" : from->names[from->of[i]];
    const chi_labels_options options = { .unlabelled = unlabelled, .words = true };
    const chi_status st =
        names ? chi_labels_from_names(names, from->count, &options, &im->labels) : CHI_ERR_MEMORY;
    free(names);
    return st == CHI_OK ? TOOL_DONE : tool_fail(st);
}

int pictures_open(tool_images *im, const image_options *o, bool quiet)
{
    chi_pictures_options options;
    uint64_t memory;
    progress p;
    int result = read_options(im, o, &options, &memory);
    if (result != TOOL_DONE)
        return result;
    progress_start(&p, quiet, "pictures looked at", 0);
    options.progress = show;
    options.user = &p;
    const chi_status st = chi_pictures_open(im->path, &options, &im->pictures);
    progress_end(&p);
    if (st != CHI_OK)
        return tool_fail(st);
    result = load(im, memory, quiet);
    if (result != TOOL_DONE)
        return result;
    const chi_pictures_facts *f = chi_pictures_describe(im->pictures);
    im->count = f->count;
    im->shape = (chi_shape){ f->channels, f->height, f->width };
    im->pixels = f->channels * f->height * f->width;
    im->rules.values = VALUES_BYTES;
    im->rules.pictures = true;
    im->values = (void *)(uintptr_t)chi_pictures_bytes(im->pictures); // read only, and not freed
    im->hash = f->hash;
    say_facts(im, f, quiet);
    return copy_labels(im, o->unlabelled);
}

chi_status pictures_fetch(tool_images *im, const int32_t *which, size_t first, size_t n, void *to)
{
    int32_t *list = NULL;
    if (!which && !(list = malloc((n + 1) * sizeof *list)))
        return CHI_ERR_MEMORY;
    for (size_t i = 0; list && i < n; i++)
        list[i] = (int32_t)(first + i);
    const chi_status st = chi_pictures_read(im->pictures, list ? list : which + first, n, to);
    free(list);
    return st;
}
