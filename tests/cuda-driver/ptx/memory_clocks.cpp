// memory_clocks.cpp: see the header.
#include "memory_clocks.h"

#include <algorithm>

namespace ptx {
void Clock::raise(Agent agent, Epoch epoch) {
    if (agent >= epochs_.size()) epochs_.resize(agent + 1, 0);
    epochs_[agent] = std::max(epochs_[agent], epoch);
}

void Clock::join(const Clock& other) {
    const std::size_t n = other.epochs_.size();
    if (epochs_.size() < n) epochs_.resize(n, 0);
    Epoch* to = epochs_.data();
    const Epoch* from = other.epochs_.data();
    for (std::size_t i = 0; i < n; ++i) to[i] = to[i] < from[i] ? from[i] : to[i];
}

Clock& own(ClockRef& clock) {
    if (clock.use_count() > 1) clock = std::make_shared<Clock>(*clock);
    return *clock;
}

bool includes(Scope scope, const Standing& one, const Standing& other) {
    if (scope == Scope::SYS) return true;
    if (one.kind == Standing::HOST || other.kind == Standing::HOST || one.device != other.device) return false;
    if (scope == Scope::GPU) return true;
    return one.kind == Standing::LANE && other.kind == Standing::LANE && one.block == other.block;
}

static bool seen_alike(const Head& a, const Head& b) {
    const Standing &x = a.by->standing, &y = b.by->standing;
    return a.scope == b.scope && x.kind == y.kind && x.device == y.device && x.block == y.block;
}

void add(Heads& heads, const Head& head) {
    auto old = std::find_if(heads.begin(), heads.end(), [&](const Head& h) { return seen_alike(h, head); });
    if (old == heads.end()) {
        heads.push_back(head);
        return;
    }
    bool covered = !old->merged && (old->by->number == head.by->number ? old->epoch <= head.epoch
                                                                       : old->epoch <= head.known->of(old->by->number));
    if (covered) {
        *old = head;
        return;
    }
    Clock& both = own(old->known);
    both.raise(old->by->number, old->epoch);
    both.join(*head.known);
    both.raise(head.by->number, head.epoch);
    old->merged = true;
}

void Actor::learn(const Head& head) {
    if (!head.merged && knows(*head.by, head.epoch)) return;
    if (known != head.known) own(known).join(*head.known);
    if (head.by->number != life->number) own(known).raise(head.by->number, head.epoch);
}

Head Actor::publish(Scope scope) {
    Head head{known, life, now, scope, false};
    ++now;
    return head;
}
}  // namespace ptx
