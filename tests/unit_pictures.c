// SPDX-License-Identifier: Apache-2.0
// unit_pictures.c: src/data/picture*.c on files made here: which way up, what is refused, what a folder's rules make of links,
// pipes, names and damage, and one result whatever the threads. Every kind of file against Pillow: check_pictures.py.
#include <chiaro/pictures.h>

#include <dirent.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include <cmocka.h>
#include <jpeglib.h>
#include <zlib.h>

#include "harness/folder.h"

// ---- files -------------------------------------------------------------------------------------

typedef struct bytes { unsigned char at[65536]; size_t count; } bytes;

static void add(bytes *b, const void *more, size_t count)
{
    assert_true(b->count + count <= sizeof b->at);
    if (count) // IEND has no data
        memcpy(b->at + b->count, more, count);
    b->count += count;
}

static void add32(bytes *b, uint32_t v)
{
    add(b, (unsigned char[]){ (unsigned char)(v >> 24), (unsigned char)(v >> 16), (unsigned char)(v >> 8), (unsigned char)v }, 4);
}

static void add_chunk(bytes *b, const char *type, const void *data, size_t count)
{
    add32(b, (uint32_t)count);
    const size_t from = b->count;
    add(b, type, 4);
    add(b, data, count);
    add32(b, (uint32_t)crc32(crc32(0, NULL, 0), b->at + from, (uInt)(4 + count)));
}

static const unsigned char *tiff(unsigned orientation) // 26 bytes
{
    static unsigned char t[26] = { 'M', 'M', 0, '*', 0, 0, 0, 8, 0, 1, 1, 18, 0, 3, 0, 0, 0, 1 };
    t[19] = (unsigned char)orientation;
    return t;
}

// 8-bit grey, `row` bytes a row.
static bytes png(uint32_t width, uint32_t height, const void *pixels, unsigned orientation)
{
    bytes b = { .count = 0 };
    unsigned char head[13] = { 0 }, raw[4096], packed[8192];
    uLongf length = sizeof packed;
    add(&b, "\x89PNG\r\n\x1a\n", 8);
    bytes sides = { .count = 0 };
    add32(&sides, width);
    add32(&sides, height);
    memcpy(head, sides.at, 8);
    head[8] = 8;
    add_chunk(&b, "IHDR", head, sizeof head);
    if (orientation)
        add_chunk(&b, "eXIf", tiff(orientation), 26);
    size_t count = 0;
    for (uint32_t y = 0; pixels && y < height; y++) {
        raw[count++] = 0;
        memcpy(raw + count, (const unsigned char *)pixels + y * width, width);
        count += width;
    }
    assert_int_equal(compress(packed, &length, raw, count), Z_OK);
    add_chunk(&b, "IDAT", packed, length);
    add_chunk(&b, "IEND", NULL, 0);
    return b;
}

typedef struct look { J_COLOR_SPACE in, as; int components; bool progressive; unsigned orientation; } look;

// A JPEG at full quality whose left half has one colour and the right half another.
static bytes jpeg(unsigned width, unsigned height, const unsigned char *left, const unsigned char *right, look l)
{
    struct jpeg_compress_struct j;
    struct jpeg_error_mgr errors;
    unsigned char *to = NULL, row[4096], mark[32] = "Exif\0";
    unsigned long length = 0;
    bytes b = { .count = 0 };
    j.err = jpeg_std_error(&errors);
    jpeg_create_compress(&j);
    jpeg_mem_dest(&j, &to, &length);
    j.image_width = width;
    j.image_height = height;
    j.input_components = l.components;
    j.in_color_space = l.in;
    jpeg_set_defaults(&j);
    jpeg_set_colorspace(&j, l.as);
    jpeg_set_quality(&j, 100, TRUE);
    if (l.progressive)
        jpeg_simple_progression(&j);
    jpeg_start_compress(&j, TRUE);
    memcpy(mark + 6, tiff(l.orientation), 26);
    if (l.orientation)
        jpeg_write_marker(&j, JPEG_APP0 + 1, mark, sizeof mark);
    for (unsigned x = 0; x < width; x++)
        memcpy(row + x * (unsigned)l.components, x < width / 2 ? left : right, (size_t)l.components);
    JSAMPROW rows[] = { row };
    while (j.next_scanline < height)
        jpeg_write_scanlines(&j, rows, 1);
    jpeg_finish_compress(&j);
    add(&b, to, length);
    jpeg_destroy_compress(&j);
    free(to);
    return b;
}

