// SPDX-License-Identifier: Apache-2.0
// tool.c: options, errors and small files for every subcommand. Header: tool.h.
#include "tool.h"

#include <errno.h>
#include <getopt.h>
#include <math.h>
#include <signal.h>
#include <stdarg.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <time.h>
#include <unistd.h>

enum { MOST_OPTIONS = 64 };

// ---- words to numbers ------------------------------------------------------------------------------
bool tool_number(const char *text, double *out)
{
    char *end = NULL;
    if (!text || !*text)
        return false;
    *out = strtod(text, &end); // the program never sets a locale: the point is a point
    return *end == 0;
}

bool tool_count(const char *text, uint64_t *out)
{
    char *end = NULL;
    if (!text || *text < '0' || *text > '9')
        return false;
    errno = 0;
    *out = strtoull(text, &end, 10);
    return *end == 0 && errno == 0;
}

bool tool_bytes(const char *text, uint64_t *out)
{
    char *end = NULL;
    if (!text || *text < '0' || *text > '9')
        return false;
    errno = 0;
    const uint64_t number = strtoull(text, &end, 10);
    const char *units = "KMG", *unit = *end ? strchr(units, *end) : NULL;
    const unsigned shift = unit ? 10u * (unsigned)(unit - units + 1) : 0;
    if (errno || (*end && (!unit || end[1])) || (shift && number > UINT64_MAX >> shift))
        return false;
    *out = number << shift;
    return true;
}

static size_t distance(const char *a, const char *b)
{
    size_t row[64], m = strlen(b);
    if (m > 62)
        return 1000;
    for (size_t j = 0; j <= m; j++)
        row[j] = j;
    for (size_t i = 1; a[i - 1]; i++) {
        size_t diagonal = row[0];
        row[0] = i;
        for (size_t j = 1; j <= m; j++) {
            const size_t change = diagonal + (a[i - 1] != b[j - 1]), less = (row[j] < row[j - 1] ? row[j] : row[j - 1]) + 1;
            diagonal = row[j];
            row[j] = change < less ? change : less;
        }
    }
    return row[m];
}

const char *tool_nearest(const char *word, const char *const *candidates, size_t count)
{
    const char *best = "";
    size_t least = SIZE_MAX;
    for (size_t i = 0; i < count; i++) {
        const size_t d = distance(word, candidates[i]);
        if (d < least) {
            least = d;
            best = candidates[i];
        }
    }
    return best;
}

double tool_seconds(void)
{
    struct timespec t;
    clock_gettime(CLOCK_MONOTONIC, &t);
    return (double)t.tv_sec + 1e-9 * (double)t.tv_nsec;
}

double tool_cpu_seconds(void)
{
    struct timespec t;
    clock_gettime(CLOCK_PROCESS_CPUTIME_ID, &t);
    return (double)t.tv_sec + 1e-9 * (double)t.tv_nsec;
}

// ---- errors ----------------------------------------------------------------------------------------
int tool_fail(chi_status status)
{
    fprintf(stderr, "chiaro: %s\n", *chi_error_text() ? chi_error_text() : chi_status_text(status));
    return status == CHI_ERR_NO_DEVICE ? TOOL_NO_DEVICE : TOOL_FAILED;
}

int tool_usage(const char *format, ...)
{
    va_list list;
    va_start(list, format);
    fputs("chiaro: ", stderr);
    vfprintf(stderr, format, list);
    fputc('\n', stderr);
    va_end(list);
    return TOOL_USAGE;
}

int tool_error(const char *format, ...)
{
    va_list list;
    va_start(list, format);
    fputs("chiaro: ", stderr);
    vfprintf(stderr, format, list);
    fputc('\n', stderr);
    va_end(list);
    return TOOL_FAILED;
}

