// SPDX-License-Identifier: Apache-2.0
// thin.c: the device layer in its first, thin form: first device, no probe, no disk cache.
#include <CL/cl.h>

#include <stdio.h>
#include <string.h>

#include "../base/memory.h"
#include "../base/text.h"
#include "../tune/tune.h"
#include "device.h"
#include "program.h"

enum { KEY = 640, LOG = 8192 };

typedef struct program {
    char key[KEY];
    cl_program program;
    struct program *next;
} program;

struct chi__kernel {
    char key[KEY], name[64];
    cl_kernel kernel;
    cl_uint args;
    struct chi__kernel *next;
};

struct chi_buffer {
    chi_device *dev;
    cl_mem memory;
    uint64_t bytes;
};

struct chi_device {
    chi__voice voice; // first: src/base/fail.c
    chi_device_info info;
    cl_context context;
    cl_device_id device;
    cl_command_queue queue;
    chi_numerics numerics;
    const chi__tile *tile;
    chi_buffer *faults;
    uint64_t current, peak, budget;
    program *programs;
    chi__kernel *kernels;
};

static void describe(chi_device *dev)
{
    chi_device_info *info = &dev->info;
    cl_device_type type = 0;
    cl_ulong global = 0, most = 0, local = 0;
    cl_uint units = 0, width = 0, clock = 0;
    clGetDeviceInfo(dev->device, CL_DEVICE_NAME, sizeof info->name, info->name, NULL);
    clGetDeviceInfo(dev->device, CL_DEVICE_VENDOR, sizeof info->vendor, info->vendor, NULL);
    clGetDeviceInfo(dev->device, CL_DRIVER_VERSION, sizeof info->driver, info->driver, NULL);
    clGetDeviceInfo(dev->device, CL_DEVICE_TYPE, sizeof type, &type, NULL);
    clGetDeviceInfo(dev->device, CL_DEVICE_GLOBAL_MEM_SIZE, sizeof global, &global, NULL);
    clGetDeviceInfo(dev->device, CL_DEVICE_MAX_MEM_ALLOC_SIZE, sizeof most, &most, NULL);
    clGetDeviceInfo(dev->device, CL_DEVICE_LOCAL_MEM_SIZE, sizeof local, &local, NULL);
    clGetDeviceInfo(dev->device, CL_DEVICE_MAX_COMPUTE_UNITS, sizeof units, &units, NULL);
    clGetDeviceInfo(dev->device, CL_DEVICE_MAX_CLOCK_FREQUENCY, sizeof clock, &clock, NULL);
    clGetDeviceInfo(dev->device, CL_DEVICE_NATIVE_VECTOR_WIDTH_FLOAT, sizeof width, &width, NULL);
    snprintf(info->type, sizeof info->type, "%s", type & CL_DEVICE_TYPE_CPU ? "cpu" : type & CL_DEVICE_TYPE_GPU ? "gpu" : "other");
    info->memory_bytes = global;
    info->max_alloc_bytes = most;
    info->local_bytes = local;
    info->units = units;
    info->clock_mhz = clock;
    info->vector_width = width;
    info->is_default = true;
}

static chi_status choose_tile(chi_device *dev, const chi_device_options *o)
{
    const bool cpu = strcmp(dev->info.type, "cpu") == 0;
    const chi_core core = o && o->core ? o->core : cpu ? CHI_CORE_PANEL : CHI_CORE_GROUP;
    dev->tile = chi__tile_default(core, &dev->info);
    if (!o || !o->tile)
        return CHI_OK;
    dev->tile = chi__tile_find(o->core, o->tile);
    return dev->tile ? CHI_OK : chi__fail(NULL, CHI_ERR_ARGUMENT, "device: there is no tile \"%s\"", o->tile);
}

