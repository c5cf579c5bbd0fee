//! Grafana Cloud: OpenTelemetry's protocol with an instance and a key, or remote write.

use std::time::Duration;

use secrecy::SecretString;
use url::{Host, Url};

use super::environment::Environment;
use super::error::PublishError;
use super::http::{Auth, HttpOptions, bad};
use super::otlp::{Otlp, OtlpBuilder, OtlpSignal};
use super::publication::Publication;
use super::publisher::{Destination, Payload, Published, Temporality};
use super::remote_write::RemoteWrite;
use super::target::Target;
use crate::collector::TelemetryCollector;

const NAME: &str = "grafana-cloud";
const OPTIONS: [&str; 6] = ["zone", "endpoint", "instance", "protocol", "certificate", "name"];
/// What is said of histograms that are not taken.
const EXPLICIT_NOW: &str = "it does not take exponential histograms: explicit ones are sent from now on";

/// How a stack of Grafana Cloud is sent to.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Hash)]
#[non_exhaustive]
pub enum GrafanaCloudProtocol {
    /// OTLP over HTTP: metrics, traces and logs, through the zone's gateway.
    #[default]
    Otlp,
    /// Prometheus's remote write: metrics.
    RemoteWrite,
}

/// Sends to a stack of Grafana Cloud.
///
/// The stack's page shows its instance and its zone, or the endpoint as a whole; keys are made there. Over OTLP everything is
/// sent: metrics, spans and log records, compressed. A stack that does not take exponential histograms says so once: what it
/// refused is counted as rejected, and from then on histograms are explicit, over powers of two, with exact counts. Since counts
/// are cumulative, the next publication has all of them.
///
/// By address it is `grafana-cloud://slug`, with the options `zone`, `endpoint`, `instance`, `protocol` (`otlp`,
/// `remote-write`), `certificate` (a file) and `name`. The environment variables `GRAFANA_CLOUD_API_KEY` or
/// `GRAFANA_CLOUD_API_KEY_FILE`, `GRAFANA_CLOUD_INSTANCE_ID`, `GRAFANA_CLOUD_ZONE` and `GRAFANA_CLOUD_ENDPOINT` say the rest,
/// `OTEL_SERVICE_NAME` and `OTEL_RESOURCE_ATTRIBUTES` who sends.
///
/// ```
/// use ringscope::publish::GrafanaCloud;
///
/// let grafana = GrafanaCloud::builder("glc_key", "my-stack").instance("123456").zone("prod-eu-west-2").build()?;
/// assert_eq!(grafana.org_slug(), "my-stack");
/// # Ok::<(), ringscope::publish::PublishError>(())
/// ```
#[derive(Debug)]
pub struct GrafanaCloud {
    name: String,
    org_slug: String,
    way: Way,
}

#[derive(Debug)]
enum Way {
    Otlp(Box<Otlp>),
    RemoteWrite(Box<RemoteWrite>),
}

/// Sets up a [`GrafanaCloud`].
#[derive(Clone, Debug)]
#[must_use = "nothing is made before `build`"]
pub struct GrafanaCloudBuilder {
    api_key: SecretString,
    org_slug: String,
    name: String,
    instance: Option<String>,
    zone: Option<String>,
    endpoint: Option<String>,
    protocol: GrafanaCloudProtocol,
    signals: Vec<OtlpSignal>,
    ca_pem: Option<Vec<u8>>,
    timeout: Option<Duration>,
    environment: Environment,
}

impl GrafanaCloudBuilder {
    /// Sets the instance that the key is of, a number that the stack's page shows. There is no default.
    pub fn instance(mut self, instance: impl Into<String>) -> Self {
        self.instance = Some(instance.into());
        self
    }

    /// Sets the zone of the stack, such as `prod-eu-west-2`, which names the gateway of OTLP.
    pub fn zone(mut self, zone: impl Into<String>) -> Self {
        self.zone = Some(zone.into());
        self
    }

    /// Sets the endpoint as a whole, as the stack's page shows it: `https://otlp-gateway-….grafana.net/otlp`, or of remote write
    /// `https://prometheus-….grafana.net/api/prom/push`.
    pub fn endpoint(mut self, endpoint: impl Into<String>) -> Self {
        self.endpoint = Some(endpoint.into());
        self
    }

    /// Sets the protocol. Default: OTLP.
    pub fn protocol(mut self, protocol: GrafanaCloudProtocol) -> Self {
        self.protocol = protocol;
        self
    }

