//! Dashboards and rules: the files of the repository are those that are made now, those who read them find nothing wrong with
//! them, and every query of every panel, variable and rule has results of a real run. scripts/receivers.sh brings Prometheus,
//! Elasticsearch's API, amtool and the models; without them those tests say so and pass, unless RINGSCOPE_REQUIRE_RECEIVERS=1.
#![cfg(all(feature = "cli", feature = "host", unix))]

mod alerts;
mod asked;
mod checkers;
mod command;
mod document;
mod kibana;
mod made;
mod panels;
#[path = "../program/mod.rs"]
mod program;
#[path = "../receivers/mod.rs"]
mod receivers;
mod run;
