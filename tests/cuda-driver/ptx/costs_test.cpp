// costs_test.cpp: what a message costs one block of a ring kernel: trips over the link, fences, trips to the L2 and instructions,
// alone (its block was idle) and with a backlog. Prints a line for each kernel, size and case; tests/ptx_machine.rs compares
// them with docs/rings.md.
#include <algorithm>

#include "whole.h"

using namespace bench;

namespace {
constexpr u32 MOST_BLOCKS = 3, SLOTS = 64, SLOT_BYTES = 16384, STRIDE = SLOT_BYTES + RINGSCOPE_LINE_BYTES;
constexpr u64 TRIP_NS = 1000, L2_NS = 300, FENCE_NS = 500;  // for the clock alone: what is counted are trips

struct alignas(128) Ring {
    ringscope_ring_host host{};
    ringscope_ring_device device{};
    ringscope_shard shard[MOST_BLOCKS]{};
    ringscope_u64 buckets[MOST_BLOCKS][1056]{};
    alignas(128) u8 in[SLOTS * STRIDE]{};
    alignas(128) u8 out[SLOTS * STRIDE]{};

    ringscope_ring_args args(u32 blocks) {
        ringscope_ring_args a{};
        a.telemetry = whole::ref(shard, buckets, nullptr, blocks, 1056, 0);
        a.host = &host;
        a.posted = &host.tail;
        a.device = &device;
        a.in = a.done = in;
        a.out = out;
        a.slots = SLOTS;
        a.slot_stride = a.done_stride = STRIDE;
        a.slot_bytes = SLOT_BYTES;
        return a;
    }
};

// One block, which sees at once what its host does.
class Bench {
   public:
    Bench(const Program& program, const std::string& entry, u32 bytes, u32 blocks = 1) : bytes_(bytes), ring_(std::make_unique<Ring>()), memory_(not_weak()), machine_(memory_, settings()) {
        machine_.load(program);
        for (auto [address, size, pinned] : {std::tuple<void*, u64, bool>{&ring_->host, sizeof ring_->host, true}, {&ring_->device, sizeof ring_->device, false},
                                             {ring_->shard, sizeof ring_->shard, false}, {ring_->buckets, sizeof ring_->buckets, false},
                                             {ring_->in, sizeof ring_->in, true}, {ring_->out, sizeof ring_->out, true}})
            memory_.add_range(reinterpret_cast<u64>(address), size, pinned);
        Standing standing;
        standing.kind = Standing::HOST;
        host_ = memory_.begin(standing);
        for (u32 b = 0; b < blocks; ++b) blocks_.push_back(machine_.add_block(whole::launch(program, entry, ring_->args(blocks), blocks), {b, 0, 0}));
    }
    void command(u64 what) { write(&ring_->host.command, (generation_ += 4) + what); }
    // As many as there is room for.
    void send(u64 most) {
        u64 before = sent_;
        for (; most > 0 && sent_ < taken_ + SLOTS; --most, ++sent_) {
            auto* slot = reinterpret_cast<ringscope_slot_in*>(ring_->in + sent_ % SLOTS * STRIDE);
            if (sent_ >= SLOTS && read(&slot->done) != sent_ - SLOTS + 1) break;
            write(reinterpret_cast<ringscope_u64*>(&slot->bytes), bytes_);
            write(&slot->sent_ns, now_);
        }
        if (sent_ != before) write(&ring_->host.tail, sent_);
    }
    void take() {
        u64 before = taken_;
        while (read(&slot_of(taken_)->ready) == taken_ + 1) ++taken_;
        if (taken_ != before) write(&ring_->host.out_head, taken_);
    }
    // Whether the block went to sleep; then it is as late as it wakes.
    bool step() {
        Counts before = costs_->counts();
        u64 idle = machine_.step(1);
        Counts cost = costs_->counts() - before;
        now_ += 1 + cost.trips * TRIP_NS + cost.l2 * L2_NS + cost.fences * FENCE_NS;
        if (idle != 0 && idle != Machine::NEVER) now_ += idle;
        return idle != 0;
    }
    bool ended() const {
        return std::all_of(blocks_.begin(), blocks_.end(), [&](u64 block) { return machine_.outcome(block) != nullptr; });
    }
    void end(const std::string& what) {
        command(RINGSCOPE_COMMAND_STOP);
        for (u64 n = 0; n < 100000 && !ended(); ++n) step();
        for (u64 block : blocks_) {
            const Outcome* outcome = machine_.outcome(block);
            check(outcome != nullptr && outcome->end == Outcome::RETURNED, what + ": " + (outcome == nullptr ? "does not end" : outcome->text));
        }
        memory_.end(host_);
        memory_.settle();
        u64 received = 0;
        for (const ringscope_shard& shard : ring_->shard) received += shard.counters[RINGSCOPE_RECEIVED];
        same(received, sent_, what + ": received");
        same(taken_, sent_, what + ": replies");
    }
    ringscope_slot_out* slot_of(u64 reply) { return reinterpret_cast<ringscope_slot_out*>(ring_->out + reply % SLOTS * STRIDE); }
    bool polls(u64 address) const { return address == reinterpret_cast<u64>(&ring_->host.tail) || address == reinterpret_cast<u64>(&ring_->host.command); }
    bool is_tail(u64 address) const { return address == reinterpret_cast<u64>(&ring_->host.tail); }
    Costs& costs() { return *costs_; }
    u64 sent() const { return sent_; }
    u64 taken() const { return taken_; }
    u64 now() const { return now_; }

