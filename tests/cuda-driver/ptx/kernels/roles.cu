// roles.cu: kernels whose blocks have roles, tasks that begin in one and end in another, and pens besides the owner's.
//
// On CUDA a block has ROLES warps and each is a role; on the host device, where a block is one thread, ROLES blocks in a row
// stand for the roles of one. So a launch has `blocks` blocks of ROLES * 32 threads there, and blocks * ROLES here. A ref has
// blocks * ROLES shards. tests/roles.rs says what must be found there; for the PTX machine the same in short:
//   * roles_tasks(ref, tasks, mail): mail is blocks * tasks words of zeros. Role 0 begins tasks and hands the time on, role 1
//     ends them as kinds 5, 101 and 349 in turn, each with `i` bytes in; role 2 ends at once; nobody owns the shard of role 3.
//     Of each block: shard 1 RECEIVED = tasks, BYTES_IN = 0 + 1 + ... + tasks - 1; shards 0 and 2 have none; 0 to 2 have ended,
//     3 is all zeros.
//   * roles_extremes(ref, records): all roles write to shard 0, that of role 0 of block 0. Writer w records `records` messages
//     of 1000 + w * records + i ns (i from 0), queue depth w. RECEIVED = writers * records, the sum is exact, the extremes
//     are those of the first and the last, QUEUE_HIGH_WATER = writers - 1.
//   * roles_attached(ref, batches, seen): one block, or one for each, with a shard each and a pen in the function of a batch.
//     seen[b] counts the batches after which START_NS had changed or the state was not 2: 0. RECEIVED = batches.
//   * roles_merged(first, second, split): blocks below `split` are of the first kernel, the others of the second, whose ref has
//     first_block = split. Each records one message of its block's number + 1 bytes; shard i of each is its i-th block's.
//   * roles_rows(ref, records, begun): every role of every block records `records` messages in a shard of its own, half of them
//     by its thread and half by its warp, and begins when as many have begun as there are shards; begun is a word, 0. The i-th took i % 3 ns and waited i % 2 ns: of a writer, rows together
//     count (records + 2) / 3, (records + 1) / 3 and records / 3 values of 0, 1 and 2 ns.
//   * roles_wrong(ref): one block, or one for each. Its first thread has a pen of each role from 0 to ROLES + 1 of its block, and of
//     the shards shard_count and ~0 - 1, and records with each a message of 1 + its role bytes, with the last two of 100. With
//     `roles` of the ref from 1 to ROLES, shard `b * roles + i` has one of i + 1 bytes, and
//     each block has counted ROLES + 4 - roles pens of none in the shard of its index.
#include <ringscope/telemetry.cuh>

namespace {
using Number = unsigned long long;
constexpr unsigned ROLES = 4;

struct Place {
    unsigned block, role;
    bool first;  // thread of the role
};
__device__ __forceinline__ Place place() {
#if RINGSCOPE_CUDA
    return {blockIdx.x, threadIdx.x / 32, threadIdx.x % 32 == 0};
#else
    return {blockIdx.x / ROLES, blockIdx.x % ROLES, true};
#endif
}

__device__ __forceinline__ void hand_on(Number* to, Number v) { ringscope::detail::store_release_system(to, v); }
__device__ __forceinline__ Number taken(const Number* from) {
    for (unsigned attempt = 0;; ++attempt) {
        Number v = ringscope::detail::load_acquire_system(from);
        if (v != 0) return v;
        ringscope::detail::relax(attempt);
    }
}
}  // namespace

extern "C" __global__ void roles_tasks(ringscope::KernelRef telemetry, unsigned tasks, Number* mail) {
    const unsigned kinds[3] = {5, 101, 349};
    Place at = place();
    if (at.role == 3) return;
    ringscope::Recorder rec(telemetry, at.block * ROLES + at.role, at.first);
    if (!at.first || at.role == 2) return;
    for (unsigned i = 0; i < tasks; ++i) {
        Number* task = &mail[at.block * tasks + i];
        // Without telemetry the time is 0: one more is handed on.
        if (at.role == 0) hand_on(task, rec.begin() + 1);
        else rec.end(taken(task) - 1, ringscope::Kind{kinds[i % 3]}, i);
    }
}
RINGSCOPE_ENTRY(roles_tasks)

