//! What is streamed through the kernels: the input, the messages made of it, and what a right reply to each is.

pub mod args;
pub mod check;
pub mod counts;
pub mod feed;
pub mod input;
pub mod launch;
pub mod load;
mod matrices;
mod reader;
pub mod report;
pub mod session;
mod silence;
pub mod stream;
pub mod system;
pub mod view;
