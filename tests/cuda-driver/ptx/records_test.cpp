// records_test.cpp: rings of events and spans on the weak memory, while a host copies heads and rings word by word, in any order
// and with any work in between: each record that the decoder hands out is one that was written, whole, once and in order, and at
// rest written = read + lost. What the decoder and the pens leave out at their peril is tried as well.
#include <algorithm>
#include <numeric>

#include "records.h"
#include "stand.h"

using namespace bench;
using namespace records;
using trial::Draw;

namespace {
constexpr u32 RECORDS = RINGSCOPE_MIN_RECORDS, BLOCKS = 2, ROLES = 2, SHARDS = BLOCKS * ROLES, CALLS = 220;
constexpr u64 SEEDS = 96, MOST_STEPS = 40000000;

struct alignas(128) Place {
    ringscope_shard shards[SHARDS]{};
    whole::Traces<SHARDS, RECORDS> traces;
    u64 truth[SHARDS][CALLS][4]{};

    // As if so many records had been written before.
    explicit Place(u64 first) {
        for (u32 s = 0; s < SHARDS; ++s) {
            traces.heads[s][0] = first;
            for (u64 n = first >= RECORDS ? first - RECORDS : 0; n < first; ++n)
                for (ringscope_u64& word : traces.records[s][n % RECORDS]) word = (n + RECORDS) & 0xffff;
        }
    }
    ringscope_kernel_ref ref() {
        ringscope_kernel_ref r = whole::ref(shards, nullptr, nullptr, SHARDS, 0, 0);
        traces.join(r);
        return r;
    }
};

// A kernel, and a reader that copies what it writes.
class Reading {
   public:
    Reading(const Program& program, u64 first, u64 seed, Looks looks = {})
        : place(std::make_unique<Place>(first)), draw_(seed), memory_(memory_settings()), machine_(memory_, machine_settings(seed)), program_(program) {
        machine_.load(program);
        whole::add(memory_, *place, false);
        for (u32 s = 0; s < SHARDS; ++s) decoders.emplace_back(RECORDS, first, looks);
        begin();
    }
    template <class... Args>
    void launch(const std::string& entry, u32 blocks, u32 threads, const Args&... args) {
        Launch launch;
        launch.entry = program_.entry(entry);
        const void* arguments[] = {&args...};
        launch.params = launch.entry->pack(arguments);
        launch.grid.x = blocks;
        launch.threads.x = threads;
        for (u32 b = 0; b < blocks; ++b) blocks_.push_back(machine_.add_block(launch, {b, 0, 0}));
    }
    // Until the kernel has ended and all is read.
    void run(const std::string& what) {
        u64 copies = 0;
        for (; !ended() && steps_ < MOST_STEPS; ++copies) {
            if (draw_(4) == 0) filter();
            copy();
            if (draw_(3) == 0) step(draw_(4) == 0 ? 20000 : 500);
        }
        for (u64 block : blocks_) {
            const Outcome* outcome = machine_.outcome(block);
            check(outcome != nullptr && outcome->end == Outcome::RETURNED, what + ": " + (outcome == nullptr ? "it does not end" : outcome->text));
        }
        memory_.settle();
        copy();
    }
    // The head, and the words when the ring is so many records further.
    void copy_over(u64 records) {
        pause_ = 0;
        u64 before = head(0);
        while (head(0) < before + records && !ended()) step(5);
        words_of(0);
        decoders[0].take(before, words_, head(0));
    }
    bool ended() const {
        return std::all_of(blocks_.begin(), blocks_.end(), [&](u64 block) { return machine_.outcome(block) != nullptr; });
    }
    void step(u64 steps) {
        u64 idle = machine_.step(steps);
        if (idle == 0) steps_ += steps;
        else if (idle != Machine::NEVER) now_ += std::min<u64>(idle, 1000);
    }

    std::unique_ptr<Place> place;
    std::vector<Decoder> decoders;

