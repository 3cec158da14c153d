// SPDX-License-Identifier: Apache-2.0
// core.c: which of the two cores a device uses. Cores: kernels/core/panel.h, kernels/core/group.h.
#include "tiles.h"

#include <stdio.h>

const char *chi__core_file(const char *stem, const chi__tile *tile, char *to)
{
    snprintf(to, 64, "%s_%s.cl", stem, tile->core == CHI_CORE_PANEL ? "panel" : "group");
    return to;
}

chi_status chi__core_tile(chi_device *dev, const chi__tile **out)
{
    *out = chi__device_tile(dev);
    return CHI_OK;
}
