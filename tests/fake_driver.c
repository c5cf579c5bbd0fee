// A stand-in for libcuda.so.1 and libnvrtc.so, for tests/cuda_driver.rs: addresses of the device are addresses of the host, a
// ring kernel runs until its command word says stop, and one page of control words lets the test break things.
//
// It shows what ringscope calls and in which order, and nothing of how a GPU behaves.
#include <stdint.h>
#include <stdlib.h>
#include <string.h>

enum { SUCCESS = 0, INVALID = 1, OUT_OF_MEMORY = 2, NOT_FOUND = 500, NOT_READY = 600 };
enum { STOP = 2, CONTROL_BYTES = 4242, LARGEST = 1 << 30 };

// The control page: the mapped allocation of CONTROL_BYTES.
struct control {
    uint64_t hang_copies;    // events are not ready
    uint64_t fail_with;      // queries answer this
    uint64_t live;           // allocations and modules not freed
    uint64_t freed_under;    // freed while a kernel ran: would wait for ever
    uint64_t null_stream;    // work in the NULL stream: would wait for ever
    uint64_t copies;
};
static struct control scratch;
static struct control* control = &scratch;

struct stream { const volatile uint64_t* command; };  // of the ring kernel in it, or null
static struct stream* streams[256];
static int stream_count;

static int runs(const struct stream* s) { return s->command != NULL && (*s->command & 3) != STOP; }
static int any_runs(void) {
    for (int i = 0; i < stream_count; ++i) if (runs(streams[i])) return 1;
    return 0;
}
static int freed(void) {
    if (any_runs()) control->freed_under++;
    control->live--;
    return SUCCESS;
}

int cuInit(unsigned flags) { return flags == 0 ? SUCCESS : INVALID; }
int cuDriverGetVersion(int* v) { *v = 13000; return SUCCESS; }
int cuGetErrorName(int e, const char** s) { *s = e == 719 ? "CUDA_ERROR_LAUNCH_FAILED" : "CUDA_ERROR_OTHER"; return SUCCESS; }
int cuGetErrorString(int e, const char** s) { (void)e; *s = "the fake driver's words"; return SUCCESS; }
int cuDeviceGet(int* d, int ordinal) { *d = ordinal; return SUCCESS; }
int cuDeviceGetCount(int* n) { *n = 1; return SUCCESS; }
int cuDeviceGetName(char* to, int n, int d) { (void)d; strncpy(to, "Fake GPU", n); return SUCCESS; }
int cuDeviceTotalMem_v2(size_t* n, int d) { (void)d; *n = 1ull << 30; return SUCCESS; }
int cuDeviceGetAttribute(int* v, int which, int d) {
    (void)d;
    *v = which == 75 ? 9 : which == 16 ? 4 : which == 17 ? 1 : 0;  // major 9, 4 SMs, a watchdog
    return SUCCESS;
}
int cuDevicePrimaryCtxRetain(void** c, int d) { (void)d; *c = (void*)8; return SUCCESS; }
int cuDevicePrimaryCtxRelease_v2(int d) { (void)d; return SUCCESS; }
int cuCtxGetCurrent(void** c) { *c = (void*)8; return SUCCESS; }
int cuCtxSetCurrent(void* c) { return c == (void*)8 ? SUCCESS : INVALID; }
int cuCtxGetStreamPriorityRange(int* least, int* greatest) { *least = 0; *greatest = -5; return SUCCESS; }
int cuStreamCreate(struct stream** s, unsigned flags) {
    if (flags != 1) return INVALID;  // non-blocking alone
    *s = streams[stream_count++] = calloc(1, sizeof(struct stream));
    return SUCCESS;
}
int cuStreamCreateWithPriority(struct stream** s, unsigned flags, int priority) { (void)priority; return cuStreamCreate(s, flags); }
int cuStreamDestroy_v2(struct stream* s) { (void)s; return SUCCESS; }
int cuStreamQuery(struct stream* s) { return control->fail_with ? (int)control->fail_with : runs(s) ? NOT_READY : SUCCESS; }
int cuEventCreate(void** e, unsigned flags) { (void)flags; *e = malloc(1); return SUCCESS; }
int cuEventDestroy_v2(void* e) { free(e); return SUCCESS; }
int cuEventQuery(void* e) { (void)e; return control->fail_with ? (int)control->fail_with : control->hang_copies ? NOT_READY : SUCCESS; }
int cuEventRecord(void* e, struct stream* s) { (void)e; if (!s) control->null_stream++; return SUCCESS; }
int cuMemHostAlloc(void** p, size_t n, unsigned flags) {
    (void)flags;
    if (n > LARGEST) return OUT_OF_MEMORY;
    *p = aligned_alloc(4096, (n + 4095) / 4096 * 4096);
    memset(*p, n == CONTROL_BYTES ? 0 : 0xa5, n);  // not zeroed, as the real one
    if (n == CONTROL_BYTES) {
        scratch.live++;
        memcpy(*p, &scratch, sizeof scratch);
        control = *p;
    } else {
        control->live++;
    }
    return SUCCESS;
}
int cuMemAlloc_v2(uint64_t* p, size_t n) { return cuMemHostAlloc((void**)p, n, 0); }
int cuMemFree_v2(uint64_t p) { (void)p; return freed(); }  // leaks: the test may still look
int cuMemFreeHost(void* p) { (void)p; return freed(); }
int cuMemHostGetDevicePointer_v2(uint64_t* d, void* p, unsigned flags) { (void)flags; *d = (uint64_t)p; return SUCCESS; }
int cuMemcpyDtoHAsync_v2(void* to, uint64_t from, size_t n, struct stream* s) {
    if (!s) control->null_stream++;
    control->copies++;
    memcpy(to, (void*)from, n);
    return SUCCESS;
}
int cuMemsetD8Async(uint64_t p, unsigned char v, size_t n, struct stream* s) {
    if (!s) control->null_stream++;
    memset((void*)p, v, n);
    return SUCCESS;
}
int cuModuleLoadDataEx(void** m, const void* image, unsigned n, void* options, void* values) {
    (void)image; (void)n; (void)options; (void)values;
    control->live++;
    *m = malloc(1);
    return SUCCESS;
}
int cuModuleUnload(void* m) { (void)m; return freed(); }
int cuModuleGetFunction(void** f, void* m, const char* name) {
    (void)m;
    if (strstr(name, "missing")) return NOT_FOUND;
    *f = strdup(name);
    return SUCCESS;
}
int cuFuncGetAttribute(int* v, int which, void* f) { (void)which; (void)f; *v = 32; return SUCCESS; }
int cuOccupancyMaxActiveBlocksPerMultiprocessor(int* n, void* f, int threads, size_t shared) {
    (void)f; (void)threads; (void)shared;
    *n = 2;  // on 4 multiprocessors: 8 blocks
    return SUCCESS;
}
int cuLaunchKernel(const char* f, unsigned gx, unsigned gy, unsigned gz, unsigned bx, unsigned by, unsigned bz,
                   unsigned shared, struct stream* s, void** parameters, void** extra) {
    (void)gy; (void)gz; (void)by; (void)bz; (void)shared; (void)extra;
    if (!s) control->null_stream++;
    if (gx == 0) return INVALID;
    if (strcmp(f, "clock_probe") == 0) {
        **(uint64_t**)parameters[0] = 123456789;
        return SUCCESS;
    }
    if (bx != 32) return INVALID;
    // ringscope_ring_args: the host's words follow 32 bytes of telemetry; the command is their second.
    const uint64_t* host = ((const uint64_t* const*)parameters[0])[4];
    s->command = host + 1;
    return SUCCESS;
}

