// The shim under load, for the sanitizers: scripts/test.sh builds this with -fsanitize=thread and with
// -fsanitize=address,undefined and runs it. One host thread sends, one receives, one reads the shards; the
// kernels run on a thread a block, as HostDevice runs them. Exits 1 and says why if anything is not exact.
#include <cstdio>
#include <cstdlib>
#include <cstring>
#include <memory>
#include <thread>
#include <vector>

#include "../crc32c.cu"

namespace {
using Word = unsigned long long;

constexpr unsigned SLOTS = 16, SLOT_BYTES = 1024, STRIDE = 1152, BLOCKS = 3;
constexpr Word MESSAGES = 20000;

Word load(const Word& w) { return __atomic_load_n(&w, __ATOMIC_ACQUIRE); }
void store(Word& w, Word v) { __atomic_store_n(&w, v, __ATOMIC_RELEASE); }

void check(bool ok, const char* what, Word got, Word expected) {
    if (ok) return;
    std::fprintf(stderr, "%s: %llu, expected %llu\n", what, got, expected);
    std::exit(1);
}

unsigned crc_bitwise(const unsigned char* data, unsigned bytes) {
    unsigned crc = ~0u;
    for (unsigned i = 0; i < bytes; ++i) {
        crc ^= data[i];
        for (int bit = 0; bit < 8; ++bit) crc = (crc >> 1) ^ ((crc & 1) ? POLYNOMIAL : 0);
    }
    return ~crc;
}

struct alignas(128) Fixture {
    ringscope_ring_host host{};
    ringscope_ring_device device{};
    ringscope_shard shards[BLOCKS]{};
    Word buckets[BLOCKS][1056]{};
    alignas(128) unsigned char in[SLOTS * STRIDE]{};
    alignas(128) unsigned char out[SLOTS * STRIDE]{};

