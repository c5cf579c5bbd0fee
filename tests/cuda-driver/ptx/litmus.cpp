// litmus.cpp: see the header; runs all tests, or those whose names have a word that is given.
#include "litmus.h"

#include <utility>

namespace litmus {
std::vector<Test>& tests() {
    static std::vector<Test> all;
    return all;
}

static unsigned failures = 0;
void fail(const char* file, int line, const std::string& what) {
    static int last = 0;
    ++failures;
    if (std::exchange(last, line) == line) return;  // once is enough
    const char* name = std::strrchr(file, '/');
    std::printf("  %s:%d: %s\n", name == nullptr ? file : name + 1, line, what.c_str());
}

static MemorySettings settings(u64 seed, bool all_races, bool weakly) {
    MemorySettings settings;
    settings.seed = seed;
    settings.stop_at_first_race = !all_races;
    settings.weak = weakly;
    settings.visible_one_in = 4;
    return settings;
}

World::World(u64 seed, bool pinned, bool all_races, bool weakly)
    : memory(settings(seed, all_races, weakly)), random_(seed * 0x9e3779b97f4a7c15ull + 1) {
    memory.add_range(reinterpret_cast<u64>(words), sizeof words, pinned);
}

u64 World::random(u64 below) {
    random_ ^= random_ << 13;
    random_ ^= random_ >> 7;
    random_ ^= random_ << 17;
    return (random_ >> 16) % below;
}

void World::interleave(const std::vector<Thread>& threads) {
    std::vector<std::size_t> at(threads.size(), 0);
    for (;;) {
        std::vector<std::size_t> left;
        for (std::size_t i = 0; i < threads.size(); ++i)
            if (at[i] < threads[i].size()) left.push_back(i);
        if (left.empty()) return;
        const std::size_t next = left[random(left.size())];
        threads[next][at[next]++]();
        if (random(2) == 0) memory.step();
    }
}

Outcomes over_seeds(const std::function<std::string(World&)>& run, unsigned seeds) {
    Outcomes outcomes;
    for (unsigned seed = 1; seed <= seeds; ++seed) {
        auto world = std::make_unique<World>(seed);
        ++outcomes[run(*world)];
        if (world->raced()) ++outcomes["race"];
    }
    return outcomes;
}

std::string text(const Outcomes& outcomes) {
    std::string text;
    for (const auto& [what, n] : outcomes) text += what + ": " + std::to_string(n) + "; ";
    return text;
}
}  // namespace litmus

int main(int n, char** arguments) {
    for (const litmus::Test& test : litmus::tests()) {
        if (n > 1 && std::strstr(test.name, arguments[1]) == nullptr) continue;
        const unsigned before = litmus::failures;
        test.run();
        std::printf("%s %s\n", litmus::failures == before ? "ok    " : "FAILED", test.name);
        std::fflush(stdout);
    }
    return litmus::failures == 0 ? 0 : 1;
}
