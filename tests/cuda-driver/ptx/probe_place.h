// probe_place.h: what the probe's kernels are given, and what they leave, compared between the PTX and the same source as C++.
#pragma once
#include <cmath>
#include <limits>

#include "whole.h"

#define PROBES(X) \
    X(probe_l0) X(probe_l1) X(probe_l2) X(probe_l3) X(probe_metrics_l0) X(probe_metrics_l1) X(probe_metrics_l2) X(probe_metrics_l3)
#define DECLARE_PROBE(name) extern "C" void name##_host(void** args);
PROBES(DECLARE_PROBE)

namespace probe {
using namespace bench;

// kernels/probe/probe.cu has the same.
struct Arguments {
    ringscope_kernel_ref telemetry;
    const u64* in;
    u64* out;
    u64* words;
    const u64* stop;
    u64 what, count, rounds, scale;
};
enum What : u64 { SLOTS = 0, TICK = 1, FAULT = 4, METRICS_ONE = 5, METRICS_WARP = 6, METRICS_LOCAL = 7, METRICS_GAUGE = 8, COST_NONE = 16, COST_MAPPED = 20 };

using HostEntry = void (*)(void**);
inline const HostEntry PROBE[] = {probe_l0_host, probe_l1_host, probe_l2_host, probe_l3_host},
                       METRICS[] = {probe_metrics_l0_host, probe_metrics_l1_host, probe_metrics_l2_host, probe_metrics_l3_host};

constexpr u32 MOST_BLOCKS = 3, STRIPES = 4, ROW = 2050, BOUNDS = 5;

struct alignas(128) Place {
    ringscope_metric table[8]{};
    u64 words[2 * STRIPES * RINGSCOPE_WORDS * 3]{};
    u64 rows[STRIPES * ROW]{};
    u64 explicit_rows[STRIPES * (BOUNDS + 1)]{};
    double bounds[BOUNDS] = {-1, 0, 0.5, 2, 1e6};
    ringscope_shard shards[MOST_BLOCKS]{};
    u64 buckets[MOST_BLOCKS][1056]{};
    u64 in[2048]{};
    u64 out[1024]{};
    u64 shared_words[MOST_BLOCKS * RINGSCOPE_WORDS]{};
    u64 stop = 0;
    whole::Traces<MOST_BLOCKS, RINGSCOPE_MIN_RECORDS> traces;

