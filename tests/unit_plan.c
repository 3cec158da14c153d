// SPDX-License-Identifier: Apache-2.0
// unit_plan.c: a plan's bytes are those that creation and evaluation take, to the byte, for every loss, scheme, core and
// budget; a plan allocates nothing; what does not fit is refused with what would; shapes far beyond any memory are planned.
#include <chiaro/chiaro.h>

#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <setjmp.h>
#include <cmocka.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

static const char *const tiles[] = { "p8x32v16", "g32x32k16" };

typedef struct shape { chi_loss_kind kind; size_t n, queue, dim; float temperature; bool no_gradient; } shape;

static const shape shapes[] = {
    { CHI_LOSS_CLIP, 300, 0, 33, 0.1f, false },    { CHI_LOSS_CLIP, 700, 0, 20, 0.01f, false },   { CHI_LOSS_CLIP, 300, 0, 33, 0.1f, true },
    { CHI_LOSS_INFONCE, 257, 0, 65, 0.1f, false }, { CHI_LOSS_NTXENT, 900, 0, 16, 0.1f, false },  { CHI_LOSS_SUPCON, 401, 0, 7, 0.02f, false },
    { CHI_LOSS_MOCO, 70, 3000, 24, 0.1f, false },  { CHI_LOSS_MOCO, 70, 300, 24, 0.01f, true },   { CHI_LOSS_SIGLIP, 500, 0, 12, 0.1f, false },
    { CHI_LOSS_CLIP, 1, 0, 1, 0.1f, false },
};
enum { SHAPES = sizeof shapes / sizeof *shapes };

static chi_loss_options options_of(const shape *s)
{
    return (chi_loss_options){ .kind = s->kind, .temperature = s->temperature, .queue_rows = s->queue, .no_gradient = s->no_gradient };
}

static chi_matrix rows_of(chi_device *dev, chi_buffer **buffer, size_t n, size_t dim)
{
    float *x = malloc(4 * n * dim);
    assert_non_null(x);
    assert_int_equal(chi_random_unit_rows(1, n, dim, x), CHI_OK);
    assert_int_equal(chi_buffer_create(dev, 4 * n * dim, buffer), CHI_OK);
    assert_int_equal(chi_buffer_upload(*buffer, 0, x, 4 * n * dim), CHI_OK);
    free(x);
    return chi_matrix_view(*buffer, n, dim);
}

// Plans, creates, evaluates with every gradient; the peak over that is the inputs and what was planned.
static void check_bytes(chi_device *dev, const shape *s, const char **scheme)
{
    const chi_loss_options options = options_of(s);
    const bool two = s->kind != CHI_LOSS_NTXENT && s->kind != CHI_LOSS_SUPCON, gradient = !s->no_gradient;
    uint64_t before = 0, held = 0, peak = 0, sum = 0;
    chi_buffer *b[6] = { NULL };
    int32_t *labels = calloc(s->n, 4);
    chi_loss_args args = { .x = rows_of(dev, &b[0], s->n, s->dim) };
    assert_non_null(labels);
    if (two)
        args.y = rows_of(dev, &b[1], s->n, s->dim);
    if (s->queue)
        args.queue = rows_of(dev, &b[2], s->queue, s->dim);
    if (gradient)
        args.grad_x = rows_of(dev, &b[3], s->n, s->dim);
    if (gradient && two && !s->queue)
        args.grad_y = rows_of(dev, &b[4], s->n, s->dim);
    if (s->kind == CHI_LOSS_SUPCON) {
        assert_int_equal(chi_buffer_create(dev, 4 * s->n, &b[5]), CHI_OK);
        assert_int_equal(chi_buffer_upload(b[5], 0, labels, 4 * s->n), CHI_OK);
        args.labels = b[5];
    }
    chi_plan plan, told;
    chi_loss *loss = NULL;
    float value = 0.0f;
    chi_device_memory(dev, &before, NULL);
    assert_int_equal(chi_plan_loss(dev, s->n, s->dim, &options, &plan), CHI_OK);
    chi_device_memory(dev, &held, NULL);
    assert_int_equal(held, before);
    chi_device_reset_peak(dev);
    assert_int_equal(chi_loss_create(dev, s->n, s->dim, &options, &loss), CHI_OK);
    assert_int_equal(chi_loss_eval(loss, &args, &value), CHI_OK);
    chi_device_memory(dev, NULL, &peak);
    assert_int_equal(peak - before, plan.scratch_bytes);
    chi_loss_describe(loss, &told);
    assert_int_equal(told.scratch_bytes, plan.scratch_bytes);
    assert_string_equal(told.scheme, plan.scheme);
    for (size_t i = 0; i < plan.buffer_count; i++)
        sum += plan.buffers[i].bytes;
    assert_int_equal(sum, plan.scratch_bytes);
    assert_true(plan.flop >= plan.flop_minimum && plan.seconds > 0.0 && plan.basis[0]);
    *scheme = plan.scheme;
    chi_loss_destroy(&loss);
    for (size_t i = 0; i < 6; i++)
        chi_buffer_destroy(&b[i]);
    free(labels);
}

