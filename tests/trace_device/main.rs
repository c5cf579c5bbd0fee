//! What running kernels record, in one trace with the host's spans, read by others: Perfetto's trace_processor answers SQL, a
//! server takes OTLP. Without the tools of scripts/trace-tools.sh the part that needs them says so, and the rest is checked.
#![cfg(all(feature = "trace", feature = "host"))]
#![allow(unsafe_code)]

mod library;
#[path = "../trace_tools/mod.rs"]
mod trace_tools;

use std::collections::{BTreeMap, HashMap};
use std::sync::atomic::{AtomicU32, Ordering};
use std::time::{Duration, Instant};

use ringscope::collector::TraceRecorder;
use ringscope::trace::{InstantKind, Message, Severity, Span, Status, Trace, TraceFilter, Tracer, Track};
use ringscope::{DeviceSpec, LaunchOptions, RingKernelRuntime, TelemetryConfig};

use trace_tools::{int, perfetto, text};

const PATIENCE: Duration = Duration::from_secs(60);
const KERNEL: &str = "worker";

/// The mirror of the one in pipeline.cu.
#[derive(Clone, Copy, Default, bytemuck::Pod, bytemuck::Zeroable)]
#[repr(C)]
struct Ask {
    tiles: u32,
    hangs: u32,
    code: u32,
    rest: u32,
}

struct Traced {
    tracer: Tracer,
    runtime: RingKernelRuntime,
    recorder: TraceRecorder,
    open: &'static AtomicU32,
}

impl Traced {
    fn start(ring: u32, records: usize) -> Traced {
        let tracer = Tracer::new("test");
        let config = TelemetryConfig { trace_records: ring, ..TelemetryConfig::default() };
        let builder = RingKernelRuntime::builder().device(DeviceSpec::Host).telemetry(true).telemetry_config(config);
        let builder = builder.source("pipeline", library::pipeline()).kernel("pipeline").tracer(tracer.clone());
        let runtime = builder.build().unwrap();
        let recorder = runtime.collector().record_trace(&tracer, records).unwrap();
        // Leaked: a test that fails leaves blocks behind that look at it.
        let open: &'static AtomicU32 = Box::leak(Box::default());
        let address = std::ptr::from_ref(open).expose_provenance() as u64;
        let names = ["load", "tile", "store", "loaded", "depth", "share", "late", "barrier"];
        let options = LaunchOptions::new().args(&address).waypoints(&names);
        let options = options.log(6, Severity::Warn, "message {} had {} tiles");
        runtime.launch_blocking(KERNEL, &options).unwrap();
        runtime.collector().trace(KERNEL, TraceFilter::all()).unwrap();
        runtime.activate_blocking(KERNEL).unwrap();
        Traced { tracer, runtime, recorder, open }
    }

    fn send(&self, ask: Ask) -> u64 {
        self.runtime.send_blocking(KERNEL, bytemuck::bytes_of(&ask)).unwrap()
    }

    /// Sends so many, each in a span of its own, and takes the replies.
    fn talk(&self, messages: u32) {
        for n in 0..messages {
            let span = self.tracer.span("request").attribute("n", n).start();
            self.send(Ask { tiles: n % 4, code: if n % 10 == 9 { 300 } else { 0 }, ..Ask::default() });
            self.runtime.receive_blocking(KERNEL, PATIENCE).unwrap();
            span.succeed();
        }
    }

    fn trace(&self) -> Trace {
        assert!(self.recorder.flush_blocking(PATIENCE));
        self.recorder.trace()
    }
}

fn of_device(trace: &Trace) -> impl Iterator<Item = &Span> {
    trace.spans.iter().map(|span| &**span).filter(|span| span.track.device().is_some())
}

