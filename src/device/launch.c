// SPDX-License-Identifier: Apache-2.0
// launch.c: a launch is a record: its arguments are checked, its work cut to the device's time limit.
#include <string.h>

#include "../base/memory.h"
#include "cl.h"

static const char *const kind_names[] = { "nothing", "uint", "int", "ulong", "float", "a buffer" };

static chi_status check_args(chi_device *dev, const chi__launch *launch)
{
    const chi__kernel *kernel = launch->kernel;
    cl_uint count = 0;
    while (count < CHI__MAX_ARGS && launch->args[count].kind != CHI__ARG_NONE)
        count++;
    if (count != kernel->args)
        return chi__fail(dev, CHI_ERR_INTERNAL, "kernel %s takes %u arguments, the launch has %u", kernel->time.name,
                         kernel->args, count);
    for (cl_uint i = 0; i < count; i++) {
        const chi__arg *arg = &launch->args[i];
        if (kernel->kinds[i] != CHI__ARG_NONE && kernel->kinds[i] != arg->kind)
            return chi__fail(dev, CHI_ERR_INTERNAL, "kernel %s: argument %u is %s, the launch gives %s", kernel->time.name, i,
                             kind_names[kernel->kinds[i]], kind_names[arg->kind]);
        if (arg->kind == CHI__ARG_BUFFER && arg->as.buffer && arg->as.buffer->dev != dev)
            return chi__fail(dev, CHI_ERR_ARGUMENT, "kernel %s: argument %u is another device's buffer", kernel->time.name, i);
    }
    return CHI_OK;
}

static cl_int set_arg(cl_kernel kernel, cl_uint index, const chi__arg *arg)
{
    switch (arg->kind) {
    case CHI__ARG_U32:
    case CHI__ARG_I32:
    case CHI__ARG_F32:
        return clSetKernelArg(kernel, index, 4, &arg->as);
    case CHI__ARG_U64:
        return clSetKernelArg(kernel, index, 8, &arg->as);
    case CHI__ARG_BUFFER:
        return clSetKernelArg(kernel, index, sizeof(cl_mem), arg->as.buffer ? &arg->as.buffer->memory : NULL);
    case CHI__ARG_NONE:
        break;
    }
    return CL_INVALID_ARG_VALUE;
}

static chi_status enqueue(chi_device *dev, const chi__launch *launch)
{
    size_t global[3], local[3];
    cl_uint dims = 1;
    for (int d = 0; d < 3; d++) {
        local[d] = launch->local[d] ? launch->local[d] : 1;
        global[d] = chi__round_up(launch->global[d] ? launch->global[d] : 1, local[d]);
        if (global[d] > 1)
            dims = (cl_uint)d + 1;
    }
    cl_event event = NULL;
    const cl_int code = clEnqueueNDRangeKernel(dev->queue, launch->kernel->at, dims, NULL, global,
                                               launch->local[0] ? local : NULL, 0, NULL, dev->profile ? &event : NULL);
    if (code != CL_SUCCESS)
        return chi__cl_fail(dev, launch->kernel->time.name, code);
    dev->unchecked = true;
    launch->kernel->time.launches++;
    return event ? chi__time_launch(dev, launch->kernel, event) : CHI_OK;
}

static chi_status prepare(chi_device *dev, const chi__launch *launch)
{
    if (dev->lost)
        return chi__fail(dev, CHI_ERR_LOST, "%s was lost after an error: close it and open it again", dev->info.name);
    CHI_TRY(check_args(dev, launch));
    for (cl_uint i = 0; i < launch->kernel->args; i++)
        CHI_CL(dev, set_arg(launch->kernel->at, i, &launch->args[i]));
    return CHI_OK;
}

chi_status chi__run(chi_device *dev, const chi__launch *launch)
{
    if (launch->global[0] == 0)
        return CHI_OK;
    CHI_TRY(prepare(dev, launch));
    return enqueue(dev, launch);
}

// Operations a second that even a poor kernel reaches: a guess on the low side keeps launches short.
static double rate(const chi_device_info *info)
{
    const double clock = (info->clock_mhz ? info->clock_mhz : 1000) * 1e6;
    return info->units * clock * (strcmp(info->type, "gpu") == 0 ? 16 : 4);
}

// Groups that one launch may hold: a whole number for each unit, so that none idles, and one for each even where a group is
// long, as fewer would take no less time.
static size_t groups_per_launch(const chi_device *dev, size_t groups, double flop)
{
    const double limit_s = strcmp(dev->info.type, "gpu") == 0 ? 0.05 : 0.5;
    const double fit = limit_s * rate(&dev->info) * (double)groups / (flop > 1 ? flop : 1);
    if (fit >= (double)groups)
        return groups;
    const size_t units = dev->info.units, most = fit > (double)units ? (size_t)fit - (size_t)fit % units : units;
    return chi__round_up(chi__div_up(groups, chi__div_up(groups, most)), units); // launches of one size
}

chi_status chi__run_groups(chi_device *dev, const chi__launch *launch, size_t groups, double flop)
{
    if (groups == 0)
        return CHI_OK;
    if (launch->args[0].kind != CHI__ARG_U32 || launch->args[0].as.u32 != 0 || groups > UINT32_MAX)
        return chi__fail(dev, CHI_ERR_INTERNAL, "kernel %s: %zu groups, or no U32(0) in front for the first one",
                         launch->kernel->time.name, groups);
    CHI_TRY(prepare(dev, launch));
    const size_t local = launch->local[0] ? launch->local[0] : 1, per = groups_per_launch(dev, groups, flop);
    chi__launch slice = *launch;
    for (size_t first = 0; first < groups; first += per) {
        const size_t count = groups - first < per ? groups - first : per;
        if (first) {
            const chi__arg arg = U32(first);
            CHI_CL(dev, set_arg(launch->kernel->at, 0, &arg));
            CHI_CL(dev, clFlush(dev->queue));
        }
        slice.global[0] = count * local;
        slice.local[0] = local;
        CHI_TRY(enqueue(dev, &slice));
    }
    dev->planned_s += flop / rate(&dev->info);
    return CHI_OK;
}
