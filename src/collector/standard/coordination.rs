//! The metrics of all kernels together.

use std::sync::Arc;

use super::registrar::{Before, ObservedKernel, Registrar, nth};
use crate::metrics::{Counter, Gauge, Histogram, MetricError};
use crate::snapshot::KernelState;

pub(super) struct Coordination {
    messages: Counter,
    active_nodes: Gauge,
    latency: Histogram,
    before: Vec<Before>,
}

impl Coordination {
    pub(super) fn new(make: Registrar<'_>) -> Result<Self, MetricError> {
        let name = "coordination_message_latency_seconds";
        Ok(Coordination {
            messages: make
                .counter("coordination_messages", "Messages taken from their queues by all kernels")
                .on_host()?,
            active_nodes: make.gauge("coordination_active_nodes", "Number of kernels in the state active").on_host()?,
            latency: make.latency(name, "Time to handle a message, over all kernels").on_host()?,
            before: Vec::new(),
        })
    }

    pub(super) fn fill<'a>(&mut self, kernels: impl Iterator<Item = ObservedKernel<'a>>) {
        let mut active = 0u32;
        for (i, kernel) in kernels.enumerate() {
            let (id, sums) = (&kernel.entry.id, kernel.sums);
            let before = nth(&mut self.before, i, |b| Arc::ptr_eq(&b.id, id), || Before::new(id, sums));
            let new = before.new_in(sums);
            self.messages.inc_by(new.received);
            if let Some(latency) = &new.latency {
                self.latency.add_nanoseconds(latency);
            }
            active += u32::from(kernel.telemetry.state == KernelState::Active);
        }
        self.active_nodes.set(active.into());
    }
}
