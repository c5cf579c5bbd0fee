// memory.cpp: what an access does.
#include "memory.h"

#include <algorithm>
#include <cstring>

#include "memory_rmw.h"
#include "memory_state.h"

namespace ptx {
MemoryState::MemoryState(const MemorySettings& s) : settings(s), random_state_(s.seed) {
    lives.push_back(Life{SILENT_HOST, Standing{Standing::HOST, 0, 0, 0}});
    actors.push_back(std::make_unique<Actor>());
    actors[SILENT_HOST]->life = &lives.back();
    actors[SILENT_HOST]->alive = true;
}

// splitmix64
u64 MemoryState::random() {
    u64 x = random_state_ += 0x9e3779b97f4a7c15ull;
    x = (x ^ (x >> 30)) * 0xbf58476d1ce4e5b9ull;
    x = (x ^ (x >> 27)) * 0x94d049bb133111ebull;
    return x ^ (x >> 31);
}

Range* MemoryState::range_of(u64 address) {
    if (latest != nullptr && latest->has(address, 1)) return latest;
    auto after = ranges.upper_bound(address);
    if (after == ranges.begin()) return nullptr;
    Range* range = std::prev(after)->second.get();
    return range->has(address, 1) ? latest = range : nullptr;
}

Word& MemoryState::touch(u64 address) {
    Range* range = range_of(address);
    std::unique_ptr<Word>& place = range->place(address);
    if (place != nullptr) return *place;
    const u64 at = address & ~u64{7};
    if (!range->pinned) return *(place = std::make_unique<Word>(at, range, read_real(at)));
    if (range->shadow.empty()) range->look_at_host();
    const std::size_t i = range->index(at);
    place = std::make_unique<Word>(at, range, range->shadow[i]);
    if (range->host_epoch[i] != 0) {
        Write write;
        write.by = actor(SILENT_HOST).life;
        write.site = "the host";
        write.value = range->shadow[i];
        write.epoch = range->host_epoch[i];
        write.mask = range->host_mask[i];
        write.strong = write.unheard = true;
        write.scope = Scope::SYS;
        place->visible = place->append(std::move(write)).seq;
    }
    return *place;
}

Stamp MemoryState::stamp(const Actor& by, const Access& access, u64 value) const {
    Stamp stamp;
    stamp.by = by.life;
    stamp.site = access.site;
    stamp.mask = mask_of(access);
    stamp.value = (value << (access.address & 7) * 8) & bits_of(stamp.mask);
    stamp.epoch = by.now;
    stamp.strong = access.order != Order::WEAK;
    stamp.acquires = acquires(access.order);
    stamp.scope = access.scope;
    return stamp;
}

static u64 part(u64 word, const Access& access) {
    return (word & bits_of(mask_of(access))) >> (access.address & 7) * 8;
}

u32 MemoryState::append(Actor& by, Word& word, const Access& access, Write write) {
    if (word.writes.size() >= Word::WRITES) make_visible(word, word.writes[Word::WRITES / 2].seq);
    if (write.strong) hand_over(by, access, write.heads);
    const Epoch epoch = write.epoch;
    const u32 seq = word.append(std::move(write)).seq;
    by.pending.push_back(Pending{&word, seq, epoch});
    if (settings.weak && word.writes.size() > 1 && one_in(4)) overtake(by, word);
    return by.pending.back().seq;
}

// The newest write of a lane may take its place before another lane's that came earlier, where nothing tells which was first
// and nobody has seen it yet.
void MemoryState::overtake(Actor& by, Word& word) {
    Write &mine = word.writes.back(), &other = *(word.writes.end() - 2);
    auto of_lane = [](const Write& w) { return w.strong && !w.rmw && w.by->standing.kind == Standing::LANE; };
    if (!of_lane(mine) || !of_lane(other) || mine.by == other.by || mine.mask != other.mask || word.range->pinned) return;
    if (other.seq <= std::max(word.visible, word.seen_floor) || by.knows(*other.by, other.epoch)) return;
    for (const Read& read : word.reads)
        if (read.strong && read.seen >= other.seq) return;
    for (Pending& pending : actor(other.by->number).pending)
        if (pending.word == &word && pending.seq == other.seq) pending.seq = mine.seq;
    by.pending.back().seq = other.seq;
    std::swap(mine, other);
    std::swap(mine.seq, other.seq);
}

// What a lane stores waits, not too much of it; the others have no caches.
void MemoryState::settle_later(Actor& by) {
    constexpr std::size_t MOST = 64;
    const std::size_t most = settings.weak && by.life->standing.kind == Standing::LANE ? MOST : 0;
    while (by.pending.size() > most) {
        const Pending oldest = by.pending.front();
        by.pending.pop_front();
        make_visible(*oldest.word, oldest.seq);
    }
}

void MemoryState::read(Actor& by, Word& word, const Stamp& stamp, u32 seen) {
    if (stamp.strong) observe(by, word, stamp, seen);
    check_read(by, word, stamp);
    remember_read(by, word, stamp, stamp.strong ? seen : 0);
}

// Lossless where the list has room: for a later write, an agent's latest read of a kind stands for its earlier ones.
void MemoryState::remember_read(const Actor& by, Word& word, const Stamp& stamp, u32 seen) {
    auto same = [&](const Read& r) {
        return r.by == stamp.by && r.mask == stamp.mask && r.strong == stamp.strong && r.scope == stamp.scope;
    };
    auto old = std::find_if(word.reads.begin(), word.reads.end(), same);
    if (old == word.reads.end()) {
        if (word.reads.size() >= Word::READS) {
            auto covered = [&](const Read& r) {
                return by.knows(*r.by, r.epoch) && (r.mask & ~stamp.mask) == 0 && (r.strong || !stamp.strong);
            };
            old = std::find_if(word.reads.begin(), word.reads.end(), covered);
            if (old == word.reads.end()) old = word.reads.begin() + std::ptrdiff_t(below(word.reads.size()));
            forget(word, *old);
            word.reads.erase(old);
        }
        word.reads.emplace_back();
        old = word.reads.end() - 1;
        old->seen = seen;
        old->first = stamp.epoch;
    } else if (old->seen != seen) {
        if (old->first != stamp.epoch) forget(word, *old);
        old->seen = seen;
        old->first = stamp.epoch;
    }
    static_cast<Stamp&>(*old) = stamp;
}

// What it saw, nobody may see undone, and the write that it saw may be ordered by it: on the safe side from now on.
void MemoryState::forget(Word& word, const Read& read) {
    if (!read.strong) return;
    word.seen_floor = std::max(word.seen_floor, read.seen);
    if (Write* write = word.find(read.seen)) write->excused = true;
}

Memory::Memory(const MemorySettings& settings) : state_(std::make_unique<MemoryState>(settings)) {}
Memory::~Memory() = default;

void Memory::add_range(u64 address, u64 bytes, bool pinned) {
    auto range = std::make_unique<Range>();
    range->base = address;
    range->bytes = bytes;
    range->pinned = pinned;
    state_->ranges[address] = std::move(range);
}

void Memory::remove_range(u64 address) {
    auto found = state_->ranges.find(address);
    if (found == state_->ranges.end()) return;
    const Range* range = found->second.get();
    for (auto& actor : state_->actors) {
        auto gone = [&](const Pending& p) { return p.word->range == range; };
        actor->pending.erase(std::remove_if(actor->pending.begin(), actor->pending.end(), gone), actor->pending.end());
    }
    state_->latest = nullptr;
    state_->ranges.erase(found);
}

bool Memory::has(u64 address, u64 bytes) const {
    const Range* range = state_->range_of(address);
    return range != nullptr && range->has(address, bytes);
}

bool Memory::is_pinned(u64 address) const {
    const Range* range = state_->range_of(address);
    return range != nullptr && range->pinned;
}

Agent Memory::begin(const Standing& standing) { return begin(std::vector<Standing>{standing}).front(); }

std::vector<Agent> Memory::begin(const std::vector<Standing>& standings) {
    MemoryState& s = *state_;
    s.scan();
    ClockRef known = std::make_shared<Clock>();
    for (auto& host : s.actors) {
        if (!host->alive || !host->is_host()) continue;
        const Head head = host->publish(Scope::SYS);
        known->join(*head.known);
        known->raise(head.by->number, head.epoch);
    }
    std::vector<Agent> begun;
    for (const Standing& standing : standings) {
        Agent number = Agent(s.actors.size());
        if (s.free.empty()) {
            s.actors.push_back(std::make_unique<Actor>());
        } else {
            number = s.free.back();
            s.free.pop_back();
        }
        s.lives.push_back(Life{number, standing});
        Actor& actor = s.actor(number);
        actor.life = &s.lives.back();
        actor.known = known;
        actor.alive = true;
        ++s.alive[standing.kind];
        begun.push_back(number);
    }
    return begun;
}

void Memory::end(Agent agent) {
    MemoryState& s = *state_;
    Actor& actor = s.actor(agent);
    s.make_visible_all(actor);
    // Who waits for a copy has acquired what it read.
    if (actor.life->standing.kind == Standing::COPY) s.fence(actor, Order::ACQUIRE, Scope::SYS);
    const Head head = actor.publish(Scope::SYS);
    for (auto& host : s.actors)
        if (host->alive && host->is_host() && host->life != actor.life) host->learn(head);
    --s.alive[actor.life->standing.kind];
    actor.alive = false;
    actor.known = std::make_shared<Clock>();
    actor.unfenced.clear();
    for (Head& fence : actor.fences) fence = Head{};
    actor.fenced = nullptr;
    s.free.push_back(agent);
}

void Memory::lose(Agent agent) {
    MemoryState& s = *state_;
    auto& pending = s.actor(agent).pending;
    auto lost = [&](const Pending&) { return s.settings.weak && s.one_in(2); };
    pending.erase(std::remove_if(pending.begin(), pending.end(), lost), pending.end());
}

u64 Memory::load(Agent agent, const Access& access) {
    MemoryState& s = *state_;
    Actor& actor = s.actor(agent);
    Word& word = s.touch(access.address);
    if (word.range->pinned) s.notice(word);
    const u32 seen = s.choose(actor, word, access);
    const u64 value = part(word.value_at(seen), access);
    s.read(actor, word, s.stamp(actor, access, value), seen);
    return value;
}

void Memory::store(Agent agent, const Access& access, u64 value) {
    MemoryState& s = *state_;
    Actor& actor = s.actor(agent);
    Word& word = s.touch(access.address);
    if (word.range->pinned) s.notice(word);
    Write write;
    static_cast<Stamp&>(write) = s.stamp(actor, access, value);
    s.check_write(actor, word, write);
    s.append(actor, word, access, std::move(write));
    s.settle_later(actor);
}

// At once in pinned memory, where the host changes words too. Whether it changed none meanwhile.
static bool write_pinned(Word& word, const Write& write) {
    u64& known = word.range->shadow[word.range->index(word.address)];
    u64 expected = known;
    const u64 desired = mixed(known, write.value, write.mask);
    auto* real = reinterpret_cast<u64*>(word.address);
    if (!__atomic_compare_exchange_n(real, &expected, desired, false, __ATOMIC_SEQ_CST, __ATOMIC_RELAXED)) return false;
    known = desired;
    return true;
}

u64 Memory::rmw(Agent agent, const Access& access, Rmw what, u64 operand, u64 compare, bool reduction) {
    MemoryState& s = *state_;
    Actor& actor = s.actor(agent);
    Word& word = s.touch(access.address);
    const bool pinned = word.range->pinned;
    const u64 all = bits_of(u8((1u << access.bytes) - 1));
    for (;;) {
        if (pinned) {
            s.make_visible(word, word.newest());
            s.notice(word);
        }
        const u32 seen = word.newest();
        s.observe(actor, word, s.stamp(actor, access, 0), seen);
        if (word.newest() != seen) continue;  // the host was found to have written it
        const u64 old = part(word.value_at(seen), access);
        if (what == Rmw::CAS && old != (compare & all)) {
            s.read(actor, word, s.stamp(actor, access, old), seen);
            return old;
        }
        Write write;
        static_cast<Stamp&>(write) = s.stamp(actor, access, applied(what, access.bytes, old, operand));
        write.rmw = true;
        if (releases(access.order) && access.scope != Scope::CTA) s.make_visible_before(actor);
        if (pinned && !write_pinned(word, write)) continue;
        s.check_write(actor, word, write);
        // What it saw is handed on.
        const Write* before = word.seen_at(seen, write.mask);
        if (before != nullptr && before->strong && mutual(before->scope, *before->by, access.scope, *actor.life))
            write.heads = before->heads;
        const u32 seq = s.append(actor, word, access, std::move(write));
        if (pinned) s.is_visible(word, seq);
        if (!reduction) s.make_visible(word, seq);
        s.settle_later(actor);
        return old;
    }
}

void Memory::fence(Agent agent, Order order, Scope scope) { state_->fence(state_->actor(agent), order, scope); }

void Memory::meet(const std::vector<Agent>& agents) {
    MemoryState& s = *state_;
    ClockRef all = s.actor(agents.front()).known;
    std::vector<const Clock*> joined{all.get()};
    for (Agent agent : agents) {
        const Clock* known = s.actor(agent).known.get();
        if (std::find(joined.begin(), joined.end(), known) != joined.end()) continue;
        own(all).join(*known);
        joined.push_back(known);
    }
    for (Agent agent : agents) own(all).raise(agent, s.actor(agent).publish(Scope::CTA).epoch);
    for (Agent agent : agents) s.actor(agent).known = all;
}

void Memory::step() {
    if (state_->one_in(state_->settings.visible_one_in)) state_->make_one_visible();
}

void Memory::settle() {
    MemoryState& s = *state_;
    for (auto& actor : s.actors) s.make_visible_all(*actor);
    // All that was done happened before whatever begins now: nothing of it can race, nothing is stale.
    if (s.alive[Standing::LANE] + s.alive[Standing::COPY] + s.alive[Standing::HOST] != 0) return;
    for (auto& range : s.ranges) range.second->forget_words();
}

u64 Memory::copy_word_out(Agent copy, u64 from) {
    MemoryState& s = *state_;
    Actor& actor = s.actor(copy);
    const u64 value = read_real(from);
    // What no lane has touched has nothing to race with; later writes are met by the next copy.
    Word* word = s.range_of(from)->find(from);
    if (word == nullptr) return value;
    const Access access{from, 8, Order::RELAXED, Scope::GPU, "a copy to the host"};
    s.read(actor, *word, s.stamp(actor, access, value), word->visible);
    return value;
}

void Memory::copy_bytes_in(Agent copy, u64 to, const void* from, u64 bytes) {
    MemoryState& s = *state_;
    Actor& actor = s.actor(copy);
    const auto* source = static_cast<const u8*>(from);
    while (bytes != 0) {
        const u64 at = to & 7, n = std::min<u64>(8 - at, bytes);
        u64 value = 0;
        std::memcpy(&value, source, n);
        Write write;
        write.mask = u8(((1u << n) - 1) << at);
        write.value = value << at * 8;
        Range& range = *s.range_of(to);
        // Where no lane lives, whoever begins later begins after the copy.
        if (range.find(to) == nullptr && !range.pinned && s.alive[Standing::LANE] == 0) {
            write_real(to & ~u64{7}, write.value, write.mask);
        } else {
            Word& word = s.touch(to);
            if (range.pinned) s.notice(word);
            write.by = actor.life;
            write.site = "a copy from the host";
            write.epoch = actor.now;
            write.strong = true;
            write.scope = Scope::GPU;
            s.check_write(actor, word, write);
            s.append(actor, word, Access{to, 8, Order::RELAXED, Scope::GPU, write.site}, std::move(write));
            s.settle_later(actor);
        }
        to += n, source += n, bytes -= n;
    }
}

// The host sees what is in the real memory, and what it writes is there at once.
u64 Memory::host_load(Agent host, const Access& access) {
    MemoryState& s = *state_;
    Access system = access;
    system.scope = Scope::SYS;
    Word& word = s.touch(access.address);
    if (word.range->pinned) s.notice(word);
    const u64 value = part(read_real(word.address), access);
    s.read(s.actor(host), word, s.stamp(s.actor(host), system, value), word.visible);
    return value;
}

void Memory::host_store(Agent host, const Access& access, u64 value) {
    Access system = access;
    system.scope = Scope::SYS;
    store(host, system, value);
}

const std::vector<Race>& Memory::races() const { return state_->races; }
}  // namespace ptx
