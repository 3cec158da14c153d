// SPDX-License-Identifier: Apache-2.0
// share.c: records as a user handles them: listed, sent, taken, forgotten. Files: store.c. Header: include/chiaro/tuner.h.
#include <stdio.h>
#include <string.h>

#include <chiaro/tuner.h>

#include "../base/file.h"
#include "../base/memory.h"
#include "../base/text.h"
#include "record.h"

enum { MOST_IMPORT = 16 << 20 };

// Where records are collected. A placeholder until there is such a place: this line is the only one to change.
static const char address[] = "https://chiaro.invalid/records";

const char *chi_tune_address(void) { return address; }

chi_status chi_tune_path(const char *dir, char *to, size_t room) { return chi__store_folder(dir, to, room); }

// ---- listing -----------------------------------------------------------------------------------------
typedef struct listing {
    chi_tune_record *at;
    size_t count, room;
    bool failed;
} listing;

static bool list_fact(void *user, const char *file, const chi__identity *device, const chi__fact *fact)
{
    listing *l = user;
    (void)file;
    if (fact->kind == CHI__FACT_TRIED)
        return true;
    if (l->count == l->room) {
        chi_tune_record *more = chi__realloc(l->at, l->room * 2 + 32, sizeof *more);
        l->failed = !more;
        if (!more)
            return false;
        l->at = more;
        l->room = l->room * 2 + 32;
    }
    chi_tune_record *r = &l->at[l->count++];
    *r = (chi_tune_record){ .n = fact->n, .m = fact->m, .dim = fact->dim, .us = fact->us, .default_us = fact->default_us, .fraction = fact->fraction, .busy = fact->busy };
    strcpy(r->device, device->name);
    strcpy(r->driver, device->driver);
    strcpy(r->kernel, chi__family_name(fact->family));
    strcpy(r->tile, fact->tile.name);
    strcpy(r->rejected, fact->why);
    strcpy(r->provider, fact->provider);
    return true;
}

chi_status chi_tune_list(const char *dir, chi_tune_record **list, size_t *count)
{
    char folder[4096];
    listing l = { 0 };
    chi__bad_lines bad = { 0 };
    *list = NULL;
    *count = 0;
    CHI_TRY(chi__store_folder(dir, folder, sizeof folder));
    chi_status st = chi__store_read(folder, ".tune", list_fact, &l, &bad);
    if (st == CHI_OK)
        st = chi__store_read(folder, ".trials", list_fact, &l, &bad);
    if (st == CHI_OK && l.failed)
        st = chi__fail(NULL, CHI_ERR_MEMORY, "no memory for a list of records");
    if (st != CHI_OK) {
        chi__free(l.at);
        return st;
    }
    *list = l.at;
    *count = l.count;
    return CHI_OK;
}

void chi_tune_list_free(chi_tune_record **list)
{
    if (list) {
        chi__free(*list);
        *list = NULL;
    }
}

// ---- sending -----------------------------------------------------------------------------------------
typedef struct sending {
    chi__text text;
    chi__identity device;
    size_t count;
} sending;

static bool send_fact(void *user, const char *file, const chi__identity *device, const chi__fact *fact)
{
    sending *s = user;
    char line[CHI__RECORD_LINE];
    (void)file;
    if (fact->kind != CHI__FACT_BEST && fact->kind != CHI__FACT_PROVIDER)
        return true;
    if (s->count == 0 || !chi__identity_same(&s->device, device)) {
        chi__identity_print(device, line);
        chi__text_add(&s->text, "%s\n", line);
        s->device = *device;
    }
    chi__record_print(fact, line);
    chi__text_add(&s->text, "%s\n", line);
    s->count++;
    return true;
}

