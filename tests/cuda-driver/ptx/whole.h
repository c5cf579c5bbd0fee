// whole.h: for tests that run the crate's own kernels twice: as PTX on the machine, and as C++ on this thread.
#pragma once
#include <ringscope/abi.h>

#include <fstream>
#include <sstream>

#include "bench.h"
#include "../../../kernels/host/shim.h"

namespace whole {
using namespace ptx;

// Of scripts/ptx.sh: l0.ptx, l1.ptx, l2.ptx; and those of kernels/. Set by main.
inline std::string folder, test_folder;

inline std::unique_ptr<Program> program(unsigned level) {
    std::string file = folder + "/l" + std::to_string(level) + ".ptx";
    std::ifstream in(file);
    std::stringstream text;
    text << in.rdbuf();
    if (!in) throw std::runtime_error("no file " + file);
    return Program::parse(text.str());
}

template <class Args>
Launch launch(const Program& program, const std::string& entry, const Args& args, u32 blocks, u32 threads = 32) {
    Launch l;
    l.entry = program.entry(entry);
    if (l.entry == nullptr) throw std::runtime_error("no entry " + entry);
    const void* arguments[] = {&args};
    l.params = l.entry->pack(arguments);
    l.grid.x = blocks;
    l.threads.x = threads;
    return l;
}
template <class T>
void add(Memory& memory, T& what, bool pinned) {
    memory.add_range(reinterpret_cast<u64>(&what), sizeof what, pinned);
}
}  // namespace whole
