// ring_clock.h: a kernel's clock that somebody sets, and what its blocks may answer who ask for the time.
#pragma once
#include <map>

#include "trial.h"

namespace trial {
constexpr u32 TICK_NS = 32;

// %globaltimer, by the time of the trial, which goes on.
class SetClock {
   public:
    u64 at(u64 now) const { return now + ahead_; }
    // The latest that it has read so far.
    u64 latest(u64 now) const { return std::max(latest_, at(now)); }
    // Before anything runs.
    void begin(Machine& machine, u64 ahead) {
        ahead_ = ahead;
        machine.step_clock(static_cast<i64>(ahead));
    }
    void step(Machine& machine, i64 by, u64 now) {
        latest_ = latest(now);
        ahead_ += static_cast<u64>(by);
        if (by > 0) forth_ += static_cast<u64>(by);
        machine.step_clock(by);
    }
    // What times that do not overlap amount to at most, where none of them is negative, in a trial that took so long.
    u64 most(u64 passed) const { return passed + forth_ + TICK_NS; }

   private:
    u64 ahead_ = 0, latest_ = 0, forth_ = 0;
};

// The clock's answer: its number is of a command that was written, its time one that the clock read between that and now.
class ClockQuestions {
   public:
    void written(u64 generation, u64 time) { asked_[generation / 4] = {time, time}; }
    void stepped(u64 before, u64 after) {
        for (auto& [number, read] : asked_) read = {std::min(read.least, after), std::max(read.most, before)};
    }
    void look(u64 answer, u64 time) {
        if (answer == 0) return;
        const u64 bits = u64(1) << RINGSCOPE_CLOCK_BITS;
        auto asked = asked_.find(answer / bits);
        bench::check(asked != asked_.end(), "an answer of the clock to no question");
        if (asked == asked_.end()) return;
        const Read& read = asked->second;
        bench::check(answer % bits + TICK_NS > read.least && answer % bits <= std::max(read.most, time), "an answer of the clock from another time");
    }

   private:
    struct Read {
        u64 least, most;
    };
    std::map<u64, Read> asked_;
};
}  // namespace trial
