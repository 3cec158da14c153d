// SPDX-License-Identifier: Apache-2.0
// read.c: a libFuzzer target over every reader of src/data, and that of tuning records. Not part of the tests: meson setup
// -Dfuzz=true with clang as the compiler, then build/tests/fuzz_read CORPUS. unit_data.c, unit_npz.c, unit_labels.c,
// unit_safetensors.c and unit_tune.c hold what it may find.
#include <chiaro/data.h>
#include <chiaro/labels.h>

#include <stdio.h>
#include <stdlib.h>
#include <sys/mman.h>
#include <unistd.h>

#include "tune/record.h"

int LLVMFuzzerTestOneInput(const uint8_t *bytes, size_t count);

static bool take_fact(void *user, const char *file, const chi__identity *device, const chi__fact *fact)
{
    (void)user;
    (void)file;
    (void)device;
    return fact->kind == CHI__FACT_PROVIDER || chi__tile_fits(&fact->tile, NULL);
}

// A reader takes a path; a file in memory has one.
int LLVMFuzzerTestOneInput(const uint8_t *bytes, size_t count)
{
    char path[64];
    chi_tensor one;
    chi_tensors all;
    const int file = memfd_create("fuzz", MFD_CLOEXEC);
    if (file < 0 || write(file, bytes, count) != (ssize_t)count)
        return -1;
    snprintf(path, sizeof path, "/proc/self/fd/%d", file);
    if (chi_tensor_read(path, &one) == CHI_OK) {
        (void)chi_tensor_to_i32(&one);
        (void)chi_tensor_to_f32(&one);
        chi_tensor_free(&one);
    }
    chi_npy_reader *rows = NULL;
    if (chi_npy_open(path, &rows) == CHI_OK) {
        const chi_tensor *t = chi_npy_describe(rows);
        float *first = t->dims && t->shape[0] && t->count ? malloc(4 * (t->count / t->shape[0])) : NULL;
        if (first)
            (void)chi_npy_read_rows(rows, t->shape[0] - 1, 1, first);
        free(first);
        chi_npy_close(&rows);
    }
    if (chi_safetensors_read_with(path, &(chi_safetensors_options){ .changed = count & 1 }, &all) == CHI_OK)
        chi_tensors_free(&all);
    if (chi_npz_read(path, &all) == CHI_OK)
        chi_tensors_free(&all);
    chi_labels labels;
    if (chi_labels_read(path, NULL, &labels) == CHI_OK) {
        (void)chi_labels_map(&labels, (const char *const[]){ "a", "7" }, 2, count & 1);
        chi_labels_free(&labels);
    }
    chi__bad_lines bad = { 0 };
    chi__store_scan("fuzz", (const char *)bytes, count, take_fact, NULL, &bad);
    close(file);
    return 0;
}
