//! A set of rules, with silences, and how their alerts are told.

use std::sync::Arc;
use std::time::Duration;

use super::rule::Rule;
use super::silence::Silence;

/// Rules, silences, and how alerts are put together to be told. Cloning it copies them.
///
/// ```
/// use std::time::Duration;
/// use ringscope::alert::{Rule, Rules};
///
/// let rules = Rules::new()
///     .rule(Rule::p99_above("w", Duration::from_millis(100)).hold(Duration::from_secs(120)))
///     .rule(Rule::stalled("*"))
///     .group_by(["kernel"]);
/// assert_eq!(rules.iter().count(), 2);
/// ```
#[derive(Clone, Debug, PartialEq)]
pub struct Rules {
    pub(super) rules: Vec<Rule>,
    pub(super) silences: Vec<Silence>,
    pub(super) telling: Telling,
    pub(super) most_alerts: usize,
}

/// How alerts become notifications.
#[derive(Clone, Debug, PartialEq)]
pub(crate) struct Telling {
    pub(crate) group_by: Vec<Arc<str>>,
    pub(crate) wait: Duration,
    pub(crate) interval: Duration,
    pub(crate) repeat: Duration,
}

impl Default for Telling {
    fn default() -> Self {
        Telling {
            group_by: vec!["rule".into()],
            wait: Rules::DEFAULT_GROUP_WAIT,
            interval: Rules::DEFAULT_GROUP_INTERVAL,
            repeat: Rules::DEFAULT_REPEAT,
        }
    }
}

impl Rules {
    /// Default of [`alerts_per_rule`](Self::alerts_per_rule).
    pub const DEFAULT_ALERTS_PER_RULE: usize = 100;
    /// Default of [`group_wait`](Self::group_wait).
    pub const DEFAULT_GROUP_WAIT: Duration = Duration::ZERO;
    /// Default of [`group_interval`](Self::group_interval).
    pub const DEFAULT_GROUP_INTERVAL: Duration = Duration::from_secs(10);
    /// Default of [`repeat`](Self::repeat).
    pub const DEFAULT_REPEAT: Duration = Duration::from_secs(4 * 3600);

    /// Makes an empty set.
    pub fn new() -> Self {
        Rules {
            rules: Vec::new(),
            silences: Vec::new(),
            telling: Telling::default(),
            most_alerts: Rules::DEFAULT_ALERTS_PER_RULE,
        }
    }

    /// Adds a rule. Where one of that name is there already, it is called `name-2`.
    pub fn rule(mut self, rule: Rule) -> Self {
        let taken = |name: &str| self.rules.iter().any(|known| &*known.name == name);
        let numbered = |n: u32| if n == 1 { rule.name.to_string() } else { format!("{}-{n}", rule.name) };
        let name = (1..).map(numbered).find(|name| !taken(name)).unwrap_or_default();
        self.rules.push(rule.named(name));
        self
    }

    /// Adds all rules and silences of another set.
    pub fn with(self, other: Rules) -> Self {
        let mut all = other.rules.into_iter().fold(self, Rules::rule);
        all.silences.extend(other.silences);
        all
    }

    /// Adds a silence.
    pub fn silence(mut self, silence: Silence) -> Self {
        self.silences.push(silence);
        self
    }

    /// Sets the labels by which alerts are put together into one notification; `rule` and `severity` are labels here. Without
    /// any, all alerts are together. Default: by rule.
    pub fn group_by<L: Into<Arc<str>>>(mut self, labels: impl IntoIterator<Item = L>) -> Self {
        self.telling.group_by = labels.into_iter().map(Into::into).collect();
        self
    }

    /// Sets how long the first notification of a group waits for other alerts to come. Default: 0.
    pub fn group_wait(mut self, time: Duration) -> Self {
        self.telling.wait = time;
        self
    }

    /// Sets the least time between two notifications of a group. Default: 10 s.
    pub fn group_interval(mut self, time: Duration) -> Self {
        self.telling.interval = time;
        self
    }

    /// Sets after which time a group that still fires is told again. Default: 4 h.
    pub fn repeat(mut self, time: Duration) -> Self {
        self.telling.repeat = time;
        self
    }

    /// Sets how many alerts one rule may have at a time; what is more is counted and not raised. Default: 100.
    pub fn alerts_per_rule(mut self, most: usize) -> Self {
        self.most_alerts = most;
        self
    }

    /// Returns the rules, in their order, which is that of their alerts.
    pub fn iter(&self) -> std::slice::Iter<'_, Rule> {
        self.rules.iter()
    }

    /// Returns the rule of that name.
    pub fn get(&self, name: &str) -> Option<&Rule> {
        self.rules.iter().find(|rule| &*rule.name == name)
    }

    /// Returns the silences.
    pub fn silences(&self) -> &[Silence] {
        &self.silences
    }

    /// Returns whether there is no rule.
    pub fn is_empty(&self) -> bool {
        self.rules.is_empty()
    }
}

impl Default for Rules {
    fn default() -> Self {
        Rules::new()
    }
}

impl<'a> IntoIterator for &'a Rules {
    type Item = &'a Rule;
    type IntoIter = std::slice::Iter<'a, Rule>;
    fn into_iter(self) -> Self::IntoIter {
        self.iter()
    }
}

impl FromIterator<Rule> for Rules {
    fn from_iter<I: IntoIterator<Item = Rule>>(rules: I) -> Self {
        rules.into_iter().fold(Rules::new(), Rules::rule)
    }
}