// NVRTC: compiles anything to PTX without content.
static const char* const PTX = ".version 7.5";
int nvrtcVersion(int* major, int* minor) { *major = 13; *minor = 0; return SUCCESS; }
int nvrtcCreateProgram(void** p, const char* text, const char* name, int n, const char* const* headers, const char* const* names) {
    (void)text; (void)name; (void)n; (void)headers; (void)names;
    *p = malloc(1);
    return SUCCESS;
}
int nvrtcCompileProgram(void* p, int n, const char* const* options) { (void)p; (void)n; (void)options; return SUCCESS; }
int nvrtcDestroyProgram(void** p) { free(*p); return SUCCESS; }
int nvrtcGetPTXSize(void* p, size_t* n) { (void)p; *n = strlen(PTX) + 1; return SUCCESS; }
int nvrtcGetPTX(void* p, char* to) { (void)p; strcpy(to, PTX); return SUCCESS; }
int nvrtcGetCUBINSize(void* p, size_t* n) { return nvrtcGetPTXSize(p, n); }
int nvrtcGetCUBIN(void* p, char* to) { return nvrtcGetPTX(p, to); }
int nvrtcGetProgramLogSize(void* p, size_t* n) { (void)p; *n = 1; return SUCCESS; }
int nvrtcGetProgramLog(void* p, char* to) { (void)p; *to = 0; return SUCCESS; }
int nvrtcGetNumSupportedArchs(int* n) { *n = 1; return SUCCESS; }
int nvrtcGetSupportedArchs(int* a) { *a = 90; return SUCCESS; }
const char* nvrtcGetErrorString(int e) { (void)e; return "the fake compiler's words"; }
