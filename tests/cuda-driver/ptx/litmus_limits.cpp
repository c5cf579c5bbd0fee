// litmus_limits.cpp: what a word remembers is bounded; what is forgotten may hide a race, never make one, and never
// lets a load see what it must not.
#include "litmus.h"

using namespace litmus;

namespace {
enum : unsigned { X = 0, Y = 8, FLAG = 16, OTHER = 24 };
}

LITMUS(an_acquire_of_an_older_value_orders_what_that_published) {
    // More values than a word remembers; the upper half of the flag's word is somebody else's.
    for (u8 bytes : {u8(8), u8(4)}) {
        Outcomes seen = over_seeds([&](World& w) {
            Agent a = w.lane(0), b = w.lane(1), c = w.lane(2);
            constexpr unsigned VALUES = 40;
            const Access other = World::access(w.address(FLAG, 4), in(relaxed, 4), "beside");
            World::Thread writer, reader, beside;
            bool wrong = false, behind = false;
            for (unsigned i = 1; i <= VALUES; ++i) {
                writer.push_back([&w, a, i] { w.store(a, 100 + i, i, weak); });
                writer.push_back([&w, a, i, bytes] {
                    w.memory.store(a, World::access(w.address(FLAG), in(release, bytes), "flag"), i);
                });
                if (bytes == 4) beside.push_back([&w, c, other, i] { w.memory.store(c, other, i); });
            }
            for (unsigned i = 0; i < VALUES / 4; ++i)
                reader.push_back([&, b, bytes] {
                    const u64 flag = w.memory.load(b, World::access(w.address(FLAG), in(acquire, bytes), "flag"));
                    behind |= flag < VALUES;
                    for (unsigned k = 1; k <= flag; ++k) wrong |= w.load(b, 100 + k, weak) != k;
                });
            w.interleave({writer, reader, beside});
            return std::string(wrong ? "wrong" : behind ? "behind" : "newest");
        }, 300);
        NEVER(seen, "wrong");
        NEVER(seen, "race");
        SOMETIMES(seen, "behind");
    }
}

LITMUS(bytes_written_once_stay_beside_bytes_written_often) {
    for (u64 seed = 1; seed <= 50; ++seed) {
        World w(seed);
        Agent a = w.lane(0), b = w.lane(1);
        auto at_byte = [&](unsigned byte, u8 bytes) { return World::access(w.address(X, byte), in(relaxed, bytes), "b"); };
        for (unsigned byte = 4; byte < 8; ++byte) w.memory.store(a, at_byte(byte, 1), byte);
        for (u64 i = 1; i <= 200; ++i) {
            w.memory.store(i % 2 == 0 ? a : b, at_byte(0, 4), i);
            w.memory.step();
            CHECK(w.memory.load(b, at_byte(0, 4)) <= i);
            CHECK(w.memory.load(a, at_byte(unsigned(4 + i % 4), 1)) == 4 + i % 4);
        }
        w.memory.settle();
        CHECK(w.real(X) == 0x07060504000000c8 && !w.raced());
    }
}

LITMUS(more_readers_than_are_remembered_are_coherent_each) {
    Outcomes seen = over_seeds([](World& w) {
        constexpr unsigned READERS = 40;
        std::vector<u64> last(READERS, 0);
        World::Thread writer;
        std::vector<World::Thread> threads;
        Agent a = w.lane(0);
        bool back = false;
        for (u64 i = 1; i <= 30; ++i) writer.push_back([&w, a, i] { w.store(a, X, i, relaxed); });
        threads.push_back(writer);
        for (unsigned r = 0; r < READERS; ++r) {
            Agent b = w.lane(1 + r);
            threads.emplace_back(4, [&, b, r] {
                const u64 value = w.load(b, X, relaxed);
                back |= value < last[r];
                last[r] = value;
            });
        }
        w.interleave(threads);
        return std::string(back ? "back" : "forth");
    }, 200);
    NEVER(seen, "back");
    NEVER(seen, "race");
}

