// SPDX-License-Identifier: Apache-2.0
// unit_npy.c: .npy files a few rows at a time (src/data/npy_rows.c): the rows that whole reading gives, refusals, files that
// change while they are read, and writers that leave all or nothing. Whole files: unit_data.c.
#include <chiaro/data.h>

#include <setjmp.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include <cmocka.h>

#include "harness/folder.h"

enum { ROWS = 5000, COLS = 7 };

static int set_up(void **state)
{
    (void)state;
    test_folder_make();
    return 0;
}

static int tear_down(void **state)
{
    (void)state;
    test_folder_remove();
    return 0;
}

static bool there(const char *path) { return access(path, F_OK) == 0; }

// What a folder holds besides one name: temp files.
static void nothing_beside(const char *name, bool itself)
{
    char command[2048];
    snprintf(command, sizeof command, "test $(ls -A '%s' | wc -l) = %d", test_path(""), itself);
    assert_int_equal(system(command), 0);
    assert_int_equal(there(test_path(name)), itself);
}

// Every type, in pieces of every kind, gives what reading it whole and converting gives.
static void pieces(void **state)
{
    static const chi_type types[] = { CHI_TYPE_F32, CHI_TYPE_F64, CHI_TYPE_F16, CHI_TYPE_U8, CHI_TYPE_I8, CHI_TYPE_U16, CHI_TYPE_I32, CHI_TYPE_U64, CHI_TYPE_BOOL };
    static const size_t steps[] = { 1, 613, 4999, 5000 };
    const char *path = test_path("x.npy");
    static float rows[ROWS * COLS];
    (void)state;
    for (size_t t = 0; t < sizeof types / sizeof *types; t++) {
        chi_tensor all = { .type = types[t], .dims = 3, .shape = { ROWS, COLS, 1 }, .count = ROWS * COLS };
        chi_npy_reader *r = NULL;
        unsigned char *bytes = malloc(8 * ROWS * COLS);
        for (size_t i = 0; i < 8 * ROWS * COLS; i++)
            bytes[i] = (unsigned char)(i * 2654435761u >> 25 & 63); // no NaN in any type
        all.bytes = bytes;
        assert_int_equal(chi_npy_write(path, &all), CHI_OK);
        free(bytes);
        assert_int_equal(chi_tensor_read(path, &all), CHI_OK);
        assert_int_equal(chi_tensor_to_f32(&all), CHI_OK);
        assert_int_equal(chi_npy_open(path, &r), CHI_OK);
        assert_int_equal(chi_npy_describe(r)->type, types[t]);
        assert_int_equal(chi_npy_describe(r)->shape[1], COLS);
        for (size_t s = 0; s < sizeof steps / sizeof *steps; s++) {
            memset(rows, 0x55, sizeof rows);
            for (size_t first = 0; first < ROWS; first += steps[s]) {
                const size_t count = ROWS - first < steps[s] ? ROWS - first : steps[s];
                assert_int_equal(chi_npy_read_rows(r, first, count, rows + first * COLS), CHI_OK);
            }
            assert_memory_equal(rows, all.bytes, sizeof rows);
        }
        assert_int_equal(chi_npy_read_rows(r, 0, ROWS + 1, rows), CHI_ERR_ARGUMENT);
        assert_int_equal(chi_npy_read_rows(r, SIZE_MAX, 2, rows), CHI_ERR_ARGUMENT);
        assert_int_equal(chi_npy_read_rows(r, ROWS, 0, rows), CHI_OK);
        chi_npy_close(&r);
        assert_null(r);
        chi_tensor_free(&all);
    }
}

// An array of 3 x 4 x 5 in Fortran order, element (i, j, k) = 100 i + 10 j + k, big endian: whole, by rows, and as floats.
static void fortran(void **state)
{
    static const char head[] = "\x93NUMPY\1\0\x48\0{'descr': '>i2', 'fortran_order': True, 'shape': (3, 4, 5), }          \n";
    unsigned char raw[sizeof head - 1 + 120];
    const char *path = test_path("fortran.npy");
    chi_npy_reader *r;
    chi_tensor t;
    float rows[60];
    (void)state;
    memcpy(raw, head, sizeof head - 1);
    for (size_t at = 0, k = 0; k < 5; k++)
        for (size_t j = 0; j < 4; j++)
            for (size_t i = 0; i < 3; i++, at += 2) {
                raw[sizeof head - 1 + at] = (unsigned char)((100 * i + 10 * j + k) >> 8);
                raw[sizeof head - 1 + at + 1] = (unsigned char)(100 * i + 10 * j + k);
            }
    test_write(path, raw, sizeof raw);
    assert_int_equal(chi_tensor_read(path, &t), CHI_OK);
    assert_int_equal(chi_npy_open(path, &r), CHI_OK);
    for (size_t first = 0; first < 3; first++) {
        assert_int_equal(chi_npy_read_rows(r, first, 3 - first, rows + 20 * first), CHI_OK);
        for (size_t i = first; i < 3; i++)
            for (size_t j = 0; j < 4; j++)
                for (size_t k = 0; k < 5; k++) {
                    assert_int_equal(((int16_t *)t.bytes)[20 * i + 5 * j + k], 100 * i + 10 * j + k);
                    assert_true(rows[20 * i + 5 * j + k] == (float)(100 * i + 10 * j + k));
                }
    }
    chi_npy_close(&r);
    chi_tensor_free(&t);
}

