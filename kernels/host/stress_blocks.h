// stress_blocks.h: blocks of several threads under the sanitizers. Included by stress.cpp.
#ifndef RINGSCOPE_STRESS_BLOCKS_H
#define RINGSCOPE_STRESS_BLOCKS_H

namespace {
// Blocks of several threads: what they exchange in shared memory, and the reply, which all of them write. With
// -DRINGSCOPE_STRESS_RACE a barrier is missing, and the thread sanitizer has to say so.
constexpr unsigned BLOCK_THREADS = 64, ELEMENTS = 128;

struct Rotate {
    unsigned handle(ringscope::BlockContext& c, const ringscope::Message& in, ringscope::BlockReply& out) {
        __shared__ unsigned words[ELEMENTS];
        __shared__ ringscope::LocalCounter counted;
        counted.begin();
        const auto* from = reinterpret_cast<const unsigned*>(in.data);
        for (unsigned i = threadIdx.x; i < ELEMENTS; i += blockDim.x) words[i] = from[i];
        counted.add(2);
        c.heartbeat();
        c.recorder().event(threadIdx.x);
#ifndef RINGSCOPE_STRESS_RACE
        ringscope::sync_block();
#endif
        unsigned next[ELEMENTS / BLOCK_THREADS];
        for (unsigned i = 0; i < ELEMENTS / BLOCK_THREADS; ++i) next[i] = words[(threadIdx.x + i * BLOCK_THREADS + 1) % ELEMENTS];
        auto* to = reinterpret_cast<unsigned*>(out.open(ELEMENTS * sizeof(unsigned)));
        counted.flush(c.counter(0));
        for (unsigned i = 0; to != nullptr && i < ELEMENTS / BLOCK_THREADS; ++i) to[threadIdx.x + i * BLOCK_THREADS] = next[i];
        return RINGSCOPE_OK;
    }
};
}  // namespace
RINGSCOPE_RING_KERNEL_BLOCK(rotate, Rotate, BLOCK_THREADS)
namespace {

// Sends messages to blocks of so many threads, fills and checks each.
template <class Fill, class Check>
void blocks_of_threads(const char* name, void (*entry)(void**), unsigned threads, Word messages, Fill fill, Check check_reply) {
    auto f = std::make_unique<Fixture>();
    auto m = std::make_unique<Metrics>();
    ringscope_ring_args args = f->args();
    args.refuse_below = 0;
    args.telemetry.metrics = m->table;
    args.telemetry.metric_count = 1;
    store(f->host.command, 4 + RINGSCOPE_COMMAND_RUN);
    std::vector<std::thread> blocks;
    for (unsigned b = 0; b < BLOCKS; ++b) {
        blocks.emplace_back([&, b] {
            void* pointers[] = {&args};
            ringscope_host::run_block(entry, pointers, b, BLOCKS, threads);
        });
    }
    std::thread sender([&] {
        for (Word n = 0; n < messages; ++n) {
            auto* slot = reinterpret_cast<ringscope_slot_in*>(f->in + n % SLOTS * STRIDE);
            while (n >= SLOTS && load(slot->done) != n - SLOTS + 1) std::this_thread::yield();
            slot->seq = n;
            slot->bytes = fill(n, reinterpret_cast<unsigned char*>(slot) + RINGSCOPE_SLOT_HEADER);
            store(f->host.tail, n + 1);
        }
    });
    for (Word n = 0; n < messages; ++n) {
        auto* slot = reinterpret_cast<ringscope_slot_out*>(f->out + n % SLOTS * STRIDE);
        while (load(slot->ready) != n + 1) std::this_thread::yield();
        check(slot->status == RINGSCOPE_OK, "status", slot->status, RINGSCOPE_OK);
        check_reply(slot->seq, slot->bytes, reinterpret_cast<unsigned char*>(slot) + RINGSCOPE_SLOT_HEADER);
        store(f->host.out_head, n + 1);
    }
    sender.join();
    store(f->host.command, 8 + RINGSCOPE_COMMAND_STOP);
    for (auto& block : blocks) block.join();
    check(f->sum(RINGSCOPE_PROCESSED) == messages, "processed", f->sum(RINGSCOPE_PROCESSED), messages);
    if (entry == ENTRY(rotate)) check(m->sum(0) == messages * threads * 2, "counted", m->sum(0), messages * threads * 2);
    std::printf("%s: %llu messages over %u blocks of %u threads are exact\n", name, messages, BLOCKS, threads);
}

void rotations() {
    auto word = [](Word n, unsigned i) { return static_cast<unsigned>(n * 7919 + i * 31); };
    auto fill = [=](Word n, unsigned char* to) {
        for (unsigned i = 0; i < ELEMENTS; ++i) reinterpret_cast<unsigned*>(to)[i] = word(n, i);
        return ELEMENTS * 4;
    };
    auto check_reply = [=](Word n, unsigned bytes, const unsigned char* reply) {
        check(bytes == ELEMENTS * 4, "bytes", bytes, ELEMENTS * 4);
        for (unsigned i = 0; i < ELEMENTS; ++i) {
            unsigned got = reinterpret_cast<const unsigned*>(reply)[i], expected = word(n, (i + 1) % ELEMENTS);
            check(got == expected, "a word", got, expected);
        }
    };
    blocks_of_threads("rotate", ENTRY(rotate), BLOCK_THREADS, 300, fill, check_reply);
}

// Of small whole numbers, whose sums f32 has exactly.
void products() {
    constexpr unsigned M = 9, N = 11, K = 10;
    auto element = [](Word n, unsigned i) { return static_cast<float>((n * 13 + i * 7) % 17) - 8; };
    auto fill = [=](Word n, unsigned char* to) {
        const unsigned shape[4] = {M, N, K, 0};
        std::memcpy(to, shape, sizeof shape);
        for (unsigned i = 0; i < (M + N) * K; ++i) reinterpret_cast<float*>(to + sizeof shape)[i] = element(n, i);
        return (unsigned)sizeof shape + (M + N) * K * 4;
    };
    auto check_reply = [=](Word n, unsigned bytes, const unsigned char* reply) {
        check(bytes == M * N * 4, "bytes of a product", bytes, M * N * 4);
        for (unsigned at = 0; at < M * N; ++at) {
            float sum = 0;
            for (unsigned j = 0; j < K; ++j) sum += element(n, at / N * K + j) * element(n, M * K + j * N + at % N);
            float got = reinterpret_cast<const float*>(reply)[at];
            check(got == sum, "an element", (Word)(long long)got, (Word)(long long)sum);
        }
    };
    blocks_of_threads("matmul_f32", ENTRY(matmul_f32), MATMUL_THREADS, 40, fill, check_reply);
}

// A thread that traps ends all of its block, wherever they are, and what is on their stacks is destroyed.
struct Alive {
    Alive() { __atomic_fetch_add(&count, 1, __ATOMIC_RELAXED); }
    ~Alive() {
        __atomic_fetch_sub(&count, 1, __ATOMIC_RELAXED);
        __syncthreads();
    }
    static int count;
};
int Alive::count = 0;
void traps(unsigned which) {
    Alive alive;
    __syncthreads();
    if (threadIdx.x == which) ringscope_host::trap();
    if (threadIdx.x % 3 == 0) __syncthreads();
    else __nanosleep(100);
}
RINGSCOPE_ENTRY(traps)

void trapped() {
    for (unsigned which = 0; which < BLOCK_THREADS; which += 9) {
        void* pointers[] = {&which};
        bool returned = ringscope_host::run_block(traps_host, pointers, 0, 1, BLOCK_THREADS);
        check(!returned, "a block that traps", which, 0);
        check(Alive::count == 0, "objects left behind", (Word)Alive::count, 0);
    }
    std::printf("trap: all threads of a block end with one of them\n");
}
}  // namespace

#endif  // RINGSCOPE_STRESS_BLOCKS_H
