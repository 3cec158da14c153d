// SPDX-License-Identifier: Apache-2.0
// doctor_facts.c: the machine as `chiaro doctor` describes it. Header: doctor.h.
#include <dirent.h>
#include <gnu/libc-version.h>
#include <inttypes.h>
#include <jansson.h>
#include <stdio.h> // before jpeglib.h, which needs it
#include <jpeglib.h>
#include <spng.h>
#include <stdlib.h>
#include <string.h>
#include <sys/resource.h>
#include <sys/stat.h>
#include <sys/utsname.h>
#include <unistd.h>
#include <zlib.h>

#include "doctor.h"
#include "text.h"

#define SPELLED(macro) SPELLED_WORD(macro) // a macro's value as a text
#define SPELLED_WORD(word) #word

// The value behind `key` in a file of lines "key value"; false: there is none.
static bool find_line(const char *path, const char *key, char *to, size_t room)
{
    char line[1024];
    FILE *file = fopen(path, "re");
    bool found = false;
    while (file && !found && fgets(line, sizeof line, file)) {
        found = strncmp(line, key, strlen(key)) == 0;
        const char *at = line + strlen(key);
        if (found) {
            at += strspn(at, " \t:\"");
            snprintf(to, room, "%.*s", (int)strcspn(at, "\"\n"), at);
        }
    }
    if (file)
        fclose(file);
    return found;
}

static const char *kibibytes(const char *key, char *to)
{
    char text[64];
    if (!find_line("/proc/meminfo", key, text, sizeof text))
        return "not known";
    return text_bytes(1024 * strtoull(text, NULL, 10), to);
}

void doctor_system(page *p)
{
    char name[256] = "not known", model[256] = "not known", load[64] = "not known", all[TEXT_ROOM],
         free_bytes[TEXT_ROOM];
    struct utsname kernel;
    page_add_name(p, "chiaro", "version", "%s", chi_version());
    page_add_name(p, "chiaro", "compiler", "%s%s%s", __VERSION__,
#if defined(__clang__)
                  ""
#else
                  " (gcc)"
#endif
                  ,
#if defined(__OPTIMIZE__)
                  ", optimised"
#else
                  ", not optimised"
#endif
    );
    page_add_name(p, "chiaro", "libraries", "glibc %s, zlib %s, jansson %s, libspng %d.%d.%d, libjpeg-turbo %s",
                  gnu_get_libc_version(), zlibVersion(), JANSSON_VERSION, SPNG_VERSION_MAJOR, SPNG_VERSION_MINOR,
                  SPNG_VERSION_PATCH, SPELLED(LIBJPEG_TURBO_VERSION));
    find_line("/etc/os-release", "PRETTY_NAME=", name, sizeof name);
    find_line("/proc/cpuinfo", "model name", model, sizeof model);
    double average[3];
    if (getloadavg(average, 3) == 3)
        snprintf(load, sizeof load, "%.2f, %.2f, %.2f over 1, 5 and 15 minutes", average[0],
                 average[1], average[2]);
    if (uname(&kernel) == 0) // its node's name is the host's
        page_add(p, "system", "kernel", "%s %s %s", kernel.sysname, kernel.release, kernel.machine);
    page_add_name(p, "system", "distribution", "%s", name);
    page_add_name(p, "system", "processors", "%ld, %s", sysconf(_SC_NPROCESSORS_ONLN), model);
    page_add_name(p, "system", "memory", "%s, %s free", kibibytes("MemTotal", all),
                  kibibytes("MemAvailable", free_bytes));
    page_add_name(p, "system", "load", "%s", load);
}

// ---- drivers -----------------------------------------------------------------------------------------
static void add_icd(page *p, const char *folder, const char *name)
{
    char path[4400], library[512] = "cannot be read";
    if (strlen(name) < 5 || strcmp(name + strlen(name) - 4, ".icd") != 0)
        return;
    snprintf(path, sizeof path, "%s/%s", folder, name);
    find_line(path, "", library, sizeof library);
    page_add(p, "drivers", name, "%s: %s", folder, library);
}

static void add_icd_folder(page *p, const char *folder)
{
    struct dirent **names = NULL;
    const int count = scandir(folder, &names, NULL, alphasort);
    if (count < 0)
        page_add(p, "drivers", "folder", "%s cannot be read", folder);
    for (int i = 0; i < count; i++) {
        add_icd(p, folder, names[i]->d_name);
        free(names[i]);
    }
    free(names);
}

