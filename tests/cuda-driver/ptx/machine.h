// machine.h: runs blocks of a parsed kernel: 32 lanes a warp, each with a pc of its own, in an order that a seed decides.
//
// A step picks a warp and a group of its lanes that have the same pc, or some of that group, and runs a few instructions for
// them. Nothing brings lanes together again but chance and the instructions that wait for lanes. Now and then a warp or a lane
// falls far behind on purpose. What goes wrong ends the block, with the instruction in the outcome's text.
//
// Two ways to use it: add_block and step, by one thread, where the same seed gives the same run; or run_block by one thread for
// each block, while a thread of the machine's own steps them all.
#pragma once
#include <atomic>
#include <condition_variable>
#include <functional>
#include <map>
#include <memory>
#include <mutex>
#include <string>
#include <thread>
#include <vector>

#include "costs.h"
#include "program.h"

namespace ptx {
struct Dim3 {
    u32 x = 1, y = 1, z = 1;
    u64 count() const { return u64(x) * y * z; }
};

// The entry, and the program that it is of, must live until its blocks have ended.
struct Launch {
    const Entry* entry = nullptr;
    std::vector<u8> params;  // Entry::pack
    Dim3 grid, threads;
    u32 shared_bytes = 0;  // dynamic
    u32 device = 0;
};

struct Outcome {
    enum End : u8 {
        RETURNED,
        ILLEGAL_ADDRESS,  // nothing is there, or it is misaligned
        TRAPPED,
        WRONG_SYNC,  // lanes of a mask or a barrier that cannot meet, a shuffle from a lane that is not there
        DEADLOCK,    // no lane can go on, and none sleeps
        RACE,        // the memory found one
        UNSUPPORTED, // seen only when it was executed
        STOPPED,     // by stop_all
    } end = RETURNED;
    std::string text;
};

struct MachineSettings {
    u64 seed = 1;
    u32 multiprocessors = 4;     // blocks go to them in turn
    std::function<u64()> clock;  // nanoseconds; without one the host's CLOCK_MONOTONIC
    u32 tick_ns = 32;            // of %globaltimer
    i64 drift_ppm = 0;           // of %globaltimer against the clock, from the start
    u64 longest_nap_ns = 500000; // with run_block: a block that only polls sleeps up to so long at a time. 0: as it asks
    bool stop_at_race = true;    // else blocks go on, and the memory's races() has them all
    u32 lag_one_in = 1024;       // so often a warp, or some of its lanes, falls far behind
    bool together = false;       // lanes stay together where the code lets them, and nobody falls behind
    std::shared_ptr<Costs> costs;  // of the first warp of the first block: counted there
};

class Stage;

class Machine {
   public:
    static constexpr u64 NEVER = ~u64(0);

    Machine(Memory& memory, const MachineSettings& settings);
    ~Machine();  // nobody may be in run_block: stop_all first
    Machine(const Machine&) = delete;
    Machine& operator=(const Machine&) = delete;

    // The module's variables become memory, and are no more.
    void load(const Program& program);
    void unload(const Program& program);

    // ---- by one thread ----

    // A block that runs with the steps that follow, and its number.
    u64 add_block(const Launch& launch, Dim3 index);
    // Runs so many steps, or fewer if nothing can run. Returns for how many nanoseconds nothing will happen: 0 if something can
    // now, NEVER without blocks.
    u64 step(u64 steps);
    // How that block ended; null while it runs.
    const Outcome* outcome(u64 block) const;

    // ---- by one thread for each block ----

    // Returns when the block has ended.
    Outcome run_block(const Launch& launch, Dim3 index);
    // Ends the blocks of that device where they are: its context died.
    void stop_all(u32 device);
    // Calls `what` while no lane runs: for whoever else touches the memory. Keep it short, a few words of a copy each time.
    void with_memory(const std::function<void(Memory&)>& what);

    void set_clock(u32 tick_ns, i64 drift_ppm);
    void step_clock(i64 by);  // somebody sets %globaltimer
    u64 device_clock_ns();  // %globaltimer
    u64 executed();         // instructions of lanes so far

   private:
    void loop();

    std::unique_ptr<Stage> stage_;
    std::mutex lock_;
    std::condition_variable changed_;
    std::atomic<unsigned> guests_{0};  // who waits for the lock
    bool quits_ = false;
    std::thread thread_;
};
}  // namespace ptx
