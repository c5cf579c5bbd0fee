// shim.h: compiles the kernels' own sources with a host C++ compiler, one OS thread for each block.
//
// A warp has one lane: code that loops in strides of ringscope::LANES_PER_WARP runs its sequential case, and each thread of
// a block of several is a warp of its own. GCC and Clang on 64-bit targets. What of CUDA C++ there is:
//
//   __global__ __device__ __host__ __constant__   nothing; a kernel is a function
//   __shared__                                    the block's; zero at first here, uninitialized on CUDA; not
//                                                 `extern __shared__`: ringscope::shared_memory() is for both
//   __forceinline__ __launch_bounds__ __restrict__ __grid_constant__
//   dim3 uint3 threadIdx blockIdx blockDim gridDim   blocks of one dimension; a grid has one to three
//   __syncthreads(_count, _and, _or)              a barrier of all threads of the block that have not returned
//   __syncwarp                                    one lane: nothing to wait for
//   __threadfence (_block, _system)               a fence
//   atomicAdd Sub Exch Min Max And Or Xor Inc Dec CAS   with _block and _system, of the types that CUDA has them for; relaxed
//   __popc __popcll __clz __clzll __ffs __ffsll __brev __brevll
//   min max                                       of CUDA's types
//   __ldg __nanosleep clock64
//   asm of PTX, shuffles, votes, matches, reductions of a warp, textures   not there: a compiler's error says so
//
// How many threads a block has, the launch says (HostDevice::launch, Grid::threads), or RINGSCOPE_RING_KERNEL_BLOCK. They take
// turns on the block's OS thread (threads.h), so a thread that waits for another one of its block has to let it have its turn:
// by __syncthreads, __nanosleep, an atomic or a fence of those above, or ringscope's own waiting. A loop that only looks at a
// volatile variable waits for ever here.
#ifndef RINGSCOPE_HOST_SHIM_H
#define RINGSCOPE_HOST_SHIM_H

#include <sched.h>
#include <time.h>

#include <cstddef>
#include <type_traits>
#include <utility>

#include "clock.h"

#define __global__
#define __device__
#define __host__
#define __shared__ static thread_local
#define __constant__
#define __grid_constant__
#define __forceinline__ inline __attribute__((always_inline))
#define __launch_bounds__(...)

struct uint3 {
    unsigned x, y, z;
};
struct dim3 {
    unsigned x, y, z;
    constexpr dim3(unsigned x = 1, unsigned y = 1, unsigned z = 1) : x(x), y(y), z(z) {}
    constexpr dim3(uint3 v) : x(v.x), y(v.y), z(v.z) {}
};
// Set by the thread that runs the block, before the kernel's entry.
extern thread_local uint3 ringscope_block_index;
extern thread_local dim3 ringscope_grid_dim;
// Of the thread of that block whose turn it is. Not thread_local: that would ask at each use whether it was made.
extern __thread uint3 ringscope_thread_index;
extern __thread uint3 ringscope_block_size;
// The block, where it has several threads; null else.
struct ringscope_host_threads;
extern __thread ringscope_host_threads* ringscope_host_block;
// What the launch gave it of shared memory.
extern __thread void* ringscope_shared_memory;
// Blocks of all kernels of this process; a plain word, accessed with atomic operations.
extern unsigned ringscope_running_blocks;
#define blockIdx ringscope_block_index
#define gridDim ringscope_grid_dim
#define threadIdx ringscope_thread_index
#define blockDim ringscope_block_size

namespace ringscope_host {
// Of a block of several threads. A barrier, and how many of those who meet say `predicate`.
int meet(bool predicate);
// Others have their turn. Returns true, and nobody else had one, where all who can go on have given way: then the OS thread may
// wait, as for an attempt of that number.
bool give_way(unsigned& attempt);
// The same, of a few of many calls.
void now_and_then();
inline void in_passing() {
    if (__builtin_expect(ringscope_host_block != nullptr, 0)) now_and_then();
}
}  // namespace ringscope_host

inline int __syncthreads_count(int predicate) {
    return ringscope_host_block == nullptr ? predicate != 0 : ringscope_host::meet(predicate != 0);
}
inline void __syncthreads() { __syncthreads_count(0); }
inline int __syncthreads_and(int predicate) { return __syncthreads_count(predicate == 0) == 0; }
inline int __syncthreads_or(int predicate) { return __syncthreads_count(predicate) != 0; }
inline void __syncwarp(unsigned = 0xffffffffu) {}
inline void __threadfence_block() {
    __atomic_thread_fence(__ATOMIC_SEQ_CST);
    ringscope_host::in_passing();
}
inline void __threadfence() { __threadfence_block(); }
inline void __threadfence_system() { __threadfence_block(); }