    /// Sets what is sent over OTLP. Default: all signals.
    pub fn signals(mut self, signals: &[OtlpSignal]) -> Self {
        self.signals = signals.to_vec();
        self
    }

    /// Sets the name that it is counted under. Default: `grafana-cloud`.
    pub fn name(mut self, name: impl Into<String>) -> Self {
        self.name = name.into();
        self
    }

    /// Trusts these certificates in PEM beside the system's: those of a proxy.
    pub fn ca_pem(mut self, pem: impl Into<Vec<u8>>) -> Self {
        self.ca_pem = Some(pem.into());
        self
    }

    /// Sets the time limit of a request. Default: 10 s.
    pub fn timeout(mut self, limit: Duration) -> Self {
        self.timeout = Some(limit);
        self
    }

    /// Makes the destination; nothing is sent yet.
    ///
    /// # Errors
    /// [`PublishError::BadSetting`] without an instance, without zone or endpoint, and for an endpoint that is not HTTPS.
    pub fn build(self) -> Result<GrafanaCloud, PublishError> {
        let Some(user) = self.instance.clone() else {
            return Err(bad(
                "the instance",
                "give the number that the stack's page shows, or GRAFANA_CLOUD_INSTANCE_ID",
            ));
        };
        let auth = Auth::Basic { user, password: self.api_key.clone() };
        let endpoint = self.address()?;
        let way = match self.protocol {
            GrafanaCloudProtocol::Otlp => Way::Otlp(Box::new(self.otlp(endpoint, auth)?)),
            GrafanaCloudProtocol::RemoteWrite => Way::RemoteWrite(Box::new(self.remote_write(endpoint, auth)?)),
        };
        Ok(GrafanaCloud { name: self.name, org_slug: self.org_slug, way })
    }

    fn otlp(&self, endpoint: String, auth: Auth) -> Result<Otlp, PublishError> {
        let mut otlp = Otlp::builder(endpoint).name(&self.name).signals(&self.signals).gzip(true).auth(auth);
        if let Some(pem) = &self.ca_pem {
            otlp = otlp.ca_pem(pem.clone());
        }
        if let Some(limit) = self.timeout {
            otlp = otlp.timeout(limit);
        }
        otlp.with_resource(&self.environment).and_then(OtlpBuilder::build)
    }

    fn remote_write(&self, endpoint: String, auth: Auth) -> Result<RemoteWrite, PublishError> {
        let (ca_pem, timeout) = (self.ca_pem.clone(), self.timeout);
        RemoteWrite::builder(endpoint).http(HttpOptions { auth, ca_pem, timeout, ..HttpOptions::default() }).build()
    }

    /// Where it is. The key goes there: never without TLS, but to this machine.
    fn address(&self) -> Result<String, PublishError> {
        let address = match (&self.endpoint, &self.zone, self.protocol) {
            (Some(endpoint), ..) => endpoint.clone(),
            (None, Some(zone), GrafanaCloudProtocol::Otlp) => {
                format!("https://otlp-gateway-{zone}.grafana.net/otlp")
            }
            (None, _, GrafanaCloudProtocol::RemoteWrite) => {
                return Err(bad("the endpoint", "remote write needs it as a whole: the stack's page shows it"));
            }
            (None, None, _) => return Err(bad("the zone", "give it, such as prod-eu-west-2, or the whole endpoint")),
        };
        let url = Url::parse(&address).map_err(|e| bad("the endpoint", &e.to_string()))?;
        let is_here = match url.host() {
            Some(Host::Ipv4(address)) => address.is_loopback(),
            Some(Host::Ipv6(address)) => address.is_loopback(),
            Some(Host::Domain(name)) => name == "localhost",
            None => false,
        };
        match url.scheme() {
            "https" => Ok(address),
            "http" if is_here => Ok(address),
            _ => Err(bad("the endpoint", "it begins with https://, since the key goes there")),
        }
    }
}

impl GrafanaCloud {
    /// Begins one with a key and the slug of the organization's stack, which tells several apart.
    pub fn builder(api_key: impl Into<SecretString>, org_slug: impl Into<String>) -> GrafanaCloudBuilder {
        GrafanaCloudBuilder {
            api_key: api_key.into(),
            org_slug: org_slug.into(),
            name: NAME.to_owned(),
            instance: None,
            zone: None,
            endpoint: None,
            protocol: GrafanaCloudProtocol::default(),
            signals: OtlpSignal::ALL.to_vec(),
            ca_pem: None,
            timeout: None,
            environment: Environment::of([]),
        }
    }

