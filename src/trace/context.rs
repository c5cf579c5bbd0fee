//! Where in which trace something is, as W3C's Trace Context says it between processes: `traceparent` and `tracestate`.

use std::sync::Arc;

use super::id::{SpanId, TraceId};

/// Members of a `tracestate`, at most.
const MOST_MEMBERS: usize = 32;
/// Bytes of a key, and of a value, of a `tracestate`, at most.
const MOST_BYTES: usize = 256;
/// `00-<32 digits>-<16 digits>-<2 digits>`.
const TRACEPARENT_BYTES: usize = 55;

/// A span as its children know it, in this process or another: the trace, the span, and what is handed on with them.
///
/// ```
/// use ringscope::trace::TraceContext;
///
/// let header = "00-4bf92f3577b34da6a3ce929d0e0e4736-00f067aa0ba902b7-01";
/// let context = TraceContext::parse(header)?.with_tracestate("vendor=opaque")?;
/// assert_eq!(context.trace_id().to_string(), "4bf92f3577b34da6a3ce929d0e0e4736");
/// assert_eq!((context.traceparent().as_str(), context.tracestate()), (header, Some("vendor=opaque")));
/// # Ok::<(), ringscope::trace::ContextError>(())
/// ```
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub struct TraceContext {
    trace_id: TraceId,
    span_id: SpanId,
    flags: u8,
    tracestate: Option<Arc<str>>,
}

/// Why a `traceparent` or a `tracestate` is not one.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum ContextError {
    /// A `traceparent` has 55 bytes, `00-<trace id>-<span id>-<flags>`; of a later version, more are allowed behind a `-`.
    #[error("a traceparent has 55 bytes, this one {bytes}")]
    Length {
        /// Of the text.
        bytes: usize,
    },
    /// The version is not two lowercase hexadecimal digits, or `ff`, which is forbidden.
    #[error("a traceparent begins with its version, two lowercase hexadecimal digits that are not ff")]
    Version,
    /// The parts are not separated by `-`.
    #[error("a traceparent has a '-' at byte {at}")]
    Separator {
        /// Where it should be.
        at: usize,
    },
    /// The trace's number is not 32 lowercase hexadecimal digits, or zero.
    #[error("a trace id has 32 lowercase hexadecimal digits that are not all 0")]
    TraceId,
    /// The span's number is not 16 lowercase hexadecimal digits, or zero.
    #[error("a span id has 16 lowercase hexadecimal digits that are not all 0")]
    SpanId,
    /// The flags are not two lowercase hexadecimal digits.
    #[error("the flags of a traceparent are two lowercase hexadecimal digits")]
    Flags,
    /// A member of a `tracestate` is not `key=value` in W3C's characters and lengths.
    #[error("member {member} of the tracestate is not key=value: at most 256 printable characters each, no ',' or '='")]
    Member {
        /// Which one, from 1.
        member: usize,
    },
    /// A key is there twice in a `tracestate`.
    #[error("member {member} of the tracestate has the key of another one")]
    Duplicate {
        /// Which one, from 1.
        member: usize,
    },
    /// A `tracestate` has at most 32 members.
    #[error("a tracestate has at most 32 members")]
    Members,
}

impl TraceContext {
    /// Whoever handed this context on may have recorded its span.
    pub const SAMPLED: u8 = 1;
    /// The last 7 bytes of the trace's number are random.
    pub const RANDOM: u8 = 2;

    /// Makes the context of a span; `flags` are W3C's, of which [`SAMPLED`](Self::SAMPLED) and [`RANDOM`](Self::RANDOM)
    /// are kept.
    pub fn new(trace_id: TraceId, span_id: SpanId, flags: u8) -> Self {
        TraceContext { trace_id, span_id, flags: flags & (Self::SAMPLED | Self::RANDOM), tracestate: None }
    }

    /// Makes the context of the first span of a new trace, sampled.
    pub fn root() -> Self {
        TraceContext::new(TraceId::random(), SpanId::random(), Self::SAMPLED)
    }

    /// Makes the context of a new span in the same trace; flags and `tracestate` are handed on.
    pub fn child(&self) -> Self {
        TraceContext { span_id: SpanId::random(), ..self.clone() }
    }

    /// The context of a span with numbers that are made from 0, 1 and 2: a child, or the first of a trace.
    pub(super) fn numbered(parent: Option<&TraceContext>, number: impl Fn(u8) -> u64) -> Self {
        let span_id = SpanId::new(number(0)).unwrap_or_else(SpanId::random);
        match parent {
            Some(parent) => TraceContext { span_id, ..parent.clone() },
            None => {
                let trace_id = TraceId::new(u128::from(number(1)) << 64 | u128::from(number(2)));
                TraceContext::new(trace_id.unwrap_or_else(TraceId::random), span_id, Self::SAMPLED)
            }
        }
    }

