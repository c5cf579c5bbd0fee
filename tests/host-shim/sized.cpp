// sized.cpp: the kernels of sized.cu in a library of their own, with a shim of their own. To the program each is a ring kernel of one
// thread: its entry runs the block here. Blocks are numbered by calling, those of a launch after those of the one before.
#include "../cuda-driver/ptx/kernels/sized.cu"

#include <vector>

// The shim's own clock is made for programs: with it all that is thread-local, shared memory too, would have to find room in what a
// program keeps free for libraries that come late.
unsigned long long ringscope_host::clock_ns() { return steady_ns(); }

namespace {
constexpr unsigned BLOCKS = 2;

void run(unsigned& next, unsigned threads, void (*entry)(void**), void** args) {
    unsigned block = __atomic_fetch_add(&next, 1u, __ATOMIC_SEQ_CST) % BLOCKS;
    std::vector<unsigned> shared(static_cast<const SizedArgs*>(args[1])->dynamic != 0 ? threads : 0);
    if (!ringscope_host::run_block(entry, args, block, BLOCKS, threads, shared.empty() ? nullptr : shared.data())) ringscope_host::trap();
}
}  // namespace

#define LIBRARY_KERNEL(threads)                                                                            \
    namespace {                                                                                            \
    unsigned next_##threads = 0;                                                                           \
    void run_##threads(void** args) {                                                                      \
        run(next_##threads, threads, RINGSCOPE_JOIN(RINGSCOPE_JOIN(sized_##threads##_l, RINGSCOPE_LEVEL), _host), args); \
    }                                                                                                      \
    }                                                                                                      \
    extern "C" const ringscope_host_kernel library_##threads;                                              \
    const ringscope_host_kernel library_##threads = {                                                      \
        run_##threads, RINGSCOPE_ABI_VERSION, RINGSCOPE_LEVEL, sizeof(SizedArgs), alignof(SizedArgs), nullptr, 1, 0};
LIBRARY_KERNEL(32)
LIBRARY_KERNEL(64)
LIBRARY_KERNEL(128)
LIBRARY_KERNEL(256)
LIBRARY_KERNEL(512)
LIBRARY_KERNEL(1024)
