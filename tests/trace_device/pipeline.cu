// pipeline: a ring kernel that leaves spans, events, samples and log lines in each message, and hangs where it is told to.
#include <ringscope/ring.cuh>

RINGSCOPE_NAMES(load, tile, store, loaded, depth, share, late, barrier)

struct PipelineArgs {
    const volatile unsigned* open;  // whether who waits at the barrier may go on
};

// What a message asks for; the mirror is Ask in main.rs.
struct Ask {
    unsigned tiles;     // spans in the span of loading
    unsigned hangs;     // whether it waits at the barrier
    unsigned code;      // what the handler returns
    unsigned rest;
};

namespace {
class Pipeline {
   public:
    __device__ Pipeline(ringscope::Context&, const PipelineArgs& args) : args_(args) {}

    __device__ unsigned handle(ringscope::Context& c, const ringscope::Message& in, ringscope::Reply& out) {
        Ask ask = *reinterpret_cast<const Ask*>(in.data);
        ringscope::Recorder& rec = c.recorder();
        if (ringscope::lane_index() == 0) {
            {
                ringscope::Span loading(rec, load);
                for (unsigned i = 0; i < ask.tiles; ++i) {
                    ringscope::Span of_tile(rec, tile);
                    rec.event(loaded, (in.seq << 32) + i);
                }
                rec.counter_sample(depth, ask.tiles);
            }
            ringscope::Span storing(rec, store);
            rec.counter_sample(share, ask.tiles / 3.0);
            rec.log(late, in.seq, ask.tiles);
            if (ask.hangs) {
                while (*args_.open == 0) {
                    rec.waiting(barrier, 2, 1, 0);
                    __nanosleep(10000);
                }
                rec.waited();
            }
        }
        ringscope::sync_lanes();
        out.put(in.seq);
        return ask.code;
    }

   private:
    const PipelineArgs& args_;
};
}  // namespace

RINGSCOPE_RING_KERNEL(pipeline, Pipeline, PipelineArgs)
