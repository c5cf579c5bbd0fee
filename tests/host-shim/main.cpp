// main.cpp: runs functions.cu over a grid of 3 x 2 x 2 blocks, a thread each, and says on which line a block failed.
#include <cstdio>
#include <thread>
#include <vector>

#include "../../kernels/host/shim.h"

extern "C" void functions_host(void** args);

int main() {
    constexpr unsigned X = 3, Y = 2, Z = 2;
    std::vector<unsigned> ones(1000, 1), seen(X * Y * Z, 0);
    unsigned sum = 0, failed = 0;
    const unsigned* in = ones.data();
    unsigned *places = seen.data(), *total = &sum, *line = &failed;
    std::vector<std::thread> blocks;
    for (unsigned i = 0; i < X * Y * Z; ++i) {
        blocks.emplace_back([&, i] {
            void* args[] = {&in, &places, &total, &line};
            const unsigned block[3] = {i % X, i / X % Y, i / X / Y}, grid[3] = {X, Y, Z};
            ringscope_host_run_block(functions_host, args, block, grid, nullptr, nullptr);
        });
    }
    for (std::thread& block : blocks) block.join();
    for (unsigned n : seen) {
        if (n != 1) return std::fprintf(stderr, "a block ran %u times\n", n), 1;
    }
    if (failed != 0) return std::fprintf(stderr, "functions.cu:%u is not so\n", failed), 1;
    if (sum != 1000 * X * Y * Z) return std::fprintf(stderr, "the sum is %u\n", sum), 1;
}
