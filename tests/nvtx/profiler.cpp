// What a profiler is to NVTX: a library that NVTX loads at its first call (NVTX_INJECTION64_PATH) and gives its table
// of functions to. This one writes down every range of a domain as it is opened and closed, a line each, in the file
// that RINGSCOPE_TEST_NVTX_LOG names:
//
//     push <thread> <domain> <name>        pop <thread> <domain>
//
// with tabs between. The types are those of NVTX 3's nvtxTypes.h and nvToolsExt.h, the few that are needed.

#include <sys/syscall.h>
#include <unistd.h>

#include <cstddef>
#include <cstdint>
#include <cstdio>
#include <cstdlib>
#include <mutex>
#include <string>

namespace {

using Function = void (*)();

struct Callbacks {
    std::size_t struct_size;
    int (*module_function_table)(int module, Function*** table, unsigned* size);
};
using ExportTable = const void* (*)(std::uint32_t id);

constexpr std::uint32_t export_callbacks = 1;
constexpr int module_core2 = 5;
enum Slot : unsigned { range_push = 4, range_pop = 5, register_string = 10, domain_create = 12 };

struct EventAttributes {
    std::uint16_t version, size;
    std::uint32_t category;
    std::int32_t color_type;
    std::uint32_t color;
    std::int32_t payload_type, reserved;
    std::uint64_t payload;
    std::int32_t message_type;
    const void* message;
};
static_assert(sizeof(EventAttributes) == 48, "nvtxEventAttributes_v2, in 64 bits");
constexpr std::int32_t message_registered = 3;

std::mutex lock;
std::FILE* file;

void line(const std::string& text) {
    std::lock_guard<std::mutex> guard(lock);
    std::fprintf(file, "%s\n", text.c_str());
    std::fflush(file);
}

std::string thread() { return std::to_string(syscall(SYS_gettid)); }
const std::string& text_of(const void* handle) { return *static_cast<const std::string*>(handle); }

// A handle is the text itself, kept for ever.
const void* create(const char* name) { return new std::string(name); }
const void* keep(const void*, const char* name) { return new std::string(name); }

int push(const void* domain, const EventAttributes* event) {
    const bool whole = event->version == 3 && event->size == sizeof *event;
    const bool registered = event->message_type == message_registered;
    line("push\t" + thread() + "\t" + text_of(domain) + "\t" +
         (whole && registered ? text_of(event->message) : "not a registered string"));
    return 0;
}

int pop(const void* domain) {
    line("pop\t" + thread() + "\t" + text_of(domain));
    return 0;
}

}  // namespace

extern "C" __attribute__((visibility("default"))) int InitializeInjectionNvtx2(ExportTable get) {
    const char* path = std::getenv("RINGSCOPE_TEST_NVTX_LOG");
    file = path ? std::fopen(path, "w") : nullptr;
    const auto* callbacks = static_cast<const Callbacks*>(get(export_callbacks));
    Function** table = nullptr;
    unsigned size = 0;
    if (!file || !callbacks || !callbacks->module_function_table(module_core2, &table, &size)) return 0;
    if (size <= domain_create) return 0;
    *table[range_push] = reinterpret_cast<Function>(push);
    *table[range_pop] = reinterpret_cast<Function>(pop);
    *table[register_string] = reinterpret_cast<Function>(keep);
    *table[domain_create] = reinterpret_cast<Function>(create);
    return 1;
}
