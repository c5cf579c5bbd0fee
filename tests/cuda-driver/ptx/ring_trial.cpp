// ring_trial.cpp: a ring kernel, its host and a reader of its telemetry, all of them moody; see trial.h.
#include <set>

#include "ring_traces.h"
#include "trial.h"

#define RING_KERNELS(X) X(crc32c) X(echo) X(vector_add) X(compute)
#define DECLARE(name) extern "C" const ringscope_host_kernel name##_l2_kernel;
RING_KERNELS(DECLARE)

namespace trial {
using namespace ring;
namespace {
constexpr u64 STEPS_A_ROUND = 10, MOST_ROUNDS = 150000, TRIAL_MESSAGES = 40;
constexpr u32 TICK_NS = 32;

// What the host does apart from sending and taking as fast as it can.
struct Mood {
    explicit Mood(u64 seed) {
        Draw draw(seed);
        static const u64 PACES[] = {2, 200, 200, 1000, 6000}, VISIBLE[] = {4, 64, 64, 600};
        blocks = draw(6) == 0 ? 1 : draw(2) == 0 ? 2 : 3;
        slots = 2u << draw(3);
        pace_ns = PACES[draw(5)];
        visible_one_in = VISIBLE[draw(4)];
        static const Pace TAKERS[] = {EAGER, LAZY, SLOW, SLOW, STUCK}, SENDERS[] = {EAGER, LAZY, SLOW};
        taker = TAKERS[draw(5)];
        sender = SENDERS[draw(3)];
        waits_for_end = draw(4) == 0;
        holds = draw(3) == 0;
        asks = draw(2) == 0;
        stops_at = draw(3) == 0 ? 1 + draw(TRIAL_MESSAGES) : ~u64(0);
        stuck_at = draw(TRIAL_MESSAGES);
        stop_after = draw(2) == 0 ? 0 : draw(1000);
        sends_last = draw(4) != 0;
        stops_when_full = taker == STUCK && draw(3) != 0;
        lag_one_in = draw(3) == 0 ? 128 : 1024;
        takes_after_stop = draw(2) == 0;
        late_blocks = draw(3) == 0;
        phase = draw(1000);
        copies = 1 + draw(8);
        boxed = draw(3) == 0;
    }
    // Now and then for a while, or now and then one.
    bool takes(u64 round, u64 taken, Draw& draw) const {
        if (taker == STUCK) return taken < stuck_at || round % 12000 > 9000;
        return taker == SLOW ? draw(60) == 0 : taker == EAGER || (round + phase) % 3000 > 2400;
    }
    bool sends(u64 round, Draw& draw) const { return sender == SLOW ? draw(90) == 0 : sender == EAGER || (round + phase) % 1600 > 1200; }

    enum Pace { EAGER, LAZY, SLOW, STUCK } taker, sender;
    u32 blocks, slots, lag_one_in;
    u64 pace_ns;  // of a round
    u64 visible_one_in;
    bool sends_last, stops_when_full, holds, asks, takes_after_stop, late_blocks, boxed;
    bool waits_for_end;  // it sends nothing while replies are missing, now and then
    u64 stuck_at;        // replies taken
    u64 stop_after;      // rounds from then on
    u64 stops_at;        // messages sent
    u64 phase, copies;
};

// Copies of the shards, as the reader makes them while the kernel runs and when it has just ended: in any order, each for a
// while. What only grows never goes back.
class Telemetry {
   public:
    Telemetry(Memory& memory, const Ring& ring, const Mood& mood, u64 seed) : memory_(memory), ring_(ring), mood_(mood), draw_(seed) { begin(); }
    void look() {
        for (u64 n = 0; n < mood_.copies; ++n) any();
        if (draw_(300) != 0) return;
        memory_.end(agent_);
        begin();
    }
    // One that was under way when the kernel ended.
    void last() {
        for (u32 b = 0; b < mood_.blocks; ++b)
            for (u32 w = 0; w < RINGSCOPE_WORDS; ++w) shard(b, w);
        for (u32 b = 0; b < mood_.blocks; ++b)
            for (const ringscope_u64& bucket : ring_.buckets[b])
                if (bucket != 0) copy(&bucket);
        memory_.end(agent_);
    }

