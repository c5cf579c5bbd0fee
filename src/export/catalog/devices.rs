//! The families with a sample for each device, in the order of a page.

use super::family::{ExportedFamily, Read};
use super::kind::FamilyKind::Gauge;
use super::sample::{Sample, count};
use crate::snapshot::DeviceSummary;

const fn gauge(
    name: &'static str,
    help: &'static str,
    read: fn(&DeviceSummary) -> Option<Sample<'_>>,
) -> ExportedFamily {
    ExportedFamily::new(name, Gauge, help, Read::Device(read))
}

#[rustfmt::skip]
pub(super) const DEVICES: &[ExportedFamily] = &[
    ExportedFamily::new("ringscope_device_info", Gauge, "1 for each device of the collector: its name and kind, as labels", Read::DeviceInfo),
    gauge("ringscope_device_readable", "1 if the device could be read for the snapshot, otherwise 0; its kernels then have their last good numbers", |d| count(d.error.is_none().into())),
];
