//! A whole snapshot but for its blocks.

use std::mem::size_of;
use std::sync::Arc;
use std::time::{Duration, UNIX_EPOCH};

use super::coder::{Coder, time_of, time_word};
use super::{devices, histogram, kernel, operations, publishers, stall, telemetry};
use crate::machine::GpuMetrics;
use crate::metrics::{Family, Series};
use crate::snapshot::{DeviceClock, KernelTelemetry, Places, RatesBuilder, SelfMetrics, Snapshot};

/// What stays the same over many snapshots.
pub(crate) struct Shape {
    pub(crate) ids: Vec<Arc<str>>,
    /// With the values of some snapshot, which are not told again.
    pub(crate) metrics: Vec<Family>,
}

impl Shape {
    pub(crate) fn from_snapshot(snapshot: &Snapshot) -> Self {
        let ids = snapshot.kernels.iter().map(|k| Arc::clone(&k.kernel_id)).collect();
        Shape { ids, metrics: snapshot.metrics.clone() }
    }

    pub(crate) fn fits(&self, snapshot: &Snapshot) -> bool {
        let ids = self.ids.len() == snapshot.kernels.len()
            && self.ids.iter().zip(&snapshot.kernels).all(|(id, k)| Arc::ptr_eq(id, &k.kernel_id));
        // Series are only ever added.
        let same =
            |a: &Family, b: &Family| Arc::ptr_eq(&a.description, &b.description) && a.series.len() == b.series.len();
        ids && self.metrics.len() == snapshot.metrics.len()
            && self.metrics.iter().zip(&snapshot.metrics).all(|(a, b)| same(a, b))
    }

    pub(crate) fn bytes(&self) -> usize {
        let values = |family: &Family| family.series.len() * size_of::<Series>();
        self.ids.len() * size_of::<Arc<str>>() + self.metrics.iter().map(values).sum::<usize>()
    }
}

/// Writes `now`, or reads it, as it differs from `before`.
pub(crate) fn code(
    coder: &mut impl Coder,
    shape: &Shape,
    before: Option<&Snapshot>,
    now: Option<&Snapshot>,
    gpus: Option<Arc<[GpuMetrics]>>,
) -> Snapshot {
    let mut word = |of: fn(&Snapshot) -> u64| coder.word(before.map_or(0, of), || now.map_or(0, of));
    let sequence = word(|s| s.sequence);
    let time = word(|s| time_word(s.time));
    let copy_duration = word(|s| s.copy_duration.as_nanos() as u64);
    let copied_bytes = word(|s| s.copied_bytes as u64);
    let device_clock = DeviceClock {
        uncertainty: Duration::from_nanos(word(|s| s.device_clock.uncertainty.as_nanos() as u64)),
        drift_ppb: word(|s| s.device_clock.drift_ppb as u64) as i64,
        restarts_total: word(|s| s.device_clock.restarts_total),
    };
    let copy_duration = Duration::from_nanos(copy_duration);
    let read = (device_clock, copied_bytes as usize, copy_duration);
    let devices = devices::devices(coder, before.map_or(&[], |s| &s.devices), now.map(|s| &*s.devices), read);
    let windows = windows(coder, now);
    let count = windows.len();
    let mut rates = RatesBuilder::new(windows, Box::default(), 0);
    let mut one = |(i, id): (usize, &Arc<str>)| -> KernelTelemetry {
        let of = |s: Option<&'_ Snapshot>| s.and_then(|s| s.kernels.get(i)).cloned();
        let (before, now) = (of(before), of(now));
        let kernel = kernel::kernel(coder, id, before.as_ref(), now.as_ref(), count, |counts| rates.add(counts));
        let stall = |k: Option<KernelTelemetry>| k.and_then(|k| k.stall);
        KernelTelemetry { stall: stall::stall(coder, stall(before).as_ref(), stall(now).as_ref()), ..kernel }
    };
    let kernels = shape.ids.iter().enumerate().map(&mut one).collect();
    rates.finish();
    let metrics = shape.metrics.iter().enumerate().map(|(i, like)| {
        let of = |s: Option<&'_ Snapshot>| s.and_then(|s| s.metrics.get(i)).cloned();
        family(coder, like, of(before).as_ref(), of(now).as_ref())
    });
    let metrics = metrics.collect();
    let nothing = SelfMetrics::default();
    let self_metrics =
        telemetry::self_metrics(coder, before.map_or(&nothing, |s| &s.self_metrics), now.map(|s| &s.self_metrics));
    let of = |s: Option<&'_ Snapshot>| s.and_then(|s| s.operations.clone());
    let operations = operations::operations(coder, of(before).as_ref(), of(now).as_ref());
    let publishers = publishers::publishers(coder, before.map_or(&[], |s| &s.publishers), now.map(|s| &*s.publishers));
    let system = telemetry::system(coder, before.and_then(|s| s.system.as_ref()), now.and_then(|s| s.system.as_ref()));
    Snapshot {
        sequence,
        time: time_of(time).unwrap_or(UNIX_EPOCH),
        copy_duration,
        copied_bytes: copied_bytes as usize,
        device_clock,
        devices,
        kernels,
        metrics,
        operations,
        publishers,
        self_metrics,
        system,
        gpus,
        forgotten: None,
        places: Places::default(),
    }
}

/// Each window, and the time that it really is. Kernels that did something have the same ones, the others none.
pub(crate) fn windows(coder: &mut impl Coder, now: Option<&Snapshot>) -> Box<[(Duration, Duration)]> {
    let windows = now.and_then(|s| s.kernels.iter().map(|k| k.rates.windows()).find(|w| !w.is_empty()));
    let windows = windows.unwrap_or_default();
    let count = coder.count(0, || windows.len());
    let mut duration = |d: Option<Duration>| {
        Duration::from_nanos(coder.word(0, || d.map_or(0, |d| u64::try_from(d.as_nanos()).unwrap_or(u64::MAX))))
    };
    let mut window = |i: usize| (duration(windows.get(i).map(|w| w.0)), duration(windows.get(i).map(|w| w.1)));
    (0..count).map(&mut window).collect()
}

fn family(coder: &mut impl Coder, like: &Family, before: Option<&Family>, now: Option<&Family>) -> Family {
    let of = |family: Option<&'_ Family>, i: usize| family.and_then(|f| f.series.get(i)).map(|s| s.value.clone());
    let series = like.series.iter().enumerate().map(|(i, series)| {
        let (before, now) = (of(before, i), of(now, i));
        let value = histogram::value(coder, before.as_ref(), &series.value, now.as_ref());
        Series { labels: series.labels.clone(), value }
    });
    Family { description: Arc::clone(&like.description), series: series.collect() }
}
