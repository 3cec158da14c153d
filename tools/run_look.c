// SPDX-License-Identifier: Apache-2.0
// run_look.c: whether a folder holds a run, whether it is the one that is asked for, and what it
// held out. Header: run.h.
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "run.h"

static bool is_there(const run *r, const char *name, char path[4200])
{
    snprintf(path, 4200, "%s/%s", r->folder, name);
    return access(path, F_OK) == 0;
}

static int read_before(run *r, const char *path)
{
    char *text = tool_read_text(path);
    if (!text)
        return TOOL_FAILED;
    recipe_defaults(&r->before);
    int result = recipe_read(&r->before, text, path);
    if (result == TOOL_DONE)
        result = recipe_resolve(&r->before);
    r->old = strstr(text, "\nsize ") == NULL;
    free(text);
    return result == TOOL_DONE ? TOOL_DONE : TOOL_FAILED;
}

// Whether a number of steps is at least another, 0 being all.
static bool no_less(uint64_t now, uint64_t before)
{
    return now == 0 || (before != 0 && now >= before);
}

static int compare(run *r, const recipe *wanted, const char *path)
{
    recipe *same = malloc(sizeof *same); // but for its length
    if (!same)
        return tool_error("no memory");
    *same = *wanted;
    int result = recipe_set(same, "epochs", recipe_text(&r->before, "epochs"), path);
    if (result == TOOL_DONE)
        result = recipe_set(same, "steps", recipe_text(&r->before, "steps"), path);
    if (result == TOOL_DONE)
        result = recipe_resolve(same);
    const size_t other =
        result == TOOL_DONE ? recipe_difference(&r->before, same, true) : RECIPE_KEYS;
    free(same);
    if (other < RECIPE_KEYS)
        return tool_error("%s is another recipe than the one asked for: %s was \"%s\" and is now "
                          "\"%s\"; resume with the options of the first call",
                          path, recipe_key(other), r->before.text[other], wanted->text[other]);
    if (wanted->epochs < r->before.epochs || !no_less(wanted->steps, r->before.steps))
        return tool_error("%s is another recipe than the one asked for: a run can be lengthened, "
                          "not shortened (epochs were %llu, steps %llu)",
                          path, (unsigned long long)r->before.epochs,
                          (unsigned long long)r->before.steps);
    r->longer = wanted->epochs != r->before.epochs || wanted->steps != r->before.steps;
    return result;
}

int run_look(run *r, const char *folder, const recipe *wanted, bool resume)
{
    char path[4200];
    if (strlen(folder) >= sizeof r->folder - 100)
        return tool_usage("--output has %zu characters, at most %zu are taken", strlen(folder),
                          sizeof r->folder - 100);
    struct stat facts;
    if (!*folder)
        return tool_usage("--output is empty; it names a folder");
    if (stat(folder, &facts) == 0 && !S_ISDIR(facts.st_mode))
        return tool_error("%s is no folder; --output names the folder of a run", folder);
    snprintf(r->folder, sizeof r->folder, "%s", folder);
    r->there = is_there(r, "config.txt", path);
    if (r->there && !resume)
        return tool_error("%s holds a run already; --resume goes on with it, another --output "
                          "starts anew",
                          folder);
    if (!r->there && resume)
        return tool_error("%s holds no run to resume (there is no config.txt)", folder);
    const int result = resume ? read_before(r, path) : TOOL_DONE;
    return result == TOOL_DONE && resume ? compare(r, wanted, path) : result;
}

int run_held(const run *r, size_t n, split *out, bool *found)
{
    char path[4200], last[64];
    const uint64_t count = r->before.holdout;
    *found = r->there && is_there(r, "holdout.txt", path);
    if (*found)
        return split_read(out, n, path);
    *found = r->there && r->old && count > 0; // the last rows, as 0.1 had it
    if (!*found)
        return TOOL_DONE;
    if (count >= n)
        return tool_error("holdout = %llu leaves none of the %zu images", (unsigned long long)count,
                          n);
    snprintf(last, sizeof last, "%llu-%llu", (unsigned long long)n - count,
             (unsigned long long)n - 1);
    return split_parse(out, n, last, "holdout");
}
