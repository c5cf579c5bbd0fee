//! What was recorded, lost and written: a table for people, and a part of the JSON document.

use std::collections::BTreeMap;

use ringscope::collector::TraceRecorder;
use ringscope::snapshot::TraceRecords;
use ringscope::trace::KernelRecords;
use serde::Serialize;

use super::writer::Written;
use crate::cli::args::{TraceArgs, TraceFormat};
use crate::cli::term::text::{Style, Text, plain, styled};
use crate::cli::term::units;
use crate::cli::workload::input::shown;

/// What became of a trace.
#[derive(Debug, Serialize)]
pub struct Recorded {
    file: String,
    #[serde(skip)]
    format: TraceFormat,
    /// Of which messages there is a span.
    filter: String,
    /// `null` if it could not be written.
    written: Option<Written>,
    kernels: BTreeMap<String, Kernel>,
    /// What became of all that the kernels wrote to their rings: `written` is `read` and `lost` together.
    places: TraceRecords,
}

/// One kernel.
#[derive(Clone, Copy, Debug, Default, PartialEq, Serialize)]
struct Kernel {
    messages: u64,
    spans: u64,
    events: u64,
    samples: u64,
    logs: u64,
    /// Of these, those that --records left no room for.
    left_out: u64,
    /// Places of its rings that are missing: a message has two or three.
    lost: u64,
}

impl Kernel {
    fn new(records: &KernelRecords) -> Self {
        let KernelRecords { messages, spans, events, samples, logs, lost, forgotten: left_out, .. } = *records;
        Kernel { messages, spans, events, samples, logs, left_out, lost }
    }

    fn add(&mut self, other: &Kernel) {
        self.messages += other.messages;
        self.spans += other.spans;
        self.events += other.events;
        self.samples += other.samples;
        self.logs += other.logs;
        self.left_out += other.left_out;
        self.lost += other.lost;
    }
}

/// A column of the table: its title, and which number.
type Column = (&'static str, fn(&Kernel) -> u64);

const COLUMNS: [Column; 5] = [
    ("messages", |k| k.messages),
    ("spans", |k| k.spans),
    ("events", |k| k.events + k.samples + k.logs),
    ("left out", |k| k.left_out),
    ("lost", |k| k.lost),
];

impl Recorded {
    /// Puts together what is known at the end.
    pub fn new(args: &TraceArgs, recorder: &TraceRecorder, written: Option<Written>) -> Self {
        let counts = recorder.counts();
        let kernels = counts.iter().map(|(id, records)| (id.to_string(), Kernel::new(records))).collect();
        let (file, filter) = (shown(&args.output), args.filter().to_string());
        Recorded { file, format: args.format, filter, written, kernels, places: recorder.places() }
    }

    /// Returns the table, what was written, and how to look at it.
    pub fn lines(&self, width: usize) -> Vec<Text> {
        let mut lines = self.table(width);
        let TraceRecords { written, read, lost, .. } = self.places;
        let [written, read, lost] = [written, read, lost].map(units::exact);
        lines.push(Text::from(vec![plain(&format!(
            "the kernels wrote {written} places of their rings: {read} were read, {lost} lost"
        ))]));
        let Some(written) = &self.written else { return lines };
        let what = format!(
            "{} spans, {} instants, {} samples in {}: ",
            units::exact(written.spans),
            units::exact(written.instants),
            units::exact(written.samples),
            units::bytes(written.bytes),
        );
        lines.push(Text::from(vec![plain(&what), styled(Style::Bold, &self.file)]));
        lines.push(Text::from(vec![plain(match self.format {
            TraceFormat::Perfetto => "open https://ui.perfetto.dev and drag the file onto the page",
            TraceFormat::OtlpJson => {
                "send it: curl -H 'content-type: application/json' --data-binary @FILE http://HOST:4318/v1/traces"
            }
            TraceFormat::Jaeger => "open it in Jaeger's page: Search, Upload",
        })]));
        lines
    }

    fn table(&self, width: usize) -> Vec<Text> {
        let mut all = Kernel::default();
        self.kernels.values().for_each(|kernel| all.add(kernel));
        let mut rows: Vec<(&str, Kernel)> = self.kernels.iter().map(|(id, kernel)| (&**id, *kernel)).collect();
        rows.push(("all", all));
        // What is 0 everywhere says nothing; how much is missing is always told.
        let columns: Vec<&Column> =
            COLUMNS.iter().filter(|(title, of)| of(&all) > 0 || ["messages", "lost"].contains(title)).collect();
        let cells =
            |kernel: &Kernel| -> Vec<String> { columns.iter().map(|(_, of)| units::exact(of(kernel))).collect() };
        let widths: Vec<usize> =
            columns.iter().zip(cells(&all)).map(|((title, _), cell)| title.len().max(cell.len())).collect();
        let numbers: usize = widths.iter().map(|w| w + GAP).sum();
        let widest = rows.iter().map(|(id, _)| plain(id).width()).max().unwrap_or(0).max("recorded".len());
        let name = widest.min(width.saturating_sub(numbers).max(LEAST_NAME));
        let line = |id: &str, style: Style, cells: Vec<String>| {
            let id = styled(style, id).shortened(name);
            let pad = " ".repeat(name.saturating_sub(id.width()));
            let numbers: String =
                cells.iter().zip(&widths).map(|(cell, w)| format!("{cell:>w$}", w = w + GAP)).collect();
            Text::from(vec![id, plain(&(pad + &numbers))])
        };
        let titles = columns.iter().map(|(title, _)| (*title).to_owned()).collect();
        let mut lines = vec![Text::default(), line("recorded", Style::Dim, titles)];
        lines.extend(
            rows.iter()
                .map(|(id, kernel)| line(id, if *id == "all" { Style::Dim } else { Style::Bold }, cells(kernel))),
        );
        lines
    }
}

const GAP: usize = 2;
/// Columns that a name keeps, however narrow the terminal is.
const LEAST_NAME: usize = 8;

#[cfg(test)]
mod tests {
    use super::*;
    use crate::cli::term::text::Paint;

    #[test]
    fn the_table_lines_up_and_tells_what_is_missing() {
        let kernel = Kernel { messages: 1_234_567, left_out: 7, lost: 3, ..Kernel::default() };
        let kernels = [("worker_0", kernel), ("worker_1", Kernel::default())];
        let written = Written { bytes: 1_500_000, spans: 12, instants: 1000, samples: 0 };
        let recorded = Recorded {
            file: "/tmp/a\u{202e}.pftrace".into(),
            format: TraceFormat::Perfetto,
            filter: "all".into(),
            written: Some(written),
            kernels: kernels.map(|(id, kernel)| (id.to_owned(), kernel)).into(),
            places: TraceRecords::default(),
        };
        let lines: Vec<String> = recorded.lines(80).iter().map(|l| l.render(80, Paint { on: false })).collect();
        assert_eq!(lines[1], "recorded   messages  left out  lost");
        assert_eq!(lines[2], "worker_0  1,234,567         7     3");
        assert_eq!(lines[4], "all       1,234,567         7     3");
        assert_eq!(lines[6], "12 spans, 1,000 instants, 0 samples in 1.5 MB: /tmp/a\\u{202e}.pftrace");
        assert!(lines[7].contains("ui.perfetto.dev"));
    }
}
