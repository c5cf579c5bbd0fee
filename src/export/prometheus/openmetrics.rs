//! OpenMetrics 1.0 text, where it is not as the classic format:
//!
//! * a counter's family is called without `_total`, its samples are called with it;
//! * `# UNIT` is part of the format and not a comment, and `"` is escaped in help texts too;
//! * bounds are written as floats (`1.0`), and a histogram with a bound below zero has neither sum nor count;
//! * the page ends with `# EOF`.
//!
//! Counters and histograms of a kernel have a sample `_created`: the begin of its life, or its last reset. An id that is
//! launched again counts from zero, and that says since when. Everything else counts since the collector was made, and has
//! none. The states of a kernel are a gauge with the label `state`, not a state set: that would name the label after the
//! metric, and a query would have to know which format was scraped.

use super::text::{self, Dialect};
use crate::snapshot::Snapshot;

/// Adds the page of `snapshot` to `out`.
pub(in crate::export) fn encode(snapshot: &Snapshot, out: &mut String) {
    text::encode(snapshot, Dialect::OpenMetrics, &[], out);
}
