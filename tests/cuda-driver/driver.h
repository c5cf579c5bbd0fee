// driver.h: a stand-in for libcuda.so.1, for tests: two devices that run the crate's own kernels on CPU threads.
//
// It keeps what a persistent kernel makes dangerous:
// - Streams are asynchronous and ordered, each with a thread of its own. The NULL stream waits for all blocking streams,
//   and they for it; non-blocking ones do not.
// - What allocates, frees, loads or unloads waits until nothing is queued or runs on the device, so a path that does it at
//   the wrong time hangs, as it would on a GPU. (A GPU waits in fewer cases. No case in which it waits is missing.)
// - A function's code is loaded when its function is first asked about, or at its first launch, and that waits too.
// - A copy to pageable memory is synchronous, and waits for resident kernels.
// - An error of the context stays: every later call that needs the context returns it. Kernels end with it. A block that
//   traps is such an error. What is in mapped memory can still be read.
// - Blocks start one by one, where there is room: a warp takes registers of one of a multiprocessor's four sub-partitions, a
//   block a place and shared memory of a multiprocessor. The others of its launch wait for room.
// - The first block on an idle multiprocessor decides how much of its memory is shared, until the last one there has ended.
// - A thread has a stack of contexts, of which the top is current.
//
// Each call counts, by its name and by the phase that the test said it is in, and one of them can be made to fail. The
// test's door is door.cpp: the functions named stand_in_*.
#pragma once
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

namespace ptx {
class Program;
struct Entry;
}  // namespace ptx

#define API extern "C" __attribute__((visibility("default")))

namespace stand_in {
using u64 = unsigned long long;

enum Result : int {
    SUCCESS = 0,
    INVALID_VALUE = 1,
    OUT_OF_MEMORY = 2,
    NOT_INITIALIZED = 3,
    INVALID_DEVICE = 101,
    INVALID_IMAGE = 200,
    INVALID_CONTEXT = 201,
    INVALID_PTX = 218,
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
constexpr int SUB_PARTITIONS = 4;
constexpr unsigned BLOCKS_EACH = 2;  // unless the test sets "blocks_each", or STAND_IN_BLOCKS_EACH is set
constexpr unsigned REGISTERS_EACH = 65536, THREADS_EACH = 2048, SHARED_EACH = 233472, SHARED_OF_SYSTEM = 1024;
constexpr unsigned THREADS_OF_BLOCK = 1024, SHARED_OF_BLOCK = 232448, SHARED_UNASKED = 49152;
constexpr size_t LARGEST = 1u << 30;

// A kernel that ends when this word says so.
struct Resident {
    const void* argument;
    u64* word;
    u64 stop;
};

struct Device;
struct Mark {
    bool done = false;
};
using MarkRef = std::shared_ptr<Mark>;

// What a block takes.
struct Needs {
    unsigned warps = 1, registers = 32;  // registers of each thread
    unsigned shared = 0;                 // bytes
    int carveout = -1;                   // percent of the shared memory that there can be; -1 is what a block needs
};
// What is taken of a multiprocessor.
struct Multiprocessor {
    unsigned registers[SUB_PARTITIONS] = {}, warps[SUB_PARTITIONS] = {};
    unsigned blocks = 0, shared = 0, carveout = 0;  // bytes
};
// Where a block is: of each sub-partition, so many of its warps.
struct Place {
    int at = 0;
    unsigned warps[SUB_PARTITIONS] = {};
    Needs needs;
};

struct Op {
    std::function<void()> run;
    std::function<void(unsigned)> block;  // in place of `run`: one of so many blocks, on a thread of its own
    std::function<void()> end;            // when all blocks have ended, under the lock
    MarkRef mark = std::make_shared<Mark>();
    std::vector<MarkRef> after;
    unsigned blocks = 0;
    Needs needs;
    bool never = false;
};
struct Stream {
    Device* device = nullptr;
    bool blocking = false;
    bool started = false;
    bool destroyed = false;
    bool stuck = false;
    bool resident = false;  // a kernel that stays was put in it, and not a look at the clock
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
    std::map<u64, size_t> globals;  // that somebody asked for: from where on, how many bytes
    std::shared_ptr<const ptx::Program> program;  // of a device that runs PTX; null else
};
struct Function {
    Module* module = nullptr;
    std::string name;
    const ptx::Entry* entry = nullptr;  // of the program
    bool loaded = false;
    int carveout = -1;
    unsigned most_dynamic = SHARED_UNASKED;
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
    bool of_test = false;  // its context is the test's own, and stays
    unsigned queued = 0;  // ops in streams that have not ended
    Multiprocessor multiprocessors[MULTIPROCESSORS];
    std::vector<Place> foreign;  // blocks of a kernel of another library's, which stays until the test ends it
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
State& state();
extern thread_local std::vector<Device*> contexts;  // of the calling thread
inline Device* current() { return contexts.empty() ? nullptr : contexts.back(); }

// Everything below runs under the lock, but for what an op does.

bool idle(const Device* d);
// The context dies: blocks end as if told to, what is queued is dropped.
void kill(Device* d, int error, bool bind_fails_too);
// Freed memory stays mapped, but is nobody's.
void bury(u64 address);
void enqueue(const std::shared_ptr<Stream>& stream, Op op);
// Finds room for a block, and takes it; gives it back.
bool take_place(Device* d, const Needs& needs, Place* place);
void leave_place(Device* d, const Place& place);
// Blocks of that kind that a multiprocessor takes that has nothing else.
unsigned fit_alone(const Needs& needs);
unsigned blocks_each();

// One call of the driver: counts it, decides what becomes of it, holds the lock.
class Call {
   public:
    enum Kind { FREE_OF_CONTEXT, IN_CONTEXT, BIND };

    explicit Call(const char* name, Kind kind = IN_CONTEXT);
    ~Call() {
        if (fault == FAULT_ILLEGAL_ADDRESS) kill(victim(), ILLEGAL_ADDRESS, false);
    }
    // What a call does that waits for the device.
    int wait_until_idle();
    template <class Done>
    void wait(Done done) {
        state().changed.wait(lock_, done);
    }
    Device* device = nullptr;
    int fault = FAULT_NONE;
    int answer = SUCCESS;

   private:
    Device* victim() const { return device != nullptr && device->retained > 0 ? device : &state().devices[0]; }
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

std::shared_ptr<Stream> stream_of(Device* d, Stream* handle);
// Whether a variable of a module on that device has all of these bytes.
bool is_global(const Device* d, u64 address, size_t bytes);
// The allocation that has all of these bytes.
const Range* range_of(u64 address, size_t bytes);
}  // namespace stand_in