#[test]
fn every_record_of_a_run_is_in_the_file_as_it_was_recorded() {
    const MESSAGES: u32 = 400;
    let traced = Traced::start(16_384, 1 << 20);
    traced.talk(MESSAGES);
    traced.runtime.terminate_blocking(KERNEL).unwrap();
    let trace = traced.trace();
    let telemetry = traced.runtime.telemetry_blocking(KERNEL).unwrap();
    let counts = traced.recorder.counts()[KERNEL];
    let tiles: u64 = (0..u64::from(MESSAGES)).map(|n| n % 4).sum();
    assert_eq!(
        (counts.messages, counts.spans, counts.events),
        (MESSAGES.into(), 2 * u64::from(MESSAGES) + tiles, tiles)
    );
    assert_eq!((counts.samples, counts.logs, counts.lost, counts.forgotten), (2 * 400, 400, 0, 0));
    let places = traced.recorder.places();
    assert_eq!((places.written, places.lost), (places.read, 0));
    assert!(trace.lost.is_empty(), "{:?}", trace.lost);

    // What the kernel counted of its messages is what their spans say.
    let messages: Vec<&Span> = of_device(&trace).filter(|span| span.message.is_some()).collect();
    let durations = |spans: &[&Span]| spans.iter().map(|span| span.duration_ns().unwrap()).sum::<u64>();
    assert_eq!(messages.len() as u64, telemetry.messages_processed + telemetry.errors);
    assert_eq!(durations(&messages), telemetry.busy_time.as_nanos() as u64);
    let failed = messages.iter().filter(|span| matches!(span.status, Status::Error(_))).count();
    assert_eq!((failed as u64, telemetry.errors), (40, 40));
    parents_are_right(&trace);

    let slices = "select s.name, count(*), sum(s.dur), min(s.dur), max(s.depth) from slice s where s.category = 'worker' group by 1";
    let nested = "select s.name, p.name, count(*) from slice s join slice p on s.parent_id = p.id where s.category = \
                  'worker' group by 1, 2";
    let flows = "select o.name, i.name, count(*) from flow f join slice o on f.slice_out = o.id join slice i on f.slice_in = i.id \
                 group by 1, 2";
    let arguments = "select count(*) from slice s join args a using (arg_set_id) where s.name = 'message' and a.key = \
                     'debug.code' and a.display_value = '300'";
    let counters =
        "select t.name, count(*), sum(c.value) from counter c join counter_track t on c.track_id = t.id group by 1";
    let instants = "select s.category, count(*) from slice s where s.name in ('loaded', 'late') group by 1";
    let lines = "select a.display_value from slice s join args a using (arg_set_id) where s.name = 'late' and a.key = \
                 'debug.text' order by s.ts limit 1";
    let queries = [slices, nested, flows, arguments, counters, instants, lines];
    let Some(answers) = perfetto(&trace.export_perfetto(), &queries) else { return };
    let mut recorded: BTreeMap<&str, (i64, i64)> = BTreeMap::new();
    for span in of_device(&trace) {
        let (count, sum) = recorded.entry(&span.name).or_default();
        (*count, *sum) = (*count + 1, *sum + span.duration_ns().unwrap() as i64);
    }
    let read = answers[0].iter().map(|row| (text(&row[0]), (int(&row[1]), int(&row[2])))).collect::<BTreeMap<_, _>>();
    assert_eq!(read, recorded);
    assert!(answers[0].iter().all(|row| int(&row[3]) >= 0 && int(&row[4]) <= 2), "{:?}", answers[0]);
    let rows = |of: usize| -> Vec<(&str, &str, i64)> {
        answers[of].iter().map(|row| (text(&row[0]), text(&row[1]), int(&row[2]))).collect()
    };
    let all = i64::from(MESSAGES);
    assert_eq!(rows(1), [("load", "message", all), ("store", "message", all), ("tile", "load", tiles as i64)]);
    assert_eq!(rows(2), [("message", "receive", all), ("send", "message", all)]);
    assert_eq!(int(&answers[3][0][0]), 40);
    let sums: HashMap<&str, (i64, f64)> =
        answers[4].iter().map(|row| (text(&row[0]), (int(&row[1]), row[2].as_f64().unwrap()))).collect();
    assert_eq!(sums["depth"], (all, tiles as f64));
    assert!((sums["share"].1 - tiles as f64 / 3.0).abs() < 1e-3 && sums["share"].0 == all, "{sums:?}");
    let instants: Vec<_> = answers[5].iter().map(|row| (text(&row[0]), int(&row[1]))).collect();
    assert_eq!(instants, [("event", tiles as i64), ("log", all)]);
    assert_eq!(text(&answers[6][0][0]), "message 0 had 0 tiles");
}

/// Each message is a child of the span that sent it, and what the kernel recorded meanwhile a child of the message.
fn parents_are_right(trace: &Trace) {
    let spans: HashMap<_, &Span> = trace.spans.iter().map(|span| (span.context.span_id(), &**span)).collect();
    assert_eq!(spans.len(), trace.spans.len(), "each has a number of its own");
    for span in of_device(trace) {
        let parent = spans[&span.parent.unwrap_or_else(|| panic!("{span:?} has a parent"))];
        assert_eq!(parent.context.trace_id(), span.context.trace_id());
        let around = match &*span.name {
            "message" => "request",
            "tile" => "load",
            _ => "message",
        };
        assert_eq!(parent.name, around, "{span:?}");
        if around != "request" {
            assert!(parent.track == span.track && parent.begin <= span.begin && span.end <= parent.end, "{span:?}");
        }
    }
    for instant in &trace.instants {
        let context = instant.context.as_ref().unwrap_or_else(|| panic!("{instant:?} is in a span"));
        let around = &*spans[&context.span_id()].name;
        let expected = match &*instant.name {
            "loaded" => "tile",
            "late" => "store",
            _ => "request",
        };
        assert_eq!(around, expected, "{instant:?}");
    }
}

