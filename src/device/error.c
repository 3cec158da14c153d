// SPDX-License-Identifier: Apache-2.0
// error.c: OpenCL's error numbers as names, statuses and sentences. Used through CHI_CL of cl.h.
#include <stdio.h>
#include <string.h>

#include "cl.h"

static const struct {
    cl_int code;
    const char *name;
} names[] = {
#define NAME(code) { code, #code }
    NAME(CL_DEVICE_NOT_FOUND), NAME(CL_DEVICE_NOT_AVAILABLE), NAME(CL_COMPILER_NOT_AVAILABLE),
    NAME(CL_MEM_OBJECT_ALLOCATION_FAILURE), NAME(CL_OUT_OF_RESOURCES), NAME(CL_OUT_OF_HOST_MEMORY),
    NAME(CL_PROFILING_INFO_NOT_AVAILABLE), NAME(CL_MEM_COPY_OVERLAP), NAME(CL_BUILD_PROGRAM_FAILURE),
    NAME(CL_MAP_FAILURE), NAME(CL_EXEC_STATUS_ERROR_FOR_EVENTS_IN_WAIT_LIST), NAME(CL_DEVICE_PARTITION_FAILED),
    NAME(CL_INVALID_VALUE), NAME(CL_INVALID_PLATFORM), NAME(CL_INVALID_DEVICE), NAME(CL_INVALID_CONTEXT),
    NAME(CL_INVALID_QUEUE_PROPERTIES), NAME(CL_INVALID_COMMAND_QUEUE), NAME(CL_INVALID_MEM_OBJECT),
    NAME(CL_INVALID_BINARY), NAME(CL_INVALID_BUILD_OPTIONS), NAME(CL_INVALID_PROGRAM),
    NAME(CL_INVALID_PROGRAM_EXECUTABLE), NAME(CL_INVALID_KERNEL_NAME), NAME(CL_INVALID_KERNEL_DEFINITION),
    NAME(CL_INVALID_KERNEL), NAME(CL_INVALID_ARG_INDEX), NAME(CL_INVALID_ARG_VALUE), NAME(CL_INVALID_ARG_SIZE),
    NAME(CL_INVALID_KERNEL_ARGS), NAME(CL_INVALID_WORK_DIMENSION), NAME(CL_INVALID_WORK_GROUP_SIZE),
    NAME(CL_INVALID_WORK_ITEM_SIZE), NAME(CL_INVALID_GLOBAL_OFFSET), NAME(CL_INVALID_EVENT_WAIT_LIST),
    NAME(CL_INVALID_EVENT), NAME(CL_INVALID_OPERATION), NAME(CL_INVALID_BUFFER_SIZE),
    NAME(CL_INVALID_GLOBAL_WORK_SIZE), NAME(CL_INVALID_PROPERTY), NAME(CL_INVALID_COMPILER_OPTIONS),
    NAME(CL_INVALID_DEVICE_PARTITION_COUNT),
#undef NAME
    { -1001, "CL_PLATFORM_NOT_FOUND_KHR" },
};

const char *chi__cl_name(cl_int code)
{
    static _Thread_local char number[32];
    for (size_t i = 0; i < sizeof names / sizeof *names; i++)
        if (names[i].code == code)
            return names[i].name;
    snprintf(number, sizeof number, "error %d", (int)code);
    return number;
}

static chi_status status_of(cl_int code)
{
    switch (code) {
    case CL_DEVICE_NOT_FOUND:
    case -1001:
        return CHI_ERR_NO_DEVICE;
    case CL_MEM_OBJECT_ALLOCATION_FAILURE:
    case CL_INVALID_BUFFER_SIZE:
        return CHI_ERR_DEVICE_MEMORY;
    case CL_OUT_OF_HOST_MEMORY:
        return CHI_ERR_MEMORY;
    case CL_BUILD_PROGRAM_FAILURE:
    case CL_COMPILER_NOT_AVAILABLE:
    case CL_INVALID_BUILD_OPTIONS:
    case CL_INVALID_PROGRAM_EXECUTABLE:
        return CHI_ERR_BUILD;
    case CL_DEVICE_NOT_AVAILABLE:
    case CL_INVALID_DEVICE:
    case CL_INVALID_CONTEXT:
    case CL_INVALID_COMMAND_QUEUE:
    case -9999: // NVIDIA: an illegal access in some earlier kernel
        return CHI_ERR_LOST;
    default:
        return CHI_ERR_LAUNCH;
    }
}

chi_status chi__cl_fail(chi_device *dev, const char *call, cl_int code)
{
    const chi_status st = status_of(code);
    const int length = (int)strcspn(call, "(");
    if (dev && st == CHI_ERR_LOST)
        dev->lost = true;
    return chi__fail(dev, st, "%s%s%.*s failed with %s (%d): %s", dev ? dev->info.name : "", dev ? ": " : "",
                     length, call, chi__cl_name(code), (int)code, chi_status_text(st));
}
