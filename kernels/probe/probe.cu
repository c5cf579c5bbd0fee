// probe: questions to a device, and what one record costs there. `ringscope doctor --deep` and `ringscope bench` ask;
// src/device/probe has the other end of each.
#include <ringscope/telemetry.cuh>

// The Rust mirror is ProbeArgs in src/device/probe.
typedef struct ringscope_probe_args {
    ringscope_kernel_ref telemetry;
    const ringscope_u64* in;      // mapped
    ringscope_u64* out;           // mapped
    ringscope_u64* words;         // device memory, or mapped: what PROBE_HALVES and COST_MAPPED add to
    const ringscope_u64* stop;    // mapped; not 0 ends what does not end by itself
    ringscope_u64 what;           // enum ringscope_probe
    ringscope_u64 count;          // of `in`, or of `words`
    ringscope_u64 rounds;
    ringscope_u64 scale;
} ringscope_probe_args;
RINGSCOPE_ASSERT_ABI(sizeof(ringscope_probe_args) == 160, "src/device/probe has the same twenty words");

enum ringscope_probe {
    PROBE_SLOTS = 0,         // out[i] = the bucket slot of in[i]
    PROBE_TICK = 1,          // out[0] = the smallest step of the clock, out[1] = the steps seen in `rounds` looks
    PROBE_HALVES = 2,        // until stopped, adds to words, whose two halves stay equal in every whole value
    PROBE_CLOCK = 3,         // until stopped, answers each new in[0] in out[1], with the time in out[0]
    PROBE_FAULT = 4,         // writes where nothing is; does nothing on the host device
    // Counts each of in[0 .. count] in seven metrics, the first of which has index `scale`; in[count ..] has an f64 for
    // each, which explicit buckets and gauges take.
    PROBE_METRICS_ONE = 5,   // one thread, one value
    PROBE_METRICS_WARP = 6,  // a warp, a value for each lane
    PROBE_METRICS_LOCAL = 7, // in shared memory first
    PROBE_METRICS_GAUGE = 8, // changes the gauge of index `scale`, one change after the other: in[i] says how (0 sets,
                             // 1 adds, 2 subtracts, 3 raises, 4 lowers), in[count + i] is the f64
    // A loop of `rounds` rounds; out[2 * block] = its nanoseconds, out[2 * block + 1] = its cycles.
    PROBE_COST_NONE = 16,    // nothing in the loop
    PROBE_COST_WARP = 17,    // begin and end_warp
    PROBE_COST_THREAD = 18,  // begin and end: one atomic for each field
    PROBE_COST_FENCED = 19,  // begin, end_warp, and a fence at system scope
    PROBE_COST_MAPPED = 20,  // begin, and one atomic at system scope for each field of `words`, in host memory
    // By one thread of each block.
    PROBE_COST_EVENT = 21,
    PROBE_COST_SPAN = 22,    // one that begins and ends
    PROBE_COST_WAYPOINT = 23,
};

namespace {
using namespace ringscope;
using u64 = ringscope_u64;

#if RINGSCOPE_CUDA
__device__ __forceinline__ u64 cycles() { return (u64)clock64(); }
__device__ __forceinline__ void fence_system() { __threadfence_system(); }
__device__ __forceinline__ void add_system(u64* p, u64 v) {
    asm volatile("red.relaxed.sys.global.add.u64 [%0], %1;" ::"l"(detail::global_address(p)), "l"(v) : "memory");
}
__device__ __forceinline__ void add_shared(u64* p, u64 v) { detail::red_add(p, v); }
__device__ __forceinline__ void write_where_nothing_is() { detail::store_relaxed((u64*)8, 1); }
#else
inline u64 cycles() {
#if defined(__x86_64__)
    return __builtin_ia32_rdtsc();
#else
    return 0;
#endif
}
inline void fence_system() { __atomic_thread_fence(__ATOMIC_SEQ_CST); }
inline void add_system(u64* p, u64 v) { detail::red_add(p, v, true); }
inline void add_shared(u64* p, u64 v) { detail::red_add(p, v, true); }
inline void write_where_nothing_is() {}
#endif

__device__ __forceinline__ bool stopped(const ringscope_probe_args& args) {
    return detail::load_acquire_system(args.stop) != 0;
}

__device__ __forceinline__ void slots(const ringscope_probe_args& args) {
    for (u64 i = block_index() * LANES_PER_WARP + lane_index(); i < args.count; i += (u64)block_count() * LANES_PER_WARP) {
        args.out[i] = detail::bucket_slot(args.in[i], (unsigned)args.scale);
    }
}

__device__ __forceinline__ void tick(const ringscope_probe_args& args) {
    if (block_index() != 0 || lane_index() != 0) return;
    u64 last = clock_ns(), smallest = ~0ull, steps = 0;
    for (u64 round = 0; round < args.rounds; ++round) {
        u64 now = clock_ns();
        if (now == last) continue;
        if (now - last < smallest) smallest = now - last;
        ++steps;
        last = now;
    }
    args.out[0] = smallest;
    args.out[1] = steps;
}

__device__ __forceinline__ void halves(const ringscope_probe_args& args) {
    u64 i = block_index() * LANES_PER_WARP + lane_index();
    for (unsigned round = 0; round % 256 != 255 || !stopped(args); ++round) {
        add_shared(&args.words[i % args.count], 0x100000001ull);
        i += LANES_PER_WARP + 1;
    }
}

__device__ __forceinline__ void answer_the_clock(const ringscope_probe_args& args) {
    if (block_index() != 0 || lane_index() != 0) return;
    u64 answered = 0;
    while (!stopped(args)) {
        u64 asked = detail::load_acquire_system(args.in);
        if (asked == answered) continue;
        args.out[0] = clock_ns();
        detail::store_release_system(&args.out[1], answered = asked);
    }
}

struct Metrics {
    CounterRef counter;
    GaugeRef sum, most, least;
    HistogramRef whole, real;
    CounterFamilyRef family;

