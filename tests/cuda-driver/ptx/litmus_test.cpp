// litmus_test.cpp: the outcomes of the classic litmus tests: those that PTX forbids never, those that it permits at
// least once. Not produced, though permitted: load buffering (LB).
#include "litmus.h"

using namespace litmus;

namespace {
enum : unsigned { X = 0, Y = 8, FLAG = 16, OTHER = 24 };

std::string pair(u64 a, u64 b) { return std::to_string(a) + std::to_string(b); }

// Message passing: data, then the flag; the outcome is flag and data.
struct Mp {
    How data = relaxed, set = release, get = acquire, see = relaxed;
    u64 blocks[2] = {0, 1};
    int fences[2] = {-1, -1};  // an Order after the data, before the reading of it
    Scope scope = Scope::GPU;
};
Outcomes mp(const Mp& how) {
    return over_seeds([&](World& w) {
        Agent a = w.lane(how.blocks[0]), b = w.lane(how.blocks[1]);
        u64 flag = 0, data = 0;
        World::Thread writer{[&] { w.store(a, X, 1, how.data); }}, reader{[&] { flag = w.load(b, FLAG, how.get); }};
        if (how.fences[0] >= 0) writer.push_back([&] { w.memory.fence(a, Order(how.fences[0]), how.scope); });
        if (how.fences[1] >= 0) reader.push_back([&] { w.memory.fence(b, Order(how.fences[1]), how.scope); });
        writer.push_back([&] { w.store(a, FLAG, 1, how.set); });
        // Data that is not strong is read only when the flag says so: that is what a program may do.
        reader.push_back([&] { data = flag == 1 || how.see.order != Order::WEAK ? w.load(b, X, how.see) : 9; });
        w.interleave({writer, reader});
        return pair(flag, data);
    });
}
}  // namespace

LITMUS(mp_relaxed_shows_stale_data) {
    Mp how;
    how.set = how.get = relaxed;
    Outcomes seen = mp(how);
    for (const char* outcome : {"00", "01", "10", "11"}) SOMETIMES(seen, outcome);
    NEVER(seen, "race");
}

LITMUS(mp_with_release_and_acquire_does_not) {
    for (How data : {relaxed, weak}) {
        Mp how;
        how.data = how.see = data;
        Outcomes seen = mp(how);
        NEVER(seen, "10");
        NEVER(seen, "race");
        SOMETIMES(seen, "11");
    }
}

LITMUS(mp_with_fences_does_not) {
    for (Order order : {Order::ACQ_REL, Order::SC}) {
        Mp how;
        how.data = how.see = weak;
        how.set = how.get = relaxed;
        how.fences[0] = how.fences[1] = int(order);
        Outcomes seen = mp(how);
        NEVER(seen, "10");
        NEVER(seen, "race");
        SOMETIMES(seen, "11");
    }
    // Each half with the other's other half.
    Mp fence_and_acquire, release_and_fence;
    for (Mp* how : {&fence_and_acquire, &release_and_fence}) how->data = how->see = weak;
    fence_and_acquire.set = relaxed;
    fence_and_acquire.fences[0] = int(Order::RELEASE);
    release_and_fence.get = relaxed;
    release_and_fence.fences[1] = int(Order::ACQUIRE);
    for (const Mp& how : {fence_and_acquire, release_and_fence}) {
        Outcomes seen = mp(how);
        NEVER(seen, "10");
        NEVER(seen, "race");
        SOMETIMES(seen, "11");
    }
}

LITMUS(mp_by_a_read_modify_write_that_acquires) {
    for (Rmw what : {Rmw::ADD, Rmw::CAS})
        for (u64 compare : {u64{0}, u64{1}}) {
            Outcomes seen = over_seeds([&](World& w) {
                Agent a = w.lane(0), b = w.lane(1);
                u64 flag = 0, data = 9;
                w.interleave({{[&] { w.store(a, X, 1, weak); }, [&] { w.add(a, FLAG, 1, release, true); }},
                              {[&] {
                                   const Access take = World::access(w.address(FLAG), acquire, "take");
                                   flag = w.memory.rmw(b, take, what, 0, compare, false);
                               },
                               [&] { if (flag == 1) data = w.load(b, X, weak); }}});
                return pair(flag, data);
            });
            NEVER(seen, "10");
            NEVER(seen, "race");
            SOMETIMES(seen, "11");
        }
}

