// memory_words.h: one word of memory and what is remembered of it, and the ranges that have words.
#pragma once
#include "memory_clocks.h"

namespace ptx {
// A bit for each byte of a word, and the bits of those bytes.
inline u8 mask_of(const Access& access) { return u8(((1u << access.bytes) - 1) << (access.address & 7)); }
u64 bits_of(u8 mask);
inline u64 mixed(u64 below, u64 above, u8 mask) { return (below & ~bits_of(mask)) | (above & bits_of(mask)); }

// The memory itself, in which the host writes at the same time.
inline u64 read_real(u64 address) { return __atomic_load_n(reinterpret_cast<const u64*>(address), __ATOMIC_RELAXED); }
void write_real(u64 address, u64 value, u8 mask);

// What one access was, for judging whether another one races with it.
struct Stamp {
    const Life* by = nullptr;
    const char* site = "";
    u64 value = 0;  // in place: the bytes of `mask`
    Epoch epoch = 0;
    u8 mask = 0xff;
    bool strong = false;
    bool acquires = false;
    Scope scope = Scope::CTA;
};

struct Write : Stamp {
    u32 seq = 0;             // its place in the word's modification order
    HeadsRef heads;          // what an acquire that sees it learns
    bool rmw = false;        // it saw the write before it
    bool unheard = false;    // the host's, found by comparing: what the host did before it is not known yet
    bool excused = false;    // who observed it has been forgotten: not reported any more
};

struct Read : Stamp {
    u32 seen = 0;     // strong loads: the write that it saw last
    Epoch first = 0;  // and since when
};

struct Range;

// A word that a device has touched.
class Word {
   public:
    static constexpr std::size_t WRITES = 8, READS = 16;

    Word(u64 at, Range* in, u64 value) : address(at), range(in), base(value) {}

    u32 newest() const { return next - 1; }
    u32 oldest() const { return writes.empty() ? newest() : writes.front().seq - 1; }  // the base's number
    u64 value_at(u32 seq) const;
    Write* find(u32 seq);
    // The write that a load of those bytes sees, of those up to `seq`; null: the base.
    Write* seen_at(u32 seq, u8 mask);
    Write& append(Write write);
    // The oldest cut that shows those bytes by a write that is remembered, if there is one.
    u32 first_of(u8 mask) const;

    const u64 address;
    Range* const range;
    u64 base;               // below the writes that are remembered
    u32 next = 1;
    u32 visible = 0;        // up to this number the writes are in the real memory
    u32 seen_floor = 0;     // strong loads saw this, by whom is forgotten
    std::vector<Write> writes;
    std::vector<Read> reads;

   private:
    void fold();
};

// What exists from one address on.
struct Range {
    static constexpr std::size_t PAGE = 512;  // words
    using Page = std::vector<std::unique_ptr<Word>>;

    u64 base = 0;
    u64 bytes = 0;
    bool pinned = false;
    std::vector<std::unique_ptr<Page>> pages;
    // Of pinned memory that a device has touched, by word: what the machine last knew of the host's memory; when it
    // found the host's latest write, and which bytes that was.
    std::vector<u64> shadow;
    std::vector<Epoch> host_epoch;
    std::vector<u8> host_mask;

    bool has(u64 address, u64 n) const {
        return address >= base && address - base < bytes && n <= bytes - (address - base);
    }
    u64 first() const { return base & ~u64{7}; }
    std::size_t index(u64 address) const { return std::size_t((address - first()) >> 3); }
    std::size_t words() const { return index(base + bytes - 1) + 1; }
    Word* find(u64 address) const;
    std::unique_ptr<Word>& place(u64 address);
    void look_at_host();
    void forget_words() { pages.clear(); }
};
}  // namespace ptx
