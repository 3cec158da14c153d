// SPDX-License-Identifier: Apache-2.0
// clock.c: the monotonic clock and sleep. Header: clock.h.
#include "clock.h"

#include <errno.h>
#include <time.h>

double chi__now_us(void)
{
    struct timespec now;
    clock_gettime(CLOCK_MONOTONIC, &now);
    return (double)now.tv_sec * 1e6 + (double)now.tv_nsec * 1e-3;
}

double chi__cpu_us(void)
{
    struct timespec now;
    clock_gettime(CLOCK_PROCESS_CPUTIME_ID, &now);
    return (double)now.tv_sec * 1e6 + (double)now.tv_nsec * 1e-3;
}

long long chi__date_s(void)
{
    struct timespec now;
    clock_gettime(CLOCK_REALTIME, &now);
    return (long long)now.tv_sec;
}

void chi__sleep_us(double us)
{
    if (us <= 0)
        return;
    const time_t whole = (time_t)(us * 1e-6);
    struct timespec left = { whole, (long)((us - (double)whole * 1e6) * 1e3) };
    while (clock_nanosleep(CLOCK_MONOTONIC, 0, &left, &left) == EINTR)
        ;
}
