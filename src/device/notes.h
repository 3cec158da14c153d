// SPDX-License-Identifier: Apache-2.0
// notes.h: what was measured of a device, a line each in a file of the cache folder; kept for a day, for one measurement may
// have been disturbed, or until its driver changes, or `chiaro cache clear`. Only notes: where they cannot be kept, the next
// process measures again.
#ifndef CHI_DEVICE_NOTES_H
#define CHI_DEVICE_NOTES_H

#include <chiaro/device.h>

enum { CHI__NOTE_LIFE_S = 24 * 3600 };

// File: "probe.notes", "core.notes". cache_dir as in chi_device_options. false: there is no note of this device, or it is too
// old. age_s (may be NULL): of the note.
bool chi__note_read(const char *cache_dir, const char *file, const chi_device_info *info, char *to, size_t room, long long *age_s);
// In the place of what there was of this device; notes that are too old are dropped.
void chi__note_add(const char *cache_dir, const char *file, const chi_device_info *info, const char *note);

#endif
