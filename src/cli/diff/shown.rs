//! A comparison for a terminal.

use super::compare::{Comparison, Verdict};
use super::judge::{Compared, Judged};
use super::metric::Metric;
use super::sample::Sample;
use super::shape::shape;
use crate::cli::past::Past;
use crate::cli::term::grid;
use crate::cli::term::text::{Paint, Style, Text, plain, styled};
use crate::cli::term::units::{self, NONE};

/// Kernels whose distributions are shown, whether they differ or not.
const MOST_SHAPES: usize = 8;

/// Tables, distributions, and what became of the conditions.
pub fn lines(
    runs: &[(String, &Past); 2],
    compared: &[Compared],
    samples: &[Sample],
    judged: &[Judged<'_>],
    width: usize,
) -> Vec<Text> {
    let mut lines: Vec<Text> = runs.iter().zip(["a", "b"]).map(|((path, past), name)| run(name, path, past)).collect();
    for (one, other, name) in [(runs[0].1, runs[1].1, "a"), (runs[1].1, runs[0].1, "b")] {
        let missing = one.kernels.iter().filter(|kernel| other.kernels.iter().all(|known| known.id != kernel.id));
        for kernel in missing {
            lines.push(Text::from(vec![styled(Style::Warn, &format!("only in {name}: ")), plain(&kernel.id)]));
        }
    }
    for (one, sample) in compared.iter().zip(samples) {
        lines.push(Text::default());
        lines.extend(kernel(one, width));
        let differs = one.metrics.iter().any(|metric| metric.metric == Metric::Shape && is_real(metric.verdict()));
        if compared.len() <= MOST_SHAPES || differs {
            lines.extend(shape(sample));
        }
    }
    if compared.is_empty() {
        lines.push(Text::from(vec![styled(Style::Warn, "the recordings have no kernel in common")]));
    }
    if !judged.is_empty() {
        lines.push(Text::default());
    }
    lines.extend(judged.iter().flat_map(verdicts));
    lines
}

fn run(name: &str, path: &str, past: &Past) -> Text {
    let length = past.span().map_or_else(
        || "nothing was recorded".to_owned(),
        |(from, to)| {
            let length = units::elapsed(to.duration_since(from).unwrap_or_default());
            format!("{length}, {} readings", units::exact(past.moments))
        },
    );
    Text::from(vec![
        styled(Style::Bold, &format!("{name}: ")),
        plain(path),
        styled(Style::Dim, &format!(" ({length})")),
    ])
}

fn is_real(verdict: Verdict) -> bool {
    matches!(verdict, Verdict::Better | Verdict::Worse | Verdict::Different)
}

fn kernel(compared: &Compared, width: usize) -> Vec<Text> {
    let rows: Vec<Vec<String>> =
        compared.metrics.iter().filter(|one| one.a.is_some() || one.b.is_some()).map(row).collect();
    let mut lines = grid::explained("", 1, &["", "a", "b", "change", "p", "that is"], &rows, width);
    // The name stands where the explanation would.
    let name = vec![styled(Style::Bold, &compared.kernel)];
    lines.splice(..lines.len().min(2), [Text::from(name)]);
    lines.into_iter().map(coloured).collect()
}

/// What became better or worse is seen at once.
fn coloured(line: Text) -> Text {
    let text = line.render(usize::MAX, Paint { on: false });
    let ends = |verdict: Verdict| text.strip_suffix(verdict.name());
    match (ends(Verdict::Worse), ends(Verdict::Better)) {
        (Some(before), _) => Text::from(vec![plain(before), styled(Style::Bad, Verdict::Worse.name())]),
        (_, Some(before)) => Text::from(vec![plain(before), styled(Style::Good, Verdict::Better.name())]),
        _ => line,
    }
}

fn row(one: &Comparison) -> Vec<String> {
    let shown = |value: Option<f64>| value.map_or_else(|| NONE.to_owned(), |value| one.metric.shown(value));
    let p = match one.p {
        Some(p) if one.change() != Some(0.0) => format!("{p:.4}"),
        _ => NONE.to_owned(),
    };
    let a = if one.metric == Metric::Shape { NONE.to_owned() } else { shown(one.a) };
    vec![one.metric.name().to_owned(), a, shown(one.b), change(one), p, one.verdict().name().to_owned()]
}

/// In percent of a; what has no percent in its own unit.
pub fn change(one: &Comparison) -> String {
    match (one.relative(), one.change()) {
        (None, _) | (_, None) => NONE.to_owned(),
        _ if one.metric == Metric::Shape => NONE.to_owned(),
        (Some(part), _) if part.is_finite() => signed_percent(part),
        (_, Some(change)) => format!("+{}", one.metric.shown(change)),
    }
}

fn signed_percent(part: f64) -> String {
    let text = match (part * 100.0).abs() {
        0.0 => return "0 %".to_owned(),
        percent if percent < 9.95 => format!("{percent:.1} %"),
        percent => format!("{percent:.0} %"),
    };
    format!("{}{text}", if part < 0.0 { '-' } else { '+' })
}

/// A line for each kernel of which the condition holds, or one that says that it does not.
fn verdicts(judged: &Judged<'_>) -> Vec<Text> {
    let text = &judged.condition.text;
    let mut lines = Vec::new();
    for (kernel, one) in &judged.holds {
        let says = format!("{text}: {kernel} has {}", was_and_is(one));
        lines.push(Text::from(vec![styled(Style::Bad, "fails: "), plain(&says)]));
    }
    for (kernel, one) in &judged.noise {
        let says =
            format!("{text}: {kernel} has {}, which may be noise (p = {:.2})", was_and_is(one), one.p.unwrap_or(1.0));
        lines.push(Text::from(vec![styled(Style::Good, "passes: "), plain(&says)]));
    }
    if lines.is_empty() {
        lines.push(Text::from(vec![styled(Style::Good, "passes: "), plain(text)]));
    }
    for kernel in &judged.no_value {
        let says = format!("{text}: {kernel} handled nothing in one of them");
        lines.push(Text::from(vec![styled(Style::Warn, "unknown: "), plain(&says)]));
    }
    lines
}

fn was_and_is(one: &Comparison) -> String {
    let shown = |value: Option<f64>| value.map_or_else(|| NONE.to_owned(), |value| one.metric.shown(value));
    format!("{} {}, was {} ({})", one.metric.name(), shown(one.b), shown(one.a), change(one))
}
