// clock_probe: one look at the device's clock, for the host to set its own beside it.
#include <ringscope/telemetry.cuh>

// `out` is two words of mapped host memory, 0 before: the time, which the host sees as soon as it is written, then the
// smallest of a few steps of the clock.
extern "C" __global__ void clock_probe(unsigned long long* out) {
    if (ringscope::thread_index() != 0) return;
    unsigned long long last = ringscope::clock_ns(), smallest = ~0ull;
    ringscope::detail::store_release_system(out, last);
    for (unsigned steps = 0, looks = 0; steps < 4 && looks < 4096; ++looks) {
        unsigned long long now = ringscope::clock_ns();
        if (now == last) continue;
        if (now - last < smallest) smallest = now - last;
        last = now;
        ++steps;
    }
    ringscope::detail::store_release_system(out + 1, smallest);
}
