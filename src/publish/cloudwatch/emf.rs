//! The embedded metric format, to a writer.

use std::io::Write;
use std::sync::{Mutex, PoisonError};

use super::super::error::PublishError;
use super::super::publication::Publication;
use super::super::publisher::{Destination, Payload, Published, Temporality};
use crate::export::cloudwatch::{Format, emf};

/// A line, with its end.
const LINE: u8 = 0;
/// Nothing but the number of data that CloudWatch does not take.
const REJECTED: u8 = 1;

/// Writes metrics in CloudWatch's embedded metric format, a JSON document a line: to the standard output of a function or a
/// container, of which CloudWatch's logs make metrics. Counters are what was added. See [`CloudWatchBuilder::emf`].
///
/// [`CloudWatchBuilder::emf`]: super::CloudWatchBuilder::emf
pub struct CloudWatchEmf<W> {
    format: Format,
    writer: Mutex<W>,
}

impl<W> CloudWatchEmf<W> {
    pub(super) fn new(format: Format, writer: W) -> Self {
        CloudWatchEmf { format, writer: Mutex::new(writer) }
    }

    /// Takes the writer out again.
    pub fn into_inner(self) -> W {
        self.writer.into_inner().unwrap_or_else(PoisonError::into_inner)
    }
}

impl<W> std::fmt::Debug for CloudWatchEmf<W> {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("CloudWatchEmf").field("format", &self.format).finish_non_exhaustive()
    }
}

impl<W: Write + Send + 'static> Destination for CloudWatchEmf<W> {
    fn name(&self) -> &str {
        "cloudwatch-emf"
    }

    fn temporality(&self) -> Temporality {
        Temporality::Delta
    }

    fn encode(&self, publication: &Publication) -> Result<Vec<Payload>, PublishError> {
        let time = publication.snapshot.time;
        let format = super::with_service(&self.format, publication);
        let (lines, rejected) = emf(&format, &publication.snapshot, publication.previous.as_deref());
        let mut payloads: Vec<Payload> = lines
            .into_iter()
            .map(|line| Payload::new(LINE, line.items, time, (line.text + "\n").into_bytes()))
            .collect();
        if rejected > 0 {
            payloads.push(Payload::new(REJECTED, rejected, time, Vec::new()));
        }
        Ok(payloads)
    }

    async fn send(&self, payload: &Payload) -> Result<Published, PublishError> {
        if payload.kind == REJECTED {
            return Ok(super::rejected(payload.items));
        }
        let mut writer = self.writer.lock().unwrap_or_else(PoisonError::into_inner);
        let written = writer.write_all(&payload.bytes).and_then(|()| writer.flush());
        written.map_err(|e| PublishError::Unreachable { peer: "the writer".to_owned(), reason: e.to_string() })?;
        Ok(Published::all(payload.items))
    }
}
