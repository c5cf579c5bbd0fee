//! The machine: its processors and memory, and its GPUs.

use ratatui::layout::Rect;
use ringscope::machine::GpuMetrics;

use crate::cli::term::units;
use crate::cli::top::input::Target;
use crate::cli::top::state::app::App;
use crate::cli::top::state::point::TotalPoint;
use crate::cli::top::view::chart::{Chart, moments};
use crate::cli::top::view::pen::{Pen, top};
use crate::cli::top::view::theme::Role;

/// Lines of one GPU.
const GPU: u16 = 4;

/// Draws the page.
pub fn draw(pen: &mut Pen, app: &App, area: Rect) {
    let Some(moment) = app.moment() else { return };
    let area = Rect { x: area.x + 1, width: area.width.saturating_sub(2), ..area };
    let (machine, rest) = top(area, if area.height >= 14 { 7 } else { area.height.min(3) });
    draw_machine(pen, app, machine);
    let gpus = moment.snapshot.gpus.as_deref().unwrap_or_default();
    if gpus.is_empty() {
        let says = "No GPU is known to NVIDIA's management library here.";
        pen.write(
            rest.x,
            rest.y + u16::from(rest.height > 1),
            if rest.height > 1 { rest.width } else { 0 },
            says,
            Role::Dim,
        );
    }
    let shown = usize::from(rest.height / GPU).max(1);
    pen.shape.lines = shown;
    let at = app.line.min(gpus.len().saturating_sub(1));
    let first = (at + 1).saturating_sub(shown);
    for (n, gpu) in gpus.iter().enumerate().skip(first).take(shown) {
        let y = rest.y + (n - first) as u16 * GPU;
        let field = Rect { y, height: GPU.min(rest.bottom().saturating_sub(y)), ..rest };
        draw_gpu(pen, gpu, field, n == at && gpus.len() > 1);
        pen.target(field, Target::Line(n, n == at));
    }
}

fn draw_machine(pen: &mut Pen, app: &App, area: Rect) {
    let system = app.moment().and_then(|moment| moment.snapshot.system);
    let Some(system) = system else {
        pen.write(area.x, area.y, area.width, "The machine's processors and memory are not known so far.", Role::Dim);
        return;
    };
    let width = area.width / 2;
    let values = |of: fn(&TotalPoint) -> Option<f64>| {
        let column = |(first, last): (u64, u64)| {
            let values = (first..=last).filter_map(|number| of(app.history.total(number)?));
            values.reduce(f64::max)
        };
        moments(app, width.saturating_sub(2), app.zoom).into_iter().map(column).collect()
    };
    let bytes = |value: f64| units::bytes(value.max(0.0) as u64);
    let charts = [
        Chart {
            title: "processors",
            now: format!("{:.0} %", system.cpu_utilization_percent),
            values: values(|total| total.cpu),
            unit: |value| format!("{value:.0} %"),
            role: Role::Rate,
        },
        Chart {
            title: "memory in use",
            now: bytes(system.memory_used_mb * 1e6),
            values: values(|total| total.memory),
            unit: bytes,
            role: Role::Queue,
        },
    ];
    let height = area.height.saturating_sub(1).max(area.height.min(2));
    for (chart, x) in charts.iter().zip([area.x, area.x + width]) {
        chart.draw(pen, Rect { x, width: width.saturating_sub(2), height, ..area });
    }
}

fn draw_gpu(pen: &mut Pen, gpu: &GpuMetrics, area: Rect, selected: bool) {
    if area.height == 0 {
        return;
    }
    let name = gpu.name.as_deref().map_or(String::new(), |name| format!("  {}", crate::cli::term::text::escaped(name)));
    let uuid = gpu.uuid.as_deref().map(crate::cli::term::text::escaped).unwrap_or_default();
    let mark = if selected { pen.theme.sign("▶ ", "> ") } else { "" };
    pen.heading(Rect { height: 1, ..area }, &format!("{mark}GPU {}{name}", gpu.index), &uuid);
    let unknown = || units::NONE.to_owned();
    let used = gpu.memory_used_bytes.zip(gpu.memory_total_bytes);
    let bars = [
        ("resident", gpu.utilization_percent.map(|part| (f64::from(part) / 100.0, format!("{part} %"))), Role::Rate),
        (
            "memory",
            used.map(|(used, all)| {
                (used as f64 / (all.max(1)) as f64, format!("{} of {}", units::bytes(used), units::bytes(all)))
            }),
            Role::Queue,
        ),
    ];
    let half = area.width / 2;
    for (n, (what, value, role)) in bars.into_iter().enumerate().take(usize::from(area.height - 1)) {
        let x = area.x + n as u16 * half;
        let y = area.y + 1;
        pen.write(x, y, 9, what, Role::Dim);
        let Some((part, text)) = value else {
            pen.write(x + 9, y, half.saturating_sub(9), &unknown(), Role::Dim);
            continue;
        };
        let bar = half.saturating_sub(9 + 22).min(30);
        let style = pen.theme.style(role);
        pen.bar(x + 9, y, bar, part, style);
        pen.write(x + 10 + bar, y, half.saturating_sub(11 + bar), &text, Role::Plain);
    }
    let or = |value: Option<String>| value.unwrap_or_else(unknown);
    let facts = [
        ("temperature", or(gpu.temperature_celsius.map(|celsius| format!("{celsius} °C")))),
        ("power", or(gpu.power_watts.map(|watts| format!("{watts:.0} W")))),
        ("SM clock", or(gpu.sm_clock_mhz.map(|mhz| format!("{mhz} MHz")))),
        ("memory clock", or(gpu.memory_clock_mhz.map(|mhz| format!("{mhz} MHz")))),
        ("ECC errors", or(gpu.ecc_errors_uncorrected.map(units::exact))),
        (
            "slowed by",
            or(gpu.throttle_reasons.as_ref().map(|all| if all.is_empty() { "nothing".into() } else { all.join(", ") })),
        ),
    ];
    let mut x = area.x;
    for (name, value) in facts {
        if area.height < 3 {
            return;
        }
        x += pen.write(x, area.y + 2, area.right().saturating_sub(x), name, Role::Dim) + 1;
        let plain = pen.theme.style(Role::Plain);
        x += pen.name(x, area.y + 2, area.right().saturating_sub(x), &value, plain) + 3;
    }
}
