// abi.h: the memory that host and device share. Plain C, one definition for both sides.
//
// src/abi.rs is the Rust mirror; tests/abi.rs compares the two field by field with what the compilers
// say (kernels/host/introspect.cpp), so a change here that is not made there fails a test, not a user.
//
// Who writes what:
//   * a shard is written by its own block, or by its own role of a block, and by nobody else; the reader copies it, the
//     host never writes it;
//   * a row of buckets is added to by all shards whose index has the row's low bits: relaxed, by RED.ADD where there are
//     several;
//   * so is a ring of events and spans; the host writes the filter beside it, and no kernel does;
//   * in the rings every index word has one writer, named beside it; release/acquire at system scope.
#ifndef RINGSCOPE_ABI_H
#define RINGSCOPE_ABI_H

// A kernel built with one layout must not be read with another: a block says which it was built with.
#define RINGSCOPE_ABI_VERSION 5u

typedef unsigned char ringscope_u8;
typedef unsigned int ringscope_u32;
typedef unsigned long long ringscope_u64;

// One L2 sector group, and the unit of false sharing on GPUs: nobody else's atomics touch a shard's line.
#define RINGSCOPE_LINE_BYTES 128
#define RINGSCOPE_WORDS 16

// ---- the shard -------------------------------------------------------------------------------------

// Line 0: only ever added to. Lane i of a warp adds to word i, so a whole record is one instruction.
enum ringscope_counter {
    RINGSCOPE_RECEIVED = 0,         // messages taken from the input ring
    RINGSCOPE_SENT = 1,             // replies published
    RINGSCOPE_PROCESSED = 2,        // messages handled without error
    RINGSCOPE_ERRORS = 3,           // messages refused by the handler
    RINGSCOPE_RETRIES = 4,          // times that a reply found its ring full and had to wait
    RINGSCOPE_DROPPED = 5,          // messages still queued when the kernel was stopped
    RINGSCOPE_REPLIES_DROPPED = 6,  // replies without room when the kernel was stopped
    RINGSCOPE_BYTES_IN = 7,
    RINGSCOPE_BYTES_OUT = 8,
    RINGSCOPE_BUSY_NS = 9,          // in the handler
    RINGSCOPE_WAIT_NS = 10,         // waiting for a message, or for room for its reply
    RINGSCOPE_POLLS = 11,           // polls that found the queue empty
    RINGSCOPE_LATENCY_COUNT = 12,   // values in the latency histogram (level 2)
    RINGSCOPE_LATENCY_SUM_NS = 13,
    RINGSCOPE_QUEUED_SUM_NS = 14,   // of the histogram of waiting (level 2)
    RINGSCOPE_COUNTERS = 15         // word 15 is for level 3
};

// Line 1: plain values, not sums. Those marked (largest) are raised by RED.MAX, so that any number of writers may; the
// others have one writer, or the last one's value.
enum ringscope_word {
    RINGSCOPE_STATE = 0,            // enum ringscope_state
    RINGSCOPE_START_NS = 1,         // device clock
    RINGSCOPE_END_NS = 2,           // device clock, 0 while it runs
    RINGSCOPE_LAST_MESSAGE_NS = 3,  // device clock, 0 before the first message
    RINGSCOPE_HEARTBEAT_NS = 4,     // device clock, moves while the block is alive
    RINGSCOPE_QUEUE_DEPTH = 5,      // messages waiting when this block last looked
    RINGSCOPE_QUEUE_HIGH_WATER = 6,  // (largest)
    RINGSCOPE_LAST_ERROR_CODE = 7,
    RINGSCOPE_LATENCY_NOT_MIN_NS = 8,  // (largest) the shortest time of handling, its complement: 0 while none is known
    RINGSCOPE_LATENCY_MAX_NS = 9,      // (largest) valid when the word before is not 0
    RINGSCOPE_ABI = 10,             // RINGSCOPE_ABI_VERSION of the header the kernel was built with
    RINGSCOPE_LAST_ERROR_NS = 11,   // device clock; which block's last error is the last one
    RINGSCOPE_QUEUED_NOT_MIN_NS = 12,  // (largest) the shortest wait's complement, 0 while none is known
    RINGSCOPE_QUEUED_MAX_NS = 13,      // (largest)
    RINGSCOPE_LOOKUP_MISSES = 14,   // added to by any thread of the block: look-ups of metrics that found none
    RINGSCOPE_ROLE_MISSES = 15,     // added to by any thread of the block: pens of roles and shards that there are not
    RINGSCOPE_SINGLE_WORDS = 16
};

