//! What a snapshot holds of devices, as what is new in it.

use std::sync::Arc;
use std::time::Duration;

use super::coder::{Coder, text};
use crate::device::DeviceKind;
use crate::snapshot::{DeviceClock, DeviceSummary};

const FIXED: usize = 3;
const READ: usize = 5;

/// Writes `now`, or reads it, as it differs from `before`. How a device was read that is the only one, the snapshot says.
pub(crate) fn devices(
    coder: &mut impl Coder,
    before: &[DeviceSummary],
    now: Option<&[DeviceSummary]>,
    (clock, copied_bytes, copy_duration): (DeviceClock, usize, Duration),
) -> Arc<[DeviceSummary]> {
    let count = coder.count(before.len(), || now.map_or(0, <[_]>::len));
    let one = |i: usize| {
        let (before, now) = (before.get(i), now.and_then(|now| now.get(i)));
        let device = about(coder, before, now);
        match count {
            1 => DeviceSummary { clock, copied_bytes, copy_duration, ..device },
            _ => how_read(coder, before, now, device),
        }
    };
    (0..count).map(one).collect()
}

fn about(coder: &mut impl Coder, before: Option<&DeviceSummary>, now: Option<&DeviceSummary>) -> DeviceSummary {
    let of_name = |of: Option<&DeviceSummary>| of.map(|of| Arc::clone(&of.name));
    let name = text(coder, Some(&of_name(before)), Some(&of_name(now))).unwrap_or_default();
    let uuid = text(coder, before.map(|of| &of.uuid), now.map(|of| &of.uuid));
    let error = text(coder, before.map(|of| &of.error), now.map(|of| &of.error));
    let w = coder.words(&before.map_or([0; FIXED], fixed_words), now.map(fixed_words).as_ref());
    DeviceSummary {
        index: w[0] as u32,
        kind: if w[1] == 0 { DeviceKind::Cuda } else { DeviceKind::Host },
        ordinal: w[2] as usize,
        name,
        uuid,
        clock: DeviceClock::default(),
        copied_bytes: 0,
        copy_duration: Duration::ZERO,
        error,
    }
}

fn how_read(
    coder: &mut impl Coder,
    before: Option<&DeviceSummary>,
    now: Option<&DeviceSummary>,
    device: DeviceSummary,
) -> DeviceSummary {
    let w = coder.words(&before.map_or([0; READ], read_words), now.map(read_words).as_ref());
    let clock = DeviceClock { uncertainty: Duration::from_nanos(w[0]), drift_ppb: w[1] as i64, restarts_total: w[2] };
    DeviceSummary { clock, copied_bytes: w[3] as usize, copy_duration: Duration::from_nanos(w[4]), ..device }
}

fn fixed_words(of: &DeviceSummary) -> [u64; FIXED] {
    // All of the fields, by name: a new one must find its place here or below.
    let DeviceSummary { index, kind, ordinal, name: _, uuid: _, clock: _, copied_bytes: _, copy_duration: _, error: _ } =
        of;
    [u64::from(*index), u64::from(*kind == DeviceKind::Host), *ordinal as u64]
}

fn read_words(of: &DeviceSummary) -> [u64; READ] {
    let nanoseconds = |time: Duration| u64::try_from(time.as_nanos()).unwrap_or(u64::MAX);
    let DeviceClock { uncertainty, drift_ppb, restarts_total } = of.clock;
    let (bytes, time) = (of.copied_bytes as u64, nanoseconds(of.copy_duration));
    [nanoseconds(uncertainty), drift_ppb as u64, restarts_total, bytes, time]
}
