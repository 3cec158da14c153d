// SPDX-License-Identifier: Apache-2.0
// unit_safetensors.c: src/data/safetensors*.c: what is written comes back; whatever is damaged, lies or overflows is
// refused with a sentence and leaves the result alone. Flipped bits, and files that another program changed: unit_changed.c.
#include <chiaro/data.h>
#include <chiaro/status.h>

#include <setjmp.h>
#include <signal.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/resource.h>
#include <sys/stat.h>
#include <unistd.h>

#include <cmocka.h>

#include "harness/folder.h"

// A file that claims a header of `claim` bytes, with this one and `payload` zero bytes behind it.
static const char *make(const char *header, uint64_t claim, size_t payload)
{
    const char *path = test_path("made.safetensors");
    const size_t text = strlen(header);
    unsigned char *all = calloc(1, 8 + text + payload);
    assert_non_null(all);
    for (int i = 0; i < 8; i++)
        all[i] = (unsigned char)(claim >> 8 * i);
    memcpy(all + 8, header, text);
    test_write(path, all, 8 + text + payload);
    free(all);
    return path;
}

static void refused_because(const char *path, const char *why)
{
    chi_tensors t, before;
    memset(&t, 0x5a, sizeof t);
    before = t;
    const chi_status st = chi_safetensors_read(path, &t);
    if (st == CHI_OK)
        fail_msg("%s was accepted, \"%s\" was due", path, why);
    assert_memory_equal(&t, &before, sizeof t);
    if (!strstr(chi_error_text(), why))
        fail_msg("\"%s\" does not say \"%s\"", chi_error_text(), why);
    if (!strstr(chi_error_text(), path))
        fail_msg("\"%s\" does not name the file", chi_error_text());
}

static void refused(const char *header, size_t payload, const char *why)
{
    refused_because(make(header, strlen(header), payload), why);
}

static chi_tensors sample(void)
{
    static float weights[6] = { 1, -2, 3.5f, 0, -0.0f, 1e-30f };
    static uint8_t bytes[3] = { 1, 2, 255 };
    static int64_t scalar = -7;
    static chi_tensor items[4];
    static char *keys[] = { "step", "note" }, *values[] = { "12", "a \"quoted\" \xc3\xa9\n" };
    memset(items, 0, sizeof items);
    items[0] = (chi_tensor){ .name = "a.bytes", .type = CHI_TYPE_U8, .shape = { 3 }, .dims = 1, .count = 3, .bytes = bytes };
    items[1] = (chi_tensor){ .name = "w", .type = CHI_TYPE_F32, .shape = { 2, 3 }, .dims = 2, .count = 6, .bytes = weights };
    items[2] = (chi_tensor){ .name = "scalar", .type = CHI_TYPE_I64, .count = 1, .bytes = &scalar };
    items[3] = (chi_tensor){ .name = "none", .type = CHI_TYPE_F16, .shape = { 0, 5 }, .dims = 2 };
    return (chi_tensors){ .items = items, .count = 4, .keys = keys, .values = values, .pairs = 2 };
}

static void round_trip(void **state)
{
    (void)state;
    const chi_tensors wrote = sample();
    chi_tensors read;
    const char *path = test_path("round.safetensors");
    assert_int_equal(chi_safetensors_write(path, &wrote), CHI_OK);
    for (int twice = 0; twice < 2; twice++) { // the second time over the first, with its checksums handed back
        assert_int_equal(chi_safetensors_read(path, &read), CHI_OK);
        assert_int_equal(read.count, wrote.count);
        for (size_t i = 0; i < wrote.count; i++) {
            const chi_tensor *a = &wrote.items[i], *b = chi_tensors_find(&read, a->name);
            assert_non_null(b);
            assert_int_equal(a->type, b->type);
            assert_int_equal(a->dims, b->dims);
            assert_memory_equal(a->shape, b->shape, sizeof a->shape);
            assert_int_equal(a->count, b->count);
            if (a->count)
                assert_memory_equal(a->bytes, b->bytes, a->count * chi_type_bytes(a->type));
        }
        assert_string_equal(chi_tensors_metadata(&read, "note"), wrote.values[1]);
        assert_string_equal(chi_tensors_metadata(&read, "step"), "12");
        assert_null(chi_tensors_metadata(&read, "absent"));
        assert_null(chi_tensors_find(&read, "absent"));
        if (!twice)
            assert_int_equal(chi_safetensors_write(path, &read), CHI_OK);
        chi_tensors_free(&read);
    }
}

