// SPDX-License-Identifier: Apache-2.0
// file.c: reading files whole or in parts, and writing them so that they appear whole or not at all. Header: file.h.
#include "file.h"

#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <stdlib.h>
#include <string.h>
#include <sys/file.h>
#include <sys/stat.h>
#include <unistd.h>

#include "clock.h"
#include "memory.h"
#include "text.h"

static chi_status fail_errno(const char *doing, const char *path, int error)
{
    const chi_status st = chi__fail(NULL, CHI_ERR_FILE, "%s: cannot %s: %s", path, doing, strerror(error));
    errno = error;
    return st;
}

chi_status chi__file_open(const char *path, chi__file *out)
{
    chi__file file = { 0 };
    struct stat facts;
    if (strlen(path) >= sizeof file.path)
        return fail_errno("open", path, ENAMETOOLONG);
    strcpy(file.path, path);
    // Non-blocking: a FIFO without a writer must not hold us before fstat can refuse it.
    const int number = open(path, O_RDONLY | O_CLOEXEC | O_NONBLOCK);
    if (number < 0)
        return fail_errno("open", path, errno);
    if (fstat(number, &facts) != 0 || !S_ISREG(facts.st_mode)) {
        close(number);
        errno = 0;
        return chi__fail(NULL, CHI_ERR_FILE, "%s: not a regular file", path);
    }
    file.at = fdopen(number, "rb");
    if (!file.at) {
        close(number);
        return fail_errno("open", path, ENOMEM);
    }
    file.bytes = (uint64_t)facts.st_size;
    *out = file;
    return CHI_OK;
}

chi_status chi__file_read(chi__file *file, uint64_t offset, void *to, uint64_t bytes)
{
    if (offset > file->bytes || bytes > file->bytes - offset)
        return chi__fail(NULL, CHI_ERR_FORMAT, "%s: ends at byte %llu, wanted %llu bytes at %llu", file->path,
                         (unsigned long long)file->bytes, (unsigned long long)bytes, (unsigned long long)offset);
    if (fseeko(file->at, (off_t)offset, SEEK_SET) != 0)
        return fail_errno("seek", file->path, errno);
    errno = 0;
    if (bytes && fread(to, 1, (size_t)bytes, file->at) != (size_t)bytes)
        return errno ? fail_errno("read", file->path, errno)
                     : chi__fail(NULL, CHI_ERR_FILE, "%s: became shorter while %llu bytes at %llu were read", file->path,
                                 (unsigned long long)bytes, (unsigned long long)offset);
    return CHI_OK;
}

void chi__file_close(chi__file *file)
{
    if (file->at)
        fclose(file->at);
    file->at = NULL;
}

chi_status chi__file_load(const char *path, uint64_t limit, char **out, size_t *bytes)
{
    chi__file file;
    CHI_TRY(chi__file_open(path, &file));
    char *text = NULL;
    chi_status st = CHI_OK;
    if (file.bytes > limit)
        st = chi__fail(NULL, CHI_ERR_FORMAT, "%s: has %llu bytes, at most %llu are read", path,
                       (unsigned long long)file.bytes, (unsigned long long)limit);
    else if (!(text = chi__alloc((size_t)file.bytes + 1, 1)))
        st = chi__fail(NULL, CHI_ERR_MEMORY, "%s: no memory for its %llu bytes", path, (unsigned long long)file.bytes);
    else
        st = chi__file_read(&file, 0, text, file.bytes);
    chi__file_close(&file);
    if (st != CHI_OK) {
        chi__free(text);
        return st;
    }
    *out = text;
    if (bytes)
        *bytes = (size_t)file.bytes;
    return CHI_OK;
}

chi_status chi__writer_open(const char *path, bool sync, chi__writer *out)
{
    chi__writer writer = { .sync = sync };
    struct stat facts;
    if (strlen(path) >= sizeof writer.path)
        return fail_errno("write", path, ENAMETOOLONG);
    // The rename would put a file in the place of a device or a FIFO.
    if (stat(path, &facts) == 0 && !S_ISREG(facts.st_mode))
        return chi__fail(NULL, CHI_ERR_FILE, "%s: cannot write: not a regular file", path);
    strcpy(writer.path, path);
    snprintf(writer.temp, sizeof writer.temp, "%s.XXXXXX", path);
    const int number = mkostemp(writer.temp, O_CLOEXEC);
    if (number < 0)
        return fail_errno("write", path, errno);
    writer.at = fdopen(number, "wb");
    if (!writer.at) {
        close(number);
        unlink(writer.temp);
        return fail_errno("write", path, ENOMEM);
    }
    *out = writer;
    return CHI_OK;
}

