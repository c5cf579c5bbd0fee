// rings_test.cpp: the crate's ring kernels, 32 lanes wide, with a host that sends and receives through the memory's door: what
// they reply and count is what the same sources do and count as C++ for one CPU thread.
#include <algorithm>

#include "whole.h"

#define RING_KERNELS(X) X(crc32c) X(echo) X(vector_add) X(compute)
#define LEVELS(name) \
    extern "C" const ringscope_host_kernel name##_l0_kernel, name##_l1_kernel, name##_l2_kernel;
RING_KERNELS(LEVELS)

using namespace bench;

namespace {
constexpr u32 SLOTS = 8, SLOT_BYTES = 512, STRIDE = 640, MESSAGES = 60, MOST_BLOCKS = 3;
constexpr u64 REFUSE_BELOW = u64(1) << 29;  // an eighth of the messages

struct Kernel {
    std::string name;
    const ringscope_host_kernel* levels[3];
};
const Kernel KERNELS[] = {
#define KERNEL(name) {#name, {&name##_l0_kernel, &name##_l1_kernel, &name##_l2_kernel}},
    RING_KERNELS(KERNEL)
};

// Of the message with that number: 16 bytes for compute, floats for vector_add, whatever for the others; some that do not fit.
std::vector<u8> message(const std::string& kernel, u64 n) {
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

    ringscope_ring_args args(u32 blocks) {
        ringscope_ring_args a{};
        a.telemetry = {shards, &buckets[0][0], nullptr, blocks, 1056, 3, 0};
        a.host = &host;
        a.device = &device;
        a.in = in;
        a.out = out;
        a.slots = SLOTS;
        a.slot_stride = STRIDE;
        a.slot_bytes = SLOT_BYTES;
        a.refuse_below = REFUSE_BELOW;
        return a;
    }
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

// The host of a ring: how it reads and writes is the caller's.
template <class Door>
class Host {
   public:
    Host(Ring& ring, const std::string& kernel, Door& door) : ring_(ring), kernel_(kernel), door_(door), answers(MESSAGES) {
        door_.write(&ring.host.command, 4 + RINGSCOPE_COMMAND_RUN, Order::RELEASE);
    }
    // One look: takes a reply, sends a message. True when all are answered.
    bool look() {
        if (taken_ < MESSAGES) take();
        if (sent_ < MESSAGES) send();
        if (taken_ == MESSAGES && !stopped_) {
            stopped_ = true;
            door_.write(&ring_.host.command, 8 + RINGSCOPE_COMMAND_STOP, Order::RELEASE);
        }
        return stopped_;
    }

   private:
    void send() {
        auto* slot = reinterpret_cast<ringscope_slot_in*>(ring_.in + sent_ % SLOTS * STRIDE);
        if (sent_ >= SLOTS && door_.read(&slot->done, Order::ACQUIRE) != sent_ - SLOTS + 1) return;
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
        door_.write(&ring_.host.tail, ++sent_, Order::RELEASE);
    }
    void take() {
        auto* slot = reinterpret_cast<ringscope_slot_out*>(ring_.out + taken_ % SLOTS * STRIDE);
        if (door_.read(&slot->ready, Order::ACQUIRE) != taken_ + 1) return;
        u64 seq = door_.read(&slot->seq, Order::WEAK), both = door_.read(reinterpret_cast<ringscope_u64*>(&slot->bytes), Order::WEAK);
        check(seq < MESSAGES && answers[seq < MESSAGES ? seq : 0].status == ~0u, kernel_ + ": a reply to message " + std::to_string(seq));
        check(u32(both) <= SLOT_BYTES, kernel_ + ": a reply's size");
        if (seq >= MESSAGES || u32(both) > SLOT_BYTES) return;
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
    u64 sent_ = 0, taken_ = 0;
    bool stopped_ = false;

   public:
    std::vector<Answer> answers;
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

std::vector<Answer> as_cpp(const Kernel& kernel, unsigned level, Ring& ring) {
    ringscope_ring_args args = ring.args(1);
    std::thread block([&] {
        void* list[] = {&args};
        ringscope_host::run_block(kernel.levels[level]->entry, list, 0, 1);
    });
    ThreadsDoor door;
    Host<ThreadsDoor> host(ring, kernel.name, door);
    while (!host.look()) std::this_thread::yield();
    block.join();
    return host.answers;
}

// Ends with an outcome; a ring that goes on for longer than any does is a failure.
std::vector<Answer> as_ptx(const Kernel& kernel, unsigned level, const Program& program, Ring& ring, u32 blocks, u64 seed) {
    std::string entry = kernel.name + "_l" + std::to_string(level), what = entry + ", seed " + std::to_string(seed);
    u64 now = 1000000;
    MemorySettings memory_settings;
    memory_settings.seed = seed;
    Memory memory(memory_settings);
    MachineSettings settings;
    settings.seed = seed;
    settings.clock = [&] { return now; };
    settings.longest_nap_ns = 0;
    Machine machine(memory, settings);
    machine.load(program);
    for (auto [address, bytes, pinned] : {std::tuple<void*, u64, bool>{&ring.host, sizeof ring.host, true}, {&ring.device, sizeof ring.device, false},
                                          {ring.shards, sizeof ring.shards, false}, {ring.buckets, sizeof ring.buckets, false},
                                          {ring.in, sizeof ring.in, true}, {ring.out, sizeof ring.out, true}})
        memory.add_range(reinterpret_cast<u64>(address), bytes, pinned);
    Standing standing;
    standing.kind = Standing::HOST;
    MachineDoor door{memory, memory.begin(standing)};
    Host<MachineDoor> host(ring, kernel.name, door);
    Launch launch = whole::launch(program, entry, ring.args(blocks), blocks);
    std::vector<u64> numbers;
    for (u32 b = 0; b < blocks; ++b) numbers.push_back(machine.add_block(launch, {b, 0, 0}));
    constexpr u64 MOST_STEPS = 10000000;
    u64 steps = 0;
    auto failed = [&](u64 number) {
        const Outcome* outcome = machine.outcome(number);
        return outcome != nullptr && outcome->end != Outcome::RETURNED;
    };
    for (u64 idle = 0; idle != Machine::NEVER && steps < MOST_STEPS; steps += 10) {
        if (std::any_of(numbers.begin(), numbers.end(), failed)) break;
        host.look();
        idle = machine.step(10);
        now += 200 + (idle == Machine::NEVER ? 0 : idle);
    }
    check(steps < MOST_STEPS, what + ": the ring does not end");
    for (u64 number : numbers) {
        const Outcome* outcome = machine.outcome(number);
        check(outcome != nullptr && outcome->end == Outcome::RETURNED, what + ": " + (outcome == nullptr ? "still runs" : outcome->text));
    }
    memory.end(door.agent);
    memory.settle();
    return host.answers;
}

void same_answers(const std::vector<Answer>& cpp, const std::vector<Answer>& ptx, const std::string& what) {
    for (u64 n = 0; n < MESSAGES; ++n) {
        std::string message = what + ", message " + std::to_string(n);
        same(ptx[n].status, cpp[n].status, message + ": status");
        check(ptx[n].bytes == cpp[n].bytes, message + ": the reply's bytes");
    }
}
// All but time, polls and what depends on who was first.
void same_counts(const Ring& cpp, const Ring& ptx, unsigned level, const std::string& what) {
    for (u32 counter : {RINGSCOPE_RECEIVED, RINGSCOPE_SENT, RINGSCOPE_PROCESSED, RINGSCOPE_ERRORS, RINGSCOPE_DROPPED, RINGSCOPE_REPLIES_DROPPED,
                        RINGSCOPE_BYTES_IN, RINGSCOPE_BYTES_OUT, RINGSCOPE_LATENCY_COUNT})
        same(ptx.count(counter), cpp.count(counter), what + ": counter " + std::to_string(counter));
    same(ptx.count(RINGSCOPE_RECEIVED), level == 0 ? 0 : MESSAGES, what + ": received");
    same(ptx.in_buckets(), cpp.in_buckets(), what + ": values in buckets");
}
}  // namespace

void test_rings() {
    for (unsigned level = 0; level < 3; ++level) {
        auto program = whole::program(level);
        for (const Kernel& kernel : KERNELS) {
            auto cpp = std::make_unique<Ring>();
            std::vector<Answer> expected = as_cpp(kernel, level, *cpp);
            for (u32 blocks = 1; blocks <= MOST_BLOCKS; ++blocks) {
                auto ptx = std::make_unique<Ring>();
                u64 seed = level * 100 + blocks;
                std::string what = kernel.name + "_l" + std::to_string(level) + " in " + std::to_string(blocks) + " blocks";
                same_answers(expected, as_ptx(kernel, level, *program, *ptx, blocks, seed), what);
                same_counts(*cpp, *ptx, level, what);
                for (u32 b = 0; b < blocks && level > 0; ++b) same(ptx->shards[b].words[RINGSCOPE_STATE], RINGSCOPE_STATE_ENDED, what + ": state");
            }
        }
    }
}
