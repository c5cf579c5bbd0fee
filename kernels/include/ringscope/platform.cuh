// platform.cuh: what differs between nvcc, NVRTC, clang and the host shim, in one place.
//
// What a kernel's author uses is in the namespace ringscope; what these headers use among themselves is in
// ringscope::detail. Neither has names that a program's own macros are likely to have, nor short names that
// `using namespace ringscope` would bring into its way.
#ifndef RINGSCOPE_PLATFORM_CUH
#define RINGSCOPE_PLATFORM_CUH

#include <ringscope/abi.h>

#if defined(__CUDACC__) || defined(__CUDA__)
#define RINGSCOPE_CUDA 1
#elif defined(RINGSCOPE_CPU)
#define RINGSCOPE_CUDA 0
#include "../../host/shim.h"  // the same sources, one OS thread for each block
#else
// A C++ compiler that compiles no kernels, of a program that launches some: it gets the types that kernels take by
// value, and no code, whether cuda_runtime.h came before or not.
#define RINGSCOPE_DECLARATIONS 1
#endif

#ifndef RINGSCOPE_LEVEL
#define RINGSCOPE_LEVEL 2
#endif
#if RINGSCOPE_LEVEL < 0 || RINGSCOPE_LEVEL > 3
#error "RINGSCOPE_LEVEL is 0 (off), 1 (counters and waypoints), 2 (and latency histograms) or 3 (and events and spans)"
#endif

// Code of two levels may be linked into one program: what depends on the level has a namespace of its own.
#define RINGSCOPE_JOIN_(a, b) a##b
#define RINGSCOPE_JOIN(a, b) RINGSCOPE_JOIN_(a, b)
#define RINGSCOPE_LEVEL_NAMESPACE RINGSCOPE_JOIN(level, RINGSCOPE_LEVEL)

#ifndef RINGSCOPE_DECLARATIONS
// Lets the host compiler see a payload of any type through Word16; nvcc gets by without.
#if RINGSCOPE_CUDA
#define RINGSCOPE_MAY_ALIAS
#define RINGSCOPE_UNROLL _Pragma("unroll")
#else
#define RINGSCOPE_MAY_ALIAS __attribute__((__may_alias__))
#if defined(__clang__)
#define RINGSCOPE_UNROLL _Pragma("unroll")
#else
#define RINGSCOPE_UNROLL _Pragma("GCC unroll 16")
#endif
#endif
// Every function of these headers: a call would cost registers, and its code would differ by level under one name.
#define RINGSCOPE_INLINE __device__ __forceinline__

// Behind a kernel's definition: lets HostDevice call it with CUDA's `void** args`. Nothing on CUDA.
#if RINGSCOPE_CUDA
#define RINGSCOPE_ENTRY(kernel)
#else
#define RINGSCOPE_ENTRY(kernel) \
    extern "C" void kernel##_host(void** args) { ringscope_host::call(&kernel, args); }
#endif

