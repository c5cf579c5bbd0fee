//! Amazon CloudWatch: PutMetricData by the AWS SDK, and the embedded metric format.

mod common;
mod emf;
mod failure;
mod setting;

use std::sync::OnceLock;
use std::time::SystemTime;

use aws_config::retry::RetryConfig;
use aws_config::timeout::TimeoutConfig;
use aws_config::{BehaviorVersion, Region};
use aws_credential_types::Credentials;
use aws_sdk_cloudwatch::Client;
use aws_sdk_cloudwatch::primitives::DateTime;
use aws_sdk_cloudwatch::types::{self, MetricDatum, StandardUnit};
use secrecy::ExposeSecret;
use tokio::sync::OnceCell;

pub use self::emf::CloudWatchEmf;
pub use self::setting::CloudWatchBuilder;

use self::common::{rejected, with_service};
use self::failure::classified;
use self::setting::{Keys, bad};
use super::environment::Environment;
use super::error::PublishError;
use super::publication::Publication;
use super::publisher::{Destination, Payload, Published, Temporality};
use super::target::Target;
use crate::collector::TelemetryCollector;
use crate::export::cloudwatch::{self, Call, Datum, Format};

/// A call of PutMetricData, in JSON.
const CALL: u8 = 0;
/// Nothing but the number of data that CloudWatch does not take.
const REJECTED: u8 = 1;

/// Sends to Amazon CloudWatch, by PutMetricData.
///
/// ```
/// use ringscope::publish::{CloudWatch, Destination, Temporality};
///
/// let cloudwatch = CloudWatch::builder().region("eu-west-1").namespace("shop/gpu").build()?;
/// assert_eq!((Destination::name(&cloudwatch), cloudwatch.temporality()), ("cloudwatch", Temporality::Delta));
/// # Ok::<(), ringscope::publish::PublishError>(())
/// ```
///
/// # Types
///
/// | here | there |
/// |---|---|
/// | counter | one value, what was added since the publication before: the statistic `Sum`; no datum where that is nothing |
/// | gauge | one value |
/// | histogram | `Values` and `Counts`, one of each for a bucket that has values; more than 150 are several data |
/// | summary | one value each, with the dimension `quantile` |
/// | events, spans | are not sent |
///
/// Counts (`SampleCount`) are exact. The value that stands for a bucket `(a, b]` is `2ab / (a + b)`: `Sum`, `Minimum`,
/// `Maximum` and percentiles are off by at most [`relative_error`](crate::histogram::relative_error), 4.4 % at scale 3. Of
/// histograms over bounds of your own it is the middle of the bucket.
///
/// Units are CloudWatch's `Seconds`, `Bytes` and, of counters without one, `Count`; it has no others of ours. Each label is a
/// dimension; characters beyond ASCII are question marks, and a label without a value is left out. What CloudWatch does not
/// take, more than 30 dimensions or values beyond ±2^360, is rejected and counted.
///
/// # Credentials, retries
///
/// The SDK looks for credentials, region and endpoint as it always does. It does not retry: who publishes does. Its TLS is
/// its own, and does not need the feature `tls`.
///
/// CloudWatch has an endpoint for OTLP as well. It wants requests signed (SigV4), which [OTLP here](super) does not do: put an
/// OpenTelemetry collector with the extension `sigv4auth`, or CloudWatch's agent, between them.
#[derive(Debug)]
pub struct CloudWatch {
    format: Format,
    setting: CloudWatchBuilder,
    client: OnceCell<Ready>,
    meter: OnceLock<TelemetryCollector>,
}

/// A client, with whom it asks.
#[derive(Debug)]
struct Ready {
    client: Client,
    host: String,
    port: u16,
}

impl CloudWatch {
    /// Sets up one.
    pub fn builder() -> CloudWatchBuilder {
        CloudWatchBuilder::new()
    }

    /// Makes one of `cloudwatch://REGION`. Options: `namespace`, `dimensions=a:b,c:d`, `resolution` (`1`, `60`), `endpoint`. What
    /// is not said there comes from `AWS_REGION`, `AWS_ENDPOINT_URL_CLOUDWATCH`, `AWS_ACCESS_KEY_ID` and their like, or else from
    /// where the SDK looks.
    ///
    /// # Errors
    /// [`PublishError::BadSetting`]; [`PublishError::File`] for a secret's file that cannot be read.
    pub fn from_target(target: Target, environment: &Environment) -> Result<Self, PublishError> {
        CloudWatchBuilder::from_target(target, environment)?.build()
    }

    async fn ready(&self) -> Result<&Ready, PublishError> {
        self.client.get_or_try_init(|| connect(&self.setting)).await
    }

    async fn call(&self, ready: &Ready, call: Call) -> Result<(), PublishError> {
        let data = call.metric_data.into_iter().map(datum).collect();
        let request = ready.client.put_metric_data().namespace(call.namespace).set_metric_data(Some(data));
        let peer = format!("{}:{}", ready.host, ready.port);
        request.send().await.map_err(|error| classified(&error, &peer, self.setting.timeout))?;
        Ok(())
    }
}

