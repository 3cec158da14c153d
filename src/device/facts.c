// SPDX-License-Identifier: Apache-2.0
// facts.c: what a device says of itself, read with care: drivers give empty, huge and unfinished texts.
#include <stdio.h>
#include <string.h>

#include "../base/memory.h"
#include "../base/text.h"
#include "cl.h"

typedef cl_int (*query)(void *object, cl_uint what, size_t room, void *to, size_t *bytes);

static cl_int ask_device(void *object, cl_uint what, size_t room, void *to, size_t *bytes)
{
    return clGetDeviceInfo((cl_device_id)object, what, room, to, bytes);
}

static cl_int ask_platform(void *object, cl_uint what, size_t room, void *to, size_t *bytes)
{
    return clGetPlatformInfo((cl_platform_id)object, what, room, to, bytes);
}

// A text of at most room - 1 bytes, ended and trimmed, "" where the driver gives none; what is not
// plain text is replaced, so that a listing stays a listing and JSON stays JSON.
static void read_text(query ask, void *object, cl_uint what, char *to, size_t room)
{
    size_t bytes = 0;
    to[0] = '\0';
    if (ask(object, what, 0, NULL, &bytes) != CL_SUCCESS || bytes == 0 || bytes > 1 << 20)
        return;
    char *text = chi__alloc(bytes + 1, 1);
    if (text && ask(object, what, bytes, text, NULL) == CL_SUCCESS) {
        snprintf(to, room, "%s", text);
        for (char *at = to; *at; at++)
            if (*at < ' ' || *at > '~')
                *at = (unsigned char)*at < ' ' ? ' ' : '?';
        chi__trim(to);
    }
    chi__free(text);
}

// A number of any width up to eight bytes, 0 where the driver gives none.
static uint64_t read_number(cl_device_id id, cl_device_info what)
{
    size_t bytes = 0;
    uint64_t wide = 0;
    uint32_t narrow = 0;
    if (clGetDeviceInfo(id, what, 0, NULL, &bytes) != CL_SUCCESS)
        return 0;
    if (bytes == sizeof wide && clGetDeviceInfo(id, what, bytes, &wide, NULL) == CL_SUCCESS)
        return wide;
    if (bytes == sizeof narrow && clGetDeviceInfo(id, what, bytes, &narrow, NULL) == CL_SUCCESS)
        return narrow;
    return 0;
}

bool chi__has_extension(cl_device_id id, const char *name)
{
    char all[8192];
    read_text(ask_device, id, CL_DEVICE_EXTENSIONS, all, sizeof all);
    const size_t length = strlen(name);
    // Whole words: cl_khr_fp16 is also the beginning of longer names.
    for (const char *at = all; (at = strstr(at, name)); at += length)
        if ((at == all || at[-1] == ' ') && (at[length] == ' ' || at[length] == '\0'))
            return true;
    return false;
}

// cl_khr_pci_bus_info, cl_amd_device_attribute_query, cl_nv_device_attribute_query: their numbers, since
// a header may lack them.
enum { PCI_KHR = 0x410F, PCI_AMD = 0x4037, PCI_BUS_NV = 0x4008, PCI_SLOT_NV = 0x4009, PCI_DOMAIN_NV = 0x400A };

static void read_pci(cl_device_id id, char *to, size_t room)
{
    cl_uint khr[4];
    unsigned char amd[24];
    to[0] = '\0';
    if (chi__has_extension(id, "cl_khr_pci_bus_info") &&
        clGetDeviceInfo(id, PCI_KHR, sizeof khr, khr, NULL) == CL_SUCCESS) {
        snprintf(to, room, "%04x:%02x:%02x.%x", khr[0] & 0xffff, khr[1] & 0xff, khr[2] & 0xff, khr[3] & 0xf);
    } else if (chi__has_extension(id, "cl_nv_device_attribute_query")) {
        const unsigned slot = (unsigned)read_number(id, PCI_SLOT_NV); // device and function in one
        snprintf(to, room, "%04x:%02x:%02x.%x", (unsigned)read_number(id, PCI_DOMAIN_NV) & 0xffff,
                 (unsigned)read_number(id, PCI_BUS_NV) & 0xff, slot >> 3 & 0x1f, slot & 7);
    } else if (chi__has_extension(id, "cl_amd_device_attribute_query") &&
               clGetDeviceInfo(id, PCI_AMD, sizeof amd, amd, NULL) == CL_SUCCESS && amd[0] == 1) {
        snprintf(to, room, "0000:%02x:%02x.%x", amd[21], amd[22], amd[23] & 0xf); // type, then 17 unused, bus, …
    }
}

// cl_intel_required_subgroup_size: a list of sizes, powers of two; the query answers in bytes. Added up.
enum { SUB_GROUP_SIZES_INTEL = 0x4108, MOST_SIZES = 16, LARGEST_SIZE = 1024 };

