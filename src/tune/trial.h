// SPDX-License-Identifier: Apache-2.0
// trial.h: one trial: tiles of one kernel, run and timed, in this process or in one of its own. Host: trial.c (the run),
// ask.c (the asking).
#ifndef CHI_TUNE_TRIAL_H
#define CHI_TUNE_TRIAL_H

#include <chiaro/tuner.h>

#include "record.h"

enum { CHI__MOST_CONTESTANTS = 10, CHI__MOST_ROUNDS = 16, CHI__CLASSES = 2, CHI__MOST_VERIFIED = 2, CHI__ANSWER = 64 << 10 };

// "clblast" in place of a tile: CLBlast's product, for CHI__FAMILY_CORE.
typedef struct chi__contestant {
    char tile[CHI__TILE_NAME];
    bool failed;
    char why[200];                                  // where it failed
    uint64_t hash;                                  // of its results at ragged shapes
    double us[CHI__CLASSES][CHI__MOST_ROUNDS];      // by class and round
    double cpu_us[CHI__CLASSES][CHI__MOST_ROUNDS];  // what the process worked meanwhile; not in an answer
} chi__contestant;

typedef struct chi__trial {
    const chi_device_options *device;
    chi__family family;
    bool peak;                                      // no tiles: the FMA peak of the device
    chi__contestant tiles[CHI__MOST_CONTESTANTS];
    size_t count, n, dims[CHI__CLASSES], rounds;    // rounds: of all tiles in turns
    size_t unchecked;                               // of the first so many tiles no hash is wanted
    size_t verify;                                  // hashes of so many kernels that are not timed too: losses of x with itself
    double peak_gflops;
    bool busy;                                      // a CPU that others use too: times are of its work, by thread
} chi__trial;

// Shapes that are timed: n × m rows (conv: images and pixels), and the flop of one run at the least.
void chi__trial_shape(chi__family family, size_t n, size_t dim, uint64_t *rows, uint64_t *columns);
double chi__trial_flop(chi__family family, size_t n, size_t dim);
chi_status chi__trial_run(chi__trial *trial); // in this process
// Runs it through `runner`, or here where that is NULL. An error of one tile is in its `why`; a status other than CHI_OK
// means that the process failed as a whole: the sentence says how.
chi_status chi__trial_ask(const char *runner, double deadline_us, chi__trial *trial);

#endif
