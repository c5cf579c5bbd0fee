//! `/history.json`: what happened before the page was opened, as so many points. Pure functions of snapshots.

use std::collections::HashMap;
use std::sync::Arc;
use std::time::{Duration, SystemTime};

use serde::{Serialize, Serializer};

use crate::feed::{KernelPoint, points, points_between};
use crate::histogram::slot_bounds;
use crate::snapshot::Snapshot;

/// Scale of a heat map: 2^3 buckets an octave, as the device counts them by default.
const HEAT_SCALE: u32 = 3;

/// What is asked for.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub struct Question {
    /// One kernel, with its buckets; all without.
    pub kernel: Option<Arc<str>>,
    /// At most so many points; at least 2.
    pub points: usize,
}

/// The answer.
#[derive(Serialize)]
pub struct History {
    /// Ends of the periods, in Unix seconds.
    time: Vec<f64>,
    #[serde(serialize_with = "by_id")]
    kernels: Vec<(Arc<str>, Columns)>,
    #[serde(skip_serializing_if = "Option::is_none")]
    heat: Option<Heat>,
}

/// One kernel, a value a point; `null` where it was not there, and where there is none.
#[derive(Default, Serialize)]
struct Columns {
    state: Vec<Option<crate::KernelState>>,
    messages_per_second: Vec<Option<f64>>,
    errors_per_second: Vec<Option<f64>>,
    bytes_in_per_second: Vec<Option<f64>>,
    p50_ns: Vec<Option<f64>>,
    p99_ns: Vec<Option<f64>>,
    queue_depth: Vec<Option<u64>>,
    busy_ratio: Vec<Option<f64>>,
}

/// Latencies of one kernel: of each point the buckets that are not empty, by their upper bounds in nanoseconds.
#[derive(Serialize)]
struct Heat {
    scale: u32,
    columns: Vec<Vec<(f64, u64)>>,
}

fn by_id<S: Serializer>(kernels: &[(Arc<str>, Columns)], serializer: S) -> Result<S::Ok, S::Error> {
    serializer.collect_map(kernels.iter().map(|(id, columns)| (&**id, columns)))
}

/// Some neighbouring points as one.
struct Merged {
    point: KernelPoint,
    seconds: f64,
}

impl Merged {
    fn add(&mut self, point: KernelPoint, seconds: f64) {
        let both = self.seconds + seconds;
        let mean = |a: f64, b: f64| if both > 0.0 { (a * self.seconds + b * seconds) / both } else { b };
        let merged = &mut self.point;
        merged.messages_per_second = mean(merged.messages_per_second, point.messages_per_second);
        merged.errors_per_second = mean(merged.errors_per_second, point.errors_per_second);
        merged.bytes_in_per_second = mean(merged.bytes_in_per_second, point.bytes_in_per_second);
        merged.busy_ratio = mean(merged.busy_ratio, point.busy_ratio);
        Arc::make_mut(&mut merged.latency).merge(&point.latency);
        // A peak, and a stall, are seen however short they were.
        merged.queue_depth = merged.queue_depth.max(point.queue_depth);
        if !merged.state.needs_attention() || point.state.needs_attention() {
            merged.state = point.state;
        }
        merged.time = point.time;
        self.seconds = both;
    }
}

/// One point of time, and the kernels there were.
#[derive(Default)]
struct Row {
    time: f64,
    kernels: Vec<(usize, Merged)>,
}

/// Snapshots as points, in the making.
struct Making {
    kernel: Option<Arc<str>>,
    /// How long each point is; zero where each two snapshots make one.
    width: Duration,
    ids: Vec<Arc<str>>,
    index: HashMap<Arc<str>, usize>,
    rows: Vec<Row>,
    /// The number of the last row's period.
    period: Option<u128>,
}

impl Making {
    fn add(&mut self, before: &Snapshot, now: &Snapshot) {
        let period = unix(now.time).as_nanos().checked_div(self.width.as_nanos());
        if period.is_none() || period != self.period {
            self.rows.push(Row::default());
            self.period = period;
        }
        let seconds = now.time.duration_since(before.time).unwrap_or_default().as_secs_f64();
        let new: Vec<(Arc<str>, KernelPoint)> = match &self.kernel {
            Some(id) => points([before, now], id).into_iter().map(|point| (Arc::clone(id), point)).collect(),
            None => {
                let ids = now.kernels.iter().map(|kernel| Arc::clone(&kernel.kernel_id));
                ids.zip(points_between(before, now)).filter_map(|(id, point)| Some((id, point?))).collect()
            }
        };
        let new: Vec<(usize, KernelPoint)> = new.into_iter().map(|(id, point)| (self.index_of(id), point)).collect();
        let Some(row) = self.rows.last_mut() else { return };
        row.time = unix(now.time).as_secs_f64();
        for (place, (kernel, point)) in new.into_iter().enumerate() {
            // Kernels come in the same order each time, and new ones last.
            match row.kernels.get_mut(place).filter(|(known, _)| *known == kernel) {
                Some((_, merged)) => merged.add(point, seconds),
                None => match row.kernels.iter_mut().find(|(known, _)| *known == kernel) {
                    Some((_, merged)) => merged.add(point, seconds),
                    None => row.kernels.push((kernel, Merged { point, seconds })),
                },
            }
        }
    }

