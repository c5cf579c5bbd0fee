// memory_host.cpp: the host that does not tell. It writes pinned memory with plain instructions while the machine runs;
// what differs from what the machine knows was written by it. What it did before such a write is known by looking at
// all pinned memory after the write was seen, so nothing that a lane has acquired is ever taken for a race.
#include <cstring>

#include "memory_state.h"

namespace ptx {
// A word as the host left it.
void MemoryState::notice(Word& word) {
    const u64 real = read_real(word.address);
    const std::size_t i = word.range->index(word.address);
    if (real != word.range->shadow[i]) note(*word.range, i, real);
}

static u8 differing(u64 a, u64 b) {
    u8 mask = 0;
    for (unsigned byte = 0; byte < 8; ++byte)
        if ((a ^ b) >> byte * 8 & 0xff) mask |= u8(1u << byte);
    return mask;
}

// Stamped with an epoch of the host that nobody knows yet.
void MemoryState::note(Range& range, std::size_t i, u64 real) {
    Actor& host = actor(SILENT_HOST);
    const u64 address = range.first() + i * 8;
    const u8 mask = differing(range.shadow[i], real);
    range.shadow[i] = real;
    range.host_epoch[i] = host.now;
    range.host_mask[i] = mask;
    Word* word = range.find(address);
    if (word == nullptr) return;
    Write write;
    static_cast<Stamp&>(write) = stamp(host, Access{address, 8, Order::RELAXED, Scope::SYS, "the host"}, real);
    write.mask = mask;
    write.unheard = true;
    check_write(host, *word, write);
    insert_host_write(*word, std::move(write));
}

// It is in the real memory, so before all writes that are not.
void MemoryState::insert_host_write(Word& word, Write write) {
    if (word.visible == word.newest()) {
        word.visible = word.append(std::move(write)).seq;
        return;
    }
    Write* last = word.find(word.visible);
    if (last == nullptr) {
        word.base = mixed(word.base, write.value, write.mask);
        return;
    }
    // In the place of the last that is: lists of pending writes know the others by their numbers.
    for (Write& older : word.writes)
        if (older.seq <= word.visible) word.base = mixed(word.base, older.value, older.mask);
    write.seq = last->seq;
    *last = std::move(write);
    word.writes.erase(word.writes.begin(), word.writes.begin() + (last - word.writes.data()));
}

void MemoryState::scan() {
    constexpr std::size_t CHUNK = 512;
    // After the load that made us look.
    __atomic_thread_fence(__ATOMIC_SEQ_CST);
    for (auto& [base, range] : ranges) {
        const std::size_t n = range->shadow.size();
        for (std::size_t at = 0; at < n; at += CHUNK) {
            const std::size_t end = std::min(at + CHUNK, n);
            const void* real = reinterpret_cast<const void*>(range->first() + at * 8);
            if (std::memcmp(real, &range->shadow[at], (end - at) * 8) == 0) continue;
            for (std::size_t i = at; i < end; ++i) {
                const u64 word = read_real(range->first() + i * 8);
                if (word != range->shadow[i]) note(*range, i, word);
            }
        }
    }
}

// A strong operation saw that write of the host's: all that the host did before it can be seen now.
HeadsRef MemoryState::heard(Word& word, u32 seq) {
    scan();
    const HeadsRef heads = std::make_shared<const Heads>(Heads{actor(SILENT_HOST).publish(Scope::SYS)});
    if (Write* write = word.find(seq)) {
        write->unheard = false;
        write->heads = heads;
    }
    return heads;
}

// The most that the host may know of a device: it may have acquired whatever it can see. So it is never blamed wrongly.
void MemoryState::host_learns(const Write& write) {
    if (!write.strong || write.scope != Scope::SYS || write.heads == nullptr) return;
    for (const Head& head : *write.heads)
        if (head.scope == Scope::SYS) actor(SILENT_HOST).learn(head);
}
}  // namespace ptx
