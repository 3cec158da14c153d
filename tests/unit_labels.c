// SPDX-License-Identifier: Apache-2.0
// unit_labels.c: src/data/labels*.c: ids and names become classes in their order, whatever file they come from; what is no
// label is refused with its row or line.
#include <chiaro/data.h>
#include <chiaro/labels.h>

#include <math.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

#include "harness/folder.h"

static void expect(const chi_labels *l, size_t count, const int32_t *of, size_t classes, const char *const *names)
{
    assert_int_equal(l->count, count);
    assert_memory_equal(l->of, of, count * sizeof *of);
    assert_int_equal(l->classes, classes);
    for (size_t c = 0; c < classes; c++)
        assert_string_equal(l->names[c], names[c]);
}
#define EXPECT(l, classes, names, ...) \
    expect(l, sizeof((int32_t[]){ __VA_ARGS__ }) / 4, (const int32_t[]){ __VA_ARGS__ }, classes, (const char *const[])names)
#define N(...) { __VA_ARGS__ }

static const char *text_file(const char *text, size_t bytes)
{
    const char *path = test_path("labels.txt");
    test_write(path, text, bytes);
    return path;
}

static void refused(const char *path, const chi_labels_options *options, const char *why)
{
    chi_labels l, before;
    memset(&l, 0x5a, sizeof l);
    before = l;
    if (chi_labels_read(path, options, &l) == CHI_OK)
        fail_msg("%s was accepted, \"%s\" was due", path, why);
    assert_memory_equal(&l, &before, sizeof l);
    if (!strstr(chi_error_text(), why) || !strstr(chi_error_text(), path))
        fail_msg("\"%s\" does not say \"%s\" or does not name the file", chi_error_text(), why);
}

#define TEXT(text) text_file(text, sizeof(text) - 1)

static chi_labels read_labels(const char *path, const chi_labels_options *options)
{
    chi_labels l = { 0 };
    if (chi_labels_read(path, options, &l) != CHI_OK)
        fail_msg("%s: %s", path, chi_error_text());
    return l;
}

static void text(void **state)
{
    (void)state;
    chi_labels l = read_labels(TEXT("dog\ncat\r\n Dog\t\ncat"), NULL); // by bytes: capitals first; no last newline
    EXPECT(&l, 3, N("Dog", "cat", "dog"), 2, 1, 0, 1);
    chi_labels_free(&l);
    assert_null(l.of);
    l = read_labels(TEXT("\xef\xbb\xbf" "b\xff\r\n-1\r\na b\r\n"), NULL); // a mark, bytes that are no UTF-8, one unlabelled
    EXPECT(&l, 2, N("a b", "b\xff"), 1, -1, 0);
    chi_labels_free(&l);
    l = read_labels(TEXT("10\n9\n-1\n+9\n009\n"), NULL); // integers by value
    EXPECT(&l, 2, N("9", "10"), 1, 0, -1, 0, 0);
    chi_labels_free(&l);
    l = read_labels(TEXT("10\n9\n-1\n009\n"), &(chi_labels_options){ .words = true, .unlabelled = "9" });
    EXPECT(&l, 3, N("-1", "009", "10"), 2, -1, 0, 1);
    chi_labels_free(&l);
    l = read_labels(TEXT("10\nnone\n9\n-1\n"), &(chi_labels_options){ .unlabelled = "none" }); // -1 is a class then
    EXPECT(&l, 3, N("-1", "9", "10"), 2, -1, 1, 0);
    chi_labels_free(&l);
    l = read_labels(TEXT("9223372036854775807\n-9223372036854775808\n"), NULL);
    EXPECT(&l, 2, N("-9223372036854775808", "9223372036854775807"), 1, 0);
    chi_labels_free(&l);
    l = read_labels(TEXT("9223372036854775808\nx\n"), NULL); // a name among names
    EXPECT(&l, 2, N("9223372036854775808", "x"), 0, 1);
    chi_labels_free(&l);
    l = read_labels(TEXT("-1\n-1"), NULL); // nobody has a class
    EXPECT(&l, 0, N(""), -1, -1);
    chi_labels_free(&l);
}

