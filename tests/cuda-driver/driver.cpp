// driver.cpp: a stand-in for libcuda.so.1, for tests: two devices that run the crate's own kernels on CPU threads.
//
// It keeps what a persistent kernel makes dangerous:
// - Streams are asynchronous and ordered, each with a thread of its own. The NULL stream waits for all blocking streams,
//   and they for it; non-blocking ones do not.
// - What allocates, frees, loads or unloads waits until nothing is queued or runs on the device, so a path that does it at
//   the wrong time hangs, as it would on a GPU. (A GPU waits in fewer cases. No case in which it waits is missing.)
// - A function's code is loaded when its function is first asked about, or at its first launch, and that waits too.
// - A copy to pageable memory is synchronous, and waits for resident kernels.
// - An error of the context stays: every later call that needs the context returns it. Kernels end with it.
// - No more blocks are resident than fit; others wait for room.
//
// Each call counts, by its name and by the phase that the test said it is in, and one of them can be made to fail. The
// test's door is at the end: the functions named stand_in_*.
#include <ringscope/abi.h>

#include <algorithm>
#include <chrono>
#include <condition_variable>
#include <cstdlib>
#include <cstring>
#include <deque>
#include <functional>
#include <map>
#include <memory>
#include <mutex>
#include <set>
#include <string>
#include <thread>
#include <vector>

#include "../../kernels/host/shim.h"

#define API extern "C" __attribute__((visibility("default")))

#define STAND_IN_RING_KERNELS(X)                                             \
    X(crc32c_l0) X(crc32c_l1) X(crc32c_l2) X(echo_l0) X(echo_l1) X(echo_l2)  \
    X(vector_add_l0) X(vector_add_l1) X(vector_add_l2)                       \
    X(compute_l0) X(compute_l1) X(compute_l2)                                \
    X(tally_l0) X(tally_l1) X(tally_l2)
#define STAND_IN_PROBES(X)                           \
    X(probe_l0) X(probe_l1) X(probe_l2) X(clock_probe) \
    X(probe_metrics_l0) X(probe_metrics_l1) X(probe_metrics_l2)
#define STAND_IN_DECLARE(name) extern "C" void name##_host(void** args);
#define STAND_IN_DECLARE_RING(name) extern "C" const ringscope_host_kernel name##_kernel;
STAND_IN_PROBES(STAND_IN_DECLARE)
STAND_IN_RING_KERNELS(STAND_IN_DECLARE_RING)

