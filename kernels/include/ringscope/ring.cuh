// ring.cuh: the messaging of a ring kernel. A built-in kernel is a handler of a few lines over this.
//
//     struct Echo {
//         __device__ static u32 handle(const ringscope::Message& in, ringscope::Reply& out);
//     };
//     RINGSCOPE_RING_KERNEL(echo, Echo)
//
// Blocks are one warp. All lanes run the handler together; lane 0 does the ring's bookkeeping.
//
// Input: a block takes a ticket (device memory) and owns that message, so none is lost or doubled however
// many blocks share the ring. The block whose ticket is the next unsent message is the only one that polls
// the host's word over the link; it hands what it saw to the others through device memory.
// Output: the same with tickets for reply slots; replies come in the order of completion and carry the
// number of the message that they answer. A full ring makes the block wait.
#ifndef RINGSCOPE_RING_CUH
#define RINGSCOPE_RING_CUH

#include <ringscope/telemetry.cuh>

namespace ringscope {
inline namespace RINGSCOPE_LEVEL_NAMESPACE {

struct Message {
    u64 seq;         // number of the message in its ring, from 0
    const u8* data;  // 16-byte aligned, in host memory
    u32 bytes;
};

class Ring;

// Where the answer goes. All lanes call these together.
class Reply {
   public:
    __device__ __forceinline__ Reply(Ring& ring) : ring_(ring) {}
    // Claims the slot, waits for room, and returns the payload's place, 16-byte aligned, of slot_bytes()
    // bytes; null if the kernel was stopped meanwhile: then return, the reply is counted as dropped. Null as
    // well for more bytes than a slot has: the message then counts as an error, RINGSCOPE_REPLY_TOO_LARGE.
    // Late is better: the replies of other blocks queue behind an open one.
    __device__ __forceinline__ u8* open(u32 bytes);
    // A reply of one number.
    __device__ __forceinline__ void put_u32(u32 value) {
        u8* data = open(4);
        if (data != nullptr && lane() == 0) *reinterpret_cast<u32*>(data) = value;
    }

   private:
    friend class Ring;
    Ring& ring_;
    u8* slot_ = nullptr;
    u64 ticket_ = 0;
    u32 bytes_ = 0;
    u32 retries_ = 0;
    u64 held_ns_ = 0;
    bool opened_ = false;
    bool too_large_ = false;
};

class Ring {
   public:
    __device__ __forceinline__ Ring(const ringscope_ring_args& args, Recorder& rec) : args_(args), rec_(rec) {}

    // The next message of this block, or false when the kernel is to end.
    __device__ __forceinline__ bool take(Message& m, MessageRecord& record);
    // Makes the reply visible to the host, then lets the host reuse the message's slot.
    __device__ __forceinline__ void publish(const Message& m, Reply& reply, MessageRecord& record);
    __device__ __forceinline__ bool refuses(u64 seq) const { return hash32(seq) < args_.refuse_below; }

   private:
    friend class Reply;
    // A look at the host's words is a round trip over the link: a block that is never idle takes one every so
    // many messages.
    static constexpr u64 REFRESH_EVERY = 32;
    static constexpr u32 HEARTBEAT_EVERY = 64;

    // splitmix64's finalizer: which messages error injection refuses depends on their number alone.
    __device__ __forceinline__ static u64 hash32(u64 x) {
        x += 0x9e3779b97f4a7c15ull;
        x = (x ^ (x >> 30)) * 0xbf58476d1ce4e5b9ull;
        x = (x ^ (x >> 27)) * 0x94d049bb133111ebull;
        return (x ^ (x >> 31)) >> 32;
    }
    // Reads the host's words over the link and raises the device's copies. Command before tail: a host
    // that stops a kernel sends nothing after, so the tail read after a stop is the last one.
    __device__ __forceinline__ void refresh() {
        u64 command = load_acquire_system(&args_.host->command);
        u64 tail = load_acquire_system(&args_.host->tail);
        if (tail > tail_) raise_release_gpu(&args_.device->seen_tail, tail_ = tail);
        if (command > command_) raise_release_gpu(&args_.device->seen_command, command_ = command);
    }
    // Reads the device's copies.
    __device__ __forceinline__ void look() {
        u64 command = load_acquire_gpu(&args_.device->seen_command);
        u64 tail = load_acquire_gpu(&args_.device->seen_tail);
        if (command > command_) command_ = command;
        if (tail > tail_) tail_ = tail;
    }
    // Messages behind the one in hand, as far as this block knows.
    __device__ __forceinline__ u64 waiting() const { return tail_ > ticket_ + 1 ? tail_ - ticket_ - 1 : 0; }
    __device__ __forceinline__ u32 command() const { return (u32)command_ & RINGSCOPE_COMMAND_MASK; }
    __device__ __forceinline__ bool wait_for_ticket(MessageRecord& record);
    __device__ __forceinline__ void drop_queue();
    // Tells what waiting has cost since then, and returns the time.
    __device__ __forceinline__ u64 note_waiting(u64 since, MessageRecord& record) {
        u64 now = rec_.begin();
        rec_.idle(now, since != 0 && now > since ? now - since : 0, record.polls, tail_ > ticket_ ? tail_ - ticket_ : 0);
        record.polls = 0;
        return now;
    }
    __device__ __forceinline__ ringscope_slot_in* in_slot(u64 n) const {
        return reinterpret_cast<ringscope_slot_in*>(args_.in + (n & (args_.slots - 1)) * args_.slot_stride);
    }
    __device__ __forceinline__ ringscope_slot_out* out_slot(u64 n) const {
        return reinterpret_cast<ringscope_slot_out*>(args_.out + (n & (args_.slots - 1)) * args_.slot_stride);
    }

    const ringscope_ring_args& args_;
    Recorder& rec_;
    u64 ticket_ = 0;       // the message this block owns next
    u64 tail_ = 0;         // the host's words as this block knows them
    u64 command_ = 0;
    u64 out_head_ = 0;
    u64 taken_ = 0;
    u64 last_end_ns_ = 0;  // when the message before ended: with a queue, when the next began
    u32 stated_ = RINGSCOPE_STATE_HELD;
    bool has_ticket_ = false;

   public:
    // The loop of a ring kernel.
    template <class Handler>
    __device__ __forceinline__ void run() {
        last_end_ns_ = rec_.begin();
        for (;;) {
            Message m;
            MessageRecord record;
            if (!take(m, record)) return;
            Reply reply(*this);
            record.bytes_in = m.bytes;
            record.status = refuses(m.seq) ? (u32)RINGSCOPE_REFUSED : Handler::handle(m, reply);
            publish(m, reply, record);
            // After publishing: the fence of a message does not wait for its own record, and by the next
            // message's fence the record is long done.
            record.end_ns = rec_.begin();
            last_end_ns_ = record.end_ns;
            rec_.record_warp(record);
        }
    }
};

__device__ __forceinline__ bool Ring::take(Message& m, MessageRecord& record) {
    u32 go = 0;
    if (lane() == 0) go = wait_for_ticket(record);
    if (from_lane0(go) == 0) return false;
    u64 seq = from_lane0(ticket_);
    if (rec_.on()) {  // or level 0 would keep what surrounds a shuffle, though nothing uses its result
        record.begin_ns = from_lane0(record.begin_ns);
        record.wait_ns = from_lane0(record.wait_ns);
        record.polls = from_lane0(record.polls);
        record.queue_depth = from_lane0(record.queue_depth);
    }
    has_ticket_ = false;
    sync_lanes();  // what lane 0 acquired, all lanes may read; a shuffle does not order memory
    const ringscope_slot_in* slot = in_slot(seq);
    m.seq = seq;
    // The size and the time of sending lie behind one another: one load over the link for both.
    const Word16 header = *reinterpret_cast<const Word16*>(&slot->bytes);
    m.bytes = header.x;
    if (rec_.on()) record.sent_ns = header.z | (u64)header.w << 32;
    m.data = reinterpret_cast<const u8*>(slot) + RINGSCOPE_SLOT_HEADER;
    return true;
}

// By lane 0. Holds a ticket until its message is there, whatever the waiting: a ticket is never given back.
__device__ __forceinline__ bool Ring::wait_for_ticket(MessageRecord& record) {
    if (!has_ticket_) {
        ticket_ = take_ticket(&args_.device->ticket);
        has_ticket_ = true;
    }
    if ((++taken_ % REFRESH_EVERY) == 0) refresh();
    else look();
    u64 since = last_end_ns_;
    for (u32 attempt = 0;; ++attempt) {
        u32 command = this->command();
        if (command == RINGSCOPE_COMMAND_STOP) {
            note_waiting(since, record);
            drop_queue();
            return false;
        }
        u32 state = command == RINGSCOPE_COMMAND_RUN ? RINGSCOPE_STATE_ACTIVE : RINGSCOPE_STATE_HELD;
        if (state != stated_) rec_.state(stated_ = state);
        if (command == RINGSCOPE_COMMAND_RUN && ticket_ < tail_) {
            // Without a wait, work on this message began when the one before was done: one clock read less.
            u64 now = attempt == 0 && since != 0 ? since : rec_.begin();
            if (since != 0 && now > since) record.wait_ns = now - since;
            record.begin_ns = now;
            record.queue_depth = tail_ - ticket_ - 1;
            return true;
        }
        ++record.polls;
        if (attempt % HEARTBEAT_EVERY == HEARTBEAT_EVERY - 1) since = note_waiting(since, record);
        relax(attempt);
        // The holder of the next message polls the host, the others watch device memory. While the kernel
        // is held the holders of queued messages poll as well: the next ticket may belong to nobody.
        if (ticket_ <= tail_) refresh();
        else look();
    }
}

// By lane 0, after a stop: what is queued is counted, exactly once among the blocks, not handled.
__device__ __forceinline__ void Ring::drop_queue() {
    refresh();
    u64 count = 0;
    while (ticket_ < tail_) {
        ++count;
        ticket_ = take_ticket(&args_.device->ticket);
    }
    if (count != 0) rec_.dropped(count);
}

__device__ __forceinline__ u8* Reply::open(u32 bytes) {
    too_large_ = bytes > ring_.args_.slot_bytes;
    if (too_large_) return nullptr;
    if (!opened_) {
        opened_ = true;
        u32 stopped = 0;
        if (lane() == 0) {
            ticket_ = take_ticket(&ring_.args_.device->out_ticket);
            u32 attempt = 0;
            for (; ticket_ - ring_.out_head_ >= ring_.args_.slots; ++attempt) {
                ring_.out_head_ = load_acquire_system(&ring_.args_.host->out_head);
                if (ticket_ - ring_.out_head_ < ring_.args_.slots) break;
                if (attempt == 0) {
                    retries_ = 1;
                    held_ns_ = ring_.rec_.begin();
                }
                ring_.refresh();
                if (ring_.command() == RINGSCOPE_COMMAND_STOP) {
                    stopped = 1;
                    break;
                }
                if (attempt % Ring::HEARTBEAT_EVERY == Ring::HEARTBEAT_EVERY - 1) ring_.rec_.heartbeat(ring_.waiting());
                relax(attempt);
            }
            if (attempt != 0) ring_.refresh();  // commands may have come meanwhile
        }
        if (ring_.rec_.on() && lane() == 0 && retries_ != 0) held_ns_ = ring_.rec_.begin() - held_ns_;
        ticket_ = from_lane0(ticket_);
        if (from_lane0(stopped) == 0) slot_ = reinterpret_cast<u8*>(ring_.out_slot(ticket_));
    }
    bytes_ = bytes;
    return slot_ == nullptr ? nullptr : slot_ + RINGSCOPE_SLOT_HEADER;
}

__device__ __forceinline__ void Ring::publish(const Message& m, Reply& reply, MessageRecord& record) {
    if (reply.too_large_) record.status = RINGSCOPE_REPLY_TOO_LARGE;
    if (!reply.opened_) reply.open(0);
    if (record.status != RINGSCOPE_OK) reply.bytes_ = 0;
    sync_lanes();  // the payload of all lanes, before lane 0 publishes
    u64* done = &in_slot(m.seq)->done;
    if (reply.slot_ == nullptr) {
        if (lane() == 0) store_release_system(done, m.seq + 1);
        record.sent = 0;
        record.replies_dropped = 1;
    } else {
        ringscope_slot_out* slot = reinterpret_cast<ringscope_slot_out*>(reply.slot_);
        if (lane() == 0) {
            slot->seq = m.seq;
            slot->bytes = reply.bytes_;
            slot->status = record.status;
            publish_system(done, m.seq + 1, &slot->ready, reply.ticket_ + 1);
        }
        record.bytes_out = reply.bytes_;
    }
    if (rec_.on()) {
        record.retries = from_lane0(reply.retries_);
        record.held_ns = from_lane0(reply.held_ns_);
    }
}

template <class Handler>
__device__ __forceinline__ void run_ring(const ringscope_ring_args& args) {
    Recorder rec(args.telemetry, RINGSCOPE_STATE_HELD);
    Ring ring(args, rec);
    ring.run<Handler>();
}

}  // inline namespace
}  // namespace ringscope

// The entry is named for its level, so that the builds of several levels can live in one program.
#define RINGSCOPE_RING_KERNEL_(name, Handler)                                     \
    extern "C" __global__ void name(const ringscope_ring_args args) {             \
        ringscope::run_ring<Handler>(args);                                       \
    }                                                                             \
    RINGSCOPE_ENTRY(name)
#define RINGSCOPE_RING_KERNEL(name, Handler) \
    RINGSCOPE_RING_KERNEL_AT(name, RINGSCOPE_LEVEL, Handler)
#define RINGSCOPE_RING_KERNEL_AT(name, level, Handler) \
    RINGSCOPE_RING_KERNEL_AT_(name, level, Handler)
#define RINGSCOPE_RING_KERNEL_AT_(name, level, Handler) \
    RINGSCOPE_RING_KERNEL_(name##_l##level, Handler)

#endif  // RINGSCOPE_RING_CUH
