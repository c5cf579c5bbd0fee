// ring_trial.cpp: a ring kernel, its host and a reader of its telemetry, all of them moody; see trial.h.
#include "ring_death.h"
#include "ring_feeder.h"
#include "ring_watch.h"

#define RING_KERNELS(X) X(crc32c) X(echo) X(vector_add) X(compute)
#define DECLARE(name) extern "C" const ringscope_host_kernel name##_l2_kernel;
RING_KERNELS(DECLARE)

namespace trial {
using namespace ring;

Wrong of_machine(const Memory& memory, const Machine& machine, const std::vector<u64>& blocks, bool may_die) {
    if (!memory.races().empty()) return {Wrong::RACE, memory.races().front().text};
    for (u64 number : blocks) {
        const Outcome* outcome = machine.outcome(number);
        if (outcome == nullptr || outcome->end == Outcome::RETURNED) continue;
        if (may_die && (outcome->end == Outcome::TRAPPED || outcome->end == Outcome::STOPPED)) continue;
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
    Run(const Program& program, const std::string& kernel, unsigned level, u64 seed, const Besides& besides, Seen& seen)
        : besides_(besides), seen_(seen), mood_(seed, besides), kernel_(kernel), level_(level), ring_(std::make_unique<Ring>()), memory_(memory_settings(seed)), machine_(memory_, machine_settings(seed)),
          draw_(seed + 1) {
        ring_->slots = mood_.slots;
        ring_->messages = TRIAL_MESSAGES;
        ring_->timed = level > 0;
        ring_->boxed = mood_.boxed;
        ring_->in_device = besides.in_device;
        ring_->traces.filter = u64(1) << RINGSCOPE_FILTER_SLOW_BITS;  // of all messages
        machine_.load(program);
        whole::add(memory_, *ring_, false);
        Standing standing;
        standing.kind = Standing::HOST;
        door_ = std::make_unique<MachineDoor>(MachineDoor{memory_, memory_.begin(standing)});
        if (besides.steps_clock) clock_.begin(machine_, SET_FROM);
        if (besides.in_device) feeder_ = std::make_unique<StreamFeeder>(memory_, *ring_, seed + 2, besides.breach);
        host_ = std::make_unique<Host<MachineDoor>>(*ring_, kernel, *door_, feeder_.get());
        host_->hasty = besides.breach == Breach::SLOT_TOO_SOON;
        questions_.written(host_->generation(), clock_.at(now_));
        telemetry_ = std::make_unique<Telemetry>(memory_, *ring_, mood_, seed);
        launch_ = whole::launch(program, kernel + "_l" + std::to_string(level), ring_->args(mood_.blocks), mood_.blocks);
        if (!besides.dies) return;
        death_ = std::make_unique<Death>(*launch_.entry, seed + 3, TRIAL_MESSAGES, level > 0);
        launch_.entry = &death_->entry();
    }
    Wrong run(const Expected& expected, u64& lanes) {
        bench::first_failure.clear();
        u64 idle = 0;
        for (round_ = 0; round_ < MOST_ROUNDS && bench::first_failure.empty(); ++round_) {
            if (idle == Machine::NEVER && (is_struck() || blocks_.size() == mood_.blocks)) break;
            while (!is_struck() && blocks_.size() < mood_.blocks && (!mood_.late_blocks || blocks_.empty() || draw_(600) == 0))
                blocks_.push_back(machine_.add_block(launch_, {static_cast<u32>(blocks_.size()), 0, 0}));
            host_->now_ns = clock_.latest(now_);
            act();
            if (feeder_ != nullptr) feeder_->step();
            if (death_ != nullptr) death_->look(machine_, blocks_, host_->sent(), gathers());
            if (besides_.steps_clock) step_clock();
            telemetry_->look();
            idle = machine_.step(STEPS_A_ROUND);
            if (is_wrong()) break;
            now_ += mood_.pace_ns + (idle == Machine::NEVER ? 0 : idle);
        }
        lanes += machine_.executed();
        Wrong wrong = judged();
        if (wrong.kind == Wrong::NOTHING || wrong.kind == Wrong::HANG) {
            if (!bench::first_failure.empty()) return said();
        }
        if (wrong.kind != Wrong::NOTHING) return wrong;
        finish(expected);
        if (!memory_.races().empty()) return {Wrong::RACE, memory_.races().front().text};
        return said();
    }

   private:
    static constexpr u64 SET_FROM = u64(1) << 40, LEAST_STEP_BITS = 8, MOST_STEP_BITS = 33;

    bool is_struck() const { return death_ != nullptr && death_->is_struck(); }
    Wrong judged() const { return of_machine(memory_, machine_, blocks_, is_struck()); }
    bool is_wrong() const {
        Wrong wrong = judged();
        return wrong.kind != Wrong::NOTHING && wrong.kind != Wrong::HANG;
    }
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
        questions_.written(host_->generation(), clock_.at(now_));
    }
    void act() {
        bool takes = mood_.takes(round_, host_->taken(), draw_), sends = mood_.sends(round_, draw_);
        if (host_->stopped()) takes = mood_.takes_after_stop, use_slots();
        if (mood_.waits_for_end && host_->sent() % 8 == 0 && host_->taken() < host_->sent()) sends = false;
        bool stopped = host_->stopped();
        host_->look(takes, sends);
        if (host_->stopped() && !stopped) questions_.written(host_->generation(), clock_.at(now_));
        bool full = mood_.stops_when_full && full_out();
        if ((full || host_->sent() >= mood_.stops_at) && stops_in_-- == 0) {
            // At once after messages that nobody has seen.
            for (u32 n = 0; n < mood_.slots && mood_.sends_last; ++n) host_->look(false, true);
            command(RINGSCOPE_COMMAND_STOP);
        }
        if (mood_.holds && draw_(500) == 0) command(command_ == RINGSCOPE_COMMAND_RUN ? RINGSCOPE_COMMAND_HOLD : RINGSCOPE_COMMAND_RUN);
        // Not again soon, or a block looks at nothing else.
        if (mood_.asks && draw_(full_out() ? 30 : 150) == 0) command(command_);
        questions_.look(door_->read(&ring_->host.clock_answer, Order::RELAXED), clock_.at(now_));
    }
    // Above all while a block waits for room, and never to a time before the kernel's clock could be.
    void step_clock() {
        if (draw_(full_out() ? 40 : 1500) != 0) return;
        u64 before = clock_.at(now_);
        i64 by = static_cast<i64>(draw_(u64(1) << (LEAST_STEP_BITS + draw_(MOST_STEP_BITS - LEAST_STEP_BITS + 1)))) + 1;
        clock_.step(machine_, draw_(2) == 0 && before > SET_FROM / 2 ? -by : by, now_);
        questions_.stepped(before, clock_.at(now_));
        for (u32 b = 0; b < mood_.blocks; ++b) seen_.steps += is_waiting_for_room(ring_->shards[b]);
    }
    // Whether replies are counted that are not published, as far as it is visible.
    bool gathers() const {
        u64 published = host_->taken();
        for (u64 n = published; n < host_->taken() + mood_.slots; ++n) published += reinterpret_cast<ringscope_slot_out*>(ring_->out_slot(n))->ready == n + 1;
        return ring_->count(RINGSCOPE_SENT) > published;
    }
    bool full_out() const { return host_->sent() > host_->taken() + mood_.slots; }
    // What was given back is the host's, after a stop as before.
    void use_slots() {
        for (u64 n = host_->sent(); n-- > 0 && n + mood_.slots >= host_->sent();) use_slot(n);
    }
    void use_slot(u64 n) {
        if (used_.count(n) != 0) return;
        auto* slot = reinterpret_cast<ringscope_slot_in*>(ring_->in_slot(n));
        if (door_->read(ring_->done_of(n), Order::ACQUIRE) != n + 1) return;
        used_.insert(n);
        door_->write(&slot->seq, ~u64(0), Order::WEAK);
        door_->write(reinterpret_cast<ringscope_u64*>(&slot->bytes), ~u64(0), Order::WEAK);
        for (u64 at = RINGSCOPE_SLOT_HEADER; at < STRIDE; at += 8)
            door_->write(reinterpret_cast<ringscope_u64*>(reinterpret_cast<u8*>(slot) + at), ~u64(0), Order::WEAK);
        if (feeder_ != nullptr) feeder_->copy_slot(n);
    }
    void finish(const Expected& expected) {
        telemetry_->last();
        for (u64 n = 0; n <= TRIAL_MESSAGES; ++n) host_->look(true, false);
        questions_.look(door_->read(&ring_->host.clock_answer, Order::RELAXED), clock_.at(now_));
        memory_.end(door_->agent);
        if (feeder_ != nullptr) feeder_->end();
        memory_.settle();
        u64 answered = check_replies(expected);
        if (is_struck()) return check_remains(expected);
        check_counts(expected, answered);
        if (level_ > 0) check_telemetry(expected);
        seen_.waits += ring_->count(RINGSCOPE_RETRIES);
        if (feeder_ != nullptr) seen_.fed += host_->sent();
    }
    void check_remains(const Expected& expected) {
        Remains remains(*ring_, host_->answers, expected, host_->sent(), host_->taken());
        remains.check(mood_.blocks, death_->lost_nothing() && level_ > 0, seen_);
        auto died = [&](u64 block) { return machine_.outcome(block)->end != Outcome::RETURNED; };
        if (std::none_of(blocks_.begin(), blocks_.end(), died)) return;
        ++seen_.deaths;
        seen_.half_written += death_->in_reply();
    }
    void check_telemetry(const Expected& expected) {
        const u64 latest = clock_.latest(now_), most = clock_.most(now_ - BEGIN);
        for (u32 b = 0; b < mood_.blocks; ++b) {
            check_block(ring_->shards[b], latest, mood_.clock_goes_on);
            check_times(ring_->shards[b], most);
            if (level_ > 1) check_latencies(*ring_, b);
            check_place(ring_->shards[b], MachineSettings().multiprocessors);
            if (ring_->boxed) check_box(*ring_, b, ring_->shards[b].counters[RINGSCOPE_RECEIVED], latest, statuses(expected));
        }
        if (level_ > 2) check_spans(*ring_, mood_.blocks, ring_->count(RINGSCOPE_RECEIVED), statuses(expected));
    }
    static Statuses statuses(const Expected& expected) {
        Statuses all;
        for (auto& [status, bytes] : expected) all.push_back(status);
        return all;
    }
    // How many there are.
    u64 check_replies(const Expected& expected) {
        u64 answered = 0;
        for (u64 n = 0; n < TRIAL_MESSAGES; ++n) {
            const Answer& answer = host_->answers[n];
            if (answer.status == ~0u) continue;
            ++answered;
            bench::check(answer.status == expected[n].first && answer.bytes == expected[n].second, "a reply is wrong");
        }
        return answered;
    }
    void check_counts(const Expected& expected, u64 answered) {
        if (level_ == 0) return;
        u64 errors = 0, bytes = 0;
        for (u64 n = 0; n < TRIAL_MESSAGES; ++n) {
            if (host_->answers[n].status == ~0u) continue;
            errors += expected[n].first != RINGSCOPE_OK;
            bytes += expected[n].second.size();
        }
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
            bench::check(*ring_->done_of(n) == n + 1, "a slot is not given back");
        }
    }

