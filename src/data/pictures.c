// SPDX-License-Identifier: Apache-2.0
// pictures.c: a folder of pictures as rows of one shape. Header: include/chiaro/pictures.h. One picture: picture.c; which
// files: pictures_list.c.
#include "picture.h"

#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "../base/hash.h"
#include "../base/memory.h"
#include "../base/text.h"
#include "../base/workers.h"

struct chi_pictures {
    char *folder;
    chi_pictures_options options; // with defaults in; no pointers of the caller's
    char *unlabelled;
    chi__listing list; // entries are pictures alone
    chi_pictures_facts facts;
    chi_labels labels;
    uint8_t *bytes; // where they are kept
};

static char *full_path(const chi_pictures *p, const chi__entry *e)
{
    chi__text path = { 0 };
    chi__text_add(&path, "%s%s%s", p->folder, p->folder[strlen(p->folder) - 1] == '/' ? "" : "/", e->path);
    if (!path.failed)
        return path.at;
    chi__free(path.at);
    chi__fail(NULL, CHI_ERR_MEMORY, "%s: no memory for a path in it", p->folder);
    return NULL;
}

// ---- what is a picture, and what is a broken one -----------------------------------------------

static bool is_damage(chi_status st) { return st == CHI_ERR_FORMAT || st == CHI_ERR_FILE; }

// A broken picture fails, or is marked so where they are skipped.
static chi_status broken(const chi_pictures *p, chi__entry *e, chi_status st)
{
    if (!p->options.skip_broken || !is_damage(st))
        return st;
    e->sentence = chi__copy_text(chi_error_text());
    return e->sentence ? CHI_OK : chi__fail(NULL, CHI_ERR_MEMORY, "%s: no memory for a sentence", p->folder);
}

static chi_status look_at(void *user, size_t i)
{
    chi_pictures *p = user;
    chi__entry *e = &p->list.entries[i];
    chi__picture one;
    if (e->sentence) // a folder that could not be read
        return p->options.skip_broken ? CHI_OK : chi__fail(NULL, CHI_ERR_FILE, "%s", e->sentence);
    char *path = full_path(p, e);
    if (!path)
        return CHI_ERR_MEMORY;
    chi_status st = chi__picture_open(path, &p->options.picture, p->options.picture.size ? CHI__LOOK_SIZE : CHI__LOOK_UPRIGHT, &one);
    chi__free(path);
    if (st == CHI_OK) {
        e->width = one.width;
        e->height = one.height;
        chi__picture_close(&one);
        return CHI_OK;
    }
    if (!is_damage(st))
        return st;
    if (one.head.kind != CHI__NO_PICTURE || chi__picture_name(e->path))
        return broken(p, e, st);
    e->other = true;
    return CHI_OK;
}

static void forget(chi__entry *e)
{
    chi__free(e->path);
    chi__free(e->sentence);
}

// Leaves the pictures alone, counts the rest, and takes along what belongs to each: bytes where they are kept, hashes.
static void drop_others(chi_pictures *p, uint64_t *hashes)
{
    chi__listing *l = &p->list;
    const size_t stride = p->facts.channels * p->facts.height * p->facts.width;
    size_t kept = 0;
    for (size_t i = 0; i < l->count; i++) {
        chi__entry *e = &l->entries[i];
        if (!e->other && !e->sentence) {
            if (p->bytes && kept != i)
                memcpy(p->bytes + kept * stride, p->bytes + i * stride, stride);
            if (hashes)
                hashes[kept] = hashes[i];
            l->entries[kept++] = *e;
            continue;
        }
        p->facts.others += e->other;
        p->facts.broken += !e->other;
        if (!e->other && !p->facts.first_broken[0])
            snprintf(p->facts.first_broken, sizeof p->facts.first_broken, "%s", e->sentence);
        forget(e);
    }
    l->count = kept;
}

// ---- classes -----------------------------------------------------------------------------------

