// metrics.cuh: counters, gauges and histograms of the kernel's author. Included by telemetry.cuh.
//
//     extern "C" __global__ void my_kernel(ringscope::KernelRef telemetry, ringscope::CounterRef hits, ...) {
//         hits.add(n);                                         // one thread, its own n
//         hits.add_warp(n);                                    // a converged warp, each lane its own n: one RED
//         auto batch = ringscope::histogram(telemetry, 2);     // or by the index that the host said
//         batch.observe(tokens);
//
// Registered on the host (TelemetryCollector::counter and its like), read with the snapshot. Every count is exact.
// What is switched off, or was never registered, records nothing. RINGSCOPE_LEVEL=0 removes all of it.
//
// Each thread looks up for itself. Of threads that look up while the host registers, some find the metric and others do not;
// a thread that did not has to look again. What a warp or a block does together is therefore put to the vote: add_warp and
// observe_warp count once all lanes have found the metric, and nothing before; a flush adds once all threads have, and keeps
// until then. A metric that a kernel takes by value all threads have.
#ifndef RINGSCOPE_METRICS_CUH
#define RINGSCOPE_METRICS_CUH

namespace ringscope {
inline namespace RINGSCOPE_LEVEL_NAMESPACE {

using Metric = ringscope_metric;

// ---- words ---------------------------------------------------------------------------------------------------------

namespace metric {
// Word `word` of series `series` in the stripe of this block; of a gauge in the first one.
__device__ __forceinline__ u64* word(const Metric& m, u32 slot, u32 word, u32 stripe) {
    u32 at = slot + word;
    return m.words + ((u64)(at / RINGSCOPE_WORDS) * m.stripes + stripe) * RINGSCOPE_WORDS + at % RINGSCOPE_WORDS;
}
__device__ __forceinline__ u32 stripe(const Metric& m) { return block_index() & (m.stripes - 1); }

#if RINGSCOPE_CUDA
__device__ __forceinline__ void add(u64* p, u64 v) { red_add(p, v); }
#else
inline void add(u64* p, u64 v) { red_add(p, v, true); }
#endif
__device__ __forceinline__ u64 bits_of(double v) {
#if RINGSCOPE_CUDA
    return (u64)__double_as_longlong(v);
#else
    u64 bits;
    __builtin_memcpy(&bits, &v, sizeof bits);
    return bits;
#endif
}
__device__ __forceinline__ double double_of(u64 bits) {
#if RINGSCOPE_CUDA
    return __longlong_as_double((long long)bits);
#else
    double v;
    __builtin_memcpy(&v, &bits, sizeof v);
    return v;
#endif
}
// Keys sort as the values do; that of a u64 is itself.
__device__ __forceinline__ u64 key(u64 v) { return v; }
__device__ __forceinline__ u64 key(double v) {
    u64 bits = bits_of(v);
    return (bits >> 63) != 0 ? ~bits : bits | 0x8000000000000000ull;
}
__device__ __forceinline__ bool is_finite(double v) { return (bits_of(v) & 0x7ff0000000000000ull) != 0x7ff0000000000000ull; }

// Whether each lane of the warp has the metric. Without telemetry none has, and nobody is asked.
__device__ __forceinline__ bool all_lanes_have(bool on) { return RINGSCOPE_LEVEL > 0 && all_lanes(on); }

// The largest of all lanes' values.
__device__ __forceinline__ u64 max_of_lanes(u64 v) {
#if RINGSCOPE_CUDA
    for (int step = 16; step > 0; step >>= 1) {
        u64 other = __shfl_xor_sync(0xffffffffu, v, step);
        if (other > v) v = other;
    }
#endif
    return v;
}
}  // namespace metric

// ---- counter -------------------------------------------------------------------------------------------------------

struct CounterRef {
    Metric metric;

    __device__ __forceinline__ bool on() const { return RINGSCOPE_LEVEL > 0 && metric.words != nullptr; }
    // By one thread.
    __device__ __forceinline__ void add(u64 n = 1) const {
        if (on()) metric::add(metric::word(metric, metric.slot, RINGSCOPE_METRIC_VALUE, metric::stripe(metric)), n);
    }
    // By all lanes of a converged warp, each with its own n. Counts if all of them have the metric.
    __device__ __forceinline__ void add_warp(u64 n) const {
        if (!metric::all_lanes_have(on())) return;
        u64 sum = sum_lanes(n);
        if (lane() == 0) add(sum);
    }
};

// ---- gauge ---------------------------------------------------------------------------------------------------------

// An f64. The last value set is read; add, sub, max and min are exact, whatever else changes it meanwhile.
struct GaugeRef {
    Metric metric;

    __device__ __forceinline__ bool on() const { return RINGSCOPE_LEVEL > 0 && metric.words != nullptr; }
    __device__ __forceinline__ void set(double v) const {
        if (on()) store_relaxed(word(), metric::bits_of(v));
    }
    __device__ __forceinline__ void add(double v) const {
        if (on()) add_double(word(), v);
    }
    __device__ __forceinline__ void sub(double v) const { add(-v); }
    __device__ __forceinline__ void max(double v) const {
        if (on()) raise(word(), v, true);
    }
    __device__ __forceinline__ void min(double v) const {
        if (on()) raise(word(), v, false);
    }

   private:
    __device__ __forceinline__ u64* word() const { return metric::word(metric, metric.slot, RINGSCOPE_METRIC_VALUE, 0); }
    // Looks first: most values change nothing.
    __device__ __forceinline__ static void raise(u64* p, double v, bool up) {
        u64 seen = load_relaxed(p);
        while (up ? metric::double_of(seen) < v : v < metric::double_of(seen)) {
            if (swap_if(p, seen, metric::bits_of(v))) return;
        }
    }
};

// ---- histogram -----------------------------------------------------------------------------------------------------

// Exponential buckets of u64, or the author's bounds of f64; `observe` takes what the metric is of, and converts else.
struct HistogramRef {
    Metric metric;

    __device__ __forceinline__ bool on() const { return RINGSCOPE_LEVEL > 0 && metric.words != nullptr; }
    __device__ __forceinline__ bool is_explicit() const { return metric.kind == RINGSCOPE_METRIC_EXPLICIT; }

    // By one thread.
    __device__ __forceinline__ void observe(u64 v) const {
        if (!on()) return;
        if (is_explicit()) return observe_double((double)v);
        add_row(bucket_slot(v, metric.scale), 1);
        add_head(1, v, v, v);
    }
    __device__ __forceinline__ void observe(double v) const {
        if (!on()) return;
        if (is_explicit()) return observe_double(v);
        // What a u64 cannot hold is dropped; a fraction is rounded to the nearest.
        if (!(v >= 0.0 && v < 18446744073709551616.0)) return drop();
        u64 whole = (u64)v;
        observe(v - (double)whole >= 0.5 ? whole + 1 : whole);
    }
    __device__ __forceinline__ void observe(u32 v) const { observe((u64)v); }
    __device__ __forceinline__ void observe(int v) const {
        if (v >= 0) observe((u64)v);
        else observe((double)v);
    }

    // By all lanes of a converged warp, each with its own value: a bucket each, and the rest once for all. Counts if all of
    // them have the metric.
    __device__ __forceinline__ void observe_warp(u64 v) const {
        if (!metric::all_lanes_have(on())) return;
        if (is_explicit()) return observe_double((double)v);
        add_row(bucket_slot(v, metric.scale), 1);
        u64 sum = sum_lanes(v), largest = metric::max_of_lanes(v), smallest = ~metric::max_of_lanes(~v);
        if (lane() == 0) add_head(LANES, sum, smallest, largest);
    }

    // What follows is for LocalHistogram.
    __device__ __forceinline__ void add_row(u32 bucket, u64 n) const {
        metric::add(metric.rows + (u64)metric::stripe(metric) * metric.row_words + bucket, n);
    }
    __device__ __forceinline__ void add_head(u64 count, u64 sum, u64 smallest, u64 largest) const {
        u32 stripe = metric::stripe(metric);
        raise_relaxed(head(RINGSCOPE_METRIC_NOT_MIN, stripe), ~smallest);
        raise_relaxed(head(RINGSCOPE_METRIC_MAX, stripe), largest);
        metric::add(head(RINGSCOPE_METRIC_SUM, stripe), sum);
        metric::add(head(RINGSCOPE_METRIC_COUNT, stripe), count);
    }

   private:
    __device__ __forceinline__ u64* head(u32 word, u32 stripe) const {
        return metric::word(metric, metric.slot, word, stripe);
    }
    __device__ __forceinline__ void drop() const { metric::add(head(RINGSCOPE_METRIC_DROPPED, metric::stripe(metric)), 1); }
    __device__ __forceinline__ void observe_double(double v) const {
        if (!metric::is_finite(v)) return drop();
        u32 stripe = metric::stripe(metric);
        add_row(bucket_of(v), 1);
        u64 key = metric::key(v);
        raise_relaxed(head(RINGSCOPE_METRIC_NOT_MIN, stripe), ~key);
        raise_relaxed(head(RINGSCOPE_METRIC_MAX, stripe), key);
        add_double(head(RINGSCOPE_METRIC_SUM, stripe), v);
        metric::add(head(RINGSCOPE_METRIC_COUNT, stripe), 1);
    }
    // The first bound at or above v; behind the last one for what is above them all.
    __device__ __forceinline__ u32 bucket_of(double v) const {
        u32 low = 0, high = metric.bounds_count;
        while (low < high) {
            u32 middle = (low + high) / 2;
            if (metric.bounds[middle] < v) low = middle + 1;
            else high = middle;
        }
        return low;
    }
};

// ---- families ------------------------------------------------------------------------------------------------------

// Metrics of one name whose label sets were registered; an index out of range is the series `overflow`.
template <class Ref>
struct FamilyRef {
    Metric metric;

    __device__ __forceinline__ Ref at(u32 index) const {
        Ref one{metric};
        if (metric.words == nullptr) return one;
        u32 chosen = index < metric.series ? index : metric.series;
        bool buckets = metric.kind >= RINGSCOPE_METRIC_HISTOGRAM;
        one.metric.slot += chosen * (buckets ? RINGSCOPE_METRIC_WORDS : 1);
        if (buckets) one.metric.rows += (u64)chosen * metric.stripes * metric.row_words;
        return one;
    }
};
using CounterFamilyRef = FamilyRef<CounterRef>;
using GaugeFamilyRef = FamilyRef<GaugeRef>;
using HistogramFamilyRef = FamilyRef<HistogramRef>;

// ---- by index ------------------------------------------------------------------------------------------------------

namespace metric {
// Of a metric in the table, as u64: the one with its kind; src/metrics/device.rs has the same.
constexpr u32 KIND_WORD = 5;
// Nothing of that kind is registered under that index, or nothing yet: counted, for the host to show.
__device__ __forceinline__ Metric missed(const ringscope_kernel_ref& telemetry) {
    if (telemetry.shards != nullptr) {
        add(&telemetry.shards[block_index() % telemetry.shard_count].words[RINGSCOPE_LOOKUP_MISSES], 1);
    }
    return Metric{};
}
// What the host registered under that index, if it is of that kind; else something that is off.
__device__ __forceinline__ Metric at(const ringscope_kernel_ref& telemetry, u32 index, u32 kind) {
    if (RINGSCOPE_LEVEL == 0 || telemetry.metrics == nullptr) return Metric{};
    if (index >= telemetry.metric_count) return missed(telemetry);
    // The host writes the word with the kind last: who sees it sees the others. It may have come just now, so no load of
    // these may be answered by a cache that does not know.
    const u64* place = reinterpret_cast<const u64*>(&telemetry.metrics[index]);
    union {
        Metric found;
        u64 words[sizeof(Metric) / sizeof(u64)];
    } copy = {};
    copy.words[KIND_WORD] = load_acquire_system(place + KIND_WORD);
    u32 is = copy.found.kind;
    if (is != kind && !(kind == RINGSCOPE_METRIC_HISTOGRAM && is == RINGSCOPE_METRIC_EXPLICIT)) {
        return missed(telemetry);
    }
    RINGSCOPE_UNROLL
    for (u32 word = 0; word < sizeof(Metric) / sizeof(u64); ++word) {
        if (word != KIND_WORD) copy.words[word] = load_relaxed(place + word);
    }
    return copy.found;
}
}  // namespace metric

// By any thread, alone or with others. A kernel that was launched before the registration finds what was registered when it
// looks. What it does not find, or what is of another kind, records nothing; each thread's look-up in vain is counted, and the
// snapshot's self_metrics.lookup_misses_total shows how many there were.
__device__ __forceinline__ CounterRef counter(const ringscope_kernel_ref& telemetry, u32 index) {
    return CounterRef{metric::at(telemetry, index, RINGSCOPE_METRIC_COUNTER)};
}
__device__ __forceinline__ GaugeRef gauge(const ringscope_kernel_ref& telemetry, u32 index) {
    return GaugeRef{metric::at(telemetry, index, RINGSCOPE_METRIC_GAUGE)};
}
__device__ __forceinline__ HistogramRef histogram(const ringscope_kernel_ref& telemetry, u32 index) {
    return HistogramRef{metric::at(telemetry, index, RINGSCOPE_METRIC_HISTOGRAM)};
}

// The same for families.
__device__ __forceinline__ CounterFamilyRef counter_family(const ringscope_kernel_ref& telemetry, u32 index) {
    return CounterFamilyRef{metric::at(telemetry, index, RINGSCOPE_METRIC_COUNTER)};
}
__device__ __forceinline__ GaugeFamilyRef gauge_family(const ringscope_kernel_ref& telemetry, u32 index) {
    return GaugeFamilyRef{metric::at(telemetry, index, RINGSCOPE_METRIC_GAUGE)};
}
__device__ __forceinline__ HistogramFamilyRef histogram_family(const ringscope_kernel_ref& telemetry, u32 index) {
    return HistogramFamilyRef{metric::at(telemetry, index, RINGSCOPE_METRIC_HISTOGRAM)};
}

// ---- twins in shared memory ------------------------------------------------------------------------------------------

// Both live in __shared__ memory and belong to a block: `begin` and `flush` are for all of its threads together, what
// is between for any of them. A flush adds what was counted to the metric, and starts anew; where a thread has not found the
// metric yet, all of it stays for the next one: some threads' buckets without the others' would never agree with the count.
// Counts are u32, which shared memory adds without a loop: flush before 2^32 of them.

struct LocalCounter {
    u32 low, high;  // of one u64

#if RINGSCOPE_LEVEL == 0
    __device__ __forceinline__ void begin() {}
    __device__ __forceinline__ void add(u64 = 1) {}
    __device__ __forceinline__ void flush(const CounterRef&) {}
#else
    __device__ __forceinline__ void begin() {
        if (thread_index() == 0) low = high = 0;
        __syncthreads();
    }
    __device__ __forceinline__ void add(u64 n = 1) { add_local(&low, &high, n); }
    __device__ __forceinline__ void flush(const CounterRef& to) {
        if (!__syncthreads_and(to.on())) return;
        if (thread_index() == 0) {
            to.add((u64)high << 32 | low);
            low = high = 0;
        }
        __syncthreads();
    }
#endif
};

// Of exponential buckets, for metrics of a scale up to MaxScale; others are observed where they are.
template <u32 MaxScale>
struct LocalHistogram {
    u32 buckets[RINGSCOPE_BUCKETS(MaxScale)];
    u32 count, sum_low, sum_high;
    u64 smallest, largest;

#if RINGSCOPE_LEVEL == 0
    __device__ __forceinline__ void begin() {}
    __device__ __forceinline__ void observe(const HistogramRef&, u64) {}
    __device__ __forceinline__ void flush(const HistogramRef&) {}
#else
    __device__ __forceinline__ void begin() {
        for (u32 i = thread_index(); i < RINGSCOPE_BUCKETS(MaxScale); i += thread_count()) buckets[i] = 0;
        if (thread_index() == 0) clear_head();
        __syncthreads();
    }
    // `to` is the metric that it will be flushed to. A thread that has not found it counts nothing.
    __device__ __forceinline__ void observe(const HistogramRef& to, u64 v) {
        if (!to.on()) return;
        if (!holds(to)) return to.observe(v);
        add_local(&buckets[bucket_slot(v, to.metric.scale)], 1u);
        add_local(&count, 1u);
        add_local(&sum_low, &sum_high, v);
        raise_local(&largest, v);
        lower_local(&smallest, v);
    }
    __device__ __forceinline__ void flush(const HistogramRef& to) {
        // One answer for all threads; and whoever counted before it, did so before what follows.
        if (!__syncthreads_and(to.on() && holds(to))) return;
        for (u32 i = thread_index(); i < RINGSCOPE_BUCKETS(MaxScale); i += thread_count()) {
            if (buckets[i] != 0) to.add_row(i, buckets[i]);
            buckets[i] = 0;
        }
        if (thread_index() == 0) {
            if (count != 0) to.add_head(count, (u64)sum_high << 32 | sum_low, smallest, largest);
            clear_head();
        }
        __syncthreads();
    }

   private:
    __device__ __forceinline__ static bool holds(const HistogramRef& to) {
        return !to.is_explicit() && to.metric.scale <= MaxScale;
    }
    __device__ __forceinline__ void clear_head() {
        count = sum_low = sum_high = 0;
        smallest = ~0ull;
        largest = 0;
    }
#endif
};

}  // inline namespace
}  // namespace ringscope

#endif  // RINGSCOPE_METRICS_CUH
