// ptx_device.cpp: between the driver's calls and the PTX machine.
#include "ptx_device.h"

#include <cstdio>
#include <random>

#include "../../kernels/host/shim.h"

namespace stand_in {
namespace {
u64 from_environment(const char* name, u64 otherwise) {
    const char* text = std::getenv(name);
    return text == nullptr || *text == 0 ? otherwise : std::strtoull(text, nullptr, 0);
}

u64 seed() {
    static const u64 chosen = [] {
        u64 random = (u64(std::random_device{}()) << 32) | std::random_device{}();
        u64 one = from_environment("STAND_IN_SEED", random);
        std::fprintf(stderr, "told: the PTX machine's seed: STAND_IN_SEED=%llu\n", one);
        return one;
    }();
    return chosen;
}

ptx::Memory& memory() {
    static ptx::Memory* one = [] {
        ptx::MemorySettings settings;
        settings.seed = seed();
        return new ptx::Memory(settings);
    }();
    return *one;
}

// Nobody could go on from here in a way that tells anything.
[[noreturn]] void give_up(const std::string& why) {
    std::fprintf(stderr, "the PTX machine: %s\nto see it again: STAND_IN_SEED=%llu (the host's threads are not part of it)\n",
                 why.c_str(), seed());
    std::_Exit(101);
}

void check_races() {
    if (!memory().races().empty()) give_up("a data race: " + memory().races().front().text);
}

// Bytes that are copied before others have their turn: a few words of what is small, and of what is large a part.
constexpr size_t LEAST = 256, TURNS = 256;
}  // namespace

bool runs_ptx() {
    static const bool does = [] {
        const char* what = std::getenv("STAND_IN_RUNS");
        return what != nullptr && std::strcmp(what, "ptx") == 0;
    }();
    return does;
}

// Never destroyed, as the state.
ptx::Machine& machine() {
    static ptx::Machine* one = [] {
        ptx::MachineSettings settings;
        settings.seed = seed();
        settings.multiprocessors = MULTIPROCESSORS;
        settings.clock = [] { return u64(ringscope_host::clock_ns()); };  // clock.cpp has the drift and the tick
        settings.tick_ns = 1;
        return new ptx::Machine(memory(), settings);
    }();
    return *one;
}

std::shared_ptr<const ptx::Program> load_ptx(const char* text, std::string& log) try {
    auto program = ptx::Program::parse(text);
    machine().load(*program);
    auto unload = [](const ptx::Program* gone) {
        machine().unload(*gone);
        delete gone;
    };
    return std::shared_ptr<const ptx::Program>(program.release(), unload);
} catch (const ptx::Unsupported& why) {
    log = why.what();
    return nullptr;
}

int run_ptx_block(const ptx::Entry& entry, const std::vector<ptx::u8>& params, unsigned block, unsigned blocks, unsigned threads,
                  unsigned shared_bytes, const Device* device) {
    ptx::Launch launch;
    launch.entry = &entry;
    launch.params = params;
    launch.grid.x = blocks;
    launch.threads.x = threads;
    launch.shared_bytes = shared_bytes;
    launch.device = static_cast<ptx::u32>(device->ordinal);
    ptx::Dim3 index{block, 0, 0};
    ptx::Outcome outcome = machine().run_block(launch, index);
    switch (outcome.end) {
        case ptx::Outcome::RETURNED:
        case ptx::Outcome::STOPPED: return SUCCESS;
        case ptx::Outcome::ILLEGAL_ADDRESS:
            std::fprintf(stderr, "the PTX machine: %s\n", outcome.text.c_str());
            return ILLEGAL_ADDRESS;
        case ptx::Outcome::TRAPPED: return LAUNCH_FAILED;
        default: give_up(outcome.text);
    }
}

void tell_machine_of(u64 address, size_t bytes, bool pinned) {
    machine().with_memory([&](ptx::Memory& m) { m.add_range(address, (bytes + 7) / 8 * 8, pinned); });
}
void tell_machine_gone(u64 address) {
    machine().with_memory([&](ptx::Memory& m) { m.remove_range(address); });
}

namespace {
// One agent a copy; `piece` moves some bytes at an offset.
void in_pieces(const Device* device, size_t bytes, const std::function<void(ptx::Memory&, ptx::Agent, size_t, size_t)>& piece) {
    ptx::Standing standing;
    standing.kind = ptx::Standing::COPY;
    standing.device = static_cast<ptx::u32>(device->ordinal);
    ptx::Agent agent = 0;
    machine().with_memory([&](ptx::Memory& m) { agent = m.begin(standing); });
    size_t each = std::max(LEAST, bytes / TURNS / 8 * 8);
    for (size_t at = 0; at < bytes; at += each) {
        size_t count = std::min(each, bytes - at);
        machine().with_memory([&](ptx::Memory& m) { piece(m, agent, at, count); });
    }
    machine().with_memory([&](ptx::Memory& m) {
        m.end(agent);
        check_races();
    });
}
}  // namespace

void copy_by_machine(const Device* device, char* to, const char* from, size_t bytes, bool to_host) {
    in_pieces(device, bytes, [=](ptx::Memory& m, ptx::Agent agent, size_t at, size_t count) {
        if (!to_host) return m.copy_bytes_in(agent, reinterpret_cast<u64>(to + at), from + at, count);
        for (size_t word = 0; word < count; word += 8) {
            u64 value = m.copy_word_out(agent, reinterpret_cast<u64>(from + at + word));
            std::memcpy(to + at + word, &value, std::min<size_t>(8, count - word));
        }
    });
}

void write_by_machine(const Device* device, u64 to, u64 value) {
    ptx::Standing standing;
    standing.kind = ptx::Standing::COPY;
    standing.device = static_cast<ptx::u32>(device->ordinal);
    machine().with_memory([&](ptx::Memory& m) {
        // What came before it in the stream has ended, and with it what that copied became visible.
        ptx::Agent agent = m.begin(standing);
        m.store(agent, ptx::Access{to, 8, ptx::Order::RELEASE, ptx::Scope::SYS, "a word written by a stream"}, value);
        m.end(agent);
        check_races();
    });
}

void set_by_machine(const Device* device, u64 at, unsigned char value, size_t bytes) {
    in_pieces(device, bytes, [=](ptx::Memory& m, ptx::Agent agent, size_t offset, size_t count) {
        m.copy_bytes_in(agent, at + offset, std::vector<unsigned char>(count, value).data(), count);
    });
}
}  // namespace stand_in
