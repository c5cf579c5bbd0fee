//! What is said at the end of a run: a table for people, or one JSON document.

use ringscope::device::DeviceInfo;
use ringscope::{Snapshot, Summary};
use serde::Serialize;
use std::sync::Arc;

use crate::cli::error::CliError;
use crate::cli::publish::report::Arrived;
use crate::cli::term::text::{Style, StyledText, Text, plain, styled};
use crate::cli::term::{kernels, terminal, units};
use crate::cli::trace::report::Recorded;
use crate::cli::workload::args::RunArgs;
use crate::cli::workload::check::FileSum;
use crate::cli::workload::input::Source;
use crate::cli::workload::stream::Outcome;

/// All that is known at the end.
pub struct Report<'a> {
    /// What was asked for.
    pub args: &'a RunArgs,
    /// Where it ran, at least one.
    pub devices: &'a [&'a DeviceInfo],
    /// The files.
    pub sources: &'a [Source],
    /// What became of the stream; its troubles include the differences between the counts.
    pub outcome: &'a Outcome,
    /// The device's last numbers.
    pub snapshot: Option<&'a Arc<Snapshot>>,
    /// What is left of the run elsewhere.
    pub kept: Kept,
}

/// What a run leaves behind beside its summary.
#[derive(Debug, Default)]
pub struct Kept {
    /// What became of a trace, where one was wanted.
    pub trace: Option<Recorded>,
    /// What was published where, destination by destination.
    pub published: Option<Vec<Arrived>>,
}

/// `--json`.
#[derive(Serialize)]
struct Document<'a> {
    /// The first, if there are several.
    device: Option<&'a DeviceInfo>,
    #[serde(skip_serializing_if = "Option::is_none")]
    devices: Option<&'a [&'a DeviceInfo]>,
    kernel: &'a str,
    kernels: u32,
    blocks: u32,
    message_bytes: u32,
    input_bytes: u64,
    messages: u64,
    mismatches: u64,
    refused: u64,
    seconds: f64,
    /// By the host's clock, over `seconds`.
    messages_per_second: f64,
    interrupted: bool,
    verified: bool,
    troubles: &'a [String],
    files: Vec<FileEntry>,
    summary: Option<Summary>,
    #[serde(skip_serializing_if = "Option::is_none")]
    trace: Option<&'a Recorded>,
    #[serde(skip_serializing_if = "Option::is_none")]
    published: Option<&'a [Arrived]>,
}

#[derive(Serialize)]
struct FileEntry {
    path: String,
    /// `null` if it was not streamed to its end.
    bytes: Option<u64>,
    /// From the replies; `null` if they do not tell.
    crc32c: Option<String>,
}

