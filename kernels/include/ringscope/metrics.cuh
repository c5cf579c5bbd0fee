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
// The refs are parameters of kernels, whose symbols must not change with the level: they are outside of its namespace. Their
// functions differ by level, which nobody can see: they are always part of their callers.
using Metric = ringscope_metric;

// ---- words ---------------------------------------------------------------------------------------------------------

namespace detail {
// That word of the series at `slot`, in that stripe.
RINGSCOPE_INLINE ringscope_u64* metric_word(const Metric& m, ringscope_u32 slot, ringscope_u32 which, ringscope_u32 stripe) {
    ringscope_u32 at = slot + which;
    return m.words + ((ringscope_u64)(at / RINGSCOPE_WORDS) * m.stripes + stripe) * RINGSCOPE_WORDS + at % RINGSCOPE_WORDS;
}
RINGSCOPE_INLINE ringscope_u32 stripe_of(const Metric& m) { return block_index() & (m.stripes - 1); }

#if RINGSCOPE_CUDA
RINGSCOPE_INLINE void add_shared(ringscope_u64* p, ringscope_u64 v) { red_add(p, v); }
#else
inline void add_shared(ringscope_u64* p, ringscope_u64 v) { red_add(p, v, true); }
#endif
RINGSCOPE_INLINE ringscope_u64 bits_of(double v) {
#if RINGSCOPE_CUDA
    return (ringscope_u64)__double_as_longlong(v);
#else
    ringscope_u64 bits;
    __builtin_memcpy(&bits, &v, sizeof bits);
    return bits;
#endif
}
RINGSCOPE_INLINE ringscope_u32 bits_of(float v) {
#if RINGSCOPE_CUDA
    return (ringscope_u32)__float_as_uint(v);
#else
    ringscope_u32 bits;
    __builtin_memcpy(&bits, &v, sizeof bits);
    return bits;
#endif
}
RINGSCOPE_INLINE double double_of(ringscope_u64 bits) {
#if RINGSCOPE_CUDA
    return __longlong_as_double((long long)bits);
#else
    double v;
    __builtin_memcpy(&v, &bits, sizeof v);
    return v;
#endif
}
// Of a finite value, a number that sorts as the value does.
RINGSCOPE_INLINE ringscope_u64 sort_key(double v) {
    ringscope_u64 bits = bits_of(v);
    return (bits >> 63) != 0 ? ~bits : bits | 0x8000000000000000ull;
}
RINGSCOPE_INLINE bool is_finite(double v) { return (bits_of(v) & 0x7ff0000000000000ull) != 0x7ff0000000000000ull; }

// Whether each lane of the warp has the metric. Without telemetry none has, and nobody is asked.
RINGSCOPE_INLINE bool all_lanes_have(bool on) { return RINGSCOPE_LEVEL > 0 && all_lanes(on); }

// The largest of all lanes' values.
RINGSCOPE_INLINE ringscope_u64 largest_of_lanes(ringscope_u64 v) {
#if RINGSCOPE_CUDA
    for (int step = 16; step > 0; step >>= 1) {
        ringscope_u64 other = __shfl_xor_sync(0xffffffffu, v, step);
        if (other > v) v = other;
    }
#endif
    return v;
}
}  // namespace detail

// ---- counter -------------------------------------------------------------------------------------------------------

struct CounterRef {
    Metric metric;

    RINGSCOPE_INLINE bool on() const { return RINGSCOPE_LEVEL > 0 && metric.words != nullptr; }
    // By one thread.
    RINGSCOPE_INLINE void add(ringscope_u64 n = 1) const {
        if (!on()) return;
        detail::add_shared(detail::metric_word(metric, metric.slot, RINGSCOPE_METRIC_VALUE, detail::stripe_of(metric)), n);
    }
    // By all lanes of a converged warp, each with its own n. Counts if all of them have the metric.
    RINGSCOPE_INLINE void add_warp(ringscope_u64 n) const {
        if (!detail::all_lanes_have(on())) return;
        ringscope_u64 sum = sum_lanes(n);
        if (lane_index() == 0) add(sum);
    }
};

// ---- gauge ---------------------------------------------------------------------------------------------------------

// An f64. The last value set is read; add, sub, raise (to at least v) and lower (to at most v) are exact, whatever else
// changes it meanwhile.
struct GaugeRef {
    Metric metric;

