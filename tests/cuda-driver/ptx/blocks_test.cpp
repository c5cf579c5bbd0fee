// blocks_test.cpp: barriers of a block, sleep, many blocks, replay of a seed, and blocks on threads.
#include <chrono>
#include <set>

#include "bench.h"

using namespace bench;

namespace {
constexpr u64 SEEDS = 20;

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
        check(r.outcome.end == end && r.outcome.text.find(says) != std::string::npos,
              body + " ends with " + std::to_string(r.outcome.end) + " " + r.outcome.text + ", seed " + std::to_string(seed));
    }
}

// Thread t reads what thread t + 33 wrote, of the next warp.
std::string neighbour(const std::string& barrier, u32 threads) {
    return "st.global.u32 [%d1+8], %w0;\n" + barrier + "\nadd.u32 %w2, %w0, 33;\nrem.u32 %w2, %w2, " + std::to_string(threads) +
           ";\nmul.wide.u32 %d2, %w2, 64;\nadd.s64 %d2, %d2, %d0;\nld.global.u32 %w3, [%d2+8];\nst.global.u32 [%d1], %w3;";
}

void barriers() {
    for (std::string barrier : {"bar.sync 0;", "barrier.sync 3;", "bar.cta.sync 15;", "bar.sync 1, 96;", "barrier.cta.sync.aligned 0;"})
        gives(neighbour(barrier, 96), 96, [](u32 t) { return u64((t + 33) % 96); });
    gives(neighbour("bar.sync 0;", 70), 70, [](u32 t) { return u64((t + 33) % 70); });
    // Two warps of four meet, then the other two.
    gives("shr.u32 %w2, %w0, 6;\nadd.u32 %w2, %w2, 1;\nst.global.u32 [%d1+8], %w0;\nbar.sync %w2, 64;\nxor.b32 %w3, %w0, 32;\nmul.wide.u32 %d2, %w3, 64;\n"
          "add.s64 %d2, %d2, %d0;\nld.global.u32 %w3, [%d2+8];\nst.global.u32 [%d1], %w3;", 128, [](u32 t) { return u64(t ^ 32); });
    // Those that have exited count as arrived, whichever comes first.
    gives("setp.lt.u32 %p2, %w0, 40;\n@%p2 exit;\nbar.sync 0;\nst.global.u32 [%d1], 1;", 96, [](u32 t) { return u64(t >= 40); });
    // Once more, and again: a barrier is as new after it was passed.
    gives("mov.u32 %w2, 0;\nLOOP:\nbar.sync 0;\nadd.u32 %w2, %w2, 1;\nsetp.lt.u32 %p2, %w2, 10;\n@%p2 bra LOOP;\nst.global.u32 [%d1], %w2;", 64, [](u32) { return u64(10); });
}

void reductions() {
    const std::string set = "setp.lt.u32 %p2, %w0, 50;\n";
    gives(set + "bar.red.popc.u32 %w3, 0, %p2;\nst.global.u32 [%d1], %w3;", 96, [](u32) { return u64(50); });
    gives(set + "bar.red.popc.u32 %w3, 1, 96, !%p2;\nst.global.u32 [%d1], %w3;", 96, [](u32) { return u64(46); });
    gives(set + "bar.red.and.pred %p3, 0, %p2;\nselp.u32 %w3, 1, 0, %p3;\nst.global.u32 [%d1], %w3;", 96, [](u32) { return u64(0); });
    gives(set + "bar.red.or.pred %p3, 0, %p2;\nselp.u32 %w3, 1, 0, %p3;\nst.global.u32 [%d1], %w3;", 96, [](u32) { return u64(1); });
    gives("setp.lt.u32 %p2, %w0, 96;\nbarrier.red.and.pred %p3, 2, %p2;\nselp.u32 %w3, 1, 0, %p3;\nst.global.u32 [%d1], %w3;", 96, [](u32) { return u64(1); });
}

void refusals() {
    faults("setp.lt.u32 %p2, %w0, 32;\n@%p2 bra DONE;\nWAIT:\nbar.sync 1, 96;\nDONE:", 64, Outcome::DEADLOCK, "bar.sync 1, 96;");
    faults("bar.sync 16;", 32, Outcome::WRONG_SYNC, "of barrier 16");
    faults("bar.sync 0, 33;", 64, Outcome::WRONG_SYNC, "of 33 threads");
    faults("setp.eq.u32 %p2, %w0, 5;\n@%p2 bra OTHER;\nbar.sync 0;\nbra DONE;\nOTHER:\nbar.sync 0;\nDONE:", 64, Outcome::WRONG_SYNC, "without the other threads of its warp");
    gives("setp.eq.u32 %p2, %w0, 5;\n@%p2 bra OTHER;\nbarrier.sync 0;\nbra DONE;\nOTHER:\nbarrier.sync 0;\nDONE:\nst.global.u32 [%d1], 1;", 64, [](u32) { return u64(1); });
    faults("setp.lt.u32 %p2, %w0, 32;\n@%p2 bra OTHER;\nbar.sync 0;\nbra DONE;\nOTHER:\nbar.red.or.pred %p3, 0, %p2;\nDONE:", 64, Outcome::WRONG_SYNC, "another kind of barrier");
}

