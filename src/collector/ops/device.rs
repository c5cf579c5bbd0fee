//! Messages of device kernels among the operations.

use std::sync::Arc;
use std::time::Duration;

use super::super::clock::nanoseconds;
use super::monitor::Monitor;
use super::record::{Author, DeviceMessage, EndedOperation};
use crate::snapshot::OperationStatus;

/// A message that a device kernel is done with.
pub(in crate::collector) struct EndedMessage<'a> {
    pub(in crate::collector) kernel: &'a Arc<str>,
    /// Where these are known.
    pub(in crate::collector) block: Option<u32>,
    pub(in crate::collector) number: Option<u64>,
    /// By the collector's steady clock.
    pub(in crate::collector) begun_ns: u64,
    pub(in crate::collector) duration: Duration,
    /// What the handler returned; 0 is success.
    pub(in crate::collector) code: u32,
    /// How many messages it stands for.
    pub(in crate::collector) messages: u64,
}

impl Monitor {
    /// Adds a message to the lists. It is not counted by name: what is fed here is a choice of a kernel's messages, and the
    /// kernel's own counters have all of them.
    pub(in crate::collector) fn device_message(&self, ended: &EndedMessage<'_>) {
        let EndedMessage { kernel, block, number, begun_ns, duration, code, messages } = *ended;
        let status = if code == 0 { OperationStatus::Succeeded } else { OperationStatus::Failed };
        let message = DeviceMessage { kernel: Arc::clone(kernel), block, number, code, messages };
        self.kept.push_operation(EndedOperation {
            name: Arc::clone(kernel),
            id: None,
            status,
            begun_ns,
            ended_ns: begun_ns.saturating_add(nanoseconds(duration)),
            retries: 0,
            error: None,
            labels: None,
            by: Author::Device(message),
        });
    }
}

/// How many errors of each kernel were added to the lists.
#[derive(Default)]
pub(in crate::collector) struct ErrorsSeen(Vec<Seen>);

#[derive(Clone, Copy, Default)]
struct Seen {
    /// Errors that were added without a span.
    added: u64,
    /// Errors whose spans may still come: how many there were at which look at the rings.
    awaited: Option<(u64, u64)>,
}

/// What spans tell of a kernel's errors.
#[derive(Clone, Copy, Default)]
pub(in crate::collector) struct ErrorSpans {
    /// How many were added to the lists by their spans.
    pub(in crate::collector) added: u64,
    /// Looks at the rings that have ended, where every error leaves a span that somebody reads.
    pub(in crate::collector) looks: Option<u64>,
}

/// A kernel counts an error, and leaves its span a moment later: the second look that ends after that has seen it.
const LOOKS: u64 = 3;

impl ErrorsSeen {
    /// Another kernel has that place from now on.
    pub(in crate::collector) fn forget(&mut self, index: usize) {
        self.0.get_mut(index).into_iter().for_each(|seen| *seen = Seen::default());
    }

    /// How many errors of the kernel at that place are to be added to the lists, no span having told them.
    pub(in crate::collector) fn new_ones(&mut self, index: usize, errors: u64, spans: ErrorSpans) -> u64 {
        if self.0.len() <= index {
            self.0.resize(index + 1, Seen::default());
        }
        let seen = &mut self.0[index];
        let missing = |of: u64, seen: &Seen| of.saturating_sub(seen.added.saturating_add(spans.added));
        let new = match (spans.looks, seen.awaited) {
            (None, _) => missing(errors, seen),
            (Some(looks), Some((then, at))) if looks.saturating_sub(at) >= LOOKS => {
                seen.awaited = None;
                missing(then, seen)
            }
            (Some(_), _) => 0,
        };
        seen.added += new;
        let rest = missing(errors, seen) > 0;
        seen.awaited = spans.looks.filter(|_| rest).map(|looks| seen.awaited.unwrap_or((errors, looks)));
        new
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::TelemetryCollector;

    /// What spans tell is not told again, and what they do not tell in time is.
    #[test]
    fn an_error_is_added_once() {
        let mut seen = ErrorsSeen::default();
        let spans = |added, looks| ErrorSpans { added, looks };
        assert_eq!(seen.new_ones(1, 3, spans(0, None)), 3);
        assert_eq!(seen.new_ones(1, 5, spans(0, Some(7))), 0, "their spans may come");
        assert_eq!(seen.new_ones(1, 6, spans(1, Some(9))), 0);
        assert_eq!(seen.new_ones(1, 6, spans(1, Some(10))), 1, "one of those two came");
        assert_eq!(seen.new_ones(1, 6, spans(2, Some(11))), 0, "and the other's");
        assert_eq!(seen.new_ones(1, 6, spans(2, Some(99))), 0);
        assert_eq!(seen.new_ones(1, 9, spans(2, None)), 3, "nobody reads spans any more");
    }

    /// What a kernel's spans will say, beside what the host did.
    #[test]
    fn device_messages_are_in_the_same_lists() {
        let telemetry = TelemetryCollector::new(true);
        telemetry.monitor_operations().unwrap();
        telemetry.operation("resize").start().unwrap().fail("no memory");
        let monitor = telemetry.core.ops.get().unwrap();
        let now = monitor.kept.clock.now_ns();
        let kernel: Arc<str> = "worker".into();
        let mut message = EndedMessage {
            kernel: &kernel,
            block: Some(17),
            number: Some(81_213),
            begun_ns: now - 1_000,
            duration: Duration::from_secs(2),
            code: 0,
            messages: 1,
        };
        monitor.device_message(&message);
        (message.code, message.number, message.duration) = (5, Some(81_214), Duration::from_nanos(900));
        monitor.device_message(&message);

        let failed = telemetry.failed_events();
        let names: Vec<&str> = failed.iter().map(|of| &*of.name).collect();
        assert!(names.contains(&"resize") && names.contains(&"worker") && names.len() == 2, "{names:?}");
        let device = failed.iter().find_map(|of| of.device.as_ref()).unwrap();
        assert_eq!((device.block, device.number, device.code, device.messages), (Some(17), Some(81_214), 5, 1));
        let slow = telemetry.slow_events(Duration::from_secs(1));
        assert_eq!((slow.len(), slow[0].duration, &slow[0].thread), (1, Duration::from_secs(2), &None));
        assert_eq!(slow[0].to_string(), "worker block 17 message 81213 code 0 succeeded after 2s");
        let snapshot = telemetry.snapshot().unwrap();
        let operations = snapshot.operations.as_ref().unwrap();
        assert_eq!((operations.device_messages_kept.retained, operations.by_name.len()), (2, 1));
    }
}
