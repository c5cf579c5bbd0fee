//! The destinations over HTTP, a line each.

use std::time::Duration;

use ringscope::publish::{
    AnyDestination, Auth, Elasticsearch, GrafanaCloud, HttpOptions, Otlp, OtlpProtocol, PublishError, Pushgateway,
    RemoteWrite, RemoteWriteVersion,
};

use super::server::{Good, Request};

/// How a destination reaches its receiver.
#[derive(Clone, Debug)]
pub struct To {
    /// `http://127.0.0.1:4318`.
    pub url: String,
    pub ca_pem: Option<Vec<u8>>,
    pub timeout: Duration,
    /// A bearer's token.
    pub key: String,
}

impl To {
    fn http(&self) -> HttpOptions {
        let mut options = HttpOptions::default();
        options.auth = Auth::Bearer(self.key.clone().into());
        options.ca_pem = self.ca_pem.clone();
        options.timeout = Some(self.timeout);
        options
    }
}

/// A destination, and how its receiver answers when all is well.
#[derive(Clone, Copy)]
pub struct Case {
    pub name: &'static str,
    pub make: fn(&To) -> Result<AnyDestination, PublishError>,
    pub good: Good,
}

pub const CASES: &[Case] = &[
    Case { name: "otlp protobuf", make: |to| otlp(to, OtlpProtocol::HttpProtobuf), good: empty_protobuf },
    Case {
        name: "otlp json",
        make: |to| otlp(to, OtlpProtocol::HttpJson),
        good: |_| (200, "content-type: application/json\r\n", b"{}".to_vec()),
    },
    Case {
        name: "remote write 1.0",
        make: |to| {
            Ok(AnyDestination::new(
                RemoteWrite::builder(&to.url).version(RemoteWriteVersion::V1).http(to.http()).build()?,
            ))
        },
        good: |_| (204, "", Vec::new()),
    },
    Case {
        name: "pushgateway",
        make: |to| Ok(AnyDestination::new(Pushgateway::builder(&to.url).http(to.http()).build()?)),
        good: |_| (200, "", Vec::new()),
    },
    Case {
        name: "elasticsearch",
        make: |to| {
            let builder = Elasticsearch::builder([&to.url]).templates(false).http(to.http());
            Ok(AnyDestination::new(builder.build()?))
        },
        good: all_created,
    },
    Case { name: "grafana cloud", make: grafana_cloud, good: empty_protobuf },
];

fn grafana_cloud(to: &To) -> Result<AnyDestination, PublishError> {
    let builder = GrafanaCloud::builder(to.key.clone(), "org").instance("123").endpoint(&to.url).timeout(to.timeout);
    let builder = match &to.ca_pem {
        None => builder,
        Some(pem) => builder.ca_pem(pem.clone()),
    };
    Ok(AnyDestination::new(builder.build()?))
}

/// An item for each action, which are every second line.
fn all_created(request: &Request) -> (u16, &'static str, Vec<u8>) {
    let actions = request.body.iter().filter(|byte| **byte == b'\n').count() / 2;
    let items = vec![r#"{"create":{"status":201}}"#; actions].join(",");
    let body = format!(r#"{{"took":1,"errors":false,"items":[{items}]}}"#);
    (200, "content-type: application/json\r\n", body.into_bytes())
}

fn otlp(to: &To, protocol: OtlpProtocol) -> Result<AnyDestination, PublishError> {
    let builder =
        Otlp::builder(&to.url).protocol(protocol).timeout(to.timeout).auth(Auth::Bearer(to.key.clone().into()));
    let builder = match &to.ca_pem {
        None => builder,
        Some(pem) => builder.ca_pem(pem.clone()),
    };
    Ok(AnyDestination::new(builder.build()?))
}

fn empty_protobuf(_: &Request) -> (u16, &'static str, Vec<u8>) {
    (200, "content-type: application/x-protobuf\r\n", Vec::new())
}
