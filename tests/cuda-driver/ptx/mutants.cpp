// mutants.cpp: what can be wrong with an instruction that orders memory or brings lanes together.
#include "mutants.h"

namespace mutants {
namespace {
bool orders(const Instruction& i) { return i.op == Op::LD || i.op == Op::ST || i.op == Op::ATOM || i.op == Op::RED; }
bool in_global(const Instruction& i) { return i.space == Space::GLOBAL || i.space == Space::GENERIC; }

// A branch to what follows anyway.
Instruction nothing(const Entry& entry, size_t at) {
    Instruction i;
    i.op = Op::BRA;
    i.target = static_cast<u32>(at + 1);
    i.line = entry.code[at].line;
    i.site = entry.code[at].site + " (dropped)";
    i.opcode = entry.code[at].opcode;
    return i;
}

void weaker_order(const Entry& entry, size_t at, std::vector<Mutant>& all) {
    const Instruction& i = entry.code[at];
    auto become = [&](const char* what, Order order) {
        Mutant m{what, at, i, at, {}};
        m.wrong.order = order;
        all.push_back(m);
    };
    if (i.op == Op::FENCE) {
        all.push_back({"fence dropped", at, nothing(entry, at), at, {}});
        if (i.order == Order::SC) become("fence.sc to acq_rel", Order::ACQ_REL);
        return;
    }
    if (i.order == Order::ACQUIRE) become("acquire to relaxed", Order::RELAXED);
    if (i.order == Order::RELEASE) become("release to relaxed", Order::RELAXED);
    if (i.order == Order::ACQ_REL) become("acq_rel to relaxed", Order::RELAXED);
    if (i.order == Order::RELAXED && in_global(i) && (i.op == Op::LD || i.op == Op::ST)) become("relaxed to weak", Order::WEAK);
}

void smaller_scope(const Entry& entry, size_t at, std::vector<Mutant>& all) {
    const Instruction& i = entry.code[at];
    if (i.order == Order::WEAK && i.op != Op::FENCE) return;
    if (!in_global(i) && i.op != Op::FENCE) return;
    auto become = [&](const char* what, Scope scope) {
        Mutant m{what, at, i, at, {}};
        m.wrong.scope = scope;
        all.push_back(m);
    };
    if (i.scope == Scope::SYS) become(".sys to .gpu", Scope::GPU);
    if (i.scope != Scope::CTA) become("scope to .cta", Scope::CTA);
}

// All lanes: written out, or in a register that never holds anything else.
bool is_full(const Entry& entry, const Operand& mask) {
    auto all = [](const Operand& o) { return o.kind == Operand::VALUE && (o.value & 0xffffffff) == 0xffffffff; };
    if (mask.kind != Operand::REGISTER) return all(mask);
    bool written = false;
    for (const Instruction& i : entry.code)
        for (const Operand& to : i.to_value) {
            if (to.kind != Operand::REGISTER || to.slot != mask.slot) continue;
            if (i.op != Op::MOV || !all(i.from_value[0])) return false;
            written = true;
        }
    return written;
}

void lanes_apart(const Entry& entry, size_t at, std::vector<Mutant>& all) {
    const Instruction& i = entry.code[at];
    if (i.op == Op::BAR_WARP) all.push_back({"bar.warp.sync dropped", at, nothing(entry, at), at, {}});
    if (i.op == Op::BAR && i.mode == Mode::NONE) all.push_back({"bar.sync dropped", at, nothing(entry, at), at, {}});
    if (i.op != Op::BAR_WARP && i.op != Op::SHFL && i.op != Op::VOTE) return;
    // The mask is the last source.
    if (i.sources == 0) return;
    if (!is_full(entry, i.from_value[i.sources - 1])) return;
    Mutant m{"a mask without lane 31", at, i, at, {}};
    Operand& mask = m.wrong.from_value[i.sources - 1];
    mask.kind = Operand::VALUE;
    mask.value = 0x7fffffff;
    all.push_back(m);
}

// The next store that is not far behind, with nothing between that jumps or waits.
void stores_swapped(const Entry& entry, size_t at, std::vector<Mutant>& all) {
    const Instruction& i = entry.code[at];
    if (i.op != Op::ST || !in_global(i)) return;
    for (size_t next = at + 1; next < entry.code.size() && next < at + 8; ++next) {
        const Instruction& other = entry.code[next];
        if (other.op == Op::BRA || other.op == Op::BAR || other.op == Op::BAR_WARP || other.op == Op::SHFL || other.op == Op::EXIT) return;
        if (other.op != Op::ST || !in_global(other)) continue;
        if (i.guard != other.guard) return;
        all.push_back({"stores swapped", at, other, next, {}});
        return;
    }
}
}  // namespace

std::vector<Mutant> of(const Entry& entry) {
    std::vector<Mutant> all;
    for (size_t at = 0; at < entry.code.size(); ++at) {
        const Instruction& i = entry.code[at];
        if (orders(i) || i.op == Op::FENCE) {
            weaker_order(entry, at, all);
            smaller_scope(entry, at, all);
        }
        lanes_apart(entry, at, all);
        stores_swapped(entry, at, all);
    }
    return all;
}

std::vector<Mutant> of_lines(const std::vector<Mutant>& all, const std::vector<std::string>& lines, bool single) {
    std::map<std::string, std::vector<const Mutant*>> copies;
    for (const Mutant& one : all)
        if (one.with == one.at && !lines[one.at].empty()) copies[one.what + one.wrong.opcode + lines[one.at]].push_back(&one);
    std::vector<Mutant> made;
    for (auto& [line, same] : copies) {
        if (same.size() < 2 && !single) continue;
        Mutant m = *same.front();
        m.what += ", every copy";
        for (const Mutant* other : same)
            if (other != same.front()) m.also.push_back({other->at, other->wrong});
        made.push_back(std::move(m));
    }
    return made;
}

Applied::Applied(Entry& entry, const Mutant& mutant) : entry_(entry), before_(entry.code) {
    if (mutant.with != mutant.at) entry.code[mutant.with] = before_[mutant.at];
    entry.code[mutant.at] = mutant.wrong;
    for (auto& [at, wrong] : mutant.also) entry.code[at] = wrong;
}
Applied::~Applied() { entry_.code = std::move(before_); }
}  // namespace mutants
