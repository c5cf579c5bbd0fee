//! An HTTP server for telemetry, which [`PrometheusPublisher`](super::PrometheusPublisher) and the program's `serve` share. It is no
//! interface for others: it may change in any version.

mod body;
mod connections;
mod impatient;
mod listen;
mod pages;
mod reading;
mod server;

pub use body::{Body, Streams};
pub use listen::{Hosts, Listen, ListenError};
pub use pages::{Answer, Pages, accepted, is_asked, not_allowed, plain, respond};
pub use reading::Reading;
pub use server::{Handler, Server};