namespace {
using u64 = unsigned long long;
using Trampoline = void (*)(void**);

struct Known {
    Trampoline entry;
    size_t args_bytes, args_align;  // of the author's arguments
};

const std::map<std::string, Known>& kernels() {
#define STAND_IN_PROBE(name) {#name, {name##_host, 0, 0}},
#define STAND_IN_RING(name) {#name, {name##_kernel.entry, name##_kernel.args_bytes, name##_kernel.args_align}},
    static const auto* all =
        new std::map<std::string, Known>{STAND_IN_PROBES(STAND_IN_PROBE) STAND_IN_RING_KERNELS(STAND_IN_RING)};
    return *all;
}

enum Result : int {
    SUCCESS = 0,
    INVALID_VALUE = 1,
    OUT_OF_MEMORY = 2,
    NOT_INITIALIZED = 3,
    INVALID_DEVICE = 101,
    INVALID_IMAGE = 200,
    INVALID_CONTEXT = 201,
    INVALID_HANDLE = 400,
    NOT_FOUND = 500,
    NOT_READY = 600,
    ILLEGAL_ADDRESS = 700,
    LAUNCH_FAILED = 719,
};

// What may be made of one call.
enum Fault : int {
    FAULT_NONE,
    FAULT_OUT_OF_MEMORY,    // it fails, once
    FAULT_LAUNCH_FAILED,    // it fails, and the context is dead
    FAULT_ILLEGAL_ADDRESS,  // it succeeds, and then the context is dead
    FAULT_NOT_READY,        // a query: that stream or event is not ready, for ever
    FAULT_NEVER,            // work put in a stream: it never completes
};

constexpr int DEVICES = 2;
constexpr int MULTIPROCESSORS = 4;
constexpr int BLOCKS_EACH = 2;
constexpr size_t LARGEST = 1u << 30;

// A kernel that ends when this word says so.
struct Resident {
    const void* argument;
    u64* word;
    u64 stop;
};

// kernels/probe.cu has the same.
struct ProbeArguments {
    ringscope_kernel_ref telemetry;
    u64 *in, *out, *words, *stop, what, count, rounds, scale;
};
constexpr u64 PROBE_FAULT = 4;

union Argument {
    ringscope_ring_args ring;
    ProbeArguments probe;
    u64 address;
};

struct Own {
    alignas(16) unsigned char bytes[RINGSCOPE_MAX_ARGS];
};

bool is_probe(const std::string& name) { return name.compare(0, 6, "probe_") == 0; }
size_t argument_bytes(const std::string& name) {
    return name == "clock_probe" ? sizeof(u64) : is_probe(name) ? sizeof(ProbeArguments) : sizeof(ringscope_ring_args);
}
Resident resident_of(const std::string& name, const Argument* argument) {
    if (is_probe(name)) return {argument, argument->probe.stop, 1};
    return {argument, &argument->ring.host->command, (1ull << 62) + RINGSCOPE_COMMAND_STOP};
}

struct Device;
struct Mark {
    bool done = false;
};
using MarkRef = std::shared_ptr<Mark>;

struct Op {
    std::function<void()> run;
    MarkRef mark = std::make_shared<Mark>();
    std::vector<MarkRef> after;
    unsigned blocks = 0;
    bool never = false;
};
struct Stream {
    Device* device = nullptr;
    bool blocking = false;
    bool started = false;
    bool destroyed = false;
    bool stuck = false;
    MarkRef tail;
    std::deque<Op> queue;
};
struct Event {
    Device* device = nullptr;
    MarkRef mark;
    bool stuck = false;
};
struct Module {
    Device* device = nullptr;
    bool has_all = false;
    std::set<std::string> entries;
};
struct Function {
    Module* module = nullptr;
    std::string name;
    bool loaded = false;
};
struct Range {
    Device* device = nullptr;
    size_t bytes = 0;
    bool pinned = false;
};
struct Device {
    int ordinal = 0;
    unsigned retained = 0;
    int error = SUCCESS;
    bool bind_fails_too = false;
    unsigned queued = 0;  // ops in streams that have not ended
    unsigned blocks = 0;  // running
    std::shared_ptr<Stream> null_stream;
    std::vector<Resident> residents;  // kernels that end when they are told to, queued or running
};

struct Plan {
    std::string call;
    unsigned phase = 0;
    u64 nth = 0;
    int kind = FAULT_NONE;
};

// Never destroyed: threads of streams may outlive main.
struct State {
    std::mutex lock;
    std::condition_variable changed;
    bool started = false;
    Device devices[DEVICES];
    std::map<Stream*, std::shared_ptr<Stream>> streams;
    std::map<Event*, std::unique_ptr<Event>> events;
    std::map<Module*, std::unique_ptr<Module>> modules;
    std::map<Function*, std::unique_ptr<Function>> functions;
    std::map<u64, Range> ranges;
    std::vector<void*> graveyard;  // freed memory stays mapped: a late write harms nobody
    unsigned phase = 0;
    std::map<std::pair<unsigned, std::string>, u64> calls;
    Plan plan;
    std::map<std::string, u64> counts;
};
State& state() {
    static State* s = [] {
        State* made = new State;
        for (int i = 0; i < DEVICES; ++i) made->devices[i].ordinal = i;
        return made;
    }();
    return *s;
}
thread_local Device* current = nullptr;

// Everything below runs under the lock, but for what an op does.

bool idle(const Device* d) { return d->queued == 0; }

// The context dies: blocks end as if told to, what is queued is dropped.
void kill(Device* d, int error, bool bind_fails_too) {
    if (d->error != SUCCESS) return;
    d->error = error;
    d->bind_fails_too = bind_fails_too;
    for (const Resident& resident : d->residents) __atomic_store_n(resident.word, resident.stop, __ATOMIC_RELEASE);
    state().changed.notify_all();
}

bool may_run(const Device* d, const Op& op) {
    if (op.never) return false;
    for (const MarkRef& mark : op.after)
        if (!mark->done) return false;
    return d->blocks == 0 || d->blocks + op.blocks <= MULTIPROCESSORS * BLOCKS_EACH;
}

void work(std::shared_ptr<Stream> stream) {
    State& s = state();
    Device* d = stream->device;
    std::unique_lock<std::mutex> lock(s.lock);
    for (;;) {
        s.changed.wait(lock, [&] { return !stream->queue.empty() || stream->destroyed; });
        if (stream->queue.empty()) return;
        Op& op = stream->queue.front();  // the queue grows behind it meanwhile
        s.changed.wait(lock, [&] { return d->error != SUCCESS || may_run(d, op); });
        if (d->error == SUCCESS) {
            d->blocks += op.blocks;
            lock.unlock();
            op.run();
            lock.lock();
            d->blocks -= op.blocks;
        }
        op.mark->done = true;
        stream->queue.pop_front();
        d->queued--;
        s.changed.notify_all();
    }
}

void enqueue(const std::shared_ptr<Stream>& stream, Op op) {
    State& s = state();
    Device* d = stream->device;
    if (stream == d->null_stream) {
        s.counts["null_stream"]++;
        for (auto& [_, other] : s.streams)
            if (other->device == d && other->blocking && other->tail) op.after.push_back(other->tail);
    } else if (stream->blocking && d->null_stream && d->null_stream->tail) {
        op.after.push_back(d->null_stream->tail);
    }
    stream->tail = op.mark;
    stream->queue.push_back(std::move(op));
    d->queued++;
    if (!stream->started) {
        stream->started = true;
        std::thread(work, stream).detach();
    }
    s.changed.notify_all();
}

// One call of the driver: counts it, decides what becomes of it, holds the lock.
class Call {
   public:
    enum Kind { FREE_OF_CONTEXT, IN_CONTEXT, BIND };

