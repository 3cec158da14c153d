// SPDX-License-Identifier: Apache-2.0
// device.h: finding, choosing and opening OpenCL devices. Host file: src/device/open.c.
//
// Selector grammar (API, --device, CHIARO_DEVICE): a comma list tried in order of
//   auto | gpu | cpu | accelerator | #INDEX | name:TEXT | platform:TEXT | vendor:TEXT | pci:ADDRESS
// and !TERM to exclude. TEXT matches case-insensitively anywhere; empty terms say nothing. A bare word that is none of
// these is an error that names the nearest. A term that matches several devices of which none is the
// default choice, or a list that matches none, is an error that lists every candidate with a
// selector for it. "auto" (the default) is the fastest usable device by a short probe, whose times are kept for a day.
// Precedence: chi_device_options.match, then CHIARO_DEVICE, then auto.
#ifndef CHIARO_DEVICE_H
#define CHIARO_DEVICE_H

#include "status.h"

#ifdef __cplusplus
extern "C" {
#endif

typedef struct chi_device chi_device;

typedef enum chi_core {
    CHI_CORE_AUTO = 0, // the faster of the two by a short measurement, cached per device
    CHI_CORE_PANEL,    // one work-item per group, register tiles of explicit vectors (CPUs)
    CHI_CORE_GROUP,    // work-group tiles in local memory (GPUs)
} chi_core;

typedef enum chi_numerics {
    CHI_NUMERICS_EXACT = 0, // the same bits on every device, core, tile and thread count
    CHI_NUMERICS_FAST,      // also allows providers that only repeat on one device
} chi_numerics;

typedef struct chi_device_options {
    const char *match;     // selector, see above; default: CHIARO_DEVICE, else "auto"
    const char *cache_dir; // compiled programs and probe results; default: CHIARO_CACHE_DIR, else
                           // $XDG_CACHE_HOME/chiaro, else ~/.cache/chiaro; "" for none
    chi_log log;           // default: errors and warnings to stderr
    bool profile;          // time each kernel with device events; default: off
    uint64_t memory_bytes; // bound on all device bytes held by this handle; default: 0.8 of the
                           // device's memory, 0.5 where it shares the host's
    unsigned threads;      // compute units to use on a CPU device; default: all. A device that
                           // cannot be partitioned says so in a warning and uses all.
    chi_numerics numerics; // default: exact
    chi_core core;         // default: measured
    const char *tile;      // name of a tile (chi_tile_name; any point of the space that `chiaro tune
                           // --help` describes), for everything; default: what tuning records say
                           // (tuner.h), else the table's entry for this class of device
    const char *tune_dir;  // folder of tuning records; default: CHIARO_TUNE_DIR, else
                           // $XDG_DATA_HOME/chiaro/tune, else ~/.local/share/chiaro/tune; "" for none
} chi_device_options;

typedef enum chi_device_state {
    CHI_DEVICE_OK = 0,
    CHI_DEVICE_DEGRADED,  // usable; .reason says what is wrong with it
    CHI_DEVICE_REFUSED,   // never chosen; .reason says why
    CHI_DEVICE_DUPLICATE, // the same hardware through another platform is listed as ok
} chi_device_state;

typedef struct chi_device_info {
    size_t index;           // position in the listing, as in "#index"
    char selector[64];      // names this device and no other
    char name[128], vendor[128], driver[128], platform[128], version[128];
    char pci[16];           // "0000:03:00.0", "" where unknown
    char type[16];          // "cpu", "gpu", "accelerator" or "other"
    unsigned units;         // compute units
    unsigned clock_mhz;
    unsigned vector_width;  // native float vector width, 0 if unknown
    uint64_t memory_bytes, max_alloc_bytes, local_bytes;
    size_t max_group;       // largest work-group
    unsigned sub_group_sizes; // of sub-groups that a kernel may demand (Intel), added up: 8 + 16 + 32; 0: none
    bool local_is_global;   // local memory is ordinary memory (CPUs)
    bool unified;           // shares the host's memory
    bool flushes_subnormals;
    bool loses_zero_signs;  // its compiler takes −0 for +0: zeros are right, their signs are not
    chi_device_state state;
    char reason[256];       // "" when ok
    bool is_default;        // what "auto" opens
} chi_device_info;

// Every device of every platform, usable or not, in platform order. *list is one allocation, freed
// by chi_device_list_free. No OpenCL, no platform or no device at all: CHI_ERR_NO_DEVICE with a
// sentence that says what to install.
chi_status chi_device_list(const chi_device_options *options, chi_device_info **list, size_t *count);
void chi_device_list_free(chi_device_info **list);

chi_status chi_device_open(const chi_device_options *options, chi_device **out);
void chi_device_close(chi_device **dev);

chi_status chi_device_describe(const chi_device *dev, chi_device_info *out);
// Why this device and no other: "the only one", "the fastest of 3 in a probe, 1.250 ms", "asked for by selector "gpu"", … As
// long as the device.
const char *chi_device_why(const chi_device *dev);
chi_core chi_device_core(const chi_device *dev);         // the core in use, never CHI_CORE_AUTO
const char *chi_device_tile(const chi_device *dev);      // name of the tile that was asked for, or the
                                                         // default; chi_tune_tile tells what is used

// Names of the tiles of one core that ship, in table order; NULL after the last.
const char *chi_tile_name(chi_core core, size_t index);

// Waits for all enqueued work. Faults in device data (a label out of range, a false claim of unit
// rows) surface here or at any other wait, as CHI_ERR_DATA.
chi_status chi_device_finish(chi_device *dev);

// The first sentence of failure kept on this device, "" if none; cleared by the second function.
const char *chi_device_error(const chi_device *dev);
void chi_device_clear_error(chi_device *dev);

// Device bytes held through this handle now, and the most at any time since open or reset.
void chi_device_memory(const chi_device *dev, uint64_t *current_bytes, uint64_t *peak_bytes);
void chi_device_reset_peak(chi_device *dev);
uint64_t chi_device_budget(const chi_device *dev); // options.memory_bytes, or its default

// Times by device events, with options.profile: one entry a kernel name, in order of first use.
typedef struct chi_kernel_time {
    char name[64];
    size_t launches;
    double total_us, min_us;
} chi_kernel_time;
chi_status chi_device_kernel_times(chi_device *dev, chi_kernel_time *times, size_t capacity, size_t *count);

// What the device can do at most, measured in about a second.
typedef struct chi_device_peak {
    double fma_gflops;         // independent chains of fused multiply-adds, two flop each
    double copy_gbytes_per_s;  // 64 MiB to another 64 MiB: bytes read and bytes written
    double local_gbytes_per_s; // reads of local memory, all work-groups together
    double launch_us;          // one empty kernel, from its launch to the end of the wait for it
    double enqueue_us;         // host time of one launch among many that nobody waits for in between
} chi_device_peak;
chi_status chi_device_measure_peak(chi_device *dev, chi_device_peak *out);

// The folder of compiled programs that a device opened with this cache_dir uses ("" and CHIARO_CACHE=0 mean
// none: CHI_ERR_UNSUPPORTED), and its emptying: entries and what a killed run left of one, nothing else.
chi_status chi_cache_path(const char *cache_dir, char *to, size_t room);
chi_status chi_cache_clear(const char *cache_dir, size_t *removed);

#ifdef __cplusplus
}
#endif
#endif
