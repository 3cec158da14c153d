// SPDX-License-Identifier: Apache-2.0
// tune.c: `chiaro tune`: a search for the fastest tiles, and the records of what was found. The search: src/tune/search.c,
// each candidate in a process of its own (tune_trial.c). The format of records: docs/tuning.md.
#include <jansson.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "progress.h"
#include "text.h"
#include "tool.h"

typedef struct tune {
    tool tool;
    const char *kernels, *effort, *budget, *deadline, *rows, *export_path, *import_path;
    bool dry_run, list, forget;
    chi_tune_options options;
    progress shown;
    char kernel[16];
} tune;

static int read_search_options(tune *t)
{
    double seconds = 0.0;
    uint64_t rows = 0;
    if (t->effort && strcmp(t->effort, "quick") != 0 && strcmp(t->effort, "thorough") != 0)
        return tool_usage("--effort %s is neither quick nor thorough", t->effort);
    t->options.effort = t->effort && t->effort[0] == 't' ? CHI_TUNE_THOROUGH : CHI_TUNE_QUICK;
    t->options.kernels = t->kernels;
    t->options.dry_run = t->dry_run;
    if (t->budget && (!tool_number(t->budget, &seconds) || !(seconds > 0.0) || seconds > 1e6))
        return tool_usage("--budget %s is not a number of seconds above 0", t->budget);
    t->options.seconds = seconds;
    seconds = 0.0;
    if (t->deadline && (!tool_number(t->deadline, &seconds) || !(seconds > 0.0) || seconds > 600.0))
        return tool_usage("--deadline %s is not a number of seconds above 0 and up to 600",
                          t->deadline);
    t->options.trial_seconds = seconds;
    if (t->rows && (!tool_count(t->rows, &rows) || rows < 16 || rows > 65536))
        return tool_usage("--rows %s is not a number from 16 to 65536", t->rows);
    t->options.rows = (size_t)rows;
    return TOOL_DONE;
}

// What was asked for beside the verb, if that does not use it.
static const char *unused_option(const tune *t)
{
    const bool searches = !t->list && !t->forget && !t->export_path && !t->import_path;
    const char *opening = tool_opening(&t->tool);
    if (!searches && t->kernels)
        return "kernel";
    if (!searches && t->effort)
        return "effort";
    if (!searches || t->dry_run)
        return t->budget                                ? "budget"
               : t->deadline                            ? "deadline"
               : t->rows                                ? "rows"
               : searches || (t->list && !t->tool.json) ? NULL
                                                        : opening;
    return NULL;
}

static int read_options(tune *t, int argc, char **argv)
{
    const tool_option own[] = {
        { "kernel", "NAME,…", "core, logsumexp, topk, loss, conv", &t->kernels, NULL,
          "all that the effort covers" },
        { "effort", "quick|thorough",
          "quick: under a minute, not conv; thorough: a quarter of an hour", &t->effort, NULL,
          "quick" },
        { "dry-run", NULL, "only say which candidates a search would begin with", NULL,
          &t->dry_run },
        { "budget", "SECONDS", "for all of it", &t->budget, NULL, "50 (quick), 840 (thorough)" },
        { "deadline", "SECONDS", "for one candidate, compiling included", &t->deadline, NULL,
          "20, or 4 times what the default tile took" },
        { "rows", "N", "of the timed problems, convolutions aside", &t->rows, NULL,
          "2048, more on a fast device" },
        { "list", NULL, "the records there are, and which tiles the device uses", NULL, &t->list },
        { "export", "FILE", "all records into one file, to be sent", &t->export_path, NULL },
        { "import", "FILE", "take the records of a file, where there are none yet", &t->import_path,
          NULL },
        { "forget", NULL, "remove all records, and what was tried", NULL, &t->forget },
    };
    const tool_command command = {
        "tune [--effort quick|thorough] [--kernel NAME,…]",
        "Finds the tiles that are fastest on a device and records them; every command uses them "
        "from then on. Results do not\n"
        "change by a bit: a tile with other results is rejected, as is one that hangs, crashes or "
        "does not build, and not\n"
        "tried again. Ctrl-C keeps what is finished; the same command goes on. With --tile NAME "
        "that tile is what candidates\n"
        "are compared with. Tiles: p8x32v16 (panel: rows x columns of registers, vector width), "
        "then k128 (block over\n"
        "features), b64 (rows of a block); g64x64k16 (group: rows x columns x depth of local "
        "memory), then v4 (floats a load),\n"
        "w8x16 (work-items), d2 (stages: the next block of operands is loaded meanwhile), s16 "
        "(sub-groups of 16, where the\n"
        "driver has them), b64. Records lie in CHIARO_TUNE_DIR, else $XDG_DATA_HOME/chiaro/tune, "
        "else ~/.local/share/chiaro/tune.",
        "chiaro tune --effort quick",
        TOOL_OPENS | TOOL_JSON | TOOL_QUIET,
        0,
    };
    const int result =
        tool_parse(&t->tool, argc, argv, &command, own, sizeof own / sizeof *own, NULL, NULL);
    if (result != TOOL_DONE || t->tool.help)
        return result;
    if (t->list + t->forget + (t->export_path != NULL) + (t->import_path != NULL) + t->dry_run > 1)
        return tool_usage("only one of --dry-run, --list, --export, --import and --forget");
    const char *verb = t->list          ? t->tool.json ? "--list --json" : "--list"
                       : t->forget      ? "--forget"
                       : t->dry_run     ? "--dry-run"
                       : t->export_path ? "--export"
                                        : "--import";
    if (unused_option(t))
        return tool_usage("tune %s has no use for --%s", verb, unused_option(t));
    return read_search_options(t);
}

