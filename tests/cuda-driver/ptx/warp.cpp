// warp.cpp: instructions that one warp executes for itself: arithmetic, control, special registers.
#include <algorithm>

#include "alu.h"
#include "block.h"

namespace ptx {
void Execution::run(u32 lanes, unsigned instructions) {
    u32 pc = w_.pc[__builtin_ctz(lanes)];
    while (instructions-- > 0) {
        const Instruction& i = block_.code()[pc];
        u32 active = guarded(i, lanes);
        u64 count = static_cast<u64>(__builtin_popcount(active));
        i.executed += count;
        block_.executed += count;
        if (w_.costs != nullptr) w_.costs->instruction();
        if (active == 0) ++pc;
        else if (!execute(i, lanes, active, pc)) return;
    }
    place(lanes, pc);
}

u32 Execution::guarded(const Instruction& i, u32 lanes) {
    if (i.guard < 0) return lanes;
    u32 active = 0;
    each(lanes, [&](u32 lane) {
        if (w_.costs != nullptr) w_.costs->used(static_cast<u32>(i.guard), lane);
        active |= static_cast<u32>((w_.at(static_cast<u32>(i.guard), lane) & 1) != i.guard_negated) << lane;
    });
    return active;
}

void Execution::place(u32 lanes, u32 pc) {
    each(lanes, [&](u32 lane) { w_.pc[lane] = pc; });
}

bool Execution::execute(const Instruction& i, u32 lanes, u32 active, u32& pc) {
    u32 rest = lanes & ~active;
    switch (i.op) {
        case Op::BRA:
            if (rest == 0) {
                pc = i.target;
                return true;
            }
            place(active, i.target);
            place(rest, pc + 1);
            return false;
        case Op::EXIT:
        case Op::NANOSLEEP:
        case Op::SHFL:
        case Op::VOTE:
        case Op::MATCH:
        case Op::REDUX:
        case Op::BAR_WARP:
        case Op::BAR:
            place(rest, pc + 1);
            place(active, pc);
            if (i.op == Op::EXIT) exit(active);
            else if (i.op == Op::NANOSLEEP) sleep(i, active);
            else if (i.op == Op::BAR) arrive(i, active);
            else meet(i, active);
            return false;
        case Op::TRAP:
        case Op::BRKPT: fault(Outcome::TRAPPED, i, static_cast<u32>(__builtin_ctz(active)), "");
        case Op::LD:
        case Op::ST:
        case Op::ATOM:
        case Op::RED:
        case Op::FENCE: access(i, active); break;
        default: compute(i, active);
    }
    ++pc;
    return true;
}

void Execution::compute(const Instruction& i, u32 active) {
    switch (i.op) {
        case Op::MOV: return move(i, active);
        case Op::CVTA: return convert_address(i, active);
        case Op::ISSPACEP:
            return each(active, [&](u32 lane) { put(i.to_value[0], lane, is_in(i, lane, value(i.from_value[0], lane))); });
        case Op::ACTIVEMASK: return each(active, [&](u32 lane) { put(i.to_value[0], lane, active); });
        default: break;
    }
    each(active, [&](u32 lane) {
        u64 v[4] = {};
        for (u8 n = 0; n < i.sources; ++n) v[n] = value(i.from_value[n], lane);
        u64 result = evaluate(i, v[0], v[1], v[2], v[3]);
        put(i.to_value[0], lane, result);
        put(i.to_predicate, lane, result >> 1);
    });
}

// Also packs and unpacks: the first of a vector has the lowest bits.
void Execution::move(const Instruction& i, u32 active) {
    bool reads_clock = i.from_value[0].kind == Operand::SPECIAL;
    u64 same = reads_clock ? special(static_cast<Special>(i.from_value[0].slot), static_cast<u32>(__builtin_ctz(active))) : 0;
    bool clock = reads_clock && i.from_value[0].slot >= u32(Special::GLOBALTIMER) && i.from_value[0].slot <= u32(Special::CLOCK64);
    unsigned bits = i.type.bits / i.width;
    each(active, [&](u32 lane) {
        if (i.width == 1) return put(i.to_value[0], lane, clock ? same : value(i.from_value[0], lane));
        if (i.to) {
            u64 whole = value(i.from_value[0], lane);
            for (u8 n = 0; n < i.width; ++n) put(i.to_value[n], lane, zero_extended(whole >> (n * bits), bits));
        } else {
            u64 whole = 0;
            for (u8 n = 0; n < i.width; ++n) whole |= zero_extended(value(i.from_value[n], lane), bits) << (n * bits);
            put(i.to_value[0], lane, whole);
        }
    });
}

// Generic addresses are the process's. Shared and local memory have addresses of their own, from 0.
void Execution::convert_address(const Instruction& i, u32 active) {
    each(active, [&](u32 lane) {
        u64 start = i.space == Space::SHARED ? block_.shared_address() : i.space == Space::LOCAL ? block_.local_address(w_, lane) : 0;
        u64 from = value(i.from_value[0], lane);
        put(i.to_value[0], lane, i.to ? from - start : from + start);
    });
}

void Execution::sleep(const Instruction& i, u32 active) {
    if (w_.costs != nullptr) w_.costs->marks.push_back({Costs::Mark::SLEEP, 0, 0, w_.costs->counts()});
    u64 now = clock_.host_ns();
    // One that has done next to nothing since it slept polls; let it cost little.
    constexpr u64 LITTLE = 400, FIRST_NAP = 10000;
    bool idle = block_.executed - block_.executed_at_sleep < LITTLE;
    block_.executed_at_sleep = block_.executed;
    u64 longest = settings_.longest_nap_ns * (1 + blocks_ / 32);
    block_.nap_ns = !idle ? 0 : std::min(longest, std::max(FIRST_NAP, block_.nap_ns * 2));
    each(active, [&](u32 lane) {
        u64 asked = std::min<u64>(zero_extended(value(i.from_value[0], lane), 32), 1000000);
        w_.wake_ns[lane] = now + random_.below(static_cast<u32>(2 * asked + 1)) + block_.nap_ns;
        if (w_.sleeping == 0 || w_.wake_ns[lane] < w_.next_wake_ns) w_.next_wake_ns = w_.wake_ns[lane];
        w_.sleeping |= 1u << lane;
        ++w_.pc[lane];
    });
    w_.ready &= ~active;
}

void Execution::exit(u32 active) {
    w_.ready &= ~active;
    // Who waits for them may wait no longer.
    for (u32 left = w_.meeting; left != 0; left &= left - 1) {
        u32 lane = static_cast<u32>(__builtin_ctz(left));
        if (w_.meeting >> lane & 1) try_meeting(lane);
    }
    for (u32 number = 0; number < BARRIERS; ++number)
        if (block_.barriers[number].arrived != 0) try_barrier(number);
}

u64 Execution::special(Special what, u32 lane) const {
    const Dim3& threads = block_.launch.threads;
    const Dim3& grid = block_.launch.grid;
    u32 thread = w_.number * LANES + lane, bit = 1u << lane;
    switch (what) {
        case Special::TID_X: return thread % threads.x;
        case Special::TID_Y: return thread / threads.x % threads.y;
        case Special::TID_Z: return thread / threads.x / threads.y;
        case Special::NTID_X: return threads.x;
        case Special::NTID_Y: return threads.y;
        case Special::NTID_Z: return threads.z;
        case Special::CTAID_X: return block_.index.x;
        case Special::CTAID_Y: return block_.index.y;
        case Special::CTAID_Z: return block_.index.z;
        case Special::NCTAID_X: return grid.x;
        case Special::NCTAID_Y: return grid.y;
        case Special::NCTAID_Z: return grid.z;
        case Special::LANEID: return lane;
        case Special::WARPID: return w_.number;
        case Special::NWARPID: return block_.warps.size();
        case Special::SMID: return block_.multiprocessor;
        case Special::NSMID: return settings_.multiprocessors;
        case Special::GLOBALTIMER: return clock_.device_ns();
        case Special::GLOBALTIMER_LO: return clock_.device_ns() & 0xffffffff;
        case Special::GLOBALTIMER_HI: return clock_.device_ns() >> 32;
        // Cycles, which each multiprocessor counts for itself, from seconds before another.
        case Special::CLOCK:
        case Special::CLOCK_HI:
        case Special::CLOCK64: {
            u64 cycles = (clock_.host_ns() + block_.multiprocessor * 3000000007u) * 3 / 2;
            return what == Special::CLOCK64 ? cycles : what == Special::CLOCK ? cycles & 0xffffffff : cycles >> 32;
        }
        case Special::LANEMASK_EQ: return bit;
        case Special::LANEMASK_LE: return bit | (bit - 1);
        case Special::LANEMASK_LT: return bit - 1;
        case Special::LANEMASK_GE: return ~(bit - 1);
        case Special::LANEMASK_GT: return ~(bit | (bit - 1));
    }
    return 0;
}

u64 Execution::value(const Operand& o, u32 lane) {
    switch (o.kind) {
        case Operand::REGISTER:
            if (w_.costs != nullptr) w_.costs->used(o.slot, lane);
            return o.negated ? ~w_.at(o.slot, lane) : w_.at(o.slot, lane);
        case Operand::VALUE: return o.value;
        case Operand::SPECIAL: return special(static_cast<Special>(o.slot), lane);
        case Operand::DYNAMIC_SHARED: return block_.dynamic_shared + o.value;
        default: return 0;
    }
}

void Execution::fault(Outcome::End end, const Instruction& i, u32 lane, const std::string& why) const {
    std::string text = i.site + (why.empty() ? "" : " " + why) + ", block " + std::to_string(block_.index.x) + "," +
                       std::to_string(block_.index.y) + "," + std::to_string(block_.index.z) + " thread " +
                       std::to_string(w_.number * LANES + lane);
    throw Fault{end, text};
}
}  // namespace ptx
