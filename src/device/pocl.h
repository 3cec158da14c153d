// SPDX-License-Identifier: Apache-2.0
// pocl.h: the folder that PoCL keeps compiled programs in, without which it has no device.
#ifndef CHI_DEVICE_POCL_H
#define CHI_DEVICE_POCL_H

#include "../base/place.h"

bool chi__is_pocl(const char *platform);
// What PoCL would find, and the sentence of a listing in which it has no device. Offers PoCL one in the folder that
// CHIARO_CACHE_DIR names where it would have none; to be called before drivers are loaded.
chi__folder_use chi__pocl_folder(char *sentence, size_t room);

#endif