    ringscope_ring_args args() {
        ringscope_ring_args a{};
        a.telemetry.shards = shards;
        a.telemetry.buckets = &buckets[0][0];
        a.telemetry.shard_count = BLOCKS;
        a.telemetry.bucket_stride = 1056;
        a.telemetry.scale = 3;
        a.host = &host;
        a.device = &device;
        a.in = in;
        a.out = out;
        a.slots = SLOTS;
        a.slot_stride = STRIDE;
        a.slot_bytes = SLOT_BYTES;
        a.refuse_below = 1ull << 30;  // a quarter
        return a;
    }
    Word sum(unsigned counter) {
        Word total = 0;
        for (auto& shard : shards) total += load(shard.counters[counter]);
        return total;
    }
};

unsigned length(Word n) { return static_cast<unsigned>(n * 37 % (SLOT_BYTES + 1)); }
unsigned char byte(Word n, unsigned i) { return static_cast<unsigned char>(n * 131 + i * 7); }

void send_all(Fixture& f) {
    for (Word n = 0; n < MESSAGES; ++n) {
        auto* slot = reinterpret_cast<ringscope_slot_in*>(f.in + n % SLOTS * STRIDE);
        while (n >= SLOTS && load(slot->done) != n - SLOTS + 1) std::this_thread::yield();
        auto* payload = reinterpret_cast<unsigned char*>(slot) + RINGSCOPE_SLOT_HEADER;
        for (unsigned i = 0; i < length(n); ++i) payload[i] = byte(n, i);
        slot->seq = n;
        slot->bytes = length(n);
        store(f.host.tail, n + 1);
    }
}

// Returns how many were refused.
Word receive_all(Fixture& f) {
    std::vector<bool> seen(MESSAGES);
    Word refused = 0;
    for (Word n = 0; n < MESSAGES; ++n) {
        auto* slot = reinterpret_cast<ringscope_slot_out*>(f.out + n % SLOTS * STRIDE);
        while (load(slot->ready) != n + 1) std::this_thread::yield();
        check(slot->seq < MESSAGES && !seen[slot->seq], "a message answered twice", slot->seq, MESSAGES);
        seen[slot->seq] = true;
        if (slot->status == RINGSCOPE_REFUSED) {
            ++refused;
        } else {
            unsigned char message[SLOT_BYTES];
            for (unsigned i = 0; i < length(slot->seq); ++i) message[i] = byte(slot->seq, i);
            unsigned crc;
            std::memcpy(&crc, reinterpret_cast<unsigned char*>(slot) + RINGSCOPE_SLOT_HEADER, 4);
            check(slot->bytes == 4, "bytes of a reply", slot->bytes, 4);
            unsigned expected = crc_bitwise(message, length(slot->seq));
            check(crc == expected, "crc", crc, expected);
        }
        store(f.host.out_head, n + 1);
    }
    return refused;
}

// Every counter is monotone, whenever it is read.
void read_until(Fixture& f, const bool& done) {
    Word before[RINGSCOPE_COUNTERS] = {};
    while (!__atomic_load_n(&done, __ATOMIC_ACQUIRE)) {
        for (unsigned c = 0; c < RINGSCOPE_COUNTERS; ++c) {
            Word now = f.sum(c);
            check(now >= before[c], "a counter went back", now, before[c]);
            before[c] = now;
        }
        std::this_thread::yield();
    }
}

void traffic() {
    auto f = std::make_unique<Fixture>();
    ringscope_ring_args args = f->args();
    store(f->host.command, 4 + RINGSCOPE_COMMAND_RUN);
    std::vector<std::thread> blocks;
    for (unsigned b = 0; b < BLOCKS; ++b) {
        blocks.emplace_back([&, b] {
            void* pointers[] = {&args};
            ringscope_host::run_block(crc32c_l2_host, pointers, b, BLOCKS);
        });
    }
    bool done = false;
    std::thread sender([&] { send_all(*f); }), reader([&] { read_until(*f, done); });
    Word refused = receive_all(*f);
    sender.join();
    store(f->host.command, 8 + RINGSCOPE_COMMAND_STOP);
    for (auto& block : blocks) block.join();
    __atomic_store_n(&done, true, __ATOMIC_RELEASE);
    reader.join();
    Word bytes = 0, in_buckets = 0;
    for (Word n = 0; n < MESSAGES; ++n) bytes += length(n);
    for (auto& row : f->buckets) {
        for (Word count : row) in_buckets += count;
    }
    check(f->sum(RINGSCOPE_RECEIVED) == MESSAGES, "received", f->sum(RINGSCOPE_RECEIVED), MESSAGES);
    check(f->sum(RINGSCOPE_SENT) == MESSAGES, "sent", f->sum(RINGSCOPE_SENT), MESSAGES);
    check(f->sum(RINGSCOPE_ERRORS) == refused, "errors", f->sum(RINGSCOPE_ERRORS), refused);
    check(f->sum(RINGSCOPE_PROCESSED) == MESSAGES - refused, "processed", f->sum(RINGSCOPE_PROCESSED),
          MESSAGES - refused);
    check(f->sum(RINGSCOPE_BYTES_IN) == bytes, "bytes in", f->sum(RINGSCOPE_BYTES_IN), bytes);
    check(f->sum(RINGSCOPE_BYTES_OUT) == 4 * (MESSAGES - refused), "bytes out", f->sum(RINGSCOPE_BYTES_OUT),
          4 * (MESSAGES - refused));
    check(in_buckets == MESSAGES, "values in buckets", in_buckets, MESSAGES);
    std::printf("traffic: %llu messages over %u blocks, %llu refused, all counts exact\n", MESSAGES, BLOCKS, refused);
}

struct Greedy {
    unsigned handle(ringscope::Context&, const ringscope::Message&, ringscope::Reply& out) {
        out.open(SLOT_BYTES + 1);
        return RINGSCOPE_OK;
    }
};
}  // namespace
RINGSCOPE_RING_KERNEL(greedy, Greedy)
namespace {

// A handler that replies more than a slot holds is refused its reply, and the message counts as an error.
void too_large() {
    auto f = std::make_unique<Fixture>();
    ringscope_ring_args args = f->args();
    args.refuse_below = 0;
    void* pointers[] = {&args};
    store(f->host.tail, 1);
    store(f->host.command, 4 + RINGSCOPE_COMMAND_RUN);
    std::thread block([&] { ringscope_host::run_block(greedy_l2_host, pointers, 0, 1); });
    auto* slot = reinterpret_cast<ringscope_slot_out*>(f->out);
    while (load(slot->ready) != 1) std::this_thread::yield();
    store(f->host.command, 8 + RINGSCOPE_COMMAND_STOP);
    block.join();
    check(slot->status == RINGSCOPE_REPLY_TOO_LARGE, "status", slot->status, RINGSCOPE_REPLY_TOO_LARGE);
    check(slot->bytes == 0, "bytes", slot->bytes, 0);
    check(f->sum(RINGSCOPE_ERRORS) == 1, "errors", f->sum(RINGSCOPE_ERRORS), 1);
    std::printf("too large: a reply beyond its slot is refused\n");
}

// The warp's algorithm, lane by lane: what a GPU computes with 32 lanes is the CRC as well.
void warp_crc() {
    alignas(16) unsigned char data[2048];
    for (unsigned i = 0; i < sizeof data; ++i) data[i] = byte(i, i * i);
    for (unsigned bytes = 16; bytes <= sizeof data; bytes += 16) {
        unsigned crc = 0;
        for (unsigned lane = 0; lane < 32; ++lane) {
            crc ^= lane_part<32>(reinterpret_cast<const ringscope::Word16*>(data), bytes / 16, lane);
        }
        check(~crc == crc_bitwise(data, bytes), "crc of 32 lanes", ~crc, crc_bitwise(data, bytes));
    }
    std::printf("warp: the CRC of 32 lanes is exact for 1 to 128 words\n");
}
// Blocks of more than one stripe count in the same metrics, which a reader looks at meanwhile.
constexpr unsigned METRIC_BLOCKS = 6, STRIPES = 4, PER_BLOCK = 20000;

struct alignas(128) Metrics {
    ringscope_metric table[3]{};
    Word words[STRIPES * RINGSCOPE_WORDS]{};
    Word rows[STRIPES * 528]{};