// Failures are printed once, by tool_fail; the rest of what the library says goes to stderr.
static void log_line(void *user, chi_log_level level, const char *sentence)
{
    const tool *t = user;
    const char *wanted = getenv("CHIARO_LOG");
    const chi_log_level most = wanted && strcmp(wanted, "debug") == 0 ? CHI_LOG_DEBUG : wanted && strcmp(wanted, "info") == 0 ? CHI_LOG_INFO : CHI_LOG_WARNING;
    if (level != CHI_LOG_ERROR && level <= most && !(t->quiet && level > CHI_LOG_WARNING))
        fprintf(stderr, "chiaro: %s\n", sentence);
}

// ---- interrupts ------------------------------------------------------------------------------------
static volatile sig_atomic_t interrupts;
static void on_interrupt(int number)
{
    (void)number;
    interrupts = interrupts + 1;
    if (interrupts > 2) // the third means it
        _exit(TOOL_INTERRUPTED);
}

void tool_catch_interrupts(void)
{
    struct sigaction action = { .sa_handler = on_interrupt };
    sigaction(SIGINT, &action, NULL);
    sigaction(SIGTERM, &action, NULL);
}

int tool_interrupted(void) { return interrupts; }

// ---- options ---------------------------------------------------------------------------------------
static void print_help(const tool_option *all, size_t count, size_t common, const char *usage, const char *example)
{
    printf("usage: chiaro %s\n", usage);
    for (size_t i = 0; i < count; i++) {
        char left[64];
        snprintf(left, sizeof left, "--%s%s%s", all[i].name, all[i].value ? " " : "", all[i].value ? all[i].value : "");
        printf("%s  %-26s %s\n", i == common ? "\n" : "", left, all[i].help);
    }
    printf("\nexample: %s\n", example);
}

static int resolve(tool *t)
{
    uint64_t threads = 0;
    t->seed = 1;
    if (t->seed_text && !tool_count(t->seed_text, &t->seed))
        return tool_usage("--seed %s is not a whole number of at least 0", t->seed_text);
    if (t->threads && (!tool_count(t->threads, &threads) || threads == 0 || threads > 1u << 16))
        return tool_usage("--threads %s is not a number of at least 1", t->threads);
    if (t->memory && (!tool_bytes(t->memory, &t->options.memory_bytes) || t->options.memory_bytes == 0))
        return tool_usage("--memory %s is not a number of bytes above 0 (K, M and G may follow it)", t->memory);
    if (t->numerics && strcmp(t->numerics, "exact") != 0 && strcmp(t->numerics, "fast") != 0)
        return tool_usage("--numerics %s is neither exact nor fast", t->numerics);
    if (t->core && strcmp(t->core, "panel") != 0 && strcmp(t->core, "group") != 0)
        return tool_usage("--core %s is neither panel nor group", t->core);
    t->options.match = t->device;
    t->options.threads = (unsigned)threads;
    t->options.numerics = t->numerics && t->numerics[0] == 'f' ? CHI_NUMERICS_FAST : CHI_NUMERICS_EXACT;
    t->options.core = !t->core ? CHI_CORE_AUTO : t->core[0] == 'p' ? CHI_CORE_PANEL : CHI_CORE_GROUP;
    t->options.tile = t->tile;
    t->options.log = (chi_log){ log_line, t };
    return TOOL_DONE;
}

