// SPDX-License-Identifier: Apache-2.0
// unit_select.c: the selector grammar and the rows about drivers, over lists of devices that do not exist.
#include <fcntl.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <time.h>
#include <unistd.h>

#include <cmocka.h>

#include "device/about.h"
#include "device/choose.h"
#include "device/pocl.h"
#include "device/select.h"
#include "harness/folder.h"

static void ignore(void *user, chi_log_level level, const char *sentence)
{
    (void)user, (void)level, (void)sentence;
}

static chi_device_info fake(size_t index, const char *name, const char *platform, const char *type, unsigned units)
{
    chi_device_info d = { .index = index, .units = units, .clock_mhz = 1000, .vector_width = 8 };
    snprintf(d.name, sizeof d.name, "%s", name);
    snprintf(d.platform, sizeof d.platform, "%s", platform);
    snprintf(d.vendor, sizeof d.vendor, "Maker of %s", name);
    snprintf(d.type, sizeof d.type, "%s", type);
    snprintf(d.selector, sizeof d.selector, "#%zu", index);
    return d;
}

enum { DEVICES = 5 };
static void fill(chi_device_info *list)
{
    list[0] = fake(0, "Small Core", "Alpha", "cpu", 4);
    list[1] = fake(1, "Large Core", "Beta", "cpu", 16);
    list[2] = fake(2, "Big Chip", "Gamma", "gpu", 60);
    list[3] = fake(3, "Little Chip", "Gamma", "gpu", 10);
    list[4] = fake(4, "Broken Chip", "Delta", "gpu", 900);
    strcpy(list[2].pci, "0000:03:00.0");
    list[4].state = CHI_DEVICE_REFUSED;
    strcpy(list[4].reason, "it is broken");
}

static void chooses(void **state)
{
    static const struct {
        const char *selector;
        size_t chosen;
    } cases[] = {
        { "auto", 2 }, { "gpu", 2 }, { "GPU", 2 }, { "#1", 1 }, { " #0 ", 0 }, { "name:little", 3 }, { "platform:ALPHA", 0 },
        { "vendor:maker of large", 1 }, { "pci:03:00", 2 }, { "accelerator,#3", 3 }, { "!gpu", 1 }, { "!#2", 3 }, { "gpu,!#2", 3 },
        { "cpu,!#1", 0 }, { "auto, !gpu, !name:large", 0 }, { "name:none,cpu,!#0", 1 },
        { "", 2 }, { " , ", 2 }, { "gpu,,cpu", 2 }, { ",cpu,!#1,", 0 }, { ",!gpu", 1 },
    };
    chi_device_info list[DEVICES];
    (void)state;
    fill(list);
    for (size_t i = 0; i < sizeof cases / sizeof *cases; i++) {
        size_t chosen = 99;
        if (chi__select(list, DEVICES, cases[i].selector, NULL, NULL, &chosen) != CHI_OK || chosen != cases[i].chosen)
            fail_msg("\"%s\" chose %zu, want %zu: %s", cases[i].selector, chosen, cases[i].chosen, chi_error_text());
    }
}

static void refuses(void **state)
{
    static const struct {
        const char *selector;
        chi_status status;
        const char *says;
    } cases[] = {
        { "gpus", CHI_ERR_ARGUMENT, "\"gpu\"" },
        { "nam:x", CHI_ERR_ARGUMENT, "\"name:\"" },
        { "0", CHI_ERR_ARGUMENT, "nearest is \"#0\"" },
        { "cpu, 12", CHI_ERR_ARGUMENT, "nearest is \"#12\"" },
        { "name:", CHI_ERR_ARGUMENT, "\"name:\" lacks" },
        { "!pci:", CHI_ERR_ARGUMENT, "\"pci:\" lacks" },
        { "#x", CHI_ERR_ARGUMENT, "\"#x\" is no number" },
        { "!", CHI_ERR_ARGUMENT, "no term" },
        { "#7", CHI_ERR_NO_DEVICE, "#2 (Big Chip)" },
        { "accelerator", CHI_ERR_NO_DEVICE, "matches no device" },
        { "cpu", CHI_ERR_NO_DEVICE, "several" },
        { "#4", CHI_ERR_NO_DEVICE, "it is broken" },
        { "!cpu,!gpu", CHI_ERR_NO_DEVICE, "selector \"!cpu,!gpu\" matches no device" },
        { " ,!auto", CHI_ERR_NO_DEVICE, "selector \" ,!auto\" matches" },
    };
    chi_device_info list[DEVICES];
    (void)state;
    fill(list);
    for (size_t i = 0; i < sizeof cases / sizeof *cases; i++) {
        size_t chosen = 99;
        const chi_status st = chi__select(list, DEVICES, cases[i].selector, NULL, NULL, &chosen);
        if (st != cases[i].status || chosen != 99 || !strstr(chi_error_text(), cases[i].says))
            fail_msg("\"%s\" gave %d and chose %zu: %s", cases[i].selector, (int)st, chosen, chi_error_text());
    }
}