// FNV-1a 64 of the bytes 1, 2, 255, worked out by hand.
static void checksum_is_fnv(void **state)
{
    (void)state;
    uint64_t want = 14695981039346656037ull;
    const unsigned char bytes[] = { 1, 2, 255 };
    for (int i = 0; i < 3; i++)
        want = (want ^ bytes[i]) * 1099511628211ull;
    char text[17];
    snprintf(text, sizeof text, "%016llx", (unsigned long long)want);
    const chi_tensors wrote = sample();
    chi_tensors read;
    const char *path = test_path("sum.safetensors");
    assert_int_equal(chi_safetensors_write(path, &wrote), CHI_OK);
    assert_int_equal(chi_safetensors_read(path, &read), CHI_OK);
    assert_string_equal(chi_tensors_metadata(&read, "checksum.a.bytes"), text);
    assert_true(chi_hash(CHI_HASH_START, bytes, 3) == want);
    chi_tensors_free(&read);
}

#define ENTRY(name, type, shape, begin, end) \
    "\"" name "\":{\"dtype\":\"" type "\",\"shape\":" shape ",\"data_offsets\":[" begin "," end "]}"

static void header_lengths(void **state)
{
    (void)state;
    refused_because(make("{}", 0, 0), "header of 0 bytes");
    refused_because(make("{}", 1, 0), "header of 1 bytes");
    refused_because(make("{}", 3, 0), "header of 3 bytes");
    refused_because(make("{}", 1ull << 63, 0), "header of 9223372036854775808");
    refused_because(make("{}", UINT64_MAX, 0), "header of 18446744073709551615");
    refused_because(make("{}", 1ull << 40, 64), "header of 1099511627776");
    chi_tensors t;
    assert_int_equal(chi_safetensors_read(make("{}      ", 8, 0), &t), CHI_OK); // no tensors at all
    assert_int_equal(t.count, 0);
    chi_tensors_free(&t);
}

static void extents(void **state)
{
    (void)state;
    refused("{" ENTRY("a", "F32", "[1]", "0", "4") "," ENTRY("b", "F32", "[1]", "2", "6") "}", 6, "overlap");
    refused("{" ENTRY("a", "F32", "[1]", "0", "4") "," ENTRY("b", "F32", "[1]", "0", "4") "}", 4, "overlap");
    refused("{" ENTRY("a", "F32", "[1]", "0", "4") "," ENTRY("b", "F32", "[1]", "8", "12") "}", 12, "gap");
    refused("{" ENTRY("a", "F32", "[1]", "4", "8") "}", 8, "gap");
    refused("{" ENTRY("a", "F32", "[1]", "4", "0") "}", 4, "no range");
    refused("{" ENTRY("a", "F32", "[1]", "-4", "0") "}", 4, "no range");
    refused("{" ENTRY("a", "F32", "[1]", "0", "4.0") "}", 4, "no range");
    refused("{" ENTRY("a", "F32", "[1]", "0", "4") "}", 5, "holds more");
    refused("{" ENTRY("a", "F32", "[2]", "0", "8") "}", 7, "cut short");
    refused("{" ENTRY("a", "F32", "[2]", "0", "4") "}", 4, "do not fit");
    refused("{" ENTRY("a", "F32", "[1]", "0", "99999999999999999999") "}", 4, "offset");
    chi_tensors t; // out of order in the header is fine
    const char *header = "{" ENTRY("b", "F32", "[1]", "4", "8") "," ENTRY("a", "F32", "[1]", "0", "4") "}";
    assert_int_equal(chi_safetensors_read(make(header, strlen(header), 8), &t), CHI_OK);
    assert_string_equal(t.items[0].name, "b");
    chi_tensors_free(&t);
}

