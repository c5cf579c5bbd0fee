//! Events and spans of running kernels: their rings, who reads them, and of which messages they leave a span.

mod drain;
mod kernels;
mod pass;
mod rings;

pub(super) use drain::Drain;
pub(super) use kernels::Counted;