static void nothing_usable(void **state)
{
    chi_device_info list[DEVICES];
    size_t chosen = 99;
    (void)state;
    fill(list);
    assert_false(chi__best(list + 4, 1, NULL, &chosen));
    assert_int_equal(chi__select(list + 4, 1, "auto", NULL, NULL, &chosen), CHI_ERR_NO_DEVICE);
    assert_int_equal(chosen, 99);
    list[2].state = CHI_DEVICE_DEGRADED; // behind every whole device, however wide it is
    assert_true(chi__best(list, DEVICES, NULL, &chosen));
    assert_int_equal(chosen, 3);
}

static void versions(void **state)
{
    (void)state;
    assert_int_equal(chi__version_compare("3.1+debian", "3.1"), 0);
    assert_int_equal(chi__version_compare("22.3.6", "23"), -1);
    assert_int_equal(chi__version_compare("1.10", "1.9"), 1);
    assert_int_equal(chi__version_compare("440.64", "440.1000"), -1);
    assert_int_equal(chi__version_compare("pocl 1.4", "1.5"), -1);
    assert_int_equal(chi__version_compare("3.1.0", "3.1"), 0);
    assert_int_equal(chi__version_compare("", "1"), -1);
}

// A device that each row must match, and one that it must not.
static void each_row(void **state)
{
    static const struct {
        const char *platform, *driver, *other_platform, *other_driver;
    } cases[] = {
        { "Clover", "19.1", "rusticl", "23.2" },
        { "OpenCLOn12", "1.0", "Intel(R) OpenCL Graphics", "1.0" },
        { "rusticl", "22.3.6", "rusticl", "23.1.0" },
        { "rusticl", "22.3.6", "rusticl", "23.1.0" },
        { "rusticl", "25.0.7-2+deb13u1", "Clover", "25.0.7-2+deb13u1" },
        { "rusticl", "25.0.7", "Portable Computing Language", "3.1" },
        { "Portable Computing Language", "1.4", "Portable Computing Language", "1.5" },
        { "Portable Computing Language", "3.1+debian", "Intel(R) OpenCL", "3.1" },
        { "Portable Computing Language", "3.1+debian", "Intel(R) OpenCL", "3.1" },
        { "Intel(R) OpenCL", "2026.22", "Portable Computing Language", "3.1+debian" },
        { "NVIDIA CUDA", "535.1", "AMD Accelerated Parallel Processing", "535.1" },
    };
    (void)state;
    size_t rows = 0;
    while (chi__about_row(rows))
        rows++;
    assert_int_equal(rows, sizeof cases / sizeof *cases);
    for (size_t i = 0; i < rows; i++) {
        chi_device_info yes = fake(0, "llvmpipe", cases[i].platform, "gpu", 1), no = fake(0, "llvmpipe", cases[i].other_platform, "gpu", 1);
        strcpy(yes.driver, cases[i].driver);
        strcpy(no.driver, cases[i].other_driver);
        assert_true(chi__about_matches(chi__about_row(i), &yes));
        assert_false(chi__about_matches(chi__about_row(i), &no));
    }
}

