// block.h: what a running block consists of, and what its instructions see of the world.
#pragma once
#include <cstdlib>

#include "machine.h"

namespace ptx {
constexpr u32 LANES = 32;
constexpr u32 BARRIERS = 16;

// Ends a block.
struct Fault {
    Outcome::End end;
    std::string text;
};

class Random {
   public:
    explicit Random(u64 seed) : state_(seed * 0x9e3779b97f4a7c15u + 0x2545f4914f6cdd1du) {}
    u64 next() {
        state_ ^= state_ << 13;
        state_ ^= state_ >> 7;
        state_ ^= state_ << 17;
        return (state_ * 0x2545f4914f6cdd1du) >> 16;
    }
    u32 below(u32 n) { return static_cast<u32>((next() & 0xffffffff) * n >> 32); }
    bool one_in(u32 n) { return below(n) == 0; }

   private:
    u64 state_;
};

class DeviceClock {
   public:
    explicit DeviceClock(const MachineSettings& settings);
    u64 host_ns() const { return now_(); }
    u64 device_ns() const;
    void set(u32 tick_ns, i64 drift_ppm);
    void step(i64 by) { device_start_ += static_cast<u64>(by); }

   private:
    std::function<u64()> now_;
    u64 host_start_, device_start_;
    u32 tick_ns_;
    i64 drift_ppm_;
};

struct Barrier {
    u32 expected = 0;  // threads; 0: all that have not exited
    u32 arrived = 0;
};

struct Warp {
    u32 number = 0;  // in its block
    u32 exists = 0;  // the block's last warp may have fewer lanes
    // Each lane is in exactly one of these, or has exited.
    u32 ready = 0, sleeping = 0, meeting = 0, barred = 0;
    u32 pc[LANES] = {};
    u64 wake_ns[LANES] = {};
    u64 next_wake_ns = 0;  // the earliest
    u32 mask[LANES] = {};  // whom a meeting lane waits for
    u8 barrier[LANES] = {};
    Agent agent[LANES] = {};
    // Lanes that are left alone until that step, if there is anything else to do.
    u32 lagging = 0;
    u64 lags_until = 0;
    std::shared_ptr<Costs> costs;

    u32 alive() const { return ready | sleeping | meeting | barred; }
    u64& at(u32 slot, u32 lane) { return registers[u64(slot) * LANES + lane]; }

    struct Free {
        void operator()(u64* memory) const { std::free(memory); }
    };
    std::unique_ptr<u64[], Free> registers;
};

struct Block {
    u64 number = 0;
    Launch launch;
    Dim3 index;
    u32 multiprocessor = 0;
    std::vector<Warp> warps;
    Barrier barriers[BARRIERS];
    std::vector<u64> shared;  // static and dynamic
    u64 shared_bytes = 0, dynamic_shared = 0;
    std::vector<u64> local;  // of all lanes, one behind the other
    u64 local_stride = 0;
    u64 executed = 0, executed_at_sleep = 0, nap_ns = 0;
    bool races_seen = false;

    const std::vector<Instruction>& code() const { return launch.entry->code; }
    u64 shared_address() const { return reinterpret_cast<u64>(shared.data()); }
    u64 local_address(const Warp& w, u32 lane) const {
        return reinterpret_cast<u64>(local.data()) + (u64(w.number) * LANES + lane) * local_stride;
    }
};

// Runs instructions for lanes of one warp.
class Execution {
   public:
    Execution(Memory& memory, DeviceClock& clock, Random& random, const MachineSettings& settings, u64 blocks, Block& block, Warp& warp)
        : memory_(memory), clock_(clock), random_(random), settings_(settings), blocks_(blocks), block_(block), w_(warp) {}

    // For lanes with the same pc, until they part, wait or sleep, or have run so many. Throws Fault.
    void run(u32 lanes, unsigned instructions);

    // Where lanes wait, for the report of a deadlock.
    static std::string where_they_wait(const Block& block);

   private:
    // warp.cpp
    u32 guarded(const Instruction& i, u32 lanes);
    bool execute(const Instruction& i, u32 lanes, u32 active, u32& pc);  // whether the lanes stay together
    void compute(const Instruction& i, u32 active);
    void move(const Instruction& i, u32 active);
    void convert_address(const Instruction& i, u32 active);
    void sleep(const Instruction& i, u32 active);
    void exit(u32 active);
    u64 special(Special what, u32 lane) const;
    u64 value(const Operand& o, u32 lane);
    void put(const Operand& to, u32 lane, u64 value) {
        if (to.kind != Operand::REGISTER) return;
        w_.at(to.slot, lane) = value;
        if (w_.costs != nullptr) w_.costs->written(to.slot, lane);
    }
    void place(u32 lanes, u32 pc);
    [[noreturn]] void fault(Outcome::End end, const Instruction& i, u32 lane, const std::string& why) const;

    // access.cpp
    void access(const Instruction& i, u32 active);
    u64 address_of(const Instruction& i, u32 lane, u64 bytes, bool& direct);
    void load(const Instruction& i, u32 lane);
    void store(const Instruction& i, u32 lane);
    void atomic(const Instruction& i, u32 lane);
    bool is_in(const Instruction& i, u32 lane, u64 address);
    void count_load(const Instruction& i, u32 lane, u8 part, u64 address, u64 value);

    // sync.cpp
    void meet(const Instruction& i, u32 active);
    void try_meeting(u32 lane);
    void complete(u32 lanes);
    void shuffle(u32 lanes);
    void reduce(u32 lanes);
    void vote(u32 lanes);
    void match(u32 lanes);
    void arrive(const Instruction& i, u32 active);
    void try_barrier(u32 number);
    void pass_barrier(u32 number);
    const Instruction& at(const Warp& w, u32 lane) const { return block_.code()[w.pc[lane]]; }

    Memory& memory_;
    DeviceClock& clock_;
    Random& random_;
    const MachineSettings& settings_;
    u64 blocks_;  // that run
    Block& block_;
    Warp& w_;
};

// Calls f(lane) for each lane of a mask.
template <class F>
void each(u32 lanes, F f) {
    for (; lanes != 0; lanes &= lanes - 1) f(static_cast<u32>(__builtin_ctz(lanes)));
}
}  // namespace ptx
