// SPDX-License-Identifier: Apache-2.0
// run.c: see run.h.
#include "run.h"

#include <dirent.h>
#include <errno.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

enum { MOST_CHECKPOINTS = 4096, CONFIG = RECIPE_KEYS * (RECIPE_TEXT + 32) };

static void path_of(const run *r, const char *name, char *to)
{
    snprintf(to, 4200, "%s/%s", r->folder, name);
}

// Rows held out, or none; a file that no run wrote is not thrown away.
static int put_held(const run *r, const char *held)
{
    char path[4200];
    path_of(r, "holdout.txt", path);
    char *line = held ? malloc(strlen(held) + 2) : NULL;
    if (held && !line)
        return tool_error("no memory");
    if (held) {
        sprintf(line, "%s\n", held);
        const int result = tool_write_text(path, line);
        free(line);
        return result;
    }
    return access(path, F_OK) != 0 ? TOOL_DONE
                                   : tool_error("%s is there already, but this run holds nothing "
                                                "out; give another --output",
                                                path);
}

static int put_config(const run *r, const recipe *wanted)
{
    char path[4200], *config = malloc(CONFIG);
    if (!config)
        return tool_error("no memory");
    path_of(r, "config.txt", path);
    recipe_print(wanted, config, CONFIG);
    const int result = tool_write_text(path, config);
    free(config);
    return result;
}

int run_start(run *r, const recipe *wanted, const char *held)
{
    char path[4200];
    int result = r->there ? TOOL_DONE : tool_make_folder(r->folder);
    if (result == TOOL_DONE && !r->there) // before config.txt, which makes the folder a run's
        result = put_held(r, held);
    if (result == TOOL_DONE && !r->there)
        result = put_config(r, wanted);
    path_of(r, "metrics.jsonl", path);
    if (result == TOOL_DONE && !(r->metrics = fopen(path, r->there ? "r+" : "w")) &&
        !(r->there && (r->metrics = fopen(path, "w"))))
        result = tool_error("%s: %s", path, strerror(errno));
    return result;
}

void run_close(run *r)
{
    if (r->metrics)
        fclose(r->metrics);
    r->metrics = NULL;
}

void run_metric(run *r, uint64_t step, double epoch, double loss, double rate, double per_second,
                double seconds, double waited)
{
    char more[64] = "";
    if (waited >= 0.0)
        snprintf(more, sizeof more, ", \"waited\": %.3f", waited);
    fprintf(r->metrics,
            "{\"step\": %llu, \"epoch\": %.4f, \"loss\": %.9g, \"lr\": %.9g, \"items_per_s\": "
            "%.1f, \"seconds\": %.3f%s}\n",
            (unsigned long long)step, epoch, loss, rate, per_second, seconds, more);
}

int run_flush(run *r)
{
    if (fflush(r->metrics) == 0)
        return TOOL_DONE;
    return tool_error("%s/metrics.jsonl: %s", r->folder, strerror(errno));
}

// ---- checkpoints --------------------------------------------------------------------------------
static int newest_first(const void *a, const void *b)
{
    const uint64_t x = *(const uint64_t *)a, y = *(const uint64_t *)b;
    return (x < y) - (x > y);
}

// Steps of the checkpoints there are, newest first.
static size_t list(const run *r, uint64_t *steps)
{
    size_t count = 0;
    DIR *folder = opendir(r->folder);
    struct dirent *entry;
    while (folder && count < MOST_CHECKPOINTS && (entry = readdir(folder)) != NULL) {
        unsigned long long step = 0;
        int end = 0;
        if (sscanf(entry->d_name, "checkpoint-%llu.safetensors%n", &step, &end) == 1 && end > 0 &&
            entry->d_name[end] == 0)
            steps[count++] = step;
    }
    if (folder)
        closedir(folder);
    qsort(steps, count, sizeof *steps, newest_first);
    return count;
}

static void checkpoint_path(const run *r, uint64_t step, char *to)
{
    char name[64];
    snprintf(name, sizeof name, "checkpoint-%llu.safetensors", (unsigned long long)step);
    path_of(r, name, to);
}

int run_checkpoint(run *r, const model *m, const chi_optimizer *const *optimizers, uint64_t step,
                   size_t keep)
{
    char path[4200];
    checkpoint_path(r, step, path);
    int result = run_flush(r);
    if (result == TOOL_DONE && fsync(fileno(r->metrics)) != 0 && errno != EINVAL)
        result = tool_error("%s/metrics.jsonl: %s", r->folder, strerror(errno));
    if (result == TOOL_DONE)
        result = model_write(m, optimizers, path);
    if (result != TOOL_DONE)
        return result;
    uint64_t *steps = malloc(MOST_CHECKPOINTS * sizeof *steps);
    const size_t count = steps ? list(r, steps) : 0;
    for (size_t i = keep; i < count; i++) { // only older ones than a whole new one
        checkpoint_path(r, steps[i], path);
        unlink(path);
    }
    free(steps);
    return TOOL_DONE;
}

