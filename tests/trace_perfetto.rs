//! Perfetto's trace_processor reads what is written for it: every slice with its begin, duration and depth, tracks,
//! instants, counters, arrows, clocks. Without the tools of scripts/trace-tools.sh these tests say so and pass, unless
//! RINGSCOPE_REQUIRE_TRACE_TOOLS=1.
#![cfg(feature = "trace")]

mod trace_tools;

use std::collections::{BTreeMap, HashMap};
use std::sync::Arc;

use proptest::prelude::*;
use proptest::strategy::ValueTree;
use proptest::test_runner::TestRunner;
use ringscope::trace::{
    Attribute, BlockTrack, CounterSample, DeviceClock, DeviceTrack, FlowId, Instant, InstantKind, Lost, Message,
    SmTrack, Source, Span, SpanEvent, Status, ThreadTrack, Time, Trace, TraceContext, Tracer, Track,
};

use trace_tools::{Row, int, perfetto, text};

const SECOND: u64 = 1_000_000_000;
/// A moment in 2025.
const START: u64 = 1_750_000_000 * SECOND;

fn empty() -> Trace {
    let mut source = Source::this_process("test");
    source.pid = 4711;
    Trace::new(source, Time::host(START), Time::host(START + 100 * SECOND))
}

fn thread(id: u64) -> Track {
    Track::Thread(Arc::new(ThreadTrack::new(id, format!("thread-{id}"))))
}

fn span(name: impl Into<String>, track: &Track, begin: Time, end: Option<Time>) -> Span {
    let mut span = Span::new(name.into(), TraceContext::root(), track.clone(), begin);
    span.end = end;
    span
}

fn at(ns: u64) -> Time {
    Time::host(START + ns)
}

/// A slice as trace_processor knows it.
#[derive(Debug)]
struct Slice {
    ts: u64,
    dur: i64,
    depth: i64,
    track: i64,
    parent: Option<String>,
}

const SLICES: &str =
    "select s.name, s.ts, s.dur, s.depth, s.track_id, p.name from slice s left join slice p on s.parent_id = p.id";

fn slices(rows: &[Row]) -> HashMap<String, Slice> {
    let slice = |row: &Row| Slice {
        ts: int(&row[1]) as u64,
        dur: int(&row[2]),
        depth: int(&row[3]),
        track: int(&row[4]),
        parent: row[5].as_str().map(str::to_owned),
    };
    let all: HashMap<_, _> = rows.iter().map(|row| (text(&row[0]).to_owned(), slice(row))).collect();
    assert_eq!(all.len(), rows.len(), "names are unique here");
    all
}

/// Slices of one track nest: each lies inside its parent, and depths are those of the parents.
fn nest(slices: &HashMap<String, Slice>) {
    for (name, slice) in slices {
        let Some(parent) = &slice.parent else {
            assert_eq!(slice.depth, 0, "{name}");
            continue;
        };
        let around = &slices[parent];
        assert_eq!((around.depth + 1, around.track), (slice.depth, slice.track), "{name} in {parent}");
        let end = |slice: &Slice| if slice.dur < 0 { u64::MAX } else { slice.ts + slice.dur as u64 };
        assert!(around.ts <= slice.ts && end(slice) <= end(around), "{name} {slice:?} in {parent} {around:?}");
    }
}

#[test]
fn any_spans_on_any_threads_are_all_there_exactly() {
    let mut runner = TestRunner::deterministic();
    // Few different times: many are equal, contained, or overlap.
    let one = (0u64..40, prop::option::weighted(0.95, 0u64..40));
    let tracks = prop::collection::vec(prop::collection::vec(one, 1..40), 40);
    for round in 0..3 {
        let mut trace = empty();
        let spans = tracks.new_tree(&mut runner).unwrap().current();
        for (t, spans) in spans.iter().enumerate() {
            for (n, (begin, end)) in spans.iter().enumerate() {
                let end = end.map(at);
                trace.spans.push(Arc::new(span(format!("{t}.{n}"), &thread(t as u64 + 1), at(*begin), end)));
            }
        }
        let Some(answers) = perfetto(&trace.export_perfetto(), &[SLICES, "select count(*) from flow"]) else { return };
        let found = slices(&answers[0]);
        assert_eq!(found.len(), trace.spans.len(), "round {round}");
        for span in &trace.spans {
            let slice = &found[&*span.name];
            assert_eq!(slice.ts, span.begin.unix_ns, "{span:?}");
            assert_eq!(slice.dur, span.duration_ns().map_or(-1, |dur| dur as i64), "{span:?}");
        }
        nest(&found);
        assert_eq!(int(&answers[1][0][0]), 0);
    }
}

