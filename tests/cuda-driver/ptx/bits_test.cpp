// bits_test.cpp: logic, fields, counts, permutations, selections and predicates against the PTX manual.
#include "bench.h"

using namespace bench;

namespace {
// Bit by bit, as the manual's pseudocode.
bool bit(u64 v, unsigned n) { return (v >> n) & 1; }

std::vector<Row> fields(bool inserting) {
    std::vector<Row> rows;
    const u64 sizes[] = {0, 1, 5, 8, 16, 31, 32, 33, 63, 64, 65, 100, 255, 256, 257, 0xffffffff};
    for (u64 a : {u64(0), ~u64(0), u64(0x8000000080000000), u64(0xdeadbeefcafef00d), u64(0x0123456789abcdef)})
        for (u64 position : sizes)
            for (u64 length : sizes) {
                if (inserting) rows.push_back({a, ~a * 7, position, length});
                else rows.push_back({a, position, length, 0});
            }
    return rows;
}
void extraction(const std::string& text, unsigned width, bool is_signed) {
    against(text, fields(false), width, [=](u64 a, u64 b, u64 c, u64) {
        unsigned top = width - 1, position = b & 255, length = c & 255;
        unsigned at = position + length - 1;
        bool sign = is_signed && length != 0 && bit(a, at < top ? at : top);
        u64 d = 0;
        for (unsigned n = 0; n <= top; ++n) d |= u64(n < length && position + n <= top ? bit(a, position + n) : sign) << n;
        return d;
    });
}
void insertion(const std::string& text, unsigned width) {
    against(text, fields(true), width, [=](u64 a, u64 b, u64 c, u64 d) {
        unsigned top = width - 1, position = c & 255, length = d & 255;
        u64 f = b;
        for (unsigned n = 0; n < length && position + n <= top; ++n) {
            f &= ~(u64(1) << (position + n));
            f |= u64(bit(a, n)) << (position + n);
        }
        return f;
    });
}

void counting() {
    for (unsigned width : {32u, 64u}) {
        std::string b = ".b" + std::to_string(width), from = width == 32 ? "%w2;" : "%d2;", to = width == 32 ? "%w9, " : "%d9, ";
        against("popc" + b + " %w9, " + from, singles(), 32, [=](u64 a, u64, u64, u64) {
            u64 count = 0;
            for (unsigned n = 0; n < width; ++n) count += bit(a, n);
            return count;
        });
        against("clz" + b + " %w9, " + from, singles(), 32, [=](u64 a, u64, u64, u64) {
            u64 count = 0;
            while (count < width && !bit(a, width - 1 - static_cast<unsigned>(count))) ++count;
            return count;
        });
        against("brev" + b + " " + to + from, singles(), width, [=](u64 a, u64, u64, u64) {
            u64 reversed = 0;
            for (unsigned n = 0; n < width; ++n) reversed = reversed << 1 | bit(a, n);
            return reversed;
        });
        for (bool is_signed : {false, true})
            for (bool amount : {false, true}) {
                std::string t = std::string(amount ? ".shiftamt" : "") + (is_signed ? ".s" : ".u") + std::to_string(width);
                against("bfind" + t + " %w9, " + from, singles(), 32, [=](u64 a, u64, u64, u64) {
                    bool skip = is_signed && bit(a, width - 1);
                    for (unsigned n = width; n-- > 0;)
                        if (bit(a, n) != skip) return u64(amount ? width - 1 - n : n);
                    return u64(0xffffffff);
                });
            }
    }
}

void logic() {
    struct Width {
        const char* name;
        char letter;
        unsigned bits;
    };
    for (Width w : {Width{".b16", 'h', 16}, Width{".b32", 'w', 32}, Width{".b64", 'd', 64}, Width{".pred", 'p', 1}}) {
        auto text = [&](const char* op, bool two) {
            std::string r = std::string("%") + w.letter;
            return std::string(op) + w.name + " " + r + "9, " + r + "2" + (two ? ", " + r + "3;" : ";");
        };
        against(text("and", true), pairs(), w.bits, [](u64 a, u64 b, u64, u64) { return a & b; });
        against(text("or", true), pairs(), w.bits, [](u64 a, u64 b, u64, u64) { return a | b; });
        against(text("xor", true), pairs(), w.bits, [](u64 a, u64 b, u64, u64) { return a ^ b; });
        against(text("not", false), singles(), w.bits, [](u64 a, u64, u64, u64) { return ~a; });
        if (w.bits > 1)
            against(text("cnot", false), singles(), w.bits, [&](u64 a, u64, u64, u64) { return u64((a << (64 - w.bits)) == 0); });
    }
    for (unsigned table : {0u, 0x80u, 0x96u, 0xcau, 0xe8u, 0xffu, 0x01u, 0x3cu})
        against("lop3.b32 %w9, %w2, %w3, %w4, " + std::to_string(table) + ";", pairs(), 32, [=](u64 a, u64 b, u64 c, u64) {
            u64 d = 0;
            for (unsigned n = 0; n < 8; ++n)  // a row of the table for each combination of inputs
                if (bit(table, n)) d |= (n & 4 ? a : ~a) & (n & 2 ? b : ~b) & (n & 1 ? c : ~c);
            return d;
        });
}

void funnels() {
    std::vector<Row> rows;
    for (u64 amount : {0, 1, 7, 31, 32, 33, 63, 64, 255}) rows.push_back({0x89abcdef, 0x01234567, amount, 0});
    rows.push_back({0x89abcdef, 0x01234567, 0xffffffff, 0});
    for (bool left : {true, false})
        for (bool wrap : {true, false}) {
            std::string text = std::string("shf.") + (left ? "l" : "r") + (wrap ? ".wrap" : ".clamp") + ".b32 %w9, %w2, %w3, %w4;";
            against(text, rows, 32, [=](u64 a, u64 b, u64 c, u64) {
                u64 n = wrap ? c & 31 : c > 32 ? 32 : c;
                if (left) return (n == 32 ? 0 : b << n) | (n == 0 ? 0 : u64(u32(a)) >> (32 - n));
                return (n == 0 ? 0 : b << (32 - n)) | (n == 32 ? 0 : u64(u32(a)) >> n);
            });
        }
}

void permutations() {
    // Bytes 0 to 3 are a's, 4 to 7 b's; byte 1 and 6 have their top bit set.
    const u64 a = 0x04038201, b = 0x08f70605;
    auto byte = [&](unsigned n) { return (n < 4 ? a >> (8 * n) : b >> (8 * (n - 4))) & 255; };
    auto word = [&](unsigned three, unsigned two, unsigned one, unsigned zero) {
        return byte(three) << 24 | byte(two) << 16 | byte(one) << 8 | byte(zero);
    };
    struct Case {
        const char* mode;
        u64 c, expected;
    };
    const Case cases[] = {
        {"", 0x3210, a}, {"", 0x7654, b}, {"", 0x0123, word(0, 1, 2, 3)}, {"", 0x5140, word(5, 1, 4, 0)},
        {"", 0xeec9, word(6, 6, 4, 1) | 0}, {"", 0x99, 0},
        {".f4e", 0, word(3, 2, 1, 0)}, {".f4e", 1, word(4, 3, 2, 1)}, {".f4e", 2, word(5, 4, 3, 2)}, {".f4e", 3, word(6, 5, 4, 3)},
        {".b4e", 0, word(5, 6, 7, 0)}, {".b4e", 1, word(6, 7, 0, 1)}, {".b4e", 2, word(7, 0, 1, 2)}, {".b4e", 3, word(0, 1, 2, 3)},
        {".rc8", 0, word(0, 0, 0, 0)}, {".rc8", 2, word(2, 2, 2, 2)}, {".rc8", 7, word(3, 3, 3, 3)},
        {".ecl", 0, word(3, 2, 1, 0)}, {".ecl", 1, word(3, 2, 1, 1)}, {".ecl", 2, word(3, 2, 2, 2)}, {".ecl", 3, word(3, 3, 3, 3)},
        {".ecr", 0, word(0, 0, 0, 0)}, {".ecr", 1, word(1, 1, 1, 0)}, {".ecr", 2, word(2, 2, 1, 0)}, {".ecr", 3, word(3, 2, 1, 0)},
        {".rc16", 0, word(1, 0, 1, 0)}, {".rc16", 1, word(3, 2, 3, 2)}, {".rc16", 2, word(1, 0, 1, 0)}, {".rc16", 3, word(3, 2, 3, 2)},
    };
    for (Case c : cases) {
        u64 expected = c.expected;
        // The top bit of a selector copies the byte's sign into all of it.
        if (c.c == 0xeec9) expected = 0xffff00ff;
        if (c.c == 0x99) expected = byte(0) << 24 | byte(0) << 16 | 0xffff;
        against(std::string("prmt.b32") + c.mode + " %w9, %w2, %w3, %w4;", {Row{a, b, c.c, 0}}, 32, [&](u64, u64, u64, u64) { return expected; });
    }
}

void selections() {
    for (std::string negated : {"", "!"}) {
        auto expected = [&](u64 a, u64 b, u64 c, u64) { return ((c & 1) != 0) == negated.empty() ? a : b; };
        against("selp.b64 %d9, %d2, %d3, " + negated + "%p4;", pairs(), 64, expected);
        against("selp.u32 %w9, %w2, %w3, " + negated + "%p4;", pairs(), 32, expected);
        against("selp.u16 %h9, %h2, %h3, " + negated + "%p4;", pairs(), 16, expected);
    }
    against("slct.u64.s32 %d9, %d2, %d3, %w4;", pairs(), 64, [](u64 a, u64 b, u64 c, u64) { return i32(c) >= 0 ? a : b; });
    for (float c : {1.0f, 0.0f, -0.0f, -1.0f, __builtin_nanf(""), __builtin_inff()})
        against("slct.b32.f32 %w9, %w2, %w3, %w4;", {Row{5, 6, bits(c), 0}}, 32, [=](u64 a, u64 b, u64, u64) { return c >= 0 ? a : b; });
    // A guard that does not hold leaves the register alone.
    against("mov.u32 %w9, 7;\n@%p2 mov.u32 %w9, 8;", singles(), 32, [](u64 a, u64, u64, u64) { return u64(a & 1 ? 8 : 7); });
    against("mov.u32 %w9, 7;\n@!%p2 mov.u32 %w9, 8;", singles(), 32, [](u64 a, u64, u64, u64) { return u64(a & 1 ? 7 : 8); });
    against("mov.pred %p9, -1;\n@!%p2 mov.pred %p9, 0;", singles(), 64, [](u64 a, u64, u64, u64) { return a & 1; });
    against("mov.pred %p9, %p2;", singles(), 64, [](u64 a, u64, u64, u64) { return a & 1; });
}

void moves() {
    against("mov.b64 {%w10, %w11}, %d2;\nmov.b64 %d9, {%w11, %w10};", singles(), 64, [](u64 a, u64, u64, u64) { return a << 32 | a >> 32; });
    against("mov.b32 {%h10, %h11}, %w2;\nmov.b32 %w9, {%h11, %h10};", singles(), 32, [](u64 a, u64, u64, u64) { return a << 16 | u32(a) >> 16; });
    against("mov.b64 {%h10, %h11, %h12, %h13}, %d2;\nmov.b64 %d9, {%h13, %h12, %h11, %h10};", singles(), 64, [](u64 a, u64, u64, u64) {
        return a << 48 | (a & 0xffff0000) << 16 | (a >> 16 & 0xffff0000) | a >> 48;
    });
    against("mov.b64 {_, %w9}, %d2;", singles(), 32, [](u64 a, u64, u64, u64) { return a >> 32; });
    against("mov.u64 %d9, -9;", {Row{}}, 64, [](u64, u64, u64, u64) { return u64(-9); });
    against("mov.u32 %w9, 0x1F;", {Row{}}, 32, [](u64, u64, u64, u64) { return u64(31); });
    against("mov.u32 %w9, 0b101;", {Row{}}, 32, [](u64, u64, u64, u64) { return u64(5); });
    against("mov.u32 %w9, 017U;", {Row{}}, 32, [](u64, u64, u64, u64) { return u64(15); });
}
}  // namespace

void test_bits() {
    extraction("bfe.u32 %w9, %w2, %w3, %w4;", 32, false);
    extraction("bfe.s32 %w9, %w2, %w3, %w4;", 32, true);
    extraction("bfe.u64 %d9, %d2, %w3, %w4;", 64, false);
    extraction("bfe.s64 %d9, %d2, %w3, %w4;", 64, true);
    insertion("bfi.b32 %w9, %w2, %w3, %w4, %w5;", 32);
    insertion("bfi.b64 %d9, %d2, %d3, %w4, %w5;", 64);
    counting();
    logic();
    funnels();
    permutations();
    selections();
    moves();
}
