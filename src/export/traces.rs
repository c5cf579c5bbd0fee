//! Exports of a trace.

use super::perfetto;
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
}
