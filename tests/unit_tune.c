// SPDX-License-Identifier: Apache-2.0
// unit_tune.c: the space of tiles, records of tuning (good, cut, garbled, hostile, from two writers at once), and which
// record a device uses.
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/wait.h>
#include <unistd.h>

#include <cmocka.h>

#include <chiaro/chiaro.h>

#include "harness/folder.h"
#include "tune/record.h"

static char last_log[4096];
static size_t warnings;
static void keep_log(void *user, chi_log_level level, const char *sentence)
{
    (void)user;
    if (level <= CHI_LOG_WARNING) {
        snprintf(last_log, sizeof last_log, "%s", sentence);
        warnings++;
    }
}

// ---- the space ---------------------------------------------------------------------------------------
static void space(void **state)
{
    (void)state;
    static chi__tile all[CHI__MOST_POINTS], near[32];
    for (chi_core core = CHI_CORE_PANEL; core <= CHI_CORE_GROUP; core++) {
        const size_t count = chi__space_list(core, NULL, all, CHI__MOST_POINTS);
        assert_in_range(count, 100, CHI__MOST_POINTS);
        for (size_t i = 0; i < count; i++) {
            chi__tile tile, again = { .vec = 1, .wg_m = 1, .wg_n = 1, .stages = 1 };
            assert_true(chi__tile_parse(CHI_CORE_AUTO, all[i].name, &tile));
            assert_memory_equal(&tile, &all[i], sizeof tile);
            assert_false(chi__tile_parse(core == CHI_CORE_PANEL ? CHI_CORE_GROUP : CHI_CORE_PANEL, all[i].name, &tile));
            char defines[160];
            for (char *word = strtok(strcpy(defines, chi__tile_defines(&tile, (char[160]){ 0 })), " "); word; word = strtok(NULL, " ")) {
                char *value = strchr(word, '=');
                *value++ = '\0';
                assert_true(chi__tile_set(&again, word, (unsigned)atoi(value)));
            }
            assert_true(chi__tile_finish(&again));
            assert_string_equal(again.name, all[i].name);
            const size_t neighbours = chi__space_neighbours(&all[i], NULL, near, 32);
            assert_true(neighbours > 0);
            for (size_t k = 0; k < neighbours; k++)
                assert_true(chi__tile_fits(&near[k], NULL) && strcmp(near[k].name, all[i].name) != 0);
        }
        for (size_t i = 0; chi_tile_name(core, i); i++)
            assert_true(chi__tile_parse(core, chi_tile_name(core, i), &(chi__tile){ 0 }));
        const chi_device_info small = { .local_bytes = 16384, .max_group = 64, .vector_width = 4 };
        assert_true(chi__space_list(core, &small, NULL, 0) < count || core == CHI_CORE_PANEL);
    }
    static const char *const none[] = { "", "p", "p8", "p8x32", "p8x32v", "p8x32v16 ", "P8x32v16", "p08x32v16", "p8x32v16k0", "p8x32v16b128", "p8x32v16k128k128", "p8x48v16",
                                        "p16x64v16", "p99999999999x32v16", "p8x32v16b", "g64x64", "g64x64k16w16x16", "g64x64k16v1", "g128x128k32w8x8", "x8x32v16", "p8x32v16k128b64b64",
                                        "g64x64k16v4d1", "g64x64k16v4d3", "g64x64k16d2", "g64x64k32v4d2", "g64x64k16d2v4", "g64x64k16v4d2b64", "p8x32v16d2", "g64x64k16v4s8",
                                        "g64x64k16v4s", "g64x64k16s16", "g64x64k8v4s16", "g64x64k16v4d2s16", "g64x64k16v4s16b64", "p8x32v16s16" };
    for (size_t i = 0; i < sizeof none / sizeof *none; i++)
        if (chi__tile_parse(CHI_CORE_AUTO, none[i], &(chi__tile){ 0 }))
            fail_msg("\"%s\" is taken for a tile", none[i]);
}

