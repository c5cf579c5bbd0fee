//! What a span begins with.

use std::sync::Arc;

use super::active::{ActiveSpan, SpanGuard};
use super::current;
use super::shared::Shared;
use crate::trace::context::TraceContext;
use crate::trace::record::{Span, SpanKind};
use crate::trace::track::Track;
use crate::trace::value::{Attribute, Name, Value};

/// What a span is to begin with; [`start`](Self::start) begins it. Made by [`Tracer::span`](super::Tracer::span).
#[derive(Debug)]
#[must_use = "a span begins with start()"]
pub struct SpanBuilder {
    /// `None` if the tracer is off.
    on: Option<Box<Described>>,
    /// The parent, if the tracer is off.
    handed_on: Option<TraceContext>,
}

struct Described {
    shared: Arc<Shared>,
    name: Name,
    parent: Parent,
    kind: SpanKind,
    attributes: Vec<Attribute>,
}

enum Parent {
    Current,
    Given(TraceContext),
    None,
}

impl SpanBuilder {
    pub(super) fn new(shared: &Arc<Shared>, name: impl Into<Name>) -> Self {
        let describe = || Described {
            shared: Arc::clone(shared),
            name: name.into(),
            parent: Parent::Current,
            kind: SpanKind::Internal,
            attributes: Vec::new(),
        };
        SpanBuilder { on: shared.is_on().then(|| Box::new(describe())), handed_on: None }
    }

    /// Adds an attribute, in place of one of the same name.
    pub fn attribute(mut self, name: impl Into<Name>, value: impl Into<Value>) -> Self {
        if let Some(on) = &mut self.on {
            on.attributes.push(Attribute { name: name.into(), value: value.into() });
        }
        self
    }

    /// Sets the span that it is a part of, of this process or another. Default: the calling thread's current one when it
    /// begins; without that, it is the first of a new trace.
    pub fn parent(mut self, parent: &TraceContext) -> Self {
        match &mut self.on {
            Some(on) => on.parent = Parent::Given(parent.clone()),
            None => self.handed_on = Some(parent.clone()),
        }
        self
    }

    /// Sets that it is the first span of a new trace, whatever the thread's current span is.
    pub fn root(mut self) -> Self {
        if let Some(on) = &mut self.on {
            on.parent = Parent::None;
        }
        self
    }

    /// Sets what it is to the spans beside it. Default: [`SpanKind::Internal`].
    pub fn kind(mut self, kind: SpanKind) -> Self {
        if let Some(on) = &mut self.on {
            on.kind = kind;
        }
        self
    }

    /// Begins the span, as the calling thread's current one until the guard is dropped. In async code, see
    /// [`start_detached`](Self::start_detached).
    pub fn start(self) -> SpanGuard {
        SpanGuard::enter(self.start_detached())
    }

    /// Begins the span, as nobody's current one: for work that goes on on other threads, and in async code, where
    /// [`instrument`](ActiveSpan::instrument) makes it the current one of a future.
    pub fn start_detached(self) -> ActiveSpan {
        let Some(on) = self.on else { return ActiveSpan::off(self.handed_on) };
        let parent = match on.parent {
            Parent::Current => current::current(),
            Parent::Given(parent) => Some(parent),
            Parent::None => None,
        };
        let shared = on.shared;
        let context = parent.as_ref().map_or_else(TraceContext::root, TraceContext::child);
        let name = shared.config.cut(on.name);
        let mut span = Span::new(name, context, Track::current_thread(), shared.clock.now());
        span.parent = parent.map(|parent| parent.span_id());
        span.kind = on.kind;
        (span.attributes, span.dropped_attributes) = shared.all_attributes(on.attributes);
        ActiveSpan::begin(&shared, span)
    }
}

impl std::fmt::Debug for Described {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str(&self.name)
    }
}
