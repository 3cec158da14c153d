// SPDX-License-Identifier: Apache-2.0
// child.h: a program run aside, with a deadline. Started by exec: after fork alone, OpenCL hangs.
#ifndef CHI_BASE_CHILD_H
#define CHI_BASE_CHILD_H

#include "fail.h"

// Runs argv[0] and keeps what it prints, ended by a zero. Over the deadline it is killed: CHI_ERR_TIMEOUT; started not
// at all, or ended by a signal or with another status than 0: CHI_ERR_INTERNAL.
chi_status chi__child_run(char *const *argv, double deadline_us, char *output, size_t room);
// The folder of the running program, without a final slash; false: not known.
bool chi__program_folder(char *to, size_t room);

#endif
