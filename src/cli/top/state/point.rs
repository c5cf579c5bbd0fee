//! What is kept of a kernel at one moment, small enough for hours of a thousand kernels.

use ringscope::KernelState;
use ringscope::feed::KernelPoint;
use ringscope::histogram::slot_bounds;

/// Rows of a heat map to an octave of latencies.
const ROWS_AN_OCTAVE: f64 = 4.0;

/// Returns the row of a heat map that a latency of so many nanoseconds is in.
fn heat_row(ns: f64) -> u8 {
    // Saturates.
    heat_row_of(ns) as u8
}

/// Returns where between the rows of a heat map a latency of so many nanoseconds is.
pub fn heat_row_of(ns: f64) -> f64 {
    ns.max(1.0).log2() * ROWS_AN_OCTAVE
}

/// One kernel between one moment and the next.
#[derive(Clone, Debug, PartialEq)]
pub struct Point {
    /// Messages handled without error, per second.
    pub messages: f32,
    /// Messages refused, per second.
    pub errors: f32,
    /// Payload bytes received, per second.
    pub bytes: f32,
    /// Median of the latencies in nanoseconds; `None` where nothing was handled.
    pub p50: Option<f32>,
    /// 99th percentile of the latencies in nanoseconds.
    pub p99: Option<f32>,
    /// Messages waiting.
    pub queue: u64,
    /// Time in the handler as a fraction of the time, per block.
    pub busy: f32,
    /// Its state.
    pub state: KernelState,
    /// Rows of the heat map that have messages, and how many, the lowest first.
    pub heat: Box<[(u8, u32)]>,
}

impl From<&KernelPoint> for Point {
    fn from(point: &KernelPoint) -> Self {
        let quantile = |q| point.quantile_ns(q).map(|ns| ns as f32);
        Point {
            messages: point.messages_per_second as f32,
            errors: point.errors_per_second as f32,
            bytes: point.bytes_in_per_second as f32,
            p50: quantile(0.50),
            p99: quantile(0.99),
            queue: point.queue_depth,
            busy: point.busy_ratio as f32,
            state: point.state,
            heat: heat(point),
        }
    }
}

fn heat(point: &KernelPoint) -> Box<[(u8, u32)]> {
    let mut rows: Vec<(u8, u32)> = Vec::new();
    let scale = point.latency.scale();
    for (slot, count) in point.latency.slots().filter(|(_, count)| *count > 0) {
        let (low, high) = slot_bounds(slot, scale);
        let row = heat_row((low * high).sqrt());
        let count = u32::try_from(count).unwrap_or(u32::MAX);
        match rows.last_mut().filter(|last| last.0 == row) {
            Some(last) => last.1 = last.1.saturating_add(count),
            None => rows.push((row, count)),
        }
    }
    rows.into()
}

/// All kernels together between one moment and the next.
#[derive(Clone, Copy, Debug, Default, PartialEq)]
pub struct TotalPoint {
    /// Messages handled without error, per second.
    pub messages: f64,
    /// Messages refused, per second.
    pub errors: f64,
    /// Messages waiting.
    pub queue: u64,
    /// Utilization of the machine's processors in percent, where it is known.
    pub cpu: Option<f64>,
    /// Its memory in use in bytes, where that is known.
    pub memory: Option<f64>,
}
