// SPDX-License-Identifier: Apache-2.0
// options.c: the options of every subcommand: parsing, help, and what they come to. Header: tool.h.
#include <getopt.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "progress.h"
#include "text.h"
#include "tool.h"

enum { MOST_OPTIONS = 96, NAME_ROOM = 64, FIRST = 256 };

// An option that several commands share, and those to which it means something.
typedef struct shared_option {
    unsigned of; // one of TOOL_OPENS, TOOL_SEED, TOOL_JSON, TOOL_QUIET, TOOL_ANY
    tool_option option;
} shared_option;

// What one command line is read by: its own options, then the shared ones.
typedef struct option_list {
    tool_option all[MOST_OPTIONS];
    char dashed[MOST_OPTIONS][NAME_ROOM],
        underscored[MOST_OPTIONS][NAME_ROOM]; // both spellings of each name
    size_t own, count;
} option_list;

// The name with `by` between its words.
static void spell(const char *name, char by, char to[NAME_ROOM])
{
    snprintf(to, NAME_ROOM, "%s", name);
    for (; *to; to++)
        *to = *to == '-' || *to == '_' ? by : *to;
}

static void collect(tool *t, const tool_command *c, const tool_option *own, size_t count,
                    option_list *to)
{
    const shared_option shared[] = {
        { TOOL_OPENS,
          { "device", "SELECTOR", "auto, gpu, cpu, #INDEX, name:TEXT, … (see chiaro devices)",
            &t->device, NULL, "CHIARO_DEVICE, else auto" } },
        { TOOL_OPENS,
          { "threads", "N", "compute units to use on a CPU device", &t->threads, NULL, "all" } },
        { TOOL_OPENS,
          { "memory", "BYTES", "bound on all device bytes, as 800M or 1.5G", &t->memory, NULL,
            "0.8 of the device's, 0.5 where it shares the host's" } },
        { TOOL_OPENS,
          { "numerics", "exact|fast", "exact: the same bits everywhere", &t->numerics, NULL,
            "exact" } },
        { TOOL_OPENS, { "core", "panel|group", "force a core", &t->core, NULL, "measured" } },
        { TOOL_OPENS,
          { "tile", "NAME", "force a tile of its table", &t->tile, NULL, "what tuning found" } },
        { TOOL_SEED, { "seed", "N", "random numbers", &t->seed_text, NULL, "1" } },
        { TOOL_JSON, { "json", NULL, "results as JSON", NULL, &t->json } },
        { TOOL_QUIET, { "quiet", NULL, "no progress and no remarks", NULL, &t->quiet } },
        { TOOL_ANY, { "help", NULL, "this text", NULL, &t->help } },
    };
    to->own = to->count = count;
    if (count)
        memcpy(to->all, own, count * sizeof *own);
    for (size_t i = 0; i < sizeof shared / sizeof *shared; i++)
        if (shared[i].of & (c->common | TOOL_ANY))
            to->all[to->count++] = shared[i].option;
    for (size_t i = 0; i < to->count; i++) {
        spell(to->all[i].name, '-', to->dashed[i]);
        spell(to->all[i].name, '_', to->underscored[i]);
        to->all[i].name = to->dashed[i];
    }
}

// An option's name and value at the left, what it does and its default at the right, both within the width.
static void print_option(const tool_option *o, size_t width)
{
    enum { LEFT = 26, RIGHT = 2 + LEFT + 1 };
    char left[NAME_ROOM], right[1024];
    snprintf(left, sizeof left, "--%s%s%s", o->name, o->value ? " " : "", o->value ? o->value : "");
    snprintf(right, sizeof right, "%s%s%s", o->help, o->fallback ? "; default: " : "",
             !o->fallback   ? ""
             : *o->fallback ? o->fallback
                            : "none");
    const size_t columns = text_columns(left);
    printf("  %s", left);
    if (columns > LEFT)
        printf("\n%*s", RIGHT, "");
    else
        printf("%*s", (int)(LEFT + 1 - columns), "");
    text_wrap(stdout, right, RIGHT, RIGHT, width);
}

static void print_help(const tool_command *c, const option_list *list)
{
    enum { MOST_WIDTH = 100 }; // longer lines are hard to read
    size_t width = text_width(STDOUT_FILENO);
    width = width < MOST_WIDTH ? width : MOST_WIDTH;
    printf("usage: chiaro ");
    text_wrap(stdout, c->usage, 14, 14, width);
    if (c->about)
        text_wrap(stdout, c->about, 0, 0, width);
    for (size_t i = 0; i < list->count; i++) {
        if (i == 0 || i == list->own)
            printf("\n");
        print_option(&list->all[i], width);
    }
    printf("\nexample: ");
    text_command(stdout, c->example, 9, 2, width);
}

// Failures are printed once, by tool_fail; the rest of what the library says goes to stderr.
static void log_line(void *user, chi_log_level level, const char *sentence)
{
    const tool *t = user;
    const char *wanted = getenv("CHIARO_LOG");
    const chi_log_level most = wanted && strcmp(wanted, "debug") == 0  ? CHI_LOG_DEBUG
                               : wanted && strcmp(wanted, "info") == 0 ? CHI_LOG_INFO
                                                                       : CHI_LOG_WARNING;
    if (level != CHI_LOG_ERROR && level <= most && !(t->quiet && level > CHI_LOG_WARNING)) {
        progress_break();
        fprintf(stderr, "chiaro: %s\n", sentence);
    }
}

