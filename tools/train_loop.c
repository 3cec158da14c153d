// SPDX-License-Identifier: Apache-2.0
// train_loop.c: the steps of a run: images, one step on the device, losses, checkpoints. Header:
// train.h.
#include <math.h>
#include <signal.h>

#include "train.h"

static bool supervised(const trainer *t) { return t->recipe.loss == CHI_LOSS_SUPCON; }

// ---- one step -----------------------------------------------------------------------------------
static chi_status upload_labels(trainer *t, const int32_t *rows)
{
    if (!supervised(t))
        return CHI_OK;
    for (size_t i = 0; i < 2 * t->batch; i++)
        t->batch_labels[i] = t->set.labels.of[rows[i % t->batch]];
    return chi_buffer_upload(t->pair_labels, 0, t->batch_labels, 8 * t->batch);
}

// The images of a step: which, and where the device does not hold all, themselves.
static int upload_batch(trainer *t, uint64_t step)
{
    const int32_t *rows = t->batch_rows;
    const void *pixels = NULL;
    int result = t->feed ? feed_take(t->feed, t->dev, &rows, &pixels) : TOOL_DONE;
    if (result != TOOL_DONE)
        return result;
    chi_status st = t->feed ? chi_buffer_upload(t->pool, 0, pixels, t->batch * image_bytes(&t->set))
                            : draw_rows(&t->draw, step, t->batch_rows);
    if (st == CHI_OK)
        st = chi_buffer_upload(t->indices, 0, rows, 4 * t->batch);
    if (st == CHI_OK)
        st = upload_labels(t, rows);
    return st == CHI_OK ? TOOL_DONE : tool_fail(st);
}

// In the first step a driver may compile for many seconds: each part is waited for, and shown.
static chi_status show_first(trainer *t, uint64_t step, const char *done)
{
    if (step != t->first_step || !t->progress.total)
        return CHI_OK;
    const chi_status st = chi_device_finish(t->dev);
    progress_show(&t->progress, step, "first step: %s", done);
    return st;
}

static chi_status compute(trainer *t, uint64_t step, float rate)
{
    const size_t rows = 2 * t->batch;
    const chi_matrix views = chi_matrix_view(t->views, rows, t->set.pixels),
                     features = chi_matrix_view(t->features, rows, t->model.features);
    const chi_matrix outputs = chi_matrix_view(t->outputs, rows, t->model.outputs);
    const chi_matrix grad_features = chi_matrix_view(t->grad_features, rows, t->model.features);
    const chi_matrix grad_outputs = chi_matrix_view(t->grad_outputs, rows, t->model.outputs);
    chi_matrix value = chi_matrix_view(t->values, 1, 1);
    value.offset = step % TRAIN_VALUES;
    const chi_loss_args args = { .x = outputs, .grad_x = grad_outputs, .value = value,
                                 .labels = supervised(t) ? t->pair_labels : NULL };
    chi_status st = chi_augment_eval(t->augment, t->pool, t->indices, t->batch, 2, step, views);
    if (st == CHI_OK)
        st = show_first(t, step, "views");
    if (st == CHI_OK)
        st = chi_encoder_forward(t->model.encoder, views, features);
    if (st == CHI_OK)
        st = chi_encoder_forward(t->model.head, features, outputs);
    if (st == CHI_OK)
        st = show_first(t, step, "forward pass");
    if (st == CHI_OK)
        st = chi_loss_eval(t->loss, &args, NULL);
    if (st == CHI_OK)
        st = show_first(t, step, "loss");
    if (st == CHI_OK)
        st = chi_encoder_backward(t->model.head, grad_outputs, grad_features);
    if (st == CHI_OK)
        st = chi_encoder_backward(t->model.encoder, grad_features, (chi_matrix){ 0 });
    if (st == CHI_OK)
        st = show_first(t, step, "backward pass");
    for (int i = 0; i < 2 && st == CHI_OK; i++)
        st = chi_optimizer_step(t->optimizers[i], rate);
    return st;
}

int train_step(trainer *t, uint64_t step)
{
    const recipe *r = &t->recipe;
    const chi_schedule schedule = { r->schedule, r->rate, r->final_rate, r->warmup, t->steps };
    const double rate = chi_schedule_rate(&schedule, step);
    const int result = upload_batch(t, step);
    t->rates[step % TRAIN_VALUES] = rate;
    if (result != TOOL_DONE)
        return result;
    const chi_status st = compute(t, step, (float)rate);
    return st == CHI_OK ? TOOL_DONE : tool_fail(st);
}

// ---- losses and checkpoints ---------------------------------------------------------------------