static const char *put(const char *name, const bytes *b)
{
    char *copy = strdup(test_path(name));
    for (char *slash = strchr(copy + 1, '/'); slash; slash = strchr(slash + 1, '/')) {
        *slash = '\0';
        mkdir(copy, 0700);
        *slash = '/';
    }
    test_write(copy, b->at, b->count);
    free(copy);
    return test_path(name);
}

static void put_grey(const char *name, unsigned char value, uint32_t side)
{
    unsigned char pixels[1024];
    memset(pixels, value, sizeof pixels);
    const bytes b = png(side, side, pixels, 0);
    put(name, &b);
}

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

// ---- one picture -------------------------------------------------------------------------------

static chi_tensor grey(const char *path)
{
    chi_tensor t = { 0 };
    if (chi_picture_read(path, &(chi_picture_options){ .grey = true }, &t) != CHI_OK)
        fail_msg("%s: %s", path, chi_error_text());
    return t;
}

static void upright(void **state)
{
    static const char *const shown[9] = { "ABCDEF", "ABCDEF", "CBAFED", "FEDCBA", "DEFABC", "ADBECF", "DAEBFC", "FCEBDA", "CFBEAD" };
    (void)state;
    for (unsigned o = 0; o <= 9; o++) {
        const bytes b = png(3, 2, "ABCDEF", o);
        chi_tensor t = grey(put("one.png", &b));
        const bool lying = o >= 5 && o <= 8;
        assert_int_equal(t.shape[1], lying ? 3 : 2);
        assert_int_equal(t.shape[2], lying ? 2 : 3);
        assert_memory_equal(t.bytes, shown[o <= 8 ? o : 0], 6);
        chi_tensor_free(&t);
        const bytes j = jpeg(32, 16, (unsigned char[]){ 0 }, (unsigned char[]){ 255 }, (look){ JCS_GRAYSCALE, JCS_GRAYSCALE, 1, o == 6, o });
        t = grey(put("one.jpg", &j));
        assert_int_equal(t.shape[1], lying ? 32 : 16);
        const unsigned char *p = t.bytes, first = p[0], last = p[t.count - 1];
        const bool swapped = o == 2 || o == 3 || o == 7 || o == 8; // black comes last
        assert_int_equal(first, swapped ? 255 : 0);
        assert_int_equal(last, swapped ? 0 : 255);
        chi_tensor_free(&t);
    }
}

static void one_color(const bytes *b, const unsigned char *rgb, int within)
{
    chi_tensor t = { 0 };
    if (chi_picture_read(put("color.jpg", b), NULL, &t) != CHI_OK)
        fail_msg("%s", chi_error_text());
    assert_int_equal(t.shape[0], 3);
    const unsigned char *p = t.bytes;
    for (int c = 0; c < 3; c++)
        assert_in_range(p[c * 16 * 16] + 255, rgb[c] + 255 - within, rgb[c] + 255 + within);
    chi_tensor_free(&t);
}

// What Adobe's programs write, inverted: 255 is no ink.
static void jpeg_colors(void **state)
{
    static const unsigned char rgb[] = { 200, 100, 50 }, cmyk[] = { 200, 100, 50, 255 }, dark[] = { 200, 100, 50, 128 };
    (void)state;
    bytes b = jpeg(16, 16, rgb, rgb, (look){ JCS_RGB, JCS_RGB, 3, false, 0 });
    one_color(&b, rgb, 0);
    b = jpeg(16, 16, rgb, rgb, (look){ JCS_RGB, JCS_YCbCr, 3, true, 0 });
    one_color(&b, rgb, 2);
    b = jpeg(16, 16, cmyk, cmyk, (look){ JCS_CMYK, JCS_CMYK, 4, false, 0 });
    one_color(&b, rgb, 0);
    b = jpeg(16, 16, cmyk, cmyk, (look){ JCS_CMYK, JCS_YCCK, 4, false, 0 });
    one_color(&b, rgb, 2);
    b = jpeg(16, 16, dark, dark, (look){ JCS_CMYK, JCS_CMYK, 4, true, 0 });
    one_color(&b, (unsigned char[]){ 100, 50, 25 }, 1);
}

