// queues.cpp: kernels of one block that stay, each on a stream of its own: do all of them start?
#include <cstdio>
#include <cstdlib>

#include "measure.h"

using namespace gpu;

namespace {
struct Found {
    u32 started;
    double last_ms;
    bool copied;
    bool ended;
};

Found try_out(const Gpu& gpu, Function f, u32 kernels, bool events) {
    constexpr double PATIENCE = 1.5, LIMIT = 6;
    auto started = gpu.mapped(kernels * 8), stop = gpu.mapped(64), word = gpu.mapped(64);
    Address memory = gpu.memory(64);
    Stream beside = gpu.stream(-1);
    std::vector<Stream> streams;
    std::vector<Event> marks(kernels);
    for (u32 i = 0; i < kernels; ++i) streams.push_back(gpu.stream());
    for (Event& mark : marks) gpu.must(gpu.cuEventCreate(&mark, 2), "cuEventCreate");
    auto begun = Clock::now();
    for (u32 i = 0; i < kernels; ++i) {
        gpu.launch(f, 1, 32, 0, streams[i], started.device + i * 8, stop.device, 1u, static_cast<u64>(LIMIT * 1e9));
        if (events) gpu.must(gpu.cuEventRecord(marks[i], streams[i]), "cuEventRecord");
    }
    Found found{};
    while (found.started < kernels && seconds_since(begun) < PATIENCE) {
        u32 now = 0;
        for (u32 i = 0; i < kernels; ++i) now += started.host[i] != 0;
        if (now > found.started) found = {now, seconds_since(begun) * 1e3, false, false};
    }
    // The reader's copy, beside all of them.
    gpu.must(gpu.cuMemcpyDtoHAsync_v2(const_cast<u64*>(word.host), memory, 64, beside), "cuMemcpyDtoHAsync");
    found.copied = gpu.wait(beside, 1);
    __atomic_store_n(stop.host, 1, __ATOMIC_RELEASE);
    found.ended = true;
    for (Stream s : streams) found.ended &= gpu.wait(s, LIMIT + 1);
    return found;
}
}  // namespace

void queues(const Gpu& gpu) {
    Function f = gpu.function("stay");
    const char* connections = std::getenv("CUDA_DEVICE_MAX_CONNECTIONS");
    std::printf("CUDA_DEVICE_MAX_CONNECTIONS: %s\n", connections ? connections : "not set (8)");
    std::printf("%8s %8s %10s %14s %22s %10s\n", "kernels", "events", "started", "the last, ms", "a copy beside them", "all ended");
    u32 most_plain = 0, most_marked = 0;
    bool copied = true;
    for (bool events : {false, true})
        for (u32 kernels : {1u, 8u, 9u, 32u, 64u, 128u}) {
            Found found = try_out(gpu, f, kernels, events);
            std::printf("%8u %8s %10u %14.2f %22s %10s\n", kernels, events ? "yes" : "no", found.started, found.last_ms,
                        found.copied ? "ended" : "waited", found.ended ? "yes" : "NO");
            if (!found.ended) throw Failure("kernels did not end at their own limit: nothing more can be tried");
            u32& most = events ? most_marked : most_plain;
            if (found.started == kernels) most = kernels;
            if (!events) copied &= found.copied;
        }
    std::printf("\ndecision: %s (all of 128 start without events: %s)\n",
                most_plain == 128 ? "a stream for each kernel suffices" : "the number of kernels a process may launch is to be bounded, or CUDA_DEVICE_MAX_CONNECTIONS set",
                most_plain == 128 ? "yes" : "no");
    std::printf("decision: %s (with an event behind each, at most %u start together)\n",
                most_marked == 128 ? "an event behind a resident kernel does no harm here" : "nothing may be queued behind a resident kernel, and `watch` warns of events",
                most_marked);
    std::printf("decision: %s\n", copied ? "the reader's copies pass resident kernels" : "copies WAIT for resident kernels: the reader needs another way");
}
