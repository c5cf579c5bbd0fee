//! The embedded metric format, to a writer.

use std::io::{Stdout, Write};
use std::sync::{Mutex, PoisonError};

use super::super::environment::Environment;
use super::super::error::PublishError;
use super::super::publication::Publication;
use super::super::publisher::{Destination, Payload, Published, Temporality};
use super::super::target::Target;
use super::common::{rejected, with_service};
use super::setting::CloudWatchBuilder;
use crate::export::cloudwatch::{Format, emf};

/// A line, with its end.
const LINE: u8 = 0;
/// Nothing but the number of data that CloudWatch does not take.
const REJECTED: u8 = 1;

/// Writes metrics in CloudWatch's embedded metric format, a JSON document a line: to the standard output of a function or a
/// container, of which CloudWatch's logs make metrics. Types are those of [`CloudWatch`](super::CloudWatch);
/// [`CloudWatchBuilder::emf`] makes one.
pub struct CloudWatchEmf<W> {
    format: Format,
    writer: Mutex<W>,
}

impl<W> CloudWatchEmf<W> {
    /// Takes the writer out again.
    pub fn into_inner(self) -> W {
        self.writer.into_inner().unwrap_or_else(PoisonError::into_inner)
    }
}

impl CloudWatchEmf<Stdout> {
    /// Makes one of `cloudwatch-emf:stdout`, which writes to the standard output. Options: `namespace`, `dimensions=a:b,c:d`,
    /// `resolution` (`1`, `60`).
    ///
    /// # Errors
    /// [`PublishError::BadSetting`].
    pub fn from_target(target: Target, _: &Environment) -> Result<Self, PublishError> {
        CloudWatchBuilder::from_emf_target(target)?.emf(std::io::stdout())
    }
}

impl CloudWatchBuilder {
    /// Makes a destination that writes the embedded metric format to `writer`, such as the standard output. Of the settings
    /// namespace, dimensions and resolution count.
    ///
    /// ```
    /// use ringscope::publish::CloudWatch;
    ///
    /// let lines = CloudWatch::builder().namespace("shop/gpu").emf(std::io::stdout())?;
    /// # drop(lines);
    /// # Ok::<(), ringscope::publish::PublishError>(())
    /// ```
    ///
    /// # Errors
    /// [`PublishError::BadSetting`].
    pub fn emf<W: Write + Send + 'static>(self, writer: W) -> Result<CloudWatchEmf<W>, PublishError> {
        Ok(CloudWatchEmf { format: self.format()?, writer: Mutex::new(writer) })
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
        let format = with_service(&self.format, publication);
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
            return Ok(rejected(payload.items));
        }
        let mut writer = self.writer.lock().unwrap_or_else(PoisonError::into_inner);
        let written = writer.write_all(&payload.bytes).and_then(|()| writer.flush());
        written.map_err(|e| PublishError::Unreachable { peer: "the writer".to_owned(), reason: e.to_string() })?;
        Ok(Published::all(payload.items))
    }
}
