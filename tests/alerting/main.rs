//! Alerts: rules that fire and are resolved exactly when they say, notifications that arrive, destinations that fail and delay
//! nobody, and the files that all of it is read from.
#![cfg(all(feature = "cli", feature = "host", unix))]

mod alertmanager;
mod delivery;
mod engine;
mod oracle;
mod run;
mod toml;
mod world;

#[path = "../live_run/fake.rs"]
mod fake;
#[path = "../program/mod.rs"]
mod program;
#[path = "../receivers/mod.rs"]
mod receivers;
#[path = "../faults/server.rs"]
mod server;
#[path = "../serving/mod.rs"]
mod serving;
