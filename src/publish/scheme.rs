//! What an address may begin with: one row for each, whether its feature is on or not.

use super::any::AnyDestination;
use super::environment::Environment;
use super::error::PublishError;
use super::target::Target;

type Make = fn(Target, &Environment) -> Result<AnyDestination, PublishError>;

/// What an address may begin with, and what then follows.
#[derive(Clone, Copy, Debug)]
#[non_exhaustive]
pub struct Scheme {
    /// What stands before the colon: `otlp+http`.
    pub name: &'static str,
    /// What follows it, as an example: `//localhost:4318`.
    pub address: &'static str,
    /// The cargo features that it needs.
    pub features: &'static [&'static str],
    /// Whether this build has them all.
    pub is_built: bool,
    /// Options, `?name=value`.
    pub options: &'static [&'static str],
    /// Environment variables that it looks at, without secrets: what each is called in a configuration file, if it has a
    /// name there, and in the environment.
    pub variables: &'static [(&'static str, &'static str)],
    /// Secrets: what each is called in a configuration file (there with `_file` or `_env` at its end), and the environment
    /// variable that has it, or with `_FILE` at its end names the file that has it.
    pub secrets: &'static [(&'static str, &'static str)],
    make: Option<Make>,
}

/// The function that makes a type of this module, in a build with that feature.
macro_rules! make {
    (-, $feature:literal) => {
        None::<Make>
    };
    ($type:ident, $feature:literal) => {{
        #[cfg(feature = $feature)]
        let make: Option<Make> =
            Some(|target, environment| Ok(AnyDestination::new(super::$type::from_target(target, environment)?)));
        #[cfg(not(feature = $feature))]
        let make: Option<Make> = None;
        make
    }};
}

macro_rules! row {
    ($name:literal, $address:literal, $type:tt, [$feature:literal $(, $with:literal)*],
        $options:expr, $variables:expr, $secrets:expr) => {
        Scheme {
            name: $name,
            address: $address,
            features: &[$feature $(, $with)*],
            is_built: cfg!(all(feature = $feature $(, feature = $with)*)) && make!($type, $feature).is_some(),
            options: $options,
            variables: $variables,
            secrets: $secrets,
            make: make!($type, $feature),
        }
    };
}

const OF_CLOUDWATCH: &[&str] = &["dimensions", "endpoint", "namespace", "resolution"];
const OF_CLOUDWATCH_EMF: &[&str] = &["dimensions", "namespace", "resolution"];
const OF_DOGSTATSD: &[&str] = &["events", "histograms", "packet_bytes", "tags", "telemetry"];
const OF_ELASTICSEARCH: &[&str] = &["index_prefix", "hosts", "streams", "retention", "templates", "ca", "timeout"];
const OF_GRAFANA_CLOUD: &[&str] = &["zone", "endpoint", "instance", "protocol", "certificate", "name"];
const OF_OTLP: &[&str] = &[
    "encoding",
    "compression",
    "temporality",
    "histograms",
    "signals",
    "timeout",
    "request_bytes",
    "certificate",
    "name",
];
const OF_PUSHGATEWAY: &[&str] = &["job", "instance", "labels", "delete", "name", "ca", "timeout"];
const OF_REMOTE_WRITE: &[&str] =
    &["version", "histograms", "job", "instance", "labels", "stale", "max_samples", "name", "ca", "timeout"];

const AWS: &[(&str, &str)] = &[
    ("access_key_id", "AWS_ACCESS_KEY_ID"),
    ("", "AWS_REGION"),
    ("", "AWS_DEFAULT_REGION"),
    ("", "AWS_ENDPOINT_URL_CLOUDWATCH"),
    ("", "AWS_ENDPOINT_URL"),
];
const DD: &[(&str, &str)] = &[
    ("", "DD_AGENT_HOST"),
    ("", "DD_DOGSTATSD_PORT"),
    ("", "DD_DOGSTATSD_URL"),
    ("", "DD_ENV"),
    ("", "DD_SERVICE"),
    ("", "DD_VERSION"),
    ("", "DD_TAGS"),
    ("", "DD_ENTITY_ID"),
    ("", "DD_EXTERNAL_ENV"),
];
const ELASTIC: &[(&str, &str)] =
    &[("username", "ELASTIC_USERNAME"), ("", "ELASTICSEARCH_HOSTS"), ("", "ELASTICSEARCH_URL")];
