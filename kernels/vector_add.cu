// vector_add: a message is f32 a[n] and then f32 b[n]; the reply is a + b.
#include <ringscope/ring.cuh>

namespace {
struct VectorAdd {
    __device__ unsigned handle(ringscope::Context&, const ringscope::Message& in, ringscope::Reply& out) {
        using namespace ringscope;
        if (in.bytes % (2 * sizeof(float)) != 0) return RINGSCOPE_BAD_MESSAGE;
        unsigned n = in.bytes / (2 * sizeof(float));
        constexpr unsigned ROWS = LANES_PER_WARP > 1 ? 4 : 1, STEP = ROWS * LANES_PER_WARP;
        const auto* all = reinterpret_cast<const float*>(in.data);
        // Of a short message the floats are there already.
        float first_a = in.element<float>(lane_index()), first_b = in.element<float>(n + lane_index());
        auto* sum = reinterpret_cast<float*>(out.open(n * sizeof(float)));
        if (sum == nullptr) return RINGSCOPE_OK;
        if (lane_index() < n) sum[lane_index()] = first_a + first_b;
        for (unsigned first = LANES_PER_WARP + lane_index(); first < n; first += STEP) {
            float a[ROWS], b[ROWS];
            RINGSCOPE_UNROLL
            for (unsigned k = 0; k < ROWS; ++k) {
                unsigned i = first + k * LANES_PER_WARP;
                a[k] = b[k] = 0;
                if (i < n) a[k] = all[i], b[k] = all[n + i];
            }
            RINGSCOPE_UNROLL
            for (unsigned k = 0; k < ROWS; ++k)
                if (first + k * LANES_PER_WARP < n) sum[first + k * LANES_PER_WARP] = a[k] + b[k];
        }
        return RINGSCOPE_OK;
    }
};
}  // namespace

RINGSCOPE_RING_KERNEL(vector_add, VectorAdd)
