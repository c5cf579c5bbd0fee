// ring.cuh: a ring kernel of one's own, and the messaging under it. A kernel is a handler of a few lines:
//
//     #include <ringscope/ring.cuh>
//
//     struct Args { const float* weights; unsigned count, pad; };   // what the host gives to the launch, by value
//
//     namespace {
//     struct Scale {                                                // made once for each block, gone when the block ends
//         Args args;
//         unsigned long long handled = 0;                           // state of the block's own
//
//         __device__ unsigned handle(ringscope::Context& c, const ringscope::Message& in, ringscope::Reply& out) {
//             if (in.bytes != 4) return RINGSCOPE_BAD_MESSAGE;      // counted as an error; the reply carries the code
//             c.counter(0).add(ringscope::lane_index() == 0);             // a metric that the host registered
//             out.put(args.weights[++handled % args.count] * *reinterpret_cast<const float*>(in.data));
//             return RINGSCOPE_OK;
//         }
//     };
//     }  // namespace
//
//     RINGSCOPE_RING_KERNEL(scale, Scale, Args)    // or RINGSCOPE_RING_KERNEL(scale, Scale) without arguments
//
// The handler is made from what it can be made from: `Scale{context, args}` or `Scale{args}`; without arguments
// `Scale{context}` or `Scale{}`. An aggregate as above needs no constructor. Its destructor runs when the kernel is
// stopped. Put it into an unnamed namespace: the builds of several levels may be linked into one program.
//
// The arguments are plain data of at most RINGSCOPE_MAX_ARGS bytes, addresses of device memory among them. The host
// gives a #[repr(C)] struct of the same size and alignment (LaunchOptions::args); another one is refused at the launch.
//
// A block is one warp, and on the host device one thread. All lanes run the handler together, and each lane has its own
// copy of the handler's state (in registers); what the lanes share is `__shared__` memory, uninitialized, as ever. Lane 0
// does the ring's bookkeeping. What the handler returns is RINGSCOPE_OK, RINGSCOPE_BAD_MESSAGE or a code from 256 on,
// the same in all lanes.
//
// The entry is called name_l0, name_l1, name_l2 or name_l3, for RINGSCOPE_LEVEL.
//
// Input: a block takes a ticket (device memory) and owns that message, so none is lost or doubled however
// many blocks share the ring. The block whose ticket is the next unsent message is the only one that polls
// the host's word over the link; it hands what it saw to the others through device memory.
// Output: the same with tickets for reply slots; replies come in the order of completion and carry the
// number of the message that they answer. A full ring makes the block wait.
#ifndef RINGSCOPE_RING_CUH
#define RINGSCOPE_RING_CUH

#include <ringscope/telemetry.cuh>