    /// Reads a `traceparent`, as version 00 has it; of a later version what version 00 knows.
    ///
    /// # Errors
    /// [`ContextError`], which says what is wrong with it. W3C asks to begin a new trace then.
    pub fn parse(traceparent: &str) -> Result<Self, ContextError> {
        let bytes = traceparent.as_bytes();
        let version = hexadecimal(bytes.get(..2).ok_or(ContextError::Length { bytes: bytes.len() })?);
        let version = version.filter(|v| *v != 0xff).ok_or(ContextError::Version)?;
        if bytes.len() < TRACEPARENT_BYTES || (version == 0 && bytes.len() > TRACEPARENT_BYTES) {
            return Err(ContextError::Length { bytes: bytes.len() });
        }
        if let Some(at) = [2, 35, 52, 55].into_iter().find(|at| bytes.get(*at).is_some_and(|b| *b != b'-')) {
            return Err(ContextError::Separator { at });
        }
        let trace_id = hexadecimal(&bytes[3..35]).and_then(TraceId::new).ok_or(ContextError::TraceId)?;
        let span_id = hexadecimal(&bytes[36..52]).and_then(|id| SpanId::new(id as u64)).ok_or(ContextError::SpanId)?;
        let flags = hexadecimal(&bytes[53..55]).ok_or(ContextError::Flags)? as u8;
        Ok(TraceContext::new(trace_id, span_id, flags))
    }

    /// Reads both headers as W3C asks for it: a `tracestate` that is wrong is left out, and the rest holds. Several
    /// `tracestate` headers are given as one, joined by `,`.
    ///
    /// # Errors
    /// As [`parse`](Self::parse), of the `traceparent` alone.
    pub fn from_headers(traceparent: &str, tracestate: Option<&str>) -> Result<Self, ContextError> {
        let context = TraceContext::parse(traceparent.trim_matches([' ', '\t']))?;
        Ok(tracestate.and_then(|state| context.clone().with_tracestate(state).ok()).unwrap_or(context))
    }

    /// Sets what vendors hand on beside the numbers. Spaces around members and empty members are left out.
    ///
    /// # Errors
    /// [`ContextError::Member`], [`ContextError::Duplicate`], [`ContextError::Members`].
    pub fn with_tracestate(mut self, tracestate: &str) -> Result<Self, ContextError> {
        let members = tracestate.split(',').map(|member| member.trim_matches([' ', '\t'])).filter(|m| !m.is_empty());
        let mut kept: Vec<(&str, &str)> = Vec::new();
        for (i, member) in members.enumerate() {
            let pair = member.split_once('=').filter(|(key, value)| is_key(key) && is_value(value));
            let (key, _) = pair.ok_or(ContextError::Member { member: i + 1 })?;
            if i == MOST_MEMBERS {
                return Err(ContextError::Members);
            }
            if kept.iter().any(|(other, _)| *other == key) {
                return Err(ContextError::Duplicate { member: i + 1 });
            }
            kept.push((key, member));
        }
        let text = kept.iter().map(|(_, member)| *member).collect::<Vec<_>>().join(",");
        self.tracestate = (!text.is_empty()).then(|| text.into());
        Ok(self)
    }

    /// Returns the number of the trace.
    pub fn trace_id(&self) -> TraceId {
        self.trace_id
    }

    /// Returns the number of the span.
    pub fn span_id(&self) -> SpanId {
        self.span_id
    }

    /// Returns W3C's flags: [`SAMPLED`](Self::SAMPLED), [`RANDOM`](Self::RANDOM).
    pub fn flags(&self) -> u8 {
        self.flags
    }

    /// Returns whether whoever handed it on may have recorded its span.
    pub fn sampled(&self) -> bool {
        self.flags & Self::SAMPLED != 0
    }

    /// Writes the `traceparent` header, version 00.
    pub fn traceparent(&self) -> String {
        format!("00-{}-{}-{:02x}", self.trace_id, self.span_id, self.flags)
    }

    /// Returns the `tracestate` header; `None` if there is none to send.
    pub fn tracestate(&self) -> Option<&str> {
        self.tracestate.as_deref()
    }
}

impl std::str::FromStr for TraceContext {
    type Err = ContextError;

    fn from_str(traceparent: &str) -> Result<Self, ContextError> {
        TraceContext::parse(traceparent)
    }
}

/// At most 32 lowercase digits; `None` if another character is among them.
fn hexadecimal(digits: &[u8]) -> Option<u128> {
    digits.iter().try_fold(0, |value, digit| match digit {
        b'0'..=b'9' => Some(value << 4 | u128::from(digit - b'0')),
        b'a'..=b'f' => Some(value << 4 | u128::from(digit - b'a' + 10)),
        _ => None,
    })
}

fn is_key(key: &str) -> bool {
    let begins = key.starts_with(|c: char| c.is_ascii_lowercase() || c.is_ascii_digit());
    let known = |b: u8| b.is_ascii_lowercase() || b.is_ascii_digit() || b"_-*/@".contains(&b);
    begins && key.len() <= MOST_BYTES && key.bytes().all(known)
}

/// Members are trimmed: a value does not end in a space.
fn is_value(value: &str) -> bool {
    let printable = |b: u8| (b' '..=b'~').contains(&b) && b != b',' && b != b'=';
    !value.is_empty() && value.len() <= MOST_BYTES && value.bytes().all(printable)
}
