// SPDX-License-Identifier: Apache-2.0
// train_plan.c: `chiaro train --dry-run`: what a run would take of the device, of time and of the
// disk, with nothing written. Header: train.h.
#include <errno.h>
#include <string.h>
#include <sys/statvfs.h>
#include <unistd.h>

#include "text.h"
#include "train.h"

// ---- memory -------------------------------------------------------------------------------------
static void print_memory(const trainer *t)
{
    char bytes[TEXT_ROOM], budget[TEXT_ROOM];
    uint64_t all = 0;
    chi_device_info info;
    printf("device: %s\n", chi_device_describe(t->dev, &info) == CHI_OK ? info.name : "not known");
    for (size_t i = 0; i < TRAIN_PARTS; i++) {
        all += t->bytes[i];
        if (t->bytes[i])
            printf("  %-12s %12s%s\n", train_part_name(i), text_bytes(t->bytes[i], bytes),
                   i == 4 ? t->pooled ? ", all of them" : ", a batch at a time" : "");
    }
    printf("  %-12s %12s of %s that may be used\n", "in all", text_bytes(all, bytes),
           text_bytes(chi_device_budget(t->dev), budget));
}

// ---- time ---------------------------------------------------------------------------------------

// Seconds of a step: of a few behind the first, which compiles.
static int time_steps(trainer *t, double *seconds, uint64_t *steps)
{
    enum { MOST = 20 };
    const double most_seconds = 3.0;
    const uint64_t last = t->steps < MOST + 1 ? t->steps : MOST + 1;
    double start = tool_seconds();
    int result = t->pooled ? TOOL_DONE : feed_open(&t->feed, &t->draw, &t->set, 0, last);
    uint64_t step = 0;
    for (;
         step < last && result == TOOL_DONE && (step < 2 || tool_seconds() - start < most_seconds);
         step++) {
        result = train_step(t, step);
        const chi_status st = result == TOOL_DONE ? chi_device_finish(t->dev) : CHI_OK;
        if (st != CHI_OK)
            result = tool_fail(st);
        if (step == 0 && last > 1)
            start = tool_seconds();
    }
    *steps = last > 1 && step > 1 ? step - 1 : 1;
    *seconds = (tool_seconds() - start) / (double)*steps;
    return result;
}

// ---- disk ---------------------------------------------------------------------------------------
static uint64_t state_bytes(const chi_optimizer *o)
{
    const chi_optimizer_state s = chi_optimizer_get_state(o);
    uint64_t bytes = 0;
    for (size_t i = 0; i < s.count; i++)
        bytes += 4 * s.items[i].count;
    return bytes;
}

static uint64_t network_bytes(const chi_encoder *e)
{
    const chi_parameters p = chi_encoder_parameters(e);
    uint64_t bytes = 0;
    for (size_t i = 0; i < p.count; i++)
        bytes += 4 * p.items[i].count;
    return bytes;
}

// The folder of a run, or the nearest above it that is there.
static void nearest_folder(const char *folder, char *to, size_t room)
{
    snprintf(to, room, "%s", folder);
    while (access(to, F_OK) != 0) {
        char *slash = strrchr(to, '/');
        if (!slash || slash == to) {
            snprintf(to, room, "%s", slash ? "/" : ".");
            return;
        }
        *slash = 0;
    }
}

static int print_disk(const trainer *t)
{
    enum { HEADER = 16 << 10, LINE = 120 }; // of a file, of a step in metrics.jsonl; generous
    char folder[4000], room[TEXT_ROOM], need[TEXT_ROOM], one[TEXT_ROOM];
    struct statvfs disk;
    const uint64_t weights =
        network_bytes(t->model.encoder) + network_bytes(t->model.head) + HEADER;
    const uint64_t checkpoint =
        weights + state_bytes(t->optimizers[0]) + state_bytes(t->optimizers[1]) + HEADER;
    const uint64_t bytes = weights + (t->recipe.keep + 1) * checkpoint + LINE * t->steps;
    nearest_folder(t->output, folder, sizeof folder);
    if (statvfs(folder, &disk) != 0)
        return tool_error("%s: %s", folder, strerror(errno));
    if (access(folder, W_OK) != 0)
        return tool_error("%s cannot be written: %s", folder, strerror(errno));
    const uint64_t available = (uint64_t)disk.f_bavail * disk.f_frsize;
    printf("disk: %s for %s: %llu checkpoints of %s and one more while it is written, the model, "
           "the metrics; %s are free\n",
           text_bytes(bytes, need), t->output, (unsigned long long)t->recipe.keep,
           text_bytes(checkpoint, one), text_bytes(available, room));
    return bytes <= available
               ? TOOL_DONE
               : tool_error("%s are free for %s, which needs %s", room, t->output, need);
}

int train_plan(trainer *t)
{
    double seconds = 0.0;
    uint64_t measured = 0;
    char all[TEXT_ROOM], one[TEXT_ROOM];
    const int result = time_steps(t, &seconds, &measured);
    if (result != TOOL_DONE)
        return result;
    print_memory(t);
    printf("time: %s for %llu steps of %s, measured over %llu\n",
           text_seconds(seconds * (double)t->steps, all), (unsigned long long)t->steps,
           text_seconds(seconds, one), (unsigned long long)measured);
    const int disk = print_disk(t);
    printf("nothing was written\n");
    return disk;
}