// Refused with the words, the file's name, and nothing touched.
static void refused(const char *name, const bytes *b, const chi_picture_options *o, const char *why)
{
    chi_tensor t, before;
    const char *path = put(name, b);
    memset(&t, 0x5a, sizeof t);
    before = t;
    if (chi_picture_read(path, o, &t) == CHI_OK)
        fail_msg("%s was read, \"%s\" was due", path, why);
    assert_memory_equal(&t, &before, sizeof t);
    if (!strstr(chi_error_text(), why) || !strstr(chi_error_text(), path))
        fail_msg("\"%s\" does not say \"%s\" or does not name the file", chi_error_text(), why);
}

static void cut(bytes *b, size_t by) { b->count -= by; }

static void png_refusals(void **state)
{
    (void)state;
    bytes b = png(60000, 60000, NULL, 0);
    assert_true(b.count < 200);
    refused("huge.png", &b, NULL, "60000 x 60000 pixels, at most 268435456 are read");
    b = png(3, 2, "ABCDEF", 0);
    refused("six.png", &b, &(chi_picture_options){ .max_pixels = 5 }, "3 x 2 pixels, at most 5 are read");
    refused("six.png", &b, &(chi_picture_options){ .max_pixels = 5, .size = 1 }, "at most 5 are read");
    for (size_t end = 0; end < b.count; end++) { // wherever it ends
        bytes part = b;
        part.count = end;
        refused("part.png", &part, NULL, end < 3 ? "bytes are neither PNG nor JPEG" : "");
    }
    for (size_t at = 8; at < b.count - 12; at++) { // whatever bit is flipped in front of its end
        bytes flipped = b;
        flipped.at[at] = (unsigned char)(flipped.at[at] ^ 1u << at % 8);
        refused("flip.png", &flipped, NULL, "");
    }
    b = png(10000, 10000, NULL, 0);
    refused("thin.png", &b, NULL, "10000 x 10000 pixels in 8 bytes of IDAT");
    b = png(0, 2, NULL, 0);
    refused("none.png", &b, NULL, "0 x 2 pixels");
    b = png(3, 3, "ABCDEFGHI", 0);
    b.at[8 + 8 + 7] = 200; // a height that its data does not have
    const uint32_t sum = (uint32_t)crc32(crc32(0, NULL, 0), b.at + 12, 17);
    for (int i = 0; i < 4; i++)
        b.at[29 + i] = (unsigned char)(sum >> (24 - 8 * i));
    refused("short.png", &b, NULL, "IDAT");
    b.count = (size_t)sprintf((char *)b.at, "hello, this is a text");
    refused("text.png", &b, NULL, "begins with 68 65 6c: neither PNG nor JPEG");
}

static void jpeg_refusals(void **state)
{
    static const unsigned char black[] = { 0, 0, 0 }, white[] = { 255, 255, 255 };
    (void)state;
    for (int progressive = 0; progressive < 2; progressive++) {
        bytes b = jpeg(40, 30, black, white, (look){ JCS_RGB, JCS_YCbCr, 3, progressive, 0 });
        for (size_t end = 3; end < b.count; end += end < b.count - 20 ? 7 : 1) {
            bytes part = b;
            part.count = end;
            refused("part.jpg", &part, NULL, "ends too early, at byte");
        }
        add(&b, "behind the end", 14);
        chi_tensor t = grey(put("long.jpg", &b));
        chi_tensor_free(&t);
    }
    bytes b = jpeg(8, 8, black, white, (look){ JCS_RGB, JCS_YCbCr, 3, false, 0 });
    const size_t frame = (size_t)((unsigned char *)memmem(b.at, b.count, "\xff\xc0", 2) - b.at);
    bytes wrong = b;
    wrong.at[frame + 4] = 12;
    refused("deep.jpg", &wrong, NULL, "12-bit JPEG");
    wrong = b;
    memset(wrong.at + frame + 5, 255, 4);
    refused("huge.jpg", &wrong, NULL, "65535 x 65535 pixels, at most");
    wrong = b;
    wrong.at[frame + 6] = 0;
    refused("flat.jpg", &wrong, NULL, "8 x 0 pixels");
    wrong = b;
    wrong.at[frame + 9] = 2;
    refused("two.jpg", &wrong, NULL, "2 components");
    wrong.count = 0;
    add(&wrong, "\xff\xd8\xff\xd9", 4);
    refused("none.jpg", &wrong, NULL, "without a picture");
}

