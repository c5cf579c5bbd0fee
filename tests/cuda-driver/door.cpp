// door.cpp: what a test asks of the stand-in, and does to it.
#include "driver.h"

using namespace stand_in;

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
    if (std::strncmp(what, "hang_copies", std::strlen("hang_copies")) == 0 && value == 0)
        for (auto& [_, stream] : state().streams)
            for (Op& op : stream->queue) op.never = false;
    state().changed.notify_all();
}
// The context of that device is dead from now on.
API void stand_in_kill(int ordinal, int error) {
    std::lock_guard<std::mutex> lock(state().lock);
    kill(&state().devices[ordinal], error, false);
}
// A kernel of another library's takes room for so many blocks, as many as find any, and stays; with 0 it ends.
API unsigned stand_in_occupy(int ordinal, unsigned blocks, unsigned warps, unsigned registers, unsigned shared) {
    std::lock_guard<std::mutex> lock(state().lock);
    Device* d = &state().devices[ordinal];
    if (!d->foreign.empty()) d->queued--;
    for (const Place& place : d->foreign) leave_place(d, place);
    d->foreign.clear();
    Needs needs;
    needs.warps = warps;
    needs.registers = registers;
    needs.shared = shared;
    needs.carveout = 100;
    Place place;
    while (d->foreign.size() < blocks && take_place(d, needs, &place)) d->foreign.push_back(place);
    if (!d->foreign.empty()) d->queued++;
    state().changed.notify_all();
    return static_cast<unsigned>(d->foreign.size());
}
// Makes that device's context the calling thread's only one, or none; says which is current (-1), and how many there are.
API void stand_in_enter(int ordinal) {
    contexts.clear();
    if (ordinal < 0) return;
    std::lock_guard<std::mutex> lock(state().lock);
    contexts.push_back(&state().devices[ordinal]);
    contexts.back()->of_test = true;
}
API int stand_in_current() { return current() == nullptr ? -1 : current()->ordinal; }
API size_t stand_in_depth() { return contexts.size(); }
// Forgets everything, as a new process would. Nobody may be in a call. Whether all blocks ended.
API int stand_in_reset() {
    State& s = state();
    std::unique_lock<std::mutex> lock(s.lock);
    for (Device& d : s.devices) {
        kill(&d, LAUNCH_FAILED, true);
        if (!d.foreign.empty()) d.queued--;
        for (const Place& place : d.foreign) leave_place(&d, place);
        d.foreign.clear();
    }
    auto all_idle = [&] { return idle(&s.devices[0]) && idle(&s.devices[1]); };
    bool ended = s.changed.wait_for(lock, std::chrono::seconds(10), all_idle);
    for (auto& [_, stream] : s.streams) stream->destroyed = true;
    s.streams.clear();
    s.events.clear();
    s.functions.clear();
    s.modules.clear();
    for (auto& [address, _] : s.ranges) bury(address);
    s.ranges.clear();
    for (Device& d : s.devices) {
        if (d.null_stream) d.null_stream->destroyed = true;
        d.null_stream = nullptr;
        d.error = SUCCESS;
        d.retained = 0;
        d.of_test = false;
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
