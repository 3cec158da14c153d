// SPDX-License-Identifier: Apache-2.0
// tuner.h: a search for the tiles that are fastest on a device, and the records of what was found. Host files:
// src/tune/search.c, store.c. The program: chiaro tune. How to send a record: docs/tuning.md.
//
// A device that is opened takes its tiles from the records, silently; a search runs only when it is asked for. A candidate
// counts only if its results have the default tile's bits at ragged shapes, so records never change a result. What is tuned
// apart: core (stored products, pair statistics), logsumexp, topk, loss, conv; each for shapes of up to 128 features (conv:
// input channels) and for wider ones.
#ifndef CHIARO_TUNER_H
#define CHIARO_TUNER_H

#include "similarity.h"

#ifdef __cplusplus
extern "C" {
#endif

typedef enum chi_effort {
    CHI_TUNE_QUICK = 0, // core, logsumexp, topk, loss; 16 to 32 candidates, under a minute
    CHI_TUNE_THOROUGH,  // conv as well; neighbours of the best, up to a quarter of an hour
} chi_effort;

enum { CHI_TUNE_MOST_ROWS = 16, CHI_TUNE_MOST_REJECTED = 32 };

// A step of a search.
typedef struct chi_tune_progress {
    const char *kernel, *tile; // what was tried last; tile "" where a kernel begins or ends
    const char *outcome;       // "0.412 ms, 1.403 ms" (both shapes), "rejected: …", …; "": nothing new, may it go on?
    double fraction;           // of the search, 0 … 1, about
    size_t tried, rejected;
} chi_tune_progress;

typedef struct chi_tune_options {
    const char *kernels;   // comma list of those named above; default: all that the effort covers
    chi_effort effort;
    const char *runner;    // a program that `runner tune-trial REQUEST` makes call chi_tune_trial and print the answer, as
                           // chiaro does: each candidate in a process with a deadline. Default: none, all in this process,
                           // where a driver that hangs or crashes takes the caller with it
    double seconds;        // for all of it; default: 50 (quick), 840 (thorough). What was measured by then is used; kernels
                           // that there is no time for are left out (report.note), but for the first
    double trial_seconds;  // for one candidate, at most 600; default: 20, or four times what the default tile took
    size_t rows;           // of the timed problems, convolutions aside, at least 16; default: 2048, more on a fast device
    bool dry_run;          // only says, through progress, which candidates a search would begin with
    bool (*progress)(void *user, const chi_tune_progress *progress); // false: stop; what is finished stays recorded
    void *user;
} chi_tune_options;

// One kernel and shape class.
typedef struct chi_tune_row {
    const char *kernel;
    size_t n, m, dim;                // of the problem that was timed
    char default_tile[40], best_tile[40];
    double default_us, best_us;      // medians of interleaved runs; 0: not reached
    double fraction;                 // of the device's FMA peak that best_us is; 0: not known, or report.busy
    double clblast_us;               // of CLBlast's product: core, under CHI_NUMERICS_FAST; 0: not measured
    size_t tried, rejected, known;   // candidates; known: times and rejections of an earlier search
} chi_tune_row;

typedef struct chi_tune_report {
    chi_tune_row rows[CHI_TUNE_MOST_ROWS];
    size_t row_count;
    struct { char kernel[16], tile[40], why[200]; } rejected[CHI_TUNE_MOST_REJECTED];
    size_t rejected_count;           // may be more than are listed
    double seconds, peak_gflops;
    bool stopped;                    // by progress
    bool busy;                       // other programs used the CPU meanwhile: on CPU devices tiles were compared by the time
                                     // that threads worked, which is less sure
    char note[200];                  // what was left out for want of time, "" for nothing
} chi_tune_report;

// Searches and records. device as chi_device_open takes it: options.tile, where given, is the default that candidates are
// compared with. Finished candidates are kept, so that a stopped search goes on where it was. A folder that cannot be
// written is refused before anything is tried (CHI_ERR_FILE). A winner is measured against the default, in turns, and the
// default is recorded where the winner is not faster beyond noise.
chi_status chi_tune(const chi_device_options *device, const chi_tune_options *options, chi_tune_report *report);

// One candidate, for a runner: request is its argument, answer what it must print (room: at least 64 KiB). Answers also
// say what failed; an error status means that the request was no request.
chi_status chi_tune_trial(const char *request, char *answer, size_t room);

// The tile that a device uses for one of the kernels named above and rows of `dim` features. Valid as long as the device.
// NULL: there is no such kernel.
const char *chi_tune_tile(const chi_device *dev, const char *kernel, size_t dim);

// ---- records ---------------------------------------------------------------------------------------
// dir as chi_device_options.tune_dir.
typedef struct chi_tune_record {
    char device[128], driver[128], kernel[16], tile[40];
    uint64_t n, m, dim;
    double us, default_us, fraction; // 0: not known
    char rejected[200];              // why the tile is not tried again; "" for a best
    char provider[16];               // "clblast": its time (us) beside ours (default_us); else ""
    bool busy;                       // other programs used the processors while it was measured
} chi_tune_record;
// Bests, then rejections. *list is freed by chi_tune_list_free.
chi_status chi_tune_list(const char *dir, chi_tune_record **list, size_t *count);
void chi_tune_list_free(chi_tune_record **list);

chi_status chi_tune_path(const char *dir, char *to, size_t room);
const char *chi_tune_address(void); // where records are collected
// All bests into one file, to be sent or kept; written whole or not at all. It begins with where to send it.
chi_status chi_tune_export(const char *dir, const char *path, size_t *count);
// Takes what a file of records says of devices and kernels that the folder holds no best of. taken + known + ignored are
// its facts and the lines that are none; first_ignored (200 bytes, may be NULL) says which and why. A file of which nothing
// can be taken and nothing was known: CHI_ERR_FORMAT.
chi_status chi_tune_import(const char *dir, const char *path, size_t *taken, size_t *known, size_t *ignored, char *first_ignored);
// Removes all records and trials.
chi_status chi_tune_forget(const char *dir, size_t *files);

#ifdef __cplusplus
}
#endif
#endif
