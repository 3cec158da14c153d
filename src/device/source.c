// SPDX-License-Identifier: Apache-2.0
// source.c: kernel text: the embedded table, or the folder CHIARO_KERNEL_DIR names, flattened as tools/embed.py does;
// and copies of what compilers are given, for tools/offline.py: to the folder CHIARO_KERNEL_DUMP names.
#include <inttypes.h>
#include <stdio.h>
#include <string.h>

#include "../base/env.h"
#include "../base/file.h"
#include "../base/hash.h"
#include "../base/memory.h"
#include "../base/text.h"
#include "cl.h"
#include "program.h"

enum { MAX_FILES = 32, MAX_KERNEL_BYTES = 1 << 20 };

typedef struct flattening {
    const char *root;
    char seen[MAX_FILES][128]; // in order: the file being read is put after those it is included from
    size_t count;
    chi__text text;
} flattening;

// The file that a line of `length` bytes includes by path, false for any other line.
static bool included(const char *line, size_t length, char *name, size_t room)
{
    const char *end = line + length, *at = line;
    while (at < end && (*at == ' ' || *at == '\t' || *at == '#'))
        at++;
    if (!memchr(line, '#', (size_t)(at - line)) || end - at < 8 || memcmp(at, "include", 7) != 0)
        return false;
    const char *open = memchr(at, '"', (size_t)(end - at));
    const char *close = open ? memchr(open + 1, '"', (size_t)(end - open - 1)) : NULL;
    if (!close || (size_t)(close - open) > room)
        return false;
    snprintf(name, room, "%.*s", (int)(close - open - 1), open + 1);
    return true;
}

static chi_status flatten(flattening *f, chi_device *dev, const char *name);

static chi_status flatten_line(flattening *f, chi_device *dev, const char *name, const char *line, size_t length,
                               unsigned number)
{
    char other[128];
    if (!included(line, length, other, sizeof other)) {
        chi__text_add(&f->text, "%.*s\n", (int)length, line);
        return CHI_OK;
    }
    bool seen = false;
    for (size_t i = 0; i < f->count; i++)
        seen = seen || strcmp(f->seen[i], other) == 0;
    if (!seen)
        CHI_TRY(flatten(f, dev, other));
    chi__text_add(&f->text, "#line %u \"kernels/%s\"\n", number + 1, name);
    return CHI_OK;
}

static chi_status flatten(flattening *f, chi_device *dev, const char *name)
{
    char path[4096], *text;
    if (f->count == MAX_FILES)
        return chi__fail(dev, CHI_ERR_BUILD, "kernels/%s: includes more than %d files", f->seen[0], MAX_FILES);
    snprintf(f->seen[f->count++], sizeof *f->seen, "%s", name);
    snprintf(path, sizeof path, "%s/%s", f->root, name);
    if (chi__file_load(path, MAX_KERNEL_BYTES, &text, NULL) != CHI_OK)
        return chi__fail(dev, CHI_ERR_FILE, "CHIARO_KERNEL_DIR: %s", chi_error_text());
    chi__text_add(&f->text, "#line 1 \"kernels/%s\"\n", name);
    chi_status st = CHI_OK;
    unsigned number = 1;
    for (const char *line = text; *line && st == CHI_OK; number++) {
        const size_t length = strcspn(line, "\n");
        st = flatten_line(f, dev, name, line, length, number);
        line += length + (line[length] == '\n');
    }
    chi__free(text);
    return st;
}

chi_status chi__source_get(chi_device *dev, const char *file, char **out)
{
    flattening *f = NULL;
    const char *root = chi__env("CHIARO_KERNEL_DIR"), *embedded = NULL;
    for (size_t i = 0; chi__sources[i].file; i++)
        if (strcmp(chi__sources[i].file, file) == 0)
            embedded = chi__sources[i].text;
    if (!root && !embedded)
        return chi__fail(dev, CHI_ERR_INTERNAL, "kernels/%s: not among the embedded kernels", file);
    if (root && !(f = chi__alloc(1, sizeof *f)))
        return chi__fail(dev, CHI_ERR_MEMORY, "kernels/%s: no memory for its text", file);
    chi_status st = CHI_OK;
    char *text = NULL;
    if (f) {
        f->root = root;
        st = flatten(f, dev, file);
        text = f->text.at;
        if (f->text.failed)
            st = st == CHI_OK ? chi__fail(dev, CHI_ERR_MEMORY, "kernels/%s: no memory for its text", file) : st;
    } else if (!(text = chi__copy_text(embedded))) {
        st = chi__fail(dev, CHI_ERR_MEMORY, "kernels/%s: no memory for its text", file);
    }
    chi__free(f);
    if (st != CHI_OK)
        chi__free(text);
    else
        *out = text;
    return st;
}

chi_status chi__source_hash(chi_device *dev, const char *const *files, uint64_t *out)
{
    uint64_t hash = CHI__HASH_START;
    for (; *files; files++) {
        char *text;
        CHI_TRY(chi__source_get(dev, *files, &text));
        hash = chi__hash(hash, text, strlen(text));
        chi__free(text);
    }
    *out = hash;
    return CHI_OK;
}

chi_status chi__source_dump(chi_device *dev, const char *file, const char *defines, const char *options, const char *text)
{
    const char *folder = chi__env("CHIARO_KERNEL_DUMP");
    if (!folder)
        return CHI_OK;
    char path[4096], name[128];
    chi__writer writer;
    snprintf(name, sizeof name, "%.*s", (int)strcspn(file, "."), file);
    for (char *slash = name; (slash = strchr(slash, '/')) != NULL;)
        *slash = '-';
    snprintf(path, sizeof path, "%s/%s-%016" PRIx64 ".cl", folder, name, chi__hash(CHI__HASH_START, text, strlen(text)));
    chi__text head = { 0 };
    chi__text_add(&head, "// kernels/%s | %s | %s\n", file, defines, options);
    chi_status st = head.failed ? chi__fail(dev, CHI_ERR_MEMORY, "kernels/%s: no memory for its copy", file) : CHI_OK;
    if (st == CHI_OK && chi__writer_open(path, false, &writer) != CHI_OK)
        st = chi__fail(dev, CHI_ERR_FILE, "CHIARO_KERNEL_DUMP: %s", chi_error_text());
    if (st == CHI_OK) {
        chi__writer_put(&writer, head.at, strlen(head.at));
        chi__writer_put(&writer, text, strlen(text));
        if (chi__writer_commit(&writer) != CHI_OK)
            st = chi__fail(dev, CHI_ERR_FILE, "CHIARO_KERNEL_DUMP: %s", chi_error_text());
    }
    chi__free(head.at);
    return st;
}
