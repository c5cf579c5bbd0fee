// mutants.h: one instruction of a kernel, made a little wrong.
#pragma once
#include "program.h"

namespace mutants {
using namespace ptx;

struct Mutant {
    std::string what;    // "acquire to relaxed"
    size_t at = 0;       // the instruction
    Instruction wrong;   // what stands there instead
    size_t with = 0;     // a second one that changes place with it; the same one for none
    std::vector<std::pair<size_t, Instruction>> also;  // others, made wrong in the same way
};

// All of an entry: each acquire, release and fence weakened, each scope of a strong access made smaller, each bar.warp.sync and
// bar.sync dropped, neighbouring stores swapped, a bit of each lane mask lost.
std::vector<Mutant> of(const Entry& entry);

// The same again, at all copies at once that the compiler made of one line of the sources: as if the line were wrong. `lines`:
// by instruction, which line that is. Lines of one copy only with `single`.
std::vector<Mutant> of_lines(const std::vector<Mutant>& all, const std::vector<std::string>& lines, bool single);

// Puts it in, and takes it out again.
class Applied {
   public:
    Applied(Entry& entry, const Mutant& mutant);
    ~Applied();
    Applied(const Applied&) = delete;
    Applied& operator=(const Applied&) = delete;

   private:
    Entry& entry_;
    std::vector<Instruction> before_;
};
}  // namespace mutants
