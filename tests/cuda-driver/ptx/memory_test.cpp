// memory_test.cpp: loads, stores and atomics of every type and space, special registers, faults.
#include "bench.h"

using namespace bench;

namespace {
void ran(const Ran& r, const std::string& what) { check(r.outcome.end == Outcome::RETURNED, what + ": " + r.outcome.text); }
// That it ends so, and that the report names the instruction and the rest.
void faults(const std::string& body, Outcome::End end, const std::string& says, u32 threads = 1) {
    std::vector<u64> words(64);
    Ran r = run(kernel(body), words, threads);
    check(r.outcome.end == end, body + " ends with " + std::to_string(r.outcome.end) + " " + r.outcome.text);
    check(r.outcome.text.find(says) != std::string::npos, body + " says: " + r.outcome.text + ", not " + says);
}

// Through each space: what is stored as one type is loaded as that type, extended as it says.
void types_and_spaces() {
    const std::string declarations = ".global .align 16 .b8 global_place[64];\n";
    struct Place {
        const char *space, *declaration, *address;
    };
    const Place places[] = {
        {".global", "", "mov.u64 %d4, global_place;"},
        {"", "", "mov.u64 %d4, global_place;"},
        {".shared", ".shared .align 16 .b8 shared_place[64];\n", "mov.u64 %d4, shared_place;"},
        {"", ".shared .align 16 .b8 other[8];\n.shared .align 16 .b8 shared_place[64];\n", "mov.u64 %d4, shared_place;\ncvta.shared.u64 %d4, %d4;"},
        {".local", ".local .align 16 .b8 local_place[64];\n", "mov.u64 %d4, local_place;"},
        {"", ".local .align 16 .b8 local_place[64];\n", "mov.u64 %d4, local_place;\ncvta.local.u64 %d4, %d4;"},
    };
    const u64 value = 0xf1e2d3c4b5a69788;
    for (const Place& place : places)
        for (std::string type : {"b8", "u8", "s8", "b16", "u16", "s16", "b32", "u32", "s32", "f32", "b64", "u64", "s64", "f64"}) {
            unsigned n = static_cast<unsigned>(std::stoul(type.substr(1)));
            std::string body = place.declaration + std::string(place.address) + "\nmov.u64 %d5, " + std::to_string(i64(value)) + ";\n";
            body += std::string("st") + place.space + "." + type + " [%d4+16], %d5;\n";
            body += std::string("ld") + place.space + "." + type + " %d6, [%d4+16];\nst.global.u64 [%d1], %d6;\n";
            body += std::string("st") + place.space + ".v2." + type + " [%d4+32], {%d5, %d5};\nmov.u64 %d7, 0;\n";
            body += std::string("ld") + place.space + ".v2." + type + " {%d7, %d8}, [%d4+32];\nst.global.u64 [%d1+8], %d8;\n";
            if (n <= 32) {
                body += std::string("st") + place.space + ".v4." + type + " [%d4+48], {%d5, %d6, %d7, %d5};\n";
                body += std::string("ld") + place.space + ".v4." + type + " {%d8, _, _, %d9}, [%d4+48];\nst.global.u64 [%d1+16], %d9;\n";
            } else {
                body += "st.global.u64 [%d1+16], %d6;\n";
            }
            std::vector<u64> words(8);
            ran(run(kernel(body, 8, declarations), words, 1), body);
            u64 expected = type[0] == 's' && n < 64 ? static_cast<u64>(static_cast<i64>(value << (64 - n)) >> (64 - n)) : n < 64 ? value & ((u64(1) << n) - 1) : value;
            for (int w = 0; w < 3; ++w) same(words[static_cast<size_t>(w)], expected, place.space + std::string(" ") + place.address + " " + type);
        }
}

void variables() {
    const std::string text = kernel(
        "mov.u64 %d2, table;\nld.global.nc.u32 %w2, [%d2+4];\nld.const.u16 %h2, [limits+2];\ncvt.u32.u16 %w3, %h2;\nld.global.u64 %d3, [pointer];\n"
        "ld.u32 %w4, [%d3];\nld.param.u64 %d4, [words];\nst.global.u32 [%d1], %w2;\nst.global.u32 [%d1+4], %w3;\nst.global.u32 [%d1+8], %w4;\n"
        "st.global.u64 [%d1+16], %d4;\nmov.b64 %d5, table+8;\nld.global.u32 %w5, [%d5];\nst.global.u32 [%d1+12], %w5;\n",
        8,
        ".global .align 4 .u32 table[3] = {1, 0x22, -3};\n.const .align 2 .u16 limits[2] = {5, 6};\n"
        ".visible .global .align 8 .u64 pointer = generic(table)+4;\n.global .align 4 .f32 real = 0f3F800000;\n.visible .global .align 1 .b8 args[24];\n"
        ".global .align 8 .b8 bytes[4] = {1, 2, 255};\n");
    std::vector<u64> words(8);
    ran(run(text, words, 1), "variables");
    same(words[0], u64(6) << 32 | 0x22, "table[1], limits[1]");
    same(words[1], u64(u32(-3)) << 32 | 0x22, "through a pointer, table[2]");
    same(words[2], reinterpret_cast<u64>(words.data()), "the parameter");
    auto program = Program::parse(text);
    const Variable* args = program->variable("args");
    check(args != nullptr && args->bytes == 24, "a symbol's size");
    check(program->variable("none") == nullptr && program->entry("none") == nullptr, "what is not there");
    const Variable* bytes = program->variable("bytes");
    u32 value = 0;
    std::memcpy(&value, reinterpret_cast<void*>(bytes->address), 4);
    same(value, 0x00ff0201, "an initialiser shorter than its variable");
    float real = 0;
    std::memcpy(&real, reinterpret_cast<void*>(program->variable("real")->address), 4);
    check(real == 1.0f, "an f32's initialiser");
}

// Parameters lie as CUDA's ABI lays them out.
void parameters() {
    auto program = Program::parse(module_of(".visible .entry k(.param .u8 a, .param .align 16 .b8 b[20], .param .u64 c, .param .f32 d)\n{\nret;\n}\n"));
    const Entry* k = program->entry("k");
    const u32 offsets[] = {0, 16, 40, 48}, sizes[] = {1, 20, 8, 4};
    for (size_t n = 0; n < 4; ++n) {
        same(k->params[n].offset, offsets[n], "offset of parameter " + std::to_string(n));
        same(k->params[n].bytes, sizes[n], "size of parameter " + std::to_string(n));
    }
    same(k->param_bytes, 52, "bytes of all parameters");
}

void atomics() {
    struct Case {
        const char *what, *operands;
        u64 before, after;
    };
    const Case cases[] = {
        {"add.u32", "5", 0xfffffffe, 3}, {"add.u64", "5", ~u64(0), 4}, {"add.s32", "-1", 0, 0xffffffff}, {"min.u32", "7", 0xffffffff, 7},
        {"min.s32", "7", 0xffffffff, 0xffffffff}, {"max.s32", "7", 0xffffffff, 7}, {"max.u64", "7", 9, 9}, {"min.u64", "7", 9, 7},
        {"min.s64", "-7", 9, u64(-7)}, {"max.s64", "-7", 9, 9}, {"and.b32", "12", 10, 8}, {"or.b32", "12", 10, 14}, {"xor.b64", "12", 10, 6},
        {"exch.b32", "3", 8, 3}, {"exch.b64", "3", 8, 3}, {"cas.b32", "8, 5", 8, 5}, {"cas.b32", "7, 5", 8, 8}, {"cas.b64", "8, 5", 8, 5},
        {"add.f32", "0f3F800000", bits(1.5f), bits(2.5f)}, {"add.f64", "0d3FF0000000000000", bits(1.5), bits(2.5)},
    };
    for (const Case& c : cases) {
        bool wide = std::string(c.what).find("64") != std::string::npos;
        std::string reg = wide ? "%d6" : "%w6", kind = wide ? "u64" : "u32";
        for (std::string words : {".global", "", ".relaxed.gpu.global", ".acq_rel.sys.global", ".acquire.cta", ".release.gpu.global", ".shared", ".relaxed.cta.shared",
                                  ".shared.cta", ".global.cta", ".global.sys"}) {
            bool shared = words.find("shared") != std::string::npos;
            std::string place = shared ? "[s]" : "[%d1]";
            std::string body = shared ? ".shared .align 8 .b64 s;\nld.global." + kind + " " + reg + ", [%d1];\nst.shared." + kind + " [s], " + reg + ";\n" : "";
            std::string what = c.what;
            body += "atom" + words + "." + what + " " + reg + ", " + place + ", " + c.operands + ";\nst.global." + kind + " [%d1+8], " + reg + ";\n";
            if (shared) body += "ld.shared." + kind + " " + reg + ", [s];\nst.global." + kind + " [%d1], " + reg + ";\n";
            std::vector<u64> memory = {c.before, 0, 0, 0, 0, 0, 0, 0};
            ran(run(kernel(body), memory, 1), body);
            same(memory[0], c.after, body);
            same(memory[1], c.before, body + " gives the value before");
            if (what[0] == 'c' || what[0] == 'e' || shared) continue;
            memory = {c.before, 0, 0, 0, 0, 0, 0, 0};
            ran(run(kernel("red" + words + "." + what + " [%d1], " + c.operands + ";"), memory, 1), what);
            same(memory[0], c.after, "red" + words + "." + what);
        }
    }
}

// Each order and scope is understood, in each place where it may stand.
void orders() {
    std::string body;
    for (std::string scope : {"cta", "gpu", "sys"}) {
        for (std::string order : {"relaxed", "acquire"}) body += "ld." + order + "." + scope + ".global.u64 %d2, [%d1];\n";
        for (std::string order : {"relaxed", "release"}) body += "st." + order + "." + scope + ".global.u64 [%d1], 3;\n";
        for (std::string order : {"acquire.", "release.", "acq_rel.", "sc.", ""}) body += "fence." + order + scope + ";\n";
        body += "membar." + std::string(scope == "gpu" ? "gl" : scope) + ";\n";
    }
    body += "ld.weak.global.u64 %d2, [%d1];\nst.weak.u64 [%d1], %d2;\nld.volatile.global.v2.u32 {%w2, %w3}, [%d1];\nst.volatile.global.u64 [%d1], %d2;\n";
    body += "ld.global.L1::no_allocate.L2::128B.u64 %d2, [%d1];\nld.global.cg.u64 %d2, [%d1];\nst.global.wt.u64 [%d1], %d2;\n";
    std::vector<u64> words(8);
    ran(run(kernel(body), words, 1), "orders");
    same(words[0], 3, "what was stored last");
}

void specials() {
    const std::string names[] = {"%tid.x", "%tid.y", "%tid.z", "%ntid.x", "%laneid", "%warpid", "%nwarpid", "%lanemask_eq", "%lanemask_le",
                                 "%lanemask_lt", "%lanemask_ge", "%lanemask_gt", "%ctaid.x", "%nctaid.x", "%smid", "%nsmid"};
    std::string body = "mov.u32 %w2, %ctaid.x;\nmov.u32 %w3, %ntid.x;\nmad.lo.u32 %w2, %w2, %w3, %w0;\nmul.wide.u32 %d2, %w2, 128;\nadd.s64 %d2, %d2, %d0;\n";
    unsigned n = 0;
    for (const std::string& name : names) body += "mov.u32 %w4, " + name + ";\ncvt.u64.u32 %d4, %w4;\nst.global.u64 [%d2+" + std::to_string(8 * n++) + "], %d4;\n";
    std::vector<u64> words(70 * 2 * 16);
    ran(run(kernel(body), words, 70, 3, 2), "special registers");
    for (u64 thread = 0; thread < 140; ++thread) {
        u64 t = thread % 70, lane = t % 32, bit = u64(1) << lane;
        const u64 expected[] = {t, 0, 0, 70, lane, t / 32, 3, bit, 2 * bit - 1, bit - 1, 0xffffffff & ~(bit - 1), 0xffffffff & ~(2 * bit - 1), thread / 70, 2, thread / 70, 4};
        for (size_t k = 0; k < 16; ++k) same(words[thread * 16 + k], expected[k], names[k] + " of thread " + std::to_string(thread));
    }
}

// Time goes on, in ticks; halves and whole agree.
void clocks() {
    std::vector<u64> words(8);
    ran(run(kernel("mov.u64 %d2, %globaltimer;\nmov.u32 %w2, %globaltimer_lo;\nmov.u32 %w3, %globaltimer_hi;\nmov.b64 %d3, {%w2, %w3};\nmov.u64 %d4, %clock64;\n"
                   "nanosleep.u32 1000;\nmov.u64 %d5, %clock64;\nmov.u64 %d6, %globaltimer;\nsub.s64 %d5, %d5, %d4;\nsub.s64 %d7, %d6, %d2;\nsub.s64 %d3, %d3, %d2;\n"
                   "and.b64 %d6, %d6, 31;\nst.global.u64 [%d1], %d5;\nst.global.u64 [%d1+8], %d7;\nst.global.u64 [%d1+16], %d3;\nst.global.u64 [%d1+24], %d6;"),
            words, 1), "clocks");
    const u64 HOUR = 3600000000000;
    check(words[0] < HOUR * 2 && words[1] < HOUR && words[2] < HOUR, "clocks move forward");
    same(words[3], 0, "the tick of 32 ns");
}
u64 elapsed(u32 tick, i64 drift, u64 ns) {
    u64 now = 1000000000;
    Memory memory((MemorySettings()));
    MachineSettings settings;
    settings.clock = [&] { return now; };
    Machine machine(memory, settings);
    machine.set_clock(tick, drift);
    u64 before = machine.device_clock_ns();
    now += ns;
    u64 after = machine.device_clock_ns();
    same(after % tick, 0, "a tick");
    // What was does not jump when drift changes.
    machine.set_clock(1, -drift);
    check(machine.device_clock_ns() - after < tick, "a clock set anew goes on where it was");
    return after - before;
}

void misses() {
    faults("mov.u64 %d2, 8;\nst.global.u64 [%d2], 1;", Outcome::ILLEGAL_ADDRESS, "st.global.u64 [%d2], 1; at the illegal address 0x8, block 0,0,0 thread 0");
    faults("ld.global.u32 %w2, [%d0+2];", Outcome::ILLEGAL_ADDRESS, "misaligned");
    faults("ld.global.v4.u32 {%w2, %w3, %w4, %w5}, [%d0+8];", Outcome::ILLEGAL_ADDRESS, "misaligned");
    faults("ld.global.u64 %d2, [%d0+512];", Outcome::ILLEGAL_ADDRESS, "ld.global.u64");
    faults(".shared .align 8 .b8 s[8];\nld.shared.u64 %d2, [s+8];", Outcome::ILLEGAL_ADDRESS, "0x8");
    faults("ld.shared.u64 %d2, [0];", Outcome::ILLEGAL_ADDRESS, "ld.shared.u64");
    faults(".local .align 8 .b8 s[8];\nst.local.u64 [s+16], 1;", Outcome::ILLEGAL_ADDRESS, "0x10");
    faults("atom.global.add.u32 %w2, [%d0+2], 1;", Outcome::ILLEGAL_ADDRESS, "misaligned");
    faults("mov.u32 %w2, 3;\nsetp.eq.u32 %p2, %w0, %w2;\n@%p2 trap;", Outcome::TRAPPED, "@%p2 trap;, block 0,0,0 thread 3", 32);
    faults("brkpt;", Outcome::TRAPPED, "brkpt");
}

void spaces() {
    const std::string body =
        ".shared .align 8 .b8 s[8];\n.local .align 8 .b8 l[8];\nmov.u64 %d2, s;\ncvta.shared.u64 %d3, %d2;\ncvta.to.shared.u64 %d4, %d3;\nmov.u64 %d5, l;\n"
        "cvta.local.u64 %d6, %d5;\nisspacep.shared %p1, %d3;\nisspacep.local %p2, %d3;\nisspacep.local %p3, %d6;\nisspacep.global %p4, %d0;\n"
        "isspacep.global %p5, %d3;\nselp.u64 %d7, 1, 0, %p1;\nselp.u64 %d8, 2, 0, %p2;\nor.b64 %d7, %d7, %d8;\nselp.u64 %d8, 4, 0, %p3;\nor.b64 %d7, %d7, %d8;\n"
        "selp.u64 %d8, 8, 0, %p4;\nor.b64 %d7, %d7, %d8;\nselp.u64 %d8, 16, 0, %p5;\nor.b64 %d7, %d7, %d8;\nst.global.u64 [%d1], %d7;\n"
        "sub.u64 %d4, %d4, %d2;\nst.global.u64 [%d1+8], %d4;\n";
    std::vector<u64> words(8);
    ran(run(kernel(body), words, 1), "spaces");
    same(words[0], 1 + 4 + 8, "isspacep");
    same(words[1], 0, "cvta there and back");
    // Dynamic shared memory starts behind the static.
    std::vector<u64> dynamic(8);
    ran(run(kernel(".shared .align 8 .b8 s[24];\nmov.u64 %d2, more;\nst.shared.u64 [more+8], %d2;\nld.shared.u64 %d3, [%d2+8];\nst.global.u64 [%d1], %d3;", 8,
                   ".extern .shared .align 16 .b8 more[];\n"), dynamic, 1, 1, 1, 16), "dynamic shared memory");
    same(dynamic[0], 32, "where dynamic shared memory starts");
}
}  // namespace

void test_memory() {
    types_and_spaces();
    variables();
    parameters();
    atomics();
    orders();
    specials();
    clocks();
    same(elapsed(32, 0, 3200000), 3200000, "no drift");
    same(elapsed(1024, 0, 10240), 10240, "a long tick");
    const u64 HOUR = 3600000000000;
    u64 fast = elapsed(32, 100, HOUR);
    check(fast - HOUR - 360000000 < 64 || HOUR + 360000000 - fast < 64, "100 ppm over an hour: " + std::to_string(fast - HOUR));
    u64 slow = elapsed(32, -100, HOUR);
    check(HOUR - 360000000 - slow < 64 || slow - HOUR + 360000000 < 64, "-100 ppm over an hour: " + std::to_string(HOUR - slow));
    misses();
    spaces();
}
