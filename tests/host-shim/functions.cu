// functions.cu: what kernels/host/shim.h promises, each function against what CUDA's documentation says of it. A kernel with a
// grid of three dimensions, as HostDevice starts it; its words are looked at by tests/host_shim.rs.
#include <ringscope/telemetry.cuh>

namespace {
__constant__ const unsigned WIDTH = 3;

// What a block did not find as it should be, by the line.
#define CHECK(condition) \
    if (!(condition)) atomicMax(failed, (unsigned)__LINE__)

__device__ void integers(unsigned* failed) {
    __shared__ int i;
    i = 5;
    CHECK(atomicAdd(&i, -7) == 5 && i == -2);
    CHECK(atomicSub(&i, 3) == -2 && i == -5);
    CHECK(atomicMin(&i, -9) == -5 && atomicMin(&i, 4) == -9 && i == -9);
    CHECK(atomicMax(&i, 11) == -9 && atomicMax(&i, 4) == 11 && i == 11);
    CHECK(atomicExch(&i, 0x7fffffff) == 11 && atomicAdd(&i, 1) == 0x7fffffff && i == (int)0x80000000);
    CHECK(atomicCAS(&i, 0, 1) == (int)0x80000000 && atomicCAS(&i, i, 6) == (int)0x80000000 && i == 6);
    CHECK(atomicAnd(&i, 3) == 6 && atomicOr(&i, 9) == 2 && atomicXor(&i, 1) == 11 && i == 10);
    __shared__ unsigned u;
    u = 0xfffffffeu;
    CHECK(atomicAdd_system(&u, 3u) == 0xfffffffeu && u == 1);
    CHECK(atomicInc(&u, 2u) == 1 && atomicInc(&u, 2u) == 2 && u == 0);
    CHECK(atomicDec(&u, 5u) == 0 && atomicDec(&u, 5u) == 5 && u == 4);
    CHECK(atomicMax_block(&u, 0xf0000000u) == 4 && u == 0xf0000000u);
    __shared__ unsigned long long w;
    w = 1;
    CHECK(atomicAdd(&w, ~0ull) == 1 && w == 0);
    CHECK(atomicMax(&w, ~0ull) == 0 && atomicMin(&w, 9ull) == ~0ull && atomicExch(&w, 3ull) == 9);
    CHECK(atomicAnd(&w, 1ull) == 3 && atomicOr(&w, 1ull << 40) == 1 && atomicXor(&w, 1ull) == ((1ull << 40) | 1));
    CHECK(atomicCAS(&w, 1ull << 40, 2ull) == 1ull << 40 && w == 2);
    __shared__ long long s;
    s = -1;
    CHECK(atomicMin(&s, -5ll) == -1 && atomicMax(&s, 5ll) == -5 && s == 5);
    __shared__ unsigned short h;
    h = 1;
    CHECK(atomicCAS(&h, (unsigned short)1, (unsigned short)2) == 1 && h == 2);
}

__device__ void reals(unsigned* failed) {
    __shared__ float f;
    f = 1.5f;
    CHECK(atomicAdd(&f, 2.0f) == 1.5f && f == 3.5f && atomicExch(&f, -1.0f) == 3.5f && f == -1.0f);
    __shared__ double d;
    d = 0.25;
    CHECK(atomicAdd(&d, 0.5) == 0.25 && d == 0.75);
    double nan = __builtin_nan("");
    CHECK(min(1.0f, 2.0f) == 1.0f && max(1.0, 2.0) == 2.0 && min(nan, 3.0) == 3.0 && max(nan, 3.0) == 3.0);
}

__device__ void bits(unsigned* failed) {
    CHECK(__popc(0xf0f0u) == 8 && __popcll(~0ull) == 64);
    CHECK(__clz(0) == 32 && __clz(1) == 31 && __clz(-1) == 0 && __clzll(0) == 64 && __clzll(1) == 63);
    CHECK(__ffs(0) == 0 && __ffs(8) == 4 && __ffsll(1ll << 40) == 41);
    CHECK(__brev(1u) == 0x80000000u && __brev(0x12345678u) == 0x1e6a2c48u && __brevll(1ull) == 1ull << 63);
    CHECK(min(-1, 1) == -1 && max(1u, 7u) == 7u && min(3ll, 2ll) == 2ll && max(3ull, ~0ull) == ~0ull);
    CHECK(min((char)3, (char)2) == 2 && max(1, 2u) == 2u);
}

__device__ void threads(unsigned* failed) {
    CHECK(threadIdx.x + threadIdx.y + threadIdx.z == 0 && blockDim.x * blockDim.y * blockDim.z == 1);
    CHECK(gridDim.x == WIDTH && gridDim.y == 2 && gridDim.z == 2);
    CHECK(blockIdx.x < gridDim.x && blockIdx.y < gridDim.y && blockIdx.z < gridDim.z);
    dim3 one(4), two = {1, 2};
    CHECK(one.x == 4 && one.y == 1 && one.z == 1 && two.y == 2 && dim3(blockIdx).x == blockIdx.x);
    CHECK(__syncthreads_count(5) == 1 && __syncthreads_and(0) == 0 && __syncthreads_or(2) == 1);
    __syncwarp();
    __threadfence();
    __threadfence_block();
    __threadfence_system();
    __nanosleep(1);
    CHECK(clock64() > 0);
}
}  // namespace

// Each block writes its own place of `seen`, adds to one word with all others, and counts in shared memory first.
extern "C" __global__ void __launch_bounds__(256, 2)
    functions(const unsigned* __restrict__ ones, unsigned* seen, unsigned* sum, unsigned* failed) {
    __shared__ unsigned local[4];
    local[threadIdx.x] = 0;
    __syncthreads();
    for (unsigned i = threadIdx.x; i < 1000; i += blockDim.x) atomicAdd(&local[0], __ldg(&ones[i]));
    __syncthreads();
    if (threadIdx.x == 0) {
        atomicAdd(sum, local[0]);
        seen[ringscope::block_index()] += 1;
    }
    integers(failed);
    reals(failed);
    bits(failed);
    threads(failed);
}
RINGSCOPE_ENTRY(functions)