void chi__writer_put(chi__writer *writer, const void *bytes, size_t count)
{
    if (writer->failed || !count)
        return;
    if (fwrite(bytes, 1, count, writer->at) != count) {
        writer->failed = true;
        writer->error = errno;
    }
}

chi_status chi__writer_flush(chi__writer *writer)
{
    if (!writer->failed && (fflush(writer->at) != 0 || (writer->sync && fsync(fileno(writer->at)) != 0))) {
        writer->failed = true;
        writer->error = errno;
    }
    return writer->failed ? fail_errno("write", writer->path, writer->error) : CHI_OK;
}

static bool sync_folder_of(const char *path)
{
    char folder[4096];
    strcpy(folder, path);
    char *slash = strrchr(folder, '/');
    if (!slash)
        strcpy(folder, ".");
    else
        slash[slash == folder] = '\0';
    const int number = open(folder, O_RDONLY | O_DIRECTORY | O_CLOEXEC);
    if (number < 0)
        return false;
    const bool done = fsync(number) == 0 || errno == EINVAL; // some file systems sync no folders
    close(number);
    return done;
}

chi_status chi__writer_commit(chi__writer *writer)
{
    if (!writer->at)
        return CHI_OK;
    // mkostemp gives 0600; a result is readable by whom the umask allows.
    const mode_t mask = umask(0);
    umask(mask);
    int error = writer->failed ? writer->error : 0;
    if (!error && (fflush(writer->at) != 0 || fchmod(fileno(writer->at), 0666 & ~mask) != 0 ||
                   (writer->sync && fsync(fileno(writer->at)) != 0)))
        error = errno;
    if (fclose(writer->at) != 0 && !error)
        error = errno;
    writer->at = NULL;
    if (!error && rename(writer->temp, writer->path) != 0)
        error = errno;
    if (error) {
        unlink(writer->temp);
        return fail_errno("write", writer->path, error);
    }
    if (writer->sync && !sync_folder_of(writer->path))
        return fail_errno("sync the folder of", writer->path, errno);
    return CHI_OK;
}

void chi__writer_abort(chi__writer *writer)
{
    if (!writer->at)
        return;
    fclose(writer->at);
    writer->at = NULL;
    unlink(writer->temp);
}

chi_status chi__make_folder(const char *path, unsigned mode)
{
    char part[4096];
    if (strlen(path) >= sizeof part)
        return fail_errno("make", path, ENAMETOOLONG);
    strcpy(part, path);
    for (char *at = part + 1; *part; at++) {
        const char here = *at;
        if (here != '/' && here != '\0')
            continue;
        *at = '\0';
        if (mkdir(part, (mode_t)mode) != 0 && errno != EEXIST)
            return fail_errno("make the folder", path, errno);
        *at = here;
        if (!here)
            break;
    }
    struct stat facts;
    if (stat(path, &facts) != 0 || !S_ISDIR(facts.st_mode))
        return chi__fail(NULL, CHI_ERR_FILE, "%s: not a folder", path);
    return CHI_OK;
}

bool chi__file_exists(const char *path) { return access(path, F_OK) == 0; }

long long chi__file_date_s(const char *path)
{
    struct stat facts;
    return stat(path, &facts) == 0 ? (long long)facts.st_mtime : 0;
}

bool chi__folder_is_private(const char *path)
{
    struct stat facts;
    if (stat(path, &facts) != 0 || access(path, W_OK) != 0) {
        fail_errno("write in the folder", path, errno);
        return false;
    }
    if (facts.st_uid != geteuid() || (facts.st_mode & (S_IWGRP | S_IWOTH)))
        chi__fail(NULL, CHI_ERR_FILE, "%s: belongs to another user, or others may write in it", path);
    return facts.st_uid == geteuid() && !(facts.st_mode & (S_IWGRP | S_IWOTH));
}

