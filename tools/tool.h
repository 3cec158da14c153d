// SPDX-License-Identifier: Apache-2.0
// tool.h: what the subcommands of the program share. One file a subcommand; tools/main.c lists them.
#ifndef CHIARO_TOOL_H
#define CHIARO_TOOL_H

#include <chiaro/status.h>

// Exit status of the program; scripts rely on it.
enum { TOOL_DONE = 0, TOOL_FAILED = 1, TOOL_USAGE = 2, TOOL_NO_DEVICE = 3, TOOL_INTERRUPTED = 130 };

// Each takes its own arguments, argv[0] its name, and returns the exit status.
int tool_info(int argc, char **argv);

// Prints the sentence of the newest failure and returns the exit status that goes with it.
int tool_failed(chi_status status);
// "chiaro info: unknown option --jsn; did you mean --json?" and TOOL_USAGE. `known` ends with NULL.
int tool_unknown(const char *where, const char *what, const char *word, const char *const *known);

#endif