// Two stages take twice the operands' local memory, and registers for the block on its way.
static void stages(void **state)
{
    (void)state;
    chi__tile one, two, near[32];
    const chi_device_info cpu = { .local_bytes = 1 << 20, .max_group = 4096, .local_is_global = true }, gpu = { .local_bytes = 65536, .max_group = 256 };
    assert_true(chi__tile_parse(CHI_CORE_GROUP, "g64x64k16v4", &one) && chi__tile_parse(CHI_CORE_GROUP, "g64x64k16v4d2", &two));
    assert_true(one.stages == 1 && two.stages == 2);
    assert_int_equal(chi__tile_local_bytes(&two) - 4 * (1024 + 3), 2 * 4 * 16 * (64 + 64 + 2 * 4));
    assert_int_equal(chi__tile_registers(&two) - chi__tile_registers(&one), 16 * (64 + 64) / 256);
    assert_true(chi__tile_cost(&two, &gpu) < chi__tile_cost(&one, &gpu) && chi__tile_cost(&two, &cpu) > chi__tile_cost(&one, &cpu));
    size_t count = chi__space_neighbours(&one, &gpu, near, 32), seen = 0;
    for (size_t i = 0; i < count; i++)
        seen += strcmp(near[i].name, two.name) == 0;
    assert_int_equal(seen, 1);
}

// A tile of sub-groups is one only of devices that let a kernel demand their size, and says so.
static void sub_groups(void **state)
{
    (void)state;
    chi__tile tile;
    chi_device_info gpu = { .local_bytes = 65536, .max_group = 1024, .sub_group_sizes = 8 + 32 };
    assert_true(chi__tile_parse(CHI_CORE_GROUP, "g64x64k16v4s16", &tile) && chi__tile_fits(&tile, NULL) && !chi__tile_fits(&tile, &gpu));
    assert_int_equal(chi__tile_lacks(tile.name, &gpu), 16);
    assert_int_equal(chi__tile_lacks("g64x64k16v4", &gpu), 0);
    gpu.sub_group_sizes = 16;
    assert_true(chi__tile_fits(&tile, &gpu));
    assert_int_equal(chi__tile_lacks(tile.name, &gpu), 0);
    assert_int_equal(chi__tile_lacks("g32x32k16v4s8", &gpu), 8);
    const size_t with = chi__space_list(CHI_CORE_GROUP, &gpu, NULL, 0);
    gpu.sub_group_sizes = 0;
    assert_in_range(with - chi__space_list(CHI_CORE_GROUP, &gpu, NULL, 0), 1, 20);
    chi_device *dev = NULL;
    chi_device_info info;
    assert_int_equal(chi_device_open(NULL, &dev), CHI_OK);
    chi_device_describe(dev, &info);
    chi_device_close(&dev);
    const chi_status st = chi_device_open(&(chi_device_options){ .tile = "g64x64k16v4s16", .log = { keep_log, NULL } }, &dev);
    assert_int_equal(st, info.sub_group_sizes & 16 ? CHI_OK : CHI_ERR_UNSUPPORTED);
    assert_true(st == CHI_OK || strstr(last_log, "sub-groups of 16"));
    chi_device_close(&dev);
}

// ---- lines -------------------------------------------------------------------------------------------
static const chi__identity someone = { "gfx1030", "Advanced Micro Devices, Inc.", "AMD Accelerated Parallel Processing", "3590.0 (HSA1.1,LC)", "gpu", 36, 1 };

static chi__fact fact_of(chi__fact_kind kind, chi__family family, uint64_t dim, const char *tile, double us)
{
    chi__fact f = { .kind = kind, .family = family, .n = 2048, .m = 2048, .dim = dim, .us = us, .default_us = us * 2, .fraction = 0.5, .source = 0x9f3c21 };
    if (kind == CHI__FACT_PROVIDER)
        strcpy(f.provider, "clblast");
    else
        assert_true(chi__tile_parse(CHI_CORE_AUTO, tile, &f.tile));
    if (kind == CHI__FACT_REJECTED)
        strcpy(f.why, "it did not answer within 20 s");
    return f;
}

