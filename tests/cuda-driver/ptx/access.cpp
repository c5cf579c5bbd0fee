// access.cpp: loads, stores, atomics, fences. Parameters and local memory are the lane's own; all else is the Memory's.
#include <cstring>

#include "alu.h"
#include "block.h"

namespace ptx {
namespace {
std::string hexadecimal(u64 v) {
    char text[24];
    std::snprintf(text, sizeof text, "0x%llx", static_cast<unsigned long long>(v));
    return text;
}
Access access_of(const Instruction& i, u64 address) {
    return {address, static_cast<u8>(i.type.bytes()), i.order, i.scope, i.site.c_str()};
}
}  // namespace

void Execution::access(const Instruction& i, u32 active) {
    switch (i.op) {
        case Op::LD: return each(active, [&](u32 lane) { load(i, lane); });
        case Op::ST: return each(active, [&](u32 lane) { store(i, lane); });
        case Op::FENCE:
            return each(active, [&](u32 lane) {
                if (w_.costs != nullptr) w_.costs->fence(lane, i.scope == Scope::SYS && lane == static_cast<u32>(__builtin_ctz(active)));
                memory_.fence(w_.agent[lane], i.order, i.scope);
            });
        default: return each(active, [&](u32 lane) { atomic(i, lane); });
    }
}

// The process's address of what this lane means; `direct` if nobody else can mean it.
u64 Execution::address_of(const Instruction& i, u32 lane, u64 bytes, bool& direct) {
    u64 said = value(i.address, lane) + static_cast<u64>(i.offset), address = said, room = 0;
    u64 local = block_.local_address(w_, lane);
    switch (i.space) {
        case Space::PARAM:
            address += reinterpret_cast<u64>(block_.launch.params.data());
            room = block_.launch.params.size();
            break;
        case Space::SHARED:
            address += block_.shared_address();
            room = block_.shared_bytes;
            break;
        case Space::LOCAL:
            address += local;
            room = block_.local_stride;
            break;
        default: break;
    }
    if (said % bytes != 0) fault(Outcome::ILLEGAL_ADDRESS, i, lane, "at the misaligned address " + hexadecimal(said));
    bool own = i.space == Space::LOCAL || (i.space == Space::GENERIC && said - local < block_.local_stride);
    direct = own || i.space == Space::PARAM;
    bool there = room != 0 ? said < room && bytes <= room - said : direct || memory_.has(address, bytes);
    if (i.space == Space::SHARED && room == 0) there = false;
    if (!there) fault(Outcome::ILLEGAL_ADDRESS, i, lane, "at the illegal address " + hexadecimal(said));
    return address;
}

void Execution::load(const Instruction& i, u32 lane) {
    bool direct;
    unsigned bytes = i.type.bytes();
    const u64 first = address_of(i, lane, u64(bytes) * i.width, direct);
    // Each part is whole by itself, and nothing orders the parts: a strong load takes them in any order.
    const u8 begin = i.width > 1 && i.order != Order::WEAK && !direct ? static_cast<u8>(random_.below(i.width)) : u8(0);
    for (u8 part = 0; part < i.width; ++part) {
        const u8 n = static_cast<u8>((begin + part) % i.width);
        const u64 address = first + u64(n) * bytes;
        u64 v = 0;
        if (direct) std::memcpy(&v, reinterpret_cast<const void*>(address), bytes);
        else v = memory_.load(w_.agent[lane], access_of(i, address));
        // A register may be wider than what it takes.
        put(i.to_value[n], lane, i.type.is_signed() ? static_cast<u64>(sign_extended(v, i.type.bits)) : zero_extended(v, i.type.bits));
        if (w_.costs != nullptr && !direct) count_load(i, lane, n, address, v);
    }
}

void Execution::count_load(const Instruction& i, u32 lane, u8 part, u64 address, u64 value) {
    Costs& costs = *w_.costs;
    const bool link = memory_.is_pinned(address), strong = i.order != Order::WEAK, waits = i.order == Order::ACQUIRE;
    if (i.to_value[part].kind != Operand::REGISTER || i.space == Space::SHARED || (!link && !strong)) return;
    if (link && strong) costs.marks.push_back({Costs::Mark::LOAD, address, value, costs.counts()});
    costs.acquires += waits;
    costs.loaded(i.to_value[part].slot, lane, link, waits);
}

void Execution::store(const Instruction& i, u32 lane) {
    bool direct;
    unsigned bytes = i.type.bytes();
    u64 address = address_of(i, lane, u64(bytes) * i.width, direct);
    for (u8 n = 0; n < i.width; ++n, address += bytes) {
        u64 v = zero_extended(value(i.from_value[n], lane), i.type.bits);
        if (w_.costs != nullptr && !direct && i.order != Order::WEAK && memory_.is_pinned(address))
            w_.costs->marks.push_back({Costs::Mark::STORE, address, v, w_.costs->counts()});
        if (direct) std::memcpy(reinterpret_cast<void*>(address), &v, bytes);
        else memory_.store(w_.agent[lane], access_of(i, address), v);
    }
}

void Execution::atomic(const Instruction& i, u32 lane) {
    bool direct;
    u64 address = address_of(i, lane, i.type.bytes(), direct);
    if (direct) fault(Outcome::ILLEGAL_ADDRESS, i, lane, "on local memory");
    u64 first = zero_extended(value(i.from_value[0], lane), i.type.bits);
    u64 second = zero_extended(value(i.from_value[1], lane), i.type.bits);
    bool swaps = i.rmw == Rmw::CAS;
    u64 before = memory_.rmw(w_.agent[lane], access_of(i, address), i.rmw, swaps ? second : first, swaps ? first : 0, i.op == Op::RED);
    put(i.to_value[0], lane, zero_extended(before, i.type.bits));
    if (w_.costs != nullptr && i.op == Op::ATOM && i.space == Space::GLOBAL && i.to_value[0].kind == Operand::REGISTER)
        w_.costs->loaded(i.to_value[0].slot, lane, memory_.is_pinned(address), i.order == Order::ACQUIRE || i.order == Order::ACQ_REL);
}

bool Execution::is_in(const Instruction& i, u32 lane, u64 address) {
    bool shared = address - block_.shared_address() < block_.shared_bytes;
    bool local = address - block_.local_address(w_, lane) < block_.local_stride;
    switch (i.space) {
        case Space::SHARED: return shared;
        case Space::LOCAL: return local;
        case Space::GLOBAL: return !shared && !local && memory_.has(address, 1);
        default: fault(Outcome::UNSUPPORTED, i, lane, "asks for constant memory");
    }
}
}  // namespace ptx
