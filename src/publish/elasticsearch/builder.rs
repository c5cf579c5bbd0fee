//! How an [`Elasticsearch`] is set up.

use std::sync::Mutex;
use std::sync::atomic::AtomicUsize;
use std::time::Duration;

use base64::Engine;
use secrecy::{ExposeSecret, SecretString};
use url::Url;

use super::destination::Elasticsearch;
use super::hosts::Hosts;
use crate::export::elasticsearch::{BulkLimits, Stream as ElasticsearchStream};
use crate::publish::address::{self, bad};
use crate::publish::environment::Environment;
use crate::publish::error::PublishError;
use crate::publish::http::{Auth, Http, HttpOptions};
use crate::publish::target::Target;

const OPTIONS: [&str; 7] =
    ["index_prefix", "hosts", "streams", "retention", "templates", address::OPTIONS[0], address::OPTIONS[1]];
/// The user that every cluster has.
const DEFAULT_USER: &str = "elastic";

/// Sets up an [`Elasticsearch`].
#[derive(Clone, Debug)]
#[must_use]
pub struct ElasticsearchBuilder {
    hosts: Vec<String>,
    prefix: String,
    streams: Vec<ElasticsearchStream>,
    templates: bool,
    retention: Option<Duration>,
    options: HttpOptions,
    limits: BulkLimits,
}

impl Elasticsearch {
    /// Default of [`ElasticsearchBuilder::index_prefix`].
    pub const DEFAULT_INDEX_PREFIX: &str = "ringscope";
    /// Default of [`ElasticsearchBuilder::retention`].
    pub const DEFAULT_RETENTION: Duration = Duration::from_secs(30 * 86_400);

    /// Begins one that writes to a cluster with these hosts, such as `http://localhost:9200`.
    pub fn builder<I: IntoIterator<Item: Into<String>>>(hosts: I) -> ElasticsearchBuilder {
        ElasticsearchBuilder {
            hosts: hosts.into_iter().map(Into::into).collect(),
            prefix: Elasticsearch::DEFAULT_INDEX_PREFIX.to_owned(),
            streams: ElasticsearchStream::ALL.to_vec(),
            templates: true,
            retention: Some(Elasticsearch::DEFAULT_RETENTION),
            options: HttpOptions::default(),
            limits: BulkLimits::DEFAULT,
        }
    }

    /// Makes one of `elasticsearch+http://host:port`, or `elasticsearch+https://`. Without a host it takes `ELASTICSEARCH_HOSTS`,
    /// addresses with commas between them, or `ELASTICSEARCH_URL`.
    ///
    /// Options: `index_prefix`; `hosts` (further hosts of the cluster, with commas between them); `streams` (`metrics`, `events`,
    /// `operations`, with commas between them); `retention` (`30d`, `12h`, `90m`, or `none`: without end, and for clusters that
    /// know no lifecycle of data streams); `templates` (`on`, `off`); `ca` (a file of certificates in PEM); `timeout`
    /// (seconds).
    ///
    /// Who asks is in the environment: `ELASTIC_API_KEY`, or `ELASTIC_PASSWORD` and `ELASTIC_USERNAME` (default: `elastic`). The
    /// key and the password may be in files, which the variables with `_FILE` at their ends name.
    ///
    /// # Errors
    /// [`PublishError::BadSetting`]; [`PublishError::File`] for a secret's or the certificates' that cannot be read.
    pub fn from_target(mut target: Target, environment: &Environment) -> Result<Elasticsearch, PublishError> {
        let transport = target.scheme.rsplit_once('+').map_or("http", |(_, transport)| transport).to_owned();
        let mut hosts = match &*target.address {
            "" => hosts_of(environment),
            _ => vec![address::endpoint(&target)?],
        };
        hosts.extend(target.take("hosts").iter().flat_map(|all| list(all)));
        let hosts = hosts.into_iter().map(|host| with_transport(&transport, host));
        let mut builder = Elasticsearch::builder(hosts);
        if let Some(prefix) = target.take("index_prefix") {
            builder = builder.index_prefix(prefix);
        }
        if let Some(streams) = target.take("streams") {
            builder = builder.streams(list(&streams).iter().map(|name| stream(name)).collect::<Result<Vec<_>, _>>()?);
        }
        if let Some(retention) = target.take("retention") {
            builder = builder.retention(time(&retention)?);
        }
        builder.templates = target.take_one_of("templates", &[("on", true), ("off", false)])?.unwrap_or(true);
        let user = environment.get("ELASTIC_USERNAME");
        builder.options = address::options(&mut target)?;
        builder.options.headers = environment.headers("ELASTIC_HEADERS")?;
        target.finish(&OPTIONS)?;
        match environment.secret("ELASTIC_API_KEY")? {
            Some(key) => builder = builder.api_key(key),
            None => match (user, environment.secret("ELASTIC_PASSWORD")?) {
                (None, None) => {}
                (Some(_), None) => return Err(bad("ELASTIC_PASSWORD", "there is a user and no password: set it")),
                (user, Some(password)) => {
                    builder = builder.user(user.unwrap_or_else(|| DEFAULT_USER.to_owned()), password);
                }
            },
        }
        builder.build()
    }
}

impl ElasticsearchBuilder {
    /// Sets what the names of the data streams begin with, before `-metrics`, `-events` and `-operations`. Default:
    /// [`Elasticsearch::DEFAULT_INDEX_PREFIX`].
    pub fn index_prefix(mut self, prefix: impl Into<String>) -> Self {
        self.prefix = prefix.into();
        self
    }

    /// Sets which data streams are written. Default: all.
    pub fn streams(mut self, streams: impl IntoIterator<Item = ElasticsearchStream>) -> Self {
        self.streams = streams.into_iter().collect();
        self
    }