impl Report<'_> {
    /// Shows it; whether all was right.
    pub fn show(&self) -> Result<bool, CliError> {
        for trouble in &self.outcome.troubles {
            terminal::say_error(trouble);
        }
        match self.args.json {
            true => self.print_json()?,
            false => terminal::print_lines(&self.lines(terminal::stdout_width()))?,
        }
        Ok(self.verified())
    }

    fn verified(&self) -> bool {
        self.outcome.mismatches == 0 && self.outcome.troubles.is_empty()
    }

    fn print_json(&self) -> Result<(), CliError> {
        let (args, outcome) = (self.args, self.outcome);
        let document = Document {
            device: self.devices.first().copied(),
            devices: Some(self.devices).filter(|devices| devices.len() > 1),
            kernel: args.kernel.builtin().name(),
            kernels: args.kernels(self.devices.len()),
            blocks: args.blocks,
            message_bytes: args.message_bytes,
            input_bytes: outcome.input_bytes,
            messages: outcome.messages,
            mismatches: outcome.mismatches,
            refused: outcome.refused,
            seconds: outcome.time.as_secs_f64(),
            messages_per_second: self.per_second(outcome.messages),
            interrupted: outcome.interrupted,
            verified: self.verified(),
            troubles: &outcome.troubles,
            files: self.files(),
            summary: self.snapshot.map(|s| s.summary()),
            trace: self.kept.trace.as_ref(),
            published: self.kept.published.as_deref(),
        };
        Ok(terminal::print_json(&document)?)
    }

    fn files(&self) -> Vec<FileEntry> {
        let entry = |(source, sum): (&Source, &FileSum)| FileEntry {
            path: source.path.to_string_lossy().into_owned(),
            bytes: sum.bytes,
            crc32c: sum.crc32c.map(|crc| format!("{crc:08x}")),
        };
        self.sources.iter().zip(&self.outcome.files).map(entry).collect()
    }

    /// The table, and what follows it; names are shortened to fit into `width` columns.
    fn lines(&self, width: usize) -> Vec<Text> {
        let mut lines = match self.snapshot {
            Some(snapshot) => kernels::summary(snapshot, self.outcome.time, width),
            None if self.args.no_telemetry => {
                vec![dim("telemetry is off (--no-telemetry): the kernels counted nothing")]
            }
            None => Vec::new(),
        };
        lines.extend(self.kept.trace.iter().flat_map(|trace| trace.lines(width)));
        lines.extend(self.kept.published.iter().flatten().map(Arrived::line));
        lines.push(Text::default());
        lines.extend(self.file_lines(width));
        lines.extend([self.amounts(), self.verdict()]);
        lines
    }

    /// Each file's CRC-32C as it follows from the replies, in the manner of `sum`.
    fn file_lines(&self, width: usize) -> impl Iterator<Item = Text> {
        let known =
            self.sources.iter().zip(&self.outcome.files).filter_map(|(s, sum)| Some((s, sum.crc32c?, sum.bytes?)));
        known.map(move |(source, crc, bytes)| {
            let crc = styled(Style::Bold, &format!("{crc:08x}"));
            let size = plain(&format!("  {:>8}  ", units::bytes(bytes)));
            let sum = Text::from(vec![plain("crc32c "), crc, size]);
            let path = plain(&source.path.to_string_lossy()).shortened(width.saturating_sub(sum.width()));
            sum.with(Text::from(vec![path]))
        })
    }

    fn per_second(&self, n: u64) -> f64 {
        let seconds = self.outcome.time.as_secs_f64();
        if seconds > 0.0 { n as f64 / seconds } else { 0.0 }
    }

    fn amounts(&self) -> Text {
        let outcome = self.outcome;
        let mut spans = vec![plain(&format!(
            "{} in {} messages in {}: {} msg/s, {} MB/s",
            units::bytes(outcome.input_bytes),
            units::exact(outcome.messages),
            units::elapsed(outcome.time),
            units::rate(self.per_second(outcome.messages)),
            units::megabytes(self.per_second(outcome.input_bytes)),
        ))];
        if outcome.interrupted {
            spans.push(styled(Style::Warn, ", then interrupted"));
        }
        Text::from(spans)
    }

    fn verdict(&self) -> Text {
        let outcome = self.outcome;
        let mut spans: Vec<StyledText> = Vec::new();
        if self.verified() {
            spans.push(styled(Style::Good, "PASS: "));
            let counts = if self.snapshot.is_some() { ", and the device's counts equal the host's" } else { "" };
            spans.push(plain(&format!("every reply is correct{counts}{}", self.refusals())));
        } else {
            spans.push(styled(Style::Bad, "FAIL: "));
            let (wrong, errors) = (units::exact(outcome.mismatches), outcome.troubles.len());
            spans.push(plain(&format!("wrong replies: {wrong}; errors shown on stderr: {errors}")));
        }
        Text::from(spans)
    }

    fn refusals(&self) -> String {
        let Outcome { refused, messages, .. } = *self.outcome;
        if self.args.inject_errors == 0.0 || messages == 0 {
            return String::new();
        }
        let percent = 100.0 * refused as f64 / messages as f64;
        format!("; {} of the messages were refused, as asked ({percent:.1} %)", units::exact(refused))
    }
}

fn dim(text: &str) -> Text {
    Text::from(vec![styled(Style::Dim, text)])
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::cli::args::run_args;
    use crate::cli::term::text::Paint;
    use ringscope::device::DeviceKind;
    use std::time::Duration;

    fn report(outcome: &Outcome) -> Vec<Vec<String>> {
        let (args, name) = (run_args(&[]), String::new());
        let info = DeviceInfo::named(DeviceKind::Host, name.clone(), name);
        let path = format!("/tmp/{}\u{200b}\u{202e}/設定.bin", "long/".repeat(30));
        let sources = [Source::named(path.into(), 9)];
        let report = Report {
            args: &args,
            devices: &[&info],
            sources: &sources,
            outcome,
            snapshot: None,
            kept: Kept::default(),
        };
        let at = |width: usize| {
            let lines = report.lines(width);
            let lines = lines.iter().flat_map(|line| line.wrapped(width, 2));
            let lines: Vec<Text> = lines.collect();
            assert!(lines.iter().all(|line| line.width() <= width), "{width}: {lines:?}");
            lines.iter().map(|line| line.render(width, Paint { on: false })).collect()
        };
        [40, 80, 100, usize::MAX].map(at).to_vec()
    }

    #[test]
    fn it_fits_and_says_pass_or_fail() {
        let sum = FileSum { bytes: Some(9), crc32c: Some(0xe306_9283), differs_from: None };
        let good = Outcome { time: Duration::from_secs(1), files: vec![sum], ..Outcome::default() };
        for lines in report(&good) {
            assert!(lines[1].starts_with("crc32c e3069283       9 B  /tmp/"), "{lines:?}");
            assert!(lines[1].ends_with("定.bin"), "{lines:?}");
            assert!(lines.concat().contains("PASS: every reply is correct"), "{lines:?}");
        }
        assert!(report(&good)[3][1].contains("long/\\u{200b}\\u{202e}/設定.bin"));
        let bad = Outcome { mismatches: 3, troubles: vec!["w: wrong".into()], ..good };
        for lines in report(&bad) {
            assert!(lines.concat().contains("FAIL: wrong replies: 3"), "{lines:?}");
        }
    }
}
