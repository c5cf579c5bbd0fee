//! Blocks at the moment at which a trace is made: what they are doing has no record yet, since that is written at its end.

use std::hash::{BuildHasher, RandomState};
use std::sync::Arc;

use crate::trace::context::TraceContext;
use crate::trace::record::{Message, Span, SpanKind};
use crate::trace::time::Time;
use crate::trace::tracer::SentMessage;
use crate::trace::track::Track;
use crate::trace::value::{Attribute, Name};

/// What a block is doing.
#[derive(Clone, Debug)]
pub(crate) struct InHand {
    /// The kernel's id.
    pub(crate) kernel: Arc<str>,
    /// Index of the device that it runs on.
    pub(crate) device: u32,
    /// The block's shard.
    pub(crate) shard: u32,
    /// The multiprocessor that it is on.
    pub(crate) sm: Option<u32>,
    /// Where it is.
    pub(crate) place: Name,
    /// Since when, in Unix time.
    pub(crate) since_ns: u64,
    /// The message that it has in hand.
    pub(crate) message: Option<u64>,
    /// What it waits for.
    pub(crate) attributes: Vec<Attribute>,
}

/// The span that goes on, from `begin` on.
pub(super) fn span(of: &InHand, begin: Time, track: Track, sent: Option<SentMessage>, key: &RandomState) -> Span {
    let number = |part: u8| key.hash_one((part, "in hand", &of.kernel, of.shard, of.since_ns));
    let context = TraceContext::numbered(sent.as_ref().map(|sent| &sent.context), number);
    let mut span = Span::new(of.place.clone(), context, track, begin);
    span.message = of.message.map(|number| Message::new(Arc::clone(&of.kernel), number));
    span.kind = if span.message.is_some() { SpanKind::Consumer } else { SpanKind::Internal };
    span.parent = sent.as_ref().map(|sent| sent.context.span_id());
    span.flows = sent.map(|sent| sent.flow).into_iter().collect();
    span.attributes = of.attributes.clone();
    span
}
