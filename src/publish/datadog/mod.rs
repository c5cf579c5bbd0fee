//! Datadog, by way of its agent: DogStatsD over UDP and Unix sockets.

mod setting;
mod socket;

use std::path::Path;
use std::sync::OnceLock;
use std::sync::atomic::{AtomicU64, Ordering};

pub use self::setting::{DogStatsdBuilder, DogStatsdHistogram};

use self::setting::Address;
use self::socket::Channel;
use super::environment::Environment;
use super::error::PublishError;
use super::publication::Publication;
use super::publisher::{Destination, Payload, Published, Temporality};
use super::target::Target;
use crate::collector::TelemetryCollector;
use crate::export::statsd::{self, ClientCounts, Format, Packets};

/// A packet, sent as it is.
const PACKET: u8 = 0;
/// Nothing but the number of lines that no packet takes: they count as rejected.
const TOO_LONG: u8 = 1;

/// Sends to Datadog's agent, or to another server that speaks DogStatsD.
///
/// ```
/// use ringscope::publish::{Destination, DogStatsd, Temporality};
///
/// let agent = DogStatsd::udp("127.0.0.1:8125")?.tag("team", "search").build()?;
/// assert_eq!((Destination::name(&agent), agent.temporality()), ("dogstatsd", Temporality::Delta));
/// # Ok::<(), ringscope::publish::PublishError>(())
/// ```
///
/// # Types
///
/// | here | there |
/// |---|---|
/// | counter | `c`: what was added since the publication before; no line where that is nothing |
/// | gauge | `g` |
/// | histogram | `d`: a line for each bucket that has values, with its count as the rate |
/// | summary | `g`, with the tag `quantile` |
/// | event, kernel event | `_e` |
///
/// A receiver counts a value with the rate `r` as `trunc(1 / r)` values, and the rates that are sent give each bucket's count
/// exactly; the few counts near 2^53 that no rate gives are sent in two lines. The value that stands for a bucket `(a, b]` is
/// `2ab / (a + b)`: sums and percentiles are off by at most
/// [`relative_error`](crate::histogram::relative_error), 4.4 % at scale 3. Of histograms over bounds of your own it is the
/// middle of the bucket.
///
/// Metrics are called as on a page for Prometheus, without `_total`. Commas, bars and line ends in tags are underscores. Tags
/// are cut at 200 characters, as Datadog would cut them. A line that is longer than a packet is rejected, and counted; so is a
/// name of more than 200 characters.
///
/// # OTLP instead
///
/// The agent takes OTLP as well, in which histograms stay exponential. Datadog wants what was added there, too:
/// `otlp+http://agent:4318?temporality=delta`, or `Otlp::builder(…).temporality(Temporality::Delta)` with the feature `otlp`.
///
/// # What can get lost
///
/// UDP confirms nothing. On the same machine the system says at once when nobody listens, and the attempt has failed; what a
/// network loses is lost. A Unix socket loses nothing while the agent runs.
#[derive(Debug)]
pub struct DogStatsd {
    format: Format,
    /// Whether a tag of every line says it already.
    knows_service: bool,
    events: bool,
    telemetry: bool,
    channel: Channel,
    counts: Counts,
    meter: OnceLock<TelemetryCollector>,
}

/// What became of packets since the client told of itself last.
#[derive(Debug, Default)]
struct Counts {
    packets_sent: AtomicU64,
    packets_dropped: AtomicU64,
    bytes_sent: AtomicU64,
    bytes_dropped: AtomicU64,
}

impl Counts {
    fn add(packets: &AtomicU64, bytes: &AtomicU64, packet: &[u8]) {
        packets.fetch_add(1, Ordering::Relaxed);
        bytes.fetch_add(packet.len() as u64, Ordering::Relaxed);
    }

    fn take(&self) -> ClientCounts {
        let take = |count: &AtomicU64| count.swap(0, Ordering::Relaxed);
        ClientCounts {
            packets_sent: take(&self.packets_sent),
            packets_dropped: take(&self.packets_dropped),
            bytes_sent: take(&self.bytes_sent),
            bytes_dropped: take(&self.bytes_dropped),
        }
    }
}

impl DogStatsd {
    /// Sets up one that sends over UDP to `host:port`; without a port, to 8125.
    ///
    /// # Errors
    /// [`PublishError::BadSetting`] for an address that is none.
    pub fn udp(address: &str) -> Result<DogStatsdBuilder, PublishError> {
        Ok(DogStatsdBuilder::new(setting::of_text(address)?))
    }

