//! The layer for `tracing_subscriber`: the application's spans are recorded, and are the parents of what the tracer and the
//! runtime record inside them.
#![cfg(feature = "tracing")]

use std::sync::Arc;

use ringscope::trace::{Span, Status, Tracer, TracerConfig};
use tracing::{Instrument, debug_span, error, info, info_span};
use tracing_subscriber::layer::SubscriberExt;

fn by_name(tracer: &Tracer, name: &str) -> Arc<Span> {
    let spans = tracer.spans();
    Arc::clone(spans.iter().find(|span| span.name == name).unwrap_or_else(|| panic!("no span {name} among {spans:?}")))
}

fn with<T>(tracer: &Tracer, work: impl FnOnce() -> T) -> T {
    tracing::subscriber::with_default(tracing_subscriber::registry().with(tracer.layer()), work)
}

fn texts(span: &Span) -> Vec<String> {
    span.attributes.iter().map(|a| format!("{}={}", a.name, a.value)).collect()
}

#[test]
fn spans_fields_and_events_are_recorded() {
    let tracer = Tracer::new("test");
    with(&tracer, || {
        let span =
            info_span!("import", file = "a.csv", lines = 3_u64, ratio = 0.5, ok = true, state = tracing::field::Empty);
        let _entered = span.enter();
        span.record("state", tracing::field::debug(Some(1)));
        info!(n = -1, "read {}", "it");
        debug_span!("parse").in_scope(|| error!(code = 7, "bad line"));
    });
    let import = by_name(&tracer, "import");
    let expected =
        ["file=a.csv", "lines=3", "ratio=0.5", "ok=true", "level=INFO", "code.namespace=trace_layer", "state=Some(1)"];
    assert_eq!(texts(&import), expected);
    assert_eq!((&*import.events[0].name, &import.status, import.parent), ("read it", &Status::Unset, None));
    assert_eq!(import.events[0].attributes[0].value.to_string(), "-1");
    let parse = by_name(&tracer, "parse");
    assert_eq!(parse.parent, Some(import.context.span_id()));
    assert_eq!(parse.status, Status::Error("bad line".into()));
    assert!(import.begin <= parse.begin && parse.end <= import.end);
}

#[test]
fn parents_are_those_of_both_worlds() {
    let tracer = Tracer::new("test");
    with(&tracer, || {
        let outer = info_span!("outer").entered();
        let middle = tracer.span("middle").start();
        let inner = info_span!("inner").entered();
        tracer.span("innermost").start().end();
        drop(inner);
        info_span!(parent: &*outer, "beside").in_scope(|| ());
        info_span!(parent: None, "elsewhere").in_scope(|| ());
        drop((middle, outer));
        assert_eq!(Tracer::current(), None);
        info!("of nobody");
    });
    let ids = |name: &str| by_name(&tracer, name).context.span_id();
    let parent = |name: &str| by_name(&tracer, name).parent;
    assert_eq!(parent("outer"), None);
    assert_eq!(parent("middle"), Some(ids("outer")));
    assert_eq!(parent("inner"), Some(ids("middle")));
    assert_eq!(parent("innermost"), Some(ids("inner")));
    assert_eq!((parent("beside"), parent("elsewhere")), (Some(ids("outer")), None));
    assert_eq!(&*tracer.trace().instants[0].name, "of nobody");
}

#[test]
fn futures_and_threads_that_enter_one_span_leave_it() {
    let tracer = Tracer::new("test");
    with(&tracer, || {
        let runtime = tokio::runtime::Builder::new_current_thread().build().unwrap();
        let task = |n: u64| {
            let tracer = tracer.clone();
            let work = async move {
                for _ in 0..10 {
                    tracer.span(format!("step of {n}")).start().end();
                    tokio::task::yield_now().await;
                }
            };
            work.instrument(info_span!("task", n))
        };
        // Both are polled by one thread, in turns.
        runtime.block_on(async { tokio::join!(task(0), task(1)) });
        assert_eq!(Tracer::current(), None);
    });
    let spans = tracer.spans();
    for n in 0..2 {
        let of = |s: &&Arc<Span>| s.name == "task" && texts(s)[0] == format!("n={n}");
        let task = spans.iter().find(of).expect("a span of the task");
        let steps: Vec<_> = spans.iter().filter(|span| span.name == format!("step of {n}")).collect();
        assert_eq!(steps.len(), 10);
        assert!(steps.iter().all(|step| step.parent == Some(task.context.span_id())));
    }
}

#[test]
fn a_tracer_that_is_off_records_no_spans_of_others() {
    let tracer = Tracer::off();
    with(&tracer, || {
        let _span = info_span!("s", n = 1).entered();
        error!("e");
        assert_eq!(Tracer::current(), None);
    });
    assert_eq!((tracer.trace().spans.len(), tracer.trace().instants.len()), (0, 0));
    let few = Tracer::with_config("test", TracerConfig { spans: 1, ..TracerConfig::default() });
    with(&few, || (0..3).for_each(|_| info_span!("s").in_scope(|| ())));
    assert_eq!((few.spans().len(), few.losses().spans), (1, 2));
}
