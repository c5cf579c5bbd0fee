// island: a kernel whose blocks handle tiles as long as they may, and some of which hang when they are told to.
#include <ringscope/telemetry.cuh>

RINGSCOPE_NAMES(idle, load, compute, store, wait_barrier)

// The mirror is Orders in site.rs.
struct Orders {
    unsigned first, blocks;  // those that hang
    unsigned hang, ended;
    unsigned pace;    // milliseconds for a tile
    unsigned ticket;  // the next block
};

extern "C" __global__ void island(ringscope::KernelRef telemetry, Orders* orders) {
    unsigned block = atomicAdd(&orders->ticket, 1u);
    ringscope::Recorder rec(telemetry, block, true);
    auto word = [](unsigned* p) { return __atomic_load_n(p, __ATOMIC_RELAXED); };
    auto sleep_ms = [](unsigned ms) {
        for (unsigned i = 0; i < ms; i++) __nanosleep(1000000);
    };
    unsigned state = 2654435761u * (block + 1);
    for (unsigned tile = 0; word(&orders->ended) == 0; tile++) {
        state = state * 1664525u + 1013904223u;
        // Two kinds of tiles: their latencies have two modes.
        unsigned ms = 2 + (state >> 16) % word(&orders->pace) + (state >> 28 < 3 ? 4 * word(&orders->pace) : 0);
        auto begun = rec.begin();
        rec.at(load);
        sleep_ms(ms / 2);
        rec.at(compute);
        sleep_ms(ms);
        bool hangs = block - orders->first < orders->blocks;
        while (hangs && word(&orders->hang) != 0 && word(&orders->ended) == 0) {
            if (block == orders->first) rec.waiting(wait_barrier, 3, orders->blocks, orders->blocks - 1);
            sleep_ms(20);
        }
        if (hangs) rec.waited();
        rec.at(store);
        sleep_ms(1);
        if (state >> 20 & 63) rec.end(begun, 4096);
        else rec.fail(begun, 7);
        for (unsigned idles = block % 7 == 0 ? 10 * ms : ms / 2 + 1, i = 0; i < idles && word(&orders->ended) == 0; i += 10) {
            rec.waiting(idle);
            sleep_ms(idles < 10 ? idles : 10);
        }
    }
}
RINGSCOPE_ENTRY(island)
