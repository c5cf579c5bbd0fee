// stage.cpp: which lanes go next. Seeded, fair in the long run, and sometimes unfair on purpose.
#include "stage.h"

#include <algorithm>
#include <cstring>
#include <ctime>

namespace ptx {
namespace {
constexpr u32 LONGEST_RUN = 16;      // instructions that a group runs before another may
constexpr u32 SPLIT_ONE_IN = 32;     // a group is split, though its lanes have the same pc
constexpr u32 LONGEST_LAG = 4096;    // steps

u64 monotonic_ns() {
    timespec t;
    clock_gettime(CLOCK_MONOTONIC, &t);
    return static_cast<u64>(t.tv_sec) * 1000000000u + static_cast<u64>(t.tv_nsec);
}
u64 next_number() {
    static std::atomic<u64> next{1};  // of all machines of the process, as the memory wants it
    return next++;
}
}  // namespace

DeviceClock::DeviceClock(const MachineSettings& settings)
    : now_(settings.clock ? settings.clock : monotonic_ns), host_start_(now_()), device_start_(host_start_),
      tick_ns_(std::max(settings.tick_ns, 1u)), drift_ppm_(settings.drift_ppm) {}

u64 DeviceClock::device_ns() const {
    i64 passed = static_cast<i64>(now_() - host_start_);
    // Whole milliseconds first: an hour in nanoseconds, times parts in a million, would leave 64 bits soon.
    i64 drift = passed / 1000000 * drift_ppm_ + passed % 1000000 * drift_ppm_ / 1000000;
    u64 ns = device_start_ + static_cast<u64>(passed + drift);
    return ns - ns % tick_ns_;
}
void DeviceClock::set(u32 tick_ns, i64 drift_ppm) {
    tick_ns_ = 1;
    device_start_ = device_ns();
    host_start_ = now_();
    tick_ns_ = std::max(tick_ns, 1u);
    drift_ppm_ = drift_ppm;
}

Stage::Stage(Memory& m, const MachineSettings& s) : memory(m), settings(s), clock(s), random_(s.seed) {
    races_ = memory.races().size();
}
Stage::~Stage() {
    while (!blocks_.empty()) finish(*blocks_.back(), Outcome::STOPPED, "the machine is gone");
}

u64 Stage::add(const Launch& launch, Dim3 index) {
    auto made = std::make_unique<Block>();
    Block& b = *made;
    const Entry& entry = *launch.entry;
    b.number = next_number();
    b.launch = launch;
    b.launch.params.resize(entry.param_bytes);
    b.index = index;
    b.multiprocessor = static_cast<u32>(next_multiprocessor_++ % std::max(settings.multiprocessors, 1u));
    b.dynamic_shared = (entry.shared_bytes + 15u) / 16 * 16;
    b.shared_bytes = launch.shared_bytes == 0 ? entry.shared_bytes : b.dynamic_shared + launch.shared_bytes;
    // Whatever was there before: nobody may count on it.
    b.shared.resize((b.shared_bytes + 7) / 8 + 1);
    for (u64& word : b.shared) word = random_.next() * 0x100000001u;
    memory.add_range(b.shared_address(), b.shared.size() * 8, false);
    u64 threads = launch.threads.count();
    b.local_stride = (entry.local_bytes + 15u) / 16 * 16;
    b.warps.resize((threads + LANES - 1) / LANES);
    b.local.resize(b.local_stride / 8 * b.warps.size() * LANES + 1);
    Standing standing;
    standing.device = launch.device;
    standing.block = b.number;
    std::vector<Standing> standings;
    for (; standing.thread < threads; ++standing.thread) standings.push_back(standing);
    std::vector<Agent> agents = memory.begin(standings);
    for (u32 n = 0; n < b.warps.size(); ++n) {
        Warp& w = b.warps[n];
        w.number = n;
        u64 left = threads - u64(n) * LANES;
        w.ready = w.exists = left >= LANES ? ~0u : (1u << left) - 1;
        w.registers.reset(static_cast<u64*>(std::calloc(std::max(entry.registers, 1u) * u64(LANES), sizeof(u64))));
        each(w.exists, [&](u32 lane) { w.agent[lane] = agents[n * LANES + lane]; });
        if (n == 0 && settings.costs != nullptr && outcomes_.empty() && blocks_.empty()) (w.costs = settings.costs)->begin(entry.registers);
    }
    blocks_.push_back(std::move(made));
    return b.number;
}

void Stage::finish(Block& block, Outcome::End end, const std::string& text) {
    for (Warp& w : block.warps)
        each(w.exists, [&](u32 lane) {
            if (end == Outcome::TRAPPED) memory.lose(w.agent[lane]);
            memory.end(w.agent[lane]);
        });
    memory.remove_range(block.shared_address());
    outcomes_[block.number] = {end, text};
    ++ended;
    blocks_.erase(std::find_if(blocks_.begin(), blocks_.end(), [&](auto& one) { return one.get() == &block; }));
}

void Stage::stop(u32 device) {
    for (size_t n = blocks_.size(); n-- > 0;)
        if (blocks_[n]->launch.device == device) finish(*blocks_[n], Outcome::STOPPED, "");
}
const Outcome* Stage::outcome(u64 block) const {
    auto found = outcomes_.find(block);
    return found == outcomes_.end() ? nullptr : &found->second;
}
Outcome Stage::take(u64 block) {
    Outcome outcome = outcomes_[block];
    outcomes_.erase(block);
    return outcome;
}

u64 Stage::step(u64 steps) {
    while (steps-- > 0) {
        if (blocks_.empty()) return Machine::NEVER;
        if (!step_once()) return next_wake(clock.host_ns());
    }
    return blocks_.empty() ? Machine::NEVER : 0;
}

bool Stage::step_once() {
    ++now_step_;
    memory.step();
    u64 now = clock.host_ns();
    size_t first = random_.below(static_cast<u32>(blocks_.size()));
    for (bool respect_lags : {true, false})
        for (size_t n = 0; n < blocks_.size(); ++n)
            if (step_of(*blocks_[(first + n) % blocks_.size()], now, respect_lags)) return true;
    return false;
}

bool Stage::step_of(Block& block, u64 now, bool respect_lags) {
    u32 first = random_.below(static_cast<u32>(block.warps.size()));
    for (size_t n = 0; n < block.warps.size(); ++n) {
        Warp& w = block.warps[(first + n) % block.warps.size()];
        if (w.sleeping != 0 && w.next_wake_ns <= now) {
            u32 woken = 0;
            each(w.sleeping, [&](u32 lane) { woken |= u32(w.wake_ns[lane] <= now) << lane; });
            w.sleeping &= ~woken;
            w.ready |= woken;
            w.next_wake_ns = Machine::NEVER;
            each(w.sleeping, [&](u32 lane) { w.next_wake_ns = std::min(w.next_wake_ns, w.wake_ns[lane]); });
        }
        u32 ready = w.ready & ~(respect_lags && now_step_ < w.lags_until ? w.lagging : 0);
        if (ready == 0) continue;
        run(block, w, pick(w, ready));
        return true;
    }
    return false;
}

// Half of the time whoever is furthest behind in the code, so that those who parted meet again; half of the time anybody.
u32 Stage::pick(Warp& w, u32 ready) {
    if (!settings.together && random_.one_in(settings.lag_one_in)) lag(w);
    u32 lane = static_cast<u32>(__builtin_ctz(ready));
    if (settings.together || random_.one_in(2)) {
        each(ready, [&](u32 other) { lane = w.pc[other] < w.pc[lane] ? other : lane; });
    } else {
        u32 left = ready;
        for (u32 skip = random_.below(static_cast<u32>(__builtin_popcount(ready))); skip > 0; --skip) left &= left - 1;
        lane = static_cast<u32>(__builtin_ctz(left));
    }
    u32 group = 0;
    each(ready, [&](u32 other) { group |= u32(w.pc[other] == w.pc[lane]) << other; });
    if (!settings.together && random_.one_in(SPLIT_ONE_IN)) group &= static_cast<u32>(random_.next()) | 1u << lane;
    return group;
}

void Stage::lag(Warp& w) {
    w.lagging = random_.one_in(2) ? ~0u : random_.one_in(2) ? 1u << random_.below(LANES) : static_cast<u32>(random_.next());
    w.lags_until = now_step_ + 1 + random_.below(LONGEST_LAG);
}

void Stage::run(Block& block, Warp& w, u32 lanes) {
    u64 before = block.executed;
    try {
        Execution(memory, clock, random_, settings, blocks_.size(), block, w).run(lanes, 1 + random_.below(LONGEST_RUN));
        executed += block.executed - before;
        if (settings.stop_at_race && memory.races().size() > races_) {
            races_ = memory.races().size();
            return finish(block, Outcome::RACE, memory.races().back().text);
        }
        bool alive = false;
        for (const Warp& one : block.warps) {
            if ((one.ready | one.sleeping) != 0) return;
            alive |= one.alive() != 0;
        }
        if (alive) finish(block, Outcome::DEADLOCK, Execution::where_they_wait(block));
        else finish(block, Outcome::RETURNED, "");
    } catch (const Fault& fault) {
        finish(block, fault.end, fault.text);
    } catch (const Unsupported& what) {
        finish(block, Outcome::UNSUPPORTED, what.what());
    }
}

u64 Stage::next_wake(u64 now) const {
    u64 wake = Machine::NEVER;
    for (auto& block : blocks_)
        for (const Warp& w : block->warps)
            if (w.sleeping != 0) wake = std::min(wake, w.next_wake_ns);
    return wake == Machine::NEVER ? wake : wake > now ? wake - now : 1;
}
}  // namespace ptx
