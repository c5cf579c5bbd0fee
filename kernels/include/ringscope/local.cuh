// local.cuh: twins of metrics in shared memory. Included by telemetry.cuh.
#ifndef RINGSCOPE_LOCAL_CUH
#define RINGSCOPE_LOCAL_CUH

namespace ringscope {
inline namespace RINGSCOPE_LEVEL_NAMESPACE {

// Both live in __shared__ memory and belong to a block: `begin` and `flush` are for all of its threads together, what
// is between for any of them. A flush adds what was counted to the metric, and starts anew; where a thread has not found the
// metric yet, all of it stays for the next one: some threads' buckets without the others' would never agree with the count.
// Counts are of 32 bits, which shared memory adds without a loop: flush before 2^32 of them.

struct LocalCounter {
    ringscope_u32 low, high;  // of one number of 64 bits

#if RINGSCOPE_LEVEL == 0
    RINGSCOPE_INLINE void begin() {}
    RINGSCOPE_INLINE void add(ringscope_u64 = 1) {}
    RINGSCOPE_INLINE void flush(const CounterRef&) {}
#else
    RINGSCOPE_INLINE void begin() {
        if (thread_index() == 0) low = high = 0;
        __syncthreads();
    }
    RINGSCOPE_INLINE void add(ringscope_u64 n = 1) { detail::add_local(&low, &high, n); }
    RINGSCOPE_INLINE void flush(const CounterRef& to) {
        if (!__syncthreads_and(to.on())) return;
        if (thread_index() == 0) {
            to.add((ringscope_u64)high << 32 | low);
            low = high = 0;
        }
        __syncthreads();
    }
#endif
};

// Of exponential buckets, for metrics of a scale up to MaxScale; others are observed where they are.
template <ringscope_u32 MaxScale>
struct LocalHistogram {
    ringscope_u32 buckets[RINGSCOPE_BUCKETS(MaxScale)];
    ringscope_u32 count, sum_low, sum_high;
    ringscope_u64 smallest, largest;

#if RINGSCOPE_LEVEL == 0
    RINGSCOPE_INLINE void begin() {}
    RINGSCOPE_INLINE void observe(const HistogramRef&, ringscope_u64) {}
    RINGSCOPE_INLINE void flush(const HistogramRef&) {}
#else
    RINGSCOPE_INLINE void begin() {
        for (ringscope_u32 i = thread_index(); i < RINGSCOPE_BUCKETS(MaxScale); i += thread_count()) buckets[i] = 0;
        if (thread_index() == 0) clear_head();
        __syncthreads();
    }
    // `to` is the metric that it will be flushed to. A thread that has not found it counts nothing.
    RINGSCOPE_INLINE void observe(const HistogramRef& to, ringscope_u64 v) {
        if (!to.on()) return;
        if (!holds(to)) return to.observe(v);
        detail::add_local(&buckets[detail::bucket_slot(v, to.metric.scale)], 1u);
        detail::add_local(&count, 1u);
        detail::add_local(&sum_low, &sum_high, v);
        detail::raise_local(&largest, v);
        detail::lower_local(&smallest, v);
    }
    RINGSCOPE_INLINE void flush(const HistogramRef& to) {
        // One answer for all threads; and whoever counted before it, did so before what follows.
        if (!__syncthreads_and(to.on() && holds(to))) return;
        for (ringscope_u32 i = thread_index(); i < RINGSCOPE_BUCKETS(MaxScale); i += thread_count()) {
            if (buckets[i] != 0) ExponentialRef{to.metric}.add_row(i, buckets[i]);
            buckets[i] = 0;
        }
        if (thread_index() == 0) {
            ringscope_u64 sum = (ringscope_u64)sum_high << 32 | sum_low;
            if (count != 0) ExponentialRef{to.metric}.add_head(count, sum, smallest, largest);
            clear_head();
        }
        __syncthreads();
    }

   private:
    RINGSCOPE_INLINE static bool holds(const HistogramRef& to) {
        return !to.is_explicit() && to.metric.scale <= MaxScale;
    }
    RINGSCOPE_INLINE void clear_head() {
        count = sum_low = sum_high = 0;
        smallest = ~0ull;
        largest = 0;
    }
#endif
};

}  // inline namespace
}  // namespace ringscope

#endif  // RINGSCOPE_LOCAL_CUH