static void lines(void **state)
{
    (void)state;
    char text[CHI__RECORD_LINE], again[CHI__RECORD_LINE], why[80];
    for (int kind = CHI__FACT_BEST; kind <= CHI__FACT_REJECTED; kind++) {
        const chi__fact f = fact_of((chi__fact_kind)kind, kind == CHI__FACT_PROVIDER ? CHI__FAMILY_CORE : CHI__FAMILY_LOSS, 512, "p8x32v16k128b64", 4123.4);
        chi__fact g;
        chi__identity device;
        chi__record_print(&f, text);
        assert_int_equal(chi__record_parse(text, strlen(text), &device, &g, why), CHI__LINE_FACT);
        assert_int_equal(g.kind, kind);
        chi__record_print(&g, again);
        assert_string_equal(text, again);
        for (size_t cut = 1; cut < strlen(text); cut++) // a line that was cut is no fact
            assert_int_equal(chi__record_parse(text, cut, &device, &g, why), CHI__LINE_BAD);
    }
    chi__identity got;
    chi__identity_print(&someone, text);
    assert_int_equal(chi__record_parse(text, strlen(text), &got, NULL, why), CHI__LINE_DEVICE);
    assert_true(chi__identity_same(&got, &someone));
    chi_device_info odd = { .name = "a \"quoted\" \\ name" };
    chi__identity_of(&odd, &got);
    chi__identity_print(&got, text);
    assert_int_equal(chi__record_parse(text, strlen(text), &got, NULL, why), CHI__LINE_DEVICE);
    chi__identity plain;
    chi__identity_of(&odd, &plain);
    setenv("CL_CONFIG_CPU_TARGET_ARCH", "core-avx2", 1); // other code: other times
    chi__identity_of(&odd, &got);
    unsetenv("CL_CONFIG_CPU_TARGET_ARCH");
    assert_false(chi__identity_same(&got, &plain));
}

#define TILE "TILE_M=8 TILE_N=32 VEC=16 TILE_K=0 BLOCK=128 WG_M=1 WG_N=1"
#define SHAPE "loss n=8 m=8 dim=8 "
static const char *const bad_lines[] = {
    "loss", SHAPE, SHAPE TILE " us=1 default_us=1", SHAPE TILE " us=1 default_us=1 source=9f3c21", SHAPE TILE " us=1 default_us=1 source=000000000000000g",
    SHAPE TILE " us=nan default_us=1 source=0000000000000001", SHAPE TILE " us=-1 default_us=1 source=0000000000000001", SHAPE TILE " us=inf default_us=1 source=0000000000000001",
    SHAPE TILE " us=1e300 default_us=1 source=0000000000000001", SHAPE TILE " us=0 default_us=1 source=0000000000000001", SHAPE TILE " us=1 us=1 default_us=1 source=0000000000000001",
    SHAPE TILE " us=1 default_us=1 source=0000000000000001 extra", SHAPE TILE " us=1 default_us=1 mood=good source=0000000000000001",
    SHAPE "TILE_M=0 TILE_N=32 VEC=16 TILE_K=0 BLOCK=128 us=1 default_us=1 source=0000000000000001", SHAPE "TILE_M=1000000 TILE_N=32 VEC=16 BLOCK=128 us=1 default_us=1 source=0000000000000001",
    SHAPE "TILE_M=8 TILE_N=3 VEC=16 BLOCK=128 us=1 default_us=1 source=0000000000000001", SHAPE "TILE_M=8 TILE_N=32 VEC=0 BLOCK=128 us=1 default_us=1 source=0000000000000001",
    SHAPE "TILE_M=64 TILE_N=64 TILE_K=16 BLOCK=128 WG_M=0 WG_N=16 us=1 default_us=1 source=0000000000000001", SHAPE "us=1 default_us=1 source=0000000000000001",
    SHAPE TILE " rejected=\"\" source=0000000000000001", SHAPE TILE " rejected=\"no end source=0000000000000001", SHAPE TILE " us=1 rejected=\"both\" source=0000000000000001",
    "core n=8 m=8 dim=8 provider=cublas us=1 default_us=1 source=0000000000000001", "loss n=-8 m=8 dim=8 " TILE " us=1 source=0000000000000001",
    "loss n=8 m=8 dim=0 " TILE " us=1 source=0000000000000001", "loss n=99999999999999999999 m=8 dim=8 " TILE " us=1 source=0000000000000001", "attention n=8 m=8 dim=8 " TILE " us=1 source=0000000000000001",
    "\"loss\" n=8 m=8 dim=8 " TILE " us=1 source=0000000000000001", "loss=1 n=8", "= = =", "===", "\"", "device", "device \"a\"", "device \"a\" vendor \"b\"",
    "device a vendor b platform c driver d type e units 1 vector 1", "device \"a\" vendor \"b\" platform \"c\" driver \"d\" type \"e\" units -1 vector 1",
    "device \"a\" vendor \"b\" platform \"c\" driver \"d\" type \"averyveryverylongtype\" units 1 vector 1", "chiaro-tuning 2", "loss \x01\x02", "loss n=\xff\xfe", "%s%s%s%n",
};

