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
// A block is one warp, and on the host device one thread (block.cuh has larger ones). All lanes run the handler together, and each lane has its own
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
#include <ringscope/message.cuh>

namespace ringscope {
inline namespace RINGSCOPE_LEVEL_NAMESPACE {

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
    // The same without waiting: null if there is no room yet. Then open() waits. What a handler has in many registers it had
    // better read again after that: they are not kept over a wait in vain.
    RINGSCOPE_INLINE ringscope_u8* open_at_once(ringscope_u32 bytes);
    // A reply of one value, plain data aligned to at most 16 bytes: that of lane 0.
    template <class Value>
    RINGSCOPE_INLINE void put(const Value& value) {
        static_assert(alignof(Value) <= 16, "a payload is aligned to 16 bytes");
        ringscope_u8* data = open(sizeof(Value));
        if (data != nullptr && lane_index() == 0) *reinterpret_cast<Value*>(data) = value;
    }

   private:
    friend class Ring;
    RINGSCOPE_INLINE bool wait_for_room();
    RINGSCOPE_INLINE void has_slot();
    RINGSCOPE_INLINE ringscope_u8* data() const;
    Ring& ring_;
    ringscope_u32 bytes_ = 0;
    bool claimed_ = false;  // it has a ticket, own_.out_ticket
    bool opened_ = false;   // and a slot, or the kernel is to end
    bool has_slot_ = false;
    bool too_large_ = false;
};

class Context;
class BlockLoop;

class Ring {
   public:
    RINGSCOPE_INLINE Ring(const ringscope_ring_args& args, Recorder& rec) : args_(args), rec_(rec) {}

    // By all lanes of one warp, as publish: the next message of this block, or false when the kernel is to end. What the host
    // wrote of the message comes before what the lanes do after.
    RINGSCOPE_INLINE bool take(Message& m, MessageRecord& record);
    // The message is answered: what the lanes did before, and what they met other warps after, comes before what the host
    // does when it finds the reply, or the message's slot given back. That is at once, or with a later message that is in
    // hand, but before a call that waits: take() for a message, Reply::open() for room. So each message is published
    // before the next one is taken from an empty queue, and all are when take() says false.
    RINGSCOPE_INLINE void publish(const Message& m, Reply& reply, MessageRecord& record);
    // Which messages error injection refuses depends on their number alone.
    RINGSCOPE_INLINE bool refuses(ringscope_u64 seq) const { return detail::mixed(seq) >> 32 < args_.refuse_below; }

   private:
    friend class Reply;
    friend class Context;
    friend class BlockLoop;
    // A look at the host's words is a round trip over the link: a block that is never idle takes one this often. So a
    // command to hold or to stop is seen with the first message that ends later than that.
    static constexpr ringscope_u64 REFRESH_NS = 50000;
    // A reply waits for others no longer than this and the handler of one message.
    static constexpr ringscope_u64 GATHER_NS = 4000;
    static constexpr ringscope_u32 HEARTBEAT_EVERY = 64;
    // Messages that a block takes at once: a lane keeps what is to be published of each. A host device's block has nothing to
    // gather, since it has neither trips nor fences to save.
    static constexpr ringscope_u32 MOST_TICKETS = LANES_PER_WARP;
    // Slots whose first lines a warp reads with one load of 16 bytes a lane.
    static constexpr ringscope_u32 LINE_LANES = RINGSCOPE_LINE_BYTES / sizeof(Word16);
    static constexpr ringscope_u32 MOST_LINES = (LANES_PER_WARP + LINE_LANES - 1) / LINE_LANES;

    // By the warp that takes, before it does.
    RINGSCOPE_INLINE void begin() {
        if (lane_index() == 0) begin_alone();
        sync_lanes();
    }
    RINGSCOPE_INLINE void begin_alone() {
        own_.tail = own_.command = own_.out_head = own_.asked_ns = own_.gathers_ns = own_.ticket = 0;
        own_.in_hand = own_.gathered = 0, own_.lines_end = 0;
        own_.last_end_ns = rec_.begin();
        own_.stated = RINGSCOPE_STATE_HELD;
        own_.most = 2;
        own_.blocks = block_count();
        rec_.stays(own_.shard);
    }