static int resolve(tool *t)
{
    uint64_t threads = 0;
    t->seed = 1;
    if (t->seed_text && !tool_count(t->seed_text, &t->seed))
        return tool_usage("--seed %s is not a whole number of at least 0", t->seed_text);
    if (t->threads && (!tool_count(t->threads, &threads) || threads == 0 || threads > 1u << 16))
        return tool_usage("--threads %s is not a number from 1 to 65536", t->threads);
    if (t->memory &&
        (!tool_bytes(t->memory, &t->options.memory_bytes) || t->options.memory_bytes == 0))
        return tool_usage("--memory %s is not a size above 0, as 300M, 1.5G or a number of bytes",
                          t->memory);
    if (t->numerics && strcmp(t->numerics, "exact") != 0 && strcmp(t->numerics, "fast") != 0)
        return tool_usage("--numerics %s is neither exact nor fast", t->numerics);
    if (t->core && strcmp(t->core, "panel") != 0 && strcmp(t->core, "group") != 0)
        return tool_usage("--core %s is neither panel nor group", t->core);
    t->options.match = t->device;
    t->options.threads = (unsigned)threads;
    t->options.numerics =
        t->numerics && t->numerics[0] == 'f' ? CHI_NUMERICS_FAST : CHI_NUMERICS_EXACT;
    t->options.core = !t->core            ? CHI_CORE_AUTO
                      : t->core[0] == 'p' ? CHI_CORE_PANEL
                                          : CHI_CORE_GROUP;
    t->options.tile = t->tile;
    t->options.log = (chi_log){ log_line, t };
    return TOOL_DONE;
}

// Each option by both spellings of its name. getopt returns FIRST + its place.
static void fill_table(const option_list *list, struct option *table)
{
    for (size_t i = 0; i < list->count; i++) {
        const struct option row = { list->dashed[i],
                                    list->all[i].value ? required_argument : no_argument, NULL,
                                    FIRST + (int)i };
        table[2 * i] = table[2 * i + 1] = row;
        table[2 * i + 1].name = list->underscored[i];
    }
    table[2 * list->count] = (struct option){ 0 };
}

// word: what getopt has just refused, of letters the one it stopped at.
static int no_option(const option_list *list, const char *word, const char *command)
{
    const char *names[MOST_OPTIONS];
    char bare[NAME_ROOM], letter[] = { '-', (char)optopt, '\0' };
    if (optopt > 0 && optopt < FIRST)
        word = letter;
    const char *start = word + strspn(word, "-");
    snprintf(bare, sizeof bare, "%.*s", (int)strcspn(start, "="), start);
    for (size_t i = 0; i < list->count; i++)
        names[i] = list->all[i].name;
    return tool_usage("%s is no option of chiaro %s; the nearest is --%s", word, command,
                      tool_nearest(bare, names, list->count));
}

int tool_parse(tool *t, int argc, char **argv, const tool_command *c, const tool_option *own,
               size_t count, const char **words, size_t *word_count)
{
    option_list list;
    struct option table[2 * MOST_OPTIONS + 1];
    size_t taken = 0;
    collect(t, c, own, count, &list);
    fill_table(&list, table);
    opterr = 0;
    optind = 1;
    for (int found; (found = getopt_long(argc, argv, "-:", table, NULL)) != -1;) {
        const tool_option *o = found >= FIRST ? &list.all[found - FIRST] : NULL;
        if (found == ':')
            return tool_usage("%s needs a value", argv[optind - 1]);
        if (found == '?' && optopt == 'h') {
            t->help = true;
            continue;
        }
        if (found == '?')
            return no_option(&list, argv[optind - 1], argv[0]);
        if (!o && taken == c->most_words)
            return tool_usage("\"%s\" is one word too many; chiaro %s --help", optarg, argv[0]);
        if (!o)
            words[taken++] = optarg;
        else if (o->text)
            *o->text = optarg;
        else
            *o->flag = true;
    }
    for (; optind < argc; optind++) { // behind "--"
        if (taken == c->most_words)
            return tool_usage("\"%s\" is one word too many; chiaro %s --help", argv[optind],
                              argv[0]);
        words[taken++] = argv[optind];
    }
    if (word_count)
        *word_count = taken;
    if (!t->help)
        return resolve(t);
    print_help(c, &list);
    return TOOL_DONE;
}

const char *tool_opening(const tool *t)
{
    const struct {
        const char *name, *value;
    } given[] = { { "device", t->device },     { "threads", t->threads }, { "memory", t->memory },
                  { "numerics", t->numerics }, { "core", t->core },       { "tile", t->tile } };
    for (size_t i = 0; i < sizeof given / sizeof *given; i++)
        if (given[i].value)
            return given[i].name;
    return NULL;
}

int tool_open(tool *t, chi_device **dev)
{
    t->options.profile = t->profile;
    const chi_status st = chi_device_open(&t->options, dev);
    return st == CHI_OK ? TOOL_DONE : tool_fail(st);
}
