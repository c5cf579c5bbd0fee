// ring_host.h: a ring's memory and its host, for tests whose host is simulated: it reads and writes through a door, which is the
// machine's memory or this process's own.
#pragma once
#include <ringscope/abi.h>

#include "whole.h"

namespace ring {
using namespace ptx;

constexpr u32 SLOTS = 8, SLOT_BYTES = 512, STRIDE = 640, MESSAGES = 60, MOST_BLOCKS = 3;
constexpr u32 MESSAGES_AS_RECORDS = 64;  // a power of two, and not below MESSAGES
constexpr u64 REFUSE_BELOW = u64(1) << 29;  // an eighth of the messages

// The payload of the message with that number: 16 bytes for compute, floats for vector_add, whatever for the others; some that do not fit.
inline std::vector<u8> message(const std::string& kernel, u64 n) {
    size_t size = n * 37 % (SLOT_BYTES + 1);
    if (kernel == "compute") size = n % 7 == 3 ? 12 : 16;
    if (kernel == "vector_add" && n % 7 != 3) size = size / 8 * 8;
    std::vector<u8> bytes(size);
    for (size_t i = 0; i < size; ++i) bytes[i] = static_cast<u8>(n * 131 + i * 7);
    if (kernel == "compute" && size == 16) bytes = {static_cast<u8>(n), 0, 0, 0, 0, 0, 0, 0, 1, 2, 3, 4, 5, static_cast<u8>(n), 7, 8};
    if (kernel == "vector_add")
        for (size_t i = 0; i + 4 <= size; i += 4) {
            float value = static_cast<float>(n) + static_cast<float>(i) / 8;
            std::memcpy(&bytes[i], &value, 4);
        }
    return bytes;
}

struct Answer {
    u32 status = ~0u;
    std::vector<u8> bytes;
};

struct alignas(128) Ring {
    ringscope_ring_host host{};
    ringscope_ring_device device{};
    ringscope_shard shards[MOST_BLOCKS]{};
    ringscope_u64 buckets[MOST_BLOCKS][1056]{};
    alignas(128) u8 in[SLOTS * STRIDE]{};
    alignas(128) u8 out[SLOTS * STRIDE]{};
    whole::Traces<MOST_BLOCKS, 2 * MESSAGES_AS_RECORDS> traces;
    whole::Boxes<MOST_BLOCKS, RINGSCOPE_MIN_RECORDS> boxes;
    bool boxed = false;
    u32 slots = SLOTS;        // in use
    u64 messages = MESSAGES;  // that the host sends
    bool timed = false;       // the host says when it sent a message
    // A ring of messages in device memory: what the host posted there and copies of the slots, which lie staged in `in`; and in
    // the host's memory the words `done`.
    bool in_device = false;
    alignas(128) ringscope_u64 posted[RINGSCOPE_LINE_BYTES / 8]{};
    alignas(128) u8 fed[SLOTS * STRIDE]{};
    alignas(128) ringscope_u64 done[SLOTS]{};

    ringscope_ring_args args(u32 blocks) {
        ringscope_ring_args a{};
        a.telemetry = whole::ref(shards, buckets, nullptr, blocks, 1056, 0);
        traces.join(a.telemetry);
        if (boxed) boxes.join(a.telemetry);
        a.host = &host;
        a.posted = &host.tail;
        a.device = &device;
        a.in = a.done = in;
        a.out = out;
        a.slots = slots;
        a.slot_stride = a.done_stride = STRIDE;
        if (in_device) {
            a.posted = posted;
            a.in = fed;
            a.done = reinterpret_cast<u8*>(done);
            a.done_stride = sizeof done[0];
        }
        a.slot_bytes = SLOT_BYTES;
        a.refuse_below = REFUSE_BELOW;
        return a;
    }
    u8* in_slot(u64 n) { return in + n % slots * STRIDE; }
    u8* out_slot(u64 n) { return out + n % slots * STRIDE; }
    // The word that says that message `n` was consumed.
    ringscope_u64* done_of(u64 n) { return in_device ? &done[n % slots] : &reinterpret_cast<ringscope_slot_in*>(in_slot(n))->done; }
    u64 count(u32 counter) const {
        u64 sum = 0;
        for (const ringscope_shard& shard : shards) sum += shard.counters[counter];
        return sum;
    }
    u64 in_buckets() const {
        u64 sum = 0;
        for (auto& row : buckets)
            for (u64 n : row) sum += n;
        return sum;
    }
};

// What brings messages and commands to a ring in device memory, in the order in which it was told of them.
struct Feeder {
    virtual ~Feeder() = default;
    // Message `n` lies in its slot of the host's, that many bytes of payload.
    virtual void message(u64 n, u64 bytes) = 0;
    virtual void command(u64 word) = 0;
};

// The host of a ring: how it reads and writes is the caller's.
template <class Door>
class Host {
   public:
    // With a feeder its messages are staged, and the feeder posts them.
    Host(Ring& ring, const std::string& kernel, Door& door, Feeder* feeder = nullptr)
        : ring_(ring), kernel_(kernel), door_(door), feeder_(feeder), answers(MESSAGES) {
        command(RINGSCOPE_COMMAND_RUN);
    }
    // One look: takes a reply, sends a message. True when all are answered.
    bool look(bool takes = true, bool sends = true) {
        if (takes && taken_ < ring_.messages) take();
        if (sends && sent_ < ring_.messages && !stopped_) send();
        if (taken_ == ring_.messages) command(RINGSCOPE_COMMAND_STOP);
        return stopped_;
    }
    // Each command is larger than the one before.
    void command(u64 what) {
        if (stopped_) return;
        stopped_ = what == RINGSCOPE_COMMAND_STOP;
        u64 word = (generation_ += 4) + what;
        if (feeder_ != nullptr) feeder_->command(word);
        else door_.write(&ring_.host.command, word, Order::RELEASE);
    }
    u64 sent() const { return sent_; }
    u64 taken() const { return taken_; }
    u64 generation() const { return generation_; }
    bool stopped() const { return stopped_; }