static bool count_fact(void *user, const char *file, const chi__identity *device, const chi__fact *fact)
{
    (void)file;
    assert_true(fact->kind == CHI__FACT_PROVIDER || chi__tile_fits(&fact->tile, NULL));
    assert_in_range(fact->family, 0, CHI__FAMILIES - 1);
    assert_non_null(memchr(device->name, '\0', sizeof device->name));
    ++*(size_t *)user;
    return true;
}

static void bad(void **state)
{
    (void)state;
    char why[80], all[CHI__RECORD_LINE * 4] = "chiaro-tuning 1\n", line[CHI__RECORD_LINE];
    chi__identity device;
    chi__fact fact;
    for (size_t i = 0; i < sizeof bad_lines / sizeof *bad_lines; i++) {
        why[0] = '\0';
        if (chi__record_parse(bad_lines[i], strlen(bad_lines[i]), &device, &fact, why) != CHI__LINE_BAD || !why[0])
            fail_msg("taken, or without a reason: %s", bad_lines[i]);
    }
    char *huge = malloc(1 << 20);
    memset(huge, 'a', 1 << 20);
    assert_int_equal(chi__record_parse(huge, 1 << 20, &device, &fact, why), CHI__LINE_BAD);
    for (size_t i = 0; i + 1 < 1 << 20; i += 2)
        memcpy(huge + i, " =", 2);
    assert_int_equal(chi__record_parse(huge, 999, &device, &fact, why), CHI__LINE_BAD);
    free(huge);
    chi__identity_print(&someone, line);
    strcat(strcat(all, line), "\n");
    for (int kind = CHI__FACT_BEST; kind <= CHI__FACT_REJECTED; kind++) {
        fact = fact_of((chi__fact_kind)kind, CHI__FAMILY_CORE, 128, "g64x64k16", 10);
        chi__record_print(&fact, line);
        strcat(strcat(all, line), "\n");
    }
    // Cut anywhere: only whole facts count. One byte changed anywhere: nothing worse than a line less.
    const size_t bytes = strlen(all);
    for (size_t cut = 0; cut <= bytes; cut++) {
        size_t facts = 0;
        chi__bad_lines wrong = { 0 };
        chi__store_scan("cut", all, cut, count_fact, &facts, &wrong);
        assert_in_range(facts, 0, 4);
        assert_true(wrong.count <= 1);
        assert_true(cut < bytes || (facts == 4 && wrong.count == 0));
    }
    srand(1);
    for (int i = 0; i < 20000; i++) {
        const size_t at = (size_t)rand() % bytes;
        const char old = all[at];
        size_t facts = 0;
        all[at] = (char)rand();
        chi__store_scan("garbled", all, bytes, count_fact, &facts, &(chi__bad_lines){ 0 });
        assert_in_range(facts, 0, 4);
        all[at] = old;
    }
}

