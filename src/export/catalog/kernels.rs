//! The families with a sample for each kernel, in the order of a page.

use super::family::{ExportedFamily, Read};
use super::kind::FamilyKind::{Counter, Gauge, Histogram};
use super::sample::{Sample, Values, count, duration, real, unix_time};
use crate::snapshot::KernelTelemetry;

const fn counter(
    name: &'static str,
    help: &'static str,
    read: fn(&KernelTelemetry) -> Option<Sample<'_>>,
) -> ExportedFamily {
    ExportedFamily::new(name, Counter, help, Read::Kernel(read))
}

const fn gauge(
    name: &'static str,
    help: &'static str,
    read: fn(&KernelTelemetry) -> Option<Sample<'_>>,
) -> ExportedFamily {
    ExportedFamily::new(name, Gauge, help, Read::Kernel(read))
}

/// The classic histogram in seconds, and the native one in nanoseconds: the bounds of native buckets are powers of two in
/// the family's own unit, and a nanosecond is none of a second, so that every count would have to be distributed anew.
const fn durations(
    names: [&'static str; 2],
    help: &'static str,
    seconds: fn(&KernelTelemetry) -> Option<Sample<'_>>,
    native: fn(&KernelTelemetry) -> Option<Sample<'_>>,
) -> [ExportedFamily; 2] {
    [
        ExportedFamily::new(names[0], Histogram, help, Read::Kernel(seconds)).unit("seconds"),
        ExportedFamily::new(names[1], Histogram, help, Read::KernelNative(native)).unit("nanoseconds"),
    ]
}

const HANDLING: [ExportedFamily; 2] = durations(
    ["ringscope_kernel_message_duration_seconds", "ringscope_kernel_message_duration_nanoseconds"],
    "Time to handle a message",
    |k| Some(Sample::Histogram(Values::Seconds(&k.histogram))),
    |k| Some(Sample::Histogram(Values::Native(&k.histogram))),
);

const WAITING: [ExportedFamily; 2] = durations(
    ["ringscope_kernel_message_wait_seconds", "ringscope_kernel_message_wait_nanoseconds"],
    "Time a message waited in the queue before a block took it",
    |k| Some(Sample::Histogram(Values::Seconds(&k.waiting.as_ref()?.histogram))),
    |k| Some(Sample::Histogram(Values::Native(&k.waiting.as_ref()?.histogram))),
);

#[rustfmt::skip]
pub(super) const KERNELS: &[ExportedFamily] = &[
    ExportedFamily::new("ringscope_kernel_state", Gauge, "State of the kernel: 1 for the current state, 0 for the others", Read::KernelState),
    counter("ringscope_kernel_messages_received", "Messages taken from the kernel's queue", |k| count(k.messages_received)),
    counter("ringscope_kernel_messages_sent", "Replies published", |k| count(k.messages_sent)),
    counter("ringscope_kernel_messages_processed", "Messages handled without error", |k| count(k.messages_processed)),
    counter("ringscope_kernel_errors", "Messages rejected by the handler", |k| count(k.errors)),
    counter("ringscope_kernel_retries", "Replies that had to wait because the reply ring was full", |k| count(k.retries)),
    counter("ringscope_kernel_dropped", "Messages still queued when the kernel was stopped, and replies that the reply ring had no room for then", |k| count(k.dropped)),
    counter("ringscope_kernel_queue_full", "Sends that found the queue full, and waited or were refused", |k| count(k.queue_full)),
    counter("ringscope_kernel_received_bytes", "Payload bytes of received messages", |k| count(k.bytes_in)).unit("bytes"),
    counter("ringscope_kernel_sent_bytes", "Payload bytes of replies", |k| count(k.bytes_out)).unit("bytes"),
    counter("ringscope_kernel_busy_seconds", "Time spent handling messages, summed over all blocks", |k| duration(k.busy_time)).unit("seconds"),
    counter("ringscope_kernel_wait_seconds", "Time spent waiting for messages and for room for replies, summed over all blocks", |k| duration(k.wait_time)).unit("seconds"),
    counter("ringscope_kernel_polls", "Polls that found the queue empty", |k| count(k.polls)),
    counter("ringscope_kernel_trace_records_written", "Records of events and spans written while a trace stream was open; absent without rings for them", |k| count(k.trace?.written)).whole_life(),
    counter("ringscope_kernel_trace_records_read", "Records of events and spans read from the kernel's rings", |k| count(k.trace?.read)).whole_life(),
    counter("ringscope_kernel_trace_records_lost", "Records of events and spans overwritten before they were read", |k| count(k.trace?.lost)).whole_life(),
    HANDLING[0], HANDLING[1],
    WAITING[0], WAITING[1],
    gauge("ringscope_kernel_queue_depth", "Messages in the queue when the kernel last polled it", |k| count(k.queue_depth)),
    gauge("ringscope_kernel_queue_high_water", "Largest number of messages that were in the queue at once", |k| count(k.queue_high_water)),
    gauge("ringscope_kernel_busy_ratio", "Fraction of time spent handling messages, averaged over all blocks: 0 is idle, 1 is saturated", |k| real(k.busy_ratio)).unit("ratio"),
    gauge("ringscope_kernel_uptime_seconds", "Time since the kernel started; of an ended kernel, how long it ran", |k| duration(k.uptime)).unit("seconds"),
    gauge("ringscope_kernel_generation", "Which life under its id the kernel lives: one more each time that it is launched again after its end", |k| count(k.generation)),
    gauge("ringscope_kernel_start_time_seconds", "Unix time at which the kernel's first block started", |k| unix_time(k.start_time)).unit("seconds"),
    gauge("ringscope_kernel_last_message_timestamp_seconds", "Unix time at which the last message was completed", |k| unix_time(k.last_message_time)).unit("seconds"),
    gauge("ringscope_kernel_last_sign_of_life_timestamp_seconds", "Unix time of the most recent heartbeat of any of the kernel's blocks", |k| unix_time(k.last_sign_of_life)).unit("seconds"),
    gauge("ringscope_kernel_stalled_timestamp_seconds", "Unix time of the last heartbeat of the stalled block; present only while the kernel is stalled", |k| unix_time(k.stalled_since())).unit("seconds"),
    gauge("ringscope_kernel_blocks", "Number of blocks of the kernel; 0 for a host actor", |k| count(k.blocks.into())),
];