// The clock stands still until the test moves it.
void sleep() {
    u64 now = 1000;
    std::vector<u64> words(8);
    auto program = Program::parse(kernel("nanosleep.u32 5000;\nst.global.u64 [%d1], 1;"));
    Memory memory((MemorySettings()));
    MachineSettings settings;
    settings.clock = [&] { return now; };
    settings.longest_nap_ns = 0;
    settings.seed = 5;
    Machine machine(memory, settings);
    memory.add_range(reinterpret_cast<u64>(words.data()), 64, false);
    check(machine.step(10) == Machine::NEVER, "a machine without blocks");
    Launch launch;
    launch.entry = program->entry("k");
    u64 address = reinterpret_cast<u64>(words.data());
    const void* arguments[] = {&address};
    launch.params = launch.entry->pack(arguments);
    u64 block = machine.add_block(launch, {});
    u64 idle = 0;
    for (int n = 0; n < 100 && idle == 0; ++n) idle = machine.step(10);
    check(idle > 0 && idle <= 10000, "how long nothing happens: " + std::to_string(idle));
    check(machine.step(1000) == idle && words[0] == 0 && machine.outcome(block) == nullptr, "asleep");
    now += idle;
    while (machine.step(1000) == 0) {
    }
    check(machine.outcome(block) != nullptr && words[0] == 1, "awake");
}

// 16 threads of two blocks add to a word by looking at it first, which goes wrong in ways that a seed decides.
u64 lost_updates(u64 seed) {
    std::vector<u64> words(64);
    Ran r = run(kernel("mov.u32 %w2, 0;\nLOOP:\nld.relaxed.gpu.global.u64 %d2, [%d0];\nadd.u64 %d2, %d2, 1;\nst.relaxed.gpu.global.u64 [%d0], %d2;\nadd.u32 %w2, %w2, 1;\n"
                       "setp.lt.u32 %p2, %w2, 20;\n@%p2 bra LOOP;"), words, 8, seed, 2);
    check(r.outcome.end == Outcome::RETURNED, r.outcome.text);
    return words[0];
}
void seeds() {
    std::set<u64> different;
    for (u64 seed = 1; seed <= SEEDS; ++seed) {
        different.insert(lost_updates(seed));
        same(lost_updates(seed), lost_updates(seed), "the same seed again");
    }
    check(different.size() > SEEDS / 2, "seeds differ: " + std::to_string(different.size()) + " of " + std::to_string(SEEDS));
}

void many_blocks() {
    std::vector<u64> words(8);
    Ran r = run(kernel("mov.u32 %w2, %ctaid.x;\nadd.u32 %w2, %w2, 1;\ncvt.u64.u32 %d2, %w2;\nred.relaxed.gpu.global.add.u64 [%d0], %d2;"), words, 64, 1, 100);
    check(r.outcome.end == Outcome::RETURNED, r.outcome.text);
    same(words[0], u64(64) * 100 * 101 / 2, "what 100 blocks of 64 threads add up");
}

// Blocks on threads of their own: they wait for each other, for the host, and end when they are stopped.
void threads() {
    std::vector<u64> words(8);
    // Block 0 waits for word 1, then sets word 2, for which block 1 waits. Block 2 waits for ever.
    auto program = Program::parse(kernel(
        "mov.u32 %w2, %ctaid.x;\ncvt.u64.u32 %d3, %w2;\nshl.b64 %d3, %d3, 3;\nadd.s64 %d3, %d3, %d0;\nWAIT:\nnanosleep.u32 100;\nld.acquire.sys.global.u64 %d2, [%d3+8];\n"
        "setp.eq.u64 %p2, %d2, 0;\n@%p2 bra WAIT;\nst.release.sys.global.u64 [%d3+16], 1;"));
    Memory memory((MemorySettings()));
    Machine machine(memory, MachineSettings());
    machine.with_memory([&](Memory& m) { m.add_range(reinterpret_cast<u64>(words.data()), 64, true); });
    Launch launch;
    launch.entry = program->entry("k");
    launch.grid.x = 3;
    u64 address = reinterpret_cast<u64>(words.data());
    const void* arguments[] = {&address};
    launch.params = launch.entry->pack(arguments);
    Outcome outcomes[3];
    std::vector<std::thread> all;
    for (u32 n = 0; n < 2; ++n) all.emplace_back([&, n] { outcomes[n] = machine.run_block(launch, {n, 0, 0}); });
    // On device 1, where nothing stops it before its time.
    Launch endless = launch;
    std::vector<u64> never(8);
    machine.with_memory([&](Memory& m) { m.add_range(reinterpret_cast<u64>(never.data()), 64, true); });
    address = reinterpret_cast<u64>(never.data());
    endless.params = launch.entry->pack(arguments);
    endless.device = 1;
    all.emplace_back([&] { outcomes[2] = machine.run_block(endless, {2, 0, 0}); });
    machine.stop_all(7);
    __atomic_store_n(&words[1], 1, __ATOMIC_RELEASE);
    all[0].join();
    all[1].join();
    for (int n = 0; n < 2; ++n) check(outcomes[n].end == Outcome::RETURNED, outcomes[n].text);
    same(__atomic_load_n(&words[3], __ATOMIC_ACQUIRE), 1, "what block 1 sets");
    // It runs for sure once it has executed something since.
    u64 before = machine.executed();
    while (machine.executed() == before) std::this_thread::yield();
    machine.stop_all(1);
    all[2].join();
    check(outcomes[2].end == Outcome::STOPPED, "stopped: " + std::to_string(outcomes[2].end));
}
}  // namespace

void test_blocks() {
    barriers();
    reductions();
    refusals();
    sleep();
    seeds();
    many_blocks();
    threads();
}
