// SPDX-License-Identifier: Apache-2.0
// search.h: what the two halves of a search share. Host: search.c (order and time), candidates.c (one candidate, finals).
#ifndef CHI_TUNE_SEARCH_H
#define CHI_TUNE_SEARCH_H

#include "trial.h"

enum { CHI__MOST_FACTS = 4096 };

typedef struct chi__candidate {
    chi__tile tile;
    bool rejected, known;
    double us[CHI__CLASSES];
} chi__candidate;

// One kernel's candidates. The first is the default.
typedef struct chi__race {
    chi__family family;
    chi__candidate all[CHI__MOST_POINTS + 1];
    size_t count, tried, rejected, known;
    size_t n, dims[CHI__CLASSES];
    uint64_t hash;         // of the default's results
    bool clblast;          // takes part in the finals
    double clblast_us;     // both shapes
    double until, cost_us, base_us; // when to end, finals included; what the last trial and the default's took
} chi__race;

typedef struct chi__search {
    chi_tune_options options;
    chi_device_options device;  // as a trial opens it
    chi_device_info info;
    chi__identity identity;
    chi_core core;
    char folder[4096];
    chi__tile base;             // the default that candidates are compared with
    chi__tile usual;            // the table's, the same unless another was asked for
    chi__tile present[CHI__FAMILIES][CHI__CLASSES]; // what is used now
    uint64_t sources[CHI__FAMILIES];
    chi__fact *facts;           // of earlier searches
    size_t fact_count;
    double start, end;
    chi_tune_report *report;
    chi__race *race, *core_race; // the present one, and the products' for those that come after
    size_t measured;             // races whose default could be
    chi_status lost;             // of the last whose default could not, and why
    char lost_why[600];
} chi__search;

// Progress; false: the search is to stop, and report->stopped says so. goes_on: the same with nothing to say.
bool chi__search_goes_on(chi__search *s);
bool chi__search_say(chi__search *s, const char *tile, const char *format, ...) __attribute__((format(printf, 3, 4)));

// ---- candidates.c
// Times and checks the default, and settles the rows of the problems. A default that fails leaves the race without
// candidates.
chi_status chi__race_start(chi__search *s);
// The same of CLBlast's product, where products are raced under fast numerics; its failure is a note.
void chi__race_clblast(chi__search *s);
// Whether an earlier search found out about a tile.
bool chi__race_knows(const chi__search *s, const chi__tile *tile);
// Times and checks a tile unless it was before. A tile's failure is none of the search; writing its fact may be.
chi_status chi__race_try(chi__search *s, const chi__tile *tile);
// The tiles that were best for a class so far, best first; returns how many.
size_t chi__race_best(const chi__race *race, size_t class, const chi__candidate **to, size_t room);
// Measures the best against the default in turns and records what came out.
chi_status chi__race_finish(chi__search *s);
// About how long that will take.
double chi__race_finish_us(const chi__search *s);

#endif
