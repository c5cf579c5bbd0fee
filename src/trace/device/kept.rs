//! What kernels recorded, kept for a trace: the newest records, what is missing, the device's clock.

use std::collections::{BTreeMap, HashMap, VecDeque};
use std::hash::RandomState;
use std::sync::Arc;

use super::assemble::{self, Kept};
use super::in_hand::{self, InHand};
use super::record::{DeviceRecord, RecordKind};
use crate::trace::cursor::TraceCursor;
use crate::trace::record::Lost;
use crate::trace::recorded::Trace;
use crate::trace::time::{DeviceClock, Time};
use crate::trace::tracer::Tracer;
use crate::trace::track::{BlockTrack, DeviceTrack, SmTrack, Track};

/// Readings of a clock that are kept; of more, every second one is forgotten.
const MOST_READINGS: usize = 16_384;
/// How much a clock drifts until it is read again.
const DRIFT_NS: u128 = 500;

/// Keeps the newest [records](DeviceRecord) of a device's kernels, and makes them parts of a [`Trace`] whenever one is wanted:
/// of a kernel that runs, or hangs, as of one that has ended.
///
/// ```
/// use std::sync::Arc;
/// use ringscope::trace::{DeviceTrace, DeviceTrack, Tracer};
///
/// let tracer = Tracer::new("importer");
/// let kept = DeviceTrace::new(Arc::new(DeviceTrack::new(0, "a GPU")), 100_000);
/// // … kept.record(record, Some(&tracer)) with each record that a stream hands out …
/// let mut trace = tracer.trace();
/// kept.add_to(&mut trace);
/// assert_eq!(trace.clocks.len(), 1);
/// ```
pub struct DeviceTrace {
    device: Arc<DeviceTrack>,
    most: usize,
    /// Ever.
    added: u64,
    kept: VecDeque<Kept>,
    clock: DeviceClock,
    roles: HashMap<Arc<str>, u32>,
    counts: BTreeMap<Arc<str>, KernelRecords>,
    /// By kernel and shard, what there was no room for, and when the last of it was.
    forgotten: BTreeMap<(Arc<str>, u32), (u64, Time)>,
    /// What numbers of spans are made with: the same ones each time that a trace is made.
    key: RandomState,
}

/// How many records of a kernel there are.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
#[non_exhaustive]
pub struct KernelRecords {
    /// Spans of messages.
    pub messages: u64,
    /// Spans of the author's.
    pub spans: u64,
    /// Events.
    pub events: u64,
    /// Samples.
    pub samples: u64,
    /// Log lines.
    pub logs: u64,
    /// Records of the kernel's rings that were overwritten before they were read. A message is two of these or three, a value
    /// over 2^32 - 1 two.
    pub lost: u64,
    /// Of the first five, those that there is no room for any more.
    pub forgotten: u64,
}

impl KernelRecords {
    /// Returns how many were recorded: messages, spans, events, samples and log lines.
    pub fn recorded(&self) -> u64 {
        self.messages + self.spans + self.events + self.samples + self.logs
    }

    /// Returns how many of them are kept.
    pub fn kept(&self) -> u64 {
        self.recorded() - self.forgotten
    }

    fn count(&mut self, kind: &RecordKind) {
        match kind {
            RecordKind::Message { .. } => self.messages += 1,
            RecordKind::Span { .. } => self.spans += 1,
            RecordKind::Event { .. } => self.events += 1,
            RecordKind::Sample { .. } => self.samples += 1,
            RecordKind::Log { .. } => self.logs += 1,
            RecordKind::Lost { records } => self.lost += records,
        }
    }
}

impl std::ops::AddAssign for KernelRecords {
    fn add_assign(&mut self, other: KernelRecords) {
        self.messages += other.messages;
        self.spans += other.spans;
        self.events += other.events;
        self.samples += other.samples;
        self.logs += other.logs;
        self.lost += other.lost;
        self.forgotten += other.forgotten;
    }
}

impl DeviceTrace {
    /// Makes one that keeps the newest `records` records of the kernels of `device`.
    pub fn new(device: Arc<DeviceTrack>, records: usize) -> Self {
        let (kept, roles, counts, forgotten) = Default::default();
        let clock = DeviceClock::new(Arc::clone(&device));
        DeviceTrace { device, most: records, added: 0, kept, clock, roles, counts, forgotten, key: RandomState::new() }
    }

