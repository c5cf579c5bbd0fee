// numbered.cpp: kernels in a library of their own, with a shim of their own, whose blocks the host device numbers by calling:
// each call of an entry is the next block of the grid that `number_blocks` announced.
#include <ringscope/telemetry.cuh>

#include "../cuda-driver/ptx/kernels/roles.cu"

namespace {
unsigned next_block, blocks_of_grid;
void run_next(void (*entry)(void**), void** args) {
    ringscope_host::run_block(entry, args, __atomic_fetch_add(&next_block, 1u, __ATOMIC_SEQ_CST), blocks_of_grid);
}
}  // namespace

extern "C" void number_blocks(unsigned blocks) {
    next_block = 0;
    blocks_of_grid = blocks;
}
#define NUMBERED(name) \
    extern "C" void name##_numbered(void** args) { run_next(name##_host, args); }
NUMBERED(roles_tasks)
NUMBERED(roles_extremes)
NUMBERED(roles_attached)
NUMBERED(roles_merged)
NUMBERED(roles_rows)
NUMBERED(roles_wrong)
