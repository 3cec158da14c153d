// SPDX-License-Identifier: Apache-2.0
// unit_data.c: src/data: idx, idx.gz and npy as others write them, conversions, random rows and orders; whatever is
// damaged or lies is refused with a sentence and leaves the result alone.
#include <chiaro/data.h>
#include <chiaro/status.h>

#include <math.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/resource.h>
#include <sys/stat.h>
#include <unistd.h>
#include <zlib.h>

#include <cmocka.h>

#include "harness/folder.h"

static void refused_because(const char *path, const char *why)
{
    chi_tensor t, before;
    memset(&t, 0x5a, sizeof t);
    before = t;
    const chi_status st = chi_tensor_read(path, &t);
    if (st == CHI_OK)
        fail_msg("%s was accepted, \"%s\" was due", path, why);
    assert_memory_equal(&t, &before, sizeof t);
    if (!strstr(chi_error_text(), why))
        fail_msg("\"%s\" does not say \"%s\"", chi_error_text(), why);
    if (!strstr(chi_error_text(), path))
        fail_msg("\"%s\" does not name the file", chi_error_text());
}

static const char *file_with(const void *bytes, size_t count)
{
    const char *path = test_path("made");
    test_write(path, bytes, count);
    return path;
}

// What gzip makes of it, in one member; freed with free().
static unsigned char *gzip(const void *bytes, size_t count, size_t *out)
{
    z_stream z = { 0 };
    assert_int_equal(deflateInit2(&z, 9, Z_DEFLATED, 15 + 16, 9, Z_DEFAULT_STRATEGY), Z_OK);
    const size_t room = deflateBound(&z, count) + 64;
    unsigned char *to = malloc(room);
    z.next_in = (Bytef *)(uintptr_t)bytes;
    z.avail_in = (uInt)count;
    z.next_out = to;
    z.avail_out = (uInt)room;
    assert_int_equal(deflate(&z, Z_FINISH), Z_STREAM_END);
    *out = z.total_out;
    deflateEnd(&z);
    return to;
}

static void all_cuts_refused(const unsigned char *bytes, size_t count)
{
    chi_tensor t;
    const char *path = test_path("cut");
    for (size_t cut = 0; cut < count; cut++) {
        test_write(path, bytes, cut);
        if (chi_tensor_read(path, &t) == CHI_OK)
            fail_msg("accepted after a cut at byte %zu of %zu", cut, count);
    }
}

// ---- idx -------------------------------------------------------------------------------------

static const unsigned char idx_images[] = { 0, 0, 8, 3, 0, 0, 0, 2, 0, 0, 0, 1, 0, 0, 0, 3, 1, 2, 3, 4, 5, 255 };

static void expect_images(const chi_tensor *t)
{
    assert_int_equal(t->type, CHI_TYPE_U8);
    assert_int_equal(t->dims, 3);
    assert_int_equal(t->shape[0], 2);
    assert_int_equal(t->shape[1], 1);
    assert_int_equal(t->shape[2], 3);
    assert_int_equal(t->count, 6);
    assert_memory_equal(t->bytes, idx_images + 16, 6);
}

static void idx_plain(void **state)
{
    (void)state;
    chi_tensor t;
    assert_int_equal(chi_tensor_read(file_with(idx_images, sizeof idx_images), &t), CHI_OK);
    expect_images(&t);
    chi_tensor_free(&t);
    assert_null(t.bytes);
    all_cuts_refused(idx_images, sizeof idx_images);
    static const unsigned char floats[] = { 0, 0, 13, 1, 0, 0, 0, 1, 0x3f, 0xc0, 0, 0 }; // 1.5, big endian
    assert_int_equal(chi_tensor_read(file_with(floats, sizeof floats), &t), CHI_OK);
    assert_true(((float *)t.bytes)[0] == 1.5f);
    chi_tensor_free(&t);
    static const unsigned char none[] = { 0, 0, 8, 2, 0, 0, 0, 0, 0, 0, 0, 9 };
    assert_int_equal(chi_tensor_read(file_with(none, sizeof none), &t), CHI_OK);
    assert_int_equal(t.count, 0);
    chi_tensor_free(&t);
}

