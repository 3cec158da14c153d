// SPDX-License-Identifier: Apache-2.0
// program.h: the embedded kernel sources, made by tools/embed.py at build time.
#ifndef CHI_DEVICE_PROGRAM_H
#define CHI_DEVICE_PROGRAM_H

// Flattened text of kernels/<file>; the table ends with {NULL, NULL}.
typedef struct chi__source { const char *file, *text; } chi__source;
extern const chi__source chi__sources[];

#endif
