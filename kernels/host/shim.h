// shim.h: compiles the kernels' own sources with a host C++ compiler, one OS thread for each block.
//
// A block has one thread and a warp one lane, so warp-cooperative code runs its sequential case. GCC and
// Clang on 64-bit targets.
#ifndef RINGSCOPE_HOST_SHIM_H
#define RINGSCOPE_HOST_SHIM_H

#include <sched.h>
#include <time.h>

#include <cstddef>
#include <type_traits>
#include <utility>

#define __global__
#define __device__
#define __host__
#define __shared__ static thread_local
#define __constant__
#define __forceinline__ inline __attribute__((always_inline))

struct ringscope_dim3 {
    unsigned x = 1, y = 1, z = 1;
};
// Set by the thread that runs the block, before the kernel's entry.
extern thread_local ringscope_dim3 ringscope_block_index, ringscope_grid_dim;
// Blocks of all kernels of this process; a plain word, accessed with atomic operations.
extern unsigned ringscope_running_blocks;
#define blockIdx ringscope_block_index
#define gridDim ringscope_grid_dim
static const ringscope_dim3 threadIdx = {0, 0, 0};
static const ringscope_dim3 blockDim = {1, 1, 1};
inline void __syncthreads() {}
inline void __syncwarp() {}

namespace ringscope_host {
// Calls a kernel with CUDA's array of pointers to arguments.
template <class... A, std::size_t... I>
void call_with(void (*kernel)(A...), void** args, std::index_sequence<I...>) {
    kernel(*static_cast<std::remove_cv_t<A>*>(args[I])...);
}
template <class... A>
void call(void (*kernel)(A...), void** args) {
    call_with(kernel, args, std::index_sequence_for<A...>{});
}

inline unsigned long long clock_ns() {
    timespec t;
    clock_gettime(CLOCK_MONOTONIC, &t);
    return static_cast<unsigned long long>(t.tv_sec) * 1000000000ull + static_cast<unsigned long long>(t.tv_nsec);
}

// Spins while an answer is near, gives the core to whoever shares it, then sleeps up to half a millisecond: an idle
// kernel costs next to nothing, a busy one answers in microseconds. Of a crowd of blocks each sleeps longer, and none
// spins, so that thousands of idle ones leave the cores to those that have work; but not for so long that a block which
// tells its heartbeat with every 64th sleep would look dead.
inline void relax(unsigned attempt) {
    constexpr unsigned SPINS = 512, YIELDS = 64, CROWD = 32;
    constexpr long NAP = 500000, LONGEST_NAP = 64000000;
    const unsigned crowds = __atomic_load_n(&ringscope_running_blocks, __ATOMIC_RELAXED) / CROWD;
    if (crowds != 0) attempt += SPINS + YIELDS;
    if (attempt < SPINS) {
#if defined(__x86_64__)
        __builtin_ia32_pause();
#elif defined(__aarch64__)
        asm volatile("yield");
#endif
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

#endif  // RINGSCOPE_HOST_SHIM_H
