//! The C interface: its header is the library's, and programs in C, C++ and Python that use it do what docs/c-api.md says.
//!
//! The programs link the libraries of `scripts/capi.sh`, whose folder is in RINGSCOPE_CAPI. Without it these tests are skipped and
//! say so; with RINGSCOPE_REQUIRE_CAPI=1 they fail.

mod header;
mod programs;
