// SPDX-License-Identifier: Apache-2.0
// record.h: what a search found, one line of text a fact, in files that lie in one folder. Host: record.c (lines),
// store.c (files). The format is described in docs/tuning.md.
#ifndef CHI_TUNE_RECORD_H
#define CHI_TUNE_RECORD_H

#include "tune.h"

// What a record belongs to.
typedef struct chi__identity {
    char name[128], vendor[128], platform[128], driver[128], type[16];
    unsigned units, vector;
} chi__identity;

typedef enum chi__fact_kind {
    CHI__FACT_BEST = 0, // best tile found: us, default_us, fraction
    CHI__FACT_PROVIDER, // another's product beside our best: us, default_us (ours)
    CHI__FACT_TRIED,    // a candidate's time
    CHI__FACT_REJECTED, // a candidate that must not be tried again, and why
} chi__fact_kind;

typedef struct chi__fact {
    chi__fact_kind kind;
    chi__family family;
    uint64_t n, m, dim;
    chi__tile tile;           // all but PROVIDER
    char provider[16];        // PROVIDER
    double us, default_us;
    double fraction;          // of the measured FMA peak, 0 where it is not known
    char why[200];            // REJECTED
    bool busy;                // BEST, PROVIDER: other programs used the processors meanwhile
    uint64_t source;          // hash of the kernels it was measured with; 0: those it ships with
} chi__fact;

// A row of a file, as a reader sees it.
typedef enum chi__line { CHI__LINE_EMPTY = 0, CHI__LINE_HEAD, CHI__LINE_DEVICE, CHI__LINE_FACT, CHI__LINE_BAD } chi__line;

extern const char chi__record_head[]; // "chiaro-tuning 1"
const char *chi__family_name(chi__family family);
bool chi__family_find(const char *name, size_t length, chi__family *out);
// Both classes of a shape: 0 up to 128 features, 1 above.
static inline size_t chi__shape_class(size_t dim) { return dim > 128; }

void chi__identity_of(const chi_device_info *info, chi__identity *out);
bool chi__identity_same(const chi__identity *a, const chi__identity *b);
// 3 the same device and driver, 2 the same architecture, 1 the same vendor, type and vector width, 0 none of it.
int chi__identity_likeness(const chi__identity *a, const chi__identity *b);

// One line of `length` bytes. What it is, and what is wrong with a bad one in `why` (80 bytes). The outputs of other kinds
// of lines are left alone.
chi__line chi__record_parse(const char *line, size_t length, chi__identity *device, chi__fact *fact, char *why);
// The line, without its end; to must hold CHI__RECORD_LINE bytes.
enum { CHI__RECORD_LINE = 1000 };
void chi__record_print(const chi__fact *fact, char *to);
void chi__identity_print(const chi__identity *identity, char *to);

// Whether the second says what the first does, newer: same kind of fact about the same thing.
bool chi__fact_replaces(const chi__fact *old, const chi__fact *fresh);

// ---- store.c
// The folder of records: dir, or where it is NULL the environment's. "" and an environment without one: CHI_ERR_UNSUPPORTED.
chi_status chi__store_folder(const char *dir, char *to, size_t room);
// Calls visit for every fact of every file that ends in `end` (".tune", ".trials"); counts lines that are none and says
// where the first is and what is wrong with it. visit false: stop.
typedef struct chi__bad_lines { size_t count; char first[400]; } chi__bad_lines;
typedef bool (*chi__visit)(void *user, const char *file, const chi__identity *device, const chi__fact *fact);
chi_status chi__store_read(const char *folder, const char *end, chi__visit visit, void *user, chi__bad_lines *bad);
// The same over one text.
void chi__store_scan(const char *file, const char *text, size_t bytes, chi__visit visit, void *user, chi__bad_lines *bad);
// Adds facts of one kind to the device's file: under a lock, by a new file in the old one's place.
chi_status chi__store_put(const char *folder, const chi__identity *device, const chi__fact *facts, size_t count);
// Whether a record can be written there, found out by writing: the sentence where not.
chi_status chi__store_check(const char *folder);

#endif
