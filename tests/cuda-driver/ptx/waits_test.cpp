// waits_test.cpp: places and last words on the weak memory: the words of a wait that agree by their stamps are of one wait, and the
// black box is complete as soon as its code is there.
#include "records.h"
#include "stand.h"

using namespace bench;
using whole::Stand;

namespace {
constexpr u64 SEEDS = 64;
constexpr u32 RECORDS = RINGSCOPE_MIN_RECORDS;

struct alignas(128) Place {
    ringscope_shard shard{};
    whole::Boxes<1, RECORDS> boxes;
};

u64 stamp(u64 word) { return word >> RINGSCOPE_WAIT_VALUE_BITS & 0xffff; }

// Returns how often all three words were of one wait. `stamps` false: it takes them as they come.
u64 a_wait(const Program& program, u64 seed, bool stamps) {
    std::string what = "waits, seed " + std::to_string(seed);
    Stand stand(program, seed);
    auto place = std::make_unique<Place>();
    whole::add(stand.memory, *place, true);
    ringscope_kernel_ref ref = whole::ref(&place->shard, nullptr, nullptr, 1, 0, 0);
    if (seed % 3 == 0) place->boxes.join(ref);
    u32 waits = 40, looks = 1 + seed % 5 * 8;
    stand.launch("waits", 1, 32, ref, waits, looks);
    Agent copy = stand.begin(Standing::COPY), host = stand.begin(Standing::HOST);
    // From the shard as the copy engine reads it, or from the box as the host does.
    auto word = [&](u32 which) {
        if (ref.box == nullptr || which == RINGSCOPE_MESSAGE) return stand.memory.copy_word_out(copy, reinterpret_cast<u64>(&place->shard.where[which]));
        static const u32 IN_BOX[] = {RINGSCOPE_BOX_AT, RINGSCOPE_BOX_MESSAGE, RINGSCOPE_BOX_EXPECTED, RINGSCOPE_BOX_SEEN};
        return stand.memory.host_load(host, {reinterpret_cast<u64>(&place->boxes.of[0].words[IN_BOX[which]]), 8, Order::RELAXED, Scope::SYS, "the host looks"});
    };
    u64 whole_ones = 0;
    for (bool over = false; !over;) {
        u64 words[3] = {};
        static const u32 WHICH[] = {RINGSCOPE_AT, RINGSCOPE_EXPECTED, RINGSCOPE_SEEN};
        for (u64 n = 0, first = stand.draw(3), by = 1 + stand.draw(2); n < 3; ++n) {
            words[(first + n * by) % 3] = word(WHICH[(first + n * by) % 3]);
            if (stand.draw(2) == 0) over = stand.step(1 + stand.draw(5));
        }
        if (stand.draw(2) == 0) over = stand.step(1 + stand.draw(10));
        u64 at = words[0];
        if (at >> (RINGSCOPE_TIME_BITS + RINGSCOPE_NAME_BITS) != RINGSCOPE_AT_WAIT) continue;
        if (stamps && (stamp(words[1]) != (at & 0xffff) || stamp(words[2]) != (at & 0xffff))) continue;
        ++whole_ones;
        u64 wait = words[1] >> 48;
        same(words[2] >> 48, wait, what + ": what it sees is of wait");
        same(at >> RINGSCOPE_TIME_BITS & 0xfff, wait % 7, what + ": the waypoint of wait " + std::to_string(wait));
        same(words[1] & 0xffffffff, 1000 + wait, what + ": expected");
        check((words[2] & 0xffffffff) < looks && wait < waits, what + ": seen");
    }
    stand.memory.end(copy);
    stand.memory.end(host);
    stand.ended(Outcome::RETURNED, what);
    return whole_ones;
}

// Whether the code was seen before the block was found dead.
bool last_words(const Program& program, const std::string& entry, u64 seed) {
    std::string what = entry + ", seed " + std::to_string(seed);
    Stand stand(program, seed);
    auto place = std::make_unique<Place>();
    whole::add(stand.memory, place->shard, false);
    whole::add(stand.memory, place->boxes, true);
    ringscope_kernel_ref ref = whole::ref(&place->shard, nullptr, nullptr, 1, 0, 0);
    place->boxes.join(ref);
    u32 messages = 3 + seed % 50, code = 77;
    u64 value = 0x123456789abcdef0;
    stand.launch(entry, 1, 32, ref, messages, code, value);
    Agent host = stand.begin(Standing::HOST);
    auto read = [&](const ringscope_u64& at, Order order) {
        return stand.memory.host_load(host, {reinterpret_cast<u64>(&at), 8, order, Scope::SYS, "the host reads a box"});
    };
    auto& box = place->boxes.of[0];
    auto code_is_there = [&] { return read(box.words[RINGSCOPE_BOX_CODE], Order::ACQUIRE) != 0; };
    bool seen = false, over = false;
    while (!over && !seen) {
        seen = code_is_there();
        if (!seen) over = stand.step(1);
    }
    // Seen while it ran, or found when it was dead.
    check(seen || code_is_there(), what + ": no last words");
    if (seen || code_is_there()) {
        same(read(box.words[RINGSCOPE_BOX_CODE], Order::RELAXED), 1 + code, what + ": code");
        same(read(box.words[RINGSCOPE_BOX_VALUE], Order::RELAXED), value, what + ": value");
        check(read(box.words[RINGSCOPE_BOX_TIME], Order::RELAXED) != 0, what + ": time");
        u64 at = read(box.words[RINGSCOPE_BOX_AT], Order::RELAXED);
        same(at >> RINGSCOPE_TIME_BITS, u64(RINGSCOPE_AT_WAIT) << RINGSCOPE_NAME_BITS | 9, what + ": place");
        same(read(box.words[RINGSCOPE_BOX_MESSAGE], Order::RELAXED), 0, what + ": message");
        u64 expected = read(box.words[RINGSCOPE_BOX_EXPECTED], Order::RELAXED), there = read(box.words[RINGSCOPE_BOX_SEEN], Order::RELAXED);
        check(expected >> 48 == 3 && u32(expected) == 4 && u32(there) == 2 && stamp(expected) == stamp(there) && stamp(there) == (at & 0xffff), what + ": the wait");
        // A place and two records of its end for each message, and the last place.
        u64 head = read(box.words[RINGSCOPE_BOX_HEAD], Order::RELAXED);
        same(head, 3 * messages + 1, what + ": head");
        std::vector<u64> words;
        for (auto& record : box.records)
            for (const ringscope_u64& word : record) words.push_back(read(word, Order::RELAXED));
        records::Decoder decoder(RECORDS);
        decoder.take(head, words, head);
        same(decoder.read.size(), std::min<u64>(head, RECORDS), what + ": records");
        for (const records::Record& r : decoder.read) {
            u32 kinds[] = {RINGSCOPE_RECORD_WAYPOINT, RINGSCOPE_RECORD_MESSAGE | RINGSCOPE_RECORD_MORE, RINGSCOPE_RECORD_REST};
            same(r.kind, kinds[r.number % 3], what + ": kind of record " + std::to_string(r.number));
            if (r.kind == RINGSCOPE_RECORD_WAYPOINT) same(r.name, r.number == head - 1 ? 9 : 1 + r.number / 3 % 3, what + ": place of record " + std::to_string(r.number));
        }
    }
    while (!over) over = stand.step(50);
    stand.memory.end(host);
    stand.ended(Outcome::TRAPPED, what);
    same(place->shard.words[RINGSCOPE_STATE], RINGSCOPE_STATE_ACTIVE, what + ": a block that trapped has not ended by itself");
    return seen;
}
}  // namespace

void test_waits() {
    for (unsigned level = 1; level < whole::LEVELS; ++level) {
        auto program = whole::test_program("waits", level);
        u64 waits = 0, words = 0;
        for (u64 seed = 1; seed <= SEEDS; ++seed) {
            waits += a_wait(*program, seed, true);
            words += last_words(*program, "dies", seed);
        }
        // Or it shows nothing.
        check(waits > SEEDS && words > 0, "seen " + std::to_string(waits) + " waits and " + std::to_string(words) + " last words");
        whole::has_teeth("a reader that does not look at stamps", SEEDS, [&](u64 seed) { a_wait(*program, seed, false); });
        whole::has_teeth("last words without a fence", SEEDS, [&](u64 seed) { last_words(*program, "dies_unfenced", seed); });
    }
}
