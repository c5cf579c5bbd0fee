//! How the agent is reached, and what it is sent: by setters, by an address, and by the environment's variables.

use std::path::PathBuf;
use std::time::Duration;

use super::super::delivery::Delivery;
use super::super::environment::Environment;
use super::super::error::PublishError;
use super::super::target::Target;
use crate::export::statsd::tag;

/// Where the agent listens where nothing else is said.
const DEFAULT_HOST: &str = "localhost";
const DEFAULT_PORT: u16 = 8125;
/// What fits into a packet of Ethernet.
const UDP_PACKET: usize = 1432;
/// What the agent reads at once.
const UNIX_PACKET: usize = 8192;
/// A packet that is shorter takes no line; a longer one is no datagram.
const PACKET_BYTES: std::ops::RangeInclusive<usize> = 256..=65_507;

/// Where packets go.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) enum Address {
    /// Host, without brackets, and port.
    Udp(String, u16),
    Unix(PathBuf),
}

/// What histograms are sent as.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Hash)]
#[non_exhaustive]
pub enum DogStatsdHistogram {
    /// `d`: percentiles over all hosts, computed by Datadog.
    #[default]
    Distribution,
    /// `h`: percentiles of each host, computed by its agent.
    Histogram,
    /// `ms`: for servers that know neither. The values have the unit that the metric's name says.
    Timing,
}

impl DogStatsdHistogram {
    pub(super) fn code(self) -> &'static str {
        match self {
            DogStatsdHistogram::Distribution => "d",
            DogStatsdHistogram::Histogram => "h",
            DogStatsdHistogram::Timing => "ms",
        }
    }
}

/// Sets up a [`DogStatsd`](super::DogStatsd).
#[derive(Clone, Debug)]
pub struct DogStatsdBuilder {
    pub(super) address: Address,
    pub(super) tags: Vec<(String, String)>,
    pub(super) external: Option<String>,
    pub(super) packet_bytes: Option<usize>,
    pub(super) histograms: DogStatsdHistogram,
    pub(super) events: bool,
    pub(super) telemetry: bool,
    pub(super) timeout: Duration,
}

impl DogStatsdBuilder {
    pub(super) fn new(address: Address) -> Self {
        DogStatsdBuilder {
            address,
            tags: Vec::new(),
            external: None,
            packet_bytes: None,
            histograms: DogStatsdHistogram::default(),
            events: true,
            telemetry: true,
            timeout: Delivery::DEFAULT_TIMEOUT,
        }
    }

    /// Sets a tag of every metric and event; it replaces one of that name. Default: `service`, of the publication's source.
    pub fn tag(mut self, name: impl Into<String>, value: impl Into<String>) -> Self {
        let name = name.into();
        self.tags.retain(|(known, _)| *known != name);
        self.tags.push((name, value.into()));
        self
    }

    /// Sets the id of the entity that the agent adds the tags of, a pod's UID; it is the tag `dd.internal.entity_id`.
    /// Default: none.
    pub fn entity_id(self, id: impl Into<String>) -> Self {
        self.tag("dd.internal.entity_id", id)
    }

    /// Sets what the agent's admission controller says of the container, which every line carries in its field `e`.
    /// Default: none.
    pub fn external_env(mut self, data: impl Into<String>) -> Self {
        self.external = Some(data.into());
        self
    }

    /// Sets the longest packet, in bytes, 256 to 65,507. Default: 1,432 over UDP, 8,192 over a Unix socket.
    pub fn packet_bytes(mut self, bytes: usize) -> Self {
        self.packet_bytes = Some(bytes);
        self
    }

    /// Sets what histograms are sent as. Default: distributions.
    pub fn histograms(mut self, histograms: DogStatsdHistogram) -> Self {
        self.histograms = histograms;
        self
    }

    /// Sets whether events are sent. Servers other than Datadog's do not know them. Default: true.
    pub fn events(mut self, events: bool) -> Self {
        self.events = events;
        self
    }

    /// Sets whether the client tells of itself, in the metrics `datadog.dogstatsd.client.…`. Default: true.
    pub fn telemetry(mut self, telemetry: bool) -> Self {
        self.telemetry = telemetry;
        self
    }

    /// Sets how long a full socket is waited for. Default: 10 s.
    pub fn timeout(mut self, timeout: Duration) -> Self {
        self.timeout = timeout;
        self
    }

    /// Takes where the agent is from `DD_DOGSTATSD_URL` (`udp://host:port`, `unix:///path`), or else from `DD_AGENT_HOST` and
    /// `DD_DOGSTATSD_PORT`, and tags as [`environment`](Self::environment) does. Default: UDP, localhost, 8125.
    ///
    /// # Errors
    /// [`PublishError::BadSetting`] for a URL or a port that is none.
    pub fn from_environment(environment: &Environment) -> Result<Self, PublishError> {
        let address = match environment.get("DD_DOGSTATSD_URL") {
            Some(url) => of_url(&url, environment)?,
            None => {
                let host = environment.get("DD_AGENT_HOST").unwrap_or_else(|| DEFAULT_HOST.to_owned());
                let port = environment_port(environment)?;
                Address::Udp(host.trim_matches(['[', ']']).to_owned(), port)
            }
        };
        Ok(DogStatsdBuilder::new(address).environment(environment))
    }

