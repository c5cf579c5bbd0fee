//! Alerts: rules that fire and are resolved exactly when they say, notifications that arrive, destinations that fail and delay
//! nobody, and the files that all of it is read from.

mod engine;
mod kinds;
mod oracle;
mod toml;
mod world;
