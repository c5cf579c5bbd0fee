//! What `ringscope replay` takes.

use std::path::PathBuf;
use std::time::Duration;

use clap::Args;

use crate::cli::values::duration;

/// `ringscope replay`.
#[derive(Debug, Args)]
pub struct ReplayArgs {
    /// The recording; its rotated parts beside it are read first
    #[arg(value_name = "FILE")]
    pub file: PathBuf,

    /// How many times faster than it happened, such as 10 or 0.5, or max [default: 1; with --json max]
    #[arg(long, value_name = "N", allow_hyphen_values = true, value_parser = speed)]
    pub speed: Option<Speed>,

    /// Begin so long after the recording's begin, such as 90s or 2h
    #[arg(long, value_name = "TIME", allow_hyphen_values = true, value_parser = duration)]
    pub from: Option<Duration>,

    /// End so long after the recording's begin
    #[arg(long, value_name = "TIME", allow_hyphen_values = true, value_parser = duration)]
    pub until: Option<Duration>,

    /// Print each moment as a JSON document on a line of stdout: snapshot, entries, alerts, missed
    #[arg(long)]
    pub json: bool,
}

/// How fast time goes by.
#[derive(Clone, Copy, Debug, PartialEq)]
pub enum Speed {
    /// So many times as fast.
    Times(f64),
    /// As fast as it can be read.
    Max,
}

impl ReplayArgs {
    /// How fast it goes by.
    pub fn speed(&self) -> Speed {
        self.speed.unwrap_or(if self.json { Speed::Max } else { Speed::Times(1.0) })
    }
}

fn speed(text: &str) -> Result<Speed, String> {
    const MUST: &str = "must be a number from 0.001 to 1000000, such as 10 or 0.5, or max";
    match text.parse::<f64>() {
        _ if text == "max" => Ok(Speed::Max),
        Ok(times) if (0.001..=1e6).contains(&times) => Ok(Speed::Times(times)),
        _ => Err(MUST.to_owned()),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn speeds() {
        assert_eq!(
            (speed("10"), speed("0.5"), speed("max")),
            (Ok(Speed::Times(10.0)), Ok(Speed::Times(0.5)), Ok(Speed::Max))
        );
        for wrong in ["0", "-1", "nan", "inf", "1e7", "fast", ""] {
            assert!(speed(wrong).is_err_and(|error| error.contains("must be")), "{wrong}");
        }
    }
}
