// SPDX-License-Identifier: Apache-2.0
// about.h: what is known of drivers, as data. Nothing here touches a device.
#ifndef CHI_DEVICE_ABOUT_H
#define CHI_DEVICE_ABOUT_H

#include <chiaro/device.h>

typedef enum chi__about_action {
    CHI__ABOUT_REFUSE,    // never used
    CHI__ABOUT_DEGRADE,   // used, but ranked behind all others and named in a warning
    CHI__ABOUT_OWN_CACHE, // the driver keeps compiled programs itself: ours would only be one more copy
    CHI__ABOUT_WHOLE_PARTS, // a part of the device still runs on all of its units
    CHI__ABOUT_ZERO_SIGNS,  // compiles as if −0 were +0
    CHI__ABOUT_NO_PANEL,    // the panel core is not built: the group core is the only one
    CHI__ABOUT_SHORT_LOOPS, // a work-item's loops end after so many turns, without a word
    CHI__ABOUT_WAITER_WORKS, // a CPU's driver counts on the thread that waits to do its share of the work
} chi__about_action;

// One row: devices whose platform contains `platform` and whose name or vendor contains `device` (NULL: any), with a
// driver version from `from` up to, without, `before` (NULL: no bound).
typedef struct chi__about {
    const char *platform, *device, *from, *before;
    chi__about_action action;
    const char *reason, *seen; // seen: the month of the evidence
} chi__about;

const chi__about *chi__about_row(size_t index); // NULL after the last
bool chi__about_matches(const chi__about *row, const chi_device_info *info);
// The reason of the first row of that action which matches; NULL: none does.
const char *chi__about_why(const chi_device_info *info, chi__about_action action);
static inline bool chi__about_has(const chi_device_info *info, chi__about_action action) { return chi__about_why(info, action) != NULL; }
// Asks drivers that are still to be loaded for at most so many threads: those that only listen then.
void chi__about_offer_threads(unsigned threads);
// States and reasons of a whole list: rows, then hardware that several platforms show.
void chi__about_apply(chi_device_info *list, size_t count);
// -1, 0, 1: the numbers of two versions, compared in order; text in front of the first number is passed over.
int chi__version_compare(const char *a, const char *b);

#endif