    /// Sets how many roles of each block of a kernel have a shard of their own: shard `block × roles + role`. Default: 1.
    pub fn set_roles(&mut self, kernel: impl Into<Arc<str>>, roles: u32) {
        self.roles.insert(kernel.into(), roles.max(1));
    }

    /// Takes the next record of its ring. `tracer` is asked who sent the message that it is of; what it does not know stays
    /// unknown.
    pub fn record(&mut self, record: DeviceRecord, tracer: Option<&Tracer>) {
        match self.counts.get_mut(&record.kernel) {
            Some(counts) => counts.count(&record.kind),
            None => self.counts.entry(Arc::clone(&record.kernel)).or_default().count(&record.kind),
        }
        self.read_clock(&record.time);
        let number = match record.kind {
            RecordKind::Message { number, .. } => number,
            _ => None,
        };
        let sent = number.zip(tracer).and_then(|(number, tracer)| tracer.sent_message(&record.kernel, number));
        self.added += 1;
        self.kept.push_back(Kept { record, sent: sent.map(Box::new) });
        while self.kept.len() > self.most {
            self.forget_oldest();
        }
    }

    fn forget_oldest(&mut self) {
        let Some(Kept { record, .. }) = self.kept.pop_front() else { return };
        let missing = match record.kind {
            RecordKind::Lost { records } => records,
            _ => {
                self.counts.entry(Arc::clone(&record.kernel)).or_default().forgotten += 1;
                1
            }
        };
        let (all, last) = self.forgotten.entry((record.kernel, record.shard)).or_insert((0, record.time));
        *all += missing;
        *last = (*last).max(record.time);
    }

    /// Keeps what the device's clock was at a time, if that is news: readers of a trace take both clocks to run alike from one
    /// reading to the next, and what lies across a reading is longer or shorter by what it says.
    fn read_clock(&mut self, time: &Time) {
        let Some(device_ns) = time.device_ns else { return };
        let offset = |unix_ns: u64, device_ns: u64| i128::from(unix_ns) - i128::from(device_ns);
        if let Some(last) = self.clock.samples.last() {
            let drifted = offset(last.unix_ns, last.device_ns).abs_diff(offset(time.unix_ns, device_ns));
            if device_ns <= last.device_ns || drifted < DRIFT_NS {
                return;
            }
        }
        self.clock.add(device_ns, time.unix_ns, time.uncertainty_ns);
        if self.clock.samples.len() > MOST_READINGS {
            let mut odd = false;
            self.clock.samples.retain(|_| {
                odd = !odd;
                odd
            });
        }
    }

    /// Returns how many records of each kernel there are.
    pub fn counts(&self) -> &BTreeMap<Arc<str>, KernelRecords> {
        &self.counts
    }

    /// Returns how many records are kept.
    pub fn len(&self) -> usize {
        self.kept.len()
    }

    /// Returns whether no record is kept.
    pub fn is_empty(&self) -> bool {
        self.kept.is_empty()
    }

    /// Adds all that is kept to a trace. It stays kept.
    ///
    /// A message becomes a span on its block's track, of the trace in which it was sent, as a child of the span that sent it;
    /// what the kernel recorded meanwhile is inside it. The author's spans nest in each other, events and log lines are
    /// instants, samples are counters, and what is missing is [`Lost`] in its place.
    pub fn add_to(&self, trace: &mut Trace) {
        let mut shards: BTreeMap<(&Arc<str>, u32), Vec<&Kept>> = BTreeMap::new();
        for kept in &self.kept {
            shards.entry((&kept.record.kernel, kept.record.shard)).or_default().push(kept);
        }
        for ((kernel, shard), mut records) in shards {
            records.sort_by_key(|kept| kept.record.number);
            let track = self.track(kernel, shard, records.iter().rev().find_map(|kept| kept.record.sm));
            let forgotten = self.forgotten.get(&(Arc::clone(kernel), shard));
            trace.lost.extend(forgotten.map(|(all, last)| Lost::new(track.clone(), *last, *all)));
            assemble::shard(&records, &track, &self.key, trace);
        }
        trace.clocks.push(self.clock.clone());
    }