static void shapes(void **state)
{
    (void)state;
    refused("{" ENTRY("a", "F32", "[1099511627776]", "0", "4398046511104") "}", 4, "cut short");
    refused("{" ENTRY("a", "F32", "[8589934592,8589934592]", "0", "4") "}", 4, "do not fit");
    refused("{" ENTRY("a", "F32", "[4294967296,4294967296]", "0", "0") "}", 0, "do not fit"); // 2^64 = 0
    refused("{" ENTRY("a", "F32", "[0,4294967296,4294967296]", "0", "0") "}", 0, "do not fit");
    refused("{" ENTRY("a", "F32", "[-1]", "0", "4") "}", 4, "no size");
    refused("{" ENTRY("a", "F32", "[1.5]", "0", "4") "}", 4, "no size");
    refused("{" ENTRY("a", "F32", "[\"1\"]", "0", "4") "}", 4, "no size");
    refused("{" ENTRY("a", "F32", "1", "0", "4") "}", 4, "no list");
    refused("{" ENTRY("a", "F32", "[1,1,1,1,1,1,1,1,1]", "0", "4") "}", 4, "no list");
    refused("{" ENTRY("a", "", "[1]", "0", "4") "}", 4, "unknown dtype");
    refused("{" ENTRY("a", "F32_and_much_more", "[1]", "0", "4") "}", 4, "unknown dtype F32_and_much_more");
}

static void names_and_grammar(void **state)
{
    (void)state;
    refused("{" ENTRY("a", "F32", "[1]", "0", "4") "," ENTRY("a", "F32", "[1]", "4", "8") "}", 8, "duplicate");
    refused("{" ENTRY("a\\u0000b", "F32", "[1]", "0", "4") "}", 4, "offset");
    refused("{" ENTRY("", "F32", "[1]", "0", "4") "}", 4, "name has 0 bytes");
    refused("{" ENTRY("\xff\xfe", "F32", "[1]", "0", "4") "}", 4, "offset");
    refused("{\"__metadata__\":{\"k\":1}}", 0, "no text");
    refused("{\"__metadata__\":[]}", 0, "no object");
    refused("{\"__metadata__\":{\"k\":\"1\",\"k\":\"2\"}}", 0, "duplicate");
    refused("{\"a\":{\"dtype\":\"F32\",\"shape\":[1]}}", 4, "exactly");
    refused("{\"a\":{\"dtype\":\"F32\",\"shape\":[1],\"data_offsets\":[0,4],\"more\":1}}", 4, "exactly");
    refused("{\"a\":{\"dtype\":5,\"shape\":[1],\"data_offsets\":[0,4]}}", 4, "exactly");
    refused("{\"a\":[]}", 0, "exactly");
    refused("{\"a\":null}", 0, "exactly");
    refused("[]", 0, "begin with");
    refused(" {}", 0, "begin with");
    refused("{} x", 0, "offset");
    refused("{\"a\":", 0, "offset");
    refused("{{{{{{{{", 0, "offset");
    char *deep = malloc(200001);
    memset(deep, '[', 200000);
    memcpy(deep, "{\"a\":", 5);
    deep[200000] = 0;
    refused(deep, 0, "offset");
    free(deep);
    char *wide = malloc(1100000);
    assert_non_null(wide);
    memset(wide, 'n', 1000002); // a name of a million letters
    memcpy(wide, "{\"", 2);
    strcpy(wide + 1000002, "\":{\"dtype\":\"U8\",\"shape\":[0],\"data_offsets\":[0,0]}}");
    refused(wide, 0, "1000000 bytes");
    free(wide);
}

