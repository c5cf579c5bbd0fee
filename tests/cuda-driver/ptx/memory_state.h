// memory_state.h: what the parts of the memory share: memory.cpp (what an access does), memory_order.cpp (what it may
// see, what it learns, what becomes visible), memory_host.cpp (the host that does not tell), memory_races.cpp.
#pragma once
#include <map>
#include <set>

#include "memory_words.h"

namespace ptx {
constexpr Agent SILENT_HOST = 0;

inline bool acquires(Order o) { return o == Order::ACQUIRE || o == Order::ACQ_REL || o == Order::SC; }
inline bool releases(Order o) { return o == Order::RELEASE || o == Order::ACQ_REL || o == Order::SC; }

class MemoryState {
   public:
    explicit MemoryState(const MemorySettings& settings);

    // memory.cpp
    Actor& actor(Agent agent) { return *actors[agent]; }
    Range* range_of(u64 address);
    Word& touch(u64 address);
    Stamp stamp(const Actor& actor, const Access& access, u64 value) const;
    // In the word's modification order after all others.
    u32 append(Actor& actor, Word& word, const Access& access, Write write);
    void settle_later(Actor& actor);
    void overtake(Actor& by, Word& word);
    // What a load does when its value has been decided on.
    void read(Actor& actor, Word& word, const Stamp& stamp, u32 seen);
    void remember_read(const Actor& actor, Word& word, const Stamp& stamp, u32 seen);

    // memory_order.cpp
    u32 choose(const Actor& actor, const Word& word, const Access& access);
    // A strong operation saw that cut of the word.
    void observe(Actor& actor, Word& word, const Stamp& stamp, u32 seen);
    void hand_over(Actor& actor, const Access& access, HeadsRef& heads);
    void fence(Actor& actor, Order order, Scope scope);
    void make_visible(Word& word, u32 seq);
    // It has been written in place.
    void is_visible(Word& word, u32 seq);
    void make_visible_before(const Actor& actor);
    void make_visible_all(Actor& actor);
    void make_one_visible();

    // memory_host.cpp
    void notice(Word& word);
    void scan();
    HeadsRef heard(Word& word, u32 seq);
    void host_learns(const Write& write);

    // memory_races.cpp
    void check_read(const Actor& actor, const Word& word, const Stamp& access);
    void check_write(const Actor& actor, const Word& word, const Stamp& access);

    u64 random();
    u64 below(u64 n) { return (random() >> 11) % n; }
    bool one_in(u64 n) { return below(n) == 0; }

    MemorySettings settings;
    std::deque<Life> lives;
    std::vector<std::unique_ptr<Actor>> actors;
    std::vector<Agent> free;
    unsigned alive[3] = {0, 0, 0};  // by kind, without the silent host
    Heads sc;  // what fences of sequential consistency have handed over
    std::map<u64, std::unique_ptr<Range>> ranges;
    Range* latest = nullptr;
    std::vector<Race> races;

   private:
    void note(Range& range, std::size_t index, u64 real);
    void insert_host_write(Word& word, Write write);
    bool observed_before(const Actor& actor, const Word& word, const Write& write) const;
    void forget(Word& word, const Read& read);
    void report(const Word& word, const Stamp& first, const char* did, const Stamp& second, const char* does);

    u64 random_state_;
    std::set<std::pair<std::string, std::string>> reported_;
};
}  // namespace ptx
