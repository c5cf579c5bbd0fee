// memory.h: the memory that the lanes of the PTX machine see: as weak as PTX allows within reason, and watched for
// races.
//
// Whoever touches memory is an agent: a lane, a stream's copies, the host. Each has a vector clock. A word (8 aligned
// bytes) remembers its latest writes in the order in which they came about, each with its writer's clock. A load may be
// answered by any of them that is not older than what happened before the load: so a plain load may see an SM's stale
// line, and only an acquire ends that. What is stored reaches the real memory, which the host and the copy engine read,
// later and in any order, but before what a release or a fence of the same agent publishes. Addresses are the process's
// own; the first and the last word of a range are readable as a whole.
//
// Not produced, though PTX permits it: load buffering (a load that sees a store that comes later). Of stores of two lanes to
// one word that nothing orders (2+2W), the later one may take its place before the other, before that one alone.
//
// A race is two accesses to a byte, at least one a write, that nothing orders, unless both are strong, of one size, and
// each one's scope includes the other agent. Nothing else is reported. What may be missed:
// - A word remembers about 8 writes and 16 kinds of reads: a race with an older one, unless a later one races as well.
// - The silent host (pinned ranges: it writes without telling) is found by comparing bytes. Its loads are not seen, nor
//   its stores of what was there already, nor those to a range before a device first touches it. What it did before a
//   store that a lane acquires is looked for after the lane's load, so writes of a moment later count as acquired too; and
//   it is taken to have acquired whatever release of a device is visible in pinned memory, and what copies brought it.
//   (A host that tells, by host_load and host_store, is judged exactly.)
// - A copy to or from words that no lane has touched: while no lane lives it is taken to have happened before them all.
// - A relaxed load that saw a write orders what comes after it; where the reader is forgotten, it is taken to.
#pragma once
#include <cstddef>
#include <cstdint>
#include <functional>
#include <memory>
#include <string>
#include <vector>

namespace ptx {
using u8 = std::uint8_t;
using u32 = std::uint32_t;
using u64 = std::uint64_t;

enum class Order : u8 { WEAK, RELAXED, ACQUIRE, RELEASE, ACQ_REL, SC };
enum class Scope : u8 { CTA, GPU, SYS };
enum class Rmw : u8 { ADD, MIN, MAX, AND, OR, XOR, EXCHANGE, CAS, ADD_F32, ADD_F64, MIN_SIGNED, MAX_SIGNED };

using Agent = u32;

// One access of one lane. `site` names the instruction for a report: "crc32c_l2 line 812: ld.relaxed.gpu.global…".
struct Access {
    u64 address = 0;
    u8 bytes = 8;  // 1, 2, 4 or 8, and aligned to itself; a vector is several accesses
    Order order = Order::WEAK;
    Scope scope = Scope::GPU;
    const char* site = "";  // has to live as long as the memory
};

// Where an agent stands: decides which scopes include another.
struct Standing {
    enum Kind : u8 { LANE, COPY, HOST } kind = LANE;
    u32 device = 0;
    u64 block = 0;   // the same number for lanes of one block, no other block of the process has it
    u32 thread = 0;  // within the block; for reports alone
};

struct Race {
    std::string text;  // both instructions, the address, what each did
};

struct MemorySettings {
    u64 seed = 1;
    bool weak = true;             // false: everything is visible at once; races are still found
    bool stop_at_first_race = true;
    unsigned visible_one_in = 64; // a step makes a store visible that nothing ordered, this often on average
};

class MemoryState;

// Not for several threads at once: the machine's lock is held by who calls.
class Memory {
   public:
    explicit Memory(const MemorySettings& settings);
    ~Memory();

    // An address range that exists. `pinned`: the host writes it without telling (its writes are found by comparing).
    void add_range(u64 address, u64 bytes, bool pinned);
    void remove_range(u64 address);
    bool has(u64 address, u64 bytes) const;
    // Of an address that exists: whether a trip over the link leads there.
    bool is_pinned(u64 address) const;

    // A new agent, after all that the host has done so far; numbers of agents that ended are used again.
    Agent begin(const Standing& standing);
    // The same for all lanes of a launch, which looks at the host's memory once.
    std::vector<Agent> begin(const std::vector<Standing>& standings);
    // All that it did is visible, and happened before what the host does from now on.
    void end(Agent agent);

    // Its block was trapped: of what nothing ordered before that some is lost. Its end comes after.
    void lose(Agent agent);

    u64 load(Agent agent, const Access& access);
    void store(Agent agent, const Access& access, u64 value);
    // The value before; `compare` for CAS alone. A reduction, whose result nobody wants, may become visible late.
    u64 rmw(Agent agent, const Access& access, Rmw what, u64 operand, u64 compare, bool reduction);
    void fence(Agent agent, Order order, Scope scope);
    // bar.warp.sync and bar.sync: what each did before happened before what any does after.
    void meet(const std::vector<Agent>& agents);

    // Time passes: now and then a store becomes visible.
    void step();
    // All of the stores of a device become visible: nothing runs on it.
    void settle();

    // The copy engine takes words one by one: each is one call, with other work in between.
    u64 copy_word_out(Agent copy, u64 from);
    void copy_bytes_in(Agent copy, u64 to, const void* from, u64 bytes);

    // A host that tells, for tests whose host is simulated: as lanes, at system scope.
    u64 host_load(Agent host, const Access& access);
    void host_store(Agent host, const Access& access, u64 value);

    const std::vector<Race>& races() const;

   private:
    std::unique_ptr<MemoryState> state_;
};
}  // namespace ptx