static void idx_lies(void **state)
{
    (void)state;
    unsigned char raw[64] = { 0, 0, 8, 1, 0, 0, 0, 2, 7 };
    refused_because(file_with(raw, 9), "says 2 bytes of elements, the file holds 1");
    raw[7] = 0;
    refused_because(file_with(raw, 9), "says 0 bytes of elements, the file holds 1");
    memcpy(raw, (unsigned char[]){ 0, 0, 8, 1, 255, 255, 255, 255 }, 8);
    refused_because(file_with(raw, 64), "says 4294967295 bytes");
    memset(raw, 255, sizeof raw);
    memcpy(raw, (unsigned char[]){ 0, 0, 14, 8 }, 4);
    refused_because(file_with(raw, 64), "overflow");
    memset(raw + 4, 0, 4); // one side 0 does not excuse the others
    refused_because(file_with(raw, 64), "overflow");
    raw[3] = 9;
    refused_because(file_with(raw, 64), "9 dimensions");
    raw[3] = 0;
    refused_because(file_with(raw, 64), "not idx");
    raw[2] = 10;
    refused_because(file_with(raw, 64), "not idx");
}

static void idx_gz(void **state)
{
    (void)state;
    chi_tensor t;
    size_t count;
    unsigned char *packed = gzip(idx_images, sizeof idx_images, &count);
    assert_int_equal(chi_tensor_read(file_with(packed, count), &t), CHI_OK);
    expect_images(&t);
    chi_tensor_free(&t);
    all_cuts_refused(packed, count);
    // Two members one after the other are one stream; what follows the last is refused.
    size_t first, second;
    unsigned char *a = gzip(idx_images, 10, &first), *b = gzip(idx_images + 10, sizeof idx_images - 10, &second);
    unsigned char *both = calloc(1, first + second + 8);
    memcpy(both, a, first);
    memcpy(both + first, b, second);
    assert_int_equal(chi_tensor_read(file_with(both, first + second), &t), CHI_OK);
    expect_images(&t);
    chi_tensor_free(&t);
    refused_because(file_with(both, first + second + 8), "damaged gzip");
    // Every flipped bit is noticed, but for those that say nothing: time and system, filling at the end of a block.
    size_t silent = 0;
    for (size_t bit = 80; bit < 8 * count; bit++) {
        packed[bit / 8] ^= (unsigned char)(1u << bit % 8);
        if (chi_tensor_read(file_with(packed, count), &t) == CHI_OK) {
            expect_images(&t);
            chi_tensor_free(&t);
            silent++;
        }
        packed[bit / 8] ^= (unsigned char)(1u << bit % 8);
    }
    assert_in_range(silent, 0, 7);
    free(a), free(b), free(both), free(packed);
}

static void refused_packed(const void *bytes, size_t count, const char *why)
{
    size_t packed_count;
    unsigned char *packed = gzip(bytes, count, &packed_count);
    refused_because(file_with(packed, packed_count), why);
    free(packed);
}

static void idx_gz_lies(void **state)
{
    (void)state;
    unsigned char raw[64] = { 0, 0, 8, 3, 0, 0, 0xea, 0x60, 0, 0x10, 0, 0, 0, 0, 0x10, 0 }; // terabytes
    refused_packed(raw, 20, "compressed bytes can hold");
    memset(raw + 4, 255, 60);
    refused_packed(raw, 64, "overflow");
    memcpy(raw, (unsigned char[]){ 0, 0, 14, 8 }, 4);
    refused_packed(raw, 64, "overflow");
    memcpy(raw, (unsigned char[]){ 0, 0, 8, 1, 0, 0, 0, 30 }, 8);
    refused_packed(raw, 30, "before its header says");
    refused_packed(raw, 39, "holds more than its header says");
    refused_packed(raw, 3, "before its header says");
    refused_packed("{\"json\": 1}", 11, "not idx");
}