   private:
    void send() {
        auto* slot = reinterpret_cast<ringscope_slot_in*>(ring_.in_slot(sent_));
        bool is_free = sent_ < ring_.slots || hasty || door_.read(ring_.done_of(sent_), Order::ACQUIRE) == sent_ - ring_.slots + 1;
        if (!is_free) return;
        std::vector<u8> bytes = message(kernel_, sent_);
        size_t size = bytes.size();
        bytes.resize((size + 15) / 16 * 16);
        for (size_t i = 0; i < bytes.size(); i += 8) {
            u64 word;
            std::memcpy(&word, &bytes[i], 8);
            door_.write(reinterpret_cast<ringscope_u64*>(reinterpret_cast<u8*>(slot) + RINGSCOPE_SLOT_HEADER + i), word, Order::WEAK);
        }
        door_.write(&slot->seq, sent_, Order::WEAK);
        door_.write(reinterpret_cast<ringscope_u64*>(&slot->bytes), size, Order::WEAK);
        if (ring_.timed) door_.write(&slot->sent_ns, now_ns, Order::WEAK);
        ++sent_;
        if (feeder_ != nullptr) feeder_->message(sent_ - 1, size);
        else door_.write(&ring_.host.tail, sent_, Order::RELEASE);
    }
    void take() {
        auto* slot = reinterpret_cast<ringscope_slot_out*>(ring_.out_slot(taken_));
        if (door_.read(&slot->ready, Order::ACQUIRE) != taken_ + 1) return;
        u64 seq = door_.read(&slot->seq, Order::WEAK), both = door_.read(reinterpret_cast<ringscope_u64*>(&slot->bytes), Order::WEAK);
        bench::check(seq < MESSAGES && answers[seq < MESSAGES ? seq : 0].status == ~0u, kernel_ + ": a reply to message " + std::to_string(seq));
        bench::check(u32(both) <= SLOT_BYTES, kernel_ + ": a reply's size");
        if (seq >= MESSAGES || u32(both) > SLOT_BYTES) return;
        bench::check(!ring_.timed || door_.read(&slot->time_ns, Order::WEAK) <= now_ns, kernel_ + ": a reply's time");
        Answer& answer = answers[seq];
        answer.status = static_cast<u32>(both >> 32);
        for (u32 i = 0; i < u32(both); i += 8) {
            u64 word = door_.read(reinterpret_cast<ringscope_u64*>(reinterpret_cast<u8*>(slot) + RINGSCOPE_SLOT_HEADER + i), Order::WEAK);
            for (u32 k = i; k < i + 8 && k < u32(both); ++k, word >>= 8) answer.bytes.push_back(static_cast<u8>(word));
        }
        door_.write(&ring_.host.out_head, ++taken_, Order::RELEASE);
    }

    Ring& ring_;
    std::string kernel_;
    Door& door_;
    Feeder* feeder_;
    u64 sent_ = 0, taken_ = 0, generation_ = 0;
    bool stopped_ = false;

   public:
    std::vector<Answer> answers;
    u64 now_ns = 0;  // of the caller's
    bool hasty = false;  // it uses slots that were not given back: to see that this is found
};

struct ThreadsDoor {
    u64 read(const ringscope_u64* p, Order) { return __atomic_load_n(p, __ATOMIC_ACQUIRE); }
    void write(ringscope_u64* p, u64 v, Order) { __atomic_store_n(p, v, __ATOMIC_RELEASE); }
};
struct MachineDoor {
    Memory& memory;
    Agent agent;
    Access access(const ringscope_u64* p, Order order) { return {reinterpret_cast<u64>(p), 8, order, Scope::SYS, "the host of the test"}; }
    u64 read(const ringscope_u64* p, Order order) { return memory.host_load(agent, access(p, order)); }
    void write(ringscope_u64* p, u64 v, Order order) { memory.host_store(agent, access(p, order), v); }
};
}  // namespace ring
