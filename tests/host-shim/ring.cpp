// ring.cpp: the ring and its records on threads of the host, where a handler can be stopped in the middle of a message and a
// reader can look at any moment. Built at levels 0, 2 and 3 by tests/host_shim.rs; says what is not so, and exits with 1.
#include <cstdio>
#include <cstdlib>
#include <memory>
#include <thread>

#include <ringscope/ring.cuh>

// A pen keeps a reference to its ref.
static_assert(std::is_constructible_v<ringscope::Recorder, const ringscope::KernelRef&>);
static_assert(!std::is_constructible_v<ringscope::Recorder, ringscope::KernelRef>);
static_assert(!std::is_constructible_v<ringscope::Recorder, ringscope::KernelRef, unsigned, bool>);

namespace {
using Word = unsigned long long;

constexpr unsigned SLOTS = 64, STRIDE = 128, SLOT_BYTES = 64;

Word load(const Word& w) { return __atomic_load_n(&w, __ATOMIC_ACQUIRE); }
void store(Word& w, Word v) { __atomic_store_n(&w, v, __ATOMIC_RELEASE); }
void wait_for(const Word& w, Word least) {
    while (load(w) < least) std::this_thread::yield();
}

void check(bool ok, const char* what, Word got, Word expected) {
    if (ok) return;
    std::fprintf(stderr, "level %d: %s: %llu, expected %llu\n", RINGSCOPE_LEVEL, what, got, expected);
    std::exit(1);
}

// Messages that a handler has begun, and those that it may end.
Word begun, may_end;

struct Gated {
    unsigned handle(ringscope::Context&, const ringscope::Message& in, ringscope::Reply& out) {
        store(begun, in.seq + 1);
        wait_for(may_end, in.seq + 1);
        out.put(in.seq);
        return RINGSCOPE_OK;
    }
};
struct Quick {
    unsigned handle(ringscope::Context&, const ringscope::Message& in, ringscope::Reply& out) {
        out.put(in.seq);
        return in.seq % 3 == 0 ? 300 : RINGSCOPE_OK;
    }
};
}  // namespace
RINGSCOPE_RING_KERNEL(gated, Gated)
RINGSCOPE_RING_KERNEL(quick, Quick)

namespace {
#define ENTRY(name) RINGSCOPE_JOIN(RINGSCOPE_JOIN(name##_l, RINGSCOPE_LEVEL), _host)

struct alignas(128) Ring {
    ringscope_ring_host host{};
    ringscope_ring_device device{};
    ringscope_shard shard{};
    Word buckets[1056]{};
    alignas(128) unsigned char in[SLOTS * STRIDE]{};
    alignas(128) unsigned char out[SLOTS * STRIDE]{};
    ringscope_ring_args args{};
    Word commands = 0;

