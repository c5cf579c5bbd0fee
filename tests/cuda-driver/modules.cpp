// modules.cpp: code, which is the crate's kernels built for CPU threads (kernels.cpp), and its launch.
#include "driver.h"
#include "ptx_device.h"

#include <ringscope/abi.h>

#include "../../kernels/host/shim.h"

using namespace stand_in;

#define STAND_IN_LEVELS(X, name) X(name##_l0) X(name##_l1) X(name##_l2) X(name##_l3)
#define STAND_IN_RING_KERNELS(X)                                                                     \
    STAND_IN_LEVELS(X, crc32c) STAND_IN_LEVELS(X, echo) STAND_IN_LEVELS(X, vector_add)               \
    STAND_IN_LEVELS(X, compute) STAND_IN_LEVELS(X, matmul_f32) STAND_IN_LEVELS(X, tally)
#define STAND_IN_PROBES(X) STAND_IN_LEVELS(X, probe) STAND_IN_LEVELS(X, probe_metrics) X(clock_probe)
#define STAND_IN_DECLARE(name) extern "C" void name##_host(void** args);
#define STAND_IN_DECLARE_RING(name) extern "C" const ringscope_host_kernel name##_kernel;
STAND_IN_PROBES(STAND_IN_DECLARE)
STAND_IN_RING_KERNELS(STAND_IN_DECLARE_RING)

namespace {
using Trampoline = void (*)(void**);

struct Known {
    Trampoline entry;
    size_t args_bytes, args_align;  // of the author's arguments
    const char* names;              // of its RINGSCOPE_NAMES; null without
    unsigned threads;               // of a block, where RINGSCOPE_RING_KERNEL_BLOCK says it; 1 else
};

const std::map<std::string, Known>& kernels() {
#define STAND_IN_PROBE(name) {#name, {name##_host, 0, 0, nullptr, 1}},
#define STAND_IN_RING(name) {#name, {name##_kernel.entry, name##_kernel.args_bytes, name##_kernel.args_align, name##_kernel.names, name##_kernel.threads}},
    static const auto* all =
        new std::map<std::string, Known>{STAND_IN_PROBES(STAND_IN_PROBE) STAND_IN_RING_KERNELS(STAND_IN_RING)};
    return *all;
}

// kernels/probe/probe.cu has the same.
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

// Somebody's own kernel, of which nothing is known but its PTX: it ends by itself, and has any number of threads.
bool is_foreign(const Function* f) {
    return f->entry != nullptr && f->name.find("_l") == std::string::npos && f->name != "clock_probe";
}
bool is_probe(const std::string& name) { return name.compare(0, 6, "probe_") == 0; }
size_t argument_bytes(const std::string& name) {
    return name == "clock_probe" ? sizeof(u64) : is_probe(name) ? sizeof(ProbeArguments) : sizeof(ringscope_ring_args);
}
Resident resident_of(const std::string& name, const Argument* argument) {
    if (is_probe(name)) return {argument, argument->probe.stop, 1};
    return {argument, const_cast<u64*>(argument->ring.posted) + 1, (1ull << 62) + RINGSCOPE_COMMAND_STOP};
}

// Where the caller gave a place for the compiler's log.
void tell_log(const std::string& log, unsigned count, const int* options, void** values) {
    constexpr int ERROR_LOG = 5, ERROR_LOG_BYTES = 6;
    char* to = nullptr;
    size_t bytes = 0;
    for (unsigned i = 0; i < count; ++i) {
        if (options[i] == ERROR_LOG) to = static_cast<char*>(values[i]);
        if (options[i] == ERROR_LOG_BYTES) bytes = reinterpret_cast<size_t>(values[i]);
    }
    if (to != nullptr && bytes > 0) std::snprintf(to, bytes, "%s", log.c_str());
}

// Threads of its blocks: a ring kernel says more than a warp by a symbol of that size, name_threads.
unsigned threads_of(const Function* f) {
    if (f->name == "clock_probe") return 1;
    if (f->entry != nullptr) {
        const ptx::Variable* threads = f->module->program->variable(f->name + "_threads");
        return threads == nullptr ? 32 : static_cast<unsigned>(threads->bytes);
    }
    unsigned threads = kernels().at(f->name).threads;
    return threads == 1 ? 32 : threads;
}
// The test may set "max_threads:NAME": what the kernel's registers allow.
unsigned most_threads(const Function* f) {
    auto found = state().counts.find("max_threads:" + f->name);
    return found == state().counts.end() ? THREADS_OF_BLOCK : static_cast<unsigned>(found->second);
}

// What a block of it takes; the test may set "registers:NAME" and "shared:NAME".
Needs needs_of(const Function* f, unsigned threads, size_t dynamic) {
    auto set = [&](const std::string& what, unsigned otherwise) {
        auto found = state().counts.find(what + ":" + f->name);
        return found == state().counts.end() ? otherwise : static_cast<unsigned>(found->second);
    };
    Needs needs;
    needs.warps = (threads + 31) / 32;
    needs.registers = set("registers", 32);
    needs.shared = set("shared", 0) + static_cast<unsigned>(dynamic);
    needs.carveout = f->carveout;
    return needs;
}

int load_code(Call& call, Function* f) {
    if (f->loaded) return SUCCESS;
    if (int error = call.wait_until_idle()) return error;
    f->loaded = true;
    return SUCCESS;
}
}  // namespace

