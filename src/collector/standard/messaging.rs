//! The metrics of each kernel's messages.

use std::sync::Arc;
use std::sync::atomic::AtomicU64;

use super::registrar::{Before, ObservedKernel, Registrar, nth, or_overflow};
use crate::metrics::{Counter, Gauge, Histogram, MetricError, OVERFLOW};

pub(super) struct Messaging {
    kernels: Vec<(Before, Traffic)>,
    overflow: Traffic,
}

#[derive(Clone)]
struct Traffic {
    sent: Counter,
    received: Counter,
    queue: Gauge,
    processing: Histogram,
}

impl Messaging {
    pub(super) fn new(make: Registrar<'_>) -> Result<Self, MetricError> {
        Ok(Messaging { kernels: Vec::new(), overflow: Traffic::new(make, OVERFLOW)? })
    }

    pub(super) fn fill<'a>(
        &mut self,
        kernels: impl Iterator<Item = ObservedKernel<'a>>,
        make: Registrar<'_>,
        dropped: &AtomicU64,
    ) {
        for (i, kernel) in kernels.enumerate() {
            let (id, sums) = (&kernel.entry.id, kernel.sums);
            let overflow = &self.overflow;
            let make = || {
                let traffic = Traffic::new(make, id);
                (Before::new(id, sums), or_overflow(traffic, overflow, dropped))
            };
            let (before, traffic) = nth(&mut self.kernels, i, |(b, _)| Arc::ptr_eq(&b.id, id), make);
            let new = before.new_in(sums);
            traffic.sent.inc_by(new.sent);
            traffic.received.inc_by(new.received);
            traffic.queue.set(kernel.telemetry.queue_depth as f64);
            if let Some(latency) = &new.latency {
                traffic.processing.add_nanoseconds(latency);
            }
        }
    }
}

impl Traffic {
    fn new(make: Registrar<'_>, id: &str) -> Result<Self, MetricError> {
        let (name, help) = ("message_processing_duration_seconds", "Time to handle a message");
        Ok(Traffic {
            sent: make.counter("messages_sent", "Replies published by the kernel").label("kernel_id", id).on_host()?,
            received: make
                .counter("messages_received", "Messages taken from the kernel's queue")
                .label("kernel_id", id)
                .on_host()?,
            queue: make
                .gauge("message_queue_size", "Messages in the kernel's queue")
                .label("kernel_id", id)
                .on_host()?,
            processing: make.latency(name, help).label("kernel_id", id).on_host()?,
        })
    }
}
