//! Prometheus's Pushgateway: a page of a job that may be over before it is scraped.

use base64::Engine;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;
use reqwest::Method;
use reqwest::header::CONTENT_TYPE;
use url::Url;

use super::environment::Environment;
use super::error::PublishError;
use super::http::{Auth, Http, HttpOptions};
use super::publication::Publication;
use super::publisher::{Destination, Payload, Published};
use super::push;
use super::target::Target;
use crate::collector::TelemetryCollector;
use crate::export::{PageFormat, count_series};
use crate::trace::Source;

/// The prefix of its environment variables.
const VARIABLES: &str = "PUSHGATEWAY";
const OPTIONS: [&str; 7] = ["job", "instance", "labels", "delete", "name", push::OPTIONS[0], push::OPTIONS[1]];
/// Payloads' kinds.
const PUT: u8 = 1;
const DELETE: u8 = 2;

/// Puts every snapshot as a page into a Pushgateway, in the place of the one before.
///
/// It is for jobs that end before they are scraped; a program that goes on is better scraped, or writes by
/// [`RemoteWrite`](super::RemoteWrite): a Pushgateway keeps one page of each group, and for ever. The page is protobuf, with
/// native histograms, which a Pushgateway from 1.5 on hands to Prometheus as they are.
///
/// ```
/// use ringscope::publish::Pushgateway;
///
/// let gateway = Pushgateway::builder("http://localhost:9091").group("job", "nightly").delete_at_end(true).build()?;
/// # Ok::<(), ringscope::publish::PublishError>(())
/// ```
#[derive(Debug)]
pub struct Pushgateway {
    name: String,
    base: Url,
    http: Http,
    group: Vec<(String, String)>,
    delete_at_end: bool,
}

/// Sets up a [`Pushgateway`].
#[derive(Clone, Debug)]
#[must_use]
pub struct PushgatewayBuilder {
    name: String,
    endpoint: String,
    options: HttpOptions,
    group: Vec<(String, String)>,
    delete_at_end: bool,
}

impl PushgatewayBuilder {
    /// Sets the name that it is counted under. Default: `pushgateway`.
    pub fn name(mut self, name: impl Into<String>) -> Self {
        self.name = name.into();
        self
    }

    /// Sets a label of the group that the page is of. Default: `job`, the service, and `instance`, the attribute
    /// `service.instance.id` or host and process.
    pub fn group(mut self, name: impl Into<String>, value: impl Into<String>) -> Self {
        push::set(&mut self.group, name.into(), value.into());
        self
    }

    /// Sets whether the last publication deletes the group instead of leaving its last page. Default: no.
    pub fn delete_at_end(mut self, delete: bool) -> Self {
        self.delete_at_end = delete;
        self
    }

    /// Sets who asks. Default: nobody in particular.
    pub fn auth(mut self, auth: Auth) -> Self {
        self.options.auth = auth;
        self
    }

    /// Sets headers, certificates and the time limit of a request.
    pub fn http(mut self, options: HttpOptions) -> Self {
        self.options = options;
        self
    }

    /// Makes the destination; nothing is sent yet.
    ///
    /// # Errors
    /// [`PublishError::BadSetting`].
    pub fn build(self) -> Result<Pushgateway, PublishError> {
        push::check_labels(&self.group)?;
        if self.group.iter().any(|(name, value)| name == "job" && value.is_empty()) {
            return Err(push::bad("the label job", "a group has a job"));
        }
        Ok(Pushgateway {
            name: self.name,
            base: push::url(&self.endpoint, "/")?,
            http: Http::new(&self.options)?,
            group: self.group,
            delete_at_end: self.delete_at_end,
        })
    }
}

impl Pushgateway {
    /// Begins one that puts pages into the Pushgateway at `endpoint`, such as `http://localhost:9091`.
    pub fn builder(endpoint: impl Into<String>) -> PushgatewayBuilder {
        PushgatewayBuilder {
            name: "pushgateway".to_owned(),
            endpoint: endpoint.into(),
            options: HttpOptions::default(),
            group: Vec::new(),
            delete_at_end: false,
        }
    }

