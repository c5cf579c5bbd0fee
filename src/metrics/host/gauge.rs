//! A gauge of the host.

use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};

/// A value that rises and falls. Clones share it: the last [`set`](Self::set) of any thread holds, and no addition is lost.
/// It is one word, changed atomically: threads with a word each could not tell whose `set` was last.
///
/// ```
/// let telemetry = ringscope::TelemetryCollector::new(true);
/// let depth = telemetry.gauge("frontier_size", "Vertices in the frontier")?.on_host()?;
/// depth.set(10.0);
/// depth.sub(2.5);
/// depth.max(4.0);
/// assert_eq!(depth.get(), 7.5);
/// # Ok::<(), ringscope::TelemetryError>(())
/// ```
#[derive(Clone)]
pub struct Gauge {
    word: Arc<Word>,
}

/// The bits of a double, on a line of their own.
#[repr(align(128))]
struct Word {
    bits: AtomicU64,
    /// Whether anything changes it.
    enabled: bool,
}

impl Gauge {
    /// Makes a gauge of 0.0, which stays so if it is not enabled.
    pub(in crate::metrics) fn new(enabled: bool) -> Self {
        Gauge { word: Arc::new(Word { bits: AtomicU64::new(0), enabled }) }
    }

    /// Sets the gauge to `value`.
    #[inline]
    pub fn set(&self, value: f64) {
        if self.word.enabled {
            self.word.bits.store(value.to_bits(), Ordering::Relaxed);
        }
    }

    /// Adds one.
    #[inline]
    pub fn inc(&self) {
        self.add(1.0);
    }

    /// Subtracts one.
    #[inline]
    pub fn dec(&self) {
        self.add(-1.0);
    }

    /// Adds `by`.
    #[inline]
    pub fn add(&self, by: f64) {
        self.change(|value| value + by);
    }

    /// Subtracts `by`.
    #[inline]
    pub fn sub(&self, by: f64) {
        self.add(-by);
    }

    /// Raises the gauge to `to` if it is less. If either is NaN, the other is the result.
    #[inline]
    pub fn max(&self, to: f64) {
        self.change(|value| value.max(to));
    }

    /// Lowers the gauge to `to` if it is more. If either is NaN, the other is the result.
    #[inline]
    pub fn min(&self, to: f64) {
        self.change(|value| value.min(to));
    }

    /// Returns the value.
    #[inline]
    pub fn get(&self) -> f64 {
        f64::from_bits(self.word.bits.load(Ordering::Relaxed))
    }

    #[inline]
    fn change(&self, to: impl Fn(f64) -> f64) {
        if !self.word.enabled {
            return;
        }
        // The closure always answers, so this always succeeds.
        let new = |bits| Some(to(f64::from_bits(bits)).to_bits());
        let _ = self.word.bits.fetch_update(Ordering::Relaxed, Ordering::Relaxed, new);
    }
}

impl std::fmt::Debug for Gauge {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(f, "Gauge({})", self.get())
    }
}
