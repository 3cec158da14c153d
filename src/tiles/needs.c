// SPDX-License-Identifier: Apache-2.0
// needs.c: the list of buffers that a plan counts and that create allocates: what was predicted is what is taken.
// Header: tiles.h.
#include "tiles.h"

#include <stdio.h>

void chi__need(chi__needs *needs, const char *who, const char *what, uint64_t bytes, bool zeroed, chi_buffer **place)
{
    if (needs->count == CHI__MOST_NEEDS)
        return; // a plan has fewer: tests/unit_plan.c allocates the longest of them and compares bytes
    chi__need_of *need = &needs->at[needs->count++];
    snprintf(need->name, sizeof need->name, "%s%s%s", who, who[0] ? " " : "", what);
    need->bytes = bytes;
    need->zeroed = zeroed;
    need->place = place;
}

uint64_t chi__needs_bytes(const chi__needs *needs)
{
    uint64_t bytes = 0;
    for (size_t i = 0; i < needs->count; i++)
        bytes += chi__buffer_counted(needs->at[i].bytes);
    return bytes;
}

uint64_t chi__needs_largest(const chi__needs *needs)
{
    uint64_t most = 0;
    for (size_t i = 0; i < needs->count; i++)
        most = needs->at[i].bytes > most ? needs->at[i].bytes : most;
    return most;
}

bool chi__needs_fit(chi_device *dev, const chi__needs *needs)
{
    return chi__needs_bytes(needs) <= chi__memory_left(dev) && chi__needs_largest(needs) <= chi__max_alloc(dev);
}

chi_status chi__needs_create(chi_device *dev, const chi__needs *needs)
{
    chi_status st = CHI_OK;
    size_t done = 0;
    for (; done < needs->count && st == CHI_OK; done++) {
        const chi__need_of *need = &needs->at[done];
        st = need->zeroed ? chi_buffer_create(dev, need->bytes, need->place) : chi__scratch_create(dev, need->bytes, need->place);
    }
    for (; st != CHI_OK && done-- > 0;)
        chi_buffer_destroy(needs->at[done].place);
    return st;
}
