// ring_traces.h: what a ring kernel's blocks said of their places, and left in their black boxes, when they have ended.
#pragma once
#include <set>

#include "records.h"
#include "ring_host.h"

namespace ring {
// The status that each message is answered with.
using Statuses = std::vector<u32>;

inline void check_place(const ringscope_shard& shard, u32 multiprocessors) {
    const ringscope_u64* where = shard.where;
    bench::check(where[RINGSCOPE_AT] == 0 && where[RINGSCOPE_MESSAGE] == 0, "a block that has ended is somewhere");
    bench::check(where[RINGSCOPE_SM] >= 1 && where[RINGSCOPE_SM] <= multiprocessors, "a multiprocessor that is none");
    bench::check(where[RINGSCOPE_EXPECTED] == 0 && where[RINGSCOPE_SEEN] == 0, "a ring waits for no resource");
}
inline bool is_waiting_for_room(const ringscope_shard& shard) {
    return shard.where[RINGSCOPE_AT] >> RINGSCOPE_TIME_BITS == (u64(RINGSCOPE_AT_RING) << RINGSCOPE_NAME_BITS | RINGSCOPE_PLACE_ROOM);
}
// A place of a ring's, while it runs or after.
inline bool is_place(u64 at) {
    u64 kind = at >> (RINGSCOPE_TIME_BITS + RINGSCOPE_NAME_BITS), place = at >> RINGSCOPE_TIME_BITS & ((1u << RINGSCOPE_NAME_BITS) - 1);
    return at == 0 || (kind == RINGSCOPE_AT_RING && place <= RINGSCOPE_PLACE_PUBLISH);
}
// The pairs of a message's two records: its number once, and the status that it was answered with.
inline void check_messages(const std::vector<records::Record>& read, const Statuses& statuses, std::set<u64>& seen, bool in_box) {
    for (size_t n = 0; n < read.size(); ++n) {
        const records::Record& r = read[n];
        if (r.kind != (RINGSCOPE_RECORD_MESSAGE | RINGSCOPE_RECORD_MORE) || n + 1 == read.size()) continue;
        const records::Record& rest = read[n + 1];
        u64 number = rest.time | u64(rest.payload & 0xffff) << RINGSCOPE_TIME_BITS;
        bench::check((rest.kind & 7u) == RINGSCOPE_RECORD_REST, std::string("a message without a number") + (in_box ? " in the box" : ""));
        bench::check(number < statuses.size() && seen.insert(number).second, "a message's record is another's");
        if (number >= statuses.size()) return;
        bench::check(r.name == (statuses[number] & 4095) && rest.payload >> 16 == (statuses[number] & 0xffff), "the status of a message's record");
    }
}
inline std::vector<records::Record> all_of(const ringscope_u64* ring, u32 count, u64 head, const char* what) {
    records::Decoder decoder(count);
    decoder.take(head, std::vector<u64>(ring, ring + count * RINGSCOPE_RECORD_WORDS), head);
    bench::check(decoder.read.size() == std::min<u64>(head, count) && decoder.read.size() + decoder.lost == head, std::string("records at rest: ") + what);
    return decoder.read;
}
inline void check_box(const Ring& ring, u32 b, u64 received, u64 now, const Statuses& statuses) {
    const auto& box = ring.boxes.of[b];
    u64 head = box.words[RINGSCOPE_BOX_HEAD];
    bench::check(head == ring.shards[b].where[RINGSCOPE_BOX_WRITTEN], "the head of a box");
    // A block that was stopped before it took anything was nowhere.
    bench::check(is_place(box.words[RINGSCOPE_BOX_AT]) && (box.words[RINGSCOPE_BOX_AT] != 0) == (head != 0), "the place in a box");
    bench::check(box.words[RINGSCOPE_BOX_MESSAGE] == 0 && box.words[RINGSCOPE_BOX_CODE] == 0, "a box at rest");
    // Of each message its places and two words of its end.
    bench::check(head >= 2 * received, "too few records in a box");
    std::vector<records::Record> read = all_of(&box.records[0][0], RINGSCOPE_MIN_RECORDS, head, "box");
    u64 at = 0;
    for (const records::Record& r : read) {
        if (r.kind != RINGSCOPE_RECORD_WAYPOINT) continue;
        bench::check(r.payload == RINGSCOPE_AT_RING && r.name <= RINGSCOPE_PLACE_PUBLISH && r.time <= now, "a place of a box's record");
        at = u64(RINGSCOPE_AT_RING) << 60 | u64(r.name) << RINGSCOPE_TIME_BITS | r.time;
    }
    bench::check(at == box.words[RINGSCOPE_BOX_AT], "the place in a box is not that of its last record");
    std::set<u64> seen;
    check_messages(read, statuses, seen, true);
}
// Of all blocks: each message that was received left a span in one of the rings, if the filter wanted all.
inline void check_spans(const Ring& ring, u32 blocks, u64 received, const Statuses& statuses) {
    std::set<u64> seen;
    for (u32 b = 0; b < blocks; ++b) {
        const auto& records = ring.traces.records[b];
        check_messages(all_of(&records[0][0], 2 * MESSAGES_AS_RECORDS, ring.traces.heads[b][0], "ring"), statuses, seen, false);
    }
    bench::check(seen.size() == received, "spans are not what was received");
}
}  // namespace ring
