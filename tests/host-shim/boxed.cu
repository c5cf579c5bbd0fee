// boxed: a ring kernel that replies with the unsigned that a message is, and checks that it is not 3. traps: a kernel of which
// one block traps, or none.
#include <ringscope/ring.cuh>

RINGSCOPE_NAMES(load, mma)

namespace {
struct Boxed {
    __device__ unsigned handle(ringscope::Context& c, const ringscope::Message& in, ringscope::Reply& out) {
        constexpr unsigned NOT_THREE = 7;
        ringscope::Recorder& rec = c.recorder();
        rec.at(load);
        unsigned value = *reinterpret_cast<const unsigned*>(in.data);
        rec.at(mma);
        ringscope::check(rec, value != 3, NOT_THREE, value);
        out.put(value);
        return RINGSCOPE_OK;
    }
};
}  // namespace

RINGSCOPE_RING_KERNEL(boxed, Boxed)

#if RINGSCOPE_LEVEL == 0
extern "C" __global__ void traps(unsigned which) {
    if (ringscope::block_index() == which) ringscope::detail::trap();
}
RINGSCOPE_ENTRY(traps)
#endif
