// mutants_test.cpp: mutants FOLDER [SEEDS [PART PARTS]]: runs each mutant of the ring kernels' PTX with the weak memory, with that
// many seeds at most, and prints whether it was caught, by which seed and by what. The kernel as it is must pass with all seeds.
#include <cstdlib>

#include "mutants.h"
#include "ring_host.h"

using namespace ring;
using mutants::Mutant;

extern "C" const ringscope_host_kernel crc32c_l2_kernel, echo_l2_kernel;

namespace {
constexpr u32 BLOCKS = MOST_BLOCKS;
constexpr u64 MOST_STEPS = 2000000;

// What the host does apart from sending and taking as fast as it can: by the seed.
struct Mood {
    explicit Mood(u64 seed) : lazy_taker(seed % 3 == 1), lazy_sender(seed % 3 == 2), holds(seed % 4 == 2), stops_early(seed % 8 == 7) {}
    bool lazy_taker, lazy_sender, holds, stops_early;
};

// Copies of the shards, as a reader makes them while the kernel runs: no count goes back.
class Telemetry {
   public:
    Telemetry(Memory& memory, const Ring& ring) : memory_(memory), ring_(ring) {}
    void read() {
        Standing standing;
        standing.kind = Standing::COPY;
        Agent agent = memory_.begin(standing);
        for (u32 b = 0; b < BLOCKS; ++b)
            for (u32 w = 0; w < RINGSCOPE_WORDS; ++w) {
                memory_.copy_word_out(agent, reinterpret_cast<u64>(&ring_.shards[b].words[w]));
                u64 now = memory_.copy_word_out(agent, reinterpret_cast<u64>(&ring_.shards[b].counters[w]));
                bench::check(now >= seen_[b][w], "a count went back");
                seen_[b][w] = now;
            }
        memory_.end(agent);
    }

   private:
    Memory& memory_;
    const Ring& ring_;
    u64 seen_[BLOCKS][RINGSCOPE_WORDS] = {};
};

void check_counts(const Ring& ring, u64 sent, const std::vector<Answer>& answers, const std::vector<Answer>& expected) {
    u64 answered = 0;
    for (u64 n = 0; n < MESSAGES; ++n) {
        if (answers[n].status == ~0u) continue;
        ++answered;
        bench::check(answers[n].status == expected[n].status && answers[n].bytes == expected[n].bytes, "a reply is wrong");
    }
    auto count = [&](u32 counter) { return ring.count(counter); };
    bench::check(count(RINGSCOPE_RECEIVED) + count(RINGSCOPE_DROPPED) == sent, "received and dropped are not what was sent");
    bench::check(count(RINGSCOPE_SENT) >= answered, "fewer replies counted than taken");
    bench::check(count(RINGSCOPE_PROCESSED) + count(RINGSCOPE_ERRORS) == count(RINGSCOPE_RECEIVED), "processed and errors");
    bench::check(count(RINGSCOPE_LATENCY_COUNT) == count(RINGSCOPE_RECEIVED), "latencies counted");
    bench::check(count(RINGSCOPE_LATENCY_SUM_NS) == count(RINGSCOPE_BUSY_NS), "sum of latencies and busy time");
    for (u32 b = 0; b < BLOCKS; ++b) {
        bench::check(ring.shards[b].words[RINGSCOPE_STATE] == RINGSCOPE_STATE_ENDED, "a block has not ended");
        bench::check(ring.shards[b].words[RINGSCOPE_QUEUE_DEPTH] == 0, "a depth at rest");
    }
}

// What went wrong; empty for nothing.
std::string trial(const Program& program, const std::string& kernel, u64 seed, const std::vector<Answer>& expected) {
    bench::first_failure.clear();
    auto ring = std::make_unique<Ring>();
    Mood mood(seed);
    u64 now = 1000000;
    MemorySettings memory_settings;
    memory_settings.seed = seed;
    Memory memory(memory_settings);
    MachineSettings settings;
    settings.seed = seed;
    settings.clock = [&] { return now; };
    settings.longest_nap_ns = 0;
    Machine machine(memory, settings);
    machine.load(program);
    whole::add(memory, *ring, false);
    Standing standing;
    standing.kind = Standing::HOST;
    MachineDoor door{memory, memory.begin(standing)};
    Host<MachineDoor> host(*ring, kernel, door);
    Telemetry telemetry(memory, *ring);
    Launch launch = whole::launch(program, kernel + "_l2", ring->args(BLOCKS), BLOCKS);
    std::vector<u64> numbers;
    for (u32 b = 0; b < BLOCKS; ++b) numbers.push_back(machine.add_block(launch, {b, 0, 0}));
    u64 steps = 0, round = 0;
    for (u64 idle = 0; idle != Machine::NEVER && steps < MOST_STEPS && bench::first_failure.empty(); steps += 10, ++round) {
        bool takes = !mood.lazy_taker || round / 4096 % 2 == 1, sends = !mood.lazy_sender || round / 1024 % 4 == 0;
        host.look(takes, sends);
        if (mood.holds && round % 8192 == 2048) host.command(RINGSCOPE_COMMAND_HOLD);
        if (mood.holds && round % 8192 == 4096) host.command(RINGSCOPE_COMMAND_RUN);
        if (mood.stops_early && host.taken() == MESSAGES / 2) host.command(RINGSCOPE_COMMAND_STOP);
        if (round % 512 == 0) telemetry.read();
        now += 200 + (idle = machine.step(10));
    }
    std::string wrong = bench::first_failure;
    if (!memory.races().empty()) wrong = "race: " + memory.races().front().text;
    bool ended = true;
    for (u64 number : numbers) {
        const Outcome* outcome = machine.outcome(number);
        ended &= outcome != nullptr;
        if (wrong.empty() && outcome != nullptr && outcome->end != Outcome::RETURNED) wrong = outcome->text;
    }
    if (wrong.empty() && !ended) wrong = "it does not end";
    if (!wrong.empty()) return wrong;
    memory.end(door.agent);
    memory.settle();
    check_counts(*ring, host.sent(), host.answers, expected);
    return bench::first_failure;
}

std::vector<Answer> as_cpp(const std::string& kernel, const ringscope_host_kernel& code) {
    auto ring = std::make_unique<Ring>();
    ringscope_ring_args args = ring->args(1);
    std::thread block([&] {
        void* list[] = {&args};
        ringscope_host::run_block(code.entry, list, 0, 1);
    });
    ThreadsDoor door;
    Host<ThreadsDoor> host(*ring, kernel, door);
    while (!host.look()) std::this_thread::yield();
    block.join();
    return host.answers;
}

std::string one_line(std::string text) {
    for (char& c : text)
        if (c == '\n' || c == '\t') c = ' ';
    return text;
}
}  // namespace

