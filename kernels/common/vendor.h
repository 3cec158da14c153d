// SPDX-License-Identifier: Apache-2.0
// common/vendor.h: the only kernel file that names compilers, vendors or extensions.

#ifdef __has_builtin
#if __has_builtin(__builtin_nontemporal_store)
#define STREAM_STORE(value, at) __builtin_nontemporal_store(value, at)
#endif
#if __has_builtin(__builtin_prefetch) && (defined(__x86_64__) || defined(__aarch64__)) // Oclgrind knows it and cannot run it
#define PREFETCH(at) __builtin_prefetch(at)
#endif
#endif

// A store of data that this kernel will not read: past the caches where the compiler can say so, which saves reading
// the lines first. The bits are those of an ordinary store.
#ifndef STREAM_STORE
#define STREAM_STORE(value, at) (*(at) = (value))
#endif

// Asks for a line that will be read soon: a hint, never more.
#ifndef PREFETCH
#define PREFETCH(at)
#endif

// Whether an array of an item may be indexed by a number known only at run time: a CPU's lies in a cache anyway. A GPU's
// would leave the registers for memory.
#if defined(__x86_64__) || defined(__aarch64__)
#define PRIVATE_ARRAYS 1
#else
#define PRIVATE_ARRAYS 0
#endif

// Sub-groups of a size that a kernel demands (cl_intel_subgroups, cl_intel_required_subgroup_size), for kernels that define
// SUB_GROUPS. On Intel's GPUs an instruction reads a register of a neighbour at no cost, where the number of the neighbour is
// known; CLBlast and dlprimitives multiply that way there alone. Khronos's sub-groups have no size that one could demand; AMD's
// compilers would take an instruction for each such read (v_readlane), where one read of local memory serves four entries
// beside the arithmetic; NVIDIA's driver has no sub-groups. Elsewhere, and without the extension: local memory.
#if defined(SUB_GROUPS) && SUB_GROUPS
#pragma OPENCL EXTENSION cl_intel_subgroups : enable
#pragma OPENCL EXTENSION cl_intel_required_subgroup_size : enable
#define SUB_GROUP_OF(size)       __attribute__((intel_reqd_sub_group_size(size)))
#define SUB_GROUP_NUMBER         ((uint)get_sub_group_id())
#define SUB_GROUP_ITEM           ((uint)get_sub_group_local_id())
#define SUB_GROUP_READ(value, k) intel_sub_group_shuffle(value, k) // the value of item k of the sub-group
#endif
