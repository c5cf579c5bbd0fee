// litmus_host.cpp: the host beside the lanes: one that tells what it does, exactly; and one that does not, a thread
// that uses pinned memory with plain instructions as the crate's Rust code does.
#include <atomic>
#include <thread>

#include "litmus.h"

using namespace litmus;

namespace {
enum : unsigned { X = 0, Y = 4, REPLY = 8, TAIL = 16, READY = 24 };
constexpr How from_host = at(acquire, Scope::SYS), to_host = at(release, Scope::SYS);

// The host sends one word, a lane answers with another, the host takes the answer and sends again.
struct Words {
    How send = to_host, take = from_host, answer = to_host, receive = from_host;
};
Outcomes told(const Words& how) {
    return over_seeds([&](World& w) {
        Agent host = w.host(), lane = w.lane(0);
        auto host_access = [&](unsigned word, How h) { return World::access(w.address(word), h, "the host's"); };
        u64 tail = 0, data = 9, ready = 0, reply = 9;
        w.interleave({{[&] { w.memory.host_store(host, host_access(X, weak), 1); },
                       [&] { w.memory.host_store(host, host_access(TAIL, how.send), 1); },
                       [&] {
                           for (int i = 0; i < 40 && ready == 0; ++i) {
                               w.memory.step();
                               ready = w.memory.host_load(host, host_access(READY, how.receive));
                           }
                       },
                       [&] { if (ready == 1) reply = w.memory.host_load(host, host_access(REPLY, weak)); },
                       [&] { if (ready == 1) w.memory.host_store(host, host_access(X, weak), 2); }},
                      {[&] { for (int i = 0; i < 3 && tail == 0; ++i) tail = w.load(lane, TAIL, how.take); },
                       [&] { if (tail == 1) data = w.load(lane, X, weak); },
                       [&] { if (tail == 1) w.store(lane, REPLY, 1, weak); },
                       [&] { if (tail == 1) w.store(lane, READY, 1, how.answer); }}});
        return "data " + std::to_string(data) + " reply " + std::to_string(reply);
    });
}
}  // namespace

LITMUS(a_host_that_tells_hands_over_both_ways) {
    Outcomes right = told(Words{});
    for (const char* wrong : {"data 0 reply 9", "data 1 reply 0", "data 2 reply 9", "race"}) NEVER(right, wrong);
    SOMETIMES(right, "data 1 reply 1");
    Words without_acquire, without_release, of_a_narrow_scope, host_without_release, host_without_acquire;
    without_acquire.take = at(relaxed, Scope::SYS);
    without_release.answer = at(relaxed, Scope::SYS);
    of_a_narrow_scope.answer = release;
    host_without_release.send = at(relaxed, Scope::SYS);
    host_without_acquire.receive = at(relaxed, Scope::SYS);
    for (const Words& how :
         {without_acquire, without_release, of_a_narrow_scope, host_without_release, host_without_acquire})
        SOMETIMES(told(how), "race");
    SOMETIMES(told(without_acquire), "data 0 reply 1");
    SOMETIMES(told(without_release), "data 1 reply 0");
}

LITMUS(a_host_that_tells_is_known_to_launches_and_knows_of_ends) {
    World w(1);
    Agent host = w.host();
    const Access x = World::access(w.address(X), weak, "the host's");
    w.memory.host_store(host, x, 1);
    Agent lane = w.lane(0);
    CHECK(w.load(lane, X, weak) == 1);
    w.store(lane, X, 2, weak);
    w.memory.end(lane);
    CHECK(w.memory.host_load(host, x) == 2);
    w.memory.host_store(host, x, 3);
    CHECK_SAID(!w.raced(), w.race());
    lane = w.lane(0);
    w.memory.host_store(host, x, 4);  // after the launch
    w.load(lane, X, weak);
    CHECK(w.raced());
}

