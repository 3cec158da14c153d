// SPDX-License-Identifier: Apache-2.0
// record.c: one fact a line, read with care: records come from other people. Header: record.h.
#include "record.h"

#include <inttypes.h>
#include <stdio.h>
#include <string.h>

#include "../base/text.h"

const char chi__record_head[] = "chiaro-tuning 1";
enum { WHY = 80, MOST_WORDS = 24 };
static const double most_us = 1e10; // nearly three hours: no fact is slower

static const char *const families[CHI__FAMILIES] = { "core", "topk", "logsumexp", "loss", "conv" };
const char *chi__family_name(chi__family family) { return families[family]; }

bool chi__family_find(const char *name, size_t length, chi__family *out)
{
    for (size_t i = 0; i < CHI__FAMILIES; i++)
        if (strlen(families[i]) == length && memcmp(families[i], name, length) == 0) {
            *out = (chi__family)i;
            return true;
        }
    return false;
}

// ---- devices -----------------------------------------------------------------------------------------
// What stands between quotes: no quotes and no backslashes of its own.
static void copy_quotable(const char *from, char *to, size_t room)
{
    snprintf(to, room, "%s", from);
    for (; *to; to++)
        if (*to == '"' || *to == '\\')
            *to = '\'';
}

void chi__identity_of(const chi_device_info *info, chi__identity *out)
{
    memset(out, 0, sizeof *out);
    copy_quotable(info->name, out->name, sizeof out->name);
    copy_quotable(info->vendor, out->vendor, sizeof out->vendor);
    copy_quotable(info->platform, out->platform, sizeof out->platform);
    char settings[CHI__SETTINGS_ROOM], driver[sizeof out->driver]; // other settings: other code, other times
    const int most = (int)(sizeof driver - 1 - strlen(chi__driver_settings(settings)));
    snprintf(driver, sizeof driver, "%.*s%s", most, info->driver, settings);
    copy_quotable(driver, out->driver, sizeof out->driver);
    copy_quotable(info->type, out->type, sizeof out->type);
    out->units = info->units;
    out->vector = info->vector_width;
}

bool chi__identity_same(const chi__identity *a, const chi__identity *b)
{
    return strcmp(a->name, b->name) == 0 && strcmp(a->vendor, b->vendor) == 0 && strcmp(a->platform, b->platform) == 0 &&
           strcmp(a->driver, b->driver) == 0 && strcmp(a->type, b->type) == 0 && a->units == b->units && a->vector == b->vector;
}

// The part of a name that says what code it runs: "gfx1030" of AMD's, the compiler's name for a CPU in PoCL's
// ("pthread-skylake-avx512-AMD EPYC" up to the last word with a capital), else all of it.
static void architecture_of(const char *name, char *to, size_t room)
{
    const char *gfx = strstr(name, "gfx");
    const char *from = gfx ? gfx : name;
    const size_t length = strnlen(from, room - 1);
    memcpy(to, from, length); // not by snprintf: gcc 14 with sanitizers takes `from` for NULL, and warns
    to[length] = '\0';
    if (gfx) {
        to[strcspn(to, ":+-) ")] = '\0';
    } else if (strncmp(name, "pthread-", 8) == 0 || strncmp(name, "cpu-", 4) == 0) {
        char *at = strchr(to, '-');
        for (char *next; at && (next = strchr(at + 1, '-')) != NULL; at = next)
            if (next[1] < 'a' || next[1] > 'z') {
                *next = '\0';
                return;
            }
    }
}

int chi__identity_likeness(const chi__identity *a, const chi__identity *b)
{
    char first[128], second[128];
    if (chi__identity_same(a, b))
        return 3;
    if (strcmp(a->type, b->type) != 0 || a->vector != b->vector || strcmp(a->vendor, b->vendor) != 0)
        return 0;
    architecture_of(a->name, first, sizeof first);
    architecture_of(b->name, second, sizeof second);
    return strcmp(first, second) == 0 ? 2 : 1;
}

void chi__identity_print(const chi__identity *d, char *to)
{
    snprintf(to, CHI__RECORD_LINE, "device \"%s\" vendor \"%s\" platform \"%s\" driver \"%s\" type \"%s\" units %u vector %u", d->name,
             d->vendor, d->platform, d->driver, d->type, d->units, d->vector);
}

