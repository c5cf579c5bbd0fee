//! A finding: what was expected, what was seen, and how sure that is.

use std::fmt;
use std::sync::Arc;
use std::time::SystemTime;

/// In which way a series is not as it was.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
#[cfg_attr(feature = "serde", derive(serde::Serialize), serde(rename_all = "snake_case"))]
#[non_exhaustive]
pub enum FindingKind {
    /// Single values lie far off.
    Spike,
    /// The values lie around another level than before.
    LevelShift,
    /// The values move away from where they were, a little at a time.
    Drift,
    /// The values are distributed in another way, wherever their middle is: of latencies, by their buckets; of other series, by
    /// how much they vary.
    Distribution,
}

impl FindingKind {
    /// All kinds.
    pub const ALL: &'static [FindingKind] =
        &[FindingKind::Spike, FindingKind::LevelShift, FindingKind::Drift, FindingKind::Distribution];

    /// Returns the name, in lower case with underscores.
    pub const fn name(self) -> &'static str {
        match self {
            FindingKind::Spike => "spike",
            FindingKind::LevelShift => "level_shift",
            FindingKind::Drift => "drift",
            FindingKind::Distribution => "distribution",
        }
    }
}

impl fmt::Display for FindingKind {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.pad(self.name())
    }
}

/// What of a kernel is watched.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
#[cfg_attr(feature = "serde", derive(serde::Serialize), serde(rename_all = "snake_case"))]
#[non_exhaustive]
pub enum Measure {
    /// Messages handled without error, per second.
    Throughput,
    /// Errors per message handled, 0 to 1.
    ErrorRate,
    /// The median of the latencies of handling, in nanoseconds.
    P50,
    /// Their 99th percentile, in nanoseconds.
    P99,
    /// Messages waiting.
    QueueDepth,
    /// The latencies of handling, by their buckets.
    Latency,
}

impl Measure {
    /// All measures.
    pub const ALL: &'static [Measure] =
        &[Measure::Throughput, Measure::ErrorRate, Measure::P50, Measure::P99, Measure::QueueDepth, Measure::Latency];

    /// Returns the name, in lower case with underscores.
    pub const fn name(self) -> &'static str {
        match self {
            Measure::Throughput => "throughput",
            Measure::ErrorRate => "error_rate",
            Measure::P50 => "p50",
            Measure::P99 => "p99",
            Measure::QueueDepth => "queue_depth",
            Measure::Latency => "latency",
        }
    }

    /// Returns the measure of that name.
    pub fn from_name(name: &str) -> Option<Measure> {
        Measure::ALL.iter().copied().find(|measure| measure.name() == name)
    }
}

impl fmt::Display for Measure {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.pad(self.name())
    }
}

/// Where the values of a distribution went: the buckets that have more of them than was expected.
#[derive(Clone, Copy, Debug, PartialEq)]
#[cfg_attr(feature = "serde", derive(serde::Serialize))]
#[non_exhaustive]
pub struct Moved {
    /// The lower end of these buckets, exclusive.
    pub from: f64,
    /// Their upper end, inclusive.
    pub to: f64,
    /// Which part of the values was expected there, 0 to 1.
    pub expected_share: f64,
    /// Which part of them is there, 0 to 1.
    pub seen_share: f64,
}

/// Something that is not as it was.
#[derive(Clone, Debug, PartialEq)]
#[cfg_attr(feature = "serde", derive(serde::Serialize))]
#[non_exhaustive]
pub struct Finding {
    /// When it was found: the time of the value.
    #[cfg_attr(feature = "serde", serde(serialize_with = "crate::snapshot::unix_seconds"))]
    pub time: SystemTime,
    /// The name of the series; of a kernel, that of the measure.
    pub series: Arc<str>,
    /// The kernel and what of it; `None` for a series that is not a kernel's.
    pub of: Option<(Arc<str>, Measure)>,
    /// In which way.
    pub kind: FindingKind,
    /// What was expected, in the unit of the series. Of a distribution, how far apart two of its samples usually are, in octaves.
    pub expected: f64,
    /// What was seen, likewise.
    pub seen: f64,
    /// How sure it is, 0 to 1.
    pub score: f64,
    /// Where the values of a distribution went.
    pub moved: Option<Moved>,
}