    explicit Call(const char* name, Kind kind = IN_CONTEXT) : lock_(state().lock) {
        State& s = state();
        u64 count = ++s.calls[{s.phase, name}];
        if (s.plan.kind != FAULT_NONE && s.plan.call == name && s.plan.phase == s.phase && s.plan.nth == count) {
            fault = s.plan.kind;
            s.plan.kind = FAULT_NONE;
            s.counts["hits"]++;
        }
        device = current;
        if (fault == FAULT_OUT_OF_MEMORY) answer = OUT_OF_MEMORY;
        if (fault == FAULT_LAUNCH_FAILED) {
            answer = LAUNCH_FAILED;
            kill(victim(), LAUNCH_FAILED, true);
        }
        if (answer != SUCCESS || kind == FREE_OF_CONTEXT) return;
        if (!s.started) answer = NOT_INITIALIZED;
        else if (kind == BIND) return;
        else if (device == nullptr || device->retained == 0) answer = INVALID_CONTEXT;
        else if (device->error != SUCCESS) answer = device->error;
    }
    ~Call() {
        if (fault == FAULT_ILLEGAL_ADDRESS) kill(victim(), ILLEGAL_ADDRESS, false);
    }
    // What a call does that waits for the device.
    int wait_until_idle() {
        State& s = state();
        if (idle(device) || device->error != SUCCESS) return device->error;
        s.counts[device->residents.empty() ? "waits" : "blocked"]++;
        s.changed.wait(lock_, [&] { return idle(device) || device->error != SUCCESS; });
        return device->error;
    }
    template <class Done>
    void wait(Done done) {
        state().changed.wait(lock_, done);
    }
    Device* device = nullptr;
    int fault = FAULT_NONE;
    int answer = SUCCESS;

