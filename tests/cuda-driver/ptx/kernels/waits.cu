// waits.cu: one thread that waits for one thing after the other, and blocks that die of a check.
//
// Wait `w` of `waits` is at waypoint w % 7, for resource w, which is to be 1000 + w and is 0, 1, 2... in turn. Of `dies` the box
// must have, as soon as its code is there: the value, a time, the waypoint 9, message 0, and all of its records.
#include <ringscope/telemetry.cuh>

using namespace ringscope;

extern "C" __global__ void waits(KernelRef telemetry, unsigned waits, unsigned looks) {
    Recorder rec(telemetry);
    if (thread_index() != 0) return;
    for (unsigned w = 0; w < waits; ++w) {
        for (unsigned look = 0; look < looks; ++look) rec.waiting(w % 7, w, 1000 + w, look);
        rec.waited();
        if (w % 3 == 0) rec.at(100 + w % 5);
    }
}

extern "C" __global__ void dies(KernelRef telemetry, unsigned messages, unsigned code, unsigned long long value) {
    Recorder rec(telemetry);
    if (thread_index() != 0) return;
    for (unsigned n = 0; n < messages; ++n) {
        rec.at(1 + n % 3);
        rec.end(rec.begin(), n);
    }
    rec.waiting(9, 3, 4, 2);
    check(rec, messages == ~0u, code, value);
}

// As `dies`, with last words that nothing orders.
extern "C" __global__ void dies_unfenced(KernelRef telemetry, unsigned messages, unsigned code, unsigned long long value) {
    Recorder rec(telemetry);
    if (thread_index() != 0) return;
    for (unsigned n = 0; n < messages; ++n) {
        rec.at(1 + n % 3);
        rec.end(rec.begin(), n);
    }
    rec.waiting(9, 3, 4, 2);
    unsigned long long* box = telemetry.box;
    detail::store_relaxed_system(box + RINGSCOPE_BOX_VALUE, value);
    detail::store_relaxed_system(box + RINGSCOPE_BOX_TIME, clock_ns());
    detail::store_relaxed_system(box + RINGSCOPE_BOX_CODE, 1ull + code);
    detail::trap();
}
