//! What keeps other crates from being a device, or from writing where kernels follow addresses.

/// Implemented by the devices of this crate alone: blocks write into the memory that they hand out.
pub trait Sealed {}

/// What only this crate can make.
#[doc(hidden)]
#[derive(Clone, Copy, Debug)]
pub struct Internal(pub(crate) ());
