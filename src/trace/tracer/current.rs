//! Which span each thread is in.

use std::cell::RefCell;
use std::marker::PhantomData;

use crate::trace::context::TraceContext;
use crate::trace::id::SpanId;

thread_local! {
    static ENTERED: RefCell<Vec<TraceContext>> = const { RefCell::new(Vec::new()) };
}

/// The context is the thread's current one until this is dropped; it stays on the thread that entered it.
///
/// Do not hold one across an `.await`: the task may go on elsewhere, and another task on this thread would find the context.
/// The compiler refuses it in tasks that move between threads. [`ActiveSpan::instrument`](super::ActiveSpan::instrument)
/// enters a span each time its future is polled.
#[derive(Debug)]
#[must_use = "the context is left when this is dropped"]
pub struct Entered<'a> {
    span: Option<SpanId>,
    _of: PhantomData<&'a ()>,
    _thread: PhantomData<*const ()>,
}

impl Entered<'_> {
    pub(super) fn enter(context: Option<&TraceContext>) -> Self {
        context.into_iter().for_each(enter_raw);
        Entered { span: context.map(TraceContext::span_id), _of: PhantomData, _thread: PhantomData }
    }
}

impl Drop for Entered<'_> {
    fn drop(&mut self) {
        self.span.into_iter().for_each(exit_raw);
    }
}

/// The context that this thread entered last and has not left.
pub(super) fn current() -> Option<TraceContext> {
    ENTERED.try_with(|entered| entered.borrow().last().cloned()).ok().flatten()
}

/// As [`Entered`] does, until [`exit_raw`].
pub(in crate::trace) fn enter_raw(context: &TraceContext) {
    // A thread that ends has no current span any more.
    let _ = ENTERED.try_with(|entered| entered.borrow_mut().push(context.clone()));
}

/// Leaves a span wherever it is: guards may be dropped in any order, and none leaves the span of another.
pub(in crate::trace) fn exit_raw(span: SpanId) {
    let _ = ENTERED.try_with(|entered| {
        let mut entered = entered.borrow_mut();
        let place = entered.iter().rposition(|context| context.span_id() == span);
        // Dropped here, where the list is borrowed, a context runs nobody's code.
        place.map(|place| entered.remove(place))
    });
}
