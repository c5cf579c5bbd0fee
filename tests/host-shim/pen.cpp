// pen.cpp: the pen of rings of events and spans, for tests/trace_rings.rs: writes what it is told, one line each, and prints the
// words that it wrote. Built at level 3. Arguments: records of a ring, and how many were written before.
//   v KIND NAME VALUE TIME, m BEGIN END NUMBER STATUS: by the pen itself, into the first ring
//   l NAME FIRST, L NAME FIRST SECOND, r NAME BITS: by a recorder, into the second
#include <cstdio>
#include <cstdlib>
#include <cstring>
#include <vector>

#include <ringscope/telemetry.cuh>

using Word = unsigned long long;

int main(int count, char** arguments) {
    if (count != 3) return 2;
    ringscope_u32 records = (ringscope_u32)std::strtoul(arguments[1], nullptr, 10);
    Word before = std::strtoull(arguments[2], nullptr, 10);
    std::vector<Word> rings(2 * records * RINGSCOPE_RECORD_WORDS), heads(2 * RINGSCOPE_HEAD_WORDS), filter(1);
    std::vector<ringscope_shard> shards(2);
    heads[0] = heads[RINGSCOPE_HEAD_WORDS] = before;
    ringscope::KernelRef ref{};
    ref.shards = shards.data();
    ref.shard_count = 2;
    ref.records = rings.data();
    ref.heads = heads.data();
    ref.filter = filter.data();
    ref.record_count = records;
    ringscope::detail::TracePen pen;
    pen.open(ref, &shards[0]);
    ringscope::Recorder rec(ref, 1, true);
    char what;
    Word a, b, c, d;
    while (std::scanf(" %c", &what) == 1) {
        bool by_recorder = std::strchr("lLr", what) != nullptr;
        Word& head = heads[by_recorder ? RINGSCOPE_HEAD_WORDS : 0];
        Word first = head;
        if (what == 'v' && std::scanf("%llu %llu %llu %llu", &a, &b, &c, &d) == 4) {
            pen.value(ref, &shards[0], d, c, (ringscope_u32)b, (ringscope_u32)a);
        } else if (what == 'm' && std::scanf("%llu %llu %llu %llu", &a, &b, &c, &d) == 4) {
            ringscope::MessageRecord m;
            m.begin_ns = a;
            m.end_ns = b;
            m.number = c;
            m.status = (ringscope_u32)d;
            pen.message(ref, &shards[0], m);
        } else if (what == 'l' && std::scanf("%llu %llu", &a, &b) == 2) {
            rec.log((ringscope_u32)a, b);
        } else if (what == 'L' && std::scanf("%llu %llu %llu", &a, &b, &c) == 3) {
            rec.log((ringscope_u32)a, b, c);
        } else if (what == 'r' && std::scanf("%llu %llu", &a, &b) == 2) {
            double value;
            std::memcpy(&value, &b, 8);
            rec.counter_sample((ringscope_u32)a, value);
        } else {
            return 2;
        }
        const Word* ring = &rings[by_recorder ? records * RINGSCOPE_RECORD_WORDS : 0];
        for (Word number = first; number < head; ++number) {
            const Word* place = ring + (number & (records - 1)) * RINGSCOPE_RECORD_WORDS;
            std::printf("%llu %llu ", place[0], place[1]);
        }
        std::printf("\n");
    }
    return 0;
}