chi_status chi_device_open(const chi_device_options *options, chi_device **out)
{
    *out = NULL;
    chi_device *dev = chi__alloc(1, sizeof *dev);
    cl_platform_id platform;
    cl_uint found = 0;
    cl_int error = 0;
    if (!dev)
        return chi__fail(NULL, CHI_ERR_MEMORY, "device: no memory");
    chi_status st = CHI_OK;
    dev->voice.log = options && options->log.write ? options->log : chi__default_log;
    if (clGetPlatformIDs(1, &platform, &found) || found == 0 || clGetDeviceIDs(platform, CL_DEVICE_TYPE_ALL, 1, &dev->device, NULL))
        st = chi__fail(NULL, CHI_ERR_NO_DEVICE, "device: there is no OpenCL device; install pocl-opencl-icd to use the CPU");
    if (st == CHI_OK) {
        describe(dev);
        st = choose_tile(dev, options);
    }
    if (st == CHI_OK) {
        dev->context = clCreateContext(NULL, 1, &dev->device, NULL, NULL, &error);
        dev->queue = clCreateCommandQueue(dev->context, dev->device, options && options->profile ? CL_QUEUE_PROFILING_ENABLE : 0, &error);
        dev->numerics = options ? options->numerics : CHI_NUMERICS_EXACT;
        dev->budget = options && options->memory_bytes ? options->memory_bytes : dev->info.memory_bytes / 10 * 8;
        st = error ? chi__fail(NULL, CHI_ERR_NO_DEVICE, "device: a context could not be made (OpenCL error %d)", error)
                   : chi_buffer_create(dev, 64, &dev->faults);
    }
    if (st == CHI_OK)
        *out = dev;
    else
        chi_device_close(&dev);
    return st;
}

void chi_device_close(chi_device **device)
{
    if (!device || !*device)
        return;
    chi_device *dev = *device;
    if (dev->queue)
        clFinish(dev->queue);
    chi_buffer_destroy(&dev->faults);
    while (dev->kernels) {
        chi__kernel *next = dev->kernels->next;
        clReleaseKernel(dev->kernels->kernel);
        chi__free(dev->kernels);
        dev->kernels = next;
    }
    while (dev->programs) {
        program *next = dev->programs->next;
        clReleaseProgram(dev->programs->program);
        chi__free(dev->programs);
        dev->programs = next;
    }
    if (dev->queue)
        clReleaseCommandQueue(dev->queue);
    if (dev->context)
        clReleaseContext(dev->context);
    chi__free(dev);
    *device = NULL;
}

chi_status chi_device_describe(const chi_device *dev, chi_device_info *out)
{
    *out = dev->info;
    return CHI_OK;
}

chi_core chi_device_core(const chi_device *dev) { return dev->tile->core; }
const char *chi_device_tile(const chi_device *dev) { return dev->tile->name; }
const char *chi_device_error(const chi_device *dev) { return dev->voice.error; }
void chi_device_clear_error(chi_device *dev) { dev->voice.error[0] = 0; }
const chi__tile *chi__device_tile(const chi_device *dev) { return dev->tile; }
const chi_device_info *chi__device_info(const chi_device *dev) { return &dev->info; }
chi_numerics chi__device_numerics(const chi_device *dev) { return dev->numerics; }
chi_buffer *chi__faults(chi_device *dev) { return dev->faults; }
chi_device *chi__buffer_device(const chi_buffer *buffer) { return buffer->dev; }
uint64_t chi_buffer_bytes(const chi_buffer *buffer) { return buffer->bytes; }
uint64_t chi__memory_left(const chi_device *dev) { return dev->budget > dev->current ? dev->budget - dev->current : 0; }
uint64_t chi__max_alloc(const chi_device *dev) { return dev->info.max_alloc_bytes; }

void chi_device_memory(const chi_device *dev, uint64_t *current, uint64_t *peak)
{
    if (current)
        *current = dev->current;
    if (peak)
        *peak = dev->peak;
}

void chi_device_reset_peak(chi_device *dev) { dev->peak = dev->current; }

static chi_status check_faults(chi_device *dev)
{
    static const char *const sentences[] = { "a label is out of its range", "rows that were claimed to be unit are not", "an index is out of its range" };
    uint32_t words[CHI__FAULT_COUNT] = { 0 };
    clEnqueueReadBuffer(dev->queue, dev->faults->memory, CL_TRUE, 0, sizeof words, words, 0, NULL, NULL);
    for (size_t i = 0; i < sizeof sentences / sizeof *sentences; i++)
        if (words[i]) {
            CHI_TRY(chi__fill(dev->faults, 0, sizeof words, 0));
            return chi__fail(dev, CHI_ERR_DATA, "device data: %s", sentences[i]);
        }
    return CHI_OK;
}

