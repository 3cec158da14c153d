// SPDX-License-Identifier: Apache-2.0
// lookup.c: which tile a device handle uses for what, settled when it is opened. Header: tune.h.
#include "tune.h"

#include "../base/memory.h"

struct chi__tuning {
    chi__tile tile; // where nothing else is known
};

chi_status chi__tuning_open(chi_device *dev, chi__tuning **out)
{
    chi__tuning *tuning = chi__alloc(1, sizeof *tuning);
    if (!tuning)
        return chi__fail(dev, CHI_ERR_MEMORY, "no memory for a device's tiles");
    if (!chi__tile_parse(chi_device_core(dev), chi_device_tile(dev), &tuning->tile)) {
        chi__free(tuning);
        return chi__fail(dev, CHI_ERR_INTERNAL, "there is no tile \"%s\"", chi_device_tile(dev));
    }
    *out = tuning;
    return CHI_OK;
}

void chi__tuning_free(chi__tuning **tuning)
{
    chi__free(*tuning);
    *tuning = NULL;
}

const chi__tile *chi__device_tile(const chi_device *dev) { return &chi__device_tuning(dev)->tile; }

const chi__tile *chi__tuned_tile(const chi_device *dev, chi__family family, size_t dim)
{
    (void)family;
    (void)dim;
    return chi__device_tile(dev);
}
