// SPDX-License-Identifier: Apache-2.0
// unit_npz.c: src/data/{array,npz,stream,zip}.c: arrays inside zip archives and safetensors by their name, whole and by rows;
// archives that are cut, damaged or lie are refused.
#include <chiaro/data.h>
#include <chiaro/labels.h>

#include <setjmp.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <zlib.h>

#include <cmocka.h>

#include "harness/folder.h"

// A zip archive in the making: members one after the other, the directory beside them.
typedef struct archive {
    unsigned char bytes[1 << 16], directory[4096];
    size_t count, directory_count, members;
} archive;

static void put(unsigned char *at, uint64_t value, int bytes)
{
    for (int i = 0; i < bytes; i++)
        at[i] = (unsigned char)(value >> 8 * i);
}

static size_t deflate_raw(const void *from, size_t count, unsigned char *to, size_t room)
{
    z_stream z = { 0 };
    assert_int_equal(deflateInit2(&z, 9, Z_DEFLATED, -15, 9, Z_DEFAULT_STRATEGY), Z_OK);
    z.next_in = (Bytef *)(uintptr_t)from;
    z.avail_in = (uInt)count;
    z.next_out = to;
    z.avail_out = (uInt)room;
    assert_int_equal(deflate(&z, Z_FINISH), Z_STREAM_END);
    deflateEnd(&z);
    return z.total_out;
}

static void add(archive *a, const char *name, const void *bytes, size_t count, int method)
{
    const size_t length = strlen(name);
    unsigned char *local = a->bytes + a->count, *entry = a->directory + a->directory_count;
    unsigned char *data = local + 30 + length;
    size_t packed = count;
    if (method == 8)
        packed = deflate_raw(bytes, count, data, 1 << 15);
    else
        memcpy(data, bytes, count);
    memset(local, 0, 30);
    memcpy(local, "PK\3\4", 4);
    put(local + 8, (uint64_t)method, 2);
    put(local + 14, crc32(0, bytes, (uInt)count), 4);
    put(local + 18, packed, 4);
    put(local + 22, count, 4);
    put(local + 26, length, 2);
    memcpy(local + 30, name, length);
    memset(entry, 0, 46);
    memcpy(entry, "PK\1\2", 4);
    memcpy(entry + 8, local + 6, 22);
    put(entry + 42, a->count, 4);
    memcpy(entry + 46, name, length);
    a->count += 30 + length + packed;
    a->directory_count += 46 + length;
    a->members++;
}

static const char *finish(archive *a)
{
    const char *path = test_path("made.npz");
    unsigned char *end = a->bytes + a->count;
    memcpy(end, a->directory, a->directory_count);
    end += a->directory_count;
    memset(end, 0, 22);
    memcpy(end, "PK\5\6", 4);
    put(end + 8, a->members, 2);
    put(end + 10, a->members, 2);
    put(end + 12, a->directory_count, 4);
    put(end + 16, a->count, 4);
    test_write(path, a->bytes, a->count + a->directory_count + 22);
    return path;
}

static archive made;
static unsigned char *array_bytes;
static size_t array_count;
static float values[60];

// Two arrays, x stored and y deflated.
static const char *sample(void)
{
    memset(&made, 0, sizeof made);
    add(&made, "x.npy", array_bytes, array_count, 0);
    add(&made, "y.npy", array_bytes, array_count, 8);
    return finish(&made);
}

static const char *inside(const char *path, const char *name)
{
    static char both[2][1024];
    static int which;
    which = !which;
    snprintf(both[which], sizeof both[which], "%s:%s", path, name);
    return both[which];
}

static void refused(const char *path, const char *why)
{
    chi_tensor t, before;
    memset(&t, 0x5a, sizeof t);
    before = t;
    if (chi_tensor_read(path, &t) == CHI_OK)
        fail_msg("%s was accepted, \"%s\" was due", path, why);
    assert_memory_equal(&t, &before, sizeof t);
    if (!strstr(chi_error_text(), why) || !strstr(chi_error_text(), "made"))
        fail_msg("\"%s\" does not say \"%s\" or does not name the file", chi_error_text(), why);
}

