// warps_test.cpp: what lanes of a warp do together, and what the machine says when they cannot.
#include "bench.h"

using namespace bench;

namespace {
constexpr u64 SEEDS = 20;

// Runs it with several seeds; word 0 of each thread's eight is what it should be.
template <class F>
void gives(const std::string& body, u32 threads, F expected) {
    for (u64 seed = 1; seed <= SEEDS; ++seed) {
        std::vector<u64> words(threads * 8);
        Ran r = run(kernel(body), words, threads, seed);
        check(r.outcome.end == Outcome::RETURNED, body + " ends: " + r.outcome.text);
        for (u32 t = 0; t < threads; ++t) same(words[t * 8], expected(t), body + " in thread " + std::to_string(t) + ", seed " + std::to_string(seed));
    }
}
void faults(const std::string& body, u32 threads, Outcome::End end, const std::string& says) {
    for (u64 seed = 1; seed <= SEEDS; ++seed) {
        std::vector<u64> words(threads * 8);
        Ran r = run(kernel(body), words, threads, seed);
        check(r.outcome.end == end, body + " ends with " + std::to_string(r.outcome.end) + " " + r.outcome.text + ", seed " + std::to_string(seed));
        check(r.outcome.text.find(says) != std::string::npos, body + " says: " + r.outcome.text + ", not " + says);
    }
}

// The manual's pseudocode, for one lane; `in` is its predicate.
u32 source(const std::string& mode, u32 lane, u32 b, u32 c, bool& in) {
    u32 clamp = c & 31, segment = (c >> 8) & 31;
    int most = static_cast<int>((lane & segment) | (clamp & ~segment)), least = static_cast<int>(lane & segment), j = 0;
    b &= 31;
    if (mode == "up") in = (j = static_cast<int>(lane) - static_cast<int>(b)) >= most;
    if (mode == "down") in = (j = static_cast<int>(lane + b)) <= most;
    if (mode == "bfly") in = (j = static_cast<int>(lane ^ b)) <= most;
    if (mode == "idx") in = (j = least | static_cast<int>(b & ~segment)) <= most;
    return in ? static_cast<u32>(j) : lane;
}

void shuffles() {
    // Segments of 32, 16, 8 and 4 lanes as CUDA's width makes them, clamps in between, and amounts beyond the width.
    for (std::string mode : {"up", "down", "bfly", "idx"})
        for (u32 width : {32u, 16u, 8u, 4u})
            for (u32 clamp : {0u, 5u, 31u})
                for (u32 b : {0u, 1u, 3u, 15u, 31u, 33u}) {
                    u32 c = (32 - width) << 8 | clamp;
                    std::string body = "mul.lo.u32 %w2, %w0, 7;\nshfl.sync." + mode + ".b32 %w3|%p3, %w2, " + std::to_string(b) + ", " + std::to_string(c) +
                                       ", -1;\nselp.u32 %w4, 1, 0, %p3;\nst.global.u32 [%d1], %w3;\nst.global.u32 [%d1+4], %w4;";
                    std::vector<u64> words(32 * 8);
                    Ran r = run(kernel(body), words, 32, b + width + clamp);
                    check(r.outcome.end == Outcome::RETURNED, body + " " + r.outcome.text);
                    for (u32 lane = 0; lane < 32; ++lane) {
                        bool in = false;
                        u64 expected = 7u * source(mode, lane, b, c, in);
                        same(words[lane * 8], expected | u64(in) << 32, body + " in lane " + std::to_string(lane));
                    }
                }
    // Each lane its own source; part of a warp; two instructions of the same kind in two branches meet.
    gives("xor.b32 %w2, %w0, 5;\nshfl.sync.idx.b32 %w3, %w0, %w2, 31, 0xffffffff;\nst.global.u32 [%d1], %w3;", 32, [](u32 t) { return t ^ 5u; });
    gives("setp.lt.u32 %p2, %w0, 8;\n@!%p2 bra DONE;\nshfl.sync.down.b32 %w3, %w0, 1, 7, 255;\nst.global.u32 [%d1], %w3;\nDONE:", 32,
          [](u32 t) { return t < 7 ? t + 1 : t == 7 ? 7 : 0; });
    gives("and.b32 %w2, %w0, 1;\nsetp.eq.u32 %p2, %w2, 0;\n@%p2 bra EVEN;\nshfl.sync.bfly.b32 %w3, %w0, 1, 31, -1;\nbra DONE;\nEVEN:\n"
          "shfl.sync.bfly.b32 %w3, %w0, 1, 31, -1;\nDONE:\nst.global.u32 [%d1], %w3;", 64, [](u32 t) { return u64(t ^ 1); });
}

void refused_shuffles() {
    faults("shfl.sync.idx.b32 %w3, %w0, 0, 31, 0xfffffffe;", 32, Outcome::WRONG_SYNC, "shfl.sync.idx.b32 %w3, %w0, 0, 31, 0xfffffffe; with a mask without the lane itself");
    faults("setp.lt.u32 %p2, %w0, 8;\n@!%p2 bra DONE;\nshfl.sync.idx.b32 %w3, %w0, 9, 31, 255;\nDONE:", 32, Outcome::WRONG_SYNC, "reads lane 9, which takes no part");
    faults("setp.eq.u32 %p2, %w0, 3;\n@%p2 exit;\nshfl.sync.idx.b32 %w3, %w0, 3, 31, -1;", 32, Outcome::WRONG_SYNC, "reads lane 3");
    // A lane that never comes.
    faults("setp.eq.u32 %p2, %w0, 3;\n@%p2 bra OTHER;\nshfl.sync.idx.b32 %w3, %w0, 0, 31, -1;\nOTHER:\nbar.warp.sync 8;\nvote.sync.any.pred %p3, %p2, -1;", 32,
           Outcome::DEADLOCK, "shfl.sync.idx.b32 %w3, %w0, 0, 31, -1;");
}

void votes() {
    const std::string lower = "setp.lt.u32 %p2, %w0, ";
    auto vote = [](const std::string& mode) { return ";\nvote.sync." + mode + ".pred %p3, %p2, -1;\nselp.u32 %w3, 1, 0, %p3;\nst.global.u32 [%d1], %w3;"; };
    for (u32 limit : {0u, 5u, 32u}) {
        std::string set = lower + std::to_string(limit);
        gives(set + vote("all"), 32, [=](u32) { return u64(limit == 32); });
        gives(set + vote("any"), 32, [=](u32) { return u64(limit > 0); });
        gives(set + vote("uni"), 32, [=](u32) { return u64(limit != 5); });
        gives(set + ";\nvote.sync.ballot.b32 %w3, !%p2, -1;\nst.global.u32 [%d1], %w3;", 32, [=](u32) { return limit == 32 ? 0 : 0xffffffff & ~u64((1u << limit) - 1); });
    }
    // Of the lanes of the mask alone.
    gives("setp.lt.u32 %p2, %w0, 8;\n@!%p2 bra DONE;\nvote.sync.all.pred %p3, %p2, 255;\nselp.u32 %w3, 1, 0, %p3;\nst.global.u32 [%d1], %w3;\nDONE:", 32,
          [](u32 t) { return u64(t < 8); });
    // Those that have exited are not waited for.
    gives("setp.lt.u32 %p2, %w0, 8;\n@!%p2 exit;\nvote.sync.ballot.b32 %w3, %p2, -1;\nst.global.u32 [%d1], %w3;", 32, [](u32 t) { return u64(t < 8 ? 255 : 0); });
    gives("and.b32 %w2, %w0, 3;\nmatch.any.sync.b32 %w3, %w2, -1;\nst.global.u32 [%d1], %w3;", 32, [](u32 t) { return u64(0x11111111u << (t & 3)); });
    gives("mov.u64 %d2, 9;\nmatch.all.sync.b64 %w3|%p3, %d2, -1;\nselp.u32 %w3, %w3, 0, %p3;\nst.global.u32 [%d1], %w3;", 32, [](u32) { return u64(0xffffffff); });
    gives("match.all.sync.b32 %w3|%p3, %w0, -1;\nselp.u32 %w4, 1, 0, %p3;\nadd.u32 %w3, %w3, %w4;\nst.global.u32 [%d1], %w3;", 32, [](u32) { return u64(0); });
}

void reductions() {
    const std::string value = "mul.lo.u32 %w2, %w0, 0x9e3779b1;\nredux.sync.";
    const std::string end = " %w3, %w2, -1;\nst.global.u32 [%d1], %w3;";
    auto all = [](auto f) {
        u32 result = 0;
        for (u32 t = 1; t < 32; ++t) result = f(t == 1 ? 0u : result, t * 0x9e3779b1u);
        return u64(result);
    };
    u64 sum = all([](u32 a, u32 b) { return a + b; }), exclusive = all([](u32 a, u32 b) { return a ^ b; }), either = all([](u32 a, u32 b) { return a | b; });
    u64 most = all([](u32 a, u32 b) { return a > b ? a : b; });
    u64 most_signed = all([](u32 a, u32 b) { return i32(a) > i32(b) ? a : b; }), least_signed = all([](u32 a, u32 b) { return i32(a) < i32(b) ? a : b; });
    gives(value + "add.u32" + end, 32, [=](u32) { return sum; });
    gives(value + "xor.b32" + end, 32, [=](u32) { return exclusive; });
    gives(value + "or.b32" + end, 32, [=](u32) { return either; });
    gives(value + "and.b32" + end, 32, [=](u32) { return u64(0); });
    gives(value + "max.u32" + end, 32, [=](u32) { return most; });
    gives(value + "min.u32" + end, 32, [=](u32) { return u64(0); });
    gives(value + "max.s32" + end, 32, [=](u32) { return most_signed; });
    gives(value + "min.s32" + end, 32, [=](u32) { return least_signed; });
}

// Lanes go their own ways: one waits for what another does, whichever comes first.
void divergence() {
    gives("setp.eq.u32 %p2, %w0, 0;\n@%p2 bra SETTER;\nWAIT:\nld.relaxed.gpu.global.u64 %d2, [%d0+8];\nsetp.eq.u64 %p3, %d2, 0;\n@%p3 bra WAIT;\nbra DONE;\n"
          "SETTER:\nst.relaxed.gpu.global.u64 [%d0+8], 6;\nmov.u64 %d2, 6;\nDONE:\nst.global.u64 [%d1], %d2;", 32, [](u32) { return u64(6); });
    // A loop of a length of each lane's own, then all meet.
    gives("mov.u32 %w2, 0;\nLOOP:\nadd.u32 %w2, %w2, 1;\nsetp.le.u32 %p2, %w2, %w0;\n@%p2 bra LOOP;\nbar.warp.sync -1;\nshfl.sync.idx.b32 %w3, %w2, 31, 31, -1;\n"
          "add.u32 %w3, %w3, %w2;\nst.global.u32 [%d1], %w3;", 32, [](u32 t) { return u64(32 + t + 1); });
    // Lanes with the same pc are not always together.
    bool alone = false;
    for (u64 seed = 1; seed <= 200 && !alone; ++seed) {
        std::vector<u64> words(32 * 8);
        run(kernel("activemask.b32 %w2;\nactivemask.b32 %w3;\nactivemask.b32 %w4;\nand.b32 %w2, %w2, %w3;\nand.b32 %w2, %w2, %w4;\nst.global.u32 [%d1], %w2;"), words, 32, seed);
        for (u32 t = 0; t < 32; ++t) alone |= words[t * 8] != 0xffffffff;
    }
    check(alone, "some seed splits a warp");
}

void meeting() {
    gives("st.global.u32 [%d1+8], %w0;\nbar.warp.sync -1;\nxor.b32 %w2, %w0, 1;\nmul.wide.u32 %d2, %w2, 64;\nadd.s64 %d2, %d2, %d0;\nld.global.u32 %w3, [%d2+8];\n"
          "st.global.u32 [%d1], %w3;", 64, [](u32 t) { return u64(t ^ 1); });
    faults("bar.warp.sync 1;", 32, Outcome::WRONG_SYNC, "with a mask without the lane itself");
    faults("setp.eq.u32 %p2, %w0, 3;\n@%p2 exit;\nbar.warp.sync -1;", 32, Outcome::WRONG_SYNC, "bar.warp.sync -1; waits for lane 3, which has exited");
    // A warp that the block's threads do not fill is whole with those it has.
    gives("bar.warp.sync -1;\nst.global.u32 [%d1], 1;", 40, [](u32) { return u64(1); });
    // Masks that do not agree: lane 0 says that all meet, those from 16 on that they meet with lane 0.
    faults("setp.lt.u32 %p2, %w0, 16;\n@%p2 bar.warp.sync -1;\n@!%p2 bar.warp.sync 0xffff0001;", 32, Outcome::DEADLOCK,
           "lanes 0xffff of warp 0 wait (mask 0xffffffff): k line 17: @%p2 bar.warp.sync -1;; lanes 0xffff0000 of warp 0 wait (mask 0xffff0001): k line 18");
}
}  // namespace

void test_warps() {
    shuffles();
    refused_shuffles();
    votes();
    reductions();
    divergence();
    meeting();
}