chi_status chi__remove_file(const char *path)
{
    if (unlink(path) != 0 && errno != ENOENT)
        return fail_errno("remove", path, errno);
    return CHI_OK;
}

chi_status chi__remove_marked(const char *folder, const char *mark, size_t *removed)
{
    char path[4400];
    chi_status st = CHI_OK;
    *removed = 0;
    DIR *list = opendir(folder);
    if (!list)
        return errno == ENOENT ? CHI_OK : fail_errno("list", folder, errno);
    for (struct dirent *entry; st == CHI_OK && (entry = readdir(list));) {
        if (!strstr(entry->d_name, mark))
            continue;
        snprintf(path, sizeof path, "%.4096s/%.256s", folder, entry->d_name);
        st = chi__remove_file(path);
        *removed += st == CHI_OK;
    }
    closedir(list);
    return st;
}

static int by_name(const struct dirent **a, const struct dirent **b) { return strcmp((*a)->d_name, (*b)->d_name); }

char *chi__list_folder(const char *folder, const char *end)
{
    struct dirent **entries = NULL;
    chi__text names = { 0 };
    const int count = scandir(folder, &entries, NULL, by_name);
    for (int i = 0; i < count; i++) {
        const size_t length = strlen(entries[i]->d_name), tail = strlen(end);
        if (length > tail && strcmp(entries[i]->d_name + length - tail, end) == 0)
            chi__text_add(&names, "%s%c", entries[i]->d_name, '\0');
        chi__free(entries[i]);
    }
    chi__free(entries);
    chi__text_add(&names, "%c", '\0');
    if (!names.failed)
        return names.at;
    chi__free(names.at);
    return NULL;
}

chi_status chi__folder_names(const char *folder, char **out)
{
    chi__text names = { 0 };
    DIR *list = opendir(folder);
    if (!list)
        return fail_errno("list", folder, errno);
    errno = 0;
    for (struct dirent *entry; (entry = readdir(list)); errno = 0)
        if (strcmp(entry->d_name, ".") != 0 && strcmp(entry->d_name, "..") != 0)
            chi__text_add(&names, "%s%c", entry->d_name, '\0');
    const int error = errno;
    closedir(list);
    chi__text_add(&names, "%c", '\0');
    if (!error && !names.failed) {
        *out = names.at;
        return CHI_OK;
    }
    chi__free(names.at);
    return error ? fail_errno("list", folder, error) : chi__fail(NULL, CHI_ERR_MEMORY, "%s: no memory for its names", folder);
}

chi__path_facts chi__path_look(const char *path)
{
    struct stat facts;
    if (stat(path, &facts) != 0)
        return (chi__path_facts){ .kind = errno == ELOOP ? CHI__PATH_LOOP : CHI__PATH_NONE, .error = errno };
    return (chi__path_facts){ .kind = S_ISREG(facts.st_mode)   ? CHI__PATH_FILE
                                      : S_ISDIR(facts.st_mode) ? CHI__PATH_FOLDER
                                                               : CHI__PATH_OTHER,
                              .device = facts.st_dev, .number = facts.st_ino };
}

chi_status chi__lock_take(const char *path, double wait_us, chi__lock *out)
{
    const double until = chi__now_us() + wait_us;
    out->number = -1;
    const int number = open(path, O_RDWR | O_CREAT | O_CLOEXEC | O_NOFOLLOW, 0666);
    if (number < 0)
        return fail_errno("write", path, errno);
    while (flock(number, LOCK_EX | LOCK_NB) != 0) {
        const int error = errno;
        if ((error != EWOULDBLOCK && error != EINTR) || chi__now_us() > until) {
            close(number);
            return error == EWOULDBLOCK ? chi__fail(NULL, CHI_ERR_TIMEOUT, "%s: held by another process for more than %.0f s", path, wait_us * 1e-6)
                                        : fail_errno("lock", path, error);
        }
        chi__sleep_us(2e3);
    }
    out->number = number;
    return CHI_OK;
}

void chi__lock_leave(chi__lock *lock)
{
    if (lock->number >= 0)
        close(lock->number);
    lock->number = -1;
}
