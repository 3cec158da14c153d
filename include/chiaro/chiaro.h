// SPDX-License-Identifier: Apache-2.0
// chiaro.h: the whole public interface, in order of dependency.
#ifndef CHIARO_H
#define CHIARO_H

#include "status.h"     // IWYU pragma: export
#include "device.h"     // IWYU pragma: export
#include "matrix.h"     // IWYU pragma: export
#include "similarity.h" // IWYU pragma: export
#include "loss.h"       // IWYU pragma: export
#include "plan.h"       // IWYU pragma: export
#include "encoder.h"    // IWYU pragma: export
#include "optimizer.h"  // IWYU pragma: export
#include "data.h"       // IWYU pragma: export
#include "labels.h"     // IWYU pragma: export
#include "pictures.h"   // IWYU pragma: export
#include "metrics.h"    // IWYU pragma: export
#include "tuner.h"      // IWYU pragma: export

#endif
