//! The machine and its GPUs.

use std::ops::Range;

use super::columns::{begins, or_none, rows, shaded, span, times};
use crate::cli::past::{GpuColumn, MachineColumn, Past};
use crate::cli::report::chart::{LineChart, Series, Unit};
use crate::cli::report::document::{Block, Cell, Figure, Picture, Section, Table};
use crate::cli::term::units::{self, NONE};

/// Charts of the processors, the memory and each GPU; `None` where nothing is known of them.
pub fn section(past: &Past) -> Option<Section> {
    let mut blocks = Vec::new();
    if past.machine.iter().any(|column| column.samples > 0) {
        let cpu = |c: &MachineColumn| mean(c.samples, c.cpu_percent);
        let memory = |c: &MachineColumn| mean(c.samples, c.memory_mb * 1e6);
        let figures = vec![
            figure(past, "Processors", "Use of all processors together.", Unit::Percent, &past.machine, cpu),
            figure(past, "Memory", "Memory in use by all programs together.", Unit::Bytes, &past.machine, memory),
        ];
        blocks.push(Block::Figures(figures));
    }
    if !past.gpus.is_empty() {
        blocks.push(Block::Table(gpus(past)));
    }
    for (gpu, columns) in &past.gpus {
        let name = |what: &str| format!("GPU {}: {what}", gpu.index);
        let chart = |what: &str, says: &str, unit, of: fn(&GpuColumn) -> Option<f64>| {
            columns
                .iter()
                .any(|column| of(column).is_some())
                .then(|| figure(past, &name(what), says, unit, columns, of))
        };
        let resident = "Part of the time in which any kernel was resident: all of it under a ring kernel, busy or not.";
        let figures = [
            chart("resident", resident, Unit::Percent, |c| mean(c.utilization.0, c.utilization.1)),
            chart("memory", "Memory in use.", Unit::Bytes, |c| mean(c.memory_bytes.0, c.memory_bytes.1)),
            chart("temperature", "Temperature of the chip.", Unit::Celsius, |c| mean(c.temperature.0, c.temperature.1)),
            chart("power", "Power draw.", Unit::Watts, |c| mean(c.power.0, c.power.1)),
        ];
        blocks.push(Block::Figures(figures.into_iter().flatten().collect()));
    }
    (!blocks.is_empty() && !past.columns.is_empty()).then(|| Section::new("machine", "Machine", blocks))
}

fn mean(samples: u32, sum: f64) -> Option<f64> {
    (samples > 0).then(|| sum / f64::from(samples))
}

fn figure<T>(
    past: &Past,
    title: &str,
    says: &str,
    unit: Unit,
    columns: &[T],
    of: impl Fn(&T) -> Option<f64>,
) -> Figure {
    let values: Vec<Option<f64>> = columns.iter().map(&of).collect();
    let row = |range: &Range<usize>| {
        let there: Vec<f64> = values.get(range.clone()).unwrap_or_default().iter().flatten().copied().collect();
        let mean = (!there.is_empty()).then(|| there.iter().sum::<f64>() / there.len() as f64);
        vec![begins(past, range), or_none(mean, |value| unit.shown(value))]
    };
    let table = Table { titles: vec!["from", "mean"], rows: rows(past).iter().map(row).collect() };
    let series = vec![Series { name: title.to_owned(), colour: 0, values, band: Vec::new() }];
    let chart = LineChart { span: span(past), unit, columns: times(past), series, shaded: shaded(past, None) };
    Figure { title: title.to_owned(), says: says.to_owned(), picture: Picture::Lines(chart), table, wide: false }
}

/// Each GPU as it was at the end.
fn gpus(past: &Past) -> Table {
    let titles =
        vec!["GPU", "name", "memory", "of", "temperature", "power", "corrected errors", "uncorrected", "slowed by"];
    let row = |(gpu, _): &(ringscope::machine::GpuMetrics, Vec<GpuColumn>)| {
        let name = gpu.name.as_deref().unwrap_or(NONE);
        let slowed = gpu.throttle_reasons.as_deref().unwrap_or_default();
        vec![
            Cell::Number(gpu.index.to_string()),
            Cell::Name(name.to_owned()),
            or_none(gpu.memory_used_bytes, units::bytes),
            or_none(gpu.memory_total_bytes, units::bytes),
            or_none(gpu.temperature_celsius, |celsius| format!("{celsius} °C")),
            or_none(gpu.power_watts, |watts| format!("{watts:.0} W")),
            or_none(gpu.ecc_errors_corrected, units::exact),
            or_none(gpu.ecc_errors_uncorrected, units::exact),
            Cell::Sentence(slowed.join(", ")),
        ]
    };
    Table { titles, rows: past.gpus.iter().map(row).collect() }
}