   private:
    void begin() {
        Standing standing;
        standing.kind = Standing::COPY;
        agent_ = memory_.begin(standing);
    }
    u64 copy(const void* word) { return memory_.copy_word_out(agent_, reinterpret_cast<u64>(word)); }
    void any() {
        u32 b = static_cast<u32>(draw_(mood_.blocks));
        if (draw_(4) == 0) {
            const ringscope_u64& bucket = ring_.buckets[b][draw_(1056)];
            if (bucket != 0) copy(&bucket);
        } else {
            shard(b, static_cast<u32>(draw_(RINGSCOPE_WORDS)));
        }
    }
    void shard(u32 b, u32 w) {
        u64 count = copy(&ring_.shards[b].counters[w]);
        bench::check(count >= counts_[b][w], "a count went back");
        counts_[b][w] = count;
        u64 now = copy(&ring_.shards[b].words[w]), before = words_[b][w];
        words_[b][w] = now;
        bool moves_both_ways = w == RINGSCOPE_STATE || w == RINGSCOPE_QUEUE_DEPTH || w == RINGSCOPE_LAST_ERROR_CODE;
        u64 place = copy(&ring_.shards[b].where[RINGSCOPE_AT]), message = copy(&ring_.shards[b].where[RINGSCOPE_MESSAGE]);
        bench::check(is_place(place) && message <= TRIAL_MESSAGES, "a place that is none");
        bench::check(moves_both_ways || now >= before, "word " + std::to_string(w) + " went back");
        if (w == RINGSCOPE_STATE) bench::check(before != RINGSCOPE_STATE_ENDED || now == before, "a block that ended goes on");
        if (w == RINGSCOPE_STATE) bench::check(now <= RINGSCOPE_STATE_ENDED && (now != 0 || before == 0), "a state that is none");
        if (w == RINGSCOPE_ABI) bench::check(now == 0 || now == RINGSCOPE_ABI_VERSION, "a version that is none");
    }

    Memory& memory_;
    const Ring& ring_;
    const Mood& mood_;
    Draw draw_;
    Agent agent_ = 0;
    u64 counts_[MOST_BLOCKS][RINGSCOPE_WORDS] = {}, words_[MOST_BLOCKS][RINGSCOPE_WORDS] = {};
};

// The clock's answer: its number is of a command that was written, its time between that and now.
class ClockQuestions {
   public:
    void written(u64 generation, u64 now) { written_[generation / 4] = now; }
    void look(u64 answer, u64 now) {
        if (answer == 0) return;
        const u64 bits = u64(1) << RINGSCOPE_CLOCK_BITS;
        auto asked = written_.find(answer / bits);
        bench::check(asked != written_.end(), "an answer of the clock to no question");
        if (asked == written_.end()) return;
        bench::check(answer % bits + TICK_NS > asked->second && answer % bits <= now, "an answer of the clock from another time");
    }