   private:
    Device* victim() const { return device != nullptr ? device : &state().devices[0]; }
    std::unique_lock<std::mutex> lock_;
};
#define CALL_AS(kind)                \
    Call call(__func__, Call::kind); \
    if (call.answer != SUCCESS) return call.answer
#define CALL() CALL_AS(IN_CONTEXT)

template <class T, class Map>
auto find(Map& map, T* handle) {
    auto found = map.find(handle);
    if (found == map.end()) state().counts["wild"]++;
    return found;
}

std::shared_ptr<Stream> stream_of(Device* d, Stream* handle) {
    State& s = state();
    if (handle == nullptr) {
        if (!d->null_stream) {
            d->null_stream = std::make_shared<Stream>();
            d->null_stream->device = d;
            d->null_stream->blocking = true;
        }
        return d->null_stream;
    }
    auto found = find(s.streams, handle);
    return found == s.streams.end() || found->second->device != d ? nullptr : found->second;
}

// The allocation that has all of these bytes.
const Range* range_of(u64 address, size_t bytes) {
    State& s = state();
    auto after = s.ranges.upper_bound(address);
    if (after == s.ranges.begin()) return nullptr;
    auto [start, range] = *std::prev(after);
    return address - start <= range.bytes && bytes <= range.bytes - (address - start) ? &std::prev(after)->second : nullptr;
}

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
    s.graveyard.push_back(reinterpret_cast<void*>(address));
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

int load_code(Call& call, Function* f) {
    if (f->loaded) return SUCCESS;
    if (int error = call.wait_until_idle()) return error;
    f->loaded = true;
    return SUCCESS;
}
}  // namespace

// ---- the driver --------------------------------------------------------------------------------------------------

API int cuInit(unsigned flags) {
    CALL_AS(FREE_OF_CONTEXT);
    state().started = true;
    return flags == 0 ? SUCCESS : INVALID_VALUE;
}
API int cuDriverGetVersion(int* version) {
    CALL_AS(FREE_OF_CONTEXT);
    *version = 13000;
    return SUCCESS;
}

namespace {
struct Words {
    int code;
    const char *name, *text;
};
const Words* words_of(int code) {
    static const Words all[] = {
        {SUCCESS, "CUDA_SUCCESS", "no error"},
        {INVALID_VALUE, "CUDA_ERROR_INVALID_VALUE", "invalid argument"},
        {OUT_OF_MEMORY, "CUDA_ERROR_OUT_OF_MEMORY", "out of memory"},
        {NOT_INITIALIZED, "CUDA_ERROR_NOT_INITIALIZED", "initialization error"},
        {INVALID_DEVICE, "CUDA_ERROR_INVALID_DEVICE", "invalid device ordinal"},
        {INVALID_IMAGE, "CUDA_ERROR_INVALID_IMAGE", "device kernel image is invalid"},
        {INVALID_CONTEXT, "CUDA_ERROR_INVALID_CONTEXT", "invalid device context"},
        {INVALID_HANDLE, "CUDA_ERROR_INVALID_HANDLE", "invalid resource handle"},
        {NOT_FOUND, "CUDA_ERROR_NOT_FOUND", "named symbol not found"},
        {NOT_READY, "CUDA_ERROR_NOT_READY", "device not ready"},
        {ILLEGAL_ADDRESS, "CUDA_ERROR_ILLEGAL_ADDRESS", "an illegal memory access was encountered"},
        {LAUNCH_FAILED, "CUDA_ERROR_LAUNCH_FAILED", "unspecified launch failure"},
    };
    for (const Words& words : all)
        if (words.code == code) return &words;
    return nullptr;
}
}  // namespace
API int cuGetErrorName(int code, const char** name) {
    const Words* words = words_of(code);
    *name = words ? words->name : nullptr;
    return words ? SUCCESS : INVALID_VALUE;
}
API int cuGetErrorString(int code, const char** text) {
    const Words* words = words_of(code);
    *text = words ? words->text : nullptr;
    return words ? SUCCESS : INVALID_VALUE;
}