// Line 2: where the block is, and what it waits for. Written by the thread that is there; the last one's value.
enum ringscope_where {
    RINGSCOPE_AT = 0,        // RINGSCOPE_AT_* below: the place, and since when
    RINGSCOPE_MESSAGE = 1,   // 1 + the number of the message in hand, 0 without
    RINGSCOPE_EXPECTED = 2,  // RINGSCOPE_WAIT_* below: what it waits for, and the value that this is to have
    RINGSCOPE_SEEN = 3,      // the same, and the value that it has
    RINGSCOPE_SM = 4,        // 1 + the multiprocessor that the block is on
    RINGSCOPE_BOX_WRITTEN = 5,  // records in the black box so far
    RINGSCOPE_WHERE_WORDS = 6
};

// RINGSCOPE_AT is one word, so that place and time belong together: kind 4 bits | waypoint 12 | time 48, the low bits of the
// device clock, which come again after three days.
#define RINGSCOPE_TIME_BITS 48
#define RINGSCOPE_NAME_BITS 12
enum ringscope_at {
    RINGSCOPE_AT_NOWHERE = 0,
    RINGSCOPE_AT_WAYPOINT = 1,  // the waypoint is the author's
    RINGSCOPE_AT_WAIT = 2,      // the author's, and it waits there for something that is due: it hangs if that does not come
    RINGSCOPE_AT_IDLE = 3,      // the author's, and it waits there for work: it may for ever
    RINGSCOPE_AT_RING = 4       // the waypoint is an enum ringscope_ring_place
};
enum ringscope_ring_place {
    RINGSCOPE_PLACE_TAKE = 0,     // waits for a message
    RINGSCOPE_PLACE_HANDLER = 1,  // in the handler
    RINGSCOPE_PLACE_ROOM = 2,     // waits for room for its reply
    RINGSCOPE_PLACE_PUBLISH = 3   // makes its reply visible
};
// RINGSCOPE_EXPECTED and RINGSCOPE_SEEN: resource 16 bits | stamp 16 | value 32. The stamp is the low bits of the time in
// RINGSCOPE_AT: words with another one are of another wait.
#define RINGSCOPE_WAIT_VALUE_BITS 32
#define RINGSCOPE_WAIT_STAMP_BITS 16

// What a block says of itself. What a host made of it is KernelState in src/snapshot.rs.
enum ringscope_state {
    RINGSCOPE_STATE_NONE = 0,  // not started yet
    RINGSCOPE_STATE_HELD = 1,  // resident, takes no messages
    RINGSCOPE_STATE_ACTIVE = 2,
    RINGSCOPE_STATE_ENDED = 3
};

typedef struct ringscope_shard {
    ringscope_u64 counters[RINGSCOPE_WORDS];
    ringscope_u64 words[RINGSCOPE_WORDS];
    ringscope_u64 where[RINGSCOPE_WORDS];
} ringscope_shard;

// ---- events and spans (level 3) ------------------------------------------------------------------------

// Each shard has a ring of records with one writer: the thread that owns the shard. A record is two words, both stamped with
// the low 16 bits of its number plus the ring's records, since nothing orders two words for who copies them: a record is
// whole where both stamps are the expected one, older where it is not visible yet, newer where it was overwritten. Numbers
// are from 0, and stamps start one lap later, so that memory of zeros is no record. Rings hold at most
// RINGSCOPE_MAX_RECORDS records, a power of two; and a record is trusted only while its ring is less than
// RINGSCOPE_TRUSTED_RECORDS further, for the stamps come again after 65,536.
//
//   word 0: time 48 bits, the low bits of the device clock | stamp 16
//   word 1: payload 32 | name 12 | kind 4 | stamp 16
//
// What does not fit is in the records behind it, which say RINGSCOPE_RECORD_REST: 64 bits of value, the low 48 in the place
// of the time and the other 16 in the low half of the payload, and 16 bits beside it in the payload's upper half.
enum ringscope_record_kind {
    RINGSCOPE_RECORD_REST = 0,     // of the record before it
    RINGSCOPE_RECORD_EVENT = 1,    // payload: a value. Rest: the value, where it does not fit
    RINGSCOPE_RECORD_SPAN = 2,     // time: of its begin; payload: nanoseconds. Rest: those, where they do not fit
    RINGSCOPE_RECORD_SAMPLE = 3,   // as an event; what the value is of goes up and down
    RINGSCOPE_RECORD_REAL = 4,     // a sample: the bits of an f32. Rest: those of an f64, where an f32 is not the same
    RINGSCOPE_RECORD_LOG = 5,      // payload: the first number. Rests: each number of 64 bits, see ringscope_log_rest
    RINGSCOPE_RECORD_MESSAGE = 6,  // a span; name: the status, as far as it fits. Rest: the message's number, ~0 is not
                                   // known, beside it 16 bits of the status. Second rest, where either does not fit:
                                   // the status, and in the upper half that of the nanoseconds
    RINGSCOPE_RECORD_WAYPOINT = 7, // payload: enum ringscope_at. In black boxes alone
    RINGSCOPE_RECORD_MORE = 8      // added to the kind: a rest follows
};
// What a rest of a RINGSCOPE_RECORD_LOG holds, in the 16 bits beside its value.
enum ringscope_log_rest {
    RINGSCOPE_LOG_FIRST = 1,  // the first number, all of it
    RINGSCOPE_LOG_SECOND = 2
};
#define RINGSCOPE_STAMP_BITS 16
#define RINGSCOPE_RECORD_WORDS 2
#define RINGSCOPE_MIN_RECORDS 64u
#define RINGSCOPE_MAX_RECORDS 16384u
#define RINGSCOPE_TRUSTED_RECORDS 32768u

