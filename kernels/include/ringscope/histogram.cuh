// histogram.cuh: the one bucket function of the device; src/histogram.rs is its mirror.
//
// Base-2 exponential buckets, 2^scale of them an octave, upper-inclusive: OpenTelemetry's bucket i holds
// (b^i, b^(i+1)] with b = 2^(2^-scale). Everything is computed at the finest scale, 32 buckets an octave,
// and shifted down: bucket i of scale s is exactly the union of buckets 2i and 2i+1 of scale s+1.
#ifndef RINGSCOPE_HISTOGRAM_CUH
#define RINGSCOPE_HISTOGRAM_CUH

namespace ringscope {
namespace detail {
// floor(2^63 * 2^(k/32)): where the k-th bucket of an octave starts, in 1.63 fixed point.
RINGSCOPE_INLINE ringscope_u64 octave_boundary(ringscope_u32 k) {
    static constexpr ringscope_u64 table[32] = {
        0x8000000000000000ull, 0x82cd8698ac2ba1d7ull, 0x85aac367cc487b14ull, 0x88980e8092da8527ull,
        0x8b95c1e3ea8bd6e6ull, 0x8ea4398b45cd53c0ull, 0x91c3d373ab11c336ull, 0x94f4efa8fef70961ull,
        0x9837f0518db8a96full, 0x9b8d39b9d54e5538ull, 0x9ef5326091a111adull, 0xa27043030c496818ull,
        0xa5fed6a9b15138eaull, 0xa9a15ab4ea7c0ef8ull, 0xad583eea42a14ac6ull, 0xb123f581d2ac258full,
        0xb504f333f9de6484ull, 0xb8fbaf4762fb9ee9ull, 0xbd08a39f580c36beull, 0xc12c4cca66709456ull,
        0xc5672a115506daddull, 0xc9b9bd866e2f27a2ull, 0xce248c151f8480e3ull, 0xd2a81d91f12ae45aull,
        0xd744fccad69d6af4ull, 0xdbfbb797daf23755ull, 0xe0ccdeec2a94e111ull, 0xe5b906e77c8348a8ull,
        0xeac0c6e7dd24392eull, 0xefe4b99bdcdaf5cbull, 0xf5257d152486cc2cull, 0xfa83b2db722a033aull,
    };
    return table[k];
}

// The last boundary at or below the start of the g-th of 64 equal parts of an octave. A part is narrower
// than any bucket, so at most one more boundary lies in it, and one compare finds it.
RINGSCOPE_INLINE ringscope_u32 octave_guess(ringscope_u32 g) {
    static constexpr ringscope_u8 table[64] = {
        0,  0,  1,  2,  2,  3,  4,  4,  5,  6,  6,  7,  7,  8,  9,  9,  10, 10, 11, 12, 12, 13,
        13, 14, 14, 15, 15, 16, 16, 17, 17, 18, 18, 19, 19, 20, 20, 21, 21, 21, 22, 22, 23, 23,
        24, 24, 25, 25, 25, 26, 26, 27, 27, 27, 28, 28, 29, 29, 29, 30, 30, 30, 31, 31,
    };
    return table[g];
}

// The slot of `v`, below RINGSCOPE_BUCKETS(scale).
RINGSCOPE_INLINE ringscope_u32 bucket_slot(ringscope_u64 v, ringscope_u32 scale) {
    if (v < 2) return (ringscope_u32)v;
    // Upper-inclusive: v belongs below a boundary that it equals, so look at v minus an infinitesimal:
    // (v - 1) with all the fraction bits below it set. Boundaries inside an octave are irrational.
    ringscope_u32 shift = leading_zeros(v - 1);                     // 0 to 63, v - 1 >= 1
    ringscope_u64 m = ((v - 1) << shift) | ((1ull << shift) - 1);   // top bit set
    ringscope_u32 k = octave_guess((ringscope_u32)(m >> 57) & 63u);           // 0 to 31
    k += (k < 31u && m >= octave_boundary((k + 1) & 31u)) ? 1u : 0u;
    ringscope_u32 finest = (63u - shift) * 32u + k;                 // 0 to 2047
    return (finest >> (RINGSCOPE_MAX_SCALE - scale)) + 2u;
}
}  // namespace detail
}  // namespace ringscope

#endif  // RINGSCOPE_HISTOGRAM_CUH
