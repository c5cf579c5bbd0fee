// atomic.cuh: every atomic of ringscope, with its scope and its order in its name.
//
// Telemetry uses red_add, raise_relaxed and store_relaxed alone: RED has no result, so nothing waits for it, and relaxed
// order puts no fence in front of it. Acquire and release belong to the rings.
#ifndef RINGSCOPE_ATOMIC_CUH
#define RINGSCOPE_ATOMIC_CUH

namespace ringscope {
namespace detail {
#if RINGSCOPE_CUDA
// `.global` is written out: through a generic address ptxas makes an ATOM with a compare-and-swap loop.
RINGSCOPE_INLINE ringscope_u64 global_address(const void* p) { return (ringscope_u64)__cvta_generic_to_global(p); }

RINGSCOPE_INLINE void red_add(ringscope_u64* p, ringscope_u64 v) {
    asm volatile("red.relaxed.gpu.global.add.u64 [%0], %1;" ::"l"(global_address(p)), "l"(v) : "memory");
}
RINGSCOPE_INLINE void store_relaxed(ringscope_u64* p, ringscope_u64 v) {
    asm volatile("st.relaxed.gpu.global.u64 [%0], %1;" ::"l"(global_address(p)), "l"(v) : "memory");
}
// Results are needed of none but swap_if, which only a gauge's extremes use.
RINGSCOPE_INLINE void raise_relaxed(ringscope_u64* p, ringscope_u64 v) {
    asm volatile("red.relaxed.gpu.global.max.u64 [%0], %1;" ::"l"(global_address(p)), "l"(v) : "memory");
}
RINGSCOPE_INLINE void add_double(ringscope_u64* p, double v) {
    asm volatile("red.relaxed.gpu.global.add.f64 [%0], %1;" ::"l"(global_address(p)), "d"(v) : "memory");
}
RINGSCOPE_INLINE ringscope_u64 load_relaxed(const ringscope_u64* p) {
    ringscope_u64 v;
    asm volatile("ld.relaxed.gpu.global.u64 %0, [%1];" : "=l"(v) : "l"(global_address(p)) : "memory");
    return v;
}
// Whether `seen` was there and `v` is now; else `seen` is what is there.
RINGSCOPE_INLINE bool swap_if(ringscope_u64* p, ringscope_u64& seen, ringscope_u64 v) {
    ringscope_u64 old;
    asm volatile("atom.relaxed.gpu.global.cas.b64 %0, [%1], %2, %3;"
                 : "=l"(old) : "l"(global_address(p)), "l"(seen), "l"(v) : "memory");
    bool swapped = old == seen;
    seen = old;
    return swapped;
}
// In shared memory.
RINGSCOPE_INLINE void add_local(ringscope_u32* p, ringscope_u32 v) { atomicAdd(p, v); }
RINGSCOPE_INLINE void add_local(ringscope_u32* low, ringscope_u32* high, ringscope_u64 v) {
    ringscope_u32 before = atomicAdd(low, (ringscope_u32)v);
    ringscope_u32 carry = before > ~(ringscope_u32)v ? 1u : 0u;
    ringscope_u32 upper = (ringscope_u32)(v >> 32) + carry;
    if (upper != 0) atomicAdd(high, upper);
}
// Looks first: most values change nothing.
RINGSCOPE_INLINE void raise_local(ringscope_u64* p, ringscope_u64 v) {
    if (*(volatile ringscope_u64*)p < v) atomicMax(p, v);
}
RINGSCOPE_INLINE void lower_local(ringscope_u64* p, ringscope_u64 v) {
    if (*(volatile ringscope_u64*)p > v) atomicMin(p, v);
}
RINGSCOPE_INLINE ringscope_u64 take_ticket(ringscope_u64* p) {
    ringscope_u64 old;
    asm volatile("atom.relaxed.gpu.global.add.u64 %0, [%1], 1;" : "=l"(old) : "l"(global_address(p)) : "memory");
    return old;
}
RINGSCOPE_INLINE void raise_release_gpu(ringscope_u64* p, ringscope_u64 v) {
    asm volatile("red.release.gpu.global.max.u64 [%0], %1;" ::"l"(global_address(p)), "l"(v) : "memory");
}
RINGSCOPE_INLINE ringscope_u64 load_acquire_gpu(const ringscope_u64* p) {
    ringscope_u64 v;
    asm volatile("ld.acquire.gpu.global.u64 %0, [%1];" : "=l"(v) : "l"(global_address(p)) : "memory");
    return v;
}
RINGSCOPE_INLINE ringscope_u64 load_acquire_system(const ringscope_u64* p) {
    ringscope_u64 v;
    asm volatile("ld.acquire.sys.global.u64 %0, [%1];" : "=l"(v) : "l"(global_address(p)) : "memory");
    return v;
}
// Two words that lie side by side, 16-byte aligned, in one trip. Each is whole; nothing orders the one before the other, nor what
// follows behind either: what has changed is acquired by a load of its own.
RINGSCOPE_INLINE void load_pair_relaxed_system(const ringscope_u64* p, ringscope_u64& first, ringscope_u64& second) {
    asm volatile("ld.relaxed.sys.global.v2.u64 {%0, %1}, [%2];" : "=l"(first), "=l"(second) : "l"(global_address(p)) : "memory");
}
RINGSCOPE_INLINE void load_pair_relaxed_gpu(const ringscope_u64* p, ringscope_u64& first, ringscope_u64& second) {
    asm volatile("ld.relaxed.gpu.global.v2.u64 {%0, %1}, [%2];" : "=l"(first), "=l"(second) : "l"(global_address(p)) : "memory");
}
RINGSCOPE_INLINE ringscope_u64 load_relaxed_system(const ringscope_u64* p) {
    ringscope_u64 v;
    asm volatile("ld.relaxed.sys.global.u64 %0, [%1];" : "=l"(v) : "l"(global_address(p)) : "memory");
    return v;
}
// What was there before.
RINGSCOPE_INLINE ringscope_u64 exchange_relaxed(ringscope_u64* p, ringscope_u64 v) {
    ringscope_u64 old;
    asm volatile("atom.relaxed.gpu.global.exch.b64 %0, [%1], %2;" : "=l"(old) : "l"(global_address(p)), "l"(v) : "memory");
    return old;
}
// A slot is given back, and a reply published where there is one, by one fence: all that this thread has seen or written is
// visible before either. Of a warp each lane that comes here publishes a pair, all of them by the same fence.
RINGSCOPE_INLINE void publish_system(ringscope_u64* done, ringscope_u64 a, ringscope_u64* ready, ringscope_u64 b) {
    asm volatile("fence.acq_rel.sys;" ::: "memory");
    asm volatile("st.relaxed.sys.global.u64 [%0], %1;" ::"l"(global_address(done)), "l"(a) : "memory");
    if (ready != nullptr) asm volatile("st.relaxed.sys.global.u64 [%0], %1;" ::"l"(global_address(ready)), "l"(b) : "memory");
}
RINGSCOPE_INLINE void store_relaxed_system(ringscope_u64* p, ringscope_u64 v) {
    asm volatile("st.relaxed.sys.global.u64 [%0], %1;" ::"l"(global_address(p)), "l"(v) : "memory");
}
// All that this thread wrote is visible to the host before what it writes next.
RINGSCOPE_INLINE void fence_system() { asm volatile("fence.acq_rel.sys;" ::: "memory"); }
RINGSCOPE_INLINE void store_release_system(ringscope_u64* p, ringscope_u64 v) {
    asm volatile("st.release.sys.global.u64 [%0], %1;" ::"l"(global_address(p)), "l"(v) : "memory");
}
#else
// `shared` is true where several threads may add to the word. A shard's own thread needs no locked
// instruction: it is the only writer, so a load and a store, each atomic for the reader, are exact. Released, which costs
// a CPU next to nothing: a reader that acquires a count finds what was written before it.
inline void red_add(ringscope_u64* p, ringscope_u64 v, bool shared) {
    if (shared) {
        __atomic_fetch_add(p, v, __ATOMIC_RELEASE);
    } else {
        __atomic_store_n(p, __atomic_load_n(p, __ATOMIC_RELAXED) + v, __ATOMIC_RELEASE);
    }
}
inline void store_relaxed(ringscope_u64* p, ringscope_u64 v) { __atomic_store_n(p, v, __ATOMIC_RELAXED); }
inline ringscope_u64 load_relaxed(const ringscope_u64* p) { return __atomic_load_n(p, __ATOMIC_RELAXED); }
inline bool swap_if(ringscope_u64* p, ringscope_u64& seen, ringscope_u64 v) {
    return __atomic_compare_exchange_n(p, &seen, v, true, __ATOMIC_RELAXED, __ATOMIC_RELAXED);
}
inline void raise_relaxed(ringscope_u64* p, ringscope_u64 v) {
    ringscope_u64 seen = load_relaxed(p);
    while (seen < v && !swap_if(p, seen, v)) {
    }
}
// As red_add: where only one thread raises the word.
inline void raise_alone(ringscope_u64* p, ringscope_u64 v) {
    if (load_relaxed(p) < v) store_relaxed(p, v);
}
inline void add_double(ringscope_u64* p, double v) {
    ringscope_u64 seen = load_relaxed(p), sum;
    double old;
    do {
        __builtin_memcpy(&old, &seen, sizeof old);
        old += v;
        __builtin_memcpy(&sum, &old, sizeof sum);
    } while (!swap_if(p, seen, sum));
}
// The threads of a block take turns, and none in the midst of these: a load and a store are exact. Atomic ones, so that the
// thread sanitizer knows that they are meant.
inline void add_local(ringscope_u32* p, ringscope_u32 v) {
    __atomic_store_n(p, __atomic_load_n(p, __ATOMIC_RELAXED) + v, __ATOMIC_RELAXED);
}
inline void add_local(ringscope_u32* low, ringscope_u32* high, ringscope_u64 v) {
    ringscope_u64 sum = (ringscope_u64)__atomic_load_n(high, __ATOMIC_RELAXED) << 32 | __atomic_load_n(low, __ATOMIC_RELAXED);
    sum += v;
    __atomic_store_n(low, (ringscope_u32)sum, __ATOMIC_RELAXED);
    __atomic_store_n(high, (ringscope_u32)(sum >> 32), __ATOMIC_RELAXED);
}
inline void raise_local(ringscope_u64* p, ringscope_u64 v) {
    if (load_relaxed(p) < v) store_relaxed(p, v);
}
inline void lower_local(ringscope_u64* p, ringscope_u64 v) {
    if (load_relaxed(p) > v) store_relaxed(p, v);
}
inline ringscope_u64 take_ticket(ringscope_u64* p) { return __atomic_fetch_add(p, 1ull, __ATOMIC_RELAXED); }
inline void raise_release_gpu(ringscope_u64* p, ringscope_u64 v) {
    ringscope_u64 seen = __atomic_load_n(p, __ATOMIC_RELAXED);
    while (seen < v && !__atomic_compare_exchange_n(p, &seen, v, true, __ATOMIC_RELEASE, __ATOMIC_RELAXED)) {
    }
}
inline ringscope_u64 load_acquire_gpu(const ringscope_u64* p) { return __atomic_load_n(p, __ATOMIC_ACQUIRE); }
inline ringscope_u64 load_acquire_system(const ringscope_u64* p) { return __atomic_load_n(p, __ATOMIC_ACQUIRE); }
inline void load_pair_relaxed_system(const ringscope_u64* p, ringscope_u64& first, ringscope_u64& second) {
    first = __atomic_load_n(p, __ATOMIC_RELAXED);
    second = __atomic_load_n(p + 1, __ATOMIC_RELAXED);
}
inline void load_pair_relaxed_gpu(const ringscope_u64* p, ringscope_u64& first, ringscope_u64& second) {
    load_pair_relaxed_system(p, first, second);
}
inline ringscope_u64 load_relaxed_system(const ringscope_u64* p) { return __atomic_load_n(p, __ATOMIC_RELAXED); }
inline ringscope_u64 exchange_relaxed(ringscope_u64* p, ringscope_u64 v) { return __atomic_exchange_n(p, v, __ATOMIC_RELAXED); }
inline void publish_system(ringscope_u64* done, ringscope_u64 a, ringscope_u64* ready, ringscope_u64 b) {
    __atomic_store_n(done, a, __ATOMIC_RELEASE);
    if (ready != nullptr) __atomic_store_n(ready, b, __ATOMIC_RELEASE);
}
inline void store_relaxed_system(ringscope_u64* p, ringscope_u64 v) { __atomic_store_n(p, v, __ATOMIC_RELAXED); }
inline void fence_system() { __atomic_thread_fence(__ATOMIC_SEQ_CST); }
inline void store_release_system(ringscope_u64* p, ringscope_u64 v) { __atomic_store_n(p, v, __ATOMIC_RELEASE); }
#endif
}  // namespace detail
}  // namespace ringscope

#endif  // RINGSCOPE_ATOMIC_CUH