// The name of each picture's folder, the unlabelled word where it lies in none. Names are shared by rows that follow each
// other; `names` owns those that owns[] marks.
static bool name_rows(const chi_pictures *p, char **names, bool *owns)
{
    for (size_t i = 0; i < p->list.count; i++) {
        const char *path = p->list.entries[i].path, *slash = strchr(path, '/');
        if (!slash) {
            names[i] = p->unlabelled;
            continue;
        }
        const size_t length = (size_t)(slash - path);
        if (i && names[i - 1] != p->unlabelled && strncmp(names[i - 1], path, length) == 0 && !names[i - 1][length]) {
            names[i] = names[i - 1];
            continue;
        }
        names[i] = chi__copy_text(path);
        if (!names[i])
            return false;
        names[i][length] = '\0';
        owns[i] = true;
    }
    return true;
}

static bool holds_a_picture(const chi_pictures *p, const char *folder)
{
    const size_t length = strlen(folder);
    size_t low = 0, high = p->list.count; // the first path that is not below "folder/"
    while (low < high) {
        const size_t middle = low + (high - low) / 2;
        const char *path = p->list.entries[middle].path;
        const int order = strncmp(path, folder, length);
        if (order < 0 || (order == 0 && (unsigned char)path[length] < '/'))
            low = middle + 1;
        else
            high = middle;
    }
    return low < p->list.count && strncmp(p->list.entries[low].path, folder, length) == 0 && p->list.entries[low].path[length] == '/';
}

static void count_empty(chi_pictures *p)
{
    p->facts.empty = 0;
    p->facts.first_empty[0] = '\0';
    for (size_t f = 0; f < p->list.folder_count; f++) {
        if (holds_a_picture(p, p->list.folders[f]))
            continue;
        if (!p->facts.empty++)
            snprintf(p->facts.first_empty, sizeof p->facts.first_empty, "%s", p->list.folders[f]);
    }
}

static chi_status set_labels(chi_pictures *p)
{
    const size_t n = p->list.count;
    char **names = chi__alloc(n, sizeof *names);
    bool *owns = chi__alloc(n, sizeof *owns);
    chi_labels labels = { 0 };
    chi_status st = CHI_ERR_MEMORY;
    if (names && owns && name_rows(p, names, owns))
        st = chi_labels_from_names((const char *const *)names, n, &(chi_labels_options){ .unlabelled = p->unlabelled, .words = true }, &labels);
    else
        chi__fail(NULL, st, "%s: no memory for the classes of %zu pictures", p->folder, n);
    for (size_t i = 0; names && owns && i < n; i++)
        if (owns[i])
            chi__free(names[i]);
    chi__free(names);
    chi__free(owns);
    if (st == CHI_OK) {
        chi_labels_free(&p->labels);
        p->labels = labels;
    }
    return st;
}

// After entries have gone: there must be some left, of one size, and counts and classes follow them.
static chi_status settle(chi_pictures *p)
{
    const chi__listing *l = &p->list;
    const chi_pictures_facts *f = &p->facts;
    p->facts.count = l->count;
    if (l->count == 0)
        return chi__fail(NULL, CHI_ERR_DATA, "%s: no PNG or JPEG file below it (%zu broken, %zu other files, %zu looping links)",
                         p->folder, f->broken, f->others, f->loops);
    for (size_t i = 1; i < l->count && !p->options.picture.size; i++) {
        const chi__entry *a = &l->entries[0], *b = &l->entries[i];
        if (a->width != b->width || a->height != b->height)
            return chi__fail(NULL, CHI_ERR_SHAPE,
                             "%s: %s has %" PRIu64 " x %" PRIu64 " pixels and %s %" PRIu64 " x %" PRIu64 "; give one size for all",
                             p->folder, a->path, a->width, a->height, b->path, b->width, b->height);
    }
    CHI_TRY(set_labels(p));
    count_empty(p);
    p->facts.channels = p->options.picture.grey ? 1 : 3;
    p->facts.width = (size_t)l->entries[0].width;
    p->facts.height = (size_t)l->entries[0].height;
    const uint64_t one = (uint64_t)p->facts.channels * p->facts.width * p->facts.height; // below 2^64: read_head checked
    if (!chi__mul(one, l->count, &p->facts.bytes))
        return chi__fail(NULL, CHI_ERR_SHAPE, "%s: %zu pictures of %" PRIu64 " bytes are too many", p->folder, l->count, one);
    return CHI_OK;
}

