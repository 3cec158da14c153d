// SPDX-License-Identifier: Apache-2.0
// queue.c: waiting for the device, without a busy loop and without a silent hang; faults; times by events.
//
// A wait sleeps until the driver calls back. The status is also looked at now and then, so that a driver
// that forgets the call costs a moment and no more, and a device that does not answer is named in the log. Where the driver
// wants the waiting thread for work (about.h), it gets it: no log then.
#include <errno.h>
#include <pthread.h>
#include <stdatomic.h>
#include <stdio.h>
#include <string.h>
#include <time.h>

#include "../base/clock.h"
#include "../base/memory.h"
#include "cl.h"

// Outlives the device where a driver still owes a call: the last holder frees it.
struct chi__gate {
    pthread_mutex_t lock;
    pthread_cond_t changed;
    unsigned calls;
    atomic_uint holders;
};

typedef struct chi__timed {
    chi__kernel *kernel;
    cl_event event;
} chi__timed;

chi_status chi__gate_create(chi_device *dev)
{
    pthread_condattr_t clock;
    dev->gate = chi__alloc(1, sizeof *dev->gate);
    if (!dev->gate)
        return chi__fail(dev, CHI_ERR_MEMORY, "no memory for a device's record");
    pthread_mutex_init(&dev->gate->lock, NULL);
    pthread_condattr_init(&clock);
    pthread_condattr_setclock(&clock, CLOCK_MONOTONIC);
    pthread_cond_init(&dev->gate->changed, &clock);
    pthread_condattr_destroy(&clock);
    atomic_init(&dev->gate->holders, 1);
    return CHI_OK;
}

static void drop(chi__gate *gate)
{
    if (atomic_fetch_sub(&gate->holders, 1) != 1)
        return;
    pthread_cond_destroy(&gate->changed);
    pthread_mutex_destroy(&gate->lock);
    chi__free(gate);
}

void chi__gate_free(chi_device *dev)
{
    if (dev->gate)
        drop(dev->gate);
    dev->gate = NULL;
}

static void CL_CALLBACK on_complete(cl_event event, cl_int status, void *user)
{
    (void)event;
    (void)status;
    chi__gate *gate = user;
    pthread_mutex_lock(&gate->lock);
    gate->calls++;
    pthread_cond_signal(&gate->changed);
    pthread_mutex_unlock(&gate->lock);
    drop(gate);
}

static unsigned calls_of(chi__gate *gate)
{
    pthread_mutex_lock(&gate->lock);
    const unsigned calls = gate->calls;
    pthread_mutex_unlock(&gate->lock);
    return calls;
}

// Until a call came that was not there at `seen`, or `us` have passed.
static void sleep_at(chi__gate *gate, unsigned *seen, double us)
{
    const double until = chi__now_us() + us;
    const struct timespec deadline = { (time_t)(until * 1e-6), (long)((until - 1e6 * (double)(time_t)(until * 1e-6)) * 1e3) };
    pthread_mutex_lock(&gate->lock);
    while (gate->calls == *seen && pthread_cond_timedwait(&gate->changed, &gate->lock, &deadline) != ETIMEDOUT)
        ;
    *seen = gate->calls;
    pthread_mutex_unlock(&gate->lock);
}

// CL_COMPLETE, an error below, or what comes before.
static cl_int status_of(cl_event event)
{
    cl_int status = CL_QUEUED;
    const cl_int code = clGetEventInfo(event, CL_EVENT_COMMAND_EXECUTION_STATUS, sizeof status, &status, NULL);
    return code == CL_SUCCESS ? status : code;
}

// Whether a CPU device is at work, by the time that this process's threads worked since the last look: on a machine that others
// use work takes as long as it takes. Our own looks take a thousandth of this. Other devices work elsewhere.
static bool still_works(const chi_device *dev, double cpu_us, double wall_us)
{
    return strcmp(dev->info.type, "cpu") == 0 && cpu_us > 0.01 * wall_us;
}

static cl_int poll_event(chi_device *dev, cl_event event)
{
    const double start = chi__now_us(), patience = 30e6 + 4e6 * dev->planned_s;
    double pause = 1e3, warn = patience, looked = start, worked = chi__cpu_us();
    if (dev->waiter_works && clWaitForEvents(1, &event) == CL_SUCCESS)
        return CL_COMPLETE;
    unsigned seen = calls_of(dev->gate);
    atomic_fetch_add(&dev->gate->holders, 1);
    const bool called = clSetEventCallback(event, CL_COMPLETE, on_complete, dev->gate) == CL_SUCCESS;
    if (!called)
        drop(dev->gate);
    cl_int status;
    for (status = status_of(event); status > CL_COMPLETE; status = status_of(event)) {
        sleep_at(dev->gate, &seen, called ? pause : 50);
        pause = pause < 100e3 ? pause * 2 : pause;
        if (chi__now_us() - start < warn)
            continue;
        const double now = chi__now_us(), cpu = chi__cpu_us();
        if (!still_works(dev, cpu - worked, now - looked))
            chi__say(dev, CHI_LOG_WARNING, "%s has not answered for %.0f s; its work should have taken about %.1f s: the driver may hang", dev->info.name, warn * 1e-6, dev->planned_s);
        worked = cpu;
        looked = now;
        warn *= 2;
    }
    return status;
}

