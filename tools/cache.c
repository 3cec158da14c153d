// SPDX-License-Identifier: Apache-2.0
// cache.c: `chiaro cache path|clear`: the folder of compiled programs, and of what was measured of devices.
#include <string.h>

#include "tool.h"

int command_cache(int argc, char **argv)
{
    tool t = { 0 };
    const char *words[1];
    size_t count = 0, removed = 0;
    char path[4096];
    const tool_command command = {
        "cache path|clear",
        "The folder of compiled programs, and of what was measured to choose a default device and "
        "core, which is kept for a day: where it is, or its emptying, after which "
        "devices are measured again.",
        "chiaro cache clear", 0, 1
    };
    const int result = tool_parse(&t, argc, argv, &command, NULL, 0, words, &count);
    if (result != TOOL_DONE || t.help)
        return result;
    if (count == 0 || (strcmp(words[0], "path") != 0 && strcmp(words[0], "clear") != 0))
        return tool_usage("cache needs one word, path or clear%s%s", count ? ", not " : "",
                          count ? words[0] : "");
    const bool clear = words[0][0] == 'c';
    chi_status st = chi_cache_path(NULL, path, sizeof path);
    if (st == CHI_OK && clear)
        st = chi_cache_clear(NULL, &removed);
    if (st != CHI_OK)
        return tool_fail(st);
    if (clear)
        printf("%zu files removed from %s\n", removed, path);
    else
        printf("%s\n", path);
    return TOOL_DONE;
}
