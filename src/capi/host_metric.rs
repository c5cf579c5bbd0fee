//! Metrics of host threads.

use super::collector::ringscope_collector;
use super::fields::put;
use super::handles::{Handle, handle};
use super::metric::{Wanted, ringscope_metric_options};
use super::result::{Failure, Outcome, call, ringscope_result};
use crate::abi::metric_kind;
use crate::metrics::{Counter, Gauge, Histogram};

/// A counter, a gauge or a histogram of host threads. Ended by `ringscope_host_metric_free`; its counts stay in the
/// collector. Any thread may use it, at the same time as others.
pub struct ringscope_host_metric {
    _none: [u8; 0],
}
handle!(ringscope_host_metric: HostMetric = "host metric" until "ringscope_host_metric_free");

/// What its handle stands for.
pub enum HostMetric {
    Counter(Counter),
    Gauge(Gauge),
    Histogram(Histogram),
}

/// Registers a metric of host threads, and puts its handle at `metric`, to be ended by `ringscope_host_metric_free`.
/// `options` may go after the call.
///
/// RINGSCOPE_RESULT_TAKEN for another metric of that name, RINGSCOPE_RESULT_FULL (`max_series`),
/// RINGSCOPE_RESULT_BAD_HANDLE, RINGSCOPE_RESULT_BAD_ARGUMENT.
///
/// # Safety
/// `options` is a struct that says its size, with texts that end with a zero byte and lists as long as it says; `metric`
/// points to a pointer.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn ringscope_host_metric_register(
    collector: *const ringscope_collector,
    options: *const ringscope_metric_options,
    metric: *mut *mut ringscope_host_metric,
) -> ringscope_result {
    call(|| {
        let open = ringscope_collector::held(collector)?;
        // SAFETY: the caller's promise.
        let wanted = unsafe { Wanted::read(options)? };
        let register = || {
            wanted.check_no_family()?;
            let made = match wanted.kind {
                metric_kind::COUNTER => HostMetric::Counter(wanted.counter(&open)?.on_host()?),
                metric_kind::GAUGE => HostMetric::Gauge(wanted.gauge(&open)?.on_host()?),
                metric_kind::HISTOGRAM | metric_kind::EXPLICIT => {
                    HostMetric::Histogram(wanted.histogram(&open)?.on_host()?)
                }
                _ => return wanted.no_such_kind(),
            };
            Ok(ringscope_host_metric::open(made))
        };
        // SAFETY: the caller's promise.
        unsafe { put(metric, "metric", register) }
    })
}

/// Adds `by` to a counter.
///
/// RINGSCOPE_RESULT_BAD_HANDLE; RINGSCOPE_RESULT_REFUSED for a metric of another kind.
#[unsafe(no_mangle)]
pub extern "C" fn ringscope_host_metric_add(metric: *const ringscope_host_metric, by: u64) -> ringscope_result {
    call(|| match &*ringscope_host_metric::held(metric)? {
        HostMetric::Counter(counter) => {
            counter.inc_by(by);
            Ok(())
        }
        other => refused(other, "add whole numbers to"),
    })
}

/// Sets a gauge.
///
/// RINGSCOPE_RESULT_BAD_HANDLE; RINGSCOPE_RESULT_REFUSED for a metric of another kind.
#[unsafe(no_mangle)]
pub extern "C" fn ringscope_host_metric_set(metric: *const ringscope_host_metric, value: f64) -> ringscope_result {
    call(|| match &*ringscope_host_metric::held(metric)? {
        HostMetric::Gauge(gauge) => {
            gauge.set(value);
            Ok(())
        }
        other => refused(other, "set"),
    })
}

/// Counts a value in a histogram. One with exponential buckets rounds it to a whole number; what it cannot hold (NaN,
/// infinities, there also negative values) is counted as dropped.
///
/// RINGSCOPE_RESULT_BAD_HANDLE; RINGSCOPE_RESULT_REFUSED for a metric of another kind.
#[unsafe(no_mangle)]
pub extern "C" fn ringscope_host_metric_observe(metric: *const ringscope_host_metric, value: f64) -> ringscope_result {
    call(|| match &*ringscope_host_metric::held(metric)? {
        HostMetric::Histogram(histogram) => {
            histogram.observe(value);
            Ok(())
        }
        other => refused(other, "observe values in"),
    })
}

/// Ends the handle of a metric; what it counted stays in the collector.
///
/// RINGSCOPE_RESULT_BAD_HANDLE.
#[unsafe(no_mangle)]
pub extern "C" fn ringscope_host_metric_free(metric: *mut ringscope_host_metric) -> ringscope_result {
    call(|| ringscope_host_metric::close(metric))
}

fn refused(metric: &HostMetric, what: &str) -> Outcome {
    let is = match metric {
        HostMetric::Counter(_) => "counter: call ringscope_host_metric_add",
        HostMetric::Gauge(_) => "gauge: call ringscope_host_metric_set",
        HostMetric::Histogram(_) => "histogram: call ringscope_host_metric_observe",
    };
    Err(Failure::new(ringscope_result::Refused, format!("one cannot {what} a {is}")))
}
