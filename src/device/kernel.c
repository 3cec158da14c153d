// SPDX-License-Identifier: Apache-2.0
// kernel.c: programs built and kernels made, once each for a device. Text: source.c.
#include <inttypes.h>
#include <stdio.h>
#include <string.h>

#include "../base/hash.h"
#include "../base/memory.h"
#include "../base/text.h"
#include "cache.h"
#include "cl.h"

// -w: some drivers print "N warnings generated" to stderr, which is the user's; a macro that is 0 in one build is enough
// for a warning.
static const char build_options[] = "-cl-std=CL1.2 -cl-kernel-arg-info -w";

// "A=1 B=2" as #define lines.
static chi_status add_defines(chi_device *dev, const char *defines, chi__text *to)
{
    while (*defines) {
        const size_t length = strcspn(defines, " "), name = strcspn(defines, "= ");
        if (length && (name == 0 || name >= length))
            return chi__fail(dev, CHI_ERR_INTERNAL, "defines \"%s\": not NAME=VALUE", defines);
        if (length)
            chi__text_add(to, "#define %.*s %.*s\n", (int)name, defines, (int)(length - name - 1), defines + name + 1);
        defines += length + (defines[length] == ' ');
    }
    return CHI_OK;
}

// What the compiler sees. The source's hash stands in it, so that a driver's own cache that looks at
// less than the text cannot give an older program.
static chi_status full_source(chi_device *dev, const char *file, const char *defines, char **out)
{
    char *text;
    chi__text all = { 0 };
    CHI_TRY(chi__source_get(dev, file, &text));
    chi__text_add(&all, "#define CHI_SOURCE_HASH 0x%016" PRIx64 "\n",
                  chi__hash(chi__hash(CHI__HASH_START, text, strlen(text)), defines, strlen(defines)));
    chi_status st = add_defines(dev, defines, &all);
    chi__text_add(&all, "%s", text);
    chi__free(text);
    if (st == CHI_OK && all.failed)
        st = chi__fail(dev, CHI_ERR_MEMORY, "kernels/%s: no memory for its text", file);
    if (st != CHI_OK)
        chi__free(all.at);
    else
        *out = all.at;
    return st;
}

// The first lines of a build log that say something, on one line.
static void first_lines(const char *log, char *to, size_t room)
{
    size_t used = 0, lines = 0;
    to[0] = '\0';
    while (*log && lines < 4) {
        const size_t length = strcspn(log, "\r\n");
        if (length && used + length + 4 < room) {
            used += (size_t)snprintf(to + used, room - used, "%s%.*s", lines ? " | " : "", (int)length, log);
            lines++;
        }
        log += length + (log[length] != '\0');
    }
}

static chi_status fail_build(chi_device *dev, const char *file, const char *defines, cl_program program, cl_int code)
{
    char lines[700] = "";
    size_t bytes = 0;
    char *log = NULL;
    if (clGetProgramBuildInfo(program, dev->id, CL_PROGRAM_BUILD_LOG, 0, NULL, &bytes) == CL_SUCCESS &&
        bytes < (size_t)1 << 26 && (log = chi__alloc(bytes + 1, 1)) &&
        clGetProgramBuildInfo(program, dev->id, CL_PROGRAM_BUILD_LOG, bytes, log, NULL) == CL_SUCCESS)
        first_lines(log, lines, sizeof lines);
    chi__free(log);
    return chi__fail(dev, CHI_ERR_BUILD, "kernels/%s (%s) did not compile on %s, %s: %s", file, defines,
                     dev->info.name, chi__cl_name(code), lines[0] ? lines : "the driver gives no log");
}

static chi_status compile(chi_device *dev, const char *file, const char *defines, const char *text, cl_program *out)
{
    cl_int code;
    cl_program program = clCreateProgramWithSource(dev->context, 1, &text, NULL, &code);
    CHI_CL(dev, code);
    code = clBuildProgram(program, 1, &dev->id, build_options, NULL, NULL);
    if (code != CL_SUCCESS) {
        const chi_status st = fail_build(dev, file, defines, program, code);
        clReleaseProgram(program);
        return st;
    }
    *out = program;
    return CHI_OK;
}

