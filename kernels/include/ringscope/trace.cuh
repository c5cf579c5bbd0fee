// trace.cuh: records of events and spans, in a ring of device memory and in the black box. Included by telemetry.cuh.
#ifndef RINGSCOPE_TRACE_CUH
#define RINGSCOPE_TRACE_CUH

namespace ringscope {
namespace detail {
// Added to the kind of a record that has a rest.
constexpr ringscope_u32 HAS_REST = RINGSCOPE_RECORD_MORE;
constexpr ringscope_u64 LOW_TIME = (1ull << RINGSCOPE_TIME_BITS) - 1;

RINGSCOPE_INLINE ringscope_u64 at_word(ringscope_u32 kind, ringscope_u32 waypoint, ringscope_u64 now) {
    ringscope_u64 place = kind << RINGSCOPE_NAME_BITS | (waypoint & ((1u << RINGSCOPE_NAME_BITS) - 1));
    return place << RINGSCOPE_TIME_BITS | (now & LOW_TIME);
}
RINGSCOPE_INLINE ringscope_u32 kind_of(ringscope_u64 at) {
    return (ringscope_u32)(at >> (RINGSCOPE_TIME_BITS + RINGSCOPE_NAME_BITS));
}
// Of a wait that began at `since`: a larger resource than the largest reads as that, of the value the low bits are kept.
RINGSCOPE_INLINE ringscope_u64 wait_word(ringscope_u64 resource, ringscope_u64 since, ringscope_u64 value) {
    ringscope_u64 which = resource < 0xffff ? resource : 0xffff;
    return which << 48 | (since & 0xffff) << RINGSCOPE_WAIT_VALUE_BITS | (value & 0xffffffff);
}

// Writes record `number` of a ring of a power of two records. `PutWord` is how a word is stored. Everything but the time
// fits 32 bits, and is computed in them: registers are dear where this is called.
template <class PutWord>
RINGSCOPE_INLINE void write_record(ringscope_u64* ring, ringscope_u32 records, ringscope_u32 number, ringscope_u64 time,
                                   ringscope_u32 payload, ringscope_u32 name, ringscope_u32 kind, PutWord put_word) {
    ringscope_u64* place = ring + (number & (records - 1)) * RINGSCOPE_RECORD_WORDS;
    ringscope_u32 stamp = (number + records) & ((1u << RINGSCOPE_STAMP_BITS) - 1);
    ringscope_u32 low = (name & ((1u << RINGSCOPE_NAME_BITS) - 1)) << 20 | kind << 16 | stamp;
    put_word(place, time << RINGSCOPE_STAMP_BITS | stamp);
    put_word(place + 1, (ringscope_u64)payload << 32 | low);
}

// A shard's number, exactly: a shard is three lines, and 0xaaaaaaab times 3 is 1 in 32 bits.
RINGSCOPE_INLINE ringscope_u32 index_of(const ringscope_shard* shard, const ringscope_shard* first) {
    ringscope_u64 bytes = (ringscope_u64)((const ringscope_u8*)shard - (const ringscope_u8*)first);
    return computed_here((ringscope_u32)(bytes / RINGSCOPE_LINE_BYTES)) * 0xaaaaaaabu;
}

inline namespace RINGSCOPE_LEVEL_NAMESPACE {
#if RINGSCOPE_LEVEL >= 3
// The pen of one ring. One thread has it: how far it is, it knows by itself, without an atomic and without a fence.
// Where the ring lies is computed again for each record: it would take four registers of the kernel's.
class TracePen {
   public:
    // A ring that was written before goes on where it was.
    RINGSCOPE_INLINE void open(const ringscope_kernel_ref& ref, const ringscope_shard* shard) {
        if (ref.records != nullptr) written_ = load_relaxed(head(ref, index_of(shard, ref.shards)) + RINGSCOPE_HEAD_WRITTEN);
#if !RINGSCOPE_CUDA
        if (on()) ring_ = ring(ref, index_of(shard, ref.shards)), head_ = head(ref, index_of(shard, ref.shards));
        records_ = ref.record_count;
#endif
    }
    // By the shard's owner, when its life begins: 1 + the multiprocessor.
    RINGSCOPE_INLINE void says_where(const ringscope_kernel_ref& ref, const ringscope_shard* shard, ringscope_u64 sm) const {
        if (on()) store_relaxed(head(ref, index_of(shard, ref.shards)) + RINGSCOPE_HEAD_SM, sm);
    }
    RINGSCOPE_INLINE bool on() const { return written_ != NO_RING; }
    RINGSCOPE_INLINE void write(const ringscope_kernel_ref& ref, const ringscope_shard* shard, ringscope_u64 time,
                                ringscope_u32 payload, ringscope_u32 name, ringscope_u32 kind) {
        auto put_word = [](ringscope_u64* p, ringscope_u64 v) { store_relaxed(p, v); };
#if RINGSCOPE_CUDA
        // Found anew for each record: a producer has no registers to keep it in.
        ringscope_u32 index = index_of(shard, ref.shards);
        write_record(ring(ref, index), ref.record_count, (ringscope_u32)written_, time, payload, name, kind, put_word);
        store_relaxed(head(ref, index), ++written_);
#else
        (void)ref, (void)shard;
        write_record(ring_, records_, (ringscope_u32)written_, time, payload, name, kind, put_word);
        store_relaxed(head_, ++written_);
#endif
    }
    // What the record before it has no room for.
    RINGSCOPE_INLINE void rest(const ringscope_kernel_ref& ref, const ringscope_shard* shard, ringscope_u64 value,
                               ringscope_u32 beside, bool more) {
        ringscope_u32 payload = beside << 16 | (ringscope_u32)(value >> RINGSCOPE_TIME_BITS);
        write(ref, shard, value & LOW_TIME, payload, 0, RINGSCOPE_RECORD_REST | (more ? HAS_REST : 0u));
    }
    // One record; a larger value than 32 bits is in a second one.
    RINGSCOPE_INLINE void value(const ringscope_kernel_ref& ref, const ringscope_shard* shard, ringscope_u64 time,
                                ringscope_u64 v, ringscope_u32 name, ringscope_u32 kind) {
        bool more = (v >> 32) != 0;
        write(ref, shard, time, (ringscope_u32)v, name, kind | (more ? HAS_REST : 0u));
        if (more) rest(ref, shard, v, 0, false);
    }
    RINGSCOPE_INLINE void message(const ringscope_kernel_ref& ref, const ringscope_shard* shard, const MessageRecord& m) {
        ringscope_u64 took = duration(m);
        write(ref, shard, m.begin_ns, (ringscope_u32)took, m.status, RINGSCOPE_RECORD_MESSAGE | RINGSCOPE_RECORD_MORE);
        bool more = (took >> 32) != 0 || (m.status >> 16) != 0;
        rest(ref, shard, m.number, m.status & 0xffff, more);
        if (more) rest(ref, shard, (took >> 32) << 32 | m.status, 0, false);
    }
    // Whether the host wants a span of this message.
    RINGSCOPE_INLINE static bool wants(const ringscope_kernel_ref& ref, const MessageRecord& m) {
        ringscope_u64 filter = load_relaxed(ref.filter);
        if ((filter & RINGSCOPE_FILTER_ERRORS) != 0 && m.status != RINGSCOPE_OK) return true;
        ringscope_u64 slow = filter & ((1ull << RINGSCOPE_FILTER_SLOW_BITS) - 1);
        if (slow != 0 && duration(m) > slow) return true;
        ringscope_u32 sample = (ringscope_u32)(filter >> RINGSCOPE_FILTER_SLOW_BITS);
        sample &= (1u << RINGSCOPE_FILTER_SAMPLE_BITS) - 1;
        ringscope_u64 number = m.number != MessageRecord::NO_NUMBER ? m.number : m.begin_ns;
        return sample != 0 && (mixed(number) & ((1ull << (sample - 1)) - 1)) == 0;
    }

   private:
    static constexpr ringscope_u64 NO_RING = ~0ull;
    RINGSCOPE_INLINE static ringscope_u64* head(const ringscope_kernel_ref& ref, ringscope_u32 index) {
        return ref.heads + (ringscope_u64)index * RINGSCOPE_HEAD_WORDS;
    }
    RINGSCOPE_INLINE static ringscope_u64* ring(const ringscope_kernel_ref& ref, ringscope_u32 index) {
        return ref.records + (ringscope_u64)index * (ref.record_count * RINGSCOPE_RECORD_WORDS);
    }
    ringscope_u64 written_ = NO_RING;
#if !RINGSCOPE_CUDA
    ringscope_u64* ring_ = nullptr;
    ringscope_u64* head_ = nullptr;
    ringscope_u32 records_ = 0;
#endif
};
#endif

#if RINGSCOPE_LEVEL >= 1
// Host memory that outlives a context that died: slow to write, and written only where the host asked for it. Any thread of
// the shard may; of threads that write at the same moment one's record may be lost.
struct BlackBox {
    const ringscope_kernel_ref& ref;
    ringscope_shard* shard;

    RINGSCOPE_INLINE bool on() const { return ref.box != nullptr; }
    RINGSCOPE_INLINE ringscope_u64* words() const {
        ringscope_u32 stride = RINGSCOPE_BOX_WORDS + ref.box_count * RINGSCOPE_RECORD_WORDS;
        return ref.box + (ringscope_u64)index_of(shard, ref.shards) * stride;
    }
    RINGSCOPE_INLINE void place(ringscope_u64 at) const {
        ringscope_u64* box = words();
        ringscope_u32 waypoint = (ringscope_u32)(at >> RINGSCOPE_TIME_BITS) & ((1u << RINGSCOPE_NAME_BITS) - 1);
        ringscope_u64 number = load_relaxed(&shard->where[RINGSCOPE_BOX_WRITTEN]);
        store_relaxed_system(box + RINGSCOPE_BOX_AT, at);
        write(box, number, at & LOW_TIME, kind_of(at), waypoint, RINGSCOPE_RECORD_WAYPOINT);
        written(box, number + 1);
    }
    // One of the words with the same name in the shard.
    RINGSCOPE_INLINE void put(ringscope_u32 which, ringscope_u64 v) const { store_relaxed_system(words() + which, v); }
    RINGSCOPE_INLINE void message(const MessageRecord& m) const {
        ringscope_u64* box = words();
        ringscope_u64 number = load_relaxed(&shard->where[RINGSCOPE_BOX_WRITTEN]);
        store_relaxed_system(box + RINGSCOPE_BOX_MESSAGE, 0);
        ringscope_u32 took = duration(m) >> 32 == 0 ? (ringscope_u32)duration(m) : ~0u;
        write(box, number, m.begin_ns, took, m.status, RINGSCOPE_RECORD_MESSAGE | RINGSCOPE_RECORD_MORE);
        ringscope_u32 beside = (m.status & 0xffff) << 16 | (ringscope_u32)(m.number >> RINGSCOPE_TIME_BITS);
        write(box, number + 1, m.number & LOW_TIME, beside, 0, RINGSCOPE_RECORD_REST);
        written(box, number + 2);
    }
    // Visible to the host before the code is, which says that they are there.
    RINGSCOPE_INLINE void last_words(ringscope_u32 code, ringscope_u64 value) const {
        put(RINGSCOPE_BOX_VALUE, value);
        put(RINGSCOPE_BOX_TIME, clock_ns());
        fence_system();
        put(RINGSCOPE_BOX_CODE, 1 + (ringscope_u64)code);
        fence_system();
    }

   private:
    RINGSCOPE_INLINE void write(ringscope_u64* box, ringscope_u64 number, ringscope_u64 time, ringscope_u32 payload,
                                ringscope_u32 name, ringscope_u32 kind) const {
        auto put_word = [](ringscope_u64* p, ringscope_u64 v) { store_relaxed_system(p, v); };
        write_record(box + RINGSCOPE_BOX_WORDS, ref.box_count, (ringscope_u32)number, time, payload, name, kind, put_word);
    }
    RINGSCOPE_INLINE void written(ringscope_u64* box, ringscope_u64 records) const {
        store_relaxed(&shard->where[RINGSCOPE_BOX_WRITTEN], records);
        store_relaxed_system(box + RINGSCOPE_BOX_HEAD, records);
    }
};
#endif
}  // inline namespace
}  // namespace detail
}  // namespace ringscope

#endif  // RINGSCOPE_TRACE_CUH
