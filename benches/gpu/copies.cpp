// copies.cpp: what a copy to the host takes, by its size, on an idle GPU and under kernels that fill it.
#include <cstdio>

#include "measure.h"

using namespace gpu;

namespace {
struct Times {
    double p50, p99, most;
};

Times copy(const Gpu& gpu, Stream s, size_t bytes, Address from, void* to, double seconds) {
    std::vector<double> us;
    auto begun = Clock::now();
    while (us.size() < 20000 && seconds_since(begun) < seconds) {
        auto start = Clock::now();
        gpu.must(gpu.cuMemcpyDtoHAsync_v2(to, from, bytes, s), "cuMemcpyDtoHAsync");
        while (!gpu.done(s))
            if (seconds_since(start) > 5) throw Failure("a copy did not end within 5 s");
        us.push_back(seconds_since(start) * 1e6);
    }
    return {quantile(us, 0.5), quantile(us, 0.99), quantile(us, 1)};
}
}  // namespace

void copies(const Gpu& gpu) {
    constexpr size_t KIB = 1024, LARGEST = 32 * 1024 * KIB;
    constexpr double LIMIT = 40;
    const size_t sizes[] = {8 * KIB, 64 * KIB, 1024 * KIB, LARGEST};
    Function stay = gpu.function("stay");
    u32 full = gpu.resident(stay, 32);
    Address from = gpu.memory(LARGEST);
    auto to = gpu.mapped(LARGEST), started = gpu.mapped(full * 8), stop = gpu.mapped(64);
    // Before the kernel that stays: what is made under it may wait for it.
    Stream s = gpu.stream(), reader = gpu.stream(-5);
    std::printf("%-36s %12s %12s %12s\n", "a copy to pinned memory, us", "p50", "p99", "max");
    Times found[2][4];
    for (int filled = 0; filled < 2; ++filled) {
        if (filled) {
            gpu.launch(stay, full, 32, 0, s, started.device, stop.device, 1u, static_cast<u64>(LIMIT * 1e9));
            auto begun = Clock::now();
            for (u32 i = 0; i < full; ++i)
                while (started.host[i] == 0)
                    if (seconds_since(begun) > 5) throw Failure("block " + std::to_string(i) + " of " + std::to_string(full) + " that fill the GPU has not started within 5 s");
        }
        for (int i = 0; i < 4; ++i) {
            Times t = found[filled][i] = copy(gpu, reader, sizes[i], from, const_cast<u64*>(to.host), 5);
            std::printf("%8zu KiB, %-22s %12.2f %12.2f %12.2f\n", sizes[i] / KIB, filled ? "the GPU full" : "the GPU idle", t.p50, t.p99, t.most);
        }
    }
    __atomic_store_n(stop.host, 1, __ATOMIC_RELEASE);
    gpu.finish(s, LIMIT + 1, "a kernel that was told to end");
    double stripes = found[1][2].p50, rows = found[1][3].p50;
    std::printf("\ndecision: rows of buckets a block (32 MiB): %.0f us a snapshot, stripes (1 MiB): %.0f us: %s\n", rows, stripes,
                rows > 2 * stripes ? "stripes" : "rows may stay one a block");
    std::printf("decision: a full GPU makes small copies %.1f times as slow at p99: %s\n", found[1][0].p99 / found[0][0].p99,
                found[1][0].p99 < 3 * found[0][0].p99 ? "the reader's ticks need no more time for it" : "poll less often, or let fewer blocks poll");
}
