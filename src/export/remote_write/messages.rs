//! What both versions have alike, and how series are cut into requests.

use prost::Message;
use prost::encoding::{WireType, encode_key, encode_varint, encoded_len_varint, message};

use super::batch::{Batch, MOST_BYTES, Request, millis};
use super::series::Point;
use crate::export::prometheus::native::{BucketSpan, NativeBuckets, ZERO_THRESHOLD};

/// The value by which Prometheus knows that a series has ended.
const STALE: f64 = f64::from_bits(0x7ff0_0000_0000_0002);

/// `prometheus.Sample` and `io.prometheus.write.v2.Sample`.
#[derive(Clone, Copy, PartialEq, Message)]
pub(super) struct Sample {
    #[prost(double, tag = "1")]
    value: f64,
    #[prost(int64, tag = "2")]
    timestamp: i64,
    /// Of version 2, in its newest form.
    #[prost(int64, tag = "3")]
    start_timestamp: i64,
}

/// `prometheus.Histogram` and `io.prometheus.write.v2.Histogram`.
#[derive(Clone, PartialEq, Message)]
pub(super) struct Histogram {
    // The counts are members of a oneof: a zero is written too.
    #[prost(uint64, optional, tag = "1")]
    count_int: Option<u64>,
    #[prost(double, tag = "3")]
    sum: f64,
    #[prost(sint32, tag = "4")]
    schema: i32,
    #[prost(double, tag = "5")]
    zero_threshold: f64,
    #[prost(uint64, optional, tag = "6")]
    zero_count_int: Option<u64>,
    #[prost(message, repeated, tag = "11")]
    positive_spans: Vec<BucketSpan>,
    #[prost(sint64, repeated, tag = "12")]
    positive_deltas: Vec<i64>,
    #[prost(int64, tag = "15")]
    timestamp: i64,
    #[prost(int64, tag = "17")]
    start_timestamp: i64,
}

/// The times of a request's samples, in milliseconds.
#[derive(Clone, Copy, Debug)]
pub(super) struct Times {
    now: i64,
    pub(super) started: i64,
    ends: bool,
}

impl Times {
    pub(super) fn of(batch: &Batch<'_>) -> Times {
        // Prometheus refuses a second value for a time.
        let after_previous = batch.previous.map_or(0, |previous| millis(previous.time).saturating_add(1));
        Times { now: millis(batch.snapshot.time).max(after_previous), started: millis(batch.started), ends: batch.ends }
    }

    /// Writes what a series has now into it, and that it ends, if it does. Returns how many samples these are.
    pub(super) fn points(&self, point: &Point<'_>, started: i64, tags: Tags, series: &mut Vec<u8>) -> usize {
        let (ended, after) = (self.ends && !point.is_gone(), self.now.saturating_add(1));
        match point {
            Point::Value(value) => tags.sample(*value, self.now, started, series),
            Point::Gone => tags.sample(STALE, self.now, 0, series),
            Point::Native(counted) => {
                let buckets = NativeBuckets::of(counted);
                let histogram = Histogram {
                    count_int: Some(counted.count()),
                    sum: counted.sum() as f64,
                    schema: buckets.schema,
                    zero_threshold: ZERO_THRESHOLD,
                    zero_count_int: Some(buckets.zero_count),
                    positive_spans: buckets.spans,
                    positive_deltas: buckets.deltas,
                    timestamp: self.now,
                    start_timestamp: started,
                };
                message::encode(tags.histogram, &histogram, series);
            }
            Point::NativeGone => tags.native_end(self.now, series),
        }
        match point {
            _ if !ended => {}
            Point::Native(_) => tags.native_end(after, series),
            _ => tags.sample(STALE, after, 0, series),
        }
        1 + usize::from(ended)
    }
}

/// Where a version's series has samples and histograms.
#[derive(Clone, Copy, Debug)]
pub(super) struct Tags {
    pub(super) sample: u32,
    pub(super) histogram: u32,
}

impl Tags {
    fn sample(self, value: f64, timestamp: i64, start_timestamp: i64, series: &mut Vec<u8>) {
        message::encode(self.sample, &Sample { value, timestamp, start_timestamp }, series);
    }

    fn native_end(self, timestamp: i64, series: &mut Vec<u8>) {
        let ended =
            Histogram { count_int: Some(0), sum: STALE, zero_count_int: Some(0), timestamp, ..Histogram::default() };
        message::encode(self.histogram, &ended, series);
    }
}

/// Cuts a stream of series into requests.
#[derive(Debug)]
pub(super) struct Cutter {
    most: usize,
    points: usize,
    done: Vec<Request>,
}

impl Cutter {
    pub(super) fn new(batch: &Batch<'_>) -> Cutter {
        Cutter { most: batch.most.max(1), points: 0, done: Vec::new() }
    }

    pub(super) fn add(&mut self, points: usize) {
        self.points += points;
    }

    /// Whether a request of so many bytes takes no more series.
    pub(super) fn is_full(&self, bytes: usize) -> bool {
        self.points >= self.most || bytes >= MOST_BYTES
    }

    /// Ends the request, unless no series is in it.
    pub(super) fn cut(&mut self, bytes: impl FnOnce() -> Vec<u8>) {
        if self.points > 0 {
            self.done.push(Request { points: self.points as u64, bytes: bytes() });
            self.points = 0;
        }
    }

    pub(super) fn finish(self) -> Vec<Request> {
        self.done
    }
}

/// A message in a message.
pub(super) fn nested(tag: u32, message: &[u8], out: &mut Vec<u8>) {
    encode_key(tag, WireType::LengthDelimited, out);
    encode_varint(message.len() as u64, out);
    out.extend_from_slice(message);
}

/// A text, which is left out if it is empty.
pub(super) fn text(tag: u32, text: &str, out: &mut Vec<u8>) {
    if !text.is_empty() {
        nested(tag, text.as_bytes(), out);
    }
}

/// A number, which is left out if it is 0.
pub(super) fn number(tag: u32, number: u64, out: &mut Vec<u8>) {
    if number != 0 {
        encode_key(tag, WireType::Varint, out);
        encode_varint(number, out);
    }
}

/// Bytes that [`text`] takes with a tag below 16.
pub(super) fn text_len(text: &str) -> usize {
    if text.is_empty() { 0 } else { 1 + encoded_len_varint(text.len() as u64) + text.len() }
}
