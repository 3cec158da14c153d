// SPDX-License-Identifier: Apache-2.0
// buffer.c: device memory: accounted, filled with zeros, checked at its edges. Header: include/chiaro/matrix.h.
#include <string.h>

#include "../base/memory.h"
#include "../base/text.h"
#include "cl.h"

// Some drivers fail or hang on fills of 2³¹ bytes and more.
static const uint64_t most_at_once = 512u << 20;

uint64_t chi__buffer_counted(uint64_t bytes)
{
    const uint64_t some = bytes ? bytes : 1;
    return some <= UINT64_MAX - 64 ? (some + 63) / 64 * 64 : some;
}

static chi_status make(chi_device *dev, uint64_t bytes, chi_buffer *buffer)
{
    char want[24], left[24], most[24];
    const uint64_t padded = chi__buffer_counted(bytes);
    if (padded > chi__memory_left(dev))
        return chi__fail(dev, CHI_ERR_DEVICE_MEMORY, "a buffer of %s (%llu bytes) does not fit: %s of a budget of %s are left",
                         chi__bytes_text(bytes, want), (unsigned long long)bytes, chi__bytes_text(chi__memory_left(dev), left),
                         chi__bytes_text(dev->budget, most));
    if (padded > chi__max_alloc(dev))
        return chi__fail(dev, CHI_ERR_DEVICE_MEMORY, "a buffer of %s (%llu bytes) does not fit: %s allows %s in one piece",
                         chi__bytes_text(bytes, want), (unsigned long long)bytes, dev->info.name,
                         chi__bytes_text(chi__max_alloc(dev), most));
    cl_int code;
    buffer->memory = clCreateBuffer(dev->context, CL_MEM_READ_WRITE, (size_t)padded, NULL, &code);
    CHI_CL(dev, code);
    buffer->dev = dev;
    buffer->bytes = bytes;
    buffer->counted = padded;
    return CHI_OK;
}

chi_status chi__scratch_create(chi_device *dev, uint64_t bytes, chi_buffer **out)
{
    *out = NULL;
    if (dev->lost)
        return chi__fail(dev, CHI_ERR_LOST, "%s was lost after an error: close it and open it again", dev->info.name);
    chi_buffer *buffer = chi__alloc(1, sizeof *buffer);
    if (!buffer)
        return chi__fail(dev, CHI_ERR_MEMORY, "no memory for a buffer's record");
    const chi_status st = make(dev, bytes ? bytes : 1, buffer);
    if (st != CHI_OK) {
        chi__free(buffer);
        return st;
    }
    dev->buffers++;
    dev->held += buffer->counted;
    dev->peak = dev->held > dev->peak ? dev->held : dev->peak;
    *out = buffer;
    return CHI_OK;
}

static chi_status fill(chi_buffer *to, uint64_t offset, uint64_t bytes, const void *pattern, size_t width)
{
    for (uint64_t done = 0; done < bytes; done += most_at_once) {
        const uint64_t part = bytes - done < most_at_once ? bytes - done : most_at_once;
        CHI_CL(to->dev, clEnqueueFillBuffer(to->dev->queue, to->memory, pattern, width, (size_t)(offset + done),
                                            (size_t)part, 0, NULL, NULL));
    }
    return CHI_OK;
}

chi_status chi_buffer_create(chi_device *dev, uint64_t bytes, chi_buffer **out)
{
    static const char zeros[64];
    CHI_TRY(chi__scratch_create(dev, bytes, out));
    const chi_status st = fill(*out, 0, (*out)->counted, zeros, sizeof zeros);
    if (st != CHI_OK)
        chi_buffer_destroy(out);
    return st;
}

chi_status chi_buffer_wrap(chi_device *dev, cl_mem memory, chi_buffer **out)
{
    size_t bytes = 0;
    cl_context context = NULL;
    *out = NULL;
    CHI_CL(dev, clGetMemObjectInfo(memory, CL_MEM_SIZE, sizeof bytes, &bytes, NULL));
    CHI_CL(dev, clGetMemObjectInfo(memory, CL_MEM_CONTEXT, sizeof context, &context, NULL));
    if (context != dev->context)
        return chi__fail(dev, CHI_ERR_ARGUMENT, "the memory object belongs to another context");
    chi_buffer *buffer = chi__alloc(1, sizeof *buffer);
    if (!buffer)
        return chi__fail(dev, CHI_ERR_MEMORY, "no memory for a buffer's record");
    CHI_CL(dev, clRetainMemObject(memory));
    *buffer = (chi_buffer){ .dev = dev, .memory = memory, .bytes = bytes };
    dev->buffers++;
    *out = buffer;
    return CHI_OK;
}

