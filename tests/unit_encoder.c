// SPDX-License-Identifier: Apache-2.0
// unit_encoder.c: the grammar of networks, what shapes are refused, memory refused before it is taken, drawn weights.
#include <chiaro/chiaro.h>

#include <math.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

static chi_device *dev;

static void refused_text(const char *text, const char *word)
{
    chi_layer *layers = (chi_layer *)1;
    assert_int_not_equal(chi_layers_parse(text, &layers), CHI_OK);
    assert_null(layers);
    if (!strstr(chi_error_text(), word))
        fail_msg("\"%s\" is refused with: %s", text, chi_error_text());
}

static void grammar(void **state)
{
    chi_layer *layers = NULL;
    (void)state;
    assert_int_equal(chi_layers_parse("conv2d:32,k=3,s=2,p=1,bias=0 batch_norm residual( relu | residual( gelu ) ) linear:7", &layers), CHI_OK);
    assert_int_equal(layers[0].kind, CHI_LAYER_CONV2D);
    assert_int_equal(layers[0].width, 32);
    assert_true(layers[0].kernel == 3 && layers[0].stride == 2 && layers[0].padding == 1 && layers[0].no_bias);
    assert_int_equal(layers[2].kind, CHI_LAYER_RESIDUAL);
    assert_int_equal(layers[2].shortcut[0].kind, CHI_LAYER_RESIDUAL);
    assert_int_equal(layers[4].kind, CHI_LAYER_END);
    chi_layers_free(&layers);
    assert_null(layers);
    chi_layers_free(&layers);
    refused_text("", "no layer");
    refused_text("liner:3", "linear");
    refused_text("linear:x", "linear:x");
    refused_text("conv2d:3,q=1", "nearest");
    refused_text("conv2d:3,k=0", "range");
    refused_text("conv2d:3,k=-1", "range");
    refused_text("conv2d:3,k=99999999999999999999", "range");
    refused_text("residual( relu", "not closed");
    refused_text("relu )", "outside");
    refused_text("relu | relu", "outside");
    refused_text("residual( residual( residual( residual( residual( residual( residual( residual( residual( residual( relu ) ) ) ) ) ) ) ) ) )", "deep");
}

static void refused_shape(const char *text, chi_shape shape, const char *word)
{
    chi_layer *layers = NULL;
    chi_encoder *enc = (chi_encoder *)1;
    uint64_t before, after;
    chi_device_memory(dev, &before, NULL);
    assert_int_equal(chi_layers_parse(text, &layers), CHI_OK);
    assert_int_not_equal(chi_encoder_create(dev, 4, shape, layers, 1, &enc), CHI_OK);
    assert_null(enc);
    if (!strstr(chi_error_text(), word))
        fail_msg("\"%s\" is refused with: %s", text, chi_error_text());
    chi_device_memory(dev, &after, NULL);
    assert_int_equal(before, after);
    chi_layers_free(&layers);
}

static void shapes(void **state)
{
    (void)state;
    refused_shape("linear:3", (chi_shape){ 2, 3, 3 }, "put flatten before it");
    refused_shape("normalize", (chi_shape){ 2, 3, 3 }, "put flatten before it");
    refused_shape("conv2d:4,k=5", (chi_shape){ 2, 3, 3 }, "does not fit");
    refused_shape("conv2d:4,k=3,p=3", (chi_shape){ 2, 9, 9 }, "padding 3");
    refused_shape("conv2d:4,k=3,g=3", (chi_shape){ 2, 9, 9 }, "groups");
    refused_shape("max_pool:k=3,p=2", (chi_shape){ 2, 9, 9 }, "at most half");
    refused_shape("residual( conv2d:4,k=1 )", (chi_shape){ 2, 9, 9 }, "shortcut");
    refused_shape("relu", (chi_shape){ 0, 9, 9 }, "at least 1");
    refused_shape("relu", (chi_shape){ SIZE_MAX / 2, 9, 9 }, "too large");
    refused_shape("linear:4", (chi_shape){ (size_t)1 << 40, 1, 1 }, "");
}

static void memory(void **state)
{
    chi_layer *layers = NULL;
    chi_encoder *enc = NULL;
    chi_device *narrow = NULL;
    uint64_t held, before;
    (void)state;
    assert_int_equal(chi_layers_parse("conv2d:32,k=3,p=1 batch_norm relu global_pool", &layers), CHI_OK);
    assert_int_equal(chi_device_open(&(chi_device_options){ .memory_bytes = 8 << 20 }, &narrow), CHI_OK);
    chi_device_memory(narrow, &before, NULL);
    assert_int_equal(chi_encoder_create(narrow, 4096, (chi_shape){ 3, 32, 32 }, layers, 1, &enc), CHI_ERR_DEVICE_MEMORY);
    assert_null(enc);
    chi_device_memory(narrow, &held, NULL);
    assert_int_equal(held, before); // refused before anything is allocated
    const char *fits = strstr(chi_error_text(), "largest batch that fits is ");
    assert_non_null(fits);
    const size_t batch = (size_t)strtoul(fits + strlen("largest batch that fits is "), NULL, 10);
    assert_true(batch > 1 && batch < 4096);
    assert_int_equal(chi_encoder_create(narrow, batch + 1, (chi_shape){ 3, 32, 32 }, layers, 1, &enc), CHI_ERR_DEVICE_MEMORY);
    assert_int_equal(chi_encoder_create(narrow, batch, (chi_shape){ 3, 32, 32 }, layers, 1, &enc), CHI_OK);
    chi_encoder_destroy(&enc);
    chi_device_memory(narrow, &held, NULL);
    assert_int_equal(held, before);
    chi_device_close(&narrow);
    chi_layers_free(&layers);
}

