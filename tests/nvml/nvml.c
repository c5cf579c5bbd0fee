// A stand-in of NVIDIA's management library: the calls that ringscope makes, and two GPUs. The first tells everything;
// the second has no ECC, no power sensor and no throttle reasons, and its processes belong to others.
#include <string.h>
#include <unistd.h>

enum { SUCCESS = 0, INVALID_ARGUMENT = 2, NOT_SUPPORTED = 3, INSUFFICIENT_SIZE = 7 };
typedef unsigned long long u64;
typedef struct { unsigned gpu, memory; } Utilization;
typedef struct { unsigned version; u64 total, reserved, free, used; } Memory;
typedef struct { unsigned pid; u64 used; unsigned gpu_instance, compute_instance; } Process;
typedef struct { int index; } Gpu;

static Gpu gpus[2] = {{0}, {1}};

int nvmlInit_v2(void) { return SUCCESS; }
int nvmlShutdown(void) { return SUCCESS; }
int nvmlSystemGetDriverVersion(char* to, unsigned bytes) {
    strncpy(to, "580.65.06", bytes);
    return SUCCESS;
}
int nvmlDeviceGetCount_v2(unsigned* count) {
    *count = 2;
    return SUCCESS;
}
int nvmlDeviceGetHandleByIndex_v2(unsigned index, Gpu** gpu) {
    if (index >= 2) return INVALID_ARGUMENT;
    *gpu = &gpus[index];
    return SUCCESS;
}
int nvmlDeviceGetUUID(Gpu* gpu, char* to, unsigned bytes) {
    strncpy(to, gpu->index ? "GPU-0b" : "GPU-0a", bytes);
    return SUCCESS;
}
int nvmlDeviceGetName(Gpu* gpu, char* to, unsigned bytes) {
    strncpy(to, gpu->index ? "Stand-in 2" : "Stand-in 1", bytes);
    return SUCCESS;
}
int nvmlDeviceGetUtilizationRates(Gpu* gpu, Utilization* to) {
    to->gpu = gpu->index ? 0 : 100;
    to->memory = gpu->index ? 0 : 7;
    return SUCCESS;
}
int nvmlDeviceGetMemoryInfo_v2(Gpu* gpu, Memory* to) {
    to->total = 80000000000ull;
    to->reserved = 500;
    to->used = gpu->index ? 0 : 12345678901ull;
    to->free = to->total - to->used;
    return SUCCESS;
}
int nvmlDeviceGetTemperature(Gpu* gpu, unsigned sensor, unsigned* to) {
    *to = gpu->index ? 31 : 64;
    return sensor == 0 ? SUCCESS : INVALID_ARGUMENT;
}
int nvmlDeviceGetPowerUsage(Gpu* gpu, unsigned* to) {
    if (gpu->index) return NOT_SUPPORTED;
    *to = 321500;
    return SUCCESS;
}
int nvmlDeviceGetClockInfo(Gpu* gpu, unsigned clock, unsigned* to) {
    *to = (gpu->index ? 200 : 1000) + clock;  // 1 is the multiprocessors', 2 the memory's
    return SUCCESS;
}
int nvmlDeviceGetTotalEccErrors(Gpu* gpu, unsigned kind, unsigned counter, u64* to) {
    if (gpu->index) return NOT_SUPPORTED;
    *to = 10 * kind + counter + 1;  // corrected is 0, uncorrected 1; since the driver was loaded is 0
    return SUCCESS;
}
int nvmlDeviceGetCurrentClocksThrottleReasons(Gpu* gpu, u64* to) {
    if (gpu->index) return NOT_SUPPORTED;
    *to = 0x4 | 0x20;
    return SUCCESS;
}
int nvmlDeviceGetComputeRunningProcesses_v3(Gpu* gpu, unsigned* count, Process* to) {
    if (to == 0 || *count < 2) {
        *count = 2;
        return INSUFFICIENT_SIZE;
    }
    *count = 2;
    to[0] = (Process){1, 999, ~0u, ~0u};
    to[1] = (Process){gpu->index ? 2u : (unsigned)getpid(), 777, ~0u, ~0u};
    return SUCCESS;
}