// Lines of steps below `step` stay.
static int cut_metrics(run *r, uint64_t step)
{
    char line[512];
    long keep = 0;
    rewind(r->metrics);
    while (fgets(line, sizeof line, r->metrics)) {
        unsigned long long at = 0;
        if (sscanf(line, "{\"step\": %llu", &at) != 1 || at >= step || !strchr(line, '\n'))
            break;
        keep = ftell(r->metrics);
    }
    if (fflush(r->metrics) != 0 || ftruncate(fileno(r->metrics), keep) != 0 ||
        fseek(r->metrics, keep, SEEK_SET) != 0)
        return tool_error("%s/metrics.jsonl: %s", r->folder, strerror(errno));
    return TOOL_DONE;
}

// What a checkpoint says of its data and what there is; false: they are other images, and that is
// said.
static bool same_data(const model_facts *was, const model_facts *is, const char *path)
{
    char before[PIXEL_TEXT], now[PIXEL_TEXT];
    const chi_shape a = was->input, b = is->input;
    pixels_print(&was->rules, before);
    pixels_print(&is->rules, now);
    bool classes = !was->ruled || (was->classes == is->classes &&
                                   (!was->labels_hash || was->labels_hash == is->labels_hash));
    for (size_t i = 0; classes && was->names && is->names && i < was->classes; i++)
        classes = strcmp(was->names[i], is->names[i]) == 0;
    if (a.channels != b.channels || a.height != b.height || a.width != b.width)
        tool_error("%s was trained on images of %zu × %zu × %zu, these are of %zu × %zu × %zu; a "
                   "run goes on with its own data",
                   path, a.channels, a.height, a.width, b.channels, b.height, b.width);
    else if (was->data_count &&
             (was->data_hash != is->data_hash || was->data_count != is->data_count))
        tool_error("%s was trained on other images than these (%llu of hash %016llx, these are "
                   "%llu of %016llx); a run goes on with its own data",
                   path, (unsigned long long)was->data_count, (unsigned long long)was->data_hash,
                   (unsigned long long)is->data_count, (unsigned long long)is->data_hash);
    else if (was->ruled && strcmp(before, now) != 0)
        tool_error("%s was trained on pixels of \"%s\", these are of \"%s\"; a run goes on with "
                   "its own data",
                   path, before, now);
    else if (!was->ruled && is->rules.values != VALUES_BYTES)
        tool_error("%s was written by chiaro 0.1, which rounded numbers to bytes; this version "
                   "keeps them, so the run cannot go on",
                   path);
    else if (!classes)
        tool_error("%s was trained with other labels than these; a run goes on with its own", path);
    else if (was->ruled && (!was->holdout != !is->holdout ||
                            (was->holdout && strcmp(was->holdout, is->holdout) != 0)))
        tool_error("%s was trained with other rows held out; a run goes on with its own", path);
    else
        return true;
    return false;
}

// OTHER: it cannot be gone on with, and neither can the ones before it.
enum { OTHER = -1 };
static int take_checkpoint(model *m, chi_optimizer *const *optimizers, const char *path)
{
    chi_tensors t = { 0 };
    model_facts was;
    const chi_status st = chi_safetensors_read(path, &t);
    if (st != CHI_OK) {
        tool_fail(st);
        return st == CHI_ERR_CHANGED ? OTHER : TOOL_FAILED;
    }
    int result = facts_read(&t, path, &was);
    if (result == TOOL_DONE && !same_data(&was, &m->facts, path))
        result = OTHER;
    else if (result == TOOL_DONE)
        result = model_unpack(m, optimizers, &t, path);
    facts_free(&was);
    chi_tensors_free(&t);
    return result;
}

// What is asked for now, where the folder says otherwise; once it is sure that the run goes on.
static int put_changes(const run *r, const model_facts *f)
{
    const bool changed = recipe_difference(&r->before, &f->recipe, false) < RECIPE_KEYS;
    int result = f->holdout ? put_held(r, f->holdout) : TOOL_DONE;
    if (result == TOOL_DONE && (r->longer || changed))
        result = put_config(r, &f->recipe);
    return result;
}

int run_resume(run *r, model *m, chi_optimizer *const *optimizers, uint64_t *step)
{
    uint64_t *steps = malloc(MOST_CHECKPOINTS * sizeof *steps);
    const size_t count = steps ? list(r, steps) : 0;
    int result = TOOL_FAILED;
    *step = 0;
    for (size_t i = 0; i < count && result == TOOL_FAILED; i++) {
        char path[4200];
        checkpoint_path(r, steps[i], path);
        result = take_checkpoint(m, optimizers, path);
        if (result == TOOL_DONE)
            *step = m->facts.step;
        else if (result == TOOL_FAILED && i + 1 < count)
            fprintf(stderr, "chiaro: going back to the checkpoint before it\n");
    }
    free(steps);
    if (count == 0)
        result = TOOL_DONE; // stopped before the first checkpoint: from the start
    if (result == TOOL_DONE)
        result = cut_metrics(r, *step);
    return result == TOOL_DONE ? put_changes(r, &m->facts) : TOOL_FAILED;
}
