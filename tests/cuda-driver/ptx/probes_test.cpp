// probes_test.cpp: what doctor and bench ask a device, of the PTX on the machine and of the same source as C++: the words that
// they leave are the same.
#include <cmath>
#include <limits>

#include "whole.h"

#define PROBES(X) X(probe_l0) X(probe_l1) X(probe_l2) X(probe_metrics_l0) X(probe_metrics_l1) X(probe_metrics_l2)
#define DECLARE(name) extern "C" void name##_host(void** args);
PROBES(DECLARE)

using namespace bench;

namespace {
// kernels/probe/probe.cu has the same.
struct Arguments {
    ringscope_kernel_ref telemetry;
    const u64* in;
    u64* out;
    u64* words;
    const u64* stop;
    u64 what, count, rounds, scale;
};
enum What : u64 { SLOTS = 0, TICK = 1, FAULT = 4, METRICS_ONE = 5, METRICS_WARP = 6, METRICS_LOCAL = 7, METRICS_GAUGE = 8, COST_NONE = 16, COST_MAPPED = 20 };

using HostEntry = void (*)(void**);
const HostEntry PROBE[] = {probe_l0_host, probe_l1_host, probe_l2_host}, METRICS[] = {probe_metrics_l0_host, probe_metrics_l1_host, probe_metrics_l2_host};

constexpr u32 MOST_BLOCKS = 3, STRIPES = 4, ROW = 2050, BOUNDS = 5;

struct alignas(128) Place {
    ringscope_metric table[8]{};
    u64 words[2 * STRIPES * RINGSCOPE_WORDS * 3]{};
    u64 rows[STRIPES * ROW]{};
    u64 explicit_rows[STRIPES * (BOUNDS + 1)]{};
    double bounds[BOUNDS] = {-1, 0, 0.5, 2, 1e6};
    ringscope_shard shards[MOST_BLOCKS]{};
    u64 buckets[MOST_BLOCKS][1056]{};
    u64 in[1024]{};
    u64 out[1024]{};
    u64 shared_words[MOST_BLOCKS * RINGSCOPE_WORDS]{};
    u64 stop = 0;

