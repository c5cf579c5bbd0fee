// stage.h: the blocks that run, and who of them goes next.
#pragma once
#include "block.h"

namespace ptx {
class Stage {
   public:
    Stage(Memory& memory, const MachineSettings& settings);
    ~Stage();

    u64 add(const Launch& launch, Dim3 index);
    u64 step(u64 steps);  // as Machine::step
    void stop(u32 device);
    // Null while it runs; what was taken is forgotten.
    const Outcome* outcome(u64 block) const;
    Outcome take(u64 block);

    Memory& memory;
    MachineSettings settings;
    DeviceClock clock;
    u64 executed = 0;
    u64 ended = 0;  // blocks so far

   private:
    bool step_once();  // whether anything could run
    bool step_of(Block& block, u64 now, bool respect_lags);
    u32 pick(Warp& w, u32 ready);
    void lag(Warp& w);
    void run(Block& block, Warp& w, u32 lanes);
    void finish(Block& block, Outcome::End end, const std::string& text);
    u64 next_wake(u64 now) const;

    Random random_;
    u64 now_step_ = 0, next_block_ = 1, next_multiprocessor_ = 0, races_ = 0;
    std::vector<std::unique_ptr<Block>> blocks_;
    std::map<u64, Outcome> outcomes_;
};
}  // namespace ptx
