// plain_memory.cpp: a Memory that is strongly ordered and looks for no races: for tests of the machine alone.
#include <cstring>
#include <map>

#include "memory.h"

namespace ptx {
class MemoryState {
   public:
    std::map<u64, u64> ranges;  // address, bytes
    std::vector<Race> races;
    Agent next = 0;
};

namespace {
u64 get(u64 address, u8 bytes) {
    switch (bytes) {
        case 1: return __atomic_load_n(reinterpret_cast<u8*>(address), __ATOMIC_SEQ_CST);
        case 2: return __atomic_load_n(reinterpret_cast<std::uint16_t*>(address), __ATOMIC_SEQ_CST);
        case 4: return __atomic_load_n(reinterpret_cast<u32*>(address), __ATOMIC_SEQ_CST);
        default: return __atomic_load_n(reinterpret_cast<u64*>(address), __ATOMIC_SEQ_CST);
    }
}
void set(u64 address, u8 bytes, u64 v) {
    switch (bytes) {
        case 1: return __atomic_store_n(reinterpret_cast<u8*>(address), static_cast<u8>(v), __ATOMIC_SEQ_CST);
        case 2: return __atomic_store_n(reinterpret_cast<std::uint16_t*>(address), static_cast<std::uint16_t>(v), __ATOMIC_SEQ_CST);
        case 4: return __atomic_store_n(reinterpret_cast<u32*>(address), static_cast<u32>(v), __ATOMIC_SEQ_CST);
        default: return __atomic_store_n(reinterpret_cast<u64*>(address), v, __ATOMIC_SEQ_CST);
    }
}
template <class F>
u64 sum(u64 a, u64 b) {
    F x, y;
    std::memcpy(&x, &a, sizeof x);
    std::memcpy(&y, &b, sizeof y);
    x += y;
    u64 bits = 0;
    std::memcpy(&bits, &x, sizeof x);
    return bits;
}
u64 changed(Rmw what, unsigned bytes, u64 before, u64 operand, u64 compare) {
    unsigned above = 64 - 8 * bytes;
    auto sign = [&](u64 v) { return static_cast<std::int64_t>(v << above) >> above; };
    switch (what) {
        case Rmw::ADD: return before + operand;
        case Rmw::MIN: return before < operand ? before : operand;
        case Rmw::MAX: return before > operand ? before : operand;
        case Rmw::AND: return before & operand;
        case Rmw::OR: return before | operand;
        case Rmw::XOR: return before ^ operand;
        case Rmw::EXCHANGE: return operand;
        case Rmw::CAS: return before == compare ? operand : before;
        case Rmw::ADD_F32: return sum<float>(before, operand);
        case Rmw::ADD_F64: return sum<double>(before, operand);
        case Rmw::MIN_SIGNED: return sign(before) < sign(operand) ? before : operand;
        default: return sign(before) > sign(operand) ? before : operand;
    }
}
}  // namespace

Memory::Memory(const MemorySettings&) : state_(std::make_unique<MemoryState>()) {}
Memory::~Memory() = default;
void Memory::add_range(u64 address, u64 bytes, bool) { state_->ranges[address] = bytes; }
void Memory::remove_range(u64 address) { state_->ranges.erase(address); }
bool Memory::has(u64 address, u64 bytes) const {
    auto after = state_->ranges.upper_bound(address);
    if (after == state_->ranges.begin()) return false;
    auto& [start, size] = *std::prev(after);
    return address - start < size && bytes <= size - (address - start);
}
Agent Memory::begin(const Standing&) { return state_->next++; }
std::vector<Agent> Memory::begin(const std::vector<Standing>& standings) {
    std::vector<Agent> agents;
    for (const Standing& standing : standings) agents.push_back(begin(standing));
    return agents;
}
void Memory::end(Agent) {}
u64 Memory::load(Agent, const Access& access) { return get(access.address, access.bytes); }
void Memory::store(Agent, const Access& access, u64 value) { set(access.address, access.bytes, value); }
u64 Memory::rmw(Agent, const Access& access, Rmw what, u64 operand, u64 compare, bool) {
    u64 before = get(access.address, access.bytes);
    set(access.address, access.bytes, changed(what, access.bytes, before, operand, compare));
    return before;
}
void Memory::fence(Agent, Order, Scope) {}
void Memory::meet(const std::vector<Agent>&) {}
void Memory::step() {}
void Memory::settle() {}
u64 Memory::copy_word_out(Agent, u64 from) { return get(from, 8); }
void Memory::copy_bytes_in(Agent, u64 to, const void* from, u64 bytes) { std::memcpy(reinterpret_cast<void*>(to), from, bytes); }
u64 Memory::host_load(Agent, const Access& access) { return get(access.address, access.bytes); }
void Memory::host_store(Agent, const Access& access, u64 value) { set(access.address, access.bytes, value); }
const std::vector<Race>& Memory::races() const { return state_->races; }
}  // namespace ptx
