//! Exports of a trace.

use super::{jaeger, otlp, perfetto};
use crate::trace::Trace;

impl Trace {
    /// Writes the trace in Perfetto's own format, for its page (ui.perfetto.dev) and its `trace_processor`: tracks by host
    /// thread, and by device, multiprocessor and block; spans, instants, counters, arrows, and what was lost. See
    /// [`export`](crate::export#traces).
    ///
    /// ```
    /// let tracer = ringscope::trace::Tracer::new("importer");
    /// tracer.span("data_processing").start().end();
    /// let file = tracer.trace().export_perfetto();
    /// # let path = std::env::temp_dir().join(format!("ringscope-doc-{}.pftrace", std::process::id()));
    /// std::fs::write(&path, file)?; // open it in ui.perfetto.dev
    /// # std::fs::remove_file(path)?;
    /// # Ok::<(), std::io::Error>(())
    /// ```
    pub fn export_perfetto(&self) -> Vec<u8> {
        perfetto::encode(self)
    }

    /// Writes the trace for OpenTelemetry's collectors and for what takes its protocol (Jaeger among them): an
    /// `ExportTraceServiceRequest` in protobuf, the body of a POST to `/v1/traces` as `application/x-protobuf`. Spans that
    /// have not ended are not in it, nor are instants and counters, for which it has no place.
    pub fn export_otlp(&self) -> Vec<u8> {
        // Only JSON can fail.
        otlp::whole(self, otlp::Encoding::Protobuf).unwrap_or_default()
    }

    /// Writes the same as [`export_otlp`](Self::export_otlp) in JSON, the body of a POST to `/v1/traces` as
    /// `application/json`.
    ///
    /// # Errors
    /// Returns the JSON writer's error; none is known that a trace causes.
    pub fn export_otlp_json(&self) -> Result<String, serde_json::Error> {
        otlp::whole(self, otlp::Encoding::Json).map(|bytes| String::from_utf8_lossy(&bytes).into_owned())
    }

    /// Writes the trace in Jaeger's own JSON, which its page opens from a file. Times are whole microseconds there; each
    /// span's tag `duration_ns` has its duration. Spans that have not ended are in it up to the trace's end, with the tag
    /// `ringscope.open`; instants and counters are not.
    ///
    /// # Errors
    /// As [`export_otlp_json`](Self::export_otlp_json).
    pub fn export_jaeger(&self) -> Result<String, serde_json::Error> {
        serde_json::to_string(&jaeger::Document::from_trace(self))
    }
}