API int cuDeviceGetCount(int* count) {
    CALL_AS(FREE_OF_CONTEXT);
    *count = DEVICES;
    return SUCCESS;
}
API int cuDeviceGet(int* device, int ordinal) {
    CALL_AS(FREE_OF_CONTEXT);
    *device = ordinal;
    return ordinal >= 0 && ordinal < DEVICES ? SUCCESS : INVALID_DEVICE;
}
API int cuDeviceGetName(char* to, int bytes, int device) {
    CALL_AS(FREE_OF_CONTEXT);
    std::string name = "Stand-in GPU " + std::to_string(device);
    std::strncpy(to, name.c_str(), static_cast<size_t>(bytes));
    return SUCCESS;
}
API int cuDeviceTotalMem_v2(size_t* bytes, int) {
    CALL_AS(FREE_OF_CONTEXT);
    *bytes = LARGEST;
    return SUCCESS;
}
API int cuDeviceGetAttribute(int* value, int which, int) {
    CALL_AS(FREE_OF_CONTEXT);
    // Compute capability 9.0, a watchdog.
    *value = which == 75 ? 9 : which == 16 ? MULTIPROCESSORS : which == 17 ? 1 : 0;
    return SUCCESS;
}

API int cuDevicePrimaryCtxRetain(Device** context, int ordinal) {
    CALL_AS(BIND);
    Device* d = &state().devices[ordinal];
    if (d->error != SUCCESS) return d->error;
    d->retained++;
    *context = d;
    return SUCCESS;
}
API int cuDevicePrimaryCtxRelease_v2(int ordinal) {
    CALL_AS(BIND);
    State& s = state();
    Device* d = &s.devices[ordinal];
    if (d->retained == 0) return INVALID_CONTEXT;
    if (--d->retained > 0) return SUCCESS;
    // The context goes, and what it has with it, once its work has ended.
    call.wait([&] { return idle(d); });
    auto of = [&](auto& map, auto device_of) {
        for (auto it = map.begin(); it != map.end();) {
            bool goes = device_of(it->second) == d;
            s.counts["reclaimed"] += goes;
            it = goes ? map.erase(it) : std::next(it);
        }
    };
    for (auto& [address, range] : s.ranges)
        if (range.device == d) s.graveyard.push_back(reinterpret_cast<void*>(address));
    of(s.ranges, [](Range& r) { return r.device; });
    for (auto& [_, stream] : s.streams)
        if (stream->device == d) stream->destroyed = true;
    of(s.streams, [](auto& v) { return v->device; });
    of(s.events, [](auto& v) { return v->device; });
    for (auto it = s.functions.begin(); it != s.functions.end();)
        it = it->second->module->device == d ? s.functions.erase(it) : std::next(it);
    of(s.modules, [](auto& v) { return v->device; });
    d->error = SUCCESS;
    d->residents.clear();
    s.changed.notify_all();
    return SUCCESS;
}
API int cuCtxGetCurrent(Device** context) {
    CALL_AS(BIND);
    *context = current;
    return SUCCESS;
}
API int cuCtxSetCurrent(Device* context) {
    CALL_AS(BIND);
    if (context != nullptr && context->error != SUCCESS && context->bind_fails_too) return context->error;
    if (context != nullptr && context->retained == 0) return INVALID_CONTEXT;
    current = context;
    return SUCCESS;
}
API int cuCtxGetStreamPriorityRange(int* least, int* greatest) {
    CALL();
    *least = 0;
    *greatest = -5;
    return SUCCESS;
}
API int cuCtxSynchronize() {
    CALL();
    return call.wait_until_idle();
}

namespace {
int create_stream(Call& call, Stream** made, unsigned flags, int priority) {
    if (flags > 1 || priority > 0 || priority < -5) return INVALID_VALUE;
    auto stream = std::make_shared<Stream>();
    stream->device = call.device;
    stream->blocking = flags == 0;
    *made = stream.get();
    state().streams[*made] = stream;
    return SUCCESS;
}
}  // namespace
API int cuStreamCreate(Stream** stream, unsigned flags) {
    CALL();
    return create_stream(call, stream, flags, 0);
}
API int cuStreamCreateWithPriority(Stream** stream, unsigned flags, int priority) {
    CALL();
    return create_stream(call, stream, flags, priority);
}
API int cuStreamDestroy_v2(Stream* handle) {
    CALL();
    State& s = state();
    auto found = find(s.streams, handle);
    if (found == s.streams.end()) return INVALID_HANDLE;
    found->second->destroyed = true;  // what is in it is still done
    s.streams.erase(found);
    s.changed.notify_all();
    return SUCCESS;
}
API int cuStreamQuery(Stream* handle) {
    CALL();
    auto stream = stream_of(call.device, handle);
    if (!stream) return INVALID_HANDLE;
    if (call.fault == FAULT_NOT_READY) stream->stuck = true;
    return stream->stuck || !stream->queue.empty() ? NOT_READY : SUCCESS;
}
API int cuStreamSynchronize(Stream* handle) {
    CALL();
    auto stream = stream_of(call.device, handle);
    if (!stream) return INVALID_HANDLE;
    call.wait([&] { return stream->queue.empty(); });
    return call.device->error;
}

