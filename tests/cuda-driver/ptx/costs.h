// costs.h: what a warp waits for, counted: how many trips over the link and to the L2 follow one another, not how long they take.
//
// A load's result is on its way until an instruction uses it: then the lane has made a trip. Loads that are on their way together
// are one trip. Lanes that meet are as far as the furthest. An acquire waits for its own result, a fence for all that are on their
// way. Strong accesses of device memory and atomics with a result go to the L2; what is weak there is taken to be in the L1.
#pragma once
#include <algorithm>
#include <vector>

#include "memory.h"

namespace ptx {
struct Counts {
    u64 trips = 0;  // over the link
    u64 l2 = 0;     // to the L2 and back
    u64 fences = 0; // of the system
    u64 instructions = 0;

    Counts operator-(const Counts& o) const { return {trips - o.trips, l2 - o.l2, fences - o.fences, instructions - o.instructions}; }
    Counts& operator+=(const Counts& o) { return *this = {trips + o.trips, l2 + o.l2, fences + o.fences, instructions + o.instructions}; }
};

// Of one warp, by the machine's lock.
class Costs {
   public:
    // What it did to the host's memory with strong accesses, and when it slept, with what it had cost until then.
    struct Mark {
        enum Kind : u8 { LOAD, STORE, SLEEP } kind;
        u64 address, value;
        Counts before;
    };
    std::vector<Mark> marks;
    u64 acquires = 0;

    Counts counts() const {
        Counts all{0, 0, fences_, instructions_};
        for (const Lane& lane : lanes_) all.trips = std::max(all.trips, lane.now.link), all.l2 = std::max(all.l2, lane.now.l2);
        return all;
    }
    void begin(u32 registers) { ready_.resize(u64(std::max(registers, 1u)) * LANES); }
    void instruction() { ++instructions_; }
    void fence(u32 lane, bool first) {
        fences_ += first;
        lanes_[lane].now = lanes_[lane].latest;
    }
    void used(u32 slot, u32 lane) { lanes_[lane].now.raise(at(slot, lane)); }
    void written(u32 slot, u32 lane) { at(slot, lane) = lanes_[lane].now; }
    void loaded(u32 slot, u32 lane, bool link, bool waits) {
        Lane& by = lanes_[lane];
        When when = by.now;
        ++(link ? when.link : when.l2);
        at(slot, lane) = when;
        by.latest.raise(by.now);
        by.latest.raise(when);
        if (waits) by.now.raise(when);
    }
    void meet(u32 lanes) {
        When all;
        for (u32 lane = 0; lane < LANES; ++lane)
            if (lanes >> lane & 1) all.raise(lanes_[lane].now);
        for (u32 lane = 0; lane < LANES; ++lane)
            if (lanes >> lane & 1) lanes_[lane].now = all, lanes_[lane].latest.raise(all);
    }

   private:
    static constexpr u32 LANES = 32;
    struct When {
        u64 link = 0, l2 = 0;
        void raise(const When& o) { link = std::max(link, o.link), l2 = std::max(l2, o.l2); }
    };
    struct Lane {
        When now, latest;  // when all that it asked for will have come
    };
    When& at(u32 slot, u32 lane) { return ready_[u64(slot) * LANES + lane]; }

    Lane lanes_[LANES];
    std::vector<When> ready_;
    u64 fences_ = 0, instructions_ = 0;
};
}  // namespace ptx
