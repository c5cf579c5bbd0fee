// records.h: who reads a ring of events and spans, by the protocol of abi.h; and the same with a part of it left out, to see
// that a test would find that.
#pragma once
#include <ringscope/abi.h>

#include <vector>

#include "memory.h"

namespace records {
using ptx::u32;
using ptx::u64;

struct Record {
    u64 number = 0, time = 0;
    u32 payload = 0, name = 0, kind = 0;
};

// What it looks at: all of it, or it is wrong.
struct Looks {
    bool first = true, second = true;  // at the stamps of these words
    bool trust = true;                 // how far the ring is when the words were copied
    bool from_lap_1 = true;
};

class Decoder {
   public:
    explicit Decoder(u32 records, u64 next = 0, Looks looks = {}) : records_(records), next_(next), first_(next), looks_(looks) {}

    // `before` is the ring's head as it was copied before any of the words, `after` as it was after all of them.
    void take(u64 before, const std::vector<u64>& words, u64 after) {
        if (before > next_ + records_) lose_up_to(before - records_);
        for (; next_ < before; ++next_) {
            const u64* word = &words[next_ % records_ * RINGSCOPE_RECORD_WORDS];
            int first = looks_.first ? age(word[0]) : 0, second = looks_.second ? age(word[1]) : 0;
            bool overtaken = looks_.trust && after - next_ >= RINGSCOPE_TRUSTED_RECORDS;
            if (overtaken || first > 0 || second > 0) ++lost;
            else if (first < 0 || second < 0) return;  // not visible yet
            else read.push_back(record(word));
        }
    }
    u64 handled() const { return next_ - first_; }

    std::vector<Record> read;
    u64 lost = 0;

   private:
    void lose_up_to(u64 number) {
        lost += number - next_;
        next_ = number;
    }
    // Of the record that is there against the one that is looked for: 0 is that one, above it is newer.
    int age(u64 word) const {
        u64 expected = looks_.from_lap_1 ? next_ + records_ : next_;
        return static_cast<std::int16_t>(static_cast<std::uint16_t>(word - expected));
    }
    Record record(const u64* word) const {
        Record r;
        r.number = next_;
        r.time = word[0] >> RINGSCOPE_STAMP_BITS;
        r.payload = static_cast<u32>(word[1] >> 32);
        r.name = static_cast<u32>(word[1] >> 20) & ((1u << RINGSCOPE_NAME_BITS) - 1);
        r.kind = static_cast<u32>(word[1] >> RINGSCOPE_STAMP_BITS) & 0xf;
        return r;
    }

    u32 records_;
    u64 next_, first_;
    Looks looks_;
};
}  // namespace records