// Each scan is a walk over the picture, so a small file could hold the reader up for hours.
static void many_scans(void **state)
{
    bytes b = jpeg(8, 8, (unsigned char[]){ 0 }, (unsigned char[]){ 255 }, (look){ JCS_GRAYSCALE, JCS_GRAYSCALE, 1, true, 0 });
    size_t last = 0;
    (void)state;
    for (size_t i = 0; i + 1 < b.count; i++)
        if (b.at[i] == 0xff && b.at[i + 1] == 0xda)
            last = i;
    assert_true(last > 0);
    bytes scan = b;
    memmove(scan.at, b.at + last, scan.count = b.count - 2 - last);
    cut(&b, 2);
    for (int i = 0; i < 600; i++)
        add(&b, scan.at, scan.count);
    add(&b, "\xff\xd9", 2);
    refused("scans.jpg", &b, NULL, "more than 500 scans");
}

// ---- a folder ----------------------------------------------------------------------------------

static chi_pictures *opened(const char *folder, chi_pictures_options o)
{
    chi_pictures *p = NULL;
    if (chi_pictures_open(folder, &o, &p) != CHI_OK)
        fail_msg("%s: %s", folder, chi_error_text());
    return p;
}

static void not_opened(const char *folder, chi_pictures_options o, const char *why)
{
    chi_pictures *p = (chi_pictures *)(uintptr_t)1;
    if (chi_pictures_open(folder, &o, &p) == CHI_OK)
        fail_msg("%s was opened, \"%s\" was due", folder, why);
    assert_null(p);
    if (!strstr(chi_error_text(), why))
        fail_msg("\"%s\" does not say \"%s\"", chi_error_text(), why);
}

static void rules(void **state)
{
    static const char *const order[] = { "-1/g.png", "A/z.png", "a-b/one", "a/deep/er/x.PNG", "a/y.png", "b\xff/k\xc3\xa9.png", "b\xff/link.png", "top.png" };
    static const int32_t of[] = { -1, 0, 2, 1, 1, 3, 3, -1 };
    static const char *const names[] = { "A", "a", "a-b", "b\xff" };
    (void)state;
    for (int i = 0; i < 8; i++) {
        char name[64];
        snprintf(name, sizeof name, "r/%s", order[i]);
        if (i != 6)
            put_grey(name, (unsigned char)(10 * i), 4);
    }
    const bytes text = { "not a picture", 13 };
    put("r/notes.txt", &text);
    put("r/a/Thumbs.db", &text);
    put("r/empty/readme", &text);
    assert_int_equal(mkfifo(test_path("r/a/pipe.png"), 0600), 0);
    assert_int_equal(symlink("..", test_path("r/a/up")), 0);
    assert_int_equal(symlink("self.png", test_path("r/self.png")), 0);
    assert_int_equal(symlink("../top.png", test_path("r/b\xff/link.png")), 0);
    assert_int_equal(symlink("nowhere", test_path("r/lost")), 0);
    chi_pictures *p = opened(test_path("r"), (chi_pictures_options){ .picture = { .grey = true } });
    const chi_pictures_facts *f = chi_pictures_describe(p);
    const chi_labels *l = chi_pictures_labels(p);
    assert_int_equal(f->count, 8);
    assert_int_equal(f->channels * 10000 + f->height * 100 + f->width, 10404);
    assert_int_equal(f->bytes, 8 * 16);
    assert_int_equal(f->others, 5); // the three texts, the pipe, the link to nowhere
    assert_int_equal(f->loops, 2);
    assert_int_equal(f->empty, 1);
    assert_string_equal(f->first_empty, "empty");
    assert_int_equal(f->broken, 0);
    assert_non_null(l);
    assert_int_equal(l->count, 8);
    assert_int_equal(l->classes, 4);
    for (size_t i = 0; i < 8; i++) {
        uint8_t pixels[16];
        assert_string_equal(chi_pictures_path(p, i), order[i]);
        assert_int_equal(l->of[i], of[i]);
        assert_int_equal(chi_pictures_read(p, &(int32_t){ (int32_t)i }, 1, pixels), CHI_OK);
        assert_int_equal(pixels[7], i == 6 ? 70 : 10 * i);
    }
    for (size_t c = 0; c < 4; c++)
        assert_string_equal(l->names[c], names[c]);
    assert_null(chi_pictures_path(p, 8));
    chi_pictures_close(&p);
    assert_null(p);
    p = opened(test_path("r/a/deep/er/"), (chi_pictures_options){ .picture = { .size = 9 } }); // pictures alone: no classes
    assert_null(chi_pictures_labels(p));
    assert_int_equal(chi_pictures_describe(p)->width, 9);
    chi_pictures_close(&p);
}

