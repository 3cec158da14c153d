// SPDX-License-Identifier: Apache-2.0
// tool.h: what the subcommands of `chiaro` share: options, files, errors. One file a subcommand; main.c chooses it.
#ifndef CHIARO_TOOL_H
#define CHIARO_TOOL_H

#include <chiaro/chiaro.h>
#include <stdio.h>

enum { TOOL_DONE = 0, TOOL_FAILED = 1, TOOL_USAGE = 2, TOOL_NO_DEVICE = 3, TOOL_INTERRUPTED = 130 };

// Tables of options leave out what an option has not: the members behind are NULL.
#if defined(__GNUC__)
#pragma GCC diagnostic ignored "-Wmissing-field-initializers"
#endif

// One option of a command: "--name VALUE", or a switch where value is NULL in the help.
typedef struct tool_option {
    const char *name, *value, *help; // value: what the help calls it; NULL: a switch
    const char **text;               // receives the value
    bool *flag;                      // or is set
    const char *fallback;            // its default, which the help says behind the text; NULL: it has none
} tool_option;

// What every command understands.
typedef struct tool {
    const char *device, *threads, *memory, *numerics, *core, *tile, *seed_text;
    bool quiet, json, help, profile;
    uint64_t seed;
    chi_device_options options; // made of the above
} tool;

// Which of the options that commands share mean something to a command; it refuses the others.
enum { TOOL_OPENS = 1, TOOL_SEED = 2, TOOL_JSON = 4, TOOL_QUIET = 8, TOOL_ANY = 16 }; // OPENS: it opens a device

// How a command is called, for its help, which is wrapped by words: text.h says which line breaks stay.
typedef struct tool_command {
    const char *usage, *about, *example; // usage begins with the command's name; about NULL: the usage says it all
    unsigned common;                     // TOOL_OPENS | …
    size_t most_words;                   // of words that are no options
} tool_command;

// Parses argv from argv[1]: "--name VALUE" or "--name=VALUE", underscores for dashes, options end at "--"; other words are
// collected in words [most_words]. Prints help and returns TOOL_DONE with t->help set, or a sentence and TOOL_USAGE.
int tool_parse(tool *t, int argc, char **argv, const tool_command *c, const tool_option *own, size_t count, const char **words, size_t *word_count);

// The first given of the options that only the opening of a device uses ("threads"), for those ways of a command that open
// none; NULL: none was given.
const char *tool_opening(const tool *t);

int tool_fail(chi_status status);                                                   // prints "chiaro: <sentence>"; the exit status
int tool_usage(const char *format, ...) __attribute__((format(printf, 1, 2)));      // TOOL_USAGE
int tool_error(const char *format, ...) __attribute__((format(printf, 1, 2)));      // TOOL_FAILED
// Says on stderr what was decided or noticed; nothing where quiet.
void tool_say(bool quiet, const char *format, ...) __attribute__((format(printf, 2, 3)));
int tool_open(tool *t, chi_device **dev);                                           // exit status

bool tool_number(const char *text, double *out);
bool tool_count(const char *text, uint64_t *out);
// A size as people write it: 300m, 1.5G, 2GB, 2 GiB, 1e9. K, M, G and T are powers of 1024, whatever follows them.
bool tool_bytes(const char *text, uint64_t *out);
const char *tool_nearest(const char *word, const char *const *candidates, size_t count);
double tool_seconds(void);     // of the wall clock
double tool_cpu_seconds(void); // all threads of this process at work

// Interrupts: 0, or the number of Ctrl-C seen since tool_catch_interrupts.
void tool_catch_interrupts(void);
int tool_interrupted(void);

// Whether two paths, of which each may name an array inside a file (FILE:NAME), are one file: writing one writes over the other.
bool tool_same_file(const char *path, const char *other);
// That a file can be made is known before hours of work, not after: an exit status.
int tool_check_output(const char *path);
int tool_make_folder(const char *path); // with its parents
// A text file written whole or not at all.
int tool_write_text(const char *path, const char *text);
char *tool_read_text(const char *path); // NULL: said why

// A text file that the build put into the program.
typedef struct text_source { const char *name, *text; } text_source;

int command_train(int argc, char **argv);
int command_embed(int argc, char **argv);
int command_eval(int argc, char **argv);
int command_search(int argc, char **argv);
int command_bench(int argc, char **argv);
int command_plan(int argc, char **argv);
int command_cache(int argc, char **argv);
int command_devices(int argc, char **argv);
int command_doctor(int argc, char **argv);
int command_info(int argc, char **argv);
int command_tune(int argc, char **argv);
int command_tune_trial(int argc, char **argv); // hidden: what chiaro tune starts

#endif