    /// Adds what was recorded since this reader's last look. It stays kept. One cursor does for several devices.
    ///
    /// A span is recorded when it ends: what lies in one that goes on, as far as it is known, is left for the next look, where
    /// that has ended; longer than that it is not held back, unless `last` says that there is no next look.
    pub fn add_since(&self, cursor: &mut TraceCursor, last: bool, trace: &mut Trace) {
        let first = self.added - self.kept.len() as u64;
        let of_device = cursor.devices.entry(Arc::clone(&self.device)).or_default();
        let next = of_device.next.replace(self.added).unwrap_or(first);
        let left = std::mem::take(&mut of_device.left);
        let is_gone = |number: &&u64| **number < first;
        cursor.missed += first.saturating_sub(next) + left.iter().filter(is_gone).count() as u64;
        let numbers = left.iter().copied().chain(next.max(first)..self.added).filter(|number| *number >= first);
        let mut shards = BTreeMap::<(&Arc<str>, u32), Vec<_>>::new();
        for number in numbers {
            let kept = &self.kept[(number - first) as usize];
            shards.entry((&kept.record.kernel, kept.record.shard)).or_default().push((number, kept));
        }
        for ((kernel, shard), mut records) in shards {
            records.sort_by_key(|(_, kept)| kept.record.number);
            let message = records.iter().rposition(|(_, kept)| matches!(kept.record.kind, RecordKind::Message { .. }));
            let closed = message.map_or(0, |place| place + 1);
            let (now, later): (Vec<_>, Vec<_>) = records
                .into_iter()
                .enumerate()
                .partition(|(place, (number, _))| last || *place < closed || *number < next);
            of_device.left.extend(later.into_iter().map(|(_, (number, _))| number));
            let records: Vec<&Kept> = now.into_iter().map(|(_, (_, kept))| kept).collect();
            let track = self.track(kernel, shard, records.iter().rev().find_map(|kept| kept.record.sm));
            assemble::shard(&records, &track, &self.key, trace);
        }
        trace.clocks.push(self.clock.clone());
    }

    fn track(&self, kernel: &Arc<str>, shard: u32, sm: Option<u32>) -> Track {
        let sm = Arc::new(SmTrack::new(Arc::clone(&self.device), sm.unwrap_or(SmTrack::UNKNOWN)));
        let roles = self.roles.get(kernel).copied().unwrap_or(1);
        Track::Block(Arc::new(BlockTrack::new(sm, Arc::clone(kernel), shard / roles, shard % roles)))
    }

    /// Adds what blocks are doing at this moment, as spans that go on: what a kernel that hangs has in hand.
    pub(crate) fn add_in_hand(&self, blocks: &[InHand], tracer: Option<&Tracer>, trace: &mut Trace) {
        let Some(reading) = self.clock.samples.last() else { return };
        let mut last = HashMap::<(&Arc<str>, u32), (u64, Option<u32>)>::new();
        for Kept { record, .. } in &self.kept {
            let (end, sm) = last.entry((&record.kernel, record.shard)).or_insert((0, None));
            (*end, *sm) = ((*end).max(assemble::end_ns(record)), record.sm.or(*sm));
        }
        for of in blocks {
            let (end, sm) = last.get(&(&of.kernel, of.shard)).copied().unwrap_or_default();
            // Of two ways to tell the device's time one may be a little off: nothing is in hand before the last one's end.
            let ahead = i128::from(reading.device_ns) - i128::from(reading.unix_ns);
            let device_ns = u64::try_from(i128::from(of.since_ns) + ahead).unwrap_or(0).max(end);
            let begin = Time::device(device_ns, of.since_ns, reading.uncertainty_ns);
            let sent = of.message.zip(tracer).and_then(|(number, tracer)| tracer.sent_message(&of.kernel, number));
            let track = self.track(&of.kernel, of.shard, sm.or(of.sm));
            trace.spans.push(Arc::new(in_hand::span(of, begin, track, sent, &self.key)));
        }
    }
}

impl std::fmt::Debug for DeviceTrace {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(f, "DeviceTrace({} records of {} kernels)", self.kept.len(), self.counts.len())
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::trace::record::{InstantKind, SpanKind, Status};
    use crate::trace::{SampleValue, Severity, Span};

    const KERNEL: &str = "w";

    fn keeper(most: usize) -> DeviceTrace {
        DeviceTrace::new(Arc::new(DeviceTrack::new(0, "a device")), most)
    }

    fn record(number: u64, begin: u64, kind: RecordKind) -> DeviceRecord {
        let time = Time::device(begin, 1_000_000 + begin, 5);
        DeviceRecord { kernel: KERNEL.into(), device: 0, shard: 3, sm: Some(7), number, time, kind }
    }