static bool from_cache(chi_device *dev, const char *key, cl_program *out)
{
    void *bytes;
    size_t count;
    cl_int code, each = CL_SUCCESS;
    if (!chi__cache_load(dev, key, &bytes, &count))
        return false;
    cl_program program = clCreateProgramWithBinary(dev->context, 1, &dev->id, &count, &(const unsigned char *){ bytes }, &each, &code);
    chi__free(bytes);
    const bool made = code == CL_SUCCESS && each == CL_SUCCESS;
    if (made && clBuildProgram(program, 1, &dev->id, build_options, NULL, NULL) == CL_SUCCESS) {
        *out = program;
        return true;
    }
    if (program)
        clReleaseProgram(program);
    chi__cache_drop(dev, key); // whole, but not to this driver's liking
    return false;
}

// Drivers that give no binary are left alone: the next run compiles again.
static void to_cache(chi_device *dev, const char *key, cl_program program)
{
    size_t bytes = 0;
    if (!dev->caches_programs ||
        clGetProgramInfo(program, CL_PROGRAM_BINARY_SIZES, sizeof bytes, &bytes, NULL) != CL_SUCCESS || bytes == 0)
        return;
    unsigned char *binary = chi__alloc(bytes, 1);
    if (binary && clGetProgramInfo(program, CL_PROGRAM_BINARIES, sizeof binary, &binary, NULL) == CL_SUCCESS)
        chi__cache_store(dev, key, binary, bytes);
    chi__free(binary);
}

static chi_status build(chi_device *dev, const char *file, const char *defines, cl_program *out)
{
    char *text;
    chi__text key = { 0 };
    CHI_TRY(full_source(dev, file, defines, &text));
    chi_status st = chi__source_dump(dev, file, defines, build_options, text);
    chi__text_add(&key, "chiaro %s | %s | %s | %s | %zu bytes, %016" PRIx64, chi_version(), dev->fingerprint, build_options, file,
                  strlen(text), chi__hash(CHI__HASH_START, text, strlen(text)));
    if (st == CHI_OK && key.failed) {
        st = chi__fail(dev, CHI_ERR_MEMORY, "kernels/%s: no memory for its key", file);
    } else if (st == CHI_OK && !from_cache(dev, key.at, out)) {
        st = compile(dev, file, defines, text, out);
        if (st == CHI_OK)
            to_cache(dev, key.at, *out);
    }
    chi__free(key.at);
    chi__free(text);
    return st;
}

static chi_status program_get(chi_device *dev, const char *file, const char *defines, chi__program **out)
{
    for (chi__program *p = dev->programs; p; p = p->next)
        if (strcmp(p->file, file) == 0 && strcmp(p->defines, defines) == 0) {
            *out = p;
            return CHI_OK;
        }
    chi__program *p = chi__alloc(1, sizeof *p);
    chi_status st = CHI_OK;
    if (!p || !(p->file = chi__copy_text(file)) || !(p->defines = chi__copy_text(defines)))
        st = chi__fail(dev, CHI_ERR_MEMORY, "kernels/%s: no memory for the program", file);
    else
        st = build(dev, file, defines, &p->at);
    if (st != CHI_OK) {
        if (p) {
            chi__free(p->file);
            chi__free(p->defines);
        }
        chi__free(p);
        return st;
    }
    p->next = dev->programs;
    dev->programs = p;
    *out = p;
    return CHI_OK;
}

