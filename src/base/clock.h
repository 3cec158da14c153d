// SPDX-License-Identifier: Apache-2.0
// clock.h: the only room that reads a clock (device events aside).
#ifndef CHI_BASE_CLOCK_H
#define CHI_BASE_CLOCK_H

#include <stdint.h>

double chi__now_us(void); // monotonic
long long chi__date_s(void); // of the calendar, since 1970: may be set back and forth
double chi__cpu_us(void); // what all threads of this process worked
void chi__sleep_us(double us);

#endif
