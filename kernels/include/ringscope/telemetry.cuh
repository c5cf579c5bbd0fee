// telemetry.cuh: the one header of a kernel author. No STL, no other include, C++17; nvcc, NVRTC, clang.
//
//     extern "C" __global__ void my_kernel(ringscope::KernelRef telemetry, ...) {
//         ringscope::Recorder rec(telemetry);          // 1. every thread of the block
//         while (...) {
//             u64 t = rec.begin();                      // 2. the thread, or the warp, that handles the message
//             ...
//             rec.end(t, bytes_in, bytes_out);          // 3. after the result was published
//         }
//     }                                                 // the end of `rec` says that the block has ended
//     RINGSCOPE_ENTRY(my_kernel)
//
// -DRINGSCOPE_LEVEL=0 removes all of it at compile time, a null ref at run time; 1 keeps the counters,
// 2 (the default) adds the latency histogram.
#ifndef RINGSCOPE_TELEMETRY_CUH
#define RINGSCOPE_TELEMETRY_CUH

#include <ringscope/abi.h>
#include <ringscope/platform.cuh>
#include <ringscope/atomic.cuh>
#include <ringscope/clock.cuh>
#include <ringscope/histogram.cuh>
#include <ringscope/metrics.cuh>

namespace ringscope {
inline namespace RINGSCOPE_LEVEL_NAMESPACE {

using KernelRef = ringscope_kernel_ref;

// What one message adds to its shard.
struct MessageRecord {
    u64 begin_ns = 0;  // device clock
    u64 end_ns = 0;
    u64 wait_ns = 0;   // waited for it
    u64 sent_ns = 0;   // when it was put into the queue, device clock; 0 is not known. Of all messages, or of none
    u64 held_ns = 0;   // of the time between begin and end: waited for room for its reply
    u64 polls = 0;     // looks at the empty queue meanwhile
    u64 bytes_in = 0;
    u64 bytes_out = 0;
    u64 queue_depth = 0;
    u32 status = RINGSCOPE_OK;
    u32 sent = 1;      // replies published for it
    u32 retries = 0;
    u32 replies_dropped = 0;
};

// A block's pen. Every thread of the block may hold one; records are made by one thread, always the same, or by
// one warp. From several, the counters stay exact; the extremes and other single words are the last writer's.
//
// Who writes a word of line 1: thread 0 when the block begins and when its pen goes, and who records. A warp's record is
// ordered on both sides: before it and after it the lanes meet, so that what lane 0 writes of the same words (idle,
// heartbeat, its end) is the older or the newer as it looks in the code. Where others than the warp of thread 0, or its
// thread 0, record, a __syncthreads() before the pen goes makes the end of the block the last that it says.
class Recorder {
   public:
#if RINGSCOPE_LEVEL == 0
    __device__ __forceinline__ explicit Recorder(const KernelRef&, u32 = 0) {}
    __device__ __forceinline__ bool on() const { return false; }
    __device__ __forceinline__ u64 begin() const { return 0; }
    __device__ __forceinline__ u64 begin_warp() const { return 0; }
    __device__ __forceinline__ void end(u64, u64 = 0, u64 = 0) {}
    __device__ __forceinline__ void fail(u64, u32, u64 = 0) {}
    __device__ __forceinline__ void end_warp(u64, u64 = 0, u64 = 0) {}
    __device__ __forceinline__ void fail_warp(u64, u32, u64 = 0) {}
    __device__ __forceinline__ void record(const MessageRecord&) {}
    __device__ __forceinline__ void record_warp(const MessageRecord&) {}
    __device__ __forceinline__ void idle(u64, u64, u64, u64) {}
    __device__ __forceinline__ void heartbeat(u64) {}
    __device__ __forceinline__ void dropped(u64) {}
    __device__ __forceinline__ void state(u32) {}
#else
    // `initial` is the state that the block starts in.
    __device__ __forceinline__ explicit Recorder(const KernelRef& ref, u32 initial = RINGSCOPE_STATE_ACTIVE) {
        if (ref.shards == nullptr) return;
        // More blocks than shards share them: the counts stay exact, the single words are the last writer's.
        u32 index = block_index() % ref.shard_count;
        shard_ = ref.shards + index;
        shared_ = block_count() > ref.shard_count;
#if RINGSCOPE_LEVEL >= 2
        buckets_ = ref.buckets == nullptr ? nullptr : ref.buckets + (u64)index * ref.bucket_stride;
        waiting_ = ref.bucket_stride / 2;
        scale_ = ref.scale;
#endif
        if (thread_index() == 0) {
            u64 now = clock_ns();
            put(RINGSCOPE_ABI, RINGSCOPE_ABI_VERSION);
            put(RINGSCOPE_START_NS, now);
            put(RINGSCOPE_HEARTBEAT_NS, now);
            put(RINGSCOPE_END_NS, 0);
            put(RINGSCOPE_STATE, initial);
        }
    }
    __device__ __forceinline__ ~Recorder() {
        if (shard_ == nullptr || thread_index() != 0) return;
        u64 now = clock_ns();
        put(RINGSCOPE_HEARTBEAT_NS, now);
        put(RINGSCOPE_QUEUE_DEPTH, 0);
        put(RINGSCOPE_END_NS, now);
        put(RINGSCOPE_STATE, RINGSCOPE_STATE_ENDED);
    }
    Recorder(const Recorder&) = delete;
    Recorder& operator=(const Recorder&) = delete;

    __device__ __forceinline__ bool on() const { return shard_ != nullptr; }

    // The time at which work on a message starts; pass it to end or fail.
    __device__ __forceinline__ u64 begin() const { return on() ? clock_ns() : 0; }
    // The same by all lanes of one converged warp: lane 0's, for lanes may read the clock at different moments.
    __device__ __forceinline__ u64 begin_warp() const { return on() ? from_lane0(clock_ns()) : 0; }

    // By one thread: a message was handled and its result published.
    __device__ __forceinline__ void end(u64 begun, u64 bytes_in = 0, u64 bytes_out = 0) {
        if (on()) record(finished(begun, clock_ns(), bytes_in, bytes_out, RINGSCOPE_OK));
    }
    // By one thread: a message was refused, with a code from 1.
    __device__ __forceinline__ void fail(u64 begun, u32 code, u64 bytes_in = 0) {
        if (on()) record(finished(begun, clock_ns(), bytes_in, 0, code));
    }
    // By all lanes of one converged warp, with the same arguments; of `begun` lane 0's counts.
    __device__ __forceinline__ void end_warp(u64 begun, u64 bytes_in = 0, u64 bytes_out = 0) {
        if (on()) record_warp(finished(from_lane0(begun), begin_warp(), bytes_in, bytes_out, RINGSCOPE_OK));
    }
    __device__ __forceinline__ void fail_warp(u64 begun, u32 code, u64 bytes_in = 0) {
        if (on()) record_warp(finished(from_lane0(begun), begin_warp(), bytes_in, 0, code));
    }

    // By one thread, word by word: the count of messages last, so that who sees a message there finds the rest of it. On the
    // host device for sure; on a GPU nothing orders them, and all are visible within a microsecond or two.
    __device__ __forceinline__ void record(const MessageRecord& m) {
        if (!on()) return;
        note_extremes(m);
        RINGSCOPE_UNROLL
        for (u32 word = 0; word < RINGSCOPE_SINGLE_WORDS; ++word) {
            if (writes_word(m, word)) put(word, single_value(m, word));
        }
#if RINGSCOPE_LEVEL >= 2
        if (buckets_ != nullptr) add(buckets_ + bucket_slot(duration(m), scale_), 1);
        if (waited(m)) add(buckets_ + waiting_ + bucket_slot(queued(m), scale_), 1);
#endif
        RINGSCOPE_UNROLL
        for (u32 left = RINGSCOPE_COUNTERS; left > 0; --left) {
            u64 delta = counter_delta(m, left - 1);
            if (delta != 0) add(&shard_->counters[left - 1], delta);
        }
    }

    // By all lanes of one converged warp, `m` the same in all of them: lane i owns word i, lanes 16 and 17 the buckets. The
    // whole record is one store for the words that are not sums, and one RED. The lanes meet before and after it: see above.
    __device__ __forceinline__ void record_warp(const MessageRecord& m) {
        if (!on()) return;
#if RINGSCOPE_CUDA
        sync_lanes();
        note_extremes(m);
        u32 word = lane();
        u32 written = 0;
        RINGSCOPE_UNROLL
        for (u32 w = 0; w < RINGSCOPE_SINGLE_WORDS; ++w) written |= writes_word(m, w) ? 1u << w : 0u;
        u64 value = pick<0, RINGSCOPE_WORDS>(word, [&](u32 w) { return single_value(m, w); });
        if ((written >> word) & 1u) put(word, value);
        u64 delta = pick<0, RINGSCOPE_WORDS>(word, [&](u32 w) { return counter_delta(m, w); });
        if (word >= RINGSCOPE_WORDS) delta = 0;
        u64* target = &shard_->counters[word & (RINGSCOPE_WORDS - 1)];
#if RINGSCOPE_LEVEL >= 2
        bool handled = word == RINGSCOPE_WORDS && buckets_ != nullptr;
        if (handled || (word == RINGSCOPE_WORDS + 1 && waited(m))) {
            delta = 1;
            target = buckets_ + (handled ? 0 : waiting_) + bucket_slot(handled ? duration(m) : queued(m), scale_);
        }
#endif
        if (delta != 0) add(target, delta);
        sync_lanes();
#else
        record(m);
#endif
    }

    // By one thread, from time to time while it waits: still alive, and this is what waiting has cost.
    // A queue that waits meanwhile is that of a kernel that is held.
    __device__ __forceinline__ void idle(u64 now, u64 wait_ns, u64 polls, u64 queue_depth) {
        if (!on()) return;
        add(&shard_->counters[RINGSCOPE_WAIT_NS], wait_ns);
        add(&shard_->counters[RINGSCOPE_POLLS], polls);
        put(RINGSCOPE_HEARTBEAT_NS, now);
        put(RINGSCOPE_QUEUE_DEPTH, queue_depth);
    }
    // By one thread, from time to time while it waits for something else than a message.
    __device__ __forceinline__ void heartbeat(u64 queue_depth) {
        if (!on()) return;
        put(RINGSCOPE_HEARTBEAT_NS, clock_ns());
        put(RINGSCOPE_QUEUE_DEPTH, queue_depth);
    }
    // By one thread: messages that nobody will handle.
    __device__ __forceinline__ void dropped(u64 count) {
        if (on()) add(&shard_->counters[RINGSCOPE_DROPPED], count);
    }
    // By one thread.
    __device__ __forceinline__ void state(u32 state) {
        if (on()) put(RINGSCOPE_STATE, state);
    }

   private:
    // The lane's own of the values, by selections: lanes that each jump to a case of their own run one after the other.
    template <u32 First, u32 Count, class Values>
    __device__ __forceinline__ static u64 pick(u32 lane, const Values& values) {
        if constexpr (Count == 1) {
            return values(First);
        } else {
            u64 low = pick<First, Count / 2>(lane, values);
            u64 high = pick<First + Count / 2, Count / 2>(lane, values);
            return (lane & (Count / 2)) != 0 ? high : low;
        }
    }
    __device__ __forceinline__ static MessageRecord finished(u64 begun, u64 ended, u64 in, u64 out, u32 status) {
        MessageRecord m;
        m.begin_ns = begun;
        m.end_ns = ended;
        m.bytes_in = in;
        m.bytes_out = out;
        m.status = status;
        m.sent = status == RINGSCOPE_OK;
        return m;
    }
    // Of handling. A clock that was set back between two reads must not count as centuries.
    __device__ __forceinline__ static u64 duration(const MessageRecord& m) {
        u64 idle = m.begin_ns + m.held_ns;
        return m.end_ns > idle ? m.end_ns - idle : 0;
    }
    __device__ __forceinline__ u64 counter_delta(const MessageRecord& m, u32 word) const {
        switch (word) {
            case RINGSCOPE_RECEIVED: return 1;
            case RINGSCOPE_SENT: return m.sent;
            case RINGSCOPE_PROCESSED: return m.status == RINGSCOPE_OK;
            case RINGSCOPE_ERRORS: return m.status != RINGSCOPE_OK;
            case RINGSCOPE_RETRIES: return m.retries;
            case RINGSCOPE_REPLIES_DROPPED: return m.replies_dropped;
            case RINGSCOPE_BYTES_IN: return m.bytes_in;
            case RINGSCOPE_BYTES_OUT: return m.bytes_out;
            case RINGSCOPE_BUSY_NS: return duration(m);
            case RINGSCOPE_WAIT_NS: return m.wait_ns + m.held_ns;
            case RINGSCOPE_POLLS: return m.polls;
#if RINGSCOPE_LEVEL >= 2
            case RINGSCOPE_LATENCY_COUNT: return buckets_ != nullptr;
            case RINGSCOPE_LATENCY_SUM_NS: return buckets_ != nullptr ? duration(m) : 0;
            case RINGSCOPE_QUEUED_SUM_NS: return waited(m) ? queued(m) : 0;
#endif
            default: return 0;
        }
    }
    __device__ __forceinline__ bool writes_word(const MessageRecord& m, u32 word) const {
        switch (word) {
            case RINGSCOPE_LAST_MESSAGE_NS:
            case RINGSCOPE_HEARTBEAT_NS:
            case RINGSCOPE_QUEUE_DEPTH:
            case RINGSCOPE_QUEUE_HIGH_WATER: return true;
            case RINGSCOPE_LAST_ERROR_CODE:
            case RINGSCOPE_LAST_ERROR_NS: return m.status != RINGSCOPE_OK;
#if RINGSCOPE_LEVEL >= 2
            case RINGSCOPE_LATENCY_NOT_MIN_NS:
            case RINGSCOPE_LATENCY_MAX_NS: return buckets_ != nullptr;
            case RINGSCOPE_QUEUED_NOT_MIN_NS:
            case RINGSCOPE_QUEUED_MAX_NS: return waited(m);
#endif
            default: return false;
        }
    }
    __device__ __forceinline__ u64 single_value(const MessageRecord& m, u32 word) const {
        switch (word) {
            case RINGSCOPE_LAST_MESSAGE_NS:
            case RINGSCOPE_LAST_ERROR_NS:
            case RINGSCOPE_HEARTBEAT_NS: return m.end_ns;
            case RINGSCOPE_QUEUE_DEPTH: return m.queue_depth;
            case RINGSCOPE_QUEUE_HIGH_WATER: return high_water_;
            case RINGSCOPE_LAST_ERROR_CODE: return m.status;
#if RINGSCOPE_LEVEL >= 2
            case RINGSCOPE_LATENCY_NOT_MIN_NS: return ~min_ns_;
            case RINGSCOPE_LATENCY_MAX_NS: return max_ns_;
            case RINGSCOPE_QUEUED_NOT_MIN_NS: return ~queued_min_ns_;
            case RINGSCOPE_QUEUED_MAX_NS: return queued_max_ns_;
#endif
            default: return 0;
        }
    }
    __device__ __forceinline__ void note_extremes(const MessageRecord& m) {
        if (m.queue_depth > high_water_) high_water_ = m.queue_depth;
#if RINGSCOPE_LEVEL >= 2
        u64 ns = duration(m);
        if (ns < min_ns_) min_ns_ = ns;
        if (ns > max_ns_) max_ns_ = ns;
        if (!waited(m)) return;
        ns = queued(m);
        if (ns < queued_min_ns_) queued_min_ns_ = ns;
        if (ns > queued_max_ns_) queued_max_ns_ = ns;
#endif
    }
#if RINGSCOPE_LEVEL >= 2
    __device__ __forceinline__ bool waited(const MessageRecord& m) const { return buckets_ != nullptr && m.sent_ns != 0; }
    // The host's notion of this clock is some microseconds off: what was sent later than now waited for nothing.
    __device__ __forceinline__ static u64 queued(const MessageRecord& m) {
        return m.begin_ns > m.sent_ns ? m.begin_ns - m.sent_ns : 0;
    }
#endif
    __device__ __forceinline__ void add(u64* p, u64 v) const {
#if RINGSCOPE_CUDA
        red_add(p, v);
#else
        red_add(p, v, shared_);
#endif
    }
    __device__ __forceinline__ void put(u32 word, u64 v) const { store_relaxed(&shard_->words[word], v); }

    ringscope_shard* shard_ = nullptr;
    u64 high_water_ = 0;
    bool shared_ = false;
#if RINGSCOPE_LEVEL >= 2
    u64* buckets_ = nullptr;
    u64 min_ns_ = ~0ull;
    u64 max_ns_ = 0;
    u64 queued_min_ns_ = ~0ull;
    u64 queued_max_ns_ = 0;
    u32 scale_ = 0;
    u32 waiting_ = 0;  // words from the buckets of handling to those of waiting
#endif
#endif  // RINGSCOPE_LEVEL
};

}  // inline namespace
}  // namespace ringscope

#endif  // RINGSCOPE_TELEMETRY_CUH
