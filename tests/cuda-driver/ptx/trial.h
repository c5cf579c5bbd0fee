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

// What a machine and its memory found, after all blocks have ended or were given up. `may_die`: blocks were made to.
Wrong of_machine(const Memory& memory, const Machine& machine, const std::vector<u64>& blocks, bool may_die = false);

// Whether something went wrong already: nobody waits for the rest.
bool is_over(const Memory& memory, const Machine& machine, const std::vector<u64>& blocks);

// A part of the host's protocol that is left out, to see that this is found.
enum class Breach : u8 {
    NONE,
    WORD_BEFORE_COPIES,  // the tail is posted, then the messages are copied
    WORD_WITHOUT_FENCE,  // nothing orders the tail behind the copies
    COMMAND_OVERTAKES,   // a command does not wait for the messages before it
    SLOT_TOO_SOON,       // a slot is staged again that was not given back
};

// What happens in a run besides. As it is: messages in mapped memory, a kernel that ends when it is told to, a clock that goes on.
struct Besides {
    bool in_device = false;    // messages are in device memory
    bool dies = false;         // the kernel traps, or is stopped, somewhere
    bool steps_clock = false;  // its clock is set, back and forth, above all while the ring of replies is full
    Breach breach = Breach::NONE;
};
// What runs came to: without it a trial shows nothing.
struct Seen {
    u64 fed = 0;            // messages in device memory
    u64 deaths = 0, unpublished = 0, half_written = 0;  // replies that died with their kernel, handled or begun
    u64 waits = 0, steps = 0;                           // for room; of the clock, while a block did
};

// Any level of crc32c, echo, vector_add or compute. `lanes` is added to: the instructions of lanes that ran.
class RingTrial {
   public:
    RingTrial(const Program& program, const std::string& kernel, unsigned level);
    Wrong run(u64 seed, u64& lanes) const;
    Wrong run(u64 seed, u64& lanes, const Besides& besides, Seen& seen) const;

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
