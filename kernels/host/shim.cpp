// The block's coordinates, the door through which HostDevice sets them, and the slow half of clock.h: whether the counter is a
// clock, and the pairs by which it is scaled.
#include "shim.h"

#include <cstdio>
#include <cstring>
#include <memory>

#if defined(__linux__)
#include <sys/prctl.h>
#endif

thread_local uint3 ringscope_block_index;
thread_local dim3 ringscope_grid_dim;
__thread uint3 ringscope_thread_index = {0, 0, 0};
__thread uint3 ringscope_block_size = {1, 1, 1};
__thread ringscope_host_threads* ringscope_host_block = nullptr;
__thread void* ringscope_shared_memory = nullptr;
unsigned ringscope_running_blocks = 0;

namespace ringscope_host {
// With a name: a library with kernels may have a shim of its own, which throws it through this one.
struct Trap {};
}  // namespace ringscope_host
using ringscope_host::Trap;

namespace {
__thread bool is_trapped = false;
}  // namespace

#include "threads.h"

void ringscope_host::trap() {
    is_trapped = true;
    throw Trap{};
}
bool ringscope_host::trapped() { return is_trapped; }
int ringscope_host::meet(bool predicate) { return ringscope_host_block->meet(predicate); }
bool ringscope_host::give_way(unsigned& attempt) { return ringscope_host_block->give_way(attempt); }
void ringscope_host::now_and_then() { ringscope_host_block->now_and_then(); }

namespace {
// The calling OS thread runs that block of a grid, until this goes.
class Running {
   public:
    Running(const unsigned* block, const unsigned* grid, unsigned threads, void* shared) {
        ringscope_block_index = {block[0], block[1], block[2]};
        ringscope_grid_dim = {grid[0], grid[1], grid[2]};
        ringscope_thread_index = {0, 0, 0};
        ringscope_block_size = {threads, 1, 1};
        ringscope_shared_memory = shared;
        __atomic_fetch_add(&ringscope_running_blocks, 1u, __ATOMIC_RELAXED);
        is_trapped = false;
    }
    ~Running() {
        ringscope_thread_index = {0, 0, 0};
        ringscope_block_size = {1, 1, 1};
        ringscope_shared_memory = nullptr;
        __atomic_fetch_sub(&ringscope_running_blocks, 1u, __ATOMIC_RELAXED);
    }
    Running(const Running&) = delete;
    Running& operator=(const Running&) = delete;
};
}  // namespace

extern "C" bool ringscope_host_run_block(void (*entry)(void**), void** args, const unsigned* block, const unsigned* grid,
                                         ringscope_host_stacks* stacks, void* shared) {
    Running running(block, grid, stacks == nullptr ? 1 : stacks->threads, shared);
    if (stacks == nullptr) {
        try {
            entry(args);
        } catch (const Trap&) {
            is_trapped = true;
        }
        return !is_trapped;
    }
    auto fibers = std::make_unique<Fiber[]>(stacks->threads);
    ringscope_host_threads all{entry, args, fibers.get(), stacks->threads, stacks->threads, stacks->threads, {}};
    ringscope_host_block = &all;
    all.prepare(*stacks);
    all.run();
    ringscope_host_block = nullptr;
    return !is_trapped;
}

// ---- the clock ---------------------------------------------------------------------------------------------------