static void refusals(void **state)
{
    chi_npy_reader *r = (chi_npy_reader *)&r;
    size_t count;
    (void)state;
    float values[6] = { 0 };
    const chi_tensor t = { .dims = 2, .shape = { 2, 3 }, .count = 6, .bytes = values };
    assert_int_equal(chi_npy_write(test_path("good.npy"), &t), CHI_OK);
    unsigned char *raw = test_read(test_path("good.npy"), &count);
    for (size_t cut = 0; cut < count; cut++) {
        test_write(test_path("cut.npy"), raw, cut);
        assert_int_not_equal(chi_npy_open(test_path("cut.npy"), &r), CHI_OK);
        assert_null(r);
        assert_non_null(strstr(chi_error_text(), "cut.npy"));
    }
    free(raw);
    test_write(test_path("text"), "one\ntwo\n", 8);
    assert_int_equal(chi_npy_open(test_path("text"), &r), CHI_ERR_FORMAT);
    assert_int_equal(chi_npy_open(NULL, &r), CHI_ERR_ARGUMENT);
    assert_int_equal(chi_npy_open(test_path("missing"), &r), CHI_ERR_FILE);
    // Cut after it was opened: the rows that are gone are an error that names file and offset.
    static float many[ROWS * COLS];
    const chi_tensor large = { .dims = 2, .shape = { ROWS, COLS }, .count = ROWS * COLS, .bytes = many };
    assert_int_equal(chi_npy_write(test_path("large.npy"), &large), CHI_OK);
    assert_int_equal(chi_npy_open(test_path("large.npy"), &r), CHI_OK);
    assert_int_equal(truncate(test_path("large.npy"), 128 + 4 * (ROWS * COLS - 1)), 0);
    assert_int_equal(chi_npy_read_rows(r, ROWS - 2, 2, many), CHI_ERR_FILE);
    assert_non_null(strstr(chi_error_text(), "large.npy: became shorter while 56 bytes at 140072 were read"));
    assert_int_equal(chi_npy_read_rows(r, ROWS - 2, 1, many), CHI_OK);
    chi_npy_close(&r);
    chi_npy_close(NULL);
}

static void writers(void **state)
{
    (void)state;
    float values[6] = { 1, 2, 3, 4, 5, 6 };
    chi_tensor shape = { .dims = 2, .shape = { 3, 2 }, .count = 6 }, got;
    chi_npy_writer *w = NULL;
    const char *path = test_path("out.npy");
    char command[2048];
    snprintf(command, sizeof command, "rm -f '%s'*", test_path(""));
    assert_int_equal(system(command), 0);
    assert_int_equal(chi_npy_create(path, &shape, &w), CHI_OK);
    assert_int_equal(chi_npy_append(w, values, 8), CHI_OK);
    assert_false(there(path)); // not before commit
    chi_npy_discard(&w);
    assert_null(w);
    nothing_beside("out.npy", false);
    assert_int_equal(chi_npy_create(path, &shape, &w), CHI_OK);
    assert_int_equal(chi_npy_append(w, values, 20), CHI_OK);
    assert_int_equal(chi_npy_append(w, values, 8), CHI_ERR_ARGUMENT); // more than the shape
    assert_int_equal(chi_npy_commit(&w), CHI_ERR_ARGUMENT);           // less than the shape
    assert_null(w);
    nothing_beside("out.npy", false);
    assert_int_equal(chi_npy_create(path, &shape, &w), CHI_OK);
    for (int i = 0; i < 3; i++)
        assert_int_equal(chi_npy_append(w, values + 2 * i, 8), CHI_OK);
    assert_int_equal(chi_npy_flush(w), CHI_OK);
    assert_int_equal(chi_npy_commit(&w), CHI_OK);
    nothing_beside("out.npy", true);
    assert_int_equal(chi_tensor_read(path, &got), CHI_OK);
    assert_memory_equal(got.bytes, values, sizeof values);
    chi_tensor_free(&got);
    shape.count = 7;
    assert_int_equal(chi_npy_create(path, &shape, &w), CHI_ERR_ARGUMENT);
    assert_null(w);
    chi_npy_discard(NULL);
    assert_int_equal(chi_npy_commit(NULL), CHI_OK);
}

int main(void)
{
    const struct CMUnitTest tests[] = { cmocka_unit_test(pieces), cmocka_unit_test(fortran), cmocka_unit_test(refusals), cmocka_unit_test(writers) };
    return cmocka_run_group_tests(tests, set_up, tear_down);
}
