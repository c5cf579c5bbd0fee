//! All kernels in one chart, and a section for each: rates, latencies, the queue.

use std::ops::Range;
use std::time::SystemTime;

use ringscope::histogram::{Histogram, slot_bounds};

use super::columns::{begins, coarse, joined, latency, or_none, percent, quantile, rows, shaded, span, times};
use super::summary::anchor;
use crate::cli::past::{KernelPast, Past, Sums, What, merge};
use crate::cli::report::chart::{HeatMap, LineChart, Series, Unit};
use crate::cli::report::document::{Block, Cell, Figure, Picture, Section, Table};
use crate::cli::term::units;

/// Lines that one can tell apart.
const MOST_LINES: usize = 6;
/// Kernels whose sections are open.
const MOST_OPEN: usize = 8;
/// Columns of a heat map.
const HEAT_COLUMNS: usize = 150;
/// Points of a kernel's lines: fewer, where there are many kernels.
const ALL_POINTS: usize = 30_000;

// Of the palette.
const BLUE: usize = 0;
const ORANGE: usize = 1;
const GREEN: usize = 2;
const VERMILLION: usize = 3;

/// The rates of all kernels.
pub fn all(past: &Past) -> Option<Section> {
    if past.columns.is_empty() || past.kernels.len() < 2 {
        return None;
    }
    let mut order: Vec<&KernelPast> = past.kernels.iter().collect();
    order.sort_by_key(|kernel| std::cmp::Reverse(kernel.recorded().processed));
    let (shown, rest) = order.split_at(order.len().min(MOST_LINES));
    let mut series: Vec<Series> = shown.iter().enumerate().map(|(i, kernel)| rates(kernel, i)).collect();
    if !rest.is_empty() {
        series.push(others(past, rest));
    }
    let titles = vec!["from", "all together", "refused", "waiting"];
    let row = |range: &std::ops::Range<usize>| {
        let all: Vec<Sums> = past.kernels.iter().filter_map(|kernel| joined(kernel, range)).collect();
        let sum = |of: fn(&Sums) -> Option<f64>| all.iter().filter_map(of).reduce(|a, b| a + b);
        vec![
            begins(past, range),
            or_none(sum(Sums::rate), units::rate),
            or_none(sum(Sums::errors_per_second), units::rate),
            or_none(sum(Sums::queue), units::rate),
        ]
    };
    let more = if rest.is_empty() { String::new() } else { format!(", the {} others together", rest.len()) };
    let figure = Figure {
        title: "Messages per second".to_owned(),
        says: format!("Messages handled without error per second, by kernel{more}."),
        picture: Picture::Lines(LineChart {
            span: span(past),
            unit: Unit::PerSecond,
            columns: times(past),
            series,
            shaded: shaded(past, None),
        }),
        table: Table { titles, rows: rows(past).iter().map(row).collect() },
        wide: true,
    };
    Some(Section::new("all", "All kernels", vec![Block::Figures(vec![figure])]))
}

fn rates(kernel: &KernelPast, colour: usize) -> Series {
    let values = kernel.columns.iter().map(|sums| sums.as_ref().and_then(Sums::rate)).collect();
    let band = kernel.columns.iter().map(|sums| sums.as_ref().and_then(band)).collect();
    Series { name: kernel.id.to_string(), colour, values, band }
}

fn band(sums: &Sums) -> Option<(f64, f64)> {
    (sums.readings > 1 && sums.slowest <= sums.fastest).then_some((sums.slowest, sums.fastest))
}

fn others(past: &Past, rest: &[&KernelPast]) -> Series {
    let sum = |at: usize| {
        let there = rest.iter().filter_map(|kernel| kernel.columns.get(at)?.as_ref()?.rate());
        there.reduce(|a, b| a + b)
    };
    let values = (0..past.columns.len()).map(sum).collect();
    Series { name: format!("{} others", rest.len()), colour: MOST_LINES, values, band: Vec::new() }
}

/// A section for each kernel.
pub fn each(past: &Past) -> Vec<Section> {
    let ranges = coarse(&past.columns, (ALL_POINTS / past.kernels.len().max(1)).clamp(60, 600));
    past.kernels.iter().enumerate().map(|(place, kernel)| section(past, place, kernel, &ranges)).collect()
}

fn section(past: &Past, place: usize, kernel: &KernelPast, ranges: &[Range<usize>]) -> Section {
    let view = View {
        past,
        kernel,
        columns: ranges.iter().filter_map(|range| between(past, range)).collect(),
        sums: ranges.iter().map(|range| joined(kernel, range)).collect(),
        rows: rows(past).into_iter().map(|range| (begins(past, &range), joined(kernel, &range))).collect(),
    };
    let mut blocks = vec![Block::Table(percentiles(kernel))];
    if !past.columns.is_empty() {
        blocks.push(Block::Figures(view.figures()));
    }
    let folded = past.kernels.len() > MOST_OPEN && !is_touched(past, kernel);
    let beside = format!("{}, {} messages", kernel.last.state, units::count(kernel.processed()));
    Section { is_name: true, folded, beside, ..Section::new(anchor(place), &kernel.id, blocks) }
}

