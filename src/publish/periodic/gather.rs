//! What is published: a snapshot, and what ended since the one before.

use std::sync::Arc;

use crate::collector::{TelemetryCollector, TraceRecorder};
use crate::publish::publication::Publication;
use crate::trace::{Source, Tracer};

/// Makes one publication after the other.
pub(super) struct Gatherer {
    collector: TelemetryCollector,
    source: Arc<Source>,
    number: u64,
}

impl Gatherer {
    pub(super) fn new(
        collector: &TelemetryCollector,
        source: Source,
        tracer: Option<Tracer>,
        recorder: Option<Arc<TraceRecorder>>,
    ) -> Self {
        let _ = (tracer, recorder);
        Gatherer { collector: collector.clone(), source: Arc::new(source), number: 0 }
    }

    /// All there is now; `None` while no snapshot can be taken and there was none before.
    pub(super) fn next(&mut self, running: bool) -> Option<Publication> {
        // The newest one says what is wrong, if there cannot be another.
        let snapshot = self.collector.snapshot().ok().or_else(|| self.collector.latest())?;
        self.number += 1;
        let started = self.collector.started();
        let publication = Publication::of_snapshot(Arc::clone(&self.source), started, snapshot);
        Some(Publication { number: self.number, running, ..publication })
    }
}
