// SPDX-License-Identifier: Apache-2.0
// fail.c: where sentences go: the log, the device, the thread. Header: fail.h.
#include "fail.h"

#include <stdarg.h>
#include <stdio.h>
#include <string.h>

#include "env.h"
#include "text.h"

static _Thread_local char newest[CHI__SENTENCE];

const char *chi_error_text(void) { return newest; }

static chi_log_level default_level(void)
{
    static const char *const names[] = { "error", "warning", "info", "debug" };
    const char *level = chi__env("CHIARO_LOG");
    for (int i = 0; level && i < 4; i++)
        if (chi__same_text(level, names[i]))
            return (chi_log_level)i;
    return CHI_LOG_WARNING;
}

static void write_default(void *user, chi_log_level level, const char *sentence)
{
    (void)user;
    if (level <= default_level())
        fprintf(stderr, "chiaro: %s\n", sentence);
}

const chi_log chi__default_log = { write_default, NULL };

static const chi_log *log_of(struct chi_device *dev)
{
    const chi__voice *voice = (const chi__voice *)(const void *)dev;
    return voice && voice->log.write ? &voice->log : &chi__default_log;
}

// What is no printable UTF-8, as a name in a sentence may hold, is written \xNN.
static void compose(char sentence[CHI__SENTENCE], const char *format, va_list args)
{
    char raw[CHI__SENTENCE];
    vsnprintf(raw, sizeof raw, format, args);
    chi__text_clean(raw, sentence, CHI__SENTENCE);
}

void chi__say_to(const chi_log *log, chi_log_level level, const char *format, ...)
{
    char sentence[CHI__SENTENCE];
    va_list args;
    va_start(args, format);
    compose(sentence, format, args);
    va_end(args);
    if (!log || !log->write)
        log = &chi__default_log;
    log->write(log->user, level, sentence);
}

void chi__say(struct chi_device *dev, chi_log_level level, const char *format, ...)
{
    char sentence[CHI__SENTENCE];
    va_list args;
    va_start(args, format);
    compose(sentence, format, args);
    va_end(args);
    const chi_log *log = log_of(dev);
    log->write(log->user, level, sentence);
}

chi_status chi__fail(struct chi_device *dev, chi_status status, const char *format, ...)
{
    // Made aside first: an argument may be the very text that is replaced.
    char sentence[CHI__SENTENCE];
    va_list args;
    va_start(args, format);
    compose(sentence, format, args);
    va_end(args);
    memcpy(newest, sentence, sizeof newest);
    chi__voice *voice = (chi__voice *)(void *)dev;
    if (!voice)
        return status;
    if (!voice->error[0])
        memcpy(voice->error, sentence, sizeof voice->error);
    const chi_log *log = log_of(dev);
    log->write(log->user, CHI_LOG_ERROR, sentence);
    return status;
}