namespace ringscope {
// Sixteen bytes, moved as one; may alias a payload of any type.
struct RINGSCOPE_MAY_ALIAS Word16 {
    alignas(16) ringscope_u32 x;
    ringscope_u32 y, z, w;
};

#if RINGSCOPE_CUDA
// Lanes that work on one message. Block sizes are multiples of it.
constexpr ringscope_u32 LANES_PER_WARP = 32;
RINGSCOPE_INLINE ringscope_u32 lane_index() {
    ringscope_u32 id;
    asm("mov.u32 %0, %%laneid;" : "=r"(id));
    return id;
}
// What follows is for all lanes of the warp together. sync_lanes makes them meet and orders their memory: what any lane did
// before, and what it acquired, comes before what the others do after. A shuffle or a vote hands on its value, and orders no
// memory: between one lane's acquire and another's access, or many lanes' stores and one lane's release, stands a
// sync_lanes.
RINGSCOPE_INLINE void sync_lanes() { __syncwarp(); }
RINGSCOPE_INLINE bool all_lanes(bool v) { return __all_sync(0xffffffffu, v) != 0; }
RINGSCOPE_INLINE ringscope_u32 from_lane0(ringscope_u32 v) { return __shfl_sync(0xffffffffu, v, 0); }
RINGSCOPE_INLINE ringscope_u64 from_lane0(ringscope_u64 v) { return __shfl_sync(0xffffffffu, v, 0); }
RINGSCOPE_INLINE ringscope_u32 from_lane(ringscope_u32 v, ringscope_u32 source) { return __shfl_sync(0xffffffffu, v, source & 31); }
RINGSCOPE_INLINE ringscope_u32 xor_lanes(ringscope_u32 v) {
#if defined(__CUDA_ARCH__) && __CUDA_ARCH__ >= 800
    return __reduce_xor_sync(0xffffffffu, v);
#else
    for (int step = 16; step > 0; step >>= 1) v ^= __shfl_xor_sync(0xffffffffu, v, step);
    return v;
#endif
}
RINGSCOPE_INLINE ringscope_u64 sum_lanes(ringscope_u64 v) {
    for (int step = 16; step > 0; step >>= 1) v += __shfl_xor_sync(0xffffffffu, v, step);
    return v;
}
namespace detail {
// Politeness while waiting, growing with the number of tries: 32 ns to 512 ns.
RINGSCOPE_INLINE void relax(ringscope_u32 attempt) {
    __nanosleep(attempt < 16 ? 32u : attempt < 256 ? 128u : 512u);
}
RINGSCOPE_INLINE ringscope_u32 leading_zeros(ringscope_u64 v) { return (ringscope_u32)__clzll((long long)v); }
// The multiprocessor that the block is on.
RINGSCOPE_INLINE ringscope_u32 multiprocessor() {
    ringscope_u32 id;
    asm("mov.u32 %0, %%smid;" : "=r"(id));
    return id;
}
RINGSCOPE_INLINE void trap() { asm volatile("trap;"); }
// The same number. What is computed from it is computed where it is needed: before a loop it would take a register for all
// of it. No instruction.
RINGSCOPE_INLINE ringscope_u32 computed_here(ringscope_u32 v) {
    asm volatile("" : "+r"(v));
    return v;
}
template <class Type>
RINGSCOPE_INLINE Type* computed_here(Type* p) {
    asm volatile("" : "+l"(p));
    return p;
}
}  // namespace detail
#else
constexpr ringscope_u32 LANES_PER_WARP = 1;
inline ringscope_u32 lane_index() { return 0; }
inline void sync_lanes() {}
inline bool all_lanes(bool v) { return v; }
inline ringscope_u32 from_lane0(ringscope_u32 v) { return v; }
inline ringscope_u64 from_lane0(ringscope_u64 v) { return v; }
inline ringscope_u32 from_lane(ringscope_u32 v, ringscope_u32) { return v; }
inline ringscope_u32 xor_lanes(ringscope_u32 v) { return v; }
inline ringscope_u64 sum_lanes(ringscope_u64 v) { return v; }
namespace detail {
inline void relax(ringscope_u32 attempt) { ringscope_host::relax(attempt); }
inline ringscope_u32 leading_zeros(ringscope_u64 v) { return (ringscope_u32)__builtin_clzll(v); }
inline ringscope_u32 multiprocessor() { return ringscope_host::processor(); }
[[noreturn]] inline void trap() { ringscope_host::trap(); }
inline ringscope_u32 computed_here(ringscope_u32 v) { return v; }
template <class Type>
inline Type* computed_here(Type* p) {
    return p;
}
}  // namespace detail
#endif

// Numbers from 0 over all dimensions. A cluster's blocks are counted like others.
RINGSCOPE_INLINE ringscope_u32 block_index() {
    return blockIdx.x + gridDim.x * (blockIdx.y + gridDim.y * blockIdx.z);
}
RINGSCOPE_INLINE ringscope_u32 block_count() { return gridDim.x * gridDim.y * gridDim.z; }
RINGSCOPE_INLINE ringscope_u32 thread_index() {
    return threadIdx.x + blockDim.x * (threadIdx.y + blockDim.y * threadIdx.z);
}
RINGSCOPE_INLINE ringscope_u32 thread_count() { return blockDim.x * blockDim.y * blockDim.z; }
// Of a block of one dimension: which of its warps the thread is in. A host device's thread is a warp of its own.
RINGSCOPE_INLINE ringscope_u32 warp_index() { return threadIdx.x / LANES_PER_WARP; }
// By all threads of the block that have not returned. They meet, and what any of them did before, and what it acquired, comes
// before what the others do after.
RINGSCOPE_INLINE void sync_block() { __syncthreads(); }
#if RINGSCOPE_CUDA
namespace detail {
extern __shared__ Word16 dynamic_shared[];
}
// What the launch gave each block of shared memory (LaunchOptions::shared_bytes), aligned to 16 bytes. Uninitialized; on the
// host device zeros, and null without.
RINGSCOPE_INLINE void* shared_memory() { return detail::dynamic_shared; }
#else
inline void* shared_memory() { return ringscope_shared_memory; }
#endif
}  // namespace ringscope
#endif  // RINGSCOPE_DECLARATIONS

#endif  // RINGSCOPE_PLATFORM_CUH