    // The seven metrics that the probe counts in, from index 1 on.
    Place() {
        const u32 kinds[] = {0, RINGSCOPE_METRIC_COUNTER, RINGSCOPE_METRIC_GAUGE, RINGSCOPE_METRIC_GAUGE, RINGSCOPE_METRIC_GAUGE, RINGSCOPE_METRIC_HISTOGRAM,
                             RINGSCOPE_METRIC_EXPLICIT, RINGSCOPE_METRIC_COUNTER};
        u32 slot = 0;
        for (u32 i = 0; i < 8; ++i) {
            ringscope_metric& m = table[i];
            m.kind = kinds[i];
            m.index = i;
            m.words = reinterpret_cast<ringscope_u64*>(words);
            m.stripes = STRIPES;
            m.slot = slot;
            m.series = i == 7 ? 5 : 1;
            bool histogram = m.kind >= RINGSCOPE_METRIC_HISTOGRAM;
            if (histogram) {
                m.rows = reinterpret_cast<ringscope_u64*>(i == 5 ? rows : explicit_rows);
                m.row_words = i == 5 ? ROW : BOUNDS + 1;
                m.scale = 4;
                m.bounds = i == 5 ? nullptr : bounds;
                m.bounds_count = i == 5 ? 0 : BOUNDS;
            }
            slot += i == 7 ? 6 : histogram ? RINGSCOPE_METRIC_WORDS : 1;
        }
    }
    Arguments args(u64 what, u64 count, u64 rounds, u64 scale, u32 blocks) {
        Arguments a{};
        a.telemetry = whole::ref(shards, buckets, table, blocks, 1056, 8);
        traces.join(a.telemetry);
        a.in = in;
        a.out = out;
        a.words = shared_words;
        a.stop = &stop;
        a.what = what;
        a.count = count;
        a.rounds = rounds;
        a.scale = scale;
        return a;
    }
};

// u64 from all octaves, and f64 whose sums are exact in any order, with what is in no bucket.
inline void fill(Place& cpp, Place& ptx, u64 count) {
    auto set_in = [&](u64 n, u64 value) { cpp.in[n] = ptx.in[n] = value; };
    u64 x = 0x9e3779b97f4a7c15;
    for (u64 i = 0; i < count; ++i) {
        x ^= x << 13;
        x ^= x >> 7;
        x ^= x << 17;
        set_in(i, i < 4 ? i : x >> (16 + i % 48));
        double real = (double(x >> 48) - 32768) / 256;
        if (i % 50 == 7) real = std::numeric_limits<double>::quiet_NaN();
        if (i % 50 == 8) real = std::numeric_limits<double>::infinity();
        // A gauge that takes every value is not to become infinite or none.
        set_in(count + i, bits(real));
    }
}

inline u64 word(const Place& place, u32 slot, bool real) {
    u64 sum = 0;
    double reals = 0;
    for (u32 stripe = 0; stripe < STRIPES; ++stripe) {
        u64 w = place.words[(slot / RINGSCOPE_WORDS * STRIPES + stripe) * RINGSCOPE_WORDS + slot % RINGSCOPE_WORDS];
        double value;
        std::memcpy(&value, &w, sizeof value);
        sum += w;
        reals += value;
    }
    return real ? bits(reals) : sum;
}
inline u64 extreme(const Place& place, u32 slot) {
    u64 most = 0;
    for (u32 stripe = 0; stripe < STRIPES; ++stripe)
        most = std::max(most, place.words[(slot / RINGSCOPE_WORDS * STRIPES + stripe) * RINGSCOPE_WORDS + slot % RINGSCOPE_WORDS]);
    return most;
}
inline bool number(u64 v) {
    double f;
    std::memcpy(&f, &v, sizeof f);
    return !std::isnan(f);
}

// Each series' words, added up over the stripes; extremes are the largest.
inline void same_metrics(const Place& cpp, const Place& ptx, const std::string& what) {
    for (u32 i = 1; i < 8; ++i) {
        const ringscope_metric& m = cpp.table[i];
        bool histogram = m.kind >= RINGSCOPE_METRIC_HISTOGRAM;
        u32 count = i == 7 ? 6 : histogram ? RINGSCOPE_METRIC_WORDS : 1;
        for (u32 n = 0; n < count; ++n) {
            bool most = histogram && (n == RINGSCOPE_METRIC_NOT_MIN || n == RINGSCOPE_METRIC_MAX);
            bool real = m.kind == RINGSCOPE_METRIC_GAUGE || (m.kind == RINGSCOPE_METRIC_EXPLICIT && n == RINGSCOPE_METRIC_SUM);
            u64 expected = most ? extreme(cpp, m.slot + n) : word(cpp, m.slot + n, real), got = most ? extreme(ptx, m.slot + n) : word(ptx, m.slot + n, real);
            if (real && !number(expected)) check(!number(got), what + ": metric " + std::to_string(i) + " is no number");
            else same(got, expected, what + ": metric " + std::to_string(i) + ", word " + std::to_string(n));
        }
    }
    auto sum = [](const u64* rows, u32 row, u32 n) {
        u64 total = 0;
        for (u32 stripe = 0; stripe < STRIPES; ++stripe) total += rows[stripe * row + n];
        return total;
    };
    for (u32 n = 0; n < ROW; ++n) same(sum(ptx.rows, ROW, n), sum(cpp.rows, ROW, n), what + ": bucket " + std::to_string(n));
    for (u32 n = 0; n <= BOUNDS; ++n)
        same(sum(ptx.explicit_rows, BOUNDS + 1, n), sum(cpp.explicit_rows, BOUNDS + 1, n), what + ": explicit bucket " + std::to_string(n));
}

inline void as_cpp(HostEntry entry, Arguments args, u32 blocks) {
    void* list[] = {&args};
    for (u32 b = 0; b < blocks; ++b) ringscope_host::run_block(entry, list, b, blocks);
}
}  // namespace probe
