// SPDX-License-Identifier: Apache-2.0
// plan.c: `chiaro plan`: scheme, bytes, flop and time of a loss before anything is allocated. Words as of bench: bench_word.c.
#include <jansson.h>
#include <string.h>

#include "bench.h"
#include "text.h"

static void print_bytes(const char *name, uint64_t bytes)
{
    char human[TEXT_ROOM];
    if (bytes < 1024)
        printf("    %-24s %16llu bytes\n", name, (unsigned long long)bytes);
    else
        printf("    %-24s %16llu bytes %12s\n", name, (unsigned long long)bytes,
               text_bytes(bytes, human));
}

// "17.6 Tflop"
static const char *operations(double flop, char *to)
{
    static const char *const units[] = { "", "k", "M", "G", "T", "P", "E" };
    double value = flop;
    size_t unit = 0;
    for (; value >= 999.5 && unit < 6; unit++)
        value /= 1000.0;
    snprintf(to, 2 * TEXT_ROOM, "%.3g %sflop", value, units[unit]);
    return to;
}

static void print_plan(const char *word, const chi_device_info *device, const chi_plan *p)
{
    char flop[2 * TEXT_ROOM], least[2 * TEXT_ROOM], time[TEXT_ROOM], bytes[TEXT_ROOM];
    text_say(stdout, 4, "%s on %s: %s (%s core, tile %s), %s beside inputs and outputs", word,
             device->name, p->scheme, p->core == CHI_CORE_PANEL ? "panel" : "group", p->tile,
             text_bytes(p->scratch_bytes, bytes));
    print_bytes("scratch in all", p->scratch_bytes);
    for (size_t i = 0; i < p->buffer_count; i++)
        print_bytes(p->buffers[i].name, p->buffers[i].bytes);
    text_say(stdout, 0,
             "    %s executed (%.0f), %s the least (%.0f; %.2f times), about %zu launches",
             operations(p->flop, flop), p->flop, operations(p->flop_minimum, least),
             p->flop_minimum, p->flop / p->flop_minimum, p->launches);
    if (p->seconds > 0.0)
        text_say(stdout, 0, "    %s predicted (%.3f ms), %.1f GFLOP/s at the least flop: %s",
                 text_seconds(p->seconds, time), p->seconds * 1e3,
                 p->flop_minimum / p->seconds * 1e-9, p->basis);
    else
        text_say(stdout, 0, "    no time is predicted: %s", p->basis);
}

static void print_json(const char *word, const chi_device_info *device, const chi_plan *p,
                       bool fits)
{
    json_t *buffers = json_array();
    for (size_t i = 0; i < p->buffer_count; i++)
        json_array_append_new(buffers, json_pack("{s:s, s:I}", "name", p->buffers[i].name, "bytes",
                                                 (json_int_t)p->buffers[i].bytes));
    json_t *line = json_pack("{s:s, s:s, s:s, s:s, s:s, s:b, s:I, s:o, s:f, s:f, s:I, s:s}",
                             "problem", word, "device", device->name, "scheme", p->scheme, "core",
                             p->core == CHI_CORE_PANEL ? "panel" : "group", "tile", p->tile, "fits",
                             fits, "scratch_bytes", (json_int_t)p->scratch_bytes, "buffers",
                             buffers, "flop", p->flop, "flop_minimum", p->flop_minimum, "launches",
                             (json_int_t)p->launches, "basis", p->basis);
    json_object_set_new(line, "predicted_ms",
                        p->seconds > 0.0 ? json_real(p->seconds * 1e3) : json_null());
    if (!fits)
        json_object_set_new(line, "error", json_string(chi_error_text()));
    json_dumpf(line, stdout, JSON_COMPACT | JSON_ENSURE_ASCII);
    printf("\n");
    json_decref(line);
}

static int plan(tool *t, const problem *p, double temperature, bool forward)
{
    chi_device *dev = NULL;
    chi_device_info device;
    chi_plan result = { 0 };
    chi_loss_options options = problem_loss(p);
    options.temperature = (float)temperature;
    options.no_gradient = forward;
    const int opened = tool_open(t, &dev);
    if (opened != TOOL_DONE)
        return opened;
    const chi_status st = chi_plan_loss(dev, p->number[0], p->number[2], &options, &result);
    chi_device_describe(dev, &device);
    if (t->json && (st == CHI_OK || st == CHI_ERR_DEVICE_MEMORY))
        print_json(p->word, &device, &result, st == CHI_OK);
    else if (st == CHI_OK)
        print_plan(p->word, &device, &result);
    chi_device_close(&dev);
    return st == CHI_OK ? TOOL_DONE : tool_fail(st);
}

int command_plan(int argc, char **argv)
{
    tool t = { 0 };
    const char *word = NULL, *temperature_text = NULL;
    size_t words = 0;
    bool forward = false;
    double temperature = 0.1;
    const tool_option own[] = {
        { "temperature", "T", "of the loss; a low one needs a shift a row, and one more pass",
          &temperature_text, NULL, "0.1" },
        { "forward", NULL, "the value alone, no gradients", NULL, &forward },
    };
    const tool_command command = {
        "plan LOSS:NxMxD [--memory BYTES] [--device SELECTOR] [--json]",
        NULL,
        "chiaro plan clip:65536x65536x512 --memory 2G",
        TOOL_OPENS | TOOL_JSON,
        1,
    };
    const int parsed =
        tool_parse(&t, argc, argv, &command, own, sizeof own / sizeof *own, &word, &words);
    if (parsed != TOOL_DONE || t.help)
        return parsed;
    if (words == 0)
        return tool_usage("plan: which loss? For example clip:65536x65536x512; kinds: clip, "
                          "infonce, ntxent, supcon, moco, siglip");
    if (temperature_text && (!tool_number(temperature_text, &temperature) || !(temperature > 0.0)))
        return tool_usage("--temperature is \"%s\", it must be a positive number",
                          temperature_text);
    problem p = { .word = word };
    const int checked = problem_check(word, NULL),
              read = checked == TOOL_DONE ? problem_read(&p) : checked;
    if (read != TOOL_DONE)
        return read;
    if (!problem_forms[p.kind].loss)
        return tool_usage(
            "plan: %s is no loss; clip, infonce, ntxent, supcon, moco and siglip have plans",
            problem_forms[p.kind].name);
    return plan(&t, &p, temperature, forward);
}