// Types that are listed and not computed with: sizes where the format defines them, words otherwise.
static void other_types(void **state)
{
    (void)state;
    const char *header = "{\"__metadata__\":null," ENTRY("a", "F8_E4M3", "[2,3]", "0", "6") "," ENTRY("b", "F4", "[6]", "6", "9") ","
                         ENTRY("c", "C64", "[1]", "9", "17") "," ENTRY("d", "Q99", "[7]", "17", "20") "," ENTRY("e", "F32", "[]", "20", "24") "}";
    chi_tensors t;
    assert_int_equal(chi_safetensors_read(make(header, strlen(header), 24), &t), CHI_OK);
    const chi_tensor *a = chi_tensors_find(&t, "a"), *b = chi_tensors_find(&t, "b"), *e = chi_tensors_find(&t, "e");
    assert_int_equal(a->type, CHI_TYPE_OTHER);
    assert_string_equal(chi_tensor_type(a), "F8_E4M3");
    assert_int_equal(chi_tensor_bytes(a), 6);
    assert_int_equal(a->count, 6);
    assert_int_equal(chi_tensor_bytes(b), 3);
    assert_string_equal(chi_tensor_type(e), "F32");
    assert_int_equal(chi_tensor_bytes(e), 4);
    assert_string_equal(chi_tensor_type(chi_tensors_find(&t, "d")), "Q99");
    chi_tensor taken = *a;
    assert_int_equal(chi_tensor_to_f32(&taken), CHI_ERR_FORMAT);
    assert_non_null(strstr(chi_error_text(), "tensor a: elements of type F8_E4M3"));
    assert_int_equal(chi_tensor_to_i64(&taken), CHI_ERR_FORMAT);
    assert_int_equal(chi_tensor_to_i32(&taken), CHI_ERR_FORMAT);
    assert_int_equal(chi_safetensors_write(test_path("other.safetensors"), &t), CHI_ERR_ARGUMENT);
    chi_tensors_free(&t);
    refused("{" ENTRY("a", "F8_E4M3", "[2,3]", "0", "7") "}", 7, "do not fit");
    refused("{" ENTRY("a", "F4", "[3]", "0", "2") "}", 2, "do not fit"); // half a byte
    refused("{" ENTRY("a", "F6_E2M3", "[4]", "0", "4") "}", 4, "do not fit");
    refused("{" ENTRY("a", "Q99", "[4294967296,4294967296]", "0", "4") "}", 4, "do not fit");
    refused("{" ENTRY("a", "Q99", "[1]", "0", "4") "}", 5, "holds more");
}

static void checksums_all_or_none(void **state)
{
    (void)state;
    refused("{\"__metadata__\":{\"checksum.a\":\"0000000000000000\"}," ENTRY("a", "U8", "[1]", "0", "1") "}", 1,
            "changed by another program");
    refused("{\"__metadata__\":{\"checksum.__metadata__\":\"0\",\"checksum.a\":\"af63bd4c8601b7df\"},"
            ENTRY("a", "U8", "[1]", "0", "1") "}        ", 1, "changed by another program"); // longer than we pad
    chi_tensors t; // none at all: other people's files
    const char *header = "{\"__metadata__\":{\"format\":\"pt\"}," ENTRY("../../a", "U8", "[1]", "0", "1") "}";
    assert_int_equal(chi_safetensors_read(make(header, strlen(header), 1), &t), CHI_OK);
    chi_tensors_free(&t);
}

static void no_files(void **state)
{
    (void)state;
    const char *fifo = test_path("fifo"), *loop = test_path("loop"), *folder = test_path("folder");
    refused_because(test_path("absent"), "No such file");
    test_write(test_path("empty"), "", 0);
    refused_because(test_path("empty"), "0 bytes are too few");
    assert_int_equal(mkfifo(fifo, 0600), 0);
    assert_int_equal(symlink(loop, loop), 0);
    assert_int_equal(mkdir(folder, 0700), 0);
    refused_because(fifo, "regular");
    refused_because(loop, "symbolic links");
    refused_because(folder, "regular");
    refused_because("/dev/zero", "regular");
    refused_because("/dev/full", "regular");
    chi_tensors t;
    assert_int_not_equal(chi_safetensors_read(NULL, &t), CHI_OK);
    assert_int_not_equal(chi_safetensors_read("x", NULL), CHI_OK);
}

static void write_refuses(const chi_tensors *t, const char *path, const char *why)
{
    assert_int_not_equal(chi_safetensors_write(path, t), CHI_OK);
    if (!strstr(chi_error_text(), why))
        fail_msg("\"%s\" does not say \"%s\"", chi_error_text(), why);
}

