//! What needs somebody's attention: rules, and the alerts that they raise, as pure functions of snapshots.
//!
//! [`Rules`] say what is wrong when; an [`Engine`] looks at one snapshot after the other and finds [`Alert`]s, which are pending,
//! fire, and are resolved. It has no clock and does no I/O: it is a [`Judge`] for a feed of moments, and
//! `ringscope::publish::Alerting` (feature `alerts`) tells people. docs/alerts.md has the list of all kinds of rules.

pub mod anomaly;
mod engine;
#[cfg(feature = "alerts")]
pub(crate) mod from_toml;
mod life;
mod notification;
mod observe;
mod past;
mod pattern;
mod raised;
mod ready;
mod rule;
mod rules;
mod silence;
#[cfg(feature = "alerts")]
mod teller;
mod text;
mod watch;

pub use engine::{AlertCounts, Engine, EngineCounts};
#[cfg(feature = "alerts")]
pub use from_toml::RulesError;
#[cfg(feature = "alerts")]
#[doc(hidden)]
pub use from_toml::is_rules_file;
pub use notification::{Notification, ToldAlert};
pub use pattern::{Matcher, Pattern};
pub use raised::{Alert, AlertState, Judge, Labels, Severity};
pub use rule::Rule;
pub use rules::Rules;
pub use silence::Silence;
#[cfg(feature = "alerts")]
pub(crate) use teller::{Manner, Teller, Wanted};
pub use watch::{MetricValue, MetricWatch, Side, Watch};

#[cfg(test)]
mod tests;
