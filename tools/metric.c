// SPDX-License-Identifier: Apache-2.0
// metric.c: see metric.h.
#include "metric.h"

#include <string.h>

static const struct {
    chi_metric metric;
    const char *name;
} metrics[] = {
    { CHI_METRIC_DOT, "dot" },
    { CHI_METRIC_COSINE, "cosine" },
    { CHI_METRIC_SQUARED_EUCLIDEAN, "euclidean" },
};
enum { METRICS = sizeof metrics / sizeof *metrics };

int metric_parse(const char *text, chi_metric *out)
{
    const char *names[METRICS];
    for (size_t i = 0; i < METRICS; i++) {
        names[i] = metrics[i].name;
        if (strcmp(text, names[i]) == 0) {
            *out = metrics[i].metric;
            return TOOL_DONE;
        }
    }
    return tool_usage("there is no metric \"%s\"; the nearest is \"%s\"", text,
                      tool_nearest(text, names, METRICS));
}

const char *metric_name(chi_metric metric)
{
    for (size_t i = 0; i < METRICS; i++)
        if (metrics[i].metric == metric)
            return metrics[i].name;
    return "";
}
