// SPDX-License-Identifier: Apache-2.0
// folder.h: a folder of its own for a test that needs files. Gone after test_folder_remove.
#ifndef CHI_TEST_FOLDER_H
#define CHI_TEST_FOLDER_H

#include <stddef.h>

void test_folder_make(void);
void test_folder_remove(void);
const char *test_path(const char *name); // in the folder; valid for 32 calls
void test_write(const char *path, const void *bytes, size_t count);
// The file's bytes, freed with free().
unsigned char *test_read(const char *path, size_t *count);

#endif