// Files in this process whose names speak of OpenCL, a driver or a compiler: their names hold versions.
static void add_loaded(page *p)
{
    static const char *const parts[] = { "OpenCL",   "pocl",    "LLVM",   "clang",
                                         "nvidia",   "amdocl",  "igdrcl", "intelocl",
                                         "oclgrind", "clblast", "gallium" };
    char line[4400], before[4400] = "";
    FILE *file = fopen("/proc/self/maps", "re");
    while (file && fgets(line, sizeof line, file)) {
        const char *path = strchr(line, '/'), *name = path ? strrchr(path, '/') + 1 : NULL;
        line[strcspn(line, "\n")] = 0;
        bool wanted = false;
        for (size_t i = 0; path && i < sizeof parts / sizeof *parts; i++)
            wanted = wanted || strstr(name, parts[i]);
        if (wanted && strcmp(path, before) != 0) {
            char real[4400];
            snprintf(before, sizeof before, "%s", path);
            page_add(p, "drivers", "loaded", "%s", realpath(path, real) ? real : path);
        }
    }
    if (file)
        fclose(file);
}

void doctor_drivers(page *p)
{
    const char *named = getenv("OCL_ICD_VENDORS"), *other = getenv("OPENCL_VENDOR_PATH");
    struct stat facts;
    add_icd_folder(p, "/etc/OpenCL/vendors");
    if (named && stat(named, &facts) == 0 && S_ISDIR(facts.st_mode))
        add_icd_folder(p, named);
    if (other)
        add_icd_folder(p, other);
    add_loaded(p);
}

// ---- folders -----------------------------------------------------------------------------------------
static void add_folder(page *p, const char *key, chi_status st, const char *path)
{
    size_t files = 0;
    if (st != CHI_OK) {
        page_add(p, "paths", key, "%s", chi_error_text());
        return;
    }
    DIR *folder = opendir(path);
    for (struct dirent *entry; folder && (entry = readdir(folder)) != NULL;)
        files += entry->d_name[0] != '.';
    if (folder)
        closedir(folder);
    page_add(p, "paths", key, "%s (%s, %zu files)", path,
             !folder                   ? "not there yet"
             : access(path, W_OK) == 0 ? "writable"
                                       : "cannot be written",
             files);
}

void doctor_paths(page *p)
{
    char path[4096], self[4096];
    add_folder(p, "programs", chi_cache_path(NULL, path, sizeof path), path);
    add_folder(p, "records", chi_tune_path(NULL, path, sizeof path), path);
    const char *probe = getenv("CHIARO_PROBE");
    const ssize_t length = readlink("/proc/self/exe", self, sizeof self - 1);
    if (length > 0) {
        self[length] = 0;
        page_add(p, "paths", "program", "%s", self);
        *strrchr(self, '/') = 0;
        snprintf(path, sizeof path, "%.4000s/chiaro-probe", self);
    }
    if (probe || length > 0)
        page_add(p, "paths", "probe", "%s (%s)", probe ? probe : path,
                 access(probe ? probe : path, X_OK) == 0
                     ? "there"
                     : "not there: the default device is a guess");
}

// ---- limits and environment --------------------------------------------------------------------------
static void add_limit(page *p, const char *key, int what, bool bytes)
{
    struct rlimit limit;
    char text[TEXT_ROOM];
    if (getrlimit((__rlimit_resource_t)what, &limit) != 0)
        return;
    if (limit.rlim_cur == RLIM_INFINITY)
        page_add_name(p, "limits", key, "none");
    else if (bytes)
        page_add_name(p, "limits", key, "%s", text_bytes(limit.rlim_cur, text));
    else
        page_add_name(p, "limits", key, "%" PRIu64, (uint64_t)limit.rlim_cur);
}

void doctor_limits(page *p)
{
    add_limit(p, "open files", RLIMIT_NOFILE, false);
    add_limit(p, "processes", RLIMIT_NPROC, false);
    add_limit(p, "memory", RLIMIT_AS, true);
    add_limit(p, "locked memory", RLIMIT_MEMLOCK, true);
    add_limit(p, "stack", RLIMIT_STACK, true);
    add_limit(p, "file size", RLIMIT_FSIZE, true);
}

void doctor_environment(page *p)
{
    static const char *const prefixes[] = {
        "AMD_",          "CHIARO_", "CL_",   "CLBLAST_", "CUDA_",   "GALLIUM_",
        "GPU_",          "HSA_",    "IGC_",  "LANG=",    "LC_",     "LD_LIBRARY_PATH=",
        "LD_PRELOAD=",   "LP_",     "MESA_", "NEO",      "NVIDIA_", "OCL",
        "OPENCL_",       "POCL_",   "ROCR_", "RUSTICL_", "TERM=",   "XDG_CACHE_HOME=",
        "XDG_DATA_HOME="
    };
    extern char **environ;
    for (char **at = environ; at && *at; at++)
        for (size_t i = 0; i < sizeof prefixes / sizeof *prefixes; i++) {
            char name[64];
            const size_t length = strcspn(*at, "=");
            if (strncmp(*at, prefixes[i], strlen(prefixes[i])) != 0 || !(*at)[length])
                continue;
            snprintf(name, sizeof name, "%.*s", (int)length, *at);
            page_add(p, "environment", name, "%.400s", *at + length + 1);
            break;
        }
    page_add(p, "environment", "HOME", "%s", getenv("HOME") ? "set" : "not set");
}
