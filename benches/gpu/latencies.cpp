// latencies.cpp: what one thread of a kernel waits for, and a word's way to a kernel and back.
#include <cstdio>

#include "measure.h"

using namespace gpu;

namespace {
// The order of `What` in kernels.cu.
const char* const LATENCIES[] = {
    "clock64", "globaltimer",
    "host memory, 8 bytes, relaxed.sys", "host memory, 16 bytes, relaxed.sys", "host memory, 8 bytes, acquire.sys",
    "device memory, 8 bytes, relaxed.gpu", "device memory, 8 bytes, acquire.gpu", "ticket: atom.add.relaxed.gpu",
    "fence.acq_rel.sys, nothing outstanding *", "fence.acq_rel.sys behind 1 store to host memory *",
    "fence.acq_rel.sys behind 5 stores to host memory *", "st.release.sys to host memory *",
};
enum { MAPPED_8 = 2, MAPPED_16, MAPPED_ACQUIRE, DEVICE_8, FENCE_0 = 8, FENCE_1, FENCE_5, WHATS = 12 };
constexpr double CHAIN = 8;

struct Times {
    double p50, p99;
};

// Nanoseconds of one, of each.
std::vector<Times> one_thread(const Gpu& gpu) {
    constexpr u32 ROUNDS = 1000;
    Function f = gpu.function("measure_latencies");
    auto mapped = gpu.mapped(8192), samples = gpu.mapped(WHATS * ROUNDS * 8), rate = gpu.mapped(64);
    Address device = gpu.memory(4096);
    Stream s = gpu.stream();
    gpu.launch(f, 1, 1, 0, s, mapped.device, device, ROUNDS, samples.device, rate.device);
    gpu.finish(s, 30, "the kernel of the latencies");
    double ns_per_cycle = static_cast<double>(rate.host[1]) / static_cast<double>(rate.host[0]);
    std::vector<Times> found;
    for (u32 what = 0; what < WHATS; ++what) {
        std::vector<double> ns;
        // The first look at a page is of another kind.
        for (u32 i = 10; i < ROUNDS; ++i) ns.push_back(static_cast<double>(samples.host[what * ROUNDS + i]) * ns_per_cycle / CHAIN);
        found.push_back({quantile(ns, 0.5), quantile(ns, 0.99)});
    }
    std::printf("%.3f GHz by globaltimer\n", 1 / ns_per_cycle);
    return found;
}

// Microseconds from the host's store to its sight of the answer.
Times round_trip(const Gpu& gpu, u32 way) {
    constexpr double LIMIT = 10;
    Function f = gpu.function("answer_words");
    auto ask = gpu.mapped(64), answer = gpu.mapped(64);
    Stream s = gpu.stream();
    gpu.launch(f, 1, 1, 0, s, ask.device, answer.device, way, static_cast<u64>(LIMIT * 1e9));
    std::vector<double> us;
    auto begun = Clock::now();
    for (u64 n = 1; n <= 20000 && seconds_since(begun) < LIMIT / 2; ++n) {
        auto sent = Clock::now();
        __atomic_store_n(ask.host, n, __ATOMIC_RELEASE);
        while (__atomic_load_n(answer.host, __ATOMIC_ACQUIRE) != n)
            if (seconds_since(sent) > 2) throw Failure("a word was not answered within 2 s");
        if (n > 100) us.push_back(seconds_since(sent) * 1e6);
    }
    __atomic_store_n(ask.host, ~0ull, __ATOMIC_RELEASE);
    gpu.finish(s, LIMIT, "the kernel that answers");
    return {quantile(us, 0.5), quantile(us, 0.99)};
}
}  // namespace

void latencies(const Gpu& gpu) {
    auto found = one_thread(gpu);
    std::printf("%-52s %10s %10s\n", "one thread, chained, ns", "p50", "p99");
    for (u32 what = 0; what < WHATS; ++what) std::printf("%-52s %10.1f %10.1f\n", LATENCIES[what], found[what].p50, found[what].p99);
    std::printf("* with a load of device memory behind it, which is to be taken away\n\n");
    const char* const ways[] = {"acquire.sys", "relaxed.sys, a fence when it is there", "relaxed.sys of 16 bytes, a fence"};
    Times trips[3];
    std::printf("%-52s %10s %10s\n", "a word there and back, by how it is polled, us", "p50", "p99");
    for (u32 way = 0; way < 3; ++way) {
        trips[way] = round_trip(gpu, way);
        std::printf("%-52s %10.2f %10.2f\n", ways[way], trips[way].p50, trips[way].p99);
    }
    double one = found[MAPPED_8].p50, two = found[MAPPED_16].p50;
    std::printf("\ndecision: 8-byte loads of host memory: %.0f ns, 16-byte: %.0f ns: poll with %s (one 16-byte load when it takes less than two of 8)\n",
                one, two, two < 2 * one ? "one 16-byte load" : "8-byte loads");
    std::printf("decision: poll %s (relaxed and a fence when its round trip is shorter than acquire's: %.2f and %.2f us)\n",
                trips[1].p50 < trips[0].p50 ? "relaxed, with a fence once something is there" : "by acquire", trips[1].p50, trips[0].p50);
    double fence = found[FENCE_0].p50 - found[DEVICE_8].p50, behind = found[FENCE_5].p50 - found[DEVICE_8].p50;
    std::printf("decision: a fence costs %.0f ns, behind five stores %.0f ns: %s (one fence for several replies when that is above 500 ns)\n",
                fence, behind, behind > 500 ? "publish several replies by one fence" : "a fence for each reply is cheap enough");
}
