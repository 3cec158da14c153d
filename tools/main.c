// SPDX-License-Identifier: Apache-2.0
// main.c: the program `chiaro`: chooses the subcommand.
#include <string.h>

#include "text.h"
#include "tool.h"

static const struct {
    const char *name;
    int (*run)(int argc, char **argv);
    const char *help;
} commands[] = {
    { "train", command_train, "train an encoder on images: chiaro train simclr --data DIR" },
    { "embed", command_embed, "images to features in an .npy file" },
    { "eval", command_eval, "kNN and linear probe of a trained encoder" },
    { "search", command_search, "the k rows of one .npy file nearest to each of another" },
    { "bench", command_bench, "time one problem: chiaro bench clip:4096x4096x128" },
    { "plan", command_plan, "what a loss will take: chiaro plan clip:65536x65536x512" },
    { "tune", command_tune, "find the tiles that are fastest on a device, and keep them" },
    { "devices", command_devices, "what OpenCL devices there are" },
    { "doctor", command_doctor, "what a report of a fault needs, on one page, and a small check" },
    { "cache", command_cache, "where compiled programs and probes are kept: chiaro cache path|clear" },
    { "info", command_info, "what is in an idx, npy or safetensors file" },
};
enum { COMMANDS = sizeof commands / sizeof *commands };

static int help(FILE *to)
{
    enum { COLUMN = 13 };
    const size_t width = text_width(fileno(to));
    fputs("usage: chiaro COMMAND [OPTIONS]\n\n", to);
    for (size_t i = 0; i < COMMANDS; i++) {
        fprintf(to, "  %-10s ", commands[i].name);
        text_wrap(to, commands[i].help, COLUMN, COLUMN, width);
    }
    fputc('\n', to);
    text_wrap(to, "chiaro COMMAND --help says more; chiaro --version. Exit status: 0 done, 1 failed, 2 wrong usage, 3 no usable device, "
              "130 interrupted, train with a checkpoint written.\n\n", 0, 0, width);
    fputs("example: ", to);
    text_command(to, "chiaro train simclr --data /usr/share/datasets/fashion-mnist --output run", 9, 2, width);
    return to == stdout ? TOOL_DONE : TOOL_USAGE;
}

int main(int argc, char **argv)
{
    const char *names[COMMANDS];
    if (argc < 2)
        return help(stderr);
    if (strcmp(argv[1], "--version") == 0) {
        printf("chiaro %s\n", chi_version());
        return TOOL_DONE;
    }
    if (strcmp(argv[1], "--help") == 0 || strcmp(argv[1], "-h") == 0 || strcmp(argv[1], "help") == 0)
        return help(stdout);
    if (strcmp(argv[1], "tune-trial") == 0)
        return command_tune_trial(argc - 1, argv + 1);
    for (size_t i = 0; i < COMMANDS; i++) {
        names[i] = commands[i].name;
        if (strcmp(argv[1], commands[i].name) == 0)
            return commands[i].run(argc - 1, argv + 1);
    }
    return tool_usage("there is no command \"%s\"; the nearest is \"%s\" (chiaro --help)", argv[1], tool_nearest(argv[1], names, COMMANDS));
}
