// memory.cpp: memory of devices and of the host, and what moves between the two.
#include "driver.h"
#include "ptx_device.h"

using namespace stand_in;

namespace {
int allocate(Call& call, u64* address, size_t bytes, bool pinned) {
    State& s = state();
    if (bytes == 0) return INVALID_VALUE;
    if (bytes > LARGEST) return OUT_OF_MEMORY;
    if (int error = call.wait_until_idle()) return error;
    void* memory = std::aligned_alloc(4096, (bytes + 4095) / 4096 * 4096);
    if (memory == nullptr) return OUT_OF_MEMORY;
    std::memset(memory, 0xa5, bytes);  // not zeroed, as the real one
    *address = reinterpret_cast<u64>(memory);
    s.ranges[*address] = Range{call.device, bytes, pinned};
    if (runs_ptx()) tell_machine_of(*address, bytes, pinned);
    return SUCCESS;
}

int release(Call& call, u64 address, bool pinned) {
    State& s = state();
    auto found = s.ranges.find(address);
    if (found == s.ranges.end() || found->second.pinned != pinned) {
        s.counts["wild"]++;
        return INVALID_VALUE;
    }
    if (int error = call.wait_until_idle()) return error;
    s.ranges.erase(address);
    bury(address);
    std::memset(reinterpret_cast<void*>(address), 0x5a, 64);
    return SUCCESS;
}

// Words as the copy engine reads them: each of them whole.
void copy_words(char* to, const char* from, size_t bytes) {
    for (; bytes >= 8; bytes -= 8, to += 8, from += 8) {
        u64 word = __atomic_load_n(reinterpret_cast<const u64*>(from), __ATOMIC_RELAXED);
        std::memcpy(to, &word, 8);
    }
    std::memcpy(to, from, bytes);
}

}  // namespace

API int cuMemAlloc_v2(u64* address, size_t bytes) {
    CALL();
    return allocate(call, address, bytes, false);
}
API int cuMemFree_v2(u64 address) {
    CALL();
    return release(call, address, false);
}
API int cuMemHostAlloc(void** memory, size_t bytes, unsigned) {
    CALL();
    u64 address = 0;
    int result = allocate(call, &address, bytes, true);
    *memory = reinterpret_cast<void*>(address);
    return result;
}
API int cuMemFreeHost(void* memory) {
    CALL();
    return release(call, reinterpret_cast<u64>(memory), true);
}
API int cuMemHostGetDevicePointer_v2(u64* address, void* memory, unsigned flags) {
    CALL();
    const Range* range = range_of(reinterpret_cast<u64>(memory), 1);
    if (range == nullptr || !range->pinned || flags != 0) return INVALID_VALUE;
    *address = reinterpret_cast<u64>(memory);
    return SUCCESS;
}
// Between device memory and the host's; `on_device` is the address of the former.
static int copy(Call& call, void* to, const void* from, u64 on_device, u64 on_host, size_t bytes, Stream* on) {
    State& s = state();
    auto stream = stream_of(call.device, on);
    const Range* device = range_of(on_device, bytes);
    if (!stream) return INVALID_HANDLE;
    if (device == nullptr ? !is_global(call.device, on_device, bytes) : device->device != call.device) {
        s.counts["wild"]++;
        return INVALID_VALUE;
    }
    s.counts["copies"]++;
    const Range* host = range_of(on_host, bytes);
    bool pageable = host == nullptr || !host->pinned;
    Op op;
    bool to_host = from == reinterpret_cast<const void*>(on_device);
    op.run = [=, device = call.device] {
        char* target = static_cast<char*>(to);
        const char* source = static_cast<const char*>(from);
        if (runs_ptx()) copy_by_machine(device, target, source, bytes, to_host);
        else copy_words(target, source, bytes);
    };
    op.never = call.fault == FAULT_NEVER || s.counts["hang_copies"] != 0;
    enqueue(stream, std::move(op));
    if (!pageable) return SUCCESS;
    s.counts["pageable"]++;
    return call.wait_until_idle();
}
API int cuMemcpyDtoHAsync_v2(void* to, u64 from, size_t bytes, Stream* on) {
    CALL();
    return copy(call, to, reinterpret_cast<void*>(from), from, reinterpret_cast<u64>(to), bytes, on);
}
API int cuMemcpyHtoDAsync_v2(u64 to, const void* from, size_t bytes, Stream* on) {
    CALL();
    return copy(call, reinterpret_cast<void*>(to), from, to, reinterpret_cast<u64>(from), bytes, on);
}
API int cuMemsetD8Async(u64 at, unsigned char value, size_t bytes, Stream* on) {
    CALL();
    auto stream = stream_of(call.device, on);
    if (!stream) return INVALID_HANDLE;
    if (range_of(at, bytes) == nullptr) {
        state().counts["wild"]++;
        return INVALID_VALUE;
    }
    Op op;
    op.block = [=, device = call.device](unsigned) {
        if (runs_ptx()) set_by_machine(device, at, value, bytes);
        else std::memset(reinterpret_cast<void*>(at), value, bytes);
    };
    op.never = call.fault == FAULT_NEVER;
    op.blocks = 1;  // it runs on the multiprocessors
    enqueue(stream, std::move(op));
    return SUCCESS;
}
