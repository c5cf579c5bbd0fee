// decode.cpp: what an opcode says, word by word in the order of the PTX manual's syntax. A word that is left over is refused.
#include <algorithm>
#include <cstring>
#include <initializer_list>

#include "program.h"

namespace ptx {
namespace {
template <class T>
using Table = std::initializer_list<std::pair<const char*, T>>;

class Words {
   public:
    explicit Words(const std::string& opcode) {
        for (size_t from = 0; from <= opcode.size();) {
            size_t to = std::min(opcode.find('.', from), opcode.size());
            words_.push_back(opcode.substr(from, to - from));
            from = to + 1;
        }
    }
    std::string next() { return at_ < words_.size() ? words_[at_++] : ""; }
    bool take(const char* word) {
        if (at_ == words_.size() || words_[at_] != word) return false;
        ++at_;
        return true;
    }
    template <class T>
    bool take(Table<T> table, T& into) {
        for (auto& [word, value] : table)
            if (take(word)) {
                into = value;
                return true;
            }
        return false;
    }
    template <class T>
    void need(Table<T> table, T& into) {
        if (!take(table, into)) fail();
    }
    // One of the types in this list: "u32 s32 f64".
    Type type(const char* allowed) {
        std::string word = at_ < words_.size() ? words_[at_] : "";
        std::string list = std::string(" ") + allowed + " ";
        if (word.empty() || list.find(" " + word + " ") == std::string::npos) fail();
        ++at_;
        if (word == "pred") return {Type::PREDICATE, 1};
        Type::Kind kind = word[0] == 'u' ? Type::UNSIGNED : word[0] == 's' ? Type::SIGNED : word[0] == 'f' ? Type::FLOAT : Type::BITS;
        return {kind, static_cast<u8>(std::stoul(word.substr(1)))};
    }
    void end() const {
        if (at_ != words_.size()) fail();
    }
    [[noreturn]] void fail() const {
        throw Unsupported(at_ < words_.size() ? "the word ." + words_[at_] + " is not known there" : "the opcode lacks a word");
    }

