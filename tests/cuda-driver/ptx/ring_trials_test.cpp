// ring_trials_test.cpp: trials of the rings beyond those that each mutant runs: messages in device memory, kernels that die with
// replies that they have gathered, and a clock that is set while blocks wait for room. Each is seen to find what it is for.
#include "stand.h"

using namespace bench;
using trial::Besides;
using trial::Breach;
using trial::RingTrial;
using trial::Seen;

namespace {
const char* const KERNELS[] = {"echo", "vector_add"};
constexpr u64 MOST_SEEDS = 48;  // until a wrong one is found

void once(const RingTrial& trial, const std::string& what, u64 seed, const Besides& besides, Seen& seen) {
    u64 lanes = 0;
    trial::Wrong wrong = trial.run(seed, lanes, besides, seen);
    check(wrong.kind == trial::Wrong::NOTHING, what + ", seed " + std::to_string(seed) + ": " + trial::name_of(wrong.kind) + ": " + wrong.text);
}
Seen at_all_levels(const std::string& what, u64 seeds, const Besides& besides) {
    Seen seen;
    for (unsigned level = 0; level < whole::LEVELS; ++level) {
        auto program = whole::program(level);
        for (const char* kernel : KERNELS) {
            RingTrial trial(*program, kernel, level);
            for (u64 seed = 0; seed < seeds; ++seed) once(trial, std::string(kernel) + "_l" + std::to_string(level) + ", " + what, seed, besides, seen);
        }
    }
    return seen;
}
void finds(const Program& program, const std::string& what, const Besides& besides) {
    RingTrial trial(program, "echo", 2);
    Seen seen;
    whole::has_teeth(what, MOST_SEEDS, [&](u64 seed) { once(trial, what, seed, besides, seen); });
}

// Whether there is something of it.
template <class Change>
void finds_changed(const std::string& what, const Besides& besides, Change change) {
    auto program = whole::program(2);
    u64 changed = 0;
    for (Instruction& i : program->entries.at("echo_l2").code) changed += change(i);
    check(changed != 0, what + ": the kernel has none of it");
    finds(*program, what, besides);
}
bool without_acquire(Instruction& i) {
    bool is_one = i.op == Op::LD && i.order == Order::ACQUIRE && i.scope == Scope::SYS;
    if (is_one) i.order = Order::RELAXED;
    return is_one;
}
// Of a thread with itself it orders nothing for the host.
bool without_fence(Instruction& i) {
    bool is_one = i.op == Op::FENCE && i.scope == Scope::SYS;
    if (is_one) i.scope = Scope::CTA;
    return is_one;
}
}  // namespace

void test_fed_rings() {
    Besides fed;
    fed.in_device = true;
    check(at_all_levels("messages in device memory", 4, fed).fed > 0, "no message was fed");
    finds_changed("a kernel that does not acquire the tail", fed, without_acquire);
    finds_changed("a slot given back without a fence", fed, without_fence);
    auto program = whole::program(2);
    const std::pair<Breach, const char*> BREACHES[] = {
        {Breach::WORD_BEFORE_COPIES, "a tail before its messages"}, {Breach::WORD_WITHOUT_FENCE, "a tail without a fence"},
        {Breach::COMMAND_OVERTAKES, "a stop before its tail"}, {Breach::SLOT_TOO_SOON, "a slot that was not given back"}};
    for (auto& [breach, what] : BREACHES) {
        fed.breach = breach;
        finds(*program, what, fed);
    }
}

void test_dead_rings() {
    Besides dies;
    dies.dies = true;
    Seen seen = at_all_levels("a kernel that dies", 14, dies);
    check(seen.deaths > 0 && seen.half_written > 0 && seen.unpublished > seen.deaths / 4, "kernels died with nothing unpublished");
    Besides fed = dies;
    fed.in_device = true;
    at_all_levels("a kernel that dies, messages in device memory", 4, fed);
    finds_changed("a kernel that dies and publishes without a fence", dies, without_fence);
}

void test_set_clocks() {
    Besides steps;
    steps.steps_clock = true;
    Seen seen = at_all_levels("a clock that is set", 4, steps);
    check(seen.waits > 0 && seen.steps > 0, "no block waited for room while its clock was set");
}