// Looks at the losses of steps first … last and writes them down.
static int report(trainer *t, uint64_t first, uint64_t last)
{
    float values[TRAIN_VALUES];
    const chi_status st = chi_buffer_download(t->values, 0, values, sizeof values);
    if (st != CHI_OK)
        return tool_fail(st);
    const double seconds = tool_seconds() - t->started, done = (double)(last + 1 - t->first_step);
    const double per_second = done * (double)t->batch / (seconds > 0.0 ? seconds : 1e-9);
    for (uint64_t s = first; s <= last; s++) {
        const float loss = values[s % TRAIN_VALUES];
        if (!isfinite(loss))
            return tool_error("the loss of step %llu is %g: training has diverged; the last "
                              "checkpoint stays (a smaller rate may help)",
                              (unsigned long long)s, (double)loss);
        run_metric(&t->run, s, (double)s / (double)t->per_epoch, (double)loss,
                   t->rates[s % TRAIN_VALUES], per_second, seconds,
                   t->feed ? feed_waited(t->feed) : -1.0);
    }
    progress_show(&t->progress, last + 1, "epoch %llu of %llu, loss %.4f, %.0f images/s",
                  (unsigned long long)(last / t->per_epoch + 1),
                  (unsigned long long)((t->steps + t->per_epoch - 1) / t->per_epoch),
                  (double)values[last % TRAIN_VALUES], per_second);
    return run_flush(&t->run);
}

int train_checkpoint(trainer *t, uint64_t step)
{
    t->model.facts.step = step;
    const chi_optimizer *const optimizers[] = { t->optimizers[0], t->optimizers[1] };
    return run_checkpoint(&t->run, &t->model, optimizers, step, (size_t)t->recipe.keep);
}

// ---- ends ---------------------------------------------------------------------------------------

// Set by SIGUSR1: a checkpoint is wanted, and the run goes on.
static volatile sig_atomic_t wanted;
static void on_wanted(int number)
{
    (void)number;
    wanted = 1;
}

// LLVM inside a driver takes this signal for itself when it first compiles, so it is asked for
// again with every step.
void train_catch_wanted(void)
{
    struct sigaction action = { .sa_handler = on_wanted, .sa_flags = SA_RESTART };
    sigaction(SIGUSR1, &action, NULL);
}

// After Ctrl-C, SIGTERM, or before --time-limit is over.
static int stop_early(trainer *t)
{
    const char *why = t->limited ? "ended by --time-limit" : "interrupted";
    if (t->ended == t->first_step) {
        tool_error("%s before the first step was done; nothing is lost", why);
        return t->limited ? TOOL_FAILED : TOOL_INTERRUPTED;
    }
    const int result = train_checkpoint(t, t->ended);
    if (result != TOOL_DONE)
        return result;
    progress_break();
    if (!t->limited || !t->tool.quiet)
        fprintf(stderr,
                "chiaro: %s after step %llu of %llu, checkpoint written; go on with --resume\n",
                why, (unsigned long long)t->ended, (unsigned long long)t->steps);
    return t->limited ? TOOL_DONE : TOOL_INTERRUPTED;
}

// Whether one more step, two files and the end might not be done in time; longest: of the steps.
static bool time_is_over(const trainer *t, double longest)
{
    const double rest = 1.5 * longest + 0.3 + 0.02 * t->limit;
    return t->limit > 0.0 && tool_seconds() - t->began + rest > t->limit;
}

// ---- the walk -----------------------------------------------------------------------------------

// Steps done, not yet looked at, and when that was last done.
typedef struct looks {
    uint64_t unseen;
    double looked, longest;
} looks;

static int look(trainer *t, looks *l, uint64_t done)
{
    const int result = done > l->unseen ? report(t, l->unseen, done - 1) : TOOL_DONE;
    l->unseen = done;
    l->looked = tool_seconds();
    return result;
}

static int one_step(trainer *t, looks *l)
{
    const double start = tool_seconds();
    train_catch_wanted();
    int result = train_step(t, t->ended);
    if (result != TOOL_DONE)
        return result;
    const uint64_t done = ++t->ended;
    const bool asked = wanted,
               save = done % t->recipe.checkpoint_every == 0 || done == t->steps || asked;
    if (save || done - l->unseen == TRAIN_VALUES || tool_seconds() - l->looked > 1.0)
        result = look(t, l, done);
    if (result == TOOL_DONE && save)
        result = train_checkpoint(t, done);
    if (result == TOOL_DONE && asked) {
        wanted = 0;
        progress_note(&t->progress, "checkpoint of step %llu written, as SIGUSR1 asks",
                      (unsigned long long)done);
    }
    const double took = tool_seconds() - start;
    l->longest = took > l->longest ? took : l->longest;
    return result;
}

static int walk(trainer *t)
{
    looks l = { t->first_step, t->started, 0.0 };
    int result = TOOL_DONE;
    while (t->ended < t->steps && result == TOOL_DONE && !tool_interrupted() && !t->limited) {
        t->limited = time_is_over(t, l.longest);
        if (!t->limited)
            result = one_step(t, &l);
    }
    if (result == TOOL_INTERRUPTED || (result == TOOL_DONE && t->ended < t->steps)) {
        result = look(t, &l, t->ended);
        return result == TOOL_DONE ? stop_early(t) : result;
    }
    return result;
}

int train_walk(trainer *t, uint64_t from)
{
    progress_start(&t->progress, t->tool.quiet, "steps", t->steps);
    t->started = tool_seconds();
    t->first_step = t->ended = from;
    int result = t->pooled || from >= t->steps
                     ? TOOL_DONE
                     : feed_open(&t->feed, &t->draw, &t->set, from, t->steps);
    if (result == TOOL_DONE && from < t->steps)
        progress_show(&t->progress, from, NULL);
    if (result == TOOL_DONE)
        result = walk(t);
    progress_end(&t->progress);
    return result;
}