fn is_touched(past: &Past, kernel: &KernelPast) -> bool {
    let of_this = |what: What| matches!(what, What::Hang | What::Failure);
    past.happened.all.iter().any(|told| of_this(told.what) && told.subject == kernel.id)
}

fn between(past: &Past, range: &Range<usize>) -> Option<(SystemTime, SystemTime)> {
    Some((past.columns.get(range.start)?.from, past.columns.get(range.end - 1)?.to))
}

/// Latencies of all messages of the kernel.
fn percentiles(kernel: &KernelPast) -> Table {
    let titles = vec!["latency of", "values", "mean", "min", "p50", "p90", "p95", "p99", "p99.9", "max"];
    let row = |what: &str, all: &Histogram| {
        let mut row = vec![Cell::Text(what.to_owned()), Cell::Number(units::exact(all.count()))];
        row.push(or_none((all.count() > 0).then(|| all.mean()), units::latency));
        row.push(or_none(all.min(), |min| units::latency(min as f64)));
        row.extend([0.5, 0.9, 0.95, 0.99, 0.999].map(|q| latency(all, q)));
        row.push(or_none(all.max(), |max| units::latency(max as f64)));
        row
    };
    let mut rows = vec![row("handling", &kernel.latency())];
    let waiting = kernel.waiting();
    if waiting.count() > 0 {
        rows.push(row("waiting in the queue", &waiting));
    }
    Table { titles, rows }
}

/// One kernel, and the columns that its charts have.
struct View<'a> {
    past: &'a Past,
    kernel: &'a KernelPast,
    columns: Vec<(SystemTime, SystemTime)>,
    sums: Vec<Option<Sums>>,
    /// Of the tables behind the charts.
    rows: Vec<(Cell, Option<Sums>)>,
}

