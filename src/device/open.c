// SPDX-License-Identifier: Apache-2.0
// open.c: opening and closing device handles. Header: include/chiaro/device.h. Which device: select.c.
#include <stdio.h>
#include <string.h>

#include "../base/env.h"
#include "../base/memory.h"
#include "../base/text.h"
#include "about.h"
#include "cache.h"
#include "choose.h"
#include "cl.h"
#include "notes.h"
#include "select.h"

static chi_status fail_open(chi_device *dev, chi_status st)
{
    // The sentence was made without a device to keep it; the log hears it here.
    chi__say_to(&dev->voice.log, CHI_LOG_ERROR, "%s", chi_error_text());
    return st;
}

static chi_status find(chi_device *dev, const chi_device_options *o)
{
    chi_device_info *infos;
    chi__found *found;
    size_t count, chosen = 0;
    const char *selector = o->match && o->match[0] ? o->match : chi__env("CHIARO_DEVICE");
    const char *by = o->match && o->match[0] ? "selector" : selector ? "CHIARO_DEVICE" : "default";
    CHI_TRY(chi__discover(&dev->voice.log, &infos, &found, &count));
    const chi__choosing choosing = { &dev->voice.log, dev->why, sizeof dev->why };
    const chi_status st = chi__select(infos, count, selector ? selector : "auto", chi__choose, &choosing, &chosen);
    if (st == CHI_OK) {
        dev->platform = found[chosen].platform;
        dev->id = found[chosen].id;
        dev->info = infos[chosen];
        dev->info.is_default = count == 1 || !selector || chi__same_text(selector, "auto");
        if (!dev->why[0] && (count == 1 || !selector))
            snprintf(dev->why, sizeof dev->why, count == 1 ? "the only one" : "the only one of %zu that can be used", count);
        else if (!dev->why[0])
            snprintf(dev->why, sizeof dev->why, "asked for by %s \"%.100s\"", by, selector);
        chi__say(dev, CHI_LOG_INFO, "device %s: %s (%s), by %s \"%s\" out of %zu", dev->info.selector, dev->info.name, dev->info.driver, by, selector ? selector : "auto", count);
    }
    chi__free(infos);
    chi__free(found);
    return st;
}

// A part of a CPU device with fewer units; the whole one, and a warning, where the driver cannot divide it.
static void limit_threads(chi_device *dev, unsigned threads)
{
    const cl_device_partition_property by_counts[] = { CL_DEVICE_PARTITION_BY_COUNTS, (cl_device_partition_property)threads,
                                                       CL_DEVICE_PARTITION_BY_COUNTS_LIST_END, 0 };
    cl_device_id part;
    if (threads == 0 || threads >= dev->info.units)
        return;
    const bool whole = chi__about_has(&dev->info, CHI__ABOUT_WHOLE_PARTS);
    const cl_int code = whole ? CL_DEVICE_PARTITION_FAILED : clCreateSubDevices(dev->id, by_counts, 1, &part, NULL);
    if (code != CL_SUCCESS) {
        chi__say(dev, CHI_LOG_WARNING, "%s cannot be limited to %u of its %u units%s: all are used", dev->info.name, threads,
                 dev->info.units, whole ? ", but when its driver is loaded" : "");
        return;
    }
    dev->id = part;
    dev->is_part = true;
    dev->info.units = threads;
}

static uint64_t default_budget(const chi_device_info *info)
{
    return info->memory_bytes / 10 * (info->unified ? 5 : 8);
}

// Everything that does not depend on where context and queue come from.
static chi_status set_up(chi_device *dev, const chi_device_options *o)
{
    dev->core = o->core;
    if (o->core < CHI_CORE_AUTO || o->core > CHI_CORE_GROUP || o->numerics < CHI_NUMERICS_EXACT || o->numerics > CHI_NUMERICS_FAST)
        return chi__fail(NULL, CHI_ERR_ARGUMENT, "device: core %d or numerics %d is none of those in device.h", (int)o->core, (int)o->numerics);
    const char *no_panel = chi__about_why(&dev->info, CHI__ABOUT_NO_PANEL);
    if (no_panel && o->core == CHI_CORE_AUTO && !(o->tile && o->tile[0]))
        dev->core = CHI_CORE_GROUP;
    if (!chi__tile_choice(&dev->core, o->tile && o->tile[0] ? o->tile : NULL, &dev->info, dev->tile))
        return chi__fail(NULL, CHI_ERR_ARGUMENT, "device: there is no tile \"%s\"%s", o->tile,
                         o->core == CHI_CORE_PANEL ? " of the panel core" : o->core == CHI_CORE_GROUP ? " of the group core" : "");
    if (no_panel && dev->core == CHI_CORE_PANEL)
        return chi__fail(NULL, CHI_ERR_UNSUPPORTED, "device: the panel core is not used on %s: %s", dev->info.name, no_panel);
    const unsigned lacks = chi__tile_lacks(dev->tile, &dev->info);
    if (lacks)
        return chi__fail(NULL, CHI_ERR_UNSUPPORTED, "device: tile %s demands sub-groups of %u work-items, which the driver of %s does not offer "
                         "(cl_intel_required_subgroup_size)", dev->tile, lacks, dev->info.name);
    dev->numerics = o->numerics;
    dev->budget = default_budget(&dev->info);
    // A part of a device has as many threads without the one that waits.
    dev->waiter_works = !dev->is_part && strcmp(dev->info.type, "cpu") == 0 && chi__about_has(&dev->info, CHI__ABOUT_WAITER_WORKS);
    chi__fingerprint(&dev->info, dev->fingerprint, sizeof dev->fingerprint);
    CHI_TRY(chi__cache_open(dev, o->cache_dir));
    if (dev->info.state == CHI_DEVICE_DEGRADED)
        chi__say(dev, CHI_LOG_WARNING, "%s: %s", dev->info.name, dev->info.reason);
    return CHI_OK;
}

