// SPDX-License-Identifier: Apache-2.0
// file.h: the only room of the library that opens files.
#ifndef CHI_BASE_FILE_H
#define CHI_BASE_FILE_H

#include <stdio.h>

#include "fail.h"

// An open file for reading, with its size checked to be that of a regular file.
typedef struct chi__file { FILE *at; char path[4096]; uint64_t bytes; } chi__file;
chi_status chi__file_open(const char *path, chi__file *out); // on failure errno is why, 0: no regular file
chi_status chi__file_read(chi__file *file, uint64_t offset, void *to, uint64_t bytes);
void chi__file_close(chi__file *file);

// The whole file and a final zero byte; refused over `limit` bytes. *out is freed with chi__free.
chi_status chi__file_load(const char *path, uint64_t limit, char **out, size_t *bytes);

// A file that appears whole or not at all: temp file in the same folder, fsync, rename, fsync of the folder.
// `sync` false leaves the fsyncs out (caches). Abort removes the temp file; both accept a closed writer.
typedef struct chi__writer { FILE *at; char path[4096], temp[4200]; bool sync, failed; int error; } chi__writer;
chi_status chi__writer_open(const char *path, bool sync, chi__writer *out);
void chi__writer_put(chi__writer *writer, const void *bytes, size_t count); // errors are kept for commit
chi_status chi__writer_flush(chi__writer *writer); // what was put is on the disk, or why not
chi_status chi__writer_commit(chi__writer *writer);
void chi__writer_abort(chi__writer *writer);

chi_status chi__make_folder(const char *path, unsigned mode); // with its parents
bool chi__file_exists(const char *path);
long long chi__file_date_s(const char *path); // of its last change, since 1970; 0: there is none
// Whether the folder is this user's and only they may write in it; the sentence where not.
bool chi__folder_is_private(const char *path);
// Removes the folder's files whose names contain `mark`; *removed counts them. No folder: none.
chi_status chi__remove_marked(const char *folder, const char *mark, size_t *removed);
chi_status chi__remove_file(const char *path);
// Names of the folder's files that end in `end`, sorted, each ended by a zero, the list by an empty one; freed with
// chi__free. No folder: an empty list. NULL: no memory.
char *chi__list_folder(const char *folder, const char *end);

// All names in a folder but "." and "..", as they come, each ended by a zero, the list by an empty one; freed with chi__free.
chi_status chi__folder_names(const char *folder, char **out);

// What a path leads to, links followed. Nothing is opened.
typedef enum chi__path_kind { CHI__PATH_OTHER = 0, CHI__PATH_FILE, CHI__PATH_FOLDER, CHI__PATH_LOOP, CHI__PATH_NONE } chi__path_kind;
typedef struct chi__path_facts { chi__path_kind kind; int error; uint64_t device, number; } chi__path_facts; // errno; a folder's name
chi__path_facts chi__path_look(const char *path);

// Held by one process at a time, and let go when it ends, however it ends. Waits for at most wait_us.
typedef struct chi__lock { int number; } chi__lock;
chi_status chi__lock_take(const char *path, double wait_us, chi__lock *out);
void chi__lock_leave(chi__lock *lock);

#endif
