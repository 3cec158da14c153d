// SPDX-License-Identifier: Apache-2.0
// cl.h: OpenCL and what a device handle holds; for src/device/ alone.
#ifndef CHI_DEVICE_CL_H
#define CHI_DEVICE_CL_H

#include <chiaro/opencl.h>

#include "device.h"

// A program in memory: one file with one set of defines.
typedef struct chi__program {
    char *file, *defines;
    cl_program at;
    struct chi__program *next;
} chi__program;

struct chi__kernel {
    chi_kernel_time time; // its name too
    chi__program *program;
    cl_kernel at;
    cl_uint args;
    chi__arg_kind kinds[CHI__MAX_ARGS]; // NONE where the driver does not say
    struct chi__kernel *next;
};

typedef struct chi__gate chi__gate; // queue.c

struct chi_device {
    chi__voice voice; // first: src/base/fail.c takes a device for one
    cl_platform_id platform;
    cl_device_id id; // what kernels run on: a part of the device where threads were limited
    cl_context context;
    cl_command_queue queue;
    chi_device_info info;
    char why[200]; // this device and no other
    char fingerprint[1024];
    char *cache; // folder for this user's files, NULL for none
    bool caches_programs;
    bool waiter_works; // see about.h
    bool is_part; // id is a part that close releases
    bool profile, lost;
    bool unchecked; // kernels were enqueued since the faults were last read
    bool closed;    // only buffers still hold it
    chi_numerics numerics;
    chi_core core;
    char tile[CHI__TILE_NAME]; // asked for by name, or the core's default
    chi__tuning *tuning;
    uint64_t budget, held, peak;
    bool budget_asked;
    size_t buffers; // alive; the last one frees a closed device
    chi_buffer *faults;
    double planned_s; // of work enqueued since the last wait
    chi__program *programs;
    chi__kernel *kernels, **last_kernel;
    struct chi__timed *timed; // launches whose event is not read yet
    size_t timed_count, timed_room;
    chi__gate *gate;
};

struct chi_buffer {
    chi_device *dev;
    cl_mem memory;
    uint64_t bytes, counted; // counted: bytes of the budget
};

// "CL_INVALID_KERNEL" for -48; "error -9999" for what no header names. Valid until the thread's next call.
const char *chi__cl_name(cl_int code);
// The status for an OpenCL error. Marks the device lost where the error says so.
chi_status chi__cl_fail(chi_device *dev, const char *call, cl_int code);
// An OpenCL call that returns its error: a failure is a sentence with the call's name and the error's.
#define CHI_CL(dev, call)                                                  \
    do {                                                                   \
        const cl_int chi_code_ = (call);                                   \
        if (chi_code_ != CL_SUCCESS)                                       \
            return chi__cl_fail((dev), #call, chi_code_);                  \
    } while (0)

// ---- facts.c: what a device says of itself
void chi__facts_read(cl_platform_id platform, cl_device_id id, chi_device_info *out);
void chi__fingerprint(const chi_device_info *info, char *to, size_t room);
bool chi__has_extension(cl_device_id id, const char *name);

// ---- list.c: every device of every platform
typedef struct chi__found {
    cl_platform_id platform;
    cl_device_id id;
} chi__found;
// *infos and *found are freed with chi__free. The log hears why a platform is left out.
chi_status chi__discover(const chi_log *log, chi_device_info **infos, chi__found **found, size_t *count);

// ---- source.c, kernel.c
// Text of kernels/<file>, includes resolved; freed with chi__free.
chi_status chi__source_get(chi_device *dev, const char *file, char **out);
// What a compiler is given, to the folder that CHIARO_KERNEL_DUMP names, file, defines and options in a comment above it.
chi_status chi__source_dump(chi_device *dev, const char *file, const char *defines, const char *options, const char *text);
void chi__kernels_free(chi_device *dev);

// ---- queue.c
chi_status chi__gate_create(chi_device *dev);
void chi__gate_free(chi_device *dev);
// Flushes and waits for an event, which it releases.
chi_status chi__wait_event(chi_device *dev, cl_event event);
// Notes an enqueued launch's event for the profile.
chi_status chi__time_launch(chi_device *dev, chi__kernel *kernel, cl_event event);
void chi__times_read(chi_device *dev);

// ---- buffer.c
chi_status chi__faults_create(chi_device *dev);
// Frees the handle when it is closed and no buffer is left.
void chi__device_drop(chi_device *dev);

#endif