   private:
    MemorySettings memory_settings() {
        MemorySettings s;
        s.seed = draw_(1000000);
        static const u32 VISIBLE[] = {2, 16, 64, 600};
        s.visible_one_in = VISIBLE[draw_(4)];
        return s;
    }
    MachineSettings machine_settings(u64 seed) {
        MachineSettings s;
        s.seed = seed;
        s.longest_nap_ns = 0;
        s.tick_ns = 1;
        s.clock = [this] { return now_ += 3; };
        return s;
    }
    void begin() {
        Standing standing;
        standing.kind = Standing::COPY;
        agent_ = memory_.begin(standing);
    }
    u64 word(const ringscope_u64& at) {
        if (pause_ != 0 && draw_(2) == 0) step(draw_(pause_));
        return memory_.copy_word_out(agent_, reinterpret_cast<u64>(&at));
    }
    u64 head(u32 s) { return word(place->traces.heads[s][0]); }
    // All heads, then the rings, each in an order of its own.
    void copy() {
        static const u64 PAUSES[] = {0, 2, 10, 60};
        pause_ = PAUSES[draw_(4)];
        std::vector<u64> before;
        for (u32 s = 0; s < SHARDS; ++s) before.push_back(head(s));
        for (u32 s = 0; s < SHARDS; ++s) {
            words_of(s);
            decoders[s].take(before[s], words_, head(s));
        }
        if (draw_(3) != 0) return;
        memory_.end(agent_);
        begin();
    }
    void words_of(u32 s) {
        const ringscope_u64* ring = &place->traces.records[s][0][0];
        std::vector<u32> order(RECORDS * RINGSCOPE_RECORD_WORDS);
        std::iota(order.begin(), order.end(), 0);
        u64 how = draw_(4), piece = 1 + draw_(40);
        if (how == 1) std::reverse(order.begin(), order.end());
        if (how >= 2) {
            // Pieces in any order; of one word each, words.
            if (how == 3) piece = 1;
            std::vector<u64> keys(order.size() / piece + 1);
            for (u64& key : keys) key = draw_(1u << 30);
            std::stable_sort(order.begin(), order.end(), [&](u32 a, u32 b) { return keys[a / piece] < keys[b / piece]; });
        }
        words_.resize(order.size());
        for (u32 n : order) words_[n] = word(ring[n]);
    }
    // Of messages: all, none, those that failed, one of four, slow ones.
    void filter() {
        static const u64 FILTERS[] = {u64(1) << 48, 0, RINGSCOPE_FILTER_ERRORS, u64(3) << 48, 60};
        memory_.copy_bytes_in(agent_, reinterpret_cast<u64>(&place->traces.filter), &FILTERS[draw_(5)], 8);
    }

