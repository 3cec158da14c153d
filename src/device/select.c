// SPDX-License-Identifier: Apache-2.0
// select.c: which device a selector names. Grammar: include/chiaro/device.h. The list: list.c.
#include "select.h"

#include <stdio.h>
#include <string.h>

#include "../base/memory.h"
#include "../base/text.h"

enum { TERM_ROOM = 256 };

static bool usable(const chi_device_info *info)
{
    return info->state == CHI_DEVICE_OK || info->state == CHI_DEVICE_DEGRADED;
}

// A guess at speed: lanes times clock. A GPU's unit is some hundred lanes wide, a core's as wide as its vectors.
static double guess(const chi_device_info *info)
{
    const double lanes = strcmp(info->type, "gpu") == 0 ? 64 : info->vector_width ? info->vector_width : 4;
    const double whole = info->state == CHI_DEVICE_OK ? 1 : 1e-3;
    return whole * lanes * info->units * (info->clock_mhz ? info->clock_mhz : 1000);
}

bool chi__best(const chi_device_info *list, size_t count, const bool *excluded, size_t *chosen)
{
    double most = 0;
    bool any = false;
    for (size_t i = 0; i < count; i++) {
        if (!usable(&list[i]) || (excluded && excluded[i]) || (any && guess(&list[i]) <= most))
            continue;
        most = guess(&list[i]);
        *chosen = i;
        any = true;
    }
    return any;
}

static void add_candidates(const chi_device_info *list, size_t count, char *to, size_t room)
{
    static const char *const states[] = { "", ", degraded", ", refused", ", duplicate" };
    size_t used = 0;
    to[0] = '\0';
    for (size_t i = 0; i < count && used < room; i++)
        used += (size_t)snprintf(to + used, room - used, "%s%s (%s%s)", i ? "; " : "", list[i].selector, list[i].name,
                                 states[list[i].state]);
}

static chi_status fail_candidates(const chi_device_info *list, size_t count, const char *selector, const char *what)
{
    char all[700];
    add_candidates(list, count, all, sizeof all);
    return chi__fail(NULL, CHI_ERR_NO_DEVICE, "device selector \"%.100s\" %s; there are: %s", selector, what, all);
}

static const struct {
    const char *prefix;
    size_t offset;
} fields[] = {
    { "name:", offsetof(chi_device_info, name) },
    { "platform:", offsetof(chi_device_info, platform) },
    { "vendor:", offsetof(chi_device_info, vendor) },
    { "pci:", offsetof(chi_device_info, pci) },
};

static bool is_type(const char *term)
{
    return chi__same_text(term, "gpu") || chi__same_text(term, "cpu") || chi__same_text(term, "accelerator");
}

// Whether the grammar has such a term; the sentence where it has not.
static chi_status check_term(const char *term)
{
    static const char *const words[] = { "auto", "gpu", "cpu", "accelerator", "name:", "platform:", "vendor:", "pci:" };
    unsigned long long index;
    if (chi__same_text(term, "auto") || is_type(term) || (term[0] == '#' && chi__parse_u64(term + 1, &index)))
        return CHI_OK;
    for (size_t i = 0; i < sizeof fields / sizeof *fields; i++) {
        const size_t length = strlen(fields[i].prefix);
        if (strncmp(term, fields[i].prefix, length) == 0)
            return term[length] ? CHI_OK : chi__fail(NULL, CHI_ERR_ARGUMENT, "device selector: \"%s\" lacks what the device's is to be like, behind the colon", term);
    }
    if (term[0] == '#')
        return chi__fail(NULL, CHI_ERR_ARGUMENT, "device selector: \"%.60s\" is no number of a device, as #0 (chiaro devices lists them)", term);
    char number[32] = "#"; // a bare number is meant as an index
    const bool bare = chi__parse_u64(term, &index);
    if (bare)
        snprintf(number, sizeof number, "#%llu", index);
    return chi__fail(NULL, CHI_ERR_ARGUMENT,
                     "device selector: \"%.60s\" is no term; the nearest is \"%s\" (auto, gpu, cpu, accelerator, #INDEX, "
                     "name:TEXT, platform:TEXT, vendor:TEXT, pci:ADDRESS, !TERM)",
                     term, bare ? number : chi__nearest(term, words, sizeof words / sizeof *words));
}

