// clock.cpp: that a kernel's times never go back within a thread and are CLOCK_MONOTONIC's to within what clock.h says, for
// threads that are busy, that sleep for short and for long, and that move from core to core. A look of the system's clock
// before and one after say what the time may be, however long a thread is kept waiting between them.
#include <sched.h>
#include <unistd.h>

#include <atomic>
#include <cstdio>
#include <thread>
#include <vector>

#include "../../kernels/host/shim.h"

extern "C" unsigned long long ringscope_host_clock_error_ns();

namespace {
using Word = unsigned long long;
constexpr Word RUN_NS = 1500000000;
std::atomic<int> wrong{0};

void move_to_another_core(unsigned round) {
#if defined(__linux__)
    cpu_set_t allowed, one;
    if (sched_getaffinity(0, sizeof allowed, &allowed) != 0) return;
    unsigned cores = (unsigned)CPU_COUNT(&allowed), skip = round % (cores == 0 ? 1 : cores);
    for (int core = 0; core < CPU_SETSIZE; ++core) {
        if (!CPU_ISSET(core, &allowed) || skip-- != 0) continue;
        CPU_ZERO(&one);
        CPU_SET(core, &one);
        sched_setaffinity(0, sizeof one, &one);
        sched_setaffinity(0, sizeof allowed, &allowed);
        return;
    }
#else
    (void)round;
#endif
}

void rest(int habit, unsigned round) {
    switch (habit) {
        case 0: return;
        case 1: if (round % 64 == 0) usleep(200); return;
        case 2: if (round % 512 == 0) usleep(5000 + round % 40000); return;
        default: if (round % 1024 == 0) move_to_another_core(round / 1024);
    }
}

void look(int habit) {
    Word error = ringscope_host_clock_error_ns(), last = 0, looks = 0, late = 0, early = 0;
    Word until = ringscope_host::steady_ns() + RUN_NS;
    for (unsigned round = 0;; ++round) {
        rest(habit, round);
        Word before = ringscope_host::steady_ns();
        Word first = ringscope_host::clock_ns(), second = ringscope_host::event_ns();
        Word after = ringscope_host::steady_ns();
        bool ordered = last <= first && first <= second;
        bool near = first + error >= before && second <= after + error;
        if (!ordered || !near) {
            std::fprintf(stderr, "habit %d: %llu, then %llu and %llu, between %llu and %llu\n", habit, last, first, second, before, after);
            ++wrong;
            return;
        }
        if (before > first && before - first > late) late = before - first;
        if (second > after && second - after > early) early = second - after;
        last = second;
        ++looks;
        if (after > until) break;
    }
    std::printf("habit %d: %llu looks, at most %llu ns late and %llu ns early\n", habit, looks, late, early);
}
}  // namespace

int main() {
    std::vector<std::thread> threads;
    for (int habit = 0; habit < 4; ++habit) threads.emplace_back(look, habit);
    for (std::thread& thread : threads) thread.join();
    return wrong != 0;
}
