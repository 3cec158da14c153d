// SPDX-License-Identifier: Apache-2.0
// bench_set.c: named sets of problems: [set], then a word a line. The built-in ones: bench/problems.txt.
#include <jansson.h>
#include <stdlib.h>
#include <string.h>

#include "bench.h"

enum { MOST_WORDS = 4096 };

int words_add(word_list *list, const char *word)
{
    if (list->count == MOST_WORDS)
        return tool_usage("more than %d problems", MOST_WORDS);
    if (list->count == list->room) {
        const size_t room = 2 * list->room + 16;
        const char **words = realloc(list->words, room * sizeof *words);
        if (!words)
            return tool_error("no memory for %zu problems", room);
        list->words = words;
        list->room = room;
    }
    list->words[list->count++] = word;
    return TOOL_DONE;
}

void words_free(word_list *list)
{
    free(list->words);
    free(list->text);
    *list = (word_list){ 0 };
}

// What stands in a line: nothing, a set's name (without brackets) or a word, in place.
static char *line_of(char **text, bool *names_set)
{
    char *line = *text, *end = strchr(line, '\n');
    *text = end ? end + 1 : NULL;
    if (end)
        *end = 0;
    line[strcspn(line, "#\r")] = 0;
    line += strspn(line, " \t");
    for (size_t n = strlen(line); n > 0 && (line[n - 1] == ' ' || line[n - 1] == '\t'); n--)
        line[n - 1] = 0;
    const size_t length = strlen(line);
    *names_set = length > 2 && line[0] == '[' && line[length - 1] == ']';
    if (!*names_set)
        return line;
    line[length - 1] = 0;
    return line + 1;
}

static char *text_of(const char *path)
{
    if (path)
        return tool_read_text(path);
    char *text = strdup(bench_sources[0].text);
    if (!text)
        tool_error("no memory for the problem sets");
    return text;
}

// Whether `name` stands in the comma list; it is then counted.
static bool is_asked(const char *sets, const char *name)
{
    const size_t length = strlen(name);
    for (const char *at = sets; at && length; at = strchr(at, ',') ? strchr(at, ',') + 1 : NULL)
        if (strncmp(at, name, length) == 0 && (at[length] == 0 || at[length] == ','))
            return true;
    return false;
}

// Every name of the comma list is a set: names[0 … count).
static int check_names(const char *path, const char *sets, const char *const *names, size_t count)
{
    char all[512] = "", word[64];
    for (size_t i = 0; i < count; i++) {
        const size_t used = strlen(all);
        snprintf(all + used, sizeof all - used, "%s%s", i ? ", " : "", names[i]);
    }
    for (const char *at = sets; at; at = strchr(at, ',') ? strchr(at, ',') + 1 : NULL) {
        bool found = false;
        snprintf(word, sizeof word, "%.*s", (int)strcspn(at, ","), at);
        for (size_t i = 0; i < count; i++)
            found = found || strcmp(names[i], word) == 0;
        if (!found)
            return tool_usage("%s has no set \"%s\"; the nearest is \"%s\" of: %s", path ? path : "chiaro", word, tool_nearest(word, names, count), all);
    }
    return TOOL_DONE;
}

int words_read(word_list *list, const char *path, const char *sets)
{
    const char *names[64] = { 0 };
    size_t count = 0, number = 0;
    bool wanted = sets == NULL;
    int result = TOOL_DONE;
    list->text = text_of(path);
    if (!list->text)
        return TOOL_FAILED;
    for (char *rest = list->text; rest && result == TOOL_DONE;) {
        bool names_set;
        const char *line = line_of(&rest, &names_set);
        number++;
        if (names_set) {
            if (count == sizeof names / sizeof *names)
                return tool_usage("%s:%zu: more than %zu sets", path ? path : "problems.txt", number, count);
            names[count++] = line;
            wanted = !sets || is_asked(sets, line);
        } else if (*line) {
            result = problem_check(line, NULL);
            if (result != TOOL_DONE)
                tool_usage("that was line %zu of %s", number, path ? path : "problems.txt");
            else if (wanted)
                result = words_add(list, line);
        }
    }
    if (result == TOOL_DONE)
        result = check_names(path, sets, names, count);
    if (result == TOOL_DONE && list->count == 0)
        result = tool_usage("%s holds no problem%s%s", path ? path : "problems.txt", sets ? " in " : "", sets ? sets : "");
    return result;
}

int words_print(const char *path, bool json)
{
    char *text = text_of(path);
    const char *set = "";
    if (!text)
        return TOOL_FAILED;
    for (char *rest = text; rest;) {
        bool names_set;
        const char *line = line_of(&rest, &names_set);
        if (names_set)
            set = line;
        if (json && !names_set && *line) {
            json_t *object = json_pack("{s:s, s:s}", "set", set, "problem", line);
            if (object)
                json_dumpf(object, stdout, 0);
            printf("\n");
            json_decref(object);
        } else if (!json && *line) {
            printf(names_set ? "%s\n" : "    %s\n", line);
        }
    }
    free(text);
    return TOOL_DONE;
}
