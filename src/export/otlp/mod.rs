//! OpenTelemetry's protocol: requests with metrics, spans or log records, in protobuf and in JSON, cut where they get larger
//! than a receiver takes.
//!
//! A message is written field by field into memory that is used again, and framed by what holds it: nothing of the tree of
//! messages that a request is exists at once. Numbers are those that were counted; see [`metrics`] and [`spans`] for what
//! becomes of each.

mod attributes;
mod json;
#[cfg(feature = "otlp")]
mod log_messages;
#[cfg(feature = "otlp")]
mod logs;
mod messages;
#[cfg(feature = "otlp")]
mod metric_messages;
#[cfg(feature = "otlp")]
mod metrics;
#[cfg(feature = "otlp")]
mod operations;
#[cfg(feature = "otlp")]
mod points;
mod requests;
mod spans;
#[cfg(feature = "otlp")]
mod time;
#[cfg(feature = "otlp")]
mod units;

#[cfg(feature = "otlp")]
pub(crate) use logs::{Happened, logs};
#[cfg(feature = "otlp")]
pub(crate) use metrics::{Counted, metrics};
#[cfg(feature = "otlp")]
pub(crate) use operations::Operations;
pub(crate) use requests::Encoding;
#[cfg(feature = "otlp")]
pub(crate) use requests::{Form, Request};
#[cfg(feature = "otlp")]
pub(crate) use spans::traces;
pub(super) use spans::whole;
