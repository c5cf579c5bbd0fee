//! What is compiled.

/// All built-in kernels in one unit, as build.rs compiles them.
pub const BUILT_IN: &str = r#"
#include "echo.cu"
#include "vector_add.cu"
#include "compute.cu"
#include "crc32c.cu"
#include "probe/clock_probe.cu"
"#;

/// The beginning of a file that includes ringscope, or has never heard of it (-DPLAIN) but for the bytes of the parameter.
const DRESS: &str = r#"
#ifdef PLAIN
struct Ref { void* pointers[7]; unsigned numbers[10]; };
#define CALL(...)
#else
#include <ringscope/telemetry.cuh>
using Ref = ringscope::KernelRef;
#define CALL(...) __VA_ARGS__
#endif
using Word = unsigned long long;
"#;

/// A source that stands behind [`DRESS`].
pub fn dressed(source: &str) -> String {
    format!("{DRESS}{source}")
}

/// Kernels of somebody else: each is a loop of one store and the calls that it is named for. `without` makes none. Those of
/// which the compiler knows that no host asked for a black box show the path that nearly all messages take.
pub const OWN: &str = r#"
#define KERNEL(name, before, ...)                                                               \
    extern "C" __global__ void name(Ref telemetry, const volatile int* stop, unsigned* out) {   \
        CALL(before)                                                                            \
        CALL(ringscope::Recorder rec(telemetry);)                                               \
        for (unsigned n = 1; *stop == 0; ++n) {                                                 \
            CALL(Word begun = rec.begin(); (void)begun;)                                        \
            out[blockIdx.x * blockDim.x + threadIdx.x] = n;                                     \
            __syncwarp();                                                                       \
            CALL(__VA_ARGS__)                                                                   \
        }                                                                                       \
    }
#define BOTH(name, ...) KERNEL(name, , __VA_ARGS__) KERNEL(name##_no_box, telemetry.box = nullptr;, __VA_ARGS__)

BOTH(without, )
BOTH(end, if (threadIdx.x == 0) rec.end(begun, n, 4);)
BOTH(fail, if (threadIdx.x == 0) rec.fail(begun, 300, n);)
BOTH(finish, if (threadIdx.x == 0) rec.finish(begun, n % 3, n, 4);)
BOTH(end_or_fail, if (threadIdx.x == 0) { if (n % 3 == 0) rec.end(begun, n, 4); else rec.fail(begun, n % 3, n); })
BOTH(end_warp, rec.end_warp(begun, n, 4);)
BOTH(fail_warp, rec.fail_warp(begun, 300, n);)
BOTH(end_of_kind, rec.end_warp(begun, ringscope::Kind{n % 3}, n, 4);)
BOTH(at, if (threadIdx.x == 0) rec.at(1);)
BOTH(idle, if (threadIdx.x == 0) rec.waiting(2);)
BOTH(due, if (threadIdx.x == 0) rec.waiting(3, 1, n, 2);)
BOTH(event, rec.event(4);)
BOTH(two_events, rec.event(4); rec.event(5);)
BOTH(mixed,
    if (n % 3 == 0) rec.end_warp(begun, n, 4);
    else if (threadIdx.x != 0) rec.heartbeat(0);
    else if (n % 3 == 1) rec.fail(begun, 300, n);
    else { rec.end(begun, n, 4); rec.idle(begun, 1, 1, 0); rec.dropped(n); rec.state(2); rec.waited(); rec.alive(); })
#ifdef PLAIN
#define TRACED(...)
#else
#define TRACED(...) __VA_ARGS__
#endif
BOTH(traced, TRACED(ringscope::Span span(rec, 1);) TRACED(rec.event(2, n);) TRACED(rec.counter_sample(3, 1.5 * n);)
    TRACED(rec.log(4, begun, n);) if (threadIdx.x == 0) rec.end(begun, n, 4);)
BOTH(not_traced, if (threadIdx.x == 0) rec.end(begun, n, 4);)
"#;