    Metrics() {
        for (unsigned i = 0; i < 3; ++i) {
            table[i].words = words;
            table[i].stripes = STRIPES;
            table[i].index = i;
        }
        table[0].kind = RINGSCOPE_METRIC_COUNTER;
        table[1].kind = RINGSCOPE_METRIC_GAUGE;
        table[1].slot = 1;
        table[2].kind = RINGSCOPE_METRIC_HISTOGRAM;
        table[2].slot = 8;
        table[2].rows = rows;
        table[2].row_words = 528;
        table[2].scale = 3;
    }
    Word sum(unsigned slot) const {
        Word sum = 0;
        for (unsigned stripe = 0; stripe < STRIPES; ++stripe) sum += load(words[stripe * RINGSCOPE_WORDS + slot]);
        return sum;
    }
};

void count_in_metrics(ringscope_kernel_ref telemetry) {
    auto counter = ringscope::counter(telemetry, 0);
    auto gauge = ringscope::gauge(telemetry, 1);
    auto histogram = ringscope::histogram(telemetry, 2);
    ringscope::LocalHistogram<3> local;
    local.begin();
    for (unsigned i = 0; i < PER_BLOCK; ++i) {
        counter.add(2);
        gauge.raise((double)i);
        gauge.add(0.0);
        if (i % 2 == 0) histogram.observe((Word)i);
        else local.observe(histogram, i);
    }
    local.flush(histogram);
}
RINGSCOPE_ENTRY(count_in_metrics)

void metrics() {
    auto m = std::make_unique<Metrics>();
    ringscope_kernel_ref telemetry{};
    telemetry.metrics = m->table;
    telemetry.metric_count = 3;
    std::vector<std::thread> blocks;
    for (unsigned block = 0; block < METRIC_BLOCKS; ++block) {
        blocks.emplace_back([=, &telemetry] {
            void* pointers[] = {&telemetry};
            ringscope_host::run_block(count_in_metrics_host, pointers, block, METRIC_BLOCKS);
        });
    }
    Word before = 0, all = (Word)METRIC_BLOCKS * PER_BLOCK;
    while (before < 2 * all) {
        Word now = m->sum(0);
        check(now >= before, "a count that went back", now, before);
        before = now;
        std::this_thread::yield();
    }
    for (std::thread& block : blocks) block.join();
    Word in_buckets = 0;
    for (Word& count : m->rows) in_buckets += load(count);
    check(in_buckets == all, "values in buckets", in_buckets, all);
    check(m->sum(8 + RINGSCOPE_METRIC_COUNT) == all, "values", m->sum(8), all);
    Word sum = METRIC_BLOCKS * ((Word)PER_BLOCK * (PER_BLOCK - 1) / 2);
    check(m->sum(8 + RINGSCOPE_METRIC_SUM) == sum, "sum", m->sum(9), sum);
    Word most = ringscope::detail::bits_of((double)(PER_BLOCK - 1));
    check(load(m->words[1]) == most, "the gauge", load(m->words[1]), most);
    std::printf("metrics: %llu counts of %u blocks in %u stripes are exact\n", all, METRIC_BLOCKS, STRIPES);
}
}  // namespace

int main() {
    warp_crc();
    too_large();
    metrics();
    traffic();
    return 0;
}
