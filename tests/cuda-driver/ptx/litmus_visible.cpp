// litmus_visible.cpp: when what is stored is in the real memory, where the host and the copy engine read it.
#include "litmus.h"

using namespace litmus;

namespace {
enum : unsigned { X = 0, Y = 8, FLAG = 16 };
}

LITMUS(stores_are_visible_late_and_in_any_order) {
    for (How how : {weak, relaxed, at(relaxed, Scope::SYS)}) {
        Outcomes seen = over_seeds([&](World& w) {
            Agent a = w.lane(0);
            w.store(a, X, 1, how);
            w.store(a, Y, 1, how);
            w.steps(unsigned(w.random(12)));
            return std::to_string(w.real(X)) + std::to_string(w.real(Y));
        });
        for (const char* outcome : {"00", "01", "10", "11"}) SOMETIMES(seen, outcome);
    }
}

LITMUS(they_become_visible_without_more_stores) {
    World w(1);
    Agent a = w.lane(0), b = w.lane(1);
    for (unsigned i = 0; i < 8; ++i) w.store(i % 2 == 0 ? a : b, i * 8, i + 1, at(relaxed, Scope::SYS));
    auto all = [&] {
        for (unsigned i = 0; i < 8; ++i)
            if (w.real(i * 8) != i + 1) return false;
        return true;
    };
    for (int i = 0; i < 100000 && !all(); ++i) w.memory.step();
    CHECK(all());
}

LITMUS(the_stores_to_one_word_become_visible_in_order) {
    for (u64 seed = 1; seed <= SEEDS; ++seed) {
        World w(seed);
        Agent a = w.lane(0), b = w.lane(1);
        u64 last = 0;
        for (u64 i = 1; i <= 20; ++i) {
            // Each knows of the other's store before.
            w.memory.meet({a, b});
            w.store(i % 2 == 0 ? a : b, X, i, relaxed);
            w.steps(unsigned(w.random(8)));
            CHECK(w.real(X) >= last && w.real(X) <= i);
            last = w.real(X);
        }
    }
}

// What a release or a fence publishes is there before what it publishes it by.
LITMUS(never_after_a_release) {
    auto published = [](How set, int fence, Scope scope) {
        return over_seeds([&](World& w) {
            Agent a = w.lane(0);
            w.store(a, X, 1, weak);
            w.add(a, Y, 1, relaxed, true);
            if (fence >= 0) w.memory.fence(a, Order(fence), scope);
            w.store(a, FLAG, 1, set);
            w.steps(unsigned(w.random(16)));
            return w.real(FLAG) == 0 ? std::string("late") : std::to_string(w.real(X)) + std::to_string(w.real(Y));
        });
    };
    const How system = at(relaxed, Scope::SYS);
    for (const Outcomes& seen : {published(at(release, Scope::SYS), -1, Scope::SYS), published(release, -1, Scope::SYS),
                                 published(system, int(Order::ACQ_REL), Scope::SYS),
                                 published(system, int(Order::SC), Scope::SYS),
                                 published(system, int(Order::RELEASE), Scope::GPU)}) {
        for (const char* wrong : {"00", "01", "10"}) NEVER(seen, wrong);
        SOMETIMES(seen, "11");
        SOMETIMES(seen, "late");  // the release itself has time
    }
    for (const Outcomes& seen : {published(system, -1, Scope::SYS), published(at(release, Scope::CTA), -1, Scope::SYS),
                                 published(system, int(Order::ACQUIRE), Scope::SYS),
                                 published(system, int(Order::ACQ_REL), Scope::CTA)})
        for (const char* outcome : {"00", "01", "10"}) SOMETIMES(seen, outcome);
}

// Also what others did before: by a barrier, by an acquire, by a relaxed load that saw it.
LITMUS(a_release_publishes_what_others_did_before) {
    for (int how = 0; how < 3; ++how) {
        Outcomes seen = over_seeds([&](World& w) {
            Agent a = w.lane(0), b = w.lane(0);
            w.store(a, X, 1, how == 2 ? relaxed : weak);
            if (how == 0) w.memory.meet({a, b});
            if (how == 1) {
                w.store(a, Y, 1, at(release, Scope::CTA));
                while (w.load(b, Y, at(acquire, Scope::CTA)) == 0) {}
            }
            if (how == 2) while (w.load(b, X, relaxed) == 0) {}
            w.store(b, FLAG, 1, at(release, Scope::SYS));
            while (w.real(FLAG) == 0) w.memory.step();
            return std::to_string(w.real(X));
        });
        NEVER(seen, "0");
    }
    Outcomes unordered = over_seeds([&](World& w) {
        Agent a = w.lane(0), b = w.lane(0);
        w.store(a, X, 1, weak);
        w.store(b, FLAG, 1, at(release, Scope::SYS));
        while (w.real(FLAG) == 0) w.memory.step();
        return std::to_string(w.real(X));
    });
    SOMETIMES(unordered, "0");
}

LITMUS(an_atomic_with_a_result_is_visible_at_once_a_reduction_late) {
    Outcomes atomics = over_seeds([](World& w) {
        Agent a = w.lane(0);
        w.store(a, X, 3, relaxed);
        w.add(a, X, 4, relaxed);
        return std::to_string(w.real(X));
    });
    CHECK_SAID(atomics["7"] == SEEDS, text(atomics));
    Outcomes reductions = over_seeds([](World& w) {
        Agent a = w.lane(0);
        w.add(a, X, 4, relaxed, true);
        w.steps(unsigned(w.random(6)));
        const u64 seen = w.real(X);
        CHECK(w.load(a, X, relaxed) == 4);
        return std::to_string(seen);
    });
    SOMETIMES(reductions, "0");
    SOMETIMES(reductions, "4");
}

