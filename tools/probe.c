// SPDX-License-Identifier: Apache-2.0
// probe.c: the program `chiaro-probe SELECTOR`: prints the milliseconds of one similarity on a device, and "busy" behind them
// where other programs used the processors meanwhile. The library runs it to choose a default: a driver that dies or hangs
// takes this process with it and no other.
#include <chiaro/chiaro.h>
#include <stdio.h>
#include <sys/times.h>
#include <time.h>

enum { ROWS = 1024, DIM = 64, REPEATS = 4 };
static const double MUCH = 0.2; // of all processors

static double now_ms(void)
{
    struct timespec t;
    clock_gettime(CLOCK_MONOTONIC, &t);
    return (double)t.tv_sec * 1e3 + (double)t.tv_nsec * 1e-6;
}

// Clock ticks of all processors since the machine started: at work, and in all; false: not known.
static bool read_ticks(double *work, double *all)
{
    double ticks[8] = {
        0
    }; // user, nice, system, idle, waiting for input, interrupts (two kinds), taken by other machines
    FILE *file = fopen("/proc/stat", "re");
    int count = file ? fscanf(file, "cpu %lf %lf %lf %lf %lf %lf %lf %lf", &ticks[0], &ticks[1],
                              &ticks[2], &ticks[3], &ticks[4], &ticks[5], &ticks[6], &ticks[7])
                     : 0;
    if (file)
        fclose(file);
    *all = 0;
    for (int i = 0; i < 8; i++)
        *all += ticks[i];
    *work = *all - ticks[3] - ticks[4];
    return count >= 5;
}

// Ticks that this process worked, with the compilers that a driver started.
static double own_ticks(void)
{
    struct tms own;
    times(&own);
    return (double)(own.tms_utime + own.tms_stime + own.tms_cutime + own.tms_cstime);
}

int main(int argc, char **argv)
{
    chi_device *dev = NULL;
    chi_buffer *x = NULL, *out = NULL;
    chi_similarity *sim = NULL;
    double least = 0, work[2], all[2];
    bool known = read_ticks(&work[0], &all[0]);
    if (argc != 2)
        return 2;
    int bad = chi_device_open(&(chi_device_options){ .match = argv[1] }, &dev) != CHI_OK ||
              chi_buffer_create(dev, ROWS * DIM * 4, &x) != CHI_OK ||
              chi_buffer_create(dev, ROWS * 4, &out) != CHI_OK ||
              chi_similarity_create(dev, ROWS, ROWS, DIM, NULL, &sim) != CHI_OK;
    for (int i = 0; !bad && i < REPEATS; i++) { // the first also warms up
        const double start = now_ms();
        const chi_matrix m = chi_matrix_view(x, ROWS, DIM);
        bad = chi_similarity_logsumexp(sim, m, m, chi_matrix_view(out, ROWS, 1)) != CHI_OK ||
              chi_device_finish(dev) != CHI_OK;
        const double ms = now_ms() - start;
        least = i == 0 || ms < least ? ms : least;
    }
    known = known && read_ticks(&work[1], &all[1]) && all[1] > all[0];
    const double others = known ? (work[1] - work[0] - own_ticks()) / (all[1] - all[0]) : 0.0;
    if (!bad)
        printf("%.4f%s\n", least, others > MUCH ? " busy" : "");
    chi_similarity_destroy(&sim);
    chi_buffer_destroy(&out);
    chi_buffer_destroy(&x);
    chi_device_close(&dev);
    return bad;
}
