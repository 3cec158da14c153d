// SPDX-License-Identifier: Apache-2.0
// matrix.h: device memory and views of it. Host file: src/device/buffer.c.
#ifndef CHIARO_MATRIX_H
#define CHIARO_MATRIX_H

#include "device.h"

#ifdef __cplusplus
extern "C" {
#endif

// Device memory: `bytes` of it, at least 1, filled with zeros. Freed only by destroy.
typedef struct chi_buffer chi_buffer;

// Over the device's budget or its largest allocation: CHI_ERR_DEVICE_MEMORY, nothing allocated.
chi_status chi_buffer_create(chi_device *dev, uint64_t bytes, chi_buffer **out);
void chi_buffer_destroy(chi_buffer **buffer);
uint64_t chi_buffer_bytes(const chi_buffer *buffer);

// The only ways between host and device memory. Both wait until the copy is done.
chi_status chi_buffer_upload(chi_buffer *to, uint64_t offset_bytes, const void *from, uint64_t bytes);
chi_status chi_buffer_download(const chi_buffer *from, uint64_t offset_bytes, void *to, uint64_t bytes);

// A view: element (row, col) is float number offset + row * stride + col of the buffer.
// stride 0 means cols. {0} is "no matrix".
typedef struct chi_matrix {
    chi_buffer *buffer;
    size_t offset, rows, cols, stride; // in floats
} chi_matrix;

static inline chi_matrix chi_matrix_view(chi_buffer *buffer, size_t rows, size_t cols)
{
    chi_matrix m;
    m.buffer = buffer;
    m.offset = 0;
    m.rows = rows;
    m.cols = cols;
    m.stride = cols;
    return m;
}

// Rows first … first + rows − 1 of m.
static inline chi_matrix chi_matrix_rows(chi_matrix m, size_t first, size_t rows)
{
    m.offset += first * (m.stride ? m.stride : m.cols);
    m.rows = rows;
    return m;
}

#ifdef __cplusplus
}
#endif
#endif