static void folder_refusals(void **state)
{
    chi_pictures *p = NULL;
    (void)state;
    mkdir(test_path("void"), 0700);
    not_opened(test_path("void"), (chi_pictures_options){ .threads = 0 }, "no PNG or JPEG file below it");
    not_opened(test_path("missing"), (chi_pictures_options){ .threads = 0 }, "cannot list");
    put_grey("m/a.png", 1, 4);
    not_opened(test_path("m/a.png"), (chi_pictures_options){ .threads = 0 }, "not a folder");
    not_opened("", (chi_pictures_options){ .threads = 0 }, "0 bytes");
    put_grey("m/b/c.png", 1, 5);
    not_opened(test_path("m"), (chi_pictures_options){ .threads = 0 }, "a.png has 4 x 4 pixels and b/c.png 5 x 5");
    not_opened(test_path("m"), (chi_pictures_options){ .picture = { .size = 65536 } }, "65536");
    not_opened(test_path("m"), (chi_pictures_options){ .picture = { .size = 3, .max_pixels = 20 } }, "b/c.png: 5 x 5 pixels, at most 20");
    assert_int_equal(chi_pictures_open(NULL, NULL, &p), CHI_ERR_ARGUMENT);
    assert_int_equal(chi_pictures_open("x", NULL, NULL), CHI_ERR_ARGUMENT);
    p = opened(test_path("m"), (chi_pictures_options){ .picture = { .size = 3 } });
    uint8_t pixels[27];
    assert_int_equal(chi_pictures_read(p, (int32_t[]){ 0, 2 }, 2, pixels), CHI_ERR_ARGUMENT);
    assert_int_equal(chi_pictures_read(p, (int32_t[]){ -1 }, 1, pixels), CHI_ERR_ARGUMENT);
    assert_int_equal(chi_pictures_read(p, NULL, 0, NULL), CHI_OK);
    chi_pictures_close(&p);
    chi_pictures_close(&p);
    chi_pictures_close(NULL);
}

