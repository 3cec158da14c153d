// SPDX-License-Identifier: Apache-2.0
// tiles/passes_panel.cl: the passes that every loss with a gradient runs on a CPU, as one program. Drivers read their
// built-in functions anew for each program, PoCL even where it has it in its cache: 26 ms of every start.
// Host: src/tiles/passes.c, operand.c. The group core, for which a driver compiles all of a program at once, has them apart.
// POINTWISE  losses without a normaliser; other macros and tuned names as in the files.
#ifndef POINTWISE
#error "tiles/passes_panel.cl needs POINTWISE"
#endif

#include "tiles/scores_panel.h" // outside of any #if: a header is taken once, where it is first named
#include "common/vendor.h"
#include "tiles/kept.h"
#include "tiles/pack.cl"
#if POINTWISE
#include "tiles/pointwise_panel.cl"
#else
#include "tiles/statistics_panel.cl"
#endif
#include "tiles/gradient_panel.cl"
