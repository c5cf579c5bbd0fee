//! The command.

use std::path::Path;

use super::args::DiffArgs;
use super::compare::compare;
use super::condition::Condition;
use super::error::DiffError;
use super::judge::{Compared, Judged, judge};
use super::sample::Sample;
use super::{json, shown};
use crate::cli::error::CliError;
use crate::cli::past::{self, Past};
use crate::cli::term::terminal;
use crate::cli::term::text::{Style, plain, styled};
use crate::cli::workload::input::shown as shown_path;

/// Blocks that each recording is cut into, at most: so few that what is near in time is in one block, so many that they can be
/// dealt out in many ways.
const MOST_BLOCKS: usize = 64;

/// Compares two recordings; whether no condition holds.
///
/// # Errors
/// A recording cannot be read, or a condition is about nothing that there is.
pub fn diff(args: &DiffArgs) -> Result<bool, CliError> {
    let (a, b) = (read(&args.a)?, read(&args.b)?);
    let (mut compared, mut samples) = (Vec::new(), Vec::new());
    for kernel in &a.kernels {
        let Some(other) = b.kernels.iter().find(|other| other.id == kernel.id) else { continue };
        terminal::progress(Some(&format!("comparing {}", kernel.id)));
        let sample = Sample::new((&a.columns, kernel), (&b.columns, other));
        compared.push(Compared { kernel: kernel.id.to_string(), metrics: compare(&sample) });
        samples.push(sample);
    }
    let judge = |condition| judged(condition, &compared, args.even_noise);
    let judged: Vec<Judged<'_>> = args.fail_if.iter().map(judge).collect::<Result<_, _>>()?;
    let runs = [(shown_path(&args.a), &a), (shown_path(&args.b), &b)];
    if args.json {
        terminal::print_json(&json::document(&runs, &compared, &judged))?;
    } else {
        terminal::print_lines(&shown::lines(&runs, &compared, &samples, &judged, terminal::stdout_width()))?;
    }
    Ok(judged.iter().all(|one| one.holds.is_empty()))
}

fn read(path: &Path) -> Result<Past, DiffError> {
    terminal::progress(Some("reading the recordings"));
    let read =
        past::read(path, MOST_BLOCKS).map_err(|source| DiffError::Unreadable { path: shown_path(path), source })?;
    read.damage.iter().for_each(|damage| terminal::say(&[styled(Style::Warn, "warning: "), plain(damage)]));
    Ok(read.past)
}

/// A condition that could never hold is a mistake, not a success.
fn judged<'a>(condition: &'a Condition, all: &'a [Compared], even_noise: bool) -> Result<Judged<'a>, DiffError> {
    let judged = judge(condition, all, even_noise);
    if judged.judged > 0 {
        return Ok(judged);
    }
    let text = condition.text.clone();
    if judged.no_value.is_empty() {
        let names: Vec<&str> = all.iter().map(|compared| compared.kernel.as_str()).collect();
        let both = if names.is_empty() { "none in common".to_owned() } else { few(&names) };
        return Err(DiffError::NoKernel { condition: text, both });
    }
    let (kernels, metric) = (few(&judged.no_value), condition.metric.name());
    Err(DiffError::NoValue { condition: text, kernels, metric })
}

/// The first of them.
fn few(names: &[&str]) -> String {
    const MOST: usize = 8;
    let (first, rest) = names.split_at(names.len().min(MOST));
    let more = if rest.is_empty() { String::new() } else { format!(" and {} more", rest.len()) };
    format!("{}{more}", first.join(", "))
}
