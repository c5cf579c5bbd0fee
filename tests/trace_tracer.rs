//! The host's tracer: parents by scope and by context, across threads and awaits; what it keeps, and what it says it lost.

use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::SystemTime;

use ringscope::trace::{
    Attribute, InstantKind, Span, SpanKind, Status, TraceContext, Tracer, TracerConfig, Track, Value,
};

fn by_name(tracer: &Tracer, name: &str) -> Arc<Span> {
    let spans = tracer.spans();
    let mut found = spans.iter().filter(|span| span.name == name);
    let span = found.next().unwrap_or_else(|| panic!("no span {name} among {spans:?}"));
    assert!(found.next().is_none(), "two spans {name}");
    Arc::clone(span)
}

fn is_child(child: &Span, parent: &Span) {
    assert_eq!((child.parent, child.context.trace_id()), (Some(parent.context.span_id()), parent.context.trace_id()));
}

#[test]
fn a_span_says_what_happened_in_it() {
    let tracer = Tracer::new("test");
    let unix_ns = || SystemTime::now().duration_since(SystemTime::UNIX_EPOCH).unwrap().as_nanos() as u64;
    let second = 1_000_000_000;
    let before = unix_ns();
    {
        let span = tracer.span("data_processing").attribute("batch_id", 123).attribute("batch_id", 124_u64);
        let span = span.attribute("ratio", 0.5).attribute("huge", u64::MAX).kind(SpanKind::Server).start();
        span.set_attribute("done", true);
        span.event("first");
        span.event_with("second", [Attribute::new("n", 2)]);
        span.succeed();
    }
    let span = by_name(&tracer, "data_processing");
    let attributes: Vec<_> = span.attributes.iter().map(|a| format!("{}={}", a.name, a.value)).collect();
    assert_eq!(attributes, ["batch_id=124", "ratio=0.5", "huge=18446744073709551615", "done=true"]);
    assert_eq!(span.attributes[2].value, Value::Text("18446744073709551615".into()));
    assert_eq!((span.kind, &span.status, span.parent), (SpanKind::Server, &Status::Ok, None));
    assert_eq!(span.events.iter().map(|e| &*e.name).collect::<Vec<_>>(), ["first", "second"]);
    let times = [&span.begin, &span.events[0].time, &span.events[1].time, &span.end.unwrap()].map(|t| t.unix_ns);
    assert!(times.is_sorted(), "{times:?}");
    // The system's clock may be set meanwhile, but not by much.
    assert!(times[0] + second > before && times[3] < unix_ns() + second, "{times:?} in {before}");
    assert_eq!(span.track, Track::current_thread());
    assert_eq!((span.begin.uncertainty_ns, span.begin.device_ns), (0, None));
    assert_eq!(span.duration_ns(), Some(times[3] - times[0]));
}

