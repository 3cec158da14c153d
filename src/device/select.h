// SPDX-License-Identifier: Apache-2.0
// select.h: the selector grammar of include/chiaro/device.h over a list of devices. Nothing here touches a device.
#ifndef CHI_DEVICE_SELECT_H
#define CHI_DEVICE_SELECT_H

#include <chiaro/device.h>

#include "../base/fail.h"

// The default among the devices that may be used and are not excluded (NULL: none is); false: there is none.
bool chi__best(const chi_device_info *list, size_t count, const bool *excluded, size_t *chosen);
// The device that a selector names.
chi_status chi__select(const chi_device_info *list, size_t count, const char *selector, size_t *chosen);

#endif