    RINGSCOPE_INLINE bool on() const { return RINGSCOPE_LEVEL > 0 && metric.words != nullptr; }
    RINGSCOPE_INLINE void set(double v) const {
        if (on()) detail::store_relaxed(place(), detail::bits_of(v));
    }
    RINGSCOPE_INLINE void add(double v) const {
        if (on()) detail::add_double(place(), v);
    }
    RINGSCOPE_INLINE void sub(double v) const { add(-v); }
    RINGSCOPE_INLINE void raise(double v) const {
        if (on()) move(place(), v, true);
    }
    RINGSCOPE_INLINE void lower(double v) const {
        if (on()) move(place(), v, false);
    }

   private:
    RINGSCOPE_INLINE ringscope_u64* place() const {
        return detail::metric_word(metric, metric.slot, RINGSCOPE_METRIC_VALUE, 0);
    }
    // Looks first: most values change nothing.
    RINGSCOPE_INLINE static void move(ringscope_u64* p, double v, bool up) {
        ringscope_u64 seen = detail::load_relaxed(p);
        while (up ? detail::double_of(seen) < v : v < detail::double_of(seen)) {
            if (detail::swap_if(p, seen, detail::bits_of(v))) return;
        }
    }
};

// ---- histogram -----------------------------------------------------------------------------------------------------

// Exponential buckets of whole numbers from 0. Half the code of a HistogramRef, which looks at each value what kind of
// buckets it has; a metric with bounds of its author's is off here. A call in a hot unrolled loop keeps the compiler from
// unrolling it: observe behind the loop, or in shared memory (LocalHistogram).
struct ExponentialRef {
    Metric metric;

    RINGSCOPE_INLINE bool on() const { return RINGSCOPE_LEVEL > 0 && metric.words != nullptr; }
    // By one thread.
    RINGSCOPE_INLINE void observe(ringscope_u64 v) const {
        if (!on()) return;
        add_row(detail::bucket_slot(v, metric.scale), 1);
        add_head(1, v, v, v);
    }
    // By all lanes of a converged warp, each with its own value: a bucket each, and the rest once for all. Counts if all of
    // them have the metric.
    RINGSCOPE_INLINE void observe_warp(ringscope_u64 v) const {
        if (!detail::all_lanes_have(on())) return;
        add_row(detail::bucket_slot(v, metric.scale), 1);
        ringscope_u64 sum = sum_lanes(v), largest = detail::largest_of_lanes(v), smallest = ~detail::largest_of_lanes(~v);
        if (lane_index() == 0) add_head(LANES_PER_WARP, sum, smallest, largest);
    }

    // What follows is for LocalHistogram.
    RINGSCOPE_INLINE void add_row(ringscope_u32 bucket, ringscope_u64 n) const {
        detail::add_shared(metric.rows + (ringscope_u64)detail::stripe_of(metric) * metric.row_words + bucket, n);
    }
    RINGSCOPE_INLINE void add_head(ringscope_u64 count, ringscope_u64 sum, ringscope_u64 smallest,
                                   ringscope_u64 largest) const {
        detail::raise_relaxed(head(RINGSCOPE_METRIC_NOT_MIN), ~smallest);
        detail::raise_relaxed(head(RINGSCOPE_METRIC_MAX), largest);
        detail::add_shared(head(RINGSCOPE_METRIC_SUM), sum);
        detail::add_shared(head(RINGSCOPE_METRIC_COUNT), count);
    }

   private:
    RINGSCOPE_INLINE ringscope_u64* head(ringscope_u32 which) const {
        return detail::metric_word(metric, metric.slot, which, detail::stripe_of(metric));
    }
};

// Exponential buckets of whole numbers, or the author's bounds of f64; `observe` takes what the metric is of, and
// converts else.
struct HistogramRef {
    Metric metric;

    RINGSCOPE_INLINE bool on() const { return RINGSCOPE_LEVEL > 0 && metric.words != nullptr; }
    RINGSCOPE_INLINE bool is_explicit() const { return metric.kind == RINGSCOPE_METRIC_EXPLICIT; }
    // The same metric for who knows that its buckets are exponential; off if they are not.
    RINGSCOPE_INLINE ExponentialRef exponential() const {
        return is_explicit() ? ExponentialRef{} : ExponentialRef{metric};
    }

    // By one thread.
    RINGSCOPE_INLINE void observe(ringscope_u64 v) const {
        if (!on()) return;
        if (is_explicit()) return observe_double((double)v);
        ExponentialRef{metric}.observe(v);
    }
    RINGSCOPE_INLINE void observe(double v) const {
        if (!on()) return;
        if (is_explicit()) return observe_double(v);
        // What 64 bits cannot hold is dropped; a fraction is rounded to the nearest.
        if (!(v >= 0.0 && v < 18446744073709551616.0)) return drop();
        ringscope_u64 whole = (ringscope_u64)v;
        ExponentialRef{metric}.observe(v - (double)whole >= 0.5 ? whole + 1 : whole);
    }
    RINGSCOPE_INLINE void observe(ringscope_u32 v) const { observe((ringscope_u64)v); }
    RINGSCOPE_INLINE void observe(int v) const {
        if (v >= 0) observe((ringscope_u64)v);
        else observe((double)v);
    }

