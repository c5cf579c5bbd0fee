// kernels.cu: what `measure` runs on a GPU. Needs no header; NVRTC 12.0 and nvcc take it. No loop here is without an end:
// each kernel that waits ends by itself at its limit, whatever the host does.
using u64 = unsigned long long;
using u32 = unsigned int;

namespace {
__device__ __forceinline__ u64 now_ns() {
    u64 t;
    asm volatile("mov.u64 %0, %%globaltimer;" : "=l"(t)::"memory");
    return t;
}
__device__ __forceinline__ u64 cycles() {
    u64 t;
    asm volatile("mov.u64 %0, %%clock64;" : "=l"(t)::"memory");
    return t;
}
__device__ __forceinline__ u32 sm() {
    u32 id;
    asm volatile("mov.u32 %0, %%smid;" : "=r"(id));
    return id;
}
#define LOAD(name, order)                                                                       \
    __device__ __forceinline__ u64 name(const u64* p) {                                         \
        u64 v;                                                                                  \
        asm volatile("ld." order ".global.u64 %0, [%1];" : "=l"(v) : "l"(p) : "memory");        \
        return v;                                                                               \
    }
LOAD(load_relaxed_sys, "relaxed.sys")
LOAD(load_acquire_sys, "acquire.sys")
LOAD(load_relaxed_gpu, "relaxed.gpu")
LOAD(load_acquire_gpu, "acquire.gpu")
__device__ __forceinline__ u64 load_16_bytes(const u64* p) {
    u64 a, b;
    asm volatile("ld.relaxed.sys.global.v2.u64 {%0, %1}, [%2];" : "=l"(a), "=l"(b) : "l"(p) : "memory");
    return a | b;
}
__device__ __forceinline__ void store_relaxed_sys(u64* p, u64 v) {
    asm volatile("st.relaxed.sys.global.u64 [%0], %1;" ::"l"(p), "l"(v) : "memory");
}
__device__ __forceinline__ void store_release_sys(u64* p, u64 v) {
    asm volatile("st.release.sys.global.u64 [%0], %1;" ::"l"(p), "l"(v) : "memory");
}
__device__ __forceinline__ void fence_sys() { asm volatile("fence.acq_rel.sys;" ::: "memory"); }
__device__ __forceinline__ u64 ticket(u64* p) {
    u64 v;
    asm volatile("atom.relaxed.gpu.global.add.u64 %0, [%1], 0;" : "=l"(v) : "l"(p) : "memory");
    return v;
}
__device__ __forceinline__ void red(u64* p) {
    asm volatile("red.relaxed.gpu.global.add.u64 [%0], 1;" ::"l"(p) : "memory");
}
// A fence behind so many stores to host memory. It has ended when the load behind it has, whose latency is in the time as well.
__device__ __forceinline__ u64 fenced(u64* sink, int stores, u64 value, const u64* device) {
    for (int n = 0; n < stores; ++n) store_relaxed_sys(sink + 16 * n, value);
    fence_sys();
    return load_relaxed_gpu(device);
}
}  // namespace

// The order of `LATENCIES` in latencies.cpp.
enum What { CLOCK, TIMER, MAPPED_8, MAPPED_16, MAPPED_ACQUIRE, DEVICE_8, DEVICE_ACQUIRE, TICKET, FENCE_0, FENCE_1, FENCE_5, RELEASE };
constexpr u32 CHAIN = 8;

// One thread. `mapped` is host memory and `device` device memory, all zero, 4 KiB each and aligned; every load's address
// hangs on the load before, and the second clock on the last. `samples` has 12 x rounds places: cycles for CHAIN of
// each. `rate` gets the cycles and nanoseconds of the whole.
extern "C" __global__ void measure_latencies(u64* mapped, u64* device, u32 rounds, u64* samples, u64* rate) {
    u64* sink = mapped + 256;  // written, never read here
    u64 first_cycle = cycles(), first_ns = now_ns();
#define MEASURE(what, code)                                   \
    _Pragma("unroll 1") for (u32 round = 0; round < rounds; ++round) { \
        u64 at = 0, begun = cycles();                         \
        _Pragma("unroll") for (u32 i = 0; i < CHAIN; ++i) {   \
            code;                                             \
        }                                                     \
        if (at != 0) samples[0] = at; /* never: all is zero */ \
        samples[what * rounds + round] = cycles() - begun;    \
    }

    MEASURE(CLOCK, at += cycles() == 0)
    MEASURE(TIMER, at += now_ns() == 0)
    MEASURE(MAPPED_8, at = load_relaxed_sys(mapped + at))
    MEASURE(MAPPED_16, at = load_16_bytes(mapped + at))
    MEASURE(MAPPED_ACQUIRE, at = load_acquire_sys(mapped + at))
    MEASURE(DEVICE_8, at = load_relaxed_gpu(device + at))
    MEASURE(DEVICE_ACQUIRE, at = load_acquire_gpu(device + at))
    MEASURE(TICKET, at = ticket(device + at))
    MEASURE(FENCE_0, at = fenced(sink, 0, round, device + at))
    MEASURE(FENCE_1, at = fenced(sink, 1, round, device + at))
    MEASURE(FENCE_5, at = fenced(sink, 5, round, device + at))
    MEASURE(RELEASE, store_release_sys(sink, round); at = load_relaxed_gpu(device + at))
    rate[0] = cycles() - first_cycle;
    rate[1] = now_ns() - first_ns;
}