    // ---- by lane 0 ----

    // Asks the host, which is one trip over the link, and one more for each word that has changed: then that is acquired, and
    // the device's copies are raised. Command before tail: a host that stops a kernel sends nothing after, so the tail
    // read after a stop is the last one. Whether something has changed.
    RINGSCOPE_INLINE bool refresh() {
        ringscope_u64 tail, command;
        detail::load_pair_relaxed_system(args_.posted, tail, command);
        if (command <= own_.command && tail <= own_.tail) return false;
        if (command > own_.command) command = detail::load_acquire_system(args_.posted + 1);
        tail = detail::load_acquire_system(args_.posted);
        if (tail > own_.tail) detail::raise_release_gpu(&args_.device->seen_tail, own_.tail = tail);
        if (command > own_.command) {
            answer_the_clock(command);
            detail::raise_release_gpu(&args_.device->seen_command, own_.command = command);
        }
        return true;
    }
    // What the clock reads now that this command was seen: later than it was written, and earlier than the host sees the
    // answer. One word, so that it needs no order. Level 0 and a null ref read no clock: the host does without.
    RINGSCOPE_INLINE void answer_the_clock(ringscope_u64 command) {
        if (!rec_.on()) return;
        ringscope_u64 number = command / (RINGSCOPE_COMMAND_MASK + 1) << RINGSCOPE_CLOCK_BITS;
        ringscope_u64 now = clock_ns() & ((1ull << RINGSCOPE_CLOCK_BITS) - 1);
        detail::store_relaxed_system(&args_.host->clock_answer, number | now);
    }
    // Reads the device's copies, in the same way.
    RINGSCOPE_INLINE bool look() {
        ringscope_u64 tail, command;
        detail::load_pair_relaxed_gpu(&args_.device->seen_tail, tail, command);
        if (command <= own_.command && tail <= own_.tail) return false;
        if (command > own_.command) own_.command = detail::load_acquire_gpu(&args_.device->seen_command);
        tail = detail::load_acquire_gpu(&args_.device->seen_tail);
        if (tail > own_.tail) own_.tail = tail;
        return true;
    }
    // Messages behind the one in hand, as far as this block knows.
    RINGSCOPE_INLINE ringscope_u64 waiting() const { return own_.tail > own_.ticket + 1 ? own_.tail - own_.ticket - 1 : 0; }
    RINGSCOPE_INLINE ringscope_u32 command() const { return (ringscope_u32)own_.command & RINGSCOPE_COMMAND_MASK; }
    RINGSCOPE_INLINE ringscope_u32 next_ticket(MessageRecord& record);
    RINGSCOPE_INLINE ringscope_u32 take_tickets(ringscope_u64 now);
    RINGSCOPE_INLINE ringscope_u32 wait(ringscope_u32 tickets, ringscope_u64 since, bool at_once, MessageRecord& record);
    RINGSCOPE_INLINE bool wait_a_little(ringscope_u32 attempt, ringscope_u32 in_vain);
    RINGSCOPE_INLINE bool may_ask(ringscope_u64 pause_ns);
    RINGSCOPE_INLINE void drop_queue(ringscope_u32 tickets);
    RINGSCOPE_INLINE bool has_gathered(ringscope_u64 now, ringscope_u32 count);
    // Tells what waiting has cost since then, and returns the time.
    RINGSCOPE_INLINE ringscope_u64 note_waiting(ringscope_u64 since, MessageRecord& record) {
        ringscope_u64 now = rec_.begin();
        const ringscope_u64 queued = own_.tail > own_.ticket ? own_.tail - own_.ticket : 0;
        rec_.idle(now, since != 0 && now > since ? now - since : 0, record.polls, queued);
        record.polls = 0;
        return now;
    }

