// SPDX-License-Identifier: Apache-2.0
// select.h: the selector grammar of include/chiaro/device.h over a list of devices. Nothing here touches a device.
#ifndef CHI_DEVICE_SELECT_H
#define CHI_DEVICE_SELECT_H

#include <chiaro/device.h>

#include "../base/fail.h"

// The default among the devices that may be used and are not excluded (NULL: none is); false: there is none.
bool chi__best(const chi_device_info *list, size_t count, const bool *excluded, size_t *chosen);
// Who is asked for the default where several devices are left; the above by a guess, choose.c by measurement.
typedef bool chi__chooser(const void *user, const chi_device_info *list, size_t count, const bool *excluded, size_t *chosen);
// The device that a selector names; one without a term that includes means "auto". choose NULL: chi__best.
chi_status chi__select(const chi_device_info *list, size_t count, const char *selector, chi__chooser *choose, const void *user,
                       size_t *chosen);

#endif