// A claim that the ratio allows costs no more memory than has arrived.
static void idx_gz_claim_costs_nothing(void **state)
{
    (void)state;
    const size_t noise = 3 << 20;
    unsigned char *raw = malloc(noise);
    memcpy(raw, (unsigned char[]){ 0, 0, 8, 1, 0xb0, 0, 0, 0 }, 8); // 2.75 GiB, within 1032 times 3 MiB
    for (size_t i = 8; i < noise; i++)
        raw[i] = (unsigned char)(i * 2654435761u >> 13);
    struct rlimit old, tight;
    assert_int_equal(getrlimit(RLIMIT_DATA, &old), 0);
    size_t count;
    unsigned char *packed = gzip(raw, noise, &count);
    const char *path = file_with(packed, count);
    tight = old;
#ifndef __SANITIZE_ADDRESS__ // whose shadow does not fit
    tight.rlim_cur = (rlim_t)1 << 29;
#endif
    assert_int_equal(setrlimit(RLIMIT_DATA, &tight), 0);
    refused_because(path, count * 1032 > 0xb0000000u ? "before its header says" : "compressed bytes can hold");
    assert_int_equal(setrlimit(RLIMIT_DATA, &old), 0);
    free(packed), free(raw);
}

// ---- npy -------------------------------------------------------------------------------------

// A file of format `major` with this dictionary and payload.
static const char *npy(int major, const char *text, const void *payload, size_t count)
{
    static unsigned char raw[8192];
    const size_t length = strlen(text), prefix = major == 1 ? 10 : 12;
    assert_true(prefix + length + count <= sizeof raw);
    memcpy(raw, "\x93NUMPY", 6);
    raw[6] = (unsigned char)major;
    memset(raw + 7, 0, 5);
    raw[8] = (unsigned char)length;
    raw[9] = (unsigned char)(length >> 8);
    memcpy(raw + prefix, text, length);
    memcpy(raw + prefix + length, payload, count);
    return file_with(raw, prefix + length + count);
}

#define DICT(descr, order, shape) "{'descr': " descr ", 'fortran_order': " order ", 'shape': " shape ", }      \n"

static void npy_reads(void **state)
{
    (void)state;
    chi_tensor t;
    const float values[6] = { 1, -2, 0.5f, 3, 4, 5 };
    for (int major = 1; major <= 3; major++) {
        assert_int_equal(chi_tensor_read(npy(major, DICT("'<f4'", "False", "(2, 3)"), values, 24), &t), CHI_OK);
        assert_int_equal(t.dims, 2);
        assert_int_equal(t.shape[1], 3);
        assert_memory_equal(t.bytes, values, 24);
        chi_tensor_free(&t);
    }
    const unsigned char big[] = { 0, 0, 0, 5, 255, 255, 255, 254 };
    assert_int_equal(chi_tensor_read(npy(1, DICT("'>i4'", "False", "(2,)"), big, 8), &t), CHI_OK);
    assert_int_equal(((int32_t *)t.bytes)[0], 5);
    assert_int_equal(((int32_t *)t.bytes)[1], -2);
    chi_tensor_free(&t);
    // Keys in another order, double quotes, Python 2's long integers, a scalar, an empty array.
    assert_int_equal(chi_tensor_read(npy(1, "{\"shape\":(2L,1L),\"descr\":\"|b1\",\"fortran_order\":False}", big, 2), &t), CHI_OK);
    assert_int_equal(t.type, CHI_TYPE_BOOL);
    chi_tensor_free(&t);
    assert_int_equal(chi_tensor_read(npy(1, DICT("'<f8'", "False", "()"), big, 8), &t), CHI_OK);
    assert_int_equal(t.dims, 0);
    assert_int_equal(t.count, 1);
    chi_tensor_free(&t);
    assert_int_equal(chi_tensor_read(npy(1, DICT("'<f8'", "False", "(0, 7)"), big, 0), &t), CHI_OK);
    assert_int_equal(t.count, 0);
    chi_tensor_free(&t);
}

