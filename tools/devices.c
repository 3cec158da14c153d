// SPDX-License-Identifier: Apache-2.0
// devices.c: `chiaro devices`: what there is, what is wrong with it, and a selector for each.
#include <jansson.h>
#include <string.h>

#include "text.h"
#include "tool.h"

static const char *state_of(const chi_device_info *d)
{
    static const char *const states[] = { "ok", "degraded", "refused", "duplicate" };
    return states[d->state];
}

static json_t *as_json(const chi_device_info *d)
{
    return json_pack(
        "{s:I, s:s, s:s, s:s, s:s, s:s, s:s, s:I, s:I, s:I, s:I, s:I, s:s, s:s, s:b, s:b, s:b}",
        "index", (json_int_t)d->index, "selector", d->selector, "name", d->name, "vendor",
        d->vendor, "platform", d->platform, "driver", d->driver, "type", d->type, "units",
        (json_int_t)d->units, "memory_bytes", (json_int_t)d->memory_bytes, "max_alloc_bytes",
        (json_int_t)d->max_alloc_bytes, "local_bytes", (json_int_t)d->local_bytes,
        "sub_group_sizes", (json_int_t)d->sub_group_sizes, "status", state_of(d), "reason",
        d->reason, "flushes_subnormals", d->flushes_subnormals, "loses_zero_signs",
        d->loses_zero_signs, "default", d->is_default);
}

static void print_device(const chi_device_info *d)
{
    char memory[TEXT_ROOM];
    printf("%s #%zu %s\n", d->is_default ? "*" : " ", d->index, d->name);
    text_say(stdout, 0, "    %s, %u units, %s, %s, driver %s, %s%s%s%s%s", d->type, d->units,
             text_bytes(d->memory_bytes, memory), d->platform, d->driver, state_of(d),
             *d->reason ? ": " : "", d->reason, d->flushes_subnormals ? ", flushes subnormals" : "",
             d->loses_zero_signs ? ", loses signs of zeros" : "");
    printf("    --device '%s'\n", d->selector);
}

int command_devices(int argc, char **argv)
{
    tool t = { 0 };
    size_t count = 0;
    chi_device_info *list = NULL;
    const tool_command command = {
        "devices [--json]",
        "What OpenCL devices there are, what is wrong with them, and a selector for each.",
        "chiaro devices --json", TOOL_JSON, 0
    };
    const int result = tool_parse(&t, argc, argv, &command, NULL, 0, NULL, NULL);
    if (result != TOOL_DONE || t.help)
        return result;
    const chi_status st = chi_device_list(&t.options, &list, &count);
    if (st != CHI_OK)
        return tool_fail(st);
    json_t *all = json_array();
    for (size_t i = 0; i < count; i++) {
        const chi_device_info *d = &list[i];
        if (t.json)
            json_array_append_new(all, as_json(d));
        else
            print_device(d);
    }
    if (t.json) {
        json_dumpf(all, stdout, JSON_INDENT(2));
        printf("\n");
    } else {
        printf("* is the default\n");
    }
    json_decref(all);
    chi_device_list_free(&list);
    return TOOL_DONE;
}
