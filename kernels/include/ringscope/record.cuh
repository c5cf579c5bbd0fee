// record.cuh: what a message amounts to, and what that adds to the words of its shard. Included by telemetry.cuh.
#ifndef RINGSCOPE_RECORD_CUH
#define RINGSCOPE_RECORD_CUH

namespace ringscope {
namespace detail {
constexpr ringscope_u32 SHARD_OF_BLOCK = ~0u;
// The state that a shard begins in.
struct Beginning {
    ringscope_u32 state;
};
}  // namespace detail

// A role of the calling block, from 0: see recorder.cuh.
struct Role {
    ringscope_u32 index;
};

// A pen that leaves the life cycle alone, for a function that has none of its own: the shard of its block, or that one. One
// that `writes` is the owner's, and goes on with the events where its ring is; a pen that the owner has besides then writes
// none, until this one is gone and it was made anew.
struct Attached {
    ringscope_u32 shard = detail::SHARD_OF_BLOCK;
    bool writes = false;
};

// A kind of task, chosen from the family that the host named in the ref (KernelRef::with_kinds): rec.end(begun, Kind{3}).
struct Kind {
    ringscope_u32 index;
};

// What one message adds to its shard.
struct MessageRecord {
    static constexpr ringscope_u64 NO_NUMBER = ~0ull;
    static constexpr ringscope_u32 NO_KIND = ~0u;

    ringscope_u64 begin_ns = 0;  // device clock
    ringscope_u64 end_ns = 0;
    ringscope_u64 wait_ns = 0;   // waited for it
    ringscope_u64 sent_ns = 0;   // when it was put into the queue, device clock; 0 is not known. Of all messages, or of none
    ringscope_u64 held_ns = 0;   // of the time between begin and end: waited for room for its reply
    ringscope_u64 polls = 0;     // that found the queue empty meanwhile
    ringscope_u64 bytes_in = 0;
    ringscope_u64 bytes_out = 0;
    ringscope_u64 queue_depth = 0;
    ringscope_u64 number = NO_NUMBER;  // for its span
    ringscope_u32 status = RINGSCOPE_OK;
    ringscope_u32 sent = 1;      // replies published for it
    ringscope_u32 retries = 0;
    ringscope_u32 replies_dropped = 0;
    ringscope_u32 kind = NO_KIND;
};

namespace detail {
RINGSCOPE_INLINE MessageRecord finished(ringscope_u64 begun, ringscope_u64 ended, ringscope_u64 in, ringscope_u64 out,
                                        ringscope_u32 status) {
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
RINGSCOPE_INLINE ringscope_u64 duration(const MessageRecord& m) {
    ringscope_u64 idle = m.begin_ns + m.held_ns;
    return m.end_ns > idle ? m.end_ns - idle : 0;
}
// In the queue. The host's notion of this clock is some microseconds off: what was sent later than now waited for nothing.
RINGSCOPE_INLINE ringscope_u64 queued(const MessageRecord& m) {
    return m.begin_ns > m.sent_ns ? m.begin_ns - m.sent_ns : 0;
}

inline namespace RINGSCOPE_LEVEL_NAMESPACE {
// What a record does to each word, for one value of `word`; all of it folds away where the word is known.
struct Effects {
    const MessageRecord& m;
    bool histograms;  // there are rows of buckets

    // Whether its wait in the queue is known, and counts.
    RINGSCOPE_INLINE bool waited() const { return histograms && m.sent_ns != 0; }
    // Added to a counter.
    RINGSCOPE_INLINE ringscope_u64 delta(ringscope_u32 which) const {
        switch (which) {
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
            case RINGSCOPE_LATENCY_COUNT: return histograms;
            case RINGSCOPE_LATENCY_SUM_NS: return histograms ? duration(m) : 0;
            case RINGSCOPE_QUEUED_SUM_NS: return waited() ? queued(m) : 0;
#endif
            default: return 0;
        }
    }
    // Whether a word of line 1 is stored, as the newest value.
    RINGSCOPE_INLINE bool stores(ringscope_u32 which) const {
        switch (which) {
            case RINGSCOPE_LAST_MESSAGE_NS:
            case RINGSCOPE_HEARTBEAT_NS:
            case RINGSCOPE_QUEUE_DEPTH: return true;
            case RINGSCOPE_LAST_ERROR_CODE:
            case RINGSCOPE_LAST_ERROR_NS: return m.status != RINGSCOPE_OK;
            default: return false;
        }
    }
    RINGSCOPE_INLINE ringscope_u64 stored(ringscope_u32 which) const {
        switch (which) {
            case RINGSCOPE_QUEUE_DEPTH: return m.queue_depth;
            case RINGSCOPE_LAST_ERROR_CODE: return m.status;
            default: return m.end_ns;
        }
    }
    // What a word of line 1 is raised to; 0 raises nothing.
    RINGSCOPE_INLINE ringscope_u64 raised(ringscope_u32 which) const {
        switch (which) {
            case RINGSCOPE_QUEUE_HIGH_WATER: return m.queue_depth;
#if RINGSCOPE_LEVEL >= 2
            case RINGSCOPE_LATENCY_NOT_MIN_NS: return histograms ? ~duration(m) : 0;
            case RINGSCOPE_LATENCY_MAX_NS: return histograms ? duration(m) : 0;
            case RINGSCOPE_QUEUED_NOT_MIN_NS: return waited() ? ~queued(m) : 0;
            case RINGSCOPE_QUEUED_MAX_NS: return waited() ? queued(m) : 0;
#endif
            default: return 0;
        }
    }
};
}  // inline namespace

// The lane's own of the values, by selections: lanes that each jump to a case of their own run one after the other.
template <ringscope_u32 First, ringscope_u32 Count, class Values>
RINGSCOPE_INLINE ringscope_u64 pick(ringscope_u32 which, const Values& values) {
    if constexpr (Count == 1) {
        return values(First);
    } else {
        ringscope_u64 low = pick<First, Count / 2>(which, values);
        ringscope_u64 high = pick<First + Count / 2, Count / 2>(which, values);
        return (which & (Count / 2)) != 0 ? high : low;
    }
}

// splitmix64's finalizer: numbers in a row become numbers without order.
RINGSCOPE_INLINE ringscope_u64 mixed(ringscope_u64 x) {
    x += 0x9e3779b97f4a7c15ull;
    x = (x ^ (x >> 30)) * 0xbf58476d1ce4e5b9ull;
    x = (x ^ (x >> 27)) * 0x94d049bb133111ebull;
    return x ^ (x >> 31);
}
}  // namespace detail
}  // namespace ringscope

#endif  // RINGSCOPE_RECORD_CUH
