// vector_add: a message is f32 a[n] and then f32 b[n]; the reply is a + b.
#include <ringscope/ring.cuh>

namespace {
struct VectorAdd {
    __device__ unsigned handle(ringscope::Context&, const ringscope::Message& in, ringscope::Reply& out) {
        using namespace ringscope;
        if (in.bytes % (2 * sizeof(float)) != 0) return RINGSCOPE_BAD_MESSAGE;
        unsigned n = in.bytes / (2 * sizeof(float));
        auto* sum = reinterpret_cast<float*>(out.open(n * sizeof(float)));
        if (sum == nullptr) return RINGSCOPE_OK;
        const auto* a = reinterpret_cast<const float*>(in.data);
        const auto* b = a + n;
        for (unsigned i = lane_index(); i < n; i += LANES_PER_WARP) sum[i] = a[i] + b[i];
        return RINGSCOPE_OK;
    }
};
}  // namespace

RINGSCOPE_RING_KERNEL(vector_add, VectorAdd)