static bool matches(const chi_device_info *info, const char *term)
{
    unsigned long long index;
    if (chi__same_text(term, "auto"))
        return true;
    if (is_type(term))
        return chi__same_text(term, info->type);
    if (term[0] == '#')
        return chi__parse_u64(term + 1, &index) && index == info->index;
    for (size_t i = 0; i < sizeof fields / sizeof *fields; i++) {
        const size_t length = strlen(fields[i].prefix);
        if (strncmp(term, fields[i].prefix, length) == 0)
            return chi__contains_text((const char *)info + fields[i].offset, term + length);
    }
    return false;
}

// The next term of a comma list, trimmed, empty ones passed over; false at its end.
static bool next_term(const char **at, char *term)
{
    term[0] = '\0';
    while (*at && !term[0]) {
        const char *comma = strchr(*at, ',');
        const size_t length = comma ? (size_t)(comma - *at) : strlen(*at);
        snprintf(term, TERM_ROOM, "%.*s", (int)(length < TERM_ROOM ? length : TERM_ROOM - 1), *at);
        chi__trim(term);
        *at = comma ? comma + 1 : NULL;
    }
    return term[0] != '\0';
}

// Excludes what !TERM says; counts the other terms.
static chi_status read_exclusions(const chi_device_info *list, size_t count, const char *selector, bool *excluded, size_t *terms)
{
    char term[TERM_ROOM];
    *terms = 0;
    for (const char *at = selector; next_term(&at, term);) {
        char *inner = term[0] == '!' ? term + 1 : term;
        chi__trim(inner);
        CHI_TRY(check_term(inner));
        *terms += term[0] != '!';
        for (size_t i = 0; term[0] == '!' && i < count; i++)
            excluded[i] = excluded[i] || matches(&list[i], inner);
    }
    return CHI_OK;
}

typedef enum outcome { NONE, FOUND, SEVERAL } outcome;

typedef struct choice {
    chi__chooser *choose; // NULL: chi__best
    const void *user;
} choice;

static outcome try_term(const chi_device_info *list, size_t count, const char *term, const bool *excluded, const choice *by,
                        size_t *chosen)
{
    size_t hits = 0, best = 0, hit = 0;
    for (size_t i = 0; i < count; i++)
        if (!excluded[i] && usable(&list[i]) && matches(&list[i], term)) {
            hits++;
            hit = i;
        }
    if (hits > 1) {
        const bool any = by->choose ? by->choose(by->user, list, count, excluded, &best) : chi__best(list, count, excluded, &best);
        if (!any || !matches(&list[best], term))
            return SEVERAL;
        hit = best;
    }
    if (hits)
        *chosen = hit;
    return hits ? FOUND : NONE;
}

// terms: the selector's, or "auto" where it only excludes; given: its own words, for a sentence.
static chi_status run_terms(const chi_device_info *list, size_t count, const char *terms, const char *given, const bool *excluded,
                            const choice *by, size_t *chosen)
{
    char term[TERM_ROOM];
    for (const char *at = terms; next_term(&at, term);) {
        const outcome found = term[0] == '!' ? NONE : try_term(list, count, term, excluded, by, chosen);
        if (found == FOUND)
            return CHI_OK;
        if (found == SEVERAL)
            return fail_candidates(list, count, given, "matches several devices, none of them the default");
    }
    // A device that is there but may not be used: its reason says more than "none".
    for (const char *at = terms; next_term(&at, term);)
        for (size_t i = 0; i < count; i++)
            if (term[0] != '!' && !usable(&list[i]) && !excluded[i] && matches(&list[i], term))
                return chi__fail(NULL, CHI_ERR_NO_DEVICE, "device selector \"%.100s\" names %s, which is not used: %s", given,
                                 list[i].name, list[i].reason);
    return fail_candidates(list, count, given, "matches no device");
}

chi_status chi__select(const chi_device_info *list, size_t count, const char *selector, chi__chooser *choose, const void *user,
                       size_t *chosen)
{
    size_t terms;
    bool *excluded = chi__alloc(count, sizeof *excluded);
    if (!excluded)
        return chi__fail(NULL, CHI_ERR_MEMORY, "no memory to select a device");
    chi_status st = read_exclusions(list, count, selector, excluded, &terms);
    if (st == CHI_OK)
        st = run_terms(list, count, terms ? selector : "auto", selector, excluded, &(choice){ choose, user }, chosen);
    chi__free(excluded);
    return st;
}