    // ---- by all lanes ----

    RINGSCOPE_INLINE void read_line(Message& m, MessageRecord& record);
    RINGSCOPE_INLINE void publish_gathered(ringscope_u64 end, ringscope_u32 count);
    RINGSCOPE_INLINE ringscope_slot_in* in_slot(ringscope_u64 n) const {
        return reinterpret_cast<ringscope_slot_in*>(args_.in + (n & (args_.slots - 1)) * args_.slot_stride);
    }
    RINGSCOPE_INLINE ringscope_u64* done_word(ringscope_u64 n) const {
        return reinterpret_cast<ringscope_u64*>(args_.done + (n & (args_.slots - 1)) * args_.done_stride);
    }
    RINGSCOPE_INLINE ringscope_slot_out* out_slot(ringscope_u64 n) const {
        return reinterpret_cast<ringscope_slot_out*>(args_.out + (n & (args_.slots - 1)) * args_.slot_stride);
    }

    // What a block keeps of its ring from one message to the next, in shared memory: a handler has the registers. One for a block,
    // as there is one ring for a block.
    struct Own {
        // Of lane 0 alone.
        ringscope_u64 tail, command;  // the host's words as this block knows them
        ringscope_u64 out_head;
        ringscope_u64 asked_ns;       // when the host's words were last looked at
        ringscope_u64 last_end_ns;    // when the message before ended: with a queue, when the next began
        ringscope_u64 gathers_ns;     // since when replies are being gathered
        ringscope_u32 stated;
        ringscope_u32 most;           // messages that may be taken at once: few where the handler is slow
        ringscope_u32 blocks;
        // Written by lane 0 when the others have read them; they meet in take(), and then read them again.
        ringscope_u64 shard;          // see Recorder::goes_on
        ringscope_u64 ticket;         // the message in hand, or the next one to be
        ringscope_u32 in_hand;        // tickets that are this block's: `ticket` and those behind it
        ringscope_u32 gathered;       // messages before the one in hand that are answered, and not published yet
        ringscope_u64 lines_end;      // the first message whose slot's line is not there
        ringscope_u64 out_ticket;     // of its reply
        ringscope_u64 begin_ns, wait_ns, polls, queue_depth, held_ns;  // of its record, as retries
        ringscope_u32 retries;
        // Of each lane: 1 + the reply slot of gathered message number lane_index(), 0 without a reply.
        ringscope_u64 gathered_out[MOST_TICKETS];
#if RINGSCOPE_CUDA
        Word16 line[LANES_PER_WARP];  // the slots' first lines, LINE_LANES words of each
#endif
    };
#if RINGSCOPE_CUDA
    static RINGSCOPE_INLINE Own& shared_own() {
        __shared__ Own own;
        return own;
    }
    Own& own_ = shared_own();
    RINGSCOPE_INLINE const Word16* line_of(ringscope_u64 seq) const {
        return own_.line + ((ringscope_u32)seq % MOST_LINES) * LINE_LANES;
    }
#else
    Own own_{};
#endif

    // By lane 0: of a message that begins, what is for its record.
    RINGSCOPE_INLINE void keep(const MessageRecord& record) {
        if (!rec_.on()) return;  // or level 0 would keep what nothing reads
        own_.begin_ns = record.begin_ns;
        own_.wait_ns = record.wait_ns;
        own_.polls = record.polls;
        own_.queue_depth = record.queue_depth;
        own_.held_ns = 0;
        own_.retries = 0;
    }
    // By all lanes, which have met since.
    RINGSCOPE_INLINE void recall(MessageRecord& record) const {
        if (!rec_.on()) return;
        record.begin_ns = own_.begin_ns;
        record.wait_ns = own_.wait_ns;
        record.polls = own_.polls;
        record.queue_depth = own_.queue_depth;
        record.held_ns = own_.held_ns;
        record.retries = own_.retries;
    }
    RINGSCOPE_INLINE void goes_on() {
#if RINGSCOPE_CUDA
        rec_.goes_on(own_.shard);
#endif
    }
    RINGSCOPE_INLINE void ended(const MessageRecord& record) {
        if (rec_.on() && lane_index() == 0) own_.last_end_ns = record.end_ns;
    }

