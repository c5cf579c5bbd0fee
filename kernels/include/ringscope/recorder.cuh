// recorder.cuh: the pen of a block, or of a role of a block. Included by telemetry.cuh.
//
// Who may call what. A shard has one owner, a thread that is chosen when the pen is made: by default thread 0 of the block,
// whose shard is that of its block's index. The owner says when the block begins and, when its pen goes, that it has ended;
// and it writes the events and spans of level 3. Every thread may have a pen, and every other call is for any of them:
// counts and extremes are exact however many record; of the words that are plain values (the last message's time, the
// place, the state) the last writer's stays. A role of a block that works by itself has a shard of its own, or one warp
// that lives hides another that hangs:
//
//     constexpr unsigned ROLES = 2;                                    // the host registers blocks * ROLES shards
//     unsigned role = threadIdx.x / 32 < 4 ? 0 : 1;
//     ringscope::Recorder rec(telemetry, ringscope::block_index() * ROLES + role, threadIdx.x % 128 == 0);
//
// or, where the host said `.shards(blocks * ROLES).roles(ROLES)`,
//
//     ringscope::Recorder rec(telemetry, ringscope::Role{role}, threadIdx.x % 128 == 0);
//
// The pen of a role that the block does not have, of a block that the host did not register, or of a shard from shard_count on
// counts nothing, rather than in the shard of another one: on() is false, and each thread that makes one is counted in the
// block's own shard, for the host to show (the snapshot's self_metrics.role_misses_total). By a number a role that is too
// large is the next block's first one, and is found out in the last block alone: prefer Role.
//
// Who calls `begin`, and on what they must agree: `begin` and `end` (or `fail`, `finish`) are for one thread, and the
// time that begin returned may be handed to another thread of the grid, in shared or in device memory: it is the
// device's clock. `begin_warp` and `end_warp` are for all lanes of a converged warp, with the same arguments. A task
// that begins in one warp and ends in another is recorded once, by who ends it. Tasks may overlap: each has its own
// begin.
//
// What is not seen: `exit` and `trap` skip destructors, so the block never says that it has ended; the host learns that from
// the driver. A warp that returns early may: if it has the owner, the shard ends with it. A child grid's blocks have the
// indices of their parents' and would write into their shards: give them a ref of their own. Clusters and cooperative
// launches are launches like others.
// What it costs: docs/sass.md has the machine code of every call. A pen holds one pointer, at level 3 a number besides; a
// thread with 40 registers spills none at levels 1 and 2. A call in a hot loop that the compiler unrolls keeps it from
// that: with a counter's and a histogram's call in the loop of docs/sass.md one load is in flight at a time, where there
// were four, and more on sm_100 and later; with `at` alone the four stay. Count in a register, and call behind the loop.
#ifndef RINGSCOPE_RECORDER_CUH
#define RINGSCOPE_RECORDER_CUH

