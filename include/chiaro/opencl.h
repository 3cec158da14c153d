// SPDX-License-Identifier: Apache-2.0
// opencl.h: for users who bring their own OpenCL context and queue. The only public header that needs CL/cl.h.
#ifndef CHIARO_OPENCL_H
#define CHIARO_OPENCL_H

#ifndef CL_TARGET_OPENCL_VERSION
#define CL_TARGET_OPENCL_VERSION 120
#endif
#include <CL/cl.h>

#include "matrix.h"

#ifdef __cplusplus
extern "C" {
#endif

// A handle over the caller's context, device and in-order queue, which stay the caller's (retained until
// close). options.match and options.threads are errors here.
chi_status chi_device_wrap(cl_context context, cl_device_id device, cl_command_queue queue,
                           const chi_device_options *options, chi_device **out);

// A buffer over the caller's memory object (retained until destroy); counts no bytes of the budget.
chi_status chi_buffer_wrap(chi_device *dev, cl_mem memory, chi_buffer **out);
cl_mem chi_buffer_memory(const chi_buffer *buffer);
cl_command_queue chi_device_queue(const chi_device *dev);

#ifdef __cplusplus
}
#endif
#endif
