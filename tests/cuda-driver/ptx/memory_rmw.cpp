// memory_rmw.cpp: see the header.
#include "memory_rmw.h"

#include <algorithm>
#include <cstring>

namespace ptx {
template <class To, class From>
static To as(From from) {
    static_assert(sizeof(To) == sizeof(From), "the same bits");
    To to;
    std::memcpy(&to, &from, sizeof to);
    return to;
}

template <class Unsigned, class Signed, class Float>
static Unsigned apply(Rmw what, Unsigned old, Unsigned operand) {
    switch (what) {
        case Rmw::ADD: return old + operand;
        case Rmw::MIN: return std::min(old, operand);
        case Rmw::MAX: return std::max(old, operand);
        case Rmw::AND: return old & operand;
        case Rmw::OR: return old | operand;
        case Rmw::XOR: return old ^ operand;
        case Rmw::EXCHANGE:
        case Rmw::CAS: return operand;  // asked only where the value compared equal
        case Rmw::MIN_SIGNED: return Unsigned(std::min(Signed(old), Signed(operand)));
        case Rmw::MAX_SIGNED: return Unsigned(std::max(Signed(old), Signed(operand)));
        case Rmw::ADD_F32:
        case Rmw::ADD_F64: return as<Unsigned>(Float(as<Float>(old) + as<Float>(operand)));
    }
    return old;
}

u64 applied(Rmw what, u8 bytes, u64 old, u64 operand) {
    if (bytes == 4) return apply<u32, std::int32_t, float>(what, u32(old), u32(operand));
    return apply<u64, std::int64_t, double>(what, old, operand);
}
}  // namespace ptx