/// In place of telemetry.cuh: a ring that writes its telemetry into this writes it nowhere, and shuffles none.
pub const NO_TELEMETRY: &str = r#"
#pragma once
#include <ringscope/abi.h>
#include <ringscope/platform.cuh>
#include <ringscope/atomic.cuh>
#include <ringscope/clock.cuh>
#include <ringscope/histogram.cuh>
#include <ringscope/metrics.cuh>
#define MessageRecord RecordOfMessage
#include <ringscope/record.cuh>
#undef MessageRecord
namespace ringscope {
using KernelRef = ringscope_kernel_ref;
struct Nothing {
    __device__ Nothing(ringscope_u64 = 0) {}
    __device__ operator ringscope_u64() const { return 0; }
    __device__ void operator++() {}
};
__device__ inline Nothing from_lane0(Nothing n) { return n; }
struct MessageRecord {
    Nothing begin_ns, end_ns, wait_ns, sent_ns, held_ns, polls, bytes_in, bytes_out, queue_depth, number, sent, retries;
    Nothing replies_dropped;
    ringscope_u32 status = RINGSCOPE_OK;
};
struct Recorder {
    __device__ Recorder(const KernelRef&, detail::Beginning) {}
    __device__ static constexpr bool on() { return false; }
    __device__ ringscope_u64 begin() const { return 0; }
    __device__ ringscope_u64 begin_warp() const { return 0; }
    __device__ ringscope_u64 ended_warp() const { return 0; }
    __device__ void record_warp(const MessageRecord&) {}
    template <class... Any> __device__ void idle(Any...) {}
    template <class... Any> __device__ void heartbeat(Any...) {}
    template <class... Any> __device__ void ring_place(Any...) {}
    template <class... Any> __device__ void no_message(Any...) {}
    template <class... Any> __device__ void in_hand_warp(Any...) {}
    __device__ void dropped(ringscope_u64) {}
    __device__ void state(ringscope_u32) {}
    __device__ void stays(ringscope_u64&) const {}
    __device__ void goes_on(const ringscope_u64&) {}
};
}
"#;

/// All that telemetry must not do, for the gate to find.
pub const GUILTY: &str = r#"
__device__ __noinline__ unsigned long long called(unsigned long long v) { return v * v + clock64(); }
extern "C" __global__ void guilty(unsigned long long* p, int i) {
    unsigned long long local[64];
    for (int k = 0; k < 64; ++k) local[k] = p[k];
    local[i] = 1;
    atomicCAS(p, local[i + 1], called(local[i]));
    p[1] = atomicAdd(p + 2, 1ull);
    __threadfence();
    p[3] = local[i + 2];
}
"#;

/// One call each on a metric, the parameters always the same. `nothing` never heard of metrics.
pub const METRICS: &str = r#"
#include <ringscope/telemetry.cuh>
struct Any { unsigned long long words[8]; };
using Word = unsigned long long;
extern "C" __global__ void nothing(Any, unsigned long long) {}
#define METRIC(name, Ref, call) extern "C" __global__ void name(ringscope::Ref m, unsigned long long v) { m.call; }
METRIC(counter_add, CounterRef, add(v))
METRIC(counter_add_warp, CounterRef, add_warp(v + threadIdx.x))
METRIC(family_add, CounterFamilyRef, at((unsigned)v).add(v))
METRIC(gauge_set, GaugeRef, set((double)v))
METRIC(gauge_add, GaugeRef, add((double)v))
METRIC(gauge_raise, GaugeRef, raise((double)v))
METRIC(exponential_observe, ExponentialRef, observe(v))
METRIC(exponential_observe_warp, ExponentialRef, observe_warp(v))
METRIC(exponential_observe_int, ExponentialRef, observe((Word)(int)v))
METRIC(histogram_observe_int, HistogramRef, observe((int)v))
METRIC(histogram_known_exponential, HistogramRef, exponential().observe(v))
"#;

/// A loop that the compiler unrolls, with the calls in it and behind it. At level 0 it is the loop alone.
pub const UNROLLED: &str = r#"
#define LOOP(name, in, behind)                                                                                      \
    extern "C" __global__ void name(ringscope::CounterRef lines, ringscope::HistogramRef sizes, const float* from,  \
                                    float* to, unsigned count) {                                                    \
        float sum = 0;                                                                                              \
        for (unsigned i = 0; i < count; ++i) {                                                                      \
            sum += from[i * 1024 + threadIdx.x];                                                                    \
            in                                                                                                      \
        }                                                                                                           \
        behind                                                                                                      \
        to[threadIdx.x] = sum;                                                                                      \
    }
LOOP(calls_in_it, lines.add(1); sizes.observe(i);, )
LOOP(calls_behind_it, , lines.add(count); sizes.observe(count);)
"#;
