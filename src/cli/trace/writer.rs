//! Writing the trace: again and again while the kernels run, and all of it at the end.

use std::sync::mpsc::{RecvTimeoutError, Sender, channel};
use std::sync::{Arc, Mutex, PoisonError};
use std::thread::JoinHandle;
use std::time::{Duration, Instant};

use ringscope::collector::TraceRecorder;
use ringscope::trace::TraceFilter;

use super::output::{Output, TraceFileError};
use crate::cli::args::{TraceArgs, TraceFormat};

/// The file is not replaced more often.
const EVERY: Duration = Duration::from_secs(2);
/// Nor does writing take a larger part of the time than one in so many.
const PART: u32 = 20;
/// How long the last records may take to come.
const LAST_RECORDS: Duration = Duration::from_secs(5);

/// What is in a file.
#[derive(Clone, Copy, Debug, serde::Serialize)]
pub struct Written {
    /// Its size.
    pub bytes: u64,
    /// Spans, of the host as well.
    pub spans: u64,
    /// Instants, of the host as well.
    pub instants: u64,
    /// Samples of counters.
    pub samples: u64,
}

struct Job {
    recorder: TraceRecorder,
    format: TraceFormat,
    /// Whether some messages leave no span, as was asked.
    filtered: bool,
    output: Mutex<Output>,
}

/// Writes a trace until it is told to end.
pub struct Writer {
    job: Arc<Job>,
    end: Sender<()>,
    thread: Option<JoinHandle<()>>,
}

impl Writer {
    /// Writes from now on; only at the end what is no file, or where there is no thread for it.
    pub fn start(recorder: TraceRecorder, args: &TraceArgs, output: Output) -> Writer {
        let again = output.is_file();
        let filtered = args.filter() != TraceFilter::all();
        let job = Arc::new(Job { recorder, format: args.format, filtered, output: Mutex::new(output) });
        let (end, ended) = channel();
        let repeat = {
            let job = Arc::clone(&job);
            move || {
                let mut wait = EVERY;
                while ended.recv_timeout(wait) == Err(RecvTimeoutError::Timeout) {
                    let begun = Instant::now();
                    // If that lasts, the end says so.
                    let _ = job.write();
                    wait = EVERY.max(begun.elapsed().saturating_mul(PART));
                }
            }
        };
        let thread = again.then(|| std::thread::Builder::new().name("writer".into()).spawn(repeat).ok()).flatten();
        Writer { job, end, thread }
    }

    /// Writes all of it, once the kernels have ended.
    ///
    /// # Errors
    /// The file cannot be written any more.
    pub fn end(&mut self) -> Result<Written, TraceFileError> {
        // A thread that is gone needs not be told.
        let _ = self.end.send(());
        if let Some(thread) = self.thread.take() {
            let _ = thread.join();
        }
        self.job.recorder.flush_blocking(LAST_RECORDS);
        self.job.write()
    }

    /// Returns what is recorded.
    pub fn recorder(&self) -> &TraceRecorder {
        &self.job.recorder
    }
}

impl Job {
    fn write(&self) -> Result<Written, TraceFileError> {
        let mut trace = self.recorder.trace();
        if self.filtered {
            trace.leave_out_unspanned_messages();
        }
        let json = |text: Result<String, serde_json::Error>| text.unwrap_or_default().into_bytes();
        let contents = match self.format {
            TraceFormat::Perfetto => trace.export_perfetto(),
            TraceFormat::OtlpJson => json(trace.export_otlp_json()),
            TraceFormat::Jaeger => json(trace.export_jaeger()),
        };
        self.output.lock().unwrap_or_else(PoisonError::into_inner).write(&contents)?;
        let count = |n: usize| n as u64;
        Ok(Written {
            bytes: count(contents.len()),
            spans: count(trace.spans.len()),
            instants: count(trace.instants.len()),
            samples: count(trace.counters.len()),
        })
    }
}
