//! The C interface of `include/ringscope.h`, for hosts that are written in C, C++ or anything that calls C.
//!
//! The header is generated from this folder by cbindgen (`RINGSCOPE_WRITE_DOCS=1 cargo test --test capi`), so the
//! comments here are written for those who read them there. docs/c-api.md shows how the libraries are built and linked.
//!
//! * Every function goes through [`result::call`]: nothing unwinds into the caller, and what went wrong is a number and a text.
//! * A handle is a number that is never used again, kept in a table ([`handles`]): one that was closed, or never opened, is an
//!   error and no memory is touched for it.
//! * Structs grow at their end and say their size ([`fields`]).
#![allow(unsafe_code)]
#![allow(non_camel_case_types, reason = "types are called as they are in C")]

mod actor;
mod collection;
mod collector;
mod device;
mod fields;
mod handles;
mod host_metric;
mod kernel;
mod metric;
mod result;
mod snapshot;
mod snapshot_fields;
mod text;
mod write;

#[cfg(test)]
mod tests;