    /// Makes one of `pushgateway+http://host:port`. Options: `job`, `instance`, `labels` (`rack=7,site=a`), all of the group;
    /// `delete` (`true`, `false`: whether the group is deleted at the end), `name`, `ca` (a file of certificates in PEM), `timeout`
    /// (seconds). Who asks is in the environment: `PUSHGATEWAY_USERNAME` and `PUSHGATEWAY_PASSWORD`, or
    /// `PUSHGATEWAY_BEARER_TOKEN`, the latter two also in files that the variables with `_FILE` at their ends name.
    ///
    /// # Errors
    /// [`PublishError::BadSetting`]; [`PublishError::File`] for a secret's or the certificates' that cannot be read.
    pub fn from_target(mut target: Target, environment: &Environment) -> Result<Pushgateway, PublishError> {
        let mut builder = Pushgateway::builder(push::endpoint(&target)?);
        builder.options = push::options(&mut target, environment, VARIABLES)?;
        builder.delete_at_end = target.take_one_of("delete", &[("true", true), ("false", false)])?.unwrap_or(false);
        for (name, value) in push::labels(&mut target)? {
            builder = builder.group(name, value);
        }
        if let Some(name) = target.take("name") {
            builder = builder.name(name);
        }
        target.finish(&OPTIONS)?;
        builder.build()
    }

    /// `…/metrics/job/NAME/instance/NAME/…`.
    fn place_of(&self, source: &Source) -> Url {
        let group = push::with_identity(&self.group, source);
        let mut url = self.base.clone();
        // A URL of http can always be a base.
        if let Ok(mut path) = url.path_segments_mut() {
            path.pop_if_empty().push("metrics");
            let job = group.iter().filter(|(name, _)| name == "job");
            for (name, value) in job.chain(group.iter().filter(|(name, _)| name != "job")) {
                // A slash ends a value there, and nothing is none; a lone = stands for it.
                if value.is_empty() || value.contains('/') || matches!(&**value, "." | "..") {
                    let encoded = URL_SAFE_NO_PAD.encode(value);
                    path.push(&format!("{name}@base64")).push(if encoded.is_empty() { "=" } else { &encoded });
                } else {
                    path.push(name).push(value);
                }
            }
        }
        url
    }
}

impl Destination for Pushgateway {
    fn name(&self) -> &str {
        &self.name
    }

    fn attach(&self, collector: &TelemetryCollector) {
        self.http.attach(collector);
    }

    fn encode(&self, publication: &Publication) -> Result<Vec<Payload>, PublishError> {
        let snapshot = &publication.snapshot;
        // A payload may be sent by another process: the group's path is its first line.
        let mut bytes = self.place_of(&publication.source).path().as_bytes().to_vec();
        bytes.push(b'\n');
        let payload = match !publication.running && self.delete_at_end {
            true => Payload::new(DELETE, 0, snapshot.time, bytes),
            false => {
                bytes.append(&mut snapshot.export_prometheus_protobuf());
                Payload::new(PUT, count_series(snapshot), snapshot.time, bytes)
            }
        };
        Ok(vec![payload])
    }

    async fn send(&self, payload: &Payload) -> Result<Published, PublishError> {
        let line = payload.bytes.iter().position(|byte| *byte == b'\n').unwrap_or(payload.bytes.len());
        let (path, page) = payload.bytes.split_at(line);
        let mut place = self.base.clone();
        place.set_path(&String::from_utf8_lossy(path));
        let reply = if payload.kind == DELETE {
            self.http.request(Method::DELETE, &place, &[], Vec::new()).await?
        } else {
            let headers = [(CONTENT_TYPE, PageFormat::Protobuf.content_type())];
            self.http.request(Method::PUT, &place, &headers, page.get(1..).unwrap_or_default().to_vec()).await?
        };
        if reply.is_success() { Ok(Published::all(payload.items)) } else { Err(reply.error(&place)) }
    }
}
