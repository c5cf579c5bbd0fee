// measure: experiments on a GPU that decide how ringscope is built. The pack's sections start it; see run.sh --list.
#include "measure.h"

#include <cstdio>
#include <cstdlib>
#include <cstring>

namespace {
const char USAGE[] = "usage: measure latencies | red | queues | neighbours | clock SECONDS | copies | exit\n";

int measure(int count, char** words) {
    const char* what = count > 1 ? words[1] : "";
    auto is = [&](const char* name) { return std::strcmp(what, name) == 0; };
    if (is("exit") && count == 2) return exits(), 0;
    double seconds = is("clock") && count == 3 ? std::atof(words[2]) : 0;
    bool known = is("latencies") || is("red") || is("queues") || is("neighbours") || is("copies");
    if (!(known && count == 2) && !(seconds > 0 && seconds <= 3600)) {
        std::fputs(USAGE, stderr);
        return 2;
    }
    gpu::Gpu gpu;
    std::printf("%s, %u SMs\n\n", gpu.name().c_str(), gpu.multiprocessors());
    if (is("latencies")) latencies(gpu);
    if (is("red")) red(gpu);
    if (is("queues")) queues(gpu);
    if (is("neighbours")) neighbours(gpu);
    if (is("copies")) copies(gpu);
    if (is("clock")) clocks(gpu, seconds);
    return 0;
}
}  // namespace

int main(int count, char** words) {
    // A report that is cut off has every line that was written.
    std::setvbuf(stdout, nullptr, _IOLBF, 0);
    int code = 1;
    try {
        code = measure(count, words);
    } catch (const gpu::Failure& failure) {
        std::fprintf(stderr, "error: %s\n", failure.what());
    }
    // Not `return`: the driver's own clean-up may wait for a kernel that is still resident.
    std::fflush(nullptr);
    std::_Exit(code);
}