static void bytes_are_those_taken(void **state)
{
    (void)state;
    for (size_t t = 0; t < 2; t++) {
        chi_device *dev = NULL;
        const char *scheme;
        assert_int_equal(chi_device_open(&(chi_device_options){ .tile = tiles[t] }, &dev), CHI_OK);
        for (size_t i = 0; i < SHAPES; i += t ? 4 : 1) // the group core compiles slowly on a CPU
            check_bytes(dev, &shapes[i], &scheme);
        chi_device_close(&dev);
    }
}

// What a refused plan says.
static uint64_t least_bytes(const shape *s)
{
    chi_device *dev = NULL;
    chi_plan plan;
    const chi_loss_options options = options_of(s);
    assert_int_equal(chi_device_open(&(chi_device_options){ .tile = tiles[0], .memory_bytes = 65536 }, &dev), CHI_OK);
    assert_int_equal(chi_plan_loss(dev, s->n, s->dim, &options, &plan), CHI_ERR_DEVICE_MEMORY);
    chi_device_close(&dev);
    return plan.scratch_bytes;
}

// Tighter and tighter budgets go through every scheme, with less scratch and more flop each.
static void less_memory_more_flop(void **state)
{
    (void)state;
    const shape clip = { CHI_LOSS_CLIP, 2000, 0, 16, 0.1f, false }, ntxent = { CHI_LOSS_NTXENT, 2000, 0, 16, 0.1f, false };
    const shape *const both[] = { &clip, &ntxent };
    for (size_t k = 0; k < 2; k++) {
        static const char *const schemes[] = { "kept", "hybrid", "recomputed" };
        uint64_t budgets[] = { 64u << 20, (k ? 7u : 12u) << 20, least_bytes(both[k]) + (700u << 10) }; // inputs, but no superblock more
        double flop = 0.0;
        uint64_t bytes = UINT64_MAX;
        for (size_t b = 0; b < 3; b++) {
            chi_device *dev = NULL;
            const char *scheme = "";
            chi_plan plan;
            const chi_loss_options options = options_of(both[k]);
            assert_int_equal(chi_device_open(&(chi_device_options){ .tile = tiles[0], .memory_bytes = budgets[b] }, &dev), CHI_OK);
            assert_int_equal(chi_plan_loss(dev, 2000, 16, &options, &plan), CHI_OK);
            assert_string_equal(plan.scheme, schemes[b]);
            assert_true(plan.flop > flop && plan.scratch_bytes < bytes && plan.scratch_bytes <= budgets[b]);
            flop = plan.flop;
            bytes = plan.scratch_bytes;
            check_bytes(dev, both[k], &scheme);
            chi_device_close(&dev);
        }
    }
}

static void beyond_the_budget(void **state)
{
    (void)state;
    chi_device *dev = NULL;
    chi_plan plan;
    chi_loss *loss = NULL;
    uint64_t before = 0, after = 0;
    assert_int_equal(chi_device_open(&(chi_device_options){ .tile = tiles[0], .memory_bytes = 8u << 20 }, &dev), CHI_OK);
    chi_device_memory(dev, &before, NULL);
    assert_int_equal(chi_plan_loss(dev, 100000, 64, NULL, &plan), CHI_ERR_DEVICE_MEMORY);
    assert_true(plan.scratch_bytes > 8u << 20 && plan.buffer_count > 0);
    const char *fits = strstr(chi_error_text(), "the largest n that fits is ");
    assert_non_null(fits);
    const size_t most = (size_t)strtoull(fits + 27, NULL, 10);
    assert_true(most > 0);
    assert_int_equal(chi_loss_create(dev, 100000, 64, NULL, &loss), CHI_ERR_DEVICE_MEMORY);
    chi_device_memory(dev, &after, NULL);
    assert_int_equal(after, before);
    assert_int_equal(chi_loss_create(dev, most, 64, NULL, &loss), CHI_OK); // it does fit
    chi_loss_destroy(&loss);
    assert_int_equal(chi_loss_create(dev, most + 1, 64, NULL, &loss), CHI_ERR_DEVICE_MEMORY);
    chi_device_close(&dev);
}

