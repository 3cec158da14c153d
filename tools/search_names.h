// SPDX-License-Identifier: Apache-2.0
// search_names.h: names of rows, as `chiaro embed` of a folder leaves them beside its features, and
// neighbours by name.
#ifndef CHIARO_SEARCH_NAMES_H
#define CHIARO_SEARCH_NAMES_H

#include "tool.h"

// The list of a folder's pictures beside features: a line a row, after NAMES_HEAD.
#define NAMES_HEAD      "row\tpath\tclass\n"
#define NEIGHBOURS_HEAD "query\tquery_path\trank\trow\tscore\tpath\tclass\n"

// "FILE.tsv", where features lie in FILE.
void names_path(const char *features, char *to, size_t room);
// Removes a list that an earlier command left, which says nothing of what is there now, and says
// so; another's file stays.
void names_drop(const char *path, const char *head, bool quiet);

// Names of rows, as their file writes them: nothing is unescaped.
typedef struct row_names {
    char *text;                 // of the whole file
    const char **path, **class; // [rows]; class "" where there is none
    size_t rows;                // 0: no names
} row_names;
// asked NULL: the list beside the features, where there is one. It must name as many rows; an exit
// status.
int row_names_read(row_names *names, const char *asked, const char *features, size_t rows);
void row_names_free(row_names *names);

// Neighbours as text, written whole or not at all.
typedef struct neighbours {
    char path[4200], temp[4300];
    FILE *file;
    const row_names *base, *query;
} neighbours;
int neighbours_open(neighbours *n, const char *folder, const row_names *base,
                    const row_names *query);
// Of one query, best first. What goes wrong shows in flush.
void neighbours_write(neighbours *n, size_t query, size_t k, const int64_t *rows,
                      const float *scores);
int neighbours_flush(neighbours *n);
int neighbours_commit(neighbours *n);
void neighbours_discard(neighbours *n);

// The first of them for a person.
void neighbours_print(const neighbours *n, size_t query, size_t k, const int64_t *rows,
                      const float *scores);

#endif
