// records.cu: records of level 3, of every shape. Warp r of block b is a role of its own, whose shard is b * roles + r; its
// owner is one of its lanes. `truth` has four words for each call of each shard: how many records the ring had before and
// after the call, and the clock at the same moments. What each call leaves depends on its number alone (records_test.cpp says
// the same), but for messages: of those only the filter knows, and how many records there were.
#include <ringscope/telemetry.cuh>

namespace {
using namespace ringscope;
using u64 = unsigned long long;

struct Call {
    u64 written, now;
};
__device__ __forceinline__ Call moment(const KernelRef& telemetry, unsigned shard) {
    return {*(volatile u64*)(telemetry.heads + shard * RINGSCOPE_HEAD_WORDS), clock_ns()};
}

__device__ __forceinline__ void call(Recorder& rec, unsigned i, u64 value, u64 begun) {
    unsigned name = i % 4096, narrow = (unsigned)value;
    switch (i % 11) {
        case 0: return rec.event(name, narrow);
        case 1: return rec.event(name, value);
        case 2: return rec.span(name, begun);
        case 3: return rec.counter_sample(name, narrow);
        case 4: return rec.counter_sample(name, (double)(narrow % 65536) / 256);
        case 5: return rec.counter_sample(name, (double)narrow + 1.0 / 3);
        case 6: return rec.log(name, narrow);
        case 7: return rec.log(name, value, ~value);
        case 8: return rec.log(name, narrow, value);
        case 9: return rec.end(begun, 8, 8);
        default: return rec.fail(begun, i % 2 == 0 ? 300 : 70000);
    }
}
}  // namespace

extern "C" __global__ void writes_records(KernelRef telemetry, unsigned calls, unsigned nap, u64* truth) {
    unsigned roles = thread_count() / LANES_PER_WARP, role = thread_index() / LANES_PER_WARP;
    unsigned shard = block_index() * roles + role;
    bool owner = lane_index() == shard % LANES_PER_WARP;
    Recorder rec(telemetry, shard, owner);
    if (!owner) return;
    u64* row = truth + (u64)shard * calls * 4;
    for (unsigned i = 0; i < calls; ++i) {
        Call before = moment(telemetry, shard);
        call(rec, i, detail::mixed(shard * 1000003 + i), before.now);
        Call after = moment(telemetry, shard);
        u64* to = row + i * 4;
        to[0] = before.written, to[1] = after.written, to[2] = before.now, to[3] = after.now;
        if (nap != 0) __nanosleep(nap);
    }
}

// One thread, and events alone, whose value is their number.
extern "C" __global__ void writes_many(KernelRef telemetry, unsigned calls) {
    Recorder rec(telemetry);
    if (thread_index() != 0) return;
    unsigned first = (unsigned)*telemetry.heads;
    for (unsigned i = 0; i < calls; ++i) rec.event(1, first + i);
}

// As writes_many, with pens that are wrong: 0 stamps the first word alone, 1 the second alone, 2 begins with lap 0.
extern "C" __global__ void writes_wrong(KernelRef telemetry, unsigned calls, unsigned how, unsigned nap) {
    if (thread_index() != 0) return;
    u64 first = *telemetry.heads;
    for (unsigned i = 0; i < calls; ++i) {
        u64 number = first + i;
        bool second = false;
        auto store = [&](u64* to, u64 word) {
            if (how == 2) word = (word & ~0xffffull) | (number & 0xffff);
            else if (second == (how == 0)) word &= ~0xffffull;
            detail::store_relaxed(to, word);
            second = true;
        };
        detail::write_record(telemetry.records, telemetry.record_count, number, number, (unsigned)number, 1, RINGSCOPE_RECORD_EVENT, store);
        detail::store_relaxed(telemetry.heads, number + 1);
        if (nap != 0) __nanosleep(nap);
    }
}
