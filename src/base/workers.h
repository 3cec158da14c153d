// SPDX-License-Identifier: Apache-2.0
// workers.h: things that do not depend on each other, done in threads with one outcome whatever their number.
#ifndef CHI_BASE_WORKERS_H
#define CHI_BASE_WORKERS_H

#include "fail.h"

typedef struct chi__work {
    size_t count;
    unsigned threads; // 0: as many as the processors that this process may use; the calling thread is one of them
    chi_status (*one)(void *user, size_t i);
    void *user;
    void (*progress)(void *user, size_t done, size_t of); // called on the calling thread; NULL: none
    void *progress_user;
} chi__work;

// one(user, i) for every i < count. Where some fail, the first of them in order of i is the outcome, with its sentence; those
// behind it may be left out.
chi_status chi__work_do(const chi__work *work);

#endif
