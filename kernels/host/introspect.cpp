// What the C++ compiler makes of abi.h and histogram.cuh, for tests/abi.rs and tests/histogram.rs to compare
// with what the Rust compiler makes of src/abi.rs and src/histogram.rs.
#include <cstddef>

#include "../include/ringscope/telemetry.cuh"

namespace {
struct Fact {
    const char* name;
    unsigned long long value;
};
#define TYPE(type) {"size " #type, sizeof(type)}, {"align " #type, alignof(type)}
#define FIELD(type, field)                             \
    {"offset " #type "." #field, offsetof(type, field)}, \
    {"size " #type "." #field, sizeof(type::field)}
#define CONSTANT(name) {#name, (unsigned long long)(name)}

const Fact facts[] = {
    TYPE(ringscope_shard), FIELD(ringscope_shard, counters), FIELD(ringscope_shard, words),
    TYPE(ringscope_kernel_ref), FIELD(ringscope_kernel_ref, shards), FIELD(ringscope_kernel_ref, buckets),
    FIELD(ringscope_kernel_ref, row_mask), FIELD(ringscope_kernel_ref, roles),
    FIELD(ringscope_kernel_ref, shard_count), FIELD(ringscope_kernel_ref, bucket_stride),
    FIELD(ringscope_kernel_ref, scale), FIELD(ringscope_kernel_ref, metrics),
    FIELD(ringscope_kernel_ref, metric_count),
    FIELD(ringscope_shard, where),
    FIELD(ringscope_kernel_ref, records), FIELD(ringscope_kernel_ref, heads), FIELD(ringscope_kernel_ref, filter),
    FIELD(ringscope_kernel_ref, box), FIELD(ringscope_kernel_ref, first_block), FIELD(ringscope_kernel_ref, kinds),
    FIELD(ringscope_kernel_ref, record_count), FIELD(ringscope_kernel_ref, box_count),
    CONSTANT(RINGSCOPE_AT), CONSTANT(RINGSCOPE_MESSAGE), CONSTANT(RINGSCOPE_EXPECTED), CONSTANT(RINGSCOPE_SEEN),
    CONSTANT(RINGSCOPE_SM), CONSTANT(RINGSCOPE_BOX_WRITTEN), CONSTANT(RINGSCOPE_WHERE_WORDS),
    CONSTANT(RINGSCOPE_TIME_BITS), CONSTANT(RINGSCOPE_NAME_BITS), CONSTANT(RINGSCOPE_AT_NOWHERE),
    CONSTANT(RINGSCOPE_AT_WAYPOINT), CONSTANT(RINGSCOPE_AT_WAIT), CONSTANT(RINGSCOPE_AT_IDLE), CONSTANT(RINGSCOPE_AT_RING),
    CONSTANT(RINGSCOPE_PLACE_TAKE), CONSTANT(RINGSCOPE_PLACE_HANDLER), CONSTANT(RINGSCOPE_PLACE_ROOM),
    CONSTANT(RINGSCOPE_PLACE_PUBLISH), CONSTANT(RINGSCOPE_WAIT_VALUE_BITS), CONSTANT(RINGSCOPE_WAIT_STAMP_BITS),
    CONSTANT(RINGSCOPE_RECORD_REST), CONSTANT(RINGSCOPE_RECORD_EVENT), CONSTANT(RINGSCOPE_RECORD_SPAN),
    CONSTANT(RINGSCOPE_RECORD_SAMPLE), CONSTANT(RINGSCOPE_RECORD_REAL), CONSTANT(RINGSCOPE_RECORD_LOG),
    CONSTANT(RINGSCOPE_RECORD_MESSAGE), CONSTANT(RINGSCOPE_RECORD_WAYPOINT), CONSTANT(RINGSCOPE_RECORD_MORE),
    CONSTANT(RINGSCOPE_LOG_FIRST), CONSTANT(RINGSCOPE_LOG_SECOND), CONSTANT(RINGSCOPE_STAMP_BITS),
    CONSTANT(RINGSCOPE_RECORD_WORDS), CONSTANT(RINGSCOPE_MIN_RECORDS), CONSTANT(RINGSCOPE_MAX_RECORDS),
    CONSTANT(RINGSCOPE_TRUSTED_RECORDS), CONSTANT(RINGSCOPE_HEAD_WORDS), CONSTANT(RINGSCOPE_HEAD_WRITTEN), CONSTANT(RINGSCOPE_HEAD_SM), CONSTANT(RINGSCOPE_FILTER_SLOW_BITS),
    CONSTANT(RINGSCOPE_FILTER_SAMPLE_BITS), CONSTANT(RINGSCOPE_FILTER_ERRORS), CONSTANT(RINGSCOPE_BOX_CODE),
    CONSTANT(RINGSCOPE_BOX_VALUE), CONSTANT(RINGSCOPE_BOX_TIME), CONSTANT(RINGSCOPE_BOX_AT),
    CONSTANT(RINGSCOPE_BOX_MESSAGE), CONSTANT(RINGSCOPE_BOX_EXPECTED), CONSTANT(RINGSCOPE_BOX_SEEN),
    CONSTANT(RINGSCOPE_BOX_HEAD), CONSTANT(RINGSCOPE_BOX_SM), CONSTANT(RINGSCOPE_BOX_WORDS),
    TYPE(ringscope_metric), FIELD(ringscope_metric, words), FIELD(ringscope_metric, rows),
    FIELD(ringscope_metric, bounds), FIELD(ringscope_metric, slot), FIELD(ringscope_metric, stripes),
    FIELD(ringscope_metric, row_words), FIELD(ringscope_metric, scale), FIELD(ringscope_metric, bounds_count),
    FIELD(ringscope_metric, kind), FIELD(ringscope_metric, series), FIELD(ringscope_metric, index),
    FIELD(ringscope_metric, reserved),
    CONSTANT(RINGSCOPE_METRIC_NONE), CONSTANT(RINGSCOPE_METRIC_COUNTER), CONSTANT(RINGSCOPE_METRIC_GAUGE),
    CONSTANT(RINGSCOPE_METRIC_HISTOGRAM), CONSTANT(RINGSCOPE_METRIC_EXPLICIT),
    CONSTANT(RINGSCOPE_METRIC_VALUE), CONSTANT(RINGSCOPE_METRIC_COUNT), CONSTANT(RINGSCOPE_METRIC_SUM),
    CONSTANT(RINGSCOPE_METRIC_NOT_MIN), CONSTANT(RINGSCOPE_METRIC_MAX), CONSTANT(RINGSCOPE_METRIC_DROPPED),
    CONSTANT(RINGSCOPE_METRIC_WORDS),
    TYPE(ringscope_ring_host), FIELD(ringscope_ring_host, tail), FIELD(ringscope_ring_host, command),
    FIELD(ringscope_ring_host, out_head), FIELD(ringscope_ring_host, clock_answer),
    TYPE(ringscope_ring_device), FIELD(ringscope_ring_device, ticket), FIELD(ringscope_ring_device, seen_tail),
    FIELD(ringscope_ring_device, seen_command), FIELD(ringscope_ring_device, polled_ns), FIELD(ringscope_ring_device, out_ticket),
    TYPE(ringscope_slot_in), FIELD(ringscope_slot_in, done), FIELD(ringscope_slot_in, seq),
    FIELD(ringscope_slot_in, bytes), FIELD(ringscope_slot_in, sent_ns),
    TYPE(ringscope_slot_out), FIELD(ringscope_slot_out, ready), FIELD(ringscope_slot_out, seq),
    FIELD(ringscope_slot_out, bytes), FIELD(ringscope_slot_out, status),
    FIELD(ringscope_slot_out, time_ns),
    TYPE(ringscope_ring_args), FIELD(ringscope_ring_args, telemetry), FIELD(ringscope_ring_args, host),
    FIELD(ringscope_ring_args, posted), FIELD(ringscope_ring_args, done),
    FIELD(ringscope_ring_args, device), FIELD(ringscope_ring_args, in), FIELD(ringscope_ring_args, out),
    FIELD(ringscope_ring_args, slots), FIELD(ringscope_ring_args, slot_stride),
    FIELD(ringscope_ring_args, slot_bytes), FIELD(ringscope_ring_args, done_stride),
    FIELD(ringscope_ring_args, refuse_below),
    CONSTANT(RINGSCOPE_ABI_VERSION), CONSTANT(RINGSCOPE_LINE_BYTES), CONSTANT(RINGSCOPE_WORDS),
    CONSTANT(RINGSCOPE_RECEIVED), CONSTANT(RINGSCOPE_SENT), CONSTANT(RINGSCOPE_PROCESSED),
    CONSTANT(RINGSCOPE_ERRORS), CONSTANT(RINGSCOPE_RETRIES), CONSTANT(RINGSCOPE_DROPPED),
    CONSTANT(RINGSCOPE_REPLIES_DROPPED), CONSTANT(RINGSCOPE_BYTES_IN), CONSTANT(RINGSCOPE_BYTES_OUT),
    CONSTANT(RINGSCOPE_BUSY_NS), CONSTANT(RINGSCOPE_WAIT_NS), CONSTANT(RINGSCOPE_POLLS),
    CONSTANT(RINGSCOPE_LATENCY_COUNT), CONSTANT(RINGSCOPE_LATENCY_SUM_NS), CONSTANT(RINGSCOPE_COUNTERS),
    CONSTANT(RINGSCOPE_STATE), CONSTANT(RINGSCOPE_START_NS), CONSTANT(RINGSCOPE_END_NS),
    CONSTANT(RINGSCOPE_LAST_MESSAGE_NS), CONSTANT(RINGSCOPE_HEARTBEAT_NS), CONSTANT(RINGSCOPE_QUEUE_DEPTH),
    CONSTANT(RINGSCOPE_QUEUE_HIGH_WATER), CONSTANT(RINGSCOPE_LAST_ERROR_CODE),
    CONSTANT(RINGSCOPE_LATENCY_NOT_MIN_NS), CONSTANT(RINGSCOPE_LATENCY_MAX_NS), CONSTANT(RINGSCOPE_ABI),
    CONSTANT(RINGSCOPE_LAST_ERROR_NS), CONSTANT(RINGSCOPE_QUEUED_SUM_NS),
    CONSTANT(RINGSCOPE_QUEUED_NOT_MIN_NS), CONSTANT(RINGSCOPE_QUEUED_MAX_NS),
    CONSTANT(RINGSCOPE_LOOKUP_MISSES), CONSTANT(RINGSCOPE_ROLE_MISSES),
    CONSTANT(RINGSCOPE_SINGLE_WORDS),
    CONSTANT(RINGSCOPE_STATE_NONE), CONSTANT(RINGSCOPE_STATE_HELD), CONSTANT(RINGSCOPE_STATE_ACTIVE),
    CONSTANT(RINGSCOPE_STATE_ENDED),
    CONSTANT(RINGSCOPE_MAX_SCALE), CONSTANT(RINGSCOPE_COMMAND_HOLD), CONSTANT(RINGSCOPE_COMMAND_RUN),
    CONSTANT(RINGSCOPE_COMMAND_STOP), CONSTANT(RINGSCOPE_COMMAND_MASK), CONSTANT(RINGSCOPE_SLOT_HEADER),
    CONSTANT(RINGSCOPE_OK), CONSTANT(RINGSCOPE_REFUSED), CONSTANT(RINGSCOPE_BAD_MESSAGE),
    CONSTANT(RINGSCOPE_REPLY_TOO_LARGE),
};
}  // namespace

// The i-th fact, or null behind the last one.
extern "C" const char* ringscope_host_fact(std::size_t i, unsigned long long* value) {
    if (i >= sizeof(facts) / sizeof(facts[0])) return nullptr;
    *value = facts[i].value;
    return facts[i].name;
}

namespace {
// Of a block of any number of threads: what each finds that its neighbour wrote into shared memory, the launch's where there is
// some. One of them, by its number, traps.
void neighbours(unsigned* found, unsigned traps) {
    __shared__ unsigned own[1024];
    auto* given = static_cast<unsigned*>(ringscope::shared_memory());
    unsigned* words = given != nullptr ? given : own;
    const unsigned mine = threadIdx.x, count = blockDim.x;
    words[mine] = 1000 * ringscope::block_index() + mine;
    ringscope::sync_block();
    if (mine == traps) ringscope::detail::trap();
    found[ringscope::block_index() * count + mine] = words[(mine + 1) % count] + (unsigned)__syncthreads_count(mine % 2 == 0);
}
}  // namespace
RINGSCOPE_ENTRY(neighbours)

extern "C" unsigned ringscope_host_bucket_slot(unsigned long long v, unsigned scale) {
    return ringscope::detail::bucket_slot(v, scale);
}
