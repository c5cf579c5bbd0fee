//! Perfetto's own format: a sequence of `TracePacket`s.

mod clocks;
mod lanes;
mod messages;
mod sequence;
mod tracks;

use std::borrow::Cow;
use std::collections::{BTreeMap, HashMap};
use std::sync::Arc;

use self::clocks::{ClockMap, Moment, On};
use self::lanes::{Edge, Interval};
use self::messages::{Clock, ClockSnapshot, EventType, REALTIME, SEQUENCE_CLOCK, TracePacket, TrackEvent};
use self::sequence::{Sequence, write};
use self::tracks::Tracks;
use crate::trace::{
    Attribute, DeviceTrack, FlowId, Instant, InstantKind, Lost, Message, Span, Status, Time, Trace, Track, Value,
};

/// The host's packets; those of devices follow.
const HOST: u32 = 1;

/// Writes the trace.
pub(super) fn encode(trace: &Trace) -> Vec<u8> {
    let mut page = Page::new(trace);
    page.spans();
    trace.instants.iter().for_each(|instant| page.instant(instant));
    page.counters();
    trace.lost.iter().for_each(|lost| page.lost(lost));
    page.finish()
}

/// An event that is to be written.
struct Mark<'a> {
    at: Moment,
    /// Which sequence.
    writer: usize,
    track: u64,
    kind: EventType,
    of: Of<'a>,
}

/// What an event is of.
enum Of<'a> {
    Span(&'a Span),
    /// An event in a span.
    Inside(&'a str, &'a [Attribute]),
    Instant(&'a Instant),
    Lost(String),
    Value(f64),
    End,
}

impl Of<'_> {
    fn flows(&self) -> &[FlowId] {
        match self {
            Of::Span(span) => &span.flows,
            Of::Instant(instant) => &instant.flows,
            _ => &[],
        }
    }
}

struct Page<'a> {
    trace: &'a Trace,
    /// By the number of a writer; that of the host is empty.
    clocks: Vec<ClockMap>,
    writers: HashMap<&'a DeviceTrack, usize>,
    tracks: Tracks<'a>,
    marks: Vec<Mark<'a>>,
}

impl<'a> Page<'a> {
    fn new(trace: &'a Trace) -> Self {
        let mut page = Page {
            trace,
            clocks: vec![ClockMap::default()],
            writers: HashMap::new(),
            tracks: Tracks::new(&trace.source),
            marks: Vec::new(),
        };
        for clock in &trace.clocks {
            let writer = page.writer(Some(&clock.device));
            page.clocks[writer] = ClockMap::new(&clock.samples);
        }
        page
    }

    /// Who writes what is on a device, or on the host.
    fn writer(&mut self, device: Option<&'a Arc<DeviceTrack>>) -> usize {
        let Some(device) = device else { return 0 };
        let clocks = &mut self.clocks;
        *self.writers.entry(device).or_insert_with(|| {
            clocks.push(ClockMap::default());
            clocks.len() - 1
        })
    }

    fn spans(&mut self) {
        let mut by_track: BTreeMap<&Track, Vec<&'a Span>> = BTreeMap::new();
        self.trace.spans.iter().for_each(|span| by_track.entry(&span.track).or_default().push(span));
        for (track, spans) in by_track {
            self.slices(track, &spans);
        }
    }