const GRAFANA_CLOUD: &[(&str, &str)] = &[
    ("instance", "GRAFANA_CLOUD_INSTANCE_ID"),
    ("", "GRAFANA_CLOUD_ZONE"),
    ("", "GRAFANA_CLOUD_ENDPOINT"),
    ("", "OTEL_SERVICE_NAME"),
    ("", "OTEL_RESOURCE_ATTRIBUTES"),
];
const OTEL: &[(&str, &str)] = &[
    ("", "OTEL_EXPORTER_OTLP_ENDPOINT"),
    ("", "OTEL_EXPORTER_OTLP_METRICS_ENDPOINT"),
    ("", "OTEL_EXPORTER_OTLP_TRACES_ENDPOINT"),
    ("", "OTEL_EXPORTER_OTLP_LOGS_ENDPOINT"),
    ("", "OTEL_EXPORTER_OTLP_PROTOCOL"),
    ("", "OTEL_EXPORTER_OTLP_COMPRESSION"),
    ("", "OTEL_EXPORTER_OTLP_TIMEOUT"),
    ("", "OTEL_EXPORTER_OTLP_CERTIFICATE"),
    ("", "OTEL_EXPORTER_OTLP_METRICS_TEMPORALITY_PREFERENCE"),
    ("", "OTEL_SERVICE_NAME"),
    ("", "OTEL_RESOURCE_ATTRIBUTES"),
];
const PUSHGATEWAY: &[(&str, &str)] = &[("username", "PUSHGATEWAY_USERNAME")];
const REMOTE_WRITE: &[(&str, &str)] = &[("username", "PROMETHEUS_REMOTE_WRITE_USERNAME")];

const AWS_SECRETS: &[(&str, &str)] =
    &[("secret_access_key", "AWS_SECRET_ACCESS_KEY"), ("session_token", "AWS_SESSION_TOKEN")];
const ELASTIC_SECRETS: &[(&str, &str)] =
    &[("api_key", "ELASTIC_API_KEY"), ("password", "ELASTIC_PASSWORD"), ("headers", "ELASTIC_HEADERS")];
const GRAFANA_CLOUD_SECRETS: &[(&str, &str)] = &[("api_key", "GRAFANA_CLOUD_API_KEY")];
const OTEL_SECRETS: &[(&str, &str)] = &[("headers", "OTEL_EXPORTER_OTLP_HEADERS")];
const PUSHGATEWAY_SECRETS: &[(&str, &str)] =
    &[("password", "PUSHGATEWAY_PASSWORD"), ("token", "PUSHGATEWAY_BEARER_TOKEN"), ("headers", "PUSHGATEWAY_HEADERS")];
const REMOTE_WRITE_SECRETS: &[(&str, &str)] = &[
    ("password", "PROMETHEUS_REMOTE_WRITE_PASSWORD"),
    ("token", "PROMETHEUS_REMOTE_WRITE_BEARER_TOKEN"),
    ("headers", "PROMETHEUS_REMOTE_WRITE_HEADERS"),
];

