// roles_test.cpp: kernels whose blocks have roles, on the weak memory: what kernels/roles.cu says must be found.
#include <numeric>

#include "stand.h"

using namespace bench;
using whole::Stand;

namespace {
constexpr u64 SEEDS = 16;
constexpr u32 ROLES = 4, MOST_BLOCKS = 3, SHARDS = ROLES * MOST_BLOCKS, ROW = 528, TASKS = 20, KINDS[] = {5, 101, 349};

struct alignas(128) Place {
    ringscope_shard shards[SHARDS]{};
    u64 buckets[SHARDS][2 * ROW]{};
    ringscope_metric table[1]{};
    u64 words[4 * RINGSCOPE_METRIC_WORDS]{}, rows[4][ROW]{};
    unsigned short map[352]{};
    u64 out[MOST_BLOCKS * TASKS]{};
    whole::Traces<SHARDS, RINGSCOPE_MIN_RECORDS> traces;

    // A family of three series for kinds that are far apart; the fourth counts what is none of them.
    Place() {
        std::fill(std::begin(map), std::end(map), static_cast<unsigned short>(3));
        for (unsigned short n = 0; n < 3; ++n) map[KINDS[n]] = n;
        ringscope_metric& m = table[0];
        m.words = reinterpret_cast<ringscope_u64*>(words);
        m.rows = reinterpret_cast<ringscope_u64*>(rows);
        m.bounds = reinterpret_cast<const double*>(map);
        m.bounds_count = 350;
        m.stripes = 1;
        m.row_words = ROW;
        m.scale = 3;
        m.kind = RINGSCOPE_METRIC_HISTOGRAM;
        m.series = 3;
    }
    ringscope_kernel_ref ref(u32 first, u32 count) {
        ringscope_kernel_ref r = whole::ref(shards + first, buckets[first], table, count, 2 * ROW, 1);
        r.kinds = 1;
        traces.join(r);
        return r;
    }
    u64 counter(u32 shard, u32 which) const { return shards[shard].counters[which]; }
    u64 word(u32 shard, u32 which) const { return shards[shard].words[which]; }
};
struct Run {
    Run(const Program& program, u64 seed) : stand(program, seed) { whole::add(stand.memory, *place, false); }
    void end(const std::string& what) {
        while (!stand.step(1000)) {
        }
        stand.ended(Outcome::RETURNED, what);
    }
    Stand stand;
    std::unique_ptr<Place> place = std::make_unique<Place>();
};

void tasks(const Program& program, unsigned level, u64 seed) {
    std::string what = "tasks, level " + std::to_string(level) + ", seed " + std::to_string(seed);
    Run run(program, seed);
    Place& p = *run.place;
    u32 blocks = 1 + seed % MOST_BLOCKS, count = TASKS;
    u64* mail = p.out;
    run.stand.launch("roles_tasks", blocks, ROLES * 32, p.ref(0, blocks * ROLES), count, mail);
    run.end(what);
    for (u32 s = 0; s < blocks * ROLES; ++s) {
        std::string shard = what + ", shard " + std::to_string(s);
        bool ends = s % ROLES == 1;
        same(p.counter(s, RINGSCOPE_RECEIVED), ends ? count : 0, shard + ": received");
        same(p.counter(s, RINGSCOPE_BYTES_IN), ends ? count * (count - 1) / 2 : 0, shard + ": bytes");
        same(p.word(s, RINGSCOPE_STATE), s % ROLES == 3 ? RINGSCOPE_STATE_NONE : RINGSCOPE_STATE_ENDED, shard + ": state");
        if (s % ROLES != 3) continue;
        for (u32 w = 0; w < RINGSCOPE_WORDS; ++w) same(p.word(s, w) | p.counter(s, w) | p.shards[s].where[w], 0, shard + ": nobody's word " + std::to_string(w));
    }
    for (u32 kind = 0; kind < 4 && level > 1; ++kind) {
        u64 expected = kind == 3 ? 0 : blocks * (u64(count) + 2 - kind) / 3;
        if (kind < 3) expected = blocks * u64((count + 2 - kind) / 3);
        same(p.words[kind * RINGSCOPE_METRIC_WORDS + RINGSCOPE_METRIC_COUNT], expected, what + ": tasks of kind " + std::to_string(kind));
    }
}
void extremes(const Program& program, unsigned level, u64 seed) {
    std::string what = "extremes, level " + std::to_string(level) + ", seed " + std::to_string(seed);
    Run run(program, seed);
    Place& p = *run.place;
    u32 blocks = 1 + seed % MOST_BLOCKS, records = 1 + seed % 7, writers = blocks * ROLES;
    u64 all = u64(writers) * records;
    run.stand.launch("roles_extremes", blocks, ROLES * 32, p.ref(0, blocks * ROLES), records);
    run.end(what);
    same(p.counter(0, RINGSCOPE_RECEIVED), all, what + ": received");
    same(p.counter(0, RINGSCOPE_BUSY_NS), 1000 * all + all * (all - 1) / 2, what + ": their sum");
    same(p.word(0, RINGSCOPE_QUEUE_HIGH_WATER), writers - 1, what + ": high water");
    if (level < 2) return;
    same(p.counter(0, RINGSCOPE_LATENCY_COUNT), all, what + ": values");
    same(p.counter(0, RINGSCOPE_LATENCY_SUM_NS), 1000 * all + all * (all - 1) / 2, what + ": sum of values");
    same(~p.word(0, RINGSCOPE_LATENCY_NOT_MIN_NS), 1000, what + ": the smallest");
    same(p.word(0, RINGSCOPE_LATENCY_MAX_NS), 1000 + all - 1, what + ": the largest");
    u64 in_buckets = 0;
    for (u64 n : p.buckets[0]) in_buckets += n;
    same(in_buckets, all, what + ": values in buckets");
}
void attached(const Program& program, unsigned level, u64 seed) {
    std::string what = "attached, level " + std::to_string(level) + ", seed " + std::to_string(seed);
    Run run(program, seed);
    Place& p = *run.place;
    u32 blocks = 1 + seed % MOST_BLOCKS, batches = 9;
    u64* seen = p.out;
    run.stand.launch("roles_attached", blocks, 64, p.ref(0, blocks), batches, seen);
    run.end(what);
    for (u32 b = 0; b < blocks; ++b) {
        same(p.counter(b, RINGSCOPE_RECEIVED), batches, what + ": received");
        same(p.out[b], 0, what + ": batches that began or ended the block");
        same(p.word(b, RINGSCOPE_STATE), RINGSCOPE_STATE_ENDED, what + ": state");
    }
}
void merged(const Program& program, unsigned level, u64 seed) {
    std::string what = "merged, level " + std::to_string(level) + ", seed " + std::to_string(seed);
    Run run(program, seed);
    Place& p = *run.place;
    u32 split = 1 + seed % 4, blocks = 7;
    ringscope_kernel_ref first = p.ref(0, split), second = p.ref(split, blocks - split);
    second.first_block = split;
    run.stand.launch("roles_merged", blocks, 32, first, second, split);
    run.end(what);
    for (u32 b = 0; b < blocks; ++b) {
        same(p.counter(b, RINGSCOPE_RECEIVED), 1, what + ": received");
        same(p.counter(b, RINGSCOPE_BYTES_IN), b + 1, what + ": the shard of block " + std::to_string(b));
    }
}
// More writers than rows: each row is added to by five roles, all at once.
void rows(const Program& program, unsigned level, u64 seed) {
    constexpr u32 BLOCKS = 10, WRITERS = BLOCKS * ROLES;
    struct alignas(128) Rows {
        ringscope_shard shards[WRITERS]{};
        u64 buckets[8][2 * ROW]{};
        u64 begun = 0;
    };
    std::string what = "rows, level " + std::to_string(level) + ", seed " + std::to_string(seed);
    auto place = std::make_unique<Rows>();
    Stand stand(program, seed);
    whole::add(stand.memory, *place, false);
    u32 records = 2 + seed % 9, row_count = 1u << seed % 4;
    ringscope_kernel_ref ref = whole::ref(place->shards, place->buckets, nullptr, WRITERS, 2 * ROW, 0);
    ref.row_mask = row_count - 1;
    u64* begun = &place->begun;
    stand.launch("roles_rows", BLOCKS, ROLES * 32, ref, records, begun);
    while (!stand.step(1000)) {
    }
    stand.ended(Outcome::RETURNED, what);
    u64 counted = 0;
    for (const ringscope_shard& shard : place->shards) counted += shard.counters[RINGSCOPE_LATENCY_COUNT];
    same(counted, level < 2 ? 0 : u64(WRITERS) * records, what + ": values");
    auto in_slot = [&](u32 slot) {
        u64 sum = 0;
        for (auto& row : place->buckets) sum += row[slot];
        return sum;
    };
    const u32 slots[] = {0, 1, 9};  // of 0, 1 and 2 ns, of 8 buckets an octave
    for (u32 ns = 0; ns < 3; ++ns) same(in_slot(slots[ns]), level < 2 ? 0 : WRITERS * ((records + 2 - ns) / 3), what + ": handled in " + std::to_string(ns) + " ns");
    for (u32 ns = 0; ns < 2; ++ns) same(in_slot(ROW + slots[ns]), level < 2 ? 0 : WRITERS * ((records + 1 - ns) / 2), what + ": waited " + std::to_string(ns) + " ns");
    for (u32 row = 0; row < 8; ++row) {
        u64 sum = std::accumulate(std::begin(place->buckets[row]), std::end(place->buckets[row]), u64(0));
        same(sum, level < 2 || row >= row_count ? 0 : u64(WRITERS) / row_count * records * 2, what + ": row " + std::to_string(row));
    }
}
// Pens of roles that a block does not have write in no other's shard.
void wrong(const Program& program, unsigned level, u64 seed) {
    std::string what = "wrong, level " + std::to_string(level) + ", seed " + std::to_string(seed);
    Run run(program, seed);
    Place& p = *run.place;
    u32 blocks = MOST_BLOCKS, roles = seed % (ROLES + 1), each = roles == 0 ? 1 : roles;
    ringscope_kernel_ref ref = p.ref(0, blocks * each);
    ref.roles = roles;
    run.stand.launch("roles_wrong", blocks, 64, ref);
    run.end(what);
    u64 misses = 0;
    for (u32 s = 0; s < blocks * each; ++s) {
        same(p.counter(s, RINGSCOPE_RECEIVED), 1, what + ": received");
        same(p.counter(s, RINGSCOPE_BYTES_IN), s % each + 1, what + ": the shard of a role");
        misses += p.word(s, RINGSCOPE_ROLE_MISSES);
    }
    same(misses, blocks * (ROLES + 4 - each), what + ": pens of none");
    for (u32 s = blocks * each; s < SHARDS; ++s) same(p.counter(s, RINGSCOPE_RECEIVED), 0, what + ": behind the last");
}
}  // namespace

void test_roles() {
    for (unsigned level = 1; level < whole::LEVELS; ++level) {
        auto program = whole::test_program("roles", level);
        for (u64 seed = 1; seed <= SEEDS; ++seed)
            for (auto test : {tasks, extremes, attached, merged, rows, wrong}) test(*program, level, seed);
    }
}
