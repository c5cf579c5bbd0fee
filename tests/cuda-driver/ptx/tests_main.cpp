// tests_main.cpp: the machine's tests, by name: `machine_tests FOLDER TESTS integers`, where FOLDER has the crate's kernels
// as PTX and TESTS those of kernels/.
// Prints what was wrong; ends with 1 if anything was.
#include <map>

#include "whole.h"

int main(int count, char** names) {
    const std::map<std::string, void (*)()> tests = {
        {"integers", test_integers}, {"bits", test_bits}, {"floats", test_floats}, {"conversions", test_conversions},
        {"memory", test_memory}, {"warps", test_warps}, {"blocks", test_blocks}, {"refusals", test_refusals},
        {"rings", test_rings}, {"fed_rings", test_fed_rings}, {"dead_rings", test_dead_rings}, {"set_clocks", test_set_clocks}, {"probes", test_probes}, {"header", test_header},
        {"records", test_records}, {"waits", test_waits}, {"roles", test_roles},
        {"costs", test_costs}, {"wild", test_wild},
    };
    if (count > 1) whole::folder = names[1];
    if (count > 2) whole::test_folder = names[2];
    for (int n = 3; n < count; ++n) {
        auto found = tests.find(names[n]);
        if (found == tests.end()) {
            std::printf("no such test: %s\n", names[n]);
            return 2;
        }
        found->second();
    }
    std::printf("%u checks, %u wrong\n", bench::checks, bench::failures);
    return bench::failures == 0 && bench::checks > 0 ? 0 : 1;
}