#ifndef RINGSCOPE_DECLARATIONS
namespace ringscope {
inline namespace RINGSCOPE_LEVEL_NAMESPACE {

struct Message {
    ringscope_u64 seq;         // number of the message in its ring, from 0
    const ringscope_u8* data;  // 16-byte aligned, in host memory
    ringscope_u32 bytes;
};

class Ring;

// Where the answer goes. All lanes call these together.
class Reply {
   public:
    RINGSCOPE_INLINE Reply(Ring& ring) : ring_(ring) {}
    // Claims the slot, waits for room, and returns the payload's place, 16-byte aligned, of slot_bytes()
    // bytes; null if the kernel was stopped meanwhile: then return, the reply is counted as dropped. Null as
    // well for more bytes than a slot has: the message then counts as an error, RINGSCOPE_REPLY_TOO_LARGE.
    // Late is better: the replies of other blocks queue behind an open one.
    RINGSCOPE_INLINE ringscope_u8* open(ringscope_u32 bytes);
    // A reply of one value, plain data aligned to at most 16 bytes: that of lane 0.
    template <class Value>
    RINGSCOPE_INLINE void put(const Value& value) {
        static_assert(alignof(Value) <= 16, "a payload is aligned to 16 bytes");
        ringscope_u8* data = open(sizeof(Value));
        if (data != nullptr && lane_index() == 0) *reinterpret_cast<Value*>(data) = value;
    }

   private:
    friend class Ring;
    Ring& ring_;
    ringscope_u8* slot_ = nullptr;
    ringscope_u64 ticket_ = 0;
    ringscope_u32 bytes_ = 0;
    ringscope_u32 retries_ = 0;
    ringscope_u64 held_ns_ = 0;
    bool opened_ = false;
    bool too_large_ = false;
};

class Context;

class Ring {
   public:
    RINGSCOPE_INLINE Ring(const ringscope_ring_args& args, Recorder& rec) : args_(args), rec_(rec) {}

    // The next message of this block, or false when the kernel is to end.
    RINGSCOPE_INLINE bool take(Message& m, MessageRecord& record);
    // Makes the reply visible to the host, then lets the host reuse the message's slot.
    RINGSCOPE_INLINE void publish(const Message& m, Reply& reply, MessageRecord& record);
    // Which messages error injection refuses depends on their number alone.
    RINGSCOPE_INLINE bool refuses(ringscope_u64 seq) const { return detail::mixed(seq) >> 32 < args_.refuse_below; }

   private:
    friend class Reply;
    friend class Context;
    // A look at the host's words is a round trip over the link: a block that is never idle takes one this often. So a
    // command to hold or to stop is seen with the first message that ends later than that.
    static constexpr ringscope_u64 REFRESH_NS = 50000;
    static constexpr ringscope_u32 HEARTBEAT_EVERY = 64;

    // Reads the host's words over the link and raises the device's copies. Command before tail: a host
    // that stops a kernel sends nothing after, so the tail read after a stop is the last one.
    RINGSCOPE_INLINE void refresh() {
        ringscope_u64 command = detail::load_acquire_system(&args_.host->command);
        ringscope_u64 tail = detail::load_acquire_system(&args_.host->tail);
        if (tail > tail_) detail::raise_release_gpu(&args_.device->seen_tail, tail_ = tail);
        if (command > command_) {
            answer_the_clock(command);
            detail::raise_release_gpu(&args_.device->seen_command, command_ = command);
        }
    }
    // What the clock reads now that this command was seen: later than it was written, and earlier than the host sees the
    // answer. One word, so that it needs no order. Level 0 and a null ref read no clock: the host does without.
    RINGSCOPE_INLINE void answer_the_clock(ringscope_u64 command) {
        if (!rec_.on()) return;
        ringscope_u64 number = command / (RINGSCOPE_COMMAND_MASK + 1) << RINGSCOPE_CLOCK_BITS;
        ringscope_u64 now = clock_ns() & ((1ull << RINGSCOPE_CLOCK_BITS) - 1);
        detail::store_relaxed_system(&args_.host->clock_answer, number | now);
    }
    // Reads the device's copies.
    RINGSCOPE_INLINE void look() {
        ringscope_u64 command = detail::load_acquire_gpu(&args_.device->seen_command);
        ringscope_u64 tail = detail::load_acquire_gpu(&args_.device->seen_tail);
        if (command > command_) command_ = command;
        if (tail > tail_) tail_ = tail;
    }
    // Messages behind the one in hand, as far as this block knows.
    RINGSCOPE_INLINE ringscope_u64 waiting() const { return tail_ > ticket_ + 1 ? tail_ - ticket_ - 1 : 0; }
    RINGSCOPE_INLINE ringscope_u32 command() const { return (ringscope_u32)command_ & RINGSCOPE_COMMAND_MASK; }
    RINGSCOPE_INLINE bool wait_for_ticket(MessageRecord& record);
    RINGSCOPE_INLINE void drop_queue();
    // Tells what waiting has cost since then, and returns the time.
    RINGSCOPE_INLINE ringscope_u64 note_waiting(ringscope_u64 since, MessageRecord& record) {
        ringscope_u64 now = rec_.begin();
        rec_.idle(now, since != 0 && now > since ? now - since : 0, record.polls, tail_ > ticket_ ? tail_ - ticket_ : 0);
        record.polls = 0;
        return now;
    }
    RINGSCOPE_INLINE ringscope_slot_in* in_slot(ringscope_u64 n) const {
        return reinterpret_cast<ringscope_slot_in*>(args_.in + (n & (args_.slots - 1)) * args_.slot_stride);
    }
    RINGSCOPE_INLINE ringscope_slot_out* out_slot(ringscope_u64 n) const {
        return reinterpret_cast<ringscope_slot_out*>(args_.out + (n & (args_.slots - 1)) * args_.slot_stride);
    }

    const ringscope_ring_args& args_;
    Recorder& rec_;
    ringscope_u64 ticket_ = 0;       // the message this block owns next
    ringscope_u64 tail_ = 0;         // the host's words as this block knows them
    ringscope_u64 command_ = 0;
    ringscope_u64 out_head_ = 0;
    ringscope_u64 refreshed_ns_ = 0;  // when the host's words were last looked at with a queue
    ringscope_u64 last_end_ns_ = 0;  // when the message before ended: with a queue, when the next began
    ringscope_u32 stated_ = RINGSCOPE_STATE_HELD;
    bool has_ticket_ = false;

   public:
    // The loop of a ring kernel.
    template <class Handler>
    RINGSCOPE_INLINE void run(Context& context, Handler& handler) {
        last_end_ns_ = rec_.begin();  // lane 0 alone looks at it
        for (;;) {
            Message m;
            MessageRecord record;
            if (!take(m, record)) return;
            Reply reply(*this);
            record.bytes_in = m.bytes;
            record.status = refuses(m.seq) ? (ringscope_u32)RINGSCOPE_REFUSED : handler.handle(context, m, reply);
            publish(m, reply, record);
            // After publishing: the fence of a message does not wait for its own record, and by the next
            // message's fence the record is long done.
            record.end_ns = rec_.begin_warp();
            last_end_ns_ = record.end_ns;
            rec_.record_warp(record);
        }
    }
};

// What a handler is given beside each message: the block's recorder, and the metrics that the host registered.
class Context {
   public:
    RINGSCOPE_INLINE Context(Ring& ring) : ring_(ring) {}
    Context(const Context&) = delete;
    Context& operator=(const Context&) = delete;

    // The block's pen. The ring itself records each message, after its reply was published: a handler does not.
    RINGSCOPE_INLINE Recorder& recorder() const { return ring_.rec_; }
    RINGSCOPE_INLINE const KernelRef& telemetry() const { return ring_.args_.telemetry; }

    // What the host registered under that index, and what counts nothing if it is of another kind or not there. A look-up
    // reads eight words of device memory: do it in the handler's constructor, and again only for what is registered later.
    RINGSCOPE_INLINE CounterRef counter(ringscope_u32 index) const { return ringscope::counter(telemetry(), index); }
    RINGSCOPE_INLINE GaugeRef gauge(ringscope_u32 index) const { return ringscope::gauge(telemetry(), index); }
    RINGSCOPE_INLINE HistogramRef histogram(ringscope_u32 index) const { return ringscope::histogram(telemetry(), index); }
    RINGSCOPE_INLINE ExponentialRef exponential(ringscope_u32 index) const {
        return ringscope::exponential(telemetry(), index);
    }
    RINGSCOPE_INLINE CounterFamilyRef counter_family(ringscope_u32 index) const {
        return ringscope::counter_family(telemetry(), index);
    }
    RINGSCOPE_INLINE GaugeFamilyRef gauge_family(ringscope_u32 index) const {
        return ringscope::gauge_family(telemetry(), index);
    }
    RINGSCOPE_INLINE HistogramFamilyRef histogram_family(ringscope_u32 index) const {
        return ringscope::histogram_family(telemetry(), index);
    }

    RINGSCOPE_INLINE ExponentialFamilyRef exponential_family(ringscope_u32 index) const {
        return ringscope::exponential_family(telemetry(), index);
    }

    // By all lanes or by lane 0, from time to time in a handler that takes long: says that the block is alive, or the
    // host's watchdog takes one that is silent for longer than its stall limit for one that hangs.
    RINGSCOPE_INLINE void heartbeat() const {
        if (lane_index() == 0) ring_.rec_.heartbeat(ring_.waiting());
    }

   private:
    Ring& ring_;
};

RINGSCOPE_INLINE bool Ring::take(Message& m, MessageRecord& record) {
    ringscope_u32 go = 0;
    if (lane_index() == 0) go = wait_for_ticket(record);
    if (from_lane0(go) == 0) return false;
    ringscope_u64 seq = from_lane0(ticket_);
    if (rec_.on()) {  // or level 0 would keep what surrounds a shuffle, though nothing uses its result
        record.begin_ns = from_lane0(record.begin_ns);
        record.wait_ns = from_lane0(record.wait_ns);
        record.polls = from_lane0(record.polls);
        record.queue_depth = from_lane0(record.queue_depth);
    }
    rec_.in_hand_warp(seq, record.begin_ns);
    record.number = seq;
    has_ticket_ = false;
    sync_lanes();  // what lane 0 acquired, all lanes may read; a shuffle does not order memory
    const ringscope_slot_in* slot = in_slot(seq);
    m.seq = seq;
    // The size and the time of sending lie behind one another: one load over the link for both.
    const Word16 header = *reinterpret_cast<const Word16*>(&slot->bytes);
    m.bytes = header.x;
    if (rec_.on()) record.sent_ns = header.z | (ringscope_u64)header.w << 32;
    m.data = reinterpret_cast<const ringscope_u8*>(slot) + RINGSCOPE_SLOT_HEADER;
    return true;
}

// By lane 0. Holds a ticket until its message is there, whatever the waiting: a ticket is never given back.
RINGSCOPE_INLINE bool Ring::wait_for_ticket(MessageRecord& record) {
    if (!has_ticket_) {
        ticket_ = detail::take_ticket(&args_.device->ticket);
        has_ticket_ = true;
    }
    ringscope_u64 since = last_end_ns_;
    // Without telemetry the clock is read here: an instruction, where a look at the host is a round trip. A clock that was
    // set back looks at once.
    ringscope_u64 now = rec_.on() ? since : clock_ns();
    bool at_once = since != 0;
    if (now - refreshed_ns_ >= REFRESH_NS) {
        refreshed_ns_ = now;
        refresh();
        at_once = false;  // this trip is no handling
    } else {
        look();
    }
    for (ringscope_u32 attempt = 0;; ++attempt) {
        ringscope_u32 command = this->command();
        if (command == RINGSCOPE_COMMAND_STOP) {
            note_waiting(since, record);
            drop_queue();
            return false;
        }
        ringscope_u32 state = command == RINGSCOPE_COMMAND_RUN ? RINGSCOPE_STATE_ACTIVE : RINGSCOPE_STATE_HELD;
        if (state != stated_) rec_.state(stated_ = state);
        if (command == RINGSCOPE_COMMAND_RUN && ticket_ < tail_) {
            // Without a wait, work on this message began when the one before was done: one clock read less.
            ringscope_u64 begun = attempt == 0 && at_once ? since : rec_.begin();
            if (since != 0 && begun > since) record.wait_ns = begun - since;
            record.begin_ns = begun;
            record.queue_depth = tail_ - ticket_ - 1;
            return true;
        }
        if (attempt == 0) rec_.no_message(since != 0 ? since : rec_.begin());
        ++record.polls;
        if (attempt % HEARTBEAT_EVERY == HEARTBEAT_EVERY - 1) since = note_waiting(since, record);
        detail::relax(attempt);
        // The holder of the next message polls the host, the others watch device memory. While the kernel
        // is held the holders of queued messages poll as well: the next ticket may belong to nobody.
        if (ticket_ <= tail_) refresh();
        else look();
    }
}

// By lane 0, after a stop: what is queued is counted, exactly once among the blocks, not handled.
RINGSCOPE_INLINE void Ring::drop_queue() {
    refresh();
    ringscope_u64 count = 0;
    while (ticket_ < tail_) {
        ++count;
        ticket_ = detail::take_ticket(&args_.device->ticket);
    }
    if (count != 0) rec_.dropped(count);
}

RINGSCOPE_INLINE ringscope_u8* Reply::open(ringscope_u32 bytes) {
    too_large_ = bytes > ring_.args_.slot_bytes;
    if (too_large_) return nullptr;
    if (!opened_) {
        opened_ = true;
        ringscope_u32 stopped = 0;
        if (lane_index() == 0) {
            ticket_ = detail::take_ticket(&ring_.args_.device->out_ticket);
            ringscope_u32 attempt = 0;
            for (; ticket_ - ring_.out_head_ >= ring_.args_.slots; ++attempt) {
                ring_.out_head_ = detail::load_acquire_system(&ring_.args_.host->out_head);
                if (ticket_ - ring_.out_head_ < ring_.args_.slots) break;
                if (attempt == 0) {
                    retries_ = 1;
                    held_ns_ = ring_.rec_.begin();
                    ring_.rec_.ring_place(RINGSCOPE_PLACE_ROOM, held_ns_);
                }
                ring_.refresh();
                if (ring_.command() == RINGSCOPE_COMMAND_STOP) {
                    stopped = 1;
                    break;
                }
                if (attempt % Ring::HEARTBEAT_EVERY == Ring::HEARTBEAT_EVERY - 1) ring_.rec_.heartbeat(ring_.waiting());
                detail::relax(attempt);
            }
            if (attempt != 0) ring_.refresh();  // commands may have come meanwhile
        }
        if (ring_.rec_.on() && lane_index() == 0 && retries_ != 0) {
            ringscope_u64 now = ring_.rec_.begin();
            held_ns_ = now - held_ns_;
            ring_.rec_.ring_place(RINGSCOPE_PLACE_HANDLER, now);
        }
        ticket_ = from_lane0(ticket_);
        // Lane 0 acquired the host's word that the slot is free again: only after meeting it may the others write there.
        sync_lanes();
        if (from_lane0(stopped) == 0) slot_ = reinterpret_cast<ringscope_u8*>(ring_.out_slot(ticket_));
    }
    bytes_ = bytes;
    return slot_ == nullptr ? nullptr : slot_ + RINGSCOPE_SLOT_HEADER;
}

RINGSCOPE_INLINE void Ring::publish(const Message& m, Reply& reply, MessageRecord& record) {
    if (reply.too_large_) record.status = RINGSCOPE_REPLY_TOO_LARGE;
    if (!reply.opened_) reply.open(0);
    if (record.status != RINGSCOPE_OK) reply.bytes_ = 0;
    sync_lanes();  // the payload of all lanes, before lane 0 publishes
    ringscope_u64* done = &in_slot(m.seq)->done;
    if (reply.slot_ == nullptr) {
        if (lane_index() == 0) detail::store_release_system(done, m.seq + 1);
        record.sent = 0;
        record.replies_dropped = 1;
    } else {
        ringscope_slot_out* slot = reinterpret_cast<ringscope_slot_out*>(reply.slot_);
        if (lane_index() == 0) {
            slot->seq = m.seq;
            slot->bytes = reply.bytes_;
            slot->status = record.status;
            if (RINGSCOPE_LEVEL > 0) {
                ringscope_u64 now = rec_.begin();
                slot->time_ns = now;
                rec_.ring_place(RINGSCOPE_PLACE_PUBLISH, now);
            }
            detail::publish_system(done, m.seq + 1, &slot->ready, reply.ticket_ + 1);
        }
        record.bytes_out = reply.bytes_;
    }
    if (rec_.on()) {
        record.retries = from_lane0(reply.retries_);
        record.held_ns = from_lane0(reply.held_ns_);
    }
}

// The arguments of a kernel without arguments.
struct NoArgs {};
}  // inline namespace

namespace detail {
// Whether Handler{Given...} can be made. No STL: NVRTC has none.
template <class Type>
Type some();
template <class Made, class Handler, class... Given>
struct From {
    static constexpr bool possible = false;
};
template <class Handler, class... Given>
struct From<decltype((void)Handler{some<Given>()...}), Handler, Given...> {
    static constexpr bool possible = true;
};
template <class Handler, class... Given>
constexpr bool is_from = From<void, Handler, Given...>::possible;

template <class Handler>
RINGSCOPE_INLINE Handler make(Context& context, const NoArgs&) {
    static_assert(is_from<Handler, Context&> || is_from<Handler>,
                  "a handler without arguments is made as H{} or H{context}");
    if constexpr (is_from<Handler, Context&>) {
        return Handler{context};
    } else {
        return Handler{};
    }
}
template <class Handler, class Args>
RINGSCOPE_INLINE Handler make(Context& context, const Args& args) {
    static_assert(sizeof(Args) <= RINGSCOPE_MAX_ARGS, "arguments of more than 1024 bytes: pass the address of the rest");
    static_assert(alignof(Args) <= 16, "arguments are aligned to at most 16 bytes");
    static_assert(is_from<Handler, Context&, const Args&> || is_from<Handler, const Args&>,
                  "a handler with arguments is made as H{args} or H{context, args}");
    if constexpr (is_from<Handler, Context&, const Args&>) {
        return Handler{context, args};
    } else {
        return Handler{args};
    }
}
}  // namespace detail

inline namespace RINGSCOPE_LEVEL_NAMESPACE {
template <class Handler, class Args>
RINGSCOPE_INLINE void run_ring(const ringscope_ring_args& ring_args, const Args& args) {
    Recorder rec(ring_args.telemetry, detail::Beginning{RINGSCOPE_STATE_HELD});
    Ring ring(ring_args, rec);
    Context context(ring);
    Handler handler = detail::make<Handler>(context, args);
    ring.run(context, handler);
}

}  // inline namespace
}  // namespace ringscope

