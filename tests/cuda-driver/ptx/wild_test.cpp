// wild_test.cpp: the megakernel of examples/in-the-wild on the weak memory: random tasks by the seed, whose results are those of the
// same arithmetic as C++, and whose telemetry says what was done. And without the order of one of its flags it is wrong.
#include "stand.h"

// The package has neither the example nor the tests' PTX.
#if __has_include("../../../examples/in-the-wild/src/tasks.cuh")
#include "../../../examples/in-the-wild/src/tasks.cuh"

using namespace bench;
using whole::Stand;

namespace {
constexpr u64 SEEDS = 96, MUTANT_SEEDS = 40;
constexpr u32 ROLES = 4, MOST_BLOCKS = 3, SHARDS = ROLES * MOST_BLOCKS, ROW = 528, TASKS = 10, INPUTS = 4, KINDS = 3;

struct alignas(128) Place {
    ringscope_shard shards[SHARDS]{};
    u64 buckets[SHARDS][2 * ROW]{};
    ringscope_metric table[1]{};
    u64 words[(KINDS + 1) * RINGSCOPE_METRIC_WORDS]{}, rows[KINDS + 1][ROW]{}, kinds[KINDS + 1]{}, inputs[1]{};
    whole::Traces<SHARDS, RINGSCOPE_MIN_RECORDS> traces;
    Task tasks[TASKS]{};
    u32 successors[2 * TASKS]{}, done[TASKS]{}, next = 0, held = NONE;
    u32 tiles[INPUTS + TASKS][TILE]{};
    u64 needs = 0, of_kind[KINDS]{}, bytes_in = 0, bytes_out = 0;

