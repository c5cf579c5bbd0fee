// block.cuh: a ring kernel whose blocks have more than one warp. A handler as in ring.cuh, run by all threads of a block:
//
//     #include <ringscope/block.cuh>
//
//     namespace {
//     struct Sum {
//         __device__ unsigned handle(ringscope::BlockContext& c, const ringscope::Message& in, ringscope::BlockReply& out) {
//             __shared__ unsigned sum;                                  // the block's
//             if (threadIdx.x == 0) sum = 0;
//             ringscope::sync_block();                                  // all threads meet
//             for (unsigned i = threadIdx.x; i < in.bytes; i += blockDim.x) atomicAdd(&sum, in.data[i]);
//             ringscope::sync_block();
//             out.put(sum);                                             // by all of them together; thread 0's value
//             return RINGSCOPE_OK;                                      // thread 0's counts
//         }
//     };
//     }  // namespace
//
//     RINGSCOPE_RING_KERNEL_BLOCK(sum, Sum, 256)          // or RINGSCOPE_RING_KERNEL_BLOCK(sum, Sum, 256, Args)
//
// A block has that many threads, 32 to 1,024 in whole warps, and the host is told: a launch says how many blocks, and how
// much shared memory beyond what the kernel declares (LaunchOptions::shared_bytes; ringscope::shared_memory() is where it lies).
//
// Warp 0 takes and publishes, and records each message; the others wait at a barrier. What warp 0 acquired with a message all
// threads may read, and what they write into the reply is there before it is published. All threads run the handler, each with
// its own copy of the handler's state, and all of them return. What they share is `__shared__` memory, uninitialized, as ever;
// between two messages stands a barrier.
//
// On the host device a thread is a warp of one lane: see HostDevice. A kernel with weights in device memory, state across
// messages and metrics of its own: examples/own-ring-kernel/src/dense.cu.
#ifndef RINGSCOPE_BLOCK_CUH
#define RINGSCOPE_BLOCK_CUH

#include <ringscope/ring.cuh>

#ifndef RINGSCOPE_DECLARATIONS
namespace ringscope {
inline namespace RINGSCOPE_LEVEL_NAMESPACE {

// Warp 0's word to the block, in shared memory. Lane 0 of warp 0 writes it, all threads read it; between the two, either way,
// stands a barrier.
struct BlockMail {
    ringscope_u64 seq;
    const ringscope_u8* data;
    ringscope_u32 bytes;
    ringscope_u32 what;  // one of the below
    ringscope_u8* reply[2];  // in turn: a thread may still read of one call while the next one is answered

    static constexpr ringscope_u32 END = 0, HANDLE = 1, REFUSE = 2;
};

// Where the answer goes. All threads of the block call these together, with the same number of bytes.
class BlockReply {
   public:
    RINGSCOPE_INLINE BlockReply(Reply& reply, BlockMail& mail) : reply_(reply), mail_(mail) {}
    BlockReply(const BlockReply&) = delete;
    BlockReply& operator=(const BlockReply&) = delete;

    // As Reply::open; a barrier of the block as well.
    RINGSCOPE_INLINE ringscope_u8* open(ringscope_u32 bytes) {
        const ringscope_u32 which = calls_++ & 1;
        if (warp_index() == 0) {
            ringscope_u8* place = reply_.open(bytes);
            if (lane_index() == 0) mail_.reply[which] = place;
        }
        // Lane 0 acquired the host's word that the slot is free again: only after meeting it may the others write there.
        sync_block();
        return mail_.reply[which];
    }
    // A reply of one value, plain data aligned to at most 16 bytes: that of thread 0.
    template <class Value>
    RINGSCOPE_INLINE void put(const Value& value) {
        static_assert(alignof(Value) <= 16, "a payload is aligned to 16 bytes");
        ringscope_u8* data = open(sizeof(Value));
        if (data != nullptr && threadIdx.x == 0) *reinterpret_cast<Value*>(data) = value;
    }

   private:
    Reply& reply_;
    BlockMail& mail_;
    ringscope_u32 calls_ = 0;
};

// As Context. Each thread has a pen for the block's shard, of which thread 0 is the owner; the ring records each message.
class BlockContext : public Context {
   public:
    RINGSCOPE_INLINE BlockContext(Ring& ring) : Context(ring) {}
    // As Context::heartbeat, by all threads or by thread 0.
    RINGSCOPE_INLINE void heartbeat() const {
        if (threadIdx.x == 0) Context::heartbeat();
    }
};

// The loop of a ring kernel, by all threads of a block.
class BlockLoop {
   public:
    template <class Handler>
    static RINGSCOPE_INLINE void run(Ring& ring, BlockContext& context, Handler& handler) {
        __shared__ BlockMail mail;
        const bool takes = warp_index() == 0;
        if (takes) ring.begin();
        for (;;) {
            Message m;
            MessageRecord record;
            if (takes) {
                if (!ring.take(m, record)) {
                    if (lane_index() == 0) mail.what = BlockMail::END;
                } else if (lane_index() == 0) {
                    mail.what = ring.refuses(m.seq) ? BlockMail::REFUSE : BlockMail::HANDLE;
                    mail.seq = m.seq;
                    mail.data = m.data;
                    mail.bytes = m.bytes;
                }
            }
            // What warp 0 acquired with the message, and the mail, before any thread reads of them.
            sync_block();
            if (mail.what == BlockMail::END) return;
            m.seq = mail.seq;
            m.data = mail.data;
            m.bytes = mail.bytes;
            Reply own(ring);
            BlockReply reply(own, mail);
            ringscope_u32 status = RINGSCOPE_REFUSED;
            if (mail.what == BlockMail::HANDLE) status = handler.handle(context, m, reply);
            // What all threads wrote of the reply, before warp 0 releases it; and none reads the mail any more.
            sync_block();
            if (!takes) continue;
            record.bytes_in = m.bytes;
            record.status = from_lane0(status);
            ring.publish(m, own, record);
            record.end_ns = ring.rec_.ended_warp();
            ring.ended(record);
            ring.rec_.record_warp(record);
        }
    }
};

template <class Handler, class Args>
RINGSCOPE_INLINE void run_ring_block(const ringscope_ring_args& ring_args, const Args& args) {
    Recorder rec(ring_args.telemetry, detail::Beginning{RINGSCOPE_STATE_HELD});
    Ring ring(ring_args, rec);
    BlockContext context(ring);
    {
        Handler handler = detail::make<Handler>(context, args);
        BlockLoop::run(ring, context, handler);
    }
    sync_block();  // the block says that it has ended when all of its handlers are gone
}

}  // inline namespace
}  // namespace ringscope

