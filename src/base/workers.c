// SPDX-License-Identifier: Apache-2.0
// workers.c: things that do not depend on each other, done in threads. Header: workers.h.
#include "workers.h"

#include <pthread.h>
#include <sched.h>
#include <string.h>

enum { MOST_THREADS = 256 };

typedef struct crew {
    const chi__work *work;
    pthread_mutex_t lock; // of all below
    size_t next, done, failed; // failed: the first in order, `count` for none
    chi_status status;
    char sentence[CHI__SENTENCE];
} crew;

// The next one, or `count` where nothing is left. After a failure no more are given out: all before it have been.
static size_t take(crew *c)
{
    pthread_mutex_lock(&c->lock);
    const size_t i = c->status == CHI_OK ? c->next : c->work->count;
    c->next += i < c->work->count;
    pthread_mutex_unlock(&c->lock);
    return i;
}

static size_t finish(crew *c, size_t i, chi_status status)
{
    pthread_mutex_lock(&c->lock);
    if (status != CHI_OK && i < c->failed) {
        c->failed = i;
        c->status = status;
        memcpy(c->sentence, chi_error_text(), strlen(chi_error_text()) + 1);
    }
    const size_t done = ++c->done;
    pthread_mutex_unlock(&c->lock);
    return done;
}

static void *work_off(void *user)
{
    crew *c = user;
    for (size_t i; (i = take(c)) < c->work->count;)
        finish(c, i, c->work->one(c->work->user, i));
    return NULL;
}

static void work_off_here(crew *c)
{
    const chi__work *w = c->work;
    for (size_t i; (i = take(c)) < w->count;) {
        const size_t done = finish(c, i, w->one(w->user, i));
        if (w->progress)
            w->progress(w->progress_user, done, w->count);
    }
}

static unsigned processors(void)
{
    cpu_set_t set;
    const int n = sched_getaffinity(0, sizeof set, &set) == 0 ? CPU_COUNT(&set) : 1;
    return n > 0 ? (unsigned)n : 1;
}

chi_status chi__work_do(const chi__work *work)
{
    crew c = { .work = work, .lock = PTHREAD_MUTEX_INITIALIZER, .failed = work->count };
    pthread_t others[MOST_THREADS];
    unsigned wanted = work->threads ? work->threads : processors(), started = 0;
    if (wanted > MOST_THREADS)
        wanted = MOST_THREADS;
    if (wanted > work->count)
        wanted = (unsigned)work->count;
    // Where the system gives fewer threads, those do all of it.
    while (started + 1 < wanted && pthread_create(&others[started], NULL, work_off, &c) == 0)
        started++;
    work_off_here(&c);
    for (unsigned t = 0; t < started; t++)
        pthread_join(others[t], NULL);
    pthread_mutex_destroy(&c.lock);
    if (c.status == CHI_OK && work->progress && work->count)
        work->progress(work->progress_user, work->count, work->count);
    return c.status == CHI_OK ? CHI_OK : chi__fail(NULL, c.status, "%s", c.sentence);
}
