// SPDX-License-Identifier: Apache-2.0
// list.c: every device of every platform. Facts: facts.c. Quirks: about.c. The choice: select.c.
#include <pthread.h>
#include <stdio.h>
#include <string.h>

#include "../base/env.h"
#include "../base/file.h"
#include "../base/memory.h"
#include "../base/text.h"
#include "about.h"
#include "choose.h"
#include "cl.h"
#include "pocl.h"
#include "select.h"

// Two threads that discover at once: with some drivers one of them sees nothing.
static pthread_mutex_t discovery = PTHREAD_MUTEX_INITIALIZER;

static const char no_platform[] =
    "no OpenCL driver was found: install one (a CPU: pocl-opencl-icd; Intel GPUs: intel-opencl-icd; AMD: "
    "mesa-opencl-icd or ROCm; NVIDIA: nvidia-opencl-icd), see that it has a file in /etc/OpenCL/vendors, and try again";

// A loader passes over what it cannot load without a word.
static chi_status no_driver(void)
{
    const char *asked = chi__env("OCL_ICD_VENDORS"), *folder = asked ? asked : "/etc/OpenCL/vendors";
    char *names = chi__list_folder(folder, ".icd");
    size_t count = 0;
    for (const char *name = names; name && *name; name += strlen(name) + 1)
        count++;
    const chi_status st =
        count ? chi__fail(NULL, CHI_ERR_NO_DEVICE, "no OpenCL driver could be loaded, though %zu file%s in %s name%s one, as %s: see that the "
                          "libraries that they name are installed (chiaro doctor lists them) and that memory is not limited (ulimit -v)",
                          count, count == 1 ? "" : "s", folder, count == 1 ? "s" : "", names)
              : chi__fail(NULL, CHI_ERR_NO_DEVICE, "%s", no_platform);
    chi__free(names);
    return st;
}

typedef struct listing {
    chi_device_info *infos;
    chi__found *found;
    size_t count, room;
    chi__folder_use folder;    // PoCL's
    char pocl[CHI__SENTENCE];  // why it has no device, if it has none
    bool lacks_pocl;
} listing;

static bool add(listing *list, cl_platform_id platform, cl_device_id id)
{
    if (list->count == list->room) {
        const size_t room = list->room * 2 + 8;
        chi_device_info *infos = chi__realloc(list->infos, room, sizeof *infos);
        if (infos)
            list->infos = infos;
        chi__found *found = infos ? chi__realloc(list->found, room, sizeof *found) : NULL;
        if (!found)
            return false;
        list->found = found;
        list->room = room;
    }
    list->found[list->count] = (chi__found){ platform, id };
    chi__facts_read(platform, id, &list->infos[list->count]);
    list->infos[list->count].index = list->count;
    list->count++;
    return true;
}

static bool add_platform(listing *list, cl_platform_id platform)
{
    cl_uint count = 0;
    char name[128] = "";
    clGetPlatformInfo(platform, CL_PLATFORM_NAME, sizeof name, name, NULL);
    const bool pocl = chi__is_pocl(name);
    if (pocl && list->folder != CHI__FOLDER_OWN) { // it may have devices that cannot compile anything
        list->lacks_pocl = true;
        return true;
    }
    // CL_DEVICE_NOT_FOUND is an answer: a platform without devices.
    if (clGetDeviceIDs(platform, CL_DEVICE_TYPE_ALL, 0, NULL, &count) != CL_SUCCESS || count == 0) {
        list->lacks_pocl = list->lacks_pocl || pocl;
        return true;
    }
    cl_device_id *ids = chi__alloc(count, sizeof *ids);
    bool done = ids != NULL;
    if (done && clGetDeviceIDs(platform, CL_DEVICE_TYPE_ALL, count, ids, NULL) == CL_SUCCESS)
        for (cl_uint i = 0; done && i < count; i++)
            done = add(list, platform, ids[i]);
    chi__free(ids);
    return done;
}

// A driver with too few files aborts while it compiles, and a loader finds no driver: PoCL's linker needs 14 of them.
static chi_status check_files(void)
{
    enum { NEEDED = 24 };
    unsigned limit, open;
    if (!chi__files_open(&limit, &open) || open + NEEDED <= limit)
        return CHI_OK;
    return chi__fail(NULL, CHI_ERR_NO_DEVICE, "at most %u files may be open at once (ulimit -n) and %u are: OpenCL drivers need %d more; raise the limit, as by ulimit -n 1024",
                     limit, open, NEEDED);
}