// RINGSCOPE_RING_KERNEL_BLOCK(name, Handler, THREADS) or RINGSCOPE_RING_KERNEL_BLOCK(name, Handler, THREADS, Args), see above.
#define RINGSCOPE_RING_KERNEL_BLOCK(...)                                                                             \
    RINGSCOPE_FIFTH_(__VA_ARGS__, RINGSCOPE_RING_BLOCK_WITH_, RINGSCOPE_RING_BLOCK_ALONE_, unused, unused)(__VA_ARGS__)
#define RINGSCOPE_FIFTH_(a, b, c, d, e, ...) e
#define RINGSCOPE_RING_BLOCK_ALONE_(name, Handler, threads) \
    RINGSCOPE_BLOCK_ENTRY_ALONE(RINGSCOPE_JOIN(name##_l, RINGSCOPE_LEVEL), Handler, threads)
#define RINGSCOPE_RING_BLOCK_WITH_(name, Handler, threads, Args) \
    RINGSCOPE_BLOCK_ENTRY_WITH(RINGSCOPE_JOIN(name##_l, RINGSCOPE_LEVEL), Handler, threads, Args)
#define RINGSCOPE_BLOCK_ENTRY_ALONE(entry, Handler, threads) RINGSCOPE_BLOCK_ENTRY_ALONE_(entry, Handler, threads)
#define RINGSCOPE_BLOCK_ENTRY_WITH(entry, Handler, threads, Args) RINGSCOPE_BLOCK_ENTRY_WITH_(entry, Handler, threads, Args)
#define RINGSCOPE_BLOCK_THREADS_(threads)                                                            \
    static_assert((threads) % 32 == 0 && (threads) >= 32 && (threads) <= 1024,                       \
                  "a block has 32 to 1024 threads, in whole warps of 32");
#define RINGSCOPE_BLOCK_ENTRY_ALONE_(entry, Handler, threads)                                        \
    RINGSCOPE_BLOCK_THREADS_(threads)                                                                \
    extern "C" __global__ void __launch_bounds__(threads) entry(const ringscope_ring_args ring) {    \
        ringscope::run_ring_block<Handler>(ring, ringscope::NoArgs{});                               \
    }                                                                                                \
    RINGSCOPE_ENTRY(entry)                                                                           \
    RINGSCOPE_DESCRIBE_BLOCK_(entry, threads)                                                        \
    RINGSCOPE_DESCRIBE_(entry, 0, 0, threads)
#define RINGSCOPE_BLOCK_ENTRY_WITH_(entry, Handler, threads, Args)                                   \
    RINGSCOPE_BLOCK_THREADS_(threads)                                                                \
    extern "C" __global__ void __launch_bounds__(threads) entry(const ringscope_ring_args ring, const Args args) { \
        ringscope::run_ring_block<Handler>(ring, args);                                              \
    }                                                                                                \
    RINGSCOPE_ENTRY(entry)                                                                           \
    RINGSCOPE_DESCRIBE_BLOCK_(entry, threads)                                                        \
    RINGSCOPE_DESCRIBE_ARGS_(entry, sizeof(Args), alignof(Args), threads)

// On CUDA one more symbol, entry_threads, whose size is that number.
#if RINGSCOPE_CUDA
#define RINGSCOPE_DESCRIBE_BLOCK_(entry, threads)         \
    extern "C" {                                          \
    __device__ ringscope_u8 entry##_threads[threads];     \
    }
#else
#define RINGSCOPE_DESCRIBE_BLOCK_(entry, threads)
#endif
#endif  // RINGSCOPE_DECLARATIONS

#endif  // RINGSCOPE_BLOCK_CUH
