// ring_watch.h: who the host of a trial is, who reads the telemetry meanwhile, and what a shard must say when its block has ended.
#pragma once
#include "ring_clock.h"
#include "ring_traces.h"

namespace trial {
using namespace ring;
constexpr u64 STEPS_A_ROUND = 10, MOST_ROUNDS = 150000, TRIAL_MESSAGES = 40;

// What the host does apart from sending and taking as fast as it can.
struct Mood {
    Mood(u64 seed, const Besides& besides) {
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
        if (besides.dies) goes_fast(draw);
        if (besides.steps_clock) taker = STUCK, sender = EAGER, waits_for_end = false;
        clock_goes_on = !besides.steps_clock;
    }
    // Nobody stops it, and with a backlog and little time for each message replies are gathered.
    void goes_fast(Draw& draw) {
        stops_at = ~u64(0), stops_when_full = false;
        if (draw(4) == 0) return;
        pace_ns = 1 + draw(4), slots = SLOTS, blocks = 1 + blocks % 2;
        sender = taker = EAGER, waits_for_end = holds = false;
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
    bool sends_last, stops_when_full, holds, asks, takes_after_stop, late_blocks, boxed, clock_goes_on;
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
    static bool is_time(u32 w) {
        static const std::set<u32> TIMES = {RINGSCOPE_START_NS, RINGSCOPE_HEARTBEAT_NS, RINGSCOPE_LAST_MESSAGE_NS, RINGSCOPE_LAST_ERROR_NS, RINGSCOPE_END_NS};
        return TIMES.count(w) != 0;
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
        bool moves_both_ways = (is_time(w) && !mood_.clock_goes_on) || w == RINGSCOPE_STATE || w == RINGSCOPE_QUEUE_DEPTH || w == RINGSCOPE_LAST_ERROR_CODE;
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

// `latest` is what the clock has read so far at most.
inline void check_block(const ringscope_shard& shard, u64 latest, bool clock_goes_on) {
    auto in_turn = [&](u64 before, u64 after) { return before <= after || !clock_goes_on; };
    const ringscope_u64* w = shard.words;
    bench::check(w[RINGSCOPE_STATE] == RINGSCOPE_STATE_ENDED, "a block has not ended");
    bench::check(w[RINGSCOPE_QUEUE_DEPTH] == 0, "a depth at rest");
    bench::check(w[RINGSCOPE_ABI] == RINGSCOPE_ABI_VERSION, "no version");
    bench::check(w[RINGSCOPE_START_NS] != 0 && in_turn(w[RINGSCOPE_START_NS], w[RINGSCOPE_END_NS]) && w[RINGSCOPE_END_NS] <= latest, "start and end");
    bench::check(w[RINGSCOPE_HEARTBEAT_NS] == w[RINGSCOPE_END_NS], "the end is no sign of life");
    u64 received = shard.counters[RINGSCOPE_RECEIVED];
    bench::check(received == 0 ? w[RINGSCOPE_LAST_MESSAGE_NS] == 0 : in_turn(w[RINGSCOPE_START_NS], w[RINGSCOPE_LAST_MESSAGE_NS]), "the last message's time");
    bench::check(in_turn(w[RINGSCOPE_LAST_MESSAGE_NS], w[RINGSCOPE_END_NS]), "a message after the end");
    u64 errors = shard.counters[RINGSCOPE_ERRORS];
    bench::check((errors == 0) == (w[RINGSCOPE_LAST_ERROR_CODE] == 0) && (errors == 0) == (w[RINGSCOPE_LAST_ERROR_NS] == 0), "the last error");
}
inline void check_extremes(const ringscope_shard& shard, u64 count, u64 sum, u32 not_min, u32 max, const char* what) {
    const ringscope_u64* w = shard.words;
    if (count == 0) return bench::check(w[not_min] == 0 && w[max] == 0, std::string("extremes of nothing: ") + what);
    u64 least = ~w[not_min], most = w[max];
    bench::check(least <= most && least * count <= sum && sum <= most * count, std::string("extremes: ") + what);
    bench::check(count != 1 || least == most, std::string("extremes of one: ") + what);
}
inline u64 in_row(const u64* row, u64 words) {
    u64 sum = 0;
    for (u64 n = 0; n < words; ++n) sum += row[n];
    return sum;
}
// Of times of one block that do not overlap: a difference that was taken the wrong way round is more than that.
inline void check_times(const ringscope_shard& shard, u64 most) {
    bench::check(shard.counters[RINGSCOPE_WAIT_NS] <= most, "it waited for longer than it ran");
    bench::check(shard.counters[RINGSCOPE_BUSY_NS] <= most, "it was busy for longer than it ran");
    // Messages that wait in the queue do so at the same time.
    bench::check(shard.counters[RINGSCOPE_QUEUED_SUM_NS] <= most * shard.counters[RINGSCOPE_RECEIVED], "messages waited for longer than it ran");
}
inline void check_latencies(const Ring& ring, u32 b) {
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
}  // namespace trial
