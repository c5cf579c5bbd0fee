//! The Rust mirror of the shared memory is the C++ original: what both compilers say is compared by name.
#![cfg(feature = "host")]

use std::collections::BTreeMap;
use std::mem::{align_of, offset_of, size_of};

use ringscope::abi::*;

fn field_size<T, F>(_: fn(&T) -> &F) -> usize {
    size_of::<F>()
}

macro_rules! facts {
    ($($c:ident = $r:ident { $($cf:ident = $rf:ident),* })*) => {
        BTreeMap::from([$(
            (concat!("size ", stringify!($c)).to_owned(), size_of::<$r>() as u64),
            (concat!("align ", stringify!($c)).to_owned(), align_of::<$r>() as u64),
            $(
                (concat!("offset ", stringify!($c), ".", stringify!($cf)).to_owned(), offset_of!($r, $rf) as u64),
                (concat!("size ", stringify!($c), ".", stringify!($cf)).to_owned(),
                 field_size(|v: &$r| &v.$rf) as u64),
            )*
        )*])
    };
}

macro_rules! constants {
    ($map:ident: $($c:ident = $r:expr),* $(,)?) => { $($map.insert(stringify!($c).to_owned(), $r as u64);)* };
}

fn rust_facts() -> BTreeMap<String, u64> {
    let mut map = facts! {
        ringscope_shard = Shard { counters = counters, words = words, where = places }
        ringscope_kernel_ref = KernelRef {
            shards = shards, buckets = buckets, row_mask = row_mask, shard_count = shard_count, bucket_stride = bucket_stride,
            scale = scale, metrics = metrics, metric_count = metric_count, records = records, heads = heads,
            filter = filter, box = black_box, first_block = first_block, kinds = kinds,
            record_count = record_count, box_count = box_count, roles = roles
        }
        ringscope_metric = MetricRef {
            words = words, rows = rows, bounds = bounds, slot = slot, stripes = stripes, row_words = row_words,
            scale = scale, bounds_count = bounds_count, kind = kind, series = series, index = index,
            reserved = reserved
        }
        ringscope_ring_host = RingHost { tail = tail, command = command, out_head = out_head,
            clock_answer = clock_answer }
        ringscope_ring_device = RingDevice {
            ticket = ticket, seen_tail = seen_tail, seen_command = seen_command, polled_ns = polled_ns,
            out_ticket = out_ticket
        }
        ringscope_slot_in = SlotIn { done = done, seq = seq, bytes = bytes, sent_ns = sent_ns }
        ringscope_slot_out = SlotOut { ready = ready, seq = seq, bytes = bytes, status = status,
            time_ns = time_ns }
        ringscope_ring_args = RingArgs {
            telemetry = telemetry, host = host, posted = posted, device = device, in = input, done = done,
            out = output, slots = slots, slot_stride = slot_stride, slot_bytes = slot_bytes,
            done_stride = done_stride, refuse_below = refuse_below
        }
    };
    constants! { map:
        RINGSCOPE_ABI_VERSION = ABI_VERSION, RINGSCOPE_LINE_BYTES = LINE_BYTES, RINGSCOPE_WORDS = WORDS,
        RINGSCOPE_RECEIVED = Counter::Received, RINGSCOPE_SENT = Counter::Sent,
        RINGSCOPE_PROCESSED = Counter::Processed, RINGSCOPE_ERRORS = Counter::Errors,
        RINGSCOPE_RETRIES = Counter::Retries, RINGSCOPE_DROPPED = Counter::Dropped,
        RINGSCOPE_REPLIES_DROPPED = Counter::RepliesDropped, RINGSCOPE_BYTES_IN = Counter::BytesIn,
        RINGSCOPE_BYTES_OUT = Counter::BytesOut, RINGSCOPE_BUSY_NS = Counter::BusyNs,
        RINGSCOPE_WAIT_NS = Counter::WaitNs, RINGSCOPE_POLLS = Counter::Polls,
        RINGSCOPE_LATENCY_COUNT = Counter::LatencyCount, RINGSCOPE_LATENCY_SUM_NS = Counter::LatencySumNs,
        RINGSCOPE_COUNTERS = COUNTERS,
        RINGSCOPE_STATE = Word::State, RINGSCOPE_START_NS = Word::StartNs, RINGSCOPE_END_NS = Word::EndNs,
        RINGSCOPE_LAST_MESSAGE_NS = Word::LastMessageNs, RINGSCOPE_HEARTBEAT_NS = Word::HeartbeatNs,
        RINGSCOPE_QUEUE_DEPTH = Word::QueueDepth, RINGSCOPE_QUEUE_HIGH_WATER = Word::QueueHighWater,
        RINGSCOPE_LAST_ERROR_CODE = Word::LastErrorCode,
        RINGSCOPE_LATENCY_NOT_MIN_NS = Word::LatencyNotMinNs,
        RINGSCOPE_LATENCY_MAX_NS = Word::LatencyMaxNs, RINGSCOPE_ABI = Word::Abi,
        RINGSCOPE_LAST_ERROR_NS = Word::LastErrorNs, RINGSCOPE_QUEUED_SUM_NS = Counter::QueuedSumNs,
        RINGSCOPE_QUEUED_NOT_MIN_NS = Word::QueuedNotMinNs, RINGSCOPE_QUEUED_MAX_NS = Word::QueuedMaxNs, RINGSCOPE_LOOKUP_MISSES = Word::LookupMisses,
        RINGSCOPE_ROLE_MISSES = Word::RoleMisses,
        RINGSCOPE_SINGLE_WORDS = SINGLE_WORDS,
        RINGSCOPE_STATE_NONE = block_state::NONE, RINGSCOPE_STATE_HELD = block_state::HELD,
        RINGSCOPE_STATE_ACTIVE = block_state::ACTIVE, RINGSCOPE_STATE_ENDED = block_state::ENDED,
        RINGSCOPE_METRIC_NONE = metric_kind::NONE, RINGSCOPE_METRIC_COUNTER = metric_kind::COUNTER,
        RINGSCOPE_METRIC_GAUGE = metric_kind::GAUGE, RINGSCOPE_METRIC_HISTOGRAM = metric_kind::HISTOGRAM,
        RINGSCOPE_METRIC_EXPLICIT = metric_kind::EXPLICIT,
        RINGSCOPE_METRIC_VALUE = metric_word::VALUE, RINGSCOPE_METRIC_COUNT = metric_word::COUNT,
        RINGSCOPE_METRIC_SUM = metric_word::SUM, RINGSCOPE_METRIC_NOT_MIN = metric_word::NOT_MIN,
        RINGSCOPE_METRIC_MAX = metric_word::MAX, RINGSCOPE_METRIC_DROPPED = metric_word::DROPPED,
        RINGSCOPE_METRIC_WORDS = metric_word::WORDS,
        RINGSCOPE_AT = Where::At,
        RINGSCOPE_MESSAGE = Where::Message,
        RINGSCOPE_EXPECTED = Where::Expected,
        RINGSCOPE_SEEN = Where::Seen,
        RINGSCOPE_SM = Where::Sm,
        RINGSCOPE_BOX_WRITTEN = Where::BoxWritten,
        RINGSCOPE_WHERE_WORDS = WHERE_WORDS,
        RINGSCOPE_TIME_BITS = at::TIME_BITS,
        RINGSCOPE_NAME_BITS = at::NAME_BITS,
        RINGSCOPE_AT_NOWHERE = at::NOWHERE,
        RINGSCOPE_AT_WAYPOINT = at::WAYPOINT,
        RINGSCOPE_AT_WAIT = at::WAIT,
        RINGSCOPE_AT_IDLE = at::IDLE,
        RINGSCOPE_AT_RING = at::RING,
        RINGSCOPE_PLACE_TAKE = ring_place::TAKE,
        RINGSCOPE_PLACE_HANDLER = ring_place::HANDLER,
        RINGSCOPE_PLACE_ROOM = ring_place::ROOM,
        RINGSCOPE_PLACE_PUBLISH = ring_place::PUBLISH,
        RINGSCOPE_WAIT_VALUE_BITS = wait::VALUE_BITS,
        RINGSCOPE_WAIT_STAMP_BITS = wait::STAMP_BITS,
        RINGSCOPE_RECORD_REST = record::REST,
        RINGSCOPE_RECORD_EVENT = record::EVENT,
        RINGSCOPE_RECORD_SPAN = record::SPAN,
        RINGSCOPE_RECORD_SAMPLE = record::SAMPLE,
        RINGSCOPE_RECORD_REAL = record::REAL,
        RINGSCOPE_RECORD_LOG = record::LOG,
        RINGSCOPE_RECORD_MESSAGE = record::MESSAGE,
        RINGSCOPE_RECORD_WAYPOINT = record::WAYPOINT,
        RINGSCOPE_RECORD_MORE = record::MORE,
        RINGSCOPE_LOG_FIRST = record::LOG_FIRST,
        RINGSCOPE_LOG_SECOND = record::LOG_SECOND,
        RINGSCOPE_STAMP_BITS = record::STAMP_BITS,
        RINGSCOPE_RECORD_WORDS = record::WORDS,
        RINGSCOPE_MIN_RECORDS = record::MIN,
        RINGSCOPE_MAX_RECORDS = record::MAX,
        RINGSCOPE_TRUSTED_RECORDS = record::TRUSTED,
        RINGSCOPE_HEAD_WORDS = record::HEAD_WORDS,
        RINGSCOPE_HEAD_WRITTEN = record::HEAD_WRITTEN,
        RINGSCOPE_HEAD_SM = record::HEAD_SM,
        RINGSCOPE_FILTER_SLOW_BITS = filter::SLOW_BITS,
        RINGSCOPE_FILTER_SAMPLE_BITS = filter::SAMPLE_BITS,
        RINGSCOPE_FILTER_ERRORS = filter::ERRORS,
        RINGSCOPE_BOX_CODE = BoxWord::Code,
        RINGSCOPE_BOX_VALUE = BoxWord::Value,
        RINGSCOPE_BOX_TIME = BoxWord::Time,
        RINGSCOPE_BOX_AT = BoxWord::At,
        RINGSCOPE_BOX_MESSAGE = BoxWord::Message,
        RINGSCOPE_BOX_EXPECTED = BoxWord::Expected,
        RINGSCOPE_BOX_SEEN = BoxWord::Seen,
        RINGSCOPE_BOX_HEAD = BoxWord::Head,
        RINGSCOPE_BOX_SM = BoxWord::Sm,
        RINGSCOPE_BOX_WORDS = BOX_WORDS,
        RINGSCOPE_MAX_SCALE = MAX_SCALE, RINGSCOPE_COMMAND_HOLD = command::HOLD,
        RINGSCOPE_COMMAND_RUN = command::RUN, RINGSCOPE_COMMAND_STOP = command::STOP,
        RINGSCOPE_COMMAND_MASK = command::MASK, RINGSCOPE_SLOT_HEADER = SLOT_HEADER,
        RINGSCOPE_OK = status::OK, RINGSCOPE_REFUSED = status::REFUSED,
        RINGSCOPE_BAD_MESSAGE = status::BAD_MESSAGE,
        RINGSCOPE_REPLY_TOO_LARGE = status::REPLY_TOO_LARGE,
    }
    map
}