// ---- words -------------------------------------------------------------------------------------------
// A line cut into words: KEY, KEY=VALUE or "TEXT", the quotes gone.
typedef struct words {
    char text[CHI__RECORD_LINE];
    char *key[MOST_WORDS], *value[MOST_WORDS]; // value NULL: a word alone
    bool quoted[MOST_WORDS];
    size_t count;
} words;

// The end of a text in quotes that begins at `at`, ended there; NULL: it does not end.
static char *end_quote(char *at)
{
    char *end = strchr(at, '"');
    if (end)
        *end = '\0';
    return end;
}

static bool cut(words *w, const char *line, size_t length, char *why)
{
    if (length >= sizeof w->text)
        return snprintf(why, WHY, "it has %zu bytes, at most %zu are read", length, sizeof w->text - 1), false;
    for (size_t i = 0; i < length; i++)
        if ((unsigned char)line[i] < ' ' || (unsigned char)line[i] > '~')
            return snprintf(why, WHY, "byte %zu is no plain text", i + 1), false;
    memcpy(w->text, line, length);
    w->text[length] = '\0';
    w->count = 0;
    for (char *at = w->text; *(at += strspn(at, " "));) {
        if (w->count == MOST_WORDS)
            return snprintf(why, WHY, "more than %d words", MOST_WORDS), false;
        const size_t word = w->count++;
        char *end = at;
        w->quoted[word] = *at == '"';
        w->key[word] = at + w->quoted[word];
        w->value[word] = NULL;
        if (w->quoted[word]) {
            end = end_quote(at + 1);
        } else {
            end = at + strcspn(at, " =");
            if (*end == '=') {
                *end++ = '\0';
                const bool quoted = *end == '"';
                w->value[word] = end + quoted;
                end = quoted ? end_quote(end + 1) : end + strcspn(end, " ");
            }
        }
        if (!end)
            return snprintf(why, WHY, "a quote does not end"), false;
        at = end < w->text + length ? end + 1 : end;
        *end = '\0';
    }
    return true;
}

static bool number(const char *text, uint64_t most, uint64_t *out)
{
    unsigned long long value;
    if (!text || !chi__parse_u64(text, &value) || value > most)
        return false;
    *out = value;
    return true;
}

// A time or a fraction.
static bool real(const char *text, double most, double *out)
{
    double value;
    if (!text || !chi__parse_double(text, &value) || !(value > 0.0) || !(value <= most))
        return false;
    *out = value;
    return true;
}

static bool hash(const char *text, uint64_t *out)
{
    uint64_t value = 0;
    if (!text || strlen(text) != 16)
        return false;
    for (; *text; text++) {
        const char *digits = "0123456789abcdef", *digit = strchr(digits, *text);
        if (!digit)
            return false;
        value = value << 4 | (uint64_t)(digit - digits);
    }
    *out = value;
    return true;
}

// ---- lines -------------------------------------------------------------------------------------------
static chi__line parse_device(const words *w, chi__identity *device, char *why)
{
    chi__identity d = { 0 };
    const struct { const char *name; char *to; size_t room; unsigned *count; } parts[] = {
        { "device", d.name, sizeof d.name, NULL },     { "vendor", d.vendor, sizeof d.vendor, NULL }, { "platform", d.platform, sizeof d.platform, NULL },
        { "driver", d.driver, sizeof d.driver, NULL }, { "type", d.type, sizeof d.type, NULL },       { "units", NULL, 0, &d.units },
        { "vector", NULL, 0, &d.vector },
    };
    const size_t count = sizeof parts / sizeof *parts;
    if (w->count != 2 * count)
        return snprintf(why, WHY, "a device has %zu words, not %zu", 2 * count, w->count), CHI__LINE_BAD;
    for (size_t i = 0; i < count; i++) {
        const char *value = w->key[2 * i + 1];
        uint64_t whole = 0;
        const bool good = strcmp(w->key[2 * i], parts[i].name) == 0 && !w->value[2 * i] && !w->value[2 * i + 1] &&
                          (parts[i].to ? w->quoted[2 * i + 1] && strlen(value) < parts[i].room : number(value, 1u << 20, &whole));
        if (!good)
            return snprintf(why, WHY, "\"%s\" of a device is missing or none", parts[i].name), CHI__LINE_BAD;
        if (parts[i].to)
            strcpy(parts[i].to, value);
        else
            *parts[i].count = (unsigned)whole;
    }
    *device = d;
    return CHI__LINE_DEVICE;
}

