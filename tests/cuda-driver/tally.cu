// tally: a ring kernel of somebody's own, with everything that one may have. Adds up the unsigned that messages are, up to a limit,
// and replies with the sum of the block so far; of one value it dies. Metric 0 is a counter of the values, metric 1 a histogram of them.
#include <ringscope/ring.cuh>

RINGSCOPE_NAMES(tally_adds, tally_sum)

struct TallyArgs {
    unsigned long long* total;  // of all blocks
    unsigned limit, first;
};

namespace {
class Tally {
   public:
    __device__ Tally(ringscope::Context& c, const TallyArgs& args)
        : args_(args), values_(c.counter(0)), sizes_(c.histogram(1)), sum_(args.first) {}

    __device__ unsigned handle(ringscope::Context& c, const ringscope::Message& in, ringscope::Reply& out) {
        if (in.bytes != sizeof(unsigned)) return RINGSCOPE_BAD_MESSAGE;
        unsigned value = *reinterpret_cast<const unsigned*>(in.data);
        constexpr unsigned DEADLY = 0xdead, WHY = 7;
        ringscope::check(c.recorder(), value != DEADLY, WHY, value);
        if (value > args_.limit) return 256;
        c.heartbeat();
        sum_ += value;
        if (ringscope::lane_index() == 0) {
            c.recorder().at(tally_adds);
            c.recorder().event(tally_sum, sum_);
            atomicAdd(args_.total, (unsigned long long)value);
            values_.add(value);
            sizes_.observe((unsigned long long)value);
        }
        out.put(sum_);
        return RINGSCOPE_OK;
    }

   private:
    const TallyArgs& args_;
    ringscope::CounterRef values_;
    ringscope::HistogramRef sizes_;
    unsigned long long sum_;
};
}  // namespace

RINGSCOPE_RING_KERNEL(tally, Tally, TallyArgs)
