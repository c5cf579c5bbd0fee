//! The tracer itself.

use std::sync::Arc;
use std::sync::atomic::Ordering;

use super::builder::SpanBuilder;
use super::config::TracerConfig;
use super::current::{self, Entered};
use super::messages::SentMessage;
use super::shared::{Shared, TracerLosses};
use super::store::lock;
use crate::trace::context::TraceContext;
use crate::trace::cursor::TraceCursor;
use crate::trace::id::FlowId;
use crate::trace::record::{CounterSample, Instant, InstantKind, Message, Span};
use crate::trace::recorded::{Source, Trace};
use crate::trace::time::Time;
use crate::trace::track::Track;
use crate::trace::value::{Attribute, Name};

/// Records what host threads do, as [spans](Span), [instants](Instant) and [samples of counters](CounterSample), and keeps
/// the newest of them. Clones share one tracer.
///
/// ```
/// use ringscope::trace::{Status, Tracer};
///
/// let tracer = Tracer::new("importer");
/// let batch = tracer.span("data_processing").attribute("batch_id", 123).start();
/// batch.fail(&std::io::Error::other("no such batch"));
/// batch.end();
/// assert_eq!(tracer.spans()[0].status, Status::Error("no such batch".into()));
/// ```
#[derive(Clone)]
pub struct Tracer {
    shared: Arc<Shared>,
}

impl Tracer {
    /// Makes one that records, for what `service` names: `service.name` of OpenTelemetry.
    pub fn new(service: impl Into<Name>) -> Self {
        Tracer::with_config(service, TracerConfig::default())
    }

    /// Makes one that records, and keeps so much.
    pub fn with_config(service: impl Into<Name>, config: TracerConfig) -> Self {
        Tracer::with_source(Source::this_process(service), config)
    }

    /// Makes one that records, for a source of which more is known.
    pub fn with_source(source: Source, config: TracerConfig) -> Self {
        Tracer { shared: Arc::new(Shared::new(source, config, true)) }
    }

    /// Makes one that records nothing until it is [switched on](Self::set_recording).
    pub fn off() -> Self {
        Tracer { shared: Arc::new(Shared::new(Source::this_process("ringscope"), TracerConfig::default(), false)) }
    }

    /// Switches recording on or off. Spans that have begun are recorded to their end.
    pub fn set_recording(&self, on: bool) {
        self.shared.on.store(on, Ordering::Relaxed);
    }

    /// Returns whether it records.
    pub fn recording(&self) -> bool {
        self.shared.is_on()
    }

    /// Returns whether both are clones of one tracer.
    pub fn is_clone_of(&self, other: &Tracer) -> bool {
        Arc::ptr_eq(&self.shared, &other.shared)
    }

    /// Describes a span of that name, which begins with [`start`](SpanBuilder::start).
    pub fn span(&self, name: impl Into<Name>) -> SpanBuilder {
        SpanBuilder::new(&self.shared, name)
    }

    /// Records that something happened on the calling thread now, and what is known of it.
    pub fn instant(&self, name: impl Into<Name>, attributes: impl IntoIterator<Item = Attribute>) {
        if !self.recording() {
            return;
        }
        let name = self.shared.config.cut(name.into());
        let mut instant = self.here(name, InstantKind::Event);
        (instant.attributes, _) = self.shared.all_attributes(attributes);
        self.shared.instant(instant);
    }

    /// Records what a counter of the process amounts to now.
    pub fn counter_sample(&self, name: impl Into<Name>, value: f64) {
        if !self.recording() {
            return;
        }
        let name = self.shared.config.cut(name.into());
        self.shared.counter(CounterSample::new(name, Track::Process, self.now(), value));
    }

    /// Returns the span that the calling thread is in, of whichever tracer.
    pub fn current() -> Option<TraceContext> {
        current::current()
    }

