// sized: ring kernels of blocks of 32 to 1,024 threads, which do the same. A message is bytes. The reply is the sum of its bytes
// and of their squares, how many threads met and how many messages the block has handled, and then the message. Messages of
// no bytes are refused; of one that begins with a deadly byte the last thread of the block dies. Metric 0 counts bytes.
#include <ringscope/block.cuh>

struct SizedArgs {
    unsigned long long* total;  // bytes' sum, of all blocks
    unsigned dynamic;           // whether the launch gave a word for each thread
    unsigned deadly;            // the byte; none above 255
};

namespace {
struct SizedReply {
    unsigned long long sum, squares;
    unsigned threads, handled;
    unsigned long long seq;
};
static_assert(sizeof(SizedReply) % 16 == 0, "what follows it is aligned");

template <unsigned Threads>
class Sized {
   public:
    __device__ Sized(ringscope::BlockContext& c, const SizedArgs& args) : args_(args), bytes_(c.counter(0)) {}

    __device__ unsigned handle(ringscope::BlockContext& c, const ringscope::Message& in, ringscope::BlockReply& out) {
        __shared__ unsigned long long sums[Threads];
        __shared__ unsigned squares[Threads];
        if (in.bytes == 0) return 256;
        constexpr unsigned WHY = 7;
        ringscope::check(c.recorder(), threadIdx.x != Threads - 1 || in.data[0] != args_.deadly, WHY, in.seq);
        c.heartbeat();
        unsigned* own = args_.dynamic != 0 ? static_cast<unsigned*>(ringscope::shared_memory()) : squares;
        unsigned long long sum = 0;
        unsigned square = 0;
        for (unsigned i = threadIdx.x; i < in.bytes; i += blockDim.x) {
            sum += in.data[i];
            square += in.data[i] * in.data[i];
        }
        sums[threadIdx.x] = sum;
        own[threadIdx.x] = square;
        // A tree: each step reads what other threads wrote in the one before.
        for (unsigned half = Threads / 2; half > 0; half /= 2) {
            ringscope::sync_block();
            if (threadIdx.x < half) {
                sums[threadIdx.x] += sums[threadIdx.x + half];
                own[threadIdx.x] += own[threadIdx.x + half];
            }
        }
        ++handled_;
        unsigned met = __syncthreads_count(1);
        unsigned char* to = out.open(sizeof(SizedReply) + in.bytes);
        if (to == nullptr) return RINGSCOPE_OK;
        // By the last thread, so that the one that publishes is another one.
        if (threadIdx.x == Threads - 1) {
            *reinterpret_cast<SizedReply*>(to) = SizedReply{sums[0], own[0], met, handled_, in.seq};
            atomicAdd(args_.total, sums[0]);
            bytes_.add(in.bytes);
        }
        for (unsigned i = threadIdx.x; i < in.bytes; i += blockDim.x) to[sizeof(SizedReply) + i] = in.data[i];
        return RINGSCOPE_OK;
    }

   private:
    const SizedArgs& args_;
    ringscope::CounterRef bytes_;
    unsigned handled_ = 0;  // each thread's, and the same in all
};
}  // namespace

RINGSCOPE_RING_KERNEL_BLOCK(sized_32, Sized<32>, 32, SizedArgs)
RINGSCOPE_RING_KERNEL_BLOCK(sized_64, Sized<64>, 64, SizedArgs)
RINGSCOPE_RING_KERNEL_BLOCK(sized_128, Sized<128>, 128, SizedArgs)
RINGSCOPE_RING_KERNEL_BLOCK(sized_256, Sized<256>, 256, SizedArgs)
RINGSCOPE_RING_KERNEL_BLOCK(sized_512, Sized<512>, 512, SizedArgs)
RINGSCOPE_RING_KERNEL_BLOCK(sized_1024, Sized<1024>, 1024, SizedArgs)