API int cuEventCreate(Event** made, unsigned) {
    CALL();
    auto event = std::make_unique<Event>();
    event->device = call.device;
    *made = event.get();
    state().events[*made] = std::move(event);
    return SUCCESS;
}
API int cuEventDestroy_v2(Event* handle) {
    CALL();
    auto found = find(state().events, handle);
    if (found == state().events.end()) return INVALID_HANDLE;
    state().events.erase(found);
    return SUCCESS;
}
API int cuEventRecord(Event* handle, Stream* on) {
    CALL();
    auto found = find(state().events, handle);
    auto stream = stream_of(call.device, on);
    if (found == state().events.end() || !stream || found->second->device != call.device) return INVALID_HANDLE;
    Op op;
    op.run = [] {};
    op.never = call.fault == FAULT_NEVER;
    found->second->mark = op.mark;
    enqueue(stream, std::move(op));
    return SUCCESS;
}
API int cuEventQuery(Event* handle) {
    CALL();
    auto found = find(state().events, handle);
    if (found == state().events.end()) return INVALID_HANDLE;
    Event& event = *found->second;
    if (call.fault == FAULT_NOT_READY) event.stuck = true;
    return event.stuck || (event.mark && !event.mark->done) ? NOT_READY : SUCCESS;
}

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
    if (device == nullptr || device->device != call.device) {
        s.counts["wild"]++;
        return INVALID_VALUE;
    }
    s.counts["copies"]++;
    const Range* host = range_of(on_host, bytes);
    bool pageable = host == nullptr || !host->pinned;
    Op op;
    op.run = [=] { copy_words(static_cast<char*>(to), static_cast<const char*>(from), bytes); };
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
    op.run = [=] { std::memset(reinterpret_cast<void*>(at), value, bytes); };
    op.never = call.fault == FAULT_NEVER;
    op.blocks = 1;  // it runs on the multiprocessors
    enqueue(stream, std::move(op));
    return SUCCESS;
}

