//! Sums over all kernels.

use std::time::Duration;

use super::convert::ratio;
use super::kernel::KernelTelemetry;
use crate::abi::MAX_SCALE;
use crate::histogram::Histogram;

/// Sums over all kernels and host actors of a snapshot. Counts include those of kernels that have ended; rates are of
/// the running ones.
#[derive(Clone, Copy, Debug, Default, PartialEq)]
#[cfg_attr(feature = "serde", derive(serde::Serialize))]
#[non_exhaustive]
pub struct Totals {
    /// Kernels and host actors.
    pub kernels: usize,
    /// Those that have not ended.
    pub running: usize,
    /// Those that failed or stall.
    pub need_attention: usize,
    /// Messages taken from the queues.
    pub messages_received: u64,
    /// Replies published.
    pub messages_sent: u64,
    /// Messages handled without error.
    pub messages_processed: u64,
    /// Messages that the handlers refused.
    pub errors: u64,
    /// Errors per message handled, 0 to 1; 0.0 before the first message.
    pub error_rate: f64,
    /// Messages waiting when the kernels last looked.
    pub queue_depth: u64,
    /// The most messages that ever waited for one of the kernels.
    pub queue_high_water: u64,
    /// Sends that found a queue full.
    pub queue_full: u64,
    /// Payload bytes received.
    pub bytes_in: u64,
    /// Payload bytes of the replies.
    pub bytes_out: u64,
    /// Replies that found their ring full and had to wait.
    pub retries: u64,
    /// Messages and replies dropped when kernels were stopped.
    pub dropped: u64,
    /// Polls that found a queue empty.
    pub polls: u64,
    /// Messages processed per second since the start or the last reset, of running kernels.
    pub throughput: f64,
    /// Messages processed per second over the first window, of running kernels.
    pub windowed_throughput: f64,
    /// Blocks of the device kernels.
    pub blocks: u64,
    /// Busy ratio of all those blocks, 0 to 1.
    pub busy_ratio: f64,
    /// Time in the handlers.
    #[cfg_attr(feature = "serde", serde(serialize_with = "super::convert::seconds"))]
    pub busy_time: Duration,
    /// Time of waiting for messages, and for room for replies.
    #[cfg_attr(feature = "serde", serde(serialize_with = "super::convert::seconds"))]
    pub wait_time: Duration,
    /// The longest uptime of any kernel.
    #[cfg_attr(feature = "serde", serde(serialize_with = "super::convert::seconds"))]
    pub uptime: Duration,
}

impl Totals {
    pub(super) fn from_kernels(kernels: &[KernelTelemetry]) -> Totals {
        let mut totals = Totals { kernels: kernels.len(), ..Totals::default() };
        // Weighted by blocks until all are known.
        let mut busy_blocks = 0.0;
        for kernel in kernels {
            totals.add(kernel);
            busy_blocks += kernel.busy_ratio * f64::from(kernel.blocks);
        }
        let handled = totals.messages_processed as f64 + totals.errors as f64;
        totals.error_rate = ratio(totals.errors as f64, handled);
        totals.busy_ratio = ratio(busy_blocks, totals.blocks as f64);
        totals
    }

    fn add(&mut self, kernel: &KernelTelemetry) {
        let counts = [
            (&mut self.messages_received, kernel.messages_received),
            (&mut self.messages_sent, kernel.messages_sent),
            (&mut self.messages_processed, kernel.messages_processed),
            (&mut self.errors, kernel.errors),
            (&mut self.queue_depth, kernel.queue_depth),
            (&mut self.queue_full, kernel.queue_full),
            (&mut self.bytes_in, kernel.bytes_in),
            (&mut self.bytes_out, kernel.bytes_out),
            (&mut self.retries, kernel.retries),
            (&mut self.dropped, kernel.dropped),
            (&mut self.polls, kernel.polls),
            (&mut self.blocks, u64::from(kernel.blocks)),
        ];
        counts.into_iter().for_each(|(sum, count)| *sum = sum.saturating_add(count));
        self.queue_high_water = self.queue_high_water.max(kernel.queue_high_water);
        self.busy_time = self.busy_time.saturating_add(kernel.busy_time);
        self.wait_time = self.wait_time.saturating_add(kernel.wait_time);
        self.uptime = self.uptime.max(kernel.uptime);
        self.need_attention += usize::from(kernel.needs_attention());
        if !kernel.state.has_ended() {
            self.running += 1;
            self.throughput += kernel.throughput;
            self.windowed_throughput += kernel.windowed_throughput;
        }
    }
}

/// The latencies of all kernels in one histogram, at the coarsest of their scales: the buckets add up exactly.
pub(super) fn merged_latencies<'a>(kernels: impl IntoIterator<Item = &'a KernelTelemetry>) -> Histogram {
    let mut all = Histogram::new(MAX_SCALE);
    kernels.into_iter().filter(|k| k.histogram.count() > 0).for_each(|k| all.merge(&k.histogram));
    all
}
