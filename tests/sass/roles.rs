//! Kernels that have no register to spare: what the pen takes of them.

/// Shaped as the thread of a matrix multiplication that loads its tiles: a persistent loop over tiles, a loop over their
/// blocks of k; of each a wait for a free stage, and orders for two matrices and their scales. Built with 40 registers.
pub const PRODUCER: &str = r#"
struct Problem { unsigned m, n, k, blocks_of_n, groups, stages, batch_stride; };
#if __CUDA_ARCH__ >= 900
__device__ __forceinline__ void order(const void* map, unsigned to, unsigned barrier, unsigned x, unsigned y) {
    asm volatile("cp.async.bulk.tensor.2d.shared::cluster.global.mbarrier::complete_tx::bytes [%0], [%1, {%3, %4}], [%2];"
                 :: "r"(to), "l"(map), "r"(barrier), "r"(x), "r"(y) : "memory");
}
#else
__device__ __forceinline__ void order(const void* map, unsigned to, unsigned barrier, unsigned x, unsigned y) {
    asm volatile("st.volatile.shared.v4.u32 [%0], {%1, %2, %3, %4};"
                 :: "r"(to), "r"(barrier), "r"(x), "r"(y), "r"((unsigned)(Word)map) : "memory");
}
#endif
__device__ __forceinline__ unsigned arrived(unsigned barrier) {
    unsigned v;
    asm volatile("ld.volatile.shared.u32 %0, [%1];" : "=r"(v) : "r"(barrier) : "memory");
    return v;
}
__device__ __forceinline__ void expect(unsigned barrier, unsigned bytes) {
    asm volatile("st.volatile.shared.u32 [%0], %1;" :: "r"(barrier), "r"(bytes) : "memory");
}
extern "C" __global__ void producer(Ref telemetry, const char* maps, const int* groups, Problem p) {
    extern __shared__ unsigned shared[];
    unsigned base = (unsigned)__cvta_generic_to_shared(shared);
    CALL(ringscope::Recorder rec(telemetry, blockIdx.x, threadIdx.x == 0);)
    if (threadIdx.x != 0) return;
    unsigned stage = 0, phase = 0;
    for (unsigned tile = blockIdx.x; tile < p.m * p.blocks_of_n; tile += gridDim.x) {
        CALL(Word begun = rec.begin();)
        unsigned in_group = p.groups * p.blocks_of_n;
        unsigned first = tile / in_group * p.groups, rows = min(p.m - first, p.groups);
        unsigned m = first + tile % in_group % rows, n = tile % in_group / rows;
        int group = groups[m];
        #pragma unroll 2
        for (unsigned k = 0; k < p.k; ++k) {
            unsigned barrier = base + stage * 16;
            CALL(rec.at(1);)
            while (arrived(barrier) != phase) {}
            unsigned full = barrier + p.stages * 16, data = base + 1024 + stage * 49152;
            order(maps, data, full, k * 128, m * 128);
            order(maps + 128, data + 16384, full, k * 128, n * 128 + group * p.batch_stride);
            order(maps + 256, data + 32768, full, m * 128, k);
            order(maps + 384, data + 33280, full, n, k + group * p.k);
            expect(full, 33792);
            if (++stage == p.stages) stage = 0, phase ^= 1;
        }
        CALL(rec.end(begun, p.k * 33792, 0);)
    }
}
"#;

/// Shaped as a collective that holds what is in flight in registers: each thread adds the lines of its peers to its own, and
/// has the next ones under way. Built with 96 registers.
pub const COLLECTIVE: &str = r#"
extern "C" __global__ void collective(Ref telemetry, const volatile Word* flags, const float4* const* peers, float4* out,
                                      unsigned chunks, unsigned ranks) {
    CALL(ringscope::Recorder rec(telemetry);)
    float4 sum[8], next[8];
    for (unsigned chunk = blockIdx.x; chunk < chunks; chunk += gridDim.x) {
        CALL(Word begun = rec.begin();)
        Word base = (Word)chunk * blockDim.x * 8 + threadIdx.x;
        #pragma unroll
        for (int i = 0; i < 8; ++i) sum[i] = out[base + i * blockDim.x];
        const float4* from = peers[0];
        #pragma unroll
        for (int i = 0; i < 8; ++i) next[i] = from[base + i * blockDim.x];
        for (unsigned rank = 1; rank <= ranks; ++rank) {
            CALL(if (threadIdx.x == 0) rec.at(rank);)
            while (flags[rank] <= chunk) {}
            float4 now[8];
            #pragma unroll
            for (int i = 0; i < 8; ++i) now[i] = next[i];
            from = peers[rank];
            #pragma unroll
            for (int i = 0; i < 8; ++i) next[i] = from[base + i * blockDim.x];
            #pragma unroll
            for (int i = 0; i < 8; ++i) {
                sum[i].x += now[i].x; sum[i].y += now[i].y; sum[i].z += now[i].z; sum[i].w += now[i].w;
            }
        }
        #pragma unroll
        for (int i = 0; i < 8; ++i) out[base + i * blockDim.x] = sum[i];
        __syncthreads();
        CALL(if (threadIdx.x == 0) rec.end(begun, 128ull * blockDim.x, ranks);)
    }
}
"#;
