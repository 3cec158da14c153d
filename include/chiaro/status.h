// SPDX-License-Identifier: Apache-2.0
// status.h: how chiaro reports success and failure. Read first; every other header relies on it.
//
// House rules (hold for every chi_ function):
//   * 0 is success, negative is failure; on failure outputs are untouched, handles are NULL.
//   * a failure leaves one sentence with the numbers in it: it goes to the log, is kept on the
//     device (first wins) and for the calling thread (chi_error_text, newest wins).
//   * options may be NULL, and a zero field means "the default named in its comment".
//   * options and strings are read during the call and never kept.
//   * x_create/x_destroy come in pairs; destroy takes &handle, sets it NULL, accepts NULL.
//   * matrices are float32, row-major, views of a chi_buffer (device memory): they own nothing.
//     chi_buffer_upload and chi_buffer_download are the only ways between host and device memory.
//   * create plans, compiles and allocates; eval, forward, backward and step only enqueue:
//     no allocation, no compilation, no file access.
//   * one device is used by one thread at a time; two devices are independent.
//   * the library never prints (but for the default log), exits or aborts.
#ifndef CHIARO_STATUS_H
#define CHIARO_STATUS_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#ifdef __cplusplus
extern "C" {
#endif

#define CHI_STATUS_LIST(X)                                                       \
    X(CHI_OK, 0, "success")                                                      \
    X(CHI_ERR_ARGUMENT, -1, "an argument is out of its range")                   \
    X(CHI_ERR_SHAPE, -2, "matrix shapes do not fit together")                    \
    X(CHI_ERR_MEMORY, -3, "out of host memory")                                  \
    X(CHI_ERR_DEVICE_MEMORY, -4, "out of device memory, or over the budget")     \
    X(CHI_ERR_NO_DEVICE, -5, "no usable OpenCL device")                          \
    X(CHI_ERR_BUILD, -6, "a kernel did not compile")                             \
    X(CHI_ERR_LAUNCH, -7, "a kernel could not be launched")                      \
    X(CHI_ERR_LOST, -8, "the device was lost; close it")                         \
    X(CHI_ERR_FILE, -9, "a file could not be read or written")                   \
    X(CHI_ERR_FORMAT, -10, "a file does not hold what it should")                \
    X(CHI_ERR_DATA, -11, "device data broke a promise (label range, unit rows)") \
    X(CHI_ERR_TIMEOUT, -12, "a deadline passed")                                 \
    X(CHI_ERR_UNSUPPORTED, -13, "not supported by this device or build")         \
    X(CHI_ERR_INTERNAL, -14, "a fault in chiaro itself")                         \
    X(CHI_ERR_CHANGED, -15, "a file of chiaro's was changed by another program")

typedef enum chi_status {
#define CHI_STATUS_ENUM(name, value, text) name = value,
    CHI_STATUS_LIST(CHI_STATUS_ENUM)
#undef CHI_STATUS_ENUM
} chi_status;

// The text of a status, "unknown status" for any other number. Never NULL.
const char *chi_status_text(chi_status status);

// The sentence of the newest failure on the calling thread; "" before the first. Valid until the
// next chi_ call on this thread.
const char *chi_error_text(void);

typedef enum chi_log_level { CHI_LOG_ERROR = 0, CHI_LOG_WARNING, CHI_LOG_INFO, CHI_LOG_DEBUG } chi_log_level;

// Receives every sentence the library says. write NULL: errors and warnings go to stderr; the
// environment variable CHIARO_LOG=error|warning|info|debug sets the level of that default.
typedef struct chi_log {
    void (*write)(void *user, chi_log_level level, const char *sentence);
    void *user;
} chi_log;

// "0.1.0": the library's version, which may be newer than the headers'.
const char *chi_version(void);
#define CHI_VERSION "0.1.0"

#ifdef __cplusplus
}
#endif
#endif
