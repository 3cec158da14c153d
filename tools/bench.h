// SPDX-License-Identifier: Apache-2.0
// bench.h: what the files of `chiaro bench` share. A problem is a short string, the same in bench, test and tuning record.
#ifndef CHIARO_BENCH_H
#define CHIARO_BENCH_H

#include "tool.h"

enum { PROBLEM_NUMBERS = 5, PROBLEM_BUFFERS = 15, STATS_BINS = 64 };

typedef enum problem_kind { GEMM, LOGSUMEXP, TOPK, STATS, CLIP, INFONCE, NTXENT, SUPCON, MOCO, SIGLIP, CONV, TRAIN_STEP, PROBLEM_KINDS } problem_kind;

// How a kind is written.
typedef struct problem_form {
    const char *name;
    size_t numbers;
    bool square;      // the first two numbers are equal
    const char *keys; // letters of its options
    bool loss;        // of loss.h, so that it has a plan
} problem_form;
extern const problem_form problem_forms[PROBLEM_KINDS];

typedef struct problem {
    const char *word, *provider, *scheme;
    problem_kind kind;
    uint64_t number[PROBLEM_NUMBERS], classes, k, side, stride, padding, backward;
    double flop_minimum, flop, bytes; // bytes: inputs read and outputs written once
    bool predict;                     // by the planner, before anything is allocated
    double predicted;                 // seconds; 0: no prediction
    uint64_t hash, peak_bytes;
    chi_device *dev;
    chi_similarity *sim;
    chi_loss *loss;
    chi_encoder *encoder, *head;
    chi_augment *augment;
    chi_optimizer *optimizers[2];
    chi_buffer *buffer[PROBLEM_BUFFERS];
    uint64_t step;
    struct { chi_pair_stats pairs; uint64_t histogram[STATS_BINS]; } stats;
} problem;

int problem_check(const char *word, const char *provider); // exit status, before anything is opened
int problem_read(problem *p);                              // its word into its numbers; exit status
chi_loss_options problem_loss(const problem *p);           // of a kind with a plan
chi_status problem_create(problem *p);
chi_status problem_run(problem *p);
chi_status problem_results(problem *p, const char *dump); // sets hash; writes inputs and results where dump is not NULL
void problem_destroy(problem *p);

// ---- sets: bench_set.c ---------------------------------------------------------------------------------
// Words of problems; `text` holds them.
typedef struct word_list {
    const char **words;
    size_t count, room;
    char *text;
} word_list;

extern const text_source bench_sources[]; // bench/problems.txt
int words_add(word_list *list, const char *word);
// The sets named (separated by commas; NULL: all) of the file, or of the built-in text where path is NULL.
int words_read(word_list *list, const char *path, const char *sets);
int words_print(const char *path, bool json); // every set, for people or as a JSON line a problem
void words_free(word_list *list);

// ---- figures -------------------------------------------------------------------------------------------
typedef struct bench_peak {
    bool measured;
    chi_device_peak is;
} bench_peak;

// Of one repetition, by the device's clock: launches of a kernel and the least time that they took together.
enum { FIGURE_KERNELS = 32 };
typedef struct figure_kernel {
    char name[64];
    size_t launches;
    double us, total_us;
    size_t total_launches; // totals: since the device was opened
} figure_kernel;

// What was measured of one problem on one device. A figure of a file has no flop.
typedef struct figure {
    char word[256], device[128], driver[128], core[8], tile[64], numerics[8], scheme[64], hash[20], error[512];
    const char *selector; // as asked for; NULL: the default
    double flop_minimum, flop, bytes;
    double predicted;         // ms; 0: no prediction
    double best, median, cpu; // ms; cpu: least time of all threads of this process in one repetition
    uint64_t peak_bytes, threads;
    size_t reps;
    double *times; // ms, in the order of their runs; NULL: only best and median are known
    unsigned line; // of its file
    figure_kernel *kernels; // with --profile
    size_t kernel_count;
} figure;

void figure_sum_up(figure *f); // best and median of its times
void figure_free(figure *f);

// ---- devices: bench_lane.c -------------------------------------------------------------------------------
typedef struct lane {
    tool tool;                   // the command's options with this lane's selector
    const char *provider, *dump; // what is asked of every problem
    bool predict, hash, profile, measure; // measure: the device's peaks, when it is opened
    uint64_t reps;
    int status;                  // TOOL_DONE while the device is there; else error says why not
    char error[512], core[8], tile[64];
    chi_device_info info;
    bench_peak peak;
    chi_device *dev;             // of this process
    problem problem;
    bool apart, lost;            // in a process of its own; which went away during a problem
    long process;
    int to, from;
} lane;

int lane_open(lane *l, bool apart); // the exit status, l->status
// One problem: created, run by repetitions (0 is not counted), summed up. f->error says what went wrong.
void lane_create(lane *l, const char *word, figure *f);
void lane_run(lane *l, figure *f, uint64_t repetition);
void lane_end(lane *l, figure *f);
void lane_name(const lane *l, const char *word, figure *f); // who and where, into f
void lane_close(lane *l);

// Two figures: time of the second over time of the first, with an interval of 95 %.
typedef struct comparison {
    double median, best, low, high; // low 0: too few repetitions for an interval
    const char *verdict;            // "faster", "slower", "no difference", "unclear" (medians and minima disagree), "no interval"
} comparison;

enum { COMPARE_LEAST_REPS = 5 };
// paired: repetition i of one ran beside repetition i of the other. Else each side is one or more runs.
comparison compare_paired(const figure *first, const figure *second);
comparison compare_runs(const figure *const *first, size_t firsts, const figure *const *second, size_t seconds);
// Times beyond three scaled median deviations from the median: how many, and the worst of them.
size_t outliers(const figure *f, double *worst);

// JSON lines of an earlier run. path is named in errors, with the line.
typedef struct figure_file {
    const char *path;
    figure *figures;
    size_t count, room;
} figure_file;
int figures_read(figure_file *file);
void figures_free(figure_file *file);

// ---- report: bench_report.c ----------------------------------------------------------------------------
typedef struct bench_report {
    bool json, table, hash, peak; // table: columns under one head, else a sentence
    bool wide;                    // a row of it on one line
    size_t devices;
    bool head_printed;
    const figure_file *earlier;
} bench_report;

// All devices' figures of one problem.
void report_figures(bench_report *r, const figure *figures, const bench_peak *peaks);
// Figures of a later file beside an earlier one's.
void report_files(bench_report *r, const figure_file *later);
void report_end(const bench_report *r); // what the table's letters and stars mean
void report_peak(const figure *f, const chi_device_peak *peak, bool json);

#endif