    explicit Place(trial::Draw& draw) {
        for (auto& tile : tiles)
            for (u32& word : tile) word = static_cast<u32>(draw(u64(1) << 32));
        std::vector<u32> waiting[TASKS];
        for (u32 id = 0; id < TASKS; ++id) {
            u32 kind = static_cast<u32>(draw(KINDS)), length = kind == MATMUL ? TILE : 1 + static_cast<u32>(draw(TILE));
            u32 made[2] = {static_cast<u32>(draw(INPUTS + id)), static_cast<u32>(draw(INPUTS + id))};
            Task& t = tasks[id] = {kind, length, static_cast<u32>(draw(1000)), made[0], made[1], INPUTS + id, 0, 0, 0, id};
            for (u32 n = 0; n < (kind == SUM ? 1u : 2u); ++n) {
                if (made[n] < INPUTS || (n == 1 && made[1] == made[0])) continue;
                waiting[made[n] - INPUTS].push_back(id);
                ++t.needs;
            }
            needs += t.needs;
            ++of_kind[kind];
            bytes_in += 4 * t.reads();
            bytes_out += 4 * t.writes();
        }
        u32 first = 0;
        for (u32 id = 0; id < TASKS; ++id) {
            tasks[id].first_successor = first;
            tasks[id].successors = static_cast<u32>(waiting[id].size());
            for (u32 one : waiting[id]) successors[first++] = one;
        }
        ringscope_metric& m = table[0];
        m.words = reinterpret_cast<ringscope_u64*>(words);
        m.rows = reinterpret_cast<ringscope_u64*>(rows);
        m.row_words = ROW;
        m.scale = 3;
        m.kind = RINGSCOPE_METRIC_HISTOGRAM;
        m.stripes = 1;
        m.series = KINDS;
    }
    ringscope_kernel_ref ref(u32 blocks) {
        ringscope_kernel_ref r = whole::ref(shards, buckets, table, blocks * ROLES, 2 * ROW, 1);
        r.kinds = 1;
        traces.join(r);
        return r;
    }
    static ringscope_metric counters(u64* of, u32 series) {
        ringscope_metric m{};
        m.words = reinterpret_cast<ringscope_u64*>(of);
        m.kind = RINGSCOPE_METRIC_COUNTER;
        m.stripes = 1;
        m.series = series;
        return m;
    }
    Work work() { return {tasks, successors, done, &tiles[0][0], &next, &held, TASKS, 0}; }
    std::vector<u32> expected() const {
        std::vector<u32> all(&tiles[0][0], &tiles[0][0] + sizeof tiles / sizeof(u32));
        for (const Task& task : tasks) {
            Page page{};
            load(page, task, all.data(), 0);
            compute(page, task, 0);
            store(page, task, all.data(), 0);
        }
        return all;
    }
};

void counted(const Place& p, unsigned level, u32 blocks, const std::string& what) {
    u64 received = 0, in = 0, out = 0;
    for (u32 s = 0; s < blocks * ROLES; ++s) {
        const ringscope_shard& shard = p.shards[s];
        same(shard.words[RINGSCOPE_STATE], level > 0 ? RINGSCOPE_STATE_ENDED : RINGSCOPE_STATE_NONE, what + ": state of role " + std::to_string(s));
        if (s % ROLES != 3) same(shard.counters[RINGSCOPE_RECEIVED], 0, what + ": tasks that another role than the storer ended");
        received += shard.counters[RINGSCOPE_RECEIVED];
        in += shard.counters[RINGSCOPE_BYTES_IN];
        out += shard.counters[RINGSCOPE_BYTES_OUT];
    }
    same(received, level > 0 ? TASKS : 0, what + ": tasks");
    same(in, level > 0 ? p.bytes_in : 0, what + ": bytes in");
    same(out, level > 0 ? p.bytes_out : 0, what + ": bytes out");
    same(p.inputs[0], level > 0 ? p.needs : 0, what + ": inputs that were waited for");
    for (u32 kind = 0; kind <= KINDS; ++kind) {
        u64 expected = kind < KINDS ? p.of_kind[kind] : 0;
        same(p.kinds[kind], level > 0 ? expected : 0, what + ": tasks of kind " + std::to_string(kind));
        u64 timed = p.words[kind * RINGSCOPE_METRIC_WORDS + RINGSCOPE_METRIC_COUNT];
        same(timed, level > 1 ? expected : 0, what + ": times of kind " + std::to_string(kind));
    }
}

void run(const Program& program, unsigned level, u64 seed) {
    std::string what = "megakernel, level " + std::to_string(level) + ", seed " + std::to_string(seed);
    Stand stand(program, seed);
    auto place = std::make_unique<Place>(stand.draw);
    std::vector<u32> expected = place->expected();
    whole::add(stand.memory, *place, false);
    u32 blocks = 1 + seed % MOST_BLOCKS;
    Work work = place->work();
    stand.launch("megakernel", blocks, ROLES * 32, work, place->ref(blocks), Place::counters(place->kinds, KINDS), Place::counters(place->inputs, 0));
    while (!stand.step(1000)) {
    }
    stand.ended(Outcome::RETURNED, what);
    check(std::equal(expected.begin(), expected.end(), &place->tiles[0][0]), what + ": tiles");
    counted(*place, level, blocks, what);
}

// Weakens `what` to `by` between each two meetings of a warp where it stands: a wait looks several times. Each is found.
void weakened(const std::string& text, const std::string& what, const std::string& by) {
    const std::string meeting = "bar.warp.sync";
    unsigned places = 0;
    for (size_t at = text.find(what); at != std::string::npos;) {
        size_t end = std::min(text.find(meeting, at), text.size());
        std::string changed = text.substr(at, end - at), rest = text.substr(end);
        for (size_t one = 0; (one = changed.find(what, one)) != std::string::npos;) changed.replace(one, what.size(), by);
        auto program = Program::parse(text.substr(0, at) + changed + rest);
        std::string name = by + " in place " + std::to_string(++places) + " of " + what;
        whole::has_teeth(name, MUTANT_SEEDS, [&](u64 seed) { run(*program, 0, seed); });
        at = text.find(what, end);
    }
    check(places > 0, "no " + what);
}
}  // namespace

void test_wild() {
    for (unsigned level = 0; level < whole::LEVELS; ++level) {
        auto program = whole::test_program("megakernel", level);
        for (u64 seed = 1; seed <= SEEDS; ++seed) run(*program, level, seed);
    }
    std::ifstream in(whole::test_folder + "/megakernel_l0.ptx");
    std::stringstream text;
    text << in.rdbuf();
    weakened(text.str(), "ld.acquire.cta.shared", "ld.relaxed.cta.shared");
    weakened(text.str(), "ld.acquire.gpu.global", "ld.relaxed.gpu.global");
    weakened(text.str(), "red.release.cta.shared", "red.relaxed.cta.shared");
    weakened(text.str(), "red.release.gpu.global", "red.relaxed.gpu.global");
}
#else
void test_wild() { bench::check(false, "the example is not there"); }
#endif