// ---- atomics, relaxed as CUDA's ----------------------------------------------------------------------------------

namespace ringscope_host {
// The word was `old`, and is what `next` makes of it.
template <class Type, class Next>
inline Type change(Type* p, Next next) {
    Type old, now;
    in_passing();
    __atomic_load(p, &old, __ATOMIC_RELAXED);
    do {
        now = next(old);
    } while (!__atomic_compare_exchange(p, &old, &now, true, __ATOMIC_RELAXED, __ATOMIC_RELAXED));
    return old;
}
}  // namespace ringscope_host

#define RINGSCOPE_HOST_ATOMIC_(name, T, next)                                                                    \
    inline T name(T* p, T v) { return ringscope_host::change(p, [v](T old) -> T { return next; }); }             \
    inline T name##_block(T* p, T v) { return name(p, v); }                                                      \
    inline T name##_system(T* p, T v) { return name(p, v); }
#define RINGSCOPE_HOST_ATOMIC_32_(name, next) \
    RINGSCOPE_HOST_ATOMIC_(name, int, next) RINGSCOPE_HOST_ATOMIC_(name, unsigned, next)
#define RINGSCOPE_HOST_ATOMIC_BITS_(name, next) \
    RINGSCOPE_HOST_ATOMIC_32_(name, next) RINGSCOPE_HOST_ATOMIC_(name, unsigned long long, next)

// A sum of int wraps, as CUDA's does.
RINGSCOPE_HOST_ATOMIC_(atomicAdd, int, (int)((unsigned)old + (unsigned)v))
RINGSCOPE_HOST_ATOMIC_(atomicAdd, unsigned, old + v)
RINGSCOPE_HOST_ATOMIC_(atomicAdd, unsigned long long, old + v)
RINGSCOPE_HOST_ATOMIC_(atomicAdd, float, old + v)
RINGSCOPE_HOST_ATOMIC_(atomicAdd, double, old + v)
RINGSCOPE_HOST_ATOMIC_(atomicSub, int, (int)((unsigned)old - (unsigned)v))
RINGSCOPE_HOST_ATOMIC_(atomicSub, unsigned, old - v)
RINGSCOPE_HOST_ATOMIC_BITS_(atomicExch, ((void)old, v))
RINGSCOPE_HOST_ATOMIC_(atomicExch, float, ((void)old, v))
RINGSCOPE_HOST_ATOMIC_BITS_(atomicMin, old < v ? old : v)
RINGSCOPE_HOST_ATOMIC_(atomicMin, long long, old < v ? old : v)
RINGSCOPE_HOST_ATOMIC_BITS_(atomicMax, old > v ? old : v)
RINGSCOPE_HOST_ATOMIC_(atomicMax, long long, old > v ? old : v)
RINGSCOPE_HOST_ATOMIC_BITS_(atomicAnd, old & v)
RINGSCOPE_HOST_ATOMIC_BITS_(atomicOr, old | v)
RINGSCOPE_HOST_ATOMIC_BITS_(atomicXor, old ^ v)
RINGSCOPE_HOST_ATOMIC_(atomicInc, unsigned, old >= v ? 0 : old + 1)
RINGSCOPE_HOST_ATOMIC_(atomicDec, unsigned, old == 0 || old > v ? v : old - 1)

#define RINGSCOPE_HOST_CAS_(T)                                                                       \
    inline T atomicCAS(T* p, T seen, T v) {                                                          \
        ringscope_host::in_passing();                                                                \
        __atomic_compare_exchange(p, &seen, &v, false, __ATOMIC_RELAXED, __ATOMIC_RELAXED);          \
        return seen;                                                                                 \
    }                                                                                                \
    inline T atomicCAS_block(T* p, T seen, T v) { return atomicCAS(p, seen, v); }                    \
    inline T atomicCAS_system(T* p, T seen, T v) { return atomicCAS(p, seen, v); }
RINGSCOPE_HOST_CAS_(int)
RINGSCOPE_HOST_CAS_(unsigned)
RINGSCOPE_HOST_CAS_(unsigned long long)
RINGSCOPE_HOST_CAS_(unsigned short)

// ---- bits and numbers ---------------------------------------------------------------------------------------------

