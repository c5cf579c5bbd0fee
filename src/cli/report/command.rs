//! The command.

use super::args::{ReportArgs, ReportFormat};
use super::error::ReportError;
use super::tell::{About, document};
use super::{html, markdown, write};
use crate::cli::error::CliError;
use crate::cli::past::{self, Past};
use crate::cli::term::terminal;
use crate::cli::term::text::{Style, plain, styled};
use crate::cli::workload::input::shown;

/// Columns of time that a chart has at most.
const MOST_COLUMNS: usize = 600;

/// Reads the recording and writes the report.
///
/// # Errors
/// The recording cannot be read, or the report not be written.
pub fn report(args: &ReportArgs) -> Result<bool, CliError> {
    let target = args.target();
    if let Some(target) = &target {
        write::check(&args.file, target)?;
    }
    terminal::progress(Some("reading the recording"));
    let read = past::read(&args.file, MOST_COLUMNS)
        .map_err(|source| ReportError::Unreadable { path: shown(&args.file), source })?;
    let name = args.file.file_name().unwrap_or(args.file.as_os_str()).to_string_lossy().into_owned();
    let damage = (!read.damage.is_empty()).then(|| format!("{}.", read.damage.join(". ")));
    let about = About { name, facts: read.facts, damage };
    let decimals = decimals(&read.past);
    let document = document(&read.past, &about);
    let text = match args.format() {
        ReportFormat::Html => html::page(&document, decimals),
        ReportFormat::Markdown => markdown::page(&document, decimals),
    };
    read.damage.iter().for_each(|damage| terminal::say(&[styled(Style::Warn, "warning: "), plain(damage)]));
    match &target {
        None => terminal::print_text(&text)?,
        Some(target) => {
            write::write(target, &text)?;
            terminal::say(&[plain(&format!("wrote {}", shown(target)))]);
        }
    }
    Ok(true)
}

/// Decimals of a second that tell two readings apart.
fn decimals(past: &Past) -> usize {
    match past.step_between() {
        Some(step) if step.as_millis() < 100 => 3,
        Some(step) if step.as_millis() < 1000 => 1,
        _ => 0,
    }
}
