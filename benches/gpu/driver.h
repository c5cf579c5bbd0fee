// driver.h: the CUDA driver, loaded at run time, so that `measure` is built without CUDA. Every wait has an end.
#ifndef RINGSCOPE_BENCHES_GPU_DRIVER_H
#define RINGSCOPE_BENCHES_GPU_DRIVER_H

#include <chrono>
#include <cstddef>
#include <stdexcept>
#include <string>
#include <vector>

namespace gpu {
using u64 = unsigned long long;
using u32 = unsigned int;
using Clock = std::chrono::steady_clock;

// Why something could not be measured.
struct Failure : std::runtime_error {
    using std::runtime_error::runtime_error;
};

using Function = void*;
using Stream = void*;
using Event = void*;
using Address = u64;

#define GPU_FUNCTIONS(X)                                                                                        \
    X(cuInit, (unsigned))                                                                                       \
    X(cuDriverGetVersion, (int*))                                                                               \
    X(cuGetErrorName, (int, const char**))                                                                      \
    X(cuDeviceGet, (int*, int))                                                                                 \
    X(cuDeviceGetName, (char*, int, int))                                                                       \
    X(cuDeviceGetAttribute, (int*, int, int))                                                                   \
    X(cuDevicePrimaryCtxRetain, (void**, int))                                                                  \
    X(cuCtxSetCurrent, (void*))                                                                                 \
    X(cuModuleLoadData, (void**, const void*))                                                                  \
    X(cuModuleGetFunction, (Function*, void*, const char*))                                                     \
    X(cuFuncSetAttribute, (Function, int, int))                                                                 \
    X(cuFuncGetAttribute, (int*, int, Function))                                                                \
    X(cuOccupancyMaxActiveBlocksPerMultiprocessor, (int*, Function, int, size_t))                               \
    X(cuMemAlloc_v2, (Address*, size_t))                                                                        \
    X(cuMemHostAlloc, (void**, size_t, unsigned))                                                               \
    X(cuMemHostGetDevicePointer_v2, (Address*, void*, unsigned))                                                \
    X(cuMemsetD8Async, (Address, unsigned char, size_t, Stream))                                                \
    X(cuMemcpyHtoDAsync_v2, (Address, const void*, size_t, Stream))                                             \
    X(cuMemcpyDtoHAsync_v2, (void*, Address, size_t, Stream))                                                   \
    X(cuStreamCreateWithPriority, (Stream*, unsigned, int))                                                     \
    X(cuStreamQuery, (Stream))                                                                                  \
    X(cuEventCreate, (Event*, unsigned))                                                                        \
    X(cuEventRecord, (Event, Stream))                                                                           \
    X(cuLaunchKernel,                                                                                           \
      (Function, unsigned, unsigned, unsigned, unsigned, unsigned, unsigned, unsigned, Stream, void**, void**))

// One GPU with the kernels of kernels.cu. Nothing is freed: the process ends when it has measured.
class Gpu {
public:
    // Throws Failure.
    Gpu();

    Function function(const char* name) const;
    int attribute(int which) const;
    u32 multiprocessors() const { return static_cast<u32>(attribute(16)); }
    std::string name() const;
    // Blocks of so many threads that fill the GPU.
    u32 resident(Function f, u32 threads) const;

    // Zeroed memory of the device, and of the host at an address that the device has for it.
    Address memory(size_t bytes) const;
    struct Mapped {
        volatile u64* host;
        Address device;
    };
    Mapped mapped(size_t bytes) const;

    Stream stream(int priority = 0) const;
    bool done(Stream s) const;
    // Whether it is done within that time.
    bool wait(Stream s, double seconds) const;
    // As `wait`; Failure if it is not.
    void finish(Stream s, double seconds, const char* what) const;

    template <class... Arguments>
    void launch(Function f, u32 blocks, u32 threads, u32 shared, Stream s, Arguments... arguments) const {
        void* list[] = {&arguments...};
        must(cuLaunchKernel(f, blocks, 1, 1, threads, 1, 1, shared, s, list, nullptr), "cuLaunchKernel");
    }
    void must(int result, const char* what) const;

#define GPU_DECLARE(name, parameters) int(*name) parameters;
    GPU_FUNCTIONS(GPU_DECLARE)
#undef GPU_DECLARE

private:
    int device_ = 0;
    void *context_ = nullptr, *module_ = nullptr;
};

inline double seconds_since(Clock::time_point start) { return std::chrono::duration<double>(Clock::now() - start).count(); }

// The value below which `part` of them lie; sorts them.
double quantile(std::vector<double>& values, double part);
}  // namespace gpu
#endif