inline int __popc(unsigned v) { return __builtin_popcount(v); }
inline int __popcll(unsigned long long v) { return __builtin_popcountll(v); }
inline int __clz(int v) { return v == 0 ? 32 : __builtin_clz((unsigned)v); }
inline int __clzll(long long v) { return v == 0 ? 64 : __builtin_clzll((unsigned long long)v); }
inline int __ffs(int v) { return __builtin_ffs(v); }
inline int __ffsll(long long v) { return __builtin_ffsll(v); }
inline unsigned long long __brevll(unsigned long long v) {
    v = ((v >> 1) & 0x5555555555555555ull) | ((v & 0x5555555555555555ull) << 1);
    v = ((v >> 2) & 0x3333333333333333ull) | ((v & 0x3333333333333333ull) << 2);
    v = ((v >> 4) & 0x0f0f0f0f0f0f0f0full) | ((v & 0x0f0f0f0f0f0f0f0full) << 4);
    return __builtin_bswap64(v);
}
inline unsigned __brev(unsigned v) { return (unsigned)(__brevll(v) >> 32); }

#define RINGSCOPE_HOST_MIN_MAX_(T)                        \
    inline constexpr T(min)(T a, T b) { return b < a ? b : a; } \
    inline constexpr T(max)(T a, T b) { return a < b ? b : a; }
RINGSCOPE_HOST_MIN_MAX_(int)
RINGSCOPE_HOST_MIN_MAX_(unsigned)
RINGSCOPE_HOST_MIN_MAX_(long)
RINGSCOPE_HOST_MIN_MAX_(unsigned long)
RINGSCOPE_HOST_MIN_MAX_(long long)
RINGSCOPE_HOST_MIN_MAX_(unsigned long long)
// A NaN gives way to a number, as on CUDA.
inline float(min)(float a, float b) { return __builtin_fminf(a, b); }
inline float(max)(float a, float b) { return __builtin_fmaxf(a, b); }
inline double(min)(double a, double b) { return __builtin_fmin(a, b); }
inline double(max)(double a, double b) { return __builtin_fmax(a, b); }
// Of two types, what their sum has.
template <class Left, class Right, class = std::enable_if_t<std::is_arithmetic_v<Left> && std::is_arithmetic_v<Right>>>
inline auto(min)(Left a, Right b) {
    using Sum = decltype(a + b);
    return (min)((Sum)a, (Sum)b);
}
template <class Left, class Right, class = std::enable_if_t<std::is_arithmetic_v<Left> && std::is_arithmetic_v<Right>>>
inline auto(max)(Left a, Right b) {
    using Sum = decltype(a + b);
    return (max)((Sum)a, (Sum)b);
}

template <class Type>
inline Type __ldg(const Type* p) {
    return *p;
}

// ---- what one lane cannot do --------------------------------------------------------------------------------------

namespace ringscope_host {
template <class...>
constexpr bool none = false;
}
#define RINGSCOPE_HOST_REFUSED_(name)                                                                                    \
    template <class... Given>                                                                                            \
    inline unsigned name(Given...) {                                                                                     \
        static_assert(ringscope_host::none<Given...>,                                                                       \
                      #name " needs the lanes of a warp, and the host device has one: use ringscope::from_lane0, "       \
                            "ringscope::xor_lanes or add_warp, or compile this part only where RINGSCOPE_CUDA is 1");    \
        return 0;                                                                                                        \
    }
RINGSCOPE_HOST_REFUSED_(__shfl_sync)
RINGSCOPE_HOST_REFUSED_(__shfl_up_sync)
RINGSCOPE_HOST_REFUSED_(__shfl_down_sync)
RINGSCOPE_HOST_REFUSED_(__shfl_xor_sync)
RINGSCOPE_HOST_REFUSED_(__ballot_sync)
RINGSCOPE_HOST_REFUSED_(__any_sync)
RINGSCOPE_HOST_REFUSED_(__all_sync)
RINGSCOPE_HOST_REFUSED_(__match_any_sync)
RINGSCOPE_HOST_REFUSED_(__match_all_sync)
RINGSCOPE_HOST_REFUSED_(__reduce_add_sync)
RINGSCOPE_HOST_REFUSED_(__reduce_min_sync)
RINGSCOPE_HOST_REFUSED_(__reduce_max_sync)
RINGSCOPE_HOST_REFUSED_(__reduce_and_sync)
RINGSCOPE_HOST_REFUSED_(__reduce_or_sync)
RINGSCOPE_HOST_REFUSED_(__reduce_xor_sync)

// ---- kernels ----------------------------------------------------------------------------------------------------------

// A ring kernel built at one level; HostKernel in src/device/source.rs is the mirror.
struct ringscope_host_kernel {
    void (*entry)(void**);
    unsigned abi;         // RINGSCOPE_ABI_VERSION of the header that it was built with
    unsigned level;       // RINGSCOPE_LEVEL
    unsigned args_bytes;  // of the author's arguments; 0 without
    unsigned args_align;
    const char* names;    // of RINGSCOPE_NAMES, as they stand there; null without
    unsigned threads;     // of a block
    unsigned reserved;
};
static_assert(sizeof(ringscope_host_kernel) == 40, "src/device/source.rs has the same fields");

