// machine.cpp: the machine's door, and its thread.
#include "machine.h"

#include <chrono>

#include "stage.h"

namespace ptx {
Machine::Machine(Memory& memory, const MachineSettings& settings) : stage_(std::make_unique<Stage>(memory, settings)) {}

Machine::~Machine() {
    {
        std::lock_guard<std::mutex> lock(lock_);
        quits_ = true;
    }
    changed_.notify_all();
    if (thread_.joinable()) thread_.join();
}

void Machine::load(const Program& program) {
    with_memory([&](Memory& memory) {
        for (const Variable& v : program.variables) memory.add_range(v.address, (v.bytes + 15) / 16 * 16, false);
    });
}
void Machine::unload(const Program& program) {
    with_memory([&](Memory& memory) {
        for (const Variable& v : program.variables) memory.remove_range(v.address);
    });
}

u64 Machine::add_block(const Launch& launch, Dim3 index) { return stage_->add(launch, index); }
u64 Machine::step(u64 steps) { return stage_->step(steps); }
const Outcome* Machine::outcome(u64 block) const { return stage_->outcome(block); }

Outcome Machine::run_block(const Launch& launch, Dim3 index) {
    ++guests_;
    std::unique_lock<std::mutex> lock(lock_);
    --guests_;
    u64 block = stage_->add(launch, index);
    if (!thread_.joinable()) thread_ = std::thread([this] { loop(); });
    changed_.notify_all();
    changed_.wait(lock, [&] { return stage_->outcome(block) != nullptr; });
    return stage_->take(block);
}

void Machine::stop_all(u32 device) {
    with_memory([&](Memory&) { stage_->stop(device); });
    changed_.notify_all();
}

void Machine::with_memory(const std::function<void(Memory&)>& what) {
    ++guests_;
    std::lock_guard<std::mutex> lock(lock_);
    --guests_;
    what(stage_->memory);
}

void Machine::set_clock(u32 tick_ns, i64 drift_ppm) {
    with_memory([&](Memory&) { stage_->clock.set(tick_ns, drift_ppm); });
}
void Machine::step_clock(i64 by) {
    with_memory([&](Memory&) { stage_->clock.step(by); });
}
u64 Machine::device_clock_ns() {
    u64 ns = 0;
    with_memory([&](Memory&) { ns = stage_->clock.device_ns(); });
    return ns;
}
u64 Machine::executed() {
    u64 count = 0;
    with_memory([&](Memory&) { count = stage_->executed; });
    return count;
}

void Machine::loop() {
    constexpr u64 STEPS = 64, IDLE_STEPS = 1024;
    std::unique_lock<std::mutex> lock(lock_);
    while (!quits_) {
        u64 ended = stage_->ended;
        u64 idle = stage_->step(STEPS);
        if (stage_->ended != ended) changed_.notify_all();
        if (idle == NEVER) {
            changed_.wait(lock);
        } else if (idle != 0) {
            // Stores become visible with the steps: where there are few, they would stay behind for longer than any GPU's do.
            for (u64 step = 0; step < IDLE_STEPS; ++step) stage_->memory.step();
            changed_.wait_for(lock, std::chrono::nanoseconds(idle));
        } else if (guests_ != 0) {
            // The lock alone would come back to this thread before anybody else has it.
            lock.unlock();
            for (int patience = 0; guests_ != 0 && patience < 100; ++patience) std::this_thread::yield();
            lock.lock();
        }
    }
}
}  // namespace ptx
