//! `ringscope report` and `ringscope diff`: what they tell of a recording is what was recorded, whatever it is called and whatever
//! state the file is in.
#![cfg(all(feature = "cli", feature = "host"))]

mod diff;
mod html;
mod made;
mod report;
mod run;

#[path = "../program/mod.rs"]
mod program;
