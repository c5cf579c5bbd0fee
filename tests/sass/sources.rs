//! What is compiled.

/// All built-in kernels in one unit, as build.rs compiles them.
pub const BUILT_IN: &str = r#"
#include "echo.cu"
#include "vector_add.cu"
#include "compute.cu"
#include "crc32c.cu"
#include "probe/clock_probe.cu"
"#;

/// Kernels of somebody else, in three dresses: with ringscope's calls, with all of them but the record of a message
/// (-DNO_RECORD), and never having heard of ringscope (-DPLAIN), but for the 40 bytes of the parameter.
pub const OWN: &str = r#"
#ifdef PLAIN
struct Ref { void* pointers[3]; unsigned numbers[4]; };
#define CALL(...)
#else
#include <ringscope/telemetry.cuh>
using Ref = ringscope::KernelRef;
#define CALL(...) __VA_ARGS__
#endif
#ifdef NO_RECORD
#define RECORD(...)
#else
#define RECORD(...) CALL(__VA_ARGS__)
#endif

#define KERNEL(name, ...)                                                                       \
    extern "C" __global__ void name(Ref telemetry, const volatile int* stop, unsigned* out) {   \
        CALL(ringscope::Recorder rec(telemetry);)                                               \
        for (unsigned n = 1; *stop == 0; ++n) {                                                 \
            CALL(ringscope::u64 begun = rec.begin();)                                           \
            out[blockIdx.x * blockDim.x + threadIdx.x] = n;                                     \
            __syncwarp();                                                                       \
            RECORD(__VA_ARGS__)                                                                 \
        }                                                                                       \
    }

KERNEL(end, if (threadIdx.x == 0) rec.end(begun, n, 4);)
KERNEL(fail, if (threadIdx.x == 0) rec.fail(begun, 300, n);)
KERNEL(end_warp, rec.end_warp(begun, n, 4);)
KERNEL(fail_warp, rec.fail_warp(begun, 300, n);)
KERNEL(mixed,
    if (n % 3 == 0) rec.end_warp(begun, n, 4);
    else if (threadIdx.x != 0) rec.heartbeat(0);
    else if (n % 3 == 1) rec.fail(begun, 300, n);
    else { rec.end(begun, n, 4); rec.idle(begun, 1, 1, 0); rec.dropped(n); rec.state(2); })
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
namespace ringscope {
struct Nothing {
    __device__ Nothing(u64 = 0) {}
    __device__ operator u64() const { return 0; }
    __device__ void operator++() {}
};
__device__ inline Nothing from_lane0(Nothing n) { return n; }
using KernelRef = ringscope_kernel_ref;
struct MessageRecord {
    Nothing begin_ns, end_ns, wait_ns, sent_ns, held_ns, polls, bytes_in, bytes_out, queue_depth, sent, retries;
    Nothing replies_dropped;
    u32 status = RINGSCOPE_OK;
};
struct Recorder {
    __device__ Recorder(const KernelRef&, u32) {}
    __device__ static constexpr bool on() { return false; }
    __device__ u64 begin() const { return 0; }
    __device__ u64 begin_warp() const { return 0; }
    __device__ void record_warp(const MessageRecord&) {}
    template <class... Any> __device__ void idle(Any...) {}
    template <class... Any> __device__ void heartbeat(Any...) {}
    __device__ void dropped(u64) {}
    __device__ void state(u32) {}
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
extern "C" __global__ void nothing(Any, unsigned long long) {}
#define METRIC(name, Ref, call) extern "C" __global__ void name(ringscope::Ref m, unsigned long long v) { m.call; }
METRIC(counter_add, CounterRef, add(v))
METRIC(counter_add_warp, CounterRef, add_warp(v + threadIdx.x))
METRIC(family_add, CounterFamilyRef, at((unsigned)v).add(v))
METRIC(gauge_set, GaugeRef, set((double)v))
METRIC(gauge_add, GaugeRef, add((double)v))
METRIC(gauge_max, GaugeRef, max((double)v))
METRIC(exponential_observe, HistogramRef, metric.kind == RINGSCOPE_METRIC_HISTOGRAM ? m.observe(v) : void())
METRIC(exponential_observe_warp, HistogramRef, metric.kind == RINGSCOPE_METRIC_HISTOGRAM ? m.observe_warp(v) : void())
"#;
