// SPDX-License-Identifier: Apache-2.0
// train_feed.h: which images a step takes, and fetching them in a thread of its own while the
// device works on the steps before. Implementation: train_feed.c.
#ifndef CHIARO_TRAIN_FEED_H
#define CHIARO_TRAIN_FEED_H

#include "images.h"

// What is drawn from: a function of seed and step alone.
typedef struct draw {
    const int32_t *from;        // rows that are trained on
    size_t used, batch;         // how many of them, and how many a step takes
    uint64_t seed, per_epoch;   // steps an epoch; a last part of a batch is left out
    uint64_t epoch;             // whose order is drawn
    int32_t *order;             // [used]
} draw;
int draw_open(draw *d, const int32_t *from, size_t used, size_t batch, uint64_t seed);
chi_status draw_rows(draw *d, uint64_t step, int32_t *to); // [batch]
void draw_close(draw *d);

typedef struct feed feed;
// Begins to fetch the images of steps first … last − 1, a few steps ahead. `d` and `images` are the
// thread's until feed_close.
int feed_open(feed **out, draw *d, tool_images *images, uint64_t first, uint64_t last);
// The next step's rows [batch] and pixels, valid until the next call. Where they are not there yet
// the device is waited for first, so that feed_waited counts only what it is idle for. An exit
// status; TOOL_INTERRUPTED after Ctrl-C.
int feed_take(feed *f, chi_device *dev, const int32_t **rows, const void **pixels);
double feed_waited(const feed *f); // seconds, all calls together
void feed_close(feed **f);

#endif
