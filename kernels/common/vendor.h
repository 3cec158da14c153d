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