    u64 now_ = 1000, steps_ = 0, pause_ = 0;
    Draw draw_;
    Memory memory_;
    Machine machine_;
    const Program& program_;
    std::vector<u64> blocks_, words_;
    Agent agent_ = 0;
};

// ---- what was written ----

struct Written {
    u32 kind, name, payload_from, payload_to;
    u64 time_from, time_to;
};
u64 mixed(u64 x) {
    x += 0x9e3779b97f4a7c15ull;
    x = (x ^ (x >> 30)) * 0xbf58476d1ce4e5b9ull;
    x = (x ^ (x >> 27)) * 0x94d049bb133111ebull;
    return x ^ (x >> 31);
}
constexpr u64 TIME_MASK = (u64(1) << RINGSCOPE_TIME_BITS) - 1;

// What one call of kernels/records.cu leaves.
class Said {
   public:
    Said(u64 from, u64 to) : from_(from), to_(to) {}
    void first(u32 kind, u32 name, u32 payload) { all.push_back({kind, name & 4095, payload, payload, from_, to_}); }
    // From the call's own begin on, whose duration is what the clock made of it.
    void timed(u32 kind, u32 name) { all.push_back({kind, name & 4095, 0, static_cast<u32>(to_ - from_), from_, from_}); }
    void rest(u64 value, u32 beside) {
        all.back().kind |= RINGSCOPE_RECORD_MORE;
        u32 payload = beside << 16 | static_cast<u32>(value >> RINGSCOPE_TIME_BITS);
        all.push_back({RINGSCOPE_RECORD_REST, 0, payload, payload, value & TIME_MASK, value & TIME_MASK});
    }
    void call(u32 i, u64 value) {
        u32 name = i % 4096, narrow = static_cast<u32>(value);
        double exact = double(narrow % 65536) / 256, inexact = double(narrow) + 1.0 / 3;
        switch (i % 11) {
            case 0: return first(RINGSCOPE_RECORD_EVENT, name, narrow);
            case 1: return first(RINGSCOPE_RECORD_EVENT, name, narrow), rest(value, 0);
            case 2: return timed(RINGSCOPE_RECORD_SPAN, name);
            case 3: return first(RINGSCOPE_RECORD_SAMPLE, name, narrow);
            case 4: return first(RINGSCOPE_RECORD_REAL, name, static_cast<u32>(bits(float(exact))));
            case 5: return first(RINGSCOPE_RECORD_REAL, name, static_cast<u32>(bits(float(inexact)))), rest(bits(inexact), 0);
            case 6: return first(RINGSCOPE_RECORD_LOG, name, narrow);
            case 7: return first(RINGSCOPE_RECORD_LOG, name, narrow), rest(value, RINGSCOPE_LOG_FIRST), rest(~value, RINGSCOPE_LOG_SECOND);
            case 8: return first(RINGSCOPE_RECORD_LOG, name, narrow), rest(value, RINGSCOPE_LOG_SECOND);
            case 9: return message(RINGSCOPE_OK);
            default: return message(i % 2 == 0 ? 300 : 70000);
        }
    }
    void message(u32 status) {
        timed(RINGSCOPE_RECORD_MESSAGE, status);
        rest(~u64(0), status & 0xffff);
        if (status > 0xffff) rest(status, 0);
    }

    std::vector<Written> all;

   private:
    u64 from_, to_;
};
std::vector<Written> written_by(const Place& place, u32 s, u64 first, const std::string& what) {
    std::vector<Written> all;
    for (u32 i = 0; i < CALLS; ++i) {
        const u64* row = place.truth[s][i];
        Said said(row[2], row[3]);
        said.call(i, mixed(s * 1000003 + i));
        bool message = i % 11 >= 9;
        same(row[0] - first, all.size(), what + ": records before call " + std::to_string(i));
        if (message && row[1] == row[0]) continue;  // the filter did not want it
        same(row[1] - row[0], said.all.size(), what + ": records of call " + std::to_string(i));
        all.insert(all.end(), said.all.begin(), said.all.end());
    }
    return all;
}
void is_one_of(const Record& r, u64 first, const std::vector<Written>& all, const std::string& what) {
    std::string which = what + ": record " + std::to_string(r.number - first);
    if (r.number - first >= all.size()) return check(false, which + " was never written");
    const Written& w = all[r.number - first];
    same(r.kind, w.kind, which + ", kind");
    same(r.name, w.name, which + ", name");
    check(r.payload >= w.payload_from && r.payload <= w.payload_to, which + ", payload " + hex(r.payload) + ", expected " + hex(w.payload_to));
    check(r.time >= w.time_from && r.time <= w.time_to, which + ", time " + hex(r.time) + ", expected " + hex(w.time_from) + " to " + hex(w.time_to));
}
void in_order(const Decoder& decoder, const std::string& what) {
    for (size_t n = 1; n < decoder.read.size(); ++n)
        check(decoder.read[n].number > decoder.read[n - 1].number, what + ": out of order");
}

struct Seen {
    u64 read = 0, lost = 0, whole = 0;  // rings of which nothing was lost
};

void records_of_every_shape(const Program& program, u64 seed, Looks looks, Seen& seen) {
    // The stamps come around in the middle, begin with a lap of zeros, or are anywhere.
    const u64 starts[] = {0, 65536 - 200, u64(1) << 32, 12345 * 64 + 7};
    u64 first = starts[seed % 4];
    std::string what = "records, seed " + std::to_string(seed);
    Reading reading(program, first, seed, looks);
    const u32 naps[] = {0, 40, 4000, 60000};
    u32 calls = CALLS, nap = naps[seed / 4 % 4];
    const u64* truth = &reading.place->truth[0][0][0];
    reading.launch("writes_records", BLOCKS, ROLES * 32, reading.place->ref(), calls, nap, truth);
    reading.run(what);
    for (u32 s = 0; s < SHARDS; ++s) {
        const Decoder& decoder = reading.decoders[s];
        std::string shard = what + ", shard " + std::to_string(s);
        std::vector<Written> all = written_by(*reading.place, s, first, shard);
        in_order(decoder, shard);
        for (const Record& r : decoder.read) is_one_of(r, first, all, shard);
        same(reading.place->traces.heads[s][0] - first, all.size(), shard + ": written");
        same(decoder.read.size() + decoder.lost, all.size(), shard + ": read and lost");
        seen.read += decoder.read.size();
        seen.lost += decoder.lost;
        seen.whole += decoder.lost == 0;
    }
}

// A pen of the test's own, which leaves its number everywhere.
void numbers(const Reading& reading, u64 written, const std::string& what) {
    const Decoder& decoder = reading.decoders[0];
    in_order(decoder, what);
    for (const Record& r : decoder.read) check(r.payload == static_cast<u32>(r.number) && r.name == 1, what + ": a record is another's");
    same(decoder.read.size() + decoder.lost, written, what + ": read and lost");
}
void a_wrong_pen(const Program& program, u64 seed, u32 how, Looks looks) {
    std::string what = "wrong pen " + std::to_string(how) + ", seed " + std::to_string(seed);
    Reading reading(program, 0, seed, looks);
    u32 calls = 300, nap = seed % 2 * 400;
    reading.launch("writes_wrong", 1, 32, reading.place->ref(), calls, how, nap);
    reading.run(what);
    numbers(reading, calls, what);
    for (const Record& r : reading.decoders[0].read) same(r.time, r.number, what + ": the time of record " + std::to_string(r.number));
}
// The words are copied when the ring is 65,536 records further than its head was.
void a_reader_that_sleeps(const Program& program, Looks looks) {
    std::string what = "a reader that sleeps";
    Reading reading(program, 0, 1, looks);
    u32 calls = 65536 + 8 * RECORDS;
    reading.launch("writes_many", 1, 32, reading.place->ref(), calls);
    while (reading.place->traces.heads[0][0] < RECORDS / 2) reading.step(5);
    reading.copy_over(65536);
    reading.run(what);
    numbers(reading, calls, what);
}

}  // namespace

