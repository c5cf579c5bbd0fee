//! `ringscope doctor --deep`: whether what ringscope promises holds on the device at hand. Each check is a line.

mod check;
pub mod child;
mod info;
mod kernels;
mod probe;

use std::time::{Duration, Instant};

use ringscope::device::{self, DeviceInfo, DeviceKind};
use ringscope::{DeviceSpec, RuntimeError};
use serde::Serialize;

use self::check::{Finding, Outcome, Target};
use crate::cli::args::DoctorArgs;
use crate::cli::error::CliError;
use crate::cli::opening::opening;
use crate::cli::term::text::{Style, StyledText, Text, plain, styled};
use crate::cli::term::{terminal, units};

type Examine = fn(&Target) -> Finding;

/// What is examined, in this order.
const CHECKS: [(&str, Examine); 12] = [
    ("display watchdog", info::watchdog),
    ("part of a GPU (MIG)", info::mig),
    ("lazy loading", info::lazy_loading),
    ("histogram buckets", probe::buckets),
    ("custom metrics", probe::metrics),
    ("words are copied whole", probe::whole_words),
    ("clock", probe::tick),
    ("clock against the host's", probe::clock_fit),
    ("exact counts, device full", kernels::exact_counts),
    ("snapshots under a full device", kernels::full_device),
    ("monotone counters", kernels::monotone),
    ("an illegal address", child::illegal_address),
];

/// One line.
#[derive(Debug, Serialize)]
struct Check {
    check: &'static str,
    result: Outcome,
    figure: String,
}

/// All of it, for `--json`.
#[derive(Serialize)]
struct Document<'a> {
    version: &'static str,
    device: &'a DeviceInfo,
    passed: bool,
    seconds: f64,
    checks: &'a [Check],
}

/// Examines the device; returns whether all checks passed.
///
/// # Errors
/// The device cannot be opened, or stdout not written.
pub fn examine(args: &DoctorArgs) -> Result<bool, CliError> {
    let start = Instant::now();
    let (target, info) = open(args)?;
    if !args.json {
        let device = vec![styled(Style::Bold, &info.name), plain(&format!(": {}", info.detail))];
        terminal::print_lines(&[Text::from(device), Text::default()])?;
    }
    let mut checks = Vec::new();
    for (check, examine) in CHECKS {
        terminal::progress(Some(&format!("checking: {check}")));
        let (result, figure) = examine(&target).unwrap_or_else(|error| (Outcome::Failed, error.to_string()));
        let done = Check { check, result, figure };
        if !args.json {
            terminal::print_lines(&done.lines(terminal::stdout_width()))?;
        }
        checks.push(done);
    }
    let passed = checks.iter().all(|c| c.result != Outcome::Failed);
    let seconds = start.elapsed().as_secs_f64();
    match args.json {
        true => {
            let version = env!("CARGO_PKG_VERSION");
            terminal::print_json(&Document { version, device: &info, passed, seconds, checks: &checks })?;
        }
        false => terminal::print_lines(&[Text::default(), verdict(&checks, start.elapsed())])?,
    }
    Ok(passed)
}

fn open(args: &DoctorArgs) -> Result<(Target, DeviceInfo), CliError> {
    let spec = args.device.unwrap_or_default();
    let selected = opening(spec, "opening the device", || device::open(spec));
    let device = selected.map_err(RuntimeError::from)?.device;
    let info = device.info().clone();
    // What a child is to open is this device, whatever `auto` would choose then.
    let spec = match info.kind {
        DeviceKind::Cuda => DeviceSpec::Cuda(info.ordinal),
        _ => DeviceSpec::Host,
    };
    Ok((Target { device, spec, snapshots: args.snapshots }, info))
}

fn verdict(checks: &[Check], took: Duration) -> Text {
    let count = |outcome| checks.iter().filter(|c| c.result == outcome).count();
    let (passed, failed) = (count(Outcome::Passed), count(Outcome::Failed));
    let word = if failed == 0 { styled(Style::Good, "PASS") } else { styled(Style::Bad, "FAIL") };
    let rest = format!(": {passed} checks passed, {failed} failed, in {}", units::elapsed(took));
    Text::from(vec![word, plain(&rest)])
}

impl Check {
    /// `PASS  name  figure`; where the figure has little room beside the name, below it.
    fn lines(&self, width: usize) -> Vec<Text> {
        const LEAST: usize = 40;
        let names = CHECKS.iter().map(|(name, _)| name.len()).max().unwrap_or(0);
        let word = match self.result {
            Outcome::Passed => styled(Style::Good, "PASS"),
            Outcome::Failed => styled(Style::Bad, "FAIL"),
            Outcome::Noted => plain("note"),
            Outcome::DoesNotApply => styled(Style::Dim, "-   "),
        };
        let beside = 4 + 2 + names + 2;
        if beside + LEAST > width {
            let name = Text::from(vec![word, plain(&format!("  {}", self.check))]);
            return [vec![name], wrapped(plain(&format!("      {}", self.figure)), width, 6)].concat();
        }
        let name = plain(&format!("  {:names$}  ", self.check));
        let line = vec![word, name, plain(&self.figure)];
        Text::from(line).wrapped(width, beside)
    }
}

fn wrapped(line: StyledText, width: usize, indent: usize) -> Vec<Text> {
    Text::from(vec![line]).wrapped(width, indent)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::cli::term::text::Paint;

    #[test]
    fn a_check_fits_and_its_figures_line_up() {
        let figure = "123,456,789 messages of 3 kernels: \u{202e}every count equals the host's".to_owned();
        let check = Check { check: CHECKS[9].0, result: Outcome::Failed, figure };
        for width in [40, 60, 80, 100] {
            let lines = check.lines(width);
            assert!(lines.len() > 1 && lines.iter().all(|line| line.width() <= width), "{width}: {lines:?}");
            let shown: Vec<String> = lines.iter().map(|l| l.render(width, Paint { on: false })).collect();
            assert!(shown[0].starts_with("FAIL  snapshots under a full device"), "{shown:?}");
            let indent = if width < 80 { 6 } else { 37 };
            assert!(shown[1..].iter().all(|l| l.len() - l.trim_start().len() == indent), "{shown:?}");
            assert!(shown.concat().contains("\\u{202e}every"), "{shown:?}");
        }
        assert_eq!(check.lines(usize::MAX).len(), 1);
    }
}
