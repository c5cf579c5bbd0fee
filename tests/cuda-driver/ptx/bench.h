// bench.h: for the machine's own tests: runs a few lines of PTX, and says what came out wrong.
#pragma once
#include <array>
#include <cstdio>
#include <cstring>
#include <string>
#include <vector>

#include "machine.h"

namespace bench {
using namespace ptx;

// Of the whole program: main returns them.
inline unsigned checks = 0, failures = 0;
inline std::string first_failure;  // since somebody cleared it
inline bool quiet = false;

inline void check(bool ok, const std::string& what) {
    ++checks;
    if (ok) return;
    if (first_failure.empty()) first_failure = what;
    if (++failures <= 40 && !quiet) std::printf("wrong: %s\n", what.c_str());
}
inline std::string hex(u64 v) {
    char text[24];
    std::snprintf(text, sizeof text, "0x%llx", static_cast<unsigned long long>(v));
    return text;
}
inline void same(u64 got, u64 expected, const std::string& what) {
    check(got == expected, what + ": " + hex(got) + ", expected " + hex(expected));
}

template <class T>
u64 bits(T v) {
    u64 all = 0;
    std::memcpy(&all, &v, sizeof v);
    return all;
}

inline std::string module_of(const std::string& entry) { return ".version 8.0\n.target sm_75\n.address_size 64\n" + entry; }

struct Ran {
    Outcome outcome;
    u64 steps = 0;
};

// A kernel with one argument, an address of `words`, and memory for it. Each of the threads may use its registers %d (b64),
// %w (b32), %h (b16), %f (f32), %g (f64), %p; %d0 holds the address, %w0 the number of the thread, %d1 the address of its
// `each` words.
inline std::string kernel(const std::string& body, unsigned each = 8, const std::string& declarations = "") {
    return module_of(declarations + ".visible .entry k(.param .u64 words)\n{\n.reg .b64 %d<64>;\n.reg .b32 %w<64>;\n.reg .b16 %h<64>;\n"
                     ".reg .f32 %f<16>;\n.reg .f64 %g<16>;\n.reg .pred %p<16>;\n"
                     "ld.param.u64 %d0, [words];\nmov.u32 %w0, %tid.x;\nmul.wide.u32 %d1, %w0, " + std::to_string(8 * each) +
                     ";\nadd.s64 %d1, %d1, %d0;\n" + body + "\nret;\n}\n");
}
inline Ran run(const std::string& text, std::vector<u64>& words, u32 threads, u64 seed = 1, u32 blocks = 1, u32 dynamic_shared = 0) {
    Ran ran;
    try {
        auto program = Program::parse(text);
        Memory memory((MemorySettings()));
        MachineSettings settings;
        settings.seed = seed;
        settings.longest_nap_ns = 0;
        Machine machine(memory, settings);
        machine.load(*program);
        memory.add_range(reinterpret_cast<u64>(words.data()), words.size() * 8, false);
        Launch launch;
        launch.entry = program->entry("k");
        launch.threads.x = threads;
        launch.grid.x = blocks;
        launch.shared_bytes = dynamic_shared;
        u64 address = reinterpret_cast<u64>(words.data());
        const void* arguments[] = {&address};
        launch.params = launch.entry->pack(arguments);
        std::vector<u64> numbers;
        for (u32 b = 0; b < blocks; ++b) numbers.push_back(machine.add_block(launch, {b, 0, 0}));
        while (machine.step(1000) != Machine::NEVER && ran.steps < 100000000) ran.steps += 1000;
        for (u64 number : numbers) {
            const Outcome* ended = machine.outcome(number);
            if (ended == nullptr) ran.outcome = {Outcome::DEADLOCK, "does not end"};
            else if (ended->end != Outcome::RETURNED) ran.outcome = *ended;
        }
        memory.settle();
    } catch (const Unsupported& what) {
        ran.outcome = {Outcome::UNSUPPORTED, what.what()};
    }
    return ran;
}

using Row = std::array<u64, 4>;
struct Result {
    u64 first = 0, second = 0;
};

// Executes one instruction for each row of operands: thread i finds row i in %d2 to %d5, %w2 to %w5, %h2 to %h5, and bit 0 of
// each in %p2 to %p5. What it leaves in register 9 (and %p8) of the kind that the text names is returned.
inline std::vector<Result> results(const std::string& instruction, const std::vector<Row>& rows) {
    std::string body;
    for (unsigned n = 0; n < 4; ++n) {
        std::string to = std::to_string(n + 2);
        body += "ld.global.u64 %d" + to + ", [%d1+" + std::to_string(8 * n) + "];\ncvt.u32.u64 %w" + to + ", %d" + to + ";\ncvt.u16.u64 %h" + to +
                ", %d" + to + ";\nand.b64 %d20, %d" + to + ", 1;\nsetp.ne.u64 %p" + to + ", %d20, 0;\n";
    }
    body += instruction + "\n";
    if (instruction.find("%w9") != std::string::npos) body += "cvt.u64.u32 %d9, %w9;\n";
    if (instruction.find("%h9") != std::string::npos) body += "cvt.u64.u16 %d9, %h9;\n";
    if (instruction.find("%p9") != std::string::npos) body += "selp.u64 %d9, 1, 0, %p9;\n";
    body += "selp.u64 %d8, 1, 0, %p8;\nst.global.u64 [%d1], %d9;\nst.global.u64 [%d1+8], %d8;\n";
    std::vector<Result> all(rows.size());
    constexpr size_t AT_ONCE = 256;
    for (size_t first = 0; first < rows.size(); first += AT_ONCE) {
        size_t count = rows.size() - first < AT_ONCE ? rows.size() - first : AT_ONCE;
        std::vector<u64> words;
        for (size_t n = 0; n < count; ++n) words.insert(words.end(), rows[first + n].begin(), rows[first + n].end());
        Ran ran = run(kernel(body, 4), words, static_cast<u32>(count));
        check(ran.outcome.end == Outcome::RETURNED, instruction + " " + ran.outcome.text);
        if (ran.outcome.end != Outcome::RETURNED) return all;
        for (size_t n = 0; n < count; ++n) all[first + n] = {words[4 * n], words[4 * n + 1]};
    }
    return all;
}

// The instruction against a function of its operands; `bits` of the result count.
template <class F>
void against(const std::string& instruction, const std::vector<Row>& rows, unsigned bits, F expected) {
    u64 mask = bits == 64 ? ~u64(0) : (u64(1) << bits) - 1;
    std::vector<Result> got = results(instruction, rows);
    for (size_t n = 0; n < rows.size(); ++n)
        same(got[n].first & mask, expected(rows[n][0], rows[n][1], rows[n][2], rows[n][3]) & mask,
             instruction + " of " + hex(rows[n][0]) + " " + hex(rows[n][1]) + " " + hex(rows[n][2]) + " " + hex(rows[n][3]));
}

// All pairs of what is likely to go wrong.
inline std::vector<u64> edges() {
    return {0, 1, 2, 3, 31, 32, 33, 63, 64, 65, 127, 128, 255, 256, 0x7fff, 0x8000, 0xffff, 0x10000, 0x7fffffff, 0x80000000, 0xffffffff,
            0x100000000, 0x7fffffffffffffff, 0x8000000000000000, 0xffffffffffffffff, 0xfffffffffffffffe, 0x123456789abcdef0,
            0xfedcba9876543210, 0xdeadbeefcafef00d};
}
inline std::vector<Row> pairs() {
    std::vector<Row> rows;
    for (u64 a : edges())
        for (u64 b : edges()) rows.push_back({a, b, a ^ b, a + b});
    return rows;
}
inline std::vector<Row> singles() {
    std::vector<Row> rows;
    for (u64 a : edges()) rows.push_back({a, 0, 0, 0});
    return rows;
}
}  // namespace bench

// What the program can be asked for.
void test_integers();
void test_bits();
void test_floats();
void test_conversions();
void test_memory();
void test_warps();
void test_blocks();
void test_refusals();
void test_rings();
void test_fed_rings();
void test_dead_rings();
void test_set_clocks();
void test_header();
void test_probes();
void test_records();
void test_roles();
void test_wild();
void test_costs();
void test_waits();
