// SPDX-License-Identifier: Apache-2.0
// unit_changed.c: src/data/changed.c: every flipped bit of a file of ours is damage, what another program changed is told from
// it and loads if asked for, and what it only wrote anew is neither. Other safetensors: unit_safetensors.c.
#include <chiaro/data.h>

#include <setjmp.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>
#include <jansson.h>

#include "harness/folder.h"

enum { W = 12 };
static float weights[W] = { 1, -2, 3.5f, 0, -0.0f, 1e-30f, 7, 8, 9, 10, 11, 12 };

// The text has what a flipped bit makes an escape of, or the end of it: "Tn", "Xr", a control character, brackets and quotes.
static void write_sample(const char *path)
{
    static uint8_t bytes[3] = { 1, 2, 255 };
    static int64_t scalar = -7;
    chi_tensor items[] = {
        { .name = "a.bytes", .type = CHI_TYPE_U8, .shape = { 3 }, .dims = 1, .count = 3, .bytes = bytes },
        { .name = "w", .type = CHI_TYPE_F32, .shape = { W }, .dims = 1, .count = W, .bytes = weights },
        { .name = "scalar", .type = CHI_TYPE_I64, .count = 1, .bytes = &scalar },
        { .name = "none", .type = CHI_TYPE_F16, .shape = { 0, 5 }, .dims = 2 },
    };
    char *keys[] = { "step", "note", "Trn" }, *values[] = { "12", "a \"b\" \xc3\xa9\n \x1b Tn Xr L\" ]/ |b ^f {b}", "Tb" };
    const chi_tensors all = { .items = items, .count = 4, .keys = keys, .values = values, .pairs = 3 };
    assert_int_equal(chi_safetensors_write(path, &all), CHI_OK);
}

typedef struct parts { json_t *root, *metadata; unsigned char *payload; size_t bytes; } parts;

static parts take_apart(const char *path)
{
    size_t count, length = 0;
    unsigned char *raw = test_read(path, &count);
    for (int i = 7; i >= 0; i--)
        length = length << 8 | raw[i];
    parts p = { .root = json_loadb((const char *)raw + 8, length, 0, NULL), .bytes = count - 8 - length };
    assert_non_null(p.root);
    p.metadata = json_object_get(p.root, "__metadata__");
    p.payload = malloc(p.bytes);
    memcpy(p.payload, raw + 8 + length, p.bytes);
    free(raw);
    return p;
}

// As another program prints it. Ends the parts.
static const char *put_together(parts p, size_t flags)
{
    const char *path = test_path("again.safetensors");
    const size_t used = json_dumpb(p.root, NULL, 0, flags), length = (used + 7) / 8 * 8;
    unsigned char *raw = malloc(8 + length + p.bytes);
    for (int i = 0; i < 8; i++)
        raw[i] = (unsigned char)(length >> 8 * i);
    memset(raw + 8, ' ', length);
    json_dumpb(p.root, (char *)raw + 8, used, flags);
    memcpy(raw + 8 + length, p.payload, p.bytes);
    test_write(path, raw, 8 + length + p.bytes);
    json_decref(p.root);
    free(p.payload);
    free(raw);
    return path;
}

// As files were before there was a checksum of the header's text.
static const char *legacy(void)
{
    parts p = take_apart(test_path("whole.safetensors"));
    assert_int_equal(json_object_del(p.metadata, "checksum.__header__"), 0);
    const char *made = put_together(p, JSON_COMPACT), *path = test_path("legacy.safetensors");
    size_t count;
    unsigned char *raw = test_read(made, &count);
    test_write(path, raw, count);
    free(raw);
    return path;
}

static chi_status read_both(const char *path, chi_status *all_the_same)
{
    chi_tensors t;
    const chi_status st = chi_safetensors_read(path, &t);
    if (st == CHI_OK) {
        assert_false(t.changed);
        chi_tensors_free(&t);
    }
    *all_the_same = chi_safetensors_read_with(path, &(chi_safetensors_options){ .changed = true }, &t);
    if (*all_the_same == CHI_OK) {
        assert_int_equal(t.changed, st == CHI_ERR_CHANGED);
        chi_tensors_free(&t);
    }
    return st;
}

