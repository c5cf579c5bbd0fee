// matmul_f32: multiplies two matrices. A message is u32 m, n, k, 0, then f32 a[m][k] and f32 b[k][n], row by row; the reply is
// f32 c[m][n], c = a * b. Each element is a sum of k products in f32, from the first to the last.
//
// A block of 256 threads makes 32 x 32 elements at a time, from 32 columns of a and 32 rows of b at a time that lie in shared
// memory: each word of the message is loaded once for 32 elements that need it.
#include <ringscope/block.cuh>

namespace {
constexpr unsigned MATMUL_THREADS = 256, MATMUL_TILE = 32;
// Rows of a tile that a warp of 32 threads has, and how many of them each thread does.
constexpr unsigned MATMUL_ROWS = MATMUL_THREADS / MATMUL_TILE, MATMUL_EACH = MATMUL_TILE / MATMUL_ROWS;

struct MatmulF32 {
    __device__ unsigned handle(ringscope::BlockContext& context, const ringscope::Message& in, ringscope::BlockReply& out) {
        using namespace ringscope;
        constexpr ringscope_u64 MOST = 1ull << 28;  // elements: of 2^30 bytes, the largest slot
        if (in.bytes < sizeof(Word16)) return RINGSCOPE_BAD_MESSAGE;
        const Word16 shape = *reinterpret_cast<const Word16*>(in.data);
        const ringscope_u64 m = shape.x, n = shape.y, k = shape.z;
        if (m == 0 || n == 0 || k == 0 || shape.w != 0 || m * k > MOST || k * n > MOST) return RINGSCOPE_BAD_MESSAGE;
        if (in.bytes != sizeof(Word16) + (m * k + k * n) * sizeof(float)) return RINGSCOPE_BAD_MESSAGE;
        const auto* a = reinterpret_cast<const float*>(in.data + sizeof(Word16));
        auto* c = reinterpret_cast<float*>(out.open(m * n > MOST ? ~0u : (unsigned)(m * n * sizeof(float))));
        if (c == nullptr) return RINGSCOPE_OK;
        for (unsigned row = 0; row < shape.x; row += MATMUL_TILE) {
            context.heartbeat();
            for (unsigned column = 0; column < shape.y; column += MATMUL_TILE) tile(shape, a, a + m * k, c, row, column);
        }
        return RINGSCOPE_OK;
    }

   private:
    // By all threads: the elements from that row and column on.
    __device__ void tile(const ringscope::Word16& shape, const float* a, const float* b, float* c, unsigned row,
                         unsigned column) {
        __shared__ float of_a[MATMUL_TILE][MATMUL_TILE], of_b[MATMUL_TILE][MATMUL_TILE];
        const unsigned m = shape.x, n = shape.y, k = shape.z;
        const unsigned x = threadIdx.x % MATMUL_TILE, y = threadIdx.x / MATMUL_TILE;
        float sums[MATMUL_EACH] = {};
        for (unsigned from = 0; from < k; from += MATMUL_TILE) {
            RINGSCOPE_UNROLL
            for (unsigned i = 0; i < MATMUL_EACH; ++i) {
                const unsigned line = y + i * MATMUL_ROWS;
                of_a[line][x] = row + line < m && from + x < k ? a[(ringscope_u64)(row + line) * k + from + x] : 0.0f;
                of_b[line][x] = from + line < k && column + x < n ? b[(ringscope_u64)(from + line) * n + column + x] : 0.0f;
            }
            ringscope::sync_block();
            for (unsigned j = 0; j < MATMUL_TILE; ++j) {
                RINGSCOPE_UNROLL
                for (unsigned i = 0; i < MATMUL_EACH; ++i) sums[i] += of_a[y + i * MATMUL_ROWS][j] * of_b[j][x];
            }
            ringscope::sync_block();  // before the next ones take their place
        }
        RINGSCOPE_UNROLL
        for (unsigned i = 0; i < MATMUL_EACH; ++i) {
            const unsigned line = row + y + i * MATMUL_ROWS;
            if (line < m && column + x < n) c[(ringscope_u64)line * n + column + x] = sums[i];
        }
    }
};
}  // namespace

RINGSCOPE_RING_KERNEL_BLOCK(matmul_f32, MatmulF32, MATMUL_THREADS)
