// clock.cpp: the GPU's clock beside the host's, over a minute or two.
#include <algorithm>
#include <cmath>
#include <cstdio>
#include <thread>

#include "measure.h"

using namespace gpu;

namespace {
struct Sample {
    double host_ns, device_ns;  // since the first
    double half_ns;             // half of the exchange
};

u64 host_ns() { return static_cast<u64>(std::chrono::duration_cast<std::chrono::nanoseconds>(Clock::now().time_since_epoch()).count()); }

// The best of some exchanges: the device's time, and the host's in the middle of the exchange.
Sample exchange(const Gpu::Mapped& ask, const Gpu::Mapped& answer, u64& n, u64 host_zero, u64 device_zero) {
    Sample best{0, 0, 1e18};
    for (int i = 0; i < 8; ++i) {
        u64 sent = host_ns();
        __atomic_store_n(ask.host, ++n, __ATOMIC_RELEASE);
        while (__atomic_load_n(answer.host, __ATOMIC_ACQUIRE) != n)
            if (host_ns() - sent > 2000000000ull) throw Failure("the clock's kernel did not answer within 2 s");
        u64 there = host_ns();
        double half = static_cast<double>(there - sent) / 2;
        if (half < best.half_ns) best = {static_cast<double>(sent - host_zero) + half, static_cast<double>(answer.host[2]) - static_cast<double>(device_zero), half};
    }
    return best;
}

struct Line {
    double offset, slope;
};
Line fit(const std::vector<Sample>& samples) {
    double n = static_cast<double>(samples.size()), x = 0, y = 0, xx = 0, xy = 0;
    for (const Sample& s : samples) {
        double difference = s.device_ns - s.host_ns;
        x += s.host_ns / n, y += difference / n;
    }
    for (const Sample& s : samples) {
        double dx = s.host_ns - x;
        xx += dx * dx, xy += dx * (s.device_ns - s.host_ns - y);
    }
    double slope = xx > 0 ? xy / xx : 0;
    return {y - slope * x, slope};
}

double residual(const Line& line, const Sample& s) { return std::fabs(s.device_ns - s.host_ns - line.offset - line.slope * s.host_ns); }
}  // namespace

void clocks(const Gpu& gpu, double seconds) {
    auto ask = gpu.mapped(64), answer = gpu.mapped(64), word = gpu.mapped(64);
    Stream s = gpu.stream(), first = gpu.stream();
    // As a device that is opened samples it: by a launch, whose middle is taken.
    Function read = gpu.function("read_clock"), answering = gpu.function("answer_clock");
    u64 launched = host_ns();
    gpu.launch(read, 1, 1, 0, first, word.device);
    while (__atomic_load_n(word.host, __ATOMIC_ACQUIRE) == 0)
        if (host_ns() - launched > 5000000000ull) throw Failure("a kernel of one thread did not run within 5 s");
    u64 seen = host_ns(), device_zero = word.host[0];
    u64 middle = launched + (seen - launched) / 2;

    gpu.launch(answering, 1, 1, 0, s, ask.device, answer.device, static_cast<u64>((seconds + 10) * 1e9));
    std::vector<Sample> samples;
    u64 n = 0;
    auto begun = Clock::now();
    while (seconds_since(begun) < seconds) {
        samples.push_back(exchange(ask, answer, n, middle, device_zero));
        std::this_thread::sleep_for(std::chrono::milliseconds(50));
    }
    __atomic_store_n(ask.host, ~0ull, __ATOMIC_RELEASE);
    gpu.finish(s, 15, "the clock's kernel");

    Line whole = fit(samples), early = fit({samples.begin(), samples.begin() + static_cast<long>(samples.size() / 3 + 1)});
    std::vector<double> all, ahead, halves;
    for (size_t i = 0; i < samples.size(); ++i) {
        all.push_back(residual(whole, samples[i]));
        halves.push_back(samples[i].half_ns);
        if (i > samples.size() / 3) ahead.push_back(residual(early, samples[i]));
    }
    double drift = whole.slope * 1e6, bias = whole.offset;  // the first launch is at 0 of both
    std::printf("%zu exchanges in %.0f s\n", samples.size(), seconds);
    std::printf("tick of globaltimer                    %12.0f ns\n", static_cast<double>(answer.host[1]));
    std::printf("half an exchange, p50, p99             %12.0f %12.0f ns\n", quantile(halves, 0.5), quantile(halves, 0.99));
    std::printf("drift against the host                 %12.3f ppm\n", drift);
    std::printf("bias of a first launch's middle        %12.0f ns (its round trip: %.0f ns)\n", -bias, static_cast<double>(seen - launched));
    std::printf("residual of one line, p50, p99, max    %12.0f %12.0f %12.0f ns\n", quantile(all, 0.5), quantile(all, 0.99), quantile(all, 1));
    std::printf("first third's line ahead, p50, p99     %12.0f %12.0f ns\n", quantile(ahead, 0.5), quantile(ahead, 0.99));
    std::printf("\ndecision: %s (an offset alone is wrong by 5 us after %.1f s)\n",
                std::fabs(drift) > 0.05 ? "offset and drift are fitted all the time" : "an offset alone would do for minutes", 5 / std::max(1e-9, std::fabs(drift)));
    std::printf("decision: the residual's bound is %.0f ns, four times its p99; `doctor --deep` fails above it (5,000 ns is what `waiting` allows: %s)\n",
                4 * quantile(all, 0.99), 4 * quantile(all, 0.99) < 5000 ? "kept" : "NOT kept, the line is refitted more often");
}
