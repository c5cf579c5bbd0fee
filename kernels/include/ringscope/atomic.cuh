// atomic.cuh: every atomic of ringscope, with its scope and its order in its name.
//
// Telemetry uses red_add and store_relaxed alone: RED has no result, so nothing waits for it, and relaxed
// order puts no fence in front of it. Acquire and release belong to the rings.
#ifndef RINGSCOPE_ATOMIC_CUH
#define RINGSCOPE_ATOMIC_CUH

namespace ringscope {
#if RINGSCOPE_CUDA
// `.global` is written out: through a generic address ptxas makes an ATOM with a compare-and-swap loop.
__device__ __forceinline__ u64 global_address(const void* p) { return (u64)__cvta_generic_to_global(p); }

__device__ __forceinline__ void red_add(u64* p, u64 v) {
    asm volatile("red.relaxed.gpu.global.add.u64 [%0], %1;" ::"l"(global_address(p)), "l"(v) : "memory");
}
__device__ __forceinline__ void store_relaxed(u64* p, u64 v) {
    asm volatile("st.relaxed.gpu.global.u64 [%0], %1;" ::"l"(global_address(p)), "l"(v) : "memory");
}
// For metrics: results are needed of none but swap_if, which only a gauge's extremes use.
__device__ __forceinline__ void raise_relaxed(u64* p, u64 v) {
    asm volatile("red.relaxed.gpu.global.max.u64 [%0], %1;" ::"l"(global_address(p)), "l"(v) : "memory");
}
__device__ __forceinline__ void add_double(u64* p, double v) {
    asm volatile("red.relaxed.gpu.global.add.f64 [%0], %1;" ::"l"(global_address(p)), "d"(v) : "memory");
}
__device__ __forceinline__ u64 load_relaxed(const u64* p) {
    u64 v;
    asm volatile("ld.relaxed.gpu.global.u64 %0, [%1];" : "=l"(v) : "l"(global_address(p)) : "memory");
    return v;
}
// Whether `seen` was there and `v` is now; else `seen` is what is there.
__device__ __forceinline__ bool swap_if(u64* p, u64& seen, u64 v) {
    u64 old;
    asm volatile("atom.relaxed.gpu.global.cas.b64 %0, [%1], %2, %3;"
                 : "=l"(old) : "l"(global_address(p)), "l"(seen), "l"(v) : "memory");
    bool swapped = old == seen;
    seen = old;
    return swapped;
}
// In shared memory.
__device__ __forceinline__ void add_local(u32* p, u32 v) { atomicAdd(p, v); }
__device__ __forceinline__ void add_local(u32* low, u32* high, u64 v) {
    u32 before = atomicAdd(low, (u32)v);
    u32 carry = before > ~(u32)v ? 1u : 0u;
    u32 upper = (u32)(v >> 32) + carry;
    if (upper != 0) atomicAdd(high, upper);
}
// Looks first: most values change nothing.
__device__ __forceinline__ void raise_local(u64* p, u64 v) {
    if (*(volatile u64*)p < v) atomicMax(p, v);
}
__device__ __forceinline__ void lower_local(u64* p, u64 v) {
    if (*(volatile u64*)p > v) atomicMin(p, v);
}
__device__ __forceinline__ u64 take_ticket(u64* p) {
    u64 old;
    asm volatile("atom.relaxed.gpu.global.add.u64 %0, [%1], 1;" : "=l"(old) : "l"(global_address(p)) : "memory");
    return old;
}
__device__ __forceinline__ void raise_release_gpu(u64* p, u64 v) {
    asm volatile("red.release.gpu.global.max.u64 [%0], %1;" ::"l"(global_address(p)), "l"(v) : "memory");
}
__device__ __forceinline__ u64 load_acquire_gpu(const u64* p) {
    u64 v;
    asm volatile("ld.acquire.gpu.global.u64 %0, [%1];" : "=l"(v) : "l"(global_address(p)) : "memory");
    return v;
}
__device__ __forceinline__ u64 load_acquire_system(const u64* p) {
    u64 v;
    asm volatile("ld.acquire.sys.global.u64 %0, [%1];" : "=l"(v) : "l"(global_address(p)) : "memory");
    return v;
}
// Two words published by one fence: all that this thread has seen or written is visible before either.
__device__ __forceinline__ void publish_system(u64* first, u64 a, u64* second, u64 b) {
    asm volatile("fence.acq_rel.sys;" ::: "memory");
    asm volatile("st.relaxed.sys.global.u64 [%0], %1;" ::"l"(global_address(first)), "l"(a) : "memory");
    asm volatile("st.relaxed.sys.global.u64 [%0], %1;" ::"l"(global_address(second)), "l"(b) : "memory");
}
__device__ __forceinline__ void store_relaxed_system(u64* p, u64 v) {
    asm volatile("st.relaxed.sys.global.u64 [%0], %1;" ::"l"(global_address(p)), "l"(v) : "memory");
}
__device__ __forceinline__ void store_release_system(u64* p, u64 v) {
    asm volatile("st.release.sys.global.u64 [%0], %1;" ::"l"(global_address(p)), "l"(v) : "memory");
}
#else
// `shared` is true where several threads may add to the word. A shard's own thread needs no locked
// instruction: it is the only writer, so a load and a store, each atomic for the reader, are exact. Released, which costs
// a CPU next to nothing: a reader that acquires a count finds what was written before it.
inline void red_add(u64* p, u64 v, bool shared) {
    if (shared) {
        __atomic_fetch_add(p, v, __ATOMIC_RELEASE);
    } else {
        __atomic_store_n(p, __atomic_load_n(p, __ATOMIC_RELAXED) + v, __ATOMIC_RELEASE);
    }
}
inline void store_relaxed(u64* p, u64 v) { __atomic_store_n(p, v, __ATOMIC_RELAXED); }
inline u64 load_relaxed(const u64* p) { return __atomic_load_n(p, __ATOMIC_RELAXED); }
inline bool swap_if(u64* p, u64& seen, u64 v) {
    return __atomic_compare_exchange_n(p, &seen, v, true, __ATOMIC_RELAXED, __ATOMIC_RELAXED);
}
inline void raise_relaxed(u64* p, u64 v) {
    u64 seen = load_relaxed(p);
    while (seen < v && !swap_if(p, seen, v)) {
    }
}
inline void add_double(u64* p, double v) {
    u64 seen = load_relaxed(p), sum;
    double old;
    do {
        __builtin_memcpy(&old, &seen, sizeof old);
        old += v;
        __builtin_memcpy(&sum, &old, sizeof sum);
    } while (!swap_if(p, seen, sum));
}
// A block is one thread: what is its own needs no atomics.
inline void add_local(u32* p, u32 v) { *p += v; }
inline void add_local(u32* low, u32* high, u64 v) {
    u64 sum = ((u64)*high << 32 | *low) + v;
    *low = (u32)sum;
    *high = (u32)(sum >> 32);
}
inline void raise_local(u64* p, u64 v) {
    if (*p < v) *p = v;
}
inline void lower_local(u64* p, u64 v) {
    if (*p > v) *p = v;
}
inline u64 take_ticket(u64* p) { return __atomic_fetch_add(p, 1ull, __ATOMIC_RELAXED); }
inline void raise_release_gpu(u64* p, u64 v) {
    u64 seen = __atomic_load_n(p, __ATOMIC_RELAXED);
    while (seen < v && !__atomic_compare_exchange_n(p, &seen, v, true, __ATOMIC_RELEASE, __ATOMIC_RELAXED)) {
    }
}
inline u64 load_acquire_gpu(const u64* p) { return __atomic_load_n(p, __ATOMIC_ACQUIRE); }
inline u64 load_acquire_system(const u64* p) { return __atomic_load_n(p, __ATOMIC_ACQUIRE); }
inline void publish_system(u64* first, u64 a, u64* second, u64 b) {
    __atomic_store_n(first, a, __ATOMIC_RELEASE);
    __atomic_store_n(second, b, __ATOMIC_RELEASE);
}
inline void store_relaxed_system(u64* p, u64 v) { __atomic_store_n(p, v, __ATOMIC_RELAXED); }
inline void store_release_system(u64* p, u64 v) { __atomic_store_n(p, v, __ATOMIC_RELEASE); }
#endif
}  // namespace ringscope

#endif  // RINGSCOPE_ATOMIC_CUH
