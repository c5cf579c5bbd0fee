// The shim under load, for the sanitizers: scripts/test.sh builds this with -fsanitize=thread and with
// -fsanitize=address,undefined and runs it. One host thread sends, one receives, one reads the shards; the
// kernels run on a thread a block, as HostDevice runs them, at level 2 or another one. Exits 1 and says why if anything is not exact.
#include <cstdio>
#include <cstdlib>
#include <cstring>
#include <memory>
#include <thread>
#include <vector>

#include "../crc32c.cu"
#include "../matmul_f32.cu"

namespace {
using Word = unsigned long long;

constexpr unsigned SLOTS = 16, SLOT_BYTES = 1024, STRIDE = 1152, BLOCKS = 3;
// Fewer than blocks: some blocks share a row of buckets.
constexpr unsigned ROWS = 2;
constexpr Word MESSAGES = 20000;
constexpr unsigned RECORDS = 64, BOX_RECORDS = 8, BOX_STRIDE = RINGSCOPE_BOX_WORDS + BOX_RECORDS * RINGSCOPE_RECORD_WORDS;

#define ENTRY(name) RINGSCOPE_JOIN(RINGSCOPE_JOIN(name##_l, RINGSCOPE_LEVEL), _host)

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
    Word buckets[ROWS][1056]{};
    Word records[BLOCKS][RECORDS * RINGSCOPE_RECORD_WORDS]{};
    Word heads[BLOCKS][RINGSCOPE_HEAD_WORDS]{};
    Word boxes[BLOCKS][BOX_STRIDE]{};
    Word filter = 1ull << RINGSCOPE_FILTER_SLOW_BITS;  // all messages leave a span
    alignas(128) unsigned char in[SLOTS * STRIDE]{};
    alignas(128) unsigned char out[SLOTS * STRIDE]{};