impl CloudWatchBuilder {
    /// Makes the destination. Nothing is sent or looked for yet.
    ///
    /// # Errors
    /// [`PublishError::BadSetting`].
    pub fn build(self) -> Result<CloudWatch, PublishError> {
        self.checked_endpoint()?;
        Ok(CloudWatch { format: self.format()?, setting: self, client: OnceCell::new(), meter: OnceLock::new() })
    }
}

impl Destination for CloudWatch {
    fn name(&self) -> &str {
        "cloudwatch"
    }

    fn temporality(&self) -> Temporality {
        Temporality::Delta
    }

    fn attach(&self, collector: &TelemetryCollector) {
        // The first one stays.
        let _ = self.meter.set(collector.clone());
    }

    fn encode(&self, publication: &Publication) -> Result<Vec<Payload>, PublishError> {
        let format = with_service(&self.format, publication);
        let (calls, rejected) = cloudwatch::calls(&format, &publication.snapshot, publication.previous.as_deref());
        let time = publication.snapshot.time;
        let mut payloads = calls.iter().map(|call| payload(call, time)).collect::<Result<Vec<_>, _>>()?;
        if rejected > 0 {
            payloads.push(Payload::new(REJECTED, rejected, time, Vec::new()));
        }
        Ok(payloads)
    }

    async fn send(&self, payload: &Payload) -> Result<Published, PublishError> {
        if payload.kind == REJECTED {
            return Ok(rejected(payload.items));
        }
        let call = serde_json::from_slice(&payload.bytes).map_err(|e| unwritable(&e))?;
        let ready = self.ready().await?;
        let meter = self.meter.get();
        let measured = meter.and_then(|meter| meter.network_operation("publish", &ready.host, ready.port).ok());
        let sent = self.call(ready, call).await;
        if let Some(mut operation) = measured {
            match &sent {
                Ok(()) => {
                    operation.sent(payload.bytes.len() as u64);
                    operation.succeed();
                }
                Err(error) => operation.fail(error),
            }
        }
        sent.map(|()| Published::all(payload.items))
    }
}

fn payload(call: &Call, time: SystemTime) -> Result<Payload, PublishError> {
    let bytes = serde_json::to_vec(call).map_err(|e| unwritable(&e))?;
    Ok(Payload::new(CALL, call.metric_data.len() as u64, time, bytes))
}

fn unwritable(error: &serde_json::Error) -> PublishError {
    PublishError::Unwritable { format: "a call of PutMetricData".to_owned(), reason: error.to_string() }
}

fn datum(datum: Datum) -> MetricDatum {
    let dimension = |of: cloudwatch::Dimension| types::Dimension::builder().name(of.name).value(of.value).build();
    let list = |numbers: Vec<f64>| Some(numbers).filter(|numbers| !numbers.is_empty());
    MetricDatum::builder()
        .metric_name(datum.metric_name)
        .set_dimensions(Some(datum.dimensions.into_iter().map(dimension).collect()))
        .timestamp(DateTime::from_secs(datum.timestamp))
        .set_value(datum.value)
        .set_values(list(datum.values))
        .set_counts(list(datum.counts))
        .unit(StandardUnit::from(&*datum.unit))
        .storage_resolution(datum.storage_resolution.into())
        .build()
}

/// Finds out what is not set, and makes a client.
async fn connect(setting: &CloudWatchBuilder) -> Result<Ready, PublishError> {
    let time = TimeoutConfig::builder().connect_timeout(setting.timeout).operation_timeout(setting.timeout).build();
    let mut loader =
        aws_config::defaults(BehaviorVersion::latest()).retry_config(RetryConfig::disabled()).timeout_config(time);
    if let Some(region) = &setting.region {
        loader = loader.region(Region::new(region.clone()));
    }
    if let Some(keys) = &setting.credentials {
        loader = loader.credentials_provider(credentials(keys));
    }
    if let Some(url) = &setting.endpoint {
        loader = loader.endpoint_url(url);
    }
    // It looks at files and asks the machine; how long that takes is its own to limit.
    let found = loader.load().await;
    let Some(region) = found.region() else {
        return Err(bad("the region", "set it, or AWS_REGION, or one in the profile"));
    };
    let endpoint = setting.endpoint.as_deref().or(found.endpoint_url());
    let (host, port) = endpoint.map_or_else(|| (format!("monitoring.{region}.amazonaws.com"), 443), host_and_port);
    Ok(Ready { client: Client::new(&found), host, port })
}

fn credentials(keys: &Keys) -> Credentials {
    let session = keys.session.as_ref().map(|token| token.expose_secret().to_owned());
    Credentials::new(&keys.id, keys.secret.expose_secret(), session, None, "ringscope")
}

/// Of a URL, which may have a path.
fn host_and_port(url: &str) -> (String, u16) {
    let (scheme, rest) = url.split_once("://").unwrap_or(("https", url));
    let authority = rest.split('/').next().unwrap_or(rest);
    let default = if scheme == "http" { 80 } else { 443 };
    match authority.rsplit_once(':') {
        Some((host, port)) if port.parse::<u16>().is_ok() => (host.to_owned(), port.parse().unwrap_or(default)),
        _ => (authority.to_owned(), default),
    }
}