// What a line of facts has said so far.
enum { SEEN_N = 1, SEEN_M = 2, SEEN_DIM = 4, SEEN_US = 8, SEEN_DEFAULT = 16, SEEN_FRACTION = 32, SEEN_WHY = 64, SEEN_PROVIDER = 128, SEEN_SOURCE = 256, SEEN_TILE = 512, SEEN_BUSY = 1024 };

static int parse_word(const char *key, const char *value, chi__fact *f)
{
    uint64_t whole = 0;
    if (strcmp(key, "n") == 0)
        return number(value, 1u << 30, &f->n) ? SEEN_N : 0;
    if (strcmp(key, "m") == 0)
        return number(value, 1u << 30, &f->m) ? SEEN_M : 0;
    if (strcmp(key, "dim") == 0)
        return number(value, 1u << 30, &f->dim) && f->dim ? SEEN_DIM : 0;
    if (strcmp(key, "us") == 0)
        return real(value, most_us, &f->us) ? SEEN_US : 0;
    if (strcmp(key, "default_us") == 0)
        return real(value, most_us, &f->default_us) ? SEEN_DEFAULT : 0;
    if (strcmp(key, "fraction") == 0)
        return real(value, 2.0, &f->fraction) ? SEEN_FRACTION : 0;
    if (strcmp(key, "busy") == 0) {
        f->busy = true;
        return number(value, 1, &whole) && whole ? SEEN_BUSY : 0;
    }
    if (strcmp(key, "source") == 0)
        return hash(value, &f->source) ? SEEN_SOURCE : 0;
    if (strcmp(key, "rejected") == 0 || strcmp(key, "provider") == 0) {
        const bool why = key[0] == 'r';
        const size_t room = why ? sizeof f->why : sizeof f->provider;
        if (!value || !*value || strlen(value) >= room)
            return 0;
        strcpy(why ? f->why : f->provider, value);
        return why ? SEEN_WHY : SEEN_PROVIDER;
    }
    return number(value, 1u << 20, &whole) && chi__tile_set(&f->tile, key, (unsigned)whole) ? SEEN_TILE : 0;
}

static chi__line parse_fact(const words *w, chi__fact *fact, char *why)
{
    chi__fact f = { .tile = { .vec = 1, .wg_m = 1, .wg_n = 1, .stages = 1 } };
    const int always = SEEN_N | SEEN_M | SEEN_DIM | SEEN_SOURCE;
    int seen = 0;
    chi__family_find(w->key[0], strlen(w->key[0]), &f.family);
    for (size_t i = 1; i < w->count; i++) {
        const int what = parse_word(w->key[i], w->value[i], &f);
        if (!what || (what != SEEN_TILE && (seen & what)))
            return snprintf(why, WHY, "\"%.24s=%.24s\" is nothing known", w->key[i], w->value[i] ? w->value[i] : ""), CHI__LINE_BAD;
        seen |= what;
    }
    const int rest = seen & ~(always | SEEN_FRACTION | SEEN_BUSY);
    if ((seen & always) != always || strcmp(w->key[w->count - 1], "source") != 0)
        return snprintf(why, WHY, "n, m, dim or a final source is missing: it may be cut"), CHI__LINE_BAD;
    if (rest == (SEEN_TILE | SEEN_US | SEEN_DEFAULT))
        f.kind = CHI__FACT_BEST;
    else if (rest == (SEEN_PROVIDER | SEEN_US | SEEN_DEFAULT) && strcmp(f.provider, "clblast") == 0)
        f.kind = CHI__FACT_PROVIDER;
    else if (rest == (SEEN_TILE | SEEN_US))
        f.kind = CHI__FACT_TRIED;
    else if (rest == (SEEN_TILE | SEEN_WHY))
        f.kind = CHI__FACT_REJECTED;
    else
        return snprintf(why, WHY, "it is neither best, tried, rejected nor a provider's"), CHI__LINE_BAD;
    if (f.kind != CHI__FACT_PROVIDER && !chi__tile_finish(&f.tile))
        return snprintf(why, WHY, "its tile is none of the space"), CHI__LINE_BAD;
    *fact = f;
    return CHI__LINE_FACT;
}

