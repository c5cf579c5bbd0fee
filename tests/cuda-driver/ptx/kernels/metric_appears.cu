// metric_appears.cu: a metric is registered while a block looks for it. Lanes look at moments of their own, so some find it and
// others do not.
//
// Place 0 of the table is a histogram of scale 3, place 1 a counter; both are all zero at the launch. Meanwhile the host fills
// their other words and then stores the word with the kind (word 5) with release at system scope. Launch with one block of 1, 2
// or 4 warps. The kernels end when all threads have found both, so the metrics have to appear.
#include <ringscope/telemetry.cuh>

namespace {
using namespace ringscope;

// Before the lanes look: apart from one another.
__device__ __forceinline__ void scatter(unsigned round) {
    unsigned naps = (thread_index() * 7 + round) % 4;
    for (unsigned i = 0; i < naps; ++i) __nanosleep(32);
}
}  // namespace

// What a block counts in shared memory first. `counted[thread]` is how many values the thread gave, each its round + 1, to a
// histogram that it had found, `summed[thread]` their sum. Must hold at the end, with any number of warps, whatever the seed:
//   * the sum of the row's buckets, METRIC_COUNT and the sum of `counted` are equal;
//   * METRIC_SUM is the sum of `summed`;
//   * the counter is threads x rounds: what was counted before it was there came with the first flush that found it;
//     `rounds[0]` is the number of rounds.
// No race, and every thread returns.
extern "C" __global__ void appears_to_block(KernelRef telemetry, unsigned long long* counted, unsigned long long* summed, unsigned long long* rounds) {
    __shared__ LocalHistogram<3> values;
    __shared__ LocalCounter calls;
    values.begin();
    calls.begin();
    unsigned long long mine = 0, sum = 0;
    unsigned round = 0;
    for (bool all = false; !all; ++round) {
        scatter(round);
        HistogramRef histogram = ringscope::histogram(telemetry, 0);
        CounterRef counter = ringscope::counter(telemetry, 1);
        values.observe(histogram, round + 1);
        mine += histogram.on();
        sum += histogram.on() ? round + 1 : 0;
        calls.add();
        values.flush(histogram);
        calls.flush(counter);
        all = __syncthreads_and(histogram.on() && counter.on()) != 0;
    }
    counted[thread_index()] = mine;
    summed[thread_index()] = sum;
    if (thread_index() == 0) rounds[0] = round;
}

// What each warp counts together. `whole[warp]` is the number of rounds in which all of the warp's lanes had found the
// histogram, `whole[warps + warp]` the same of the counter. Must hold at the end:
//   * every lane returns: none waits in a shuffle for lanes that did not come;
//   * METRIC_COUNT and the sum of the row's buckets are 32 x the sum of the first half of `whole`;
//   * METRIC_SUM is 496 (0 + 1 + ... + 31) x the same;
//   * the counter is 32 x the sum of the second half.
extern "C" __global__ void appears_to_warps(KernelRef telemetry, unsigned long long* whole) {
    unsigned long long observed = 0, added = 0;
    for (bool all = false, both = false; !all;) {
        all = both;  // once more, when all have found both
        scatter((unsigned)observed);
        HistogramRef histogram = ringscope::histogram(telemetry, 0);
        CounterRef counter = ringscope::counter(telemetry, 1);
        bool has_histogram = __all_sync(0xffffffffu, histogram.on()) != 0;
        bool has_counter = __all_sync(0xffffffffu, counter.on()) != 0;
        histogram.observe_warp((unsigned long long)lane_index());
        counter.add_warp(1);
        observed += has_histogram;
        added += has_counter;
        both = has_histogram && has_counter;
    }
    unsigned warp = thread_index() / LANES_PER_WARP;
    if (lane_index() == 0) {
        whole[warp] = observed;
        whole[thread_count() / LANES_PER_WARP + warp] = added;
    }
}