    ringscope_ring_args args() {
        ringscope_ring_args a{};
        a.telemetry.shards = shards;
        a.telemetry.buckets = &buckets[0][0];
        a.telemetry.shard_count = BLOCKS;
        a.telemetry.row_mask = ROWS - 1;
        a.telemetry.bucket_stride = 1056;
        a.telemetry.scale = 3;
        a.telemetry.records = &records[0][0];
        a.telemetry.heads = &heads[0][0];
        a.telemetry.filter = &filter;
        a.telemetry.record_count = RECORDS;
        a.telemetry.box = &boxes[0][0];
        a.telemetry.box_count = BOX_RECORDS;
        a.host = &host;
        a.posted = &host.tail;
        a.device = &device;
        a.in = a.done = in;
        a.out = out;
        a.slots = SLOTS;
        a.slot_stride = a.done_stride = STRIDE;
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

// A ring of records, as it is read: whole records are what a ring kernel leaves. How many were whole.
Word check_records(const Word* ring, unsigned records, Word head) {
    Word whole = 0;
    for (Word n = head > records ? head - records : 0; n < head; ++n) {
        const Word* place = ring + n % records * RINGSCOPE_RECORD_WORDS;
        Word words[2] = {load(place[0]), load(place[1])}, stamp = (n + records) & 0xffff;
        if ((words[0] & 0xffff) != stamp || (words[1] & 0xffff) != stamp) continue;
        Word kind = words[1] >> 16 & 0xf;
        bool known = kind == RINGSCOPE_RECORD_REST || (kind & ~RINGSCOPE_RECORD_MORE) == RINGSCOPE_RECORD_MESSAGE ||
                     kind == RINGSCOPE_RECORD_WAYPOINT;
        check(known, "the kind of a record", kind, RINGSCOPE_RECORD_MESSAGE);
        ++whole;
    }
    return whole;
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
        for (unsigned b = 0; b < BLOCKS; ++b) {
            check_records(f.records[b], RECORDS, load(f.heads[b][0]));
            check_records(f.boxes[b] + RINGSCOPE_BOX_WORDS, BOX_RECORDS, load(f.boxes[b][RINGSCOPE_BOX_HEAD]));
        }
        std::this_thread::yield();
    }
}

// At rest the newest records of each ring are there, all of them.
void records_at_rest(Fixture& f) {
    Word written = 0;
    for (unsigned b = 0; b < BLOCKS; ++b) {
        Word head = f.heads[b][0], in_box = f.boxes[b][RINGSCOPE_BOX_HEAD];
        check(check_records(f.records[b], RECORDS, head) == (head < RECORDS ? head : RECORDS), "records at rest", b, head);
        Word kept = check_records(f.boxes[b] + RINGSCOPE_BOX_WORDS, BOX_RECORDS, in_box);
        check(kept == (in_box < BOX_RECORDS ? in_box : BOX_RECORDS), "records of a black box", b, in_box);
        written += head;
    }
    bool all = RINGSCOPE_LEVEL < 3 ? written == 0 : written >= 2 * MESSAGES;
    check(all, "records written", written, 2 * MESSAGES);
    std::printf("records: %llu written\n", written);
}

void traffic() {
    auto f = std::make_unique<Fixture>();
    ringscope_ring_args args = f->args();
    store(f->host.command, 4 + RINGSCOPE_COMMAND_RUN);
    std::vector<std::thread> blocks;
    for (unsigned b = 0; b < BLOCKS; ++b) {
        blocks.emplace_back([&, b] {
            void* pointers[] = {&args};
            ringscope_host::run_block(ENTRY(crc32c), pointers, b, BLOCKS);
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
    Word buckets = RINGSCOPE_LEVEL < 2 ? 0 : MESSAGES;
    check(in_buckets == buckets, "values in buckets", in_buckets, buckets);
    records_at_rest(*f);
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
    std::thread block([&] { ringscope_host::run_block(ENTRY(greedy), pointers, 0, 1); });
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
            crc ^= lane_part<32>(ringscope::Message{0, data, bytes}, bytes / 16, lane);
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

// Roles that share a shard: one owns it, all count in it.
void count_in_one_shard(ringscope_kernel_ref telemetry) {
    ringscope::Recorder rec(telemetry, 0, ringscope::block_index() == 0);
    for (unsigned i = 0; i < PER_BLOCK; ++i) {
        ringscope::MessageRecord m;
        m.begin_ns = 1;
        m.end_ns = 2 + ringscope::block_index() * PER_BLOCK + i;
        m.queue_depth = ringscope::block_index();
        rec.at(i % 4);
        rec.record(m);
    }
}
RINGSCOPE_ENTRY(count_in_one_shard)

void one_shard() {
    auto f = std::make_unique<Fixture>();
    ringscope_kernel_ref telemetry = f->args().telemetry;
    telemetry.box = nullptr;  // of one writer at a time
    std::vector<std::thread> blocks;
    for (unsigned block = 0; block < METRIC_BLOCKS; ++block) {
        blocks.emplace_back([=, &telemetry] {
            void* pointers[] = {&telemetry};
            ringscope_host::run_block(count_in_one_shard_host, pointers, block, METRIC_BLOCKS);
        });
    }
    for (std::thread& block : blocks) block.join();
    const ringscope_shard& shard = f->shards[0];
    Word all = (Word)METRIC_BLOCKS * PER_BLOCK, sum = all * (all + 1) / 2;
    check(shard.counters[RINGSCOPE_RECEIVED] == all, "received by roles", shard.counters[RINGSCOPE_RECEIVED], all);
    check(shard.counters[RINGSCOPE_BUSY_NS] == sum, "busy", shard.counters[RINGSCOPE_BUSY_NS], sum);
    Word deepest = shard.words[RINGSCOPE_QUEUE_HIGH_WATER];
    check(deepest == METRIC_BLOCKS - 1, "high water", deepest, METRIC_BLOCKS - 1);
    if (RINGSCOPE_LEVEL >= 2) {
        check(~shard.words[RINGSCOPE_LATENCY_NOT_MIN_NS] == 1, "least", ~shard.words[RINGSCOPE_LATENCY_NOT_MIN_NS], 1);
        check(shard.words[RINGSCOPE_LATENCY_MAX_NS] == all, "most", shard.words[RINGSCOPE_LATENCY_MAX_NS], all);
    }
    std::printf("one shard: %llu records of %u roles and their extremes are exact\n", all, METRIC_BLOCKS);
}

}  // namespace

#include "stress_blocks.h"

int main() {
    trapped();
    rotations();
    products();
    warp_crc();
    too_large();
    metrics();
    one_shard();
    traffic();
    return 0;
}