    /// Makes a span of another process, or of another thread, the calling thread's current one until what this returns is
    /// dropped.
    ///
    /// ```
    /// use ringscope::trace::{TraceContext, Tracer};
    ///
    /// let remote = TraceContext::parse("00-4bf92f3577b34da6a3ce929d0e0e4736-00f067aa0ba902b7-01")?;
    /// let tracer = Tracer::new("shop");
    /// let entered = Tracer::enter(&remote);
    /// tracer.span("answer").start().end();
    /// drop(entered);
    /// assert_eq!(tracer.spans()[0].parent, Some(remote.span_id()));
    /// # Ok::<(), ringscope::trace::ContextError>(())
    /// ```
    pub fn enter(context: &TraceContext) -> Entered<'_> {
        Entered::enter(Some(context))
    }

    /// Returns the time now, on the clock of its spans.
    pub fn now(&self) -> Time {
        self.shared.clock.now()
    }

    /// Returns the spans that have ended, as far as they are kept, in the order in which they ended.
    pub fn spans(&self) -> Vec<Arc<Span>> {
        self.shared.spans()
    }

    /// Returns all that is kept, and the spans that have not ended. It stays kept.
    pub fn trace(&self) -> Trace {
        self.shared.trace(false)
    }

    /// Takes all that is kept, for who sends everything once: the next trace has what comes from now on. Spans that have not
    /// ended are in this one, and stay for the next.
    pub fn take_trace(&self) -> Trace {
        self.shared.trace(true)
    }

    /// Returns what ended since this reader's last look, without the spans that go on, for one reader of several who send
    /// everything once. It stays kept.
    pub fn trace_since(&self, cursor: &mut TraceCursor) -> Trace {
        self.shared.trace_since(cursor)
    }

    /// Returns how much was not kept so far.
    pub fn losses(&self) -> TracerLosses {
        self.shared.losses()
    }

    // ---- messages ------------------------------------------------------------------------------------

    /// Says, before it is sent, that this thread sends message `number` to a kernel. Inside a span it is remembered for who
    /// asks with [`sent_message`](Self::sent_message), and an instant is where its arrow begins. Outside of any span nothing
    /// is recorded.
    pub fn sending(&self, kernel: &Arc<str>, number: u64) {
        if !self.recording() {
            return;
        }
        let Some(context) = current::current() else { return };
        let message = Message { kernel: Arc::clone(kernel), number };
        let mut instant = self.here("send".into(), InstantKind::Send);
        let sent = SentMessage { context, time: instant.time, flow: FlowId::random() };
        instant.flows.push(sent.flow);
        instant.message = Some(message);
        lock(&self.shared.messages).add(kernel, number, sent);
        self.shared.instant(instant);
    }

    /// Says that this thread took the reply to message `number` of a kernel: where the message was sent inside a span, its
    /// arrow ends here.
    pub fn received(&self, kernel: &Arc<str>, number: u64) {
        if !self.recording() {
            return;
        }
        let Some(sent) = self.sent_message(kernel, number) else { return };
        let mut instant = self.here("receive".into(), InstantKind::Receive);
        instant.context = Some(sent.context);
        instant.flows.push(sent.flow);
        instant.message = Some(Message { kernel: Arc::clone(kernel), number });
        self.shared.instant(instant);
    }

    /// Returns in which span a message was sent, and when; `None` if it was sent outside of any, or was forgotten.
    pub fn sent_message(&self, kernel: &str, number: u64) -> Option<SentMessage> {
        lock(&self.shared.messages).find(kernel, number)
    }

    fn here(&self, name: Name, kind: InstantKind) -> Instant {
        let mut instant = Instant::new(name, kind, Track::current_thread(), self.now());
        instant.context = current::current();
        instant
    }
}

impl std::fmt::Debug for Tracer {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        let state = if self.recording() { "recording" } else { "off" };
        write!(f, "Tracer({state}, {} spans)", self.spans().len())
    }
}