// Of each ring how many records were written to it, and where its writer is, with room so that no two writers share a line of
// a CPU's cache. The heads of all rings lie behind one another.
#define RINGSCOPE_HEAD_WORDS 8
enum ringscope_head_word {
    RINGSCOPE_HEAD_WRITTEN = 0,
    RINGSCOPE_HEAD_SM = 1  // 1 + the multiprocessor that the shard's owner is on
};

// The filter is one word of a kernel, written by the host at any time: of messages slower than so many nanoseconds
// (48 bits, 0 is of none for that), of one of 2^(k - 1) of them (6 bits k, 0 is of none), and of those that failed (1 bit).
#define RINGSCOPE_FILTER_SLOW_BITS 48
#define RINGSCOPE_FILTER_SAMPLE_BITS 6
#define RINGSCOPE_FILTER_ERRORS (1ull << 54)

// ---- the black box -------------------------------------------------------------------------------------

// Of each shard, in mapped host memory, which outlives a context: the last words first, then where the block was, then the
// newest records of its waypoints and messages, in a ring of the same layout as above. Any thread of the shard writes it.
enum ringscope_box_word {
    RINGSCOPE_BOX_CODE = 0,    // 1 + the code of the check that failed, 0 while none has: written last
    RINGSCOPE_BOX_VALUE = 1,
    RINGSCOPE_BOX_TIME = 2,
    RINGSCOPE_BOX_AT = 3,      // as in the shard, and the next three
    RINGSCOPE_BOX_MESSAGE = 4,
    RINGSCOPE_BOX_EXPECTED = 5,
    RINGSCOPE_BOX_SEEN = 6,
    RINGSCOPE_BOX_HEAD = 7,    // as RINGSCOPE_BOX_WRITTEN
    RINGSCOPE_BOX_SM = 8,      // as in the shard: what is there cannot be read when the context is dead
    RINGSCOPE_BOX_WORDS = 16
};

// ---- metrics of the kernel's author ------------------------------------------------------------------

enum ringscope_metric_kind {
    RINGSCOPE_METRIC_NONE = 0,
    RINGSCOPE_METRIC_COUNTER = 1,
    RINGSCOPE_METRIC_GAUGE = 2,
    RINGSCOPE_METRIC_HISTOGRAM = 3,  // exponential buckets, of u64
    RINGSCOPE_METRIC_EXPLICIT = 4    // the author's bounds, of f64
};

// The words of one series. Blocks add to the words of their own stripe, so that not all of them meet in one word;
// the reader adds the stripes up. A gauge has one word, in stripe 0. In the slots' lines all stripes of 16 slots lie
// behind one another: word (slot, stripe) is words[((slot / 16) * stripes + stripe) * 16 + slot % 16].
enum ringscope_metric_word {
    RINGSCOPE_METRIC_VALUE = 0,    // counter: u64; gauge: the bits of an f64
    RINGSCOPE_METRIC_COUNT = 0,    // histogram: values
    RINGSCOPE_METRIC_SUM = 1,      // u64, or the bits of an f64
    RINGSCOPE_METRIC_NOT_MIN = 2,  // the largest complement of a value's key: 0 before the first value
    RINGSCOPE_METRIC_MAX = 3,      // the largest key
    RINGSCOPE_METRIC_DROPPED = 4,  // values that are in no bucket: NaN, infinities
    RINGSCOPE_METRIC_WORDS = 8     // slots that a histogram's series takes; a counter's or a gauge's takes 1
};

