// SPDX-License-Identifier: Apache-2.0
// place.h: what a process may use where it runs: open files, folders. Nothing here opens or makes any.
#ifndef CHI_BASE_PLACE_H
#define CHI_BASE_PLACE_H

#include <stdbool.h>
#include <stddef.h>

// How many files may be open at once (ulimit -n), and how many of the first 4,096 are; false: the limit is above that.
bool chi__files_open(unsigned *limit, unsigned *open);

typedef enum chi__folder_use {
    CHI__FOLDER_OWN = 0,
    CHI__FOLDER_UNWRITABLE,
    CHI__FOLDER_SHARED
} chi__folder_use;
// Whether a folder is there or could be made, and nobody else but root may put files there; why: the system's word.
chi__folder_use chi__folder_use_of(const char *path, const char **why);

#endif
