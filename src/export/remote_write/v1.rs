//! Version 1: `prometheus.WriteRequest`, every label's name and value in every series.

use super::batch::{Batch, Request};
use super::messages::{Cutter, Tags, Times, nested, number, text, text_len};
use super::series::{Labels, Point, Writer};
use crate::export::catalog::{FamilyKind, MetricHeader};
use prost::encoding::{WireType, encode_key, encode_varint};

const TAGS: Tags = Tags { sample: 2, histogram: 4 };

pub(super) struct Requests {
    cutter: Cutter,
    times: Times,
    metadata: bool,
    request: Vec<u8>,
    /// One series, or a family's metadata.
    message: Vec<u8>,
}

impl Requests {
    pub(super) fn new(batch: &Batch<'_>) -> Requests {
        Requests {
            cutter: Cutter::new(batch),
            times: Times::of(batch),
            metadata: batch.metadata,
            request: Vec::new(),
            message: Vec::new(),
        }
    }
}

impl Writer for Requests {
    fn family(&mut self, header: &MetricHeader<'_>) {
        if !self.metadata {
            return;
        }
        let kind = match header.kind {
            FamilyKind::Counter => 1,
            FamilyKind::Gauge => 2,
            FamilyKind::Histogram => 3,
            FamilyKind::Summary => 5,
        };
        self.message.clear();
        number(1, kind, &mut self.message);
        text(2, header.name, &mut self.message);
        text(4, header.help, &mut self.message);
        text(5, header.unit.unwrap_or_default(), &mut self.message);
        nested(3, &self.message, &mut self.request);
    }

    fn series(&mut self, labels: &Labels<'_>, point: Point<'_>) {
        if self.cutter.is_full(self.request.len()) {
            self.cutter.cut(|| std::mem::take(&mut self.request));
        }
        self.message.clear();
        for (name, value) in labels {
            encode_key(1, WireType::LengthDelimited, &mut self.message);
            encode_varint((text_len(name) + text_len(value)) as u64, &mut self.message);
            text(1, name, &mut self.message);
            text(2, value, &mut self.message);
        }
        self.cutter.add(self.times.points(&point, 0, TAGS, &mut self.message));
        nested(1, &self.message, &mut self.request);
    }

    fn finish(mut self) -> Vec<Request> {
        self.cutter.cut(|| self.request);
        self.cutter.finish()
    }
}
