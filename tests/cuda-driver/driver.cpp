// driver.cpp: what all calls share: the state, the streams' threads, and how a context dies.
#include "driver.h"
#include "ptx_device.h"

namespace stand_in {
State& state() {
    static State* s = [] {
        State* made = new State;
        for (int i = 0; i < DEVICES; ++i) made->devices[i].ordinal = i;
        return made;
    }();
    return *s;
}
thread_local std::vector<Device*> contexts;

bool idle(const Device* d) { return d->queued == 0; }

void kill(Device* d, int error, bool bind_fails_too) {
    if (d->error != SUCCESS) return;
    d->error = error;
    d->bind_fails_too = bind_fails_too;
    for (const Resident& resident : d->residents) __atomic_store_n(resident.word, resident.stop, __ATOMIC_RELEASE);
    if (runs_ptx()) machine().stop_all(static_cast<ptx::u32>(d->ordinal));
    state().changed.notify_all();
}

void bury(u64 address) {
    if (runs_ptx()) tell_machine_gone(address);
    state().graveyard.push_back(reinterpret_cast<void*>(address));
}

static bool may_run(const Op& op) {
    if (op.never) return false;
    for (const MarkRef& mark : op.after)
        if (!mark->done) return false;
    return true;
}

// Each block on a thread of its own, from when there is room for it; what finds none waits, or goes with the context.
static void run_blocks(Device* d, Op& op, std::unique_lock<std::mutex>& lock) {
    State& s = state();
    std::vector<std::thread> blocks;
    for (unsigned i = 0; i < op.blocks; ++i) {
        Place place;
        s.changed.wait(lock, [&] { return d->error != SUCCESS || take_place(d, op.needs, &place); });
        if (d->error != SUCCESS) break;
        blocks.emplace_back([&op, d, i, place] {
            op.block(i);
            std::lock_guard<std::mutex> ended(state().lock);
            leave_place(d, place);
            state().changed.notify_all();
        });
    }
    lock.unlock();
    for (std::thread& block : blocks) block.join();
    lock.lock();
}

static void work(std::shared_ptr<Stream> stream) {
    State& s = state();
    Device* d = stream->device;
    std::unique_lock<std::mutex> lock(s.lock);
    for (;;) {
        s.changed.wait(lock, [&] { return !stream->queue.empty() || stream->destroyed; });
        if (stream->queue.empty()) return;
        Op& op = stream->queue.front();  // the queue grows behind it meanwhile
        s.changed.wait(lock, [&] { return d->error != SUCCESS || may_run(op); });
        if (op.blocks > 0) {
            run_blocks(d, op, lock);
        } else if (d->error == SUCCESS) {
            lock.unlock();
            op.run();
            lock.lock();
        }
        if (op.end) op.end();
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

Call::Call(const char* name, Kind kind) : lock_(state().lock) {
    State& s = state();
    u64 count = ++s.calls[{s.phase, name}];
    if (s.plan.kind != FAULT_NONE && s.plan.call == name && s.plan.phase == s.phase && s.plan.nth == count) {
        fault = s.plan.kind;
        s.plan.kind = FAULT_NONE;
        s.counts["hits"]++;
    }
    device = current();
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

int Call::wait_until_idle() {
    State& s = state();
    if (idle(device) || device->error != SUCCESS) return device->error;
    s.counts[device->residents.empty() && device->foreign.empty() ? "waits" : "blocked"]++;
    s.changed.wait(lock_, [&] { return idle(device) || device->error != SUCCESS; });
    return device->error;
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

bool is_global(const Device* d, u64 address, size_t bytes) {
    for (auto& [_, module] : state().modules) {
        if (module->device != d) continue;
        for (auto [start, count] : module->globals)
            if (address >= start && address - start <= count && bytes <= count - (address - start)) return true;
    }
    return false;
}

const Range* range_of(u64 address, size_t bytes) {
    State& s = state();
    auto after = s.ranges.upper_bound(address);
    if (after == s.ranges.begin()) return nullptr;
    auto [start, range] = *std::prev(after);
    return address - start <= range.bytes && bytes <= range.bytes - (address - start) ? &std::prev(after)->second : nullptr;
}
}  // namespace stand_in