static void text_refused(void **state)
{
    (void)state;
    refused(TEXT("a\n\nb\n"), NULL, "line 2 is empty");
    refused(TEXT("a\nb\n \t\r\n"), NULL, "line 3 is empty");
    refused(TEXT("\n"), NULL, "line 1 is empty");
    refused(TEXT(""), NULL, "empty, no labels");
    refused(TEXT("\xef\xbb\xbf"), NULL, "empty, no labels");
    refused(TEXT("1\n9223372036854775808\n"), NULL, "line 2: 9223372036854775808 is beyond 64-bit");
    refused(TEXT("1\n-9223372036854775809\n"), NULL, "line 2: -9223372036854775809 is beyond");
    refused(TEXT("1\n99999999999999999999999999\n"), NULL, "is beyond");
    refused(TEXT("abc\0d\n"), NULL, "byte 3 is zero");
    refused(TEXT("\xff\xfe" "a\0\n\0"), NULL, "save it as UTF-8");
    char *line = malloc(5000);
    memset(line, 'x', 5000);
    memcpy(line, "a\n", 2);
    refused(text_file(line, 4098), NULL, "line 2 has 4096 bytes");
    chi_labels l = read_labels(text_file(line, 4097), NULL);
    assert_int_equal(strlen(l.names[1]), 4095);
    chi_labels_free(&l);
    free(line);
    refused(test_path("absent"), NULL, "No such file");
    refused("/dev/zero", NULL, "regular");
    assert_int_equal(chi_labels_read(NULL, NULL, &l), CHI_ERR_ARGUMENT);
    assert_int_equal(chi_labels_read("x", NULL, NULL), CHI_ERR_ARGUMENT);
}

static const char *array(chi_type type, const void *bytes, size_t rows, size_t columns)
{
    const char *path = test_path("labels.npy");
    const chi_tensor t = { .type = type, .dims = columns ? 2 : 1, .shape = { rows, columns }, .count = rows * (columns ? columns : 1),
                           .bytes = (void *)(uintptr_t)bytes };
    assert_int_equal(chi_npy_write(path, &t), CHI_OK);
    return path;
}

static void arrays(void **state)
{
    (void)state;
    chi_labels l = read_labels(array(CHI_TYPE_I64, (int64_t[]){ INT64_MAX, -1, INT64_MIN, 7000000, INT64_MAX - 1 }, 5, 0), NULL);
    EXPECT(&l, 4, N("-9223372036854775808", "7000000", "9223372036854775806", "9223372036854775807"), 3, -1, 0, 1, 2);
    chi_labels_free(&l);
    l = read_labels(array(CHI_TYPE_U8, (uint8_t[]){ 200, 3, 200 }, 3, 1), NULL); // n x 1
    EXPECT(&l, 2, N("3", "200"), 1, 0, 1);
    chi_labels_free(&l);
    l = read_labels(array(CHI_TYPE_F32, (float[]){ 2, -1, 0x1p60f }, 3, 0), NULL);
    EXPECT(&l, 2, N("2", "1152921504606846976"), 0, -1, 1);
    chi_labels_free(&l);
    l = read_labels(array(CHI_TYPE_BOOL, (uint8_t[]){ 1, 0 }, 2, 0), &(chi_labels_options){ .unlabelled = "0" });
    EXPECT(&l, 1, N("1"), 0, -1);
    chi_labels_free(&l);
    refused(array(CHI_TYPE_F64, (double[]){ 1, 0, (double)NAN }, 3, 0), NULL, "row 2 is nan");
    refused(array(CHI_TYPE_F64, (double[]){ 1, 0.5 }, 2, 0), NULL, "row 1 is 0.5");
    refused(array(CHI_TYPE_F64, (double[]){ 0x1p63 }, 1, 0), NULL, "row 0 is 9.2233720368547758e+18");
    refused(array(CHI_TYPE_U64, (uint64_t[]){ 1, 1ull << 63 }, 2, 0), NULL, "row 1 is 9223372036854775808");
    refused(array(CHI_TYPE_U8, (uint8_t[]){ 1, 0, 0, 1 }, 2, 2), NULL, "2 x 2; labels are one number a row");
    refused(array(CHI_TYPE_U8, "", 0, 1), NULL, "no labels");
    refused(array(CHI_TYPE_U8, "a", 1, 0), &(chi_labels_options){ .unlabelled = "none" }, "\"none\" is to mean no class");
}

static void to_i64(void **state)
{
    (void)state;
    const char *path = array(CHI_TYPE_F64, (double[]){ -0x1p63, 0x1.fffffffffffffp62, -0.0 }, 3, 0);
    chi_tensor t;
    assert_int_equal(chi_tensor_read(path, &t), CHI_OK);
    assert_int_equal(chi_tensor_to_i64(&t), CHI_OK);
    assert_int_equal(t.type, CHI_TYPE_I64);
    const int64_t *v = t.bytes;
    assert_true(v[0] == INT64_MIN && v[1] == 9223372036854774784 && v[2] == 0);
    assert_int_equal(chi_tensor_to_i64(&t), CHI_OK);
    chi_tensor_free(&t);
    assert_int_equal(chi_tensor_read(array(CHI_TYPE_U64, (uint64_t[]){ INT64_MAX, 1ull + INT64_MAX }, 2, 0), &t), CHI_OK);
    assert_int_equal(chi_tensor_to_i64(&t), CHI_ERR_FORMAT);
    assert_int_equal(t.type, CHI_TYPE_U64); // as it was
    assert_non_null(strstr(chi_error_text(), "element 1 is 9223372036854775808"));
    chi_tensor_free(&t);
    assert_int_equal(chi_tensor_to_i64(&t), CHI_ERR_ARGUMENT);
}

