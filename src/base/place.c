// SPDX-License-Identifier: Apache-2.0
// place.c: see place.h.
#include "place.h"

#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <string.h>
#include <sys/resource.h>
#include <sys/stat.h>
#include <unistd.h>

bool chi__files_open(unsigned *limit, unsigned *open_files)
{
    enum { MOST = 4096 };
    struct rlimit files;
    if (getrlimit(RLIMIT_NOFILE, &files) != 0 || files.rlim_cur > MOST)
        return false;
    *limit = (unsigned)files.rlim_cur;
    *open_files = 0;
    for (int i = 0; i < (int)*limit; i++)
        *open_files += fcntl(i, F_GETFD) != -1;
    return true;
}

chi__folder_use chi__folder_use_of(const char *path, const char **why)
{
    char at[4096];
    struct stat facts;
    *why = "";
    if ((size_t)snprintf(at, sizeof at, "%s", path) >= sizeof at) {
        *why = strerror(ENAMETOOLONG);
        return CHI__FOLDER_UNWRITABLE;
    }
    while (stat(at, &facts) != 0) { // the first that is there of it and the folders above it
        char *slash = strrchr(at, '/');
        if (errno != ENOENT || !slash) {
            *why = strerror(errno);
            return CHI__FOLDER_UNWRITABLE;
        }
        slash[slash == at] = 0;
    }
    if (!S_ISDIR(facts.st_mode) || access(at, W_OK | X_OK) != 0) {
        *why = strerror(S_ISDIR(facts.st_mode) ? errno : ENOTDIR);
        return CHI__FOLDER_UNWRITABLE;
    }
    const bool others = facts.st_uid != geteuid() && facts.st_uid != 0 && geteuid() != 0;
    const bool open_to_all =
        (facts.st_mode & S_IWOTH) && (strcmp(at, path) == 0 || !(facts.st_mode & S_ISVTX));
    return others || open_to_all ? CHI__FOLDER_SHARED : CHI__FOLDER_OWN;
}
