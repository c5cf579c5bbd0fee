//! The health of kernels, by a few rules, and its metrics.

use std::sync::Arc;
use std::sync::atomic::AtomicU64;
use std::time::Instant;

use super::registrar::{ObservedKernel, Registrar, nth, or_overflow};
use crate::metrics::{Counter, Gauge, Histogram, MetricError, OVERFLOW};
use crate::snapshot::{KernelState, KernelTelemetry};

/// Health of a kernel or of all of them; the discriminant is the value of `health_status`.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
#[cfg_attr(feature = "serde", derive(serde::Serialize), serde(rename_all = "lowercase"))]
#[non_exhaustive]
pub enum Health {
    /// Nothing runs that could be judged.
    Unknown = 0,
    /// It runs, and its error rate is within the limits.
    Healthy = 1,
    /// Its error rate is above [`HealthLimits::degraded_error_rate`].
    Degraded = 2,
    /// It failed or stalls, or its error rate is above [`HealthLimits::unhealthy_error_rate`].
    Unhealthy = 3,
}

/// Limits that health is judged by.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct HealthLimits {
    /// Errors per message above which a kernel is degraded, 0 to 1. Default:
    /// [`DEFAULT_DEGRADED_ERROR_RATE`](Self::DEFAULT_DEGRADED_ERROR_RATE).
    pub degraded_error_rate: f64,
    /// Errors per message above which a kernel is unhealthy, 0 to 1. Default:
    /// [`DEFAULT_UNHEALTHY_ERROR_RATE`](Self::DEFAULT_UNHEALTHY_ERROR_RATE).
    pub unhealthy_error_rate: f64,
}

impl HealthLimits {
    /// Default of `degraded_error_rate`.
    pub const DEFAULT_DEGRADED_ERROR_RATE: f64 = 0.01;
    /// Default of `unhealthy_error_rate`.
    pub const DEFAULT_UNHEALTHY_ERROR_RATE: f64 = 0.1;
}

impl Default for HealthLimits {
    fn default() -> Self {
        HealthLimits {
            degraded_error_rate: Self::DEFAULT_DEGRADED_ERROR_RATE,
            unhealthy_error_rate: Self::DEFAULT_UNHEALTHY_ERROR_RATE,
        }
    }
}

impl Health {
    /// All values, from the best known to the worst; `Unknown` is the first.
    pub const ALL: &'static [Health] = &[Health::Unknown, Health::Healthy, Health::Degraded, Health::Unhealthy];

    /// Judges a kernel. One that [needs attention](KernelTelemetry::needs_attention) is unhealthy; one that runs is judged
    /// by its error rate over the first window; one that has not started, was told to stop, or has ended is unknown.
    pub fn from_kernel(kernel: &KernelTelemetry, limits: &HealthLimits) -> Health {
        let runs = match kernel.state {
            _ if kernel.needs_attention() => return Health::Unhealthy,
            KernelState::Launched => kernel.start_time.is_some(),
            state => matches!(state, KernelState::Active | KernelState::Deactivated),
        };
        match kernel.rates.iter().next().map_or(0.0, |rate| rate.error_rate()) {
            _ if !runs => Health::Unknown,
            rate if rate > limits.unhealthy_error_rate => Health::Unhealthy,
            rate if rate > limits.degraded_error_rate => Health::Degraded,
            _ => Health::Healthy,
        }
    }
}

/// The metrics of health.
pub(super) struct HealthSet {
    pub(super) limits: HealthLimits,
    status: Gauge,
    checks: Counter,
    duration: Histogram,
    kernels: Vec<(Arc<str>, Gauge)>,
    overflow: Gauge,
}

fn kernel_gauge(make: Registrar<'_>, id: &str) -> Result<Gauge, MetricError> {
    let help = "Health of the kernel: 0 unknown, 1 healthy, 2 degraded, 3 unhealthy";
    make.gauge("kernel_health_status", help).label("kernel_id", id).on_host()
}

impl HealthSet {
    pub(super) fn new(make: Registrar<'_>, limits: HealthLimits) -> Result<Self, MetricError> {
        let help = "Worst health of any kernel and of the device: 0 unknown, 1 healthy, 2 degraded, 3 unhealthy";
        let (name, help_duration) = ("health_check_duration_seconds", "Time to perform a health check");
        Ok(HealthSet {
            limits,
            status: make.gauge("health_status", help).on_host()?,
            checks: make.counter("health_checks", "Health checks performed").on_host()?,
            duration: make.latency(name, help_duration).on_host()?,
            kernels: Vec::new(),
            overflow: kernel_gauge(make, OVERFLOW)?,
        })
    }

    pub(super) fn fill<'a>(
        &mut self,
        kernels: impl Iterator<Item = ObservedKernel<'a>>,
        make: Registrar<'_>,
        dropped: &AtomicU64,
    ) {
        let begun = Instant::now();
        let mut worst = Health::Unknown;
        for (i, kernel) in kernels.enumerate() {
            let id = &kernel.entry.id;
            let overflow = &self.overflow;
            let make = || (Arc::clone(id), or_overflow(kernel_gauge(make, id), overflow, dropped));
            let (_, gauge) = nth(&mut self.kernels, i, |(known, _)| Arc::ptr_eq(known, id), make);
            let health = Health::from_kernel(kernel.telemetry, &self.limits);
            gauge.set(f64::from(health as u8));
            worst = worst.max(health);
        }
        self.status.set(f64::from(worst as u8));
        self.checks.inc();
        self.duration.observe(begun.elapsed().as_secs_f64());
    }

    /// The device failed, and its kernels with it.
    pub(super) fn fail<'a>(&self, failed: impl Iterator<Item = &'a str>) {
        for id in failed {
            let gauge = self.kernels.iter().find(|(known, _)| &**known == id);
            gauge.inspect(|(_, gauge)| gauge.set(f64::from(Health::Unhealthy as u8)));
        }
        self.status.set(f64::from(Health::Unhealthy as u8));
        self.checks.inc();
    }
}
