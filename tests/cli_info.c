// SPDX-License-Identifier: Apache-2.0
// cli_info.c: `chiaro info` on each format, as text and JSON, and its exit status on bad input and bad usage.
#include <chiaro/data.h>
#include <chiaro/status.h>

#include <math.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <sys/wait.h>

#include <cmocka.h>
#include <jansson.h>

#include "harness/folder.h"

static char output[65536];

// Runs the program; both streams into `output`.
static int run(const char *arguments)
{
    char command[4096];
    const char *program = getenv("CHIARO_PROGRAM");
    assert_non_null(program);
    snprintf(command, sizeof command, "timeout 20 '%s' %s 2>&1", program, arguments);
    FILE *pipe = popen(command, "r");
    assert_non_null(pipe);
    output[fread(output, 1, sizeof output - 1, pipe)] = 0;
    const int status = pclose(pipe);
    assert_true(WIFEXITED(status));
    return WEXITSTATUS(status);
}

static void expect(const char *command, const char *path, int code, const char *text)
{
    char arguments[2048];
    snprintf(arguments, sizeof arguments, command, path);
    const int got = run(arguments);
    if (got != code || !strstr(output, text))
        fail_msg("chiaro %s: status %d, \"%s\" in:\n%s", arguments, got, text, output);
}

static void formats(void **state)
{
    (void)state;
    static const unsigned char idx[] = { 0, 0, 8, 2, 0, 0, 0, 2, 0, 0, 0, 1, 7, 200 };
    float values[4] = { -1.5f, 2, NAN, INFINITY };
    uint16_t halves[2] = { 0x3c00, 0xc000 };
    chi_tensor items[2] = { { .name = "w", .type = CHI_TYPE_F32, .shape = { 4 }, .dims = 1, .count = 4, .bytes = values },
                            { .name = "h", .type = CHI_TYPE_F16, .shape = { 2 }, .dims = 1, .count = 2, .bytes = halves } };
    char *keys[] = { "step" }, *texts[] = { "12" };
    const chi_tensors all = { .items = items, .count = 2, .keys = keys, .values = texts, .pairs = 1 };
    const char *a = test_path("a.idx"), *b = test_path("b.npy"), *c = test_path("c.safetensors");
    test_write(a, idx, sizeof idx);
    assert_int_equal(chi_npy_write(b, &items[0]), CHI_OK);
    assert_int_equal(chi_safetensors_write(c, &all), CHI_OK);
    expect("info '%s'", a, 0, "U8   2 x 1  7 to 200");
    expect("info '%s'", b, 0, "F32  4  -1.5 to 2  (1 NaN, 1 infinite)");
    expect("info '%s'", c, 0, "h  F16  2  -2 to 1");
    expect("info '%s'", c, 0, "step = 12");
    expect("info --json '%s'", c, 0, "safetensors");
    json_t *root = json_loads(output, 0, NULL);
    assert_non_null(root);
    const json_t *w = json_array_get(json_object_get(root, "tensors"), 0);
    assert_string_equal(json_string_value(json_object_get(w, "name")), "w");
    assert_true(json_real_value(json_object_get(w, "min")) == -1.5);
    assert_int_equal(json_integer_value(json_object_get(w, "nan")), 1);
    assert_string_equal(json_string_value(json_object_get(json_object_get(root, "metadata"), "step")), "12");
    json_decref(root);
}

// Types of others' are listed, an array is named behind its file, and what another program changed is shown, and said.
static void of_others(void **state)
{
    (void)state;
    static const char header[] = "{\"q\":{\"dtype\":\"F8_E4M3\",\"shape\":[2,2],\"data_offsets\":[0,4]},"
                                 "\"x\":{\"dtype\":\"U8\",\"shape\":[2],\"data_offsets\":[4,6]}}";
    char raw[sizeof header + 13] = { sizeof header - 1 };
    const char *path = test_path("others.safetensors"), *ours = test_path("ours.safetensors");
    memcpy(raw + 8, header, sizeof header - 1);
    memcpy(raw + 8 + sizeof header - 1, "\1\2\3\4\5\6", 6);
    test_write(path, raw, 8 + sizeof header - 1 + 6);
    expect("info '%s'", path, 0, "q  F8_E4M3 2 x 2\n");
    expect("info '%s'", path, 0, "2 tensors");
    expect("info --json '%s'", path, 0, "F8_E4M3");
    expect("info '%s:x'", path, 0, "U8   2  5 to 6");
    expect("info '%s:q'", path, 1, "elements of type 'F8_E4M3'");
    expect("info '%s:z'", path, 1, "it has 2: q, x");
    size_t count;
    float values[4] = { 1, 2, 3, 4 };
    chi_tensor item = { .name = "w", .shape = { 4 }, .dims = 1, .count = 4, .bytes = values };
    assert_int_equal(chi_safetensors_write(ours, &(chi_tensors){ .items = &item, .count = 1 }), CHI_OK);
    unsigned char *bytes = test_read(ours, &count);
    bytes[count - 1] ^= 1;
    bytes[count - 9] ^= 1;
    test_write(ours, bytes, count);
    free(bytes);
    expect("info '%s'", ours, 0, "  changed by another program");
    expect("info '%s'", ours, 0, "w  F32  4");
    expect("info --json '%s'", ours, 0, "\"changed\":true");
}

static void refusals(void **state)
{
    (void)state;
    const char *fifo = test_path("fifo"), *garbage = test_path("garbage"), *cut = test_path("cut.safetensors");
    assert_int_equal(mkfifo(fifo, 0600), 0);
    test_write(garbage, "this is no tensor", 17);
    test_write(cut, "\x40\0\0\0\0\0\0\0{\"a\"", 12);
    expect("info '%s'", test_path("absent"), 1, "No such file");
    expect("info '%s'", fifo, 1, "regular");
    expect("info '%s'", "/dev/zero", 1, "regular");
    expect("info '%s'", "/tmp", 1, "regular");
    expect("info '%s'", garbage, 1, "neither idx");
    expect("info '%s'", cut, 1, "header of 64 bytes");
    expect("info%s", "", 2, "needs a FILE");
    expect("info --jsn %s", "x", 2, "the nearest is --json");
    expect("info a b%s", "", 2, "one word too many");
    expect("inof %s", "x", 2, "the nearest is \"info\"");
    expect("info --help%s", "", 0, "usage");
    expect("--version%s", "", 0, chi_version());
}

static int setup(void **state)
{
    (void)state;
    test_folder_make();
    return 0;
}

static int teardown(void **state)
{
    (void)state;
    test_folder_remove();
    return 0;
}

int main(void)
{
    const struct CMUnitTest tests[] = { cmocka_unit_test(formats), cmocka_unit_test(of_others), cmocka_unit_test(refusals) };
    return cmocka_run_group_tests(tests, setup, teardown);
}
