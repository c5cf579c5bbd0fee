// neighbours.cpp: what an idle ring block costs the kernel beside it, in L1 and in shared memory.
#include <algorithm>
#include <cstdio>
#include <set>

#include "measure.h"

using namespace gpu;

namespace {
constexpr double LIMIT = 15;
const char* const WAYS[] = {"sleeping only", "polling relaxed.sys", "polling acquire.sys"};

// A block on each SM that stays, or none.
struct Stayers {
    const Gpu& gpu;
    Gpu::Mapped started, stop;
    Stream stream;

    Stayers(const Gpu& g, Function f, int way) : gpu(g), started(g.mapped(g.multiprocessors() * 8)), stop(g.mapped(64)), stream(g.stream()) {
        if (way < 0) return;
        u32 blocks = gpu.multiprocessors();
        gpu.launch(f, blocks, 32, 0, stream, started.device, stop.device, static_cast<u32>(way), static_cast<u64>(LIMIT * 1e9));
        auto begun = Clock::now();
        for (u32 i = 0; i < blocks; ++i)
            while (started.host[i] == 0)
                if (seconds_since(begun) > 5) throw Failure("the blocks that stay did not start within 5 s");
    }
    std::set<u64> sms() const {
        std::set<u64> all;
        for (u32 i = 0; i < gpu.multiprocessors(); ++i) all.insert(u64{started.host[i]});
        return all;
    }
    void end() {
        __atomic_store_n(stop.host, 1, __ATOMIC_RELEASE);
        gpu.finish(stream, LIMIT + 1, "a kernel that was told to end");
    }
};

// Cycles of a step, of the blocks on an SM with a stayer (all, without one).
double chase_beside(const Gpu& gpu, Function stay, Function chase, int way, Address chain, u32 blocks) {
    constexpr u32 STEPS = 200000;
    auto out = gpu.mapped(blocks * 16);
    // Before the first kernel that stays: what is made under one may wait for it.
    Stream s = gpu.stream();
    Stayers stayers(gpu, stay, way);
    gpu.launch(chase, blocks, 32, 0, s, chain, STEPS, out.device);
    gpu.finish(s, 10, "the chase");
    auto sms = stayers.sms();
    std::vector<double> cycles;
    for (u32 b = 0; b < blocks; ++b)
        if (way < 0 || sms.count(out.host[2 * b + 1] + 1)) cycles.push_back(static_cast<double>(out.host[2 * b]) / STEPS);
    if (way >= 0) stayers.end();
    return quantile(cycles, 0.5);
}

// A circle of one index a line of 128 bytes, 16 KiB in all: it fits into the smallest L1.
Address circle(const Gpu& gpu) {
    constexpr u32 WORDS = 4096, LINE = 32;
    std::vector<u32> words(WORDS);
    // Two lines on, three lines on: a prefetcher of the next line is no help.
    const u32 lines = WORDS / LINE, step = 37;
    for (u32 line = 0; line < lines; ++line) words[line * LINE] = (line + step) % lines * LINE;
    Address chain = gpu.memory(WORDS * 4);
    Stream s = gpu.stream();
    gpu.must(gpu.cuMemcpyHtoDAsync_v2(chain, words.data(), WORDS * 4, s), "cuMemcpyHtoDAsync");
    gpu.finish(s, 10, "a copy");
    return chain;
}

// Whether a kernel with so much shared memory runs beside stayers whose carve-out is that many percent (-1: the driver's choice).
bool shared_beside(const Gpu& gpu, Function stay, int carveout, int bytes) {
    constexpr int MAX_DYNAMIC_SHARED = 8, CARVEOUT = 9;
    Function use = gpu.function("use_shared");
    gpu.must(gpu.cuFuncSetAttribute(use, MAX_DYNAMIC_SHARED, bytes), "cuFuncSetAttribute");
    gpu.must(gpu.cuFuncSetAttribute(stay, CARVEOUT, carveout), "cuFuncSetAttribute");
    auto out = gpu.mapped(gpu.multiprocessors() * 8);
    Stream s = gpu.stream();
    Stayers stayers(gpu, stay, 1);
    gpu.launch(use, gpu.multiprocessors(), 256, static_cast<u32>(bytes), s, out.device, static_cast<u32>(bytes / 8));
    bool ran = gpu.wait(s, 3);
    stayers.end();
    gpu.finish(s, 10, "the kernel with shared memory, alone");
    return ran;
}
}  // namespace

void neighbours(const Gpu& gpu) {
    constexpr int SHARED_OPT_IN = 97;
    Function stay = gpu.function("stay"), chase = gpu.function("chase");
    Address chain = circle(gpu);
    double alone = 0, steps[3];
    std::printf("%-44s %16s %10s\n", "an idle block on each SM", "cycles a step", "ratio");
    for (int way = -1; way < 3; ++way) {
        double cycles = chase_beside(gpu, stay, chase, way, chain, gpu.multiprocessors());
        if (way < 0) alone = cycles;
        else steps[way] = cycles;
        std::printf("%-44s %16.2f %10.2f\n", way < 0 ? "none" : WAYS[way], cycles, cycles / alone);
    }
    std::printf("\ndecision: %s (polling by acquire empties its neighbours' L1 when a step takes 1.2 times as long as beside relaxed polling: %.2f)\n\n",
                steps[2] > 1.2 * steps[1] ? "poll relaxed, and acquire once something is there" : "polling by acquire may stay", steps[2] / steps[1]);
    int bytes = std::min(100 * 1024, gpu.attribute(SHARED_OPT_IN)) / 8 * 8;
    bool by_default = shared_beside(gpu, stay, -1, bytes), with_most = shared_beside(gpu, stay, 100, bytes);
    std::printf("a kernel of %d KiB shared memory beside an idle block on each SM: %s by default, %s with the idle kernel's carve-out at 100 %%\n", bytes / 1024,
                by_default ? "runs" : "WAITS", with_most ? "runs" : "WAITS");
    std::printf("\ndecision: %s\n", by_default          ? "ringscope's kernels keep the driver's carve-out"
                                    : with_most ? "ringscope's kernels are launched with the largest carve-out by default"
                                                : "a kernel of much shared memory cannot run beside a ring kernel: document it, and leave SMs free");
}