    /// Adds the tags `env`, `service` and `version` of `DD_ENV`, `DD_SERVICE` and `DD_VERSION`, those in `DD_TAGS`
    /// (`key:value`, with commas or spaces between them), the entity of `DD_ENTITY_ID`, and `DD_EXTERNAL_ENV`.
    pub fn environment(mut self, environment: &Environment) -> Self {
        if let Some(tags) = environment.get("DD_TAGS") {
            self = self.tags_of(&tags);
        }
        for (variable, name) in [("DD_ENV", "env"), ("DD_SERVICE", "service"), ("DD_VERSION", "version")] {
            if let Some(value) = environment.get(variable) {
                self = self.tag(name, value);
            }
        }
        if let Some(id) = environment.get("DD_ENTITY_ID") {
            self = self.entity_id(id);
        }
        match environment.get("DD_EXTERNAL_ENV") {
            Some(data) => self.external_env(data),
            None => self,
        }
    }

    /// `a:b,c:d`.
    fn tags_of(mut self, text: &str) -> Self {
        for tag in text.split([',', ' ']).filter(|tag| !tag.is_empty()) {
            let (name, value) = tag.split_once(':').unwrap_or((tag, ""));
            self = self.tag(name, value);
        }
        self
    }

    pub(super) fn from_target(mut target: Target, environment: &Environment) -> Result<Self, PublishError> {
        let address = target.address.clone();
        let mut builder = match (target.scheme.as_str(), address.as_str()) {
            ("dogstatsd+unix", "") => return Err(bad("the socket's path", "dogstatsd+unix:///path has one")),
            ("dogstatsd+unix", path) => DogStatsdBuilder::new(Address::Unix(path.into())).environment(environment),
            (_, "" | "/") => DogStatsdBuilder::from_environment(environment)?,
            (_, address) => DogStatsdBuilder::new(of_authority(address, environment)?).environment(environment),
        };
        let histograms = [
            ("distribution", DogStatsdHistogram::Distribution),
            ("histogram", DogStatsdHistogram::Histogram),
            ("timing", DogStatsdHistogram::Timing),
        ];
        let switch = [("on", true), ("off", false)];
        builder.histograms = target.take_one_of("histograms", &histograms)?.unwrap_or(builder.histograms);
        builder.events = target.take_one_of("events", &switch)?.unwrap_or(builder.events);
        builder.telemetry = target.take_one_of("telemetry", &switch)?.unwrap_or(builder.telemetry);
        if let Some(bytes) = target.take("packet_bytes") {
            let bytes = bytes.parse().map_err(|_| bad("packet_bytes", "it is a number of bytes"))?;
            builder = builder.packet_bytes(bytes);
        }
        if let Some(tags) = target.take("tags") {
            builder = builder.tags_of(&tags);
        }
        target.finish(&["events", "histograms", "packet_bytes", "tags", "telemetry"])?;
        Ok(builder)
    }

    /// The longest packet, checked.
    pub(super) fn checked_packet_bytes(&self) -> Result<usize, PublishError> {
        let default = match self.address {
            Address::Udp(..) => UDP_PACKET,
            Address::Unix(_) => UNIX_PACKET,
        };
        let bytes = self.packet_bytes.unwrap_or(default);
        let allowed = PACKET_BYTES.contains(&bytes).then_some(bytes);
        allowed.ok_or_else(|| bad("packet_bytes", "it is 256 to 65507"))
    }

    /// What follows the tags of every line.
    pub(super) fn tail(&self) -> Result<String, PublishError> {
        match &self.external {
            None => Ok(String::new()),
            Some(data) if data.contains(['|', '\n']) => {
                Err(bad("the external environment", "it has no | and no line end"))
            }
            Some(data) => Ok(format!("|e:{data}")),
        }
    }

    pub(super) fn tag_texts(&self) -> Vec<String> {
        self.tags.iter().map(|(name, value)| tag(name, value)).collect()
    }
}

fn bad(setting: &str, remedy: &str) -> PublishError {
    PublishError::BadSetting { setting: setting.to_owned(), remedy: remedy.to_owned() }
}

/// As the agent's clients have it.
fn of_url(url: &str, environment: &Environment) -> Result<Address, PublishError> {
    match url.split_once("://") {
        Some(("udp", address)) => of_authority(address, environment),
        Some(("unix" | "unixgram", path)) if !path.is_empty() => Ok(Address::Unix(path.into())),
        _ => Err(bad("DD_DOGSTATSD_URL", "it is udp://host:port or unix:///path")),
    }
}