static void npy_refuses(void **state)
{
    (void)state;
    const unsigned char payload[64] = { 0 };
    refused_because(npy(1, DICT("'<f4'", "True", "(2, 3)"), payload, 20), "says 24 bytes of elements, the file holds 20");
    refused_because(npy(1, DICT("[('a', '<f4'", "False", "(2,)"), payload, 8), "a list without end");
    refused_because(npy(1, DICT("'<U999999999999'", "False", "(99999999,)"), payload, 8), "strings of 999999999999 characters overflow");
    refused_because(npy(1, DICT("'|O'", "False", "(2,)"), payload, 16), "Python objects");
    refused_because(npy(1, DICT("[('a', '<f4')]", "False", "(2,)"), payload, 8), "structured");
    refused_because(npy(1, DICT("'<U5'", "False", "(2,)"), payload, 40), "type '<U5'");
    refused_because(npy(1, DICT("'<c8'", "False", "(2,)"), payload, 16), "type '<c8'");
    refused_because(npy(1, DICT("'|f4'", "False", "(2,)"), payload, 8), "type '|f4'");
    refused_because(npy(1, DICT("''", "False", "(2,)"), payload, 8), "type ''");
    refused_because(npy(1, DICT("'<f4'", "False", "(3,)"), payload, 8), "says 12 bytes of elements, the file holds 8");
    refused_because(npy(1, DICT("'<f4'", "False", "(1,)"), payload, 8), "says 4 bytes of elements, the file holds 8");
    refused_because(npy(1, DICT("'<f4'", "False", "(1099511627776,)"), payload, 8), "says 4398046511104 bytes");
    refused_because(npy(1, DICT("'<f4'", "False", "(8589934592, 8589934592)"), payload, 8), "overflow");
    refused_because(npy(1, DICT("'<f4'", "False", "(0, 8589934592, 8589934592)"), payload, 0), "overflow");
    refused_because(npy(1, DICT("'<f4'", "False", "(99999999999999999999,)"), payload, 8), "address");
    refused_because(npy(1, DICT("'<f4'", "False", "(-1,)"), payload, 8), "a size was due");
    refused_because(npy(1, DICT("'<f4'", "False", "(1,1,1,1,1,1,1,1,1)"), payload, 4), "8 dimensions");
    refused_because(npy(1, DICT("'<f4'", "False", "(2"), payload, 8), "due");
    refused_because(npy(1, DICT("'<f4'", "Maybe", "(2,)"), payload, 8), "True or False");
    refused_because(npy(1, DICT("'<f4", "False", "(2,)"), payload, 8), "header at its character");
    refused_because(npy(1, "{'descr': '<f4', 'fortran_order': False}", payload, 8), "once each");
    refused_because(npy(1, "{'descr': '<f4', 'descr': '<f4', 'shape': (2,)}", payload, 8), "once each");
    refused_because(npy(1, "{'descr': '<f4', 'evil': __import__('os')}", payload, 8), "once each");
    refused_because(npy(1, DICT("'<f4'", "False", "(2,)") "x", payload, 8), "nothing was due");
    refused_because(npy(1, "", payload, 8), "'{' was due");
    refused_because(npy(4, DICT("'<f4'", "False", "(2,)"), payload, 8), "format 4.0");
    refused_because(npy(0, DICT("'<f4'", "False", "(2,)"), payload, 8), "format 0.0");
    unsigned char huge[16] = "\x93NUMPY\x02\x00\xff\xff\xff\x7f";
    refused_because(file_with(huge, 16), "header of 2147483647 bytes");
    unsigned char zero[32] = "\x93NUMPY\x01\x00\x10\x00{'descr\0";
    refused_because(file_with(zero, 32), "zero byte");
}

