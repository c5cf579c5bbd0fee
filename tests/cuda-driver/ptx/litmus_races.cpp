// litmus_races.cpp: what is reported as a race, and what is not. Races do not depend on the seed where the order of
// execution is given: they are found without the memory having to go wrong.
#include "litmus.h"

using namespace litmus;

namespace {
enum : unsigned { X = 0, Y = 8, FLAG = 16 };

bool says(const World& w, std::initializer_list<const char*> parts) {
    const std::string race = w.race();
    for (const char* part : parts)
        if (race.find(part) == std::string::npos) return false;
    return true;
}
}  // namespace

LITMUS(a_race_names_both_instructions_the_place_and_the_values) {
    {
        World w(1);
        Agent a = w.memory.begin(Standing{Standing::LANE, 0, 3, 7}), b = w.lane(4, 1);
        w.store(a, X + 1, 0x2a, weak, "k line 1: st.global.u64");
        w.load(b, X + 1, weak, "k line 2: ld.global.u64");
        CHECK_SAID(says(w, {"thread 7 of block 3 of device 0 wrote 0x2a (8 bytes) by `k line 1: st.global.u64`",
                            "thread 0 of block 4 of device 1 reads", "by `k line 2: ld.global.u64`", "(byte 8 of the 32768 at",
                            "nothing orders the two"}), w.race());
    }
    {
        World w(1);
        Agent a = w.lane(0), b = w.lane(1);
        w.load(a, X, weak, "first");
        w.store(b, X, 5, weak, "second");
        CHECK_SAID(says(w, {"read 0x0 (8 bytes) by `first`", "writes 0x5 (8 bytes) by `second`"}), w.race());
    }
    {
        World w(1);
        Agent a = w.lane(0), b = w.lane(0);
        w.store(a, X, 1, weak, "first");
        w.store(b, X, 5, weak, "second");
        CHECK_SAID(says(w, {"wrote 0x1 (8 bytes) by `first`", "writes 0x5 (8 bytes) by `second`"}), w.race());
    }
    {
        World w(1);
        Agent a = w.lane(0), b = w.lane(1);
        w.memory.store(a, World::access(w.address(X, 4), in(weak, 4), "first"), 7);
        w.add(b, X, 1, relaxed, true, "second");
        CHECK_SAID(says(w, {"wrote 0x7 (4 bytes) by `first`", "writes", "by `second`", "(byte 4 of"}), w.race());
    }
}

LITMUS(one_strong_side_is_not_enough) {
    for (bool first : {false, true}) {
        World w(1), v(1);
        Agent a = w.lane(0), b = w.lane(1);
        w.store(a, X, 1, first ? relaxed : weak);
        w.load(b, X, first ? weak : relaxed);
        CHECK(w.raced());
        a = v.lane(0), b = v.lane(1);
        v.load(a, X, first ? acquire : weak);
        v.store(b, X, 1, first ? weak : release);
        CHECK(v.raced());
    }
}

LITMUS(both_strong_and_meant_for_each_other_is_no_race) {
    const How system = at(relaxed, Scope::SYS), block = at(relaxed, Scope::CTA);
    struct Case {
        How a, b;
        u64 block_of_b;
        u32 device_of_b;
        bool race;
    };
    for (const Case& c : {Case{relaxed, relaxed, 1, 0, false}, Case{relaxed, system, 1, 0, false}, Case{block, block, 0, 0, false},
                          Case{block, system, 0, 0, false}, Case{block, relaxed, 1, 0, true}, Case{relaxed, relaxed, 1, 1, true},
                          Case{system, system, 1, 1, false}, Case{system, relaxed, 1, 1, true}}) {
        World w(1), v(1);
        Agent a = w.lane(0), b = w.lane(c.block_of_b, c.device_of_b);
        w.store(a, X, 1, c.a);
        w.load(b, X, c.b);
        w.store(b, X, 2, c.b);
        w.add(a, X, 2, c.a);
        CHECK_SAID(w.raced() == c.race, w.race());
        if (c.race) CHECK_SAID(says(w, {"their scopes do not include each other"}), w.race());
        a = v.lane(0), b = v.lane(c.block_of_b, c.device_of_b);
        v.load(a, X, c.a);
        v.add(b, X, 2, c.b);
        CHECK_SAID(v.raced() == c.race, v.race());
    }
}

LITMUS(strong_accesses_of_other_sizes_race) {
    World w(1);
    Agent a = w.lane(0), b = w.lane(1);
    w.store(a, X, 1, relaxed);
    w.memory.load(b, World::access(w.address(X), in(relaxed, 4), "a half"));
    CHECK_SAID(says(w, {"their sizes differ"}), w.race());
}

LITMUS(neighbours_in_a_word_do_not_race) {
    World w(1);
    Agent a = w.lane(0), b = w.lane(1);
    w.memory.store(a, World::access(w.address(X), in(weak, 4), "low"), 1);
    w.memory.store(b, World::access(w.address(X, 4), in(weak, 4), "high"), 2);
    w.memory.load(a, World::access(w.address(X), in(weak, 4), "low"));
    w.memory.load(b, World::access(w.address(X, 6), in(weak, 2), "highest"));
    CHECK_SAID(!w.raced(), w.race());
    w.memory.load(b, World::access(w.address(X), in(weak, 8), "all"));
    CHECK(says(w, {"low", "all"}));
}

