// memory_order.cpp: what an access may see, what it learns by that, and when what is written is in the real memory.
#include <algorithm>

#include "memory_state.h"

namespace ptx {
// The oldest write that this agent may still see: none older than what happened before, by writing or by seeing.
static u32 floor_of(const Actor& actor, const Word& word) {
    u32 floor = word.oldest();
    for (auto write = word.writes.rbegin(); write != word.writes.rend(); ++write) {
        if (!actor.knows(*write->by, write->epoch)) continue;
        floor = write->seq;
        break;
    }
    if (floor == word.newest()) return floor;
    for (const Read& read : word.reads)
        if (read.strong && read.seen > floor && actor.knows(*read.by, read.first)) floor = read.seen;
    return floor;
}

u32 MemoryState::choose(const Actor& by, const Word& word, const Access& access) {
    const u32 newest = word.newest();
    if (!settings.weak || word.writes.empty()) return newest;
    const bool strong = access.order != Order::WEAK;
    // None that is older than what strong loads saw that are forgotten, and for a strong load none whose writer is.
    u32 floor = std::max(floor_of(by, word), word.seen_floor);
    if (strong) floor = std::max(floor, word.first_of(mask_of(access)));
    if (floor == newest) return newest;
    const Write& last = word.writes.back();
    const u32 any = floor + u32(below(newest - floor + 1));
    // A strong load of a fitting scope goes where the stores go, a weak one is answered by the multiprocessor's old
    // line.
    if (strong && mutual(last.scope, *last.by, access.scope, *by.life)) return one_in(2) ? newest : any;
    return one_in(4) ? any : floor;
}

void MemoryState::observe(Actor& by, Word& word, const Stamp& load, u32 seen) {
    const Write* write = word.seen_at(seen, load.mask);
    if (write == nullptr || !write->strong || !mutual(write->scope, *write->by, load.scope, *load.by)) return;
    const bool others = write->by != load.by;
    const u32 seq = write->seq;
    const HeadsRef heads = write->unheard ? heard(word, seq) : write->heads;
    // What another agent has seen is where all agents see it: so what this one releases comes after it for the host
    // too.
    if (others) make_visible(word, seq);
    if (heads == nullptr) return;
    for (const Head& head : *heads) {
        if (load.acquires && mutual(head.scope, *head.by, load.scope, *load.by)) {
            by.learn(head);
        } else if (head.merged || !by.knows(*head.by, head.epoch)) {
            add(by.unfenced, head);
        }
    }
}

// Whether each of them is there already, as it is or in one of several agents that holds it.
static bool has(const Heads& heads, const Heads& all) {
    return std::all_of(all.begin(), all.end(), [&](const Head& head) {
        return std::any_of(heads.begin(), heads.end(), [&](const Head& h) {
            return h.scope == head.scope && h.by == head.by && h.epoch == head.epoch;
        });
    });
}

// What a strong store gives to whoever acquires it: the fences before it and its own release, besides what it was
// given.
void MemoryState::hand_over(Actor& by, const Access& access, HeadsRef& given) {
    if (!releases(access.order)) {
        if (by.fenced == nullptr || (given != nullptr && has(*given, *by.fenced))) return;
        if (given == nullptr) {
            given = by.fenced;
            return;
        }
    }
    Heads heads = given == nullptr ? Heads{} : *given;
    if (by.fenced != nullptr)
        for (const Head& fence : *by.fenced) add(heads, fence);
    if (releases(access.order)) {
        if (access.scope != Scope::CTA) make_visible_before(by);
        add(heads, by.publish(access.scope));
    }
    given = std::make_shared<const Heads>(std::move(heads));
}

void MemoryState::fence(Actor& by, Order order, Scope scope) {
    if (acquires(order)) {
        Heads still;
        for (const Head& head : by.unfenced) {
            if (mutual(head.scope, *head.by, scope, *by.life)) {
                by.learn(head);
            } else {
                still.push_back(head);
            }
        }
        by.unfenced = std::move(still);
    }
    if (order == Order::SC)
        for (const Head& head : sc)
            if (mutual(head.scope, *head.by, scope, *by.life)) by.learn(head);
    if (!releases(order)) return;
    if (scope != Scope::CTA) make_visible_before(by);
    const Head head = by.publish(scope);
    for (int narrower = 0; narrower < int(scope); ++narrower) by.fences[narrower] = Head{};
    by.fences[int(scope)] = head;
    Heads fenced;
    for (const Head& fence : by.fences)
        if (fence.by != nullptr) fenced.push_back(fence);
    by.fenced = std::make_shared<const Heads>(std::move(fenced));
    if (order == Order::SC) add(sc, head);
}

// In the word's order: nobody reads a word's writes the other way round.
void MemoryState::make_visible(Word& word, u32 seq) {
    if (seq <= word.visible) return;
    const bool pinned = word.range->pinned;
    if (pinned) notice(word);
    for (const Write& write : word.writes) {
        if (write.seq <= word.visible || write.seq > seq) continue;
        write_real(word.address, write.value, write.mask);
        if (!pinned) continue;
        u64& known = word.range->shadow[word.range->index(word.address)];
        known = mixed(known, write.value, write.mask);
    }
    is_visible(word, seq);
}

void MemoryState::is_visible(Word& word, u32 seq) {
    if (word.range->pinned)
        for (const Write& write : word.writes)
            if (write.seq > word.visible && write.seq <= seq) host_learns(write);
    word.visible = seq;
}

// A release of this agent is about to be seen: what happened before it has to be there, whoever did it.
void MemoryState::make_visible_before(const Actor& by) {
    for (auto& other : actors) {
        auto& pending = other->pending;
        while (!pending.empty() && by.knows(*other->life, pending.front().epoch)) {
            const Pending oldest = pending.front();
            pending.pop_front();
            make_visible(*oldest.word, oldest.seq);
        }
    }
}

void MemoryState::make_visible_all(Actor& by) {
    for (const Pending& pending : by.pending) make_visible(*pending.word, pending.seq);
    by.pending.clear();
}

void MemoryState::make_one_visible() {
    const std::size_t start = std::size_t(below(actors.size()));
    for (std::size_t i = 0; i < actors.size(); ++i) {
        auto& pending = actors[(start + i) % actors.size()]->pending;
        if (pending.empty()) continue;
        const auto one = pending.begin() + std::ptrdiff_t(below(pending.size()));
        make_visible(*one->word, one->seq);
        pending.erase(one);
        return;
    }
}
}  // namespace ptx