LITMUS(mp_without_one_half_shows_stale_data_and_races) {
    for (int half = 0; half < 4; ++half) {
        Mp how;
        if (half == 0) how.get = relaxed;
        if (half == 1) how.set = relaxed;
        if (half == 2) how.get = how.set = weak;
        if (half == 3) how.set = relaxed, how.fences[0] = int(Order::ACQUIRE);  // the wrong fence
        SOMETIMES(mp(how), "10");
        how.data = how.see = weak;
        Outcomes seen = mp(how);
        SOMETIMES(seen, "10");
        SOMETIMES(seen, "race");
    }
}

LITMUS(mp_needs_a_scope_that_includes_the_other) {
    for (bool fences : {false, true}) {
        Mp how;
        how.data = how.see = weak;
        if (fences) {
            how.set = how.get = relaxed;
            how.fences[0] = how.fences[1] = int(Order::ACQ_REL);
            how.scope = Scope::CTA;
        } else {
            how.set = at(release, Scope::CTA);
        }
        SOMETIMES(mp(how), "10");
        SOMETIMES(mp(how), "race");
        how.blocks[1] = how.blocks[0];
        Outcomes same = mp(how);
        NEVER(same, "10");
        NEVER(same, "race");
        SOMETIMES(same, "11");
    }
    // Both in one block, but only one side says so: each includes the other.
    Mp mixed;
    mixed.data = mixed.see = weak;
    mixed.set = at(release, Scope::CTA);
    mixed.get = at(acquire, Scope::SYS);
    mixed.blocks[1] = mixed.blocks[0];
    NEVER(mp(mixed), "race");
}

LITMUS(sb_is_forbidden_by_sc_fences_alone) {
    auto sb = [](How st, How ld, int fence, Scope scope) {
        return over_seeds([&](World& w) {
            Agent a = w.lane(0), b = w.lane(1);
            u64 seen_by_a = 0, seen_by_b = 0;
            auto fenced = [&](Agent of) {
                return [&w, of, fence, scope] { if (fence >= 0) w.memory.fence(of, Order(fence), scope); };
            };
            w.interleave({{[&] { w.store(a, X, 1, st); }, fenced(a), [&] { seen_by_a = w.load(a, Y, ld); }},
                          {[&] { w.store(b, Y, 1, st); }, fenced(b), [&] { seen_by_b = w.load(b, X, ld); }}});
            return pair(seen_by_a, seen_by_b);
        });
    };
    SOMETIMES(sb(relaxed, relaxed, -1, Scope::GPU), "00");
    SOMETIMES(sb(release, acquire, -1, Scope::GPU), "00");
    SOMETIMES(sb(relaxed, relaxed, int(Order::ACQ_REL), Scope::GPU), "00");
    SOMETIMES(sb(relaxed, relaxed, int(Order::SC), Scope::CTA), "00");
    for (How st : {relaxed, weak}) {
        Outcomes seen = sb(st, st, int(Order::SC), Scope::GPU);
        NEVER(seen, "00");
        SOMETIMES(seen, "01");
        SOMETIMES(seen, "10");
    }
}

LITMUS(lb_is_not_produced) {
    Outcomes seen = over_seeds([](World& w) {
        Agent a = w.lane(0), b = w.lane(1);
        u64 x = 0, y = 0;
        w.interleave({{[&] { x = w.load(a, X, relaxed); }, [&] { w.store(a, Y, 1, relaxed); }},
                      {[&] { y = w.load(b, Y, relaxed); }, [&] { w.store(b, X, 1, relaxed); }}});
        return pair(x, y);
    });
    NEVER(seen, "11");
}