// ---- open and close ----------------------------------------------------------------------------

chi_status chi_pictures_open(const char *folder, const chi_pictures_options *options, chi_pictures **out)
{
    chi_pictures_options o = options ? *options : (chi_pictures_options){ 0 };
    if (!folder || !out)
        return chi__fail(NULL, CHI_ERR_ARGUMENT, "pictures_open: no folder or no place for the result");
    *out = NULL;
    CHI_TRY(chi__picture_options_check(&o.picture, &o.picture));
    chi_pictures *p = chi__alloc(1, sizeof *p);
    if (!p)
        return chi__fail(NULL, CHI_ERR_MEMORY, "%s: no memory to open it", folder);
    p->folder = chi__copy_text(folder);
    p->unlabelled = chi__copy_text(o.unlabelled && *o.unlabelled ? o.unlabelled : "-1");
    p->options = o;
    p->options.unlabelled = NULL;
    p->options.progress = NULL;
    p->options.user = NULL;
    chi_status st = p->folder && p->unlabelled ? chi__listing_make(folder, &p->list)
                                               : chi__fail(NULL, CHI_ERR_MEMORY, "%s: no memory for its name", folder);
    if (st == CHI_OK)
        st = chi__work_do(&(chi__work){ p->list.count, o.threads, look_at, p, o.progress, o.user });
    if (st == CHI_OK) {
        p->facts.loops = p->list.loops;
        p->facts.others = p->list.others;
        drop_others(p, NULL);
        st = settle(p);
    }
    if (st != CHI_OK)
        chi_pictures_close(&p);
    else
        *out = p;
    return st;
}

void chi_pictures_close(chi_pictures **pictures)
{
    if (!pictures || !*pictures)
        return;
    chi_pictures *p = *pictures;
    chi__listing_free(&p->list);
    chi_labels_free(&p->labels);
    chi__free(p->bytes);
    chi__free(p->folder);
    chi__free(p->unlabelled);
    chi__free(p);
    *pictures = NULL;
}

// ---- decoding ----------------------------------------------------------------------------------

static chi_status decode(const chi_pictures *p, size_t i, uint8_t *to)
{
    const chi__entry *e = &p->list.entries[i];
    chi__picture one;
    char *path = full_path(p, e);
    if (!path)
        return CHI_ERR_MEMORY;
    chi_status st = chi__picture_open(path, &p->options.picture, CHI__LOOK_ALL, &one);
    if (st == CHI_OK) {
        if (one.width != p->facts.width || one.height != p->facts.height)
            st = chi__fail(NULL, CHI_ERR_FORMAT, "%s: has %zu x %zu pixels now, and had %zu x %zu", path, one.width, one.height,
                           p->facts.width, p->facts.height);
        else
            st = chi__picture_decode(&one, to);
        chi__picture_close(&one);
    }
    chi__free(path);
    return st;
}

typedef struct loading { chi_pictures *pictures; uint8_t *bytes; uint64_t *hashes; size_t stride; } loading;

static chi_status load_one(void *user, size_t i)
{
    const loading *l = user;
    uint8_t *scratch = l->bytes ? NULL : chi__alloc(l->stride, 1);
    if (!l->bytes && !scratch)
        return chi__fail(NULL, CHI_ERR_MEMORY, "%s: no memory for %zu bytes", l->pictures->folder, l->stride);
    uint8_t *to = l->bytes ? l->bytes + i * l->stride : scratch;
    chi_status st = decode(l->pictures, i, to);
    if (st == CHI_OK)
        l->hashes[i] = chi__hash(CHI__HASH_START, to, l->stride);
    else
        st = broken(l->pictures, &l->pictures->list.entries[i], st);
    chi__free(scratch);
    return st;
}

