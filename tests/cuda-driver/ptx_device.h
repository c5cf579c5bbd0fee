// ptx_device.h: the devices of the stand-in as PTX machines: modules are the PTX text that they were loaded from, run 32 lanes
// wide on a weak memory (ptx/), in place of the crate's kernels built for CPU threads. STAND_IN_RUNS=ptx asks for it;
// STAND_IN_SEED is the seed, which is printed.
#pragma once
#include "driver.h"
#include "ptx/machine.h"

namespace stand_in {
bool runs_ptx();
ptx::Machine& machine();

// Null, and the reason in `log`, for text that is no PTX or none that the machine knows.
std::shared_ptr<const ptx::Program> load_ptx(const char* text, std::string& log);

// Returns when that block has ended: SUCCESS, or the error that the context dies of. What can only be a fault of the kernels or
// of the crate (a race, a deadlock, lanes that cannot meet) ends the process, and says so.
int run_ptx_block(const ptx::Entry& entry, const std::vector<ptx::u8>& params, unsigned block, unsigned blocks, unsigned threads,
                  unsigned shared_bytes, const Device* device);

// Memory comes and goes.
void tell_machine_of(u64 address, size_t bytes, bool pinned);
void tell_machine_gone(u64 address);

// As the copy engine does it: word by word, with other work in between.
void copy_by_machine(const Device* device, char* to, const char* from, size_t bytes, bool to_host);
// A word behind a fence of the system, in the order of its stream.
void write_by_machine(const Device* device, u64 to, u64 value);
void set_by_machine(const Device* device, u64 at, unsigned char value, size_t bytes);
}  // namespace stand_in
