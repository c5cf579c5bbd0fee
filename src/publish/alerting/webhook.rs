//! Notifications to a webhook.

use reqwest::Method;
use reqwest::header::CONTENT_TYPE;
use url::Url;

use super::document::{self, External};
use crate::collector::TelemetryCollector;
use crate::publish::error::PublishError;
use crate::publish::http::{Http, HttpOptions, bad};
use crate::publish::publication::Publication;
use crate::publish::publisher::{Destination, Payload, Published};

/// Posts each notification as JSON, as Alertmanager does.
#[derive(Debug)]
pub(super) struct Webhook {
    name: String,
    url: Url,
    http: Http,
    external: External,
}

impl Webhook {
    pub(super) fn new(name: &str, url: Url, options: &HttpOptions, external: External) -> Result<Self, PublishError> {
        Ok(Webhook { name: name.to_owned(), url, http: Http::new(options)?, external })
    }
}

/// An address of a server.
pub(super) fn url(text: &str) -> Result<Url, PublishError> {
    // Not quoted: it may have a key in it.
    let url = Url::parse(text).map_err(|error| bad("url", &format!("{error}; write http://host:port/path")))?;
    let is_http = ["http", "https"].contains(&url.scheme()) && url.has_host();
    if is_http { Ok(url) } else { Err(bad("url", "it must begin with http:// or https://")) }
}

impl Destination for Webhook {
    fn name(&self) -> &str {
        &self.name
    }

    fn attach(&self, collector: &TelemetryCollector) {
        self.http.attach(collector);
    }

    fn encode(&self, publication: &Publication) -> Result<Vec<Payload>, PublishError> {
        let payload = |notification| {
            let body = document::webhook(notification, &self.name, &self.external).to_string();
            Payload::new(0, 1, publication.snapshot.time, body.into_bytes())
        };
        Ok(publication.notifications.iter().map(payload).collect())
    }

    async fn send(&self, payload: &Payload) -> Result<Published, PublishError> {
        post(&self.http, &self.url, payload).await
    }
}

/// Posts a payload of JSON; any answer that is no success is an error.
pub(super) async fn post(http: &Http, url: &Url, payload: &Payload) -> Result<Published, PublishError> {
    let json = [(CONTENT_TYPE, "application/json")];
    let reply = http.request(Method::POST, url, &json, payload.bytes.to_vec()).await?;
    if reply.is_success() { Ok(Published::all(payload.items)) } else { Err(reply.error(url)) }
}
