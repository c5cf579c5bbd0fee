// message.cuh: what the handler of a ring is given, and the words of its payload. Included by ring.cuh.
#ifndef RINGSCOPE_MESSAGE_CUH
#define RINGSCOPE_MESSAGE_CUH

namespace ringscope {
inline namespace RINGSCOPE_LEVEL_NAMESPACE {

// The first line of a message's slot comes with its header, in one trip over the link, into shared memory. What it has of the
// payload, 96 bytes, the calls below hand out without another trip to the warp that took the message; reading through `data` is
// one, and so is a call by another warp of the block. A host device has neither link nor lanes, and reads memory.
struct Message {
    ringscope_u64 seq;         // number of the message in its ring, from 0
    const ringscope_u8* data;  // 16-byte aligned, in host memory
    ringscope_u32 bytes;
    // For ring.cuh: how many 16-byte words of the payload lie in shared memory, and where.
    ringscope_u32 line_words = 0;
    const Word16* line = nullptr;

    // 16-byte words of the payload; the last one may have bytes that are of no message.
    RINGSCOPE_INLINE ringscope_u32 words() const { return (bytes + 15) / 16; }
    // The payload's word of that number, each lane its own; zeros behind the last.
    RINGSCOPE_INLINE Word16 word(ringscope_u32 number) const {
        Word16 there = {0, 0, 0, 0};
        if (number < line_words) there = line[number];
        else if (number < words()) there = reinterpret_cast<const Word16*>(data)[number];
        return there;
    }
    // A row is a word of each lane. `Count` rows from word `first` on, which is the first of a row: lane i gets the words
    // first + i, first + i + LANES_PER_WARP and so on, all of them on their way at the same time.
    template <ringscope_u32 Count>
    RINGSCOPE_INLINE void rows(ringscope_u32 first, Word16 (&into)[Count]) const {
        const Word16* from = reinterpret_cast<const Word16*>(data);
        const ringscope_u32 mine = first + lane_index(), end = words();
        RINGSCOPE_UNROLL
        for (ringscope_u32 k = 1; k < Count; ++k) into[k] = Word16{0, 0, 0, 0};
        if (first + LANES_PER_WARP < end) {  // a short message is done with one comparison
            RINGSCOPE_UNROLL
            for (ringscope_u32 k = 1; k < Count; ++k)
                if (mine + k * LANES_PER_WARP < end) into[k] = from[mine + k * LANES_PER_WARP];
        }
        if (first == 0) {
            into[0] = word(mine);
        } else {
            into[0] = Word16{0, 0, 0, 0};
            if (mine < end) into[0] = from[mine];
        }
    }
    // The element of that number of a payload that is an array of 4-byte values, each lane its own; of those behind the
    // last one, anything. Memory behind the payload's last word of 16 bytes is not read.
    template <class Value>
    RINGSCOPE_INLINE Value element(ringscope_u32 number) const {
        static_assert(sizeof(Value) == 4, "elements of 4 bytes");
        Bits<Value> bits = {0};
        if (number / 4 < line_words) bits.word = reinterpret_cast<const ringscope_u32*>(line)[number];
        else if (number / 4 < words()) bits.value = reinterpret_cast<const Value*>(data)[number];
        return bits.value;
    }
    // What the payload begins with, plain data, the same in all lanes. The payload is at least that long.
    template <class Value>
    RINGSCOPE_INLINE Value value() const {
        static_assert(alignof(Value) <= 16, "a payload is aligned to 16 bytes");
#if RINGSCOPE_CUDA
        union Both {
            Word16 words[(sizeof(Value) + 15) / 16];
            Value value;
            RINGSCOPE_INLINE Both() {}
        } both;
        RINGSCOPE_UNROLL
        for (ringscope_u32 k = 0; k < (sizeof(Value) + 15) / 16; ++k) both.words[k] = word(k);
        return both.value;
#else
        Value value;
        __builtin_memcpy(&value, data, sizeof value);
        return value;
#endif
    }

    // Rows that are best read together: as many loads as hide a trip over the link. A host device has none.
    static constexpr ringscope_u32 ROWS = LANES_PER_WARP > 1 ? 8 : 1;

   private:
    template <class Value>
    union Bits {
        ringscope_u32 word;
        Value value;
    };
};

}  // inline namespace
}  // namespace ringscope

#endif  // RINGSCOPE_MESSAGE_CUH