impl Finding {
    pub(super) fn new(time: SystemTime, series: &Arc<str>, kind: FindingKind, values: (f64, f64), score: f64) -> Self {
        let (expected, seen) = values;
        Finding { time, series: Arc::clone(series), of: None, kind, expected, seen, score, moved: None }
    }

    /// Returns the kernel, where it is about one.
    pub fn kernel(&self) -> Option<&str> {
        self.of.as_ref().map(|(kernel, _)| &**kernel)
    }

    /// Returns what of the kernel, where it is about one.
    pub fn measure(&self) -> Option<Measure> {
        self.of.as_ref().map(|(_, measure)| *measure)
    }

    fn value(&self, value: f64) -> String {
        match self.measure() {
            Some(Measure::Throughput) => format!("{} messages/s", short(value)),
            Some(Measure::ErrorRate) => format!("{} %", short(value * 100.0)),
            Some(Measure::P50 | Measure::P99 | Measure::Latency) => duration(value),
            Some(Measure::QueueDepth) => format!("{} messages", short(value)),
            None => short(value),
        }
    }
}

/// As a sentence without its subject's kernel: what, expected, seen, how sure.
impl fmt::Display for Finding {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let what = match (self.kind, self.seen >= self.expected) {
            (FindingKind::Spike, true) => "a spike upward",
            (FindingKind::Spike, false) => "a spike downward",
            (FindingKind::LevelShift, true) => "a shift to a higher level",
            (FindingKind::LevelShift, false) => "a shift to a lower level",
            (FindingKind::Drift, true) => "an upward drift",
            (FindingKind::Drift, false) => "a downward drift",
            (FindingKind::Distribution, _) => "another distribution",
        };
        let of = |kernel| format!(" of {kernel}");
        write!(f, "{}{}: {what}: ", self.series, self.kernel().map(of).unwrap_or_default())?;
        match &self.moved {
            Some(moved) => write!(
                f,
                "{} to {} took {} % of the messages, where {} % were expected",
                self.value(moved.from),
                self.value(moved.to),
                short(moved.seen_share * 100.0),
                short(moved.expected_share * 100.0)
            )?,
            None => write!(f, "{} expected, {} seen", self.value(self.expected), self.value(self.seen))?,
        }
        write!(f, "; {} % sure", percent(self.score))
    }
}

/// Never 100 %.
fn percent(score: f64) -> String {
    format!("{}", (score * 100.0).clamp(0.0, 99.0).floor())
}

/// Three digits, or all before the point.
fn short(value: f64) -> String {
    let magnitude = value.abs();
    match magnitude {
        m if m >= 1e15 || (m > 0.0 && m < 1e-4) => format!("{value:.2e}"),
        m if m >= 100.0 => format!("{value:.0}"),
        m if m >= 10.0 => trimmed(format!("{value:.1}")),
        m if m >= 1.0 => trimmed(format!("{value:.2}")),
        _ => trimmed(format!("{value:.4}")),
    }
}

fn trimmed(text: String) -> String {
    match text.contains('.') {
        true => text.trim_end_matches('0').trim_end_matches('.').to_owned(),
        false => text,
    }
}

fn duration(ns: f64) -> String {
    let units = [(1e9, "s"), (1e6, "ms"), (1e3, "µs")];
    let unit = units.iter().find(|(size, _)| ns.abs() >= *size);
    unit.map_or_else(|| format!("{} ns", short(ns)), |(size, name)| format!("{} {name}", short(ns / size)))
}