    fn message(number: u64, begin: u64, duration_ns: u64, of: u64) -> DeviceRecord {
        record(number, begin, RecordKind::Message { number: Some(of), duration_ns, status: (of % 2) as u32 })
    }

    fn span(number: u64, begin: u64, duration_ns: u64, name: &str) -> DeviceRecord {
        record(number, begin, RecordKind::Span { name: name.into(), duration_ns })
    }

    fn trace_of(kept: &DeviceTrace, tracer: &Tracer) -> Trace {
        let mut trace = tracer.trace();
        kept.add_to(&mut trace);
        trace
    }

    fn device_span<'a>(trace: &'a Trace, name: &str) -> &'a Span {
        let of_device = |s: &&Arc<Span>| s.track.device().is_some() && s.name == name;
        trace.spans.iter().find(of_device).unwrap_or_else(|| panic!("no {name}"))
    }

    #[test]
    fn a_message_is_a_child_of_the_span_that_sent_it_and_around_what_was_recorded_meanwhile() {
        let (tracer, mut kept) = (Tracer::new("test"), keeper(100));
        let sending = tracer.span("request").start();
        tracer.sending(&KERNEL.into(), 2);
        let event = record(0, 13, RecordKind::Event { name: "loaded".into(), value: 9 });
        let line = RecordKind::Log { name: "late".into(), severity: Severity::Warn, text: "3 late".into() };
        let records = [
            event,
            span(1, 12, 3, "load"),
            span(2, 11, 8, "work"),
            record(3, 19, line),
            message(4, 10, 10, 2),
            message(6, 20, 0, 3),
            message(8, 20, 5, 4),
        ];
        records.into_iter().for_each(|record| kept.record(record, Some(&tracer)));
        let trace = trace_of(&kept, &tracer);
        let of = |number: u64| {
            let is = |s: &&Arc<Span>| s.message.as_ref().is_some_and(|m| m.number == number);
            trace.spans.iter().find(is).unwrap()
        };
        let (work, load) = (device_span(&trace, "work"), device_span(&trace, "load"));
        assert_eq!(of(2).parent, Some(sending.context().span_id()));
        assert_eq!(of(2).context.trace_id(), sending.context().trace_id());
        assert_eq!((work.parent, load.parent), (Some(of(2).context.span_id()), Some(work.context.span_id())));
        assert_eq!(load.context.trace_id(), sending.context().trace_id());
        assert_eq!((of(2).kind, &of(2).status, of(2).duration_ns()), (SpanKind::Consumer, &Status::Ok, Some(10)));
        assert_eq!(of(2).flows, tracer.sent_message(KERNEL, 2).map(|sent| sent.flow).into_iter().collect::<Vec<_>>());
        assert!(matches!(of(3).status, Status::Error(_)) && of(3).parent.is_none() && of(4).parent.is_none());
        let instant = |name: &str| trace.instants.iter().find(|i| i.name == name).unwrap();
        assert_eq!(instant("loaded").context.as_ref().map(|c| c.span_id()), Some(load.context.span_id()));
        let late = instant("late");
        assert_eq!((late.kind, late.message.as_ref().map(|m| m.number)), (InstantKind::Log, Some(2)));
        let Track::Block(block) = &work.track else { panic!("{work:?}") };
        assert_eq!((block.block, block.role, block.sm.sm, &*block.kernel), (3, 0, 7, KERNEL));
        // A second time everything has the same numbers.
        assert_eq!(trace_of(&kept, &tracer).spans[..trace.spans.len()], trace.spans[..]);
    }

    #[test]
    fn what_overlaps_is_nobody_s_child() {
        let (tracer, mut kept) = (Tracer::new("test"), keeper(100));
        for record in [span(0, 0, 10, "a"), span(1, 5, 10, "b"), span(2, 2, 20, "c"), span(3, 0, 30, "d")] {
            kept.record(record, None);
        }
        let trace = trace_of(&kept, &tracer);
        let parent = |name: &str| device_span(&trace, name).parent;
        let id = |name: &str| Some(device_span(&trace, name).context.span_id());
        assert_eq!([parent("a"), parent("b"), parent("c"), parent("d")], [id("d"), id("c"), id("d"), None]);
    }

    #[test]
    fn losses_samples_and_roles_are_in_their_place() {
        let (tracer, mut kept) = (Tracer::new("test"), keeper(100));
        kept.set_roles(KERNEL, 2);
        kept.record(DeviceRecord { sm: None, ..record(0, 5, RecordKind::Lost { records: 12 }) }, None);
        let value = SampleValue::Real(0.5);
        kept.record(
            DeviceRecord { sm: None, ..record(12, 6, RecordKind::Sample { name: "depth".into(), value }) },
            None,
        );
        let trace = trace_of(&kept, &tracer);
        assert_eq!((trace.lost.len(), trace.lost[0].records, trace.lost[0].time.device_ns), (1, 12, Some(5)));
        assert_eq!((&*trace.counters[0].name, trace.counters[0].value), ("depth", 0.5));
        let Track::Block(block) = &trace.lost[0].track else { panic!("{:?}", trace.lost) };
        assert_eq!((block.block, block.role, block.sm.sm), (1, 1, SmTrack::UNKNOWN));
        assert_eq!(kept.counts()[KERNEL], KernelRecords { lost: 12, samples: 1, ..KernelRecords::default() });
    }

    #[test]
    fn the_oldest_go_and_are_counted_where_they_were() {
        let (tracer, mut kept) = (Tracer::new("test"), keeper(3));
        kept.record(record(0, 1, RecordKind::Lost { records: 7 }), None);
        (0..10).for_each(|n| kept.record(span(7 + n, n * 10, 5, "step"), None));
        let counts = kept.counts()[KERNEL];
        assert_eq!((counts.recorded(), counts.lost, counts.forgotten, counts.kept()), (10, 7, 7, 3));
        let trace = trace_of(&kept, &tracer);
        assert_eq!((trace.spans.len(), trace.lost.len()), (3, 1));
        assert_eq!((trace.lost[0].records, trace.lost[0].time.device_ns), (14, Some(60)));
    }

    /// Parts of a message come with it; what has nothing around it comes at the next look.
    #[test]
    fn a_reader_gets_a_message_with_what_lies_in_it() {
        let (tracer, mut kept, mut cursor) = (Tracer::new("test"), keeper(6), TraceCursor::new());
        let names = |kept: &DeviceTrace, cursor: &mut TraceCursor, last: bool| -> Vec<String> {
            let mut trace = tracer.trace_since(cursor);
            kept.add_since(cursor, last, &mut trace);
            let mut names: Vec<String> =
                trace.spans.iter().map(|s| format!("{}{}", s.name, u8::from(s.parent.is_some()))).collect();
            names.sort();
            names
        };
        kept.record(message(2, 0, 10, 0), None);
        kept.record(span(3, 12, 3, "load"), None);
        assert_eq!(names(&kept, &mut cursor, false), ["message0"]);
        kept.record(message(5, 11, 9, 1), None);
        kept.record(span(6, 22, 3, "alone"), None);
        assert_eq!(names(&kept, &mut cursor, false), ["load1", "message0"]);
        assert_eq!(names(&kept, &mut cursor, false), ["alone0"], "it is not held back any longer");
        assert_eq!(names(&kept, &mut cursor, false), [""; 0]);
        kept.record(span(7, 30, 3, "end"), None);
        assert_eq!(names(&kept, &mut cursor, true), ["end0"], "there is no next look");
        assert_eq!(cursor.missed(), 0);
        kept.record(span(8, 40, 3, "left"), None);
        assert_eq!(names(&kept, &mut cursor, false), [""; 0]);
        (9..17).for_each(|n| kept.record(message(n, n * 10, 5, n), None));
        assert_eq!((names(&kept, &mut cursor, false).len(), cursor.missed()), (6, 3));
    }

    #[test]
    fn a_clock_is_read_again_when_it_has_drifted() {
        let mut kept = keeper(1);
        let mut read = |device_ns: u64, ahead: u64| kept.read_clock(&Time::device(device_ns, device_ns + ahead, 5));
        (0..3000).for_each(|n| read(n, 77 + n % 100));
        read(5000, 777);
        read(4000, 9999);
        assert_eq!(kept.clock.samples.iter().map(|reading| reading.device_ns).collect::<Vec<_>>(), [0, 5000]);
        (0..100_000).for_each(|n| kept.read_clock(&Time::device(10_000 + n, 10_000 + n + n % 2 * 1000, 5)));
        assert!(kept.clock.samples.len() <= MOST_READINGS);
    }
}
