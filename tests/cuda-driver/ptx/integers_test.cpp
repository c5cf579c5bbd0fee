// integers_test.cpp: each instruction on integers and bits against the PTX manual, computed another way, at edge values.
#include <algorithm>
#include <type_traits>

#include "bench.h"

using namespace bench;

namespace {
__extension__ using i128 = __int128;

// A register's letter and the type's name for a C++ type.
template <class T>
std::string r(const char* number) {
    return std::string(sizeof(T) == 8 ? "%d" : sizeof(T) == 4 ? "%w" : "%h") + number;
}
template <class T>
std::string type() {
    return std::string(std::is_signed_v<T> ? "s" : "u") + std::to_string(8 * sizeof(T));
}
template <class T>
constexpr T SMALLEST = std::is_signed_v<T> ? T(T(1) << (8 * sizeof(T) - 1)) : T(0);
template <class T>
constexpr T LARGEST = T(~SMALLEST<T>);

// op.type d, a, b against a function of two Ts that computes in 128 bits.
template <class T, class F>
void two(const std::string& op, F f) {
    std::string text = op + "." + type<T>() + " " + r<T>("9") + ", " + r<T>("2") + ", " + r<T>("3") + ";";
    against(text, pairs(), 8 * sizeof(T), [&](u64 a, u64 b, u64, u64) { return static_cast<u64>(f(i128(T(a)), i128(T(b)))); });
}
template <class T, class F>
void one(const std::string& op, F f) {
    std::string text = op + "." + type<T>() + " " + r<T>("9") + ", " + r<T>("2") + ";";
    against(text, singles(), 8 * sizeof(T), [&](u64 a, u64, u64, u64) { return static_cast<u64>(f(i128(T(a)))); });
}

template <class T>
void arithmetic() {
    constexpr int N = 8 * sizeof(T);
    two<T>("add", [](i128 a, i128 b) { return a + b; });
    two<T>("sub", [](i128 a, i128 b) { return a - b; });
    two<T>("min", [](i128 a, i128 b) { return a < b ? a : b; });
    two<T>("max", [](i128 a, i128 b) { return a < b ? b : a; });
    // By zero: all ones, and what was divided, as GPUs do.
    two<T>("div", [](i128 a, i128 b) { return b == 0 ? i128(-1) : a / b; });
    two<T>("rem", [](i128 a, i128 b) { return b == 0 ? a : a % b; });
    auto product = [](i128 a, i128 b) {
        // Of two u64 only the unsigned product is defined in 128 bits.
        return std::is_signed_v<T> ? a * b : static_cast<i128>(static_cast<unsigned __int128>(a) * static_cast<unsigned __int128>(b));
    };
    auto high = [&](i128 a, i128 b) {
        i128 p = product(a, b);
        return std::is_signed_v<T> ? p >> N : static_cast<i128>(static_cast<unsigned __int128>(p) >> N);
    };
    two<T>("mul.lo", product);
    two<T>("mul.hi", high);
    std::string operands = "." + type<T>() + " " + r<T>("9") + ", " + r<T>("2") + ", " + r<T>("3") + ", " + r<T>("4") + ";";
    against("mad.lo" + operands, pairs(), N, [&](u64 a, u64 b, u64 c, u64) { return static_cast<u64>(product(T(a), T(b)) + T(c)); });
    against("mad.hi" + operands, pairs(), N, [&](u64 a, u64 b, u64 c, u64) { return static_cast<u64>(high(T(a), T(b)) + T(c)); });
    if constexpr (std::is_signed_v<T>) {
        one<T>("abs", [](i128 a) { return a < 0 ? -a : a; });
        one<T>("neg", [](i128 a) { return -a; });
    }
    // The shifted operand has the type, the amount is a u32: all of the width or more is the width.
    std::string amount = ", " + r<T>("2") + ", %w3;";
    against("shr." + type<T>() + " " + r<T>("9") + amount, pairs(), N, [&](u64 a, u64 b, u64, u64) {
        i128 v = T(a);
        return static_cast<u64>(v >> std::min<u64>(b & 0xffffffff, N));
    });
    against("shl.b" + std::to_string(N) + " " + r<T>("9") + amount, pairs(), N, [&](u64 a, u64 b, u64, u64) {
        return (b & 0xffffffff) >= N ? 0 : a << (b & 0xffffffff);
    });
}

template <class T, class Wide>
void wide() {
    std::string operands = "." + type<T>() + " " + r<Wide>("9") + ", " + r<T>("2") + ", " + r<T>("3");
    against("mul.wide" + operands + ";", pairs(), 8 * sizeof(Wide), [](u64 a, u64 b, u64, u64) { return static_cast<u64>(i128(T(a)) * T(b)); });
    against("mad.wide" + operands + ", " + r<Wide>("4") + ";", pairs(), 8 * sizeof(Wide),
            [](u64 a, u64 b, u64 c, u64) { return static_cast<u64>(i128(T(a)) * T(b) + Wide(c)); });
}

void saturation() {
    auto clamp = [](i128 v) { return static_cast<u64>(v < INT32_MIN ? INT32_MIN : v > INT32_MAX ? INT32_MAX : v); };
    against("add.sat.s32 %w9, %w2, %w3;", pairs(), 32, [&](u64 a, u64 b, u64, u64) { return clamp(i128(i32(a)) + i32(b)); });
    against("sub.sat.s32 %w9, %w2, %w3;", pairs(), 32, [&](u64 a, u64 b, u64, u64) { return clamp(i128(i32(a)) - i32(b)); });
    against("mad.hi.sat.s32 %w9, %w2, %w3, %w4;", pairs(), 32,
            [&](u64 a, u64 b, u64 c, u64) { return clamp(((i128(i32(a)) * i32(b)) >> 32) + i32(c)); });
}

template <class T>
void comparisons() {
    const std::pair<const char*, int> all[] = {{"eq", 0}, {"ne", 1}, {"lt", 2}, {"le", 3}, {"gt", 4}, {"ge", 5}, {"lo", 2}, {"ls", 3}, {"hi", 4}, {"hs", 5}};
    auto compare = [](int how, T a, T b) {
        const bool by[] = {a == b, a != b, a < b, a <= b, a > b, a >= b};
        return by[how];
    };
    for (auto [word, how] : all) {
        if (std::is_signed_v<T> && (word[1] == 'o' || word[1] == 's' || word[0] == 'h')) continue;
        int h = how;
        std::string operands = ", " + r<T>("2") + ", " + r<T>("3");
        auto expected = [&](u64 a, u64 b, u64, u64) { return u64(compare(h, T(a), T(b))); };
        against(std::string("setp.") + word + "." + type<T>() + " %p9" + operands + ";", pairs(), 64, expected);
        against(std::string("set.") + word + ".u32." + type<T>() + " %w9" + operands + ";", pairs(), 32,
                [&](u64 a, u64 b, u64, u64) { return compare(h, T(a), T(b)) ? ~u64(0) : 0; });
        against(std::string("set.") + word + ".f32." + type<T>() + " %w9" + operands + ";", pairs(), 32,
                [&](u64 a, u64 b, u64, u64) { return compare(h, T(a), T(b)) ? bits(1.0f) : 0; });
    }
}

void combinations() {
    for (std::string how : {"and", "or", "xor"})
        for (bool negated : {false, true}) {
            auto with = [&](bool x, u64 c) {
                bool y = (c & 1) != negated;
                return how == "and" ? x && y : how == "or" ? x || y : x != y;
            };
            std::string text = "setp.lt." + how + ".u32 %p9|%p8, %w2, %w3, " + (negated ? "!%p4;" : "%p4;");
            auto rows = pairs();
            auto got = results(text, rows);
            for (size_t n = 0; n < rows.size(); ++n) {
                bool less = u32(rows[n][0]) < u32(rows[n][1]);
                same(got[n].first, with(less, rows[n][2]), text);
                same(got[n].second, with(!less, rows[n][2]), text + " the second");
            }
        }
    against("setp.gt.u32 _|%p9, %w2, %w3;", pairs(), 1, [](u64 a, u64 b, u64, u64) { return u64(!(u32(a) > u32(b))); });
}
}  // namespace

void test_integers() {
    arithmetic<std::uint16_t>();
    arithmetic<std::int16_t>();
    arithmetic<u32>();
    arithmetic<i32>();
    arithmetic<u64>();
    arithmetic<i64>();
    wide<std::uint16_t, u32>();
    wide<std::int16_t, i32>();
    wide<u32, u64>();
    wide<i32, i64>();
    saturation();
    comparisons<std::uint16_t>();
    comparisons<std::int16_t>();
    comparisons<u32>();
    comparisons<i32>();
    comparisons<u64>();
    comparisons<i64>();
    combinations();
}
