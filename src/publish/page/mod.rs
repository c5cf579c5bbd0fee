//! The page: what a collector knows, in a browser, and as JSON for scripts.

mod assets;
mod entries;
mod health;
mod history;
mod json;
mod live;
mod past;
mod query;
mod routes;
mod server;
mod stuck;
#[cfg(feature = "page-tls")]
mod tls;
mod token;
mod trace;
mod worker;

pub use server::{BoundServer, ServeError, TelemetryServer, TelemetryServerBuilder};
#[cfg(feature = "page-tls")]
pub use tls::TlsError;