#[test]
fn a_failed_one_has_the_error_and_its_causes() {
    #[derive(Debug, thiserror::Error)]
    #[error("the batch is lost")]
    struct Outer(#[source] std::io::Error);
    let tracer = Tracer::new("test");
    let span = tracer.span("s").start();
    span.fail(&Outer(std::io::Error::other("disk full")));
    span.end();
    let span = by_name(&tracer, "s");
    assert_eq!(span.status, Status::Error("the batch is lost".into()));
    let said: Vec<_> = span.events[0].attributes.iter().map(|a| format!("{}: {}", a.name, a.value)).collect();
    assert_eq!(&*span.events[0].name, "exception");
    assert_eq!(said, ["exception.message: the batch is lost", "exception.causes: disk full"]);
}

#[test]
fn the_thread_s_current_span_is_the_parent() {
    let tracer = Tracer::new("test");
    assert_eq!(Tracer::current(), None);
    let outer = tracer.span("outer").start();
    assert_eq!(Tracer::current(), Some(outer.context()));
    {
        let _inner = tracer.span("inner").start();
        tracer.span("innermost").start().end();
    }
    tracer.span("second").start().end();
    tracer.span("elsewhere").root().start().end();
    let detached = tracer.span("detached").start_detached();
    assert_eq!(Tracer::current(), Some(outer.context()));
    detached.in_scope(|| tracer.span("of the detached").start().end());
    detached.end();
    outer.end();
    assert_eq!(Tracer::current(), None);
    let [outer, inner] = ["outer", "inner"].map(|name| by_name(&tracer, name));
    is_child(&inner, &outer);
    is_child(&by_name(&tracer, "innermost"), &inner);
    is_child(&by_name(&tracer, "second"), &outer);
    is_child(&by_name(&tracer, "detached"), &outer);
    is_child(&by_name(&tracer, "of the detached"), &by_name(&tracer, "detached"));
    let elsewhere = by_name(&tracer, "elsewhere");
    assert_eq!(elsewhere.parent, None);
    assert_ne!(elsewhere.context.trace_id(), outer.context.trace_id());
}

#[test]
fn guards_that_are_dropped_in_another_order_leave_only_their_own_span() {
    let tracer = Tracer::new("test");
    let [a, b, c] = ["a", "b", "c"].map(|name| tracer.span(name).start());
    let ids = [&a, &b, &c].map(|span| span.context().span_id());
    drop(b);
    assert_eq!(Tracer::current().map(|current| current.span_id()), Some(ids[2]));
    drop(a);
    assert_eq!(Tracer::current().map(|current| current.span_id()), Some(ids[2]));
    drop(c);
    assert_eq!(Tracer::current(), None);
}

#[test]
fn parents_reach_other_threads_and_other_processes() {
    let tracer = Tracer::new("test");
    let remote = TraceContext::parse("00-4bf92f3577b34da6a3ce929d0e0e4736-00f067aa0ba902b7-01").unwrap();
    let remote = remote.with_tracestate("vendor=1").unwrap();
    let request = tracer.span("request").parent(&remote).start();
    let context = request.context();
    let work = || tracer.span("work").parent(&context).start().end();
    std::thread::scope(|scope| {
        let builder = std::thread::Builder::new().name("worker".into());
        builder.spawn_scoped(scope, work).unwrap().join().unwrap();
    });
    request.end();
    let (request, work) = (by_name(&tracer, "request"), by_name(&tracer, "work"));
    assert_eq!((request.parent, request.context.tracestate()), (Some(remote.span_id()), Some("vendor=1")));
    is_child(&work, &request);
    assert_eq!(work.context.tracestate(), Some("vendor=1"));
    let (Track::Thread(here), Track::Thread(there)) = (&request.track, &work.track) else { panic!("{work:?}") };
    assert_ne!(here.id, there.id);
    assert_eq!(there.name, "worker");
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn futures_have_their_span_wherever_they_are_polled() {
    let tracer = Tracer::new("test");
    let task = |n: u64| {
        let tracer = tracer.clone();
        let span = tracer.span(format!("task {n}")).start_detached();
        let id = span.context().span_id();
        span.instrument(async move {
            for _ in 0..20 {
                assert_eq!(Tracer::current().map(|current| current.span_id()), Some(id));
                tracer.span(format!("step of {n}")).start().end();
                tokio::task::yield_now().await;
            }
        })
    };
    let tasks: Vec<_> = (0..16).map(|n| tokio::spawn(task(n))).collect();
    for task in tasks {
        task.await.unwrap();
    }
    assert_eq!(Tracer::current(), None);
    for n in 0..16 {
        let task = by_name(&tracer, &format!("task {n}"));
        let steps: Vec<_> = tracer.spans().into_iter().filter(|s| s.name == format!("step of {n}")).collect();
        assert_eq!(steps.len(), 20);
        steps.iter().for_each(|step| is_child(step, &task));
    }
}

#[test]
fn what_is_off_records_nothing_and_hands_on_what_it_was_given() {
    let tracer = Tracer::off();
    let remote = TraceContext::root();
    let span = tracer.span("a").attribute("k", "v").parent(&remote).start();
    assert!(!span.records());
    assert_eq!((span.context(), Tracer::current()), (remote, None));
    span.event("e");
    span.set_attribute("k", 1);
    span.fail(&std::fmt::Error);
    tracer.instant("i", []);
    tracer.counter_sample("c", 1.0);
    assert!(!tracer.span("of nobody").start().context().sampled());
    // What had begun when it was switched off is recorded to its end.
    tracer.set_recording(true);
    let late = tracer.span("late").start();
    tracer.set_recording(false);
    drop((span, late));
    let trace = tracer.trace();
    assert_eq!(trace.spans.iter().map(|s| &*s.name).collect::<Vec<_>>(), ["late"]);
    assert!(trace.instants.is_empty() && trace.counters.is_empty() && trace.lost.is_empty());
}

#[test]
fn what_goes_is_counted_exactly_by_many_threads() {
    let bounds = TracerConfig { spans: 100, instants: 10, counters: 3, ..TracerConfig::default() };
    let tracer = Tracer::with_config("test", bounds);
    let (threads, each) = (4, 500);
    std::thread::scope(|scope| {
        for _ in 0..threads {
            scope.spawn(|| {
                for n in 0..each {
                    let _span = tracer.span("s").attribute("n", n).start();
                    tracer.instant("i", []);
                    tracer.counter_sample("c", f64::from(n));
                }
            });
        }
    });
    let all = (threads * each) as u64;
    let (trace, losses) = (tracer.trace(), tracer.losses());
    assert_eq!((trace.spans.len(), trace.instants.len(), trace.counters.len()), (100, 10, 3));
    assert_eq!((losses.spans, losses.instants, losses.counters), (all - 100, all - 10, all - 3));
    assert_eq!(trace.lost.iter().map(|lost| lost.records).collect::<Vec<_>>(), [all - 100, all - 10, all - 3]);
    assert!(trace.lost.iter().all(|lost| lost.time >= trace.begin && lost.time <= trace.end));
}

#[test]
fn what_is_taken_is_taken_once() {
    let tracer = Tracer::with_config("test", TracerConfig { spans: 2, ..TracerConfig::default() });
    (0..3).for_each(|_| tracer.span("first").start().end());
    let open = tracer.span("open").start();
    let first = tracer.take_trace();
    assert_eq!(first.spans.iter().filter(|span| span.end.is_some()).count(), 2);
    assert_eq!((first.lost.len(), first.lost[0].records), (1, 1));
    let going_on = first.spans.iter().find(|span| span.name == "open").expect("what has not ended is in it too");
    assert_eq!(going_on.end, None);
    open.end();
    let second = tracer.take_trace();
    assert_eq!((second.spans.len(), &*second.spans[0].name, second.lost.len()), (1, "open", 0));
    assert!(second.spans[0].end.is_some() && second.begin == first.end);
    assert_eq!((tracer.trace().spans.len(), tracer.losses().spans), (0, 1));
}

#[test]
fn texts_attributes_events_and_open_spans_have_bounds() {
    let bounds = TracerConfig { attributes: 2, events: 1, text_bytes: 5, open: 1, ..TracerConfig::default() };
    let tracer = Tracer::with_config("test", bounds);
    let span = tracer.span("nämelich").attribute("a", "éééé").attribute("b", 1).attribute("c", 2).start();
    span.set_attribute("d", 3);
    span.set_attribute("b", 4);
    span.event_with("one", (0..4).map(|n| Attribute::new(n.to_string(), n)));
    span.event("two");
    let unlisted = tracer.span("other").start();
    assert_eq!(tracer.trace().spans.len(), 1, "the second is not listed before it ends");
    drop((unlisted, span));
    let trace = tracer.trace();
    let span = trace.spans.iter().find(|span| span.parent.is_none()).unwrap();
    assert_eq!((&*span.name, span.attributes[0].value.to_string()), ("näme", "éé".into()));
    assert_eq!((span.attributes.len(), span.dropped_attributes), (2, 2));
    assert_eq!((span.events.len(), span.dropped_events, span.events[0].attributes.len()), (1, 1, 2));
    assert_eq!((tracer.losses().attributes, tracer.losses().events, trace.spans.len()), (4, 1, 2));
}

#[test]
fn messages_sent_inside_a_span_are_remembered_for_who_asks() {
    let tracer = Tracer::with_config("test", TracerConfig { messages: 4, ..TracerConfig::default() });
    let kernel: Arc<str> = "worker".into();
    tracer.sending(&kernel, 0);
    assert_eq!((tracer.sent_message("worker", 0), tracer.trace().instants.len()), (None, 0), "no span, no record");
    let span = tracer.span("request").start();
    let context = span.context();
    (1..=4).for_each(|n| tracer.sending(&kernel, n));
    drop(span);
    let sent = tracer.sent_message("worker", 2).expect("remembered");
    assert_eq!(sent.context, context);
    tracer.received(&kernel, 2);
    tracer.received(&kernel, 99);
    let trace = tracer.trace();
    let receive = trace.instants.last().unwrap();
    let send = trace.instants.iter().find(|i| i.message == receive.message).unwrap();
    assert_eq!((send.kind, receive.kind, trace.instants.len()), (InstantKind::Send, InstantKind::Receive, 5));
    assert_eq!((&send.flows, send.time), (&vec![sent.flow], sent.time));
    assert_eq!((&receive.flows, receive.context.as_ref()), (&vec![sent.flow], Some(&context)));
    assert!(receive.time >= send.time);
    // The oldest go first; who was asked for is not lost.
    let again = tracer.span("again").start();
    (5..=7).for_each(|n| tracer.sending(&kernel, n));
    assert_eq!([1, 2, 3].map(|n| tracer.sent_message("worker", n)), [None, None, None]);
    assert_eq!((tracer.losses().messages, tracer.sent_message("worker", 4).is_some()), (2, true));
    // A kernel that is launched again counts from the beginning.
    tracer.sending(&kernel, 7);
    tracer.sending(&"other".into(), 7);
    assert_eq!(tracer.sent_message("worker", 7).unwrap().context, again.context());
    assert_eq!(tracer.losses().messages, 4);
}

#[test]
fn a_trace_is_taken_while_spans_begin_and_end() {
    let tracer = Tracer::new("test");
    let made = AtomicU64::new(0);
    let mut taken = Vec::new();
    std::thread::scope(|scope| {
        for _ in 0..3 {
            scope.spawn(|| {
                for n in 0..3000 {
                    let span = tracer.span("s").start();
                    span.set_attribute("n", n);
                    made.fetch_add(1, Ordering::Relaxed);
                }
            });
        }
        while made.load(Ordering::Relaxed) < 9000 {
            taken.extend(tracer.take_trace().spans);
        }
    });
    taken.extend(tracer.take_trace().spans);
    let ended: Vec<_> = taken.iter().filter(|span| span.end.is_some()).collect();
    assert_eq!(ended.len(), 9000, "each ended once");
    assert_eq!(ended.iter().map(|s| s.context.span_id()).collect::<std::collections::HashSet<_>>().len(), 9000);
    assert_eq!(tracer.losses(), Default::default());
}

#[test]
fn each_reader_gets_what_ended_since_its_own_last_look() {
    use ringscope::trace::TraceCursor;
    let tracer = Tracer::with_config("test", TracerConfig { spans: 4, ..TracerConfig::default() });
    let (mut first, mut second) = (TraceCursor::new(), TraceCursor::new());
    let step = |n: u32| tracer.span(format!("{n}")).start().end();
    let names = |trace: ringscope::trace::Trace| -> Vec<String> {
        trace.spans.iter().map(|span| span.name.to_string()).collect()
    };
    step(0);
    assert_eq!(names(tracer.trace_since(&mut first)), ["0"]);
    (1..3).for_each(step);
    assert_eq!(names(tracer.trace_since(&mut first)), ["1", "2"]);
    assert_eq!(names(tracer.trace_since(&mut second)), ["0", "1", "2"]);
    (3..10).for_each(step);
    assert_eq!(
        (names(tracer.trace_since(&mut first)), first.missed()),
        (vec!["6".into(), "7".into(), "8".into(), "9".into()], 3)
    );
    // Who takes them takes them from all.
    step(10);
    tracer.take_trace();
    step(11);
    assert_eq!((names(tracer.trace_since(&mut first)), first.missed()), (vec!["11".into()], 4));
    assert_eq!((names(tracer.trace_since(&mut second)), second.missed()), (vec!["11".into()], 8));
}
