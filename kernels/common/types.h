// SPDX-License-Identifier: Apache-2.0
// common/types.h: what every kernel starts with. No contraction: a sum is fused only where it says fma.
#pragma OPENCL FP_CONTRACT OFF

#define CHI_JOIN_(a, b) a##b
#define CHI_JOIN(a, b)  CHI_JOIN_(a, b)
#define CHI_UNROLL      _Pragma("unroll")
#define CHI_UNROLL_4    _Pragma("unroll 4")
#define CHI_ROLLED      _Pragma("nounroll") _Pragma("clang loop vectorize(disable)") // of a short loop that runs seldom: less to compile
// A function of its own, for kernels of one work-item a group: PoCL compiles such a kernel three times, and what it calls once.
// Vectors go by pointer only; get_group_id is the kernel's alone.
#define CHI_OUTLINED static __attribute__((noinline))
// C99's plain inline defines nothing: a compiler that does not inline such a function leaves it undefined (clang 15 for
// NVIDIA) or calls it through a stack (Intel's for GPUs). static alone is no cure: PoCL 3.1 then gives wrong sums (supcon).
// Not where nothing is optimised: Oclgrind 21.10 does not know what that leaves behind (noalias.scope.decl).
#ifndef __NO_INLINE__
#define inline inline __attribute__((always_inline))
#endif

// A sum over n terms is cut into superblocks of this many.
inline uint superblock(const uint n) { return n < 4096u ? 128u : 256u; }

// NaN by bits: compilers fold x != x away under some flags, never this.
inline bool is_nan(const float x) { return (as_uint(x) & 0x7fffffffu) > 0x7f800000u; }
inline bool is_finite(const float x) { return (as_uint(x) & 0x7f800000u) != 0x7f800000u; }