LITMUS(what_a_reader_saw_before_it_met_another_holds_though_it_read_on) {
    Outcomes seen = over_seeds([](World& w) {
        Agent a = w.lane(0), b = w.lane(1), c = w.lane(1);
        u64 first = 0;
        w.store(a, X, 1, relaxed);
        w.store(a, X, 2, relaxed);
        first = w.load(b, X, relaxed);
        w.memory.meet({b, c});
        w.store(a, X, 3, relaxed);
        w.load(b, X, relaxed);
        return std::string(w.load(c, X, relaxed) < first ? "back" : "forth");
    });
    NEVER(seen, "back");
    // The same for what a weak load may rely on: it saw the one value that there is.
    for (u64 seed = 1; seed <= 200; ++seed) {
        World w(seed);
        Agent a = w.lane(0), b = w.lane(1), c = w.lane(1);
        w.store(a, X, 1, relaxed);
        while (w.load(b, X, relaxed) != 1) {}
        w.memory.meet({b, c});
        for (u64 other = 2; other < 40; ++other) w.load(w.lane(other), X, relaxed);
        w.load(b, X, relaxed);
        CHECK(w.load(c, X, weak) == 1);
        CHECK_SAID(!w.raced(), w.race());
    }
}

// Releases of several agents on one word, joined for whoever acquires the last of them.
LITMUS(a_chain_of_releases_holds_them_all) {
    for (u64 second_block : {0, 1})
        for (int known_already : {0, 1, 2}) {
            World w(1);
            Agent a = w.lane(0), b = w.lane(second_block), c = w.lane(2);
            w.store(a, X, 1, weak);
            w.add(a, FLAG, 1, release);
            w.store(b, Y, 1, weak);
            w.add(b, FLAG, 1, release);
            if (known_already != 0) {
                w.store(known_already == 1 ? a : b, OTHER, 1, release);
                while (w.load(c, OTHER, acquire) != 1) {}
            }
            while (w.load(c, FLAG, acquire) != 2) {}
            CHECK(w.load(c, X, weak) == 1 && w.load(c, Y, weak) == 1);
            CHECK_SAID(!w.raced(), w.race());
        }
    World w(1);
    std::vector<Agent> lanes;
    for (u64 i = 0; i < 200; ++i) lanes.push_back(w.lane(i % 20));
    for (unsigned i = 0; i < 200; ++i) {
        w.store(lanes[i], 100 + i, 1, weak);
        w.memory.fence(lanes[i], Order::ACQ_REL, Scope::GPU);
        w.add(lanes[i], FLAG, 1, relaxed, true);
    }
    Agent last = w.lane(99);
    while (w.load(last, FLAG, relaxed) != 200) {}
    w.memory.fence(last, Order::ACQ_REL, Scope::GPU);
    for (unsigned i = 0; i < 200; ++i) CHECK(w.load(last, 100 + i, weak) == 1);
    CHECK_SAID(!w.raced(), w.race());
}

LITMUS(a_narrow_fence_does_not_take_back_a_wide_one) {
    World w(1);
    Agent a = w.lane(0), b = w.lane(1);
    w.store(a, X, 1, weak);
    w.memory.fence(a, Order::ACQ_REL, Scope::GPU);
    w.memory.fence(a, Order::ACQ_REL, Scope::CTA);
    w.store(a, FLAG, 1, relaxed);
    while (w.load(b, FLAG, relaxed) != 1) {}
    w.memory.fence(b, Order::ACQ_REL, Scope::CTA);
    w.memory.fence(b, Order::ACQ_REL, Scope::SYS);
    CHECK(w.load(b, X, weak) == 1);
    CHECK_SAID(!w.raced(), w.race());
}

LITMUS(one_launch_after_another_knows_what_the_first_did) {
    World w(1);
    Agent a = w.lane(0), b = w.lane(0), idle = w.lane(5);
    w.store(a, X, 1, weak);
    w.store(b, Y, 2, weak);
    w.memory.end(a);
    w.memory.end(b);
    Agent c = w.lane(1), d = w.lane(1), e = w.lane(1);
    for (Agent lane : {c, d, e}) CHECK(w.load(lane, X, weak) == 1 && w.load(lane, Y, weak) == 2);
    CHECK_SAID(!w.raced(), w.race());
    w.memory.end(idle);
}
