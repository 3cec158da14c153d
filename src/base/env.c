// SPDX-License-Identifier: Apache-2.0
// env.c: what chiaro takes from the environment. Header: env.h.
#include "env.h"

#include <stdio.h>
#include <stdlib.h>

const char *chi__env(const char *name)
{
    const char *value = getenv(name);
    return value && *value ? value : NULL;
}

bool chi__env_offer(const char *name, const char *value) { return !getenv(name) && setenv(name, value, 0) == 0; }

bool chi__cache_folder(char *to, size_t room)
{
    static const struct {
        const char *name, *under;
    } places[] = { { "CHIARO_CACHE_DIR", "" }, { "XDG_CACHE_HOME", "/chiaro" }, { "HOME", "/.cache/chiaro" } };
    for (size_t i = 0; i < sizeof places / sizeof *places; i++) {
        const char *value = chi__env(places[i].name);
        if (!value)
            continue;
        const int length = snprintf(to, room, "%s%s", value, places[i].under);
        return length > 0 && (size_t)length < room;
    }
    return false;
}