static void npy_round_trip(void **state)
{
    (void)state;
    float values[6] = { 1, -2, 0.5f, 3, 4, NAN };
    uint8_t bytes[3] = { 1, 2, 3 };
    chi_tensor wrote = { .type = CHI_TYPE_F32, .shape = { 2, 1, 3 }, .dims = 3, .count = 6, .bytes = values }, t;
    const char *path = test_path("x.npy");
    size_t count;
    for (size_t dims = 0; dims < 4; dims++) {
        wrote.dims = dims;
        wrote.count = dims == 0 ? 1 : dims == 3 ? 6 : 2;
        assert_int_equal(chi_npy_write(path, &wrote), CHI_OK);
        assert_int_equal(chi_tensor_read(path, &t), CHI_OK);
        assert_int_equal(t.dims, dims);
        assert_int_equal(t.count, wrote.count);
        assert_memory_equal(t.bytes, values, 4 * t.count);
        chi_tensor_free(&t);
        unsigned char *raw = test_read(path, &count);
        assert_int_equal((count - 4 * wrote.count) % 64, 0);
        all_cuts_refused(raw, count);
        free(raw);
    }
    chi_tensor small = { .type = CHI_TYPE_U8, .shape = { 3 }, .dims = 1, .count = 3, .bytes = bytes };
    assert_int_equal(chi_npy_write(path, &small), CHI_OK);
    assert_int_equal(chi_tensor_read(path, &t), CHI_OK);
    assert_int_equal(t.type, CHI_TYPE_U8);
    chi_tensor_free(&t);
    small.type = CHI_TYPE_BF16;
    assert_int_not_equal(chi_npy_write(path, &small), CHI_OK);
    small.type = CHI_TYPE_U8;
    small.count = 4;
    assert_int_not_equal(chi_npy_write(path, &small), CHI_OK);
    assert_int_not_equal(chi_npy_write("/dev/full", &wrote), CHI_OK);
    assert_int_equal(chi_tensor_read(path, &t), CHI_OK); // failures left it alone
    chi_tensor_free(&t);
}

// ---- other files -------------------------------------------------------------------------------

static void not_ours(void **state)
{
    (void)state;
    const char *fifo = test_path("fifo"), *loop = test_path("loop"), *folder = test_path("folder");
    refused_because(test_path("absent"), "No such file");
    refused_because(file_with("", 0), "0 bytes are too few");
    refused_because(file_with("a", 1), "1 bytes are too few");
    refused_because(file_with("PK\x03\x04 and so on", 15), "no end of a zip directory");
    refused_because(file_with("\x08\0\0\0\0\0\0\0{\"a\": 1}", 16), "not exactly dtype");
    refused_because(file_with("garbage of some length", 22), "neither idx nor npy");
    assert_int_equal(mkfifo(fifo, 0600), 0);
    assert_int_equal(symlink(loop, loop), 0);
    assert_int_equal(mkdir(folder, 0700), 0);
    refused_because(fifo, "regular");
    refused_because(loop, "symbolic links");
    refused_because(folder, "regular");
    refused_because("/dev/zero", "regular");
    refused_because("/dev/full", "regular");
    chi_tensor t;
    assert_int_not_equal(chi_tensor_read(NULL, &t), CHI_OK);
    assert_int_not_equal(chi_tensor_read("x", NULL), CHI_OK);
}