    /// Makes the one of an address.
    ///
    /// # Errors
    /// [`PublishError::BadSetting`] without a slug or a key, for an option that is none, and as [`GrafanaCloudBuilder::build`];
    /// [`PublishError::File`] for a file that cannot be read.
    pub fn from_target(mut target: Target, environment: &Environment) -> Result<Self, PublishError> {
        if target.address.is_empty() {
            return Err(bad("the slug", "write grafana-cloud://SLUG, as the stack is called in its address"));
        }
        let Some(key) = environment.secret("GRAFANA_CLOUD_API_KEY")? else {
            return Err(bad(
                "the key",
                "put it into GRAFANA_CLOUD_API_KEY, or its file's name into GRAFANA_CLOUD_API_KEY_FILE",
            ));
        };
        let mut builder = GrafanaCloud::builder(key, target.address.clone());
        builder.environment = environment.clone();
        let mut setting = |option: &str, variable: &str| target.take(option).or_else(|| environment.get(variable));
        builder.zone = setting("zone", "GRAFANA_CLOUD_ZONE");
        builder.endpoint = setting("endpoint", "GRAFANA_CLOUD_ENDPOINT");
        builder.instance = setting("instance", "GRAFANA_CLOUD_INSTANCE_ID");
        let protocols = [("otlp", GrafanaCloudProtocol::Otlp), ("remote-write", GrafanaCloudProtocol::RemoteWrite)];
        builder.protocol = target.take_one_of("protocol", &protocols)?.unwrap_or_default();
        if let Some(path) = target.take("certificate") {
            let failed = |e: std::io::Error| PublishError::File { path: path.clone(), reason: e.to_string() };
            builder.ca_pem = Some(std::fs::read(&path).map_err(failed)?);
        }
        if let Some(name) = target.take("name") {
            builder.name = name;
        }
        target.finish(&OPTIONS)?;
        builder.build()
    }

    /// Returns the slug of the organization's stack.
    pub fn org_slug(&self) -> &str {
        &self.org_slug
    }
}

impl Destination for GrafanaCloud {
    fn name(&self) -> &str {
        &self.name
    }

    fn temporality(&self) -> Temporality {
        match &self.way {
            Way::Otlp(otlp) => otlp.temporality(),
            Way::RemoteWrite(write) => write.temporality(),
        }
    }

    fn attach(&self, collector: &TelemetryCollector) {
        match &self.way {
            Way::Otlp(otlp) => otlp.attach(collector),
            Way::RemoteWrite(write) => write.attach(collector),
        }
    }

    fn encode(&self, publication: &Publication) -> Result<Vec<Payload>, PublishError> {
        match &self.way {
            Way::Otlp(otlp) => otlp.encode(publication),
            Way::RemoteWrite(write) => write.encode(publication),
        }
    }

    async fn send(&self, payload: &Payload) -> Result<Published, PublishError> {
        match &self.way {
            Way::Otlp(otlp) => without_exponential(otlp, otlp.send(payload).await),
            Way::RemoteWrite(write) => write.send(payload).await,
        }
    }
}

/// Looks whether it was exponential histograms that were refused, and says so the first time.
fn without_exponential(otlp: &Otlp, sent: Result<Published, PublishError>) -> Result<Published, PublishError> {
    match sent {
        Ok(mut published) => {
            let warning = published.warning.take();
            published.warning = match warning {
                Some(said) if speaks_of_them(&said) && otlp.give_up_exponential() => {
                    Some(format!("{said}: {EXPLICIT_NOW}"))
                }
                same => same,
            };
            Ok(published)
        }
        Err(PublishError::Refused { peer, status, said }) if speaks_of_them(&said) && otlp.give_up_exponential() => {
            Err(PublishError::Refused { peer, status, said: format!("{said}: {EXPLICIT_NOW}") })
        }
        same => same,
    }
}

/// OpenTelemetry calls them exponential, those who store them native.
fn speaks_of_them(said: &str) -> bool {
    let said = said.to_ascii_lowercase();
    ["exponential", "native histogram", "native_histogram", "nativehistogram"].iter().any(|name| said.contains(name))
}
