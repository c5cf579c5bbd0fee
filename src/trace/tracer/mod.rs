//! The host's tracer: who records spans of host threads, and what it keeps.

mod active;
mod builder;
mod config;
mod current;
mod handle;
mod messages;
mod shared;
mod store;

pub use active::{ActiveSpan, SpanGuard};
pub use builder::SpanBuilder;
pub use config::TracerConfig;
pub use current::Entered;
pub use handle::Tracer;
pub use messages::SentMessage;
pub use shared::TracerLosses;

#[cfg(feature = "tracing")]
pub(super) use current::{enter_raw, exit_raw};