    // The seven metrics that the probe counts in, from index 1 on.
    Place() {
        const u32 kinds[] = {0, RINGSCOPE_METRIC_COUNTER, RINGSCOPE_METRIC_GAUGE, RINGSCOPE_METRIC_GAUGE, RINGSCOPE_METRIC_GAUGE, RINGSCOPE_METRIC_HISTOGRAM,
                             RINGSCOPE_METRIC_EXPLICIT, RINGSCOPE_METRIC_COUNTER};
        u32 slot = 0;
        for (u32 i = 0; i < 8; ++i) {
            ringscope_metric& m = table[i];
            m.kind = kinds[i];
            m.index = i;
            m.words = reinterpret_cast<ringscope_u64*>(words);
            m.stripes = STRIPES;
            m.slot = slot;
            m.series = i == 7 ? 5 : 1;
            bool histogram = m.kind >= RINGSCOPE_METRIC_HISTOGRAM;
            if (histogram) {
                m.rows = reinterpret_cast<ringscope_u64*>(i == 5 ? rows : explicit_rows);
                m.row_words = i == 5 ? ROW : BOUNDS + 1;
                m.scale = 4;
                m.bounds = i == 5 ? nullptr : bounds;
                m.bounds_count = i == 5 ? 0 : BOUNDS;
            }
            slot += i == 7 ? 6 : histogram ? RINGSCOPE_METRIC_WORDS : 1;
        }
    }
    Arguments args(u64 what, u64 count, u64 rounds, u64 scale, u32 blocks) {
        Arguments a{};
        a.telemetry = {shards, reinterpret_cast<ringscope_u64*>(buckets), table, blocks, 1056, 3, 8};
        a.in = in;
        a.out = out;
        a.words = shared_words;
        a.stop = &stop;
        a.what = what;
        a.count = count;
        a.rounds = rounds;
        a.scale = scale;
        return a;
    }
};

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
void as_cpp(HostEntry entry, Arguments args, u32 blocks) {
    void* list[] = {&args};
    for (u32 b = 0; b < blocks; ++b) ringscope_host::run_block(entry, list, b, blocks);
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

// u64 from all octaves, and f64 whose sums are exact in any order, with what is in no bucket.
void fill(Both& both, u64 count) {
    u64 x = 0x9e3779b97f4a7c15;
    for (u64 i = 0; i < count; ++i) {
        x ^= x << 13;
        x ^= x >> 7;
        x ^= x << 17;
        both.set_in(i, i < 4 ? i : x >> (16 + i % 48));
        double real = (double(x >> 48) - 32768) / 256;
        if (i % 50 == 7) real = std::numeric_limits<double>::quiet_NaN();
        if (i % 50 == 8) real = std::numeric_limits<double>::infinity();
        // A gauge that takes every value is not to become infinite or none.
        both.set_in(count + i, bits(real));
    }
}

u64 word(const Place& place, u32 slot, bool real) {
    u64 sum = 0;
    double reals = 0;
    for (u32 stripe = 0; stripe < STRIPES; ++stripe) {
        u64 w = place.words[(slot / RINGSCOPE_WORDS * STRIPES + stripe) * RINGSCOPE_WORDS + slot % RINGSCOPE_WORDS];
        double value;
        std::memcpy(&value, &w, sizeof value);
        sum += w;
        reals += value;
    }
    return real ? bits(reals) : sum;
}
u64 extreme(const Place& place, u32 slot) {
    u64 most = 0;
    for (u32 stripe = 0; stripe < STRIPES; ++stripe)
        most = std::max(most, place.words[(slot / RINGSCOPE_WORDS * STRIPES + stripe) * RINGSCOPE_WORDS + slot % RINGSCOPE_WORDS]);
    return most;
}
bool number(u64 v) {
    double f;
    std::memcpy(&f, &v, sizeof f);
    return !std::isnan(f);
}

// Each series' words, added up over the stripes; extremes are the largest.
void same_metrics(const Both& both) {
    const Place &cpp = *both.cpp, &ptx = *both.ptx;
    for (u32 i = 1; i < 8; ++i) {
        const ringscope_metric& m = cpp.table[i];
        bool histogram = m.kind >= RINGSCOPE_METRIC_HISTOGRAM;
        u32 count = i == 7 ? 6 : histogram ? RINGSCOPE_METRIC_WORDS : 1;
        for (u32 n = 0; n < count; ++n) {
            bool most = histogram && (n == RINGSCOPE_METRIC_NOT_MIN || n == RINGSCOPE_METRIC_MAX);
            bool real = m.kind == RINGSCOPE_METRIC_GAUGE || (m.kind == RINGSCOPE_METRIC_EXPLICIT && n == RINGSCOPE_METRIC_SUM);
            u64 expected = most ? extreme(cpp, m.slot + n) : word(cpp, m.slot + n, real), got = most ? extreme(ptx, m.slot + n) : word(ptx, m.slot + n, real);
            if (real && !number(expected)) check(!number(got), both.what + ": metric " + std::to_string(i) + " is no number");
            else same(got, expected, both.what + ": metric " + std::to_string(i) + ", word " + std::to_string(n));
        }
    }
    auto sum = [](const u64* rows, u32 row, u32 n) {
        u64 total = 0;
        for (u32 stripe = 0; stripe < STRIPES; ++stripe) total += rows[stripe * row + n];
        return total;
    };
    for (u32 n = 0; n < ROW; ++n) same(sum(ptx.rows, ROW, n), sum(cpp.rows, ROW, n), both.what + ": bucket " + std::to_string(n));
    for (u32 n = 0; n <= BOUNDS; ++n)
        same(sum(ptx.explicit_rows, BOUNDS + 1, n), sum(cpp.explicit_rows, BOUNDS + 1, n), both.what + ": explicit bucket " + std::to_string(n));
}

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
            fill(both, count);
            both.run(program, "probe_metrics_l" + std::to_string(level), METRICS[level], what, count, 0, 1, blocks, what * 10 + blocks);
            same_metrics(both);
        }
    Both both;
    for (u64 i = 0; i < count; ++i) {
        both.set_in(i, i % 5);
        both.set_in(count + i, bits(double(i * 37 % 101) - 50));
    }
    both.run(program, "probe_metrics_l" + std::to_string(level), METRICS[level], METRICS_GAUGE, count, 0, 2, 2, 1);
    same_metrics(both);
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
    for (unsigned level = 0; level < 3; ++level) {
        auto program = whole::program(level);
        slots(*program, level);
        records(*program, level);
        metrics(*program, level);
        the_rest(*program, level);
        // The clock alone, by one thread.
        u64 words[2] = {};
        Memory memory((MemorySettings()));
        Machine machine(memory, MachineSettings());
        whole::add(memory, words, true);
        u64 block = machine.add_block(whole::launch(*program, "clock_probe", &words[0], 1, 1), {});
        while (machine.step(100) != Machine::NEVER) {
        }
        check(machine.outcome(block)->end == Outcome::RETURNED && words[0] > 0 && words[0] % 32 == 0, "clock_probe: time");
        check(words[1] > 0 && words[1] % 32 == 0, "clock_probe: step");
    }
}
