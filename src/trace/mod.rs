//! Traces: what happened when, on the host and on devices, on one clock.
//!
//! A [`Trace`] is what was recorded in a period: [spans](Span), [instants](Instant), [samples of counters](CounterSample),
//! each on a [track](Track), and [how much is missing where](Lost). It does not say who recorded it: a [`Tracer`] does so
//! for the host's threads. [`export`](crate::export#traces) writes it for viewers and servers.
//!
//! ```
//! use ringscope::trace::Tracer;
//!
//! let tracer = Tracer::new("importer");
//! {
//!     let batch = tracer.span("data_processing").attribute("batch_id", 123).start();
//!     let parse = tracer.span("parse").start(); // a part of the batch: that is the thread's current span
//!     parse.event("header read");
//!     drop(parse);
//!     batch.succeed();
//! }
//! let spans = tracer.spans();
//! assert_eq!(spans.iter().map(|s| &*s.name).collect::<Vec<_>>(), ["parse", "data_processing"]);
//! assert_eq!(spans[0].parent, Some(spans[1].context.span_id()));
//! ```
//!
//! # Between processes
//!
//! [`TraceContext`] is W3C's Trace Context. What came in with a request is the parent of the span that answers it; what
//! goes out with a request is the context of the span that waits for it.
//!
//! ```
//! use ringscope::trace::{SpanKind, TraceContext, Tracer};
//!
//! let tracer = Tracer::new("shop");
//! let incoming = TraceContext::from_headers("00-4bf92f3577b34da6a3ce929d0e0e4736-00f067aa0ba902b7-01", None)?;
//! let request = tracer.span("GET /cart").parent(&incoming).kind(SpanKind::Server).start();
//! let outgoing = request.context().traceparent(); // for the requests that this one makes
//! assert!(outgoing.starts_with("00-4bf92f3577b34da6a3ce929d0e0e4736-"));
//! # Ok::<(), ringscope::trace::ContextError>(())
//! ```
//!
//! # What kernels record
//!
//! A kernel at [`Level::Events`](crate::Level::Events) writes events, spans, samples and log lines into rings on the device,
//! and a span of each message that its [`TraceFilter`] chooses; [`trace_records`](crate::TelemetryConfig::trace_records) makes
//! the rings. [`trace_stream`](crate::TelemetryCollector::trace_stream) reads them while the kernel runs. The kernel never
//! waits: it overwrites the oldest. What was overwritten before it was read, and what a [`Stream`] had no room for, is a
//! [`RecordKind::Lost`] in its place.
//!
//! ```
//! # #[cfg(feature = "host")] fn main() -> Result<(), ringscope::RuntimeError> {
//! use std::time::Duration;
//! use ringscope::trace::{RecordKind, TraceFilter};
//! use ringscope::{DeviceSpec, LaunchOptions, RingKernelRuntime, TelemetryConfig};
//!
//! let config = TelemetryConfig { trace_records: 1024, ..TelemetryConfig::default() };
//! let runtime = RingKernelRuntime::builder().device(DeviceSpec::Host).telemetry(true).telemetry_config(config).build()?;
//! let mut stream = runtime.collector().trace_stream()?;
//! runtime.launch_blocking("w", &LaunchOptions::new().trace(TraceFilter::all()))?;
//! runtime.activate_blocking("w")?;
//! runtime.kernel("w")?.call_blocking(b"hello", Duration::from_secs(5))?;
//! let record = stream.next_blocking(Duration::from_secs(5)).expect("its span");
//! assert!(matches!(record.kind, RecordKind::Message { number: Some(0), status: 0, .. }));
//! # Ok(()) }
//! # #[cfg(not(feature = "host"))] fn main() {}
//! ```
//!
//! # Bounds
//!
//! A tracer keeps [so many](TracerConfig) spans, instants and samples; the oldest go first, and [`Trace::lost`] says how
//! many and until when. A tracer that is switched [off](Tracer::off) costs one look at a word for each span.

mod context;
mod cursor;
mod device;
mod id;
#[cfg(feature = "tracing")]
mod layer;
mod names;
mod record;
mod recorded;
mod time;
mod tracer;
mod track;
mod value;

pub use context::{ContextError, TraceContext};
pub use cursor::TraceCursor;
pub(crate) use device::{Batch, InHand, Queue, TracedKernel};
#[doc(hidden)] // for the tests of what a copy may show
pub use device::{Cursor, Decoded, RingCopy, What};
pub use device::{
    DeviceRecord, DeviceTrace, FilterError, KernelRecords, RecordKind, SampleValue, Stream, StreamConfig, StreamEnd,
    TraceFilter,
};
pub use id::{FlowId, SpanId, TraceId};
#[cfg(feature = "tracing")]
pub use layer::TracerLayer;
pub use names::{KernelNames, MAX_NAME_BYTES, MAX_NAMES, MAX_PATTERN_BYTES, NameError, Severity};
pub use record::{CounterSample, Instant, InstantKind, Lost, Message, Span, SpanEvent, SpanKind, Status};
pub use recorded::{Source, Trace};
pub use time::{DeviceClock, Time};
pub use tracer::{ActiveSpan, Entered, SentMessage, SpanBuilder, SpanGuard, Tracer, TracerConfig, TracerLosses};
pub use track::{BlockTrack, DeviceTrack, SmTrack, ThreadTrack, Track};
pub use value::{Attribute, Name, Value};