static void expect_values(const char *path)
{
    chi_tensor t;
    chi_npy_reader *r;
    float rows[40];
    if (chi_tensor_read(path, &t) != CHI_OK)
        fail_msg("%s", chi_error_text());
    assert_int_equal(t.shape[0], 6);
    assert_int_equal(t.shape[1], 10);
    assert_memory_equal(t.bytes, values, sizeof values);
    chi_tensor_free(&t);
    assert_int_equal(chi_npy_open(path, &r), CHI_OK);
    assert_int_equal(chi_npy_read_rows(r, 1, 4, rows), CHI_OK);
    assert_memory_equal(rows, values + 10, sizeof rows);
    assert_int_equal(chi_npy_read_rows(r, 5, 2, rows), CHI_ERR_ARGUMENT);
    chi_npy_close(&r);
}

static void by_name(void **state)
{
    (void)state;
    static const unsigned char idx[] = { 0, 0, 8, 1, 0, 0, 0, 3, 7, 9, 7 };
    const char *path = sample();
    expect_values(inside(path, "x"));
    expect_values(inside(path, "y"));
    expect_values(inside(path, "y.npy"));
    refused(path, "holds 2 arrays; name one as FILE:NAME. They are x, y");
    refused(inside(path, "z"), "holds no array \"z\"; it has 2: x, y");
    refused(inside(path, ""), "holds no array \"\"");
    add(&made, "a:b/c", idx, sizeof idx, 8); // a colon in a name; idx without .npy
    add(&made, "folder/", "", 0, 0);
    path = finish(&made);
    expect_values(inside(path, "x"));
    chi_labels l;
    assert_int_equal(chi_labels_read(inside(path, "a:b/c"), NULL, &l), CHI_OK);
    assert_int_equal(l.of[1], 1);
    assert_string_equal(l.names[1], "9");
    chi_labels_free(&l);
    chi_tensors all;
    assert_int_equal(chi_npz_read(path, &all), CHI_OK);
    assert_int_equal(all.count, 3);
    assert_string_equal(all.items[2].name, "a:b/c");
    assert_memory_equal(all.items[1].bytes, values, sizeof values);
    chi_tensors_free(&all);
    memset(&made, 0, sizeof made);
    add(&made, "only.npy", array_bytes, array_count, 8);
    expect_values(finish(&made));
    add(&made, "only.npy", array_bytes, array_count, 0);
    refused(inside(finish(&made), "only"), "holds 2 arrays named \"only\"");
    memset(&made, 0, sizeof made);
    refused(finish(&made), "holds 0 arrays");
    test_write(test_path("made:1.npy"), array_bytes, array_count); // the path as it stands comes first
    test_write(test_path("made"), "", 0);
    expect_values(test_path("made:1.npy"));
    refused(inside(test_path("made:1.npy"), "x"), "holds one array without a name");
}

static void in_safetensors(void **state)
{
    (void)state;
    const char *path = test_path("made.safetensors");
    uint8_t labels[3] = { 3, 4, 3 };
    chi_tensor items[2] = { { .name = "x", .dims = 2, .shape = { 6, 10 }, .count = 60, .bytes = values },
                            { .name = "l:1", .type = CHI_TYPE_U8, .dims = 1, .shape = { 3 }, .count = 3, .bytes = labels } };
    chi_labels l;
    size_t count;
    assert_int_equal(chi_safetensors_write(path, &(chi_tensors){ .items = items, .count = 2 }), CHI_OK);
    expect_values(inside(path, "x"));
    refused(path, "holds 2 arrays");
    assert_int_equal(chi_labels_read(inside(path, "l:1"), NULL, &l), CHI_OK);
    assert_int_equal(l.classes, 2);
    chi_labels_free(&l);
    unsigned char *raw = test_read(path, &count);
    raw[count - 10] ^= 1; // in x, whose checksum shows it by rows too
    test_write(path, raw, count);
    free(raw);
    refused(inside(path, "x"), "the file is damaged");
    chi_npy_reader *r;
    assert_int_equal(chi_npy_open(inside(path, "x"), &r), CHI_ERR_FORMAT);
    assert_int_equal(chi_labels_read(inside(path, "l:1"), NULL, &l), CHI_OK);
    chi_labels_free(&l);
}

