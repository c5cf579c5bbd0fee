// crc32c: answers each message with its CRC-32C (Castagnoli, reflected, as in iSCSI and ext4).
//
// A CRC without its initial and final inversion is linear, so the lanes of a warp each take every LANES-th
// 16-byte word: neighbouring lanes read neighbouring words, one coalesced line after the other. A lane
// carries its state over the words of the others with one multiplication by a constant (four look-ups),
// and over its own word with slicing-by-16. Words before the message count as zero, which a linear CRC
// does not see; so the last row is always full and lane i ends 16 * (LANES - 1 - i) bytes before the end
// of the words, again a constant. The warp's states then add up by XOR; fewer than 16 bytes remain.
#include <ringscope/ring.cuh>

namespace {
using namespace ringscope;

constexpr u32 POLYNOMIAL = 0x82f63b78u;

// The state `crc` after one zero byte.
constexpr u32 after_zero(u32 crc) {
    for (int bit = 0; bit < 8; ++bit) crc = (crc >> 1) ^ ((crc & 1) ? POLYNOMIAL : 0);
    return crc;
}

struct Tables {
    // slice[k][b]: byte b, followed by k bytes. row[k][b]: byte k of a state, after the words of the other lanes.
    u32 slice[16][256];
    u32 row[4][256];
    // to_end[k][i]: bit k of lane i's state, after the words of the lanes behind it.
    u32 to_end[32][LANES];

    // A state after zero bytes follows from what becomes of its bits: the map is linear.
    constexpr u32 from_lane_to_end(u32 crc, u32 lane) const {
        u32 sum = 0;
        for (int k = 0; k < 32; ++k) sum ^= ((crc >> k) & 1) ? to_end[k][lane] : 0;
        return sum;
    }
    constexpr Tables() : slice(), row(), to_end() {
        for (u32 b = 0; b < 256; ++b) slice[0][b] = after_zero(b);
        for (int k = 1; k < 16; ++k) {
            for (u32 b = 0; b < 256; ++b) slice[k][b] = (slice[k - 1][b] >> 8) ^ slice[0][slice[k - 1][b] & 0xff];
        }
        // From the last lane to the first, 16 bytes further from the end each.
        for (int k = 0; k < 32; ++k) to_end[k][LANES - 1] = 1u << k;
        for (u32 i = LANES - 1; i > 0; --i) {
            for (int k = 0; k < 32; ++k) {
                u32 crc = to_end[k][i];
                for (int step = 0; step < 16; ++step) crc = (crc >> 8) ^ slice[0][crc & 0xff];
                to_end[k][i - 1] = crc;
            }
        }
        for (u32 k = 0; k < 4; ++k) {
            for (u32 b = 0; b < 256; ++b) row[k][b] = from_lane_to_end(b << (8 * k), 0);
        }
    }
};
__device__ const Tables tables = Tables();

__device__ __forceinline__ u32 slice4(u32 word, int behind) {
    return tables.slice[behind + 3][word & 0xff] ^ tables.slice[behind + 2][(word >> 8) & 0xff] ^
           tables.slice[behind + 1][(word >> 16) & 0xff] ^ tables.slice[behind][word >> 24];
}
__device__ __forceinline__ u32 skip_other_lanes(u32 crc) {
    if (LANES == 1) return crc;
    return tables.row[0][crc & 0xff] ^ tables.row[1][(crc >> 8) & 0xff] ^ tables.row[2][(crc >> 16) & 0xff] ^
           tables.row[3][crc >> 24];
}
__device__ __forceinline__ u32 carry_to_end(u32 crc) {
    if (LANES == 1) return crc;
    u32 sum = 0;
    RINGSCOPE_UNROLL
    for (u32 k = 0; k < 32; ++k) sum ^= tables.to_end[k][lane()] & (0u - ((crc >> k) & 1u));
    return sum;
}

// The state after the whole 16-byte words of a message, the same in every lane.
__device__ __forceinline__ u32 crc_words(const Word16* words, u32 count) {
    u32 before = (LANES - count % LANES) % LANES;  // zero words in front of the first
    u32 crc = 0;
    for (u32 i = lane(); i < before + count; i += LANES) {
        crc = skip_other_lanes(crc);
        Word16 w = i < before ? Word16{0, 0, 0, 0} : words[i - before];
        if (i == before) w.x ^= 0xffffffffu;  // the initial inversion
        crc = slice4(w.x ^ crc, 12) ^ slice4(w.y, 8) ^ slice4(w.z, 4) ^ slice4(w.w, 0);
    }
    return xor_lanes(carry_to_end(crc));
}

struct Crc32c {
    __device__ static u32 handle(const Message& in, Reply& out) {
        u32 words = in.bytes / 16;
        u32 crc = words == 0 ? 0xffffffffu : crc_words(reinterpret_cast<const Word16*>(in.data), words);
        for (u32 i = words * 16; i < in.bytes; ++i) {
            crc = (crc >> 8) ^ tables.slice[0][(crc ^ in.data[i]) & 0xff];
        }
        out.put_u32(~crc);
        return RINGSCOPE_OK;
    }
};
}  // namespace

RINGSCOPE_RING_KERNEL(crc32c, Crc32c)
