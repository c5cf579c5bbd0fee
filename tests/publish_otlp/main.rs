//! What OpenTelemetry's receivers understand of what is sent by its protocol is what was counted.
#![cfg(all(feature = "otlp-grpc", feature = "host", feature = "tls"))]

mod agent;
mod decoded;
mod fake;
mod grpc;
mod live;
mod metrics;
mod replies;
mod signals;
mod victoria;

#[path = "../receivers/mod.rs"]
mod receivers;
