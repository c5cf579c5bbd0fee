// alu.cpp: integers and bits. Values are computed in 64 bits, from operands extended as their type says.
#include "alu.h"

#include <algorithm>

namespace ptx {
namespace {
__extension__ using i128 = __int128;
__extension__ using u128 = unsigned __int128;

u64 divide(Type t, u64 a, u64 b, bool rest) {
    i64 sa = sign_extended(a, t.bits), sb = sign_extended(b, t.bits);
    a = zero_extended(a, t.bits);
    b = zero_extended(b, t.bits);
    if (b == 0) return rest ? a : ~u64(0);  // the manual: unspecified; this is what GPUs give
    if (!t.is_signed()) return rest ? a % b : a / b;
    if (sb == -1) return rest ? 0 : 0 - static_cast<u64>(sa);  // the smallest stays itself
    return static_cast<u64>(rest ? sa % sb : sa / sb);
}
// The product's part; `wide` operands are half as wide as the result.
u64 multiply(const Instruction& i, u64 a, u64 b) {
    if (i.part != Part::HIGH) {
        if (i.part == Part::LOW) return a * b;
        if (i.type.is_signed()) return static_cast<u64>(sign_extended(a, i.type.bits) * sign_extended(b, i.type.bits));
        return zero_extended(a, i.type.bits) * zero_extended(b, i.type.bits);
    }
    if (i.type.is_signed())
        return static_cast<u64>((i128(sign_extended(a, i.type.bits)) * sign_extended(b, i.type.bits)) >> i.type.bits);
    return static_cast<u64>((u128(zero_extended(a, i.type.bits)) * zero_extended(b, i.type.bits)) >> i.type.bits);
}
u64 saturated(i64 sum) { return static_cast<u64>(std::min<i64>(std::max<i64>(sum, INT32_MIN), INT32_MAX)); }
u64 add(const Instruction& i, u64 a, u64 b) {
    return i.sat ? saturated(sign_extended(a, 32) + sign_extended(b, 32)) : a + b;
}
u64 subtract(const Instruction& i, u64 a, u64 b) {
    return i.sat ? saturated(sign_extended(a, 32) - sign_extended(b, 32)) : a - b;
}
u64 multiply_add(const Instruction& i, u64 a, u64 b, u64 c) {
    u64 product = multiply(i, a, b);
    return i.sat ? saturated(sign_extended(product, 32) + sign_extended(c, 32)) : product + c;
}
bool less(Type t, u64 a, u64 b) {
    if (t.is_signed()) return sign_extended(a, t.bits) < sign_extended(b, t.bits);
    return zero_extended(a, t.bits) < zero_extended(b, t.bits);
}
// An amount of the width or more shifts everything out.
u64 shift_left(Type t, u64 a, u64 b) {
    u64 amount = zero_extended(b, 32);
    return amount >= t.bits ? 0 : a << amount;
}
u64 shift_right(Type t, u64 a, u64 b) {
    u64 amount = std::min<u64>(zero_extended(b, 32), t.bits);
    if (t.is_signed()) return static_cast<u64>(sign_extended(a, t.bits) >> std::min<u64>(amount, t.bits - 1u));
    return amount >= t.bits ? 0 : zero_extended(a, t.bits) >> amount;
}
u64 funnel(Mode mode, u64 a, u64 b, u64 c) {
    bool wraps = mode == Mode::LEFT_WRAP || mode == Mode::RIGHT_WRAP;
    u64 amount = wraps ? c & 31 : std::min<u64>(zero_extended(c, 32), 32);
    u64 both = zero_extended(b, 32) << 32 | zero_extended(a, 32);
    bool left = mode == Mode::LEFT_WRAP || mode == Mode::LEFT_CLAMP;
    return left ? (both << amount) >> 32 : both >> amount;
}
u64 extract_field(Type t, u64 a, u64 b, u64 c) {
    unsigned position = b & 255, length = c & 255, top = t.bits - 1u;
    bool sign = t.is_signed() && length != 0 && ((a >> std::min(position + length - 1, top)) & 1);
    u64 field = 0;
    for (unsigned n = 0; n <= top; ++n) {
        bool bit = n < length && position + n <= top ? (a >> (position + n)) & 1 : sign;
        field |= u64(bit) << n;
    }
    return field;
}
u64 insert_field(Type t, u64 a, u64 b, u64 c, u64 d) {
    unsigned position = c & 255, length = d & 255;
    if (position >= t.bits) return b;
    u64 mask = mask_of(std::min(length, t.bits - position)) << position;
    return length == 0 ? b : (b & ~mask) | ((a << position) & mask);
}
u64 leading_zeros(Type t, u64 a) {
    a = zero_extended(a, t.bits);
    return a == 0 ? t.bits : static_cast<u64>(__builtin_clzll(a)) - (64u - t.bits);
}
u64 reversed(Type t, u64 a) {
    u64 r = 0;
    for (unsigned n = 0; n < t.bits; ++n) r |= ((a >> n) & 1) << (t.bits - 1 - n);
    return r;
}
// The highest bit that says something: for negative numbers the highest 0.
u64 find_bit(const Instruction& i, u64 a) {
    if (i.type.is_signed() && sign_extended(a, i.type.bits) < 0) a = ~a;
    a = zero_extended(a, i.type.bits);
    if (a == 0) return ~u64(0);
    u64 at = 63u - static_cast<u64>(__builtin_clzll(a));
    return i.mode == Mode::SHIFT_AMOUNT ? i.type.bits - 1u - at : at;
}
u64 permute(Mode mode, u64 a, u64 b, u64 c) {
    // For the modes the manual has a table: the selectors of bytes 3 to 0, by the two low bits of c.
    static constexpr u32 TABLE[6][4] = {
        {0x3210, 0x4321, 0x5432, 0x6543}, {0x5670, 0x6701, 0x7012, 0x0123}, {0x0000, 0x1111, 0x2222, 0x3333},
        {0x3210, 0x3211, 0x3222, 0x3333}, {0x0000, 0x1110, 0x2210, 0x3210}, {0x1010, 0x3232, 0x1010, 0x3232},
    };
    u64 both = zero_extended(b, 32) << 32 | zero_extended(a, 32);
    bool by_selector = mode == Mode::NONE;
    u64 selectors = by_selector ? c : TABLE[static_cast<int>(mode) - static_cast<int>(Mode::F4E)][c & 3];
    u64 result = 0;
    for (int n = 0; n < 4; ++n) {
        unsigned selector = (selectors >> (4 * n)) & 15;
        u64 byte = (both >> (8 * (selector & 7))) & 255;
        if (selector & 8) byte = byte & 128 ? 255 : 0;
        result |= byte << (8 * n);
    }
    return result;
}
u64 logic3(u64 a, u64 b, u64 c, u64 table) {
    u64 result = 0;
    for (int n = 0; n < 32; ++n) {
        u64 row = ((a >> n) & 1) << 2 | ((b >> n) & 1) << 1 | ((c >> n) & 1);
        result |= ((table >> row) & 1) << n;
    }
    return result;
}
bool compare_integers(const Instruction& i, u64 a, u64 b) {
    switch (i.compare) {
        case Compare::EQ: return zero_extended(a ^ b, i.from.bits) == 0;
        case Compare::NE: return zero_extended(a ^ b, i.from.bits) != 0;
        case Compare::LT: return less(i.from, a, b);
        case Compare::LE: return !less(i.from, b, a);
        case Compare::GT: return less(i.from, b, a);
        default: return !less(i.from, a, b);
    }
}
bool combined(Combine how, bool compared, bool with) {
    switch (how) {
        case Combine::AND: return compared && with;
        case Combine::OR: return compared || with;
        case Combine::XOR: return compared != with;
        default: return compared;
    }
}
u64 compare(const Instruction& i, u64 a, u64 b, u64 c) {
    bool compared = i.from.is_float() ? compare_floats(i, a, b) : compare_integers(i, a, b);
    bool first = combined(i.combine, compared, c & 1);
    if (i.op == Op::SET) return !first ? 0 : i.type.is_float() ? 0x3f800000 : ~u64(0);
    return u64(first) | u64(combined(i.combine, !compared, c & 1)) << 1;
}
u64 integers(const Instruction& i, u64 a, u64 b, u64 c) {
    switch (i.op) {
        case Op::ABS: return static_cast<u64>(sign_extended(a, i.type.bits) < 0 ? 0 - a : a);
        case Op::ADD: return add(i, a, b);
        case Op::DIV: return divide(i.type, a, b, false);
        case Op::MAD: return multiply_add(i, a, b, c);
        case Op::MAX: return less(i.type, a, b) ? b : a;
        case Op::MIN: return less(i.type, b, a) ? b : a;
        case Op::MUL: return multiply(i, a, b);
        case Op::NEG: return 0 - a;
        case Op::REM: return divide(i.type, a, b, true);
        case Op::SUB: return subtract(i, a, b);
        default: throw Unsupported(i.site + ": no such operation on integers");
    }
}
}  // namespace

u64 evaluate(const Instruction& i, u64 a, u64 b, u64 c, u64 d) {
    switch (i.op) {
        case Op::MOV: return a;
        case Op::AND: return a & b;
        case Op::OR: return a | b;
        case Op::XOR: return a ^ b;
        case Op::NOT: return ~a;
        case Op::CNOT: return zero_extended(a, i.type.bits) == 0;
        case Op::SHL: return shift_left(i.type, a, b);
        case Op::SHR: return shift_right(i.type, a, b);
        case Op::SHF: return funnel(i.mode, a, b, c);
        case Op::BFE: return extract_field(i.type, a, b, c);
        case Op::BFI: return insert_field(i.type, a, b, c, d);
        case Op::BFIND: return find_bit(i, a);
        case Op::CLZ: return leading_zeros(i.type, a);
        case Op::POPC: return static_cast<u64>(__builtin_popcountll(zero_extended(a, i.type.bits)));
        case Op::BREV: return reversed(i.type, a);
        case Op::PRMT: return permute(i.mode, a, b, c);
        case Op::LOP3: return logic3(a, b, c, d);
        case Op::SELP: return c & 1 ? a : b;
        case Op::SLCT: return (i.from.is_float() ? not_below_zero(i, c) : sign_extended(c, 32) >= 0) ? a : b;
        case Op::SET:
        case Op::SETP: return compare(i, a, b, c);
        case Op::CVT: return convert(i, a);
        default: return i.type.is_float() ? evaluate_float(i, a, b, c) : integers(i, a, b, c);
    }
}
}  // namespace ptx
