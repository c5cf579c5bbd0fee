//! What a snapshot holds of operations, as what is new in it. Series are only ever added, at the end.

use std::sync::Arc;

use super::coder::Coder;
use super::histogram::histogram;
use crate::histogram::Histogram;
use crate::snapshot::{ListCounts, NetworkTelemetry, OperationCounts, OperationTelemetry, OperationsTelemetry};

/// Writes `now`, or reads it, as it differs from `before`.
pub(crate) fn operations(
    coder: &mut impl Coder,
    before: Option<&Arc<OperationsTelemetry>>,
    now: Option<&Arc<OperationsTelemetry>>,
) -> Option<Arc<OperationsTelemetry>> {
    let same = |now: &Arc<OperationsTelemetry>| before.is_some_and(|before| before == now);
    let what = coder.word(0, || now.map_or(0, |now| if same(now) { 1 } else { 2 }));
    match what {
        0 => None,
        1 => before.cloned(),
        _ => Some(Arc::new(changed(coder, before.map(|b| &**b), now.map(|n| &**n)))),
    }
}

fn changed(
    coder: &mut impl Coder,
    before: Option<&OperationsTelemetry>,
    now: Option<&OperationsTelemetry>,
) -> OperationsTelemetry {
    let nothing = OperationsTelemetry::default();
    let before = before.unwrap_or(&nothing);
    let names = coder.count(before.by_name.len(), || now.map_or(0, |now| now.by_name.len()));
    let name = |i: usize| operation(coder, before.by_name.get(i), now.and_then(|now| now.by_name.get(i)));
    let by_name = (0..names).map(name).collect();
    let peers = coder.count(before.network.len(), || now.map_or(0, |now| now.network.len()));
    let peer = |i: usize| network(coder, before.network.get(i), now.and_then(|now| now.network.get(i)));
    let network = (0..peers).map(peer).collect();
    let w = coder.words(&list_words(before), now.map(list_words).as_ref());
    let [operations_kept, network_kept, device_messages_kept, events_kept] =
        [0, 2, 4, 6].map(|i| ListCounts::new(w[i], w[i + 1]));
    OperationsTelemetry { by_name, network, operations_kept, network_kept, device_messages_kept, events_kept }
}

fn list_words(all: &OperationsTelemetry) -> [u64; 8] {
    let [a, b, c, d] = [all.operations_kept, all.network_kept, all.device_messages_kept, all.events_kept]
        .map(|list| [list.retained, list.evicted]);
    [a[0], a[1], b[0], b[1], c[0], c[1], d[0], d[1]]
}

/// The text of a series that is known, or a new one's.
fn text(coder: &mut impl Coder, before: Option<&Arc<str>>, now: Option<&Arc<str>>) -> Arc<str> {
    before.cloned().unwrap_or_else(|| coder.text(|| now.cloned().unwrap_or_default()))
}

fn count_words(counts: &OperationCounts) -> [u64; 4] {
    [counts.started, counts.succeeded, counts.failed, counts.abandoned]
}

fn counts_of(w: &[u64]) -> OperationCounts {
    OperationCounts::new(w[0], [w[1], w[2], w[3]])
}

fn values(coder: &mut impl Coder, before: Option<&Arc<Histogram>>, now: Option<&Arc<Histogram>>) -> Arc<Histogram> {
    let empty = Arc::default();
    histogram(coder, before.unwrap_or(&empty), now.map(|now| &**now))
}

fn operation(
    coder: &mut impl Coder,
    before: Option<&OperationTelemetry>,
    now: Option<&OperationTelemetry>,
) -> OperationTelemetry {
    let name = text(coder, before.map(|of| &of.name), now.map(|of| &of.name));
    let all_words = |of: &OperationTelemetry| {
        let [started, succeeded, failed, abandoned] = count_words(&of.counts);
        [started, succeeded, failed, abandoned, of.retries]
    };
    let w = coder.words(&before.map_or([0; 5], all_words), now.map(all_words).as_ref());
    let duration = values(coder, before.map(|of| &of.duration), now.map(|of| &of.duration));
    OperationTelemetry { name, counts: counts_of(&w), retries: w[4], duration }
}

fn network(
    coder: &mut impl Coder,
    before: Option<&NetworkTelemetry>,
    now: Option<&NetworkTelemetry>,
) -> NetworkTelemetry {
    let kind = text(coder, before.map(|of| &of.kind), now.map(|of| &of.kind));
    let peer = text(coder, before.map(|of| &of.peer), now.map(|of| &of.peer));
    let all_words = |of: &NetworkTelemetry| {
        let [started, succeeded, failed, abandoned] = count_words(&of.counts);
        [started, succeeded, failed, abandoned, of.bytes_sent, of.bytes_received]
    };
    let w = coder.words(&before.map_or([0; 6], all_words), now.map(all_words).as_ref());
    let latency = values(coder, before.map(|of| &of.latency), now.map(|of| &of.latency));
    NetworkTelemetry { kind, peer, counts: counts_of(&w), bytes_sent: w[4], bytes_received: w[5], latency }
}
