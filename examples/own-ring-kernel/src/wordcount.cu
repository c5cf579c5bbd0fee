// wordcount: counts the words of each message, a word being what lies between ASCII white space.
//
// The reply has two numbers: the words of this message, and those of all messages that its block has handled so far.
#include <ringscope/ring.cuh>

// Names of what it leaves in a trace, where its build records events; in others these calls are nothing.
RINGSCOPE_NAMES(counting, replying, words_so_far, too_long)

// What the host gives to a launch; the mirror is WordCountArgs in main.rs.
struct WordCountArgs {
    unsigned long long* lengths;  // how many words have 1, 2, … letters; the last one counts all that are longer
    unsigned longest;             // words of `lengths`
    unsigned max_bytes;           // a longer message is refused
};

// A handler's own code, which its reply carries and telemetry shows as the last error.
constexpr unsigned TOO_LONG = 256;

namespace {
struct Counts {
    unsigned long long in_message, in_block;
};

class WordCount {
   public:
    // Once for each block. Metric 0 is what the host registered first.
    __device__ WordCount(ringscope::Context& c, const WordCountArgs& args)
        : args_(args), words_(c.counter(0)), per_message_(c.histogram(1)) {}

    // By all lanes of the block's warp together, or by its one thread on the host device.
    __device__ unsigned handle(ringscope::Context& c, const ringscope::Message& in, ringscope::Reply& out) {
        ringscope::Recorder& rec = c.recorder();
        if (in.bytes > args_.max_bytes) {
            rec.log(too_long, in.bytes, args_.max_bytes);
            return TOO_LONG;
        }
        // Each lane takes the words that end in its part of the message.
        unsigned long long mine = 0;
        {
            ringscope::Span span(rec, counting);
            for (unsigned i = ringscope::lane_index(); i < in.bytes; i += ringscope::LANES_PER_WARP) {
                bool ends = !is_space(in.data[i]) && (i + 1 == in.bytes || is_space(in.data[i + 1]));
                if (!ends) continue;
                ++mine;
                atomicAdd(&args_.lengths[min(length_up_to(in.data, i), args_.longest) - 1], 1ull);
            }
            ringscope::sync_lanes();  // what follows is for all lanes together
        }
        unsigned long long words = ringscope::sum_lanes(mine);
        words_.add_warp(mine);
        if (ringscope::lane_index() == 0) per_message_.observe(words);
        total_ += words;
        rec.counter_sample(words_so_far, total_);
        ringscope::Span span(rec, replying);
        out.put(Counts{words, total_});
        return RINGSCOPE_OK;
    }

   private:
    __device__ static bool is_space(unsigned char c) { return c == ' ' || (c >= '\t' && c <= '\r'); }
    // Of the word that ends at `i`.
    __device__ static unsigned length_up_to(const unsigned char* text, unsigned i) {
        unsigned length = 1;
        while (length <= i && !is_space(text[i - length])) ++length;
        return length;
    }

    const WordCountArgs& args_;
    ringscope::CounterRef words_;
    ringscope::HistogramRef per_message_;
    unsigned long long total_ = 0;  // the state of the block
};
}  // namespace

RINGSCOPE_RING_KERNEL(wordcount, WordCount, WordCountArgs)
