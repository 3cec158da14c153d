// SPDX-License-Identifier: Apache-2.0
// tune_trial.c: `chiaro tune-trial REQUEST`: one candidate of a search, in a process of its own. Hidden: chiaro tune starts it.
// Tests make tiles misbehave with CHIARO_TUNE_FAULT="TILE=wrong,TILE=hang,TILE=crash": for tests alone.
#include <signal.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "tool.h"

enum { ROOM = 64 << 10, MOST_SECONDS = 600 }; // a trial whose tuner was killed ends by itself

// Whether `what` is to happen, a tile that the request names being marked with it.
static bool fault(const char *request, const char *what)
{
    char all[1024], tile[128];
    snprintf(all, sizeof all, "%s", getenv("CHIARO_TUNE_FAULT") ? getenv("CHIARO_TUNE_FAULT") : "");
    for (char *part = strtok(all, ","); part; part = strtok(NULL, ",")) {
        char *equals = strchr(part, '=');
        if (!equals || strcmp(equals + 1, what) != 0)
            continue;
        *equals = '\0';
        snprintf(tile, sizeof tile, "tile %.100s\n", part);
        if (strstr(request, tile))
            return true;
    }
    return false;
}

int command_tune_trial(int argc, char **argv)
{
    static char answer[ROOM];
    alarm(MOST_SECONDS);
    if (argc != 2)
        return tool_usage("tune-trial takes one request; it is started by chiaro tune");
    if (fault(argv[1], "crash"))
        raise(SIGSEGV);
    while (fault(argv[1], "hang"))
        sleep(1);
    const chi_status st = chi_tune_trial(argv[1], answer, sizeof answer);
    if (st != CHI_OK)
        return tool_fail(st);
    char *hash = fault(argv[1], "wrong") ? strstr(answer, "= hash 1 ") : NULL; // the candidate is behind the default
    if (hash)
        hash[9] = hash[9] == '0' ? '1' : '0';
    fputs(answer, stdout);
    return TOOL_DONE;
}
