//! What OpenTelemetry's receivers understand of what is sent by its protocol is what was counted.
#![cfg(all(feature = "otlp-grpc", feature = "host"))]

mod agent;
mod live;
mod metrics;
mod signals;
mod victoria;

#[path = "../trace_tools/mod.rs"]
mod trace_tools;