// The end of both words is what the one stored first: each one's second store comes before the other's first.
LITMUS(two_plus_two_w_is_permitted_and_not_with_meetings) {
    for (bool meet : {false, true}) {
        Outcomes seen = over_seeds([&](World& w) {
            Agent a = w.lane(0), b = w.lane(1);
            std::vector<World::Thread> threads = {{[&] { w.store(a, X, 1, relaxed); }, [&] { w.store(a, Y, 2, relaxed); }},
                                                  {[&] { w.store(b, Y, 1, relaxed); }, [&] { w.store(b, X, 2, relaxed); }}};
            if (meet) {
                for (unsigned n : {0, 1}) threads[0][n](), threads[1][n](), w.memory.meet({a, b});
            } else {
                w.interleave(threads);
            }
            w.memory.settle();
            return pair(w.real(X), w.real(Y));
        });
        CHECK_SAID((seen.count("11") != 0) != meet, litmus::text(seen));
        NEVER(seen, "race");
    }
}

// Three agents: what the first did reaches the third through the second.
LITMUS(wrc_is_cumulative) {
    auto wrc = [](How data, How first, How hand, How take, How see) {
        return over_seeds([&](World& w) {
            Agent a = w.lane(0), b = w.lane(1), c = w.lane(2);
            u64 x = 0, flag = 0, late = 9;
            w.interleave({{[&] { w.store(a, X, 1, data); }},
                          {[&] { x = w.load(b, X, first); }, [&] { if (x == 1) w.store(b, FLAG, 1, hand); }},
                          {[&] { flag = w.load(c, FLAG, take); }, [&] { if (flag == 1) late = w.load(c, X, see); }}});
            return pair(flag, late);
        });
    };
    // Only relaxed between the first two: what was observed is carried on.
    for (How see : {relaxed, weak}) {
        Outcomes seen = wrc(relaxed, relaxed, release, acquire, see);
        NEVER(seen, "10");
        NEVER(seen, "race");
        SOMETIMES(seen, "11");
    }
    SOMETIMES(wrc(relaxed, relaxed, relaxed, acquire, relaxed), "10");
    SOMETIMES(wrc(relaxed, relaxed, release, relaxed, relaxed), "10");
}

LITMUS(isa2_is_cumulative_over_mixed_scopes) {
    auto isa2 = [](u64 block_of_second, How first, How second, How third, How fourth) {
        return over_seeds([&](World& w) {
            Agent a = w.lane(0), b = w.lane(block_of_second), c = w.lane(2);
            u64 y = 0, z = 0, x = 9;
            w.interleave({{[&] { w.store(a, X, 1, weak); }, [&] { w.store(a, Y, 1, first); }},
                          {[&] { y = w.load(b, Y, second); }, [&] { if (y == 1) w.store(b, FLAG, 1, third); }},
                          {[&] { z = w.load(c, FLAG, fourth); }, [&] { if (z == 1) x = w.load(c, X, weak); }}});
            return pair(z, x);
        });
    };
    const How block_release = at(release, Scope::CTA), block_acquire = at(acquire, Scope::CTA);
    const How system_release = at(release, Scope::SYS);
    Outcomes right = isa2(0, block_release, block_acquire, system_release, acquire);
    NEVER(right, "10");
    NEVER(right, "race");
    SOMETIMES(right, "11");
    Outcomes wrong = isa2(1, block_release, block_acquire, system_release, acquire);
    SOMETIMES(wrong, "10");
    SOMETIMES(wrong, "race");
}