    Ring() {
        args.telemetry.shards = &shard;
        args.telemetry.buckets = buckets;
        args.telemetry.shard_count = 1;
        args.telemetry.bucket_stride = 1056;
        args.telemetry.scale = 3;
        args.host = &host;
        args.posted = &host.tail;
        args.device = &device;
        args.in = args.done = in;
        args.out = out;
        args.slots = SLOTS;
        args.slot_stride = args.done_stride = STRIDE;
        args.slot_bytes = SLOT_BYTES;
    }
    void command(unsigned what) { store(host.command, (commands += 4) + what); }
    ringscope_slot_in& sent(Word n) { return *reinterpret_cast<ringscope_slot_in*>(in + n % SLOTS * STRIDE); }
    ringscope_slot_out& reply(Word n) { return *reinterpret_cast<ringscope_slot_out*>(out + n % SLOTS * STRIDE); }
    void send(Word n) {
        if (n >= SLOTS) wait_for(sent(n).done, n - SLOTS + 1);
        sent(n).seq = n;
        sent(n).bytes = 8;
        store(host.tail, n + 1);
    }
};

// With a queue of messages of more than 50 us each, a command takes effect when the one in hand ends, not some messages later.
void a_command_is_seen_after_a_long_message(unsigned command) {
    auto ring = std::make_unique<Ring>();
    store(begun, 0);
    store(may_end, 0);
    for (Word n = 0; n < SLOTS; ++n) ring->send(n);
    ring->command(RINGSCOPE_COMMAND_RUN);
    void* args[] = {&ring->args};
    Word ended = 0;
    std::thread block([&] {
        ringscope_host::run_block(ENTRY(gated), args, 0, 1);
        store(ended, 1);
    });
    constexpr Word IN_HAND = 5;
    store(may_end, IN_HAND);
    wait_for(begun, IN_HAND + 1);
    ring->command(command);
    // Longer than 50 us, whatever the machine: it is the clock that the block goes by.
    for (Word since = ringscope_host::clock_ns(); ringscope_host::clock_ns() - since < 1000000;) std::this_thread::yield();
    store(may_end, ~0ull);
    // A block that holds says so by an end of its own after a stop; what it took before that it has replied to.
    wait_for(ring->reply(IN_HAND).ready, IN_HAND + 1);
    if (command == RINGSCOPE_COMMAND_HOLD) {
        // It ends without another message only if it was held by then, or saw this in time.
        for (unsigned looks = 0; looks < 1000 && load(begun) == IN_HAND + 1; ++looks) std::this_thread::yield();
        check(load(begun) == IN_HAND + 1, "messages taken in spite of a hold", load(begun), IN_HAND + 1);
        ring->command(RINGSCOPE_COMMAND_STOP);
    }
    wait_for(ended, 1);
    block.join();
    check(load(begun) == IN_HAND + 1, "messages taken in spite of a stop", load(begun), IN_HAND + 1);
}

#if RINGSCOPE_LEVEL > 0
// Who sees a message counted finds all of its record.
void the_count_of_messages_comes_last() {
    constexpr Word MESSAGES = 100000;
    auto ring = std::make_unique<Ring>();
    ring->command(RINGSCOPE_COMMAND_RUN);
    void* args[] = {&ring->args};
    std::thread block([&] { ringscope_host::run_block(ENTRY(quick), args, 0, 1); });
    std::thread sender([&] {
        for (Word n = 0; n < MESSAGES; ++n) ring->send(n);
    });
    std::thread receiver([&] {
        for (Word n = 0; n < MESSAGES; ++n) {
            wait_for(ring->reply(n).ready, n + 1);
            store(ring->host.out_head, n + 1);
        }
    });
    ringscope_shard& shard = ring->shard;
    for (Word received = 0; received < MESSAGES;) {
        received = load(shard.counters[RINGSCOPE_RECEIVED]);
        if (received == 0) continue;
        Word processed = load(shard.counters[RINGSCOPE_PROCESSED]), errors = load(shard.counters[RINGSCOPE_ERRORS]);
        check(processed + errors >= received, "handled", processed + errors, received);
        for (unsigned word : {RINGSCOPE_SENT, RINGSCOPE_LATENCY_COUNT}) {
            Word count = load(shard.counters[word]);
            check(count >= received, "a counter that lags behind", count, received);
        }
        Word in_buckets = 0;
        for (Word& count : ring->buckets) in_buckets += load(count);
        check(in_buckets >= received, "values in buckets", in_buckets, received);
        check(load(shard.words[RINGSCOPE_LAST_MESSAGE_NS]) != 0, "the time of the last message", 0, 1);
        check(load(shard.words[RINGSCOPE_LATENCY_NOT_MIN_NS]) != 0, "the shortest time", 0, 1);
    }
    sender.join();
    receiver.join();
    ring->command(RINGSCOPE_COMMAND_STOP);
    block.join();
}

Word total(const Word* words, unsigned count) {
    Word sum = 0;
    for (unsigned i = 0; i < count; ++i) sum += load(words[i]);
    return sum;
}

// What was counted in shared memory stays there until the metric is found.
void a_flush_to_a_metric_that_is_not_there_yet_loses_nothing() {
    Word words[RINGSCOPE_WORDS] = {}, rows[528] = {};
    ringscope_metric found{};
    found.words = words;
    found.rows = rows;
    found.stripes = 1;
    found.row_words = 528;
    found.scale = 3;
    const ringscope::HistogramRef histogram{found}, no_histogram{};
    const ringscope::CounterRef no_counter{};
    ringscope::CounterRef counter{found};
    counter.metric.slot = 8;
    ringscope::LocalHistogram<3> local_histogram;
    ringscope::LocalCounter local_counter;
    local_histogram.begin();
    local_counter.begin();
    for (Word n = 0; n < 10; ++n) {
        local_histogram.observe(histogram, n);
        local_counter.add(n);
        local_histogram.flush(no_histogram);
        local_counter.flush(no_counter);
    }
    check(total(words, RINGSCOPE_WORDS) + total(rows, 528) == 0, "counts of what is not there", total(words, 16), 0);
    for (unsigned twice = 0; twice < 2; ++twice) {
        local_histogram.flush(histogram);
        local_counter.flush(counter);
        check(total(rows, 528) == 10, "values in buckets", total(rows, 528), 10);
        check(words[RINGSCOPE_METRIC_COUNT] == 10, "values", words[RINGSCOPE_METRIC_COUNT], 10);
        check(words[RINGSCOPE_METRIC_SUM] == 45, "their sum", words[RINGSCOPE_METRIC_SUM], 45);
        check(words[8] == 45, "the counter", words[8], 45);
    }
}
#endif
}  // namespace

int main() {
    a_command_is_seen_after_a_long_message(RINGSCOPE_COMMAND_STOP);
    a_command_is_seen_after_a_long_message(RINGSCOPE_COMMAND_HOLD);
#if RINGSCOPE_LEVEL > 0
    the_count_of_messages_comes_last();
    a_flush_to_a_metric_that_is_not_there_yet_loses_nothing();
#endif
}
