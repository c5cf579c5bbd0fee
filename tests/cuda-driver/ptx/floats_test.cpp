// floats_test.cpp: f32 and f64, and conversions, against the PTX manual. Exact results come from wider types, or from the
// definition of rounding; none from the functions that the machine uses.
#include <cmath>
#include <limits>

#include "bench.h"

using namespace bench;

namespace {
constexpr float INF = std::numeric_limits<float>::infinity(), NOT = std::numeric_limits<float>::quiet_NaN();
constexpr float TINY = std::numeric_limits<float>::denorm_min(), SMALL = std::numeric_limits<float>::min();
constexpr float HUGE_ = std::numeric_limits<float>::max();
constexpr u64 NAN32 = 0x7fffffff;

float float_of(u64 v) {
    u32 low = static_cast<u32>(v);
    float f;
    std::memcpy(&f, &low, sizeof f);
    return f;
}
double double_of(u64 v) {
    double f;
    std::memcpy(&f, &v, sizeof f);
    return f;
}
u64 canonical(float f) { return std::isnan(f) ? NAN32 : bits(f); }
float flush(float f) { return std::fabs(f) < SMALL ? std::copysign(0.0f, f) : f; }

std::vector<float> floats() {
    return {0.0f, -0.0f, 1.0f, -1.0f, 1.5f, -2.5f, 3.0f, 0.1f, 1e-30f, 1e30f, -7e20f, 16777216.0f, 16777217.5f, TINY, -3 * TINY, SMALL, HUGE_, -HUGE_, INF, -INF, NOT};
}
std::vector<Row> float_pairs() {
    std::vector<Row> rows;
    for (float a : floats())
        for (float b : floats()) rows.push_back({bits(a), bits(b), bits(a - b), 0});
    return rows;
}
std::vector<Row> double_pairs() {
    std::vector<Row> rows;
    for (float a : floats())
        for (float b : floats()) rows.push_back({bits(double(a) * 1.1), bits(double(b) / 3), bits(double(a) + 1), 0});
    return rows;
}

// The f32 nearest to an exact value in the way that `how` says: n nearest, z towards zero, m down, p up. A double holds the
// product of two f32 exactly; of a sum, what is lost decides no rounding of these operands but the ones left out below.
float rounded(double exact, char how) {
    float f = static_cast<float>(exact);
    if (how == 'n' || std::isnan(exact) || std::isinf(exact)) return f;
    bool up = how == 'p' || (how == 'z' && exact < 0);
    if (up && double(f) < exact) f = std::nextafterf(f, INF);
    if (!up && double(f) > exact) f = std::nextafterf(f, -INF);
    return f == 0 ? std::copysign(0.0f, static_cast<float>(exact < 0 ? -1 : exact > 0 ? 1 : std::signbit(exact) ? -1 : 1)) : f;
}

template <class F>
void two(const std::string& op, const std::vector<Row>& rows, F f) {
    against(op + " %w9, %w2, %w3;", rows, 32, [&](u64 a, u64 b, u64, u64) { return canonical(f(float_of(a), float_of(b))); });
}
template <class F>
void two64(const std::string& op, F f) {
    std::vector<Row> rows = double_pairs();
    std::vector<Result> got = results(op + " %d9, %d2, %d3;", rows);
    for (size_t n = 0; n < rows.size(); ++n) {
        double expected = f(double_of(rows[n][0]), double_of(rows[n][1]));
        if (std::isnan(expected)) check(std::isnan(double_of(got[n].first)), op + " makes a NaN");
        else same(got[n].first, bits(expected), op + " of " + hex(rows[n][0]) + " " + hex(rows[n][1]));
    }
}

void arithmetic() {
    auto rows = float_pairs();
    two("add.f32", rows, [](float a, float b) { return a + b; });
    two("sub.rn.f32", rows, [](float a, float b) { return a - b; });
    two("div.rn.f32", rows, [](float a, float b) { return a / b; });
    two("add.ftz.f32", rows, [](float a, float b) { return flush(flush(a) + flush(b)); });
    two("mul.ftz.f32", rows, [](float a, float b) { return flush(flush(a) * flush(b)); });
    two("add.sat.f32", rows, [](float a, float b) { float s = a + b; return s > 0 ? s < 1 ? s : 1.0f : 0.0f; });
    for (char how : {'n', 'z', 'm', 'p'}) {
        // A double's product of two f32 is exact, but below its own range.
        std::vector<Row> normal;
        for (const Row& row : rows)
            if (float_of(row[0]) * float_of(row[1]) == 0 || std::fabs(double(float_of(row[0])) * float_of(row[1])) > 1e-300) normal.push_back(row);
        two(std::string("mul.r") + how + ".f32", normal, [=](float a, float b) { return rounded(double(a) * double(b), how); });
    }
    struct Known {
        const char* op;
        float a, b, result;
    };
    const Known known[] = {
        {"add.rz.f32", 1, 1e-30f, 1}, {"add.rp.f32", 1, 1e-30f, std::nextafterf(1, 2)}, {"add.rm.f32", -1, -1e-30f, std::nextafterf(-1, -2)},
        {"add.rm.f32", 1, -1, -0.0f}, {"add.rz.f32", HUGE_, HUGE_, HUGE_}, {"sub.rp.f32", 16777216, 0.25f, 16777216},
        {"sub.rm.f32", 16777216, 0.25f, 16777215}, {"div.rp.f32", 1, 3, 0.333333343f}, {"div.rm.f32", 1, 3, 0.333333313f},
        {"div.full.f32", 6, 3, 2}, {"div.approx.f32", 6, 3, 2},
    };
    for (const Known& k : known) two(k.op, {Row{bits(k.a), bits(k.b), 0, 0}}, [&](float, float) { return k.result; });
    two64("add.f64", [](double a, double b) { return a + b; });
    two64("sub.f64", [](double a, double b) { return a - b; });
    two64("mul.f64", [](double a, double b) { return a * b; });
    two64("div.rn.f64", [](double a, double b) { return a / b; });
    // One rounding, not two: the product alone would lose its last bits.
    double x = 1 + std::ldexp(1.0, -30), y = 1 - std::ldexp(1.0, -30);
    against("fma.rn.f64 %d9, %d2, %d3, %d4;", {Row{bits(x), bits(y), bits(-1.0), 0}}, 64, [](u64, u64, u64, u64) { return bits(-std::ldexp(1.0, -60)); });
    float u = 1 + std::ldexp(1.0f, -12), v = 1 - std::ldexp(1.0f, -12);
    for (std::string op : {"fma.rn.f32", "mad.rn.f32", "fma.rz.ftz.f32"})
        against(op + " %w9, %w2, %w3, %w4;", {Row{bits(u), bits(v), bits(-1.0f), 0}}, 32, [](u64, u64, u64, u64) { return bits(-std::ldexp(1.0f, -24)); });
}

void extremes() {
    auto rows = float_pairs();
    auto least = [](float a, float b) {
        if (std::isnan(a)) return b;
        if (std::isnan(b)) return a;
        return a < b || (a == b && std::signbit(a)) ? a : b;
    };
    auto most = [&](float a, float b) { return -least(-a, -b); };
    two("min.f32", rows, least);
    two("max.f32", rows, most);
    two("max.ftz.f32", rows, [&](float a, float b) { return most(flush(a), flush(b)); });
    two("min.NaN.f32", rows, [&](float a, float b) { return std::isnan(a) || std::isnan(b) ? NOT : least(a, b); });
    two64("min.f64", [](double a, double b) { return std::isnan(a) ? b : std::isnan(b) ? a : a < b || (a == b && std::signbit(a)) ? a : b; });
    two64("max.f64", [](double a, double b) { return std::isnan(a) ? b : std::isnan(b) ? a : a > b || (a == b && std::signbit(b)) ? a : b; });
    against("neg.f32 %w9, %w2;", rows, 32, [](u64 a, u64, u64, u64) { return a ^ 0x80000000; });
    against("abs.f32 %w9, %w2;", rows, 32, [](u64 a, u64, u64, u64) { return a & 0x7fffffff; });
    against("neg.f64 %d9, %d2;", double_pairs(), 64, [](u64 a, u64, u64, u64) { return a ^ 0x8000000000000000; });
    against("abs.f64 %d9, %d2;", double_pairs(), 64, [](u64 a, u64, u64, u64) { return a & 0x7fffffffffffffff; });
    against("copysign.f32 %w9, %w2, %w3;", rows, 32, [](u64 a, u64 b, u64, u64) { return (a & 0x80000000) | (b & 0x7fffffff); });
}

void roots() {
    const std::pair<float, float> exact[] = {{4, 2}, {0, 0}, {-0.0f, -0.0f}, {2.25f, 1.5f}, {INF, INF}, {-1, NOT}, {NOT, NOT}};
    for (auto [from, to] : exact)
        for (std::string op : {"sqrt.rn.f32", "sqrt.approx.f32"}) {
            float result = to;
            two(op + " %w9, %w2; //", {Row{bits(from), 0, 0, 0}}, [=](float, float) { return result; });
        }
    against("sqrt.rn.f64 %d9, %d2;", {Row{bits(2.0), 0, 0, 0}}, 64, [](u64, u64, u64, u64) { return u64(0x3ff6a09e667f3bcd); });
    against("rcp.rn.f32 %w9, %w2;", {Row{bits(-4.0f), 0, 0, 0}}, 32, [](u64, u64, u64, u64) { return bits(-0.25f); });
    against("rcp.rn.f32 %w9, %w2;", {Row{bits(-0.0f), 0, 0, 0}}, 32, [](u64, u64, u64, u64) { return bits(-INF); });
    against("rcp.rn.f64 %d9, %d2;", {Row{bits(8.0), 0, 0, 0}}, 64, [](u64, u64, u64, u64) { return bits(0.125); });
    against("rsqrt.approx.f32 %w9, %w2;", {Row{bits(16.0f), 0, 0, 0}}, 32, [](u64, u64, u64, u64) { return bits(0.25f); });
}

// Numbers compare as they do; a NaN makes every ordered comparison false and every unordered one true.
void comparisons() {
    const char* words[] = {"eq", "ne", "lt", "le", "gt", "ge", "equ", "neu", "ltu", "leu", "gtu", "geu", "num", "nan"};
    for (int how = 0; how < 14; ++how) {
        auto expected = [=](double a, double b) -> u64 {
            bool unordered = std::isnan(a) || std::isnan(b);
            if (how == 12) return !unordered;
            if (how == 13) return unordered;
            if (unordered) return how >= 6;
            const bool by[] = {a == b, a != b, a < b, a <= b, a > b, a >= b};
            return by[how % 6];
        };
        std::string op = std::string("setp.") + words[how];
        against(op + ".f32 %p9, %w2, %w3;", float_pairs(), 64, [&](u64 a, u64 b, u64, u64) { return expected(float_of(a), float_of(b)); });
        against(op + ".ftz.f32 %p9, %w2, %w3;", float_pairs(), 64, [&](u64 a, u64 b, u64, u64) { return expected(flush(float_of(a)), flush(float_of(b))); });
        against(op + ".f64 %p9, %d2, %d3;", double_pairs(), 64, [&](u64 a, u64 b, u64, u64) { return expected(double_of(a), double_of(b)); });
    }
}

// ---- conversions ----

template <class From, class To>
void integer(const char* from, const char* to) {
    std::string types = std::string(to) + "." + from + (sizeof(To) == 8 ? " %d9, %d2;" : " %w9, %d2;");
    auto plain = [](u64 a, u64, u64, u64) { return static_cast<u64>(static_cast<To>(static_cast<From>(a))); };
    against("cvt." + types, singles(), sizeof(To) == 8 ? 64 : 32, plain);
    against("cvt.sat." + types, singles(), sizeof(To) == 8 ? 64 : 32, [](u64 a, u64, u64, u64) {
        __extension__ using i128 = __int128;
        i128 v = static_cast<From>(a), least = std::numeric_limits<To>::min(), most = std::numeric_limits<To>::max();
        return static_cast<u64>(static_cast<To>(v < least ? least : v > most ? most : v));
    });
}

template <class To>
void from_double(const char* to) {
    const double values[] = {0, -0.0, 0.5, 1.5, 2.5, -0.5, -1.5, -2.5, 0.49999, 127.5, -128.5, 255.4, 65535.5, 2147483647.5, -2147483648.5, 4294967295.5,
                             9.2e18, 1.8e19, 1e20, -1e20, double(INF), -double(INF), double(NOT)};
    for (std::string how : {"rni", "rzi", "rmi", "rpi"})
        for (bool wide : {true, false}) {
            std::vector<Row> rows;
            for (double v : values) rows.push_back({wide ? bits(v) : bits(static_cast<float>(v)), 0, 0, 0});
            std::string text = "cvt." + how + "." + to + (wide ? ".f64" : ".f32") + (sizeof(To) == 8 ? " %d9, " : " %w9, ") + (wide ? "%d2;" : "%w2;");
            against(text, rows, sizeof(To) == 8 ? 64 : 32, [=](u64 a, u64, u64, u64) -> u64 {
                long double v = wide ? double_of(a) : float_of(a);
                if (std::isnan(v)) return static_cast<u64>(static_cast<To>(wide || sizeof(To) == 8 ? To(1) << (8 * sizeof(To) - 1) : 0));
                long double down = std::floor(v), rest = v - down;
                bool odd = std::fmod(down, 2) != 0;
                if (how == "rpi" && rest > 0) down += 1;
                if (how == "rzi" && v < 0 && rest > 0) down += 1;
                if (how == "rni" && (rest > 0.5L || (rest == 0.5L && odd))) down += 1;
                long double least = std::numeric_limits<To>::min(), most = std::numeric_limits<To>::max();
                To result = down <= least ? std::numeric_limits<To>::min() : down >= most ? std::numeric_limits<To>::max() : static_cast<To>(down);
                return static_cast<u64>(result);
            });
        }
}

void to_floats() {
    against("cvt.rn.f64.u64 %d9, %d2;", singles(), 64, [](u64 a, u64, u64, u64) { return bits(static_cast<double>(a)); });
    against("cvt.rn.f64.s64 %d9, %d2;", singles(), 64, [](u64 a, u64, u64, u64) { return bits(static_cast<double>(i64(a))); });
    against("cvt.rn.f64.u32 %d9, %w2;", singles(), 64, [](u64 a, u64, u64, u64) { return bits(static_cast<double>(u32(a))); });
    against("cvt.rn.f32.s32 %w9, %w2;", singles(), 32, [](u64 a, u64, u64, u64) { return bits(static_cast<float>(i32(a))); });
    against("cvt.rn.f32.u16 %w9, %h2;", singles(), 32, [](u64 a, u64, u64, u64) { return bits(static_cast<float>(a & 0xffff)); });
    for (char how : {'z', 'm', 'p'})
        against(std::string("cvt.r") + how + ".f32.s32 %w9, %w2;", singles(), 32, [=](u64 a, u64, u64, u64) { return bits(rounded(i32(a), how)); });
    for (char how : {'n', 'z', 'm', 'p'})
        against(std::string("cvt.r") + how + ".f32.f64 %w9, %d2;", double_pairs(), 32, [=](u64 a, u64, u64, u64) {
            double v = double_of(a);
            // Beyond the largest f32 the directed ones stop there.
            if (std::fabs(v) > double(HUGE_) && std::isfinite(v) && how != 'n') {
                bool away = (how == 'p' && v > 0) || (how == 'm' && v < 0);
                return bits(std::copysign(away ? INF : HUGE_, static_cast<float>(v < 0 ? -1 : 1)));
            }
            return canonical(rounded(v, how));
        });
    against("cvt.f64.f32 %d9, %w2;", float_pairs(), 64, [](u64 a, u64, u64, u64) { return bits(double(float_of(a))); });
    against("cvt.ftz.f64.f32 %d9, %w2;", float_pairs(), 64, [](u64 a, u64, u64, u64) { return bits(double(flush(float_of(a)))); });
    against("cvt.sat.f32.f32 %w9, %w2;", float_pairs(), 32, [](u64 a, u64, u64, u64) { float f = float_of(a); return bits(f > 0 ? f < 1 ? f : 1.0f : 0.0f); });
    against("cvt.rzi.f32.f32 %w9, %w2;", {Row{bits(-2.7f), 0, 0, 0}}, 32, [](u64, u64, u64, u64) { return bits(-2.0f); });
    against("cvt.rni.f64.f64 %d9, %d2;", {Row{bits(2.5), 0, 0, 0}}, 64, [](u64, u64, u64, u64) { return bits(2.0); });
}
}  // namespace

void test_floats() {
    arithmetic();
    extremes();
    roots();
    comparisons();
}

void test_conversions() {
    using std::int16_t;
    using std::int8_t;
    using std::uint16_t;
    using std::uint8_t;
    integer<uint8_t, uint16_t>("u8", "u16");
    integer<int8_t, int>("s8", "s32");
    integer<uint8_t, int>("u8", "s32");
    integer<u32, u64>("u32", "u64");
    integer<i32, i64>("s32", "s64");
    integer<i32, u64>("s32", "u64");
    integer<u64, u32>("u64", "u32");
    integer<i64, i32>("s64", "s32");
    integer<i64, u32>("s64", "u32");
    integer<u64, int16_t>("u64", "s16");
    integer<i32, int8_t>("s32", "s8");
    integer<i32, uint8_t>("s32", "u8");
    integer<uint16_t, u64>("u16", "u64");
    integer<int16_t, u64>("s16", "u64");
    from_double<int8_t>("s8");
    from_double<uint8_t>("u8");
    from_double<int16_t>("s16");
    from_double<uint16_t>("u16");
    from_double<i32>("s32");
    from_double<u32>("u32");
    from_double<i64>("s64");
    from_double<u64>("u64");
    to_floats();
}