   private:
    std::vector<std::string> words_;
    size_t at_ = 0;
};

constexpr const char* INTEGERS = "u16 u32 u64 s16 s32 s64";
constexpr const char* NUMBERS = "u16 u32 u64 s16 s32 s64 f32 f64";
constexpr const char* ANY_BITS = "b16 b32 b64 pred";
constexpr const char* MEMORY_TYPES = "b8 b16 b32 b64 u8 u16 u32 u64 s8 s16 s32 s64 f32 f64";

bool take_order(Words& w, Instruction& i) {
    if (w.take("volatile")) {  // the manual: as relaxed at system scope
        i.order = Order::RELAXED;
        i.scope = Scope::SYS;
        return false;
    }
    if (w.take("weak")) return false;
    return w.take({{"relaxed", Order::RELAXED}, {"acquire", Order::ACQUIRE}, {"release", Order::RELEASE},
                   {"acq_rel", Order::ACQ_REL}, {"sc", Order::SC}}, i.order);
}
constexpr Table<Scope> SCOPES_ = {{"cta", Scope::CTA}, {"gpu", Scope::GPU}, {"sys", Scope::SYS}};
void take_space(Words& w, Instruction& i) {
    w.take({{"global", Space::GLOBAL}, {"shared", Space::SHARED}, {"local", Space::LOCAL}, {"const", Space::CONST},
            {"param", Space::PARAM}}, i.space);
    if (i.space == Space::SHARED) w.take("shared::cta");
}
// They ask for a place in caches, and change no value.
void take_cache_wishes(Words& w) {
    for (const char* wish : {"ca", "cg", "cs", "lu", "cv", "wb", "wt", "L1::evict_normal", "L1::evict_unchanged", "L1::evict_first",
                             "L1::evict_last", "L1::no_allocate", "L2::64B", "L2::128B", "L2::256B"})
        w.take(wish);
}
void take_vector(Words& w, Instruction& i) { w.take({{"v2", u8(2)}, {"v4", u8(4)}}, i.width); }

void load_store(Words& w, Instruction& i) {
    bool ordered = take_order(w, i);
    if (ordered) w.need(SCOPES_, i.scope);
    take_space(w, i);
    if (i.op == Op::LD && i.order == Order::WEAK && i.space == Space::GLOBAL) w.take("nc");
    take_cache_wishes(w);
    take_vector(w, i);
    i.type = w.type(MEMORY_TYPES);
    bool fits = i.op == Op::LD ? i.order != Order::RELEASE : i.order != Order::ACQUIRE;
    if (!fits || i.order == Order::ACQ_REL || i.order == Order::SC) throw Unsupported("no such order of a load or store");
    if (i.op == Op::ST && (i.space == Space::CONST || i.space == Space::PARAM)) throw Unsupported("a store to read-only memory");
    i.sources = i.op == Op::ST ? i.width : 0;
}
void atomic(Words& w, Instruction& i) {
    i.order = Order::RELAXED;
    take_order(w, i);
    const bool scoped = w.take(SCOPES_, i.scope);
    take_space(w, i);
    // NVRTC writes an atomicAdd_block on shared memory as atom.shared.cta.add; the manual has the scope before the space.
    if (!scoped) w.take(SCOPES_, i.scope);
    if (i.space != Space::GENERIC && i.space != Space::GLOBAL && i.space != Space::SHARED) w.fail();
    w.need({{"add", Rmw::ADD}, {"min", Rmw::MIN}, {"max", Rmw::MAX}, {"and", Rmw::AND}, {"or", Rmw::OR}, {"xor", Rmw::XOR},
            {"exch", Rmw::EXCHANGE}, {"cas", Rmw::CAS}}, i.rmw);
    bool bits = i.rmw == Rmw::AND || i.rmw == Rmw::OR || i.rmw == Rmw::XOR || i.rmw == Rmw::EXCHANGE || i.rmw == Rmw::CAS;
    i.type = w.type(bits ? "b32 b64" : i.rmw == Rmw::ADD ? "u32 s32 u64 s64 f32 f64" : "u32 s32 u64 s64");
    if (i.type.is_float()) i.rmw = i.type.bits == 32 ? Rmw::ADD_F32 : Rmw::ADD_F64;
    if (i.type.is_signed() && i.rmw == Rmw::MIN) i.rmw = Rmw::MIN_SIGNED;
    if (i.type.is_signed() && i.rmw == Rmw::MAX) i.rmw = Rmw::MAX_SIGNED;
    if (i.order == Order::WEAK || i.order == Order::SC) throw Unsupported("no such order of an atomic");
    if (i.op == Op::RED && (i.rmw == Rmw::EXCHANGE || i.rmw == Rmw::CAS)) throw Unsupported("no such reduction");
    i.sources = i.rmw == Rmw::CAS ? 2 : 1;
}
void fence(Words& w, Instruction& i) {
    i.order = Order::ACQ_REL;
    w.take({{"sc", Order::SC}, {"acq_rel", Order::ACQ_REL}, {"acquire", Order::ACQUIRE}, {"release", Order::RELEASE}}, i.order);
    w.need(SCOPES_, i.scope);
}
void membar(Words& w, Instruction& i) {
    i.order = Order::SC;
    w.need({{"cta", Scope::CTA}, {"gl", Scope::GPU}, {"sys", Scope::SYS}}, i.scope);
}
void cvta(Words& w, Instruction& i) {
    i.to = w.take("to");
    take_space(w, i);
    if (i.space == Space::GENERIC || i.space == Space::PARAM) w.fail();
    i.type = w.type("u32 u64");
    i.sources = 1;
}
void isspacep(Words& w, Instruction& i) {
    take_space(w, i);
    if (i.space == Space::GENERIC || i.space == Space::PARAM) w.fail();
    i.type = {Type::BITS, 64};
    i.sources = 1;
}
void mov(Words& w, Instruction& i) {
    i.type = w.type("b16 b32 b64 u16 u32 u64 s16 s32 s64 f32 f64 pred");
    i.sources = 1;
}
void cvt(Words& w, Instruction& i) {
    w.take({{"rn", Rounding::NEAREST}, {"rz", Rounding::ZERO}, {"rm", Rounding::DOWN}, {"rp", Rounding::UP}}, i.rounding);
    if (i.rounding == Rounding::NONE)
        i.to_integral = w.take({{"rni", Rounding::NEAREST}, {"rzi", Rounding::ZERO}, {"rmi", Rounding::DOWN}, {"rpi", Rounding::UP}}, i.rounding);
    i.ftz = w.take("ftz");
    i.sat = w.take("sat");
    i.type = w.type("u8 u16 u32 u64 s8 s16 s32 s64 f32 f64");
    i.from = w.type("u8 u16 u32 u64 s8 s16 s32 s64 f32 f64");
    i.sources = 1;
    bool to = i.type.is_float(), from = i.from.is_float();
    bool rounds = (to && !from) || (to && from && i.type.bits < i.from.bits);
    if (rounds != (i.rounding != Rounding::NONE && !i.to_integral) || (from && !to && !i.to_integral) || (!from && i.to_integral) ||
        (to && from && i.to_integral && i.type.bits != i.from.bits))
        throw Unsupported("the rounding does not go with the types");
    if (i.ftz && !i.type.is(Type::FLOAT, 32) && !i.from.is(Type::FLOAT, 32)) throw Unsupported(".ftz without f32");
}

void take_rounding(Words& w, Instruction& i) {
    w.take({{"rn", Rounding::NEAREST}, {"rz", Rounding::ZERO}, {"rm", Rounding::DOWN}, {"rp", Rounding::UP}}, i.rounding);
}
// Arithmetic with words that only floating point takes, or only some integers.
void arithmetic(Words& w, Instruction& i, const char* types, u8 sources) {
    take_rounding(w, i);
    i.ftz = w.take("ftz");
    i.nan = (i.op == Op::MIN || i.op == Op::MAX) && w.take("NaN");
    i.sat = w.take("sat");
    i.type = w.type(types);
    i.sources = sources;
    bool single = i.type.is(Type::FLOAT, 32);
    bool adds = i.op == Op::ADD || i.op == Op::SUB;
    if (i.rounding != Rounding::NONE && !i.type.is_float()) throw Unsupported("rounding of integers");
    if ((i.ftz || i.nan) && !single) throw Unsupported("a word for f32 alone");
    if (i.sat && !single && !(adds && i.type.is(Type::SIGNED, 32))) throw Unsupported(".sat of that type");
}
void add_sub(Words& w, Instruction& i) { arithmetic(w, i, NUMBERS, 2); }
void min_max(Words& w, Instruction& i) {
    arithmetic(w, i, NUMBERS, 2);
    if (i.sat || i.rounding != Rounding::NONE) throw Unsupported("no such minimum");
}
void abs_neg(Words& w, Instruction& i) {
    arithmetic(w, i, "s16 s32 s64 f32 f64", 1);
    if (i.sat || i.rounding != Rounding::NONE) throw Unsupported("no such sign");
}
void fma(Words& w, Instruction& i) {
    arithmetic(w, i, "f32 f64", 3);
    if (i.rounding == Rounding::NONE) throw Unsupported("fma without rounding");
}
// .approx and .full promise a few last places, and .ftz: an exact result keeps the promise.
void approximate(Words& w, Instruction& i, u8 sources) {
    bool loose = w.take("approx") || (i.op == Op::DIV && w.take("full"));
    arithmetic(w, i, "f32 f64", sources);
    if (loose == (i.rounding != Rounding::NONE) || i.sat || (loose && i.type.bits == 64)) throw Unsupported("no such precision");
    if (loose) i.rounding = Rounding::NEAREST;
}
void square_root(Words& w, Instruction& i) { approximate(w, i, 1); }
void reciprocal_root(Words& w, Instruction& i) {
    if (!w.take("approx")) w.fail();
    i.ftz = w.take("ftz");
    i.type = w.type("f32 f64");
    i.sources = 1;
}
void div(Words& w, Instruction& i) {
    Words look = w;
    std::string word = look.next();
    if (word[0] != 'u' && word[0] != 's') return approximate(w, i, 2);
    i.type = w.type(INTEGERS);
    i.sources = 2;
}
void integers(Words& w, Instruction& i) {
    i.type = w.type(INTEGERS);
    i.sources = 2;
}
void take_part(Words& w, Instruction& i) {
    if (w.take({{"lo", Part::LOW}, {"hi", Part::HIGH}, {"wide", Part::WIDE}}, i.part)) {
        i.sat = i.op == Op::MAD && i.part == Part::HIGH && w.take("sat");
        i.type = w.type(i.part == Part::WIDE ? "u16 u32 s16 s32" : i.sat ? "s32" : INTEGERS);
    } else {
        arithmetic(w, i, "f32 f64", 0);
        if (i.op == Op::MAD && i.rounding == Rounding::NONE) throw Unsupported("mad without rounding");
    }
}
void mul(Words& w, Instruction& i) {
    take_part(w, i);
    i.sources = 2;
}
void mad(Words& w, Instruction& i) {
    take_part(w, i);
    if (i.type.is_float()) i.op = Op::FMA;
    i.sources = 3;
}

void bits2(Words& w, Instruction& i) {
    i.type = w.type(ANY_BITS);
    i.sources = 2;
}
void bits1(Words& w, Instruction& i) {
    i.type = w.type(i.op == Op::CNOT ? "b16 b32 b64" : i.op == Op::NOT ? ANY_BITS : "b32 b64");
    i.sources = 1;
}
void shift(Words& w, Instruction& i) {
    i.type = w.type(i.op == Op::SHL ? "b16 b32 b64" : "b16 b32 b64 u16 u32 u64 s16 s32 s64");
    i.sources = 2;
}
void funnel(Words& w, Instruction& i) {
    bool left = w.take("l");
    if (!left && !w.take("r")) w.fail();
    bool wrap = w.take("wrap");
    if (!wrap && !w.take("clamp")) w.fail();
    i.mode = left ? wrap ? Mode::LEFT_WRAP : Mode::LEFT_CLAMP : wrap ? Mode::RIGHT_WRAP : Mode::RIGHT_CLAMP;
    i.type = w.type("b32");
    i.sources = 3;
}
void bfe(Words& w, Instruction& i) {
    i.type = w.type("u32 u64 s32 s64");
    i.sources = 3;
}
void bfi(Words& w, Instruction& i) {
    i.type = w.type("b32 b64");
    i.sources = 4;
}
void bfind(Words& w, Instruction& i) {
    if (w.take("shiftamt")) i.mode = Mode::SHIFT_AMOUNT;
    i.type = w.type("u32 u64 s32 s64");
    i.sources = 1;
}
void prmt(Words& w, Instruction& i) {
    i.type = w.type("b32");
    w.take({{"f4e", Mode::F4E}, {"b4e", Mode::B4E}, {"rc8", Mode::RC8}, {"ecl", Mode::ECL}, {"ecr", Mode::ECR}, {"rc16", Mode::RC16}}, i.mode);
    i.sources = 3;
}
void lop3(Words& w, Instruction& i) {
    i.type = w.type("b32");
    i.sources = 4;
}
void copysign(Words& w, Instruction& i) {
    i.type = w.type("f32 f64");
    i.sources = 2;
}
void selp(Words& w, Instruction& i) {
    i.type = w.type("b16 b32 b64 u16 u32 u64 s16 s32 s64 f32 f64");
    i.sources = 3;
}
void slct(Words& w, Instruction& i) {
    i.ftz = w.take("ftz");
    i.type = w.type("b16 b32 b64 u16 u32 u64 s16 s32 s64 f32 f64");
    i.from = w.type("s32 f32");
    i.sources = 3;
}
void comparison(Words& w, Instruction& i) {
    bool ordered_words = false;
    if (!w.take({{"eq", Compare::EQ}, {"ne", Compare::NE}, {"lt", Compare::LT}, {"le", Compare::LE}, {"gt", Compare::GT}, {"ge", Compare::GE}}, i.compare)) {
        ordered_words = w.take({{"lo", Compare::LT}, {"ls", Compare::LE}, {"hi", Compare::GT}, {"hs", Compare::GE}}, i.compare);
        if (!ordered_words)
            w.need({{"equ", Compare::EQU}, {"neu", Compare::NEU}, {"ltu", Compare::LTU}, {"leu", Compare::LEU}, {"gtu", Compare::GTU},
                    {"geu", Compare::GEU}, {"num", Compare::NUM}, {"nan", Compare::NAN_}}, i.compare);
    }
    w.take({{"and", Combine::AND}, {"or", Combine::OR}, {"xor", Combine::XOR}}, i.combine);
    i.ftz = w.take("ftz");
    if (i.op == Op::SET) i.type = w.type("u32 s32 f32");
    const char* types = ordered_words ? "u16 u32 u64"
                        : i.compare >= Compare::EQU ? "f32 f64"
                        : i.compare <= Compare::NE  ? "b16 b32 b64 u16 u32 u64 s16 s32 s64 f32 f64"
                                                    : NUMBERS;
    i.from = w.type(types);
    if (i.ftz && !i.from.is(Type::FLOAT, 32)) throw Unsupported("a word for f32 alone");
    i.sources = i.combine == Combine::NONE ? 2 : 3;
}

void shuffle(Words& w, Instruction& i) {
    if (!w.take("sync")) w.fail();
    w.need({{"up", Mode::UP}, {"down", Mode::DOWN}, {"bfly", Mode::BUTTERFLY}, {"idx", Mode::INDEX}}, i.mode);
    i.type = w.type("b32");
    i.sources = 4;
}
void vote(Words& w, Instruction& i) {
    if (!w.take("sync")) w.fail();
    w.need({{"all", Mode::ALL}, {"any", Mode::ANY}, {"uni", Mode::UNIFORM}, {"ballot", Mode::BALLOT}}, i.mode);
    i.type = w.type(i.mode == Mode::BALLOT ? "b32" : "pred");
    i.sources = 2;
}
void match(Words& w, Instruction& i) {
    w.need({{"any", Mode::ANY}, {"all", Mode::ALL}}, i.mode);
    if (!w.take("sync")) w.fail();
    i.type = w.type("b32 b64");
    i.sources = 2;
}
void redux(Words& w, Instruction& i) {
    if (!w.take("sync")) w.fail();
    w.need({{"add", Mode::ADD}, {"min", Mode::MIN}, {"max", Mode::MAX}, {"and", Mode::AND}, {"or", Mode::OR}, {"xor", Mode::XOR}}, i.mode);
    i.type = w.type(i.mode >= Mode::AND ? "b32" : "u32 s32");
    i.sources = 2;
}
void activemask(Words& w, Instruction& i) { i.type = w.type("b32"); }
// bar and barrier; how many operands follow says more.
void barrier(Words& w, Instruction& i) {
    bool warp = w.take("warp");
    if (warp) i.op = Op::BAR_WARP;
    else w.take("cta");
    if (!warp && w.take("red")) w.need({{"popc", Mode::POPC}, {"and", Mode::AND}, {"or", Mode::OR}}, i.mode);
    else if (!w.take("sync")) w.fail();
    i.sources = 1;
    i.type = {Type::BITS, 32};
}
void bar(Words& w, Instruction& i) {
    barrier(w, i);
    if (i.mode != Mode::NONE) i.type = w.type(i.mode == Mode::POPC ? "u32" : "pred");
}
void barrier_maybe_aligned(Words& w, Instruction& i) {
    barrier(w, i);
    i.aligned = w.take("aligned");
    if (i.mode != Mode::NONE) i.type = w.type(i.mode == Mode::POPC ? "u32" : "pred");
}
void nanosleep(Words& w, Instruction& i) {
    i.type = w.type("u32");
    i.sources = 1;
}
void plain(Words& w, Instruction&) { w.take("uni"); }

struct Known {
    Op op;
    void (*decode)(Words&, Instruction&);
};
const std::map<std::string, Known>& known() {
    static const std::map<std::string, Known> all = {
        {"abs", {Op::ABS, abs_neg}}, {"activemask", {Op::ACTIVEMASK, activemask}}, {"add", {Op::ADD, add_sub}},
        {"and", {Op::AND, bits2}}, {"atom", {Op::ATOM, atomic}}, {"bar", {Op::BAR, bar}},
        {"barrier", {Op::BAR, barrier_maybe_aligned}}, {"bfe", {Op::BFE, bfe}}, {"bfi", {Op::BFI, bfi}},
        {"bfind", {Op::BFIND, bfind}}, {"bra", {Op::BRA, plain}}, {"brev", {Op::BREV, bits1}}, {"brkpt", {Op::BRKPT, plain}},
        {"clz", {Op::CLZ, bits1}}, {"cnot", {Op::CNOT, bits1}}, {"copysign", {Op::COPYSIGN, copysign}}, {"cvt", {Op::CVT, cvt}},
        {"cvta", {Op::CVTA, cvta}}, {"div", {Op::DIV, div}}, {"exit", {Op::EXIT, plain}}, {"fence", {Op::FENCE, fence}},
        {"fma", {Op::FMA, fma}}, {"isspacep", {Op::ISSPACEP, isspacep}}, {"ld", {Op::LD, load_store}}, {"lop3", {Op::LOP3, lop3}},
        {"mad", {Op::MAD, mad}}, {"match", {Op::MATCH, match}}, {"max", {Op::MAX, min_max}}, {"membar", {Op::FENCE, membar}},
        {"min", {Op::MIN, min_max}}, {"mov", {Op::MOV, mov}}, {"mul", {Op::MUL, mul}}, {"nanosleep", {Op::NANOSLEEP, nanosleep}},
        {"neg", {Op::NEG, abs_neg}}, {"not", {Op::NOT, bits1}}, {"or", {Op::OR, bits2}}, {"popc", {Op::POPC, bits1}},
        {"prmt", {Op::PRMT, prmt}}, {"rcp", {Op::RCP, square_root}}, {"red", {Op::RED, atomic}}, {"redux", {Op::REDUX, redux}},
        {"rem", {Op::REM, integers}}, {"ret", {Op::EXIT, plain}}, {"rsqrt", {Op::RSQRT, reciprocal_root}},
        {"selp", {Op::SELP, selp}}, {"set", {Op::SET, comparison}}, {"setp", {Op::SETP, comparison}}, {"shf", {Op::SHF, funnel}},
        {"shfl", {Op::SHFL, shuffle}}, {"shl", {Op::SHL, shift}}, {"shr", {Op::SHR, shift}}, {"slct", {Op::SLCT, slct}},
        {"sqrt", {Op::SQRT, square_root}}, {"st", {Op::ST, load_store}}, {"sub", {Op::SUB, add_sub}}, {"trap", {Op::TRAP, plain}},
        {"vote", {Op::VOTE, vote}}, {"xor", {Op::XOR, bits2}},
    };
    return all;
}

// ---- where the operands belong ----

[[noreturn]] void wrong_operands() { throw Unsupported("operands that do not go with it"); }

Operand single(const ParsedOperand& o) {
    if (o.kind != ParsedOperand::ONE) wrong_operands();
    return o.values[0];
}
void destination(Operand& to, const Operand& from) {
    if (from.kind != Operand::REGISTER && from.kind != Operand::NONE) wrong_operands();
    to = from;
}
void put_vector(Operand* into, const ParsedOperand& o, unsigned width) {
    if (width == 1) {
        into[0] = single(o);
        return;
    }
    if (o.kind != ParsedOperand::VECTOR || o.values.size() != width) wrong_operands();
    std::copy(o.values.begin(), o.values.end(), into);
}
void put_address(Instruction& i, const ParsedOperand& o) {
    if (o.kind != ParsedOperand::ADDRESS) wrong_operands();
    i.address = o.values[0];
    i.offset = o.offset;
}
bool stores(Op op) { return op == Op::ST || op == Op::RED; }
bool has_result(const Instruction& i) {
    switch (i.op) {
        case Op::ST: case Op::RED: case Op::FENCE: case Op::BRA: case Op::EXIT: case Op::TRAP: case Op::BRKPT:
        case Op::NANOSLEEP: case Op::BAR_WARP: return false;
        case Op::BAR: return i.mode != Mode::NONE;
        default: return true;
    }
}
void put_mov(Instruction& i, const std::vector<ParsedOperand>& all) {
    if (all.size() != 2) wrong_operands();
    bool unpacks = all[0].kind == ParsedOperand::VECTOR, packs = all[1].kind == ParsedOperand::VECTOR;
    i.width = static_cast<u8>(std::max(all[0].values.size(), all[1].values.size()));
    if ((unpacks && packs) || (i.width > 1 && i.type.kind != Type::BITS)) wrong_operands();
    put_vector(i.to_value, all[0], unpacks ? i.width : 1);
    put_vector(i.from_value, all[1], packs ? i.width : 1);
    i.to = unpacks;
    for (Operand& to : i.to_value) destination(to, to);
}
// A barrier's operands: number, threads if said, and the predicate of a reduction.
void put_barrier(Instruction& i, std::vector<ParsedOperand> all) {
    if (i.mode != Mode::NONE) {
        if (all.size() < 3) wrong_operands();
        destination(i.to_value[0], single(all[0]));
        i.from_value[2] = single(all.back());
        all.erase(all.begin());
        all.pop_back();
    }
    if (all.empty() || all.size() > 2) wrong_operands();
    for (size_t n = 0; n < all.size(); ++n) i.from_value[n] = single(all[n]);
    i.sources = static_cast<u8>(all.size());
}
void put_operands(Instruction& i, const std::vector<ParsedOperand>& all) {
    if (i.op == Op::MOV) return put_mov(i, all);
    if (i.op == Op::BAR) return put_barrier(i, all);
    size_t at = 0;
    auto next = [&]() -> const ParsedOperand& {
        if (at == all.size()) wrong_operands();
        return all[at++];
    };
    if (has_result(i)) {
        const ParsedOperand& to = next();
        if (to.kind == ParsedOperand::PAIR) {
            bool can = i.op == Op::SHFL || i.op == Op::SETP || (i.op == Op::MATCH && i.mode == Mode::ALL);
            if (!can) wrong_operands();
            i.to_value[0] = to.values[0];
            destination(i.to_predicate, to.values[1]);
        } else {
            put_vector(i.to_value, to, i.op == Op::LD ? i.width : 1);
        }
        for (Operand& value : i.to_value) destination(value, value);
    }
    if (i.op == Op::LD || i.op == Op::ATOM || stores(i.op)) put_address(i, next());
    if (i.op == Op::ST) put_vector(i.from_value, next(), i.width);
    else for (u8 n = 0; n < i.sources; ++n) i.from_value[n] = single(next());
    if (at != all.size()) wrong_operands();
    for (u8 n = 0; n < i.sources; ++n)
        if (i.from_value[n].kind == Operand::NONE) wrong_operands();
}
}  // namespace

void decode(Instruction& i, const std::vector<ParsedOperand>& operands) {
    Words words(i.opcode);
    auto found = known().find(words.next());
    if (found == known().end()) throw Unsupported("the opcode is not known");
    i.op = found->second.op;
    found->second.decode(words, i);
    words.end();
    put_operands(i, operands);
}
}  // namespace ptx
