//! The flags of publishing, the same for `run` and `serve`.

use std::convert::Infallible;
use std::fmt;
use std::path::PathBuf;
use std::time::Duration;

use clap::Args;
use ringscope::publish::Environment;

use crate::cli::publish::plan::{Plan, PlanError, plan};
use crate::cli::publish::settings::parse_interval;
use crate::cli::term::terminal;
use crate::cli::values::sample;

/// `--publish` and what belongs to it.
#[derive(Debug, Args)]
pub struct PublishArgs {
    /// Publish the telemetry to this destination as well, such as otlp+http://localhost:4318 or json-file:run.json; may be
    /// given several times. Passwords and keys do not belong into it
    #[arg(long, value_name = "URL", value_parser = Url::new)]
    pub publish: Vec<Url>,

    /// Time between two publications, 100ms to 24h, over what the file says [default: 10s with serve; with run, once at the
    /// end]
    #[arg(long, value_name = "TIME", allow_hyphen_values = true, value_parser = parse_interval)]
    pub publish_interval: Option<Duration>,

    /// Publish spans of messages as well, of one of so many: 1/N, N a power of two. otlp+…, jaeger and grafana-cloud take
    /// them [default: none]
    #[arg(long, value_name = "1/N", allow_hyphen_values = true, value_parser = sample)]
    pub publish_spans: Option<u64>,

    /// TOML file with destinations and their settings; `ringscope check` checks it
    #[arg(long, value_name = "FILE")]
    pub config: Option<PathBuf>,
}

/// A destination as it was written. `Debug` does not show it: somebody may have written a secret there.
#[derive(Clone)]
pub struct Url(String);

impl Url {
    /// Takes anything: what is wrong with it is said without quoting it.
    fn new(text: &str) -> Result<Url, Infallible> {
        Ok(Url(text.to_owned()))
    }
}

impl AsRef<str> for Url {
    fn as_ref(&self) -> &str {
        &self.0
    }
}

impl fmt::Debug for Url {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("Url")
    }
}

impl PublishArgs {
    /// Whether anything is to be published.
    pub fn is_wanted(&self) -> bool {
        !self.publish.is_empty() || self.config.is_some()
    }

    /// What is to be published where; `None`, if nothing is. `json` is whether stdout gets a document.
    ///
    /// # Errors
    /// [`PlanError`] with everything that is wrong.
    pub fn plan(&self, json: bool) -> Result<Option<Plan>, PlanError> {
        if !self.is_wanted() {
            return Ok(None);
        }
        let environment = Environment::of_this_process();
        let plan = plan(&self.publish, self.publish_interval, self.config.as_deref(), &environment)?;
        if let Some(planned) = plan.destinations.iter().find(|planned| planned.writes_to_stdout()) {
            if json {
                return Err(PlanError::of_flag(&format!(
                    "{} and --json both take stdout: leave out one",
                    planned.address
                )));
            }
            terminal::leave_stdout();
        }
        Ok((!plan.destinations.is_empty()).then_some(plan))
    }
}
