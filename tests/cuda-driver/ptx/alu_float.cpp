// alu_float.cpp: f32 and f64, and conversions. Rounding is the CPU's, which is IEEE 754's, as a GPU's is.
#include <cfenv>
#include <cmath>
#include <cstring>
#include <limits>

#include "alu.h"

namespace ptx {
namespace {
template <class F>
F number(u64 bits) {
    F f;
    std::memcpy(&f, &bits, sizeof f);
    return f;
}
template <class F>
u64 bits(F f) {
    u64 all = 0;
    std::memcpy(&all, &f, sizeof f);
    return all;
}

// The CPU's rounding, while this lives. What is computed under it goes through volatile variables, which no compiler moves.
class Rounded {
   public:
    explicit Rounded(Rounding to) : before_(std::fegetround()) {
        std::fesetround(to == Rounding::ZERO ? FE_TOWARDZERO : to == Rounding::DOWN ? FE_DOWNWARD : to == Rounding::UP ? FE_UPWARD : FE_TONEAREST);
    }
    ~Rounded() { std::fesetround(before_); }

   private:
    int before_;
};

template <class F>
F flushed(bool ftz, F f) {
    return ftz && std::fpclassify(f) == FP_SUBNORMAL ? std::copysign(F(0), f) : f;
}
template <class F>
F minimum(const Instruction& i, F a, F b) {
    if (std::isnan(a) || std::isnan(b)) return i.nan || (std::isnan(a) && std::isnan(b)) ? std::numeric_limits<F>::quiet_NaN() : std::isnan(a) ? b : a;
    if (a == b) return std::signbit(a) ? a : b;  // -0 is below +0
    return a < b ? a : b;
}
template <class F>
F computed(const Instruction& i, F first, F second, F third) {
    volatile F a = first, b = second, c = third, result = 0;
    Rounded rounded(i.rounding);
    switch (i.op) {
        case Op::ADD: result = a + b; break;
        case Op::SUB: result = a - b; break;
        case Op::MUL: result = a * b; break;
        case Op::FMA: result = std::fma(F(a), F(b), F(c)); break;
        case Op::DIV: result = a / b; break;
        case Op::RCP: result = F(1) / a; break;
        case Op::SQRT: result = std::sqrt(F(a)); break;
        case Op::RSQRT: result = F(1) / std::sqrt(F(a)); break;
        case Op::MIN: result = minimum<F>(i, a, b); break;
        case Op::MAX: result = -minimum<F>(i, -a, -b); break;
        case Op::ABS: result = std::fabs(F(a)); break;
        case Op::NEG: result = -a; break;
        case Op::COPYSIGN: result = std::copysign(F(b), F(a)); break;  // the sign of a, the value of b
        default: throw Unsupported(i.site + ": no such operation on floating point");
    }
    return result;
}
template <class F>
u64 in(const Instruction& i, u64 a, u64 b, u64 c) {
    F result = computed<F>(i, flushed(i.ftz, number<F>(a)), flushed(i.ftz, number<F>(b)), flushed(i.ftz, number<F>(c)));
    result = flushed(i.ftz, result);
    if (i.sat) result = std::isnan(result) || result < 0 ? F(0) : result > 1 ? F(1) : result + F(0);
    bool copies = i.op == Op::ABS || i.op == Op::NEG || i.op == Op::COPYSIGN;
    // The manual: a NaN made by f32 is this one.
    if (sizeof(F) == 4 && std::isnan(result) && !copies) return 0x7fffffff;
    return bits(result);
}
template <class F>
bool compared(const Instruction& i, F a, F b) {
    bool unordered = std::isnan(a) || std::isnan(b);
    switch (i.compare) {
        case Compare::EQ: return a == b;
        case Compare::NE: return !unordered && a != b;
        case Compare::LT: return a < b;
        case Compare::LE: return a <= b;
        case Compare::GT: return a > b;
        case Compare::GE: return a >= b;
        case Compare::EQU: return unordered || a == b;
        case Compare::NEU: return a != b;
        case Compare::LTU: return unordered || a < b;
        case Compare::LEU: return unordered || a <= b;
        case Compare::GTU: return unordered || a > b;
        case Compare::GEU: return unordered || a >= b;
        case Compare::NUM: return !unordered;
        default: return unordered;
    }
}

// ---- conversions ----

template <class F>
F integral(Rounding how, F f) {
    switch (how) {
        case Rounding::ZERO: return std::trunc(f);
        case Rounding::DOWN: return std::floor(f);
        case Rounding::UP: return std::ceil(f);
        default: return std::nearbyint(f);
    }
}
// Out of range is the range's end. Of a NaN the manual says: 0, but where 64 bits come in or out the top bit.
u64 integer_of(const Instruction& i, double f, bool wide) {
    unsigned n = i.type.bits;
    if (std::isnan(f)) return wide || n == 64 ? u64(1) << (n - 1) : 0;
    f = integral(i.rounding, f);
    double end = std::ldexp(1.0, static_cast<int>(i.type.is_signed() ? n - 1 : n));
    if (i.type.is_signed()) {
        if (f < -end) return u64(1) << (n - 1);
        return f >= end ? mask_of(n - 1) : static_cast<u64>(static_cast<i64>(f));
    }
    return f < 0 ? 0 : f >= end ? mask_of(n) : static_cast<u64>(f);
}
template <class F>
F float_of(const Instruction& i, u64 a) {
    Rounded rounded(i.rounding);
    volatile i64 sign = sign_extended(a, i.from.bits);
    volatile u64 zero = zero_extended(a, i.from.bits);
    volatile F result = i.from.is_signed() ? static_cast<F>(sign) : static_cast<F>(zero);
    return result;
}
u64 float_to_float(const Instruction& i, double f) {
    if (i.to_integral) f = integral(i.rounding, f);
    if (i.sat) f = std::isnan(f) || f < 0 ? 0 : f > 1 ? 1 : f + 0;
    if (i.type.bits == 64) return bits(f);
    Rounded rounded(i.rounding);
    volatile double from = f;
    volatile float to = static_cast<float>(from);
    if (std::isnan(float(to))) return 0x7fffffff;
    return bits(flushed(i.ftz, float(to)));
}
u64 integer_to_integer(const Instruction& i, u64 a) {
    i64 sign = sign_extended(a, i.from.bits);
    u64 zero = zero_extended(a, i.from.bits);
    bool negative = i.from.is_signed() && sign < 0;
    u64 value = i.from.is_signed() ? static_cast<u64>(sign) : zero;
    u64 most = mask_of(i.type.is_signed() ? i.type.bits - 1 : i.type.bits);
    if (i.sat && !negative && value > most) return most;
    if (i.sat && negative && !i.type.is_signed()) return 0;
    if (i.sat && negative && sign < -static_cast<i64>(most) - 1) return ~most;
    // The destination may be wider than the type.
    return i.type.is_signed() ? static_cast<u64>(sign_extended(value, i.type.bits)) : zero_extended(value, i.type.bits);
}
}  // namespace

u64 evaluate_float(const Instruction& i, u64 a, u64 b, u64 c) {
    return i.type.bits == 32 ? in<float>(i, a, b, c) : in<double>(i, a, b, c);
}
bool compare_floats(const Instruction& i, u64 a, u64 b) {
    if (i.from.bits == 64) return compared(i, number<double>(a), number<double>(b));
    return compared(i, flushed(i.ftz, number<float>(a)), flushed(i.ftz, number<float>(b)));
}
bool not_below_zero(const Instruction& i, u64 a) { return flushed(i.ftz, number<float>(a)) >= 0; }

u64 convert(const Instruction& i, u64 a) {
    if (!i.from.is_float()) {
        if (!i.type.is_float()) return integer_to_integer(i, a);
        if (i.type.bits == 64) return bits(float_of<double>(i, a));
        float f = float_of<float>(i, a);
        return bits(i.sat ? (f < 0 ? 0.0f : f > 1 ? 1.0f : f) : f);
    }
    bool wide = i.from.bits == 64;
    double f = wide ? number<double>(a) : static_cast<double>(flushed(i.ftz, number<float>(a)));
    if (i.type.is_float()) return float_to_float(i, f);
    u64 value = integer_of(i, f, wide);
    return i.type.is_signed() ? static_cast<u64>(sign_extended(value, i.type.bits)) : value;
}
}  // namespace ptx
