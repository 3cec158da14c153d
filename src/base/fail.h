// SPDX-License-Identifier: Apache-2.0
// fail.h: the one way to report errors. chi__fail makes the sentence and returns the code; CHI_TRY passes it upward.
#ifndef CHI_BASE_FAIL_H
#define CHI_BASE_FAIL_H

#include <chiaro/status.h>

struct chi_device;

enum { CHI__SENTENCE = 1024 }; // bytes of the longest sentence

// What a device is to this layer: its first member (src/device/cl.h).
typedef struct chi__voice {
    chi_log log;
    char error[CHI__SENTENCE]; // the first failure's sentence, "" for none
} chi__voice;

// Where sentences go before a device exists, or without one. Copied by value into each device.
extern const chi_log chi__default_log;

// Keeps the sentence for this thread (chi_error_text) and, where dev is given, on the device (first wins),
// logs it, and returns status. dev may be NULL: then it is only kept for the thread, the caller of a
// function without a device decides whether to show it.
chi_status chi__fail(struct chi_device *dev, chi_status status, const char *format, ...)
    __attribute__((format(printf, 3, 4)));

// A sentence at a level, to the device's log; dev NULL: the default log.
void chi__say(struct chi_device *dev, chi_log_level level, const char *format, ...)
    __attribute__((format(printf, 3, 4)));

// Logs through an explicit log, for the time before a device exists.
void chi__say_to(const chi_log *log, chi_log_level level, const char *format, ...)
    __attribute__((format(printf, 3, 4)));

#define CHI_TRY(call)                    \
    do {                                 \
        chi_status chi_try_ = (call);    \
        if (chi_try_ != CHI_OK)          \
            return chi_try_;             \
    } while (0)

// The same inside a function that owns things: sets `st` and goes to `done`.
#define CHI_TRY_DONE(call)               \
    do {                                 \
        st = (call);                     \
        if (st != CHI_OK)                \
            goto done;                   \
    } while (0)

#endif
