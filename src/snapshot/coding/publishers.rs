//! What a snapshot holds of destinations, as what is new in it.

use std::sync::Arc;

use super::coder::{Coder, text, time_of, time_word};
use crate::snapshot::{DropReason, PublisherTelemetry};

const WORDS: usize = 12;
const REASONS: usize = DropReason::ALL.len();

/// Writes `now`, or reads it, as it differs from `before`.
pub(crate) fn publishers(
    coder: &mut impl Coder,
    before: &[PublisherTelemetry],
    now: Option<&[PublisherTelemetry]>,
) -> Arc<[PublisherTelemetry]> {
    let count = coder.count(before.len(), || now.map_or(0, <[_]>::len));
    let one = |i: usize| publisher(coder, before.get(i), now.and_then(|now| now.get(i)));
    (0..count).map(one).collect()
}

fn publisher(
    coder: &mut impl Coder,
    before: Option<&PublisherTelemetry>,
    now: Option<&PublisherTelemetry>,
) -> PublisherTelemetry {
    let name = |of: Option<&PublisherTelemetry>| of.map(|of| Arc::clone(&of.destination));
    let destination = text(coder, Some(&name(before)), Some(&name(now))).unwrap_or_default();
    let w = coder.words(&before.map_or([0; WORDS], counts), now.map(counts).as_ref());
    let dropped = |of: &PublisherTelemetry| of.dropped_items;
    let dropped_items = coder.words(&before.map_or([0; REASONS], dropped), now.map(dropped).as_ref());
    let last_error = text(coder, before.map(|of| &of.last_error), now.map(|of| &of.last_error));
    PublisherTelemetry {
        destination,
        publications: w[0],
        skipped: w[1],
        encoded_items: w[2],
        published_items: w[3],
        dropped_items,
        queued_items: w[4],
        queued_bytes: w[5],
        attempts: w[6],
        failures: w[7],
        retries: w[8],
        sent_bytes: w[9],
        circuit_open: w[10] != 0,
        last_success: time_of(w[11]),
        last_error,
    }
}

fn counts(of: &PublisherTelemetry) -> [u64; WORDS] {
    // All of the fields, by name: a new one must find its place here.
    let PublisherTelemetry {
        destination: _,
        publications,
        skipped,
        encoded_items,
        published_items,
        dropped_items: _,
        queued_items,
        queued_bytes,
        attempts,
        failures,
        retries,
        sent_bytes,
        circuit_open,
        last_success,
        last_error: _,
    } = of;
    [
        *publications,
        *skipped,
        *encoded_items,
        *published_items,
        *queued_items,
        *queued_bytes,
        *attempts,
        *failures,
        *retries,
        *sent_bytes,
        u64::from(*circuit_open),
        last_success.map_or(0, time_word),
    ]
}
