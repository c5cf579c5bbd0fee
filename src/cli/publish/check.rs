//! `ringscope check`: a configuration file as a whole, without sending anything.

use std::path::Path;

use ringscope::publish::Environment;
use serde::Serialize;

use crate::cli::alerts;
use crate::cli::args::CheckArgs;
use crate::cli::error::CliError;
use crate::cli::publish::file::Problem;
use crate::cli::publish::plan::{self, Plan, Planned};
use crate::cli::term::text::{Style, Text, plain, styled};
use crate::cli::term::{terminal, units};

/// `--json`.
#[derive(Serialize)]
struct Document<'a> {
    ok: bool,
    file: String,
    service: &'a str,
    destinations: Vec<Destination<'a>>,
    problems: &'a [Problem],
}

#[derive(Serialize)]
struct Destination<'a> {
    url: &'a str,
    /// `null`: as the command that is started has it.
    interval_seconds: Option<f64>,
    queue_bytes: usize,
    spool: Option<&'a Path>,
    secrets: Vec<Secret<'a>>,
}

#[derive(Serialize)]
struct Secret<'a> {
    name: &'a str,
    from: &'a str,
}

/// Whether the file can be used; says what is wrong with it, or what it would do.
pub fn check(args: &CheckArgs) -> Result<bool, CliError> {
    if alerts::check::is_of_rules(&args.file) {
        return Ok(alerts::check::check(&args.file, args.json)?);
    }
    let (plan, problems) = plan::check(&args.file, &Environment::of_this_process());
    if args.json {
        terminal::print_json(&document(&args.file, &plan, &problems))?;
    } else if problems.is_empty() {
        terminal::print_lines(&good(&plan))?;
    } else {
        plan::lines(Some(&args.file), &problems).iter().for_each(|line| terminal::say_error(line));
    }
    Ok(problems.is_empty())
}

fn document<'a>(file: &Path, plan: &'a Plan, problems: &'a [Problem]) -> Document<'a> {
    let destination = |planned: &'a Planned| Destination {
        url: &planned.address,
        interval_seconds: planned.interval.map(|interval| interval.as_secs_f64()),
        queue_bytes: planned.delivery.queue_bytes,
        spool: planned.delivery.spool.as_ref().map(|spool| spool.path.as_path()),
        secrets: planned.secrets.iter().map(|(name, from)| Secret { name, from }).collect(),
    };
    Document {
        ok: problems.is_empty(),
        file: file.display().to_string(),
        service: &plan.source.service,
        destinations: plan.destinations.iter().map(destination).collect(),
        problems,
    }
}

fn good(plan: &Plan) -> Vec<Text> {
    let count = plan.destinations.len();
    let s = if count == 1 { "" } else { "s" };
    let first = vec![
        styled(Style::Good, "ok: "),
        plain(&format!("{count} destination{s}, as service {}", plan.source.service)),
    ];
    let mut lines = vec![Text::from(first)];
    for planned in &plan.destinations {
        lines.push(Text::from(vec![styled(Style::Bold, &planned.address), plain(&format!(": {}", how(planned)))]));
    }
    lines
}

fn how(planned: &Planned) -> String {
    let mut says = vec![match planned.interval {
        Some(interval) => format!("every {interval:?}"),
        None => "every 10s by serve, once at the end by run".to_owned(),
    }];
    match &planned.delivery.spool {
        Some(spool) => says.push(format!("up to {} wait in the folder {}", size(spool.limit), spool.path.display())),
        None => says.push(format!("up to {} wait in memory", size(planned.delivery.queue_bytes as u64))),
    }
    says.extend(planned.secrets.iter().map(|(name, from)| format!("{name} from {from}")));
    says.join("; ")
}

/// In the unit that was most likely written.
fn size(bytes: u64) -> String {
    let binary = [(1 << 30, "GiB"), (1 << 20, "MiB"), (1 << 10, "KiB")];
    let whole = binary.iter().find(|(unit, _)| bytes.is_multiple_of(*unit));
    whole.map_or_else(|| units::bytes(bytes), |(unit, name)| format!("{} {name}", bytes / unit))
}
