//! The memory that host and device share: the Rust mirror of `kernels/include/ringscope/abi.h`.
//!
//! `tests/abi.rs` compares the two with what both compilers say of them. Who writes which word is written
//! in the header.

use std::mem::offset_of;

use bytemuck::{Pod, Zeroable};

#[cfg(not(target_pointer_width = "64"))]
compile_error!("ringscope's shared memory holds 64-bit addresses: build it for a 64-bit target");

/// Version of the layout; a kernel writes the one it was built with into its shards.
pub const ABI_VERSION: u32 = 5;
/// Bytes of one line. A shard has three.
pub const LINE_BYTES: usize = 128;
/// Words of one line.
pub const WORDS: usize = 16;
/// Finest histogram scale: 2^5 buckets an octave.
pub const MAX_SCALE: u32 = 5;
/// Bytes between a slot's start and its payload.
pub const SLOT_HEADER: usize = 32;

/// Returns the number of bucket slots of a histogram of `scale`: zeros, ones, and 2^`scale` for each of 64 octaves.
pub const fn buckets(scale: u32) -> usize {
    (64 << scale) + 2
}

/// Words of a shard's line 0, which are only ever added to.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[repr(usize)]
#[allow(missing_docs)] // the header says what each one counts
#[non_exhaustive]
pub enum Counter {
    Received = 0,
    Sent = 1,
    Processed = 2,
    Errors = 3,
    Retries = 4,
    Dropped = 5,
    RepliesDropped = 6,
    BytesIn = 7,
    BytesOut = 8,
    BusyNs = 9,
    WaitNs = 10,
    Polls = 11,
    LatencyCount = 12,
    LatencySumNs = 13,
    QueuedSumNs = 14,
}
/// Number of [`Counter`]s.
pub const COUNTERS: usize = 15;

/// Words of a shard's line 1: plain values with one writer, the block.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[repr(usize)]
#[allow(missing_docs)] // the header says what each one holds
#[non_exhaustive]
pub enum Word {
    State = 0,
    StartNs = 1,
    EndNs = 2,
    LastMessageNs = 3,
    HeartbeatNs = 4,
    QueueDepth = 5,
    QueueHighWater = 6,
    LastErrorCode = 7,
    LatencyNotMinNs = 8,
    LatencyMaxNs = 9,
    Abi = 10,
    LastErrorNs = 11,
    QueuedNotMinNs = 12,
    QueuedMaxNs = 13,
    LookupMisses = 14,
    RoleMisses = 15,
}
/// Number of [`Word`]s.
pub const SINGLE_WORDS: usize = 16;

/// Words of a shard's line 2: where the block is, and what it waits for.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[repr(usize)]
#[allow(missing_docs)] // the header says what each one holds
#[non_exhaustive]
pub enum Where {
    At = 0,
    Message = 1,
    Expected = 2,
    Seen = 3,
    Sm = 4,
    BoxWritten = 5,
}
/// Number of [`Where`]s.
pub const WHERE_WORDS: usize = 6;

/// What [`Where::At`] is made of: a kind, a waypoint and a time.
#[allow(missing_docs)] // the header says what each kind is
pub mod at {
    /// Bits of the time, which are the low ones of the device's clock.
    pub const TIME_BITS: u32 = 48;
    /// Those bits.
    pub const TIME_MASK: u64 = (1 << TIME_BITS) - 1;
    /// Bits of a name: of a waypoint, an event or a span.
    pub const NAME_BITS: u32 = 12;
    /// Those bits, where they are not moved up.
    pub const NAME_MASK: u64 = (1 << NAME_BITS) - 1;
    pub const NOWHERE: u64 = 0;
    pub const WAYPOINT: u64 = 1;
    pub const WAIT: u64 = 2;
    pub const IDLE: u64 = 3;
    pub const RING: u64 = 4;
}

/// The ring's own places.
#[allow(missing_docs)] // the header says what each one is
pub mod ring_place {
    pub const TAKE: u64 = 0;
    pub const HANDLER: u64 = 1;
    pub const ROOM: u64 = 2;
    pub const PUBLISH: u64 = 3;
}

/// What [`Where::Expected`] and [`Where::Seen`] are made of: a resource of 16 bits, a stamp, a value.
pub mod wait {
    /// Bits of the value.
    pub const VALUE_BITS: u32 = 32;
    /// Bits of the stamp above it, which are the low ones of the time in [`Where::At`](super::Where::At).
    pub const STAMP_BITS: u32 = 16;
}