// ---- files -------------------------------------------------------------------------------------------
static size_t facts_in(const char *folder, const char *end, size_t *wrong)
{
    size_t facts = 0;
    chi__bad_lines lines_bad = { 0 };
    assert_int_equal(chi__store_read(folder, end, count_fact, &facts, &lines_bad), CHI_OK);
    if (wrong)
        *wrong = lines_bad.count;
    return facts;
}

static void put(const char *folder, const chi__identity *device, chi__fact f)
{
    if (chi__store_put(folder, device, &f, 1) != CHI_OK)
        fail_msg("%s", chi_error_text());
}

static char *only_file(const char *folder, const char *end)
{
    static char path[4096];
    char command[5000];
    snprintf(command, sizeof command, "ls -d %s/*%s", folder, end);
    FILE *list = popen(command, "r");
    assert_non_null(fgets(path, sizeof path, list));
    pclose(list);
    path[strcspn(path, "\n")] = '\0';
    return path;
}

static void files(void **state)
{
    (void)state;
    char folder[4096];
    size_t wrong, bytes;
    snprintf(folder, sizeof folder, "%s", test_path("data/chiaro/tune"));
    assert_int_equal(facts_in(folder, ".tune", &wrong), 0); // no folder yet
    put(folder, &someone, fact_of(CHI__FACT_BEST, CHI__FAMILY_CORE, 128, "g64x64k16", 10));
    put(folder, &someone, fact_of(CHI__FACT_BEST, CHI__FAMILY_CORE, 100, "g32x32k16", 9));  // the same class: replaces it
    put(folder, &someone, fact_of(CHI__FACT_BEST, CHI__FAMILY_CORE, 512, "g64x32k8", 11));
    put(folder, &someone, fact_of(CHI__FACT_BEST, CHI__FAMILY_CORE, 512, "p8x32v16", 11));  // the other core's: beside it
    put(folder, &someone, fact_of(CHI__FACT_PROVIDER, CHI__FAMILY_CORE, 512, NULL, 11));
    put(folder, &someone, fact_of(CHI__FACT_TRIED, CHI__FAMILY_CORE, 512, "g64x32k8", 11));
    put(folder, &someone, fact_of(CHI__FACT_REJECTED, CHI__FAMILY_CORE, 512, "g64x64k16", 0));
    assert_int_equal(facts_in(folder, ".tune", &wrong), 4);
    assert_int_equal(facts_in(folder, ".trials", &wrong), 2);
    // A damaged file: what is left stays, what is new joins it.
    char *path = only_file(folder, ".tune"), *text = (char *)test_read(path, &bytes);
    test_write(path, text, bytes - 20);
    put(folder, &someone, fact_of(CHI__FACT_BEST, CHI__FAMILY_LOSS, 512, "g64x32k8", 11));
    assert_int_equal(facts_in(folder, ".tune", &wrong), 4);
    assert_int_equal(wrong, 1);
    test_write(path, "\0\1garbage", 9);
    assert_int_equal(facts_in(folder, ".tune", &wrong), 0);
    assert_int_equal(wrong, 1);
    put(folder, &someone, fact_of(CHI__FACT_BEST, CHI__FAMILY_LOSS, 512, "g64x32k8", 11));
    assert_int_equal(facts_in(folder, ".tune", &wrong), 1);
    free(text);
    // Two files one after the other are one file of both.
    chi__identity other = someone;
    strcpy(other.name, "gfx906");
    put(folder, &other, fact_of(CHI__FACT_BEST, CHI__FAMILY_LOSS, 512, "g64x32k8", 11));
    assert_int_equal(facts_in(folder, ".tune", &wrong), 2);
    char command[9000];
    snprintf(command, sizeof command, "cat %s/*.tune > %s/x.merged", folder, folder);
    assert_int_equal(system(command), 0);
    assert_int_equal(facts_in(folder, ".merged", &wrong), 2);
    assert_int_equal(wrong, 0);
    assert_int_equal(chi__store_check(folder), CHI_OK);
    test_write(test_path("no-folder"), "x", 1);
    assert_int_equal(chi__store_check(test_path("no-folder")), CHI_ERR_FILE);
    assert_int_equal(chi__store_put(test_path("no-folder"), &someone, &(chi__fact){ 0 }, 1), CHI_ERR_FILE);
}