// ---- progress ----------------------------------------------------------------------------------------
static bool show(void *user, const chi_tune_progress *p)
{
    tune *t = user;
    if (!p->outcome[0]) {
        if (!t->dry_run && t->shown.began == 0.0)
            progress_show(&t->shown, 0, "looking at the device");
        return !tool_interrupted();
    }
    if (t->dry_run) {
        if (!t->tool.json) {
            printf("%-10s %-20s ", p->kernel, p->tile);
            text_wrap(stdout, p->outcome, 32, 32, text_width(STDOUT_FILENO));
        }
    } else {
        const bool tile = p->tile[0] != 0; // else the outcome says of what it is
        progress_show(&t->shown, (uint64_t)(100.0 * p->fraction),
                      "%s%s%s%s%s (%zu tried, %zu rejected)", tile ? p->kernel : "",
                      tile ? " " : "", p->tile, tile ? ": " : "", p->outcome, p->tried,
                      p->rejected);
    }
    return !tool_interrupted();
}

// ---- the table ---------------------------------------------------------------------------------------
static const char *shape_of(const chi_tune_row *row, char *to)
{
    snprintf(to, 64, "%zux%zux%zu", row->n, row->m, row->dim);
    return to;
}

static void print_rejected(const chi_tune_report *r)
{
    const size_t listed =
        r->rejected_count < CHI_TUNE_MOST_REJECTED ? r->rejected_count : CHI_TUNE_MOST_REJECTED;
    for (size_t i = 0; i < listed; i++)
        text_say(stdout, 4, "rejected: %s %s: %s", r->rejected[i].kernel, r->rejected[i].tile,
                 r->rejected[i].why);
    if (listed < r->rejected_count)
        printf("rejected: %zu more\n", r->rejected_count - listed);
}

// A row of the table; columns that 80 characters have no room for stand in a wide one alone.
static void print_row(const chi_tune_row *row, bool wide)
{
    char shape[64], gain[16], fraction[16];
    const bool done = row->best_us > 0.0;
    const char *best = done ? row->best_tile : "-";
    snprintf(gain, sizeof gain, done ? "%.2f" : "-", done ? row->default_us / row->best_us : 0.0);
    snprintf(fraction, sizeof fraction, done && row->fraction > 0.0 ? "%.0f %%" : "-",
             100.0 * row->fraction);
    if (wide)
        printf("%-10s %-16s %-20s %-20s %10.3f %10.3f %6s %8s %6zu %6zu %9zu\n", row->kernel,
               shape_of(row, shape), row->default_tile, best, row->default_us * 1e-3,
               row->best_us * 1e-3, gain, fraction, row->tried, row->known, row->rejected);
    else
        printf("%-10s %-14s %-20s %9.3f %6s %8s %6zu\n", row->kernel, shape_of(row, shape), best,
               row->best_us * 1e-3, gain, fraction, row->tried + row->known);
    if (row->clblast_us > 0.0)
        text_say(stdout, 4, "%-10s CLBlast: %.3f ms, %s", "", row->clblast_us * 1e-3,
                 row->clblast_us < row->best_us ? "faster: --numerics fast uses it"
                                                : "slower: not used");
}