    // By all lanes of a converged warp, each with its own value, as ExponentialRef's.
    RINGSCOPE_INLINE void observe_warp(ringscope_u64 v) const {
        if (!detail::all_lanes_have(on())) return;
        if (is_explicit()) return observe_double((double)v);
        ExponentialRef{metric}.observe_warp(v);
    }

   private:
    RINGSCOPE_INLINE ringscope_u64* head(ringscope_u32 which, ringscope_u32 stripe) const {
        return detail::metric_word(metric, metric.slot, which, stripe);
    }
    RINGSCOPE_INLINE void drop() const {
        detail::add_shared(head(RINGSCOPE_METRIC_DROPPED, detail::stripe_of(metric)), 1);
    }
    RINGSCOPE_INLINE void observe_double(double v) const {
        if (!detail::is_finite(v)) return drop();
        ringscope_u32 stripe = detail::stripe_of(metric);
        ExponentialRef{metric}.add_row(bucket_of(v), 1);
        ringscope_u64 sorted = detail::sort_key(v);
        detail::raise_relaxed(head(RINGSCOPE_METRIC_NOT_MIN, stripe), ~sorted);
        detail::raise_relaxed(head(RINGSCOPE_METRIC_MAX, stripe), sorted);
        detail::add_double(head(RINGSCOPE_METRIC_SUM, stripe), v);
        detail::add_shared(head(RINGSCOPE_METRIC_COUNT, stripe), 1);
    }
    // The first bound at or above v; behind the last one for what is above them all.
    RINGSCOPE_INLINE ringscope_u32 bucket_of(double v) const {
        ringscope_u32 low = 0, high = metric.bounds_count;
        while (low < high) {
            ringscope_u32 middle = (low + high) / 2;
            if (metric.bounds[middle] < v) low = middle + 1;
            else high = middle;
        }
        return low;
    }
};

// ---- families ------------------------------------------------------------------------------------------------------

// Metrics of one name whose label sets were registered; an index that was not is the series `overflow`.
template <class Ref>
struct FamilyRef {
    Metric metric;

    RINGSCOPE_INLINE Ref at(ringscope_u32 index) const {
        Ref one{metric};
        if (RINGSCOPE_LEVEL == 0 || metric.words == nullptr) return one;
        ringscope_u32 chosen = series(index);
        bool buckets = metric.kind >= RINGSCOPE_METRIC_HISTOGRAM;
        one.metric.slot += chosen * (buckets ? RINGSCOPE_METRIC_WORDS : 1);
        if (buckets) one.metric.rows += (ringscope_u64)chosen * metric.stripes * metric.row_words;
        return one;
    }

   private:
    // The author's indices may be far apart: then a map has the series of each.
    RINGSCOPE_INLINE ringscope_u32 series(ringscope_u32 index) const {
        if (metric.kind != RINGSCOPE_METRIC_EXPLICIT && metric.bounds_count != 0) {
            if (index >= metric.bounds_count) return metric.series;
            index = reinterpret_cast<const unsigned short*>(metric.bounds)[index];
        }
        return index < metric.series ? index : metric.series;
    }
};
using CounterFamilyRef = FamilyRef<CounterRef>;
using GaugeFamilyRef = FamilyRef<GaugeRef>;
using HistogramFamilyRef = FamilyRef<HistogramRef>;
using ExponentialFamilyRef = FamilyRef<ExponentialRef>;

// ---- by index ------------------------------------------------------------------------------------------------------