namespace {
// A ring in pinned memory between a thread, with atomics and plain words, and two blocks of two lanes: the first lane
// of each acquires the tail, a barrier, both read the message and write the reply, a barrier, the first lane publishes.
constexpr unsigned SLOTS = 2, SLOT = 16, PAYLOAD = 6, MESSAGES = 24, BLOCKS = 2;
enum : unsigned { RING_TAIL = 0, IN = 64, OUT = 256, DONE = 6, OUT_READY = 6 };

struct Ring {
    How take = from_host;
    Order fence = Order::ACQ_REL;
    Scope scope = Scope::SYS;
    bool fenced = true, meets_before = true, meets_after = true;
};
struct Ran {
    std::string race;
    bool stale_message = false, stale_reply = false, stuck = false;
};

struct Block {
    std::vector<Agent> lanes;
    u64 next = 0;  // its message: it owns every second one
};

// One message, if it is there.
void serve(World& w, Block& block, const Ring& how, Ran& ran) {
    const Agent first = block.lanes[0];
    if (w.load(first, RING_TAIL, how.take, "ld tail") <= block.next) return;
    if (how.meets_before) w.memory.meet(block.lanes);
    const unsigned in = IN + unsigned(block.next % SLOTS) * SLOT, out = OUT + unsigned(block.next % SLOTS) * SLOT;
    for (unsigned i = 0; i < PAYLOAD; ++i) {
        const Agent lane = block.lanes[i % block.lanes.size()];
        const u64 value = w.load(lane, in + i, weak, "ld payload");
        ran.stale_message |= value != block.next * 100 + i + 1;
        w.store(lane, out + i, value + 7, weak, "st reply");
        w.memory.step();
    }
    if (how.meets_after) w.memory.meet(block.lanes);
    if (how.fenced) w.memory.fence(first, how.fence, how.scope);
    w.store(first, in + DONE, block.next + 1, at(relaxed, how.scope), "st done");
    w.store(first, out + OUT_READY, block.next + 1, at(relaxed, how.scope), "st ready");
    block.next += BLOCKS;
}

// The host's part, which tells nobody.
void send_and_receive(u64* words, std::atomic<bool>& over, Ran& ran) {
    u64 sent = 0, received = 0;
    auto get = [&](unsigned i) { return __atomic_load_n(&words[i], __ATOMIC_RELAXED); };
    auto acquired = [&](unsigned i) { return __atomic_load_n(&words[i], __ATOMIC_ACQUIRE); };
    while (received < MESSAGES && !over) {
        const unsigned in = IN + unsigned(sent % SLOTS) * SLOT, out = OUT + unsigned(received % SLOTS) * SLOT;
        if (sent < MESSAGES && sent < received + SLOTS && (sent < SLOTS || acquired(in + DONE) == sent - SLOTS + 1)) {
            for (unsigned i = 0; i < PAYLOAD; ++i)
                __atomic_store_n(&words[in + i], sent * 100 + i + 1, __ATOMIC_RELAXED);
            __atomic_store_n(&words[RING_TAIL], ++sent, __ATOMIC_RELEASE);
        } else if (acquired(out + OUT_READY) == received + 1) {
            for (unsigned i = 0; i < PAYLOAD; ++i) ran.stale_reply |= get(out + i) != received * 100 + i + 8;
            ++received;
        } else {
            std::this_thread::yield();
        }
    }
    over = true;
}

Ran ring(u64 seed, const Ring& how) {
    Ran machine, thread;
    World w(seed, true);
    std::vector<Block> blocks(BLOCKS);
    for (unsigned i = 0; i < BLOCKS; ++i) blocks[i] = Block{{w.lane(i), w.lane(i)}, i};
    std::atomic<bool> over{false};
    std::thread host([&] { send_and_receive(w.words, over, thread); });
    unsigned idle = 0;
    while (!over && !w.raced()) {
        Block& block = blocks[w.random(BLOCKS)];
        const u64 before = block.next;
        if (before < MESSAGES) serve(w, block, how, machine);
        w.steps(4);
        if (block.next == before) std::this_thread::yield();
        if (++idle > 20000000) machine.stuck = over = true;
    }
    over = true;
    host.join();
    machine.stale_reply = thread.stale_reply;
    machine.race = w.race();
    return machine;
}
}  // namespace

