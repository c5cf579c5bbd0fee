//! What is streamed through the kernels: the input, the messages made of it, and what a right reply to each is.

pub mod check;
pub mod counts;
pub mod feed;
pub mod input;
pub mod load;
pub mod report;
pub mod session;
pub mod stream;
pub mod view;
