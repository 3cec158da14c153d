// SPDX-License-Identifier: Apache-2.0
// device.h (internal): what the layers above the device may ask of it. Nothing here names OpenCL;
// src/device/cl.h does, for this folder alone.
#ifndef CHI_DEVICE_DEVICE_H
#define CHI_DEVICE_DEVICE_H

#include <chiaro/matrix.h>

#include "../base/fail.h"

// ---- kernels -------------------------------------------------------------------------------
// A compiled kernel, owned by the device and shared by everyone on it.
typedef struct chi__kernel chi__kernel;

// Builds kernels/<file> with `defines` ("TILE_M=8 VEC=16": names and values separated by spaces, "" for
// none) unless this device already did, from the disk cache where there is one. Errors name file and
// line of the original kernel.
chi_status chi__kernel_get(chi_device *dev, const char *file, const char *name, const char *defines, chi__kernel **out);

// Hash of the texts of kernels/<file>, names ended by a NULL; it changes when any of them does.
chi_status chi__source_hash(chi_device *dev, const char *const *files, uint64_t *out);

// ---- launches ------------------------------------------------------------------------------
typedef enum chi__arg_kind { CHI__ARG_NONE = 0, CHI__ARG_U32, CHI__ARG_I32, CHI__ARG_U64, CHI__ARG_F32, CHI__ARG_BUFFER } chi__arg_kind;
typedef struct chi__arg {
    chi__arg_kind kind;
    union { uint32_t u32; int32_t i32; uint64_t u64; float f32; const chi_buffer *buffer; } as;
} chi__arg;
#define U32(x) ((chi__arg){ .kind = CHI__ARG_U32, .as.u32 = (uint32_t)(x) })
#define I32(x) ((chi__arg){ .kind = CHI__ARG_I32, .as.i32 = (int32_t)(x) })
#define U64(x) ((chi__arg){ .kind = CHI__ARG_U64, .as.u64 = (uint64_t)(x) })
#define F32(x) ((chi__arg){ .kind = CHI__ARG_F32, .as.f32 = (x) })
#define BUF(x) ((chi__arg){ .kind = CHI__ARG_BUFFER, .as.buffer = (x) }) // NULL passes a null pointer

enum { CHI__MAX_ARGS = 32 };

// One launch. args in kernel order, as many as the kernel has (checked). A global size of 0 is no launch.
typedef struct chi__launch {
    chi__kernel *kernel;
    size_t global[3], local[3]; // work-items; unused dimensions 0; global is rounded up to local
    chi__arg args[CHI__MAX_ARGS];
} chi__launch;
chi_status chi__run(chi_device *dev, const chi__launch *launch);

// `groups` groups along dimension 0 of work that may be long, in as many launches as the device's time
// limit asks for. args[0] must be U32(0): it receives the number of the launch's first group, and the
// kernel's group is that plus get_group_id(0). flop: planned work of all groups together.
chi_status chi__run_groups(chi_device *dev, const chi__launch *launch, size_t groups, double flop);

// ---- memory ------------------------------------------------------------------------------
// Not filled with zeros, unlike chi_buffer_create: for scratch that a kernel writes before it reads.
chi_status chi__scratch_create(chi_device *dev, uint64_t bytes, chi_buffer **out);
chi_device *chi__buffer_device(const chi_buffer *buffer);
// What a buffer of so many bytes takes of the budget.
uint64_t chi__buffer_counted(uint64_t bytes);
// A device fill, enqueued.
chi_status chi__fill(chi_buffer *to, uint64_t offset_bytes, uint64_t bytes, uint32_t word);
// Bytes that a plan may still take: budget less what is held.
uint64_t chi__memory_left(const chi_device *dev);
uint64_t chi__max_alloc(const chi_device *dev);
bool chi__budget_is_asked(const chi_device *dev); // options.memory_bytes, not the default

// ---- CLBlast -----------------------------------------------------------------------------
// Whether this build has it (meson option `clblast`), and out = scale · x yᵀ by it, enqueued: checked matrices.
bool chi__clblast_is_here(void);
chi_status chi__clblast_product(chi_device *dev, chi_matrix x, chi_matrix y, float scale, chi_matrix out);

// ---- facts -----------------------------------------------------------------------------
const chi_device_info *chi__device_info(const chi_device *dev);
chi_numerics chi__device_numerics(const chi_device *dev);

// Faults that kernels note in device memory: word `fault` of this buffer becomes nonzero; the next wait
// turns it into CHI_ERR_DATA with the fault's sentence and clears it.
typedef enum chi__fault { CHI__FAULT_LABEL = 0, CHI__FAULT_UNIT_ROWS, CHI__FAULT_INDEX, CHI__FAULT_COUNT = 8 } chi__fault;
chi_buffer *chi__faults(chi_device *dev);

// A matrix argument, checked: belongs to dev, has the rows and columns named, fits its buffer, stride ≥ cols, offset
// and size below 2³² floats. The sentence begins with `what` ("clip: grad_x").
chi_status chi__check_matrix(chi_device *dev, chi_matrix m, size_t rows, size_t cols, const char *what);
static inline size_t chi__stride(chi_matrix m) { return m.stride ? m.stride : m.cols; }

// Asked of the layer above, src/tune/, which alone knows tiles: the name of the tile for a device, and its core where that
// is still CHI_CORE_AUTO. asked NULL: the table's choice. false: there is no such tile of that core.
enum { CHI__TILE_NAME = 40 }; // bytes of the longest name
bool chi__tile_choice(chi_core *core, const char *asked, const chi_device_info *info, char *name);
// Work-items of the sub-groups that the tile of that name demands and the device lacks; 0: it lacks nothing.
unsigned chi__tile_lacks(const char *name, const chi_device_info *info);
// What the handle keeps for that layer: read once, when core and tile are settled.
typedef struct chi__tuning chi__tuning;
chi_status chi__tuning_open(chi_device *dev, const chi_device_options *options, chi__tuning **out);
void chi__tuning_free(chi__tuning **tuning);
const chi__tuning *chi__device_tuning(const chi_device *dev);
// Asked of src/tiles/core.c: nanoseconds a multiply-add takes in each core with its default tile. group_ns 0: not tried,
// for the panel core is near what the device can do.
chi_status chi__core_measure(chi_device *dev, double *panel_ns, double *group_ns);

// ", settings " and a hash of what the environment tells drivers about the code that they make; "": nothing. Returns `to`.
enum { CHI__SETTINGS_ROOM = 32 };
const char *chi__driver_settings(char *to);

#endif
