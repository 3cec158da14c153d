// SPDX-License-Identifier: Apache-2.0
// folder.c: files for tests. Header: folder.h.
#include "folder.h"

#include <ftw.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/stat.h>
#include <unistd.h>

static char folder[512];

static void need(int condition, const char *what)
{
    if (condition)
        return;
    perror(what);
    exit(1);
}

void test_folder_make(void)
{
    const char *root = getenv("TMPDIR");
    snprintf(folder, sizeof folder, "%s/chiaro-test.XXXXXX", root ? root : "/tmp");
    need(mkdtemp(folder) != NULL, folder);
}

static int drop(const char *path, const struct stat *facts, int kind, struct FTW *at)
{
    (void)facts, (void)kind, (void)at;
    return remove(path);
}

void test_folder_remove(void) { need(nftw(folder, drop, 16, FTW_DEPTH | FTW_PHYS) == 0, folder); }

const char *test_path(const char *name)
{
    static char paths[32][1024];
    static unsigned next;
    char *path = paths[next++ % 32];
    snprintf(path, sizeof paths[0], "%s/%s", folder, name);
    return path;
}

void test_write(const char *path, const void *bytes, size_t count)
{
    FILE *file = fopen(path, "wb");
    need(file != NULL, path);
    need(fwrite(bytes, 1, count, file) == count, path);
    need(fclose(file) == 0, path);
}

unsigned char *test_read(const char *path, size_t *count)
{
    FILE *file = fopen(path, "rb");
    need(file != NULL, path);
    fseek(file, 0, SEEK_END);
    *count = (size_t)ftell(file);
    rewind(file);
    unsigned char *bytes = malloc(*count + 1);
    need(bytes && fread(bytes, 1, *count, file) == *count, path);
    fclose(file);
    return bytes;
}
