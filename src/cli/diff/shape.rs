//! Two distributions, one above the other.

use super::compare::halves;
use super::sample::{Buckets, Distribution, Sample, distance};
use crate::cli::term::text::{Style, Text, plain, styled};
use crate::cli::term::units;

/// Columns of the bars.
const MOST: usize = 60;
const BARS: [char; 8] = ['▁', '▂', '▃', '▄', '▅', '▆', '▇', '█'];

/// Lines with the latencies of a and of b on one axis; none where one of them has no values.
pub fn shape(sample: &Sample) -> Vec<Text> {
    let (a, b) = halves(sample);
    let (a, b) = (sample.total(&a).latency, sample.total(&b).latency);
    let bounds = &sample.latency.bounds;
    let (Some((distance, at)), Some(first), Some(last)) = (distance(&a, &b), bounds.first(), bounds.last()) else {
        return Vec::new();
    };
    let per = bounds.len().div_ceil(MOST);
    let (bars_a, bars_b) = (parts(&a, per), parts(&b, per));
    let most = bars_a.iter().chain(&bars_b).copied().fold(0.0, f64::max);
    let (low, high) = (units::latency(first.0), units::latency(last.1));
    let says = format!("  how long messages took, from {low} at the left to {high} at the right");
    let mut lines = vec![Text::from(vec![styled(Style::Dim, &says)])];
    for (name, bars) in [("a", &bars_a), ("b", &bars_b)] {
        let bars: String = bars.iter().map(|part| bar(*part, most)).collect();
        lines.push(Text::from(vec![plain(&format!("  {name} ")), plain(bars.trim_end())]));
    }
    if distance > 0.0 {
        let part = |of: &Distribution| format!("{:.1} %", Buckets::below(of)[at] * 100.0);
        let limit = units::latency(bounds[at].1);
        let says = format!("  they differ most at {limit}: {} of a and {} of b took no longer", part(&a), part(&b));
        lines.push(Text::from(vec![styled(Style::Dim, &says)]));
    }
    lines
}

/// The parts of the values that fall into each so many buckets.
fn parts(of: &Distribution, per: usize) -> Vec<f64> {
    of.counts.chunks(per).map(|counts| counts.iter().sum::<f64>() / of.count).collect()
}

/// What is there is seen, however little it is.
fn bar(part: f64, most: f64) -> char {
    match part {
        0.0 => ' ',
        part => BARS[((part / most * 7.0).round() as usize).min(7)],
    }
}