static chi_status discover(listing *list)
{
    cl_uint count = 0;
    CHI_TRY(check_files());
    list->folder = chi__pocl_folder(list->pocl, sizeof list->pocl);
    const cl_int code = clGetPlatformIDs(0, NULL, &count);
    if (code == -1001 || (code == CL_SUCCESS && count == 0))
        return no_driver();
    CHI_CL(NULL, code);
    cl_platform_id *platforms = chi__alloc(count, sizeof(cl_platform_id));
    bool done = platforms != NULL;
    if (done && clGetPlatformIDs(count, platforms, NULL) == CL_SUCCESS)
        for (cl_uint i = 0; done && i < count; i++)
            done = add_platform(list, platforms[i]);
    chi__free(platforms);
    if (!done)
        return chi__fail(NULL, CHI_ERR_MEMORY, "no memory for the list of devices");
    if (list->count == 0 && list->lacks_pocl)
        return chi__fail(NULL, CHI_ERR_NO_DEVICE, "%s", list->pocl);
    if (list->count == 0)
        return chi__fail(NULL, CHI_ERR_NO_DEVICE,
                         "%u OpenCL platform%s found, but none has a device: install a driver for this machine's "
                         "hardware (a CPU: pocl-opencl-icd), or enable the one that is there (Mesa: RUSTICL_ENABLE)",
                         count, count == 1 ? "" : "s");
    return CHI_OK;
}

// The shortest of the selectors that name this device and no other.
static void name_selector(listing *list, size_t index)
{
    chi_device_info *info = &list->infos[index];
    size_t same_type = 0, same_name = 0, same_pci = 0;
    for (size_t i = 0; i < list->count; i++) {
        same_type += strcmp(list->infos[i].type, info->type) == 0;
        same_name += chi__contains_text(list->infos[i].name, info->name);
        same_pci += strcmp(list->infos[i].pci, info->pci) == 0;
    }
    if (same_type == 1 && strcmp(info->type, "other") != 0)
        snprintf(info->selector, sizeof info->selector, "%s", info->type);
    else if (same_name == 1 && strlen(info->name) < 56 && !strchr(info->name, ','))
        snprintf(info->selector, sizeof info->selector, "name:%.57s", info->name);
    else if (same_pci == 1 && info->pci[0])
        snprintf(info->selector, sizeof info->selector, "pci:%s", info->pci);
    else
        snprintf(info->selector, sizeof info->selector, "#%zu", index);
}

chi_status chi__discover(const chi_log *log, chi_device_info **infos, chi__found **found, size_t *count)
{
    listing list = { 0 };
    pthread_mutex_lock(&discovery);
    const chi_status st = discover(&list);
    pthread_mutex_unlock(&discovery);
    if (st != CHI_OK) {
        chi__free(list.infos);
        chi__free(list.found);
        return st;
    }
    if (list.lacks_pocl)
        chi__say_to(log, CHI_LOG_WARNING, "%s", list.pocl);
    chi__about_apply(list.infos, list.count);
    for (size_t i = 0; i < list.count; i++)
        name_selector(&list, i);
    *infos = list.infos;
    *found = list.found;
    *count = list.count;
    return CHI_OK;
}

chi_status chi_device_list(const chi_device_options *options, chi_device_info **list, size_t *count)
{
    chi__found *found;
    chi_device_info *infos;
    size_t number, chosen = 0;
    *list = NULL;
    *count = 0;
    chi_status st = chi__discover(options ? &options->log : NULL, &infos, &found, &number);
    if (st != CHI_OK) {
        chi__say_to(options ? &options->log : NULL, CHI_LOG_ERROR, "%s", chi_error_text());
        return st;
    }
    chi__free(found);
    const chi__choosing choosing = { .log = options ? &options->log : NULL };
    if (chi__choose(&choosing, infos, number, NULL, &chosen))
        infos[chosen].is_default = true;
    chi__show_failed_probes(infos, number);
    *list = infos;
    *count = number;
    return CHI_OK;
}

void chi_device_list_free(chi_device_info **list)
{
    if (!list)
        return;
    chi__free(*list);
    *list = NULL;
}
