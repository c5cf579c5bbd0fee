//! `ringscope trace`: the work of `run`, and what happened when as a file.

pub mod output;
pub mod report;
mod writer;

use ringscope::trace::{Tracer, TracerConfig};

use self::output::Output;
use self::report::Recorded;
use self::writer::Writer;
use crate::cli::args::TraceArgs;
use crate::cli::error::CliError;
use crate::cli::opening::opening;
use crate::cli::term::live::{Last, Live};
use crate::cli::term::terminal;
use crate::cli::workload::report::Kept;
use crate::cli::workload::session::{Session, Traced};

/// Whether every reply was right, the device's counts equal the host's, and the trace is written.
pub fn trace(args: &TraceArgs) -> Result<bool, CliError> {
    // Before anything is launched: a file that cannot be written is known at once.
    let output = Output::open(&args.output)?;
    let records = args.records as usize;
    // A message is sent and received, each an instant.
    let config = TracerConfig { instants: 2 * records, messages: records, ..TracerConfig::default() };
    let tracer = Tracer::with_config("ringscope", config);
    let traced = Traced { tracer: tracer.clone(), ring_records: args.run.ring_records(), filter: args.filter() };
    let doing = "opening the device and launching the kernels";
    let mut session =
        opening(args.run.device.first(), doing, || Session::start(&args.run, args.run.limit(), Some(&traced)))?;
    let recorder =
        session.runtime().collector().record_trace(&tracer, records).map_err(ringscope::RuntimeError::from)?;
    let mut writer = Writer::start(recorder, args, output);
    let live = Live::start(session.view());
    let mut outcome = {
        // The parent of all messages: from it arrows go to the blocks and back.
        let _stream = tracer.span("stream").start();
        session.stream()?
    };
    // Nothing was checked.
    outcome.troubles.extend(outcome.no_input.take());
    // The summary takes the place of the live display, if that is where it goes.
    let replaced = !args.run.json && terminal::stdout_is_terminal();
    live.end(if replaced { Last::Erase } else { Last::Keep });
    session.report(outcome, |troubles| {
        let written = writer.end().map_err(|error| troubles.push(error.to_string())).ok();
        Kept { trace: Some(Recorded::new(args, writer.recorder(), written)), ..Kept::default() }
    })
}