static void expect(const char *path, chi_status due)
{
    chi_status all_the_same;
    const chi_status st = read_both(path, &all_the_same);
    if (st != due)
        fail_msg("status %d, %d was due: %s", st, due, st ? chi_error_text() : "");
    assert_int_equal(all_the_same, due == CHI_ERR_CHANGED ? CHI_OK : due);
}

// Cut after every byte, and every bit flipped: damage, whatever is asked for.
static void sweep(const char *whole)
{
    size_t count;
    chi_status all_the_same;
    const char *path = test_path("damaged.safetensors");
    unsigned char *bytes = test_read(whole, &count);
    for (size_t cut = 0; cut < count; cut++) {
        test_write(path, bytes, cut);
        if (read_both(path, &all_the_same) != CHI_ERR_FORMAT || all_the_same != CHI_ERR_FORMAT)
            fail_msg("a cut at byte %zu of %zu: %s", cut, count, chi_error_text());
    }
    for (size_t bit = 0; bit < 8 * count; bit++) {
        bytes[bit / 8] ^= (unsigned char)(1u << bit % 8);
        test_write(path, bytes, count);
        if (read_both(path, &all_the_same) != CHI_ERR_FORMAT || all_the_same != CHI_ERR_FORMAT)
            fail_msg("bit %zu of byte %zu flipped: %s", bit % 8, bit / 8, chi_error_text());
        bytes[bit / 8] ^= (unsigned char)(1u << bit % 8);
    }
    free(bytes);
}

static void every_bit_counts(void **state)
{
    (void)state;
    expect(test_path("whole.safetensors"), CHI_OK);
    sweep(test_path("whole.safetensors"));
}

// The same without the checksum of the text: flips that end in another text than we print are taken for changes there.
static void every_bit_of_older_files(void **state)
{
    (void)state;
    const char *whole = legacy(), *path = test_path("damaged.safetensors");
    size_t count, changed = 0, nothing = 0;
    chi_status all_the_same;
    expect(whole, CHI_OK);
    unsigned char *bytes = test_read(whole, &count);
    for (size_t bit = 0; bit < 8 * count; bit++) {
        bytes[bit / 8] ^= (unsigned char)(1u << bit % 8);
        test_write(path, bytes, count);
        const chi_status st = read_both(path, &all_the_same);
        nothing += st == CHI_OK;
        changed += st == CHI_ERR_CHANGED;
        bytes[bit / 8] ^= (unsigned char)(1u << bit % 8);
    }
    assert_in_range(changed, 0, 16); // digits of the escape \u001b
    assert_in_range(nothing, 0, 1);  // \u001B
    free(bytes);
}

// Values changed where they lie, the header left as it was.
static void in_place(void **state)
{
    (void)state;
    size_t count;
    const char *path = test_path("place.safetensors");
    for (int old = 0; old < 2; old++) {
        unsigned char *raw = test_read(old ? legacy() : test_path("whole.safetensors"), &count);
        raw[count - 10] ^= 1; // in w
        test_write(path, raw, count);
        expect(path, CHI_ERR_FORMAT);
        assert_non_null(strstr(chi_error_text(), "w has checksum"));
        raw[count - 20] ^= 64;
        test_write(path, raw, count);
        expect(path, CHI_ERR_CHANGED);
        chi_tensors t;
        assert_int_equal(chi_safetensors_read(path, &t), CHI_ERR_CHANGED);
        assert_non_null(strstr(chi_error_text(), "changed by another program after chiaro wrote it (w is not"));
        assert_non_null(strstr(chi_error_text(), "--changed"));
        raw[count - 2] ^= 2; // a.bytes, one bit: what w shows weighs more
        test_write(path, raw, count);
        expect(path, CHI_ERR_CHANGED);
        raw[count - 10] ^= 1;
        raw[count - 20] ^= 64;
        raw[count - 10] ^= 2; // one bit in each of two tensors
        test_write(path, raw, count);
        expect(path, CHI_ERR_FORMAT);
        free(raw);
    }
}

// How other programs print: Python's json with blanks and without, sorted.
static const size_t styles[] = { 0, JSON_COMPACT | JSON_SORT_KEYS, JSON_SORT_KEYS, JSON_ENSURE_ASCII };