static void two_writers(void **state)
{
    enum { WRITERS = 2, EACH = 60 };
    (void)state;
    char folder[4096];
    static chi__tile all[CHI__MOST_POINTS];
    snprintf(folder, sizeof folder, "%s", test_path("crowd"));
    chi__space_list(CHI_CORE_GROUP, NULL, all, CHI__MOST_POINTS);
    for (int w = 0; w < WRITERS; w++)
        if (fork() == 0) {
            for (int i = 0; i < EACH; i++)
                if (chi__store_put(folder, &someone, &(chi__fact){ .kind = CHI__FACT_TRIED, .n = 1, .m = 1, .dim = 8, .us = 1, .source = 1, .tile = all[w * EACH + i] }, 1) != CHI_OK)
                    _exit(1);
            _exit(0);
        }
    for (int w = 0, status; w < WRITERS; w++) {
        assert_true(wait(&status) > 0);
        assert_int_equal(status, 0);
    }
    size_t wrong;
    assert_int_equal(facts_in(folder, ".trials", &wrong), WRITERS * EACH);
    assert_int_equal(wrong, 0);
}

// ---- lookup ------------------------------------------------------------------------------------------
static const char *tile_of(chi_device *dev, chi__family family, size_t dim, int likeness)
{
    int got;
    const chi__tile *tile = chi__tuned_tile(dev, family, dim, &got);
    assert_int_equal(got, likeness);
    return tile->name;
}

static chi_device *open_in(const char *folder, chi_device_options o)
{
    chi_device *dev;
    o.log = (chi_log){ keep_log, NULL };
    o.core = o.tile ? CHI_CORE_AUTO : CHI_CORE_PANEL;
    o.tune_dir = folder;
    last_log[0] = '\0';
    warnings = 0;
    if (chi_device_open(&o, &dev) != CHI_OK)
        fail_msg("%s", chi_error_text());
    return dev;
}