#[test]
fn what_was_overwritten_or_had_no_room_is_shown_where_it_is_missing() {
    let traced = Traced::start(64, 100);
    // A message leaves more records than a ring holds. How many of them are read is the scheduler's: until both are seen.
    let begun = Instant::now();
    for n in 0.. {
        traced.send(Ask { tiles: 30, ..Ask::default() });
        if n > 20 {
            traced.runtime.receive_blocking(KERNEL, PATIENCE).unwrap();
        }
        let counts = traced.recorder.counts().get(KERNEL).copied().unwrap_or_default();
        if n >= 200 && counts.lost > 0 && counts.forgotten > 0 {
            break;
        }
        assert!(begun.elapsed() < PATIENCE, "{counts:?}");
    }
    traced.runtime.terminate_blocking(KERNEL).unwrap();
    let trace = traced.trace();
    let counts = traced.recorder.counts()[KERNEL];
    let places = traced.recorder.places();
    assert_eq!(places.written, places.read + places.lost);
    assert_eq!(counts.lost, places.lost);
    assert!(counts.forgotten > 0, "{counts:?}");
    let missing: u64 = trace.lost.iter().map(|lost| lost.records).sum();
    assert_eq!(missing, counts.lost + counts.forgotten);
    let lost = "select s.name, t.name from slice s join track t on s.track_id = t.id where s.category = 'lost'";
    let Some(answers) = perfetto(&trace.export_perfetto(), &[lost]) else { return };
    let shown = answers[0].iter().map(|row| {
        assert_eq!(text(&row[1]), "worker block 0");
        text(&row[0]).strip_prefix("LOST ").unwrap().parse::<u64>().unwrap()
    });
    assert_eq!(shown.sum::<u64>(), missing);
}

#[test]
fn a_kernel_that_hangs_can_be_looked_at_while_it_does() {
    let traced = Traced::start(1024, 10_000);
    traced.talk(10);
    let hanging = {
        let _request = traced.tracer.span("request that hangs").start();
        traced.send(Ask { tiles: 2, hangs: 1, ..Ask::default() })
    };
    // It has come to the place where it hangs.
    let begun = Instant::now();
    let trace = loop {
        // In this order: what is counted is in the trace.
        let counts = traced.recorder.counts().get(KERNEL).copied().unwrap_or_default();
        let trace = traced.recorder.trace();
        let hangs = of_device(&trace).any(|span| span.name == "barrier");
        if (counts.messages, counts.logs, hangs) == (10, 11, true) {
            break trace;
        }
        assert!(begun.elapsed() < PATIENCE, "{counts:?} {trace:?}");
        std::thread::sleep(Duration::from_millis(5));
    };
    let of_it = |message: &Option<Message>| message.as_ref().is_some_and(|message| message.number == hanging);
    assert!(trace.instants.iter().any(|instant| instant.kind == InstantKind::Send && of_it(&instant.message)));
    let in_hand = of_device(&trace).find(|span| span.end.is_none()).expect("what it has in hand goes on");
    let request = trace.spans.iter().find(|span| span.name == "request that hangs").unwrap();
    assert_eq!((&*in_hand.name, in_hand.parent), ("barrier", Some(request.context.span_id())));
    assert!(of_it(&in_hand.message), "{in_hand:?}");
    let attributes: Vec<_> = in_hand.attributes.iter().map(|a| format!("{} {}", a.name, a.value)).collect();
    assert_eq!(attributes, ["resource 2", "expected 1", "seen 0"]);
    let slices = "select name, count(*), min(dur) from slice where category = 'worker' group by 1";
    let arrow = "select o.name, i.name from flow f join slice o on f.slice_out = o.id join slice i on f.slice_in = i.id \
                 where i.name = 'barrier'";
    if let Some(answers) = perfetto(&trace.export_perfetto(), &[slices, arrow]) {
        let found: Vec<_> = answers[0].iter().map(|row| (text(&row[0]), int(&row[1]), int(&row[2]) < 0)).collect();
        assert_eq!(found[..3], [("barrier", 1, true), ("load", 11, false), ("message", 10, false)]);
        assert_eq!(answers[1], [["send", "barrier"]]);
    }
    traced.open.store(1, Ordering::SeqCst);
    traced.runtime.receive_blocking(KERNEL, PATIENCE).unwrap();
    traced.runtime.terminate_blocking(KERNEL).unwrap();
    let trace = traced.trace();
    assert_eq!(of_device(&trace).filter(|span| span.message.is_some()).count(), 11);
    assert!(of_device(&trace).all(|span| matches!(span.track, Track::Block(_)) && span.end.is_some()));
}
