// crc32c: answers each message with its CRC-32C (Castagnoli, reflected, as in iSCSI and ext4).
//
// A CRC without its initial and final inversion is linear, so the lanes of a warp each take every LANES_PER_WARP-th
// 16-byte word: neighbouring lanes read neighbouring words, one coalesced line after the other. A lane
// carries its state over the words of the others with one multiplication by a constant (four look-ups),
// and over its own word with slicing-by-16. Words before the message count as zero, which a linear CRC
// does not see; so the last row is always full and lane i ends 16 * (LANES_PER_WARP - 1 - i) bytes before the end
// of the words, again a constant. The warp's states then add up by XOR; fewer than 16 bytes remain.
#include <ringscope/ring.cuh>

namespace {
using namespace ringscope;

constexpr unsigned POLYNOMIAL = 0x82f63b78u;

// The state `crc` after one zero byte.
__host__ __device__ constexpr unsigned after_zero(unsigned crc) {
    for (int bit = 0; bit < 8; ++bit) crc = (crc >> 1) ^ ((crc & 1) ? POLYNOMIAL : 0);
    return crc;
}

template <unsigned Lanes>
struct Tables {
    // slice[k][b]: byte b, followed by k bytes. row[k][b]: byte k of a state, after the words of the other lanes.
    unsigned slice[16][256];
    unsigned row[4][256];
    // to_end[k][i]: bit k of lane i's state, after the words of the lanes behind it.
    unsigned to_end[32][Lanes];

    // A state after zero bytes follows from what becomes of its bits: the map is linear.
    __host__ __device__ constexpr unsigned from_lane_to_end(unsigned crc, unsigned lane) const {
        unsigned sum = 0;
        for (int k = 0; k < 32; ++k) sum ^= ((crc >> k) & 1) ? to_end[k][lane] : 0;
        return sum;
    }
    __host__ __device__ constexpr Tables() : slice(), row(), to_end() {
        for (unsigned b = 0; b < 256; ++b) slice[0][b] = after_zero(b);
        for (int k = 1; k < 16; ++k) {
            for (unsigned b = 0; b < 256; ++b) slice[k][b] = (slice[k - 1][b] >> 8) ^ slice[0][slice[k - 1][b] & 0xff];
        }
        // From the last lane to the first, 16 bytes further from the end each.
        for (int k = 0; k < 32; ++k) to_end[k][Lanes - 1] = 1u << k;
        for (unsigned i = Lanes - 1; i > 0; --i) {
            for (int k = 0; k < 32; ++k) {
                unsigned crc = to_end[k][i];
                for (int step = 0; step < 16; ++step) crc = (crc >> 8) ^ slice[0][crc & 0xff];
                to_end[k][i - 1] = crc;
            }
        }
        for (unsigned k = 0; k < 4; ++k) {
            for (unsigned b = 0; b < 256; ++b) row[k][b] = from_lane_to_end(b << (8 * k), 0);
        }
    }
};
template <unsigned Lanes>
__device__ const Tables<Lanes> tables = Tables<Lanes>();

// One row further: the words of all lanes, and this lane's own.
template <unsigned Lanes>
__device__ __forceinline__ void fold(const Tables<Lanes>& t, bool begins, const Word16& w, unsigned& crc) {
    if (Lanes > 1) {
        crc = t.row[0][crc & 0xff] ^ t.row[1][(crc >> 8) & 0xff] ^ t.row[2][(crc >> 16) & 0xff] ^ t.row[3][crc >> 24];
    }
    // The initial inversion.
    const unsigned parts[4] = {w.x ^ crc ^ (begins ? 0xffffffffu : 0u), w.y, w.z, w.w};
    crc = 0;
    RINGSCOPE_UNROLL
    for (unsigned k = 0; k < 4; ++k) {
        const unsigned behind = 12 - 4 * k;
        crc ^= t.slice[behind + 3][parts[k] & 0xff] ^ t.slice[behind + 2][(parts[k] >> 8) & 0xff] ^
               t.slice[behind + 1][(parts[k] >> 16) & 0xff] ^ t.slice[behind][parts[k] >> 24];
    }
}

// The look-ups of a row come after those of the row before: their results would need the registers of rows that are on their way.
__device__ __forceinline__ void in_turn(Word16& w, unsigned& crc) {
#if RINGSCOPE_CUDA
    asm volatile("" : "+r"(w.x), "+r"(w.y), "+r"(w.z), "+r"(w.w), "+r"(crc));
#else
    (void)w, (void)crc;
#endif
}

// What lane `lane` of `Lanes` adds to the state after `count` whole words; all lanes' parts add up by XOR.
template <unsigned Lanes>
__device__ __forceinline__ unsigned lane_part(const Message& in, unsigned count, unsigned lane) {
    constexpr unsigned ROWS = Message::ROWS;
    const Tables<Lanes>& t = tables<Lanes>;
    const auto* words = reinterpret_cast<const Word16*>(in.data);
    unsigned before = (Lanes - count % Lanes) % Lanes;  // zero words in front of the first
    unsigned crc = 0;
    for (unsigned first = 0; first < before + count; first += ROWS * Lanes) {
        // All on their way before the first is folded in: the rows behind the first are full.
        Word16 row[ROWS];
        RINGSCOPE_UNROLL
        for (unsigned k = 0; k < ROWS; ++k) {
            const unsigned i = first + k * Lanes;
            row[k] = Word16{0, 0, 0, 0};
            if (i != 0 && i < before + count) row[k] = words[i + lane - before];
        }
        if (first == 0) row[0] = in.word(lane < before ? ~0u : lane - before);
        RINGSCOPE_UNROLL
        for (unsigned k = 0; k < ROWS; ++k) {
            const unsigned i = first + k * Lanes;
            if (i >= before + count) break;
            in_turn(row[k], crc);
            fold<Lanes>(t, i + lane == before, row[k], crc);
        }
    }
    if (Lanes == 1) return crc;
    unsigned sum = 0;
    RINGSCOPE_UNROLL
    for (unsigned k = 0; k < 32; ++k) sum ^= t.to_end[k][lane] & (0u - ((crc >> k) & 1u));
    return sum;
}

struct Crc32c {
    __device__ unsigned handle(Context&, const Message& in, Reply& out) {
        unsigned words = in.bytes / 16, left = in.bytes % 16;
        // Slots are padded to whole words: the bytes that remain come in one load, not one by one over the link.
        const unsigned last = in.element<unsigned>(4 * words + lane_index() % 4);
        unsigned crc = words == 0 ? 0xffffffffu
                             : xor_lanes(lane_part<LANES_PER_WARP>(in, words, lane_index()));
        RINGSCOPE_UNROLL
        for (unsigned i = 0; i < 16; ++i) {
            if (i >= left) break;
            const unsigned part = LANES_PER_WARP > 1 ? from_lane(last, i / 4) : in.element<unsigned>(4 * words + i / 4);
            crc = (crc >> 8) ^ tables<LANES_PER_WARP>.slice[0][(crc ^ (part >> (8 * (i % 4)))) & 0xff];
        }
        out.put(~crc);
        return RINGSCOPE_OK;
    }
};
}  // namespace

RINGSCOPE_RING_KERNEL(crc32c, Crc32c)
