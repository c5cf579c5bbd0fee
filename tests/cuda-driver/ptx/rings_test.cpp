// rings_test.cpp: the crate's ring kernels, 32 lanes wide, with a host that sends and receives through the memory's door: what
// they reply and count is what the same sources do and count as C++ for one CPU thread.
#include <algorithm>

#include "ring_host.h"

#define RING_KERNELS(X) X(crc32c) X(echo) X(vector_add) X(compute)
#define LEVELS(name) \
    extern "C" const ringscope_host_kernel name##_l0_kernel, name##_l1_kernel, name##_l2_kernel, name##_l3_kernel;
RING_KERNELS(LEVELS)

using namespace bench;
using namespace ring;

namespace {
struct Kernel {
    std::string name;
    const ringscope_host_kernel* levels[whole::LEVELS];
};
const Kernel KERNELS[] = {
#define KERNEL(name) {#name, {&name##_l0_kernel, &name##_l1_kernel, &name##_l2_kernel, &name##_l3_kernel}},
    RING_KERNELS(KERNEL)
};

std::vector<Answer> as_cpp(const Kernel& kernel, unsigned level, Ring& ring) {
    ringscope_ring_args args = ring.args(1);
    std::thread block([&] {
        void* list[] = {&args};
        ringscope_host::run_block(kernel.levels[level]->entry, list, 0, 1);
    });
    ThreadsDoor door;
    Host<ThreadsDoor> host(ring, kernel.name, door);
    while (!host.look()) std::this_thread::yield();
    block.join();
    return host.answers;
}

// Ends with an outcome; a ring that goes on for longer than any does is a failure.
std::vector<Answer> as_ptx(const Kernel& kernel, unsigned level, const Program& program, Ring& ring, u32 blocks, u64 seed) {
    std::string entry = kernel.name + "_l" + std::to_string(level), what = entry + ", seed " + std::to_string(seed);
    u64 now = 1000000;
    MemorySettings memory_settings;
    memory_settings.seed = seed;
    Memory memory(memory_settings);
    MachineSettings settings;
    settings.seed = seed;
    settings.clock = [&] { return now; };
    settings.longest_nap_ns = 0;
    Machine machine(memory, settings);
    machine.load(program);
    for (auto [address, bytes, pinned] : {std::tuple<void*, u64, bool>{&ring.host, sizeof ring.host, true}, {&ring.device, sizeof ring.device, false},
                                          {ring.shards, sizeof ring.shards, false}, {ring.buckets, sizeof ring.buckets, false},
                                          {&ring.traces, sizeof ring.traces, false}, {&ring.boxes, sizeof ring.boxes, true},
                                          {ring.in, sizeof ring.in, true}, {ring.out, sizeof ring.out, true}})
        memory.add_range(reinterpret_cast<u64>(address), bytes, pinned);
    Standing standing;
    standing.kind = Standing::HOST;
    MachineDoor door{memory, memory.begin(standing)};
    Host<MachineDoor> host(ring, kernel.name, door);
    Launch launch = whole::launch(program, entry, ring.args(blocks), blocks);
    std::vector<u64> numbers;
    for (u32 b = 0; b < blocks; ++b) numbers.push_back(machine.add_block(launch, {b, 0, 0}));
    constexpr u64 MOST_STEPS = 10000000;
    u64 steps = 0;
    auto failed = [&](u64 number) {
        const Outcome* outcome = machine.outcome(number);
        return outcome != nullptr && outcome->end != Outcome::RETURNED;
    };
    for (u64 idle = 0; idle != Machine::NEVER && steps < MOST_STEPS; steps += 10) {
        if (std::any_of(numbers.begin(), numbers.end(), failed)) break;
        host.look();
        idle = machine.step(10);
        now += 200 + (idle == Machine::NEVER ? 0 : idle);
    }
    check(steps < MOST_STEPS, what + ": the ring does not end");
    for (u64 number : numbers) {
        const Outcome* outcome = machine.outcome(number);
        check(outcome != nullptr && outcome->end == Outcome::RETURNED, what + ": " + (outcome == nullptr ? "still runs" : outcome->text));
    }
    memory.end(door.agent);
    memory.settle();
    return host.answers;
}

void same_answers(const std::vector<Answer>& cpp, const std::vector<Answer>& ptx, const std::string& what) {
    for (u64 n = 0; n < MESSAGES; ++n) {
        std::string message = what + ", message " + std::to_string(n);
        same(ptx[n].status, cpp[n].status, message + ": status");
        check(ptx[n].bytes == cpp[n].bytes, message + ": the reply's bytes");
    }
}
// All but time, polls and what depends on who was first.
void same_counts(const Ring& cpp, const Ring& ptx, unsigned level, const std::string& what) {
    for (u32 counter : {RINGSCOPE_RECEIVED, RINGSCOPE_SENT, RINGSCOPE_PROCESSED, RINGSCOPE_ERRORS, RINGSCOPE_DROPPED, RINGSCOPE_REPLIES_DROPPED,
                        RINGSCOPE_BYTES_IN, RINGSCOPE_BYTES_OUT, RINGSCOPE_LATENCY_COUNT})
        same(ptx.count(counter), cpp.count(counter), what + ": counter " + std::to_string(counter));
    same(ptx.count(RINGSCOPE_RECEIVED), level == 0 ? 0 : MESSAGES, what + ": received");
    same(ptx.in_buckets(), cpp.in_buckets(), what + ": values in buckets");
}
}  // namespace

void test_rings() {
    for (unsigned level = 0; level < whole::LEVELS; ++level) {
        auto program = whole::program(level);
        for (const Kernel& kernel : KERNELS) {
            auto cpp = std::make_unique<Ring>();
            std::vector<Answer> expected = as_cpp(kernel, level, *cpp);
            for (u32 blocks = 1; blocks <= MOST_BLOCKS; ++blocks) {
                auto ptx = std::make_unique<Ring>();
                u64 seed = level * 100 + blocks;
                std::string what = kernel.name + "_l" + std::to_string(level) + " in " + std::to_string(blocks) + " blocks";
                same_answers(expected, as_ptx(kernel, level, *program, *ptx, blocks, seed), what);
                same_counts(*cpp, *ptx, level, what);
                for (u32 b = 0; b < blocks && level > 0; ++b) same(ptx->shards[b].words[RINGSCOPE_STATE], RINGSCOPE_STATE_ENDED, what + ": state");
            }
        }
    }
}