LITMUS(a_host_that_does_not_tell_is_never_blamed_wrongly) {
    for (u64 seed = 1; seed <= 150; ++seed) {
        Ring how;
        if (seed % 3 == 1) how.fence = Order::SC;
        if (seed % 3 == 2) how.fence = Order::RELEASE;
        const Ran ran = ring(seed, how);
        CHECK_SAID(ran.race.empty(), ran.race);
        CHECK(!ran.stale_message && !ran.stale_reply && !ran.stuck);
    }
}

LITMUS(what_is_not_ordered_with_a_host_that_does_not_tell_is_found) {
    constexpr unsigned ROUNDS = 40;
    auto found = [](const Ring& how, const char* name, const char* in_text) {
        unsigned races = 0, stale = 0;
        for (u64 seed = 1; seed <= ROUNDS; ++seed) {
            const Ran ran = ring(seed, how);
            races += ran.race.find(in_text) != std::string::npos;
            stale += ran.stale_message || ran.stale_reply;
            CHECK_SAID(ran.race.empty() || ran.race.find(in_text) != std::string::npos, ran.race);
        }
        std::printf("  %s: a race in %u of %u runs, stale data in %u\n", name, races, ROUNDS, stale);
        return races;
    };
    Ring no_acquire, no_barrier_before, no_barrier_after, no_fence, narrow;
    no_acquire.take = at(relaxed, Scope::SYS);
    no_barrier_before.meets_before = no_barrier_after.meets_after = false;
    no_fence.fenced = false;
    narrow.scope = Scope::GPU;
    CHECK(found(no_acquire, "no acquire", "the host") >= 1);
    CHECK(found(no_barrier_before, "no barrier before the reading", "the host") >= 1);
    CHECK(found(no_barrier_after, "no barrier after the writing", "the host") >= 1);
    CHECK(found(no_fence, "no fence", "the host") >= 1);
    CHECK(found(narrow, "fence of a narrow scope", "the host") >= 1);
}

LITMUS(a_slot_that_the_host_uses_again_while_a_lane_reads_it) {
    World w(1, true);
    Agent lane = w.lane(0);
    __atomic_store_n(&w.words[X], 1, __ATOMIC_RELAXED);
    __atomic_store_n(&w.words[TAIL], 1, __ATOMIC_RELEASE);
    while (w.load(lane, TAIL, from_host) != 1) {}
    CHECK(w.load(lane, X, weak, "ld payload") == 1);
    CHECK_SAID(!w.raced(), w.race());
    __atomic_store_n(&w.words[X], 2, __ATOMIC_RELAXED);  // nobody said that it may
    __atomic_store_n(&w.words[TAIL], 2, __ATOMIC_RELEASE);
    while (w.load(lane, TAIL, from_host) != 2) {}
    for (const char* part : {"ld payload", "the host writes"}) CHECK_SAID(w.race().find(part) != std::string::npos, w.race());
    CHECK(w.load(lane, X, weak) == 2);
}

// Until both have come that far beside each other.
constexpr u64 ENOUGH = 20000;

LITMUS(atomics_of_both_sides_on_a_pinned_word_lose_nothing) {
    World w(1, true);
    Agent lane = w.lane(0);
    std::atomic<u64> by_host{0};
    std::atomic<bool> over{false};
    std::thread host([&] {
        for (; !over; ++by_host) __atomic_fetch_add(&w.words[X], 1, __ATOMIC_ACQ_REL);
    });
    u64 by_lane = 0;
    for (; by_lane < ENOUGH || by_host < ENOUGH; ++by_lane)
        w.add(lane, X, 1, at(acq_rel, Scope::SYS), by_lane % 2 == 0);
    over = true;
    host.join();
    CHECK(w.real(X) == by_lane + by_host);
    CHECK_SAID(!w.raced(), w.race());
}

