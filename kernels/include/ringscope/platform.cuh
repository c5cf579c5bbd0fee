// platform.cuh: what differs between nvcc, NVRTC, clang and the host shim, in one place.
#ifndef RINGSCOPE_PLATFORM_CUH
#define RINGSCOPE_PLATFORM_CUH

#if defined(__CUDACC__) || defined(__CUDA__)
#define RINGSCOPE_CUDA 1
#else
#define RINGSCOPE_CUDA 0
#include "../../host/shim.h"  // the same sources, one CPU thread for each block
#endif

#ifndef RINGSCOPE_LEVEL
#define RINGSCOPE_LEVEL 2
#endif
#if RINGSCOPE_LEVEL < 0 || RINGSCOPE_LEVEL > 2
#error "RINGSCOPE_LEVEL is 0 (off), 1 (counters) or 2 (counters and latency histograms)"
#endif

// Code of two levels may be linked into one program; each has its own names.
#define RINGSCOPE_JOIN_(a, b) a##b
#define RINGSCOPE_JOIN(a, b) RINGSCOPE_JOIN_(a, b)
#define RINGSCOPE_LEVEL_NAMESPACE RINGSCOPE_JOIN(level, RINGSCOPE_LEVEL)

// Lets the host compiler see a payload of any type through Word16; nvcc gets by without.
#if RINGSCOPE_CUDA
#define RINGSCOPE_MAY_ALIAS
#define RINGSCOPE_UNROLL _Pragma("unroll")
#else
#define RINGSCOPE_MAY_ALIAS __attribute__((__may_alias__))
#define RINGSCOPE_UNROLL
#endif

// Behind a kernel's definition: lets HostDevice call it with CUDA's `void** args`. Nothing on CUDA.
#if RINGSCOPE_CUDA
#define RINGSCOPE_ENTRY(kernel)
#else
#define RINGSCOPE_ENTRY(kernel) \
    extern "C" void kernel##_host(void** args) { ringscope_host::call(&kernel, args); }
#endif

namespace ringscope {
using u8 = ringscope_u8;
using u32 = ringscope_u32;
using u64 = ringscope_u64;

// Sixteen bytes, moved as one; may alias a payload of any type.
struct RINGSCOPE_MAY_ALIAS Word16 {
    alignas(16) u32 x;
    u32 y, z, w;
};

#if RINGSCOPE_CUDA
// Lanes that work on one message. Block sizes are multiples of it.
constexpr u32 LANES = 32;
__device__ __forceinline__ u32 lane() {
    u32 id;
    asm("mov.u32 %0, %%laneid;" : "=r"(id));
    return id;
}
// What follows is for all lanes of the warp together. sync_lanes makes them meet and orders their memory: what any lane did
// before, and what it acquired, comes before what the others do after. A shuffle or a vote hands on its value, and orders no
// memory: between one lane's acquire and another's access, or many lanes' stores and one lane's release, stands a sync_lanes.
__device__ __forceinline__ void sync_lanes() { __syncwarp(); }
__device__ __forceinline__ bool all_lanes(bool v) { return __all_sync(0xffffffffu, v) != 0; }
__device__ __forceinline__ u32 from_lane0(u32 v) { return __shfl_sync(0xffffffffu, v, 0); }
__device__ __forceinline__ u64 from_lane0(u64 v) { return __shfl_sync(0xffffffffu, v, 0); }
__device__ __forceinline__ u32 xor_lanes(u32 v) {
#if defined(__CUDA_ARCH__) && __CUDA_ARCH__ >= 800
    return __reduce_xor_sync(0xffffffffu, v);
#else
    for (int step = 16; step > 0; step >>= 1) v ^= __shfl_xor_sync(0xffffffffu, v, step);
    return v;
#endif
}
__device__ __forceinline__ u64 sum_lanes(u64 v) {
    for (int step = 16; step > 0; step >>= 1) v += __shfl_xor_sync(0xffffffffu, v, step);
    return v;
}
// Politeness while waiting, growing with the number of tries: 32 ns to 512 ns.
__device__ __forceinline__ void relax(u32 attempt) {
    __nanosleep(attempt < 16 ? 32u : attempt < 256 ? 128u : 512u);
}
__device__ __forceinline__ u32 leading_zeros(u64 v) { return (u32)__clzll((long long)v); }
#else
constexpr u32 LANES = 1;
inline u32 lane() { return 0; }
inline void sync_lanes() {}
inline bool all_lanes(bool v) { return v; }
inline u32 from_lane0(u32 v) { return v; }
inline u64 from_lane0(u64 v) { return v; }
inline u32 xor_lanes(u32 v) { return v; }
inline u64 sum_lanes(u64 v) { return v; }
inline void relax(u32 attempt) { ringscope_host::relax(attempt); }
inline u32 leading_zeros(u64 v) { return (u32)__builtin_clzll(v); }
#endif

__device__ __forceinline__ u32 block_index() {
    return blockIdx.x + gridDim.x * (blockIdx.y + gridDim.y * blockIdx.z);
}
__device__ __forceinline__ u32 block_count() { return gridDim.x * gridDim.y * gridDim.z; }
__device__ __forceinline__ u32 thread_index() {
    return threadIdx.x + blockDim.x * (threadIdx.y + blockDim.y * threadIdx.z);
}
__device__ __forceinline__ u32 thread_count() { return blockDim.x * blockDim.y * blockDim.z; }
}  // namespace ringscope

#endif  // RINGSCOPE_PLATFORM_CUH
