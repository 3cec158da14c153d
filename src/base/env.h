// SPDX-License-Identifier: Apache-2.0
// env.h: the only room that reads the environment.
#ifndef CHI_BASE_ENV_H
#define CHI_BASE_ENV_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

// Sets what is not set yet, for a driver that reads it when it is loaded; false: it was set, or cannot be.
bool chi__env_offer(const char *name, const char *value);
// Takes away a variable that is set to nothing: to us that is not set, to some drivers it is an assertion.
void chi__env_drop_empty(const char *name);
const char *chi__env(const char *name); // NULL where unset or empty
// Hash of all variables whose names begin with `prefix`, in whatever order; 0: there are none.
uint64_t chi__env_hash(const char *prefix);
// Per-user cache folder: CHIARO_CACHE_DIR, $XDG_CACHE_HOME/chiaro, ~/.cache/chiaro; false: none to be had.
bool chi__cache_folder(char *to, size_t room);
// Per-user folder of tuning records, which are results and no cache: CHIARO_TUNE_DIR, $XDG_DATA_HOME/chiaro/tune,
// ~/.local/share/chiaro/tune; false: none to be had.
bool chi__records_folder(char *to, size_t room);

#endif
