// SPDX-License-Identifier: Apache-2.0
// cache.h: compiled programs on disk, checked before a driver sees them.
#ifndef CHI_DEVICE_CACHE_H
#define CHI_DEVICE_CACHE_H

#include "device.h"

// Decides where the handle's files lie and whether programs are kept. options.cache_dir as in device.h.
// A folder that cannot be used is a warning, not a failure.
chi_status chi__cache_open(chi_device *dev, const char *folder);
// The entry of `key` in *bytes and *count (freed with chi__free); false: none, or damaged and removed.
bool chi__cache_load(chi_device *dev, const char *key, void **bytes, size_t *count);
// Best effort: a failure is a warning, once.
void chi__cache_store(chi_device *dev, const char *key, const void *bytes, size_t count);
void chi__cache_drop(chi_device *dev, const char *key);

#endif
