// SPDX-License-Identifier: Apache-2.0
// probe.c: the program `chiaro-probe SELECTOR`: prints the milliseconds of one similarity on a device. The library
// runs it to choose a default: a driver that dies or hangs takes this process with it and no other.
#include <chiaro/chiaro.h>
#include <stdio.h>
#include <time.h>

enum { ROWS = 1024, DIM = 64, REPEATS = 4 };

static double now_ms(void)
{
    struct timespec t;
    clock_gettime(CLOCK_MONOTONIC, &t);
    return (double)t.tv_sec * 1e3 + (double)t.tv_nsec * 1e-6;
}

int main(int argc, char **argv)
{
    chi_device *dev = NULL;
    chi_buffer *x = NULL, *out = NULL;
    chi_similarity *sim = NULL;
    double least = 0;
    if (argc != 2)
        return 2;
    int bad = chi_device_open(&(chi_device_options){ .match = argv[1] }, &dev) != CHI_OK ||
              chi_buffer_create(dev, ROWS * DIM * 4, &x) != CHI_OK || chi_buffer_create(dev, ROWS * 4, &out) != CHI_OK ||
              chi_similarity_create(dev, ROWS, ROWS, DIM, NULL, &sim) != CHI_OK;
    for (int i = 0; !bad && i < REPEATS; i++) { // the first also warms up
        const double start = now_ms();
        const chi_matrix m = chi_matrix_view(x, ROWS, DIM);
        bad = chi_similarity_logsumexp(sim, m, m, chi_matrix_view(out, ROWS, 1)) != CHI_OK || chi_device_finish(dev) != CHI_OK;
        const double ms = now_ms() - start;
        least = i == 0 || ms < least ? ms : least;
    }
    if (!bad)
        printf("%.4f\n", least);
    chi_similarity_destroy(&sim);
    chi_buffer_destroy(&out);
    chi_buffer_destroy(&x);
    chi_device_close(&dev);
    return bad;
}