int tool_parse(tool *t, int argc, char **argv, const tool_option *own, size_t count, const char *usage, const char *example,
               const char **words, size_t *word_count, size_t most_words)
{
    const tool_option common[] = {
        { "device", "SELECTOR", "auto, gpu, cpu, #INDEX, name:TEXT, … (see chiaro devices)", &t->device, NULL },
        { "threads", "N", "compute units to use on a CPU device", &t->threads, NULL },
        { "memory", "BYTES", "bound on all device bytes; K, M, G may follow", &t->memory, NULL },
        { "numerics", "exact|fast", "exact: the same bits everywhere (default)", &t->numerics, NULL },
        { "core", "panel|group", "force a core", &t->core, NULL },
        { "tile", "NAME", "force a tile of its table", &t->tile, NULL },
        { "seed", "N", "random numbers; default 1", &t->seed_text, NULL },
        { "json", NULL, "results as JSON", NULL, &t->json },
        { "quiet", NULL, "no progress", NULL, &t->quiet },
        { "help", NULL, "this text", NULL, &t->help },
    };
    const size_t shared = sizeof common / sizeof *common;
    tool_option all[MOST_OPTIONS];
    struct option table[MOST_OPTIONS + 1] = { 0 };
    const char *names[MOST_OPTIONS];
    if (count)
        memcpy(all, own, count * sizeof *own);
    memcpy(all + count, common, sizeof common);
    for (size_t i = 0; i < count + shared; i++) {
        table[i] = (struct option){ all[i].name, all[i].value ? required_argument : no_argument, NULL, 0 };
        names[i] = all[i].name;
    }
    opterr = 0;
    optind = 1;
    *word_count = 0;
    for (;;) {
        int index = -1;
        const int found = getopt_long(argc, argv, "-:", table, &index);
        if (found == -1)
            break;
        if (found == 1) {
            if (*word_count == most_words)
                return tool_usage("\"%s\" is one word too many; chiaro %s --help", optarg, argv[0]);
            words[(*word_count)++] = optarg;
        } else if (found == ':') {
            return tool_usage("%s needs a value", argv[optind - 1]);
        } else if (found == '?') {
            const char *word = argv[optind - 1];
            return tool_usage("%s is no option of chiaro %s; the nearest is --%s", word, argv[0], tool_nearest(word + strspn(word, "-"), names, count + shared));
        } else if (all[index].text) {
            *all[index].text = optarg;
        } else {
            *all[index].flag = true;
        }
    }
    if (t->help) {
        print_help(all, count + shared, count, usage, example);
        return TOOL_DONE;
    }
    return resolve(t);
}

int tool_open(tool *t, chi_device **dev)
{
    t->options.profile = t->profile;
    const chi_status st = chi_device_open(&t->options, dev);
    return st == CHI_OK ? TOOL_DONE : tool_fail(st);
}

// ---- files -----------------------------------------------------------------------------------------
int tool_make_folder(const char *path)
{
    char part[4000];
    snprintf(part, sizeof part, "%s", path);
    for (char *slash = strchr(part + 1, '/'); slash; slash = strchr(slash + 1, '/')) {
        *slash = 0;
        mkdir(part, 0777); // what matters is the last one
        *slash = '/';
    }
    if (mkdir(part, 0777) == 0 || errno == EEXIST)
        return TOOL_DONE;
    return tool_error("%s: %s", path, strerror(errno));
}

int tool_write_text(const char *path, const char *text)
{
    char temp[4200];
    snprintf(temp, sizeof temp, "%s.tmp.%ld", path, (long)getpid());
    FILE *file = fopen(temp, "w");
    if (!file)
        return tool_error("%s: %s", path, strerror(errno));
    const bool written = fputs(text, file) >= 0 && fflush(file) == 0 && fsync(fileno(file)) == 0;
    const int why = errno;
    if (fclose(file) != 0 || !written || rename(temp, path) != 0) {
        const int error = written ? errno : why;
        unlink(temp);
        return tool_error("%s: %s", path, strerror(error));
    }
    return TOOL_DONE;
}

char *tool_read_text(const char *path)
{
    FILE *file = fopen(path, "r");
    char *text = NULL;
    size_t length = 0;
    if (!file) {
        tool_error("%s: %s", path, strerror(errno));
        return NULL;
    }
    text = calloc(1, 1u << 16);
    if (text)
        length = fread(text, 1, (1u << 16) - 1, file);
    const bool whole = text && !ferror(file) && feof(file);
    fclose(file);
    if (!whole) {
        tool_error("%s: not a text of up to 65,535 bytes (%zu read)", path, length);
        free(text);
        return NULL;
    }
    return text;
}