void test_records() {
    auto program = whole::test_program("records", 3);
    Seen seen, ignored;
    for (u64 seed = 1; seed <= SEEDS; ++seed) records_of_every_shape(*program, seed, {}, seen);
    // Or it shows nothing.
    check(seen.read > 20000 && seen.lost > 10000 && seen.whole > 0,
          "read " + std::to_string(seen.read) + ", lost " + std::to_string(seen.lost) + ", whole rings " + std::to_string(seen.whole));
    a_reader_that_sleeps(*program, {});
    Looks no_first, no_second, no_trust, from_zero;
    no_first.first = no_second.second = no_trust.trust = from_zero.from_lap_1 = false;
    whole::has_teeth("a decoder that does not look at the first stamp", SEEDS, [&](u64 seed) { records_of_every_shape(*program, seed, no_first, ignored); });
    whole::has_teeth("a decoder that does not look at the second stamp", SEEDS, [&](u64 seed) { records_of_every_shape(*program, seed, no_second, ignored); });
    whole::has_teeth("a decoder that trusts stamps for ever", SEEDS, [&](u64) { a_reader_that_sleeps(*program, no_trust); });
    whole::has_teeth("a pen that does not stamp the second word", SEEDS, [&](u64 seed) { a_wrong_pen(*program, seed, 0, {}); });
    whole::has_teeth("a pen that does not stamp the first word", SEEDS, [&](u64 seed) { a_wrong_pen(*program, seed, 1, {}); });
    whole::has_teeth("a pen and a decoder without the second stamp", SEEDS, [&](u64 seed) { a_wrong_pen(*program, seed, 0, no_second); });
    whole::has_teeth("a pen and a decoder that begin with lap 0", SEEDS, [&](u64 seed) { a_wrong_pen(*program, seed, 2, from_zero); });
}
