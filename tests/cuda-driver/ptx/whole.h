// whole.h: for tests that run the crate's own kernels twice: as PTX on the machine, and as C++ on this thread.
#pragma once
#include <ringscope/abi.h>

#include <fstream>
#include <sstream>

#include "bench.h"
#include "../../../kernels/host/shim.h"

namespace whole {
using namespace ptx;

constexpr unsigned LEVELS = 4;

// Of scripts/ptx.sh: l0.ptx to l3.ptx; and those of kernels/. Set by main.
inline std::string folder, test_folder;

inline std::unique_ptr<Program> read(const std::string& file) {
    std::ifstream in(file);
    std::stringstream text;
    text << in.rdbuf();
    if (!in) throw std::runtime_error("no file " + file);
    return Program::parse(text.str());
}
inline std::unique_ptr<Program> program(unsigned level) { return read(folder + "/l" + std::to_string(level) + ".ptx"); }
inline std::unique_ptr<Program> test_program(const std::string& name, unsigned level) {
    return read(test_folder + "/" + name + "_l" + std::to_string(level) + ".ptx");
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
// Without events, spans and a black box.
inline ringscope_kernel_ref ref(ringscope_shard* shards, void* buckets, const ringscope_metric* table, u32 count, u32 stride, u32 metrics) {
    ringscope_kernel_ref r{};
    r.shards = shards;
    r.buckets = static_cast<ringscope_u64*>(buckets);
    r.metrics = table;
    r.shard_count = count;
    // A row for each shard where there are up to 8.
    while (r.row_mask + 1 < count && r.row_mask < 7) r.row_mask = r.row_mask * 2 + 1;
    r.bucket_stride = stride;
    r.scale = 3;
    r.metric_count = metrics;
    return r;
}
// The rings of events and spans of so many shards.
template <u32 SHARDS, u32 RECORDS>
struct alignas(128) Traces {
    ringscope_u64 records[SHARDS][RECORDS][RINGSCOPE_RECORD_WORDS]{};
    ringscope_u64 heads[SHARDS][RINGSCOPE_HEAD_WORDS]{};
    ringscope_u64 filter = 0;

    void join(ringscope_kernel_ref& r) {
        r.records = &records[0][0][0];
        r.heads = &heads[0][0];
        r.filter = &filter;
        r.record_count = RECORDS;
    }
};
// Their black boxes, which are in pinned memory.
template <u32 SHARDS, u32 RECORDS>
struct alignas(128) Boxes {
    struct {
        ringscope_u64 words[RINGSCOPE_BOX_WORDS];
        ringscope_u64 records[RECORDS][RINGSCOPE_RECORD_WORDS];
    } of[SHARDS]{};

    void join(ringscope_kernel_ref& r) {
        r.box = of[0].words;
        r.box_count = RECORDS;
    }
};
template <class T>
void add(Memory& memory, T& what, bool pinned) {
    memory.add_range(reinterpret_cast<u64>(&what), sizeof what, pinned);
}
}  // namespace whole
