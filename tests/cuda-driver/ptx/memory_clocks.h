// memory_clocks.h: what happened before what. An agent knows a clock: of each agent how far it had come when the two
// last met. Its own epoch rises whenever it lets others know; what it does is stamped with the epoch, so that "happened
// before" is one comparison.
#pragma once
#include <deque>

#include "memory.h"

namespace ptx {
using Epoch = u32;

class Clock {
   public:
    Epoch of(Agent agent) const { return agent < epochs_.size() ? epochs_[agent] : 0; }
    void raise(Agent agent, Epoch epoch);
    void join(const Clock& other);

   private:
    std::vector<Epoch> epochs_;
};
// Shared until somebody learns something: most lanes of a block know the same.
using ClockRef = std::shared_ptr<Clock>;
Clock& own(ClockRef& clock);

// An agent's number is used again, its life is not.
struct Life {
    Agent number = 0;
    Standing standing;
};

// Whether an operation of that scope by the one is meant for the other as well.
bool includes(Scope scope, const Standing& one, const Standing& other);
inline bool mutual(Scope a_scope, const Life& a, Scope b_scope, const Life& b) {
    return includes(a_scope, a.standing, b.standing) && includes(b_scope, b.standing, a.standing);
}

// What a release hands over: all that `known` has, and what `by` did up to `epoch`.
struct Head {
    ClockRef known;
    const Life* by = nullptr;
    Epoch epoch = 0;
    Scope scope = Scope::CTA;
    bool merged = false;  // of several agents: who knows that epoch of `by` need not know all of it
};
using Heads = std::vector<Head>;
using HeadsRef = std::shared_ptr<const Heads>;
// Heads that the same acquires can see become one: a chain of read-modify-writes has no more heads than blocks.
void add(Heads& heads, const Head& head);

class Word;
struct Pending {
    Word* word;
    u32 seq;
    Epoch epoch;
};

// An agent, while it lives.
struct Actor {
    const Life* life = nullptr;
    ClockRef known = std::make_shared<Clock>();
    Epoch now = 1;
    bool alive = false;
    Head fences[3];               // the latest release fence of each scope
    HeadsRef fenced;              // those, for what later strong stores hand over
    Heads unfenced;               // what relaxed loads saw: an acquire fence is still missing
    std::deque<Pending> pending;  // its stores that are not in the real memory, oldest first

    bool knows(const Life& by, Epoch epoch) const { return by.number == life->number || epoch <= known->of(by.number); }
    void learn(const Head& head);
    // What it has done so far, for others; what it does from now on is later.
    Head publish(Scope scope);
    bool is_host() const { return life->standing.kind == Standing::HOST; }
};
}  // namespace ptx
