// SPDX-License-Identifier: Apache-2.0
// common/vendor.h: the only kernel file that names compilers, vendors or extensions.

// A store of data that this kernel will not read: past the caches where the compiler can say so, which saves reading
// the lines first. The bits are those of an ordinary store.
#ifdef __has_builtin
#if __has_builtin(__builtin_nontemporal_store)
#define STREAM_STORE(value, at) __builtin_nontemporal_store(value, at)
#endif
#endif
#ifndef STREAM_STORE
#define STREAM_STORE(value, at) (*(at) = (value))
#endif
