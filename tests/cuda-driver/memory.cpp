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
// Between device memory and the host's, so many rows of so many bytes; `on_device` is the address of the former.
struct Rows {
    size_t bytes, pitch, count;
    size_t extent() const { return count == 0 ? 0 : (count - 1) * pitch + bytes; }
};
static int copy(Call& call, void* to, const void* from, u64 on_device, u64 on_host, Rows rows, Stream* on) {
    State& s = state();
    auto stream = stream_of(call.device, on);
    size_t bytes = rows.extent();
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
        for (size_t row = 0; row < rows.count; ++row) {
            char* target = static_cast<char*>(to) + row * rows.pitch;
            const char* source = static_cast<const char*>(from) + row * rows.pitch;
            if (runs_ptx()) copy_by_machine(device, target, source, rows.bytes, to_host);
            else copy_words(target, source, rows.bytes);
        }
    };
    bool hangs_here = s.counts["hang_copies_of"] == static_cast<u64>(call.device->ordinal) + 1;
    op.never = call.fault == FAULT_NEVER || s.counts["hang_copies"] != 0 || hangs_here;
    enqueue(stream, std::move(op));
    if (!pageable) return SUCCESS;
    s.counts["pageable"]++;
    return call.wait_until_idle();
}
API int cuMemcpyDtoHAsync_v2(void* to, u64 from, size_t bytes, Stream* on) {
    CALL();
    return copy(call, to, reinterpret_cast<void*>(from), from, reinterpret_cast<u64>(to), Rows{bytes, bytes, 1}, on);
}
API int cuMemcpyHtoDAsync_v2(u64 to, const void* from, size_t bytes, Stream* on) {
    CALL();
    return copy(call, reinterpret_cast<void*>(to), from, to, reinterpret_cast<u64>(from), Rows{bytes, bytes, 1}, on);
}
// CUDA_MEMCPY2D of cuda.h, between device memory and the host's, with one pitch for both: what is called here.
struct Copy2d {
    size_t from_x, from_y;
    unsigned from_kind;
    const void* from_host;
    u64 from_device;
    void* from_array;
    size_t from_pitch, to_x, to_y;
    unsigned to_kind;
    void* to_host;
    u64 to_device;
    void* to_array;
    size_t to_pitch, width, height;
};
API int cuMemcpy2DAsync_v2(const Copy2d* what, Stream* on) {
    CALL();
    constexpr unsigned HOST = 1, DEVICE = 2;
    constexpr size_t MAX_PITCH = 0x7fffffff;
    const Copy2d& c = *what;
    bool offset = c.from_x != 0 || c.from_y != 0 || c.to_x != 0 || c.to_y != 0;
    bool to_host = c.from_kind == DEVICE && c.to_kind == HOST, to_device = c.from_kind == HOST && c.to_kind == DEVICE;
    bool known = (to_host || to_device) && c.from_pitch == c.to_pitch && !offset;
    if (!known || c.width > c.from_pitch || c.from_pitch > MAX_PITCH) return INVALID_VALUE;
    state().counts["copies_2d"]++;
    Rows rows{c.width, c.from_pitch, c.height};
    if (to_device) {
        auto to = reinterpret_cast<void*>(c.to_device);
        return copy(call, to, c.from_host, c.to_device, reinterpret_cast<u64>(c.from_host), rows, on);
    }
    auto from = reinterpret_cast<const void*>(c.from_device);
    return copy(call, c.to_host, from, c.from_device, reinterpret_cast<u64>(c.to_host), rows, on);
}
// A word that is written in the order of the stream, behind a fence of the system.
API int cuStreamWriteValue64_v2(Stream* on, u64 to, u64 value, unsigned flags) {
    CALL();
    State& s = state();
    auto stream = stream_of(call.device, on);
    if (!stream) return INVALID_HANDLE;
    const Range* range = range_of(to, 8);
    if (flags != 0 || to % 8 != 0 || range == nullptr || range->device != call.device) {
        s.counts["wild"]++;
        return INVALID_VALUE;
    }
    if (s.counts["fail_words"] != 0) {
        s.counts["fail_words"]--;
        return OUT_OF_MEMORY;
    }
    s.counts["words"]++;
    Op op;
    op.run = [=, device = call.device] {
        if (runs_ptx()) return write_by_machine(device, to, value);
        // Not over the word with which a dying context ended a kernel.
        std::lock_guard<std::mutex> lock(state().lock);
        if (device->error == SUCCESS) __atomic_store_n(reinterpret_cast<u64*>(to), value, __ATOMIC_RELEASE);
    };
    op.never = call.fault == FAULT_NEVER || s.counts["hang_copies"] != 0;
    enqueue(stream, std::move(op));
    return SUCCESS;
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
