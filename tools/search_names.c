// SPDX-License-Identifier: Apache-2.0
// search_names.c: see search_names.h.
#include "search_names.h"

#include <errno.h>
#include <inttypes.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "progress.h"
#include "text.h"

// ---- lists beside features ----------------------------------------------------------------------
void names_path(const char *features, char *to, size_t room)
{
    snprintf(to, room, "%s.tsv", features);
}

static bool begins_with(const char *path, const char *head)
{
    char line[128] = "";
    FILE *file = fopen(path, "re");
    const bool same = file && fgets(line, sizeof line, file) && strcmp(line, head) == 0;
    if (file)
        fclose(file);
    return same;
}

void names_drop(const char *path, const char *head, bool quiet)
{
    if (begins_with(path, head) && unlink(path) == 0)
        tool_say(quiet, "%s removed: its names were of rows that are no longer there", path);
}

// Ends the field that begins at `at` and returns the next one of the line; NULL: there is none.
static char *next_field(char *at)
{
    char *tab = strchr(at, '\t');
    if (tab)
        *tab++ = 0;
    return tab;
}

// Line i of a list of ours: its row must be i.
static bool split_line(row_names *names, size_t i, char *line)
{
    uint64_t row = 0;
    char *path = next_field(line), *class = path ? next_field(path) : NULL;
    if (!class || !tool_count(line, &row) || row != i)
        return false;
    names->path[i] = path;
    names->class[i] = class;
    return true;
}

static int split_text(row_names *names, const char *path, size_t rows)
{
    const bool list = strncmp(names->text, NAMES_HEAD, strlen(NAMES_HEAD)) == 0;
    char *line = names->text + (list ? strlen(NAMES_HEAD) : 0);
    size_t i = 0;
    for (char *next; *line; line = next, i++) {
        next = line + strcspn(line, "\n");
        next = *next ? (*next = 0, next + 1) : next;
        if (i >= rows)
            continue;
        names->path[i] = line;
        names->class[i] = "";
        if (list && !split_line(names, i, line))
            return tool_error(
                "%s: line %zu is not that of row %zu: its number, a path and a class between tabs",
                path, i + 2, i);
    }
    return i == rows ? TOOL_DONE : tool_error("%s names %zu rows, there are %zu", path, i, rows);
}

int row_names_read(row_names *names, const char *asked, const char *features, size_t rows)
{
    char beside[4200];
    *names = (row_names){ 0 };
    names_path(features, beside, sizeof beside);
    const char *path = asked ? asked : beside;
    if (!asked && !begins_with(beside, NAMES_HEAD))
        return TOOL_DONE;
    names->text = tool_read_text(path);
    names->path = calloc(rows + 1, sizeof *names->path);
    names->class = calloc(rows + 1, sizeof *names->class);
    int result = !names->text                  ? TOOL_FAILED
                 : names->path && names->class ? TOOL_DONE
                                               : tool_error("no memory for %zu names", rows);
    if (result == TOOL_DONE)
        result = split_text(names, path, rows);
    names->rows = rows;
    if (result != TOOL_DONE)
        row_names_free(names);
    return result;
}

void row_names_free(row_names *names)
{
    free(names->text);
    free(names->path);
    free(names->class);
    *names = (row_names){ 0 };
}

// ---- neighbours ---------------------------------------------------------------------------------
static const char *path_of(const row_names *names, int64_t row)
{
    return names->rows && row >= 0 ? names->path[row] : "";
}
static const char *class_of(const row_names *names, int64_t row)
{
    return names->rows && row >= 0 ? names->class[row] : "";
}

int neighbours_open(neighbours *n, const char *folder, const row_names *base,
                    const row_names *query)
{
    *n = (neighbours){ .base = base, .query = query };
    snprintf(n->path, sizeof n->path, "%.4000s/neighbours.tsv", folder);
    if (tool_check_output(n->path) != TOOL_DONE)
        return TOOL_FAILED;
    snprintf(n->temp, sizeof n->temp, "%s.tmp.%ld", n->path, (long)getpid());
    n->file = fopen(n->temp, "we");
    if (!n->file)
        return tool_error("%s: %s", n->path, strerror(errno));
    fputs(NEIGHBOURS_HEAD, n->file);
    return TOOL_DONE;
}

void neighbours_write(neighbours *n, size_t query, size_t k, const int64_t *rows,
                      const float *scores)
{
    for (size_t j = 0; j < k; j++)
        fprintf(n->file, "%zu\t%s\t%zu\t%" PRId64 "\t%.9g\t%s\t%s\n", query,
                path_of(n->query, (int64_t)query), j + 1, rows[j], (double)scores[j],
                path_of(n->base, rows[j]), class_of(n->base, rows[j]));
}

int neighbours_flush(neighbours *n)
{
    if (n->file && (ferror(n->file) || fflush(n->file) != 0))
        return tool_error("%s could not be written; is the disk full?", n->path);
    if (n->file && fsync(fileno(n->file)) != 0)
        return tool_error("%s: %s", n->path, strerror(errno));
    return TOOL_DONE;
}

int neighbours_commit(neighbours *n)
{
    FILE *file = n->file;
    if (!file)
        return TOOL_DONE;
    n->file = NULL;
    if (fclose(file) == 0 && rename(n->temp, n->path) == 0)
        return TOOL_DONE;
    const int why = errno;
    unlink(n->temp);
    return tool_error("%s: %s", n->path, strerror(why));
}

void neighbours_discard(neighbours *n)
{
    if (!n->file)
        return;
    fclose(n->file);
    n->file = NULL;
    unlink(n->temp);
}

// The end of a path says most; what is cut is cut before it.
static void print_end(const char *path, size_t columns)
{
    const size_t all = text_columns(path);
    if (all <= columns)
        printf("%s", path);
    else
        printf("…%s", path + text_cut(path, all - columns + 1));
}

void neighbours_print(const neighbours *n, size_t query, size_t k, const int64_t *rows,
                      const float *scores)
{
    enum { LEFT = 36 };
    printf("query %zu  ", query);
    print_end(path_of(n->query, (int64_t)query), 60);
    printf("\n");
    for (size_t j = 0; j < k; j++) {
        printf("  %3zu  %12.6g  %10" PRId64 "  ", j + 1, (double)scores[j], rows[j]);
        print_end(path_of(n->base, rows[j]), TEXT_WIDTH - LEFT);
        printf("\n");
    }
}
