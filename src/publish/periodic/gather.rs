//! What is published: a snapshot, and what ended since the one before.

use std::sync::Arc;

use crate::collector::{Changes, TelemetryCollector, TraceRecorder};
use crate::publish::publication::Publication;
use crate::trace::{Source, Trace, TraceCursor, Tracer};

/// Makes one publication after the other.
pub(super) struct Gatherer {
    collector: TelemetryCollector,
    source: Arc<Source>,
    changes: Changes,
    tracer: Option<Tracer>,
    recorder: Option<Arc<TraceRecorder>>,
    /// One for each of the two.
    cursors: [TraceCursor; 2],
    number: u64,
}

impl Gatherer {
    pub(super) fn new(
        collector: &TelemetryCollector,
        source: Source,
        tracer: Option<Tracer>,
        recorder: Option<Arc<TraceRecorder>>,
    ) -> Self {
        // The recorder's tracer is asked by the recorder.
        let is_asked = |tracer: &Tracer| recorder.as_ref().is_some_and(|r| r.tracer().is_clone_of(tracer));
        let tracer = tracer.filter(|tracer| !is_asked(tracer));
        Gatherer {
            changes: collector.changes(),
            collector: collector.clone(),
            source: Arc::new(source),
            tracer,
            recorder,
            cursors: Default::default(),
            number: 0,
        }
    }

    /// All there is now; `None` while no snapshot can be taken and there was none before.
    pub(super) fn next(&mut self, running: bool) -> Option<Publication> {
        // The newest one says what is wrong, if there cannot be another.
        let snapshot = self.collector.snapshot().ok().or_else(|| self.collector.latest())?;
        self.number += 1;
        let missed_before = self.missed_of_traces();
        let trace = self.trace(!running).map(Arc::new);
        // After the snapshot: what is counted in it is among what ended, or was published before.
        let changed = self.changes.read();
        Some(Publication {
            number: self.number,
            trace,
            operations: changed.operations.into(),
            network_operations: changed.network_operations.into(),
            events: changed.events.into(),
            kernel_events: changed.kernel_events.into(),
            missed: changed.missed + self.missed_of_traces() - missed_before,
            running,
            ..Publication::of_snapshot(Arc::clone(&self.source), self.collector.started(), snapshot)
        })
    }

    fn missed_of_traces(&self) -> u64 {
        self.cursors.iter().map(TraceCursor::missed).sum()
    }

    /// What ended, of the tracer and of the recorder, as one trace of this source.
    fn trace(&mut self, last: bool) -> Option<Trace> {
        let [of_tracer, of_recorder] = &mut self.cursors;
        let host = self.tracer.as_ref().map(|tracer| tracer.trace_since(of_tracer));
        let device = self.recorder.as_ref().map(|recorder| recorder.trace_since(of_recorder, last));
        let mut trace = match (host, device) {
            (Some(mut host), Some(device)) => {
                host.spans.extend(device.spans);
                host.instants.extend(device.instants);
                host.counters.extend(device.counters);
                host.lost.extend(device.lost);
                host.clocks.extend(device.clocks);
                host
            }
            (host, device) => host.or(device)?,
        };
        trace.source = (*self.source).clone();
        Some(trace)
    }
}
