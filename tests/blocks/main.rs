//! Ring kernels whose blocks have 32 to 1,024 threads: exact, held, stopped in the middle, with a full reply ring, dead; on the
//! host device, whose threads take turns, and on the stand-in's GPU, which runs their PTX on a weak memory. And what is refused.
#![cfg(all(feature = "host", feature = "cuda"))]
#![allow(unsafe_code)]

#[path = "../cuda-driver/mod.rs"]
mod stand_in;

mod gpu;
mod host;
mod library;
mod limits;
mod matmul;
mod sized;