namespace detail {
// More blocks than shards share them: the counts stay exact, the single words are the last writer's.
RINGSCOPE_INLINE ringscope_u32 shard_of_block(const ringscope_kernel_ref& telemetry) {
    return (block_index() - telemetry.first_block) % telemetry.shard_count;
}
// Which shard a role of the calling block has; one that is not there for a role or a block that the host did not register.
RINGSCOPE_INLINE ringscope_u32 shard_of_role(const ringscope_kernel_ref& telemetry, ringscope_u32 role) {
    const ringscope_u32 roles = telemetry.roles == 0 ? 1 : telemetry.roles;
    const ringscope_u64 shard = (ringscope_u64)(block_index() - telemetry.first_block) * roles + role;
    return role < roles && shard < telemetry.shard_count ? (ringscope_u32)shard : telemetry.shard_count;
}
// Of a metric in the table, as words of 64 bits: the one with its kind; src/metrics/device.rs has the same.
constexpr ringscope_u32 KIND_WORD = 5;
// Nothing of that kind is registered under that index, or nothing yet: counted, for the host to show.
RINGSCOPE_INLINE Metric missed(const ringscope_kernel_ref& telemetry) {
    if (telemetry.shards != nullptr) {
        add_shared(&telemetry.shards[shard_of_block(telemetry)].words[RINGSCOPE_LOOKUP_MISSES], 1);
    }
    return Metric{};
}
// What the host registered under that index, if it is of that kind, or of the other one; else something that is off.
RINGSCOPE_INLINE Metric find(const ringscope_kernel_ref& telemetry, ringscope_u32 index, ringscope_u32 kind,
                             ringscope_u32 or_kind) {
    if (RINGSCOPE_LEVEL == 0 || telemetry.metrics == nullptr) return Metric{};
    if (index >= telemetry.metric_count) return missed(telemetry);
    // The host writes the word with the kind last: who sees it sees the others. It may have come just now, so no load of
    // these may be answered by a cache that does not know.
    const ringscope_u64* place = reinterpret_cast<const ringscope_u64*>(&telemetry.metrics[index]);
    union {
        Metric found;
        ringscope_u64 words[sizeof(Metric) / sizeof(ringscope_u64)];
    } copy = {};
    copy.words[KIND_WORD] = load_acquire_system(place + KIND_WORD);
    if (copy.found.kind != kind && copy.found.kind != or_kind) return missed(telemetry);
    RINGSCOPE_UNROLL
    for (ringscope_u32 at = 0; at < sizeof(Metric) / sizeof(ringscope_u64); ++at) {
        if (at != KIND_WORD) copy.words[at] = load_relaxed(place + at);
    }
    return copy.found;
}
RINGSCOPE_INLINE Metric find(const ringscope_kernel_ref& telemetry, ringscope_u32 index, ringscope_u32 kind) {
    return find(telemetry, index, kind, kind);
}
RINGSCOPE_INLINE Metric find_histogram(const ringscope_kernel_ref& telemetry, ringscope_u32 index) {
    return find(telemetry, index, RINGSCOPE_METRIC_HISTOGRAM, RINGSCOPE_METRIC_EXPLICIT);
}
}  // namespace detail

// By any thread, alone or with others. A kernel that was launched before the registration finds what was registered when it
// looks. What it does not find, or what is of another kind, records nothing; each thread's look-up in vain is counted,
// and the snapshot's self_metrics.lookup_misses_total shows how many there were.
RINGSCOPE_INLINE CounterRef counter(const ringscope_kernel_ref& telemetry, ringscope_u32 index) {
    return CounterRef{detail::find(telemetry, index, RINGSCOPE_METRIC_COUNTER)};
}
RINGSCOPE_INLINE GaugeRef gauge(const ringscope_kernel_ref& telemetry, ringscope_u32 index) {
    return GaugeRef{detail::find(telemetry, index, RINGSCOPE_METRIC_GAUGE)};
}
RINGSCOPE_INLINE HistogramRef histogram(const ringscope_kernel_ref& telemetry, ringscope_u32 index) {
    return HistogramRef{detail::find_histogram(telemetry, index)};
}
RINGSCOPE_INLINE ExponentialRef exponential(const ringscope_kernel_ref& telemetry, ringscope_u32 index) {
    return ExponentialRef{detail::find(telemetry, index, RINGSCOPE_METRIC_HISTOGRAM)};
}

// The same for families.
RINGSCOPE_INLINE CounterFamilyRef counter_family(const ringscope_kernel_ref& telemetry, ringscope_u32 index) {
    return CounterFamilyRef{detail::find(telemetry, index, RINGSCOPE_METRIC_COUNTER)};
}
RINGSCOPE_INLINE GaugeFamilyRef gauge_family(const ringscope_kernel_ref& telemetry, ringscope_u32 index) {
    return GaugeFamilyRef{detail::find(telemetry, index, RINGSCOPE_METRIC_GAUGE)};
}
RINGSCOPE_INLINE HistogramFamilyRef histogram_family(const ringscope_kernel_ref& telemetry, ringscope_u32 index) {
    return HistogramFamilyRef{detail::find_histogram(telemetry, index)};
}
RINGSCOPE_INLINE ExponentialFamilyRef exponential_family(const ringscope_kernel_ref& telemetry, ringscope_u32 index) {
    return ExponentialFamilyRef{detail::find(telemetry, index, RINGSCOPE_METRIC_HISTOGRAM)};
}
}  // namespace ringscope

#endif  // RINGSCOPE_METRICS_CUH
