// SPDX-License-Identifier: Apache-2.0
// child.c: a program run aside, with a deadline. Header: child.h.
#include "child.h"

#include <errno.h>
#include <fcntl.h>
#include <poll.h>
#include <signal.h>
#include <spawn.h>
#include <stdio.h>
#include <string.h>
#include <sys/wait.h>
#include <unistd.h>

#include "clock.h"

extern char **environ;

// What the child prints until it closes its end; false at the deadline.
static bool read_until(int from, double until, char *output, size_t room)
{
    size_t used = 0;
    for (;;) {
        char part[256];
        const double left = until - chi__now_us();
        struct pollfd wait = { .fd = from, .events = POLLIN };
        const int ready = left > 0 ? poll(&wait, 1, (int)(left / 1e3) + 1) : 0;
        if (ready == 0)
            return false;
        const ssize_t count = ready > 0 ? read(from, part, sizeof part) : -1;
        if (count < 0 && errno == EINTR)
            continue;
        if (count <= 0)
            return true;
        for (ssize_t i = 0; i < count && used + 1 < room; i++)
            output[used++] = part[i];
        output[used] = '\0';
    }
}

// A driver may hang after the last word, while it is unloaded.
static bool ends_until(pid_t child, double until, int *status)
{
    for (double pause = 50; waitpid(child, status, WNOHANG) == 0; pause = pause < 1e4 ? pause * 2 : pause) {
        if (chi__now_us() > until)
            return false;
        chi__sleep_us(pause);
    }
    return true;
}

static chi_status start(char *const *argv, const int *ends, pid_t *child)
{
    posix_spawn_file_actions_t actions;
    posix_spawn_file_actions_init(&actions);
    posix_spawn_file_actions_adddup2(&actions, ends[1], STDOUT_FILENO);
    posix_spawn_file_actions_addopen(&actions, STDERR_FILENO, "/dev/null", O_WRONLY, 0);
    const int error = posix_spawn(child, argv[0], &actions, NULL, argv, environ);
    posix_spawn_file_actions_destroy(&actions);
    return error ? chi__fail(NULL, CHI_ERR_INTERNAL, "%s could not be started: %s", argv[0], strerror(error)) : CHI_OK;
}

chi_status chi__child_run(char *const *argv, double deadline_us, char *output, size_t room)
{
    int ends[2], status = 0;
    pid_t child = 0;
    output[0] = '\0';
    if (pipe2(ends, O_CLOEXEC) != 0)
        return chi__fail(NULL, CHI_ERR_INTERNAL, "%s could not be started: %s", argv[0], strerror(errno));
    chi_status st = start(argv, ends, &child);
    close(ends[1]);
    if (st == CHI_OK) {
        const double until = chi__now_us() + deadline_us;
        const bool ended = read_until(ends[0], until, output, room) && ends_until(child, until, &status);
        if (!ended) {
            kill(child, SIGKILL);
            while (waitpid(child, &status, 0) < 0 && errno == EINTR)
                ;
        }
        if (!ended)
            st = chi__fail(NULL, CHI_ERR_TIMEOUT, "it did not answer within %.0f s", deadline_us * 1e-6);
        else if (WIFSIGNALED(status))
            st = chi__fail(NULL, CHI_ERR_INTERNAL, "its driver ended the process with signal %d", WTERMSIG(status));
        else if (!WIFEXITED(status) || WEXITSTATUS(status) != 0)
            st = chi__fail(NULL, CHI_ERR_INTERNAL, "its driver failed (status %d)", WIFEXITED(status) ? WEXITSTATUS(status) : -1);
    }
    close(ends[0]);
    return st;
}

bool chi__program_folder(char *to, size_t room)
{
    const ssize_t length = readlink("/proc/self/exe", to, room - 1);
    if (length <= 0)
        return false;
    to[length] = '\0';
    char *slash = strrchr(to, '/');
    if (slash)
        *slash = '\0';
    return slash != NULL;
}