chi_status chi_device_finish(chi_device *dev)
{
    const cl_int error = clFinish(dev->queue);
    return error ? chi__fail(dev, CHI_ERR_LOST, "device: clFinish failed (OpenCL error %d)", error) : check_faults(dev);
}

chi_status chi__scratch_create(chi_device *dev, uint64_t bytes, chi_buffer **out)
{
    *out = NULL;
    if (bytes < 64)
        bytes = 64;
    char want[24], left[24];
    if (bytes > chi__memory_left(dev) || bytes > chi__max_alloc(dev))
        return chi__fail(dev, CHI_ERR_DEVICE_MEMORY, "buffer of %s: %s are left, the device allows %llu bytes in one piece",
                         chi__bytes_text(bytes, want), chi__bytes_text(chi__memory_left(dev), left), (unsigned long long)chi__max_alloc(dev));
    cl_int error = 0;
    chi_buffer *buffer = chi__alloc(1, sizeof *buffer);
    if (!buffer)
        return chi__fail(dev, CHI_ERR_MEMORY, "buffer: no memory");
    buffer->memory = clCreateBuffer(dev->context, CL_MEM_READ_WRITE, bytes, NULL, &error);
    if (error) {
        chi__free(buffer);
        return chi__fail(dev, CHI_ERR_DEVICE_MEMORY, "buffer of %s: OpenCL error %d", chi__bytes_text(bytes, want), error);
    }
    buffer->dev = dev;
    buffer->bytes = bytes;
    dev->current += bytes;
    dev->peak = dev->current > dev->peak ? dev->current : dev->peak;
    *out = buffer;
    return CHI_OK;
}

chi_status chi_buffer_create(chi_device *dev, uint64_t bytes, chi_buffer **out)
{
    CHI_TRY(chi__scratch_create(dev, bytes, out));
    return chi__fill(*out, 0, (*out)->bytes / 4 * 4, 0);
}

void chi_buffer_destroy(chi_buffer **buffer)
{
    if (!buffer || !*buffer)
        return;
    (*buffer)->dev->current -= (*buffer)->bytes;
    clReleaseMemObject((*buffer)->memory);
    chi__free(*buffer);
    *buffer = NULL;
}

static chi_status check_range(const chi_buffer *buffer, uint64_t offset, uint64_t bytes, const char *what)
{
    if (offset <= buffer->bytes && bytes <= buffer->bytes - offset)
        return CHI_OK;
    return chi__fail(buffer->dev, CHI_ERR_SHAPE, "%s: %llu bytes at %llu do not fit a buffer of %llu", what, (unsigned long long)bytes,
                     (unsigned long long)offset, (unsigned long long)buffer->bytes);
}

chi_status chi_buffer_upload(chi_buffer *to, uint64_t offset, const void *from, uint64_t bytes)
{
    CHI_TRY(check_range(to, offset, bytes, "upload"));
    if (bytes == 0)
        return CHI_OK;
    const cl_int error = clEnqueueWriteBuffer(to->dev->queue, to->memory, CL_TRUE, offset, bytes, from, 0, NULL, NULL);
    return error ? chi__fail(to->dev, CHI_ERR_LOST, "upload: OpenCL error %d", error) : CHI_OK;
}

chi_status chi_buffer_download(const chi_buffer *from, uint64_t offset, void *to, uint64_t bytes)
{
    CHI_TRY(check_range(from, offset, bytes, "download"));
    if (bytes == 0)
        return CHI_OK;
    const cl_int error = clEnqueueReadBuffer(from->dev->queue, from->memory, CL_TRUE, offset, bytes, to, 0, NULL, NULL);
    return error ? chi__fail(from->dev, CHI_ERR_LOST, "download: OpenCL error %d", error) : check_faults(from->dev);
}

