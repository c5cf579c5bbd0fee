//! Metrics of the program's own: their description, and those that kernels count in.

use std::ffi::c_char;

use super::collector::{Open, ringscope_collector, scale};
use super::fields::{put, read, sized};
use super::handles::Handle;
use super::result::{Failure, Outcome, call, ringscope_result};
use super::text::{items, labels, optional, ringscope_label, text, texts};
use crate::abi::{MetricRef, metric_kind};
use crate::metrics::{Builder, Histogram, Instrument};

/// A metric that is to be registered: one series of it, or a family of them. Set all of it to zero, then `size`, `kind`,
/// `name`, `help` and what else it needs. All texts and lists are copied. Registering the same again gives what is there
/// already.
#[derive(Clone, Copy)]
#[repr(C)]
pub struct ringscope_metric_options {
    /// sizeof(ringscope_metric_options).
    pub size: usize,
    /// RINGSCOPE_METRIC_COUNTER, _GAUGE, _HISTOGRAM (exponential buckets, of whole numbers) or _EXPLICIT (a histogram
    /// over `bounds`), of <ringscope/abi.h>.
    pub kind: u32,
    /// Of RINGSCOPE_METRIC_HISTOGRAM: buckets an octave, 1, 2, 4, 8, 16 or 32. Default: the collector's.
    pub buckets_per_octave: u32,
    /// Letters, digits and `_`; a counter is exported with `_total` behind it.
    pub name: *const c_char,
    /// One sentence about what is counted or measured.
    pub help: *const c_char,
    /// Unit, with which the name ends, such as `seconds` or `bytes`. Default: none.
    pub unit: *const c_char,
    /// Labels of the series, of all series of a family.
    pub labels: *const ringscope_label,
    /// How many. Default: 0.
    pub label_count: usize,
    /// Of RINGSCOPE_METRIC_EXPLICIT: upper bounds, inclusive, finite and ascending.
    pub bounds: *const f64,
    /// How many.
    pub bound_count: usize,
    /// The label of a family, whose values are `family_values`; the kernel chooses among them by number. Default: no
    /// family. Metrics of host threads have none.
    pub family_label: *const c_char,
    /// A value for each series.
    pub family_values: *const *const c_char,
    /// The number of each series, if they are not 0, 1, 2, ...; every other number is counted under the value `overflow`.
    pub family_indices: *const u32,
    /// How many values, and how many numbers.
    pub family_count: usize,
}

sized! {
    ringscope_metric_options: 104;
}

/// The same, read.
pub(super) struct Wanted<'a> {
    pub(super) kind: u32,
    pub(super) name: &'a str,
    help: &'a str,
    unit: Option<&'a str>,
    labels: Vec<(&'a str, &'a str)>,
    scale: Option<u32>,
    bounds: &'a [f64],
    family: Option<Family<'a>>,
}

struct Family<'a> {
    label: &'a str,
    values: Vec<&'a str>,
    indices: Option<&'a [u32]>,
}

impl<'a> Wanted<'a> {
    /// # Safety
    /// `options` is null or says its size; its texts end with a zero byte, its lists are as long as it says, and nobody
    /// changes them as long as this lives.
    pub(super) unsafe fn read(options: *const ringscope_metric_options) -> Outcome<Wanted<'a>> {
        // SAFETY: the caller's promise.
        let options = unsafe { read(options)? };
        // SAFETY: the caller's promise.
        let family = unsafe { optional(options.family_label, "family_label")? };
        // SAFETY: the caller's promise.
        let family = family.map(|label| unsafe {
            let values = texts(options.family_values, options.family_count, "family_values")?;
            let indices = (!options.family_indices.is_null())
                .then(|| items(options.family_indices, options.family_count, "family_indices"));
            Ok::<_, Failure>(Family { label, values, indices: indices.transpose()? })
        });
        // SAFETY: the caller's promise.
        unsafe {
            Ok(Wanted {
                kind: options.kind,
                name: text(options.name, "name")?,
                help: text(options.help, "help")?,
                unit: optional(options.unit, "unit")?,
                labels: labels(options.labels, options.label_count)?,
                scale: scale(options.buckets_per_octave)?,
                bounds: items(options.bounds, options.bound_count, "bounds")?,
                family: family.transpose()?,
            })
        }
    }

    /// What is common to all kinds.
    pub(super) fn describe<T: Instrument>(&self, mut builder: Builder<T>) -> Builder<T> {
        if let Some(unit) = self.unit {
            builder = builder.unit(unit);
        }
        self.labels.iter().fold(builder, |builder, (name, value)| builder.label(name, value))
    }

    pub(super) fn describe_histogram(&self, builder: Builder<Histogram>) -> Builder<Histogram> {
        let builder = self.describe(builder);
        match (self.kind, self.scale) {
            (metric_kind::EXPLICIT, _) => builder.buckets(self.bounds),
            (_, Some(scale)) => builder.scale(scale),
            (_, None) => builder,
        }
    }

    pub(super) fn counter(&self, open: &Open) -> Outcome<Builder<crate::metrics::Counter>> {
        Ok(self.describe(open.collector.counter(self.name, self.help)?))
    }

    pub(super) fn gauge(&self, open: &Open) -> Outcome<Builder<crate::metrics::Gauge>> {
        Ok(self.describe(open.collector.gauge(self.name, self.help)?))
    }

    pub(super) fn histogram(&self, open: &Open) -> Outcome<Builder<Histogram>> {
        Ok(self.describe_histogram(open.collector.histogram(self.name, self.help)?))
    }

    pub(super) fn no_such_kind<T>(&self) -> Outcome<T> {
        let must = "must be RINGSCOPE_METRIC_COUNTER, _GAUGE, _HISTOGRAM or _EXPLICIT (1 to 4)";
        Err(Failure::argument(format!("`kind` is {}, and {must}", self.kind)))
    }

    pub(super) fn check_no_family(&self) -> Outcome {
        match &self.family {
            None => Ok(()),
            Some(_) => {
                Err(Failure::argument("`family_label` is set, and host threads have no families: register each series"))
            }
        }
    }
}