/// Calls in calls, as one thread makes them, on a clock that ticks seldom.
fn calls(
    depth: i64,
    now: &mut u64,
    name: &str,
    random: &mut impl FnMut() -> u64,
    out: &mut Vec<(String, u64, u64, i64)>,
) {
    let begin = *now;
    let place = out.len();
    out.push((name.to_owned(), begin, begin, depth));
    for n in 0..random() % 4 {
        *now += random() % 2;
        if depth < 8 {
            calls(depth + 1, now, &format!("{name}.{n}"), random, out);
        }
    }
    *now += random() % 2;
    out[place].2 = *now;
}

#[test]
fn calls_of_a_thread_are_on_one_track_as_deep_as_they_were() {
    let mut state = 1_u64;
    let mut random = move || {
        state = state.wrapping_mul(6_364_136_223_846_793_005).wrapping_add(1_442_695_040_888_963_407);
        state >> 33
    };
    let (mut trace, mut all) = (empty(), Vec::new());
    for t in 1..=20 {
        let (mut now, mut of_thread) = (0, Vec::new());
        for n in 0..10 {
            calls(0, &mut now, &format!("{t}:{n}"), &mut random, &mut of_thread);
        }
        // Equal times say nothing of who was around whom: there the order of the begins does. Those that took no time are
        // left out, and so is what lies at the very edge of another.
        of_thread.retain(|(_, begin, end, _)| begin < end);
        let spans = of_thread
            .iter()
            .map(|(n, begin, end, _)| Arc::new(span(n.clone(), &thread(t), at(*begin), Some(at(*end)))));
        trace.spans.extend(spans);
        all.extend(of_thread);
    }
    assert!(all.len() > 500, "{}", all.len());
    let query =
        "select t.utid, count(distinct s.track_id) from slice s join thread_track t on s.track_id = t.id group by 1";
    let Some(answers) = perfetto(&trace.export_perfetto(), &[SLICES, query]) else { return };
    let found = slices(&answers[0]);
    assert_eq!((found.len(), answers[1].len()), (all.len(), 20));
    assert!(answers[1].iter().all(|row| int(&row[1]) == 1), "one track a thread: {:?}", answers[1]);
    nest(&found);
    for (name, begin, end, depth) in &all {
        let slice = &found[name];
        assert_eq!((slice.ts, slice.dur, slice.depth), (START + begin, (end - begin) as i64, *depth), "{name}");
    }
}

#[test]
fn what_tracer_recorded_is_what_perfetto_reads() {
    let tracer = Tracer::new("importer");
    let work = |n: u64| {
        let outer = tracer.span(format!("batch {n}")).attribute("batch_id", n).attribute("of", "a \"file\"\n").start();
        let inner = tracer.span(format!("parse {n}")).start();
        inner.event(format!("header {n}"));
        inner.fail(&std::fmt::Error);
        drop((inner, outer));
    };
    std::thread::scope(|scope| (0..4).for_each(|n| drop(scope.spawn(move || work(n)))));
    let _open = tracer.span("goes on").start();
    let trace = tracer.trace();
    let arguments = "select s.name, a.key, a.display_value from slice s join args a using (arg_set_id)";
    let threads = "select s.name, t.tid, t.name, p.pid, p.name from slice s join thread_track tt on s.track_id = tt.id \
                   join thread t using (utid) join process p using (upid)";
    let Some(answers) = perfetto(&trace.export_perfetto(), &[SLICES, arguments, threads]) else { return };
    let mut rows = answers[0].clone();
    rows.retain(|row| text(&row[0]) != "exception");
    let found = slices(&rows);
    assert_eq!((found.len(), trace.spans.len()), (13, 9));
    for span in &trace.spans {
        let slice = &found[&*span.name];
        assert_eq!((slice.ts, slice.dur), (span.begin.unix_ns, span.duration_ns().map_or(-1, |dur| dur as i64)));
        let parent = trace.spans.iter().find(|other| Some(other.context.span_id()) == span.parent);
        assert_eq!(slice.parent.as_deref(), parent.map(|parent| &*parent.name));
        let row = answers[2].iter().find(|row| text(&row[0]) == span.name).unwrap();
        let Track::Thread(thread) = &span.track else { panic!("{span:?}") };
        assert_eq!((int(&row[1]) as u64, row[2].as_str().unwrap_or_default()), (thread.id, &*thread.name));
        assert_eq!((int(&row[3]), text(&row[4])), (i64::from(std::process::id()), "importer"));
    }
    let argument = |name: &str, key: &str| {
        let row = answers[1].iter().find(|row| text(&row[0]) == name && text(&row[1]) == format!("debug.{key}"));
        row.map(|row| text(&row[2]).to_owned())
    };
    assert_eq!(argument("batch 3", "batch_id").as_deref(), Some("3"));
    assert_eq!(argument("batch 3", "of").as_deref(), Some("a \"file\"\n"));
    assert_eq!(argument("parse 3", "error"), Some(std::fmt::Error.to_string()));
    let of = |name: &str| trace.spans.iter().find(|span| span.name == name).unwrap().context.span_id().to_string();
    assert_eq!(argument("parse 3", "parent_span_id"), Some(of("batch 3")));
    let header = &found["header 2"];
    assert_eq!((header.parent.as_deref(), header.dur), (Some("parse 2"), 0));
}