chi_status chi__fill(chi_buffer *to, uint64_t offset, uint64_t bytes, uint32_t word)
{
    if (bytes == 0)
        return CHI_OK;
    const cl_int error = clEnqueueFillBuffer(to->dev->queue, to->memory, &word, sizeof word, offset, bytes, 0, NULL, NULL);
    return error ? chi__fail(to->dev, CHI_ERR_LAUNCH, "fill: OpenCL error %d", error) : CHI_OK;
}

chi_status chi__copy(chi_buffer *to, uint64_t to_bytes, const chi_buffer *from, uint64_t from_bytes, uint64_t bytes)
{
    if (bytes == 0)
        return CHI_OK;
    const cl_int error = clEnqueueCopyBuffer(to->dev->queue, from->memory, to->memory, from_bytes, to_bytes, bytes, 0, NULL, NULL);
    return error ? chi__fail(to->dev, CHI_ERR_LAUNCH, "copy: OpenCL error %d", error) : CHI_OK;
}

chi_status chi__check_matrix(chi_device *dev, chi_matrix m, size_t rows, size_t cols, const char *what)
{
    const size_t stride = chi__stride(m);
    if (!m.buffer || m.buffer->dev != dev)
        return chi__fail(dev, CHI_ERR_ARGUMENT, "%s: no matrix on this device", what);
    if (m.rows != rows || m.cols != cols)
        return chi__fail(dev, CHI_ERR_SHAPE, "%s is %zu × %zu, %zu × %zu is needed", what, m.rows, m.cols, rows, cols);
    if (stride < cols || stride > UINT32_MAX || m.offset > m.buffer->bytes / 4 ||
        (rows && cols && ((m.buffer->bytes / 4 - m.offset) < cols || (rows - 1) > (m.buffer->bytes / 4 - m.offset - cols) / stride)))
        return chi__fail(dev, CHI_ERR_SHAPE, "%s: %zu × %zu at %zu with stride %zu does not fit a buffer of %llu bytes", what, rows, cols,
                         m.offset, stride, (unsigned long long)m.buffer->bytes);
    return CHI_OK;
}

static chi_status build(chi_device *dev, const char *file, const char *defines, const char *key, program **out)
{
    const chi__source *source = chi__sources;
    while (source->file && strcmp(source->file, file) != 0)
        source++;
    if (!source->file)
        return chi__fail(dev, CHI_ERR_INTERNAL, "program: there is no kernels/%s", file);
    chi__text options = { 0 };
    chi__text_add(&options, "-cl-std=CL1.2");
    for (const char *word = defines; *word;) {
        const size_t length = strcspn(word, " ");
        if (length)
            chi__text_add(&options, " -D%.*s", (int)length, word);
        word += length + (word[length] == ' ');
    }
    program *made = chi__alloc(1, sizeof *made);
    cl_int error = CL_OUT_OF_HOST_MEMORY;
    if (made && !options.failed) {
        made->program = clCreateProgramWithSource(dev->context, 1, (const char *[]){ source->text }, NULL, &error);
        error = error ? error : clBuildProgram(made->program, 1, &dev->device, options.at, NULL, NULL);
    }
    chi_status st = CHI_OK;
    if (error) {
        char log[LOG] = "";
        if (made && made->program)
            clGetProgramBuildInfo(made->program, dev->device, CL_PROGRAM_BUILD_LOG, sizeof log, log, NULL);
        st = chi__fail(dev, CHI_ERR_BUILD, "program kernels/%s (%s) did not compile (OpenCL error %d): %.600s", file, defines, error, log);
        chi__free(made);
    } else {
        snprintf(made->key, sizeof made->key, "%s", key);
        made->next = dev->programs;
        dev->programs = *out = made;
    }
    chi__free(options.at);
    return st;
}