    static constexpr u64 BEGIN = 1000000;

    const Besides besides_;
    Seen& seen_;
    Mood mood_;
    u64 stops_in_ = mood_.stop_after;
    std::set<u64> used_;
    std::string kernel_;
    unsigned level_;
    u64 now_ = BEGIN, round_ = 0, command_ = RINGSCOPE_COMMAND_RUN;
    std::unique_ptr<Death> death_;  // has the code that runs
    std::unique_ptr<Ring> ring_;
    Memory memory_;
    Machine machine_;
    Draw draw_;
    std::unique_ptr<MachineDoor> door_;
    std::unique_ptr<StreamFeeder> feeder_;
    std::unique_ptr<Host<MachineDoor>> host_;
    std::unique_ptr<Telemetry> telemetry_;
    SetClock clock_;
    ClockQuestions questions_;
    Launch launch_;
    std::vector<u64> blocks_;
};
}  // namespace

Wrong RingTrial::run(u64 seed, u64& lanes, const Besides& besides, Seen& seen) const {
    return Run(program_, kernel_, level_, seed, besides, seen).run(expected_, lanes);
}
Wrong RingTrial::run(u64 seed, u64& lanes) const {
    Seen seen;
    return run(seed, lanes, Besides(), seen);
}
}  // namespace trial
