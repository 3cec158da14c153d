// SPDX-License-Identifier: Apache-2.0
// notes.h: what was measured of a device, a line each in a file of the cache folder; kept until its driver changes, or
// `chiaro cache clear`. Only notes: where they cannot be kept, the next process measures again.
#ifndef CHI_DEVICE_NOTES_H
#define CHI_DEVICE_NOTES_H

#include <chiaro/device.h>

// File: "probe.notes", "core.notes". cache_dir as in chi_device_options. false: there is no note of this device.
bool chi__note_read(const char *cache_dir, const char *file, const chi_device_info *info, char *to, size_t room);
void chi__note_add(const char *cache_dir, const char *file, const chi_device_info *info, const char *note);

#endif