#[test]
fn both_compilers_agree_on_every_size_offset_and_constant() {
    let native: BTreeMap<String, u64> = ringscope::device::host::abi_facts().into_iter().collect();
    let rust = rust_facts();
    assert_eq!(native.keys().collect::<Vec<_>>(), rust.keys().collect::<Vec<_>>(), "the same names on both sides");
    for (name, value) in &native {
        assert_eq!(rust[name], *value, "{name}");
    }
}

/// A field or constant that is new in the header and in no list would escape the comparison above.
#[test]
fn every_name_of_the_header_is_compared() {
    let header = include_str!("../kernels/include/ringscope/abi.h");
    let rust = rust_facts();
    let code: String = header.lines().filter_map(|l| l.split("//").next()).collect::<Vec<_>>().join("\n");
    let mut compared = 0;
    for body in code.split("typedef struct ").skip(1) {
        let (name, rest) = body.split_once('{').unwrap();
        let fields = rest.split_once('}').unwrap().0;
        for field in fields.split(';').map(str::trim).filter(|f| !f.is_empty()) {
            let field = field.rsplit([' ', '*']).next().unwrap().split('[').next().unwrap();
            if !field.starts_with("pad") {
                assert!(rust.contains_key(&format!("offset {}.{field}", name.trim())), "{}.{field}", name.trim());
                compared += 1;
            }
        }
    }
    for body in code.split("\nenum ").skip(1) {
        let values = body.split_once('{').unwrap().1.split_once('}').unwrap().0;
        for constant in values.split(',').map(|v| v.split('=').next().unwrap().trim()).filter(|c| !c.is_empty()) {
            assert!(rust.contains_key(constant), "{constant}");
            compared += 1;
        }
    }
    assert!(compared > 60, "the header was not understood: {compared} names");
}