LITMUS(what_an_atomic_of_a_lane_publishes_is_there_before_it) {
    World w(1, true);
    Agent lane = w.lane(0);
    std::atomic<u64> looks{0};
    std::atomic<bool> over{false}, early{false};
    std::thread host([&] {
        for (; !over; ++looks) {
            const u64 n = __atomic_load_n(&w.words[X], __ATOMIC_ACQUIRE);
            if (__atomic_load_n(&w.words[REPLY], __ATOMIC_RELAXED) < n) early = true;
        }
    });
    for (u64 i = 1; i < ENOUGH || looks < ENOUGH; ++i) {
        w.store(lane, REPLY, i, weak);
        w.add(lane, X, 1, to_host);
    }
    over = true;
    host.join();
    CHECK(!early);
}

LITMUS(what_the_host_wrote_before_a_launch_the_launch_knows) {
    World w(1, true);
    Agent other = w.lane(0);
    w.load(other, Y, weak);
    __atomic_store_n(&w.words[X], 5, __ATOMIC_RELAXED);
    Agent lane = w.lane(1);
    CHECK(w.load(lane, X, weak) == 5);
    CHECK_SAID(!w.raced(), w.race());
    w.load(other, X, weak, "ld X");  // launched before
    CHECK_SAID(w.race().find("ld X") != std::string::npos, w.race());
}

LITMUS(a_store_that_is_still_on_its_way_races_with_the_hosts) {
    World w(1, true);
    Agent lane = w.lane(0);
    w.store(lane, X, 1, weak, "st X");
    __atomic_store_n(&w.words[X], 2, __ATOMIC_RELAXED);
    w.memory.settle();
    CHECK(w.real(X) == 1);
    CHECK_SAID(w.race().find("st X") != std::string::npos, w.race());
}

LITMUS(a_host_that_waited_for_a_copy_knows_what_was_in_it) {
    for (bool copied : {false, true}) {
        World w(1);
        alignas(8) u64 pinned[8] = {};
        const u64 slot = reinterpret_cast<u64>(&pinned[0]), flag = reinterpret_cast<u64>(&pinned[4]);
        w.memory.add_range(slot, sizeof pinned, true);
        Agent lane = w.lane(0);
        w.memory.load(lane, World::access(slot, weak, "ld slot"));
        w.store(lane, X, 1, to_host);
        while (w.real(X) == 0) w.memory.step();
        Agent copy = w.copy();
        if (copied) CHECK(w.memory.copy_word_out(copy, w.address(X)) == 1);
        w.memory.end(copy);
        __atomic_store_n(&pinned[0], 1, __ATOMIC_RELAXED);
        __atomic_store_n(&pinned[4], 1, __ATOMIC_RELEASE);
        while (w.memory.load(lane, World::access(flag, from_host, "ld flag")) != 1) {}
        CHECK_SAID(w.raced() != copied, w.race());
        w.memory.remove_range(slot);
    }
}

LITMUS(words_that_host_and_lane_share_keep_the_bytes_of_both) {
    for (u64 seed = 1; seed <= 100; ++seed) {
        World w(seed, true);
        Agent lane = w.lane(0);
        auto* halves = reinterpret_cast<u32*>(&w.words[X]);
        for (u32 i = 1; i <= 20; ++i) {
            w.memory.store(lane, World::access(w.address(X), in(weak, 4), "low"), i);
            if (w.random(2) == 0) w.memory.step();
            __atomic_store_n(&halves[1], i, __ATOMIC_RELEASE);
            CHECK(w.memory.load(lane, World::access(w.address(X), in(weak, 4), "low")) == i);
            const Access high = World::access(w.address(X, 4), in(at(relaxed, Scope::SYS), 4), "high");
            if (w.random(4) == 0) CHECK(w.memory.load(lane, high) <= i);
        }
        w.memory.settle();
        CHECK(w.real(X) == (u64{20} << 32 | 20));
        CHECK_SAID(!w.raced(), w.race());
    }
}