    const ringscope_ring_args& args_;
    Recorder& rec_;

   public:
    // The loop of a ring kernel.
    template <class Handler>
    RINGSCOPE_INLINE void run(Context& context, Handler& handler) {
        begin();
        for (;;) {
            Message m;
            MessageRecord record;
            if (!take(m, record)) return;
            Reply reply(*this);
            record.bytes_in = m.bytes;
            record.status = refuses(m.seq) ? (ringscope_u32)RINGSCOPE_REFUSED : handler.handle(context, m, reply);
            m.seq = own_.ticket;  // not kept in registers over the handler
            publish(m, reply, record);
            // After publishing: the fence of a message does not wait for its own record, and by the next
            // message's fence the record is long done.
            record.end_ns = rec_.ended_warp();
            ended(record);
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

template <class Handler, class Of>
RINGSCOPE_INLINE Handler make(Of& context, const NoArgs&) {
    static_assert(is_from<Handler, Of&> || is_from<Handler>,
                  "a handler without arguments is made as H{} or H{context}");
    if constexpr (is_from<Handler, Of&>) {
        return Handler{context};
    } else {
        return Handler{};
    }
}
template <class Handler, class Of, class Args>
RINGSCOPE_INLINE Handler make(Of& context, const Args& args) {
    static_assert(sizeof(Args) <= RINGSCOPE_MAX_ARGS, "arguments of more than 1024 bytes: pass the address of the rest");
    static_assert(alignof(Args) <= 16, "arguments are aligned to at most 16 bytes");
    static_assert(is_from<Handler, Of&, const Args&> || is_from<Handler, const Args&>,
                  "a handler with arguments is made as H{args} or H{context, args}");
    if constexpr (is_from<Handler, Of&, const Args&>) {
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
#include <ringscope/ring_steps.cuh>

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
    RINGSCOPE_DESCRIBE_(entry, 0, 0, 1)
#define RINGSCOPE_RING_ENTRY_WITH_(entry, Handler, Args)                            \
    extern "C" __global__ void entry(const ringscope_ring_args ring, const Args args) { \
        ringscope::run_ring<Handler>(ring, args);                                   \
    }                                                                               \
    RINGSCOPE_ENTRY(entry)                                                          \
    RINGSCOPE_DESCRIBE_ARGS_(entry, sizeof(Args), alignof(Args), 1)

// What the host must know of an entry; `threads` is what a block has on the host device. On CUDA two symbols, entry_args and entry_args_align, whose own sizes are the
// size and the alignment of the arguments: cuModuleGetGlobal tells them without a copy.
#if RINGSCOPE_CUDA
#define RINGSCOPE_DESCRIBE_(entry, size, align, threads)
#define RINGSCOPE_DESCRIBE_ARGS_(entry, size, align, threads)            \
    extern "C" {                                                \
    __device__ ringscope_u8 entry##_args[size];                 \
    __device__ ringscope_u8 entry##_args_align[align];          \
    }
#else
#define RINGSCOPE_DESCRIBE_(entry, size, align, threads)                                                              \
    extern "C" {                                                                                             \
    extern const ringscope_host_kernel entry##_kernel;                                                       \
    const ringscope_host_kernel entry##_kernel = {&entry##_host, RINGSCOPE_ABI_VERSION, RINGSCOPE_LEVEL, size, align, \
                                                         ringscope_names_of(0), threads, 0};                   \
    }
#define RINGSCOPE_DESCRIBE_ARGS_(entry, size, align, threads) RINGSCOPE_DESCRIBE_(entry, size, align, threads)
#endif
#endif  // RINGSCOPE_DECLARATIONS

#endif  // RINGSCOPE_RING_CUH