chi_status chi_pictures_load(chi_pictures *pictures, bool keep, void (*progress)(void *user, size_t done, size_t of), void *user)
{
    chi_pictures *p = pictures;
    if (!p)
        return chi__fail(NULL, CHI_ERR_ARGUMENT, "pictures_load: no pictures");
    const size_t n = p->list.count;
    loading l = { .pictures = p, .stride = p->facts.channels * p->facts.height * p->facts.width };
    char size[24];
    chi_status st = CHI_OK;
    l.hashes = chi__alloc(n, sizeof *l.hashes);
    if (keep && p->facts.bytes <= PTRDIFF_MAX)
        l.bytes = chi__alloc(n, l.stride);
    if (!l.hashes || (keep && !l.bytes))
        st = chi__fail(NULL, CHI_ERR_MEMORY, "%s: no memory for %zu pictures, %s", p->folder, n,
                       chi__bytes_text(p->facts.bytes, size));
    if (st == CHI_OK)
        st = chi__work_do(&(chi__work){ n, p->options.threads, load_one, &l, progress, user });
    if (st == CHI_OK) {
        chi__free(p->bytes);
        p->bytes = l.bytes;
        l.bytes = NULL;
        drop_others(p, l.hashes);
        st = settle(p);
        p->facts.hash = chi__hash(CHI__HASH_START, l.hashes, p->list.count * sizeof *l.hashes);
    }
    chi__free(l.bytes);
    chi__free(l.hashes);
    return st;
}

typedef struct reading { const chi_pictures *pictures; const int32_t *which; uint8_t *to; size_t stride; } reading;

static chi_status read_one(void *user, size_t i)
{
    const reading *r = user;
    return decode(r->pictures, (size_t)r->which[i], r->to + i * r->stride);
}

chi_status chi_pictures_read(chi_pictures *pictures, const int32_t *which, size_t n, uint8_t *to)
{
    const chi_pictures *p = pictures;
    if (!p || (n && (!which || !to)))
        return chi__fail(NULL, CHI_ERR_ARGUMENT, "pictures_read: no pictures, no numbers or no place for the result");
    for (size_t i = 0; i < n; i++)
        if (which[i] < 0 || (size_t)which[i] >= p->list.count)
            return chi__fail(NULL, CHI_ERR_ARGUMENT, "pictures_read: picture %" PRId32 " of %zu", which[i], p->list.count);
    const size_t stride = p->facts.channels * p->facts.height * p->facts.width;
    if (p->bytes) {
        for (size_t i = 0; i < n; i++)
            memcpy(to + i * stride, p->bytes + (size_t)which[i] * stride, stride);
        return CHI_OK;
    }
    reading r = { p, which, to, stride };
    return chi__work_do(&(chi__work){ .count = n, .threads = p->options.threads, .one = read_one, .user = &r });
}

// ---- what there is -----------------------------------------------------------------------------

const chi_pictures_facts *chi_pictures_describe(const chi_pictures *pictures) { return pictures ? &pictures->facts : NULL; }

const char *chi_pictures_path(const chi_pictures *pictures, size_t i)
{
    return pictures && i < pictures->list.count ? pictures->list.entries[i].path : NULL;
}

const chi_labels *chi_pictures_labels(const chi_pictures *pictures)
{
    return pictures && pictures->labels.classes ? &pictures->labels : NULL;
}

const uint8_t *chi_pictures_bytes(const chi_pictures *pictures) { return pictures ? pictures->bytes : NULL; }

size_t chi_text_escape(const char *text, char *to, size_t room) { return chi__text_escape(text, to, room); }