chi_status chi_tune_export(const char *dir, const char *path, size_t *count)
{
    char folder[4096];
    sending s = { 0 };
    chi__bad_lines bad = { 0 };
    chi__writer writer;
    *count = 0;
    CHI_TRY(chi__store_folder(dir, folder, sizeof folder));
    chi__text_add(&s.text, "%s\n# Send this file to %s, with what chiaro doctor and chiaro bench peak print.\n", chi__record_head, address);
    chi_status st = chi__store_read(folder, ".tune", send_fact, &s, &bad);
    if (st == CHI_OK && s.text.failed)
        st = chi__fail(NULL, CHI_ERR_MEMORY, "no memory for the text of %zu records", s.count);
    if (st == CHI_OK && s.count == 0)
        st = chi__fail(NULL, CHI_ERR_FILE, "%s: holds no records to send; chiaro tune makes them", folder);
    if (st == CHI_OK)
        st = chi__writer_open(path, true, &writer);
    if (st == CHI_OK) {
        chi__writer_put(&writer, s.text.at, s.text.length);
        st = chi__writer_commit(&writer);
    }
    chi__free(s.text.at);
    if (st == CHI_OK)
        *count = s.count;
    return st;
}

// ---- taking ------------------------------------------------------------------------------------------
typedef struct taking {
    const char *folder;
    const chi__identity *device; // while looking for what is there
    const chi__fact *fact;
    bool found;
    size_t taken, known, ignored;
    chi_status st;
} taking;

static bool find_own(void *user, const char *file, const chi__identity *device, const chi__fact *fact)
{
    taking *t = user;
    (void)file;
    t->found = t->found || (chi__identity_same(device, t->device) && fact->source == t->fact->source && chi__fact_replaces(fact, t->fact));
    return !t->found;
}

static bool take_fact(void *user, const char *file, const chi__identity *device, const chi__fact *fact)
{
    taking *t = user;
    chi__bad_lines bad = { 0 };
    (void)file;
    if (fact->kind != CHI__FACT_BEST && fact->kind != CHI__FACT_PROVIDER) {
        t->ignored++; // another's trials say nothing here
        return true;
    }
    t->device = device;
    t->fact = fact;
    t->found = false;
    t->st = chi__store_read(t->folder, ".tune", find_own, t, &bad);
    if (t->st == CHI_OK && !t->found)
        t->st = chi__store_put(t->folder, device, fact, 1);
    t->known += t->st == CHI_OK && t->found;
    t->taken += t->st == CHI_OK && !t->found;
    return t->st == CHI_OK;
}

chi_status chi_tune_import(const char *dir, const char *path, size_t *taken, size_t *known, size_t *ignored, char *first_ignored)
{
    char folder[4096], *text = NULL;
    size_t bytes = 0;
    chi__bad_lines bad = { 0 };
    *taken = *known = *ignored = 0;
    CHI_TRY(chi__store_folder(dir, folder, sizeof folder));
    CHI_TRY(chi__store_check(folder));
    CHI_TRY(chi__file_load(path, MOST_IMPORT, &text, &bytes));
    taking t = { .folder = folder };
    chi__store_scan(path, text, bytes, take_fact, &t, &bad);
    chi__free(text);
    *taken = t.taken;
    *known = t.known;
    *ignored = t.ignored + bad.count;
    const char *why = bad.count ? bad.first : "trials are not taken, only bests";
    if (t.st == CHI_OK && t.taken + t.known == 0 && bad.count) // whose sentence begins with the path
        return chi__fail(NULL, CHI_ERR_FORMAT, "%.400s; it holds no record that can be taken", bad.first);
    if (t.st == CHI_OK && t.taken + t.known == 0)
        return chi__fail(NULL, CHI_ERR_FORMAT, "%s: it holds no record that can be taken%s", path, t.ignored ? ": trials are not, only bests" : "");
    if (first_ignored)
        snprintf(first_ignored, 200, "%.199s", *ignored ? why : "");
    return t.st;
}

chi_status chi_tune_forget(const char *dir, size_t *files)
{
    char folder[4096];
    size_t trials = 0;
    *files = 0;
    CHI_TRY(chi__store_folder(dir, folder, sizeof folder));
    CHI_TRY(chi__remove_marked(folder, ".tune", files));
    const chi_status st = chi__remove_marked(folder, ".trials", &trials);
    *files += trials;
    return st;
}
