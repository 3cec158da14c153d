// SPDX-License-Identifier: Apache-2.0
// names.h: names of classes and files as one text and back, and escaped for output. They are bytes, not always UTF-8.
#ifndef CHIARO_NAMES_H
#define CHIARO_NAMES_H

#include <stdbool.h>
#include <stddef.h>

// One name a line, escaped as chi_text_escape does. NULL: no memory; freed with free.
char *names_print(char *const *names, size_t count);
// The names of such a text, freed with names_free. false: no memory, or no such text.
bool names_parse(const char *text, char ***names, size_t *count);
void names_free(char **names, size_t count);
// One name as names_print writes it, cut where the room ends.
const char *name_escape(const char *name, char *to, size_t room);

#endif