    /// The spans of one track, on as many lanes as they need.
    fn slices(&mut self, track: &'a Track, spans: &[&'a Span]) {
        let writer = self.writer(track.device());
        let clock = &self.clocks[writer];
        let moments = |span: &&Span| (clock.moment(&span.begin), span.end.map(|end| clock.moment(&end)));
        let moments: Vec<_> = spans.iter().map(moments).collect();
        // The device's own times nest as the device saw it, also where two are read as one.
        let on_device = |(begin, end): &(Moment, Option<Moment>)| {
            begin.clock == On::Device && end.is_none_or(|end| end.clock == On::Device)
        };
        let own = moments.iter().all(on_device);
        let key = |moment: &Moment, time: &Time| if own { time.device_ns.unwrap_or_default() } else { moment.read };
        let interval = |(span, (begin, end)): (&&Span, &(Moment, Option<Moment>))| Interval {
            begin: key(begin, &span.begin),
            end: end.as_ref().zip(span.end.as_ref()).map(|(moment, time)| key(moment, time)),
            apart: own && span.message.is_some(),
        };
        let intervals: Vec<_> = spans.iter().zip(&moments).map(interval).collect();
        for (n, edges) in lanes::lanes(&intervals).into_iter().enumerate() {
            let lane = if n == 0 { self.tracks.number(track) } else { self.tracks.lane(track) };
            for edge in edges {
                match edge {
                    Edge::Begin(i) => self.begin(writer, lane, spans[i], &moments[i]),
                    Edge::End(i) => {
                        let (begin, end) = moments[i];
                        let at = end.filter(|end| end.read >= begin.read).unwrap_or(begin);
                        self.marks.push(Mark { at, writer, track: lane, kind: EventType::SliceEnd, of: Of::End });
                    }
                }
            }
        }
    }

    /// The begin of a slice, and what happened in it: inside it, whatever its time says.
    fn begin(&mut self, writer: usize, track: u64, span: &'a Span, (begin, end): &(Moment, Option<Moment>)) {
        self.marks.push(Mark { at: *begin, writer, track, kind: EventType::SliceBegin, of: Of::Span(span) });
        let mut events: Vec<_> = span.events.iter().map(|e| (self.clocks[writer].moment(&e.time), e)).collect();
        events.sort_by_key(|(at, _)| at.read);
        for (mut at, event) in events {
            if at.read < begin.read {
                at = *begin;
            }
            if let Some(end) = end.filter(|end| at.read > end.read) {
                at = if end.read < begin.read { *begin } else { end };
            }
            let of = Of::Inside(&event.name, &event.attributes);
            self.marks.push(Mark { at, writer, track, kind: EventType::Instant, of });
        }
    }

    fn instant(&mut self, instant: &'a Instant) {
        self.point(&instant.track, &instant.time, EventType::Instant, Of::Instant(instant));
    }

    fn lost(&mut self, lost: &'a Lost) {
        let of = Of::Lost(format!("LOST {}", lost.records));
        self.point(&lost.track, &lost.time, EventType::Instant, of);
    }

    fn point(&mut self, track: &'a Track, time: &Time, kind: EventType, of: Of<'a>) {
        let (writer, number) = (self.writer(track.device()), self.tracks.number(track));
        self.marks.push(Mark { at: self.clocks[writer].moment(time), writer, track: number, kind, of });
    }

    /// Samples that are no numbers cannot be drawn.
    fn counters(&mut self) {
        let mut known = HashMap::new();
        for sample in self.trace.counters.iter().filter(|sample| sample.value.is_finite()) {
            let tracks = &mut self.tracks;
            let key = (&sample.track, &*sample.name, sample.unit.as_deref());
            let track = *known.entry(key).or_insert_with(|| tracks.counter(key.0, key.1, key.2));
            let writer = self.writer(sample.track.device());
            let at = self.clocks[writer].moment(&sample.time);
            self.marks.push(Mark { at, writer, track, kind: EventType::Counter, of: Of::Value(sample.value) });
        }
    }

    /// Moves a sending that reads as later than the handling of its message to just before it, and a reply that reads as
    /// taken before the handling to just behind its begin: two clocks agree to some microseconds only, and an arrow joins its
    /// records in the order of their times.
    fn arrows_go_forward(&mut self) {
        let handled: HashMap<FlowId, u64> = self
            .marks
            .iter()
            .filter(|mark| matches!(mark.of, Of::Span(_)) && mark.writer != 0)
            .flat_map(|mark| mark.of.flows().iter().map(|flow| (*flow, mark.at.read)))
            .collect();
        for mark in self.marks.iter_mut() {
            let Of::Instant(instant) = &mark.of else { continue };
            let Some(handled) = instant.flows.iter().find_map(|flow| handled.get(flow)) else { continue };
            match instant.kind {
                InstantKind::Send if mark.at.read >= *handled => mark.at = Moment::unix(handled.saturating_sub(1)),
                InstantKind::Receive if mark.at.read <= *handled => mark.at = Moment::unix(handled.saturating_add(1)),
                _ => {}
            }
        }
    }

    fn finish(mut self) -> Vec<u8> {
        self.arrows_go_forward();
        let mut out = Vec::new();
        snapshots(self.trace, &self.clocks, &mut out);
        for descriptor in self.tracks.described() {
            let packet = TracePacket {
                trusted_packet_sequence_id: Some(HOST),
                track_descriptor: Some(descriptor),
                ..TracePacket::default()
            };
            write(&packet, &mut out);
        }
        let on = |writer: usize| if writer == 0 { On::Unix } else { On::Device };
        let mut sequences: Vec<_> = (0..self.clocks.len()).map(|w| Sequence::new(HOST + w as u32, on(w))).collect();
        let ends = flow_ends(&self.marks);
        for (index, mark) in self.marks.iter().enumerate() {
            let sequence = &mut sequences[mark.writer];
            let event = event(mark, sequence, |flow| ends[&flow] == index);
            sequence.event(&mark.at, event, &mut out);
        }
        out
    }
}

