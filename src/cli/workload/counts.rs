//! What the host counts of a kernel's messages, and how it is compared with the device's counts.

use ringscope::Snapshot;

/// The host's own counts of one kernel.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct HostCounts {
    /// Messages sent.
    pub sent: u64,
    /// Replies received.
    pub replies: u64,
    /// Replies whose status says that the message was refused.
    pub refused: u64,
    /// Payload bytes sent.
    pub bytes_in: u64,
    /// Payload bytes received.
    pub bytes_out: u64,
}

impl HostCounts {
    /// Counts a message of `bytes` that was sent.
    pub fn count_sent(&mut self, bytes: usize) {
        self.sent += 1;
        self.bytes_in += bytes as u64;
    }

    /// Counts a reply of `bytes`; `status` other than 0 is a refusal.
    pub fn count_reply(&mut self, status: u32, bytes: usize) {
        self.replies += 1;
        self.refused += u64::from(status != 0);
        self.bytes_out += bytes as u64;
    }

    /// Lists each count of kernel `id` that is not the host's, once all replies were received. Empty: all are equal.
    pub fn differences(&self, id: &str, snapshot: &Snapshot) -> Vec<String> {
        let Some(device) = snapshot.kernel(id) else {
            return vec![format!("{id}: the device has no counts of it")];
        };
        let pairs = [
            ("messages_received", device.messages_received, self.sent),
            ("messages_sent", device.messages_sent, self.replies),
            ("messages_processed + errors", device.handled(), device.messages_received),
            ("errors", device.errors, self.refused),
            ("bytes_in", device.bytes_in, self.bytes_in),
            ("bytes_out", device.bytes_out, self.bytes_out),
            ("dropped", device.dropped, 0),
            ("latencies recorded", device.latency.map_or(0, |l| l.count), self.sent),
        ];
        let differ = pairs.into_iter().filter(|(_, device, host)| device != host);
        let told =
            differ.map(|(what, device, host)| format!("{id}: {what} is {device} on the device, and must be {host}"));
        told.collect()
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use ringscope::TelemetryCollector;
    use std::time::Duration;

    #[test]
    fn every_difference_is_told() {
        let collector = TelemetryCollector::new(true);
        collector.record_receive("w").unwrap();
        collector.record_processed("w", Some(Duration::from_micros(1))).unwrap();
        collector.record_send("w").unwrap();
        let snapshot = collector.snapshot().unwrap();
        let mut host = HostCounts::default();
        host.count_sent(0);
        host.count_reply(0, 0);
        assert_eq!(host.differences("w", &snapshot), Vec::<String>::new());
        host.count_sent(8);
        host.count_reply(1, 4);
        let told = host.differences("w", &snapshot);
        assert_eq!(told.len(), 6, "{told:?}");
        assert_eq!(told[0], "w: messages_received is 1 on the device, and must be 2");
        assert_eq!(host.differences("x", &snapshot).len(), 1);
    }
}
