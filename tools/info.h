// SPDX-License-Identifier: Apache-2.0
// info.h: what the files of `chiaro info` share: info.c (the command), info_model.c (a model as a person reads it),
// info_json.c (all of it).
#ifndef CHIARO_INFO_H
#define CHIARO_INFO_H

#include <jansson.h>

#include "tool.h"

typedef struct tensor_range {
    double low, high;
    size_t finite, nan, infinite;
} tensor_range;

// A file as it was read.
typedef struct info_file {
    const char *path, *format;
    chi_tensors tensors;
    chi_tensor one;       // of a format that holds one array, which tensors then lists
    tensor_range *ranges; // one a tensor
    char (*types)[16];    // their types as the file has them: 16-bit floats were widened since
    uint64_t *bytes;
} info_file;

// The numbers of a network in a file, by the names of its tensors: "encoder.", "head.".
typedef struct network_size {
    size_t tensors, parameters, statistics;
    uint64_t bytes;
} network_size;
network_size info_network(const info_file *file, const char *prefix);

bool info_is_model(const info_file *file);
bool info_is_checksum(const char *key);
int info_print_model(const info_file *file); // an exit status
int info_print_json(const info_file *file);
// A text of a file, safe for a terminal, in as many lines as it takes: "  key value".
void info_print_fact(const char *key, const char *value);

#endif