// torch's default: uniform in ± 1 / √fan_in, biases too; norms 1 and 0. From the seed alone.
static void weights(void **state)
{
    chi_layer *layers = NULL;
    chi_encoder *one = NULL, *two = NULL;
    static float a[64 * 4 * 9], b[64 * 4 * 9];
    double sum = 0.0, square = 0.0;
    (void)state;
    assert_int_equal(chi_layers_parse("conv2d:64,k=3 batch_norm", &layers), CHI_OK);
    assert_int_equal(chi_encoder_create(dev, 2, (chi_shape){ 4, 5, 5 }, layers, 8, &one), CHI_OK);
    assert_int_equal(chi_encoder_create(dev, 2, (chi_shape){ 4, 5, 5 }, layers, 9, &two), CHI_OK);
    const chi_parameters p = chi_encoder_parameters(one);
    static const char *const names[] = { "0.weight", "0.bias", "1.weight", "1.bias", "1.running_mean", "1.running_var" };
    assert_int_equal(p.count, 6);
    for (size_t i = 0; i < 6; i++)
        assert_string_equal(p.items[i].name, names[i]);
    assert_true(p.items[0].dims == 4 && p.items[0].shape[0] == 64 && p.items[0].shape[1] == 4 && p.items[0].shape[3] == 3);
    assert_true(p.items[0].decay && !p.items[1].decay && !p.items[2].decay && !p.items[4].trained);
    assert_int_equal(chi_encoder_read(one, 0, 0, a), CHI_OK);
    assert_int_equal(chi_encoder_read(two, 0, 0, b), CHI_OK);
    assert_memory_not_equal(a, b, sizeof a);
    for (size_t i = 0; i < 64 * 36; i++) {
        assert_true(fabsf(a[i]) <= 1.0f / 6.0f);
        sum += (double)a[i];
        square += (double)a[i] * (double)a[i];
    }
    assert_true(fabs(sum / 2304.0) < 4.0 * (1.0 / 6.0) / sqrt(3.0 * 2304.0)); // four deviations of the mean
    assert_true(fabs(square / 2304.0 * 108.0 - 1.0) < 0.08);
    assert_int_equal(chi_encoder_read(one, 5, 0, b), CHI_OK);
    assert_true(b[0] == 1.0f && b[63] == 1.0f);
    chi_encoder_destroy(&one);
    chi_encoder_destroy(&two);
    chi_layers_free(&layers);
}

static void calls(void **state)
{
    chi_layer *layers = NULL;
    chi_encoder *enc = NULL;
    chi_buffer *x = NULL, *z = NULL;
    (void)state;
    assert_int_equal(chi_layers_parse("linear:3", &layers), CHI_OK);
    assert_int_equal(chi_encoder_create(dev, 4, (chi_shape){ 2, 1, 1 }, layers, 8, &enc), CHI_OK);
    assert_int_equal(chi_buffer_create(dev, 4 * 5 * 3, &x), CHI_OK);
    assert_int_equal(chi_buffer_create(dev, 4 * 5 * 3, &z), CHI_OK);
    assert_int_equal(chi_encoder_forward(enc, chi_matrix_view(x, 5, 2), chi_matrix_view(z, 5, 3)), CHI_ERR_SHAPE); // more than the batch
    assert_int_equal(chi_encoder_forward(enc, chi_matrix_view(x, 4, 3), chi_matrix_view(z, 4, 3)), CHI_ERR_SHAPE);
    assert_int_equal(chi_encoder_forward(enc, chi_matrix_view(x, 4, 2), chi_matrix_view(z, 3, 3)), CHI_ERR_SHAPE);
    assert_int_equal(chi_encoder_forward(enc, chi_matrix_view(x, 0, 2), chi_matrix_view(z, 0, 3)), CHI_OK); // no rows: nothing to do
    assert_int_equal(chi_encoder_backward(enc, chi_matrix_view(z, 0, 3), (chi_matrix){ 0 }), CHI_OK);
    assert_int_equal(chi_encoder_forward(enc, chi_matrix_view(x, 3, 2), chi_matrix_view(z, 3, 3)), CHI_OK);
    assert_int_equal(chi_encoder_backward(enc, chi_matrix_view(z, 4, 3), (chi_matrix){ 0 }), CHI_ERR_SHAPE); // not the last forward's rows
    assert_int_equal(chi_encoder_set_mode(enc, (chi_encoder_mode)5), CHI_ERR_ARGUMENT);
    chi_buffer_destroy(&x);
    chi_buffer_destroy(&z);
    chi_encoder_destroy(&enc);
    chi_layers_free(&layers);
}

static void ignore(void *user, chi_log_level level, const char *sentence) { (void)user, (void)level, (void)sentence; }

static int set_up(void **state)
{
    (void)state;
    return chi_device_open(&(chi_device_options){ .log = { ignore, NULL } }, &dev);
}

static int tear_down(void **state)
{
    (void)state;
    chi_device_close(&dev);
    return 0;
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(grammar), cmocka_unit_test(shapes), cmocka_unit_test(memory), cmocka_unit_test(weights), cmocka_unit_test(calls),
    };
    return cmocka_run_group_tests(tests, set_up, tear_down);
}