   private:
    std::map<u64, u64> written_;
};

void check_block(const ringscope_shard& shard, u64 now) {
    const ringscope_u64* w = shard.words;
    bench::check(w[RINGSCOPE_STATE] == RINGSCOPE_STATE_ENDED, "a block has not ended");
    bench::check(w[RINGSCOPE_QUEUE_DEPTH] == 0, "a depth at rest");
    bench::check(w[RINGSCOPE_ABI] == RINGSCOPE_ABI_VERSION, "no version");
    bench::check(w[RINGSCOPE_START_NS] != 0 && w[RINGSCOPE_START_NS] <= w[RINGSCOPE_END_NS] && w[RINGSCOPE_END_NS] <= now, "start and end");
    bench::check(w[RINGSCOPE_HEARTBEAT_NS] == w[RINGSCOPE_END_NS], "the end is no sign of life");
    u64 received = shard.counters[RINGSCOPE_RECEIVED];
    bench::check(received == 0 ? w[RINGSCOPE_LAST_MESSAGE_NS] == 0 : w[RINGSCOPE_LAST_MESSAGE_NS] >= w[RINGSCOPE_START_NS], "the last message's time");
    bench::check(w[RINGSCOPE_LAST_MESSAGE_NS] <= w[RINGSCOPE_END_NS], "a message after the end");
    u64 errors = shard.counters[RINGSCOPE_ERRORS];
    bench::check((errors == 0) == (w[RINGSCOPE_LAST_ERROR_CODE] == 0) && (errors == 0) == (w[RINGSCOPE_LAST_ERROR_NS] == 0), "the last error");
}
void check_extremes(const ringscope_shard& shard, u64 count, u64 sum, u32 not_min, u32 max, const char* what) {
    const ringscope_u64* w = shard.words;
    if (count == 0) return bench::check(w[not_min] == 0 && w[max] == 0, std::string("extremes of nothing: ") + what);
    u64 least = ~w[not_min], most = w[max];
    bench::check(least <= most && least * count <= sum && sum <= most * count, std::string("extremes: ") + what);
    bench::check(count != 1 || least == most, std::string("extremes of one: ") + what);
}
u64 in_row(const u64* row, u64 words) {
    u64 sum = 0;
    for (u64 n = 0; n < words; ++n) sum += row[n];
    return sum;
}
void check_latencies(const Ring& ring, u32 b) {
    const ringscope_shard& shard = ring.shards[b];
    const ringscope_u64* c = shard.counters;
    u64 count = c[RINGSCOPE_RECEIVED];
    bench::check(c[RINGSCOPE_LATENCY_COUNT] == count, "latencies counted");
    bench::check(c[RINGSCOPE_LATENCY_SUM_NS] == c[RINGSCOPE_BUSY_NS], "sum of latencies and busy time");
    bench::check(in_row(reinterpret_cast<const u64*>(ring.buckets[b]), 528) == count, "values in buckets");
    u64 waited = in_row(reinterpret_cast<const u64*>(ring.buckets[b]) + 528, 528);
    bench::check(waited == (ring.timed ? count : 0), "waits in buckets");
    check_extremes(shard, count, c[RINGSCOPE_LATENCY_SUM_NS], RINGSCOPE_LATENCY_NOT_MIN_NS, RINGSCOPE_LATENCY_MAX_NS, "latency");
    check_extremes(shard, waited, c[RINGSCOPE_QUEUED_SUM_NS], RINGSCOPE_QUEUED_NOT_MIN_NS, RINGSCOPE_QUEUED_MAX_NS, "waits");
}
}  // namespace

Wrong of_machine(const Memory& memory, const Machine& machine, const std::vector<u64>& blocks) {
    if (!memory.races().empty()) return {Wrong::RACE, memory.races().front().text};
    for (u64 number : blocks) {
        const Outcome* outcome = machine.outcome(number);
        if (outcome == nullptr || outcome->end == Outcome::RETURNED) continue;
        bool sync = outcome->end == Outcome::WRONG_SYNC || outcome->end == Outcome::DEADLOCK;
        return {sync ? Wrong::SYNC : Wrong::FAULT, outcome->text};
    }
    for (u64 number : blocks)
        if (machine.outcome(number) == nullptr) return {Wrong::HANG, "it does not end"};
    return {};
}

bool is_over(const Memory& memory, const Machine& machine, const std::vector<u64>& blocks) {
    Wrong wrong = of_machine(memory, machine, blocks);
    return wrong.kind != Wrong::NOTHING && wrong.kind != Wrong::HANG;
}

RingTrial::RingTrial(const Program& program, const std::string& kernel, unsigned level) : program_(program), kernel_(kernel), level_(level) {
    const ringscope_host_kernel* code = nullptr;
#define FIND(name) if (kernel == #name) code = &name##_l2_kernel;
    RING_KERNELS(FIND)
    if (code == nullptr) throw std::runtime_error("no ring kernel " + kernel);
    auto ring = std::make_unique<Ring>();
    ringscope_ring_args args = ring->args(1);
    std::thread block([&] {
        void* list[] = {&args};
        ringscope_host::run_block(code->entry, list, 0, 1);
    });
    ThreadsDoor door;
    Host<ThreadsDoor> host(*ring, kernel, door);
    while (!host.look()) std::this_thread::yield();
    block.join();
    for (const Answer& answer : host.answers) expected_.push_back({answer.status, answer.bytes});
}

namespace {
// One run.
class Run {
   public:
    Run(const Program& program, const std::string& kernel, unsigned level, u64 seed)
        : mood_(seed), kernel_(kernel), level_(level), ring_(std::make_unique<Ring>()), memory_(memory_settings(seed)), machine_(memory_, machine_settings(seed)),
          draw_(seed + 1) {
        ring_->slots = mood_.slots;
        ring_->messages = TRIAL_MESSAGES;
        ring_->timed = level > 0;
        ring_->boxed = mood_.boxed;
        ring_->traces.filter = u64(1) << RINGSCOPE_FILTER_SLOW_BITS;  // of all messages
        machine_.load(program);
        whole::add(memory_, *ring_, false);
        Standing standing;
        standing.kind = Standing::HOST;
        door_ = std::make_unique<MachineDoor>(MachineDoor{memory_, memory_.begin(standing)});
        host_ = std::make_unique<Host<MachineDoor>>(*ring_, kernel, *door_);
        clock_.written(host_->generation(), now_);
        telemetry_ = std::make_unique<Telemetry>(memory_, *ring_, mood_, seed);
        launch_ = whole::launch(program, kernel + "_l" + std::to_string(level), ring_->args(mood_.blocks), mood_.blocks);
    }
    Wrong run(const std::vector<std::pair<u32, std::vector<u8>>>& expected, u64& lanes) {
        bench::first_failure.clear();
        u64 idle = 0;
        for (round_ = 0; round_ < MOST_ROUNDS && bench::first_failure.empty(); ++round_) {
            if (idle == Machine::NEVER && blocks_.size() == mood_.blocks) break;
            while (blocks_.size() < mood_.blocks && (!mood_.late_blocks || blocks_.empty() || draw_(600) == 0))
                blocks_.push_back(machine_.add_block(launch_, {static_cast<u32>(blocks_.size()), 0, 0}));
            host_->now_ns = now_;
            act();
            telemetry_->look();
            idle = machine_.step(STEPS_A_ROUND);
            if (is_over(memory_, machine_, blocks_)) break;
            now_ += mood_.pace_ns + (idle == Machine::NEVER ? 0 : idle);
        }
        lanes += machine_.executed();
        Wrong wrong = of_machine(memory_, machine_, blocks_);
        if (wrong.kind == Wrong::NOTHING || wrong.kind == Wrong::HANG) {
            if (!bench::first_failure.empty()) return said();
        }
        if (wrong.kind != Wrong::NOTHING) return wrong;
        finish(expected);
        if (!memory_.races().empty()) return {Wrong::RACE, memory_.races().front().text};
        return said();
    }