#ifdef RINGSCOPE_HOST_COUNTER
namespace {
using Word = unsigned long long;

constexpr Word EVERY_NS = 1000000, LONGEST_NS = 1000000000;

struct Pair {
    Word ticks, ns;
};

// What anchors the calling thread.
struct State {
    Pair newest;
    Word rate;   // between the two newest pairs, 0 while none is known
    Word floor;  // a time that is not gone behind
};
__thread State state;
// The rate that some thread found last, for those that begin.
Word common_rate = 0;

// Linux offers the counter as a source of its clock only as long as it finds it steady, and the same on all CPUs.
bool is_offered() {
    int readable = 0;
    if (prctl(PR_GET_TSC, &readable) != 0 || readable != PR_TSC_ENABLE) return false;
    std::FILE* file = std::fopen("/sys/devices/system/clocksource/clocksource0/available_clocksource", "re");
    if (file == nullptr) return false;
    bool found = false;
    for (char name[32]; !found && std::fscanf(file, "%31s", name) == 1;) found = std::strcmp(name, "tsc") == 0;
    std::fclose(file);
    return found;
}

bool is_a_clock() {
    static const bool offered = is_offered();
    return offered;
}

Word ordered_ticks() {
    __builtin_ia32_lfence();
    Word ticks = __builtin_ia32_rdtsc();
    __builtin_ia32_lfence();
    return ticks;
}

// Both, the counter just after the clock: what is scaled is late rather than early. Of three looks the shortest, for a thread
// may be taken away in the midst of one.
Pair look() {
    Pair best{};
    Word shortest = ~0ull;
    for (int i = 0; i < 3; ++i) {
        Word before = ordered_ticks();
        Word ns = ringscope_host::steady_ns();
        Word after = ordered_ticks();
        if (after - before >= shortest) continue;
        shortest = after - before;
        best = {after, ns};
    }
    return best;
}

// Of two pairs that are neither too near for it nor so far apart that the machine may have slept; else `known`.
Word rate_between(const Pair& first, const Pair& second, Word known) {
    Word ticks = second.ticks - first.ticks, ns = second.ns - first.ns;
    if (ns > LONGEST_NS || ticks == 0) return known;
    return (Word)((double)ns / (double)ticks * 4294967296.0);
}
bool agree(Word a, Word b) {
    Word apart = a > b ? a - b : b - a;
    return apart < a / 1000;
}

// The latest time that the thread may have been given until now.
RINGSCOPE_HOST_CLOCK_UNSEEN Word given(const ringscope_host_anchor& last, Word ticks) {
    Word since = ticks - last.ticks;
    return last.ns + ((since < last.valid ? since : last.valid) * last.rate >> 32);
}
}  // namespace

__thread ringscope_host_anchor ringscope_host_anchored;

RINGSCOPE_HOST_CLOCK_UNSEEN Word ringscope_host::anchor() {
    Word now = steady_ns();
    if (!is_a_clock()) return now;
    ringscope_host_anchor& last = ringscope_host_anchored;
    if (last.valid == 0 && now - state.newest.ns < EVERY_NS) return now > state.floor ? now : state.floor;
    Pair pair = look();
    Word known = state.rate != 0 ? state.rate : __atomic_load_n(&common_rate, __ATOMIC_RELAXED);
    Word rate = rate_between(state.newest, pair, known);
    Word floor = last.valid == 0 ? state.floor : given(last, pair.ticks);
    state = {pair, rate, floor > pair.ns ? floor : pair.ns};
    last = {pair.ticks, state.floor, 0, 0};
    // Ahead of the clock it goes on more slowly, so as to meet it at the next pair.
    Word ahead = state.floor - pair.ns;
    if (known == 0 || !agree(known, rate) || ahead > RINGSCOPE_HOST_CLOCK_ERROR_NS) return state.floor;
    __atomic_store_n(&common_rate, rate, __ATOMIC_RELAXED);
    last.rate = rate - rate / EVERY_NS * ahead;
    last.valid = (EVERY_NS << 32) / rate;
    return state.floor;
}
#else
namespace {
bool is_a_clock() { return false; }
}  // namespace
#endif

// What the host reads as the time of this device.
extern "C" unsigned long long ringscope_host_clock_ns() {
#ifdef RINGSCOPE_HOST_OWN_CLOCK
    return ringscope_host::clock_ns();
#else
    return ringscope_host::steady_ns();
#endif
}
// How far from it a kernel's times may be.
extern "C" unsigned long long ringscope_host_clock_error_ns() { return is_a_clock() ? RINGSCOPE_HOST_CLOCK_ERROR_NS : 0; }
// The same clock as kernels read it where some 100 ns do not matter: for senders, to whom the system's call is dear.
extern "C" unsigned long long ringscope_host_event_clock_ns() { return ringscope_host::event_ns(); }
// A kernel's time.
extern "C" unsigned long long ringscope_host_kernel_clock_ns() { return ringscope_host::clock_ns(); }