    /// Sets how long Elasticsearch keeps a document; `None`: without end, and nothing is said of it, for clusters before 8.11
    /// and others that know no lifecycle of data streams. It is part of the templates: data streams that are there keep
    /// theirs. Default: [`Elasticsearch::DEFAULT_RETENTION`].
    pub fn retention(mut self, retention: Option<Duration>) -> Self {
        self.retention = retention;
        self
    }

    /// Sets whether index templates are put. Without, somebody else has put them: who asks needs the privilege `auto_configure`
    /// and `create_doc` on the data streams only, not `manage_index_templates` on the cluster. Default: yes.
    pub fn templates(mut self, put: bool) -> Self {
        self.templates = put;
        self
    }

    /// Sets user and password.
    pub fn user(self, user: impl Into<String>, password: SecretString) -> Self {
        self.auth(Auth::Basic { user: user.into(), password })
    }

    /// Sets an API key, as Elasticsearch gives it out encoded, or as `id:key`.
    pub fn api_key(self, key: SecretString) -> Self {
        let encoded = match key.expose_secret() {
            plain if plain.contains(':') => base64::engine::general_purpose::STANDARD.encode(plain).into(),
            _ => key,
        };
        self.auth(Auth::ApiKey(encoded))
    }

    /// Sets who asks. Default: nobody in particular.
    pub fn auth(mut self, auth: Auth) -> Self {
        self.options.auth = auth;
        self
    }

    /// Sets headers, certificates, who asks, and the time limit of a request.
    pub fn http(mut self, options: HttpOptions) -> Self {
        self.options = options;
        self
    }

    /// Sets how much is sent at once, in bytes and in documents. Default: 5 MB and 500.
    pub fn batch(mut self, bytes: usize, documents: u64) -> Self {
        self.limits = BulkLimits { bytes, documents };
        self
    }

    /// Makes the destination; nothing is sent yet.
    ///
    /// # Errors
    /// [`PublishError::BadSetting`].
    pub fn build(self) -> Result<Elasticsearch, PublishError> {
        if self.hosts.is_empty() {
            return Err(bad(
                "the hosts",
                "there are none: write elasticsearch+http://host:9200, or set ELASTICSEARCH_HOSTS",
            ));
        }
        if self.streams.is_empty() {
            return Err(bad("streams", "there are metrics, events, operations: name at least one"));
        }
        if self.limits.bytes == 0 || self.limits.documents == 0 {
            return Err(bad("batch", "a batch has at least 1 byte and 1 document"));
        }
        check_prefix(&self.prefix)?;
        let urls = self.hosts.iter().map(|host| address::url(host, "/")).collect::<Result<Vec<Url>, _>>()?;
        Ok(Elasticsearch {
            hosts: Hosts::new(urls),
            http: Http::new(&self.options)?,
            prefix: self.prefix,
            streams: self.streams,
            templates: self.templates.then_some(self.retention),
            templates_put: Mutex::new(None),
            machine: address::host(),
            most_bytes: AtomicUsize::new(self.limits.bytes),
            most_documents: self.limits.documents,
        })
    }
}

/// What Elasticsearch takes at the begin of a name.
fn check_prefix(prefix: &str) -> Result<(), PublishError> {
    const LONGEST: usize = 200;
    let bad = |remedy| Err(bad("index_prefix", remedy));
    match prefix.as_bytes() {
        [] => bad("it is empty"),
        [b'-' | b'_' | b'+' | b'.', ..] => bad("it begins with a letter or a digit"),
        all if all.len() > LONGEST => bad("it has at most 200 bytes"),
        all if all.iter().all(|b| b.is_ascii_lowercase() || b.is_ascii_digit() || b"-_.+".contains(b)) => Ok(()),
        _ => bad("it has lower-case letters, digits, and - _ . + only"),
    }
}

fn hosts_of(environment: &Environment) -> Vec<String> {
    let set = environment.get("ELASTICSEARCH_HOSTS").or_else(|| environment.get("ELASTICSEARCH_URL"));
    set.iter().flat_map(|all| list(all)).collect()
}

/// Parts between commas. Kibana writes hosts as a list in brackets and quotes.
fn list(all: &str) -> Vec<String> {
    let parts = all.trim_matches(['[', ']']).split(',').map(|part| part.trim().trim_matches(['"', '\'']));
    parts.filter(|part| !part.is_empty()).map(str::to_owned).collect()
}

fn with_transport(transport: &str, host: String) -> String {
    if host.contains("://") { host } else { format!("{transport}://{host}") }
}

fn stream(name: &str) -> Result<ElasticsearchStream, PublishError> {
    let found = ElasticsearchStream::ALL.into_iter().find(|stream| stream.name() == name);
    found.ok_or_else(|| bad("the option streams", &format!("{name} is none of metrics, events, operations")))
}

/// `30d`, `12h`, `90m`, `30s`, or `none`.
fn time(text: &str) -> Result<Option<Duration>, PublishError> {
    if text == "none" {
        return Ok(None);
    }
    let wrong = || bad("the option retention", &format!("{text} is neither none nor a time such as 30d, 12h or 90m"));
    let at = text.find(|c: char| !c.is_ascii_digit()).ok_or_else(wrong)?;
    let (number, unit) = text.split_at(at);
    let per = [("d", 86_400), ("h", 3600), ("m", 60), ("s", 1)].into_iter().find(|(known, _)| *known == unit);
    let seconds = number.parse::<u64>().ok().zip(per).and_then(|(number, (_, per))| number.checked_mul(per));
    seconds.filter(|seconds| *seconds > 0).map(|seconds| Some(Duration::from_secs(seconds))).ok_or_else(wrong)
}
