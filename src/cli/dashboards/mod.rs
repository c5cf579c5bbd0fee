//! `ringscope dashboards`: dashboards and rules as files, and where to import each.

pub mod args;
pub mod error;

use std::io::ErrorKind;
use std::path::{Path, PathBuf};

use ringscope::dashboard::{File, files};
use serde::Serialize;

use crate::cli::dashboards::args::DashboardsArgs;
use crate::cli::dashboards::error::{DashboardsError, failed};
use crate::cli::error::CliError;
use crate::cli::term::terminal;
use crate::cli::term::text::{Style, Text, plain, styled};
use crate::cli::workload::input::shown;

/// What became of a file.
#[derive(Clone, Copy, PartialEq, Eq, Serialize)]
#[serde(rename_all = "lowercase")]
enum Done {
    Written,
    Unchanged,
    Overwritten,
}

/// `--json`.
#[derive(Serialize)]
struct Document {
    folder: String,
    files: Vec<Listed>,
}

#[derive(Serialize)]
struct Listed {
    path: String,
    /// `written`, `overwritten`, or `unchanged`: it was there.
    done: Done,
    bytes: usize,
    reader: &'static str,
    what: &'static str,
    import: &'static str,
}

/// Writes them, and says which and what to do with each.
pub fn dashboards(args: &DashboardsArgs) -> Result<bool, CliError> {
    let mut wanted = files(&args.options());
    wanted.retain(|file| args.wants(file.reader));
    let planned = plan(&args.out, &wanted)?;
    let changed = planned.iter().filter(|(_, _, done)| *done == Done::Overwritten);
    let changed: Vec<String> = changed.map(|(_, path, _)| shown(path)).collect();
    if !changed.is_empty() && !args.force {
        return Err(DashboardsError::Changed { files: changed }.into());
    }
    for (file, path, done) in &planned {
        if *done != Done::Unchanged {
            write(path, &file.contents)?;
        }
    }
    if args.json {
        terminal::print_json(&document(&args.out, &planned))?;
    } else {
        terminal::print_lines(&told(&planned))?;
    }
    Ok(true)
}

type Planned<'a> = (&'a File, PathBuf, Done);

/// What is to be done with each file, before anything is.
fn plan<'a>(folder: &Path, files: &'a [File]) -> Result<Vec<Planned<'a>>, DashboardsError> {
    let done = |file: &'a File| {
        let path = folder.join(&file.path);
        match std::fs::read(&path) {
            Ok(there) if there == file.contents.as_bytes() => Ok((file, path, Done::Unchanged)),
            Ok(_) => Ok((file, path, Done::Overwritten)),
            Err(error) if error.kind() == ErrorKind::NotFound => Ok((file, path, Done::Written)),
            Err(source) => Err(failed(&path, source)),
        }
    };
    files.iter().map(done).collect()
}

fn write(path: &Path, contents: &str) -> Result<(), DashboardsError> {
    let folder = path.parent().unwrap_or(path);
    std::fs::create_dir_all(folder).map_err(|source| failed(path, source))?;
    std::fs::write(path, contents).map_err(|source| failed(path, source))
}

fn document(folder: &Path, planned: &[Planned]) -> Document {
    let listed = |(file, path, done): &Planned| Listed {
        path: path.display().to_string(),
        done: *done,
        bytes: file.contents.len(),
        reader: file.reader.name(),
        what: file.what,
        import: file.import,
    };
    Document { folder: folder.display().to_string(), files: planned.iter().map(listed).collect() }
}

/// Each file, and below those of one kind how they are imported.
fn told(planned: &[Planned]) -> Vec<Text> {
    let mut lines = Vec::new();
    for of_one_kind in planned.chunk_by(|(a, ..), (b, ..)| a.import == b.import) {
        for (file, path, done) in of_one_kind {
            let done = match done {
                Done::Written => styled(Style::Good, "written: "),
                Done::Overwritten => styled(Style::Warn, "written over: "),
                Done::Unchanged => styled(Style::Dim, "unchanged: "),
            };
            let what = plain(&format!(", {}", file.what));
            lines.push(Text::from(vec![done, styled(Style::Bold, &path.to_string_lossy()), what]));
        }
        lines.extend(of_one_kind.first().map(|(file, ..)| Text::from(vec![plain(&format!("  {}", file.import))])));
    }
    lines
}