// Random damage to small files of each format: whatever is made of it, nothing crashes and nothing leaks.
static void random_damage(void **state)
{
    (void)state;
    static const unsigned char tensors[] =
        "\x48\0\0\0\0\0\0\0{\"__metadata__\":{\"a\":\"b\"},\"w\":{\"dtype\":\"U8\",\"shape\":[2],\"data_offsets\":[0,2]}}\1";
    static const unsigned char array[] =
        "\x93NUMPY\1\0\x3b\0{'descr': '<i2', 'fortran_order': False, 'shape': (2, 1), } \n\1\0\2";
    size_t packed_count, accepted = 0;
    unsigned char *packed = gzip(idx_images, sizeof idx_images, &packed_count), work[256];
    const struct { const unsigned char *bytes; size_t count; } files[] = {
        { idx_images, sizeof idx_images }, { packed, packed_count }, { tensors, sizeof tensors }, { array, sizeof array },
    };
    uint64_t random = 1;
    for (size_t round = 0; round < 8000; round++) {
        const size_t which = round % 4, count = files[which].count;
        assert_true(count <= sizeof work);
        memcpy(work, files[which].bytes, count);
        for (size_t k = 0; k < 1 + round / 4 % 3; k++) {
            random = random * 6364136223846793005ull + 1442695040888963407ull;
            work[(random >> 33) % count] = (unsigned char)(random >> 24);
        }
        const char *path = file_with(work, count);
        chi_tensor one;
        chi_tensors all;
        if (chi_tensor_read(path, &one) == CHI_OK) {
            chi_tensor_free(&one);
            accepted++;
        }
        if (chi_safetensors_read(path, &all) == CHI_OK) {
            chi_tensors_free(&all);
            accepted++;
        }
    }
    assert_in_range(accepted, 100, 4000); // damage to elements, names and values of files without checksums
    free(packed);
}

// ---- conversions -------------------------------------------------------------------------------

static chi_tensor tensor_of(chi_type type, const void *bytes, size_t count)
{
    // Through a file, since a tensor is owned by whoever read it.
    static const char *const codes[] = { [CHI_TYPE_F32] = "<f4", [CHI_TYPE_F64] = "<f8", [CHI_TYPE_F16] = "<f2",
        [CHI_TYPE_U8] = "|u1", [CHI_TYPE_I8] = "|i1", [CHI_TYPE_U16] = "<u2", [CHI_TYPE_I16] = "<i2", [CHI_TYPE_U32] = "<u4",
        [CHI_TYPE_I32] = "<i4", [CHI_TYPE_U64] = "<u8", [CHI_TYPE_I64] = "<i8", [CHI_TYPE_BOOL] = "|b1" };
    char text[128];
    chi_tensor t;
    snprintf(text, sizeof text, "{'descr': '%s', 'fortran_order': False, 'shape': (%zu,)}", codes[type], count);
    assert_int_equal(chi_tensor_read(npy(1, text, bytes, count * chi_type_bytes(type)), &t), CHI_OK);
    return t;
}

static void expect_f32(chi_type type, const void *bytes, const float *want, size_t count)
{
    chi_tensor t = tensor_of(type, bytes, count);
    assert_int_equal(chi_tensor_to_f32(&t), CHI_OK);
    assert_int_equal(t.type, CHI_TYPE_F32);
    assert_memory_equal(t.bytes, want, 4 * count);
    chi_tensor_free(&t);
}

