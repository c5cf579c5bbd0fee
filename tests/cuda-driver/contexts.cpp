// contexts.cpp: what is asked before anything else: the devices, their contexts, the names of errors.
#include "driver.h"
#include "ptx_device.h"

using namespace stand_in;

API int cuInit(unsigned flags) {
    CALL_AS(FREE_OF_CONTEXT);
    state().started = true;
    return flags == 0 ? SUCCESS : INVALID_VALUE;
}
API int cuDriverGetVersion(int* version) {
    CALL_AS(FREE_OF_CONTEXT);
    u64 told = state().counts["driver_version"];
    *version = told == 0 ? (runs_ptx() ? 12000 : 13000) : static_cast<int>(told);
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
        {INVALID_PTX, "CUDA_ERROR_INVALID_PTX", "a PTX JIT compilation failed"},
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
API int cuDeviceGetUuid_v2(unsigned char* to, int device) {
    CALL_AS(FREE_OF_CONTEXT);
    for (int i = 0; i < 16; i++) to[i] = static_cast<unsigned char>(16 * device + i);
    return SUCCESS;
}
API int cuDeviceTotalMem_v2(size_t* bytes, int) {
    CALL_AS(FREE_OF_CONTEXT);
    *bytes = LARGEST;
    return SUCCESS;
}
API int cuDeviceGetAttribute(int* value, int which, int) {
    CALL_AS(FREE_OF_CONTEXT);
    u64 told = state().counts["capability_major"];
    switch (which) {
        case 75: *value = told == 0 ? 9 : static_cast<int>(told); break;  // compute capability 9.0
        case 16: *value = MULTIPROCESSORS; break;
        case 17: *value = 1; break;  // a watchdog
        case 39: *value = THREADS_EACH; break;
        case 81: *value = SHARED_EACH; break;
        case 82: *value = REGISTERS_EACH; break;
        case 97: *value = SHARED_OF_BLOCK; break;
        case 106: *value = static_cast<int>(blocks_each()); break;
        case 122: *value = state().counts["no_words_in_streams"] == 0; break;  // 64-bit words in the order of a stream
        case 111: *value = SHARED_OF_SYSTEM; break;
        default: *value = 0;
    }
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
        if (range.device == d) bury(address);
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
API int cuDevicePrimaryCtxGetState(int ordinal, unsigned* flags, int* active) {
    CALL_AS(FREE_OF_CONTEXT);
    *flags = 0;
    *active = state().devices[ordinal].retained > 0;
    return SUCCESS;
}
API int cuCtxGetCurrent(Device** context) {
    CALL_AS(BIND);
    *context = current();
    return SUCCESS;
}
static int check_context(const Device* context) {
    if (context->error != SUCCESS && context->bind_fails_too) return context->error;
    return context->retained == 0 && !context->of_test ? INVALID_CONTEXT : SUCCESS;
}
// Replaces the top of the thread's stack; null takes it away.
API int cuCtxSetCurrent(Device* context) {
    CALL_AS(BIND);
    if (context != nullptr)
        if (int error = check_context(context)) return error;
    if (!contexts.empty()) contexts.pop_back();
    if (context != nullptr) contexts.push_back(context);
    return SUCCESS;
}
API int cuCtxPushCurrent_v2(Device* context) {
    CALL_AS(BIND);
    if (context == nullptr) return INVALID_CONTEXT;
    if (int error = check_context(context)) return error;
    contexts.push_back(context);
    return SUCCESS;
}
API int cuCtxPopCurrent_v2(Device** context) {
    CALL_AS(BIND);
    if (contexts.empty()) return INVALID_CONTEXT;
    if (context != nullptr) *context = contexts.back();
    contexts.pop_back();
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
