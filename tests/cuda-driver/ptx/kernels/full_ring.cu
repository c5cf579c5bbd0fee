// full_ring.cu: replies that all lanes write, into a ring that is full most of the time.
//
// Run it with 2 slots, one or more blocks, and a host that takes each reply late: reads all of it, then stores out_head with
// release. Lane 0 finds the ring full, acquires out_head, and all lanes write the slot that the host has just read.
// Must hold: no race between the host's loads of a reply and the lanes' stores of the one that lies there next, nor between
// these and the host's loads of that one; each reply is FULL_WORDS words of 16 bytes, all of them `seq` in each u32; RETRIES > 0,
// or the ring was never full.
#include <ringscope/ring.cuh>

namespace {
constexpr unsigned FULL_WORDS = 40;  // more than one for some lanes; slots of at least 640 bytes

struct Full {
    __device__ ringscope::u32 handle(ringscope::Context&, const ringscope::Message& in, ringscope::Reply& out) {
        using namespace ringscope;
        auto* to = reinterpret_cast<Word16*>(out.open(FULL_WORDS * sizeof(Word16)));
        if (to == nullptr) return RINGSCOPE_OK;
        u32 v = (u32)in.seq;
        for (u32 i = lane(); i < FULL_WORDS; i += LANES) to[i] = Word16{v, v, v, v};
        return RINGSCOPE_OK;
    }
};
}  // namespace

RINGSCOPE_RING_KERNEL(full_ring, Full)