    /// Sets up one that sends to a Unix socket for datagrams, such as `/var/run/datadog/dsd.socket`.
    pub fn unix(path: impl AsRef<Path>) -> DogStatsdBuilder {
        DogStatsdBuilder::new(Address::Unix(path.as_ref().to_owned()))
    }

    /// Makes one of `dogstatsd://HOST:PORT` or `dogstatsd+unix:///PATH`. What is not said there comes from the environment: see
    /// [`DogStatsdBuilder::from_environment`]. Options: `tags=a:b,c:d`, `packet_bytes`, `histograms` (`distribution`,
    /// `histogram`, `timing`), `events` and `telemetry` (`on`, `off`).
    ///
    /// # Errors
    /// [`PublishError::BadSetting`].
    pub fn from_target(target: Target, environment: &Environment) -> Result<Self, PublishError> {
        DogStatsdBuilder::from_target(target, environment)?.build()
    }

    /// The packets of a publication, and how many lines none takes.
    fn packets(&self, publication: &Publication) -> (Vec<statsd::Packet>, u64) {
        let mut format = self.format.clone();
        if !self.knows_service && !publication.source.service.is_empty() {
            format.tags.push(statsd::tag("service", &publication.source.service));
        }
        let mut packets = Packets::new(&format);
        statsd::metrics(&publication.snapshot, publication.previous.as_deref(), &mut packets);
        if self.events {
            publication.events.iter().for_each(|event| statsd::application_event(event, &mut packets));
            publication.kernel_events.iter().for_each(|event| statsd::kernel_event(event, &mut packets));
        }
        if self.telemetry {
            statsd::telemetry(self.counts.take(), self.channel.transport(), &mut packets);
        }
        packets.finish()
    }

    async fn send_packet(&self, packet: &[u8]) -> Result<(), PublishError> {
        let (host, port) = self.channel.host_and_port();
        let measured = self.meter.get().and_then(|meter| meter.network_operation("publish", &host, port).ok());
        let sent = self.channel.send(packet).await;
        if let Some(mut operation) = measured {
            match &sent {
                Ok(()) => {
                    operation.sent(packet.len() as u64);
                    operation.succeed();
                }
                Err(error) => operation.fail(error),
            }
        }
        match &sent {
            Ok(()) => Counts::add(&self.counts.packets_sent, &self.counts.bytes_sent, packet),
            Err(error) if error.is_permanent() => {
                Counts::add(&self.counts.packets_dropped, &self.counts.bytes_dropped, packet);
            }
            // It is sent again.
            Err(_) => {}
        }
        sent
    }
}

impl DogStatsdBuilder {
    /// Makes the destination. Nothing is sent yet, and no name is looked up.
    ///
    /// # Errors
    /// [`PublishError::BadSetting`].
    pub fn build(self) -> Result<DogStatsd, PublishError> {
        let format = Format {
            packet_bytes: self.checked_packet_bytes()?,
            histograms: self.histograms.code(),
            tags: self.tag_texts(),
            tail: self.tail()?,
        };
        Ok(DogStatsd {
            format,
            knows_service: self.tags.iter().any(|(name, _)| name == "service"),
            events: self.events,
            telemetry: self.telemetry,
            channel: Channel::new(self.address, self.timeout),
            counts: Counts::default(),
            meter: OnceLock::new(),
        })
    }
}

impl Destination for DogStatsd {
    fn name(&self) -> &str {
        "dogstatsd"
    }

    fn temporality(&self) -> Temporality {
        Temporality::Delta
    }

    fn attach(&self, collector: &TelemetryCollector) {
        // The first one stays.
        let _ = self.meter.set(collector.clone());
    }

    fn encode(&self, publication: &Publication) -> Result<Vec<Payload>, PublishError> {
        let time = publication.snapshot.time;
        let (packets, too_long) = self.packets(publication);
        let packets = packets.into_iter();
        let mut payloads: Vec<Payload> =
            packets.map(|packet| Payload::new(PACKET, packet.lines, time, packet.text.into_bytes())).collect();
        if too_long > 0 {
            payloads.push(Payload::new(TOO_LONG, too_long, time, Vec::new()));
        }
        Ok(payloads)
    }

    async fn send(&self, payload: &Payload) -> Result<Published, PublishError> {
        if payload.kind == TOO_LONG {
            let why = format!(
                "lines with their tags are longer than a packet of {} bytes, or names than 200 characters",
                self.format.packet_bytes
            );
            return Ok(Published { rejected: payload.items, warning: Some(why), ..Published::default() });
        }
        self.send_packet(&payload.bytes).await?;
        Ok(Published::all(payload.items))
    }
}