/// What Unix time is when the trace begins, so that readers take it for the clock of the trace; and what each device's clock
/// was whenever it was read.
fn snapshots(trace: &Trace, clocks: &[ClockMap], out: &mut Vec<u8>) {
    let clock = |id, timestamp| Clock { clock_id: Some(id), timestamp: Some(timestamp) };
    let mut all: Vec<(u64, u32, Option<u64>)> = vec![(trace.begin.unix_ns.min(i64::MAX as u64), HOST, None)];
    for (writer, map) in clocks.iter().enumerate() {
        all.extend(map.snapshots().map(|(device, unix)| (unix, HOST + writer as u32, Some(device))));
    }
    // Readers do not trust a clock that goes back. The sort is stable: a device's own order is kept.
    all.sort_by_key(|(unix, ..)| *unix);
    for (unix, sequence, device) in all {
        let device = device.map(|device| clock(SEQUENCE_CLOCK, device));
        let clocks = device.into_iter().chain([clock(REALTIME, unix)]).collect();
        let packet = TracePacket {
            clock_snapshot: Some(ClockSnapshot { clocks, primary_trace_clock: Some(REALTIME) }),
            trusted_packet_sequence_id: Some(sequence),
            ..TracePacket::default()
        };
        write(&packet, out);
    }
}

/// The index of the last event of each flow, by time: what comes after the end of a flow is not joined to it.
fn flow_ends(marks: &[Mark<'_>]) -> HashMap<FlowId, usize> {
    let mut ends: HashMap<FlowId, usize> = HashMap::new();
    for (index, mark) in marks.iter().enumerate() {
        for flow in mark.of.flows() {
            let end = ends.entry(*flow).or_insert(index);
            if mark.at.read >= marks[*end].at.read {
                *end = index;
            }
        }
    }
    ends
}

fn event<'a>(mark: &'a Mark<'a>, sequence: &mut Sequence<'a>, ends: impl Fn(FlowId) -> bool) -> TrackEvent {
    let mut event = TrackEvent { kind: Some(mark.kind.into()), track_uuid: Some(mark.track), ..TrackEvent::default() };
    let (terminating, others): (Vec<_>, Vec<_>) = mark.of.flows().iter().partition(|flow| ends(**flow));
    (event.terminating_flow_ids, event.flow_ids) = (numbers(terminating), numbers(others));
    let named = match &mark.of {
        Of::End => return event,
        Of::Value(value) => {
            event.double_counter_value = Some(*value);
            return event;
        }
        Of::Span(span) => Named::of_span(span),
        Of::Inside(name, attributes) => Named { name, category: "event", attributes, more: Vec::new() },
        Of::Instant(instant) => Named::of_instant(instant),
        Of::Lost(name) => Named { name, category: "lost", attributes: &[], more: Vec::new() },
    };
    event.name_iid = Some(sequence.name(named.name));
    event.category_iids = vec![sequence.category(named.category)];
    let given = named.attributes.iter().map(|a| (&*a.name, Cow::Borrowed(&a.value)));
    let more = named.more.into_iter().map(|(name, value)| (name, Cow::Owned(value)));
    event.debug_annotations = given.chain(more).map(|(name, value)| sequence.annotation(name, &value)).collect();
    event
}

fn numbers(flows: Vec<&FlowId>) -> Vec<u64> {
    flows.into_iter().map(|flow| u64::from(*flow)).collect()
}

/// What viewers show of an event.
struct Named<'a> {
    name: &'a str,
    category: &'a str,
    attributes: &'a [Attribute],
    more: Vec<(&'static str, Value)>,
}

impl<'a> Named<'a> {
    fn of_span(span: &'a Span) -> Self {
        let mut more = message(span.message.as_ref());
        match &span.status {
            Status::Unset => {}
            Status::Ok => more.push(("status", Value::from("ok"))),
            Status::Error(why) => {
                more.push(("status", Value::from("error")));
                more.push(("error", Value::Text(why.clone())));
            }
        }
        // Of millions of device spans these would be most of the file; there the message says which it is.
        if span.track.device().is_none() {
            more.push(("trace_id", span.context.trace_id().to_string().into()));
            more.push(("span_id", span.context.span_id().to_string().into()));
            more.extend(span.parent.map(|parent| ("parent_span_id", parent.to_string().into())));
        }
        Named { name: &span.name, category: place(&span.track), attributes: &span.attributes, more }
    }

    fn of_instant(instant: &'a Instant) -> Self {
        let category = match instant.kind {
            InstantKind::Waypoint => "waypoint",
            InstantKind::Log => "log",
            InstantKind::Send | InstantKind::Receive => "message",
            InstantKind::Event => "event",
        };
        let more = message(instant.message.as_ref());
        Named { name: &instant.name, category, attributes: &instant.attributes, more }
    }
}

fn place(track: &Track) -> &str {
    match track {
        Track::Block(block) => &block.kernel,
        track if track.device().is_some() => "device",
        _ => "host",
    }
}

fn message(message: Option<&Message>) -> Vec<(&'static str, Value)> {
    let parts = |m: &Message| vec![("kernel", Value::from(m.kernel.to_string())), ("message", Value::from(m.number))];
    message.map(parts).unwrap_or_default()
}