/// Registers one series, or a family of them, for kernels of the only device or of each.
fn references<T: Instrument>(
    builder: Builder<T>,
    family: Option<&Family<'_>>,
    on_each: bool,
) -> Outcome<Vec<MetricRef>> {
    let Some(family) = family else { return Ok(builder.references(on_each)?) };
    let sets: Vec<[&str; 1]> = family.values.iter().map(|value| [*value]).collect();
    let sets: Vec<&[&str]> = sets.iter().map(|set| &set[..]).collect();
    let builder = builder.family(&[family.label], &sets);
    Ok(match family.indices {
        None => builder.references(on_each)?,
        Some(indices) => builder.indices(indices).references(on_each)?,
    })
}

/// What kernels take of the metric: of the only device, or of each.
fn registered(open: &Open, wanted: &Wanted<'_>, on_each: bool) -> Outcome<Vec<MetricRef>> {
    let family = wanted.family.as_ref();
    match wanted.kind {
        metric_kind::COUNTER => references(wanted.counter(open)?, family, on_each),
        metric_kind::GAUGE => references(wanted.gauge(open)?, family, on_each),
        metric_kind::HISTOGRAM | metric_kind::EXPLICIT => references(wanted.histogram(open)?, family, on_each),
        _ => wanted.no_such_kind(),
    }
}

/// Registers a metric that kernels count in, and puts at `metric` what they take by value: ringscope::CounterRef,
/// GaugeRef, HistogramRef or the same with Family are structs of it alone, so `ringscope::CounterRef{metric}` makes one.
/// Its field `index` is what the kernel may look it up by. Where there are several devices, `ringscope_device_metrics` does
/// it on each. May be called while kernels run: it copies to the device on a stream of its own, and waits for that copy
/// for at most `copy_limit_ns`, never for a kernel. `options` may go after the call.
///
/// RINGSCOPE_RESULT_TAKEN for another metric of that name, RINGSCOPE_RESULT_FULL (`device_metrics`, `device_buckets`,
/// `max_series`), RINGSCOPE_RESULT_NO_DEVICE, RINGSCOPE_RESULT_DEVICE_FAILED, RINGSCOPE_RESULT_BAD_HANDLE,
/// RINGSCOPE_RESULT_BAD_ARGUMENT.
///
/// # Safety
/// `options` is a struct that says its size, with texts that end with a zero byte and lists as long as it says; `metric`
/// points to a ringscope_metric.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn ringscope_device_metric(
    collector: *const ringscope_collector,
    options: *const ringscope_metric_options,
    metric: *mut MetricRef,
) -> ringscope_result {
    call(|| {
        let open = ringscope_collector::held(collector)?;
        // SAFETY: the caller's promise.
        let wanted = unsafe { Wanted::read(options)? };
        let register = || Ok(registered(&open, &wanted, false)?.swap_remove(0));
        // SAFETY: the caller's promise.
        unsafe { put(metric, "metric", register) }
    })
}

/// Registers a metric that kernels on each of the collector's devices count in, as `ringscope_device_metric` does, and puts
/// at `metrics` what those of the first device take, those of the second, and so on, as many as `count` says, which must be
/// as many as there are devices. Its field `index` is the same on all. What kernels on several devices count adds up in one
/// series; of a gauge each device has a series of its own, with its index as the label `device`. On a device that is dead
/// kernels count nothing.
///
/// As `ringscope_device_metric`.
///
/// # Safety
/// `options` as for `ringscope_device_metric`; `metrics` points to `count` of ringscope_metric.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn ringscope_device_metrics(
    collector: *const ringscope_collector,
    options: *const ringscope_metric_options,
    metrics: *mut MetricRef,
    count: usize,
) -> ringscope_result {
    call(|| {
        let open = ringscope_collector::held(collector)?;
        // SAFETY: the caller's promise.
        let wanted = unsafe { Wanted::read(options)? };
        let devices = open.wanted;
        if metrics.is_null() {
            return Err(Failure::argument("`metrics` is null: it says where to put what kernels take"));
        }
        if count != devices {
            return Err(Failure::argument(format!("`count` is {count}, and the collector has {devices} devices")));
        }
        let mut made = registered(&open, &wanted, true)?;
        // While telemetry is off there is one for all.
        made.resize(count, MetricRef::default());
        for (index, metric) in made.into_iter().enumerate() {
            // SAFETY: the caller's promise: below `count`.
            unsafe { put(metrics.wrapping_add(index), "metrics", || Ok(metric))? };
        }
        Ok(())
    })
}
