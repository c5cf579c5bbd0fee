// mutants_test.cpp: the mutants of one entry of the crate's PTX, each run with the weak memory by one seed after the other until
// something is wrong. See usage.
#include <chrono>
#include <cstdlib>
#include <fstream>
#include <functional>

#include "mutants.h"
#include "places.h"
#include "trial.h"

using namespace trial;
using mutants::Mutant;

namespace {
const char* const USAGE =
    "usage: mutants FOLDER ENTRY SEEDS [PART PARTS [HINTS]]\n"
    "FOLDER has the crate's kernels as PTX; a file places.txt that belongs to them is beside this program's sources.\n"
    "The entry as it is runs with four times the seeds, then each mutant until it is caught: every copy of a line with four times\n"
    "the seeds as well, others with the seeds. Prints a line for each, with tabs between:\n"
    "mutant ENTRY WHAT NUMBER OUTCOME SEED KIND OPCODE PLACE CALLS SAID\n"
    "HINTS has such lines `ENTRY WHAT NUMBER SEED`: the seed to try first, or `-` for what survived: it is not run.\n"
    "PARTS 0: the entry alone, no mutants.\n";

constexpr u64 SURVIVED = ~u64(0), LINES = 4;

struct Numbers {
    u64 seeds = 8, part = 0, parts = 1;
};

std::string one_line(std::string text) {
    for (char& c : text)
        if (c == '\n' || c == '\t') c = ' ';
    return text;
}

// The nth mutant of its kind in the entry, which says which one it is as long as the PTX is the same.
std::map<std::string, u64> read_hints(const char* file, const std::string& entry) {
    std::map<std::string, u64> hints;
    std::ifstream in(file);
    for (std::string line; std::getline(in, line);) {
        size_t last = line.rfind('\t');
        if (line.compare(0, entry.size() + 1, entry + "\t") != 0) continue;
        hints[line.substr(0, last)] = line.compare(last, 2, "\t-") == 0 ? SURVIVED : std::strtoull(line.c_str() + last, nullptr, 10);
    }
    return hints;
}

class Campaign {
   public:
    Campaign(Program& program, const std::string& name, const std::string& list, const Numbers& numbers) : entry_(program.entries.at(name)), numbers_(numbers) {
        places_ = places::of(entry_, list);
        size_t level = name.size() - 1;
        std::string kernel = name.substr(0, level - 2);
        unsigned n = static_cast<unsigned>(name[level] - '0');
        if (kernel == "probe_metrics") {
            auto probe = std::make_shared<ProbeTrial>(program, n);
            once_ = [this, probe](u64 seed) { return probe->run(seed, lanes_); };
        } else {
            auto ring = std::make_shared<RingTrial>(program, kernel, n);
            once_ = [this, ring](u64 seed) { return ring->run(seed, lanes_); };
        }
    }
    // How many seeds found something wrong where nothing is.
    unsigned unchanged() {
        auto begun = std::chrono::steady_clock::now();
        unsigned wrong = 0;
        for (u64 seed = numbers_.part; seed < numbers_.seeds * LINES; seed += std::max<u64>(numbers_.parts, 1)) {
            Wrong found = once_(seed);
            if (found.kind == Wrong::NOTHING) continue;
            ++wrong;
            std::printf("broken\t%s\tseed %llu\t%s: %s\n", entry_.name.c_str(), (unsigned long long)seed, name_of(found.kind), one_line(found.text).c_str());
        }
        double seconds = std::chrono::duration<double>(std::chrono::steady_clock::now() - begun).count();
        std::printf("speed\t%s\t%.1f M lane-instructions in %.2f s: %.1f M a second\n", entry_.name.c_str(), double(lanes_) / 1e6, seconds, double(lanes_) / 1e6 / seconds);
        return wrong;
    }
    void mutants(const std::map<std::string, u64>& hints) {
        std::vector<Mutant> all = mutants::of(entry_);
        std::vector<std::string> lines;
        for (const places::Place& place : places_) lines.push_back(place.empty() ? "" : place[0].file + place[0].function + place[0].text);
        // What two kernels have in each copy, the others have as well.
        bool copies = entry_.name == "crc32c_l2" || entry_.name == "echo_l2";
        std::vector<Mutant> whole_lines = mutants::of_lines(all, lines, !copies);
        if (!copies) all.clear();
        for (Mutant& m : whole_lines) all.push_back(std::move(m));
        std::map<std::string, unsigned> number;
        for (size_t n = 0; n < all.size(); ++n) {
            std::string name = entry_.name + "\t" + all[n].what + "\t" + std::to_string(number[all[n].what]++);
            auto hint = hints.find(name);
            if (hint != hints.end() && hint->second == SURVIVED) continue;
            if (n % numbers_.parts == numbers_.part) one(all[n], name, hint == hints.end() ? 0 : hint->second);
        }
    }

   private:
    void one(const Mutant& mutant, const std::string& name, u64 first) {
        const std::string opcode = entry_.code[mutant.at].opcode;
        const std::string place = places::brief(places_[mutant.at]), whole = places::whole(places_[mutant.at]);
        mutants::Applied applied(entry_, mutant);
        Instruction& wrong = entry_.code[mutant.at];
        wrong.executed = 0;
        for (auto& [at, other] : mutant.also) entry_.code[at].executed = 0;
        Wrong found = once_(first);
        u64 seed = first;
        // A whole line is few mutants and all copies' only judge.
        const u64 seeds = numbers_.seeds * (mutant.what.find(", every copy") == std::string::npos ? 1 : LINES);
        for (u64 n = 0; found.kind == Wrong::NOTHING && n < seeds; ++n)
            if (n != first) found = once_(seed = n);
        for (auto& [at, other] : mutant.also) wrong.executed += entry_.code[at].executed;
        const char* outcome = found.kind != Wrong::NOTHING ? "caught" : wrong.executed == 0 ? "not run" : "survived";
        std::printf("mutant\t%s\t%s\t%llu\t%s\t%s\t%s\t%s\t%s\n", name.c_str(), outcome, (unsigned long long)seed, name_of(found.kind), opcode.c_str(), place.c_str(),
                    whole.c_str(), one_line(found.text).substr(0, 200).c_str());
        std::fflush(stdout);
    }

    Entry& entry_;
    Numbers numbers_;
    std::vector<places::Place> places_;
    std::function<Wrong(u64)> once_;
    u64 lanes_ = 0;
};
}  // namespace

int main(int count, char** arguments) {
    auto number = [&](int n, u64 otherwise) { return count > n ? std::strtoull(arguments[n], nullptr, 10) : otherwise; };
    if (count < 4) return std::fputs(USAGE, stderr), 2;
    bench::quiet = true;
    whole::folder = arguments[1];
    std::string name = arguments[2], list = __FILE__;
    list = list.substr(0, list.rfind('/')) + "/places.txt";
    Numbers numbers{number(3, 8), number(4, 0), number(5, 1)};
    auto program = whole::program(static_cast<unsigned>(name.back() - '0'));
    Campaign campaign(*program, name, list, numbers);
    if (campaign.unchanged() != 0) return 1;
    if (numbers.parts != 0) campaign.mutants(count > 6 ? read_hints(arguments[6], name) : std::map<std::string, u64>());
    return 0;
}