chi__line chi__record_parse(const char *line, size_t length, chi__identity *device, chi__fact *fact, char *why)
{
    words w;
    chi__family family;
    while (length && (line[length - 1] == '\r' || line[length - 1] == ' '))
        length--;
    if (length == 0 || line[0] == '#')
        return CHI__LINE_EMPTY;
    if (length == strlen(chi__record_head) && memcmp(line, chi__record_head, length) == 0)
        return CHI__LINE_HEAD;
    if (!cut(&w, line, length, why) || w.count == 0)
        return CHI__LINE_BAD;
    if (strcmp(w.key[0], "device") == 0 && !w.value[0])
        return parse_device(&w, device, why);
    if (!w.value[0] && !w.quoted[0] && chi__family_find(w.key[0], strlen(w.key[0]), &family))
        return parse_fact(&w, fact, why);
    snprintf(why, WHY, "\"%.40s\" is no kernel that is tuned", w.key[0]);
    return CHI__LINE_BAD;
}

// ---- printing ----------------------------------------------------------------------------------------
// A positive number with `digits` decimals; printf's decimal point follows the locale.
static const char *decimal(double value, unsigned digits, char *to)
{
    uint64_t unit = 1;
    for (unsigned i = 0; i < digits; i++)
        unit *= 10;
    const uint64_t rounded = (uint64_t)(value * (double)unit + 0.5), whole = rounded ? rounded : 1;
    snprintf(to, 40, "%" PRIu64 ".%0*" PRIu64, whole / unit, (int)digits, whole % unit);
    return to;
}

void chi__record_print(const chi__fact *f, char *to)
{
    char tile[160] = "", part[40];
    size_t used = 0;
    if (f->kind != CHI__FACT_PROVIDER)
        chi__tile_defines(&f->tile, tile);
    used += (size_t)snprintf(to, CHI__RECORD_LINE, "%s n=%" PRIu64 " m=%" PRIu64 " dim=%" PRIu64 "  %s%s ", chi__family_name(f->family), f->n, f->m,
                             f->dim, f->kind == CHI__FACT_PROVIDER ? "provider=" : tile, f->kind == CHI__FACT_PROVIDER ? f->provider : "");
    if (f->kind == CHI__FACT_REJECTED) {
        char why[sizeof f->why];
        copy_quotable(f->why, why, sizeof why);
        for (char *at = why; *at; at++)
            *at = *at < ' ' || *at > '~' ? '?' : *at;
        used += (size_t)snprintf(to + used, CHI__RECORD_LINE - used, " rejected=\"%s\"", why);
    } else {
        used += (size_t)snprintf(to + used, CHI__RECORD_LINE - used, " us=%s", decimal(f->us, 1, part));
    }
    if (f->kind == CHI__FACT_BEST || f->kind == CHI__FACT_PROVIDER)
        used += (size_t)snprintf(to + used, CHI__RECORD_LINE - used, " default_us=%s", decimal(f->default_us, 1, part));
    if (f->fraction >= 0.001 && f->fraction <= 2.0 && f->kind != CHI__FACT_REJECTED)
        used += (size_t)snprintf(to + used, CHI__RECORD_LINE - used, " fraction=%s", decimal(f->fraction, 3, part));
    snprintf(to + used, CHI__RECORD_LINE - used, "%s source=%016" PRIx64, f->busy ? " busy=1" : "", f->source);
}

bool chi__fact_replaces(const chi__fact *old, const chi__fact *fresh)
{
    if (old->kind != fresh->kind || old->family != fresh->family)
        return false;
    if (fresh->kind == CHI__FACT_PROVIDER)
        return chi__shape_class(old->dim) == chi__shape_class(fresh->dim);
    if (fresh->kind == CHI__FACT_BEST)
        return chi__shape_class(old->dim) == chi__shape_class(fresh->dim) && old->tile.core == fresh->tile.core;
    return (old->dim == fresh->dim || fresh->kind == CHI__FACT_REJECTED) && strcmp(old->tile.name, fresh->tile.name) == 0;
}