LITMUS(iriw_is_permitted_with_acquire_and_not_with_sc_fences) {
    auto iriw = [](How ld, bool fences) {
        return over_seeds([&](World& w) {
            Agent a = w.lane(0), b = w.lane(1), c = w.lane(2), d = w.lane(3);
            u64 cx = 0, cy = 0, dx = 0, dy = 0;
            auto fenced = [&](Agent of) {
                return [&w, of, fences] { if (fences) w.memory.fence(of, Order::SC, Scope::GPU); };
            };
            w.interleave({{[&] { w.store(a, X, 1, relaxed); }},
                          {[&] { w.store(b, Y, 1, relaxed); }},
                          {[&] { cx = w.load(c, X, ld); }, fenced(c), [&] { cy = w.load(c, Y, ld); }},
                          {[&] { dy = w.load(d, Y, ld); }, fenced(d), [&] { dx = w.load(d, X, ld); }}});
            return pair(cx, cy) + pair(dy, dx);
        }, 4 * SEEDS);
    };
    SOMETIMES(iriw(acquire, false), "1010");
    NEVER(iriw(relaxed, true), "1010");
}

LITMUS(one_word_is_coherent) {
    // CoRR, also of two readers one after the other; CoWW; CoRW; CoWR.
    Outcomes seen = over_seeds([](World& w) {
        Agent a = w.lane(0), b = w.lane(1), c = w.lane(1);
        std::vector<u64> loads;
        World::Thread writer, reader;
        for (u64 i = 1; i <= 12; ++i) {
            writer.push_back([&w, a, i] { w.store(a, X, i, relaxed); });
            reader.push_back([&, b] { loads.push_back(w.load(b, X, relaxed)); });
        }
        reader.push_back([&] { w.memory.meet({b, c}); });
        for (int i = 0; i < 4; ++i) reader.push_back([&, c] { loads.push_back(w.load(c, X, relaxed)); });
        w.interleave({writer, reader});
        for (std::size_t i = 1; i < loads.size(); ++i)
            if (loads[i] < loads[i - 1]) return std::string("back");
        if (w.load(a, X, relaxed) != 12) return std::string("lost");
        return std::string(loads.back() < 12 ? "behind" : "newest");
    });
    NEVER(seen, "back");
    NEVER(seen, "lost");
    NEVER(seen, "race");
    SOMETIMES(seen, "behind");
    SOMETIMES(seen, "newest");
    Outcomes own = over_seeds([](World& w) {
        Agent a = w.lane(0), b = w.lane(1);
        u64 read = 0, again = 0;
        w.interleave({{[&] { w.store(a, X, 1, relaxed); }, [&] { read = w.load(a, X, relaxed); }},
                      {[&] { again = w.load(b, X, relaxed); }, [&] { w.store(b, X, 2, relaxed); }}});
        w.memory.settle();
        // A load that saw 1 comes before the 2 of the same agent; a load after one's own store never sees what was
        // before.
        return pair(read, again) + std::to_string(w.real(X));
    });
    for (const char* wrong : {"002", "012", "001", "011", "211", "111"}) NEVER(own, wrong);
}

LITMUS(a_release_sequence_goes_through_read_modify_writes) {
    auto chain = [](How middle, bool store_instead) {
        return over_seeds([&](World& w) {
            Agent a = w.lane(0), b = w.lane(1), c = w.lane(2);
            u64 flag = 0, x = 9;
            World::Thread between;
            between.push_back([&] {
                if (!store_instead) w.add(b, FLAG, 1, middle);
                else if (w.load(b, FLAG, relaxed) == 1) w.store(b, FLAG, 2, middle);
            });
            w.interleave({{[&] { w.store(a, X, 1, weak); }, [&] { w.store(a, FLAG, 1, release); }},
                          between,
                          {[&] { flag = w.load(c, FLAG, acquire); }, [&] { if (flag == 2) x = w.load(c, X, weak); }}});
            return pair(flag, x);
        });
    };
    Outcomes seen = chain(relaxed, false);
    NEVER(seen, "20");
    NEVER(seen, "race");
    SOMETIMES(seen, "21");
    Outcomes broken = chain(relaxed, true);
    SOMETIMES(broken, "20");
    SOMETIMES(broken, "race");
    // A scope that does not include the others is a race by itself.
    SOMETIMES(chain(at(relaxed, Scope::CTA), false), "race");
}

