// SPDX-License-Identifier: Apache-2.0
// lookup.c: which tile a device handle uses for what, settled when it is opened: options.tile, else the best record (exact
// device, same architecture, same vendor and type), else the default. Header: tune.h. Records: record.h.
#include <stdio.h>
#include <string.h>

#include "../base/memory.h"
#include "record.h"

enum { CLASSES = 2, MOST_KERNELS = 8, EXACT = 3 };

typedef struct choice {
    chi__tile tile;
    int likeness; // 0: no record
} choice;

struct chi__tuning {
    chi__tile tile; // where no record says otherwise
    choice choices[CHI__FAMILIES][CLASSES];
    bool clblast[CLASSES];
};

// ---- sources -----------------------------------------------------------------------------------------
chi_status chi__family_source(chi_device *dev, chi__family family, uint64_t *out)
{
    static const char *const kernels[2][CHI__FAMILIES][MOST_KERNELS] = {
        { { "similarity/store_panel.cl", "tiles/pack.cl" },
          { "similarity/topk_panel.cl", "tiles/pack.cl" },
          { "tiles/statistics_panel.cl", "tiles/pack.cl" },
          { "tiles/passes_panel.cl", "tiles/exponentials_panel.cl", "tiles/maxima_panel.cl" },
          { "encoder/conv_panel.cl", "encoder/conv_weights_panel.cl" } },
        { { "similarity/store_group.cl", "tiles/pack.cl" },
          { "similarity/topk_group.cl", "tiles/pack.cl" },
          { "tiles/statistics_group.cl", "tiles/pack.cl" },
          { "tiles/statistics_group.cl", "tiles/pointwise_group.cl", "tiles/exponentials_group.cl", "tiles/maxima_group.cl", "tiles/weights_group.cl",
            "tiles/gradient_group.cl", "tiles/pack.cl" },
          { "encoder/conv_group.cl", "encoder/conv_weights_group.cl" } },
    };
    return chi__source_hash(dev, kernels[chi_device_core(dev) == CHI_CORE_GROUP][family], out);
}

// ---- records -----------------------------------------------------------------------------------------
typedef struct reading {
    chi_device *dev;
    chi__tuning *tuning;
    chi__identity identity;
    bool shipped, hashed[CHI__FAMILIES];
    uint64_t sources[CHI__FAMILIES];
    size_t stale; // of this device, but of other kernels
} reading;

static bool is_current(reading *r, const chi__fact *fact)
{
    if (r->shipped)
        return fact->source == 0;
    if (!r->hashed[fact->family]) {
        r->hashed[fact->family] = true;
        if (chi__family_source(r->dev, fact->family, &r->sources[fact->family]) != CHI_OK)
            r->sources[fact->family] = 0; // no record of it counts
    }
    return fact->source != 0 && fact->source == r->sources[fact->family];
}

static bool take(void *user, const char *file, const chi__identity *device, const chi__fact *fact)
{
    reading *r = user;
    const size_t class = chi__shape_class(fact->dim);
    const int likeness = chi__identity_likeness(&r->identity, device);
    choice *at = &r->tuning->choices[fact->family][class];
    (void)file;
    if (likeness == 0 || (fact->kind != CHI__FACT_BEST && fact->kind != CHI__FACT_PROVIDER))
        return true;
    if (fact->kind == CHI__FACT_BEST && (fact->tile.core != chi_device_core(r->dev) || likeness < at->likeness))
        return true;
    if (!is_current(r, fact)) {
        r->stale += likeness == EXACT && !r->shipped;
        return true;
    }
    if (fact->kind == CHI__FACT_PROVIDER) {
        if (likeness == EXACT)
            r->tuning->clblast[class] = fact->us < fact->default_us;
    } else if (chi__tile_fits(&fact->tile, chi__device_info(r->dev))) {
        *at = (choice){ fact->tile, likeness };
    }
    return true;
}

// What files hold, after what ships. Nothing here fails: a device opens without its records.
static void read_records(chi_device *dev, const char *tune_dir, chi__tuning *tuning)
{
    char folder[4096];
    chi__bad_lines bad = { 0 };
    reading r = { .dev = dev, .tuning = tuning, .shipped = true };
    chi__identity_of(chi__device_info(dev), &r.identity);
    chi__store_scan("the records that ship", chi__shipped_records, strlen(chi__shipped_records), take, &r, &bad);
    r.shipped = false;
    if (chi__store_folder(tune_dir, folder, sizeof folder) != CHI_OK)
        return;
    if (chi__store_read(folder, ".tune", take, &r, &bad) != CHI_OK)
        bad.count++;
    if (bad.count || r.stale)
        chi__say(dev, CHI_LOG_WARNING, "tuning records in %s: %zu lines are none and %zu of this device are of other kernels, all ignored%s%s%s", folder,
                 bad.count, r.stale, bad.first[0] ? "; the first: " : "", bad.first, r.stale ? "; chiaro tune makes new ones" : "");
}

chi_status chi__tuning_open(chi_device *dev, const chi_device_options *options, chi__tuning **out)
{
    chi__tuning *tuning = chi__alloc(1, sizeof *tuning);
    if (!tuning)
        return chi__fail(dev, CHI_ERR_MEMORY, "no memory for a device's tiles");
    if (!chi__tile_parse(chi_device_core(dev), chi_device_tile(dev), &tuning->tile)) {
        chi__free(tuning);
        return chi__fail(dev, CHI_ERR_INTERNAL, "there is no tile \"%s\"", chi_device_tile(dev));
    }
    if (!options->tile || !options->tile[0])
        read_records(dev, options->tune_dir, tuning);
    *out = tuning;
    return CHI_OK;
}

void chi__tuning_free(chi__tuning **tuning)
{
    chi__free(*tuning);
    *tuning = NULL;
}

// ---- answers -----------------------------------------------------------------------------------------
const chi__tile *chi__device_tile(const chi_device *dev) { return &chi__device_tuning(dev)->tile; }

const chi__tile *chi__tuned_tile(const chi_device *dev, chi__family family, size_t dim, int *likeness)
{
    const chi__tuning *tuning = chi__device_tuning(dev);
    const choice *at = &tuning->choices[family][chi__shape_class(dim)];
    if (likeness)
        *likeness = at->likeness;
    return at->likeness ? &at->tile : &tuning->tile;
}

bool chi__tuned_clblast(const chi_device *dev, size_t dim)
{
    return chi__device_numerics(dev) == CHI_NUMERICS_FAST && chi__clblast_is_here() && chi__device_tuning(dev)->clblast[chi__shape_class(dim)];
}