static void states(void **state)
{
    chi_device_info list[4] = { fake(0, "Chip", "rusticl", "gpu", 8), fake(1, "Chip", "Vendor", "gpu", 8),
                                fake(2, "Chip", "Clover", "gpu", 8), fake(3, "Chip", "Vendor", "gpu", 8) };
    (void)state;
    for (int i = 0; i < 3; i++)
        strcpy(list[i].pci, "0000:01:00.0");
    strcpy(list[0].driver, "22.3.6");
    strcpy(list[3].pci, "0000:02:00.0");
    chi__about_apply(list, 4);
    assert_int_equal(list[0].state, CHI_DEVICE_DUPLICATE); // degraded, and the vendor's own is whole
    assert_int_equal(list[1].state, CHI_DEVICE_OK);
    assert_int_equal(list[2].state, CHI_DEVICE_REFUSED);
    assert_int_equal(list[3].state, CHI_DEVICE_OK);
    assert_non_null(strstr(list[0].reason, "#1"));
}

// The probe is a script here: it knows times, dies for one device and counts its calls.
static void probes(void **state)
{
    static const char script[] = "#!/bin/sh\necho $1 >> \"${0%/*}/calls\"\ncase $1 in '#0') echo 2.5;; '#1') echo 1.25;; '#2') kill -SEGV $$;; "
                                 "*) exit 1;; esac\n";
    chi_device_info list[DEVICES];
    size_t chosen = 99, bytes;
    char why[200] = "";
    const chi_log quiet_log = { ignore, NULL };
    const chi__choosing quiet = { &quiet_log, why, sizeof why };
    (void)state;
    test_folder_make();
    test_write(test_path("probe"), script, strlen(script));
    assert_int_equal(chmod(test_path("probe"), 0700), 0);
    setenv("CHIARO_PROBE", test_path("probe"), 1);
    setenv("CHIARO_CACHE_DIR", test_path("cache"), 1);
    unsetenv("CHIARO_CACHE");
    fill(list);
    assert_true(chi__choose(&quiet, list, 1, NULL, &chosen)); // nothing to choose: nothing runs
    assert_int_equal(chosen, 0);
    assert_int_not_equal(access(test_path("calls"), F_OK), 0);
    for (int i = 0; i < 2; i++) { // the second time from the notes
        assert_true(chi__choose(&quiet, list, DEVICES, NULL, &chosen));
        assert_int_equal(chosen, 1);
        assert_string_equal(why, "the fastest of 4 in a probe, 1.250 ms");
    }
    free(test_read(test_path("calls"), &bytes));
    assert_int_equal(bytes, 4 * strlen("#0\n")); // not the refused one, and each once
    chi__show_failed_probes(list, DEVICES);
    assert_int_equal(list[1].state, CHI_DEVICE_OK);
    assert_int_equal(list[2].state, CHI_DEVICE_DEGRADED);
    assert_non_null(strstr(list[2].reason, "signal 11"));
    assert_non_null(strstr(list[2].reason, "chiaro cache clear"));
    list[2].state = CHI_DEVICE_OK;
    strcpy(list[1].driver, "a newer one");
    assert_true(chi__choose(&quiet, list, DEVICES, NULL, &chosen));
    free(test_read(test_path("calls"), &bytes));
    assert_int_equal(bytes, 5 * strlen("#0\n"));
    test_folder_remove();
}

static char *read_text(const char *path)
{
    size_t bytes;
    char *bare = (char *)test_read(path, &bytes), *text = calloc(1, bytes + 1);
    memcpy(text, bare, bytes);
    free(bare);
    return text;
}

// How many devices are probed again after notes were made older by `s` seconds, or written by the first version.
static size_t calls_after(chi_device_info *list, long long s, bool first_version)
{
    char *text, *aged = calloc(1, 1 << 16);
    size_t bytes, used = 0;
    const chi_log quiet_log = { ignore, NULL };
    const chi__choosing quiet = { &quiet_log, NULL, 0 };
    size_t chosen = 99;
    unlink(test_path("calls"));
    unlink(test_path("cache/probe.notes"));
    assert_true(chi__choose(&quiet, list, DEVICES, NULL, &chosen));
    text = read_text(test_path("cache/probe.notes"));
    for (char *line = strtok(text, "\n"); line; line = strtok(NULL, "\n")) {
        char *date = strrchr(line, '@');
        if (first_version)
            used += (size_t)sprintf(aged + used, "%.*s\n", (int)(date - 1 - line), line);
        else
            used += (size_t)sprintf(aged + used, "%.*s@%lld\n", (int)(date - line), line, atoll(date + 1) - s);
    }
    free(text);
    test_write(test_path("cache/probe.notes"), aged, used);
    if (first_version) {
        const struct timespec then[2] = { { time(NULL) - s, 0 }, { time(NULL) - s, 0 } };
        assert_int_equal(utimensat(AT_FDCWD, test_path("cache/probe.notes"), then, 0), 0);
    }
    free(aged);
    test_write(test_path("calls"), "", 0);
    chosen = 99;
    assert_true(chi__choose(&quiet, list, DEVICES, NULL, &chosen));
    assert_int_equal(chosen, 1);
    free(test_read(test_path("calls"), &bytes));
    return bytes / 3;
}

