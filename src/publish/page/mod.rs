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

pub use server::{BoundServer, ServeError, TelemetryServer, TelemetryServerBuilder};
