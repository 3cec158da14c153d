// SPDX-License-Identifier: Apache-2.0
// metric.h: similarities by their words on the command line: dot, cosine, euclidean.
#ifndef CHIARO_METRIC_H
#define CHIARO_METRIC_H

#include "tool.h"

int metric_parse(const char *text, chi_metric *out); // an exit status
const char *metric_name(chi_metric metric);

#endif