chi_status chi__wait_event(chi_device *dev, cl_event event)
{
    cl_int code = clFlush(dev->queue);
    if (code == CL_SUCCESS)
        code = poll_event(dev, event);
    clReleaseEvent(event);
    dev->planned_s = 0;
    return code == CL_SUCCESS ? CHI_OK : chi__cl_fail(dev, "the enqueued work", code);
}

chi_status chi__faults_create(chi_device *dev)
{
    return chi_buffer_create(dev, CHI__FAULT_COUNT * sizeof(uint32_t), &dev->faults);
}

chi_buffer *chi__faults(chi_device *dev) { return dev->faults; }

static chi_status check_faults(chi_device *dev)
{
    static const char *const sentences[CHI__FAULT_COUNT] = {
        [CHI__FAULT_LABEL] = "a label is out of its range",
        [CHI__FAULT_UNIT_ROWS] = "rows that were claimed to have unit length do not",
        [CHI__FAULT_INDEX] = "an index is out of its range",
    };
    uint32_t words[CHI__FAULT_COUNT] = { 0 };
    cl_event event;
    CHI_CL(dev, clEnqueueReadBuffer(dev->queue, dev->faults->memory, CL_FALSE, 0, sizeof words, words, 0, NULL, &event));
    CHI_TRY(chi__wait_event(dev, event));
    dev->unchecked = false;
    for (size_t i = 0; i < CHI__FAULT_COUNT; i++)
        if (words[i] && sentences[i]) {
            CHI_TRY(chi__fill(dev->faults, 0, sizeof words, 0));
            return chi__fail(dev, CHI_ERR_DATA, "device data: %s", sentences[i]);
        }
    return CHI_OK;
}

chi_status chi_device_finish(chi_device *dev)
{
    cl_event event;
    if (dev->lost)
        return chi__fail(dev, CHI_ERR_LOST, "%s was lost after an error: close it and open it again", dev->info.name);
    if (dev->unchecked) // the read of the faults is behind all that was enqueued
        return check_faults(dev);
    CHI_CL(dev, clEnqueueMarkerWithWaitList(dev->queue, 0, NULL, &event));
    return chi__wait_event(dev, event);
}

chi_status chi__time_launch(chi_device *dev, chi__kernel *kernel, cl_event event)
{
    if (dev->timed_count == dev->timed_room) {
        // Waits where much is kept: an event holds memory of the driver.
        if (dev->timed_room >= 4096) {
            chi__times_read(dev);
        } else {
            const size_t room = dev->timed_room * 2 + 64;
            chi__timed *timed = chi__realloc(dev->timed, room, sizeof *timed);
            if (!timed) {
                clReleaseEvent(event);
                return chi__fail(dev, CHI_ERR_MEMORY, "no memory for the profile");
            }
            dev->timed = timed;
            dev->timed_room = room;
        }
    }
    dev->timed[dev->timed_count++] = (chi__timed){ kernel, event };
    return CHI_OK;
}

void chi__times_read(chi_device *dev)
{
    for (size_t i = 0; i < dev->timed_count; i++) {
        cl_ulong start = 0, end = 0;
        const cl_event event = dev->timed[i].event;
        chi_kernel_time *time = &dev->timed[i].kernel->time;
        // Some drivers answer zeros, or an end before the start: those launches count but have no time.
        if (clWaitForEvents(1, &event) == CL_SUCCESS &&
            clGetEventProfilingInfo(event, CL_PROFILING_COMMAND_START, sizeof start, &start, NULL) == CL_SUCCESS &&
            clGetEventProfilingInfo(event, CL_PROFILING_COMMAND_END, sizeof end, &end, NULL) == CL_SUCCESS && end > start) {
            const double us = (double)(end - start) * 1e-3;
            time->total_us += us;
            time->min_us = time->min_us == 0 || us < time->min_us ? us : time->min_us;
        }
        clReleaseEvent(event);
    }
    dev->timed_count = 0;
}

// Kernels of one name from several programs are one entry.
static void add_time(chi_kernel_time *times, size_t capacity, size_t *count, const chi_kernel_time *more)
{
    for (size_t i = 0; i < *count && i < capacity; i++)
        if (strcmp(times[i].name, more->name) == 0) {
            times[i].launches += more->launches;
            times[i].total_us += more->total_us;
            if (times[i].min_us == 0 || (more->min_us > 0 && more->min_us < times[i].min_us))
                times[i].min_us = more->min_us;
            return;
        }
    if (*count < capacity)
        times[*count] = *more;
    (*count)++;
}

chi_status chi_device_kernel_times(chi_device *dev, chi_kernel_time *times, size_t capacity, size_t *count)
{
    *count = 0;
    if (!dev->profile)
        return chi__fail(dev, CHI_ERR_ARGUMENT, "kernel times: the device was opened without options.profile");
    CHI_TRY(chi_device_finish(dev));
    chi__times_read(dev);
    for (const chi__kernel *k = dev->kernels; k; k = k->next)
        if (k->time.launches)
            add_time(times, capacity, count, &k->time);
    return CHI_OK;
}