// Damage in a header shows on opening, behind it on decoding; the first in order is said by any number of threads.
static void damage(void **state)
{
    char name[64];
    uint64_t hash;
    (void)state;
    for (int i = 0; i < 40; i++) {
        const bool bad = i == 21 || i == 33 || i == 4;
        bytes one = png(3, 2, (unsigned char[]){ (unsigned char)i, 1, 2, 3, 4, 5 }, 0);
        snprintf(name, sizeof name, "good/%c/%02d.png", 'a' + i % 2, i);
        if (!bad)
            put(name, &one);
        one.at[one.count - 20] ^= bad ? 16 : 0;
        snprintf(name, sizeof name, "d/%c/%02d.png", 'a' + i % 2, i);
        put(name, &one);
    }
    chi_pictures *good = opened(test_path("good"), (chi_pictures_options){ .picture = { .grey = true } });
    assert_int_equal(chi_pictures_load(good, false, NULL, NULL), CHI_OK);
    hash = chi_pictures_describe(good)->hash;
    chi_pictures_close(&good);
    for (unsigned threads = 1; threads < 9; threads += 3) {
        int32_t which[40];
        uint8_t pixels[40 * 6];
        for (int i = 0; i < 40; i++)
            which[i] = i;
        chi_pictures *p = opened(test_path("d"), (chi_pictures_options){ .threads = threads, .picture = { .grey = true } });
        assert_int_equal(chi_pictures_read(p, which, 40, pixels), CHI_ERR_FORMAT);
        assert_non_null(strstr(chi_error_text(), "d/a/04.png: the checksum"));
        assert_int_equal(chi_pictures_load(p, true, NULL, NULL), CHI_ERR_FORMAT);
        assert_non_null(strstr(chi_error_text(), "d/a/04.png: the checksum"));
        assert_int_equal(chi_pictures_describe(p)->count, 40);
        chi_pictures_close(&p);
        p = opened(test_path("d"), (chi_pictures_options){ .threads = threads, .skip_broken = true, .picture = { .grey = true } });
        for (int round = 0; round < 2; round++) { // the first of which leaves them out
            assert_int_equal(chi_pictures_load(p, round == (threads != 4), NULL, NULL), CHI_OK);
            assert_int_equal(chi_pictures_describe(p)->count, 37);
            assert_int_equal(chi_pictures_describe(p)->broken, 3);
            assert_non_null(strstr(chi_pictures_describe(p)->first_broken, "d/a/04.png: the checksum"));
            assert_int_equal(chi_pictures_labels(p)->count, 37);
            assert_string_equal(chi_pictures_path(p, 2), "a/06.png");
            assert_int_equal(chi_pictures_read(p, which, 37, pixels), CHI_OK);
            assert_true(chi_pictures_describe(p)->hash == hash);
            for (size_t i = 0; i < 37; i++) {
                assert_int_equal(pixels[6 * i], atoi(chi_pictures_path(p, i) + 2));
                assert_int_equal(pixels[6 * i + 5], 5);
            }
        }
        assert_int_equal(chi_pictures_bytes(p) != NULL, threads != 4);
        chi_pictures_close(&p);
    }
    const bytes text = { "text", 4 };
    put("d/a/00.png", &text);
    put("d/b/99.jpeg", &text);
    not_opened(test_path("d"), (chi_pictures_options){ .threads = 3 }, "d/a/00.png: begins with 74 65 78");
    chi_pictures *p = opened(test_path("d"), (chi_pictures_options){ .skip_broken = true });
    assert_int_equal(chi_pictures_describe(p)->broken, 2);
    assert_int_equal(chi_pictures_describe(p)->count, 39);
    chi_pictures_close(&p);
    put("e/a.png", &text);
    not_opened(test_path("e"), (chi_pictures_options){ .skip_broken = true }, "(1 broken, 0 other files");
}

static void count_calls(void *user, size_t done, size_t of)
{
    size_t *last = user;
    assert_true(done <= of && of == 30);
    *last = done;
}

static size_t descriptors(void)
{
    size_t count = 0;
    DIR *list = opendir("/proc/self/fd");
    while (list && readdir(list))
        count++;
    closedir(list);
    return count;
}