// One metric, or a family of them under one name: what a kernel takes by value, or finds in the table by its index.
// Written by the host before anyone can know of it, and not again. All zero is a metric switched off.
typedef struct ringscope_metric {
    ringscope_u64* words;         // of all metrics; see above
    ringscope_u64* rows;          // histogram: for each series, `stripes` rows of row_words bucket counts
    const double* bounds;         // explicit buckets: `bounds_count` of them, ascending. Of a family of other metrics, where
                                  // bounds_count is not 0: that many u16, the series of each index of the author's
    ringscope_u32 slot;           // of the first series
    ringscope_u32 stripes;        // a power of two
    ringscope_u32 row_words;
    ringscope_u32 scale;          // exponential buckets
    ringscope_u32 bounds_count;   // of a family without explicit buckets: indices in the map at `bounds`, see there
    ringscope_u32 kind;           // enum ringscope_metric_kind
    ringscope_u32 series;         // those to choose from by index; the one behind them counts what is out of range
    ringscope_u32 index;          // in the table
    ringscope_u64 reserved;
} ringscope_metric;

// What a kernel takes by value. A null `shards` is telemetry switched off at run time.
typedef struct ringscope_kernel_ref {
    ringscope_shard* shards;     // shard_count of them: one a block, or one for each role of each block
    ringscope_u64* buckets;      // row_mask + 1 rows of bucket_stride words; see histogram.cuh. The first half of a
                                 // row counts times of handling, the second those of waiting in the queue
    const ringscope_metric* metrics;  // metric_count places, of which those not taken are zero
    ringscope_u64* records;      // shard_count rings of record_count records; null without
    ringscope_u64* heads;        // shard_count of RINGSCOPE_HEAD_WORDS words
    const ringscope_u64* filter;
    ringscope_u64* box;          // shard_count of RINGSCOPE_BOX_WORDS words and box_count records, mapped; null without
    ringscope_u32 shard_count;
    ringscope_u32 first_block;   // the index of the block whose shard is the first
    ringscope_u32 bucket_stride; // in words
    ringscope_u32 scale;         // 2^scale buckets an octave, 0 to RINGSCOPE_MAX_SCALE
    ringscope_u32 metric_count;
    ringscope_u32 kinds;         // 1 + the index of the family that times tasks by their kind; 0 without
    ringscope_u32 record_count;  // of each ring, a power of two
    ringscope_u32 box_count;     // of each black box, a power of two
    ringscope_u32 row_mask;      // rows - 1, the rows being a power of two: shard i counts in row i & row_mask
    ringscope_u32 roles;         // of each block, each with a shard; 0 is one
} ringscope_kernel_ref;

#define RINGSCOPE_MAX_SCALE 5u
// Slot 0 counts zeros, slot 1 ones, slot s >= 2 the values of OpenTelemetry's bucket index s - 2.
#define RINGSCOPE_BUCKETS(scale) ((64u << (scale)) + 2u)

// ---- the rings (mapped pinned memory, but for ringscope_ring_device) --------------------------------

// The low bits of a command word; the rest counts the commands, so that a later command is a larger word
// and blocks can hand it on with an atomic max. One that repeats the last asks what time it is: see clock_answer.
enum ringscope_command {
    RINGSCOPE_COMMAND_HOLD = 0,
    RINGSCOPE_COMMAND_RUN = 1,
    RINGSCOPE_COMMAND_STOP = 2,
    RINGSCOPE_COMMAND_MASK = 3
};
#define RINGSCOPE_CLOCK_BITS 48

typedef struct ringscope_ring_host {
    ringscope_u64 tail;      // writer: host, release. Messages sent so far. With the next, one word of 16 bytes for who polls
    ringscope_u64 command;   // writer: host, release.
    ringscope_u64 pad0[14];
    ringscope_u64 out_head;  // writer: host, release. Replies taken so far.
    ringscope_u64 pad1[15];
    ringscope_u64 clock_answer;  // writer: device, relaxed: one word says all. RINGSCOPE_CLOCK_BITS of the device
                                 // clock, read after a new command was seen; above them the low bits of its number
    ringscope_u64 pad2[15];
} ringscope_ring_host;

