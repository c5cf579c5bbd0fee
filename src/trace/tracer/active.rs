//! Spans that are not ended yet, in the hands of who does the work.

use std::future::Future;
use std::ops::Deref;
use std::pin::pin;
use std::sync::Arc;
use std::sync::atomic::Ordering;

use super::current::{self, Entered};
use super::shared::Shared;
use super::store::{Open, lock};
use crate::trace::context::TraceContext;
use crate::trace::id::{SpanId, TraceId};
use crate::trace::record::{Span, SpanEvent, Status};
use crate::trace::value::{Attribute, Name, Value};

/// A span that goes on until it is dropped. It may be handed to another thread; what is recorded in it meanwhile is part of
/// it only where it is [entered](Self::enter), or named as the [parent](super::SpanBuilder::parent).
///
/// One of a tracer that is off records nothing, and costs nothing.
#[derive(Debug)]
#[must_use = "a span ends when it is dropped"]
pub struct ActiveSpan {
    live: Option<Live>,
    /// Of one that records nothing, the context that it was to be a part of, if that was given.
    context: Option<TraceContext>,
}

struct Live {
    shared: Arc<Shared>,
    open: Open,
}

impl ActiveSpan {
    pub(super) fn begin(shared: &Arc<Shared>, span: Span) -> Self {
        let context = Some(span.context.clone());
        ActiveSpan { live: Some(Live { shared: Arc::clone(shared), open: shared.begin(span) }), context }
    }

    /// One that records nothing; it hands on the parent that it was given.
    pub(super) fn off(context: Option<TraceContext>) -> Self {
        ActiveSpan { live: None, context }
    }

    /// Returns whether it records: whether its tracer was on when it began.
    pub fn records(&self) -> bool {
        self.live.is_some()
    }

    /// Returns its context, for its children here and elsewhere. Of one that records nothing it is its parent's; where that
    /// is not known, one that says that nothing was recorded.
    pub fn context(&self) -> TraceContext {
        let parent = || self.context.clone().or_else(current::current);
        parent().unwrap_or_else(|| TraceContext::new(TraceId::random(), SpanId::random(), 0))
    }

    /// The context, if it records.
    fn recorded(&self) -> Option<&TraceContext> {
        self.context.as_ref().filter(|_| self.records())
    }

    /// Sets an attribute, in place of one of the same name.
    pub fn set_attribute(&self, name: impl Into<Name>, value: impl Into<Value>) {
        let Some(live) = &self.live else { return };
        let mut span = lock(&live.open);
        if !live.shared.config.set(&mut span.attributes, name.into(), value.into()) {
            span.dropped_attributes = span.dropped_attributes.saturating_add(1);
            live.shared.dropped_attributes.fetch_add(1, Ordering::Relaxed);
        }
    }

    /// Records that something happened in it now.
    pub fn event(&self, name: impl Into<Name>) {
        self.event_with(name, []);
    }

    /// Records that something happened in it now, and what is known of it.
    pub fn event_with(&self, name: impl Into<Name>, attributes: impl IntoIterator<Item = Attribute>) {
        let Some(live) = &self.live else { return };
        let config = &live.shared.config;
        let (attributes, _) = live.shared.all_attributes(attributes);
        let event = SpanEvent::new(config.cut(name.into()), live.shared.clock.now(), attributes);
        let mut span = lock(&live.open);
        if span.events.len() < config.events {
            span.events.push(event);
        } else {
            span.dropped_events = span.dropped_events.saturating_add(1);
            live.shared.dropped_events.fetch_add(1, Ordering::Relaxed);
        }
    }

    /// Says that it did what it was to do.
    pub fn succeed(&self) {
        self.set_status(Status::Ok);
    }

    /// Says that it failed, and of what: its status, and an event `exception` with the error's text, and with the texts of
    /// what caused it as `exception.causes`.
    pub fn fail(&self, error: &dyn std::error::Error) {
        if self.live.is_none() {
            return;
        }
        let message = error.to_string();
        let causes: Vec<String> =
            std::iter::successors(error.source(), |error| error.source()).take(16).map(ToString::to_string).collect();
        let causes = (!causes.is_empty()).then(|| Attribute::new("exception.causes", causes.join(": ")));
        let attributes = std::iter::once(Attribute::new("exception.message", message.clone())).chain(causes);
        self.event_with("exception", attributes);
        self.set_status(Status::Error(message.into()));
    }

    /// Sets how it ended, or will.
    pub fn set_status(&self, status: Status) {
        let Some(live) = &self.live else { return };
        lock(&live.open).status = match status {
            Status::Error(why) => Status::Error(live.shared.config.cut(why)),
            status => status,
        };
    }

    /// Makes it the calling thread's current span until what this returns is dropped: spans that begin meanwhile are its
    /// children, and messages that are sent are sent inside it. Do not hold that across an `.await`: see
    /// [`instrument`](Self::instrument).
    pub fn enter(&self) -> Entered<'_> {
        Entered::enter(self.recorded())
    }

    /// Runs `work` with this as the calling thread's current span.
    pub fn in_scope<T>(&self, work: impl FnOnce() -> T) -> T {
        let _entered = self.enter();
        work()
    }

    /// Runs `work` with this as the current span of whichever thread polls it, and ends with it.
    ///
    /// ```
    /// use ringscope::trace::Tracer;
    ///
    /// # #[tokio::main] async fn main() {
    /// let tracer = Tracer::new("importer");
    /// let span = tracer.span("import").start_detached();
    /// let id = span.context().span_id();
    /// let inside = span.instrument(async {
    ///     tokio::task::yield_now().await;
    ///     Tracer::current().map(|current| current.span_id())
    /// });
    /// assert_eq!(tokio::spawn(inside).await.unwrap(), Some(id));
    /// assert_eq!((Tracer::current(), tracer.spans().len()), (None, 1));
    /// # }
    /// ```
    ///
    /// # Cancel safety
    /// If the future is dropped before it is ready, `work` is dropped and the span ends.
    pub async fn instrument<F: Future>(self, work: F) -> F::Output {
        let mut work = pin!(work);
        std::future::poll_fn(|context| self.in_scope(|| work.as_mut().poll(context))).await
    }

    /// Ends it. Dropping it does the same.
    pub fn end(self) {}
}

impl Drop for ActiveSpan {
    fn drop(&mut self) {
        if let Some(live) = self.live.take() {
            live.shared.end(live.open);
        }
    }
}

impl std::fmt::Debug for Live {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str(&lock(&self.open).name)
    }
}

/// A span that is the current one of the thread that began it, until it is dropped: the parent of the spans that begin
/// meanwhile on this thread. It stays on its thread, and must not be held across an `.await`, as [`Entered`] must not; async
/// code begins spans with [`start_detached`](super::SpanBuilder::start_detached).
///
/// Guards are best dropped in the reverse of the order in which they were made; in another order each still ends its own
/// span alone.
#[derive(Debug)]
#[must_use = "a span ends when it is dropped"]
pub struct SpanGuard {
    /// Dropped first: left, then ended.
    _entered: Entered<'static>,
    span: ActiveSpan,
}

impl SpanGuard {
    pub(super) fn enter(span: ActiveSpan) -> Self {
        SpanGuard { _entered: Entered::enter(span.recorded()), span }
    }

    /// Ends the span. Dropping it does the same.
    pub fn end(self) {}
}

impl Deref for SpanGuard {
    type Target = ActiveSpan;

    fn deref(&self) -> &ActiveSpan {
        &self.span
    }
}