// ---- images ----------------------------------------------------------------------------------------
static int take_images(const char *path, tool_images *out)
{
    chi_tensor t = { 0 };
    const chi_status st = chi_tensor_read(path, &t);
    if (st != CHI_OK)
        return tool_fail(st);
    int result = TOOL_DONE;
    if (t.dims < 3 || t.dims > 4 || t.count == 0)
        result = tool_error("%s: %zu dimensions and %zu elements; images are [count][rows][columns] or [count][channels][rows][columns]", path, t.dims, t.count);
    else if (t.type != CHI_TYPE_U8 && (result = chi_tensor_to_f32(&t)) != 0)
        result = tool_fail((chi_status)result);
    if (result == TOOL_DONE) {
        out->count = t.shape[0];
        out->channels = t.dims == 4 ? t.shape[1] : 1;
        out->height = t.shape[t.dims - 2];
        out->width = t.shape[t.dims - 1];
        out->pixels = malloc(t.count);
        if (!out->pixels)
            result = tool_error("no memory for %zu pixels", t.count);
    }
    const float *real = t.bytes;
    for (size_t i = 0; result == TOOL_DONE && i < t.count; i++) {
        if (t.type == CHI_TYPE_U8) {
            out->pixels[i] = ((const uint8_t *)t.bytes)[i];
        } else if (!(real[i] >= 0.0f && real[i] <= 1.0f)) {
            result = tool_error("%s: element %zu is %g; pixels are bytes, or numbers from 0 to 1", path, i, (double)real[i]);
        } else {
            out->pixels[i] = (uint8_t)lrintf(real[i] * 255.0f);
        }
    }
    chi_tensor_free(&t);
    return result;
}

static int take_labels(const char *path, tool_images *out)
{
    chi_tensor t = { 0 };
    chi_status st = chi_tensor_read(path, &t);
    if (st == CHI_OK)
        st = chi_tensor_to_i32(&t);
    if (st != CHI_OK) {
        chi_tensor_free(&t);
        return tool_fail(st);
    }
    int result = TOOL_DONE;
    if (t.dims != 1 || t.count != out->count)
        result = tool_error("%s: %zu labels for %zu images", path, t.count, out->count);
    out->labels = t.bytes;
    for (size_t i = 0; result == TOOL_DONE && i < t.count; i++) {
        if (out->labels[i] < 0 || out->labels[i] > 1 << 20)
            result = tool_error("%s: label %d of row %zu is not in 0 … 1048576", path, out->labels[i], i);
        else if ((size_t)out->labels[i] >= out->classes)
            out->classes = (size_t)out->labels[i] + 1;
    }
    t.bytes = NULL; // moved
    if (result != TOOL_DONE) {
        free(out->labels);
        out->labels = NULL;
    }
    return result;
}

int tool_load_files(const char *images, const char *labels, tool_images *out)
{
    *out = (tool_images){ 0 };
    int result = take_images(images, out);
    if (result == TOOL_DONE && labels)
        result = take_labels(labels, out);
    if (result != TOOL_DONE)
        tool_free_images(out);
    return result;
}

int tool_load_folder(const char *folder, const char *part, tool_images *out)
{
    char images[4200], labels[4200];
    for (int zipped = 1; zipped >= 0; zipped--) {
        snprintf(images, sizeof images, "%.4000s/%s-images-idx3-ubyte%s", folder, part, zipped ? ".gz" : "");
        snprintf(labels, sizeof labels, "%.4000s/%s-labels-idx1-ubyte%s", folder, part, zipped ? ".gz" : "");
        if (access(images, F_OK) == 0 || !zipped)
            break;
    }
    if (access(images, F_OK) != 0)
        return tool_error("%s holds no %s-images-idx3-ubyte(.gz); on Debian: apt-get install dataset-fashion-mnist, then --data /usr/share/datasets/fashion-mnist", folder, part);
    return tool_load_files(images, labels, out);
}

void tool_free_images(tool_images *images)
{
    free(images->pixels);
    free(images->labels);
    *images = (tool_images){ 0 };
}
