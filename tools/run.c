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

static void path_of(const run *r, const char *name, char *to) { snprintf(to, 4200, "%s/%s", r->folder, name); }

int run_open(run *r, const char *folder, const recipe *wanted, bool resume)
{
    char path[4200], *before = NULL;
    char *config = malloc(CONFIG);
    snprintf(r->folder, sizeof r->folder, "%.3900s", folder);
    int result = config ? tool_make_folder(r->folder) : tool_error("no memory");
    path_of(r, "config.txt", path);
    if (result == TOOL_DONE) {
        recipe_print(wanted, config, CONFIG);
        if (access(path, F_OK) == 0 && !resume)
            result = tool_error("%s holds a run already; --resume goes on with it, another --output starts anew", folder);
        else if (access(path, F_OK) != 0 && resume)
            result = tool_error("%s holds no run to resume (there is no config.txt)", folder);
        else if (!resume)
            result = tool_write_text(path, config);
        else if (!(before = tool_read_text(path)))
            result = TOOL_FAILED;
        else if (strcmp(before, config) != 0)
            result = tool_error("%s is another recipe than the one asked for; resume with the options of the first call", path);
    }
    free(before);
    free(config);
    path_of(r, "metrics.jsonl", path);
    if (result == TOOL_DONE && !(r->metrics = fopen(path, resume ? "r+" : "w")) && !(resume && (r->metrics = fopen(path, "w"))))
        result = tool_error("%s: %s", path, strerror(errno));
    return result;
}

void run_close(run *r)
{
    if (r->metrics)
        fclose(r->metrics);
    r->metrics = NULL;
}

void run_metric(run *r, uint64_t step, double epoch, double loss, double rate, double per_second, double seconds)
{
    fprintf(r->metrics, "{\"step\": %llu, \"epoch\": %.4f, \"loss\": %.9g, \"lr\": %.9g, \"items_per_s\": %.1f, \"seconds\": %.3f}\n",
            (unsigned long long)step, epoch, loss, rate, per_second, seconds);
}

int run_flush(run *r)
{
    if (fflush(r->metrics) == 0)
        return TOOL_DONE;
    return tool_error("%s/metrics.jsonl: %s", r->folder, strerror(errno));
}

// ---- checkpoints ---------------------------------------------------------------------------------------
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
        if (sscanf(entry->d_name, "checkpoint-%llu.safetensors%n", &step, &end) == 1 && end > 0 && entry->d_name[end] == 0)
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

int run_checkpoint(run *r, const model *m, const chi_optimizer *const *optimizers, uint64_t step, size_t keep)
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
    if (fflush(r->metrics) != 0 || ftruncate(fileno(r->metrics), keep) != 0 || fseek(r->metrics, keep, SEEK_SET) != 0)
        return tool_error("%s/metrics.jsonl: %s", r->folder, strerror(errno));
    return TOOL_DONE;
}

int run_resume(run *r, model *m, chi_optimizer *const *optimizers, uint64_t *step)
{
    uint64_t *steps = malloc(MOST_CHECKPOINTS * sizeof *steps);
    const size_t count = steps ? list(r, steps) : 0;
    int result = TOOL_FAILED;
    *step = 0;
    for (size_t i = 0; i < count && result != TOOL_DONE; i++) {
        char path[4200];
        chi_tensors t = { 0 };
        checkpoint_path(r, steps[i], path);
        const chi_status st = chi_safetensors_read(path, &t);
        result = st == CHI_OK ? model_unpack(m, optimizers, &t, path) : tool_fail(st);
        chi_tensors_free(&t);
        if (result == TOOL_DONE)
            *step = m->facts.step;
        else if (i + 1 < count)
            fprintf(stderr, "chiaro: going back to the checkpoint before it\n");
    }
    free(steps);
    if (count == 0)
        result = TOOL_DONE; // stopped before the first checkpoint: from the start
    return result == TOOL_DONE ? cut_metrics(r, *step) : result;
}