   private:
    static MemorySettings not_weak() {
        MemorySettings s;
        s.weak = false;
        return s;
    }
    MachineSettings settings() {
        MachineSettings s;
        s.together = true;
        s.longest_nap_ns = 0;
        s.clock = [this] { return now_; };
        s.costs = costs_ = std::make_shared<Costs>();
        return s;
    }
    Access access(const void* p, Order order) { return {reinterpret_cast<u64>(p), 8, order, Scope::SYS, "the host of the test"}; }
    u64 read(const ringscope_u64* p) { return memory_.host_load(host_, access(p, Order::ACQUIRE)); }
    void write(ringscope_u64* p, u64 v) { memory_.host_store(host_, access(p, Order::RELEASE), v); }

    u64 bytes_, now_ = 1000000, sent_ = 0, taken_ = 0, generation_ = 0;
    std::unique_ptr<Ring> ring_;
    Memory memory_;
    std::shared_ptr<Costs> costs_;
    Machine machine_;
    Agent host_ = 0;
    std::vector<u64> blocks_;
};

struct Cost {
    double trips = 0, l2 = 0, fences = 0, instructions = 0;
};
Cost per(const Counts& c, u64 messages) {
    double n = double(messages);
    return {double(c.trips) / n, double(c.l2) / n, double(c.fences) / n, double(c.instructions) / n};
}
constexpr u64 MOST_STEPS = 3000000;

// From the poll that finds the message until the block looks or sleeps again; of the trips those until its reply is `ready`.
Counts cost_of(Bench& bench, u64 message) {
    using Mark = Costs::Mark;
    std::vector<Mark>& marks = bench.costs().marks;
    const Mark *start = nullptr, *found = nullptr, *ready = nullptr, *end = nullptr;
    for (const Mark& m : marks) {
        bool polls = m.kind == Mark::LOAD && bench.polls(m.address);
        if (found == nullptr) {
            if (m.kind == Mark::SLEEP) start = nullptr;
            else if (polls && start == nullptr) start = &m;
            if (polls && bench.is_tail(m.address) && m.value == message + 1) found = &m;
        } else if (ready == nullptr) {
            if (m.kind == Mark::STORE && m.address == reinterpret_cast<u64>(&bench.slot_of(message)->ready)) ready = &m;
        } else if (end == nullptr && (polls || m.kind == Mark::SLEEP)) {
            end = &m;
        }
    }
    check(start != nullptr && end != nullptr, "a message's way was not seen");
    Counts cost;
    if (start != nullptr && end != nullptr) {
        cost = end->before - start->before;
        cost.trips = ready->before.trips - start->before.trips;
    }
    marks.clear();
    return cost;
}

Cost alone(const Program& program, const std::string& entry, u32 bytes) {
    constexpr u64 FIRST = 8, MESSAGES = 40;
    Bench bench(program, entry, bytes);
    bench.command(RINGSCOPE_COMMAND_RUN);
    Counts sum;
    for (u64 n = 0; n < MESSAGES; ++n) {
        // Idle for a while.
        for (u64 slept = 0, steps = 0; slept < 8 && steps < MOST_STEPS; ++steps) slept += bench.step();
        bench.costs().marks.clear();
        bench.send(1);
        for (u64 steps = 0; bench.taken() <= n && steps < MOST_STEPS; ++steps) bench.step(), bench.take();
        for (u64 slept = 0, steps = 0; slept < 1 && steps < MOST_STEPS; ++steps) slept += bench.step();
        Counts cost = cost_of(bench, n);
        if (n >= FIRST) sum += cost;
    }
    bench.end(entry + " alone");
    return per(sum, MESSAGES - FIRST);
}

Cost with_backlog(const Program& program, const std::string& entry, u32 bytes) {
    constexpr u64 FIRST = 128, MESSAGES = 640;
    Bench bench(program, entry, bytes);
    bench.send(SLOTS);
    bench.command(RINGSCOPE_COMMAND_RUN);
    Counts begun, ended;
    u64 first = 0, last = 0;
    for (u64 steps = 0; bench.taken() < MESSAGES && steps < MOST_STEPS; ++steps) {
        bench.step();
        u64 before = bench.taken();
        bench.take();
        if (bench.taken() == before) continue;
        bench.send(SLOTS);
        if (before < FIRST && bench.taken() >= FIRST) begun = bench.costs().counts(), first = bench.taken();
        last = bench.taken(), ended = bench.costs().counts();
        bench.costs().marks.clear();
    }
    for (u64 steps = 0; bench.taken() < bench.sent() && steps < MOST_STEPS; ++steps) bench.step(), bench.take();
    bench.end(entry + " with a backlog");
    return per(ended - begun, last - first);
}

// A look of an idle block is one trip, at most one a microsecond, that acquires nothing and fences nothing: what acquires drops the
// multiprocessor's L1.
void idle(const Program& program, const std::string& entry) {
    Bench bench(program, entry, 64);
    bench.command(RINGSCOPE_COMMAND_RUN);
    for (u64 slept = 0, steps = 0; slept < 4 && steps < MOST_STEPS; ++steps) slept += bench.step();
    bench.costs().marks.clear();
    const u64 begun = bench.now(), acquires = bench.costs().acquires, fences = bench.costs().counts().fences;
    for (u64 slept = 0, steps = 0; slept < 600 && steps < MOST_STEPS; ++steps) slept += bench.step();
    u64 polls = 0;
    for (const Costs::Mark& m : bench.costs().marks) polls += m.kind == Costs::Mark::LOAD && bench.is_tail(m.address);
    check(polls > 100, entry + ": an idle block asks the host");
    check(polls <= (bench.now() - begun) / 1000 + 1, entry + ": an idle block asks the host at most once a microsecond");
    check(bench.costs().acquires == acquires && bench.costs().counts().fences == fences, entry + ": an idle block leaves its L1 alone");
    // It still answers.
    bench.send(1);
    for (u64 steps = 0; bench.taken() < 1 && steps < MOST_STEPS; ++steps) bench.step(), bench.take();
    bench.end(entry + " after a while");
}
// Of blocks that are held with a queue, one asks, at most once a microsecond.
void held(const Program& program, const std::string& entry) {
    auto asked = [&] {
        auto executed = program.executed();
        return executed["ld.relaxed.sys.global.v2.u64"];
    };
    Bench bench(program, entry, 64, MOST_BLOCKS);
    bench.send(SLOTS);
    bench.command(RINGSCOPE_COMMAND_HOLD);
    for (u64 n = 0; n < 3000; ++n) bench.step();
    const u64 begun = bench.now(), before = asked();
    while (bench.now() < begun + 200000) bench.step();
    const u64 polls = asked() - before;
    check(polls > 20, entry + ": held blocks ask the host");
    check(polls <= (bench.now() - begun) / 1000 + MOST_BLOCKS, entry + ": held blocks ask the host " + std::to_string(polls) + " times in " +
                                                                  std::to_string((bench.now() - begun) / 1000) + " us");
    bench.command(RINGSCOPE_COMMAND_RUN);
    for (u64 steps = 0; bench.taken() < SLOTS && steps < MOST_STEPS; ++steps) bench.step(), bench.take();
    bench.end(entry + " after it was held");
}
}  // namespace

void test_costs() {
    auto program = whole::program(2);
    for (const char* entry : {"echo_l2", "crc32c_l2"}) idle(*program, entry), held(*program, entry);
    for (const char* kernel : {"echo", "crc32c"})
        for (u32 bytes : {0u, 64u, 1024u, 4096u, 16384u})
            for (bool backlog : {false, true}) {
                std::string entry = std::string(kernel) + "_l2";
                Cost c = backlog ? with_backlog(*program, entry, bytes) : alone(*program, entry, bytes);
                // The goals, of 64 bytes.
                check(bytes != 64 || c.trips <= (backlog ? 1.2 : 3.0), entry + ": too many trips");
                check(!backlog || bytes > 64 || c.fences < 0.5, entry + ": too many fences");
                std::printf("cost\t%s\t%u\t%s\t%.2f\t%.2f\t%.2f\t%.0f\n", kernel, bytes, backlog ? "backlog" : "alone", c.trips, c.fences, c.l2, c.instructions);
            }
}
