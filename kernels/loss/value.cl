// SPDX-License-Identifier: Apache-2.0
// loss/value.cl: the sums of loss/value.h for those who have no row function. Host: src/train/probe.c.
#include "loss/value.h"