/// Records of events and spans.
#[allow(missing_docs)] // the header says what each kind is
pub mod record {
    /// Words of a record.
    pub const WORDS: usize = 2;
    /// Bits of the stamp in each of them.
    pub const STAMP_BITS: u32 = 16;
    /// Fewest records of a ring.
    pub const MIN: u32 = 64;
    /// Most records of a ring.
    pub const MAX: u32 = 16384;
    /// How much further a ring may be for a record to be trusted.
    pub const TRUSTED: u64 = 32768;
    /// Words from one ring's head to the next.
    pub const HEAD_WORDS: usize = 8;
    /// The word of a head that says how many records were written.
    pub const HEAD_WRITTEN: usize = 0;
    /// The word of a head that says 1 + the multiprocessor of who writes.
    pub const HEAD_SM: usize = 1;
    pub const REST: u64 = 0;
    pub const EVENT: u64 = 1;
    pub const SPAN: u64 = 2;
    pub const SAMPLE: u64 = 3;
    pub const REAL: u64 = 4;
    pub const LOG: u64 = 5;
    pub const MESSAGE: u64 = 6;
    pub const WAYPOINT: u64 = 7;
    /// Added to the kind where a rest follows.
    pub const MORE: u64 = 8;
    pub const LOG_FIRST: u64 = 1;
    pub const LOG_SECOND: u64 = 2;
}

/// The word that says of which messages a kernel leaves a span.
pub mod filter {
    /// Bits of the limit in nanoseconds above which a message is slow; 0 is no limit.
    pub const SLOW_BITS: u32 = 48;
    /// Bits above those: k for one of 2^(k - 1) messages; 0 for none.
    pub const SAMPLE_BITS: u32 = 6;
    /// Messages that failed.
    pub const ERRORS: u64 = 1 << 54;
}

/// Words of a black box before its records.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[repr(usize)]
#[allow(missing_docs)] // the header says what each one holds
#[non_exhaustive]
pub enum BoxWord {
    Code = 0,
    Value = 1,
    Time = 2,
    At = 3,
    Message = 4,
    Expected = 5,
    Seen = 6,
    Head = 7,
    Sm = 8,
}
/// Words before the records of a black box.
pub const BOX_WORDS: usize = 16;

/// What a block says of itself in [`Word::State`].
pub mod block_state {
    /// Not started yet.
    pub const NONE: u64 = 0;
    /// Resident, takes no messages.
    pub const HELD: u64 = 1;
    /// Takes messages.
    pub const ACTIVE: u64 = 2;
    /// Returned.
    pub const ENDED: u64 = 3;
}

/// Low bits of the host's command word; the other bits count the commands.
pub mod command {
    /// Stay resident, take no messages.
    pub const HOLD: u64 = 0;
    /// Take messages.
    pub const RUN: u64 = 1;
    /// Return after the message in hand.
    pub const STOP: u64 = 2;
    /// The bits of the command.
    pub const MASK: u64 = 3;
}

/// What [`RingHost::clock_answer`] holds: the low bits of a command's number above those of a time.
pub mod clock_answer {
    /// Bits of the time.
    pub const BITS: u32 = 48;
    /// Those bits.
    pub const TIME_MASK: u64 = (1 << BITS) - 1;
    /// The low bits of the number, where they are not moved up.
    pub const NUMBER_MASK: u64 = (1 << (64 - BITS)) - 1;
}

/// What a handler answers. From 256 on the numbers belong to the handler's author.
pub mod status {
    /// Handled.
    pub const OK: u32 = 0;
    /// Refused by error injection.
    pub const REFUSED: u32 = 1;
    /// A length or a content that the handler cannot take.
    pub const BAD_MESSAGE: u32 = 2;
    /// The handler's reply does not fit a slot.
    pub const REPLY_TOO_LARGE: u32 = 3;
}

/// One block's counters and words.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Pod, Zeroable)]
#[repr(C)]
pub struct Shard {
    /// Line 0, by [`Counter`].
    pub counters: [u64; WORDS],
    /// Line 1, by [`Word`].
    pub words: [u64; WORDS],
    /// Line 2, by [`Where`].
    pub places: [u64; WORDS],
}

