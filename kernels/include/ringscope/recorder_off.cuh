// recorder_off.cuh: the pen of level 0, which does nothing. Included by recorder.cuh.
#ifndef RINGSCOPE_RECORDER_OFF_CUH
#define RINGSCOPE_RECORDER_OFF_CUH

namespace ringscope {
inline namespace RINGSCOPE_LEVEL_NAMESPACE {
class Recorder {
   public:
    RINGSCOPE_INLINE explicit Recorder(const KernelRef&) {}
    RINGSCOPE_INLINE Recorder(const KernelRef&, detail::Beginning) {}
    RINGSCOPE_INLINE Recorder(const KernelRef&, ringscope_u32, bool) {}
    RINGSCOPE_INLINE Recorder(const KernelRef&, Role, bool) {}
    RINGSCOPE_INLINE Recorder(const KernelRef&, Attached) {}
    // A pen keeps a reference to its ref: one that is gone with the statement is refused.
    template <class... Rest>
    Recorder(KernelRef&&, Rest...) = delete;
    Recorder(const Recorder&) = delete;
    Recorder& operator=(const Recorder&) = delete;
    RINGSCOPE_INLINE bool on() const { return false; }
    RINGSCOPE_INLINE ringscope_u64 begin() const { return 0; }
    RINGSCOPE_INLINE ringscope_u64 begin_warp() const { return 0; }
    RINGSCOPE_INLINE ringscope_u64 ended_warp() const { return 0; }
    RINGSCOPE_INLINE void end(ringscope_u64, ringscope_u64 = 0, ringscope_u64 = 0) {}
    RINGSCOPE_INLINE void end(ringscope_u64, Kind, ringscope_u64 = 0, ringscope_u64 = 0) {}
    RINGSCOPE_INLINE void fail(ringscope_u64, ringscope_u32, ringscope_u64 = 0) {}
    RINGSCOPE_INLINE void finish(ringscope_u64, ringscope_u32, ringscope_u64 = 0, ringscope_u64 = 0) {}
    RINGSCOPE_INLINE void end_warp(ringscope_u64, ringscope_u64 = 0, ringscope_u64 = 0) {}
    RINGSCOPE_INLINE void end_warp(ringscope_u64, Kind, ringscope_u64 = 0, ringscope_u64 = 0) {}
    RINGSCOPE_INLINE void fail_warp(ringscope_u64, ringscope_u32, ringscope_u64 = 0) {}
    RINGSCOPE_INLINE void finish_warp(ringscope_u64, ringscope_u32, ringscope_u64 = 0, ringscope_u64 = 0) {}
    RINGSCOPE_INLINE void record(const MessageRecord&) {}
    RINGSCOPE_INLINE void record_warp(const MessageRecord&) {}
    RINGSCOPE_INLINE void idle(ringscope_u64, ringscope_u64, ringscope_u64, ringscope_u64) {}
    RINGSCOPE_INLINE void heartbeat(ringscope_u64) {}
    RINGSCOPE_INLINE void alive() {}
    RINGSCOPE_INLINE void dropped(ringscope_u64) {}
    RINGSCOPE_INLINE void stays(ringscope_u64&) const {}
    RINGSCOPE_INLINE void goes_on(const ringscope_u64&) {}
    RINGSCOPE_INLINE void state(ringscope_u32) {}
    RINGSCOPE_INLINE void at(ringscope_u32) {}
    RINGSCOPE_INLINE void waiting(ringscope_u32) {}
    RINGSCOPE_INLINE void waiting(ringscope_u32, ringscope_u64, ringscope_u64, ringscope_u64) {}
    RINGSCOPE_INLINE void waited() {}
    RINGSCOPE_INLINE ringscope_u64 waits_since(ringscope_u32) const { return 0; }
    RINGSCOPE_INLINE void ring_place(ringscope_u32, ringscope_u64) {}
    RINGSCOPE_INLINE void no_message(ringscope_u64) {}
    RINGSCOPE_INLINE void in_hand_warp(ringscope_u64, ringscope_u64) {}
    RINGSCOPE_INLINE void last_words(ringscope_u32, ringscope_u64) {}
    template <class Value>
    RINGSCOPE_INLINE void event(ringscope_u32, Value) {}
    RINGSCOPE_INLINE void event(ringscope_u32) {}
    RINGSCOPE_INLINE void span(ringscope_u32, ringscope_u64) {}
    template <class Value>
    RINGSCOPE_INLINE void counter_sample(ringscope_u32, Value) {}
    template <class... Values>
    RINGSCOPE_INLINE void log(ringscope_u32, Values...) {}
};
}  // inline namespace
}  // namespace ringscope

#endif  // RINGSCOPE_RECORDER_OFF_CUH
