// SPDX-License-Identifier: Apache-2.0
// read.c: a libFuzzer target over every reader of src/data. Not part of the tests: meson setup -Dfuzz=true with clang as
// the compiler, then build/tests/fuzz_read CORPUS. unit_data.c and unit_safetensors.c hold what it may find.
#include <chiaro/data.h>

#include <stdio.h>
#include <sys/mman.h>
#include <unistd.h>

int LLVMFuzzerTestOneInput(const uint8_t *bytes, size_t count);

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
    if (chi_safetensors_read(path, &all) == CHI_OK)
        chi_tensors_free(&all);
    close(file);
    return 0;
}
