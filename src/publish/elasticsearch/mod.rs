//! Elasticsearch: documents by `_bulk` into data streams.

mod builder;
mod destination;
mod hosts;
mod reply;

pub use builder::ElasticsearchBuilder;
pub use destination::Elasticsearch;

pub use crate::export::elasticsearch::Stream as ElasticsearchStream;