// PTX names its entries; a fatbin or a cubin has all there are.
API int cuModuleLoadDataEx(Module** made, const void* image, unsigned count, const int* options, void** values) {
    CALL();
    auto module = std::make_unique<Module>();
    module->device = call.device;
    const char* text = static_cast<const char*>(image);
    if (runs_ptx()) {
        std::string log;
        module->program = load_ptx(text, log);
        if (!module->program) {
            tell_log(log, count, options, values);
            return INVALID_PTX;
        }
    }
    unsigned magic = 0;
    std::memcpy(&magic, image, sizeof magic);
    module->has_all = magic == 0xba55ed50u || std::memcmp(text, "\x7f""ELF", 4) == 0;
    if (!module->has_all) {
        state().counts["ptx"]++;
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
API int cuModuleLoadData(Module** made, const void* image) { return cuModuleLoadDataEx(made, image, 0, nullptr, nullptr); }
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
    const ptx::Entry* entry = handle->program ? handle->program->entry(name) : nullptr;
    if (handle->program ? entry == nullptr : kernels().count(name) == 0 || (!found->second->has_all && found->second->entries.count(name) == 0)) return NOT_FOUND;
    for (auto& [known, function] : s.functions)
        if (function->module == handle && function->name == name) {
            *made = known;
            return SUCCESS;
        }
    auto function = std::make_unique<Function>();
    function->module = handle;
    function->name = name;
    function->entry = entry;
    *made = function.get();
    s.functions[*made] = std::move(function);
    return SUCCESS;
}
// The symbols of RINGSCOPE_RING_KERNEL: name_args and name_args_align, as large as the arguments and their alignment; and of
// RINGSCOPE_NAMES, which has its text.
API int cuModuleGetGlobal_v2(u64* address, size_t* bytes, Module* handle, const char* name) {
    CALL();
    State& s = state();
    auto found = find(s.modules, handle);
    if (found == s.modules.end()) return INVALID_HANDLE;
    if (handle->program) {
        const ptx::Variable* variable = handle->program->variable(name);
        if (variable == nullptr) return NOT_FOUND;
        *address = variable->address;
        *bytes = variable->bytes;
        handle->globals[*address] = *bytes;
        return SUCCESS;
    }
    if (std::strcmp(name, "ringscope_names_text") == 0) {
        for (auto& [entry, known] : kernels()) {
            if (known.names == nullptr || handle->entries.count(entry) == 0) continue;
            *address = reinterpret_cast<u64>(known.names);
            *bytes = std::strlen(known.names) + 1;
            handle->globals[*address] = *bytes;
            return SUCCESS;
        }
        return NOT_FOUND;
    }
    std::string kernel = name;
    if (size_t at = kernel.rfind("_threads"); at != std::string::npos) {
        auto known = kernels().find(kernel.substr(0, at));
        if (known == kernels().end() || known->second.threads == 1) return NOT_FOUND;
        if (!found->second->has_all && found->second->entries.count(known->first) == 0) return NOT_FOUND;
        *address = 0;
        *bytes = known->second.threads;
        return SUCCESS;
    }
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
API int cuFuncGetAttribute(int* value, int which, Function* function) {
    CALL();
    if (find(state().functions, function) == state().functions.end()) return INVALID_HANDLE;
    const Needs needs = needs_of(function, 32, 0);
    switch (which) {
        case 0: *value = static_cast<int>(most_threads(function)); break;
        case 1: *value = static_cast<int>(needs.shared); break;
        case 4: *value = static_cast<int>(needs.registers); break;
        default: *value = 0;
    }
    return load_code(call, function);
}
// What is set here: how much is to be shared memory where its blocks come first, and how much of it a launch may ask for.
API int cuFuncSetAttribute(Function* function, int which, int value) {
    CALL();
    if (find(state().functions, function) == state().functions.end()) return INVALID_HANDLE;
    if (which == 8) {
        if (value < 0 || unsigned(value) + needs_of(function, 32, 0).shared > SHARED_OF_BLOCK) return INVALID_VALUE;
        function->most_dynamic = static_cast<unsigned>(value);
        return load_code(call, function);
    }
    if (which != 9 || value < -1 || value > 100) return INVALID_VALUE;
    function->carveout = value;
    state().counts["carveout:" + function->name] = static_cast<u64>(value);
    return load_code(call, function);
}
API int cuFuncGetParamInfo(Function* function, size_t index, size_t* offset, size_t* bytes) {
    CALL();
    if (find(state().functions, function) == state().functions.end()) return INVALID_HANDLE;
    if (function->entry != nullptr) {
        if (index >= function->entry->params.size()) return INVALID_VALUE;
        *offset = function->entry->params[index].offset;
        *bytes = function->entry->params[index].bytes;
        return SUCCESS;
    }
    size_t own = kernels().at(function->name).args_bytes;
    if (index > (own > 0 ? 1 : 0)) return INVALID_VALUE;
    *offset = index == 0 ? 0 : argument_bytes(function->name);
    *bytes = index == 0 ? argument_bytes(function->name) : own;
    return SUCCESS;
}
API int cuOccupancyMaxActiveBlocksPerMultiprocessor(int* blocks, Function* function, int threads, size_t dynamic) {
    CALL();
    if (find(state().functions, function) == state().functions.end()) return INVALID_HANDLE;
    *blocks = static_cast<int>(fit_alone(needs_of(function, static_cast<unsigned>(threads), dynamic)));
    return load_code(call, function);
}
API int cuLaunchKernel(Function* function, unsigned gx, unsigned gy, unsigned gz, unsigned bx, unsigned by, unsigned bz,
                       unsigned dynamic, Stream* on, void** parameters, void** extra) {
    CALL();
    State& s = state();
    Device* d = call.device;
    auto stream = stream_of(d, on);
    if (find(s.functions, function) == s.functions.end() || !stream || function->module->device != d) return INVALID_HANDLE;
    bool foreign = is_foreign(function);
    bool stays = !foreign && function->name != "clock_probe";
    if (gx == 0 || gy != 1 || gz != 1 || by != 1 || bz != 1 || extra != nullptr) return INVALID_VALUE;
    if (bx == 0 || (!foreign && bx != threads_of(function))) return INVALID_VALUE;
    if (bx > most_threads(function) || dynamic > function->most_dynamic) return INVALID_VALUE;
    if (int error = load_code(call, function)) return error;
    Known known = function->entry != nullptr ? Known{} : kernels().at(function->name);
    std::vector<ptx::u8> packed;
    if (function->entry != nullptr) packed = function->entry->pack(parameters);
    // The arguments are copied during the call, as by the real one.
    auto argument = std::make_shared<Argument>();
    if (!foreign) std::memcpy(argument.get(), parameters[0], argument_bytes(function->name));
    auto own = std::make_shared<Own>();
    if (known.args_bytes > 0) std::memcpy(own->bytes, parameters[1], known.args_bytes);
    if (stays) d->residents.push_back(resident_of(function->name, argument.get()));
    bool faults = is_probe(function->name) && argument->probe.what == PROBE_FAULT;
    Op op;
    op.blocks = gx;
    op.never = call.fault == FAULT_NEVER;
    // Of its module no more may be there when it runs: the context that died took it along.
    auto program = function->module->program;
    const ptx::Entry* entry = function->entry;
    op.needs = needs_of(function, bx, dynamic);
    op.block = [=, keep = program](unsigned i) {
        if (entry != nullptr) {
            int error = run_ptx_block(*entry, packed, i, gx, bx, dynamic, d);
            std::lock_guard<std::mutex> lock(state().lock);
            if (error != SUCCESS) kill(d, error, false);
            return;
        }
        void* list[] = {argument.get(), own->bytes};
        std::vector<u64> shared((dynamic + 15) / 16 * 2);
        if (ringscope_host::run_block(known.entry, list, i, gx, known.threads, shared.empty() ? nullptr : shared.data())) return;
        std::lock_guard<std::mutex> lock(state().lock);
        kill(d, LAUNCH_FAILED, false);
    };
    op.end = [=] {
        auto& all = d->residents;
        auto is_it = [&](const Resident& one) { return one.argument == argument.get(); };
        all.erase(std::remove_if(all.begin(), all.end(), is_it), all.end());
        if (faults && entry == nullptr) kill(d, ILLEGAL_ADDRESS, false);
    };
    s.counts["launches"]++;
    s.counts["late_residents"] += stays && op.never;
    stream->resident |= stays;
    enqueue(stream, std::move(op));
    return SUCCESS;
}