static void lookup(void **state)
{
    (void)state;
    char folder[4096];
    snprintf(folder, sizeof folder, "%s", test_path("lookup"));
    chi_device *dev = open_in(folder, (chi_device_options){ 0 });
    chi__identity own, like, kin;
    uint64_t source[CHI__FAMILIES];
    chi__identity_of(chi__device_info(dev), &own);
    for (int f = 0; f < CHI__FAMILIES; f++) // every kernel that is named exists
        assert_int_equal(chi__family_source(dev, (chi__family)f, &source[f]), CHI_OK);
    char usual[CHI__TILE_NAME];
    strcpy(usual, chi_device_tile(dev));
    assert_string_equal(tile_of(dev, CHI__FAMILY_LOSS, 64, 0), usual);
    chi_device_close(&dev);
    like = kin = own;
    strcpy(like.driver, "of another year");
    strcpy(kin.name, "another of theirs");
    chi__fact f = fact_of(CHI__FACT_BEST, CHI__FAMILY_LOSS, 128, "p4x16v4b32", 10);
    f.source = source[CHI__FAMILY_LOSS];
    put(folder, &kin, f);
    dev = open_in(folder, (chi_device_options){ 0 });
    assert_string_equal(tile_of(dev, CHI__FAMILY_LOSS, 128, 1), "p4x16v4b32");
    assert_string_equal(tile_of(dev, CHI__FAMILY_LOSS, 129, 0), usual);
    assert_string_equal(tile_of(dev, CHI__FAMILY_TOPK, 128, 0), usual);
    chi_device_close(&dev);
    assert_true(chi__tile_parse(CHI_CORE_AUTO, "p4x16v4b64", &f.tile));
    put(folder, &like, f);
    dev = open_in(folder, (chi_device_options){ 0 });
    assert_string_equal(tile_of(dev, CHI__FAMILY_LOSS, 1, 2), "p4x16v4b64");
    chi_device_close(&dev);
    assert_true(chi__tile_parse(CHI_CORE_AUTO, "p4x16v4", &f.tile));
    put(folder, &own, f);
    f.family = CHI__FAMILY_TOPK; // of other kernels
    f.source = source[CHI__FAMILY_TOPK] ^ 1;
    put(folder, &own, f);
    f.family = CHI__FAMILY_CORE; // of the other core
    f.source = source[CHI__FAMILY_CORE];
    assert_true(chi__tile_parse(CHI_CORE_AUTO, "g32x32k16", &f.tile));
    put(folder, &own, f);
    put(folder, &someone, f); // another's: nothing to warn of
    dev = open_in(folder, (chi_device_options){ 0 });
    assert_string_equal(tile_of(dev, CHI__FAMILY_LOSS, 100, 3), "p4x16v4");
    assert_string_equal(tile_of(dev, CHI__FAMILY_TOPK, 100, 0), usual);
    assert_string_equal(tile_of(dev, CHI__FAMILY_CORE, 100, 0), usual);
    assert_int_equal(warnings, 1);
    assert_non_null(strstr(last_log, "1 of this device are of other kernels"));
    chi_device_close(&dev);
    dev = open_in(folder, (chi_device_options){ .tile = "p4x16v4k256" });
    assert_string_equal(tile_of(dev, CHI__FAMILY_LOSS, 100, 0), "p4x16v4k256");
    assert_int_equal(warnings, 0);
    chi_device_close(&dev);
    test_write(test_path("lookup/zz.tune"), "chiaro-tuning 1\nwhat is this\n\n\xff\xff\xff\n", 34);
    dev = open_in(folder, (chi_device_options){ 0 });
    assert_string_equal(tile_of(dev, CHI__FAMILY_LOSS, 100, 3), "p4x16v4");
    assert_int_equal(warnings, 1);
    assert_non_null(strstr(last_log, "zz.tune:2"));
    chi_device_close(&dev);
    dev = open_in("", (chi_device_options){ 0 });
    assert_string_equal(tile_of(dev, CHI__FAMILY_LOSS, 100, 0), usual);
    chi_device_close(&dev);
}

// ---- the search, in this process -----------------------------------------------------------------------
static size_t steps, most_steps;
static bool step(void *user, const chi_tune_progress *p)
{
    (void)user;
    assert_true(p->fraction >= 0.0 && p->fraction <= 1.0);
    steps += p->tile[0] != '\0';
    return steps < most_steps;
}

