//! Version 2: `io.prometheus.write.v2.Request`, every text once, and with each series its type, help, unit and since when it is
//! counted.

use std::collections::HashMap;
use std::time::SystemTime;

use prost::encoding::{WireType, encode_key, encode_varint, encoded_len_varint};

use super::batch::{Batch, Request, millis};
use super::messages::{Cutter, Tags, Times, nested, number};
use super::series::{Labels, Point, Writer};
use crate::export::catalog::{FamilyKind, MetricHeader};

const TAGS: Tags = Tags { sample: 2, histogram: 3 };

pub(super) struct Requests {
    cutter: Cutter,
    times: Times,
    symbols: Symbols,
    all_series: Vec<u8>,
    series: Vec<u8>,
    references: Vec<u32>,
    family: Family,
    /// The family's `Metadata`, with the references of this request; empty before its first series there.
    metadata: Vec<u8>,
}

#[derive(Default)]
struct Family {
    kind: u64,
    help: String,
    unit: String,
    /// 0 of what is not counted.
    started: i64,
    /// The same of the next series.
    since: i64,
}

impl Requests {
    pub(super) fn new(batch: &Batch<'_>) -> Requests {
        Requests {
            cutter: Cutter::new(batch),
            times: Times::of(batch),
            symbols: Symbols::new(),
            all_series: Vec::new(),
            series: Vec::new(),
            references: Vec::new(),
            family: Family::default(),
            metadata: Vec::new(),
        }
    }

    fn cut(&mut self) {
        self.cutter.cut(|| {
            let mut request = std::mem::replace(&mut self.symbols, Symbols::new()).bytes;
            request.append(&mut self.all_series);
            request
        });
        self.metadata.clear();
    }
}

impl Writer for Requests {
    fn family(&mut self, header: &MetricHeader<'_>) {
        let (kind, started) = match header.kind {
            FamilyKind::Counter => (1, self.times.started),
            FamilyKind::Gauge => (2, 0),
            FamilyKind::Histogram => (3, self.times.started),
            FamilyKind::Summary => (5, self.times.started),
        };
        (self.family.kind, self.family.started, self.family.since) = (kind, started, started);
        header.help.clone_into(&mut self.family.help);
        header.unit.unwrap_or_default().clone_into(&mut self.family.unit);
        self.metadata.clear();
    }

    fn counted_since(&mut self, since: Option<SystemTime>) {
        // Nothing was counted before anything was.
        self.family.since = since.map_or(self.family.started, |since| millis(since).max(self.family.started));
    }

    fn series(&mut self, labels: &Labels<'_>, point: Point<'_>) {
        if self.cutter.is_full(self.symbols.bytes.len() + self.all_series.len()) {
            self.cut();
        }
        if self.metadata.is_empty() {
            number(1, self.family.kind, &mut self.metadata);
            number(3, self.symbols.reference(&self.family.help).into(), &mut self.metadata);
            number(4, self.symbols.reference(&self.family.unit).into(), &mut self.metadata);
        }
        self.references.clear();
        for (name, value) in labels {
            self.references.push(self.symbols.reference(name));
            self.references.push(self.symbols.reference(value));
        }
        self.series.clear();
        encode_key(1, WireType::LengthDelimited, &mut self.series);
        let bytes: usize = self.references.iter().map(|n| encoded_len_varint((*n).into())).sum();
        encode_varint(bytes as u64, &mut self.series);
        self.references.iter().for_each(|n| encode_varint((*n).into(), &mut self.series));
        let started = self.family.since;
        self.cutter.add(self.times.points(&point, started, TAGS, &mut self.series));
        nested(5, &self.metadata, &mut self.series);
        number(6, started as u64, &mut self.series);
        nested(5, &self.series, &mut self.all_series);
    }

    fn finish(mut self) -> Vec<Request> {
        self.cut();
        self.cutter.finish()
    }
}

/// The texts of a request, each once.
struct Symbols {
    known: HashMap<Box<str>, u32>,
    bytes: Vec<u8>,
}

impl Symbols {
    fn new() -> Symbols {
        let mut symbols = Symbols { known: HashMap::new(), bytes: Vec::new() };
        // The first one is empty, by the protocol.
        symbols.reference("");
        symbols
    }

    fn reference(&mut self, text: &str) -> u32 {
        if let Some(known) = self.known.get(text) {
            return *known;
        }
        let new = self.known.len() as u32;
        self.known.insert(text.into(), new);
        nested(4, text.as_bytes(), &mut self.bytes);
        new
    }
}