extern "C" __global__ void roles_extremes(ringscope::KernelRef telemetry, unsigned records) {
    Place at = place();
    unsigned writer = at.block * ROLES + at.role;
    ringscope::Recorder rec(telemetry, 0, writer == 0 && at.first);
    if (!at.first) return;
    for (unsigned i = 0; i < records; ++i) {
        ringscope::MessageRecord m;
        m.begin_ns = 1;
        m.end_ns = 1 + 1000 + (Number)writer * records + i;
        m.queue_depth = writer;
        rec.record(m);
    }
}
RINGSCOPE_ENTRY(roles_extremes)

namespace {
__device__ __forceinline__ void batch(const ringscope::KernelRef& telemetry) {
    ringscope::Recorder rec(telemetry, ringscope::Attached{});
    rec.end(rec.begin());
}
}  // namespace

extern "C" __global__ void roles_attached(ringscope::KernelRef telemetry, unsigned batches, Number* seen) {
    ringscope::Recorder rec(telemetry);
    if (ringscope::thread_index() != 0) return;
    if (!rec.on()) return;
    const Number* words = telemetry.shards[ringscope::block_index() % telemetry.shard_count].words;
    Number start = ringscope::detail::load_relaxed(&words[RINGSCOPE_START_NS]);
    for (unsigned i = 0; i < batches; ++i) {
        batch(telemetry);
        bool same = ringscope::detail::load_relaxed(&words[RINGSCOPE_START_NS]) == start;
        bool active = ringscope::detail::load_relaxed(&words[RINGSCOPE_STATE]) == RINGSCOPE_STATE_ACTIVE;
        if (!same || !active) seen[ringscope::block_index()] += 1;
    }
}
RINGSCOPE_ENTRY(roles_attached)

extern "C" __global__ void roles_merged(ringscope::KernelRef first, ringscope::KernelRef second, unsigned split) {
    ringscope::Recorder rec(ringscope::block_index() < split ? first : second);
    if (ringscope::thread_index() == 0) rec.end(rec.begin(), ringscope::block_index() + 1);
}
RINGSCOPE_ENTRY(roles_merged)

extern "C" __global__ void roles_rows(ringscope::KernelRef telemetry, unsigned records, Number* begun) {
    Place at = place();
    ringscope::Recorder rec(telemetry, at.block * ROLES + at.role, at.first);
    if (at.first) ringscope::detail::take_ticket(begun);
    for (unsigned attempt = 0; ringscope::detail::load_acquire_gpu(begun) < telemetry.shard_count; ++attempt) {
        ringscope::detail::relax(attempt);
    }
    for (unsigned i = 0; i < records; ++i) {
        ringscope::MessageRecord m;
        m.sent_ns = 1;
        m.begin_ns = m.sent_ns + i % 2;
        m.end_ns = m.begin_ns + i % 3;
        if (i < records / 2) rec.record_warp(m);
        else if (at.first) rec.record(m);
    }
}
RINGSCOPE_ENTRY(roles_rows)

namespace {
template <class Which>
__device__ __forceinline__ void record_with(const ringscope::KernelRef& telemetry, Which which, unsigned bytes) {
    ringscope::Recorder rec(telemetry, which, true);
    rec.end(rec.begin(), bytes);
}
}  // namespace

extern "C" __global__ void roles_wrong(ringscope::KernelRef telemetry) {
    if (ringscope::thread_index() != 0) return;
    for (unsigned role = 0; role < ROLES + 2; ++role) record_with(telemetry, ringscope::Role{role}, 1 + role);
    record_with(telemetry, telemetry.shard_count, 100);
    record_with(telemetry, ~0u - 1, 100);
}
RINGSCOPE_ENTRY(roles_wrong)