static void written_anew(void **state)
{
    (void)state;
    static const char *const extra[] = { "format", "more", "third" };
    for (size_t s = 0; s < 4; s++) {
        for (int old = 0; old < 2; old++) {
            const char *whole = old ? legacy() : test_path("whole.safetensors");
            parts p;
            for (size_t n = 0; n <= 3; n++) { // the same content, and others' pairs beside ours
                p = take_apart(whole);
                for (size_t i = 0; i < n; i++)
                    json_object_set_new(p.metadata, extra[i], json_string("pt"));
                expect(put_together(p, styles[s]), n < 3 ? CHI_OK : CHI_ERR_CHANGED);
            }
            p = take_apart(whole); // one value, by one bit
            p.payload[p.bytes - 10] ^= 128;
            expect(put_together(p, styles[s]), CHI_ERR_CHANGED);
            assert_non_null(strstr((chi_safetensors_read(test_path("again.safetensors"), &(chi_tensors){ 0 }), chi_error_text()), "(w is not"));
            p = take_apart(whole); // a pair
            json_object_set_new(p.metadata, "step", json_string("13"));
            expect(put_together(p, styles[s]), CHI_ERR_CHANGED);
            p = take_apart(whole); // a tensor more
            json_object_set_new(p.root, "extra", json_pack("{s:s,s:[],s:[I,I]}", "dtype", "U8", "shape", "data_offsets",
                                                           (json_int_t)p.bytes, (json_int_t)p.bytes + 1));
            p.payload = realloc(p.payload, ++p.bytes);
            p.payload[p.bytes - 1] = 5;
            expect(put_together(p, styles[s]), CHI_ERR_CHANGED);
            p = take_apart(whole); // one less: the last
            json_object_del(p.root, "a.bytes");
            p.bytes -= 3;
            expect(put_together(p, styles[s]), CHI_ERR_CHANGED);
            p = take_apart(whole); // another type of the same size
            json_object_set_new(json_object_get(p.root, "w"), "dtype", json_string("I32"));
            expect(put_together(p, styles[s]), CHI_ERR_CHANGED);
            p = take_apart(whole); // a checksum lost
            json_object_del(p.metadata, "checksum.w");
            expect(put_together(p, styles[s]), CHI_ERR_CHANGED);
            p = take_apart(whole); // a changed file that is also cut
            p.payload[p.bytes - 10] ^= 129;
            p.bytes--;
            expect(put_together(p, styles[s]), CHI_ERR_FORMAT);
            p = take_apart(whole); // metadata lost altogether: another writer's file
            json_object_del(p.root, "__metadata__");
            p.payload[p.bytes - 10] ^= 129;
            expect(put_together(p, styles[s]), CHI_OK);
        }
    }
}

// Printed as we do, in our order, with another value: the text's checksum tells.
static void printed_as_ours(void **state)
{
    (void)state;
    parts p = take_apart(test_path("whole.safetensors"));
    json_object_set_new(p.metadata, "step", json_string("977"));
    expect(put_together(p, JSON_COMPACT), CHI_ERR_CHANGED);
    p = take_apart(test_path("whole.safetensors"));
    expect(put_together(p, JSON_COMPACT), CHI_OK);
}

// A changed file that is read and written by the library is a new file of ours.
static void written_by_us(void **state)
{
    (void)state;
    chi_tensors t;
    const char *path = test_path("ours.safetensors");
    parts p = take_apart(test_path("whole.safetensors"));
    p.payload[p.bytes - 10] ^= 128;
    assert_int_equal(chi_safetensors_read_with(put_together(p, 0), &(chi_safetensors_options){ .changed = true }, &t), CHI_OK);
    assert_true(t.changed);
    assert_int_equal(chi_safetensors_write(path, &t), CHI_OK);
    chi_tensors_free(&t);
    expect(path, CHI_OK);
}

static int setup(void **state)
{
    (void)state;
    test_folder_make();
    write_sample(test_path("whole.safetensors"));
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
        cmocka_unit_test(every_bit_counts), cmocka_unit_test(every_bit_of_older_files), cmocka_unit_test(in_place),
        cmocka_unit_test(written_anew), cmocka_unit_test(printed_as_ours), cmocka_unit_test(written_by_us),
    };
    return cmocka_run_group_tests(tests, setup, teardown);
}
