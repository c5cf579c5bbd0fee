//! `ringscope bench`: what telemetry costs on the device at hand, and how fast messages and snapshots are there.
//!
//! What is compared is measured in one run, in turn, so that what the machine does besides falls on all alike.

mod events;
mod messages;
mod overhead;
mod plan;
mod record;
mod snapshot;
mod stats;

use std::time::Instant;

use ringscope::RuntimeError;
use ringscope::device::{self, DeviceInfo};
use serde::Serialize;

use self::plan::Bench;
use crate::cli::args::{BenchArgs, BenchSection};
use crate::cli::error::CliError;
use crate::cli::opening::opening;
use crate::cli::term::text::{Style, Text, plain, styled};
use crate::cli::term::{terminal, units};

/// All that was measured, for `--json`.
#[derive(Serialize)]
struct Document {
    version: &'static str,
    device: DeviceInfo,
    quick: bool,
    once: bool,
    /// Where kernels found their messages.
    input_ring: &'static str,
    seconds: f64,
    overhead: Option<Vec<overhead::Row>>,
    events: Option<Vec<events::Row>>,
    record: Option<Vec<record::Row>>,
    snapshot: Option<Vec<snapshot::Row>>,
    messages: Option<messages::Found>,
    /// What could not be measured, and why.
    failures: Vec<String>,
}

/// Measures; returns whether everything could be measured.
///
/// # Errors
/// The device cannot be opened, or stdout not written.
pub fn bench(args: &BenchArgs) -> Result<bool, CliError> {
    let start = Instant::now();
    let selected = opening(args.device, "opening the device", || device::open(args.device));
    let device = selected.map_err(RuntimeError::from)?.device;
    let bench = Bench::new(device, args)?;
    let info = bench.info();
    let mut sections = Sections { print: !args.json, only: args.only.clone(), failures: Vec::new() };
    if sections.print {
        let device = vec![styled(Style::Bold, &info.name), plain(&format!(": {}", info.detail))];
        terminal::print_lines(&[Text::from(device)])?;
    }
    let overhead = sections.measure(
        BenchSection::Overhead,
        || overhead::measure(&bench),
        |rows, width| overhead::show(rows, width),
    )?;
    let events =
        sections.measure(BenchSection::Events, || events::measure(&bench), |rows, width| events::show(rows, width))?;
    let record =
        sections.measure(BenchSection::Record, || record::measure(&bench), |rows, width| record::show(rows, width))?;
    let snapshot = sections.measure(
        BenchSection::Snapshot,
        || snapshot::measure(&bench),
        |rows, width| snapshot::show(rows, width),
    )?;
    let messages = sections.measure(BenchSection::Messages, || messages::measure(&bench), messages::show)?;
    let complete = sections.failures.is_empty();
    if args.json {
        terminal::print_json(&Document {
            version: env!("CARGO_PKG_VERSION"),
            device: info.clone(),
            quick: args.quick,
            once: args.once,
            input_ring: bench.input_ring.name(),
            seconds: start.elapsed().as_secs_f64(),
            overhead,
            events,
            record,
            snapshot,
            messages,
            failures: sections.failures,
        })?;
    } else {
        let took = format!("measured in {}", units::elapsed(start.elapsed()));
        terminal::print_lines(&[Text::default(), Text::from(vec![plain(&took)])])?;
    }
    Ok(complete)
}

/// The sections so far.
struct Sections {
    /// Whether each is shown.
    print: bool,
    /// Those that were asked for; none: all.
    only: Vec<BenchSection>,
    failures: Vec<String>,
}

fn name_of(section: BenchSection) -> &'static str {
    match section {
        BenchSection::Overhead => "overhead",
        BenchSection::Events => "events",
        BenchSection::Record => "record",
        BenchSection::Snapshot => "snapshot",
        BenchSection::Messages => "messages",
    }
}

impl Sections {
    /// Measures one section, if it was asked for, and shows it; what keeps it from being measured leaves the others.
    fn measure<T>(
        &mut self,
        section: BenchSection,
        measure: impl FnOnce() -> Result<T, RuntimeError>,
        show: impl FnOnce(&T, usize) -> Vec<Text>,
    ) -> Result<Option<T>, CliError> {
        if !self.only.is_empty() && !self.only.contains(&section) {
            return Ok(None);
        }
        let name = name_of(section);
        terminal::progress(Some(&format!("measuring: {name}")));
        let range = ringscope::nvtx::range(name);
        let found = measure();
        drop(range);
        match found {
            Ok(found) => {
                if self.print {
                    let lines = show(&found, terminal::stdout_width());
                    terminal::print_lines(&[vec![Text::default()], lines].concat())?;
                }
                Ok(Some(found))
            }
            Err(error) => {
                let what = format!("{name} was not measured: {error}");
                terminal::say_error(&what);
                self.failures.push(what);
                Ok(None)
            }
        }
    }
}
