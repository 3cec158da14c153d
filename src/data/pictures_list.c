// SPDX-License-Identifier: Apache-2.0
// pictures_list.c: the files below a folder that may be pictures, in their order. Header: picture.h. What becomes of them:
// pictures.c.
#include "picture.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>

#include "../base/memory.h"
#include "../base/text.h"

enum { LONGEST_PATH = 4096 };

typedef struct walk {
    chi__listing *list;
    char path[LONGEST_PATH]; // of the folder that is being read, or of what lies in it
    size_t root;             // bytes of it that name the folder asked for, and a slash
    chi__path_facts above[LONGEST_PATH / 2]; // the folders on the way down
} walk;

// Room for one more.
static bool grow(void **items, size_t count, size_t *room, size_t size)
{
    if (count < *room)
        return true;
    void *more = chi__realloc(*items, *room ? 2 * *room : 64, size);
    if (!more)
        return false;
    *items = more;
    *room = *room ? 2 * *room : 64;
    return true;
}

static chi_status no_memory(const walk *w, size_t count)
{
    return chi__fail(NULL, CHI_ERR_MEMORY, "%.*s: no memory for more than %zu names", (int)w->root, w->path, count);
}

static chi_status add_entry(walk *w, const char *sentence)
{
    chi__listing *l = w->list;
    if (l->count == INT32_MAX)
        return chi__fail(NULL, CHI_ERR_DATA, "%.*s: holds more than %d files", (int)w->root, w->path, INT32_MAX);
    if (!grow((void **)&l->entries, l->count, &l->room, sizeof *l->entries))
        return no_memory(w, l->count);
    chi__entry *e = &l->entries[l->count];
    *e = (chi__entry){ .path = chi__copy_text(w->path + w->root), .sentence = sentence ? chi__copy_text(sentence) : NULL };
    l->count++;
    return e->path && (e->sentence || !sentence) ? CHI_OK : no_memory(w, l->count);
}

static chi_status add_folder(walk *w, const char *name)
{
    chi__listing *l = w->list;
    if (!grow((void **)&l->folders, l->folder_count, &l->folder_room, sizeof *l->folders) ||
        !(l->folders[l->folder_count] = chi__copy_text(name)))
        return no_memory(w, l->folder_count);
    l->folder_count++;
    return CHI_OK;
}

static bool is_above(const walk *w, size_t depth, const chi__path_facts *here)
{
    for (size_t d = 0; d <= depth; d++)
        if (w->above[d].device == here->device && w->above[d].number == here->number)
            return true;
    return false;
}

static chi_status read_folder(walk *w, size_t depth);

// What w->path names: a folder is read, a file listed.
static chi_status take(walk *w, const char *name, size_t depth)
{
    const chi__path_facts here = chi__path_look(w->path);
    if (here.kind == CHI__PATH_NONE && here.error == EACCES) { // it may be a folder full of pictures
        chi__fail(NULL, CHI_ERR_FILE, "%s: cannot look at it: %s", w->path, strerror(EACCES));
        return add_entry(w, chi_error_text());
    }
    if (here.kind == CHI__PATH_FILE || (here.kind == CHI__PATH_NONE && chi__picture_name(name)))
        return add_entry(w, NULL); // a link that leads nowhere is a broken picture by its name
    if (here.kind == CHI__PATH_LOOP || (here.kind == CHI__PATH_FOLDER && is_above(w, depth, &here))) {
        w->list->loops++;
        return CHI_OK;
    }
    if (here.kind != CHI__PATH_FOLDER) {
        w->list->others++;
        return CHI_OK;
    }
    if (depth == 0)
        CHI_TRY(add_folder(w, name));
    w->above[depth + 1] = here;
    return read_folder(w, depth + 1);
}

// The names are read whole and the folder closed before the ones below are opened: descriptors do not grow with the depth.
static chi_status read_folder(walk *w, size_t depth)
{
    const size_t length = strlen(w->path);
    char *names;
    chi_status st = chi__folder_names(w->path, &names);
    if (st != CHI_OK) // one that others may not read is like a broken picture
        return st == CHI_ERR_FILE && depth ? add_entry(w, chi_error_text()) : st;
    for (const char *name = names; *name && st == CHI_OK; name += strlen(name) + 1) {
        if (length + 1 + strlen(name) >= LONGEST_PATH) {
            st = chi__fail(NULL, CHI_ERR_FILE, "%.200s…: a path of %zu bytes, at most %d are taken", w->path,
                           length + 1 + strlen(name), LONGEST_PATH - 1);
            break;
        }
        w->path[length] = '/';
        strcpy(w->path + length + 1, name);
        st = take(w, name, depth);
        w->path[length] = '\0';
    }
    chi__free(names);
    return st;
}

static int by_path(const void *a, const void *b)
{
    return strcmp(((const chi__entry *)a)->path, ((const chi__entry *)b)->path);
}

static int by_text(const void *a, const void *b) { return strcmp(*(char *const *)a, *(char *const *)b); }

chi_status chi__listing_make(const char *folder, chi__listing *out)
{
    chi__listing list = { 0 };
    size_t length = strlen(folder);
    while (length > 1 && folder[length - 1] == '/')
        length--;
    if (length == 0 || length >= LONGEST_PATH)
        return chi__fail(NULL, CHI_ERR_FILE, "a folder's path of %zu bytes, 1 to %d are taken", length, LONGEST_PATH - 1);
    walk *w = chi__alloc(1, sizeof *w);
    if (!w)
        return chi__fail(NULL, CHI_ERR_MEMORY, "%s: no memory to list it", folder);
    memcpy(w->path, folder, length);
    w->root = length + 1;
    w->list = &list;
    w->above[0] = chi__path_look(w->path);
    const chi_status st = w->above[0].kind == CHI__PATH_NONE || w->above[0].kind == CHI__PATH_FOLDER
                              ? read_folder(w, 0)
                              : chi__fail(NULL, CHI_ERR_FILE, "%s: not a folder", folder);
    chi__free(w);
    if (st != CHI_OK) {
        chi__listing_free(&list);
        return st;
    }
    if (list.count)
        qsort(list.entries, list.count, sizeof *list.entries, by_path);
    if (list.folder_count)
        qsort(list.folders, list.folder_count, sizeof *list.folders, by_text);
    *out = list;
    return CHI_OK;
}

void chi__listing_free(chi__listing *listing)
{
    for (size_t i = 0; i < listing->count; i++) {
        chi__free(listing->entries[i].path);
        chi__free(listing->entries[i].sentence);
    }
    for (size_t i = 0; i < listing->folder_count; i++)
        chi__free(listing->folders[i]);
    chi__free(listing->entries);
    chi__free(listing->folders);
    memset(listing, 0, sizeof *listing);
}

bool chi__picture_name(const char *path)
{
    static const char *const ends[] = { ".png", ".apng", ".jpg", ".jpeg", ".jpe", ".jfif" };
    const size_t length = strlen(path);
    for (size_t i = 0; i < sizeof ends / sizeof ends[0]; i++)
        if (length > strlen(ends[i]) && chi__same_text(path + length - strlen(ends[i]), ends[i]))
            return true;
    return false;
}