static void threads(void **state)
{
    uint8_t first[30 * 27], again[30 * 27];
    int32_t which[30];
    uint64_t hash = 0;
    (void)state;
    for (int i = 0; i < 30; i++) {
        char name[32];
        unsigned char pixels[1024];
        for (int k = 0; k < 1024; k++)
            pixels[k] = (unsigned char)((unsigned)(i * 1024 + k) * 2654435761u >> 24);
        const bytes b = png(5 + (unsigned)i % 20, 3 + (unsigned)i, pixels, 0);
        snprintf(name, sizeof name, "t/%d.png", i);
        put(name, &b);
        which[i] = (i * 7) % 30;
    }
    const size_t before = descriptors();
    for (unsigned n = 0; n < 12; n++) {
        size_t last = 0;
        chi_pictures *p = opened(test_path("t"), (chi_pictures_options){ .threads = n, .picture = { .size = 3 }, .progress = count_calls, .user = &last });
        assert_int_equal(last, 30);
        last = 0;
        if (n % 3 == 2)
            assert_int_equal(chi_pictures_load(p, n % 2, count_calls, &last), CHI_OK);
        assert_int_equal(chi_pictures_read(p, which, 30, n ? again : first), CHI_OK);
        if (n)
            assert_memory_equal(again, first, sizeof first);
        if (n % 3 == 2) {
            assert_int_equal(last, 30);
            assert_true(chi_pictures_describe(p)->hash && (!hash || hash == chi_pictures_describe(p)->hash));
            hash = chi_pictures_describe(p)->hash;
        }
        chi_pictures_close(&p);
    }
    assert_int_equal(descriptors(), before);
    chi_pictures *p = opened(test_path("t"), (chi_pictures_options){ .picture = { .size = 3 } });
    bytes gone = { "GIF89a", 6 };
    put("t/9.png", &gone); // which comes last
    assert_int_equal(chi_pictures_read(p, which, 30, again), CHI_ERR_FORMAT);
    unlink(test_path("t/9.png"));
    assert_int_equal(chi_pictures_read(p, which, 30, again), CHI_ERR_FILE);
    chi_pictures_close(&p);
    p = opened(test_path("r/a/deep"), (chi_pictures_options){ .threads = 1 });
    put_grey("r/a/deep/er/x.PNG", 1, 6);
    uint8_t large[3 * 36];
    assert_int_equal(chi_pictures_read(p, (int32_t[]){ 0 }, 1, large), CHI_ERR_FORMAT);
    assert_non_null(strstr(chi_error_text(), "has 6 x 6 pixels now, and had 4 x 4"));
    chi_pictures_close(&p);
}

static void escape(void **state)
{
    static const struct { const char *text, *escaped; } all[] = {
        { "plain/\xc3\xa9t\xc3\xa9 1.png", "plain/\xc3\xa9t\xc3\xa9 1.png" }, { "\xff\xfe", "\\xff\\xfe" }, { "a\nb\t\x7f\x1b", "a\\x0ab\\x09\\x7f\\x1b" },
        { "back\\slash", "back\\\\slash" }, { "\xc3", "\\xc3" }, { "\xe2\x82", "\\xe2\\x82" }, { "\xe2\x82\xac", "\xe2\x82\xac" },
        { "\xed\xa0\x80", "\\xed\\xa0\\x80" }, { "\xc0\xaf", "\\xc0\\xaf" }, { "\xf0\x9f\x98\x80", "\xf0\x9f\x98\x80" },
        { "\xf4\x90\x80\x80", "\\xf4\\x90\\x80\\x80" }, { "\xc2\x85", "\\xc2\\x85" }, { "", "" },
    };
    char to[64];
    (void)state;
    for (size_t i = 0; i < sizeof all / sizeof *all; i++) {
        assert_int_equal(chi_text_escape(all[i].text, to, sizeof to), strlen(all[i].escaped));
        assert_string_equal(to, all[i].escaped);
    }
    assert_int_equal(chi_text_escape("ab\xff" "c", to, 6), 7); // whole characters or none
    assert_string_equal(to, "ab");
    assert_int_equal(chi_text_escape("abc", NULL, 0), 3);
    chi_tensor t;
    assert_int_equal(chi_picture_read("no\xff\x1b\\where", NULL, &t), CHI_ERR_FILE); // in a sentence too
    assert_non_null(strstr(chi_error_text(), "no\\xff\\x1b\\where: cannot open"));
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(upright), cmocka_unit_test(jpeg_colors), cmocka_unit_test(png_refusals), cmocka_unit_test(jpeg_refusals),
        cmocka_unit_test(many_scans), cmocka_unit_test(rules), cmocka_unit_test(folder_refusals), cmocka_unit_test(damage),
        cmocka_unit_test(threads), cmocka_unit_test(escape),
    };
    return cmocka_run_group_tests(tests, set_up, tear_down);
}
