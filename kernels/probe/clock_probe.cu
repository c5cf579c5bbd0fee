// clock_probe: one look at the device's clock, for the host to set its own beside it.
#include <ringscope/telemetry.cuh>

// `out` is mapped host memory, 0 before: the host sees the time as soon as it is written.
extern "C" __global__ void clock_probe(unsigned long long* out) {
    if (ringscope::thread_index() == 0) ringscope::store_release_system(out, ringscope::clock_ns());
}
