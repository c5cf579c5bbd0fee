// streams.cpp: streams and events.
#include "driver.h"

using namespace stand_in;

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
    Call call(__func__, Call::IN_CONTEXT);
    auto stream = call.device == nullptr ? nullptr : stream_of(call.device, handle);
    if (call.fault == FAULT_OUT_OF_MEMORY && stream) state().counts["refused_residents"] += stream->resident;
    if (call.answer != SUCCESS) return call.answer;
    if (!stream) return INVALID_HANDLE;
    if (call.fault == FAULT_NOT_READY) {
        stream->stuck = true;
        state().counts["late_residents"] += stream->resident;
    }
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
