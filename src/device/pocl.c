// SPDX-License-Identifier: Apache-2.0
// pocl.c: see pocl.h. PoCL 3.1 looks for POCL_CACHE_DIR (of at least four characters), $XDG_CACHE_HOME/pocl/kcache,
// $HOME/.cache/pocl/kcache and, where none of them is set, takes /tmp/pocl/kcache, which whoever comes first owns.
//
// It makes its folder when it is loaded, so a shared one is kept from it by naming one that cannot be.
#include "pocl.h"

#include <stdio.h>
#include <string.h>

#include "../base/env.h"
#include "../base/text.h"

bool chi__is_pocl(const char *platform)
{
    return chi__contains_text(platform, "Portable Computing Language");
}

static const char variable[] = "POCL_CACHE_DIR", nowhere[] = "/dev/null/pocl";

// The folder, and the variable that it came from; NULL: from none.
static const char *find_folder(char *to, size_t room)
{
    const char *named = chi__env(variable),
               *own = named && strlen(named) >= 4 && strcmp(named, nowhere) != 0 ? named : NULL;
    const char *cache = chi__env("XDG_CACHE_HOME"), *home = chi__env("HOME"),
               *ours = chi__env("CHIARO_CACHE_DIR");
    if (own)
        snprintf(to, room, "%s", own);
    else if (cache)
        snprintf(to, room, "%s/pocl/kcache", cache);
    else if (home)
        snprintf(to, room, "%s/.cache/pocl/kcache", home);
    else if (ours && snprintf(to, room, "%s/pocl", ours) >= 4 && chi__env_offer(variable, to))
        return "CHIARO_CACHE_DIR";
    else
        snprintf(to, room, "/tmp/pocl/kcache");
    return own ? variable : cache ? "XDG_CACHE_HOME" : home ? "HOME" : NULL;
}

chi__folder_use chi__pocl_folder(char *sentence, size_t room)
{
    static const char *const names[] = { "POCL_CACHE_DIR", "XDG_CACHE_HOME", "HOME" };
    for (size_t i = 0; i < sizeof names / sizeof *names;
         i++) // PoCL 3.1 aborts the process for an empty one
        chi__env_drop_empty(names[i]);
    char folder[4096];
    const char *why, *from = find_folder(folder, sizeof folder);
    const chi__folder_use use = from ? chi__folder_use_of(folder, &why) : CHI__FOLDER_SHARED;
    if (use == CHI__FOLDER_SHARED)
        chi__env_offer(variable, nowhere);
    if (use == CHI__FOLDER_OWN)
        snprintf(sentence, room,
                 "PoCL has no device here; it needs a folder for compiled programs, %.400s (by "
                 "%s): see that there is room and that it can be written, or name one of "
                 "your own in POCL_CACHE_DIR",
                 folder, from);
    if (use == CHI__FOLDER_UNWRITABLE)
        snprintf(sentence, room,
                 "PoCL has no device without a folder for compiled programs, and %.400s (by %s) "
                 "cannot be written: %s; name one of your own in POCL_CACHE_DIR",
                 folder, from, why);
    if (use == CHI__FOLDER_SHARED && !from)
        snprintf(sentence, room,
                 "PoCL is left out: neither HOME nor XDG_CACHE_HOME is set, so it would keep "
                 "compiled programs in %s, a folder that other users share; name "
                 "one of your own in POCL_CACHE_DIR",
                 folder);
    else if (use == CHI__FOLDER_SHARED)
        snprintf(sentence, room,
                 "PoCL is left out: it would keep compiled programs in %.400s (by %s), where other "
                 "users may put theirs; name a folder of your own in "
                 "POCL_CACHE_DIR",
                 folder, from);
    return use;
}
