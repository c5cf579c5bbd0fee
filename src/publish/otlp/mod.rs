//! OpenTelemetry's protocol, to collectors and to everything that takes it: [`Otlp`].

mod builder;
mod destination;
mod from;
#[cfg(feature = "otlp-grpc")]
mod grpc;
mod http;
mod kind;
mod reply;
mod settings;

pub use builder::OtlpBuilder;
pub use destination::Otlp;
pub use settings::{OtlpProtocol, OtlpSignal};
