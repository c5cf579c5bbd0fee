// sync.cpp: instructions for which lanes wait for lanes: of a warp by their mask, of a block by its barriers.
#include <algorithm>

#include "alu.h"
#include "block.h"

namespace ptx {
namespace {
bool same_kind(const Instruction& a, const Instruction& b) {
    return a.op == b.op && a.mode == b.mode && a.type.kind == b.type.kind && a.type.bits == b.type.bits;
}
const Operand& mask_operand(const Instruction& i) {
    return i.from_value[i.op == Op::BAR_WARP ? 0 : i.op == Op::SHFL ? 3 : 1];
}
}  // namespace

// ---- lanes of a warp ----

void Execution::meet(const Instruction& i, u32 active) {
    w_.ready &= ~active;
    w_.meeting |= active;
    each(active, [&](u32 lane) {
        w_.mask[lane] = static_cast<u32>(value(mask_operand(i), lane));
        if ((w_.mask[lane] >> lane & 1) == 0) fault(Outcome::WRONG_SYNC, i, lane, "with a mask without the lane itself");
    });
    each(active, [&](u32 lane) {
        if (w_.meeting >> lane & 1) try_meeting(lane);
    });
}

// All lanes of the mask have come, or have exited: the manual lets everything but bar.warp.sync go on without those.
void Execution::try_meeting(u32 lane) {
    u32 wanted = w_.mask[lane] & w_.alive(), gone = w_.mask[lane] & w_.exists & ~w_.alive();
    const Instruction& i = at(w_, lane);
    if (gone != 0 && i.op == Op::BAR_WARP)
        fault(Outcome::WRONG_SYNC, i, lane, "waits for lane " + std::to_string(__builtin_ctz(gone)) + ", which has exited");
    if ((wanted & ~w_.meeting) != 0) return;
    bool agree = true;
    each(wanted, [&](u32 other) { agree &= w_.mask[other] == w_.mask[lane] && same_kind(at(w_, other), i); });
    if (agree) complete(wanted);
}

void Execution::complete(u32 lanes) {
    switch (at(w_, static_cast<u32>(__builtin_ctz(lanes))).op) {
        case Op::SHFL: shuffle(lanes); break;
        case Op::VOTE: vote(lanes); break;
        case Op::MATCH: match(lanes); break;
        case Op::REDUX: reduce(lanes); break;
        default: {
            std::vector<Agent> agents;
            each(lanes, [&](u32 lane) { agents.push_back(w_.agent[lane]); });
            memory_.meet(agents);  // of all these, this one alone orders memory
        }
    }
    if (w_.costs != nullptr) w_.costs->meet(lanes);
    each(lanes, [&](u32 lane) { ++w_.pc[lane]; });
    w_.meeting &= ~lanes;
    w_.ready |= lanes;
}

void Execution::shuffle(u32 lanes) {
    u64 given[LANES] = {};
    each(lanes, [&](u32 lane) { given[lane] = zero_extended(value(at(w_, lane).from_value[0], lane), 32); });
    each(lanes, [&](u32 lane) {
        const Instruction& i = at(w_, lane);
        u32 b = static_cast<u32>(value(i.from_value[1], lane)) & 31, c = static_cast<u32>(value(i.from_value[2], lane));
        u32 clamp = c & 31, segment = c >> 8 & 31;
        u32 last = (lane & segment) | (clamp & ~segment), first = lane & segment;
        i32 from = 0;
        switch (i.mode) {
            case Mode::UP: from = static_cast<i32>(lane) - static_cast<i32>(b); break;
            case Mode::DOWN: from = static_cast<i32>(lane + b); break;
            case Mode::BUTTERFLY: from = static_cast<i32>(lane ^ b); break;
            default: from = static_cast<i32>(first | (b & ~segment));
        }
        bool inside = i.mode == Mode::UP ? from >= static_cast<i32>(last) : from <= static_cast<i32>(last);
        if (!inside) from = static_cast<i32>(lane);
        if ((lanes >> from & 1) == 0)
            fault(Outcome::WRONG_SYNC, i, lane, "reads lane " + std::to_string(from) + ", which takes no part");
        put(i.to_value[0], lane, given[from]);
        put(i.to_predicate, lane, inside);
    });
}

void Execution::vote(u32 lanes) {
    u32 ballot = 0;
    each(lanes, [&](u32 lane) { ballot |= static_cast<u32>(value(at(w_, lane).from_value[0], lane) & 1) << lane; });
    each(lanes, [&](u32 lane) {
        const Instruction& i = at(w_, lane);
        bool all = ballot == lanes, any = ballot != 0;
        put(i.to_value[0], lane, i.mode == Mode::BALLOT ? ballot : i.mode == Mode::ALL ? all : i.mode == Mode::ANY ? any : all || !any);
    });
}

void Execution::match(u32 lanes) {
    u64 given[LANES] = {};
    each(lanes, [&](u32 lane) { given[lane] = zero_extended(value(at(w_, lane).from_value[0], lane), at(w_, lane).type.bits); });
    each(lanes, [&](u32 lane) {
        const Instruction& i = at(w_, lane);
        u32 same = 0;
        each(lanes, [&](u32 other) { same |= u32(given[other] == given[lane]) << other; });
        put(i.to_value[0], lane, i.mode == Mode::ANY || same == lanes ? same : 0);
        put(i.to_predicate, lane, same == lanes);
    });
}

void Execution::reduce(u32 lanes) {
    u32 first = static_cast<u32>(__builtin_ctz(lanes));
    const Instruction& i = at(w_, first);
    u64 result = value(i.from_value[0], first);
    each(lanes & (lanes - 1), [&](u32 lane) {
        u64 v = value(at(w_, lane).from_value[0], lane);
        bool less = i.type.is_signed() ? sign_extended(v, 32) < sign_extended(result, 32) : zero_extended(v, 32) < zero_extended(result, 32);
        switch (i.mode) {
            case Mode::ADD: result += v; break;
            case Mode::MIN: result = less ? v : result; break;
            case Mode::MAX: result = less ? result : v; break;
            case Mode::AND: result &= v; break;
            case Mode::OR: result |= v; break;
            default: result ^= v;
        }
    });
    each(lanes, [&](u32 lane) { put(at(w_, lane).to_value[0], lane, zero_extended(result, 32)); });
}

// ---- threads of a block ----

void Execution::arrive(const Instruction& i, u32 active) {
    w_.ready &= ~active;
    w_.barred |= active;
    u32 numbers = 0;
    each(active, [&](u32 lane) {
        u64 number = zero_extended(value(i.from_value[0], lane), 32);
        u32 expected = i.sources > 1 ? static_cast<u32>(value(i.from_value[1], lane)) : 0;
        if (number >= BARRIERS) fault(Outcome::WRONG_SYNC, i, lane, "of barrier " + std::to_string(number));
        if (i.sources > 1 && (expected == 0 || expected % LANES != 0))
            fault(Outcome::WRONG_SYNC, i, lane, "of " + std::to_string(expected) + " threads, which is no number of warps");
        Barrier& barrier = block_.barriers[number];
        if (barrier.arrived != 0 && barrier.expected != expected)
            fault(Outcome::WRONG_SYNC, i, lane, "of " + std::to_string(expected) + " threads, where others said " + std::to_string(barrier.expected));
        barrier.expected = expected;
        ++barrier.arrived;
        w_.barrier[lane] = static_cast<u8>(number);
        numbers |= 1u << number;
    });
    each(numbers, [&](u32 number) { try_barrier(number); });
}

void Execution::try_barrier(u32 number) {
    Barrier& barrier = block_.barriers[number];
    u32 wanted = barrier.expected;
    if (wanted == 0)
        for (const Warp& w : block_.warps) wanted += static_cast<u32>(__builtin_popcount(w.alive()));
    if (barrier.arrived >= wanted) pass_barrier(number);
}

void Execution::pass_barrier(u32 number) {
    struct Arrived {
        Warp* warp;
        u32 lane;
    };
    std::vector<Arrived> all;
    std::vector<Agent> agents;
    const Instruction* kind = nullptr;
    for (Warp& w : block_.warps)
        each(w.barred, [&](u32 lane) {
            if (w.barrier[lane] != number) return;
            const Instruction& i = at(w, lane);
            if (kind == nullptr) kind = &i;
            if (!same_kind(*kind, i)) fault(Outcome::WRONG_SYNC, i, lane, "meets another kind of barrier: " + kind->site);
            // The manual: all threads of a warp execute the same one.
            bool together = true;
            each(w.alive(), [&](u32 other) { together &= w.pc[other] == w.pc[lane] && (w.barred >> other & 1); });
            if (i.aligned && !together) fault(Outcome::WRONG_SYNC, i, lane, "without the other threads of its warp");
            all.push_back({&w, lane});
            agents.push_back(w.agent[lane]);
        });
    memory_.meet(agents);
    u64 count = 0;
    if (kind->mode != Mode::NONE)
        for (Arrived& a : all) {
            Execution there(memory_, clock_, random_, settings_, blocks_, block_, *a.warp);
            count += there.value(at(*a.warp, a.lane).from_value[2], a.lane) & 1;
        }
    for (Arrived& a : all) {
        const Instruction& i = at(*a.warp, a.lane);
        u64 result = i.mode == Mode::POPC ? count : i.mode == Mode::AND ? count == all.size() : count != 0;
        if (i.mode != Mode::NONE && i.to_value[0].kind == Operand::REGISTER) a.warp->at(i.to_value[0].slot, a.lane) = result;
        ++a.warp->pc[a.lane];
        a.warp->barred &= ~(1u << a.lane);
        a.warp->ready |= 1u << a.lane;
    }
    block_.barriers[number] = Barrier();
}

std::string Execution::where_they_wait(const Block& block) {
    std::string text;
    for (const Warp& w : block.warps) {
        u32 left = w.meeting | w.barred;
        while (left != 0) {
            u32 lane = static_cast<u32>(__builtin_ctz(left)), same = 0;
            each(left, [&](u32 other) { same |= u32(w.pc[other] == w.pc[lane] && w.mask[other] == w.mask[lane]) << other; });
            char lanes[96];
            std::snprintf(lanes, sizeof lanes, "lanes 0x%x of warp %u wait (mask 0x%x): ", same, w.number,
                          w.meeting >> lane & 1 ? w.mask[lane] : 0xffffffffu);
            text += (text.empty() ? "" : "; ") + std::string(lanes) + block.code()[w.pc[lane]].site;
            left &= ~same;
        }
    }
    return text;
}
}  // namespace ptx