static void print_report(const chi_tune_report *r)
{
    const bool wide = text_width(STDOUT_FILENO) >= 136;
    if (wide)
        printf("%-10s %-16s %-20s %-20s %10s %10s %6s %8s %6s %6s %9s\n", "kernel", "shape",
               "default", "best", "default ms", "best ms", "gain", "of peak", "tried", "known",
               "rejected");
    else
        printf("%-10s %-14s %-20s %9s %6s %8s %6s\n", "kernel", "shape", "best", "ms", "gain",
               "of peak", "tried");
    for (size_t i = 0; i < r->row_count; i++)
        print_row(&r->rows[i], wide);
    print_rejected(r);
    if (r->busy)
        text_say(stdout, 0,
                 "other programs used the processors meanwhile: tiles were compared by what "
                 "threads worked, which is less sure");
    if (r->note[0])
        text_say(stdout, 0, "%s", r->note);
    text_say(stdout, 0,
             "%.1f s; FMA peak %.1f GFLOP/s; a gain is a default's time by the best's, measured in "
             "turns",
             r->seconds, r->peak_gflops);
}

static json_t *row_json(const chi_tune_row *row)
{
    char shape[64];
    json_t *at = json_pack("{s:s, s:s, s:s, s:I, s:I, s:I}", "kernel", row->kernel, "shape",
                           shape_of(row, shape), "default", row->default_tile, "tried",
                           (json_int_t)row->tried, "known", (json_int_t)row->known, "rejected",
                           (json_int_t)row->rejected);
    const bool done = row->best_us > 0.0;
    json_object_set_new(at, "best", done ? json_string(row->best_tile) : json_null());
    json_object_set_new(at, "default_us", done ? json_real(row->default_us) : json_null());
    json_object_set_new(at, "best_us", done ? json_real(row->best_us) : json_null());
    json_object_set_new(at, "gain", done ? json_real(row->default_us / row->best_us) : json_null());
    json_object_set_new(at, "fraction_of_peak",
                        done && row->fraction > 0.0 ? json_real(row->fraction) : json_null());
    json_object_set_new(at, "clblast_us",
                        row->clblast_us > 0.0 ? json_real(row->clblast_us) : json_null());
    return at;
}

static void print_report_json(const chi_tune_report *r)
{
    json_t *rows = json_array(), *rejected = json_array();
    for (size_t i = 0; i < r->row_count; i++)
        json_array_append_new(rows, row_json(&r->rows[i]));
    for (size_t i = 0; i < r->rejected_count && i < CHI_TUNE_MOST_REJECTED; i++)
        json_array_append_new(rejected,
                              json_pack("{s:s, s:s, s:s}", "kernel", r->rejected[i].kernel, "tile",
                                        r->rejected[i].tile, "why", r->rejected[i].why));
    json_t *all = json_pack("{s:o, s:o, s:I, s:f, s:f, s:b, s:b, s:s}", "rows", rows, "rejected",
                            rejected, "rejected_count", (json_int_t)r->rejected_count, "seconds",
                            r->seconds, "peak_gflops", r->peak_gflops, "stopped", r->stopped,
                            "busy", r->busy, "note", r->note);
    json_dumpf(all, stdout, JSON_REAL_PRECISION(7));
    printf("\n");
    json_decref(all);
}

static int run_search(tune *t)
{
    static chi_tune_report report;
    char self[4096];
    const ssize_t length = readlink("/proc/self/exe", self, sizeof self - 1);
    if (length <= 0)
        return tool_error("the program's own path is not known, so candidates cannot run in "
                          "processes of their own");
    self[length] = '\0';
    t->options.runner = self;
    t->options.progress = show;
    t->options.user = t;
    progress_start(&t->shown, t->tool.quiet, "%", 100);
    tool_catch_interrupts();
    const chi_status st = chi_tune(&t->tool.options, &t->options, &report);
    progress_end(&t->shown);
    if (st != CHI_OK)
        return tool_fail(st);
    if (t->dry_run && !t->tool.json)
        return TOOL_DONE;
    if (t->tool.json)
        print_report_json(&report);
    else
        print_report(&report);
    if (!report.stopped)
        return TOOL_DONE;
    fprintf(stderr, "chiaro: stopped; what was tried is kept, the same command goes on\n");
    return TOOL_INTERRUPTED;
}

// ---- records -----------------------------------------------------------------------------------------
static int print_tiles(tune *t)
{
    static const char *const kernels[] = { "core", "logsumexp", "topk", "loss", "conv" };
    chi_device *dev = NULL;
    chi_device_info info;
    const int result = tool_open(&t->tool, &dev);
    if (result != TOOL_DONE)
        return result;
    chi_device_describe(dev, &info);
    text_say(stdout, 4, "%s uses, up to 128 features and for more:", info.name);
    for (size_t i = 0; i < sizeof kernels / sizeof *kernels; i++)
        printf("  %s %s and %s\n", kernels[i], chi_tune_tile(dev, kernels[i], 128),
               chi_tune_tile(dev, kernels[i], 129));
    printf("  default %s\n", chi_device_tile(dev));
    chi_device_close(&dev);
    return TOOL_DONE;
}

