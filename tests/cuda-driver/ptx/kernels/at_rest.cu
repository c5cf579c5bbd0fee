// at_rest.cu: the last words of a block that has ended. One block of one warp a shard; when the kernel has ended, the shard's
// words must be:
//   * STATE = 3 (ended), QUEUE_DEPTH = 0, END_NS = HEARTBEAT_NS and not before LAST_MESSAGE_NS;
//   * RECEIVED = PROCESSED = `messages`, QUEUE_HIGH_WATER = 7 if there was one.
// Of `at_rest_idle`, which waits after its last message, the same; while it waits, once a heartbeat later than
// LAST_MESSAGE_NS is visible, QUEUE_DEPTH stays 0: nothing older comes after it.
#include <ringscope/telemetry.cuh>

namespace {
using namespace ringscope;

__device__ __forceinline__ void record_some(Recorder& rec, unsigned messages) {
    for (unsigned n = 0; n < messages; ++n) {
        MessageRecord m;
        m.begin_ns = from_lane0(rec.begin());
        m.end_ns = from_lane0(rec.begin());
        m.bytes_in = n;
        m.queue_depth = 7;
        rec.record_warp(m);
    }
}
}  // namespace

extern "C" __global__ void at_rest(KernelRef telemetry, unsigned messages) {
    Recorder rec(telemetry);
    record_some(rec, messages);
}

extern "C" __global__ void at_rest_idle(KernelRef telemetry, unsigned messages, unsigned naps) {
    Recorder rec(telemetry);
    record_some(rec, messages);
    for (unsigned i = 0; i < naps; ++i) {
        if (lane_index() == 0) rec.idle(rec.begin(), 0, 1, 0);
        __nanosleep(64);
    }
}