LITMUS(an_agent_does_not_race_with_one_that_ended_before) {
    World w(1);
    Agent witness = w.lane(9);
    Agent a = w.lane(0);
    w.store(a, X, 1, weak);
    w.memory.end(a);
    Agent b = w.lane(1);
    CHECK(b == a);  // the number is used again
    CHECK(w.load(b, X, weak) == 1);
    w.store(b, X, 2, weak);
    CHECK_SAID(!w.raced(), w.race());
    w.load(witness, X, weak);  // nobody told this one
    CHECK(w.raced());
}

LITMUS(what_an_observer_hands_on_is_ordered) {
    // A relaxed load, or a read-modify-write, and a barrier behind it: a weak load of the same word behind both.
    for (bool by_rmw : {false, true}) {
        World w(3);
        Agent a = w.lane(0), b = w.lane(1), c = w.lane(1), stranger = w.lane(1);
        w.store(a, X, 1, relaxed);
        if (by_rmw) w.add(b, X, 0, relaxed);
        else while (w.load(b, X, relaxed) == 0) {}
        w.memory.meet({b, c});
        CHECK(w.load(c, X, weak) == 1);
        CHECK_SAID(!w.raced(), w.race());
        w.load(stranger, X, weak);
        CHECK(w.raced());
    }
}

LITMUS(a_barrier_orders_its_lanes_only) {
    World w(1);
    Agent a = w.lane(0), b = w.lane(0), c = w.lane(0);
    w.store(a, X, 1, weak);
    w.memory.meet({a, b});
    w.store(a, Y, 1, weak);
    w.load(b, X, weak);
    w.store(b, X, 2, weak);
    CHECK_SAID(!w.raced(), w.race());
    w.load(b, Y, weak);  // after the barrier
    CHECK(w.raced());
    World v(1);
    a = v.lane(0), b = v.lane(0), c = v.lane(0);
    v.store(a, X, 1, weak);
    v.memory.meet({a, b});
    v.memory.meet({c, b});
    v.load(c, X, weak);  // by way of b
    CHECK_SAID(!v.raced(), v.race());
}

LITMUS(a_race_is_found_among_more_readers_than_are_remembered) {
    for (u64 seed = 1; seed <= 50; ++seed) {
        World w(seed);
        Agent writer = w.lane(0);
        for (u64 block = 1; block <= 100; ++block) w.load(w.lane(block), X, weak);
        w.store(writer, X, 1, weak);
        CHECK(w.raced());
    }
    World w(1);
    std::vector<Agent> lanes;
    for (u64 i = 0; i < 100; ++i) lanes.push_back(w.lane(1));
    for (Agent lane : lanes) w.load(lane, X, weak), w.load(lane, X, relaxed);
    w.memory.meet(lanes);
    w.store(lanes[0], X, 1, weak);
    CHECK_SAID(!w.raced(), w.race());
}

LITMUS(a_copy_races_with_weak_stores_alone) {
    World w(1);
    Agent lane = w.lane(0), copy = w.copy();
    w.store(lane, X, 1, relaxed);
    w.add(lane, Y, 1, relaxed, true);
    for (unsigned i = 0; i < 32; ++i) w.memory.copy_word_out(copy, w.address(i));
    w.store(lane, X, 2, relaxed);
    w.memory.store(lane, World::access(w.address(Y, 4), in(relaxed, 4), "a half"), 2);
    CHECK_SAID(!w.raced(), w.race());
    w.store(lane, FLAG, 1, weak, "a plain store");
    w.memory.copy_word_out(copy, w.address(FLAG));
    CHECK_SAID(says(w, {"a plain store", "a copy of device 0 reads"}), w.race());
    // Of another device; into what a lane reads.
    World v(1, false, true), u(1);
    lane = v.lane(0), copy = v.copy(1);
    v.store(lane, X, 1, relaxed);
    v.memory.copy_word_out(copy, v.address(X));
    CHECK(v.raced());
    lane = u.lane(0), copy = u.copy();
    u.load(lane, X, relaxed);
    const u64 word = 5;
    u.memory.copy_bytes_in(copy, u.address(X), &word, 8);
    CHECK_SAID(!u.raced(), u.race());
    u.load(lane, X, weak, "a plain load");
    CHECK_SAID(says(u, {"a plain load", "a copy of device 0 wrote 0x5"}), u.race());
}

LITMUS(copies_and_launches_are_ordered_by_the_host) {
    World w(1);
    const u64 words[2] = {7, 8};
    Agent copy = w.copy();
    w.memory.copy_bytes_in(copy, w.address(X), words, 16);
    w.memory.end(copy);
    Agent lane = w.lane(0);
    CHECK(w.load(lane, X, weak) == 7 && w.load(lane, X + 1, weak) == 8);
    w.store(lane, X, 9, weak);
    w.memory.end(lane);
    copy = w.copy();
    CHECK(w.memory.copy_word_out(copy, w.address(X)) == 9);
    w.memory.copy_bytes_in(copy, w.address(X, 2), words, 4);
    w.memory.end(copy);
    CHECK(w.real(X) == 0x70000 + 9);
    CHECK_SAID(!w.raced(), w.race());
}

LITMUS(all_races_are_listed_once_where_that_is_asked_for) {
    World w(1, false, true), first(1);
    for (World* world : {&w, &first}) {
        Agent a = world->lane(0), b = world->lane(1);
        for (unsigned i = 0; i < 5; ++i) {
            world->store(a, X + i, 1, weak, "first");
            world->load(b, X + i, weak, "second");
            world->store(b, X + i, 1, weak, "third");
        }
    }
    CHECK(w.memory.races().size() == 2);
    CHECK(first.memory.races().size() == 1);
}