// The core that is faster here, from the note of an earlier measurement or from one now. Options that name core or tile
// have settled it already.
static void choose_core(chi_device *dev, const chi_device_options *o)
{
    static const char notes[] = "core.notes";
    char note[200];
    double panel_ns = 0.0, group_ns = 0.0;
    if (o->core != CHI_CORE_AUTO || (o->tile && o->tile[0]) || chi__about_has(&dev->info, CHI__ABOUT_NO_PANEL))
        return;
    if (chi__note_read(o->cache_dir, notes, &dev->info, note, sizeof note, NULL) && (strncmp(note, "panel ", 6) == 0 || strncmp(note, "group ", 6) == 0)) {
        dev->core = note[0] == 'p' ? CHI_CORE_PANEL : CHI_CORE_GROUP;
    } else if (chi__core_measure(dev, &panel_ns, &group_ns) == CHI_OK) {
        dev->core = panel_ns <= group_ns || group_ns == 0.0 ? CHI_CORE_PANEL : CHI_CORE_GROUP;
        // Femtoseconds as whole numbers: printf's decimal point follows the locale. Group 0: no need to try it.
        snprintf(note, sizeof note, "%s panel %.0f fs, group %.0f fs a multiply-add, %s", dev->core == CHI_CORE_PANEL ? "panel" : "group",
                 panel_ns * 1e6, group_ns * 1e6, dev->info.name);
        chi__note_add(o->cache_dir, notes, &dev->info, note);
        chi__say(dev, CHI_LOG_INFO, "core: %s", note);
    } else {
        chi__say(dev, CHI_LOG_WARNING, "the cores of %s were not compared, %s is used: %s", dev->info.name,
                 dev->core == CHI_CORE_PANEL ? "panel" : "group", chi_error_text());
        chi_device_clear_error(dev);
    }
    chi__tile_choice(&dev->core, NULL, &dev->info, dev->tile); // the default of a core is always there
    chi__times_read(dev);
    chi__kernels_free(dev); // the trial's: nobody else's kernels are listed
    dev->peak = dev->held;
}

// What is left to do once there is a context and a queue.
static chi_status start(chi_device *dev, const chi_device_options *o)
{
    CHI_TRY(chi__gate_create(dev));
    CHI_TRY(chi__faults_create(dev));
    choose_core(dev, o);
    dev->budget = o->memory_bytes ? o->memory_bytes : default_budget(&dev->info); // the trial was not counted
    dev->budget_asked = o->memory_bytes != 0;
    return chi__tuning_open(dev, o, &dev->tuning);
}

static chi_status make_queue(chi_device *dev)
{
    cl_int code;
    dev->context = clCreateContext(NULL, 1, &dev->id, NULL, NULL, &code);
    CHI_CL(NULL, code);
    dev->queue = clCreateCommandQueue(dev->context, dev->id, dev->profile ? CL_QUEUE_PROFILING_ENABLE : 0, &code);
    CHI_CL(NULL, code);
    return CHI_OK;
}

static chi_device *new_device(const chi_device_options *o)
{
    chi_device *dev = chi__alloc(1, sizeof *dev);
    if (!dev)
        return NULL;
    dev->voice.log = o->log.write ? o->log : chi__default_log;
    dev->profile = o->profile;
    dev->last_kernel = &dev->kernels;
    return dev;
}

chi_status chi_device_open(const chi_device_options *options, chi_device **out)
{
    const chi_device_options none = { 0 }, *o = options ? options : &none;
    *out = NULL;
    chi_device *dev = new_device(o);
    if (!dev)
        return chi__fail(NULL, CHI_ERR_MEMORY, "no memory for a device's record");
    chi_status st;
    if (o->threads)
        chi__about_offer_threads(o->threads);
    CHI_TRY_DONE(find(dev, o));
    limit_threads(dev, o->threads);
    CHI_TRY_DONE(set_up(dev, o));
    CHI_TRY_DONE(make_queue(dev));
    CHI_TRY_DONE(start(dev, o));
    *out = dev;
    return CHI_OK;
done:
    st = fail_open(dev, st);
    chi_device_close(&dev);
    return st;
}

