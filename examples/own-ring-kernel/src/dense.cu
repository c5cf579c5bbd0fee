// dense: a layer of a neural network, whose blocks have 128 threads, one for each output at most. A message is f32 x[inputs]; the reply
// is f32 y[outputs], y = max(0, W x + bias), and then f32 sums[outputs], of y over all messages that the block has handled.
//
// The weights come from the host once: each block's threads copy them into a part of device memory of its own, and messages
// read them there.
#include <ringscope/block.cuh>

// What the host gives to a launch; the mirror is DenseArgs in dense.rs.
struct DenseArgs {
    const float* given;  // weights[outputs][inputs] and bias[outputs], in host memory
    float* kept;         // as many for each block, in device memory
    unsigned inputs, outputs;
};

namespace {
constexpr unsigned DENSE_THREADS = 128;

class Dense {
   public:
    // By all threads of a block together. Metric 0 is what the host registered first.
    __device__ Dense(ringscope::BlockContext& c, const DenseArgs& args)
        : args_(args), active_(c.counter(0)), largest_(c.gauge(1)), kept_(args.kept + ringscope::block_index() * count()) {
        for (unsigned i = threadIdx.x; i < count(); i += blockDim.x) kept_[i] = args.given[i];
        ringscope::sync_block();
    }

    __device__ unsigned handle(ringscope::BlockContext&, const ringscope::Message& in, ringscope::BlockReply& out) {
        if (in.bytes != args_.inputs * sizeof(float)) return RINGSCOPE_BAD_MESSAGE;
        // What the launch gave of shared memory: room for a message, which every thread reads all of.
        auto* x = static_cast<float*>(ringscope::shared_memory());
        for (unsigned i = threadIdx.x; i < args_.inputs; i += blockDim.x) x[i] = reinterpret_cast<const float*>(in.data)[i];
        ringscope::sync_block();
        float y = 0.0f;
        if (threadIdx.x < args_.outputs) {
            const float* row = kept_ + threadIdx.x * args_.inputs;
            y = kept_[args_.outputs * args_.inputs + threadIdx.x];
            for (unsigned i = 0; i < args_.inputs; ++i) y += row[i] * x[i];
            if (y <= 0.0f) y = 0.0f;
        }
        sum_ += y;
        active_.add_warp(y > 0.0f);  // by all lanes of each warp
        largest_.raise(y);
        auto* to = reinterpret_cast<float*>(out.open(2 * args_.outputs * sizeof(float)));
        if (to != nullptr && threadIdx.x < args_.outputs) {
            to[threadIdx.x] = y;
            to[args_.outputs + threadIdx.x] = sum_;
        }
        return RINGSCOPE_OK;
    }

   private:
    __device__ unsigned count() const { return args_.outputs * (args_.inputs + 1); }

    const DenseArgs& args_;
    ringscope::CounterRef active_;
    ringscope::GaugeRef largest_;
    float* kept_;
    float sum_ = 0.0f;  // of this thread's output: the state of the block
};
}  // namespace

RINGSCOPE_RING_KERNEL_BLOCK(dense, Dense, DENSE_THREADS, DenseArgs)
