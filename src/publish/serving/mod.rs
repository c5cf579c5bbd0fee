//! An HTTP server for telemetry, which [`PrometheusPublisher`](super::PrometheusPublisher) and the program's `serve` share. It is no
//! interface for others: it may change in any version.

mod body;
mod connections;
mod door;
mod impatient;
mod listen;
mod pages;
mod reading;
#[cfg(feature = "recording")]
mod recorded;
mod server;

pub use body::{Body, Streams};
pub use door::{Channel, Door};
pub use listen::{Hosts, Listen, ListenError};
pub use pages::{Answer, Pages, accepted, is_asked, not_allowed, plain, respond};
pub use reading::Reading;
#[cfg(feature = "recording")]
pub use recorded::{OnDemand, Recorded};
pub use server::{Handler, Server};