/// Two devices, of which one's clock is fast and one's slow, read ten times.
fn devices() -> (Trace, Vec<Arc<DeviceTrack>>) {
    let mut trace = empty();
    let devices: Vec<_> =
        ["fast", "slow"].iter().zip(0..).map(|(name, n)| Arc::new(DeviceTrack::new(n, *name))).collect();
    for (device, ppm) in devices.iter().zip([40_i64, -70]) {
        let mut clock = DeviceClock::new(Arc::clone(device));
        for poll in 0..10 {
            let unix = poll * 100_000_000;
            clock.add((5 * SECOND as i64 + unix + unix * ppm / 1_000_000) as u64, START + unix as u64, 300);
        }
        trace.clocks.push(clock);
    }
    (trace, devices)
}

fn block(device: &Arc<DeviceTrack>, sm: u32, block: u32) -> Track {
    let sm = Arc::new(SmTrack::new(Arc::clone(device), sm));
    Track::Block(Arc::new(BlockTrack::new(sm, "worker", block, 0)))
}

/// What the newest reading before a time says that it is in Unix time.
fn unix(trace: &Trace, device: &Arc<DeviceTrack>, device_ns: u64) -> u64 {
    let clock = trace.clocks.iter().find(|clock| clock.device == *device).unwrap();
    let sample = clock.samples.iter().rev().find(|s| s.device_ns <= device_ns).unwrap_or(&clock.samples[0]);
    (i128::from(device_ns) + i128::from(sample.unix_ns) - i128::from(sample.device_ns)) as u64
}

#[test]
fn device_spans_are_on_the_device_s_own_clock() {
    let (mut trace, devices) = devices();
    let mut expected = BTreeMap::new();
    for device in &devices {
        for n in 0..200_u32 {
            let begin = 5 * SECOND + u64::from(n) * 4_999_999 + 17;
            let end = begin + 40_000 + u64::from(n);
            let name = format!("{} {n}", device.name);
            // The times in Unix time are for who has no clock: they are not used here.
            let mut span = span(
                &name,
                &block(device, n % 7, n % 14),
                Time::device(begin, 0, 300),
                Some(Time::device(end, 0, 300)),
            );
            span.message = Some(Message::new("worker", n.into()));
            trace.spans.push(Arc::new(span));
            expected.insert(name, (unix(&trace, device, begin), unix(&trace, device, end)));
        }
    }
    let paths = "select s.name, b.name, sm.name, d.name, d.parent_id from slice s join track b on s.track_id = b.id \
                 join track sm on b.parent_id = sm.id join track d on sm.parent_id = d.id";
    let snapshots = "select count(distinct snapshot_id) from clock_snapshot where clock_id >= 64";
    let Some(answers) = perfetto(&trace.export_perfetto(), &[SLICES, paths, snapshots]) else { return };
    let found = slices(&answers[0]);
    assert_eq!(found.len(), expected.len());
    for (name, (begin, end)) in &expected {
        let slice = &found[name];
        assert_eq!((slice.ts, slice.dur), (*begin, (end - begin) as i64), "{name}");
    }
    nest(&found);
    assert_eq!(int(&answers[2][0][0]), 20, "each reading of a clock is in the file");
    assert_eq!(answers[1].len(), expected.len());
    for row in &answers[1] {
        let (device, n) = text(&row[0]).split_once(' ').unwrap();
        let n: u32 = n.parse().unwrap();
        let ordinal = u32::from(device == "slow");
        assert_eq!(text(&row[1]), format!("worker block {}", n % 14));
        assert_eq!(
            (text(&row[2]), text(&row[3])),
            (&*format!("SM {}", n % 7), &*format!("device {ordinal}: {device}"))
        );
    }
}