int main(int count, char** arguments) {
    if (count < 2) return 2;
    bench::quiet = true;
    whole::folder = arguments[1];
    u64 seeds = count > 2 ? std::strtoull(arguments[2], nullptr, 0) : 8;
    u64 part = count > 4 ? std::strtoull(arguments[3], nullptr, 0) : 0, parts = count > 4 ? std::strtoull(arguments[4], nullptr, 0) : 1;
    auto program = whole::program(2);
    int failed = 0;
    for (auto [kernel, code] : {std::pair<std::string, const ringscope_host_kernel*>{"crc32c", &crc32c_l2_kernel}, {"echo", &echo_l2_kernel}}) {
        std::vector<Answer> expected = as_cpp(kernel, *code);
        Entry& entry = program->entries.at(kernel + "_l2");
        for (u64 seed = 0; seed < seeds * 2; ++seed) {
            std::string wrong = trial(*program, kernel, seed, expected);
            if (wrong.empty()) continue;
            std::printf("broken\t%s\tseed %llu\t%s\n", kernel.c_str(), (unsigned long long)seed, one_line(wrong).c_str());
            failed = 1;
        }
        std::vector<Mutant> all = mutants::of(entry);
        for (size_t n = part; n < all.size(); n += parts) {
            mutants::Applied applied(entry, all[n]);
            std::string wrong;
            entry.code[all[n].at].executed = 0;
            u64 seed = 0;
            while (seed < seeds && (wrong = trial(*program, kernel, seed, expected)).empty()) ++seed;
            bool ran = entry.code[all[n].at].executed != 0;
            std::printf("%s\t%s\t%s\t%s\t%llu\t%s\n", !wrong.empty() ? "caught" : ran ? "survived" : "not run", kernel.c_str(), all[n].what.c_str(),
                        one_line(all[n].wrong.site).c_str(), (unsigned long long)seed, one_line(wrong).substr(0, 160).c_str());
            std::fflush(stdout);
        }
    }
    return failed;
}