/// What a kernel takes by value: where its blocks record. A copy of addresses, owned by nobody; a null
/// [`KernelRef::default`] switches telemetry off at run time.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Pod, Zeroable)]
#[repr(C)]
pub struct KernelRef {
    /// Device address of `shard_count` [`Shard`]s, or 0.
    pub shards: u64,
    /// Device address of `row_mask + 1` rows of bucket counts: of handling, then of waiting in the queue.
    pub buckets: u64,
    /// Device address of `metric_count` [`MetricRef`]s, or 0.
    pub metrics: u64,
    /// Device address of `shard_count` rings of `record_count` records, or 0.
    pub records: u64,
    /// Device address of their heads, [`record::HEAD_WORDS`] words each.
    pub heads: u64,
    /// Device address of the word that says of which messages to leave a span: see [`filter`].
    pub filter: u64,
    /// Device address of `shard_count` black boxes in mapped host memory, or 0.
    pub black_box: u64,
    /// One for each block, or for each role of each block.
    pub shard_count: u32,
    /// The index of the block whose shard is the first: see [`KernelRef::with_first_block`].
    pub first_block: u32,
    /// Words from one row to the next.
    pub bucket_stride: u32,
    /// Histogram scale, 0 to [`MAX_SCALE`].
    pub scale: u32,
    /// Places of the table of metrics.
    pub metric_count: u32,
    /// 1 + the index of the family that times tasks by their kind, or 0: see [`KernelRef::with_kinds`].
    pub kinds: u32,
    /// Records of each ring, a power of two.
    pub record_count: u32,
    /// Records of each black box, a power of two.
    pub box_count: u32,
    /// Rows - 1, the rows being a power of two: shard `i` counts in row `i & row_mask`.
    pub row_mask: u32,
    /// Roles of each block, each with a shard; 0 is one.
    pub roles: u32,
}

impl KernelRef {
    /// Sets the index of the block that has the first shard, for a kernel that is a part of a grid: where blocks 0 to 7 are
    /// one kernel and blocks 8 to 31 another, the second one's ref says 8.
    pub fn with_first_block(self, first_block: u32) -> Self {
        KernelRef { first_block, ..self }
    }

    /// Sets the family in which `rec.end(begun, ringscope::Kind{i})` times tasks by their kind: a device family of
    /// exponential histograms of nanoseconds, registered before the launch. With a family that counts nothing, or that has
    /// bounds of its own, kinds are not timed.
    pub fn with_kinds(self, family: HistogramFamilyRef) -> Self {
        let kinds = if family.0.kind == metric_kind::HISTOGRAM { family.index() + 1 } else { 0 };
        KernelRef { kinds, ..self }
    }
}

/// What a [`MetricRef`] is of.
#[allow(missing_docs)] // the header says what each one is
pub mod metric_kind {
    pub const NONE: u32 = 0;
    pub const COUNTER: u32 = 1;
    pub const GAUGE: u32 = 2;
    pub const HISTOGRAM: u32 = 3;
    pub const EXPLICIT: u32 = 4;
}

/// Words of a metric's series, and how many a histogram's takes.
#[allow(missing_docs)] // the header says what each one holds
pub mod metric_word {
    pub const VALUE: usize = 0;
    pub const COUNT: usize = 0;
    pub const SUM: usize = 1;
    pub const NOT_MIN: usize = 2;
    pub const MAX: usize = 3;
    pub const DROPPED: usize = 4;
    pub const WORDS: usize = 8;
}

/// What a kernel takes by value to count in a metric of its author, or a family of them. A copy of addresses, owned
/// by nobody; a null [`MetricRef::default`] counts nothing.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Pod, Zeroable)]
#[repr(C)]
pub struct MetricRef {
    /// Device address of the words of all metrics, or 0.
    pub words: u64,
    /// Device address of the first series' bucket rows.
    pub rows: u64,
    /// Device address of the bounds of explicit buckets.
    pub bounds: u64,
    /// Of the first series.
    pub slot: u32,
    /// A power of two.
    pub stripes: u32,
    /// Words of a bucket row.
    pub row_words: u32,
    /// Of exponential buckets.
    pub scale: u32,
    /// Of explicit buckets; of a family of other metrics, indices in the map at `bounds`.
    pub bounds_count: u32,
    /// A [`metric_kind`].
    pub kind: u32,
    /// Series of a family to choose from; one more counts what is out of range.
    pub series: u32,
    /// Its place in the table.
    pub index: u32,
    /// 0.
    pub reserved: u64,
}

