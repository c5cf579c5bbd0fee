// red.cpp: how many adds without a result a GPU takes, by how many share an address.
#include <algorithm>
#include <cstdio>

#include "measure.h"

using namespace gpu;

namespace {
struct Case {
    const char* name;
    u32 lines, lanes;
    bool all;  // blocks that fill the GPU; else one
};

// Adds a nanosecond.
double rate(const Gpu& gpu, Function f, const Case& c, Address words, Address times, u32 blocks) {
    constexpr u32 ROUNDS = 20000;
    Stream s = gpu.stream();
    double best = 0;
    for (int i = 0; i < 3; ++i) {
        gpu.launch(f, blocks, 32, 0, s, words, std::min(c.lines, blocks), c.lanes, ROUNDS, times);
        gpu.finish(s, 30, "the kernel that adds");
        std::vector<u64> host(2 * blocks);
        gpu.must(gpu.cuMemcpyDtoHAsync_v2(host.data(), times, host.size() * 8, s), "cuMemcpyDtoHAsync");
        gpu.finish(s, 10, "a copy");
        u64 first = ~0ull, last = 0;
        for (u32 b = 0; b < blocks; ++b) {
            first = std::min(first, host[2 * b]);
            last = std::max(last, host[2 * b + 1]);
        }
        double adds = static_cast<double>(blocks) * c.lanes * ROUNDS;
        best = std::max(best, adds / static_cast<double>(std::max<u64>(1, last - first)));
    }
    return best;
}
}  // namespace

void red(const Gpu& gpu) {
    Function f = gpu.function("add_words");
    u32 full = gpu.resident(f, 32);
    Address words = gpu.memory(static_cast<size_t>(full) * 128 + 128), times = gpu.memory(static_cast<size_t>(full) * 16);
    const Case cases[] = {
        {"one address, one block", 1, 1, false},
        {"16 words of one line, one block", 1, 16, false},
        {"one address, all blocks", 1, 1, true},
        {"16 words of one line, all blocks", 1, 16, true},
        {"16 words of 4 lines, all blocks", 4, 16, true},
        {"16 words of 32 lines, all blocks", 32, 16, true},
        {"16 words of a line for each block", ~0u, 16, true},
    };
    double ghz = gpu.attribute(13) / 1e6;
    std::printf("%u blocks of one warp fill the GPU; clock %.3f GHz as the driver says\n", full, ghz);
    std::printf("%-40s %14s %14s\n", "red.relaxed.gpu.add.u64", "G adds/s", "adds a clock");
    double rates[7];
    for (int i = 0; i < 7; ++i) {
        rates[i] = rate(gpu, f, cases[i], words, times, cases[i].all ? full : 1);
        std::printf("%-40s %14.3f %14.3f\n", cases[i].name, rates[i], rates[i] / ghz);
    }
    std::printf("\ndecision: one address takes %.2f G adds a second from all blocks: %s (stripes of a few rows a kernel suffice above 0.5)\n", rates[2],
                rates[2] > 0.5 ? "histogram rows are striped, a few a kernel" : "histogram rows stay one a block");
    std::printf("decision: a record is one warp-wide add of 16 words: lines of their own are %.1f times as fast as one line: %s\n", rates[6] / rates[3],
                rates[6] > 2 * rates[3] ? "a shard for each block stays" : "blocks may share shards");
}
