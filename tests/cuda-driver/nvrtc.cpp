// nvrtc.cpp: a stand-in for libnvrtc.so. What it compiles to says which entry the source defines, and no more: the
// stand-in of the driver has the code of the tests' own kernels. `#error` does not compile, and is the log. Where the driver runs PTX, it
// compiles to what scripts/ptx.sh made of the kernel of that name.
#include <cstdlib>
#include <cstring>
#include <fstream>
#include <sstream>
#include <string>

#define API extern "C" __attribute__((visibility("default")))

namespace {
enum { SUCCESS = 0, INVALID = 3, COMPILATION_FAILED = 6 };

struct Program {
    std::string text, output, log;
};

// The word behind `before`, up to one of `until`.
std::string word_behind(const std::string& text, const char* before, const char* until) {
    size_t at = text.find(before);
    if (at == std::string::npos) return "";
    at += std::strlen(before);
    return text.substr(at, text.find_first_of(until, at) - at);
}

int size_of(const std::string& text, size_t* n) {
    *n = text.size() + 1;
    return SUCCESS;
}
int copy_of(const std::string& text, char* to) {
    std::memcpy(to, text.c_str(), text.size() + 1);
    return SUCCESS;
}
}  // namespace

API int nvrtcVersion(int* major, int* minor) {
    *major = 12;
    *minor = 0;
    return SUCCESS;
}
API int nvrtcCreateProgram(Program** p, const char* text, const char*, int, const char* const*, const char* const*) {
    *p = new Program{text, "", ""};
    return SUCCESS;
}
API int nvrtcDestroyProgram(Program** p) {
    delete *p;
    *p = nullptr;
    return SUCCESS;
}
API int nvrtcCompileProgram(Program* p, int count, const char* const* options) {
    std::string level;
    for (int i = 0; i < count; ++i) {
        std::string found = word_behind(options[i], "-DRINGSCOPE_LEVEL=", " ");
        if (!found.empty()) level = found;
    }
    p->log = word_behind(p->text, "#error ", "\n");
    if (!p->log.empty()) return COMPILATION_FAILED;
    std::string ring = word_behind(p->text, "RINGSCOPE_RING_KERNEL(", ", )");
    std::string plain = word_behind(p->text, "__global__ void ", "( ");
    p->output = ".version 8.0\n.entry " + (ring.empty() ? plain : ring + "_l" + level) + "\n";
    const char* runs = std::getenv("STAND_IN_RUNS");
    if (runs != nullptr && std::strcmp(runs, "ptx") == 0) {
        std::string path = TEST_KERNELS "/" + (ring.empty() ? plain : ring) + "_l" + level + ".ptx";
        std::ifstream file(path);
        std::ostringstream text;
        text << file.rdbuf();
        p->output = text.str();
        p->log = p->output.empty() ? "the stand-in has no " + path : "";
        if (p->output.empty()) return COMPILATION_FAILED;
    }
    return level.empty() ? INVALID : SUCCESS;
}
API int nvrtcGetPTXSize(Program* p, size_t* n) { return size_of(p->output, n); }
API int nvrtcGetPTX(Program* p, char* to) { return copy_of(p->output, to); }
API int nvrtcGetCUBINSize(Program* p, size_t* n) { return size_of(p->output, n); }
API int nvrtcGetCUBIN(Program* p, char* to) { return copy_of(p->output, to); }
API int nvrtcGetProgramLogSize(Program* p, size_t* n) { return size_of(p->log, n); }
API int nvrtcGetProgramLog(Program* p, char* to) { return copy_of(p->log, to); }
API int nvrtcGetNumSupportedArchs(int* n) {
    *n = 1;
    return SUCCESS;
}
API int nvrtcGetSupportedArchs(int* archs) {
    *archs = 90;
    return SUCCESS;
}
API const char* nvrtcGetErrorString(int) { return "the stand-in compiler's words"; }
