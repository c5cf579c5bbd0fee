// The block's coordinates, and the door through which HostDevice sets them.
#include "shim.h"

thread_local uint3 ringscope_block_index;
thread_local dim3 ringscope_grid_dim;
unsigned ringscope_running_blocks = 0;

namespace {
struct Trap {};
thread_local bool is_trapped = false;
}  // namespace

void ringscope_host::trap() {
    is_trapped = true;
    throw Trap{};
}
bool ringscope_host::trapped() { return is_trapped; }

extern "C" bool ringscope_host_run_block(void (*entry)(void**), void** args, const unsigned* block, const unsigned* grid) {
    ringscope_block_index = {block[0], block[1], block[2]};
    ringscope_grid_dim = {grid[0], grid[1], grid[2]};
    __atomic_fetch_add(&ringscope_running_blocks, 1u, __ATOMIC_RELAXED);
    is_trapped = false;
    try {
        entry(args);
    } catch (const Trap&) {
    }
    __atomic_fetch_sub(&ringscope_running_blocks, 1u, __ATOMIC_RELAXED);
    return !is_trapped;
}

extern "C" unsigned long long ringscope_host_clock_ns() { return ringscope_host::clock_ns(); }
