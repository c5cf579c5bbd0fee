// hang: a ring kernel whose messages say by their length where its block is to hang, until the host lets it go on.
#include <ringscope/ring.cuh>

RINGSCOPE_NAMES(load, wait_barrier, hurry, starve)

struct HangArgs {
    unsigned long long* arrived;  // at the barrier, in mapped memory; the host is the last one to come
};

namespace {
class Hang {
   public:
    __device__ Hang(ringscope::Context&, const HangArgs& args) : args_(args) {}

    __device__ unsigned handle(ringscope::Context& c, const ringscope::Message& in, ringscope::Reply& out) {
        if (ringscope::lane_index() == 0) {
            ringscope::Recorder& rec = c.recorder();
            rec.at(load);
            if (in.bytes == wait_barrier) {
                while (arrived() < 4) rec.waiting(wait_barrier, 7, 4, arrived());
                rec.waited();
            } else if (in.bytes == hurry) {
                while (!ringscope::spin_until(rec, hurry, 20000000, [&] { return arrived() >= 4; })) {
                }
            } else if (in.bytes == starve) {
                while (arrived() < 4) rec.waiting(starve);
                rec.waited();
            }
        }
        ringscope::sync_lanes();
        out.put(in.bytes);
        return RINGSCOPE_OK;
    }

   private:
    __device__ unsigned long long arrived() const {
        __nanosleep(1000);
        return *reinterpret_cast<const volatile unsigned long long*>(args_.arrived);
    }
    const HangArgs& args_;
};
}  // namespace

RINGSCOPE_RING_KERNEL(hang, Hang, HangArgs)