// The kind of one argument; NONE where the driver does not say or the type is none of ours.
static chi__arg_kind arg_kind(cl_kernel kernel, cl_uint index)
{
    static const struct {
        const char *type;
        chi__arg_kind kind;
    } kinds[] = { { "uint", CHI__ARG_U32 }, { "int", CHI__ARG_I32 }, { "ulong", CHI__ARG_U64 }, { "float", CHI__ARG_F32 } };
    cl_kernel_arg_address_qualifier where;
    char type[64] = "";
    if (clGetKernelArgInfo(kernel, index, CL_KERNEL_ARG_ADDRESS_QUALIFIER, sizeof where, &where, NULL) != CL_SUCCESS)
        return CHI__ARG_NONE;
    if (where != CL_KERNEL_ARG_ADDRESS_PRIVATE)
        return CHI__ARG_BUFFER;
    if (clGetKernelArgInfo(kernel, index, CL_KERNEL_ARG_TYPE_NAME, sizeof type, type, NULL) != CL_SUCCESS)
        return CHI__ARG_NONE;
    for (size_t i = 0; i < sizeof kinds / sizeof *kinds; i++)
        if (strcmp(type, kinds[i].type) == 0)
            return kinds[i].kind;
    return CHI__ARG_NONE;
}

static chi_status describe(chi_device *dev, chi__kernel *kernel)
{
    cl_ulong local = 0;
    CHI_CL(dev, clGetKernelInfo(kernel->at, CL_KERNEL_NUM_ARGS, sizeof kernel->args, &kernel->args, NULL));
    if (kernel->args > CHI__MAX_ARGS)
        return chi__fail(dev, CHI_ERR_INTERNAL, "kernel %s has %u arguments, at most %d are passed", kernel->time.name,
                         kernel->args, CHI__MAX_ARGS);
    for (cl_uint i = 0; i < kernel->args; i++)
        kernel->kinds[i] = arg_kind(kernel->at, i);
    // Drivers have been seen to run a kernel with more local memory than they say they have.
    if (clGetKernelWorkGroupInfo(kernel->at, dev->id, CL_KERNEL_LOCAL_MEM_SIZE, sizeof local, &local, NULL) == CL_SUCCESS &&
        local > dev->info.local_bytes)
        return chi__fail(dev, CHI_ERR_UNSUPPORTED, "kernel %s needs %llu bytes of local memory, %s has %llu: choose a smaller tile",
                         kernel->time.name, (unsigned long long)local, dev->info.name, (unsigned long long)dev->info.local_bytes);
    return CHI_OK;
}

chi_status chi__kernel_get(chi_device *dev, const char *file, const char *name, const char *defines, chi__kernel **out)
{
    chi__program *program;
    cl_int code;
    CHI_TRY(program_get(dev, file, defines, &program));
    for (chi__kernel *k = dev->kernels; k; k = k->next)
        if (k->program == program && strcmp(k->time.name, name) == 0) {
            *out = k;
            return CHI_OK;
        }
    chi__kernel *kernel = chi__alloc(1, sizeof *kernel);
    if (!kernel)
        return chi__fail(dev, CHI_ERR_MEMORY, "kernel %s: no memory", name);
    snprintf(kernel->time.name, sizeof kernel->time.name, "%s", name);
    kernel->program = program;
    kernel->at = clCreateKernel(program->at, name, &code);
    chi_status st = code == CL_SUCCESS ? describe(dev, kernel)
                                       : chi__fail(dev, CHI_ERR_BUILD, "kernels/%s (%s) has no kernel %s: %s", file, defines,
                                                   name, chi__cl_name(code));
    if (st != CHI_OK) {
        if (kernel->at)
            clReleaseKernel(kernel->at);
        chi__free(kernel);
        return st;
    }
    *dev->last_kernel = kernel;
    dev->last_kernel = &kernel->next;
    *out = kernel;
    return CHI_OK;
}

void chi__kernels_free(chi_device *dev)
{
    while (dev->kernels) {
        chi__kernel *next = dev->kernels->next;
        clReleaseKernel(dev->kernels->at);
        chi__free(dev->kernels);
        dev->kernels = next;
    }
    dev->last_kernel = &dev->kernels;
    while (dev->programs) {
        chi__program *next = dev->programs->next;
        clReleaseProgram(dev->programs->at);
        chi__free(dev->programs->file);
        chi__free(dev->programs->defines);
        chi__free(dev->programs);
        dev->programs = next;
    }
}