impl View<'_> {
    /// What there is something to show of.
    fn figures(&self) -> Vec<Figure> {
        let mut figures = vec![self.throughput()];
        if self.kernel.latency().count() > 0 {
            figures.push(self.latencies());
            figures.push(self.heat());
        }
        if self.kernel.waiting().count() > 0 {
            figures.push(self.waiting());
        }
        if self.sums.iter().flatten().any(|sums| sums.deepest > 0) {
            figures.push(self.queue());
        }
        if self.kernel.last.blocks > 0 {
            figures.push(self.busy());
        }
        figures
    }

    fn series(&self, name: &str, colour: usize, of: impl Fn(&Sums) -> Option<f64>) -> Series {
        let values = self.sums.iter().map(|sums| sums.as_ref().and_then(&of)).collect();
        Series { name: name.to_owned(), colour, values, band: Vec::new() }
    }

    fn lines(&self, unit: Unit, series: Vec<Series>) -> Picture {
        let columns = self.columns.clone();
        let shaded = shaded(self.past, Some(self.kernel));
        Picture::Lines(LineChart { span: span(self.past), unit, columns, series, shaded })
    }

    fn table(&self, titles: &[&'static str], cells: impl Fn(&Sums) -> Vec<Cell>) -> Table {
        let titles = [&["from"], titles].concat();
        let none = || vec![Cell::number(units::NONE); titles.len() - 1];
        let row = |(from, sums): &(Cell, Option<Sums>)| {
            let cells = sums.as_ref().map_or_else(none, &cells);
            [vec![from.clone()], cells].concat()
        };
        let rows = self.rows.iter().map(row).collect();
        Table { titles, rows }
    }

    fn figure(&self, title: &str, says: &str, picture: Picture, table: Table) -> Figure {
        Figure { title: title.to_owned(), says: says.to_owned(), picture, table, wide: false }
    }

    fn throughput(&self) -> Figure {
        let mut handled = self.series("handled", BLUE, Sums::rate);
        handled.band = self.sums.iter().map(|sums| sums.as_ref().and_then(band)).collect();
        let mut series = vec![handled];
        if self.kernel.errors() > 0 {
            series.push(self.series("refused", VERMILLION, Sums::errors_per_second));
        }
        let table =
            self.table(&["per second", "least", "most", "refused per second", "refused of all", "bytes in"], |sums| {
                let band = band(sums);
                vec![
                    or_none(sums.rate(), units::rate),
                    or_none(band.map(|(least, _)| least), units::rate),
                    or_none(band.map(|(_, most)| most), units::rate),
                    or_none(sums.errors_per_second(), units::rate),
                    or_none(sums.error_rate(), percent),
                    Cell::Number(units::bytes(sums.bytes_in)),
                ]
            });
        let says = "Messages per second: handled without error, and refused.";
        self.figure("Messages per second", says, self.lines(Unit::PerSecond, series), table)
    }

    fn percentile_lines(&self, title: &str, says: &str, of: fn(&Sums) -> &Histogram) -> Figure {
        let line = |(name, q, colour): (&str, f64, usize)| self.series(name, colour, |sums| quantile(of(sums), q));
        let series = [("p99", 0.99, VERMILLION), ("p90", 0.9, ORANGE), ("p50", 0.5, BLUE)].map(line);
        let table = self.table(&["values", "p50", "p90", "p99", "max"], |sums| {
            let all = of(sums);
            let mut cells = vec![Cell::Number(units::exact(all.count()))];
            cells.extend([0.5, 0.9, 0.99].map(|q| latency(all, q)));
            cells.push(or_none(all.max(), |max| units::latency(max as f64)));
            cells
        });
        self.figure(title, says, self.lines(Unit::Latency, series.into()), table)
    }

    fn latencies(&self) -> Figure {
        let says = "Percentiles of the time that a message takes in the handler; each decade is equally high.";
        self.percentile_lines("Latency of handling", says, |sums| &sums.latency)
    }

    fn waiting(&self) -> Figure {
        let says = "Percentiles of the time that a message waits in the queue; each decade is equally high.";
        self.percentile_lines("Time in the queue", says, |sums| &sums.waiting)
    }

    fn queue(&self) -> Figure {
        let series =
            vec![self.series("most", ORANGE, |sums| Some(sums.deepest as f64)), self.series("mean", BLUE, Sums::queue)];
        let table = self.table(&["mean", "most"], |sums| {
            vec![or_none(sums.queue(), units::rate), Cell::Number(units::exact(sums.deepest))]
        });
        let says = "Messages waiting in the queue, as read.";
        self.figure("Messages waiting", says, self.lines(Unit::Messages, series), table)
    }

    fn busy(&self) -> Figure {
        let series = vec![self.series("busy", GREEN, Sums::busy_ratio)];
        let table = self.table(&["busy"], |sums| vec![or_none(sums.busy_ratio(), percent)]);
        let says = "Time in the handler as a part of the time, per block.";
        self.figure("Busy", says, self.lines(Unit::Part, series), table)
    }

    fn heat(&self) -> Figure {
        let ranges = coarse(&self.past.columns, HEAT_COLUMNS);
        let columns = ranges.iter().filter_map(|range| between(self.past, range)).collect();
        let of = |range| joined(self.kernel, range).map_or_else(Histogram::default, |sums| sums.latency);
        let columns_of: Vec<Histogram> = ranges.iter().map(of).collect();
        let mut all = Histogram::new(u32::MAX);
        columns_of.iter().for_each(|column| merge(&mut all, column));
        let all = fitting(&all);
        let slots: Vec<usize> = all.slots().map(|(slot, _)| slot).collect();
        let counts = |column: &Histogram| {
            let column = column.downscaled(all.scale());
            let count = |slot: &usize| column.slots().find(|(known, _)| known == slot).map_or(0, |(_, count)| count);
            slots.iter().map(count).collect()
        };
        let bounds = |slot: &usize| {
            let (low, high) = slot_bounds(*slot, all.scale());
            low..high
        };
        let rows = slots.iter().map(bounds).collect();
        let table = self.table(&["values", "min", "p50", "p99.9", "max"], |sums| {
            let all = &sums.latency;
            vec![
                Cell::Number(units::exact(all.count())),
                or_none(all.min(), |min| units::latency(min as f64)),
                latency(all, 0.5),
                latency(all, 0.999),
                or_none(all.max(), |max| units::latency(max as f64)),
            ]
        });
        let shaded = shaded(self.past, Some(self.kernel));
        let counts = columns_of.iter().map(counts).collect();
        let heat = HeatMap { span: span(self.past), columns, rows, counts, shaded };
        let says =
            "How many messages took how long, over time: the more, the stronger the colour, on a logarithmic scale.";
        self.figure("Latencies over time", says, Picture::Heat(heat), table)
    }
}

/// In so few rows that one can be told from the next.
fn fitting(all: &Histogram) -> Histogram {
    const MOST_ROWS: usize = 64;
    let scales = (0..=all.scale()).rev().map(|scale| all.downscaled(scale));
    scales.into_iter().find(|one| one.slots().count() <= MOST_ROWS).unwrap_or_else(|| all.downscaled(0))
}