// PTX of the stand-in's NVRTC names its entries; a fatbin or a cubin has all there are.
API int cuModuleLoadDataEx(Module** made, const void* image, unsigned, void*, void*) {
    CALL();
    auto module = std::make_unique<Module>();
    module->device = call.device;
    const char* text = static_cast<const char*>(image);
    unsigned magic = 0;
    std::memcpy(&magic, image, sizeof magic);
    module->has_all = magic == 0xba55ed50u || std::memcmp(text, "\x7f""ELF", 4) == 0;
    if (!module->has_all) {
        std::string rest = text;
        if (rest.find(".version") == std::string::npos) return INVALID_IMAGE;
        const std::string before = ".entry ";
        for (size_t at = rest.find(before); at != std::string::npos; at = rest.find(before, at)) {
            at += before.size();
            module->entries.insert(rest.substr(at, rest.find_first_of("\n(", at) - at));
        }
    }
    if (int error = call.wait_until_idle()) return error;
    *made = module.get();
    state().modules[*made] = std::move(module);
    return SUCCESS;
}
API int cuModuleUnload(Module* handle) {
    CALL();
    State& s = state();
    auto found = find(s.modules, handle);
    if (found == s.modules.end()) return INVALID_HANDLE;
    if (int error = call.wait_until_idle()) return error;
    for (auto it = s.functions.begin(); it != s.functions.end();)
        it = it->second->module == handle ? s.functions.erase(it) : std::next(it);
    s.modules.erase(handle);
    return SUCCESS;
}
API int cuModuleGetFunction(Function** made, Module* handle, const char* name) {
    CALL();
    State& s = state();
    auto found = find(s.modules, handle);
    if (found == s.modules.end()) return INVALID_HANDLE;
    if (kernels().count(name) == 0 || (!found->second->has_all && found->second->entries.count(name) == 0)) return NOT_FOUND;
    for (auto& [known, function] : s.functions)
        if (function->module == handle && function->name == name) {
            *made = known;
            return SUCCESS;
        }
    auto function = std::make_unique<Function>();
    function->module = handle;
    function->name = name;
    *made = function.get();
    s.functions[*made] = std::move(function);
    return SUCCESS;
}
// The symbols of RINGSCOPE_RING_KERNEL: name_args and name_args_align, as large as the arguments and their alignment.
API int cuModuleGetGlobal_v2(u64* address, size_t* bytes, Module* handle, const char* name) {
    CALL();
    State& s = state();
    auto found = find(s.modules, handle);
    if (found == s.modules.end()) return INVALID_HANDLE;
    std::string kernel = name;
    size_t at = kernel.rfind("_args");
    if (at == std::string::npos) return NOT_FOUND;
    bool align = kernel.substr(at) == "_args_align";
    kernel.resize(at);
    auto known = kernels().find(kernel);
    if (known == kernels().end() || known->second.args_bytes == 0) return NOT_FOUND;
    if (!found->second->has_all && found->second->entries.count(kernel) == 0) return NOT_FOUND;
    *address = 0;
    *bytes = align ? known->second.args_align : known->second.args_bytes;
    return SUCCESS;
}
API int cuFuncLoad(Function* function) {
    CALL();
    if (find(state().functions, function) == state().functions.end()) return INVALID_HANDLE;
    return load_code(call, function);
}
API int cuFuncGetAttribute(int* value, int, Function* function) {
    CALL();
    if (find(state().functions, function) == state().functions.end()) return INVALID_HANDLE;
    *value = 32;
    return load_code(call, function);
}
API int cuFuncGetParamInfo(Function* function, size_t index, size_t* offset, size_t* bytes) {
    CALL();
    if (find(state().functions, function) == state().functions.end()) return INVALID_HANDLE;
    size_t own = kernels().at(function->name).args_bytes;
    if (index > (own > 0 ? 1 : 0)) return INVALID_VALUE;
    *offset = index == 0 ? 0 : argument_bytes(function->name);
    *bytes = index == 0 ? argument_bytes(function->name) : own;
    return SUCCESS;
}
API int cuOccupancyMaxActiveBlocksPerMultiprocessor(int* blocks, Function* function, int, size_t) {
    CALL();
    if (find(state().functions, function) == state().functions.end()) return INVALID_HANDLE;
    *blocks = BLOCKS_EACH;
    return load_code(call, function);
}
API int cuLaunchKernel(Function* function, unsigned gx, unsigned gy, unsigned gz, unsigned bx, unsigned by, unsigned bz,
                       unsigned, Stream* on, void** parameters, void** extra) {
    CALL();
    State& s = state();
    Device* d = call.device;
    auto stream = stream_of(d, on);
    if (find(s.functions, function) == s.functions.end() || !stream || function->module->device != d) return INVALID_HANDLE;
    bool stays = function->name != "clock_probe";
    if (gx == 0 || gy != 1 || gz != 1 || bx != (stays ? 32 : 1) || by != 1 || bz != 1 || extra != nullptr) return INVALID_VALUE;
    if (int error = load_code(call, function)) return error;
    Known known = kernels().at(function->name);
    // The arguments are copied during the call, as by the real one.
    auto argument = std::make_shared<Argument>();
    std::memcpy(argument.get(), parameters[0], argument_bytes(function->name));
    auto own = std::make_shared<Own>();
    if (known.args_bytes > 0) std::memcpy(own->bytes, parameters[1], known.args_bytes);
    if (stays) d->residents.push_back(resident_of(function->name, argument.get()));
    bool faults = is_probe(function->name) && argument->probe.what == PROBE_FAULT;
    Op op;
    op.blocks = gx;
    op.never = call.fault == FAULT_NEVER;
    op.run = [=] {
        std::vector<std::thread> blocks;
        for (unsigned i = 0; i < gx; ++i)
            blocks.emplace_back([=] {
                void* list[] = {argument.get(), own->bytes};
                const unsigned block[3] = {i, 0, 0}, grid[3] = {gx, 1, 1};
                ringscope_host_run_block(known.entry, list, block, grid);
            });
        for (std::thread& block : blocks) block.join();
        std::lock_guard<std::mutex> lock(state().lock);
        auto& all = d->residents;
        auto is_it = [&](const Resident& one) { return one.argument == argument.get(); };
        all.erase(std::remove_if(all.begin(), all.end(), is_it), all.end());
        if (faults) kill(d, ILLEGAL_ADDRESS, false);
    };
    s.counts["launches"]++;
    enqueue(stream, std::move(op));
    return SUCCESS;
}