chi_status chi__kernel_get(chi_device *dev, const char *file, const char *name, const char *defines, chi__kernel **out)
{
    char key[KEY], program_key[KEY];
    snprintf(program_key, sizeof program_key, "%s|%s", file, defines);
    snprintf(key, sizeof key, "%.500s|%s", program_key, name);
    for (chi__kernel *k = dev->kernels; k; k = k->next)
        if (strcmp(k->key, key) == 0) {
            *out = k;
            return CHI_OK;
        }
    program *p = dev->programs;
    while (p && strcmp(p->key, program_key) != 0)
        p = p->next;
    if (!p)
        CHI_TRY(build(dev, file, defines, program_key, &p));
    chi__kernel *made = chi__alloc(1, sizeof *made);
    cl_int error = CL_OUT_OF_HOST_MEMORY;
    if (made)
        made->kernel = clCreateKernel(p->program, name, &error);
    if (error) {
        chi__free(made);
        return chi__fail(dev, CHI_ERR_BUILD, "program kernels/%s: kernel %s could not be made (OpenCL error %d)", file, name, error);
    }
    clGetKernelInfo(made->kernel, CL_KERNEL_NUM_ARGS, sizeof made->args, &made->args, NULL);
    snprintf(made->key, sizeof made->key, "%s", key);
    snprintf(made->name, sizeof made->name, "%s", name);
    made->next = dev->kernels;
    dev->kernels = *out = made;
    return CHI_OK;
}

static cl_int set_arg(cl_kernel kernel, cl_uint index, const chi__arg *arg)
{
    const cl_mem none = NULL;
    switch (arg->kind) {
    case CHI__ARG_U64:
        return clSetKernelArg(kernel, index, 8, &arg->as.u64);
    case CHI__ARG_BUFFER:
        return clSetKernelArg(kernel, index, sizeof(cl_mem), arg->as.buffer ? &arg->as.buffer->memory : &none);
    default:
        return clSetKernelArg(kernel, index, 4, &arg->as.u32);
    }
}

chi_status chi__run(chi_device *dev, const chi__launch *launch)
{
    chi__kernel *kernel = launch->kernel;
    cl_uint count = 0;
    for (; count < CHI__MAX_ARGS && launch->args[count].kind; count++) {
        const cl_int error = set_arg(kernel->kernel, count, &launch->args[count]);
        if (error)
            return chi__fail(dev, CHI_ERR_LAUNCH, "kernel %s: argument %u was refused (OpenCL error %d)", kernel->name, count, error);
    }
    if (count != kernel->args)
        return chi__fail(dev, CHI_ERR_INTERNAL, "kernel %s has %u arguments, %u were given", kernel->name, kernel->args, count);
    size_t global[3], local[3];
    cl_uint dims = 1;
    for (cl_uint d = 0; d < 3; d++) {
        local[d] = launch->local[d] ? launch->local[d] : 1;
        global[d] = chi__round_up(d && !launch->global[d] ? 1 : launch->global[d], local[d]);
        dims = global[d] > 1 ? d + 1 : dims;
        if (global[d] == 0)
            return CHI_OK;
    }
    const cl_int error = clEnqueueNDRangeKernel(dev->queue, kernel->kernel, dims, NULL, global, local, 0, NULL, NULL);
    return error ? chi__fail(dev, CHI_ERR_LAUNCH, "kernel %s: %zu × %zu × %zu work-items were refused (OpenCL error %d)", kernel->name,
                             global[0], global[1], global[2], error)
                 : CHI_OK;
}

chi_status chi__run_groups(chi_device *dev, const chi__launch *launch, size_t groups, double flop)
{
    // A cautious rate: 4 flop a cycle and unit; half a second a launch, 50 ms on what may drive a display.
    const bool cpu = strcmp(dev->info.type, "cpu") == 0;
    const double rate = 4e6 * dev->info.units * (dev->info.clock_mhz ? dev->info.clock_mhz : 1000), seconds = cpu ? 0.5 : 0.05;
    const double slices = flop / (rate * seconds);
    const size_t step = slices > 1.0 ? (size_t)((double)groups / slices) + 1 : groups;
    for (size_t first = 0; first < groups; first += step) {
        chi__launch slice = *launch;
        const size_t count = groups - first < step ? groups - first : step;
        slice.args[0] = U32(first);
        slice.local[0] = slice.local[0] ? slice.local[0] : 1;
        slice.local[1] = slice.local[1] ? slice.local[1] : 1;
        slice.global[0] = count * slice.local[0];
        slice.global[1] = slice.local[1];
        CHI_TRY(chi__run(dev, &slice));
        clFlush(dev->queue);
    }
    return CHI_OK;
}