// A note is kept for a day, whichever version wrote it, and none from the future.
static void notes_age(void **state)
{
    static const char script[] = "#!/bin/sh\necho $1 >> \"${0%/*}/calls\"\ncase $1 in '#0') echo 2.5;; '#1') echo 1.25 busy;; *) exit 1;; esac\n";
    chi_device_info list[DEVICES];
    (void)state;
    test_folder_make();
    test_write(test_path("probe"), script, strlen(script));
    assert_int_equal(chmod(test_path("probe"), 0700), 0);
    setenv("CHIARO_PROBE", test_path("probe"), 1);
    setenv("CHIARO_CACHE_DIR", test_path("cache"), 1);
    fill(list);
    for (int first = 0; first < 2; first++) {
        assert_int_equal(calls_after(list, 60, first), 0);
        assert_int_equal(calls_after(list, 23 * 3600, first), 0);
        assert_int_equal(calls_after(list, 25 * 3600, first), 4);
        assert_int_equal(calls_after(list, -3600, first), 4);
    }
    char *text = read_text(test_path("cache/probe.notes"));
    assert_non_null(strstr(text, "1.25 busy Large Core")); // the mark is kept
    free(text);
    test_folder_remove();
}

static void pocl_folders(void **state)
{
    static const char *const names[] = { "POCL_CACHE_DIR", "XDG_CACHE_HOME", "HOME", "CHIARO_CACHE_DIR" };
    char says[1024], shared[512];
    (void)state;
    test_folder_make();
    test_write(test_path("file"), "", 0);
    snprintf(shared, sizeof shared, "%s", test_path("shared"));
    assert_int_equal(mkdir(shared, 0700), 0);
    assert_int_equal(chmod(shared, 0777), 0);
    for (size_t i = 0; i < 4; i++)
        unsetenv(names[i]);
    assert_int_equal(chi__pocl_folder(says, sizeof says), CHI__FOLDER_SHARED); // never /tmp
    assert_non_null(strstr(says, "POCL_CACHE_DIR"));
    for (size_t i = 0; i < 3; i++) {
        unsetenv("POCL_CACHE_DIR");
        setenv(names[i], test_path("file/sub"), 1);
        assert_int_equal(chi__pocl_folder(says, sizeof says), CHI__FOLDER_UNWRITABLE);
        assert_true(strstr(says, "POCL_CACHE_DIR") && strstr(says, names[i]) && strstr(says, "Not a directory"));
        setenv(names[i], test_path("new/sub"), 1);
        assert_int_equal(chi__pocl_folder(says, sizeof says), CHI__FOLDER_OWN);
        assert_true(strstr(says, "POCL_CACHE_DIR") && strstr(says, "new/sub"));
        setenv(names[i], shared, 1);
        assert_int_equal(chi__pocl_folder(says, sizeof says), CHI__FOLDER_SHARED);
        assert_non_null(strstr(says, shared));
        assert_non_null(getenv("POCL_CACHE_DIR")); // PoCL makes none there
        unsetenv(names[i]);
    }
    unsetenv("POCL_CACHE_DIR");
    setenv("CHIARO_CACHE_DIR", test_path("ours"), 1); // PoCL gets a folder in ours
    assert_int_equal(chi__pocl_folder(says, sizeof says), CHI__FOLDER_OWN);
    assert_non_null(strstr(getenv("POCL_CACHE_DIR"), "ours/pocl"));
    test_folder_remove();
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(chooses), cmocka_unit_test(refuses),  cmocka_unit_test(nothing_usable),
        cmocka_unit_test(versions), cmocka_unit_test(each_row), cmocka_unit_test(states),
        cmocka_unit_test(probes), cmocka_unit_test(notes_age), cmocka_unit_test(pocl_folders),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
