// litmus.h: small programs of a few lanes, run in thousands of interleavings, and what came out of them.
#pragma once
#include <cstdio>
#include <cstring>
#include <map>
#include <memory>

#include "memory.h"

namespace litmus {
using namespace ptx;

// A test says what it found wrong, and is listed by being defined.
struct Test {
    const char* name;
    void (*run)();
};
std::vector<Test>& tests();
struct Listed {
    Listed(const char* name, void (*run)()) { tests().push_back({name, run}); }
};
void fail(const char* file, int line, const std::string& what);
#define LITMUS(name)                            \
    static void name();                         \
    static litmus::Listed listed_##name(#name, name); \
    static void name()
#define CHECK(condition) \
    if (!(condition)) litmus::fail(__FILE__, __LINE__, #condition)
#define CHECK_SAID(condition, said) \
    if (!(condition)) litmus::fail(__FILE__, __LINE__, std::string(#condition) + ": " + (said))

struct How {
    Order order = Order::WEAK;
    Scope scope = Scope::GPU;
    u8 bytes = 8;
};
constexpr How weak{};
constexpr How relaxed{Order::RELAXED, Scope::GPU};
constexpr How acquire{Order::ACQUIRE, Scope::GPU};
constexpr How release{Order::RELEASE, Scope::GPU};
constexpr How acq_rel{Order::ACQ_REL, Scope::GPU};
constexpr How at(How how, Scope scope) { return How{how.order, scope, how.bytes}; }
constexpr How in(How how, u8 bytes) { return How{how.order, how.scope, bytes}; }

constexpr unsigned WORDS = 4096;

// One run: a memory, a few words of it, and whoever uses them.
class World {
   public:
    explicit World(u64 seed, bool pinned = false, bool all_races = false, bool weakly = true);

    Agent lane(u64 block, u32 device = 0) { return memory.begin(Standing{Standing::LANE, device, block, 0}); }
    Agent copy(u32 device = 0) { return memory.begin(Standing{Standing::COPY, device, 0, 0}); }
    Agent host() { return memory.begin(Standing{Standing::HOST, 0, 0, 0}); }

    u64 address(unsigned word, unsigned byte = 0) const { return reinterpret_cast<u64>(&words[word]) + byte; }
    static Access access(u64 address, How how, const char* site) {
        return Access{address, how.bytes, how.order, how.scope, site};
    }
    u64 load(Agent a, unsigned word, How how, const char* site = "a load") {
        return memory.load(a, access(address(word), how, site));
    }
    void store(Agent a, unsigned word, u64 value, How how, const char* site = "a store") {
        memory.store(a, access(address(word), how, site), value);
    }
    u64 add(Agent a, unsigned word, u64 n, How how, bool reduction = false, const char* site = "an add") {
        return memory.rmw(a, access(address(word), how, site), Rmw::ADD, n, 0, reduction);
    }
    u64 real(unsigned word) const { return __atomic_load_n(&words[word], __ATOMIC_ACQUIRE); }
    void steps(unsigned n) {
        for (unsigned i = 0; i < n; ++i) memory.step();
    }
    // Each thread's operations in its order, the threads in any; now and then time passes.
    using Thread = std::vector<std::function<void()>>;
    void interleave(const std::vector<Thread>& threads);
    u64 random(u64 below);
    bool raced() const { return !memory.races().empty(); }
    std::string race() const { return raced() ? memory.races()[0].text : ""; }

    alignas(64) u64 words[WORDS] = {};
    Memory memory;

   private:
    u64 random_;
};

// How often each outcome was seen, over so many seeds; races are the outcome "race".
using Outcomes = std::map<std::string, unsigned>;
constexpr unsigned SEEDS = 2000;
Outcomes over_seeds(const std::function<std::string(World&)>& run, unsigned seeds = SEEDS);
std::string text(const Outcomes& outcomes);
#define NEVER(outcomes, what) CHECK_SAID((outcomes).count(what) == 0, std::string(what) + " in " + litmus::text(outcomes))
#define SOMETIMES(outcomes, what) \
    CHECK_SAID((outcomes).count(what) != 0, std::string(what) + " in " + litmus::text(outcomes))
}  // namespace litmus