#[test]
fn spans_across_a_reading_of_the_clock_stay_nested() {
    let (mut trace, devices) = devices();
    let track = block(&devices[0], 0, 0);
    // The fast clock loses 4 µs at each reading; these begin and end around one, a microsecond apart.
    let reading = trace.clocks[0].samples[5].device_ns;
    let edges = |n: u64| (reading - 10_000 + n * 1000, reading + 10_000 - n * 1000);
    for n in 0..10 {
        let (begin, end) = edges(n);
        let span = span(format!("{n}"), &track, Time::device(begin, 0, 0), Some(Time::device(end, 0, 0)));
        trace.spans.push(Arc::new(span));
    }
    for n in 0..20 {
        let begin = reading - 10_000 + n * 1000 + 20_000;
        let span =
            span(format!("after {n}"), &track, Time::device(begin, 0, 0), Some(Time::device(begin + 1000, 0, 0)));
        trace.spans.push(Arc::new(span));
    }
    let Some(answers) = perfetto(&trace.export_perfetto(), &[SLICES]) else { return };
    let found = slices(&answers[0]);
    assert_eq!(found.len(), trace.spans.len());
    nest(&found);
    for n in 0..10 {
        let slice = &found[&n.to_string()];
        let (begin, end) = edges(n);
        assert_eq!((slice.depth, slice.ts), (n as i64, unix(&trace, &devices[0], begin)));
        // As long as the device says, less what the reading took back.
        let dur = end - begin;
        assert!(slice.dur as u64 >= dur.saturating_sub(4000) && slice.dur as u64 <= dur, "{n}: {slice:?} of {dur}");
    }
}

#[test]
fn instants_counters_and_losses_are_where_they_belong() {
    let (mut trace, devices) = devices();
    let track = block(&devices[1], 3, 9);
    let device_time = |ns: u64| Time::device(5 * SECOND + ns, START + ns, 300);
    let mut waypoint = Instant::new("wait_barrier", InstantKind::Waypoint, track.clone(), device_time(1000));
    waypoint.attributes = vec![Attribute::new("expected", 4), Attribute::new("seen", 3)];
    trace.instants.push(Arc::new(waypoint));
    trace.instants.push(Arc::new(Instant::new("checkpoint", InstantKind::Event, thread(1), at(2000))));
    trace.lost.push(Lost::new(track.clone(), device_time(3000), 12));
    trace.lost.push(Lost::new(Track::Process, at(3000), 7));
    for n in 0..50_u64 {
        let mut depth = CounterSample::new("queue", track.clone(), device_time(n * 10), n as f64 / 4.0);
        depth.unit = Some("messages".into());
        trace.counters.push(depth);
        trace.counters.push(CounterSample::new("rss", Track::Process, at(n * 10), -(n as f64)));
    }
    trace.counters.push(CounterSample::new("rss", Track::Process, at(9999), f64::NAN));
    let instants =
        "select s.name, s.ts, s.dur, t.name, s.category from slice s join track t on s.track_id = t.id order by s.name";
    let counters = "select t.name, c.unit, v.ts, v.value, p.name from counter v join counter_track c on v.track_id = c.id \
                    join track t on t.id = c.id left join track p on t.parent_id = p.id order by t.name, v.ts";
    let Some(answers) = perfetto(&trace.export_perfetto(), &[instants, counters]) else { return };
    let seen: Vec<_> =
        answers[0].iter().map(|row| (text(&row[0]), int(&row[1]) as u64 - START, text(&row[4]))).collect();
    assert_eq!(
        seen,
        [
            ("LOST 12", 3000, "lost"),
            ("LOST 7", 3000, "lost"),
            ("checkpoint", 2000, "event"),
            ("wait_barrier", 1000, "waypoint")
        ]
    );
    assert!(answers[0].iter().all(|row| int(&row[2]) == 0));
    assert_eq!([0, 3].map(|row: usize| text(&answers[0][row][3])), ["worker block 9"; 2]);
    let (queue, rss): (Vec<_>, Vec<_>) = answers[1].iter().partition(|row| text(&row[0]) == "queue");
    assert_eq!((queue.len(), rss.len()), (50, 50));
    for (n, (queue, rss)) in queue.iter().zip(&rss).enumerate() {
        assert_eq!((queue[3].as_f64(), rss[3].as_f64()), (Some(n as f64 / 4.0), Some(-(n as f64))));
        assert_eq!([queue, rss].map(|row| int(&row[2]) as u64 - START), [n as u64 * 10; 2]);
        assert_eq!((text(&queue[1]), text(&queue[4])), ("messages", "worker block 9"));
    }
}

