// probe_trial.cpp: metrics of one's own, in blocks of one, two or four warps, beside a reader of their words and, by some seeds, a
// host that registers them only when the blocks run already; see trial.h.
#include "probe_place.h"
#include "trial.h"

namespace trial {
using namespace probe;
namespace {
constexpr u64 STEPS_A_ROUND = 10, MOST_ROUNDS = 150000;

class Run {
   public:
    Run(const Program& program, unsigned level, u64 seed) : draw_(seed), memory_(memory_settings(seed)), machine_(memory_, machine_settings(seed)) {
        static const What QUESTIONS[] = {METRICS_LOCAL, METRICS_ONE, METRICS_WARP, METRICS_LOCAL, METRICS_GAUGE};
        question_ = QUESTIONS[seed % 5];
        blocks_ = 1 + static_cast<u32>(draw_(MOST_BLOCKS));
        warps_ = question_ == METRICS_GAUGE ? 1 : 1u << draw_(3);
        late_ = draw_(2) == 0;
        values_ = 100;
        // More rounds than one flush takes.
        if (question_ == METRICS_LOCAL && draw_(2) == 0) blocks_ = 1, values_ = 600;
        level_ = level;
        fill(*cpp_, *ptx_, values_);
        for (u64 i = 0; i < values_ && question_ == METRICS_GAUGE; ++i) {
            cpp_->in[i] = ptx_->in[i] = i % 5;
            cpp_->in[values_ + i] = ptx_->in[values_ + i] = bits(double(i * 37 % 101) - 50);
        }
        for (u32 warp = 0; warp < warps_; ++warp) as_cpp(METRICS[level], cpp_->args(question_, values_, 0, first(), blocks_), blocks_);
        table_ = std::vector<ringscope_metric>(ptx_->table, ptx_->table + 8);
        if (late_)
            for (ringscope_metric& m : ptx_->table) m = {};
        machine_.load(program);
        whole::add(memory_, *ptx_, false);
        Standing standing;
        standing.kind = Standing::HOST;
        host_ = memory_.begin(standing);
        standing.kind = Standing::COPY;
        copy_ = memory_.begin(standing);
        Launch launch = whole::launch(program, "probe_metrics_l" + std::to_string(level), ptx_->args(question_, values_, 0, first(), blocks_), blocks_, warps_ * 32);
        for (u32 b = 0; b < blocks_; ++b) numbers_.push_back(machine_.add_block(launch, {b, 0, 0}));
    }
    Wrong run(u64& lanes) {
        bench::first_failure.clear();
        u64 idle = 0, registered = 0;
        for (u64 round = 0; round < MOST_ROUNDS && idle != Machine::NEVER && bench::first_failure.empty(); ++round) {
            now_ += 200 + idle;
            if (late_ && registered < 8 && draw_(3) == 0) enter(registered++);
            look(draw_(2 * STRIPES * RINGSCOPE_WORDS * 3));
            idle = machine_.step(STEPS_A_ROUND);
            if (is_over(memory_, machine_, numbers_)) break;
        }
        lanes += machine_.executed();
        Wrong wrong = of_machine(memory_, machine_, numbers_);
        if (wrong.kind != Wrong::NOTHING) return wrong;
        for (u64 n = 0; n < 2 * STRIPES * RINGSCOPE_WORDS * 3; ++n) look(n);
        for (const u64* row = ptx_->rows; row != ptx_->rows + STRIPES * ROW; ++row)
            if (*row != 0) memory_.copy_word_out(copy_, reinterpret_cast<u64>(row));
        for (const u64& n : ptx_->explicit_rows) memory_.copy_word_out(copy_, reinterpret_cast<u64>(&n));
        memory_.end(copy_);
        memory_.end(host_);
        memory_.settle();
        if (!memory_.races().empty()) return {Wrong::RACE, memory_.races().front().text};
        if (!late_) same_metrics(*cpp_, *ptx_, "metrics");
        check_agreement();
        if (bench::first_failure.empty()) return {};
        return {Wrong::COUNT, bench::first_failure};
    }

   private:
    u64 first() const { return question_ == METRICS_GAUGE ? 2 : 1; }
    MemorySettings memory_settings(u64 seed) {
        static const unsigned VISIBLE[] = {4, 64, 64, 600};
        MemorySettings settings;
        settings.seed = seed;
        settings.visible_one_in = VISIBLE[draw_(4)];
        return settings;
    }
    MachineSettings machine_settings(u64 seed) {
        MachineSettings settings;
        settings.seed = seed;
        settings.clock = [this] { return now_; };
        settings.longest_nap_ns = 0;
        settings.lag_one_in = draw_(3) == 0 ? 128 : 1024;
        return settings;
    }
    // The host registers a metric as src/metrics does: what it is last.
    void enter(u64 index) {
        constexpr u64 KIND = offsetof(ringscope_metric, kind) / 8, WORDS = sizeof(ringscope_metric) / 8;
        u64 words[WORDS];
        std::memcpy(words, &table_[index], sizeof words);
        auto* place = reinterpret_cast<u64*>(&ptx_->table[index]);
        for (u64 n = 0; n <= WORDS; ++n) {
            u64 word = n < WORDS ? n : KIND;
            if (n == KIND) continue;
            memory_.host_store(host_, {reinterpret_cast<u64>(place + word), 8, n < WORDS ? Order::RELAXED : Order::RELEASE, Scope::SYS, "the host of the test"}, words[word]);
        }
    }
    void look(u64 n) {
        memory_.copy_word_out(copy_, reinterpret_cast<u64>(&ptx_->shards[n % blocks_].words[RINGSCOPE_LOOKUP_MISSES]));
        memory_.copy_word_out(copy_, reinterpret_cast<u64>(&ptx_->words[n]));
    }
    // Of each histogram the count is what is in its buckets.
    void check_agreement() {
        u64 in_rows = 0, in_explicit = 0;
        for (u64 n : ptx_->rows) in_rows += n;
        for (u64 n : ptx_->explicit_rows) in_explicit += n;
        bench::check(word(*ptx_, table_[5].slot + RINGSCOPE_METRIC_COUNT, false) == in_rows, "count and buckets differ");
        bench::check(word(*ptx_, table_[6].slot + RINGSCOPE_METRIC_COUNT, false) == in_explicit, "count and explicit buckets differ");
    }

    Draw draw_;
    u64 now_ = 1000000;
    std::unique_ptr<Place> cpp_ = std::make_unique<Place>(), ptx_ = std::make_unique<Place>();
    Memory memory_;
    Machine machine_;
    What question_ = METRICS_ONE;
    u32 blocks_ = 1, warps_ = 1;
    u64 values_ = 100;
    unsigned level_ = 2;
    bool late_ = false;
    std::vector<ringscope_metric> table_;
    Agent host_ = 0, copy_ = 0;
    std::vector<u64> numbers_;
};
}  // namespace

ProbeTrial::ProbeTrial(const Program& program, unsigned level) : program_(program), level_(level) {}
Wrong ProbeTrial::run(u64 seed, u64& lanes) const { return Run(program_, level_, seed).run(lanes); }
}  // namespace trial