static unsigned read_sub_groups(cl_device_id id)
{
    size_t sizes[MOST_SIZES], bytes = 0;
    unsigned all = 0;
    if (!chi__has_extension(id, "cl_intel_subgroups") || !chi__has_extension(id, "cl_intel_required_subgroup_size") ||
        clGetDeviceInfo(id, SUB_GROUP_SIZES_INTEL, sizeof sizes, sizes, &bytes) != CL_SUCCESS || bytes > sizeof sizes)
        return 0;
    for (size_t i = 0; i < bytes / sizeof *sizes; i++)
        if (sizes[i] && sizes[i] <= LARGEST_SIZE && (sizes[i] & (sizes[i] - 1)) == 0)
            all |= (unsigned)sizes[i];
    return all;
}

static const char *type_name(cl_device_type type)
{
    if (type & CL_DEVICE_TYPE_GPU)
        return "gpu";
    if (type & CL_DEVICE_TYPE_ACCELERATOR)
        return "accelerator";
    return type & CL_DEVICE_TYPE_CPU ? "cpu" : "other";
}

static void refuse(chi_device_info *info, const char *reason)
{
    info->state = CHI_DEVICE_REFUSED;
    snprintf(info->reason, sizeof info->reason, "%s", reason);
}

// What no kernel of ours can run on, whoever made it.
static void check_basics(cl_device_id id, chi_device_info *info)
{
    unsigned major = 0, minor = 0;
    if (sscanf(info->version, "OpenCL %u.%u", &major, &minor) != 2 || major * 100 + minor < 102)
        refuse(info, "OpenCL 1.2 is needed");
    else if (!read_number(id, CL_DEVICE_AVAILABLE))
        refuse(info, "its driver says that it is not available");
    else if (!read_number(id, CL_DEVICE_COMPILER_AVAILABLE))
        refuse(info, "its driver has no compiler");
    else if (!read_number(id, CL_DEVICE_ENDIAN_LITTLE))
        refuse(info, "it is big-endian");
    else if (read_number(id, CL_DEVICE_ADDRESS_BITS) != 64)
        refuse(info, "its addresses are not 64 bits wide");
}

void chi__facts_read(cl_platform_id platform, cl_device_id id, chi_device_info *out)
{
    chi_device_info info = { 0 };
    read_text(ask_device, id, CL_DEVICE_NAME, info.name, sizeof info.name);
    read_text(ask_device, id, CL_DEVICE_VENDOR, info.vendor, sizeof info.vendor);
    read_text(ask_device, id, CL_DRIVER_VERSION, info.driver, sizeof info.driver);
    read_text(ask_device, id, CL_DEVICE_VERSION, info.version, sizeof info.version);
    read_text(ask_platform, platform, CL_PLATFORM_NAME, info.platform, sizeof info.platform);
    if (!info.name[0])
        strcpy(info.name, "unnamed device");
    read_pci(id, info.pci, sizeof info.pci);
    strcpy(info.type, type_name(read_number(id, CL_DEVICE_TYPE)));
    info.units = (unsigned)read_number(id, CL_DEVICE_MAX_COMPUTE_UNITS);
    info.units = info.units ? info.units : 1;
    info.clock_mhz = (unsigned)read_number(id, CL_DEVICE_MAX_CLOCK_FREQUENCY);
    info.vector_width = (unsigned)read_number(id, CL_DEVICE_NATIVE_VECTOR_WIDTH_FLOAT);
    info.memory_bytes = read_number(id, CL_DEVICE_GLOBAL_MEM_SIZE);
    info.max_alloc_bytes = read_number(id, CL_DEVICE_MAX_MEM_ALLOC_SIZE);
    info.local_bytes = read_number(id, CL_DEVICE_LOCAL_MEM_SIZE);
    info.max_group = (size_t)read_number(id, CL_DEVICE_MAX_WORK_GROUP_SIZE);
    info.max_group = info.max_group ? info.max_group : 1;
    info.sub_group_sizes = read_sub_groups(id);
    info.local_is_global = read_number(id, CL_DEVICE_LOCAL_MEM_TYPE) == CL_GLOBAL;
    info.unified = read_number(id, CL_DEVICE_HOST_UNIFIED_MEMORY) != 0;
    info.flushes_subnormals = !(read_number(id, CL_DEVICE_SINGLE_FP_CONFIG) & CL_FP_DENORM);
    check_basics(id, &info);
    *out = info;
}

void chi__fingerprint(const chi_device_info *info, char *to, size_t room)
{
    char settings[CHI__SETTINGS_ROOM];
    snprintf(to, room, "%s | %s | %s | %s | %s%s", info->platform, info->name, info->vendor, info->version, info->driver, chi__driver_settings(settings));
}
