// roles_test.cpp: kernels whose blocks have roles, on the weak memory: what kernels/roles.cu says must be found.
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
}  // namespace

void test_roles() {
    for (unsigned level = 1; level < whole::LEVELS; ++level) {
        auto program = whole::test_program("roles", level);
        for (u64 seed = 1; seed <= SEEDS; ++seed)
            for (auto test : {tasks, extremes, attached, merged}) test(*program, level, seed);
    }
}