static void to_f32(void **state)
{
    (void)state;
    expect_f32(CHI_TYPE_F16, (uint16_t[]){ 0x3c00, 0x0001, 0x8000, 0x7c00, 0xfbff, 0x03ff }, 
               (float[]){ 1, 0x1p-24f, -0.0f, INFINITY, -65504, 0x3ffp-24f }, 6);
    expect_f32(CHI_TYPE_F64, (double[]){ 0.1, 1e300, -0.0 }, (float[]){ 0.1f, INFINITY, -0.0f }, 3);
    expect_f32(CHI_TYPE_U8, (uint8_t[]){ 0, 255 }, (float[]){ 0, 255 }, 2);
    expect_f32(CHI_TYPE_I8, (int8_t[]){ -128, 127 }, (float[]){ -128, 127 }, 2);
    expect_f32(CHI_TYPE_U16, (uint16_t[]){ 65535 }, (float[]){ 65535 }, 1);
    expect_f32(CHI_TYPE_I16, (int16_t[]){ -32768 }, (float[]){ -32768 }, 1);
    expect_f32(CHI_TYPE_U32, (uint32_t[]){ 4294967295u }, (float[]){ 0x1p32f }, 1);
    expect_f32(CHI_TYPE_I32, (int32_t[]){ INT32_MIN, 16777217 }, (float[]){ -0x1p31f, 16777216 }, 2);
    // Above halfway between two floats by one unit that a double would have lost first.
    expect_f32(CHI_TYPE_I64, (int64_t[]){ (1ll << 60) + (1ll << 36) + 1 }, (float[]){ 0x1.000002p60f }, 1);
    expect_f32(CHI_TYPE_U64, (uint64_t[]){ UINT64_MAX }, (float[]){ 0x1p64f }, 1);
    expect_f32(CHI_TYPE_BOOL, (uint8_t[]){ 0, 1 }, (float[]){ 0, 1 }, 2);
    chi_tensor half = tensor_of(CHI_TYPE_F16, (uint16_t[]){ 0x3f80, 0x7fc1 }, 2);
    half.type = CHI_TYPE_BF16;
    assert_int_equal(chi_tensor_to_f32(&half), CHI_OK);
    assert_true(((float *)half.bytes)[0] == 1.0f && isnan(((float *)half.bytes)[1]));
    chi_tensor_free(&half);
    chi_tensor nan = tensor_of(CHI_TYPE_F16, (uint16_t[]){ 0x7c01 }, 1);
    assert_int_equal(chi_tensor_to_f32(&nan), CHI_OK);
    assert_true(isnan(((float *)nan.bytes)[0]));
    chi_tensor_free(&nan);
    assert_int_not_equal(chi_tensor_to_f32(NULL), CHI_OK);
}

static void i32_refused(chi_type type, const void *bytes, size_t count, const char *why)
{
    chi_tensor t = tensor_of(type, bytes, count);
    assert_int_not_equal(chi_tensor_to_i32(&t), CHI_OK);
    assert_int_equal(t.type, type); // as it was
    assert_memory_equal(t.bytes, bytes, count * chi_type_bytes(type));
    if (!strstr(chi_error_text(), why))
        fail_msg("\"%s\" does not say \"%s\"", chi_error_text(), why);
    chi_tensor_free(&t);
}

static void to_i32(void **state)
{
    (void)state;
    chi_tensor t = tensor_of(CHI_TYPE_I64, (int64_t[]){ INT32_MIN, 5, INT32_MAX }, 3);
    assert_int_equal(chi_tensor_to_i32(&t), CHI_OK);
    assert_int_equal(t.type, CHI_TYPE_I32);
    assert_memory_equal(t.bytes, ((int32_t[]){ INT32_MIN, 5, INT32_MAX }), 12);
    chi_tensor_free(&t);
    t = tensor_of(CHI_TYPE_F32, (float[]){ 3, -0.0f, -7 }, 3);
    assert_int_equal(chi_tensor_to_i32(&t), CHI_OK);
    assert_memory_equal(t.bytes, ((int32_t[]){ 3, 0, -7 }), 12);
    chi_tensor_free(&t);
    i32_refused(CHI_TYPE_I64, (int64_t[]){ 0, (int64_t)INT32_MAX + 1 }, 2, "element 1 is 2147483648");
    i32_refused(CHI_TYPE_U64, (uint64_t[]){ UINT64_MAX }, 1, "element 0");
    i32_refused(CHI_TYPE_F32, (float[]){ 1.5f }, 1, "1.5");
    i32_refused(CHI_TYPE_F32, (float[]){ 1, NAN }, 2, "element 1");
    i32_refused(CHI_TYPE_F64, (double[]){ INFINITY }, 1, "inf");
    i32_refused(CHI_TYPE_U32, (uint32_t[]){ 1u << 31 }, 1, "2147483648");
    assert_int_not_equal(chi_tensor_to_i32(NULL), CHI_OK);
}

