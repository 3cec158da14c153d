// SPDX-License-Identifier: Apache-2.0
// train_say.c: what a run says before its first step and after its last. Header: train.h.
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "text.h"
#include "train.h"

static void say_images(const trainer *t)
{
    char count[TEXT_ROOM], bytes[TEXT_ROOM], held[TEXT_ROOM], classes[64] = "";
    const tool_images *s = &t->set;
    if (s->labels.count)
        snprintf(classes, sizeof classes, " of %zu class%s", s->labels.classes,
                 s->labels.classes == 1 ? "" : "es");
    progress_note(&t->progress, "data: %s images%s from %s", text_number(s->count, count), classes,
                  s->path);
    progress_note(&t->progress, "images: %zu × %zu × %zu (channels, rows, columns) as %s, %s, %s",
                  s->shape.channels, s->shape.height, s->shape.width,
                  s->floats ? "floats" : "bytes", text_bytes(s->count * image_bytes(s), bytes),
                  t->pooled   ? "all on the device"
                  : s->values ? "brought to the device a batch at a time"
                              : "decoded and brought to the device a batch at a time");
    if (t->split.tested)
        progress_note(&t->progress, "held out: %s images, which chiaro eval takes",
                      text_number(t->split.tested, held));
    if (t->unlabelled)
        progress_note(&t->progress, "no class: %s images, which are not drawn",
                      text_number(t->unlabelled, held));
}

static void say_device(const trainer *t)
{
    chi_device_info info;
    if (chi_device_describe(t->dev, &info) != CHI_OK)
        return;
    progress_note(&t->progress, "device: %s, %s; chiaro devices lists all", info.name,
                  chi_device_why(t->dev));
}

void train_say_start(const trainer *t)
{
    const recipe *r = &t->recipe;
    say_device(t);
    say_images(t);
    progress_note(&t->progress,
                  "recipe: %s: %s at temperature %g, %llu epoch%s of %llu step%s of %zu images, "
                  "%llu steps in all, %s, rate %g%s",
                  t->recipe_name ? t->recipe_name : t->recipe_file, recipe_text(r, "loss"),
                  r->temperature, (unsigned long long)r->epochs, r->epochs == 1 ? "" : "s",
                  (unsigned long long)t->per_epoch, t->per_epoch == 1 ? "" : "s", t->batch,
                  (unsigned long long)t->steps, recipe_text(r, "optimizer"), r->rate,
                  r->schedule == CHI_SCHEDULE_COSINE ? " by a cosine" : "");
}

// ---- the end ------------------------------------------------------------------------------------

// A path as a shell takes it, appended to a command.
static void append_path(char *to, size_t room, const char *path)
{
    static const char plain[] = "abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ0123456789_./"
                                ":@%+,=-";
    const bool bare = *path && path[strspn(path, plain)] == 0;
    size_t at = strlen(to);
    at += (size_t)snprintf(to + at, room - at, "%s", bare ? "" : "'");
    for (; *path && at + 8 < room; path++)
        at += (size_t)snprintf(to + at, room - at, *path == '\'' ? "'\\''" : "%c", *path);
    snprintf(to + at, room - at, "%s", bare ? "" : "'");
}

// A command of this program with paths behind some of its words.
typedef struct word { const char *option, *path; } word;
static void say_command(const char *command, const word *words, size_t count)
{
    enum { ROOM = 24000 };
    char self[4096] = "chiaro", *line = malloc(ROOM);
    const ssize_t length = readlink("/proc/self/exe", self, sizeof self - 1);
    if (!line)
        return;
    self[length > 0 ? (size_t)length : strlen("chiaro")] = 0;
    *line = 0;
    append_path(line, ROOM, self);
    snprintf(line + strlen(line), ROOM - strlen(line), " %s", command);
    for (size_t i = 0; i < count; i++)
        if (words[i].path) {
            snprintf(line + strlen(line), ROOM - strlen(line), " %s ", words[i].option);
            append_path(line, ROOM, words[i].path);
        }
    fputs("  ", stderr);
    if (strchr(line, '\''))
        fprintf(stderr, "%s\n", line); // a break inside quotes would be part of a path
    else
        text_command(stderr, line, 2, 4, text_width(STDERR_FILENO));
    free(line);
}

static bool has_labels(const trainer *t)
{
    char plain[4200], gzipped[4200];
    if (t->set.labels.count || !t->data)
        return t->set.labels.count != 0;
    snprintf(plain, sizeof plain, "%.4000s/train-labels-idx1-ubyte", t->data);
    snprintf(gzipped, sizeof gzipped, "%.4000s/train-labels-idx1-ubyte.gz", t->data);
    return access(plain, F_OK) == 0 || access(gzipped, F_OK) == 0;
}

void train_say_end(const trainer *t)
{
    char path[4200], features[4200];
    const double seconds = tool_seconds() - t->started, waited = feed_waited(t->feed);
    if (t->tool.quiet)
        return;
    snprintf(path, sizeof path, "%.4000s/model.safetensors", t->output);
    snprintf(features, sizeof features, "%.4000s/features.npy", t->output);
    if (t->ended > t->first_step)
        progress_note(
            &t->progress, "the device waited for images %.1f %% of the time (%.1f of %.1f s)%s",
            100.0 * waited / seconds, waited, seconds, t->pooled ? ": it holds all of them" : "");
    progress_note(&t->progress, "%s written; next:", path);
    if (has_labels(t))
        say_command("eval",
                    (const word[]){ { "--model", path },
                                     { "--data", t->data },
                                     { "--images", t->images },
                                     { "--labels", t->labels } },
                    4);
    say_command("embed",
                (const word[]){
                    { "--model", path }, { "--images", t->set.path }, { "--output", features } },
                3);
}
