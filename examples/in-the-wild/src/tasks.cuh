// tasks.cuh: what the megakernel with telemetry and the one without share: tasks, their arithmetic, and the flags that warps
// wait at. It knows nothing of telemetry.
#ifndef TASKS_CUH
#define TASKS_CUH

namespace {
#ifdef __CUDACC__
constexpr unsigned WARP = 32;
#else
constexpr unsigned WARP = 1;  // on the host device a thread of a block is a warp of one lane
#endif

constexpr unsigned SIDE = 8, TILE = SIDE * SIDE;  // words of a tile, which lie row by row
constexpr unsigned NONE = ~0u;
}  // namespace

// A tile of `out` from tiles `a` and `b`; arithmetic of 32 bits that wraps.
enum TaskKind : unsigned {
    AXPY,    // out[i] = factor * a[i] + b[i] of the first `length` words
    MATMUL,  // out = a * b, all of it
    SUM,     // out[0] = the sum of the first `length` words of a
    STOP     // behind the last one
};

// graph.rs has the same fields.
struct Task {
    unsigned kind, length, factor;
    unsigned a, b, out;                    // numbers of tiles
    unsigned needs;                        // tasks that have to be done before
    unsigned first_successor, successors;  // whom to tell that it is done
    unsigned id;                           // its place in the list

    __device__ unsigned reads() const { return kind == SUM ? length : 2 * length; }  // words
    __device__ unsigned writes() const { return kind == SUM ? 1 : length; }
};

// What a launch is about. Everything is in global memory.
struct Work {
    const Task* tasks;            // in an order in which each finds before it what it needs
    const unsigned* successors;   // the lists of all tasks, one behind the other
    unsigned* done;               // for each task how many of those that it needs are done
    unsigned* tiles;
    unsigned* next;               // the task that is taken next
    const unsigned* held;         // while a task's number stands there its loader does not hand its page on: a hang
    unsigned count, unused;
};

namespace {
// ---- flags --------------------------------------------------------------------------------------------------------

// In shared memory, as an mbarrier is: one thread arrives, all that it saw and wrote is seen by who finds it arrived.
struct Flag {
    unsigned count;

#ifdef __CUDACC__
    __device__ __forceinline__ void arrive() {
        asm volatile("red.release.cta.shared.add.u32 [%0], 1;" ::"l"(__cvta_generic_to_shared(&count)) : "memory");
    }
    __device__ __forceinline__ unsigned arrived() const {
        unsigned n;
        asm volatile("ld.acquire.cta.shared.u32 %0, [%1];"
                     : "=r"(n) : "l"(__cvta_generic_to_shared(&count)) : "memory");
        return n;
    }
#else
    void arrive() { __atomic_fetch_add(&count, 1u, __ATOMIC_RELEASE); }
    unsigned arrived() const { return __atomic_load_n(&count, __ATOMIC_ACQUIRE); }
#endif
};

// In global memory, between blocks.
#ifdef __CUDACC__
__device__ __forceinline__ void tell(unsigned* done) {
    asm volatile("red.release.gpu.global.add.u32 [%0], 1;" ::"l"(__cvta_generic_to_global(done)) : "memory");
}
__device__ __forceinline__ unsigned told(const unsigned* done) {
    unsigned n;
    asm volatile("ld.acquire.gpu.global.u32 %0, [%1];" : "=r"(n) : "l"(__cvta_generic_to_global(done)) : "memory");
    return n;
}
// Of a word that the host writes while the kernel runs.
__device__ __forceinline__ unsigned told_by_host(const unsigned* word) {
    unsigned n;
    asm volatile("ld.acquire.sys.global.u32 %0, [%1];" : "=r"(n) : "l"(__cvta_generic_to_global(word)) : "memory");
    return n;
}
#else
inline void tell(unsigned* done) { __atomic_fetch_add(done, 1u, __ATOMIC_RELEASE); }
inline unsigned told(const unsigned* done) { return __atomic_load_n(done, __ATOMIC_ACQUIRE); }
inline unsigned told_by_host(const unsigned* word) { return __atomic_load_n(word, __ATOMIC_ACQUIRE); }
#endif

// ---- arithmetic: by all lanes of a warp --------------------------------------------------------------------------

// What a loader fills, a consumer computes in, and a storer empties.
struct Page {
    unsigned a[TILE], b[TILE], out[TILE];
};

__device__ __forceinline__ void load(Page& page, const Task& task, const unsigned* tiles, unsigned lane) {
    for (unsigned i = lane; i < task.length; i += WARP) {
        page.a[i] = tiles[task.a * TILE + i];
        if (task.kind != SUM) page.b[i] = tiles[task.b * TILE + i];
    }
}
__device__ __forceinline__ void compute(Page& page, const Task& task, unsigned lane) {
    if (task.kind == SUM) {
        if (lane == 0) page.out[0] = 0;
        __syncwarp();
        unsigned mine = 0;
        for (unsigned i = lane; i < task.length; i += WARP) mine += page.a[i];
        atomicAdd(&page.out[0], mine);
        return;
    }
    for (unsigned i = lane; i < task.length; i += WARP) {
        unsigned word = task.kind == AXPY ? task.factor * page.a[i] + page.b[i] : 0;
        for (unsigned k = 0; task.kind == MATMUL && k < SIDE; ++k) {
            word += page.a[i / SIDE * SIDE + k] * page.b[k * SIDE + i % SIDE];
        }
        page.out[i] = word;
    }
}
__device__ __forceinline__ void store(const Page& page, const Task& task, unsigned* tiles, unsigned lane) {
    for (unsigned i = lane; i < task.writes(); i += WARP) tiles[task.out * TILE + i] = page.out[i];
}
}  // namespace
#endif  // TASKS_CUH