// Every cut is refused; so is every flipped bit that changes anything.
static void damage(void **state)
{
    (void)state;
    size_t count, silent = 0;
    const char *path = sample();
    unsigned char *raw = test_read(path, &count);
    chi_tensor t;
    for (size_t cut = 0; cut < count; cut++) {
        test_write(path, raw, cut);
        if (chi_tensor_read(inside(path, "y"), &t) == CHI_OK)
            fail_msg("accepted after a cut at byte %zu of %zu", cut, count);
    }
    for (size_t bit = 0; bit < 8 * count; bit++) {
        raw[bit / 8] ^= (unsigned char)(1u << bit % 8);
        test_write(path, raw, count);
        for (int m = 0; m < 2; m++) {
            if (chi_tensor_read(inside(path, m ? "y" : "x"), &t) != CHI_OK)
                continue;
            assert_memory_equal(t.bytes, values, sizeof values);
            chi_tensor_free(&t);
            silent += m == 0;
        }
        raw[bit / 8] ^= (unsigned char)(1u << bit % 8);
    }
    assert_in_range(silent, 1, 8 * count / 2); // the other member, times and the like
    free(raw);
}

// A number of the first member's directory entry, or with `in` 30 of its local header, made another.
static const char *with(size_t at, uint64_t value, int bytes)
{
    sample();
    put(made.directory + at, value, bytes);
    return inside(finish(&made), "x");
}

static void lies(void **state)
{
    (void)state;
    refused(with(8, 1, 2), "is encrypted");
    refused(with(10, 93, 2), "packed by method 93");
    refused(with(16, 1, 4), "has checksum");
    refused(with(20, 1, 4), "which its method cannot");
    refused(with(24, 4000000000u, 4), "which its method cannot");
    refused(with(20, 4000000000u, 4), "do not fit before the directory");
    refused(with(42, 4000000000u, 4), "do not fit before the directory");
    refused(with(42, 40, 4), "overlap");
    refused(with(28, 60000, 2), "longer than the rest");
    refused(with(42, UINT32_MAX, 4), "do not fit"); // zip64 without its numbers
    sample(); // two entries for the same bytes
    memcpy(made.directory + made.directory_count, made.directory, 51);
    made.directory[made.directory_count + 46] = 'z';
    made.directory_count += 51;
    made.members++;
    refused(inside(finish(&made), "x"), "overlap");
    sample();
    made.members = 60000;
    refused(inside(finish(&made), "x"), "directory of 60000 entries");
    sample();
    made.bytes[26] = 4; // the local header's name is shorter than the directory's
    refused(inside(finish(&made), "x"), "says something else");
    sample();
    put(made.directory + 51 + 24, array_count + 1, 4); // y holds less than that
    refused(inside(finish(&made), "y"), "bytes of elements, the file holds");
    memset(&made, 0, sizeof made);
    add(&made, "x", "neither of both", 15, 8);
    refused(finish(&made), "neither idx nor npy");
    // What inflates to more than the directory says, and a claim of what deflate could not hold.
    static unsigned char zeros[1 << 20];
    memset(&made, 0, sizeof made);
    memcpy(zeros, array_bytes, array_count);
    add(&made, "x", zeros, sizeof zeros, 8);
    put(made.directory + 24, array_count, 4);
    refused(finish(&made), "holds more than its header says");
    put(made.directory + 24, UINT32_MAX - 1, 4);
    refused(finish(&made), "which its method cannot");
}

static int setup(void **state)
{
    (void)state;
    test_folder_make();
    for (int i = 0; i < 60; i++)
        values[i] = (float)(i * i % 7) - 2.5f;
    const chi_tensor t = { .dims = 2, .shape = { 6, 10 }, .count = 60, .bytes = values };
    if (chi_npy_write(test_path("x.npy"), &t) != CHI_OK)
        return -1;
    array_bytes = test_read(test_path("x.npy"), &array_count);
    return 0;
}

static int teardown(void **state)
{
    (void)state;
    free(array_bytes);
    test_folder_remove();
    return 0;
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(by_name), cmocka_unit_test(in_safetensors), cmocka_unit_test(damage), cmocka_unit_test(lies),
    };
    return cmocka_run_group_tests(tests, setup, teardown);
}
