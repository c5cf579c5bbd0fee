//! What a registration refuses, with the remedy in the message.

use super::explicit::BoundsError;
use crate::device::DeviceError;

/// Why a metric was not registered. Nothing already counted is lost by any of these.
#[derive(Clone, Debug, thiserror::Error, PartialEq, Eq)]
#[non_exhaustive]
pub enum MetricError {
    /// A name that Prometheus or OpenTelemetry does not take.
    #[error("the metric name `{name}` {why}")]
    BadName {
        /// The name, or its start.
        name: String,
        /// What is wrong with it, and what to do.
        why: &'static str,
    },
    /// A unit that is not the end of the name.
    #[error("metric `{metric}` has the unit `{unit}`, which its name does not end with: call it `…_{unit}`")]
    BadUnit {
        /// Name of the metric.
        metric: String,
        /// The unit.
        unit: String,
    },
    /// A label name that Prometheus does not take.
    #[error("metric `{metric}` has a label `{label}`, whose name {why}")]
    BadLabel {
        /// Name of the metric.
        metric: String,
        /// The label, or its start.
        label: String,
        /// What is wrong with it, and what to do.
        why: &'static str,
    },
    /// A label given twice.
    #[error("metric `{metric}` has the label `{label}` twice: give it one value")]
    LabelTwice {
        /// Name of the metric.
        metric: String,
        /// The label.
        label: String,
    },
    /// More labels than allowed.
    #[error("metric `{metric}` has {labels} labels, at most {limit} are allowed: take fewer")]
    TooManyLabels {
        /// Name of the metric.
        metric: String,
        /// How many there are.
        labels: usize,
        /// The limit.
        limit: usize,
    },
    /// A label value that is too long.
    #[error("metric `{metric}` has a value of {bytes} bytes for `{label}`, at most {limit} are allowed: shorten it")]
    LabelValueTooLong {
        /// Name of the metric.
        metric: String,
        /// The label.
        label: String,
        /// Its length in bytes.
        bytes: usize,
        /// The longest that is allowed.
        limit: usize,
    },
    /// A scale beyond the finest.
    #[error("histogram `{metric}` has the scale {scale}, the finest is {finest}: choose one from 0 to {finest}")]
    BadScale {
        /// Name of the metric.
        metric: String,
        /// The scale.
        scale: u32,
        /// The finest that there is.
        finest: u32,
    },
    /// Bounds that are not valid.
    #[error("the bounds of histogram `{metric}` are not valid: {why}")]
    BadBuckets {
        /// Name of the metric.
        metric: String,
        /// What is wrong with it.
        why: BoundsError,
    },
    /// A metric of that name was registered as something else.
    #[error(
        "metric `{metric}` is registered already with the {what} `{registered}`, and now asked for with `{asked}`: \
         choose another name, or register the same"
    )]
    Differs {
        /// Name of the metric.
        metric: String,
        /// In what the two differ.
        what: Difference,
        /// What it has.
        registered: String,
        /// What was asked for.
        asked: String,
    },
    /// Its series would have the names of another metric's, or of a family that ringscope itself exports.
    #[error("`{metric}` and `{other}` would both be exported as `{name}`: rename one of them")]
    NameTaken {
        /// The new metric.
        metric: String,
        /// The other one: registered, or of ringscope's own.
        other: String,
        /// The name that both have.
        name: String,
    },
    /// The limit on series is reached.
    #[error(
        "`{metric}` needs {asked} series and {free} of {limit} are free: use fewer label values, or raise \
         max_series in the TelemetryConfig"
    )]
    TooManySeries {
        /// Name of the metric.
        metric: String,
        /// How many more it needs.
        asked: usize,
        /// How many more fit.
        free: usize,
        /// The limit.
        limit: usize,
    },
    /// A family without labels.
    #[error("the label sets of `{metric}` have no labels: name at least one, or use it without sets")]
    NoLabels {
        /// Name of the metric.
        metric: String,
    },
    /// A label set with too few or too many values.
    #[error("label set {index} of `{metric}` has {values} values for {labels} labels: give one for each")]
    WrongSetLength {
        /// Name of the metric.
        metric: String,
        /// The set's place in the list, from 0.
        index: usize,
        /// Its values.
        values: usize,
        /// The labels.
        labels: usize,
    },
    /// A label set given twice, or the one that counts what is out of range.
    #[error("label set {index} of `{metric}` is there already: give each once, and leave out the one of `overflow`")]
    SetTwice {
        /// Name of the metric.
        metric: String,
        /// The second one's place in the list, from 0.
        index: usize,
    },
    /// A family with more or fewer indices than label sets.
    #[error("`{metric}` has {indices} indices for {sets} label sets: give one for each")]
    WrongIndices {
        /// Name of the metric.
        metric: String,
        /// Its indices.
        indices: usize,
        /// Its label sets.
        sets: usize,
    },
    /// An index beyond the largest.
    #[error(
        "index {index} of `{metric}` is larger than {limit}, the largest that a family may have: number its sets anew"
    )]
    IndexTooLarge {
        /// Name of the metric.
        metric: String,
        /// The index.
        index: u32,
        /// The largest that is allowed.
        limit: u32,
    },
    /// An index given to two label sets.
    #[error("index {index} of `{metric}` is that of two label sets: give each its own")]
    IndexTwice {
        /// Name of the metric.
        metric: String,
        /// The index.
        index: u32,
    },
    /// Indices for a family of kernels' histograms with buckets of one's own.
    #[error(
        "`{metric}` has buckets of its own, and kernels choose from such a family by the places of its label sets alone: \
         leave out the indices, or use exponential buckets"
    )]
    IndexedBuckets {
        /// Name of the metric.
        metric: String,
    },
    /// A metric for kernels, of a collector without a device.
    #[error(
        "`{metric}` is for kernels, and the collector has no device: make the collector with \
         TelemetryCollector::on_device, or register with .on_host()"
    )]
    NoDevice {
        /// Name of the metric.
        metric: String,
    },
    /// A metric of the only device was asked for, and there are several.
    #[error(
        "metric `{metric}` is to be on one device, and the collector has {devices}: call .on_devices(), \
         which returns what kernels on each take"
    )]
    SeveralDevices {
        /// Name of the metric.
        metric: String,
        /// How many there are.
        devices: usize,
    },
    /// A series that the other side, host or kernels, counts in already.
    #[error(
        "series of `{metric}` are registered already, by the host or together with others: a series belongs to the host \
         or to kernels, and label sets that kernels choose from are registered in one piece"
    )]
    Owned {
        /// Name of the metric.
        metric: String,
    },
    /// The device memory that was reserved for metrics is used up.
    #[error("there is no room on the device for the {what} of `{metric}`: raise {bound} in the TelemetryConfig")]
    DeviceFull {
        /// Name of the metric.
        metric: String,
        /// What there is no room for.
        what: &'static str,
        /// The setting to raise.
        bound: &'static str,
    },
    /// A copy to the device failed, so kernels cannot find the metric.
    #[error("`{metric}` was not made known to the device: {error}")]
    Device {
        /// Name of the metric.
        metric: String,
        /// Why it failed.
        error: DeviceError,
    },
}

/// In what two registrations of one name differ.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
#[non_exhaustive]
pub enum Difference {
    /// Counter, gauge or histogram.
    Type,
    /// The help.
    Help,
    /// The unit.
    Unit,
    /// The names of the labels.
    Labels,
    /// A histogram's buckets.
    Buckets,
    /// The numbers by which kernels choose from a family.
    Indices,
}

impl std::fmt::Display for Difference {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.pad(match self {
            Difference::Type => "type",
            Difference::Help => "help",
            Difference::Unit => "unit",
            Difference::Labels => "labels",
            Difference::Buckets => "buckets",
            Difference::Indices => "indices",
        })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn texts_have_single_spaces() {
        let metric = || "m".to_owned();
        for error in [MetricError::Owned { metric: metric() }, MetricError::NoDevice { metric: metric() }] {
            assert!(!error.to_string().contains("  "), "{error}");
        }
    }
}
