// SPDX-License-Identifier: Apache-2.0
// doctor_check.c: the self-check of `chiaro doctor`: a loss against its plain value in double, and bits of a few problems of
// `chiaro bench` that are the same on every device. Header: doctor.h.
#include <inttypes.h>
#include <math.h>
#include <stdlib.h>
#include <string.h>

#include "bench.h"
#include "doctor.h"
#include "progress.h"

enum { ROWS = 33, DIM = 17 };
static const char section[] = "check";

// Hashes as `chiaro bench PROBLEM --hash --reps 1` prints them anywhere.
static const struct {
    const char *word;
    uint64_t hash;
} known[] = {
    { "logsumexp:33x29x17", 0xeaff469074b54ccf },     { "topk:33x29x17,k=7", 0x43cc19615c816209 },
    { "clip:37x37x19", 0xd9772bb6c0e0eb5b },          { "ntxent:34x34x19", 0x44fca8e58f6dbc96 },
    { "conv:3x4x9x7x5,k=3,s=2", 0xab54157663662011 }, { "train-step:4", 0xfeb54e6c10aabf2a },
};
enum { KNOWN = sizeof known / sizeof *known };

static void report(page *p, const char *what, bool good, const char *detail)
{
    page_add(p, section, what, "%s%s%s", good ? "right" : "WRONG", *detail ? ": " : "", detail);
    p->failed += !good;
}

// The definition: half the mean of logsumexp_j s(i, j) − s(i, i), rows and columns, s = x·y / temperature.
static double plain_clip(const float *x, const float *y, double temperature)
{
    double sum = 0.0;
    for (int side = 0; side < 2; side++)
        for (size_t i = 0; i < ROWS; i++) {
            double total = 0.0, own = 0.0;
            for (size_t j = 0; j < ROWS; j++) {
                double dot = 0.0;
                for (size_t k = 0; k < DIM; k++)
                    dot += side ? (double)x[j * DIM + k] * (double)y[i * DIM + k]
                                : (double)x[i * DIM + k] * (double)y[j * DIM + k];
                total += exp(dot / temperature);
                own = i == j ? dot / temperature : own;
            }
            sum += log(total) - own;
        }
    return sum / (2.0 * ROWS);
}

static void check_value(page *p, chi_device *dev)
{
    static float x[ROWS * DIM], y[ROWS * DIM];
    chi_buffer *bx = NULL, *by = NULL;
    chi_loss *loss = NULL;
    float got = NAN;
    char detail[200];
    chi_status st = chi_random_unit_rows(1, ROWS, DIM, x);
    if (st == CHI_OK)
        st = chi_random_unit_rows(2, ROWS, DIM, y);
    if (st == CHI_OK)
        st = chi_buffer_create(dev, sizeof x, &bx);
    if (st == CHI_OK)
        st = chi_buffer_create(dev, sizeof y, &by);
    if (st == CHI_OK)
        st = chi_buffer_upload(bx, 0, x, sizeof x);
    if (st == CHI_OK)
        st = chi_buffer_upload(by, 0, y, sizeof y);
    if (st == CHI_OK)
        st = chi_loss_create(dev, ROWS, DIM,
                             &(chi_loss_options){ .kind = CHI_LOSS_CLIP, .temperature = 0.1f },
                             &loss);
    if (st == CHI_OK)
        st = chi_loss_eval(loss,
                           &(chi_loss_args){ .x = chi_matrix_view(bx, ROWS, DIM),
                                             .y = chi_matrix_view(by, ROWS, DIM) },
                           &got);
    chi_loss_destroy(&loss);
    chi_buffer_destroy(&bx);
    chi_buffer_destroy(&by);
    const double want = plain_clip(x, y, (double)0.1f);
    // Each logit of length 10 is off by some of its ulp, 10 · 2⁻²⁴ · (DIM + 2), and so is the mean at most.
    const bool good = st == CHI_OK && fabs((double)got - want) <= 10.0 * (DIM + 8) * 0x1p-24;
    if (st == CHI_OK)
        snprintf(detail, sizeof detail, "CLIP of %d rows is %.6f, plainly computed %.6f", ROWS,
                 (double)got, want);
    else
        snprintf(detail, sizeof detail, "%.190s", chi_error_text());
    report(p, "value", good, detail);
}

// Two runs of a problem, as bench has them with --reps 1.
static void check_bits(page *p, chi_device *dev, size_t i, bool compare)
{
    problem one = { .word = known[i].word, .dev = dev };
    char detail[300] = "";
    chi_status st = problem_read(&one) == TOOL_DONE ? problem_create(&one) : CHI_ERR_INTERNAL;
    for (int run = 0; run < 2 && st == CHI_OK; run++) {
        st = problem_run(&one);
        if (st == CHI_OK)
            st = chi_device_finish(dev);
    }
    if (st == CHI_OK)
        st = problem_results(&one, NULL);
    if (st != CHI_OK)
        snprintf(detail, sizeof detail, "%.290s", chi_error_text());
    else if (compare && one.hash != known[i].hash)
        snprintf(detail, sizeof detail, "its hash is %016" PRIx64 ", elsewhere %016" PRIx64,
                 one.hash, known[i].hash);
    else if (!compare)
        snprintf(detail, sizeof detail,
                 "it ran; bits are not compared, for this device loses signs of zeros or flushes "
                 "subnormals");
    problem_destroy(&one);
    report(p, known[i].word, st == CHI_OK && (!compare || one.hash == known[i].hash), detail);
}

void doctor_check(page *p, tool *t)
{
    chi_device *dev = NULL;
    chi_device_info info;
    progress shown;
    if (chi_device_open(&t->options, &dev) != CHI_OK) {
        page_add(p, section, "device", "none was opened: %s", chi_error_text());
        p->failed++;
        return;
    }
    chi_device_describe(dev, &info);
    page_add_name(p, section, "device", "%s, %s core, tile %s, %llu MiB for us", info.name,
                  chi_device_core(dev) == CHI_CORE_PANEL ? "panel" : "group", chi_device_tile(dev),
                  (unsigned long long)(chi_device_budget(dev) >> 20));
    page_add(p, section, "why it", "%s", chi_device_why(dev));
    const bool compare = !info.loses_zero_signs && !info.flushes_subnormals &&
                         t->options.numerics == CHI_NUMERICS_EXACT;
    progress_start(&shown, t->quiet, "checks", KNOWN + 1);
    progress_show(&shown, 0, NULL);
    check_value(p, dev);
    for (size_t i = 0; i < KNOWN; i++) {
        progress_show(&shown, i + 1, "%s", known[i].word);
        check_bits(p, dev, i, compare);
    }
    progress_show(&shown, KNOWN + 1, NULL);
    progress_end(&shown);
    chi_device_close(&dev);
    page_add(p, section, "all", "%s", p->failed ? "NOT all is right" : "all is right");
}
