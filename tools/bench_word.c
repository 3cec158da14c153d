// SPDX-License-Identifier: Apache-2.0
// bench_word.c: a problem's word, KIND:NUMBERS[,KEY=NUMBER…], read and checked. Its data: bench_problem.c.
#include <string.h>

#include "bench.h"

const problem_form problem_forms[PROBLEM_KINDS] = {
    [GEMM] = { "gemm", 3, false, "", false },        [LOGSUMEXP] = { "logsumexp", 3, false, "", false },
    [TOPK] = { "topk", 3, false, "k", false },       [STATS] = { "stats", 3, false, "", false },
    [CLIP] = { "clip", 3, true, "", true },          [INFONCE] = { "infonce", 3, true, "", true },
    [NTXENT] = { "ntxent", 3, true, "", true },      [SUPCON] = { "supcon", 3, true, "c", true },
    [MOCO] = { "moco", 3, false, "", true },         [SIGLIP] = { "siglip", 3, true, "", true },
    [CONV] = { "conv", 5, false, "kspb", false },    [TRAIN_STEP] = { "train-step", 1, false, "", false },
};

static int read_option(problem *p, char *part)
{
    static const char *const keys[] = { "c", "k", "s", "p", "b" };
    const char *allowed = problem_forms[p->kind].keys;
    char *value = strchr(part, '=');
    uint64_t number = 0;
    if (value)
        *value++ = 0;
    if (!value || !tool_count(value, &number) || number > 1u << 20)
        return tool_usage("%s: \"%s\" is not KEY=NUMBER", p->word, part);
    uint64_t *const places[] = { &p->classes, p->kind == CONV ? &p->side : &p->k, &p->stride, &p->padding, &p->backward };
    for (size_t i = 0; i < sizeof keys / sizeof *keys; i++)
        if (strcmp(part, keys[i]) == 0 && strchr(allowed, part[0])) {
            *places[i] = number;
            return TOOL_DONE;
        }
    return tool_usage("%s: %s has no option \"%s\"; supcon has c, topk k, conv k, s, p and b", p->word, problem_forms[p->kind].name, part);
}

static int read_numbers(problem *p, char *text)
{
    size_t count = 0;
    for (char *part = text, *next; part; part = next, count++) {
        if ((next = strchr(part, 'x')) != NULL)
            *next++ = 0;
        if (count == problem_forms[p->kind].numbers || !tool_count(part, &p->number[count]) || p->number[count] == 0 || p->number[count] > 1u << 30)
            return tool_usage("%s: %s takes %zu numbers from 1 to 2^30, separated by x", p->word, problem_forms[p->kind].name, problem_forms[p->kind].numbers);
    }
    return count == problem_forms[p->kind].numbers ? TOOL_DONE : tool_usage("%s: %s takes %zu numbers, %zu were given", p->word, problem_forms[p->kind].name, problem_forms[p->kind].numbers, count);
}

int problem_read(problem *p)
{
    char copy[256];
    const char *names[PROBLEM_KINDS];
    size_t kind = 0;
    snprintf(copy, sizeof copy, "%s", p->word);
    char *colon = strchr(copy, ':'), *comma = strchr(copy, ',');
    for (size_t i = 0; i < PROBLEM_KINDS; i++)
        names[i] = problem_forms[i].name;
    if (!colon || strlen(p->word) >= sizeof copy)
        return tool_usage("\"%.60s\" is no problem: KIND:NUMBERS, for example clip:4096x4096x128", p->word);
    *colon = 0;
    while (kind < PROBLEM_KINDS && strcmp(problem_forms[kind].name, copy) != 0)
        kind++;
    if (kind == PROBLEM_KINDS)
        return tool_usage("there is no problem of kind \"%s\"; the nearest is \"%s\"", copy, tool_nearest(copy, names, PROBLEM_KINDS));
    p->kind = (problem_kind)kind;
    p->classes = 100;
    p->k = 10;
    p->side = 3;
    p->stride = p->backward = 1;
    p->padding = UINT64_MAX;
    if (comma)
        *comma++ = 0;
    int result = read_numbers(p, colon + 1);
    for (char *part = comma; part && result == TOOL_DONE;) {
        char *next = strchr(part, ',');
        if (next)
            *next++ = 0;
        result = read_option(p, part);
        part = next;
    }
    p->padding = p->padding == UINT64_MAX ? p->side / 2 : p->padding;
    return result;
}

int problem_check(const char *word, const char *provider)
{
    problem p = { .word = word };
    const int result = problem_read(&p);
    if (result != TOOL_DONE)
        return result;
    const uint64_t n = p.number[0], m = p.number[1], dim = p.number[2];
    if (provider && p.kind != GEMM)
        return tool_usage("--provider is for gemm alone");
    if (problem_forms[p.kind].square && n != m)
        return tool_usage("%s: both counts of rows must be equal, they are %llu and %llu", word, (unsigned long long)n, (unsigned long long)m);
    if (p.kind == NTXENT && n % 2)
        return tool_usage("%s: ntxent needs an even number of rows", word);
    if (p.kind == SUPCON && p.classes == 0)
        return tool_usage("%s: c is the number of classes, at least 1", word);
    if (p.kind == TOPK && (p.k == 0 || p.k > m || p.k > 1024))
        return tool_usage("%s: k = %llu must be 1 … %llu, and at most 1024", word, (unsigned long long)p.k, (unsigned long long)m);
    if (p.kind == CONV && (p.side == 0 || p.stride == 0 || p.padding >= p.side))
        return tool_usage("%s: k = %llu and s = %llu must be at least 1, p = %llu below k", word, (unsigned long long)p.side, (unsigned long long)p.stride, (unsigned long long)p.padding);
    if (p.backward > 1)
        return tool_usage("%s: b = %llu must be 1 (forward and backward) or 0 (forward alone)", word, (unsigned long long)p.backward);
    if (problem_forms[p.kind].numbers == 3 && ((n > m ? n : m) > UINT32_MAX / 4 / dim || (p.kind == GEMM && n > UINT32_MAX / m)))
        return tool_usage("%s: more than 2^30 floats in one matrix", word);
    return TOOL_DONE;
}