static void bad_writes(void **state)
{
    (void)state;
    const char *path = test_path("kept.safetensors"), *folder = test_path("folder2");
    size_t count;
    chi_tensors t = sample();
    test_write(path, "as it was", 9);
    strcpy(t.items[1].name, "a.bytes");
    write_refuses(&t, path, "twice");
    t = sample();
    strcpy(t.items[1].name, "__metadata__");
    write_refuses(&t, path, "__metadata__");
    t = sample();
    t.items[1].name[0] = 0;
    write_refuses(&t, path, "named \"\"");
    t = sample();
    memset(t.items[1].name, 'x', sizeof t.items[1].name);
    write_refuses(&t, path, "cannot hold");
    t = sample();
    strcpy(t.items[1].name, "\xff");
    write_refuses(&t, path, "UTF-8");
    t = sample();
    t.items[1].count = 7;
    write_refuses(&t, path, "do not fit");
    t = sample();
    t.items[1].dims = 9;
    write_refuses(&t, path, "do not fit");
    t = sample();
    t.items[1].bytes = NULL;
    write_refuses(&t, path, "do not fit");
    t = sample();
    t.keys[1] = t.keys[0];
    write_refuses(&t, path, "metadata step");
    t.keys[1] = (char[]){ "note" };
    write_refuses(&t, test_path("absent/x"), "No such file");
    assert_int_equal(mkdir(folder, 0700), 0);
    write_refuses(&t, folder, "regular");
    write_refuses(&t, "/dev/full", "regular");
    assert_int_not_equal(chi_safetensors_write(NULL, &t), CHI_OK);
    assert_int_not_equal(chi_safetensors_write(path, NULL), CHI_OK);
    unsigned char *kept = test_read(path, &count);
    assert_int_equal(count, 9);
    assert_memory_equal(kept, "as it was", 9);
    free(kept);
}

// A disk that fills up in the middle, here a limit on the size of files: the old file stays whole, and nothing of the
// new one is left in the folder.
static void full_disk(void **state)
{
    (void)state;
    const char *folder = test_path("full"), *path = test_path("full/w.safetensors");
    static float values[100000];
    chi_tensor item = { .name = "w", .type = CHI_TYPE_F32, .shape = { 100000 }, .dims = 1, .count = 100000, .bytes = values };
    chi_tensors t = { .items = &item, .count = 1 };
    struct rlimit old, tight;
    assert_int_equal(mkdir(folder, 0700), 0);
    assert_int_equal(chi_safetensors_write(path, &t), CHI_OK);
    values[99999] = 1;
    assert_int_equal(getrlimit(RLIMIT_FSIZE, &old), 0);
    tight = old;
    tight.rlim_cur = 200000;
    signal(SIGXFSZ, SIG_IGN);
    assert_int_equal(setrlimit(RLIMIT_FSIZE, &tight), 0);
    const chi_status st = chi_safetensors_write(path, &t);
    assert_int_equal(setrlimit(RLIMIT_FSIZE, &old), 0);
    assert_int_equal(st, CHI_ERR_FILE);
    assert_non_null(strstr(chi_error_text(), "File too large"));
    assert_int_equal(chi_safetensors_read(path, &t), CHI_OK);
    assert_true(((float *)t.items[0].bytes)[99999] == 0.0f);
    chi_tensors_free(&t);
    assert_int_equal(remove(path), 0);
    assert_int_equal(rmdir(folder), 0); // empty
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
        cmocka_unit_test(round_trip), cmocka_unit_test(checksum_is_fnv),
        cmocka_unit_test(header_lengths), cmocka_unit_test(extents), cmocka_unit_test(shapes),
        cmocka_unit_test(names_and_grammar), cmocka_unit_test(other_types), cmocka_unit_test(checksums_all_or_none), cmocka_unit_test(no_files),
        cmocka_unit_test(bad_writes), cmocka_unit_test(full_disk),
    };
    return cmocka_run_group_tests(tests, setup, teardown);
}