#if RINGSCOPE_LEVEL == 0
#include <ringscope/recorder_off.cuh>
#else
namespace ringscope {
inline namespace RINGSCOPE_LEVEL_NAMESPACE {
class Recorder {
   public:
    // The pen of a block: its shard is that of the block's index, its owner thread 0.
    RINGSCOPE_INLINE explicit Recorder(const KernelRef& ref) : Recorder(ref, detail::Beginning{RINGSCOPE_STATE_ACTIVE}) {}
    RINGSCOPE_INLINE Recorder(const KernelRef& ref, detail::Beginning how) : ref_(ref) {
        if (!open(detail::SHARD_OF_BLOCK)) return;
        owner_ = thread_index() == 0;
        begin_life(how.state);
    }
    // The pen of a role: that shard, and whether the calling thread is its owner. A shard has one owner in all of the grid.
    RINGSCOPE_INLINE Recorder(const KernelRef& ref, ringscope_u32 shard, bool owner) : ref_(ref) {
        if (!open(shard)) return;
        owner_ = owner;
        begin_life(RINGSCOPE_STATE_ACTIVE);
    }
    RINGSCOPE_INLINE Recorder(const KernelRef& ref, Role role, bool owner)
        : Recorder(ref, ref.shards == nullptr ? 0 : detail::shard_of_role(ref, role.index), owner) {}
    RINGSCOPE_INLINE Recorder(const KernelRef& ref, Attached to) : ref_(ref) {
        if (!open(to.shard)) return;
#if RINGSCOPE_LEVEL >= 3
        if (to.writes) trace_.open(ref, shard_);
#endif
    }
    RINGSCOPE_INLINE ~Recorder() {
        if (!owner_) return;
#if !RINGSCOPE_CUDA
        if (ringscope_host::trapped()) return;
#endif
        ringscope_u64 now = clock_ns();
        put(RINGSCOPE_HEARTBEAT_NS, now);
        put(RINGSCOPE_QUEUE_DEPTH, 0);
        put_where(RINGSCOPE_AT, 0);
        put_where(RINGSCOPE_MESSAGE, 0);
        put(RINGSCOPE_END_NS, now);
        put(RINGSCOPE_STATE, RINGSCOPE_STATE_ENDED);
    }
    // A pen keeps a reference to its ref: one that is gone with the statement is refused.
    template <class... Rest>
    Recorder(KernelRef&&, Rest...) = delete;
    Recorder(const Recorder&) = delete;
    Recorder& operator=(const Recorder&) = delete;

    RINGSCOPE_INLINE bool on() const { return shard_ != nullptr; }

    // ---- messages ----------------------------------------------------------------------------------------------------

    // The time at which work on a message starts, in nanoseconds of the device's clock; pass it to end, fail or finish.
    RINGSCOPE_INLINE ringscope_u64 begin() const { return on() ? clock_ns() : 0; }
    // The same by all lanes of one converged warp: lane 0's, for lanes may read the clock at different moments.
    RINGSCOPE_INLINE ringscope_u64 begin_warp() const { return on() ? from_lane0(clock_ns()) : 0; }
    // begin_warp, some 100 ns early on a CPU: where the next message begins when this one ends.
    RINGSCOPE_INLINE ringscope_u64 ended_warp() const { return on() ? from_lane0(detail::event_ns()) : 0; }
    // By one thread: a message was handled and its result published.
    RINGSCOPE_INLINE void end(ringscope_u64 begun, ringscope_u64 bytes_in = 0, ringscope_u64 bytes_out = 0) {
        if (on()) record(detail::finished(begun, clock_ns(), bytes_in, bytes_out, RINGSCOPE_OK));
    }
    // The same of a task of a kind, which is timed in its family besides (level 2).
    RINGSCOPE_INLINE void end(ringscope_u64 begun, Kind kind, ringscope_u64 bytes_in = 0, ringscope_u64 bytes_out = 0) {
        if (on()) record(of_kind(detail::finished(begun, clock_ns(), bytes_in, bytes_out, RINGSCOPE_OK), kind));
    }
    // By one thread: a message was refused, with a code from 1.
    RINGSCOPE_INLINE void fail(ringscope_u64 begun, ringscope_u32 code, ringscope_u64 bytes_in = 0) {
        if (on()) record(detail::finished(begun, clock_ns(), bytes_in, 0, code));
    }
    // By one thread: either, as status is RINGSCOPE_OK or a code. Beside `end` and `fail` it is half the code.
    RINGSCOPE_INLINE void finish(ringscope_u64 begun, ringscope_u32 status, ringscope_u64 bytes_in = 0,
                                 ringscope_u64 bytes_out = 0) {
        if (on()) record(detail::finished(begun, clock_ns(), bytes_in, bytes_out, status));
    }
    // By all lanes of one converged warp, with the same arguments; of `begun` lane 0's counts.
    RINGSCOPE_INLINE void end_warp(ringscope_u64 begun, ringscope_u64 bytes_in = 0, ringscope_u64 bytes_out = 0) {
        finish_warp(begun, RINGSCOPE_OK, bytes_in, bytes_out);
    }
    RINGSCOPE_INLINE void end_warp(ringscope_u64 begun, Kind kind, ringscope_u64 bytes_in = 0, ringscope_u64 bytes_out = 0) {
        if (!on()) return;
        record_warp(of_kind(detail::finished(from_lane0(begun), begin_warp(), bytes_in, bytes_out, RINGSCOPE_OK), kind));
    }
    RINGSCOPE_INLINE void fail_warp(ringscope_u64 begun, ringscope_u32 code, ringscope_u64 bytes_in = 0) {
        finish_warp(begun, code, bytes_in);
    }
    RINGSCOPE_INLINE void finish_warp(ringscope_u64 begun, ringscope_u32 status, ringscope_u64 bytes_in = 0,
                                      ringscope_u64 bytes_out = 0) {
        if (on()) record_warp(detail::finished(from_lane0(begun), begin_warp(), bytes_in, bytes_out, status));
    }

    // By one thread, word by word: the count of messages last, so that who sees a message there finds the rest of it. On the
    // host device for sure; on a GPU nothing orders them, and all are visible within a microsecond or two.
    RINGSCOPE_INLINE void record(const MessageRecord& m) {
        if (!on()) return;
        const detail::Effects effects{m, has_histograms()};
        RINGSCOPE_UNROLL
        for (ringscope_u32 which = 0; which < RINGSCOPE_SINGLE_WORDS; ++which) {
            if (effects.stores(which)) put(which, effects.stored(which));
            if (effects.raised(which) != 0) raise(&shard_->words[which], effects.raised(which));
        }
#if RINGSCOPE_LEVEL >= 2
        if (effects.histograms) count_in(row(), detail::duration(m));
        if (effects.waited()) count_in(row() + ref_.bucket_stride / 2, detail::queued(m));
        time_kind(m);
#endif
        RINGSCOPE_UNROLL
        for (ringscope_u32 left = RINGSCOPE_COUNTERS; left > 0; --left) {
            ringscope_u64 delta = effects.delta(left - 1);
            if (delta != 0) add(&shard_->counters[left - 1], delta);
        }
        leave_traces(m);
    }

    // By all lanes of one converged warp, `m` the same in all of them: lane i owns word i, lanes 16 and 17 the buckets. The
    // whole record is one store for the words that are plain values, one RED.MAX for the extremes, and one RED.ADD. The
    // lanes meet before and after it, so that what the owner writes of the same words (idle, heartbeat, its end) is the
    // older or the newer as it looks in the code.
    RINGSCOPE_INLINE void record_warp(const MessageRecord& m) {
        if (!on()) return;
#if RINGSCOPE_CUDA
        sync_lanes();
        const detail::Effects effects{m, has_histograms()};
        ringscope_u32 mine = lane_index();
        ringscope_u32 written = 0;
        RINGSCOPE_UNROLL
        for (ringscope_u32 w = 0; w < RINGSCOPE_SINGLE_WORDS; ++w) written |= effects.stores(w) ? 1u << w : 0u;
        ringscope_u64 value = detail::pick<0, RINGSCOPE_WORDS>(mine, [&](ringscope_u32 w) { return effects.stored(w); });
        if ((written >> mine) & 1u) put(mine, value);
        value = detail::pick<0, RINGSCOPE_WORDS>(mine, [&](ringscope_u32 w) { return effects.raised(w); });
        if (value != 0 && mine < RINGSCOPE_WORDS) raise(&shard_->words[mine], value);
        ringscope_u64 delta = detail::pick<0, RINGSCOPE_WORDS>(mine, [&](ringscope_u32 w) { return effects.delta(w); });
        if (mine >= RINGSCOPE_WORDS) delta = 0;
        ringscope_u64* target = &shard_->counters[mine & (RINGSCOPE_WORDS - 1)];
#if RINGSCOPE_LEVEL >= 2
        bool handled = mine == RINGSCOPE_WORDS && effects.histograms;
        if (handled || (mine == RINGSCOPE_WORDS + 1 && effects.waited())) {
            delta = 1;
            target = row() + (handled ? 0 : ref_.bucket_stride / 2) +
                     detail::bucket_slot(handled ? detail::duration(m) : detail::queued(m), ref_.scale);
        }
#endif
        if (delta != 0) add(target, delta);
#if RINGSCOPE_LEVEL >= 2
        if (mine == 0) time_kind(m);
#endif
        sync_lanes();
#if RINGSCOPE_LEVEL >= 3
        leave_span(m);
#endif
        if (mine == 0) leave_in_box(m);
#else
        record(m);
#endif
    }

    // ---- signs of life -----------------------------------------------------------------------------------------------

    // By one thread, from time to time while it waits: still alive, and this is what waiting has cost.
    // A queue that waits meanwhile is that of a kernel that is held.
    RINGSCOPE_INLINE void idle(ringscope_u64 now, ringscope_u64 wait_ns, ringscope_u64 polls, ringscope_u64 queue_depth) {
        if (!on()) return;
        add(&shard_->counters[RINGSCOPE_WAIT_NS], wait_ns);
        add(&shard_->counters[RINGSCOPE_POLLS], polls);
        put(RINGSCOPE_HEARTBEAT_NS, now);
        put(RINGSCOPE_QUEUE_DEPTH, queue_depth);
    }
    // By one thread, from time to time while it waits for something else than a message.
    RINGSCOPE_INLINE void heartbeat(ringscope_u64 queue_depth) {
        if (!on()) return;
        put(RINGSCOPE_HEARTBEAT_NS, clock_ns());
        put(RINGSCOPE_QUEUE_DEPTH, queue_depth);
    }
    // By one thread, in work that takes long: still alive.
    RINGSCOPE_INLINE void alive() {
        if (on()) put(RINGSCOPE_HEARTBEAT_NS, clock_ns());
    }
    // By one thread: messages that nobody will handle.
    RINGSCOPE_INLINE void dropped(ringscope_u64 count) {
        if (on()) add(&shard_->counters[RINGSCOPE_DROPPED], count);
    }
    // By one thread: an enum ringscope_state.
    RINGSCOPE_INLINE void state(ringscope_u32 state) {
        if (on()) put(RINGSCOPE_STATE, state);
    }

    // ---- places ------------------------------------------------------------------------------------------------------

    // By one thread: the block is at a waypoint from now on. The names are a plain enum of the author's, 0 to 4095.
    RINGSCOPE_INLINE void at(ringscope_u32 waypoint) {
        if (on()) go(RINGSCOPE_AT_WAYPOINT, waypoint, detail::event_ns());
    }
    // By one thread, in a loop that waits for work, as often as it likes: a sign of life, at most every 65 us, and no
    // reason to worry however long it lasts.
    RINGSCOPE_INLINE void waiting(ringscope_u32 waypoint) {
        if (!on()) return;
        ringscope_u64 now = clock_ns();
        if (!is_at(RINGSCOPE_AT_IDLE, waypoint)) {
            go(RINGSCOPE_AT_IDLE, waypoint, now);
        } else if (now - detail::load_relaxed(&shard_->words[RINGSCOPE_HEARTBEAT_NS]) < SIGN_OF_LIFE_EVERY_NS) {
            return;
        }
        put(RINGSCOPE_HEARTBEAT_NS, now);
    }
    // By one thread, in a loop that waits for something that is due, as often as it likes: which resource (a barrier, a
    // stage, a flag: 0 to 65,535), the value that it is to have, and the one that it has; of values the low 32 bits are
    // shown. It writes when something has changed. It is no sign of life: a wait that lasts hangs.
    RINGSCOPE_INLINE void waiting(ringscope_u32 waypoint, ringscope_u64 resource, ringscope_u64 expected,
                                  ringscope_u64 seen) {
        if (!on()) return;
        if (!is_at(RINGSCOPE_AT_WAIT, waypoint)) {
            ringscope_u64 now = clock_ns();
            put_wait(RINGSCOPE_EXPECTED, detail::wait_word(resource, now, expected));
            put_wait(RINGSCOPE_SEEN, detail::wait_word(resource, now, seen));
            go(RINGSCOPE_AT_WAIT, waypoint, now);
            return;
        }
        ringscope_u64 since = detail::load_relaxed(&shard_->where[RINGSCOPE_AT]);
        put_if_new(RINGSCOPE_EXPECTED, detail::wait_word(resource, since, expected));
        put_if_new(RINGSCOPE_SEEN, detail::wait_word(resource, since, seen));
    }
    // By the thread that waited: that is over. The block is still at the waypoint.
    RINGSCOPE_INLINE void waited() {
        if (!on()) return;
        ringscope_u64 at = detail::load_relaxed(&shard_->where[RINGSCOPE_AT]);
        ringscope_u32 kind = detail::kind_of(at);
        if (kind != RINGSCOPE_AT_WAIT && kind != RINGSCOPE_AT_IDLE) return;
        ringscope_u64 now = clock_ns();
        go(RINGSCOPE_AT_WAYPOINT, (ringscope_u32)(at >> RINGSCOPE_TIME_BITS) & 0xfff, now);
        put(RINGSCOPE_HEARTBEAT_NS, now);
    }

    // ---- events and spans: by the shard's owner; from other threads, and below level 3, they do nothing -------------

    // Something happened; a value of 0 to 2^64 - 1.
    RINGSCOPE_INLINE void event(ringscope_u32 name, ringscope_u64 value = 0) { leave(name, value, RINGSCOPE_RECORD_EVENT); }
    // Something that began then ends now. Class Span does both.
    RINGSCOPE_INLINE void span(ringscope_u32 name, ringscope_u64 begun) {
#if RINGSCOPE_LEVEL >= 3
        if (!trace_.on()) return;
        ringscope_u64 now = clock_ns();
        trace_.value(ref_, shard_, begun, now > begun ? now - begun : 0, name, RINGSCOPE_RECORD_SPAN);
#else
        (void)name, (void)begun;
#endif
    }
    // What something amounts to now: a whole number from 0, or a real one.
    RINGSCOPE_INLINE void counter_sample(ringscope_u32 name, ringscope_u64 v) { leave(name, v, RINGSCOPE_RECORD_SAMPLE); }
    RINGSCOPE_INLINE void counter_sample(ringscope_u32 name, ringscope_u32 v) { counter_sample(name, (ringscope_u64)v); }
    RINGSCOPE_INLINE void counter_sample(ringscope_u32 name, int v) {
        if (v >= 0) counter_sample(name, (ringscope_u64)v);
        else counter_sample(name, (double)v);
    }
    RINGSCOPE_INLINE void counter_sample(ringscope_u32 name, float v) { counter_sample(name, (double)v); }
    RINGSCOPE_INLINE void counter_sample(ringscope_u32 name, double v) {
#if RINGSCOPE_LEVEL >= 3
        if (!trace_.on()) return;
        ringscope_u32 real = detail::bits_of((float)v);
        bool more = detail::bits_of((double)(float)v) != detail::bits_of(v);
        trace_.write(ref_, shard_, detail::event_ns(), real, name, RINGSCOPE_RECORD_REAL | (more ? detail::HAS_REST : 0u));
        if (more) trace_.rest(ref_, shard_, detail::bits_of(v), 0, false);
#else
        (void)name, (void)v;
#endif
    }
    // A line for people, whose pattern the host was given; up to two numbers stand in it.
    RINGSCOPE_INLINE void log(ringscope_u32 name, ringscope_u64 first = 0) { leave_log(name, first, 0, false); }
    RINGSCOPE_INLINE void log(ringscope_u32 name, ringscope_u64 first, ringscope_u64 second) {
        leave_log(name, first, second, true);
    }

    // ---- for ring.cuh and wait.cuh ----------------------------------------------------------------------------------

    // Where it records, in a word of shared memory: no register of a handler's has to keep that, nor what is computed from it.
    RINGSCOPE_INLINE void stays(ringscope_u64& at) const { at = (ringscope_u64)shard_; }
    RINGSCOPE_INLINE void goes_on(const ringscope_u64& at) {
        shard_ = reinterpret_cast<ringscope_shard*>(*(const volatile ringscope_u64*)&at);
    }
    // By one thread: at a place of the ring, since then.
    RINGSCOPE_INLINE void ring_place(ringscope_u32 place, ringscope_u64 since) {
        if (on()) go(RINGSCOPE_AT_RING, place, since);
    }
    // By one thread: waits for a message, since then, and has none in hand.
    RINGSCOPE_INLINE void no_message(ringscope_u64 since) {
        if (!on()) return;
        put_where(RINGSCOPE_MESSAGE, 0);
        go(RINGSCOPE_AT_RING, RINGSCOPE_PLACE_TAKE, since);
    }
    // By all lanes of one converged warp: in the handler with that message. One store.
    RINGSCOPE_INLINE void in_hand_warp(ringscope_u64 number, ringscope_u64 since) {
        if (!on()) return;
        ringscope_u64 at = detail::at_word(RINGSCOPE_AT_RING, RINGSCOPE_PLACE_HANDLER, since);
#if RINGSCOPE_CUDA
        ringscope_u32 mine = lane_index();
        if (mine <= RINGSCOPE_MESSAGE) put_where(mine, mine == RINGSCOPE_AT ? at : number + 1);
#else
        put_where(RINGSCOPE_AT, at);
        put_where(RINGSCOPE_MESSAGE, number + 1);
#endif
        if (box().on() && lane_index() == 0) {
            box().put(RINGSCOPE_BOX_MESSAGE, number + 1);
            box().place(at);
        }
    }
    // Since when the shard waits there for something due, of the device's clock; 0 if it does not.
    RINGSCOPE_INLINE ringscope_u64 waits_since(ringscope_u32 waypoint) const {
        if (!on() || !is_at(RINGSCOPE_AT_WAIT, waypoint)) return 0;
        ringscope_u64 now = clock_ns();
        return now - ((now - detail::load_relaxed(&shard_->where[RINGSCOPE_AT])) & detail::LOW_TIME);
    }
    // Before a trap.
    RINGSCOPE_INLINE void last_words(ringscope_u32 code, ringscope_u64 value) {
        if (on() && box().on()) box().last_words(code, value);
    }

   private:
    static constexpr ringscope_u64 SIGN_OF_LIFE_EVERY_NS = 65536;

    RINGSCOPE_INLINE bool open(ringscope_u32 shard) {
        if (ref_.shards == nullptr) return false;
        bool of_block = shard == detail::SHARD_OF_BLOCK;
        if (!of_block && shard >= ref_.shard_count) {
            detail::add_shared(&ref_.shards[detail::shard_of_block(ref_)].words[RINGSCOPE_ROLE_MISSES], 1);
            return false;
        }
        shard_ = ref_.shards + (of_block ? detail::shard_of_block(ref_) : shard);
#if !RINGSCOPE_CUDA
        shared_ = !of_block || block_count() > ref_.shard_count;
#endif
        return true;
    }
    RINGSCOPE_INLINE void begin_life(ringscope_u32 state) {
        if (!owner_) return;
#if RINGSCOPE_LEVEL >= 3
        trace_.open(ref_, shard_);
        trace_.says_where(ref_, shard_, 1 + (ringscope_u64)detail::multiprocessor());
#endif
        ringscope_u64 now = clock_ns();
        put(RINGSCOPE_ABI, RINGSCOPE_ABI_VERSION);
        put(RINGSCOPE_START_NS, now);
        put(RINGSCOPE_HEARTBEAT_NS, now);
        put(RINGSCOPE_END_NS, 0);
        ringscope_u64 sm = 1 + (ringscope_u64)detail::multiprocessor();
        put_where(RINGSCOPE_SM, sm);
        if (box().on()) box().put(RINGSCOPE_BOX_SM, sm);
        put(RINGSCOPE_STATE, state);
    }
    RINGSCOPE_INLINE ringscope_u32 shard_index() const { return detail::index_of(shard_, ref_.shards); }
    RINGSCOPE_INLINE bool has_histograms() const { return RINGSCOPE_LEVEL >= 2 && ref_.buckets != nullptr; }
    // The buckets of the times of handling; those of waiting are half a row behind. Other shards count in the same row.
    RINGSCOPE_INLINE ringscope_u64* row() const {
        return ref_.buckets + (ringscope_u64)(shard_index() & ref_.row_mask) * ref_.bucket_stride;
    }
    RINGSCOPE_INLINE void count_in(ringscope_u64* buckets, ringscope_u64 ns) const {
        ringscope_u64* bucket = buckets + detail::bucket_slot(ns, ref_.scale);
#if RINGSCOPE_CUDA
        detail::red_add(bucket, 1);
#else
        detail::red_add(bucket, 1, shared_ || ref_.row_mask + 1 < ref_.shard_count);
#endif
    }
    RINGSCOPE_INLINE static MessageRecord of_kind(MessageRecord m, Kind kind) {
        m.kind = kind.index;
        return m;
    }
    RINGSCOPE_INLINE void time_kind(const MessageRecord& m) const {
        if (m.kind == MessageRecord::NO_KIND || ref_.kinds == 0 || ref_.metrics == nullptr) return;
        // Registered before the launch, and not changed since.
        ExponentialFamilyRef{ref_.metrics[ref_.kinds - 1]}.at(m.kind).observe(detail::duration(m));
    }

    RINGSCOPE_INLINE void go(ringscope_u32 kind, ringscope_u32 waypoint, ringscope_u64 now) {
        ringscope_u64 at = detail::at_word(kind, waypoint, now);
        put_where(RINGSCOPE_AT, at);
        if (box().on()) box().place(at);
    }
    RINGSCOPE_INLINE bool is_at(ringscope_u32 kind, ringscope_u32 waypoint) const {
        ringscope_u64 at = detail::load_relaxed(&shard_->where[RINGSCOPE_AT]);
        return at >> RINGSCOPE_TIME_BITS == detail::at_word(kind, waypoint, 0) >> RINGSCOPE_TIME_BITS;
    }
    RINGSCOPE_INLINE void put_wait(ringscope_u32 which, ringscope_u64 v) {
        put_where(which, v);
        if (box().on()) box().put(which == RINGSCOPE_SEEN ? RINGSCOPE_BOX_SEEN : RINGSCOPE_BOX_EXPECTED, v);
    }
    RINGSCOPE_INLINE void put_if_new(ringscope_u32 which, ringscope_u64 v) {
        if (detail::load_relaxed(&shard_->where[which]) != v) put_wait(which, v);
    }

    RINGSCOPE_INLINE void leave(ringscope_u32 name, ringscope_u64 v, ringscope_u32 kind) {
#if RINGSCOPE_LEVEL >= 3
        if (trace_.on()) trace_.value(ref_, shard_, detail::event_ns(), v, name, kind);
#else
        (void)name, (void)v, (void)kind;
#endif
    }
    RINGSCOPE_INLINE void leave_log(ringscope_u32 name, ringscope_u64 first, ringscope_u64 second, bool two) {
#if RINGSCOPE_LEVEL >= 3
        if (!trace_.on()) return;
        bool wide = (first >> 32) != 0;
        ringscope_u32 more = wide || two ? detail::HAS_REST : 0u;
        trace_.write(ref_, shard_, detail::event_ns(), (ringscope_u32)first, name, RINGSCOPE_RECORD_LOG | more);
        if (wide) trace_.rest(ref_, shard_, first, RINGSCOPE_LOG_FIRST, two);
        if (two) trace_.rest(ref_, shard_, second, RINGSCOPE_LOG_SECOND, false);
#else
        (void)name, (void)first, (void)second, (void)two;
#endif
    }
    RINGSCOPE_INLINE void leave_traces(const MessageRecord& m) {
#if RINGSCOPE_LEVEL >= 3
        leave_span(m);
#endif
        leave_in_box(m);
    }
    RINGSCOPE_INLINE void leave_in_box(const MessageRecord& m) const {
        if (box().on()) box().message(m);
    }
#if RINGSCOPE_LEVEL >= 3
    RINGSCOPE_INLINE void leave_span(const MessageRecord& m) {
        if (trace_.on() && detail::TracePen::wants(ref_, m)) trace_.message(ref_, shard_, m);
    }
#endif
    RINGSCOPE_INLINE detail::BlackBox box() const { return detail::BlackBox{ref_, shard_}; }

    RINGSCOPE_INLINE void add(ringscope_u64* p, ringscope_u64 v) const {
#if RINGSCOPE_CUDA
        detail::red_add(p, v);
#else
        detail::red_add(p, v, shared_);
#endif
    }
    RINGSCOPE_INLINE void raise(ringscope_u64* p, ringscope_u64 v) const {
#if RINGSCOPE_CUDA
        detail::raise_relaxed(p, v);
#else
        if (shared_) detail::raise_relaxed(p, v);
        else detail::raise_alone(p, v);
#endif
    }
    RINGSCOPE_INLINE void put(ringscope_u32 which, ringscope_u64 v) const {
        detail::store_relaxed(&shard_->words[which], v);
    }
    RINGSCOPE_INLINE void put_where(ringscope_u32 which, ringscope_u64 v) const {
        detail::store_relaxed(&shard_->where[which], v);
    }

    // What else a record needs is read from the ref again when a message ends: a producer with 40 registers has none to
    // spare.
    const KernelRef& ref_;
    ringscope_shard* shard_ = nullptr;
    bool owner_ = false;
#if !RINGSCOPE_CUDA
    bool shared_ = false;
#endif
#if RINGSCOPE_LEVEL >= 3
    detail::TracePen trace_;
#endif
};
}  // inline namespace
}  // namespace ringscope
#endif  // RINGSCOPE_LEVEL

#endif  // RINGSCOPE_RECORDER_CUH