// Work in flight keeps the memory alive: OpenCL frees it when the last command that uses it has ended.
void chi_buffer_destroy(chi_buffer **buffer)
{
    if (!buffer || !*buffer)
        return;
    chi_device *dev = (*buffer)->dev;
    clReleaseMemObject((*buffer)->memory);
    dev->held -= (*buffer)->counted;
    dev->buffers--;
    chi__free(*buffer);
    *buffer = NULL;
    chi__device_drop(dev);
}

uint64_t chi_buffer_bytes(const chi_buffer *buffer) { return buffer->bytes; }
cl_mem chi_buffer_memory(const chi_buffer *buffer) { return buffer->memory; }
chi_device *chi__buffer_device(const chi_buffer *buffer) { return buffer->dev; }

static chi_status check_range(const chi_buffer *buffer, uint64_t offset, uint64_t bytes, const char *what)
{
    if (offset <= buffer->bytes && bytes <= buffer->bytes - offset)
        return CHI_OK;
    return chi__fail(buffer->dev, CHI_ERR_SHAPE, "%s: %llu bytes at %llu do not fit a buffer of %llu", what,
                     (unsigned long long)bytes, (unsigned long long)offset, (unsigned long long)buffer->bytes);
}

chi_status chi_buffer_upload(chi_buffer *to, uint64_t offset_bytes, const void *from, uint64_t bytes)
{
    cl_event event;
    CHI_TRY(check_range(to, offset_bytes, bytes, "upload"));
    if (bytes == 0)
        return CHI_OK;
    CHI_CL(to->dev, clEnqueueWriteBuffer(to->dev->queue, to->memory, CL_FALSE, (size_t)offset_bytes, (size_t)bytes, from,
                                         0, NULL, &event));
    return chi__wait_event(to->dev, event);
}

chi_status chi_buffer_download(const chi_buffer *from, uint64_t offset_bytes, void *to, uint64_t bytes)
{
    cl_event event;
    CHI_TRY(check_range(from, offset_bytes, bytes, "download"));
    if (bytes == 0)
        return CHI_OK;
    CHI_CL(from->dev, clEnqueueReadBuffer(from->dev->queue, from->memory, CL_FALSE, (size_t)offset_bytes, (size_t)bytes,
                                          to, 0, NULL, &event));
    const chi_status st = chi__wait_event(from->dev, event);
    return st == CHI_OK && from->dev->unchecked ? chi_device_finish(from->dev) : st;
}

chi_status chi__fill(chi_buffer *to, uint64_t offset_bytes, uint64_t bytes, uint32_t word)
{
    CHI_TRY(check_range(to, offset_bytes, bytes, "fill"));
    return fill(to, offset_bytes, bytes, &word, sizeof word);
}

uint64_t chi__memory_left(const chi_device *dev) { return dev->budget > dev->held ? dev->budget - dev->held : 0; }
uint64_t chi__max_alloc(const chi_device *dev) { return dev->info.max_alloc_bytes; }
bool chi__budget_is_asked(const chi_device *dev) { return dev->budget_asked; }

void chi_device_memory(const chi_device *dev, uint64_t *current_bytes, uint64_t *peak_bytes)
{
    if (current_bytes)
        *current_bytes = dev->held;
    if (peak_bytes)
        *peak_bytes = dev->peak;
}

uint64_t chi_device_budget(const chi_device *dev) { return dev->budget; }
void chi_device_reset_peak(chi_device *dev) { dev->peak = dev->held; }

chi_status chi__check_matrix(chi_device *dev, chi_matrix m, size_t rows, size_t cols, const char *what)
{
    uint64_t last = 0, end = 0;
    const size_t stride = chi__stride(m);
    if (!m.buffer)
        return chi__fail(dev, CHI_ERR_ARGUMENT, "%s: no matrix, %zu × %zu is needed", what, rows, cols);
    if (m.buffer->dev != dev)
        return chi__fail(dev, CHI_ERR_ARGUMENT, "%s: is on another device", what);
    if (m.rows != rows || m.cols != cols)
        return chi__fail(dev, CHI_ERR_SHAPE, "%s is %zu × %zu, %zu × %zu is needed", what, m.rows, m.cols, rows, cols);
    if (stride < cols)
        return chi__fail(dev, CHI_ERR_SHAPE, "%s: a stride of %zu is less than its %zu columns", what, stride, cols);
    const bool fits = rows == 0 || cols == 0 ||
                      (chi__mul(rows - 1, stride, &last) && chi__add(last, cols, &end) && chi__add(end, m.offset, &end) &&
                       end <= m.buffer->bytes / 4);
    if (!fits || m.offset > UINT32_MAX || stride > UINT32_MAX || end - (end ? m.offset : 0) > UINT32_MAX)
        return chi__fail(dev, CHI_ERR_SHAPE, "%s: %zu × %zu at %zu with stride %zu does not fit a buffer of %llu bytes", what,
                         rows, cols, m.offset, stride, (unsigned long long)m.buffer->bytes);
    return CHI_OK;
}