LITMUS(no_add_is_lost) {
    for (bool reduction : {false, true}) {
        Outcomes seen = over_seeds([&](World& w) {
            std::vector<World::Thread> threads;
            for (u64 block = 0; block < 4; ++block) {
                Agent a = w.lane(block);
                threads.emplace_back(20, [&w, a, reduction] { w.add(a, X, 1, relaxed, reduction); });
            }
            w.interleave(threads);
            const bool late = w.real(X) != 80;
            w.memory.settle();
            return std::to_string(w.real(X)) + (late ? " late" : "");
        }, 300);
        NEVER(seen, "race");
        CHECK_SAID(seen["80"] + seen["80 late"] == 300, text(seen));
        CHECK((seen["80 late"] != 0) == reduction);
    }
}

LITMUS(a_weak_load_is_stale_until_an_acquire) {
    Outcomes seen = over_seeds([](World& w) {
        Agent a = w.lane(0), b = w.lane(1);
        w.load(b, X, weak);
        w.store(a, X, 1, weak);
        w.store(a, FLAG, 1, release);
        u64 before = w.load(b, X, weak);
        while (w.load(b, FLAG, acquire) == 0) {
        }
        return pair(before, w.load(b, X, weak));
    });
    NEVER(seen, "10");
    NEVER(seen, "00");
    CHECK_SAID(seen["01"] > seen["11"] && seen["11"] != 0, text(seen));
}

LITMUS(lanes_that_met_see_each_others_stores) {
    Outcomes seen = over_seeds([](World& w) {
        Agent a = w.lane(0), b = w.lane(0), c = w.lane(0);
        w.store(a, X, 1, weak);
        w.store(c, Y, 1, weak);
        w.memory.meet({a, b});
        return pair(w.load(b, X, weak), w.load(b, Y, weak));
    });
    NEVER(seen, "00");
    NEVER(seen, "01");
    SOMETIMES(seen, "10");
    SOMETIMES(seen, "race");  // c was not there
}

LITMUS(bytes_of_a_word_are_their_own) {
    Outcomes seen = over_seeds([](World& w) {
        Agent a = w.lane(0), b = w.lane(1);
        auto at_byte = [&](unsigned byte, u8 bytes) { return World::access(w.address(X, byte), in(weak, bytes), "b"); };
        w.words[X] = 0x1111111111111111;
        auto store = [&](Agent by, Access bytes, u64 value) { return [=, &w] { w.memory.store(by, bytes, value); }; };
        w.interleave({{store(a, at_byte(0, 4), 0xaaaaaaaa), store(a, at_byte(6, 1), 0xbb)},
                      {store(b, at_byte(4, 2), 0xcccc), store(b, at_byte(7, 1), 0xdd)}});
        CHECK(w.memory.load(a, at_byte(0, 4)) == 0xaaaaaaaa && w.memory.load(a, at_byte(6, 1)) == 0xbb);
        CHECK(w.memory.load(b, at_byte(4, 2)) == 0xcccc && w.memory.load(b, at_byte(7, 1)) == 0xdd);
        w.memory.settle();
        return std::string(w.real(X) == 0xddbbccccaaaaaaaa ? "right" : "wrong");
    });
    NEVER(seen, "wrong");
    NEVER(seen, "race");
}

LITMUS(without_weakness_every_outcome_is_sequential) {
    for (u64 seed = 1; seed <= 500; ++seed) {
        World w(seed, false, false, false);
        Agent a = w.lane(0), b = w.lane(1);
        u64 flag = 0, data = 0;
        w.interleave({{[&] { w.store(a, X, 1, relaxed); }, [&] { w.store(a, FLAG, 1, relaxed); }},
                      {[&] { flag = w.load(b, FLAG, relaxed); }, [&] { data = w.load(b, X, relaxed); }}});
        CHECK(flag <= data);
        CHECK(w.real(X) == 1 && w.real(FLAG) == 1);
    }
}
