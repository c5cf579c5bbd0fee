//! How the kernels are, by a few rules.

use std::sync::Arc;
use std::sync::atomic::AtomicU64;
use std::time::Instant;

use super::standard::{ObservedKernel, Registrar, or_overflow};
use crate::metrics::{Counter, Gauge, Histogram, MetricError, OVERFLOW};
use crate::snapshot::{KernelState, KernelTelemetry};

/// How something is; its number is the value of `health_status`.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
#[cfg_attr(feature = "serde", derive(serde::Serialize), serde(rename_all = "lowercase"))]
pub enum Health {
    /// Nothing runs that could be judged.
    Unknown = 0,
    /// All is well.
    Healthy = 1,
    /// It works, and more of it fails than should.
    Degraded = 2,
    /// It does not work.
    Unhealthy = 3,
}

/// What health is judged by.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct HealthLimits {
    /// Errors per message above which a kernel is degraded, 0 to 1. Default 0.01.
    pub degraded_error_rate: f64,
    /// Errors per message above which a kernel is unhealthy, 0 to 1. Default 0.1.
    pub unhealthy_error_rate: f64,
}

impl Default for HealthLimits {
    fn default() -> Self {
        HealthLimits { degraded_error_rate: 0.01, unhealthy_error_rate: 0.1 }
    }
}

impl Health {
    /// A kernel that failed or stalls is unhealthy; one that runs is judged by the errors of the first window, and one
    /// that has not started or has ended as it should is unknown.
    pub fn of(kernel: &KernelTelemetry, limits: &HealthLimits) -> Health {
        match kernel.state {
            KernelState::Failed | KernelState::Stalled => Health::Unhealthy,
            KernelState::Terminating | KernelState::Terminated => Health::Unknown,
            KernelState::Launched if kernel.start_time.is_none() => Health::Unknown,
            KernelState::Launched | KernelState::Active | KernelState::Deactivated => {
                match kernel.rates.iter().next().map_or(0.0, |rate| rate.error_rate()) {
                    rate if rate > limits.unhealthy_error_rate => Health::Unhealthy,
                    rate if rate > limits.degraded_error_rate => Health::Degraded,
                    _ => Health::Healthy,
                }
            }
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

fn of_kernel(make: Registrar<'_>, id: &str) -> Result<Gauge, MetricError> {
    let help = "0 unknown, 1 healthy, 2 degraded, 3 unhealthy";
    make.gauge("kernel_health_status", help).label("kernel_id", id).on_host()
}

impl HealthSet {
    pub(super) fn new(make: Registrar<'_>, limits: HealthLimits) -> Result<Self, MetricError> {
        let help = "Of the worst kernel and the device: 0 unknown, 1 healthy, 2 degraded, 3 unhealthy";
        let (name, took) = ("health_check_duration_seconds", "Time that a check took");
        Ok(HealthSet {
            limits,
            status: make.gauge("health_status", help).on_host()?,
            checks: make.counter("health_checks", "Checks of all kernels").on_host()?,
            duration: make.latency(name, took).on_host()?,
            kernels: Vec::new(),
            overflow: of_kernel(make, OVERFLOW)?,
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
            if self.kernels.get(i).is_none_or(|(known, _)| !Arc::ptr_eq(known, id)) {
                self.kernels.truncate(i);
                let gauge = or_overflow(of_kernel(make, id), &self.overflow, dropped);
                self.kernels.push((Arc::clone(id), gauge));
            }
            let health = Health::of(kernel.telemetry, &self.limits);
            self.kernels[i].1.set(f64::from(health as u8));
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
