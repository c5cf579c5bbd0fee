//! The JSON forms of a moment: pure functions.

use std::sync::Arc;

use hyper::body::Bytes;
use serde::Serialize;

use super::stuck::Told;
use crate::alert::Alert;
use crate::feed::{Entry, KernelPoint, Moment, points_between};
use crate::snapshot::{KernelState, KernelTelemetry, Snapshot, Totals, unix_seconds};

/// `/moment.json`.
#[derive(Serialize)]
struct Whole<'a> {
    snapshot: &'a Snapshot,
    entries: &'a [Entry],
    alerts: &'a [Alert],
    missed: u64,
}

/// An event of `/live`, but for its end.
#[derive(Serialize)]
struct Live<'a> {
    sequence: u64,
    #[serde(serialize_with = "unix_seconds")]
    time: std::time::SystemTime,
    totals: Totals,
    kernels: Vec<LiveKernel<'a>>,
    entries: &'a [Entry],
    alerts: &'a [Alert],
    missed: u64,
}

/// What changes of a kernel. What lies between two snapshots is `null` in the first.
#[derive(Serialize)]
struct LiveKernel<'a> {
    id: &'a str,
    /// Where there are several.
    #[serde(skip_serializing_if = "Option::is_none")]
    device: Option<String>,
    state: KernelState,
    messages_per_second: Option<f64>,
    errors_per_second: Option<f64>,
    bytes_in_per_second: Option<f64>,
    p50_ns: Option<f64>,
    p99_ns: Option<f64>,
    queue_depth: u64,
    busy_ratio: Option<f64>,
    messages_processed: u64,
    errors: u64,
    blocks: u32,
    #[serde(skip_serializing_if = "Option::is_none")]
    stuck: Option<Told>,
}

impl<'a> LiveKernel<'a> {
    fn new(kernel: &'a KernelTelemetry, point: Option<&KernelPoint>, snapshot: &Snapshot) -> Self {
        let hangs = || snapshot.stuck_kernel(&kernel.kernel_id).map(Told::from);
        LiveKernel {
            id: &kernel.kernel_id,
            device: snapshot.device_label(kernel),
            state: kernel.state,
            messages_per_second: point.map(|p| p.messages_per_second),
            errors_per_second: point.map(|p| p.errors_per_second),
            bytes_in_per_second: point.map(|p| p.bytes_in_per_second),
            p50_ns: point.and_then(|p| p.quantile_ns(0.50)),
            p99_ns: point.and_then(|p| p.quantile_ns(0.99)),
            queue_depth: kernel.queue_depth,
            busy_ratio: point.map(|p| p.busy_ratio),
            messages_processed: kernel.messages_processed,
            errors: kernel.errors,
            blocks: kernel.blocks,
            stuck: kernel.stall.is_some().then(hangs).flatten(),
        }
    }
}

/// Writes a moment with its whole snapshot.
///
/// # Errors
/// The JSON writer's; none is known.
pub fn moment(moment: &Moment) -> Result<Bytes, serde_json::Error> {
    let Moment { snapshot, entries, alerts, missed } = moment;
    Ok(serde_json::to_vec(&Whole { snapshot, entries, alerts, missed: *missed })?.into())
}

/// Writes what a page needs of a moment that knows the one before, as the data of an event: an object without its closing brace.
///
/// # Errors
/// The JSON writer's; none is known.
pub fn live(before: Option<&Snapshot>, moment: &Moment) -> Result<Vec<u8>, serde_json::Error> {
    let now = &*moment.snapshot;
    let points: Vec<Option<KernelPoint>> =
        before.map(|before| points_between(before, now).collect()).unwrap_or_default();
    let kernel = |(i, kernel)| LiveKernel::new(kernel, points.get(i).and_then(Option::as_ref), now);
    let document = Live {
        sequence: now.sequence,
        time: now.time,
        totals: now.totals(),
        kernels: now.kernels.iter().enumerate().map(kernel).collect(),
        entries: &moment.entries,
        alerts: &moment.alerts,
        missed: moment.missed,
    };
    let mut text = serde_json::to_vec(&document)?;
    text.pop();
    Ok(text)
}

/// Writes the blocks of a kernel; `None` for one that the snapshot does not have.
///
/// # Errors
/// The JSON writer's; none is known.
pub fn blocks(snapshot: &Snapshot, kernel: &str) -> Result<Option<Bytes>, serde_json::Error> {
    let blocks = match (snapshot.blocks(kernel), snapshot.kernel(kernel)) {
        (Some(blocks), _) => blocks,
        // A host actor has none.
        (None, Some(_)) => Vec::new(),
        (None, None) => return Ok(None),
    };
    Ok(Some(serde_json::to_vec(&blocks)?.into()))
}

/// Writes entries, the newest last.
///
/// # Errors
/// The JSON writer's; none is known.
pub fn entries(entries: &[Entry]) -> Result<Bytes, serde_json::Error> {
    Ok(serde_json::to_vec(entries)?.into())
}

/// `/alerts.json`.
#[derive(Serialize)]
struct Alerts<'a> {
    alerts: &'a [Alert],
    rules: &'a [Arc<str>],
}

/// Writes the alerts of a moment, and the rules as texts.
///
/// # Errors
/// The JSON writer's; none is known.
pub fn alerts(moment: Option<&Moment>, rules: &[Arc<str>]) -> Result<Bytes, serde_json::Error> {
    let alerts = moment.map_or(&[][..], |moment| &moment.alerts);
    Ok(serde_json::to_vec(&Alerts { alerts, rules })?.into())
}