// n·m·4 over 2^32 and 2^40, wide and narrow rows: an answer at once, nothing allocated.
static void far_beyond(void **state)
{
    (void)state;
    static const struct { chi_loss_kind kind; size_t n, queue, dim; } big[] = {
        { CHI_LOSS_CLIP, 40000, 0, 7, }, { CHI_LOSS_NTXENT, 600000, 0, 1 }, { CHI_LOSS_SIGLIP, 1 << 20, 0, 512 }, { CHI_LOSS_CLIP, 64, 0, 100003 },
        { CHI_LOSS_MOCO, 1 << 20, 1 << 22, 128 }, { CHI_LOSS_CLIP, 1000000000, 0, 1 } };
    chi_device *dev = NULL;
    uint64_t before = 0, after = 0;
    assert_int_equal(chi_device_open(&(chi_device_options){ .tile = tiles[0] }, &dev), CHI_OK);
    chi_device_memory(dev, &before, NULL);
    for (size_t i = 0; i < sizeof big / sizeof *big; i++) {
        chi_plan plan = { 0 };
        const chi_status st = chi_plan_loss(dev, big[i].n, big[i].dim, &(chi_loss_options){ .kind = big[i].kind, .queue_rows = big[i].queue }, &plan);
        assert_true(st == CHI_OK || st == CHI_ERR_DEVICE_MEMORY);
        assert_true(plan.scratch_bytes >= 8ull * big[i].n && plan.flop >= plan.flop_minimum);
        const double columns = (double)(big[i].queue ? big[i].queue : big[i].n);
        assert_true(plan.flop_minimum >= 2.9999 / 2.0 * (double)big[i].n * columns * (double)big[i].dim);
    }
    // Four times the rows take four times the memory: only kept tiles, which nobody asked for here, would go with n².
    for (chi_loss_kind kind = CHI_LOSS_CLIP; kind <= CHI_LOSS_SIGLIP; kind++) {
        const size_t n = 1 << 18;
        chi_plan one = { 0 }, four = { 0 };
        const chi_loss_options options = { .kind = kind, .queue_rows = kind == CHI_LOSS_MOCO ? n : 0 };
        const chi_loss_options more = { .kind = kind, .queue_rows = kind == CHI_LOSS_MOCO ? 4 * n : 0 };
        chi_plan_loss(dev, n, 256, &options, &one);
        chi_plan_loss(dev, 4 * n, 256, &more, &four);
        assert_true(one.scratch_bytes > 0 && four.scratch_bytes < 4 * one.scratch_bytes + (1 << 20));
    }
    chi_device_memory(dev, &after, NULL);
    assert_int_equal(after, before);
    chi_plan plan = { 0 };
    assert_int_equal(chi_plan_loss(dev, 1u << 31, 1, NULL, &plan), CHI_ERR_SHAPE);
    assert_int_equal(chi_plan_loss(dev, 8, 0, NULL, &plan), CHI_ERR_ARGUMENT);
    assert_int_equal(chi_plan_loss(dev, 0, 8, NULL, &plan), CHI_OK);
    chi_device_close(&dev);
}

int main(void)
{
    chi_device *dev = NULL;
    if (chi_device_open(NULL, &dev) != CHI_OK) {
        printf("%s\n", chi_error_text());
        return 77;
    }
    chi_device_close(&dev);
    const struct CMUnitTest tests[] = { cmocka_unit_test(bytes_are_those_taken), cmocka_unit_test(less_memory_more_flop),
                                        cmocka_unit_test(beyond_the_budget), cmocka_unit_test(far_beyond) };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