// Under the name of its device, which stands once above its records.
static void print_record(const chi_tune_record *r, const chi_tune_record *before)
{
    char shape[80];
    snprintf(shape, sizeof shape, "%llux%llux%llu", (unsigned long long)r->n,
             (unsigned long long)r->m, (unsigned long long)r->dim);
    if (!before || strcmp(before->device, r->device) != 0 || strcmp(before->driver, r->driver) != 0)
        text_say(stdout, 4, "%s, driver %s", r->device, r->driver);
    if (r->rejected[0])
        text_say(stdout, 4, "  %s %s %s rejected: %s", r->kernel, shape, r->tile, r->rejected);
    else
        printf("  %-10s %-13s %-18s %9.3f ms, %s %.3f ms%s\n", r->kernel, shape,
               r->provider[0] ? r->provider : r->tile, r->us * 1e-3,
               r->provider[0] ? "ours" : "default", r->default_us * 1e-3, r->busy ? " *" : "");
}

static int list_records(tune *t)
{
    char path[4096];
    chi_tune_record *list = NULL;
    size_t count = 0;
    chi_status st = chi_tune_path(NULL, path, sizeof path);
    if (st == CHI_OK)
        st = chi_tune_list(NULL, &list, &count);
    if (st != CHI_OK)
        return tool_fail(st);
    json_t *all = json_array();
    bool busy = false;
    for (size_t i = 0; i < count; i++) {
        const chi_tune_record *r = &list[i];
        if (t->tool.json)
            json_array_append_new(
                all, json_pack("{s:s, s:s, s:s, s:s, s:s, s:I, s:I, s:I, s:f, s:f, s:f, s:s, s:b}",
                               "device", r->device, "driver", r->driver, "kernel", r->kernel,
                               "tile", r->tile, "provider", r->provider, "n", (json_int_t)r->n, "m",
                               (json_int_t)r->m, "dim", (json_int_t)r->dim, "us", r->us,
                               "default_us", r->default_us, "fraction", r->fraction, "rejected",
                               r->rejected, "busy", (int)r->busy));
        else
            print_record(r, i ? &list[i - 1] : NULL);
        busy = busy || r->busy;
    }
    if (busy && !t->tool.json)
        text_say(stdout, 4,
                 "  * other programs used the processors while it was measured: it is less sure");
    chi_tune_list_free(&list);
    if (t->tool.json)
        json_dumpf(all, stdout, JSON_REAL_PRECISION(7));
    if (t->tool.json)
        printf("\n");
    else
        text_say(stdout, 4, "%zu records in %s", count, path);
    json_decref(all);
    return t->tool.json ? TOOL_DONE : print_tiles(t);
}

static int move_records(tune *t)
{
    char path[4096], first[200] = "";
    size_t taken = 0, known = 0, ignored = 0;
    chi_status st = chi_tune_path(NULL, path, sizeof path);
    if (st == CHI_OK)
        st = t->forget ? chi_tune_forget(NULL, &taken)
             : t->export_path
                 ? chi_tune_export(NULL, t->export_path, &taken)
                 : chi_tune_import(NULL, t->import_path, &taken, &known, &ignored, first);
    if (st != CHI_OK)
        return tool_fail(st);
    if (t->tool.json)
        printf(t->import_path ? "{\"taken\": %zu, \"known\": %zu, \"ignored\": %zu}\n"
                              : "{\"count\": %zu}\n",
               taken, known, ignored);
    else if (t->forget)
        printf("%zu files removed from %s\n", taken, path);
    else if (t->export_path)
        text_say(stdout, 4, "%zu records written to %s; send them to %s", taken, t->export_path,
                 chi_tune_address());
    else
        text_say(stdout, 4, "%zu records taken, %zu were there, %zu ignored%s%s", taken, known,
                 ignored, first[0] ? "; the first: " : "", first);
    return TOOL_DONE;
}

int command_tune(int argc, char **argv)
{
    tune t = { 0 };
    const int result = read_options(&t, argc, argv);
    if (result != TOOL_DONE || t.tool.help)
        return result;
    if (t.list)
        return list_records(&t);
    return t.forget || t.export_path || t.import_path ? move_records(&t) : run_search(&t);
}