// One thread answers the host's words with the same: `ask` and `answer` are mapped, 16 bytes each. way 0: polls acquire; 1: relaxed
// 8 bytes and a fence once it is there; 2: relaxed 16 bytes, whose
// second half stays 0. Ends with the word ~0.
extern "C" __global__ void answer_words(const u64* ask, u64* answer, u32 way, u64 limit_ns) {
    u64 begun = now_ns(), last = 0;
    for (;;) {
        u64 word = way == 0 ? load_acquire_sys(ask) : way == 1 ? load_relaxed_sys(ask) : load_16_bytes(ask);
        if (word == last) {
            if (now_ns() - begun > limit_ns) return;
            continue;
        }
        if (word == ~0ull) return;
        last = word;
        if (way != 0) fence_sys();
        store_release_sys(answer, word);
    }
}

// Each warp adds `rounds` times by `lanes` lanes: to word `lane` of line `block % lines`. times[2 * block]: begin and end.
extern "C" __global__ void add_words(u64* words, u32 lines, u32 lanes, u32 rounds, u64* times) {
    u64 begun = now_ns();
    u64* p = words + 16ull * (blockIdx.x % lines) + threadIdx.x;
    if (threadIdx.x < lanes)
        for (u32 i = 0; i < rounds; ++i) red(p);
    asm volatile("fence.acq_rel.gpu;" ::: "memory");
    __syncwarp();
    if (threadIdx.x == 0) {
        times[2 * blockIdx.x] = begun;
        times[2 * blockIdx.x + 1] = now_ns();
    }
}

// Says that its blocks run, with the number of their SM + 1, and stays until `stop` is set or the limit has passed. way 0: sleeps
// only; 1: polls mapped memory relaxed; 2: polls it acquire.
extern "C" __global__ void stay(u64* started, const u64* stop, u32 way, u64 limit_ns) {
    if (threadIdx.x != 0) return;
    store_relaxed_sys(started + blockIdx.x, sm() + 1);
    u64 begun = now_ns();
    for (u32 i = 1; now_ns() - begun < limit_ns; ++i) {
        // The host is looked for now and then in any case.
        u64 word = way == 2 ? load_acquire_sys(stop) : way == 1 || i % 64 == 0 ? load_relaxed_sys(stop) : 0;
        if (word != 0) return;
        __nanosleep(512);
    }
}

// One thread a block follows `chain` (indices of u32, a circle that fits into L1) by plain loads: cycles of `steps` steps, and the SM.
extern "C" __global__ void chase(const u32* chain, u32 steps, u64* out) {
    if (threadIdx.x != 0) return;
    u32 at = 0;
    for (u32 i = 0; i < 4096; ++i) asm volatile("ld.global.ca.u32 %0, [%1];" : "=r"(at) : "l"(chain + at) : "memory");
    u64 begun = cycles();
    for (u32 i = 0; i < steps; ++i) asm volatile("ld.global.ca.u32 %0, [%1];" : "=r"(at) : "l"(chain + at) : "memory");
    if (at == ~0u) out[0] = at;  // never: it is an index
    out[2 * blockIdx.x] = cycles() - begun;
    out[2 * blockIdx.x + 1] = sm();
}

// Uses the shared memory that it was launched with.
extern "C" __global__ void use_shared(u64* out, u32 words) {
    extern __shared__ u64 shared[];
    for (u32 i = threadIdx.x; i < words; i += blockDim.x) shared[i] = i;
    __syncthreads();
    if (threadIdx.x == 0) out[blockIdx.x] = shared[words - 1] + 1;
}

// The clock once: for a sample as a first launch takes it.
extern "C" __global__ void read_clock(u64* out) { store_release_sys(out, now_ns()); }

// Answers with the clock until the word ~0; the smallest step of the clock first, in answer[1].
extern "C" __global__ void answer_clock(const u64* ask, u64* answer, u64 limit_ns) {
    u64 begun = now_ns(), last = 0, tick = ~0ull, before = begun;
    for (u32 i = 0; i < 100000; ++i) {
        u64 t = now_ns();
        if (t != before && t - before < tick) tick = t - before;
        before = t;
    }
    store_relaxed_sys(answer + 1, tick);
    while (now_ns() - begun < limit_ns) {
        u64 word = load_acquire_sys(ask);
        if (word == last) continue;
        if (word == ~0ull) return;
        last = word;
        store_relaxed_sys(answer + 2, now_ns());
        store_release_sys(answer, word);
    }
}
