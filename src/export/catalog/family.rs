//! An entry of the catalog: what a family is called, and how its samples are read from a snapshot.

use std::borrow::Cow;

use super::kind::FamilyKind;
use super::labels::{DeviceLabels, Few, labels_of};
use super::sample::{LabelSet, MetricHeader, Number, Quantiles, Sample, Sink};
use crate::machine::GpuMetrics;
use crate::metrics::{Family, MetricKind};
use crate::snapshot::{
    DeviceSummary, DropReason, Dropped, KernelState, KernelTelemetry, NetworkTelemetry, OperationCounts,
    OperationStatus, OperationTelemetry, PublisherTelemetry, Snapshot,
};

/// A family of metrics that ringscope itself exports, with a fixed name.
#[derive(Clone, Copy, Debug)]
#[non_exhaustive]
pub struct ExportedFamily {
    /// Name of the family; of a counter, without the `_total` that its samples have.
    pub name: &'static str,
    /// Type of the family.
    pub kind: FamilyKind,
    /// Base unit, with which the name ends; `None` for a plain number.
    pub unit: Option<&'static str>,
    /// Help text: one sentence about what is counted or measured.
    pub help: &'static str,
    /// Names of the labels of each sample, beside `le` and `quantile`, which belong to the format. Host actors have no device,
    /// and the host device no UUID: these labels are left out then.
    pub labels: &'static [&'static str],
    /// Whether a reset does not change it.
    whole_life: bool,
    pub(super) read: Read,
}