// ---- random ----------------------------------------------------------------------------------

static void unit_rows(void **state)
{
    (void)state;
    enum { ROWS = 50, COLS = 33 };
    static float a[ROWS * COLS], b[ROWS * COLS];
    double mean = 0;
    assert_int_equal(chi_random_unit_rows(3, ROWS, COLS, a), CHI_OK);
    assert_int_equal(chi_random_unit_rows(3, ROWS, COLS, b), CHI_OK);
    assert_memory_equal(a, b, sizeof a);
    assert_int_equal(chi_random_unit_rows(4, ROWS, COLS, b), CHI_OK);
    assert_memory_not_equal(a, b, sizeof a);
    for (size_t i = 0; i < ROWS; i++) {
        double square = 0;
        for (size_t k = 0; k < COLS; k++) {
            square += (double)a[i * COLS + k] * (double)a[i * COLS + k];
            mean += (double)a[i * COLS + k];
        }
        assert_true(fabs(square - 1) < 1e-6);
    }
    assert_true(fabs(mean / (ROWS * COLS)) < 5 / sqrt(ROWS * COLS * COLS)); // five standard deviations
    assert_int_equal(chi_random_unit_rows(1, 0, 5, NULL), CHI_OK);
    assert_int_not_equal(chi_random_unit_rows(1, 1, 5, NULL), CHI_OK);
}

static void orders(void **state)
{
    (void)state;
    enum { N = 1000 };
    static int32_t a[N], b[N];
    static char seen[N];
    assert_int_equal(chi_random_order(1, 0, N, a), CHI_OK);
    size_t fixed = 0;
    for (size_t i = 0; i < N; i++) {
        assert_in_range(a[i], 0, N - 1);
        assert_false(seen[a[i]]);
        seen[a[i]] = 1;
        fixed += a[i] == (int32_t)i;
    }
    assert_true(fixed < 10); // 1 expected
    assert_int_equal(chi_random_order(1, 0, N, b), CHI_OK);
    assert_memory_equal(a, b, sizeof a);
    assert_int_equal(chi_random_order(1, 1, N, b), CHI_OK);
    assert_memory_not_equal(a, b, sizeof a);
    assert_int_equal(chi_random_order(1, 1ull << 32, N, b), CHI_OK); // epochs are whole 64-bit numbers
    assert_memory_not_equal(a, b, sizeof a);
    assert_int_equal(chi_random_order(1, 0, 0, NULL), CHI_OK);
    assert_int_not_equal(chi_random_order(1, 0, (size_t)INT32_MAX + 1, a), CHI_OK);
}

// Each place takes each value equally often: 6 orders of 3 over 6,000 epochs, five standard deviations (29 each).
static void orders_are_uniform(void **state)
{
    (void)state;
    int count[27] = { 0 };
    int32_t a[3];
    for (uint64_t epoch = 0; epoch < 6000; epoch++) {
        assert_int_equal(chi_random_order(9, epoch, 3, a), CHI_OK);
        count[9 * a[0] + 3 * a[1] + a[2]]++;
    }
    for (int i = 0; i < 27; i++)
        assert_true(count[i] == 0 || abs(count[i] - 1000) < 145);
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
        cmocka_unit_test(idx_plain), cmocka_unit_test(idx_lies), cmocka_unit_test(idx_gz), cmocka_unit_test(idx_gz_lies),
        cmocka_unit_test(idx_gz_claim_costs_nothing), cmocka_unit_test(npy_reads), cmocka_unit_test(npy_refuses),
        cmocka_unit_test(npy_round_trip), cmocka_unit_test(not_ours), cmocka_unit_test(random_damage), cmocka_unit_test(to_f32), cmocka_unit_test(to_i32),
        cmocka_unit_test(unit_rows), cmocka_unit_test(orders), cmocka_unit_test(orders_are_uniform),
    };
    return cmocka_run_group_tests(tests, setup, teardown);
}
