//! The one list of what ringscope exports of its own: each family's name, type, unit, help text and labels, and how its
//! samples are read from a snapshot. Every exporter walks this list, in this order, and the user's metrics after it;
//! nothing else in this crate spells a family's name, but to look it up here while it is compiled.
//!
//! The order of a page is that of the tables, then that of the kernels' registration, then of the names of the user's
//! metrics; it is the same on every page.

// For those destinations that take differences.
#[cfg(any(feature = "cloudwatch", feature = "datadog", feature = "elasticsearch", feature = "otlp"))]
mod delta;
mod devices;
mod family;
mod find;
mod gpus;
mod kernels;
mod kind;
mod labels;
mod operations;
mod publishers;
mod sample;
mod snapshot;
mod walk;

#[cfg(any(feature = "cloudwatch", feature = "datadog", feature = "elasticsearch", feature = "otlp"))]
pub(super) use delta::visit_since;
pub use family::ExportedFamily;
pub(crate) use find::{Reading, samples_of};
pub use kind::FamilyKind;
pub(crate) use sample::LabelSet;
pub(super) use sample::{MetricHeader, Number, Quantiles, Sample, Sink, Values};
pub use walk::catalog;
#[cfg(feature = "dashboard")]
pub(crate) use walk::family;
pub(super) use walk::visit;

#[cfg(test)]
mod tests {
    use std::sync::Arc;
    use std::time::Duration;

    use super::*;
    use crate::device::{DeviceInfo, DeviceKind};
    use crate::machine::{GpuMetrics, SystemMetrics};
    use crate::snapshot::{BlockStatus, DeviceSummary, PublisherTelemetry, Snapshot, Stall, TraceRecords, Waiting};

    /// Writes down which families came, and with which labels.
    #[derive(Default)]
    struct Names(Vec<(String, FamilyKind, Vec<String>)>);

    impl Sink for Names {
        const NATIVE: bool = true;

        fn family(&mut self, header: &MetricHeader<'_>) {
            self.0.push((header.name.to_owned(), header.kind, Vec::new()));
        }

        fn sample(&mut self, labels: LabelSet<'_>, sample: &Sample<'_>) {
            let (name, kind, names) = self.0.last_mut().expect("a family comes first");
            names.clear();
            labels.for_each(|name, _| names.push(name.to_owned()));
            let of_this_kind = match sample {
                Sample::Number(_) => matches!(kind, FamilyKind::Counter | FamilyKind::Gauge),
                Sample::Histogram(_) => *kind == FamilyKind::Histogram,
                Sample::Summary(_) => *kind == FamilyKind::Summary,
            };
            assert!(of_this_kind, "{name} is a {kind} with {sample:?}");
        }
    }

    /// A snapshot in which every value is known.
    fn everything() -> Snapshot {
        let collector = crate::TelemetryCollector::new(true);
        collector.record_processed("w", Some(Duration::from_micros(3))).expect("a kernel");
        collector.histogram("sizes", "Sizes").and_then(|h| Ok(h.on_host()?)).expect("a histogram").observe(1);
        collector.monitor_operations().expect("it is enabled");
        collector.operation("resize").start().expect("a good name").succeed();
        collector.network_operation("http", "a", 80).expect("a good name").succeed();
        let mut snapshot = (*collector.snapshot().expect("a snapshot")).clone();
        let now = Some(snapshot.time);
        let kernel = &mut snapshot.kernels[0];
        (kernel.start_time, kernel.last_message_time, kernel.last_sign_of_life) = (now, now, now);
        kernel.stall = Some(Arc::new(Stall::new(snapshot.time, BlockStatus::unknown(0))));
        kernel.trace = Some(TraceRecords::new(3, 2, 1));
        let latency = kernel.latency.expect("it handled a message");
        kernel.waiting = Some(Arc::new(Waiting { latency, histogram: Arc::clone(&kernel.histogram) }));
        snapshot.system = Some(SystemMetrics { cpu_utilization_percent: 1.0, memory_used_mb: 1.0 });
        snapshot.gpus = Some([all_known()].into());
        let info = DeviceInfo { uuid: Some("GPU-1".into()), ..DeviceInfo::named(DeviceKind::Cuda, "A GPU", "") };
        snapshot.devices = [DeviceSummary::new(0, &info)].into();
        snapshot.kernels[0].device = Some(0);
        let published = PublisherTelemetry { last_success: now, ..PublisherTelemetry::new("somewhere") };
        snapshot.publishers = [published].into();
        snapshot
    }

    fn all_known() -> GpuMetrics {
        GpuMetrics {
            index: 0,
            uuid: Some("GPU-1".into()),
            name: Some("A GPU".into()),
            utilization_percent: Some(1),
            memory_utilization_percent: Some(1),
            memory_used_bytes: Some(1),
            memory_total_bytes: Some(1),
            process_memory_bytes: Some(1),
            temperature_celsius: Some(1),
            power_watts: Some(1.0),
            sm_clock_mhz: Some(1),
            memory_clock_mhz: Some(1),
            ecc_errors_corrected: Some(1),
            ecc_errors_uncorrected: Some(1),
            throttle_reasons: Some(Vec::new()),
        }
    }

    #[test]
    fn a_page_with_everything_has_each_family_of_the_catalog_and_no_other() {
        let mut page = Names::default();
        visit(&everything(), &mut page);
        assert_eq!(page.0.pop().map(|(name, ..)| name).as_deref(), Some("sizes"), "the user's own comes last");
        let labels = |family: &ExportedFamily| family.labels.iter().map(|&label| label.to_owned()).collect();
        let listed: Vec<_> = catalog().map(|f| (f.name.to_owned(), f.kind, labels(f))).collect();
        assert_eq!(page.0, listed);
    }

    #[test]
    fn names_are_ours_once_and_end_with_their_units() {
        let mut seen = std::collections::HashSet::new();
        for ExportedFamily { name, unit, kind, help, .. } in catalog() {
            assert!(seen.insert(name), "{name} is there twice");
            let collector = crate::TelemetryCollector::new(true);
            let of_a_user = collector.gauge(name, "The same name").expect("a builder").on_host();
            assert!(of_a_user.is_err(), "a metric of the user's may not be called {name}");
            assert!(unit.is_none_or(|unit| name.ends_with(&format!("_{unit}"))), "{name} has the unit {unit:?}");
            // What promtool and the formats reserve.
            let reserved = ["_total", "_created", "_bucket", "_count", "_sum", "_info"];
            // A gauge of 1 whose labels tell is called so everywhere.
            let is_info = *name == "ringscope_device_info";
            assert!(is_info || !reserved.iter().any(|suffix| name.ends_with(suffix)), "{name}: {kind}");
            assert!(help.starts_with(|c: char| c.is_ascii_uppercase() || c == '1') && !help.ends_with('.'), "{help}");
        }
    }
}
