// clock.h: the clock that kernels read on the host device. Included by shim.h.
//
// It is CLOCK_MONOTONIC, which costs a call of some 20 ns, mostly arithmetic. Where Linux itself makes that clock of the CPU's
// time-stamp counter, each thread reads the counter and scales it: by a pair of both, of at most a millisecond ago, and the
// rate between that pair and the one before. So a thread's times
//   * never go back;
//   * are at most 1 us (RINGSCOPE_HOST_CLOCK_ERROR_NS) from CLOCK_MONOTONIC: what reading a pair takes, some tens of ns, in
//     the rate and in the pair, and the 500 ns that Linux may change in a millisecond when it slews its clock;
//   * are CLOCK_MONOTONIC's where that does not hold: until two rates in a row agree, some 2 ms after the process's first look,
//     and wherever Linux does not trust the counter. When the counter jumps, that is seen within a millisecond, for which
//     the time may stand still.
#ifndef RINGSCOPE_HOST_CLOCK_H
#define RINGSCOPE_HOST_CLOCK_H

#include <time.h>

#define RINGSCOPE_HOST_CLOCK_ERROR_NS 1000

// The calling thread's newest pair.
struct ringscope_host_anchor {
    unsigned long long ticks;
    unsigned long long ns;
    unsigned long long rate;   // nanoseconds a tick, times 2^32
    unsigned long long valid;  // so many ticks; 0 while the counter is of no use
};
#if defined(__linux__) && defined(__x86_64__) && !defined(RINGSCOPE_HOST_OWN_CLOCK)
#define RINGSCOPE_HOST_COUNTER 1
// Without a call in position-independent code, whose registers would have to be saved. But a shared library with it can only
// be loaded by dlopen (as Python does) if all of its thread-local memory is tiny, and __shared__ memory is that.
#ifdef RINGSCOPE_HOST_DLOPEN
extern __thread ringscope_host_anchor ringscope_host_anchored;
#else
extern __thread ringscope_host_anchor ringscope_host_anchored __attribute__((tls_model("initial-exec")));
#endif
#endif

// The threads of a block have one OS thread's pair in common, which the thread sanitizer would take for a race.
#if defined(__SANITIZE_THREAD__)
#define RINGSCOPE_HOST_CLOCK_UNSEEN __attribute__((no_sanitize("thread"), noinline))
#elif defined(__has_feature)
#if __has_feature(thread_sanitizer)
#define RINGSCOPE_HOST_CLOCK_UNSEEN __attribute__((no_sanitize("thread"), noinline))
#endif
#endif
#ifndef RINGSCOPE_HOST_CLOCK_UNSEEN
#define RINGSCOPE_HOST_CLOCK_UNSEEN
#endif

namespace ringscope_host {
// The host's steady clock.
inline unsigned long long steady_ns() {
    timespec t;
    clock_gettime(CLOCK_MONOTONIC, &t);
    return static_cast<unsigned long long>(t.tv_sec) * 1000000000ull + static_cast<unsigned long long>(t.tv_nsec);
}

// What kernels read. Who compiles the sources with a clock of his own (RINGSCOPE_HOST_OWN_CLOCK) defines it. `event_ns` may
// be read early, by as much as a CPU runs ahead of itself: some 100 ns, though not before a `clock_ns` that stands before it.
#ifdef RINGSCOPE_HOST_OWN_CLOCK
unsigned long long clock_ns();
inline unsigned long long event_ns() { return clock_ns(); }
#elif defined(RINGSCOPE_HOST_COUNTER)
// Takes a new pair, and returns the time.
unsigned long long anchor();

RINGSCOPE_HOST_CLOCK_UNSEEN inline unsigned long long scaled(unsigned long long ticks) {
    const ringscope_host_anchor& last = ringscope_host_anchored;
    unsigned long long since = ticks - last.ticks;
    if (__builtin_expect(since >= last.valid, 0)) return anchor();
    return last.ns + (since * last.rate >> 32);
}
inline unsigned long long event_ns() { return scaled(__builtin_ia32_rdtsc()); }
// After all that stands before it, as the system's call is.
inline unsigned long long clock_ns() {
    __builtin_ia32_lfence();
    return event_ns();
}
#else
inline unsigned long long clock_ns() { return steady_ns(); }
inline unsigned long long event_ns() { return steady_ns(); }
#endif
}  // namespace ringscope_host

#endif  // RINGSCOPE_HOST_CLOCK_H
