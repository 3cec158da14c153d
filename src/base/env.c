// SPDX-License-Identifier: Apache-2.0
// env.c: what chiaro takes from the environment. Header: env.h.
#include "env.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "hash.h"

const char *chi__env(const char *name)
{
    const char *value = getenv(name);
    return value && *value ? value : NULL;
}

bool chi__env_offer(const char *name, const char *value) { return !getenv(name) && setenv(name, value, 0) == 0; }

void chi__env_drop_empty(const char *name)
{
    if (getenv(name) && !chi__env(name))
        unsetenv(name);
}

uint64_t chi__env_hash(const char *prefix)
{
    uint64_t sum = 0;
    for (char **at = environ; at && *at; at++)
        if (strncmp(*at, prefix, strlen(prefix)) == 0)
            sum += chi__hash(CHI__HASH_START, *at, strlen(*at));
    return sum;
}

typedef struct place {
    const char *name, *under;
} place;

// The first of three variables that is set, and what lies under it.
static bool find_folder(const place *places, char *to, size_t room)
{
    for (size_t i = 0; i < 3; i++) {
        const char *value = chi__env(places[i].name);
        if (!value)
            continue;
        const int length = snprintf(to, room, "%s%s", value, places[i].under);
        return length > 0 && (size_t)length < room;
    }
    return false;
}

bool chi__cache_folder(char *to, size_t room)
{
    static const place places[] = { { "CHIARO_CACHE_DIR", "" }, { "XDG_CACHE_HOME", "/chiaro" }, { "HOME", "/.cache/chiaro" } };
    return find_folder(places, to, room);
}

bool chi__records_folder(char *to, size_t room)
{
    static const place places[] = { { "CHIARO_TUNE_DIR", "" }, { "XDG_DATA_HOME", "/chiaro/tune" }, { "HOME", "/.local/share/chiaro/tune" } };
    return find_folder(places, to, room);
}