/// A value of the label `what`, and its count.
pub(super) type DroppedFrom = (&'static str, fn(&Dropped) -> u64);

/// Where the samples of a family come from. A kernel or a GPU that does not have the value has no sample.
#[derive(Clone, Copy, Debug)]
pub(super) enum Read {
    Kernel(fn(&KernelTelemetry) -> Option<Sample<'_>>),
    /// For each device.
    Device(fn(&DeviceSummary) -> Option<Sample<'_>>),
    /// One sample for each device, 1: what it is, its labels say.
    DeviceInfo,
    /// As `Kernel`, for formats with native histograms.
    KernelNative(fn(&KernelTelemetry) -> Option<Sample<'_>>),
    /// One sample for each state: 1 for the current state, 0 for the others.
    KernelState,
    Snapshot(fn(&Snapshot) -> Option<Sample<'_>>),
    /// The handling times of all kernels together.
    TaskLatency,
    /// One sample for each bounded thing that drops.
    Dropped(&'static [DroppedFrom]),
    /// One sample for each histogram of the user's.
    ValuesDropped,
    Gpu(fn(&GpuMetrics) -> Option<Sample<'_>>),
    /// For each name of operations.
    Operation(fn(&OperationTelemetry) -> Option<Sample<'_>>),
    OperationNative(fn(&OperationTelemetry) -> Option<Sample<'_>>),
    /// One sample for each way of ending.
    OperationStatus,
    /// For each kind of network operation with each peer.
    Network(fn(&NetworkTelemetry) -> Option<Sample<'_>>),
    NetworkNative(fn(&NetworkTelemetry) -> Option<Sample<'_>>),
    NetworkStatus,
    /// For each destination.
    Publisher(fn(&PublisherTelemetry) -> Option<Sample<'_>>),
    /// One sample for each reason to drop.
    PublisherDropped,
}

impl ExportedFamily {
    /// Returns the name of the family's samples in Prometheus's text: for a counter `name` and `_total`, otherwise
    /// `name`, to which a histogram adds `_bucket`, `_sum` and `_count`, and a summary `_sum` and `_count`.
    pub fn sample_name(&self) -> Cow<'static, str> {
        match self.kind {
            FamilyKind::Counter => Cow::Owned(format!("{}_total", self.name)),
            _ => Cow::Borrowed(self.name),
        }
    }

    /// Returns whether the family is only on pages of a format with native histograms, which is protobuf.
    pub fn is_native_only(&self) -> bool {
        matches!(self.read, Read::KernelNative(_) | Read::OperationNative(_) | Read::NetworkNative(_))
    }

    pub(super) const fn new(name: &'static str, kind: FamilyKind, help: &'static str, read: Read) -> Self {
        let labels: &[&str] = match read {
            Read::Kernel(_) | Read::KernelNative(_) => &["kernel", "device", "device_uuid"],
            Read::KernelState => &["kernel", "device", "device_uuid", "state"],
            Read::Device(_) => &["device", "device_uuid"],
            Read::DeviceInfo => &["device", "device_uuid", "name", "kind"],
            Read::Snapshot(_) | Read::TaskLatency => &[],
            Read::Dropped(_) => &["what"],
            Read::ValuesDropped => &["metric"],
            Read::Gpu(_) => &["gpu", "uuid"],
            Read::Operation(_) | Read::OperationNative(_) => &["name"],
            Read::OperationStatus => &["name", "status"],
            Read::Network(_) | Read::NetworkNative(_) => &["kind", "peer"],
            Read::NetworkStatus => &["kind", "peer", "status"],
            Read::Publisher(_) => &["destination"],
            Read::PublisherDropped => &["destination", "reason"],
        };
        ExportedFamily { name, kind, unit: None, help, labels, whole_life: false, read }
    }

    pub(super) const fn unit(mut self, unit: &'static str) -> Self {
        self.unit = Some(unit);
        self
    }

    /// Says that a reset does not change it.
    pub(super) const fn whole_life(mut self) -> Self {
        self.whole_life = true;
        self
    }

    /// Hands the family and its samples in `snapshot` to `sink`; without a sample, nothing.
    pub(super) fn visit<S: Sink>(&self, snapshot: &Snapshot, sink: &mut S) {
        let kernels = &snapshot.kernels;
        let operations = snapshot.operations.as_deref();
        let by_name = operations.map_or(&[][..], |all| &all.by_name);
        let network = operations.map_or(&[][..], |all| &all.network);
        match self.read {
            _ if self.is_native_only() && !S::NATIVE => {}
            Read::Kernel(read) | Read::KernelNative(read) => {
                let of_devices = DeviceLabels::all(snapshot);
                self.each(kernels, read, sink, |kernel, sample, sink| {
                    if matches!(self.kind, FamilyKind::Counter | FamilyKind::Histogram) {
                        sink.counted_since(if self.whole_life { kernel.start_time } else { kernel.counted_since });
                    }
                    let labels = labels_of(kernel, &of_devices);
                    sink.sample(labels.set(), sample);
                });
            }
            Read::Device(read) => {
                let of_devices = DeviceLabels::all(snapshot);
                self.each(&snapshot.devices, read, sink, |device, sample, sink| {
                    let mut labels = Few::default();
                    of_devices.get(device.index as usize).into_iter().for_each(|of| of.add_to(&mut labels));
                    sink.sample(labels.set(), sample);
                });
            }
            Read::DeviceInfo => self.devices(snapshot, sink),
            Read::Gpu(read) => {
                self.each(snapshot.gpus.as_deref().unwrap_or_default(), read, sink, |gpu, sample, sink| {
                    let (index, uuid) = (gpu.index.to_string(), gpu.uuid.as_deref().unwrap_or_default());
                    sink.sample(LabelSet::Pairs(&[("gpu", &index), ("uuid", uuid)]), sample);
                });
            }
            Read::Snapshot(read) => self.each(std::slice::from_ref(snapshot), read, sink, |_, sample, sink| {
                sink.sample(LabelSet::Pairs(&[]), sample);
            }),
            Read::Operation(read) | Read::OperationNative(read) => {
                self.each(by_name, read, sink, |of, sample, sink| {
                    sink.sample(LabelSet::Pairs(&[("name", &of.name)]), sample);
                })
            }
            Read::OperationStatus => {
                self.statuses(by_name.iter().map(|of| (&of.counts, [("name", &*of.name)])), sink);
            }
            Read::Network(read) | Read::NetworkNative(read) => self.each(network, read, sink, |of, sample, sink| {
                sink.sample(LabelSet::Pairs(&[("kind", &of.kind), ("peer", &of.peer)]), sample);
            }),
            Read::NetworkStatus => {
                let of_each = network.iter().map(|of| (&of.counts, [("kind", &*of.kind), ("peer", &*of.peer)]));
                self.statuses(of_each, sink);
            }
            Read::Publisher(read) => self.each(&snapshot.publishers, read, sink, |of, sample, sink| {
                sink.sample(LabelSet::Pairs(&[("destination", &of.destination)]), sample);
            }),
            Read::PublisherDropped => self.publishers_dropped(&snapshot.publishers, sink),
            Read::KernelState => self.states(snapshot, sink),
            Read::TaskLatency => {
                self.begin(sink);
                let handling = snapshot.latencies_of_all_lives();
                sink.sample(LabelSet::Pairs(&[]), &Sample::Summary(Quantiles(&handling)));
            }
            Read::Dropped(counts) => {
                self.begin(sink);
                for (what, read) in counts {
                    let count = read(&snapshot.self_metrics.dropped);
                    sink.sample(LabelSet::Pairs(&[("what", what)]), &Sample::Number(Number::Count(count)));
                }
            }
            Read::ValuesDropped => self.values_dropped(&snapshot.metrics, sink),
        }
    }

    fn begin<S: Sink>(&self, sink: &mut S) {
        let ExportedFamily { name, kind, unit, help, .. } = *self;
        sink.family(&MetricHeader { name, help, unit, kind });
    }

    /// Writes a sample for each of `all` that has one.
    fn each<'a, T, S: Sink>(
        &self,
        all: &'a [T],
        read: fn(&T) -> Option<Sample<'_>>,
        sink: &mut S,
        write: impl Fn(&'a T, &Sample<'a>, &mut S),
    ) {
        let mut samples = all.iter().filter_map(|one| Some((one, read(one)?))).peekable();
        if samples.peek().is_some() {
            self.begin(sink);
        }
        samples.for_each(|(one, sample)| write(one, &sample, sink));
    }

    /// Writes a sample for each way in which each of `all` may end.
    fn statuses<'a, S: Sink, const N: usize>(
        &self,
        all: impl Iterator<Item = (&'a OperationCounts, [(&'a str, &'a str); N])>,
        sink: &mut S,
    ) {
        for (i, (counts, labels)) in all.enumerate() {
            if i == 0 {
                self.begin(sink);
            }
            for status in OperationStatus::ALL {
                let labels = labels.iter().copied().chain([("status", status.name())]).collect::<Vec<_>>();
                let ended = Number::Count(counts.with_status(*status));
                sink.sample(LabelSet::Pairs(&labels), &Sample::Number(ended));
            }
        }
    }

    fn states<S: Sink>(&self, snapshot: &Snapshot, sink: &mut S) {
        if !snapshot.kernels.is_empty() {
            self.begin(sink);
        }
        let of_devices = DeviceLabels::all(snapshot);
        for kernel in &snapshot.kernels {
            for state in KernelState::ALL.iter().copied() {
                let mut labels = labels_of(kernel, &of_devices);
                labels.add("state", state.name());
                let is_current = Number::Count((state == kernel.state).into());
                sink.sample(labels.set(), &Sample::Number(is_current));
            }
        }
    }

    fn devices<S: Sink>(&self, snapshot: &Snapshot, sink: &mut S) {
        if !snapshot.devices.is_empty() {
            self.begin(sink);
        }
        for (device, of_device) in snapshot.devices.iter().zip(&DeviceLabels::all(snapshot)) {
            let mut labels = Few::default();
            of_device.add_to(&mut labels);
            labels.add("name", &device.name);
            labels.add("kind", device.kind.name());
            sink.sample(labels.set(), &Sample::Number(Number::Count(1)));
        }
    }

    fn publishers_dropped<S: Sink>(&self, publishers: &[PublisherTelemetry], sink: &mut S) {
        if !publishers.is_empty() {
            self.begin(sink);
        }
        for of in publishers {
            for reason in DropReason::ALL {
                let labels = [("destination", &*of.destination), ("reason", reason.name())];
                sink.sample(LabelSet::Pairs(&labels), &Sample::Number(Number::Count(of.dropped(reason))));
            }
        }
    }

    fn values_dropped<S: Sink>(&self, metrics: &[Family], sink: &mut S) {
        let is_histogram = |f: &&Family| f.description.kind == MetricKind::Histogram && !f.series.is_empty();
        let mut histograms = metrics.iter().filter(is_histogram).peekable();
        if histograms.peek().is_some() {
            self.begin(sink);
        }
        for family in histograms {
            let dropped = family.series.iter().filter_map(|s| s.value.histogram()).map(|h| h.dropped).sum();
            let labels = [("metric", &*family.description.name)];
            sink.sample(LabelSet::Pairs(&labels), &Sample::Number(Number::Count(dropped)));
        }
    }
}