// Device memory, written by the blocks of one kernel; one line for each word that they contend for.
typedef struct ringscope_ring_device {
    ringscope_u64 ticket;      // atomic add: the next message to hand out
    ringscope_u64 pad0[15];
    ringscope_u64 seen_tail;   // atomic max, release: the host's tail as far as any block has seen it
    ringscope_u64 seen_command;  // the same of its command
    ringscope_u64 polled_ns;   // atomic exchange: when a block last asked the host while the kernel is held, device clock
    ringscope_u64 pad1[13];
    ringscope_u64 out_ticket;  // atomic add: the next reply slot
    ringscope_u64 pad2[15];
} ringscope_ring_device;

// A slot is a header and slot_bytes of payload at RINGSCOPE_SLOT_HEADER, 16-byte aligned.
typedef struct ringscope_slot_in {
    ringscope_u64 done;   // writer: device, release. 1 + the number of the last message consumed here. Or it lies elsewhere:
                          // ringscope_ring_args
    ringscope_u64 seq;    // writer: host, before tail
    ringscope_u32 bytes;  // writer: host, before tail; with what follows, one word of 16 bytes for a block
    ringscope_u32 pad;
    ringscope_u64 sent_ns;  // writer: host, before tail. Device clock; 0 is not known.
} ringscope_slot_in;

typedef struct ringscope_slot_out {
    ringscope_u64 ready;   // writer: device, release. 1 + the number of the reply that lies here.
    ringscope_u64 seq;     // writer: device, before ready. The message that it answers.
    ringscope_u32 bytes;   // writer: device, before ready
    ringscope_u32 status;  // writer: device, before ready. enum ringscope_status
    ringscope_u64 time_ns; // writer: device, before ready. When that was, device clock; 0 is not known.
} ringscope_slot_out;

#define RINGSCOPE_SLOT_HEADER 32

// What a handler answers. From 256 on the numbers belong to the handler's author.
enum ringscope_status {
    RINGSCOPE_OK = 0,
    RINGSCOPE_REFUSED = 1,      // by error injection
    RINGSCOPE_BAD_MESSAGE = 2,  // a length or a content that this handler cannot take
    RINGSCOPE_REPLY_TOO_LARGE = 3  // the handler's reply does not fit a slot
};

// The first argument of a ring kernel; that of its author, where there is one, is the second.
typedef struct ringscope_ring_args {
    ringscope_kernel_ref telemetry;
    ringscope_ring_host* host;
    // What the host posted: tail and behind it command, where `host` has them, or a copy of the two in device memory.
    const ringscope_u64* posted;
    ringscope_ring_device* device;
    ringscope_u8* in;              // slots of slot_stride bytes, mapped or in device memory
    ringscope_u8* done;            // mapped: the slots' words `done`, in the slots of a mapped ring, or by themselves
    ringscope_u8* out;
    ringscope_u32 slots;           // a power of two
    ringscope_u32 slot_stride;     // bytes, a multiple of 128
    ringscope_u32 slot_bytes;      // the largest payload
    ringscope_u32 done_stride;     // bytes from one of these words to the next, a multiple of 8
    ringscope_u64 refuse_below;    // messages whose hash is below are refused; 0 refuses none, 2^32 all
} ringscope_ring_args;

// Bytes of the largest argument of an author's; more than that belongs behind an address.
#define RINGSCOPE_MAX_ARGS 1024

#ifdef __cplusplus
#define RINGSCOPE_ASSERT_ABI(condition, why) static_assert(condition, why)
#else
#define RINGSCOPE_ASSERT_ABI(condition, why) _Static_assert(condition, why)
#endif
RINGSCOPE_ASSERT_ABI(sizeof(ringscope_shard) == 3 * RINGSCOPE_LINE_BYTES,
                     "a shard is three lines: one instruction of 16 lanes writes each");
RINGSCOPE_ASSERT_ABI(RINGSCOPE_COUNTERS <= RINGSCOPE_WORDS && RINGSCOPE_SINGLE_WORDS <= RINGSCOPE_WORDS,
                     "a line has 16 words");
RINGSCOPE_ASSERT_ABI(sizeof(ringscope_kernel_ref) == 96, "the ref is passed by value to kernels already built");
RINGSCOPE_ASSERT_ABI(sizeof(ringscope_metric) == 64, "as is a metric, and two of them are one line of the table");
RINGSCOPE_ASSERT_ABI(sizeof(ringscope_slot_in) == RINGSCOPE_SLOT_HEADER &&
                         sizeof(ringscope_slot_out) == RINGSCOPE_SLOT_HEADER,
                     "payloads start 32 bytes into a slot, 16-byte aligned");
RINGSCOPE_ASSERT_ABI(sizeof(ringscope_ring_host) == 3 * RINGSCOPE_LINE_BYTES,
                     "sender, receiver and device write different lines");

#endif  // RINGSCOPE_ABI_H