/// All that there are, in the order in which they are listed.
#[rustfmt::skip]
pub const SCHEMES: &[Scheme] = &[
    row!("otlp+http", "//localhost:4318", Otlp, ["otlp"], OF_OTLP, OTEL, OTEL_SECRETS),
    row!("otlp+https", "//collector.example:4318", Otlp, ["otlp", "tls"], OF_OTLP, OTEL, OTEL_SECRETS),
    row!("otlp+grpc", "//localhost:4317", Otlp, ["otlp-grpc"], OF_OTLP, OTEL, OTEL_SECRETS),
    row!("otlp+grpcs", "//collector.example:4317", Otlp, ["otlp-grpc", "tls"], OF_OTLP, OTEL, OTEL_SECRETS),
    row!("jaeger", "//localhost", Jaeger, ["otlp"], OF_OTLP, OTEL, OTEL_SECRETS),
    row!("remote-write+http", "//localhost:9090", RemoteWrite, ["remote-write"],
        OF_REMOTE_WRITE, REMOTE_WRITE, REMOTE_WRITE_SECRETS),
    row!("remote-write+https", "//prometheus.example", RemoteWrite, ["remote-write", "tls"],
        OF_REMOTE_WRITE, REMOTE_WRITE, REMOTE_WRITE_SECRETS),
    row!("pushgateway+http", "//localhost:9091", Pushgateway, ["pushgateway"],
        OF_PUSHGATEWAY, PUSHGATEWAY, PUSHGATEWAY_SECRETS),
    row!("pushgateway+https", "//pushgateway.example", Pushgateway, ["pushgateway", "tls"],
        OF_PUSHGATEWAY, PUSHGATEWAY, PUSHGATEWAY_SECRETS),
    row!("elasticsearch+http", "//localhost:9200", Elasticsearch, ["elasticsearch"],
        OF_ELASTICSEARCH, ELASTIC, ELASTIC_SECRETS),
    row!("elasticsearch+https", "//elastic.example:9200", Elasticsearch, ["elasticsearch", "tls"],
        OF_ELASTICSEARCH, ELASTIC, ELASTIC_SECRETS),
    row!("grafana-cloud", "//my-org", GrafanaCloud, ["grafana-cloud"],
        OF_GRAFANA_CLOUD, GRAFANA_CLOUD, GRAFANA_CLOUD_SECRETS),
    row!("dogstatsd", "//localhost:8125", DogStatsd, ["datadog"], OF_DOGSTATSD, DD, &[]),
    row!("dogstatsd+unix", "///var/run/datadog/dsd.socket", DogStatsd, ["datadog"], OF_DOGSTATSD, DD, &[]),
    row!("cloudwatch", "//eu-central-1", CloudWatch, ["cloudwatch"], OF_CLOUDWATCH, AWS, AWS_SECRETS),
    row!("cloudwatch-emf", "stdout", CloudWatchEmf, ["cloudwatch"], OF_CLOUDWATCH_EMF, &[], &[]),
    row!("prometheus-file", "ringscope.prom", PrometheusFile, ["files"], &["mode", "labels"], &[], &[]),
    row!("json-file", "telemetry.json", JsonFile, ["files"], &["mode"], &[], &[]),
    row!("json-lines", "telemetry.ndjson", JsonLines, ["files"], &["rotate_bytes", "keep", "mode"], &[], &[]),
];

/// Returns the row of a scheme, if there is one of that name.
pub fn scheme(name: &str) -> Option<&'static Scheme> {
    SCHEMES.iter().find(|scheme| scheme.name == name)
}

impl Scheme {
    fn lacking(&self) -> PublishError {
        let features = match self.features {
            [one] => format!("the feature {one}"),
            several => format!("the features {}", several.join(" and ")),
        };
        bad(self.name, &format!("this build has no such destination: build with {features}"))
    }
}

impl AnyDestination {
    /// Makes the destination at an address, such as `otlp+http://collector:4318?compression=gzip`.
    /// [`SCHEMES`] has what it may begin with; what the address leaves open comes from `environment`.
    ///
    /// # Errors
    /// [`PublishError::BadSetting`] for an address that is none, a scheme that nobody has or that this build lacks, and
    /// an option or variable that makes no sense; [`PublishError::File`], if a secret's file cannot be read.
    pub fn from_url(text: &str, environment: &Environment) -> Result<Self, PublishError> {
        AnyDestination::from_target(Target::parse(text)?, environment)
    }

    /// Makes the destination at an address that was read already.
    ///
    /// # Errors
    /// As [`from_url`](Self::from_url).
    pub fn from_target(target: Target, environment: &Environment) -> Result<Self, PublishError> {
        let Some(scheme) = scheme(&target.scheme) else {
            let known = SCHEMES.iter().map(|scheme| scheme.name).collect::<Vec<_>>().join(", ");
            return Err(bad(&target.scheme, &format!("no destination has that scheme; there are {known}")));
        };
        match scheme.make.filter(|_| scheme.is_built) {
            Some(make) => make(target, environment),
            None => Err(scheme.lacking()),
        }
    }
}

fn bad(scheme: &str, remedy: &str) -> PublishError {
    PublishError::BadSetting { setting: format!("the scheme {scheme}"), remedy: remedy.to_owned() }
}
