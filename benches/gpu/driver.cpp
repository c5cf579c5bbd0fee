// driver.cpp: see driver.h.
#include "driver.h"

#include <dlfcn.h>
#include <unistd.h>

#include <algorithm>
#include <cstdio>
#include <cstring>
#include <fstream>
#include <iterator>
#include <thread>

namespace gpu {
namespace {
constexpr int NOT_READY = 600;

// The PTX that lies beside this program.
std::string kernels() {
    char path[4096] = {};
    if (readlink("/proc/self/exe", path, sizeof path - 1) < 0) throw Failure("/proc/self/exe cannot be read");
    std::string file = std::string(path) + ".ptx";
    std::ifstream in(file);
    if (!in) throw Failure(file + " cannot be read: it belongs beside this program");
    return {std::istreambuf_iterator<char>(in), {}};
}
}  // namespace

Gpu::Gpu() {
    void* library = dlopen("libcuda.so.1", RTLD_NOW);
    if (!library) throw Failure("there is no CUDA driver library (libcuda.so.1)");
#define GPU_LOAD(name, parameters)                                                 \
    name = reinterpret_cast<int(*) parameters>(dlsym(library, #name));             \
    if (!name) throw Failure("the driver has no " #name ": update it");
    GPU_FUNCTIONS(GPU_LOAD)
#undef GPU_LOAD
    must(cuInit(0), "cuInit");
    must(cuDeviceGet(&device_, 0), "cuDeviceGet");
    must(cuDevicePrimaryCtxRetain(&context_, device_), "cuDevicePrimaryCtxRetain");
    must(cuCtxSetCurrent(context_), "cuCtxSetCurrent");
    must(cuModuleLoadData(&module_, kernels().c_str()), "cuModuleLoadData");
}

void Gpu::must(int result, const char* what) const {
    if (result == 0) return;
    const char* name = nullptr;
    cuGetErrorName(result, &name);
    throw Failure(std::string(what) + " failed: " + (name ? name : std::to_string(result)));
}

Function Gpu::function(const char* name) const {
    Function f = nullptr;
    must(cuModuleGetFunction(&f, module_, name), name);
    int registers = 0;  // Loads it now, and not under a kernel.
    must(cuFuncGetAttribute(&registers, 4, f), "cuFuncGetAttribute");
    return f;
}

int Gpu::attribute(int which) const {
    int value = 0;
    must(cuDeviceGetAttribute(&value, which, device_), "cuDeviceGetAttribute");
    return value;
}

std::string Gpu::name() const {
    char name[256] = {};
    must(cuDeviceGetName(name, sizeof name - 1, device_), "cuDeviceGetName");
    return name;
}

u32 Gpu::resident(Function f, u32 threads) const {
    int each = 0;
    must(cuOccupancyMaxActiveBlocksPerMultiprocessor(&each, f, static_cast<int>(threads), 0), "cuOccupancyMaxActiveBlocksPerMultiprocessor");
    return static_cast<u32>(each) * multiprocessors();
}

Address Gpu::memory(size_t bytes) const {
    Address address = 0;
    must(cuMemAlloc_v2(&address, bytes), "cuMemAlloc");
    Stream s = stream();
    must(cuMemsetD8Async(address, 0, bytes, s), "cuMemsetD8Async");
    finish(s, 10, "zeroing memory");
    return address;
}

Gpu::Mapped Gpu::mapped(size_t bytes) const {
    constexpr unsigned PORTABLE_AND_MAPPED = 3;
    void* host = nullptr;
    Address device = 0;
    must(cuMemHostAlloc(&host, bytes, PORTABLE_AND_MAPPED), "cuMemHostAlloc");
    std::memset(host, 0, bytes);
    must(cuMemHostGetDevicePointer_v2(&device, host, 0), "cuMemHostGetDevicePointer");
    return {static_cast<volatile u64*>(host), device};
}

Stream Gpu::stream(int priority) const {
    constexpr unsigned NON_BLOCKING = 1;
    Stream s = nullptr;
    must(cuStreamCreateWithPriority(&s, NON_BLOCKING, priority), "cuStreamCreateWithPriority");
    return s;
}

bool Gpu::done(Stream s) const {
    int result = cuStreamQuery(s);
    if (result == NOT_READY) return false;
    must(result, "cuStreamQuery");
    return true;
}

bool Gpu::wait(Stream s, double seconds) const {
    auto start = Clock::now();
    while (!done(s)) {
        if (seconds_since(start) > seconds) return false;
        if (seconds_since(start) > 0.01) std::this_thread::sleep_for(std::chrono::microseconds(50));
    }
    return true;
}

void Gpu::finish(Stream s, double seconds, const char* what) const {
    if (!wait(s, seconds)) throw Failure(std::string(what) + " did not end within " + std::to_string(static_cast<int>(seconds)) + " s");
}

double quantile(std::vector<double>& values, double part) {
    if (values.empty()) return 0;
    std::sort(values.begin(), values.end());
    return values[std::min(values.size() - 1, static_cast<size_t>(part * static_cast<double>(values.size())))];
}
}  // namespace gpu