LITMUS(copies_are_torn_between_words_and_never_inside_one) {
    Outcomes seen = over_seeds([](World& w) {
        Agent a = w.lane(0), copy = w.copy();
        std::vector<u64> copied;
        World::Thread writer, engine;
        for (u64 round = 1; round <= 4; ++round)
            for (unsigned word = 0; word < 4; ++word)
                writer.push_back([&w, a, round, word] { w.store(a, word, round << 32 | round, relaxed); });
        for (unsigned word = 0; word < 4; ++word)
            engine.push_back([&, word] { copied.push_back(w.memory.copy_word_out(copy, w.address(word))); });
        w.interleave({writer, engine});
        bool torn = false, backward = false;
        for (std::size_t i = 0; i < 4; ++i) {
            CHECK(copied[i] >> 32 == (copied[i] & 0xffffffff));
            torn |= copied[i] != copied[0];
            backward |= i != 0 && copied[i] < copied[i - 1];
        }
        return std::string(backward ? "older behind newer" : torn ? "torn" : "one instant");
    });
    SOMETIMES(seen, "torn");
    SOMETIMES(seen, "older behind newer");
    SOMETIMES(seen, "one instant");
    NEVER(seen, "race");
}

LITMUS(masked_stores_leave_the_other_bytes_alone) {
    for (u64 seed = 1; seed <= 200; ++seed) {
        World w(seed);
        Agent a = w.lane(0);
        w.words[X] = ~u64{0};
        u64 expected = ~u64{0};
        for (int i = 0; i < 30; ++i) {
            const u8 bytes = u8(1u << w.random(4));
            const unsigned byte = unsigned(w.random(8 / bytes)) * bytes;
            const u64 value = w.random(~u64{0});
            w.memory.store(a, World::access(w.address(X, byte), in(weak, bytes), "a store"), value);
            std::memcpy(reinterpret_cast<char*>(&expected) + byte, &value, bytes);
            CHECK(w.load(a, X, weak) == expected);
        }
        w.memory.settle();
        CHECK(w.real(X) == expected);
    }
}

LITMUS(the_end_of_an_agent_makes_all_visible) {
    World w(1);
    Agent a = w.lane(0), b = w.lane(1);
    for (unsigned i = 0; i < 200; ++i) w.store(i % 2 == 0 ? a : b, i, i + 1, weak);
    w.memory.end(a);
    for (unsigned i = 0; i < 200; i += 2) CHECK(w.real(i) == i + 1);
    w.memory.settle();
    for (unsigned i = 0; i < 200; ++i) CHECK(w.real(i) == i + 1);
}

LITMUS(ranges_come_and_go) {
    World w(1);
    auto local = std::make_unique<std::vector<u64>>(64, 5);
    const u64 base = reinterpret_cast<u64>(local->data());
    CHECK(!w.memory.has(base, 8));
    w.memory.add_range(base, 64 * 8, false);
    CHECK(w.memory.has(base, 64 * 8) && w.memory.has(base + 8, 63 * 8) && !w.memory.has(base + 8, 64 * 8));
    CHECK(!w.memory.has(base - 1, 1) && !w.memory.has(base + 64 * 8, 1));
    Agent a = w.lane(0);
    w.memory.store(a, World::access(base + 8, weak, "a store"), 6);
    w.memory.remove_range(base);
    CHECK(!w.memory.has(base, 8));
    local.reset();  // nothing is written any more
    w.steps(1000);
    w.memory.end(a);
    // Another one in the same place knows nothing of it.
    World v(1);
    const u64 at = v.address(X);
    Agent b = v.lane(0), c = v.lane(1);
    v.store(b, X, 1, weak);
    v.memory.settle();
    v.memory.remove_range(at);
    v.memory.add_range(at, sizeof v.words, false);
    CHECK(v.load(c, X, weak) == 1 && !v.raced());
}

LITMUS(read_modify_writes_do_what_they_are_called) {
    struct Case {
        Rmw what;
        u8 bytes;
        u64 old, operand, result;
    };
    for (const Case& c : {Case{Rmw::ADD, 8, ~u64{0}, 2, 1}, Case{Rmw::ADD, 4, 0xffffffff, 2, 1}, Case{Rmw::MIN, 8, 5, ~u64{0}, 5},
                          Case{Rmw::MAX, 4, 5, 0xffffffff, 0xffffffff}, Case{Rmw::MIN_SIGNED, 8, 5, ~u64{0}, ~u64{0}},
                          Case{Rmw::MAX_SIGNED, 4, 5, 0xffffffff, 5}, Case{Rmw::AND, 8, 0xff0, 0x0ff, 0x0f0},
                          Case{Rmw::OR, 4, 0xf0, 0x0f, 0xff}, Case{Rmw::XOR, 8, 0xff, 0x0f, 0xf0},
                          Case{Rmw::EXCHANGE, 8, 1, 2, 2}, Case{Rmw::CAS, 8, 9, 2, 9}, Case{Rmw::CAS, 4, 3, 2, 2},
                          Case{Rmw::ADD_F32, 4, 0x3fc00000, 0x40100000, 0x40700000},
                          Case{Rmw::ADD_F64, 8, 0x3ff8000000000000, 0x4002000000000000, 0x400e000000000000}}) {
        World w(1);
        Agent a = w.lane(0);
        w.words[X] = c.bytes == 8 ? c.old : 0xabcdef0000000000 | c.old;
        const Access access = World::access(w.address(X), in(relaxed, c.bytes), "an rmw");
        CHECK(w.memory.rmw(a, access, c.what, c.operand, 3, false) == c.old);
        w.memory.settle();
        CHECK(w.real(X) == (c.bytes == 8 ? c.result : 0xabcdef0000000000 | c.result));
    }
}