// Stacks for the threads of a block of 1 to 1,024; null if there is no memory for them, or no way to change from one to
// another here (has_threads says which).
struct ringscope_host_stacks;
extern "C" ringscope_host_stacks* ringscope_host_stacks_new(unsigned threads);
extern "C" void ringscope_host_stacks_free(ringscope_host_stacks* stacks);
extern "C" bool ringscope_host_has_threads();

// Runs one block of a grid on this OS thread: `block` and `grid` are x, y, z. Without stacks it has one thread, else as many as
// there are; `shared` is what the launch gives it of shared memory, or null. Returns whether it ended by itself, and was not
// trapped.
extern "C" bool ringscope_host_run_block(void (*entry)(void**), void** args, const unsigned* block, const unsigned* grid,
                                         ringscope_host_stacks* stacks, void* shared);

namespace ringscope_host {
// Ends the calling block where it stands, all of its threads. Objects on their stacks are destroyed, unlike on CUDA.
[[noreturn]] void trap();
// Whether this thread's block is being ended so.
bool trapped();
// The processor that the calling thread runs on now.
inline unsigned processor() {
    int now = sched_getcpu();
    return now < 0 ? 0u : (unsigned)now;
}

// The same of a grid of one dimension.
inline bool run_block(void (*entry)(void**), void** args, unsigned block, unsigned blocks, unsigned threads = 1,
                      void* shared = nullptr) {
    const unsigned at[3] = {block, 0, 0}, grid[3] = {blocks, 1, 1};
    ringscope_host_stacks* stacks = threads == 1 ? nullptr : ringscope_host_stacks_new(threads);
    if (threads != 1 && stacks == nullptr) __builtin_trap();
    bool returned = ringscope_host_run_block(entry, args, at, grid, stacks, shared);
    ringscope_host_stacks_free(stacks);
    return returned;
}

// Calls a kernel with CUDA's array of pointers to arguments.
template <class... Given, std::size_t... Index>
void call_with(void (*kernel)(Given...), void** args, std::index_sequence<Index...>) {
    kernel(*static_cast<std::remove_cv_t<Given>*>(args[Index])...);
}
template <class... Given>
void call(void (*kernel)(Given...), void** args) {
    call_with(kernel, args, std::index_sequence_for<Given...>{});
}

// Spins while an answer is near, gives the core to other threads, then sleeps up to half a millisecond: an idle
// kernel costs next to nothing, a busy one answers in microseconds. Of a crowd of blocks each sleeps longer, and none
// spins, so that thousands of idle ones leave the cores to those that have work; but not for so long that a block which
// tells its heartbeat with every 64th sleep would look dead. It gives the core away for some 0.1 ms, as long as a host takes to
// send or to receive what a ring holds: a block that slept then would make it wait for a timer.
inline void relax(unsigned attempt) {
    if (ringscope_host_block != nullptr && !give_way(attempt)) return;
    constexpr unsigned SPINS = 128, YIELDS = 256, CROWD = 32;
    constexpr long NAP = 500000, LONGEST_NAP = 64000000;
    const unsigned crowds = __atomic_load_n(&ringscope_running_blocks, __ATOMIC_RELAXED) / CROWD;
    if (crowds != 0) attempt += SPINS + YIELDS;
    if (attempt < SPINS) {
        // A look takes the word's line from the thread that is to write it: looks that follow at once hold that up.
        constexpr unsigned PAUSES = 4;
        for (unsigned i = 0; i < PAUSES; ++i) {
#if defined(__x86_64__)
            __builtin_ia32_pause();
#elif defined(__aarch64__)
            asm volatile("yield");
#endif
        }
    } else if (attempt < SPINS + YIELDS) {
        sched_yield();
    } else {
        unsigned doublings = (attempt - SPINS - YIELDS) / 8;
        long nap = 20000L << (doublings < 5 ? doublings : 5);
        if (nap > NAP) nap = NAP;
        nap *= 1 + (crowds < LONGEST_NAP / NAP ? crowds : LONGEST_NAP / NAP - 1);
        timespec t = {0, nap};
        nanosleep(&t, nullptr);
    }
}
}  // namespace ringscope_host

inline void __nanosleep(unsigned ns) {
    unsigned attempt = 0;
    if (ringscope_host_block != nullptr && !ringscope_host::give_way(attempt)) return;
    timespec t = {0, (long)(ns < 1000000u ? ns : 1000000u)};
    nanosleep(&t, nullptr);
}
// Nanoseconds: a CPU's cycles are not to be had everywhere.
inline long long clock64() { return (long long)ringscope_host::clock_ns(); }

#endif  // RINGSCOPE_HOST_SHIM_H
