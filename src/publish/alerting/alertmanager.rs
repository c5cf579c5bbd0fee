//! Alerts to Alertmanager's API v2.

use std::time::Duration;

use url::Url;

use super::document::{self, External};
use super::webhook::post;
use crate::collector::TelemetryCollector;
use crate::publish::error::PublishError;
use crate::publish::http::{Http, HttpOptions};
use crate::publish::publication::Publication;
use crate::publish::publisher::{Destination, Payload, Published};

const PATH: &str = "api/v2/alerts";
/// An alert that is not sent again for so many times counts as over, as Prometheus has it.
const LASTS: u32 = 4;

/// Posts alerts that fire again and again, and those that were resolved with their end.
#[derive(Debug)]
pub(super) struct Alertmanager {
    name: String,
    url: Url,
    http: Http,
    external: External,
    resend: Duration,
}

impl Alertmanager {
    pub(super) fn new(
        name: &str,
        url: Url,
        options: &HttpOptions,
        external: External,
        resend: Duration,
    ) -> Result<Self, PublishError> {
        Ok(Alertmanager { name: name.to_owned(), url: api(url), http: Http::new(options)?, external, resend })
    }
}

/// The API below the server's address, unless that has it already.
fn api(mut url: Url) -> Url {
    if !url.path().ends_with("/alerts") {
        let path = format!("{}/{PATH}", url.path().trim_end_matches('/'));
        url.set_path(&path);
    }
    url
}

impl Destination for Alertmanager {
    fn name(&self) -> &str {
        &self.name
    }

    fn attach(&self, collector: &TelemetryCollector) {
        self.http.attach(collector);
    }

    fn encode(&self, publication: &Publication) -> Result<Vec<Payload>, PublishError> {
        let lasts = self.resend.saturating_mul(LASTS);
        let payload = |notification| {
            let body = document::alerts(notification, lasts, &self.external).to_string();
            Payload::new(0, 1, publication.snapshot.time, body.into_bytes())
        };
        Ok(publication.notifications.iter().map(payload).collect())
    }

    async fn send(&self, payload: &Payload) -> Result<Published, PublishError> {
        post(&self.http, &self.url, payload).await
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_api_is_below_the_address() {
        let api = |text: &str| api(Url::parse(text).unwrap()).to_string();
        assert_eq!(api("http://a:9093"), "http://a:9093/api/v2/alerts");
        assert_eq!(api("http://a/alertmanager/?x=1"), "http://a/alertmanager/api/v2/alerts?x=1");
        assert_eq!(api("http://a/api/v2/alerts"), "http://a/api/v2/alerts");
    }
}
