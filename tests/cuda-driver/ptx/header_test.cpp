// header_test.cpp: what the headers promise of lanes that do not go together, on the machine: the kernels of kernels/, compiled to
// PTX at the levels 2 and 3 by scripts/ptx.sh. Each says itself what must hold; here it is looked at, seed by seed. The memory finds races.
#include "whole.h"

using namespace bench;

namespace {
constexpr u64 SEEDS = 12, MOST_STEPS = 20000000;
constexpr u32 BUCKETS = 528;

struct alignas(128) Telemetry {
    ringscope_shard shard{};
    u64 buckets[2 * BUCKETS]{};
    ringscope_metric table[2]{};
    u64 words[RINGSCOPE_WORDS]{}, rows[BUCKETS]{};
    u64 out[3][512]{};
    whole::Traces<1, RINGSCOPE_MIN_RECORDS> traces;

    ringscope_kernel_ref ref() {
        ringscope_kernel_ref r = whole::ref(&shard, buckets, table, 1, 2 * BUCKETS, 2);
        traces.join(r);
        return r;
    }
};
template <class T>
u64 sum(const T* words, u32 count) {
    u64 all = 0;
    for (u32 i = 0; i < count; ++i) all += words[i];
    return all;
}

// One block of a kernel, and the host beside it.
class Block {
   public:
    Block(const Program& program, u64 seed) : memory_(settings(seed)), machine_(memory_, machine_settings(seed)), program_(program) {
        machine_.load(program);
        whole::add(memory_, *telemetry, false);
        Standing standing;
        standing.kind = Standing::HOST;
        host_ = memory_.begin(standing);
    }
    template <class... Args>
    void launch(const std::string& entry, u32 threads, const Args&... args) {
        launch_.entry = program_.entry(entry);
        const void* arguments[] = {&args...};
        launch_.params = launch_.entry->pack(arguments);
        launch_.threads.x = threads;
        number_ = machine_.add_block(launch_, {0, 0, 0});
    }
    void step(u64 steps) { machine_.step(steps); }
    void host_store(void* at, u64 value, Order order) {
        Access access;
        access.address = reinterpret_cast<u64>(at);
        access.order = order;
        access.scope = Scope::SYS;
        access.site = "the host registers";
        memory_.host_store(host_, access, value);
    }
    // Registers a histogram at place 0 and a counter at place 1, while the block runs: the kind last.
    void register_metrics(u64 seed) {
        for (u32 place = 0; place < 2; ++place) {
            ringscope_metric metric{};
            metric.words = reinterpret_cast<ringscope_u64*>(telemetry->words);
            metric.rows = reinterpret_cast<ringscope_u64*>(telemetry->rows);
            metric.stripes = 1;
            metric.row_words = BUCKETS;
            metric.scale = 3;
            metric.kind = place == 0 ? RINGSCOPE_METRIC_HISTOGRAM : RINGSCOPE_METRIC_COUNTER;
            metric.slot = 8 * place;
            metric.index = place;
            u64 words[8];
            std::memcpy(words, &metric, sizeof words);
            auto* to = reinterpret_cast<u64*>(&telemetry->table[place]);
            for (u32 word = 0; word < 8; ++word)
                if (word != 5) host_store(to + word, words[word], Order::RELAXED);
            host_store(to + 5, words[5], Order::RELEASE);
            step(seed % 7 * 11);
        }
    }
    void end(const std::string& what) {
        for (u64 steps = 0; machine_.outcome(number_) == nullptr && steps < MOST_STEPS; steps += 200) {
            if (machine_.step(200) == Machine::NEVER) break;
        }
        const Outcome* outcome = machine_.outcome(number_);
        check(outcome != nullptr, what + " does not end");
        if (outcome != nullptr) check(outcome->end == Outcome::RETURNED, what + ": " + outcome->text);
        memory_.settle();
    }

    std::unique_ptr<Telemetry> telemetry = std::make_unique<Telemetry>();

   private:
    static MemorySettings settings(u64 seed) {
        MemorySettings s;
        s.seed = seed;
        return s;
    }
    // A clock that moves whenever somebody looks.
    MachineSettings machine_settings(u64 seed) {
        MachineSettings s;
        s.seed = seed;
        s.longest_nap_ns = 0;
        s.clock = [this] { return now_ += 3; };
        return s;
    }