static void search(void **state)
{
    (void)state;
    static chi_tune_report report;
    char folder[4096];
    snprintf(folder, sizeof folder, "%s", test_path("search"));
    const chi_device_options device = { .core = CHI_CORE_PANEL, .tune_dir = folder, .log = { keep_log, NULL } };
    chi_device_options none = device, file = device;
    none.tune_dir = "";
    file.tune_dir = test_path("no-folder");
    test_write(file.tune_dir, "x", 1);
    most_steps = 1000;
    chi_tune_options o = { .kernels = "core", .rows = 32, .seconds = 8, .progress = step };
    assert_int_equal(chi_tune(&none, &o, &report), CHI_ERR_UNSUPPORTED);
    assert_int_equal(chi_tune(&file, &o, &report), CHI_ERR_FILE);
    assert_int_equal(chi_tune(&device, &(chi_tune_options){ .kernels = "core,nothing" }, &report), CHI_ERR_ARGUMENT);
    assert_int_equal(chi_tune(&device, &(chi_tune_options){ .rows = 3 }, &report), CHI_ERR_ARGUMENT);
    assert_int_equal(chi_tune(&device, &(chi_tune_options){ .effort = (chi_effort)7 }, &report), CHI_ERR_ARGUMENT);
    assert_int_equal(chi_tune(&device, &(chi_tune_options){ .seconds = -1 }, &report), CHI_ERR_ARGUMENT);
    assert_int_equal(steps, 0);
    o.runner = "/no/such/program";
    assert_int_equal(chi_tune(&device, &o, &report), CHI_ERR_INTERNAL);
    assert_non_null(strstr(chi_error_text(), "/no/such/program"));
    o.runner = "/bin/true";
    assert_int_equal(chi_tune(&device, &o, &report), CHI_ERR_INTERNAL);
    assert_non_null(strstr(chi_error_text(), "without an answer"));
    o.runner = NULL;
    o.dry_run = true;
    assert_int_equal(chi_tune(&device, &o, NULL), CHI_OK);
    assert_true(steps > 4);
    o.dry_run = false;
    steps = 0;
    most_steps = 2;
    o.seconds = 100;
    assert_int_equal(chi_tune(&device, &o, &report), CHI_OK);
    assert_true(report.stopped && report.rows[0].best_us == 0.0);
    steps = 0;
    most_steps = 1000;
    o.seconds = 8;
    assert_int_equal(chi_tune(&device, &o, &report), CHI_OK);
    assert_false(report.stopped);
    assert_int_equal(report.row_count, 2);
    chi_device *dev = open_in(folder, (chi_device_options){ 0 });
    for (size_t i = 0; i < 2; i++) {
        assert_true(report.rows[i].best_us > 0.0 && report.rows[i].known >= 1);
        assert_string_equal(tile_of(dev, CHI__FAMILY_CORE, report.rows[i].dim, 3), report.rows[i].best_tile);
        assert_string_equal(chi_tune_tile(dev, "core", report.rows[i].dim), report.rows[i].best_tile);
    }
    assert_null(chi_tune_tile(dev, "softmax", 1));
    chi_device_close(&dev);
    char answer[64];
    assert_int_equal(chi_tune_trial("what", answer, sizeof answer), CHI_ERR_ARGUMENT);
    assert_int_equal(chi_tune_trial("chiaro-trial 1\nkernel core\ntile p8x32v16\n", answer, sizeof answer), CHI_ERR_ARGUMENT);
    assert_int_equal(chi_tune_trial("chiaro-trial 1\nn 99999999999999999999\n", answer, sizeof answer), CHI_ERR_ARGUMENT);
    assert_int_equal(chi_tune_trial(NULL, answer, sizeof answer), CHI_ERR_ARGUMENT);
}

static int set_up(void **state)
{
    (void)state;
    test_folder_make();
    setenv("CHIARO_CACHE_DIR", test_path("cache"), 1);
    return 0;
}

static int tear_down(void **state)
{
    (void)state;
    test_folder_remove();
    return 0;
}

int main(void)
{
    const struct CMUnitTest tests[] = { cmocka_unit_test(space), cmocka_unit_test(stages), cmocka_unit_test(sub_groups), cmocka_unit_test(lines), cmocka_unit_test(bad), cmocka_unit_test(files),
                                        cmocka_unit_test(two_writers), cmocka_unit_test(lookup), cmocka_unit_test(search) };
    return cmocka_run_group_tests(tests, set_up, tear_down);
}
