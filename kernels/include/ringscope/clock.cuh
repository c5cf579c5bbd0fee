// clock.cuh: nanoseconds that can be compared between blocks.
#ifndef RINGSCOPE_CLOCK_CUH
#define RINGSCOPE_CLOCK_CUH

namespace ringscope {
// CUDA: %globaltimer, one for the whole GPU. It ticks every 32 ns on Hopper and later, every 1,024 ns on
// A100 and RTX 40: a shorter duration reads as 0 or as one tick there, its mean over many stays right.
// Host device: CLOCK_MONOTONIC, to within a microsecond.
RINGSCOPE_INLINE ringscope_u64 clock_ns() {
#if RINGSCOPE_CUDA
    ringscope_u64 ns;
    asm volatile("mov.u64 %0, %%globaltimer;" : "=l"(ns));
    return ns;
#else
    return ringscope_host::clock_ns();
#endif
}
namespace detail {
// The same for an event: a CPU need not have done all that stands before it.
RINGSCOPE_INLINE ringscope_u64 event_ns() {
#if RINGSCOPE_CUDA
    return clock_ns();
#else
    return ringscope_host::event_ns();
#endif
}
}  // namespace detail
}  // namespace ringscope

#endif  // RINGSCOPE_CLOCK_CUH