    u64 now_ = 1000;
    Memory memory_;
    Machine machine_;
    const Program& program_;
    Launch launch_;
    Agent host_ = 0;
    u64 number_ = 0;
};

void a_metric_appears(const Program& program, u64 seed, u32 warps) {
    std::string what = "appears, " + std::to_string(warps) + " warps, seed " + std::to_string(seed);
    {
        Block block(program, seed);
        Telemetry& t = *block.telemetry;
        u64 *counted = t.out[0], *summed = t.out[1], *rounds = t.out[2];
        block.launch("appears_to_block", warps * 32, t.ref(), counted, summed, rounds);
        for (u64 i = 0; i < seed * 13 % 300; ++i) block.step(37);
        block.register_metrics(seed);
        block.end(what);
        same(sum(t.rows, BUCKETS), sum(counted, 512), what + ": values in buckets");
        same(t.words[RINGSCOPE_METRIC_COUNT], sum(counted, 512), what + ": values");
        same(t.words[RINGSCOPE_METRIC_SUM], sum(summed, 512), what + ": their sum");
        same(t.words[8], rounds[0] * warps * 32, what + ": the counter");
    }
    Block block(program, seed);
    Telemetry& t = *block.telemetry;
    u64* both = t.out[0];
    block.launch("appears_to_warps", warps * 32, t.ref(), both);
    for (u64 i = 0; i < seed * 13 % 300; ++i) block.step(37);
    block.register_metrics(seed);
    block.end(what);
    same(sum(t.rows, BUCKETS), 32 * sum(both, warps), what + ": values in buckets of warps");
    same(t.words[RINGSCOPE_METRIC_COUNT], 32 * sum(both, warps), what + ": values of warps");
    same(t.words[RINGSCOPE_METRIC_SUM], 496 * sum(both, warps), what + ": sum of warps");
    same(t.words[8], 32 * sum(both + warps, warps), what + ": the counter of warps");
}

void a_block_at_rest(const Program& program, u64 seed, const std::string& entry) {
    Block block(program, seed);
    std::string what = entry + ", seed " + std::to_string(seed);
    u32 messages = 3, naps = 5;
    ringscope_shard& shard = block.telemetry->shard;
    block.launch(entry, 32, block.telemetry->ref(), messages, naps);
    block.end(what);
    same(shard.words[RINGSCOPE_STATE], RINGSCOPE_STATE_ENDED, what + ": state");
    same(shard.words[RINGSCOPE_QUEUE_DEPTH], 0, what + ": depth");
    same(shard.words[RINGSCOPE_HEARTBEAT_NS], shard.words[RINGSCOPE_END_NS], what + ": sign of life");
    check(shard.words[RINGSCOPE_LAST_MESSAGE_NS] <= shard.words[RINGSCOPE_END_NS], what + ": a message after the end");
    same(shard.words[RINGSCOPE_QUEUE_HIGH_WATER], 7, what + ": high water");
    same(shard.counters[RINGSCOPE_RECEIVED], messages, what + ": received");
}

void one_clock(const Program& program, u64 seed, u32 messages) {
    Block block(program, seed);
    std::string what = "one_clock, seed " + std::to_string(seed);
    u32 failing = seed % 2;
    const ringscope_shard& shard = block.telemetry->shard;
    block.launch("one_clock", 32, block.telemetry->ref(), messages, failing);
    block.end(what);
    u64 sum_ns = shard.counters[RINGSCOPE_LATENCY_SUM_NS];
    u64 shortest = ~shard.words[RINGSCOPE_LATENCY_NOT_MIN_NS], longest = shard.words[RINGSCOPE_LATENCY_MAX_NS];
    same(sum_ns, shard.counters[RINGSCOPE_BUSY_NS], what + ": sum and busy");
    same(shard.counters[RINGSCOPE_LATENCY_COUNT], messages, what + ": values");
    same(sum(block.telemetry->buckets, BUCKETS), messages, what + ": values in buckets");
    check(shortest <= sum_ns / messages && sum_ns / messages <= longest, what + ": the mean is not between the extremes");
    if (messages == 1) same(shortest, longest, what + ": extremes of one");
    if (failing) same(shard.words[RINGSCOPE_LAST_ERROR_NS], shard.words[RINGSCOPE_LAST_MESSAGE_NS], what + ": the error's time");
}
}  // namespace

void test_header() {
    for (unsigned level = 2; level < whole::LEVELS; ++level) {
        auto appears = whole::test_program("metric_appears", level), rest = whole::test_program("at_rest", level),
             clock = whole::test_program("one_clock", level);
        for (u64 seed = 1; seed <= SEEDS; ++seed) {
            for (u32 warps : {1u, 2u, 4u}) a_metric_appears(*appears, seed, warps);
            a_block_at_rest(*rest, seed, "at_rest");
            a_block_at_rest(*rest, seed, "at_rest_idle");
            for (u32 messages : {1u, 5u}) one_clock(*clock, seed, messages);
        }
    }
}
