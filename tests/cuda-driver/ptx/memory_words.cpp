// memory_words.cpp: see the header.
#include "memory_words.h"

#include <algorithm>
#include <array>

namespace ptx {
static std::array<u64, 256> all_bits() {
    std::array<u64, 256> bits{};
    for (unsigned mask = 0; mask < 256; ++mask)
        for (unsigned byte = 0; byte < 8; ++byte)
            if (mask >> byte & 1) bits[mask] |= u64{0xff} << byte * 8;
    return bits;
}
static const std::array<u64, 256> BITS = all_bits();
u64 bits_of(u8 mask) { return BITS[mask]; }

// In the largest pieces that the mask has: the bytes between are another's, who may write them meanwhile.
template <class Piece>
static void write_pieces(u64 address, u64 value, u8 mask) {
    constexpr unsigned bytes = sizeof(Piece), whole = (1u << bytes) - 1;
    for (unsigned at = 0; at < 8; at += bytes)
        if ((mask >> at & whole) == whole)
            __atomic_store_n(reinterpret_cast<Piece*>(address + at), Piece(value >> at * 8), __ATOMIC_RELAXED);
}
void write_real(u64 address, u64 value, u8 mask) {
    if (mask == 0xff) return write_pieces<u64>(address, value, mask);
    if (mask == 0x0f || mask == 0xf0) return write_pieces<u32>(address, value, mask);
    const bool half = mask == 0x03 || mask == 0x0c || mask == 0x30 || mask == 0xc0;
    if (half) return write_pieces<std::uint16_t>(address, value, mask);
    write_pieces<u8>(address, value, mask);
}

u64 Word::value_at(u32 seq) const {
    u64 value = base;
    for (const Write& write : writes) {
        if (write.seq > seq) break;
        value = mixed(value, write.value, write.mask);
    }
    return value;
}

Write* Word::find(u32 seq) {
    if (writes.empty() || seq < writes.front().seq || seq > writes.back().seq) return nullptr;
    return &writes[seq - writes.front().seq];
}

Write* Word::seen_at(u32 seq, u8 mask) {
    for (auto write = writes.rbegin(); write != writes.rend(); ++write)
        if (write->seq <= seq && (write->mask & mask) != 0) return &*write;
    return nullptr;
}

Write& Word::append(Write write) {
    if (writes.size() >= WRITES) fold();
    write.seq = next++;
    writes.push_back(std::move(write));
    return writes.back();
}

// The oldest that are visible become the base, but for the newest of each byte: what it hands over is still to be seen.
// One that stays behind takes the number of the one that goes.
void Word::fold() {
    for (std::size_t i = 0; i + WRITES / 2 < writes.size() && writes[i].seq <= visible;) {
        const Write& old = writes[i];
        u8 later = 0;
        for (std::size_t k = i + 1; k < writes.size(); ++k) later |= writes[k].mask;
        if ((old.mask & ~later) != 0) {
            ++i;
            continue;
        }
        base = mixed(base, old.value, old.mask);
        for (std::size_t k = 0; k < i; ++k) {
            writes[k].mask &= u8(~old.mask);
            writes[k].excused = true;
            ++writes[k].seq;
        }
        writes.erase(writes.begin() + std::ptrdiff_t(i));
    }
}

u32 Word::first_of(u8 mask) const {
    if (writes.empty() || writes.front().seq == 1) return oldest();
    for (const Write& write : writes)
        if ((write.mask & mask) != 0) return write.seq;
    return oldest();
}

// From now on the host's writes are looked for; those before are known to all.
void Range::look_at_host() {
    const std::size_t n = words();
    shadow.resize(n);
    host_epoch.resize(n, 0);
    host_mask.resize(n, 0);
    for (std::size_t i = 0; i < n; ++i) shadow[i] = read_real(first() + i * 8);
}

Word* Range::find(u64 address) const {
    const std::size_t i = index(address);
    if (i / PAGE >= pages.size() || pages[i / PAGE] == nullptr) return nullptr;
    return (*pages[i / PAGE])[i % PAGE].get();
}

std::unique_ptr<Word>& Range::place(u64 address) {
    const std::size_t i = index(address);
    if (pages.empty()) pages.resize(words() / PAGE + 1);
    if (pages[i / PAGE] == nullptr) pages[i / PAGE] = std::make_unique<Page>(PAGE);
    return (*pages[i / PAGE])[i % PAGE];
}
}  // namespace ptx
