// wait.cuh: waits with a deadline, checks with last words, and spans that end with their scope. Included by telemetry.cuh.
#ifndef RINGSCOPE_WAIT_CUH
#define RINGSCOPE_WAIT_CUH

namespace ringscope {
namespace detail {
// What spin_until and spin_until_equal have in common: `look(report)` looks, and says where it waits if it is to report.
template <class Pen, class Look>
RINGSCOPE_INLINE bool spin(Pen& rec, ringscope_u32 waypoint, ringscope_u64 limit_ns, Look look) {
    constexpr ringscope_u32 CLOCK_EVERY = 16;
    if (look(false)) return true;
    // A wait that was given up and is gone on with is the same wait: its time has run out.
    ringscope_u64 earlier = rec.waits_since(waypoint);
    ringscope_u64 since = earlier != 0 ? earlier : clock_ns();
    bool overdue = false;
    for (ringscope_u32 attempt = 0;; ++attempt) {
        if (attempt % CLOCK_EVERY == 0) {
            ringscope_u64 now = clock_ns();  // which may have been set back
            overdue = limit_ns != 0 && now > since && now - since > limit_ns;
            if (look(true)) break;
            if (overdue) return false;
            if (limit_ns != 0) rec.alive();
        }
        relax(attempt);
        if (look(false)) break;
    }
    rec.waited();
    return true;
}
}  // namespace detail

inline namespace RINGSCOPE_LEVEL_NAMESPACE {

// By the shard's owner: a span from here to the end of the scope. They may nest.
class Span {
   public:
    RINGSCOPE_INLINE Span(Recorder& rec, ringscope_u32 name)
        : rec_(rec), begun_(RINGSCOPE_LEVEL >= 3 ? rec.begin() : 0), name_(name) {}
    RINGSCOPE_INLINE ~Span() { rec_.span(name_, begun_); }
    Span(const Span&) = delete;
    Span& operator=(const Span&) = delete;

   private:
    Recorder& rec_;
    ringscope_u64 begun_;
    ringscope_u32 name_;
};

// By one thread: waits until condition() holds, at most limit_ns nanoseconds, and returns whether it does. Until the
// limit the block gives signs of life; after it, it is one that hangs, at that waypoint, even if it goes on waiting
// there. With a limit of 0 it waits for ever, and gives none. At level 0 it waits as well.
template <class Condition>
RINGSCOPE_INLINE bool spin_until(Recorder& rec, ringscope_u32 waypoint, ringscope_u64 limit_ns, Condition condition) {
    return detail::spin(rec, waypoint, limit_ns, [&](bool report) {
        bool holds = condition();
        if (report && !holds) rec.waiting(waypoint, 0, 1, 0);
        return holds;
    });
}
// The same until value() == expected, of a resource with that number: the host then says what is expected and what is there.
template <class Value>
RINGSCOPE_INLINE bool spin_until_equal(Recorder& rec, ringscope_u32 waypoint, ringscope_u64 limit_ns, ringscope_u32 resource,
                                       ringscope_u64 expected, Value value) {
    return detail::spin(rec, waypoint, limit_ns, [&](bool report) {
        ringscope_u64 seen = value();
        if (report && seen != expected) rec.waiting(waypoint, resource, expected, seen);
        return seen == expected;
    });
}

// By any thread: where the condition does not hold, it writes code and value into the block's black box, if the host
// asked for one, and traps: the kernel dies, and the host's error quotes them. At level 0 it traps as well.
RINGSCOPE_INLINE void check(Recorder& rec, bool condition, ringscope_u32 code, ringscope_u64 value = 0) {
    if (condition) return;
    rec.last_words(code, value);
    detail::trap();
}

}  // inline namespace
}  // namespace ringscope

#endif  // RINGSCOPE_WAIT_CUH