    __device__ __forceinline__ explicit Metrics(const ringscope_probe_args& args)
        : counter(ringscope::counter(args.telemetry, (unsigned)args.scale)),
          sum(gauge(args.telemetry, (unsigned)args.scale + 1)),
          most(gauge(args.telemetry, (unsigned)args.scale + 2)),
          least(gauge(args.telemetry, (unsigned)args.scale + 3)),
          whole(histogram(args.telemetry, (unsigned)args.scale + 4)),
          real(histogram(args.telemetry, (unsigned)args.scale + 5)),
          family(counter_family(args.telemetry, (unsigned)args.scale + 6)) {}

    // What has no form for a warp or for shared memory.
    __device__ __forceinline__ void count(u64 v, double x) const {
        sum.add(x);
        most.raise(x);
        least.lower(x);
        real.observe(x);
        family.at((unsigned)(v % 7)).add();
    }
};

__device__ __forceinline__ double real_of(const ringscope_probe_args& args, u64 i) {
    return detail::double_of(args.in[args.count + i]);
}

__device__ __forceinline__ void count_one_by_one(const ringscope_probe_args& args) {
    Metrics all(args);
    for (u64 i = block_index() * LANES_PER_WARP + lane_index(); i < args.count; i += (u64)block_count() * LANES_PER_WARP) {
        all.counter.add(args.in[i]);
        all.whole.observe(args.in[i]);
        all.count(args.in[i], real_of(args, i));
    }
}

__device__ __forceinline__ void count_by_warps(const ringscope_probe_args& args) {
    Metrics all(args);
    for (u64 first = block_index() * LANES_PER_WARP; first < args.count; first += (u64)block_count() * LANES_PER_WARP) {
        u64 i = first + lane_index();
        bool mine = i < args.count;
        all.counter.add_warp(mine ? args.in[i] : 0);
        if (first + LANES_PER_WARP <= args.count) all.whole.observe_warp(args.in[i]);
        else if (mine) all.whole.observe(args.in[i]);
        if (mine) all.count(args.in[i], real_of(args, i));
    }
}

__device__ __forceinline__ void count_locally(const ringscope_probe_args& args) {
    __shared__ LocalCounter counter;
    __shared__ LocalHistogram<RINGSCOPE_MAX_SCALE> whole;
    Metrics all(args);
    counter.begin();
    whole.begin();
    u64 first = block_index() * LANES_PER_WARP;
    for (u64 round = 0; first < args.count; first += (u64)block_count() * LANES_PER_WARP, ++round) {
        u64 i = first + lane_index();
        if (i < args.count) {
            counter.add(args.in[i]);
            whole.observe(all.whole, args.in[i]);
            all.count(args.in[i], real_of(args, i));
        }
        if (round % 16 == 15) whole.flush(all.whole);
    }
    counter.flush(all.counter);
    whole.flush(all.whole);
}

__device__ __forceinline__ void change_gauge(const ringscope_probe_args& args) {
    if (block_index() != 0 || lane_index() != 0) return;
    GaugeRef to = gauge(args.telemetry, (unsigned)args.scale);
    for (u64 i = 0; i < args.count; ++i) {
        double x = real_of(args, i);
        switch (args.in[i]) {
            case 0: to.set(x); break;
            case 1: to.add(x); break;
            case 2: to.sub(x); break;
            case 3: to.raise(x); break;
            case 4: to.lower(x); break;
        }
    }
}

template <u64 What>
__device__ __forceinline__ void one_record(const ringscope_probe_args& args, Recorder& rec, u64 round) {
    (void)round;
    bool timed = What >= PROBE_COST_WARP && What <= PROBE_COST_MAPPED;
    u64 begun = timed ? rec.begin() : 0;
    if (What == PROBE_COST_WARP || What == PROBE_COST_FENCED) rec.end_warp(begun, 64, 64);
    if (What == PROBE_COST_FENCED) fence_system();
    if (What == PROBE_COST_THREAD && lane_index() == 0) rec.end(begun, 64, 64);
    if (What == PROBE_COST_MAPPED && lane_index() == 0) {
        u64 took = rec.begin() - begun;
        u64* line = args.words + block_index() * (u64)RINGSCOPE_WORDS;
        // What end() adds to: received, sent, processed, bytes in and out, busy, and the histogram's count and sum.
        for (unsigned word = 0; word < 8; ++word) add_system(&line[word], word < 5 ? 1 : took);
    }
    if (What == PROBE_COST_WAYPOINT && lane_index() == 0) rec.at((unsigned)round & 1u);
    if (What == PROBE_COST_EVENT && lane_index() == 0) rec.event(1, (unsigned)round);
    if (What == PROBE_COST_SPAN && lane_index() == 0) Span span(rec, 2);
    asm volatile("" ::: "memory");
}

template <u64 What>
__device__ __forceinline__ void cost(const ringscope_probe_args& args) {
    Recorder rec(args.telemetry);
    u64 ns = clock_ns(), begun = cycles();
    for (u64 round = 0; round < args.rounds; ++round) one_record<What>(args, rec, round);
    u64 took = cycles() - begun;
    if (lane_index() != 0) return;
    args.out[2 * block_index()] = clock_ns() - ns;
    args.out[2 * block_index() + 1] = took;
}

__device__ __forceinline__ void probe(const ringscope_probe_args& args) {
    switch (args.what) {
        case PROBE_SLOTS: return slots(args);
        case PROBE_TICK: return tick(args);
        case PROBE_HALVES: return halves(args);
        case PROBE_CLOCK: return answer_the_clock(args);
        case PROBE_FAULT: return write_where_nothing_is();
        case PROBE_COST_NONE: return cost<PROBE_COST_NONE>(args);
        case PROBE_COST_WARP: return cost<PROBE_COST_WARP>(args);
        case PROBE_COST_THREAD: return cost<PROBE_COST_THREAD>(args);
        case PROBE_COST_FENCED: return cost<PROBE_COST_FENCED>(args);
        case PROBE_COST_MAPPED: return cost<PROBE_COST_MAPPED>(args);
        case PROBE_COST_EVENT: return cost<PROBE_COST_EVENT>(args);
        case PROBE_COST_SPAN: return cost<PROBE_COST_SPAN>(args);
        case PROBE_COST_WAYPOINT: return cost<PROBE_COST_WAYPOINT>(args);
    }
}

__device__ __forceinline__ void probe_metrics(const ringscope_probe_args& args) {
    switch (args.what) {
        case PROBE_METRICS_ONE: return count_one_by_one(args);
        case PROBE_METRICS_WARP: return count_by_warps(args);
        case PROBE_METRICS_LOCAL: return count_locally(args);
        case PROBE_METRICS_GAUGE: return change_gauge(args);
    }
}
}  // namespace

#define PROBE_ENTRY_(name, body)                                                         \
    extern "C" __global__ void name(const ringscope_probe_args args) { body(args); }     \
    RINGSCOPE_ENTRY(name)
#define PROBE_ENTRY(name, body) PROBE_ENTRY_(name, body)
PROBE_ENTRY(RINGSCOPE_JOIN(probe_l, RINGSCOPE_LEVEL), probe)
// An entry of its own: shared memory and registers would be those of the other questions, too.
PROBE_ENTRY(RINGSCOPE_JOIN(probe_metrics_l, RINGSCOPE_LEVEL), probe_metrics)