// ---- the test's door ---------------------------------------------------------------------------------------------

// From now on calls belong to this phase.
API void stand_in_phase(unsigned phase) {
    std::lock_guard<std::mutex> lock(state().lock);
    state().phase = phase;
}
// The nth call of that name in that phase suffers that fault.
API void stand_in_fault(const char* call, unsigned phase, u64 nth, int kind) {
    std::lock_guard<std::mutex> lock(state().lock);
    state().plan = Plan{call, phase, nth, kind};
}
// The calls so far, by phase and name: writes "phase name count\n" lines, as many as fit.
API size_t stand_in_calls(char* to, size_t bytes) {
    std::lock_guard<std::mutex> lock(state().lock);
    std::string text;
    for (auto& [key, count] : state().calls)
        text += std::to_string(key.first) + " " + key.second + " " + std::to_string(count) + "\n";
    size_t length = text.size() < bytes ? text.size() : bytes;
    std::memcpy(to, text.data(), length);
    return length;
}
API u64 stand_in_get(const char* what) {
    State& s = state();
    std::lock_guard<std::mutex> lock(s.lock);
    std::string name = what;
    u64 memory = s.ranges.size(), retained = 0, residents = 0;
    for (Device& d : s.devices) {
        retained += d.retained;
        residents += d.residents.size();
    }
    if (name == "live") return memory + s.streams.size() + s.events.size() + s.modules.size();
    if (name == "memory") return memory + s.modules.size();
    if (name == "contexts") return retained;
    if (name == "resident") return residents;
    return s.counts[name];
}
API void stand_in_set(const char* what, u64 value) {
    std::lock_guard<std::mutex> lock(state().lock);
    state().counts[what] = value;
    if (std::strcmp(what, "hang_copies") == 0 && value == 0)
        for (auto& [_, stream] : state().streams)
            for (Op& op : stream->queue) op.never = false;
    state().changed.notify_all();
}
// The context of that device is dead from now on.
API void stand_in_kill(int ordinal, int error) {
    std::lock_guard<std::mutex> lock(state().lock);
    kill(&state().devices[ordinal], error, false);
}
// Forgets everything, as a new process would. Nobody may be in a call. Whether all blocks ended.
API int stand_in_reset() {
    State& s = state();
    std::unique_lock<std::mutex> lock(s.lock);
    for (Device& d : s.devices) kill(&d, LAUNCH_FAILED, true);
    auto all_idle = [&] { return idle(&s.devices[0]) && idle(&s.devices[1]); };
    bool ended = s.changed.wait_for(lock, std::chrono::seconds(10), all_idle);
    for (auto& [_, stream] : s.streams) stream->destroyed = true;
    s.streams.clear();
    s.events.clear();
    s.functions.clear();
    s.modules.clear();
    for (auto& [address, _] : s.ranges) s.graveyard.push_back(reinterpret_cast<void*>(address));
    s.ranges.clear();
    for (Device& d : s.devices) {
        if (d.null_stream) d.null_stream->destroyed = true;
        d.null_stream = nullptr;
        d.error = SUCCESS;
        d.retained = 0;
        d.residents.clear();
    }
    s.calls.clear();
    s.counts.clear();
    s.plan = Plan{};
    s.phase = 0;
    s.started = false;
    s.changed.notify_all();
    return ended;
}
