// SPDX-License-Identifier: Apache-2.0
// train_feed.c: see train_feed.h.
#include "train_feed.h"

#include <pthread.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>

// Steps in memory, the one in use among them; images between two looks at whether to stop.
enum { SLOTS = 3, PART = 64, SENTENCE = 4096 };

int draw_open(draw *d, const int32_t *from, size_t used, size_t batch, uint64_t seed)
{
    *d = (draw){
        from, used, batch, seed, used / batch, UINT64_MAX, malloc(used * sizeof *d->order)
    };
    return d->order ? TOOL_DONE : tool_error("no memory for the order of %zu images", used);
}

void draw_close(draw *d)
{
    free(d->order);
    *d = (draw){ 0 };
}

chi_status draw_rows(draw *d, uint64_t step, int32_t *to)
{
    const uint64_t epoch = step / d->per_epoch;
    if (epoch != d->epoch) {
        const chi_status st = chi_random_order(d->seed, epoch, d->used, d->order);
        if (st != CHI_OK)
            return st;
        d->epoch = epoch;
    }
    const int32_t *here = d->order + step % d->per_epoch * d->batch;
    for (size_t i = 0; i < d->batch; i++)
        to[i] = d->from[here[i]];
    return CHI_OK;
}

// ---- the thread ---------------------------------------------------------------------------------
typedef struct slot {
    int32_t *rows;
    uint8_t *pixels;
} slot;

struct feed {
    draw *draw;
    tool_images *images;
    uint64_t first, last;
    slot slots[SLOTS];
    pthread_t thread;
    bool running;          // the thread is there to be joined
    double waited;
    pthread_mutex_t lock;  // of all below
    pthread_cond_t ready, empty;
    uint64_t filled, taken; // steps since `first`; `taken` counts the one in use
    bool stop;
    chi_status status;      // of the thread, which ends with its first failure
    char sentence[SENTENCE];
};

static bool stopped(feed *f)
{
    pthread_mutex_lock(&f->lock);
    const bool stop = f->stop;
    pthread_mutex_unlock(&f->lock);
    return stop;
}

static chi_status fill(feed *f, const slot *s, uint64_t step)
{
    const size_t batch = f->draw->batch;
    chi_status st = draw_rows(f->draw, step, s->rows);
    for (size_t at = 0; at < batch && st == CHI_OK && !stopped(f); at += PART) {
        const size_t n = batch - at < PART ? batch - at : PART;
        st = images_fetch(f->images, s->rows, at, n, s->pixels + at * image_bytes(f->images));
    }
    return st;
}

// Waits for a slot that nobody reads; false: there is nothing more to do. The one that is in use is
// taken and not yet free.
static bool wait_empty(feed *f)
{
    pthread_mutex_lock(&f->lock);
    while (!f->stop && f->filled - f->taken >= SLOTS - 1)
        pthread_cond_wait(&f->empty, &f->lock);
    const bool go = !f->stop;
    pthread_mutex_unlock(&f->lock);
    return go;
}

static void *work(void *user)
{
    feed *f = user;
    for (uint64_t step = f->first; step < f->last && wait_empty(f); step++) {
        const chi_status st = fill(f, &f->slots[(step - f->first) % SLOTS], step);
        pthread_mutex_lock(&f->lock);
        f->filled += st == CHI_OK;
        f->status = st;
        if (st != CHI_OK)
            snprintf(f->sentence, sizeof f->sentence, "%s",
                     *chi_error_text() ? chi_error_text() : chi_status_text(st));
        pthread_cond_signal(&f->ready);
        pthread_mutex_unlock(&f->lock);
        if (st != CHI_OK)
            break;
    }
    return NULL;
}

int feed_open(feed **out, draw *d, tool_images *images, uint64_t first, uint64_t last)
{
    feed *f = *out = calloc(1, sizeof *f);
    if (!f)
        return tool_error("no memory");
    f->draw = d;
    f->images = images;
    f->first = first;
    f->last = last;
    pthread_mutex_init(&f->lock, NULL);
    pthread_cond_init(&f->ready, NULL);
    pthread_cond_init(&f->empty, NULL);
    for (size_t i = 0; i < SLOTS; i++) {
        f->slots[i] =
            (slot){ malloc(d->batch * sizeof(int32_t)), malloc(d->batch * image_bytes(images)) };
        if (!f->slots[i].rows || !f->slots[i].pixels)
            return tool_error("no memory for %d batches of %zu images of %zu bytes", SLOTS,
                              d->batch, image_bytes(images));
    }
    const int error = pthread_create(&f->thread, NULL, work, f);
    f->running = error == 0;
    return error ? tool_error("no thread to fetch images: %s", strerror(error)) : TOOL_DONE;
}

void feed_close(feed **out)
{
    feed *f = *out;
    if (!f)
        return;
    pthread_mutex_lock(&f->lock);
    f->stop = true;
    pthread_cond_signal(&f->empty);
    pthread_mutex_unlock(&f->lock);
    if (f->running)
        pthread_join(f->thread, NULL);
    for (size_t i = 0; i < SLOTS; i++) {
        free(f->slots[i].rows);
        free(f->slots[i].pixels);
    }
    pthread_cond_destroy(&f->ready);
    pthread_cond_destroy(&f->empty);
    pthread_mutex_destroy(&f->lock);
    free(f);
    *out = NULL;
}

double feed_waited(const feed *f) { return f ? f->waited : 0.0; }

// ---- its reader ---------------------------------------------------------------------------------
static bool there(const feed *f) { return f->filled > f->taken || f->status != CHI_OK; }

// Until a step is there; looks at interrupts ten times a second, as a signal wakes no condition.
static void wait_ready(feed *f)
{
    while (!there(f) && !tool_interrupted()) {
        struct timespec until;
        clock_gettime(CLOCK_REALTIME, &until);
        until.tv_nsec += 100000000;
        until.tv_sec += until.tv_nsec / 1000000000;
        until.tv_nsec %= 1000000000;
        pthread_cond_timedwait(&f->ready, &f->lock, &until);
    }
}

int feed_take(feed *f, chi_device *dev, const int32_t **rows, const void **pixels)
{
    pthread_mutex_lock(&f->lock);
    const bool at_once = there(f);
    pthread_mutex_unlock(&f->lock);
    const chi_status busy = at_once ? CHI_OK : chi_device_finish(dev);
    if (busy != CHI_OK)
        return tool_fail(busy);
    const double start = tool_seconds();
    pthread_mutex_lock(&f->lock);
    wait_ready(f);
    const bool got = f->filled > f->taken;
    const slot *s = &f->slots[f->taken % SLOTS];
    f->taken += got;
    pthread_cond_signal(&f->empty);
    pthread_mutex_unlock(&f->lock);
    f->waited += tool_seconds() - start;
    *rows = s->rows;
    *pixels = s->pixels;
    if (got)
        return TOOL_DONE;
    return tool_interrupted()
               ? TOOL_INTERRUPTED
               : tool_error("%s", f->sentence); // the thread has ended: its sentence stays
}
