// mutants_reasons.cpp: why a mutant survives.
#include "mutants.h"

namespace mutants {
namespace {
struct Rule {
    const char* what;    // the mutation
    const char* opcode;  // the start of it
    const char* place;   // what places::whole has somewhere
    const char* reason;
};
const Rule RULES[] = {{"", "", "no such place", ""}};
}  // namespace

const char* reason(const std::string& what, const std::string& opcode, const std::string& place) {
    for (const Rule& rule : RULES)
        if ((*rule.what == 0 || what == rule.what) && opcode.compare(0, std::string(rule.opcode).size(), rule.opcode) == 0 && place.find(rule.place) != std::string::npos)
            return rule.reason;
    return nullptr;
}
}  // namespace mutants