static chi_status adopt(chi_device *dev, cl_context context, cl_device_id device, cl_command_queue queue)
{
    cl_context owner = NULL;
    cl_device_id runs = NULL;
    cl_command_queue_properties properties = 0;
    CHI_CL(NULL, clGetCommandQueueInfo(queue, CL_QUEUE_CONTEXT, sizeof owner, &owner, NULL));
    CHI_CL(NULL, clGetCommandQueueInfo(queue, CL_QUEUE_DEVICE, sizeof runs, &runs, NULL));
    CHI_CL(NULL, clGetCommandQueueInfo(queue, CL_QUEUE_PROPERTIES, sizeof properties, &properties, NULL));
    if (owner != context || runs != device)
        return chi__fail(NULL, CHI_ERR_ARGUMENT, "wrap: the queue belongs to another context or device");
    if (properties & CL_QUEUE_OUT_OF_ORDER_EXEC_MODE_ENABLE)
        return chi__fail(NULL, CHI_ERR_ARGUMENT, "wrap: the queue is out of order; chiaro needs one that keeps order");
    if (dev->profile && !(properties & CL_QUEUE_PROFILING_ENABLE))
        return chi__fail(NULL, CHI_ERR_ARGUMENT, "wrap: options.profile needs a queue with CL_QUEUE_PROFILING_ENABLE");
    CHI_CL(NULL, clGetDeviceInfo(device, CL_DEVICE_PLATFORM, sizeof dev->platform, &dev->platform, NULL));
    dev->id = device;
    chi__facts_read(dev->platform, device, &dev->info);
    chi__about_apply(&dev->info, 1);
    if (dev->info.state == CHI_DEVICE_REFUSED)
        return chi__fail(NULL, CHI_ERR_UNSUPPORTED, "wrap: %s is refused: %s", dev->info.name, dev->info.reason);
    snprintf(dev->info.selector, sizeof dev->info.selector, "name:%.57s", dev->info.name);
    strcpy(dev->why, "of the queue that was given");
    clRetainContext(context);
    clRetainCommandQueue(queue);
    dev->context = context;
    dev->queue = queue;
    return CHI_OK;
}

chi_status chi_device_wrap(cl_context context, cl_device_id device, cl_command_queue queue, const chi_device_options *options,
                           chi_device **out)
{
    const chi_device_options none = { 0 }, *o = options ? options : &none;
    *out = NULL;
    if (o->match || o->threads)
        return chi__fail(NULL, CHI_ERR_ARGUMENT, "wrap: options.match and options.threads choose a device, but one is given");
    chi_device *dev = new_device(o);
    if (!dev)
        return chi__fail(NULL, CHI_ERR_MEMORY, "no memory for a device's record");
    chi_status st;
    CHI_TRY_DONE(adopt(dev, context, device, queue));
    CHI_TRY_DONE(set_up(dev, o));
    CHI_TRY_DONE(start(dev, o));
    *out = dev;
    return CHI_OK;
done:
    st = fail_open(dev, st);
    chi_device_close(&dev);
    return st;
}

void chi__device_drop(chi_device *dev)
{
    if (dev->closed && dev->buffers == 0)
        chi__free(dev);
}

void chi_device_close(chi_device **device)
{
    if (!device || !*device)
        return;
    chi_device *dev = *device;
    *device = NULL;
    if (dev->queue && !dev->lost)
        clFinish(dev->queue);
    chi__times_read(dev);
    chi__free(dev->timed);
    chi_buffer_destroy(&dev->faults);
    chi__kernels_free(dev);
    if (dev->queue)
        clReleaseCommandQueue(dev->queue);
    if (dev->context)
        clReleaseContext(dev->context);
    if (dev->is_part)
        clReleaseDevice(dev->id);
    chi__gate_free(dev);
    chi__tuning_free(&dev->tuning);
    chi__free(dev->cache);
    dev->cache = NULL;
    dev->closed = true;
    chi__device_drop(dev);
}

chi_status chi_device_describe(const chi_device *dev, chi_device_info *out)
{
    *out = dev->info;
    return CHI_OK;
}

const char *chi_device_why(const chi_device *dev) { return dev->why; }
chi_core chi_device_core(const chi_device *dev) { return dev->core; }
const char *chi_device_tile(const chi_device *dev) { return dev->tile; }
const char *chi_device_error(const chi_device *dev) { return dev->voice.error; }
void chi_device_clear_error(chi_device *dev) { dev->voice.error[0] = '\0'; }
cl_command_queue chi_device_queue(const chi_device *dev) { return dev->queue; }
const chi_device_info *chi__device_info(const chi_device *dev) { return &dev->info; }
chi_numerics chi__device_numerics(const chi_device *dev) { return dev->numerics; }
const chi__tuning *chi__device_tuning(const chi_device *dev) { return dev->tuning; }