/// `host`, `host:port`, `[::1]:port`.
fn of_authority(text: &str, environment: &Environment) -> Result<Address, PublishError> {
    let text = text.trim_end_matches('/');
    let (host, port) = match text.strip_prefix('[').and_then(|rest| rest.split_once(']')) {
        Some((host, rest)) => (host, rest.strip_prefix(':')),
        None => text.split_once(':').map_or((text, None), |(host, port)| (host, Some(port))),
    };
    if host.is_empty() || host.contains('/') {
        return Err(bad("the agent's address", "it is host:port, or host alone"));
    }
    let port = match port {
        Some(port) => port.parse().ok().filter(|port| *port > 0).ok_or_else(|| bad("the port", "it is 1 to 65535"))?,
        None => environment_port(environment)?,
    };
    Ok(Address::Udp(host.to_owned(), port))
}

fn environment_port(environment: &Environment) -> Result<u16, PublishError> {
    let Some(port) = environment.get("DD_DOGSTATSD_PORT") else { return Ok(DEFAULT_PORT) };
    port.parse().ok().filter(|port| *port > 0).ok_or_else(|| bad("DD_DOGSTATSD_PORT", "it is 1 to 65535"))
}

pub(super) fn of_text(address: &str) -> Result<Address, PublishError> {
    of_authority(address, &Environment::of([]))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn built(url: &str, environment: &Environment) -> Result<DogStatsdBuilder, PublishError> {
        DogStatsdBuilder::from_target(Target::parse(url)?, environment)
    }

    fn udp(host: &str, port: u16) -> Address {
        Address::Udp(host.to_owned(), port)
    }

    #[test]
    fn addresses_come_from_the_url_or_else_from_the_environment() {
        let nothing = Environment::of([]);
        let agent = Environment::of([("DD_AGENT_HOST", "10.0.0.7"), ("DD_DOGSTATSD_PORT", "8126")]);
        let socket = Environment::of([("DD_DOGSTATSD_URL", "unix:///run/dsd.socket"), ("DD_AGENT_HOST", "other")]);
        for (url, environment, address) in [
            ("dogstatsd://agent:9125", &agent, udp("agent", 9125)),
            ("dogstatsd://agent", &agent, udp("agent", 8126)),
            ("dogstatsd://agent", &nothing, udp("agent", 8125)),
            ("dogstatsd://[::1]:9125", &nothing, udp("::1", 9125)),
            ("dogstatsd://[::1]", &nothing, udp("::1", 8125)),
            ("dogstatsd://", &agent, udp("10.0.0.7", 8126)),
            ("dogstatsd:", &nothing, udp("localhost", 8125)),
            ("dogstatsd://", &socket, Address::Unix("/run/dsd.socket".into())),
            (
                "dogstatsd+unix:///var/run/datadog/dsd.socket",
                &agent,
                Address::Unix("/var/run/datadog/dsd.socket".into()),
            ),
        ] {
            assert_eq!(built(url, environment).expect(url).address, address, "{url}");
        }
    }

    #[test]
    fn what_cannot_be_is_refused_with_its_remedy() {
        let bad_port = Environment::of([("DD_DOGSTATSD_PORT", "many")]);
        let bad_url = Environment::of([("DD_DOGSTATSD_URL", "tcp://agent:1")]);
        let nothing = Environment::of([]);
        for (url, environment, about) in [
            ("dogstatsd://agent:0", &nothing, "the port is wrong"),
            ("dogstatsd://agent:70000", &nothing, "the port is wrong"),
            ("dogstatsd://agent/path", &nothing, "the agent's address is wrong"),
            ("dogstatsd+unix://", &nothing, "the socket's path is wrong"),
            ("dogstatsd://", &bad_port, "DD_DOGSTATSD_PORT is wrong"),
            ("dogstatsd://", &bad_url, "DD_DOGSTATSD_URL is wrong"),
            ("dogstatsd://a?histograms=buckets", &nothing, "buckets is none of distribution, histogram, timing"),
            ("dogstatsd://a?packet_bytes=few", &nothing, "packet_bytes is wrong"),
            ("dogstatsd://a?colour=red", &nothing, "there are events, histograms, packet_bytes, tags, telemetry"),
        ] {
            let error = built(url, environment).expect_err(url).to_string();
            assert!(error.contains(about), "{url}: {error}");
        }
    }

    #[test]
    fn tags_are_those_of_the_environment_and_the_url() {
        let environment = Environment::of([
            ("DD_TAGS", "team:search,env:old zone:a"),
            ("DD_ENV", "live"),
            ("DD_SERVICE", "shop"),
            ("DD_VERSION", "1.2"),
            ("DD_ENTITY_ID", "uid-1"),
            ("DD_EXTERNAL_ENV", "it-false,cn-x"),
        ]);
        let builder = built("dogstatsd://a?tags=team:maps,bare", &environment).expect("an address");
        let expected =
            ["zone:a", "env:live", "service:shop", "version:1.2", "dd.internal.entity_id:uid-1", "team:maps", "bare:"];
        assert_eq!(builder.tag_texts(), expected);
        assert_eq!(builder.tail().expect("no bar"), "|e:it-false,cn-x");
    }
}
