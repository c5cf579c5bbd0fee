// one_clock.cu: lanes that read the clock at different moments, by naps of their own, and record together. Run it with a clock
// that moves with every step. When the kernel has ended, of each shard:
//   * LATENCY_SUM_NS = BUSY_NS; LATENCY_COUNT = RECEIVED = the values in the buckets of handling = `messages`;
//   * with one message, LATENCY_SUM_NS = LATENCY_MAX_NS = the shortest time, and the one bucket that is not 0 is its own;
//   * the shortest time <= LATENCY_SUM_NS / LATENCY_COUNT <= LATENCY_MAX_NS;
//   * LAST_MESSAGE_NS <= END_NS, and with one failed message LAST_ERROR_NS = LAST_MESSAGE_NS.
#include <ringscope/telemetry.cuh>

namespace {
using namespace ringscope;

__device__ __forceinline__ void scatter() {
    for (unsigned i = 0; i < lane_index() % 5; ++i) __nanosleep(32);
}
}  // namespace

extern "C" __global__ void one_clock(KernelRef telemetry, unsigned messages, unsigned failing) {
    Recorder rec(telemetry);
    for (unsigned n = 0; n < messages; ++n) {
        scatter();
        unsigned long long begun = rec.begin();
        scatter();
        if (failing != 0) rec.fail_warp(begun, 300, 8);
        else rec.end_warp(begun, 8, 8);
    }
}
