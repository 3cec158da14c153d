// SPDX-License-Identifier: Apache-2.0
// choose.h: the default device: the fastest by a short probe, each device in a process of its own.
#ifndef CHI_DEVICE_CHOOSE_H
#define CHI_DEVICE_CHOOSE_H

#include <chiaro/device.h>

// Who hears the reason of a choice.
typedef struct chi__choosing {
    const chi_log *log;
    char *why; // receives it in a few words; NULL: nobody asks
    size_t room;
} chi__choosing;

// A chi__chooser (select.h); user: a const chi__choosing.
bool chi__choose(const void *user, const chi_device_info *list, size_t count, const bool *excluded, size_t *chosen);

// For a listing: a device whose probe failed is degraded, with the reason that its note gives.
void chi__show_failed_probes(chi_device_info *list, size_t count);

#endif
