// places.h: where in the sources an instruction of kernels/ptx comes from, as scripts/ptx.sh wrote it down (places.txt).
#pragma once
#include "program.h"

namespace places {
// The innermost first: where it is, what stands there, and who calls.
struct Frame {
    std::string file, function, text;
};
using Place = std::vector<Frame>;

// Of each instruction of the entry, by its index; empty for those that order nothing. Throws where the list is not of this PTX.
std::vector<Place> of(const ptx::Entry& entry, const std::string& list);

// "look `u64 tail = …;` < wait_for_ticket `look();` < take `…`": what rules are held against.
std::string whole(const Place& place);
// "look (ring.cuh): `u64 tail = …;`, by wait_for_ticket < take < run": for people.
std::string brief(const Place& place);
}  // namespace places
