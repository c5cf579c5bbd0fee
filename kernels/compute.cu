// compute: a load of known size. A message is u32 rounds, u32 0, u64 seed; the reply is the u64 that xorshift64 makes of
// the seed in so many rounds, each of which needs the one before. All lanes do the same work.
#include <ringscope/ring.cuh>

namespace {
struct Compute {
    __device__ unsigned handle(ringscope::Context&, const ringscope::Message& in, ringscope::Reply& out) {
        using namespace ringscope;
        if (in.bytes != 16) return RINGSCOPE_BAD_MESSAGE;
        const Word16 message = in.word(0);
        unsigned long long x = message.z | (unsigned long long)message.w << 32;
        for (unsigned round = 0; round < message.x; ++round) {
            x ^= x << 13;
            x ^= x >> 7;
            x ^= x << 17;
        }
        out.put(x);
        return RINGSCOPE_OK;
    }
};
}  // namespace

RINGSCOPE_RING_KERNEL(compute, Compute)
