// stand.h: one kernel on a machine of its own, for tests that look at its memory while it runs.
#pragma once
#include <algorithm>

#include "trial.h"

namespace whole {
class Stand {
   public:
    // The clock moves whenever somebody looks.
    Stand(const Program& program, u64 seed) : draw(seed), memory(memory_settings()), machine_(memory, machine_settings(seed)), program_(program) {
        machine_.load(program);
    }
    template <class... Args>
    void launch(const std::string& entry, u32 blocks, u32 threads, const Args&... args) {
        Launch launch;
        launch.entry = program_.entry(entry);
        if (launch.entry == nullptr) throw std::runtime_error("no entry " + entry);
        const void* arguments[] = {&args...};
        launch.params = launch.entry->pack(arguments);
        launch.grid.x = blocks;
        launch.threads.x = threads;
        for (u32 b = 0; b < blocks; ++b) blocks_.push_back(machine_.add_block(launch, {b, 0, 0}));
    }
    // Whether it has ended, or goes on for too long.
    bool step(u64 steps) {
        u64 idle = machine_.step(steps);
        if (idle != 0 && idle != Machine::NEVER) now_ += idle;
        steps_ += steps;
        auto ended = [&](u64 block) { return machine_.outcome(block) != nullptr; };
        return std::all_of(blocks_.begin(), blocks_.end(), ended) || steps_ > MOST_STEPS;
    }
    // What all blocks must have come to; then all is visible.
    void ended(Outcome::End how, const std::string& what) {
        for (u64 block : blocks_) {
            const Outcome* outcome = machine_.outcome(block);
            bench::check(outcome != nullptr && outcome->end == how, what + ": " + (outcome == nullptr ? "it does not end" : outcome->text));
        }
        memory.settle();
    }
    Agent begin(Standing::Kind kind) {
        Standing standing;
        standing.kind = kind;
        return memory.begin(standing);
    }

    trial::Draw draw;
    Memory memory;

   private:
    static constexpr u64 MOST_STEPS = 20000000;
    MemorySettings memory_settings() {
        static const u32 VISIBLE[] = {2, 16, 64, 600};
        MemorySettings s;
        s.seed = draw(1000000);
        s.visible_one_in = VISIBLE[draw(4)];
        return s;
    }
    MachineSettings machine_settings(u64 seed) {
        MachineSettings s;
        s.seed = seed;
        s.longest_nap_ns = 0;
        s.tick_ns = 1;
        s.clock = [this] { return now_ += 3; };
        return s;
    }

    u64 now_ = 1000, steps_ = 0;
    Machine machine_;
    const Program& program_;
    std::vector<u64> blocks_;
};

// Whether a test of something that is wrong says so, with one of so many seeds.
template <class Test>
void has_teeth(const std::string& what, u64 seeds, Test test) {
    unsigned before = bench::failures, checks = bench::checks;
    bool was_quiet = bench::quiet;
    bench::quiet = true;
    for (u64 seed = 1; seed <= seeds && bench::failures == before; ++seed) test(seed);
    bench::quiet = was_quiet;
    bool found = bench::failures != before;
    bench::failures = before;
    bench::checks = checks;
    bench::first_failure.clear();
    bench::check(found, what + " passes");
}
}  // namespace whole