static void names_and_values(void **state)
{
    (void)state;
    chi_labels l;
    const char *const folders[] = { "007", "7", "10", "-1" };
    assert_int_equal(chi_labels_from_names(folders, 4, &(chi_labels_options){ .words = true, .unlabelled = "" }, &l), CHI_OK);
    EXPECT(&l, 4, N("-1", "007", "10", "7"), 1, 3, 2, 0);
    chi_labels_free(&l);
    assert_int_equal(chi_labels_from_names((const char *const[]){ "a", "" }, 2, NULL, &l), CHI_ERR_FORMAT);
    assert_non_null(strstr(chi_error_text(), "row 1 is empty"));
    assert_int_equal(chi_labels_from_names(NULL, 0, NULL, &l), CHI_OK);
    assert_int_equal(l.classes, 0);
    chi_labels_free(&l);
    assert_int_equal(chi_labels_from_values((const int64_t[]){ 5, -7, 5 }, 3, &(chi_labels_options){ .unlabelled = "-7" }, &l), CHI_OK);
    EXPECT(&l, 1, N("5"), 0, -1, 0);
    chi_labels_free(&l);
    // Many rows, few classes with gaps: each row's name is its value.
    enum { ROWS = 20000 };
    int64_t *values = malloc(ROWS * sizeof *values);
    for (int64_t i = 0; i < ROWS; i++)
        values[i] = (i * 2654435761 % 1009) * 1000000007 - 500;
    assert_int_equal(chi_labels_from_values(values, ROWS, NULL, &l), CHI_OK);
    assert_int_equal(l.classes, 1009);
    for (size_t i = 0; i < ROWS; i++)
        assert_true(strtoll(l.names[l.of[i]], NULL, 10) == values[i]);
    for (size_t c = 1; c < l.classes; c++)
        assert_true(strtoll(l.names[c - 1], NULL, 10) < strtoll(l.names[c], NULL, 10));
    chi_labels_free(&l);
    free(values);
    chi_labels_free(NULL);
}

static void mapping(void **state)
{
    (void)state;
    const char *const rows[] = { "cat", "-1", "emu", "dog", "ant", "cat" };
    const char *const known[] = { "dog", "cow", "cat" }; // in an order of its own
    chi_labels l;
    assert_int_equal(chi_labels_from_names(rows, 6, NULL, &l), CHI_OK);
    assert_int_equal(chi_labels_map(&l, known, 3, false), CHI_ERR_DATA);
    assert_non_null(strstr(chi_error_text(), "row 4 has the class \"ant\", which is none of the 3 known"));
    EXPECT(&l, 4, N("ant", "cat", "dog", "emu"), 1, -1, 3, 2, 0, 1); // as they were
    assert_int_equal(chi_labels_map(&l, known, 3, true), CHI_OK);
    EXPECT(&l, 5, N("dog", "cow", "cat", "ant", "emu"), 2, -1, 4, 0, 3, 2);
    assert_int_equal(chi_labels_map(&l, (const char *const[]){ "emu", "cat", "dog", "ant" }, 4, false), CHI_OK); // no row has a cow
    EXPECT(&l, 4, N("emu", "cat", "dog", "ant"), 1, -1, 0, 2, 3, 1);
    assert_int_equal(chi_labels_map(&l, (const char *const[]){ "a", "b", "a" }, 3, true), CHI_ERR_ARGUMENT);
    assert_non_null(strstr(chi_error_text(), "\"a\" is twice"));
    assert_int_equal(chi_labels_map(&l, NULL, 0, false), CHI_ERR_DATA);
    assert_int_equal(chi_labels_map(&l, NULL, 2, false), CHI_ERR_ARGUMENT);
    assert_int_equal(chi_labels_map(&l, NULL, 0, true), CHI_OK);
    EXPECT(&l, 4, N("emu", "cat", "dog", "ant"), 1, -1, 0, 2, 3, 1);
    chi_labels_free(&l);
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
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(text), cmocka_unit_test(text_refused), cmocka_unit_test(arrays), cmocka_unit_test(to_i64),
        cmocka_unit_test(names_and_values), cmocka_unit_test(mapping),
    };
    return cmocka_run_group_tests(tests, setup, teardown);
}
