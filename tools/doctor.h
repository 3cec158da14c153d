// SPDX-License-Identifier: Apache-2.0
// doctor.h: the page of `chiaro doctor`: facts in sections (doctor_facts.c), a self-check (doctor_check.c), printed by doctor.c.
// No name of the user or of a host may stand on it: whatever can hold one goes through page_add.
#ifndef CHIARO_DOCTOR_H
#define CHIARO_DOCTOR_H

#include "tool.h"

typedef struct page_line {
    const char *section;
    char key[64], value[1024];
} page_line;
typedef struct page {
    page_line *lines;
    size_t count, room;
    size_t failed; // checks
} page;

// The text with the home folder as ~, the user's name as USER and the host's as HOST, and nothing that drives a terminal.
void page_add(page *p, const char *section, const char *key, const char *format, ...)
    __attribute__((format(printf, 4, 5)));
// The same for what the system and its drivers call themselves, where a host that is called as they are must not blot them out.
void page_add_name(page *p, const char *section, const char *key, const char *format, ...)
    __attribute__((format(printf, 4, 5)));

void doctor_system(page *p);
void doctor_drivers(
    page *p); // their files; those that are loaded are known after devices were listed
void doctor_paths(page *p);
void doctor_limits(page *p);
void doctor_environment(page *p);
void doctor_check(page *p, tool *t); // opens a device

#endif