#[test]
fn arrows_go_from_send_to_handler_to_receive() {
    let (mut trace, devices) = devices();
    let messages = 50_u64;
    let point = |name: String, kind, thread_id, ns, flow| {
        let mut instant = Instant::new(name, kind, thread(thread_id), at(ns));
        instant.flows = vec![flow];
        Arc::new(instant)
    };
    for n in 0..messages {
        let (flow, ns) = (FlowId::random(), n * 20_000);
        // The order in the trace is not that of time.
        trace.instants.push(point(format!("receive {n}"), InstantKind::Receive, 2, ns + 9000, flow));
        let mut handler = span(
            format!("handle {n}"),
            &block(&devices[0], 0, (n % 5) as u32),
            Time::device(5 * SECOND + ns + 2000, 0, 300),
            Some(Time::device(5 * SECOND + ns + 5000, 0, 300)),
        );
        handler.flows = vec![flow];
        trace.spans.push(Arc::new(handler));
        trace.instants.push(point(format!("send {n}"), InstantKind::Send, 1, ns, flow));
    }
    // One whose reply was not taken, and one of which nothing else is known.
    let lone = FlowId::random();
    trace.instants.push(point("send lone".into(), InstantKind::Send, 1, 0, lone));
    let query = "select a.name, b.name, b.ts - a.ts from flow f join slice a on f.slice_out = a.id join slice b on f.slice_in = b.id";
    let Some(answers) = perfetto(&trace.export_perfetto(), &[query]) else { return };
    let mut found: Vec<_> = answers[0].iter().map(|row| (text(&row[0]), text(&row[1]), int(&row[2]))).collect();
    found.sort();
    assert_eq!(found.len() as u64, 2 * messages);
    for (from, to, _) in &found {
        let ((from, n), (to, m)) = (from.split_once(' ').unwrap(), to.split_once(' ').unwrap());
        assert_eq!(n, m);
        assert!(matches!((from, to), ("send", "handle") | ("handle", "receive")), "{from} to {to}");
    }
}

#[test]
fn any_names_and_numbers_make_a_file_that_is_read() {
    let mut runner = TestRunner::deterministic();
    let text = prop_oneof!["\\PC{0,20}", ".{0,20}", Just(String::new()), Just("\u{0}\u{1b}\u{ffff}\"\\".to_owned())];
    let number = prop_oneof![any::<u64>(), 0u64..100, Just(u64::MAX), Just(i64::MAX as u64 + 1)];
    let time =
        (number.clone(), prop::option::of(number.clone()), number.clone()).prop_map(|(unix, device, uncertainty)| {
            device.map_or(Time::host(unix), |device| Time::device(device, unix, uncertainty))
        });
    let record = (text, time.clone(), prop::option::of(time), number, any::<f64>(), any::<u32>());
    let strategy = prop::collection::vec(record, 200);
    for _ in 0..3 {
        let mut trace = empty();
        trace.begin = Time::host(u64::MAX);
        for (name, begin, end, number, float, index) in strategy.new_tree(&mut runner).unwrap().current() {
            let device = Arc::new(DeviceTrack::new(index % 3, name.clone()));
            let track = match index % 5 {
                0 => Track::Process,
                1 => Track::Thread(Arc::new(ThreadTrack::new(number, name.clone()))),
                2 => Track::Device(device.clone()),
                _ => block(&device, index, number as u32),
            };
            let mut clock = DeviceClock::new(device);
            clock.add(begin.device_ns.unwrap_or(number), number, number);
            clock.add(number, begin.unix_ns, 0);
            trace.clocks.push(clock);
            let mut span = span(name.clone(), &track, begin, end);
            span.attributes = vec![Attribute::new(name.clone(), float), Attribute::new(name.clone(), name.clone())];
            span.events = vec![SpanEvent::new(name.clone(), end.unwrap_or(begin), span.attributes.clone())];
            span.status = Status::Error(name.clone().into());
            span.flows.extend(FlowId::new(number));
            span.message = Some(Message::new(name.clone(), number));
            trace.spans.push(Arc::new(span));
            trace.instants.push(Arc::new(Instant::new(name.clone(), InstantKind::Log, track.clone(), begin)));
            trace.counters.push(CounterSample::new(name, track.clone(), begin, float));
            trace.lost.push(Lost::new(track, begin, number));
        }
        let all = "select count(*) from slice";
        let Some(answers) = perfetto(&trace.export_perfetto(), &[all]) else { return };
        // A span, its event, an instant and a loss of each record.
        assert_eq!(int(&answers[0][0][0]), 800);
    }
}
