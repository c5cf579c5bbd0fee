//! Metrics of health and traffic that fill themselves from what the kernels count.
//!
//! They are filled while a snapshot is made, from the same reading, so that a snapshot's metrics and its kernels agree.
//! What is added is the difference of what was counted since the launch: a reset of the kernels does not show.

mod coordination;
mod health;
mod messaging;
mod registrar;

use std::sync::atomic::AtomicU64;

use crate::metrics::MetricError;

pub use health::{Health, HealthLimits};
pub(super) use registrar::{ObservedKernel, Registrar};

use coordination::Coordination;
use health::HealthSet;
use messaging::Messaging;

/// A set of metrics that fills itself. Latencies and processing times are those of handling; their buckets' bounds are
/// powers of two of nanoseconds, which are also bounds of the kernels' own buckets, so that each value is in its right
/// bucket.
#[derive(Clone, Copy, Debug, PartialEq)]
#[non_exhaustive]
pub enum StandardMetrics {
    /// `coordination_messages_total`, messages that all kernels took from their queues; `coordination_active_nodes`, kernels
    /// in the state active; `coordination_message_latency_seconds`.
    Coordination,
    /// For each kernel, with the label `kernel_id`: `messages_sent_total`, its replies; `messages_received_total`;
    /// `message_queue_size`; `message_processing_duration_seconds`.
    Messaging,
    /// `health_status`, 0 unknown, 1 healthy, 2 degraded, 3 unhealthy, the worst of any kernel and of the device;
    /// `kernel_health_status` for each kernel, with the label `kernel_id`; `health_checks_total`, one with each snapshot;
    /// `health_check_duration_seconds`.
    Health(HealthLimits),
}

/// The sets that are installed.
#[derive(Default)]
pub(super) struct StandardSets {
    coordination: Option<Coordination>,
    messaging: Option<Messaging>,
    health: Option<HealthSet>,
}

impl StandardSets {
    /// Registers a set, unless it is there; of health, the limits are those of the last time.
    pub(super) fn install(&mut self, set: StandardMetrics, make: Registrar<'_>) -> Result<(), MetricError> {
        match set {
            StandardMetrics::Coordination if self.coordination.is_none() => {
                self.coordination = Some(Coordination::new(make)?);
            }
            StandardMetrics::Messaging if self.messaging.is_none() => self.messaging = Some(Messaging::new(make)?),
            StandardMetrics::Coordination | StandardMetrics::Messaging => {}
            StandardMetrics::Health(limits) => match &mut self.health {
                Some(health) => health.limits = limits,
                None => self.health = Some(HealthSet::new(make, limits)?),
            },
        }
        Ok(())
    }

    /// Whether there is nothing to fill.
    pub(super) fn are_empty(&self) -> bool {
        self.coordination.is_none() && self.messaging.is_none() && self.health.is_none()
    }

    pub(super) fn fill<'a>(
        &mut self,
        kernels: impl Iterator<Item = ObservedKernel<'a>> + Clone,
        make: Registrar<'_>,
        dropped: &AtomicU64,
    ) {
        if let Some(set) = &mut self.coordination {
            set.fill(kernels.clone());
        }
        if let Some(set) = &mut self.messaging {
            set.fill(kernels.clone(), make, dropped);
        }
        if let Some(set) = &mut self.health {
            set.fill(kernels, make, dropped);
        }
    }

    /// The device failed, and these kernels with it.
    pub(super) fn fail<'a>(&self, failed: impl Iterator<Item = &'a str>) {
        if let Some(health) = &self.health {
            health.fail(failed);
        }
    }
}
