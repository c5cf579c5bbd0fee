// alu.h: what an instruction makes of its operands' bits, without registers, memory or other lanes.
#pragma once
#include "program.h"

namespace ptx {
// For operations that are pure. Bits above the type's in an operand do not matter, and those above it in the result are not
// to be relied on. Of setp: bit 0 is the first predicate, bit 1 the second.
u64 evaluate(const Instruction& i, u64 a, u64 b, u64 c, u64 d);

// alu_float.cpp
u64 evaluate_float(const Instruction& i, u64 a, u64 b, u64 c);
u64 convert(const Instruction& i, u64 a);
bool compare_floats(const Instruction& i, u64 a, u64 b);
bool not_below_zero(const Instruction& i, u64 a);  // slct's look at an f32

inline u64 mask_of(unsigned bits) { return bits >= 64 ? ~u64(0) : (u64(1) << bits) - 1; }
inline u64 zero_extended(u64 v, unsigned bits) { return v & mask_of(bits); }
inline i64 sign_extended(u64 v, unsigned bits) { return static_cast<i64>(v << (64 - bits)) >> (64 - bits); }
}  // namespace ptx
