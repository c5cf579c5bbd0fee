// probes_test.cpp: what doctor and bench ask a device, of the PTX on the machine and of the same source as C++: the words that
// they leave are the same.
#include "probe_place.h"

using namespace bench;
using namespace probe;

namespace {
Outcome as_ptx(const Program& program, const std::string& entry, const Arguments& args, Place& place, u32 blocks, u32 threads, u64 seed) {
    MemorySettings memory_settings;
    memory_settings.seed = seed;
    Memory memory(memory_settings);
    MachineSettings settings;
    settings.seed = seed;
    settings.longest_nap_ns = 0;
    Machine machine(memory, settings);
    machine.load(program);
    whole::add(memory, place, true);
    Launch launch = whole::launch(program, entry, args, blocks, threads);
    std::vector<u64> numbers;
    for (u32 b = 0; b < blocks; ++b) numbers.push_back(machine.add_block(launch, {b, 0, 0}));
    constexpr u64 MOST_STEPS = 50000000;
    u64 steps = 0;
    for (; machine.step(1000) != Machine::NEVER && steps < MOST_STEPS; steps += 1000) {
    }
    Outcome outcome;
    for (u64 number : numbers) {
        const Outcome* ended = machine.outcome(number);
        if (ended == nullptr) outcome = {Outcome::DEADLOCK, "does not end"};
        else if (ended->end != Outcome::RETURNED) outcome = *ended;
    }
    memory.settle();
    return outcome;
}
// Runs it both ways.
struct Both {
    std::unique_ptr<Place> cpp = std::make_unique<Place>(), ptx = std::make_unique<Place>();
    std::string what;

    void set_in(size_t n, u64 value) { cpp->in[n] = ptx->in[n] = value; }
    void run(const Program& program, const std::string& entry, HostEntry host, u64 asked, u64 count, u64 rounds, u64 scale, u32 blocks, u64 seed) {
        what = entry + ", question " + std::to_string(asked) + " with " + std::to_string(blocks) + " blocks, seed " + std::to_string(seed);
        as_cpp(host, cpp->args(asked, count, rounds, scale, blocks), blocks);
        Outcome outcome = as_ptx(program, entry, ptx->args(asked, count, rounds, scale, blocks), *ptx, blocks, 32, seed);
        check(outcome.end == Outcome::RETURNED, what + ": " + outcome.text);
    }
};

void slots(const Program& program, unsigned level) {
    for (u64 scale = 0; scale <= RINGSCOPE_MAX_SCALE; ++scale) {
        Both both;
        size_t n = 0;
        for (unsigned bit = 0; bit < 64; ++bit)
            for (u64 v : {(u64(1) << bit) - 1, u64(1) << bit, (u64(1) << bit) + 1, (u64(1) << bit) * 3 / 2}) both.set_in(n++, v);
        both.run(program, "probe_l" + std::to_string(level), PROBE[level], SLOTS, n, 0, scale, 2, scale + 1);
        for (size_t i = 0; i < n; ++i) same(both.ptx->out[i], both.cpp->out[i], both.what + ": the slot of " + hex(both.cpp->in[i]));
    }
}
void records(const Program& program, unsigned level) {
    for (u64 what = COST_NONE; what <= COST_MAPPED; ++what) {
        Both both;
        both.run(program, "probe_l" + std::to_string(level), PROBE[level], what, 0, 40, 0, 2, what);
        for (u32 b = 0; b < 2; ++b) {
            check(both.ptx->out[2 * b + 1] > 0, both.what + ": cycles");
            for (u32 counter : {RINGSCOPE_RECEIVED, RINGSCOPE_SENT, RINGSCOPE_PROCESSED, RINGSCOPE_ERRORS, RINGSCOPE_BYTES_IN, RINGSCOPE_BYTES_OUT, RINGSCOPE_LATENCY_COUNT})
                same(both.ptx->shards[b].counters[counter], both.cpp->shards[b].counters[counter], both.what + ": counter " + std::to_string(counter));
            for (u32 w : {RINGSCOPE_STATE, RINGSCOPE_QUEUE_DEPTH, RINGSCOPE_LAST_ERROR_CODE, RINGSCOPE_ABI})
                same(both.ptx->shards[b].words[w], both.cpp->shards[b].words[w], both.what + ": word " + std::to_string(w));
        }
        u64 values[2] = {};
        for (int n = 0; n < 2; ++n)
            for (auto& row : (n == 0 ? both.cpp : both.ptx)->buckets)
                for (u64 count : row) values[n] += count;
        same(values[1], values[0], both.what + ": values in buckets");
    }
}
void metrics(const Program& program, unsigned level) {
    const u64 count = 300;
    for (u64 what : {METRICS_ONE, METRICS_WARP, METRICS_LOCAL})
        for (u32 blocks = 1; blocks <= MOST_BLOCKS; ++blocks) {
            Both both;
            fill(*both.cpp, *both.ptx, count);
            both.run(program, "probe_metrics_l" + std::to_string(level), METRICS[level], what, count, 0, 1, blocks, what * 10 + blocks);
            same_metrics(*both.cpp, *both.ptx, both.what);
        }
    Both both;
    for (u64 i = 0; i < count; ++i) {
        both.set_in(i, i % 5);
        both.set_in(count + i, bits(double(i * 37 % 101) - 50));
    }
    both.run(program, "probe_metrics_l" + std::to_string(level), METRICS[level], METRICS_GAUGE, count, 0, 2, 2, 1);
    same_metrics(*both.cpp, *both.ptx, both.what);
}
void the_rest(const Program& program, unsigned level) {
    Place place;
    Outcome outcome = as_ptx(program, "probe_l" + std::to_string(level), place.args(TICK, 0, 2000, 0, 2), place, 2, 32, 1);
    check(outcome.end == Outcome::RETURNED && place.out[0] % 32 == 0 && place.out[1] > 0, "the tick: " + std::to_string(place.out[0]) + " " + outcome.text);
    outcome = as_ptx(program, "probe_l" + std::to_string(level), place.args(FAULT, 0, 0, 0, 1), place, 1, 32, 1);
    check(outcome.end == Outcome::ILLEGAL_ADDRESS && outcome.text.find("0x8") != std::string::npos, "the fault: " + outcome.text);
}
}  // namespace

void test_probes() {
    for (unsigned level = 0; level < whole::LEVELS; ++level) {
        auto program = whole::program(level);
        slots(*program, level);
        records(*program, level);
        metrics(*program, level);
        the_rest(*program, level);
        // The clock alone, by one thread.
        u64 time[2] = {};  // and the smallest step
        Memory memory((MemorySettings()));
        Machine machine(memory, MachineSettings());
        whole::add(memory, time, true);
        u64 block = machine.add_block(whole::launch(*program, "clock_probe", &time, 1, 1), {});
        while (machine.step(100) != Machine::NEVER) {
        }
        bool ok = time[0] > 0 && time[0] % 32 == 0 && time[1] % 32 == 0;
        check(machine.outcome(block)->end == Outcome::RETURNED && ok, "clock_probe: " + std::to_string(time[0]));
    }
}
