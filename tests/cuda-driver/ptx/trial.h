// trial.h: one run of a kernel with the weak memory, by a seed, and what was wrong with it.
#pragma once
#include "whole.h"

namespace trial {
using namespace ptx;

struct Wrong {
    enum Kind : u8 { NOTHING, RACE, REPLY, COUNT, HANG, SYNC, FAULT } kind = NOTHING;
    std::string text;
};
inline const char* name_of(Wrong::Kind kind) {
    static const char* const names[] = {"nothing", "race", "wrong reply", "wrong count", "hang", "wrong sync", "fault"};
    return names[kind];
}

// Independent draws of one seed.
class Draw {
   public:
    explicit Draw(u64 seed) : state_(seed * 0x9e3779b97f4a7c15ull + 1) {}
    u64 operator()(u64 below) {
        u64 x = state_ += 0x9e3779b97f4a7c15ull;
        x = (x ^ (x >> 30)) * 0xbf58476d1ce4e5b9ull;
        x = (x ^ (x >> 27)) * 0x94d049bb133111ebull;
        return ((x ^ (x >> 31)) >> 16) % below;
    }

   private:
    u64 state_;
};

// What a machine and its memory found, after all blocks have ended or were given up.
Wrong of_machine(const Memory& memory, const Machine& machine, const std::vector<u64>& blocks);

// Whether something went wrong already: nobody waits for the rest.
bool is_over(const Memory& memory, const Machine& machine, const std::vector<u64>& blocks);

// Level 1 or 2 of crc32c, echo, vector_add or compute. `lanes` is added to: the instructions of lanes that ran.
class RingTrial {
   public:
    RingTrial(const Program& program, const std::string& kernel, unsigned level);
    Wrong run(u64 seed, u64& lanes) const;

   private:
    const Program& program_;
    std::string kernel_;
    unsigned level_;
    std::vector<std::pair<u32, std::vector<u8>>> expected_;  // status and bytes
};

// probe_metrics_l2: metrics of one's own by threads, by warps, in shared memory.
class ProbeTrial {
   public:
    explicit ProbeTrial(const Program& program, unsigned level);
    Wrong run(u64 seed, u64& lanes) const;

   private:
    const Program& program_;
    unsigned level_;
};
}  // namespace trial
