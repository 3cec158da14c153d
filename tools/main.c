// SPDX-License-Identifier: Apache-2.0
// main.c: the program's list of subcommands. Each is a file of this folder; shared: tool.h.
#include <chiaro/chiaro.h>

#include <stdio.h>
#include <string.h>

#include "tool.h"

static const struct { const char *name, *line; int (*run)(int argc, char **argv); } commands[] = {
    { "info", "FILE [--json]: what an idx, npy or safetensors file holds", tool_info },
};
enum { COMMANDS = sizeof commands / sizeof *commands };

static void help(FILE *to)
{
    fprintf(to, "chiaro %s: contrastive representation learning on any OpenCL device\n\n", chi_version());
    for (size_t i = 0; i < COMMANDS; i++)
        fprintf(to, "  chiaro %-8s %s\n", commands[i].name, commands[i].line);
    fprintf(to, "\n  chiaro COMMAND --help, chiaro --version\n");
}

int main(int argc, char **argv)
{
    const char *known[COMMANDS + 1] = { NULL };
    if (argc < 2) {
        help(stderr);
        return TOOL_USAGE;
    }
    if (strcmp(argv[1], "--version") == 0) {
        printf("chiaro %s\n", chi_version());
        return TOOL_DONE;
    }
    if (strcmp(argv[1], "--help") == 0 || strcmp(argv[1], "-h") == 0 || strcmp(argv[1], "help") == 0) {
        help(stdout);
        return TOOL_DONE;
    }
    for (size_t i = 0; i < COMMANDS; i++) {
        if (strcmp(argv[1], commands[i].name) == 0)
            return commands[i].run(argc - 1, argv + 1);
        known[i] = commands[i].name;
    }
    return tool_unknown("chiaro", "command", argv[1], known);
}