   private:
    static Wrong said() {
        if (bench::first_failure.empty()) return {};
        return {bench::first_failure.find("a reply") != std::string::npos ? Wrong::REPLY : Wrong::COUNT, bench::first_failure};
    }
    MemorySettings memory_settings(u64 seed) const {
        MemorySettings settings;
        settings.seed = seed;
        settings.visible_one_in = static_cast<unsigned>(mood_.visible_one_in);
        return settings;
    }
    MachineSettings machine_settings(u64 seed) {
        MachineSettings settings;
        settings.seed = seed;
        settings.clock = [this] { return now_; };
        settings.tick_ns = TICK_NS;
        settings.longest_nap_ns = 0;
        settings.lag_one_in = mood_.lag_one_in;
        return settings;
    }
    void command(u64 what) {
        if (host_->stopped()) return;
        command_ = what;
        host_->command(what);
        clock_.written(host_->generation(), now_);
    }
    void act() {
        bool takes = mood_.takes(round_, host_->taken(), draw_), sends = mood_.sends(round_, draw_);
        if (host_->stopped()) takes = mood_.takes_after_stop, use_slots();
        if (mood_.waits_for_end && host_->sent() % 8 == 0 && host_->taken() < host_->sent()) sends = false;
        bool stopped = host_->stopped();
        host_->look(takes, sends);
        if (host_->stopped() && !stopped) clock_.written(host_->generation(), now_);
        bool full = mood_.stops_when_full && full_out();
        if ((full || host_->sent() >= mood_.stops_at) && stops_in_-- == 0) {
            // At once after messages that nobody has seen.
            for (u32 n = 0; n < mood_.slots && mood_.sends_last; ++n) host_->look(false, true);
            command(RINGSCOPE_COMMAND_STOP);
        }
        if (mood_.holds && draw_(500) == 0) command(command_ == RINGSCOPE_COMMAND_RUN ? RINGSCOPE_COMMAND_HOLD : RINGSCOPE_COMMAND_RUN);
        // Not again soon, or a block looks at nothing else.
        if (mood_.asks && draw_(full_out() ? 30 : 150) == 0) command(command_);
        clock_.look(door_->read(&ring_->host.clock_answer, Order::RELAXED), now_);
    }
    bool full_out() const { return host_->sent() > host_->taken() + mood_.slots; }
    // What was given back is the host's, after a stop as before.
    void use_slots() {
        for (u64 n = host_->sent(); n-- > 0 && n + mood_.slots >= host_->sent();) use_slot(n);
    }
    void use_slot(u64 n) {
        if (used_.count(n) != 0) return;
        auto* slot = reinterpret_cast<ringscope_slot_in*>(ring_->in + n % mood_.slots * STRIDE);
        if (door_->read(&slot->done, Order::ACQUIRE) != n + 1) return;
        used_.insert(n);
        door_->write(&slot->seq, ~u64(0), Order::WEAK);
        door_->write(reinterpret_cast<ringscope_u64*>(&slot->bytes), ~u64(0), Order::WEAK);
        for (u64 at = RINGSCOPE_SLOT_HEADER; at < STRIDE; at += 8)
            door_->write(reinterpret_cast<ringscope_u64*>(reinterpret_cast<u8*>(slot) + at), ~u64(0), Order::WEAK);
    }
    void finish(const std::vector<std::pair<u32, std::vector<u8>>>& expected) {
        telemetry_->last();
        for (u64 n = 0; n <= TRIAL_MESSAGES; ++n) host_->look(true, false);
        clock_.look(door_->read(&ring_->host.clock_answer, Order::RELAXED), now_);
        memory_.end(door_->agent);
        memory_.settle();
        check_replies(expected);
        for (u32 b = 0; b < mood_.blocks && level_ > 0; ++b) {
            check_block(ring_->shards[b], now_);
            if (level_ > 1) check_latencies(*ring_, b);
            check_place(ring_->shards[b], MachineSettings().multiprocessors);
            if (ring_->boxed) check_box(*ring_, b, ring_->shards[b].counters[RINGSCOPE_RECEIVED], now_, statuses(expected));
        }
        if (level_ > 2) check_spans(*ring_, mood_.blocks, ring_->count(RINGSCOPE_RECEIVED), statuses(expected));
    }
    static Statuses statuses(const std::vector<std::pair<u32, std::vector<u8>>>& expected) {
        Statuses all;
        for (auto& [status, bytes] : expected) all.push_back(status);
        return all;
    }
    void check_replies(const std::vector<std::pair<u32, std::vector<u8>>>& expected) {
        u64 answered = 0, errors = 0, bytes = 0;
        for (u64 n = 0; n < TRIAL_MESSAGES; ++n) {
            const Answer& answer = host_->answers[n];
            if (answer.status == ~0u) continue;
            ++answered;
            errors += answer.status != RINGSCOPE_OK;
            bytes += answer.bytes.size();
            bench::check(answer.status == expected[n].first && answer.bytes == expected[n].second, "a reply is wrong");
        }
        if (level_ == 0) return;
        auto count = [&](u32 counter) { return ring_->count(counter); };
        u64 received = count(RINGSCOPE_RECEIVED), dropped = count(RINGSCOPE_DROPPED), unheard = count(RINGSCOPE_REPLIES_DROPPED);
        bench::check(received + dropped == host_->sent(), "received and dropped are not what was sent");
        bench::check(mood_.stops_at != ~u64(0) || mood_.stops_when_full || dropped + unheard == 0, "dropped without a stop");
        // A reply behind one that was dropped, when the host made room just after the stop, is published, but not to be taken.
        auto same = [&](u64 counted, u64 taken) { return unheard == 0 ? counted == taken : counted >= taken; };
        bench::check(same(count(RINGSCOPE_SENT), answered), "replies counted are not those taken");
        bench::check(count(RINGSCOPE_SENT) + unheard == received, "sent and unheard are not what was received");
        bench::check(count(RINGSCOPE_PROCESSED) + count(RINGSCOPE_ERRORS) == received, "processed and errors");
        bench::check(same(count(RINGSCOPE_ERRORS), errors), "errors");
        bench::check(same(count(RINGSCOPE_BYTES_OUT), bytes), "bytes out");
        u64 in = 0;
        for (u64 n = 0; n < host_->sent(); ++n) in += message(kernel_, n).size();
        bench::check(dropped == 0 ? count(RINGSCOPE_BYTES_IN) == in : count(RINGSCOPE_BYTES_IN) <= in, "bytes in");
        for (u64 n = host_->sent() > mood_.slots ? host_->sent() - mood_.slots : 0; n < host_->sent() && dropped == 0; ++n) {
            auto* slot = reinterpret_cast<ringscope_slot_in*>(ring_->in + n % mood_.slots * STRIDE);
            bench::check(slot->done == n + 1, "a slot is not given back");
        }
    }

    Mood mood_;
    u64 stops_in_ = mood_.stop_after;
    std::set<u64> used_;
    std::string kernel_;
    unsigned level_;
    u64 now_ = 1000000, round_ = 0, command_ = RINGSCOPE_COMMAND_RUN;
    std::unique_ptr<Ring> ring_;
    Memory memory_;
    Machine machine_;
    Draw draw_;
    std::unique_ptr<MachineDoor> door_;
    std::unique_ptr<Host<MachineDoor>> host_;
    std::unique_ptr<Telemetry> telemetry_;
    ClockQuestions clock_;
    Launch launch_;
    std::vector<u64> blocks_;
};
}  // namespace

Wrong RingTrial::run(u64 seed, u64& lanes) const { return Run(program_, kernel_, level_, seed).run(expected_, lanes); }
}  // namespace trial
