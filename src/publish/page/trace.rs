//! `/trace.pftrace`: what happened in the last seconds, for Perfetto.

use std::sync::Arc;
use std::time::{Duration, SystemTime, UNIX_EPOCH};

use hyper::body::Bytes;

use super::entries::{self, Entries};
use super::past::Past;
use crate::collector::{OperationRecord, TraceRecorder};
use crate::feed::{Entry, points_between};
use crate::snapshot::{OperationStatus, Snapshot};
use crate::trace::{
    CounterSample, Instant, InstantKind, Source, Span, Status, ThreadTrack, Time, Trace, TraceContext, Track,
};

/// Seconds of a trace that is asked for without a number.
pub const SECONDS: usize = 10;
/// Most of them.
pub const MOST_SECONDS: usize = 3600;

/// What a trace is made of.
pub struct Tracing {
    /// Snapshots, for its counters.
    pub past: Past,
    /// The log, for its instants.
    pub entries: Arc<Entries>,
    /// Messages and the host's spans; without it, the operations that the collector keeps.
    pub recorder: Option<TraceRecorder>,
}

impl Tracing {
    /// Writes the trace of so many seconds before the newest snapshot.
    pub fn write(&self, seconds: usize) -> Bytes {
        let end = self.past.newest().map_or_else(SystemTime::now, |newest| newest.time);
        let begin = end.checked_sub(Duration::from_secs(seconds as u64)).unwrap_or(UNIX_EPOCH);
        let mut trace = match &self.recorder {
            Some(recorder) => {
                let mut trace = since(recorder.trace(), unix_ns(begin));
                trace.leave_out_unspanned_messages();
                trace
            }
            None => Trace::new(Source::this_process("ringscope"), time(begin), time(end)),
        };
        if let (None, Some(collector)) = (&self.recorder, self.past.collector()) {
            let ended = collector.operations();
            trace
                .spans
                .extend(ended.iter().filter(|of| of.start_time + of.duration >= begin).map(|of| Arc::new(span(of))));
        }
        let log = self.entries.newest(entries::MOST);
        trace.instants.extend(log.iter().filter(|entry| entry.time >= begin).map(|entry| Arc::new(instant(entry))));
        let mut before: Option<Arc<Snapshot>> = None;
        self.past.each(|now| {
            if now.time >= begin {
                trace.counters.extend(before.iter().flat_map(|before| counters(before, &now)));
            }
            before = Some(now);
        });
        trace.export_perfetto().into()
    }
}

/// What did not end before.
fn since(mut trace: Trace, begin_ns: u64) -> Trace {
    trace.spans.retain(|span| span.end.is_none_or(|end| end.unix_ns >= begin_ns));
    trace.instants.retain(|instant| instant.time.unix_ns >= begin_ns);
    trace.counters.retain(|sample| sample.time.unix_ns >= begin_ns);
    trace.lost.retain(|lost| lost.time.unix_ns >= begin_ns);
    trace.begin = trace.begin.max(Time::host(begin_ns));
    trace
}

fn span(of: &OperationRecord) -> Span {
    let track = match &of.thread {
        Some(thread) => {
            let id = thread.id.map_or(0, u64::from);
            Track::Thread(Arc::new(ThreadTrack::new(id, thread.name.as_deref().unwrap_or_default())))
        }
        None => Track::Process,
    };
    let mut span = Span::new(of.name.to_string(), TraceContext::root(), track, time(of.start_time));
    span.end = Some(time(of.start_time + of.duration));
    span.status = match (of.status, &of.error) {
        (OperationStatus::Succeeded, _) => Status::Ok,
        (status, None) => Status::Error(status.name().into()),
        (_, Some(error)) => Status::Error(error.to_string().into()),
    };
    span
}

fn instant(entry: &Entry) -> Instant {
    let name = format!("{} {}", entry.subject, entry.text);
    Instant::new(name, InstantKind::Event, Track::Process, time(entry.time))
}

/// What each kernel did between two snapshots.
fn counters(before: &Snapshot, now: &Snapshot) -> Vec<CounterSample> {
    let at = time(now.time);
    let sample = |name: String, value: f64| CounterSample::new(name, Track::Process, at, value);
    let kernels = now.kernels.iter().zip(points_between(before, now));
    let of_kernel = kernels.filter_map(|(kernel, point)| Some((&kernel.kernel_id, point?))).flat_map(|(id, point)| {
        [
            sample(format!("{id} messages/s"), point.messages_per_second),
            sample(format!("{id} errors/s"), point.errors_per_second),
            sample(format!("{id} queue"), point.queue_depth as f64),
            sample(format!("{id} p99 ns"), point.quantile_ns(0.99).unwrap_or(f64::NAN)),
        ]
    });
    of_kernel.collect()
}

fn time(time: SystemTime) -> Time {
    Time::host(unix_ns(time))
}

fn unix_ns(time: SystemTime) -> u64 {
    u64::try_from(time.duration_since(UNIX_EPOCH).unwrap_or_default().as_nanos()).unwrap_or(u64::MAX)
}