// RINGSCOPE_RING_KERNEL(name, Handler) or RINGSCOPE_RING_KERNEL(name, Handler, Args), see above. The entry is named for its
// level, so that the builds of several levels can live in one program.
#define RINGSCOPE_RING_KERNEL(...)                                                                              \
    RINGSCOPE_FOURTH_(__VA_ARGS__, RINGSCOPE_RING_KERNEL_WITH_, RINGSCOPE_RING_KERNEL_ALONE_, unused)(__VA_ARGS__)
#define RINGSCOPE_FOURTH_(a, b, c, d, ...) d
#define RINGSCOPE_RING_KERNEL_ALONE_(name, Handler) \
    RINGSCOPE_RING_ENTRY_ALONE(RINGSCOPE_JOIN(name##_l, RINGSCOPE_LEVEL), Handler)
#define RINGSCOPE_RING_KERNEL_WITH_(name, Handler, Args) \
    RINGSCOPE_RING_ENTRY_WITH(RINGSCOPE_JOIN(name##_l, RINGSCOPE_LEVEL), Handler, Args)
#define RINGSCOPE_RING_ENTRY_ALONE(entry, Handler) RINGSCOPE_RING_ENTRY_ALONE_(entry, Handler)
#define RINGSCOPE_RING_ENTRY_WITH(entry, Handler, Args) RINGSCOPE_RING_ENTRY_WITH_(entry, Handler, Args)
#define RINGSCOPE_RING_ENTRY_ALONE_(entry, Handler)                                 \
    extern "C" __global__ void entry(const ringscope_ring_args ring) {              \
        ringscope::run_ring<Handler>(ring, ringscope::NoArgs{});                    \
    }                                                                               \
    RINGSCOPE_ENTRY(entry)                                                          \
    RINGSCOPE_DESCRIBE_(entry, 0, 0)
#define RINGSCOPE_RING_ENTRY_WITH_(entry, Handler, Args)                            \
    extern "C" __global__ void entry(const ringscope_ring_args ring, const Args args) { \
        ringscope::run_ring<Handler>(ring, args);                                   \
    }                                                                               \
    RINGSCOPE_ENTRY(entry)                                                          \
    RINGSCOPE_DESCRIBE_ARGS_(entry, sizeof(Args), alignof(Args))

// What the host must know of an entry. On CUDA two symbols, entry_args and entry_args_align, whose own sizes are the
// size and the alignment of the arguments: cuModuleGetGlobal tells them without a copy.
#if RINGSCOPE_CUDA
#define RINGSCOPE_DESCRIBE_(entry, size, align)
#define RINGSCOPE_DESCRIBE_ARGS_(entry, size, align)            \
    extern "C" {                                                \
    __device__ ringscope_u8 entry##_args[size];                 \
    __device__ ringscope_u8 entry##_args_align[align];          \
    }
#else
#define RINGSCOPE_DESCRIBE_(entry, size, align)                                                              \
    extern "C" {                                                                                             \
    extern const ringscope_host_kernel entry##_kernel;                                                       \
    const ringscope_host_kernel entry##_kernel = {&entry##_host, RINGSCOPE_ABI_VERSION, RINGSCOPE_LEVEL, size, align, \
                                                         ringscope_names_of(0)};                               \
    }
#define RINGSCOPE_DESCRIBE_ARGS_(entry, size, align) RINGSCOPE_DESCRIBE_(entry, size, align)
#endif
#endif  // RINGSCOPE_DECLARATIONS

#endif  // RINGSCOPE_RING_CUH
