// echo: answers each message with its own bytes. Nothing but messaging.
#include <ringscope/ring.cuh>
#if RINGSCOPE_CUDA
namespace {
struct Echo {
    __device__ unsigned handle(ringscope::Context&, const ringscope::Message& in, ringscope::Reply& out) {
        using namespace ringscope;
        constexpr unsigned ROWS = Message::ROWS, STEP = ROWS * LANES_PER_WARP;
        Word16* to = nullptr;
        for (unsigned first = 0;;) {
            // Read before there is a place to write to: the replies of other blocks queue behind an open one.
            Word16 row[ROWS];
            in.rows(first, row);
            // Slots are 16-byte aligned and padded to 16: whole words, the last one with what lies behind.
            if (to == nullptr) to = reinterpret_cast<Word16*>(out.open_at_once(in.bytes));
            if (to == nullptr) {
                to = reinterpret_cast<Word16*>(out.open(in.bytes));
                if (to == nullptr) return RINGSCOPE_OK;
                continue;  // who waited reads again
            }
            RINGSCOPE_UNROLL
            for (unsigned k = 0; k < ROWS; ++k) {
                unsigned i = first + k * LANES_PER_WARP;
                if (i >= in.words()) break;
                if (i + lane_index() < in.words()) to[i + lane_index()] = row[k];
            }
            first += STEP;
            if (first >= in.words()) return RINGSCOPE_OK;
        }
    }
};
}  // namespace

RINGSCOPE_RING_KERNEL(echo, Echo)
#else
namespace {
// A host device has no trips to save: word by word, so that no load waits for the message's size.
struct Echo {
    __device__ unsigned handle(ringscope::Context&, const ringscope::Message& in, ringscope::Reply& out) {
        using ringscope::Word16;
        auto* to = reinterpret_cast<Word16*>(out.open(in.bytes));
        if (to == nullptr) return RINGSCOPE_OK;
        const auto* from = reinterpret_cast<const Word16*>(in.data);
        for (unsigned i = 0; i < in.words(); ++i) to[i] = from[i];
        return RINGSCOPE_OK;
    }
};
}  // namespace

RINGSCOPE_RING_KERNEL(echo, Echo)
#endif