macro_rules! metric_refs {
    ($($(#[$doc:meta])* $name:ident),* $(,)?) => {$(
        $(#[$doc])*
        #[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Pod, Zeroable)]
        #[repr(transparent)]
        pub struct $name(pub MetricRef);

        impl From<MetricRef> for $name {
            fn from(metric: MetricRef) -> Self {
                $name(metric)
            }
        }

        impl $name {
            /// Returns the index under which kernels find it in the table of metrics.
            pub fn index(&self) -> u32 {
                self.0.index
            }
        }
    )*};
}
metric_refs! {
    /// A counter that a kernel adds to: `add`, `add_warp`. `ringscope::CounterRef` there.
    CounterRef,
    /// A gauge that a kernel moves: `set`, `add`, `sub`, `raise`, `lower`. `ringscope::GaugeRef` there.
    GaugeRef,
    /// A histogram of exponential buckets, for a kernel that knows them to be: half the code. `ringscope::ExponentialRef`
    /// there; made of a [`HistogramRef`] by [`HistogramRef::exponential`].
    ExponentialRef,
    /// A histogram that a kernel observes values in: `observe`, `observe_warp`. `ringscope::HistogramRef` there.
    HistogramRef,
    /// Counters of one name, chosen by `at(index)`. `ringscope::CounterFamilyRef` there.
    CounterFamilyRef,
    /// Gauges of one name, chosen by `at(index)`. `ringscope::GaugeFamilyRef` there.
    GaugeFamilyRef,
    /// Histograms of one name, chosen by `at(index)`. `ringscope::HistogramFamilyRef` there.
    HistogramFamilyRef,
    /// The same with exponential buckets, half the code: [`HistogramFamilyRef::exponential`]. `ringscope::ExponentialFamilyRef` there.
    ExponentialFamilyRef,
}

/// The words of a ring that the host writes, and one that it reads.
#[derive(Clone, Copy, Debug, Pod, Zeroable)]
#[repr(C)]
pub struct RingHost {
    /// Messages sent so far.
    pub tail: u64,
    /// Number of commands so far, times four, and the [`command`].
    pub command: u64,
    pad0: [u64; 14],
    /// Replies taken so far.
    pub out_head: u64,
    pad1: [u64; 15],
    /// What the clock of the block read that saw the newest command first: see [`clock_answer`].
    pub clock_answer: u64,
    pad2: [u64; 15],
}

/// The words of a ring that blocks share, in device memory.
#[derive(Clone, Copy, Debug, Pod, Zeroable)]
#[repr(C)]
pub struct RingDevice {
    /// The next message to hand out.
    pub ticket: u64,
    pad0: [u64; 15],
    /// The host's tail as far as any block has seen it.
    pub seen_tail: u64,
    /// The host's command as far as any block has seen it.
    pub seen_command: u64,
    /// When a block last asked the host while the kernel is held, by the device's clock.
    pub polled_ns: u64,
    pad1: [u64; 13],
    /// The next reply slot.
    pub out_ticket: u64,
    pad2: [u64; 15],
}

/// Header of a message's slot.
#[derive(Clone, Copy, Debug, Pod, Zeroable)]
#[repr(C)]
pub struct SlotIn {
    /// 1 + the number of the last message consumed here.
    pub done: u64,
    /// Number of the message.
    pub seq: u64,
    /// Bytes of its payload.
    pub bytes: u32,
    pad: u32,
    /// When it was sent, device clock; 0 is not known.
    pub sent_ns: u64,
}

// ring.cuh loads both as one word of 16 bytes; tests/abi.rs compares the header's offsets with these.
const _: () = assert!(offset_of!(SlotIn, bytes) == 16 && offset_of!(SlotIn, sent_ns) == 24);

/// Header of a reply's slot.
#[derive(Clone, Copy, Debug, Pod, Zeroable)]
#[repr(C)]
pub struct SlotOut {
    /// 1 + the number of the reply that lies here.
    pub ready: u64,
    /// The message that it answers.
    pub seq: u64,
    /// Bytes of its payload.
    pub bytes: u32,
    /// A [`status`].
    pub status: u32,
    /// When it was published, device clock; 0 is not known.
    pub time_ns: u64,
}

/// The first argument of a ring kernel; its author's, where there are any, are the second.
#[derive(Clone, Copy, Debug, Default, Pod, Zeroable)]
#[repr(C)]
pub struct RingArgs {
    /// Where the blocks record.
    pub telemetry: KernelRef,
    /// Device address of [`RingHost`].
    pub host: u64,
    /// Device address of what the host posted: the words `tail` and `command` of [`RingHost`], there or in a copy.
    pub posted: u64,
    /// Device address of [`RingDevice`].
    pub device: u64,
    /// Device address of the message slots.
    pub input: u64,
    /// Device address of the slots' words `done`, in mapped memory.
    pub done: u64,
    /// Device address of the reply slots.
    pub output: u64,
    /// Slots of each ring, a power of two.
    pub slots: u32,
    /// Bytes from one slot to the next.
    pub slot_stride: u32,
    /// Bytes of the largest payload.
    pub slot_bytes: u32,
    /// Bytes from one of the words `done` to the next.
    pub done_stride: u32,
    /// Messages whose 32-bit hash is below are refused.
    pub refuse_below: u64,
}