    fn index_of(&mut self, id: Arc<str>) -> usize {
        if let Some(index) = self.index.get(&id) {
            return *index;
        }
        self.index.insert(Arc::clone(&id), self.ids.len());
        self.ids.push(id);
        self.ids.len() - 1
    }

    fn finish(self) -> History {
        let mut kernels: Vec<(Arc<str>, Columns)> = self.ids.into_iter().map(|id| (id, Columns::default())).collect();
        let mut heat = self.kernel.map(|_| Heat { scale: HEAT_SCALE, columns: Vec::new() });
        if let Some(heat) = &mut heat {
            let scales = self.rows.iter().flat_map(|row| &row.kernels).map(|(_, merged)| merged.point.latency.scale());
            heat.scale = scales.fold(HEAT_SCALE, u32::min);
        }
        for (n, row) in self.rows.iter().enumerate() {
            kernels.iter_mut().for_each(|(_, columns)| columns.extend_to(n + 1));
            for (kernel, merged) in &row.kernels {
                kernels[*kernel].1.set(n, &merged.point);
            }
            if let Some(heat) = &mut heat {
                let point = row.kernels.first().map(|(_, merged)| &merged.point);
                heat.columns.push(point.map(|point| heat.column(point)).unwrap_or_default());
            }
        }
        History { time: self.rows.iter().map(|row| row.time).collect(), kernels, heat }
    }
}

impl Heat {
    fn column(&self, point: &KernelPoint) -> Vec<(f64, u64)> {
        let latency = point.latency.downscaled(self.scale);
        latency
            .slots()
            .filter(|(_, count)| *count > 0)
            .map(|(slot, count)| (slot_bounds(slot, self.scale).1, count))
            .collect()
    }
}

impl Columns {
    fn extend_to(&mut self, n: usize) {
        self.state.resize(n, None);
        for column in [
            &mut self.messages_per_second,
            &mut self.errors_per_second,
            &mut self.bytes_in_per_second,
            &mut self.p50_ns,
            &mut self.p99_ns,
            &mut self.busy_ratio,
        ] {
            column.resize(n, None);
        }
        self.queue_depth.resize(n, None);
    }

    fn set(&mut self, n: usize, point: &KernelPoint) {
        self.state[n] = Some(point.state);
        self.messages_per_second[n] = Some(rounded(point.messages_per_second, 1e3));
        self.errors_per_second[n] = Some(rounded(point.errors_per_second, 1e3));
        self.bytes_in_per_second[n] = Some(rounded(point.bytes_in_per_second, 1e3));
        self.p50_ns[n] = point.quantile_ns(0.50).map(f64::round);
        self.p99_ns[n] = point.quantile_ns(0.99).map(f64::round);
        self.queue_depth[n] = Some(point.queue_depth);
        self.busy_ratio[n] = Some(rounded(point.busy_ratio, 1e6));
    }
}

/// Digits that nobody can see would be most of the document.
fn rounded(value: f64, steps: f64) -> f64 {
    (value * steps).round() / steps
}

fn unix(time: SystemTime) -> Duration {
    time.duration_since(SystemTime::UNIX_EPOCH).unwrap_or_default()
}

/// Makes at most so many points of `count` snapshots, which come in order of time, the first and the last at these times.
/// Neighbouring points are merged: rates by their time, buckets exactly, of queues the deepest.
pub fn history<S: AsRef<Snapshot>>(
    snapshots: impl IntoIterator<Item = S>,
    count: usize,
    span: Duration,
    question: &Question,
) -> History {
    let width = if count <= question.points { Duration::ZERO } else { width(span, question.points) };
    let mut making = Making {
        kernel: question.kernel.clone(),
        width,
        ids: Vec::new(),
        index: HashMap::new(),
        rows: Vec::new(),
        period: None,
    };
    let mut before: Option<S> = None;
    for now in snapshots {
        if let Some(before) = &before {
            making.add(before.as_ref(), now.as_ref());
        }
        before = Some(now);
    }
    making.finish()
}

/// A length of which so many cover the span. It comes from a fixed row, so that the same snapshots make the same points a second
/// later.
fn width(span: Duration, points: usize) -> Duration {
    let least = span.as_secs_f64().max(1e-6) / (points.max(3) - 2) as f64;
    Duration::from_secs_f64(((least.log2() * 4.0).ceil() / 4.0).exp2())
}
