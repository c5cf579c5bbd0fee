// crowd: a kernel of somebody's own with a shard for each role. Each block takes the next shard, does what its orders say, and
// waits until the host lets it go.
#include <ringscope/telemetry.cuh>

RINGSCOPE_NAMES(load, wait_barrier, hurry, starve)

// The mirror is Orders in main.rs.
struct Orders {
    unsigned ticket;
    unsigned places[8];  // where the owner of each shard is to hang
    unsigned arrived, released;
};

extern "C" __global__ void crowd(ringscope::KernelRef telemetry, Orders* orders) {
    unsigned shard = atomicAdd(&orders->ticket, 1u);
    ringscope::Recorder rec(telemetry, shard, true);
    auto word = [](unsigned* p) { return __atomic_load_n(p, __ATOMIC_RELAXED); };
    rec.at(load);
    switch (orders->places[shard]) {
        case wait_barrier:
            while (word(&orders->arrived) < 4) {
                rec.waiting(wait_barrier, 0, 4, word(&orders->arrived));
                __nanosleep(100000);
            }
            rec.waited();
            break;
        case hurry:
            while (!ringscope::spin_until_equal(rec, hurry, 1000000, 9, 1, [&] { return word(&orders->released); })) {
                __nanosleep(100000);
            }
            break;
        case starve:
            while (word(&orders->released) == 0) {
                rec.waiting(starve);
                __nanosleep(100000);
            }
            break;
        default:
            break;
    }
    while (word(&orders->released) == 0) {
        // One that came through lives.
        if (orders->places[shard] != load) rec.alive();
        __nanosleep(100000);
    }
}
RINGSCOPE_ENTRY(crowd)
