// SPDX-License-Identifier: Apache-2.0
// npz.c: numpy's .npz, several .npy in a zip archive: all of them, or one by its name. Header:
// include/chiaro/data.h and container.h. The archive: zip.c.
#include <string.h>

#include "../base/memory.h"
#include "../base/text.h"
#include "container.h"

enum { LISTED = 400 }; // bytes of names in a sentence

// "a, b and 3 more"
static void list_names(const char *const *names, size_t count, chi__text *to)
{
    char name[200];
    for (size_t i = 0; i < count; i++) {
        if (to->length > LISTED) {
            chi__text_add(to, " and %zu more", count - i);
            return;
        }
        chi__text_escape(names[i], name, sizeof name);
        chi__text_add(to, "%s%s", i ? ", " : "", name);
    }
}

chi_status chi__choose_array(const char *path, const char *const *names, size_t count,
                             const char *name, size_t *out)
{
    chi__text list = { 0 };
    size_t hits = 0;
    for (size_t i = 0; i < count; i++) {
        if (name ? strcmp(names[i], name) != 0 : count > 1)
            continue;
        *out = i;
        hits++;
    }
    if (hits == 1)
        return CHI_OK;
    list_names(names, count, &list);
    const char *text = list.at && !list.failed ? list.at : "none";
    chi_status st;
    if (hits)
        st = chi__fail(NULL, CHI_ERR_FORMAT, "%s: holds %zu arrays named \"%.100s\"", path, hits,
                       name);
    else if (name)
        st = chi__fail(NULL, CHI_ERR_FORMAT, "%s: holds no array \"%.100s\"; it has %zu: %s", path,
                       name, count, text);
    else
        st = chi__fail(NULL, CHI_ERR_FORMAT,
                       count ? "%s: holds %zu arrays; name one as FILE:NAME. They are %s"
                             : "%s: holds %zu arrays (%s)",
                       path, count, text);
    chi__free(list.at);
    return st;
}

chi_status chi__zip_find(const chi__file *file, const chi__zip *zip, const char *name, size_t *out)
{
    char plain[4096];
    const char **names = chi__alloc(zip->count, sizeof *names);
    if (!names)
        return chi__fail(NULL, CHI_ERR_MEMORY, "%s: no memory for %zu names", file->path,
                         zip->count);
    for (size_t i = 0; i < zip->count; i++)
        names[i] = zip->members[i].name;
    if (name) { // "a.npy" is the member a.npy, which is listed as a
        snprintf(plain, sizeof plain, "%s", name);
        const size_t length = strlen(plain);
        if (length > 4 && strcmp(plain + length - 4, ".npy") == 0)
            plain[length - 4] = 0;
    }
    const chi_status st =
        chi__choose_array(file->path, names, zip->count, name ? plain : NULL, out);
    chi__free(names);
    return st;
}

static chi_status read_members(chi__array *a, const chi__zip *zip, chi_tensors *to)
{
    for (size_t i = 0; i < zip->count; i++) {
        chi__stream_close(&a->stream);
        a->stream = (chi__stream){ .file = &a->file };
        char name[200];
        chi__text_escape(zip->members[i].name, name, sizeof name);
        snprintf(a->stream.name, sizeof a->stream.name, "%s:%s", a->file.path, name);
        CHI_TRY(chi__array_of_member(a, &zip->members[i]));
        CHI_TRY(chi__array_load(a, &to->items[to->count]));
        to->count++;
    }
    return CHI_OK;
}

chi_status chi_npz_read(const char *path, chi_tensors *out)
{
    chi__array a = { 0 };
    chi__zip zip = { 0 };
    chi_tensors all = { 0 };
    chi_status st;
    if (!path || !out)
        return chi__fail(NULL, CHI_ERR_ARGUMENT, "npz_read: no path or no place for the result");
    CHI_TRY(chi__file_open(path, &a.file));
    CHI_TRY_DONE(chi__zip_read(&a.file, &zip));
    all.items = chi__alloc(zip.count, sizeof *all.items);
    if (!all.items) {
        st = chi__fail(NULL, CHI_ERR_MEMORY, "%s: no memory for %zu arrays", path, zip.count);
        goto done;
    }
    CHI_TRY_DONE(read_members(&a, &zip, &all));
    *out = all;
done:
    if (st != CHI_OK)
        chi_tensors_free(&all);
    chi__zip_free(&zip);
    chi__array_close(&a);
    return st;
}
