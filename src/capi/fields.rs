//! Structs of the interface. Each begins with its size, so that it can grow at its end: the library reads and writes no
//! byte that the caller's does not have.

use std::mem::{MaybeUninit, size_of};

use super::result::{Failure, Outcome};

/// More than any struct has, and less than most words that somebody forgot to set.
const MOST_BYTES: usize = 4096;

/// A struct that begins with its size in bytes.
///
/// # Safety
/// It is `repr(C)`, its first field is a `usize`, and all bytes zero are a value of it.
pub(super) unsafe trait Sized_: Copy {
    /// What it is called in errors.
    const NAME: &'static str;
    /// Bytes of its first version.
    const FIRST_BYTES: usize;

    /// A value of zeros, which for every field is its default.
    fn zeroed() -> Self {
        // SAFETY: the trait's promise.
        unsafe { MaybeUninit::zeroed().assume_init() }
    }
}

/// Reads what the caller says; what its struct does not have yet is zero.
///
/// # Safety
/// `from` is null, or points to a `usize` and as many bytes as that says, if it says at most 4,096.
pub(super) unsafe fn read<T: Sized_>(from: *const T) -> Outcome<T> {
    // SAFETY: the caller's promise.
    let said = unsafe { size_said::<T>(from)? };
    let mut value = T::zeroed();
    let common = said.min(size_of::<T>());
    // SAFETY: `from` has so many bytes, `value` too, and any bytes of a C struct without padding make one.
    unsafe { from.cast::<u8>().copy_to_nonoverlapping((&raw mut value).cast(), common) };
    for at in common..said {
        // SAFETY: below the size that was said.
        if unsafe { from.cast::<u8>().add(at).read() } != 0 {
            let text = format!("the struct {} sets fields that this library does not have: use a newer one", T::NAME);
            return Err(Failure::argument(text));
        }
    }
    Ok(value)
}

/// Writes as many of the bytes of `value` as the caller has room for, but for its size, which stays; what is behind them,
/// in a newer struct than the library's, is zero.
///
/// # Safety
/// `to` is null, or points to a `usize` and as many bytes as that says, if it says at most 4,096; nobody else uses them.
pub(super) unsafe fn write<T: Sized_>(to: *mut T, value: &T) -> Outcome {
    // SAFETY: the caller's promise.
    let said = unsafe { size_said::<T>(to)? };
    let common = said.min(size_of::<T>());
    let start = size_of::<usize>();
    // SAFETY: both have so many bytes.
    unsafe {
        (&raw const *value).cast::<u8>().add(start).copy_to_nonoverlapping(to.cast::<u8>().add(start), common - start);
        to.cast::<u8>().add(common).write_bytes(0, said - common);
    }
    Ok(())
}

/// # Safety
/// `of` is null, or points to a `usize`.
unsafe fn size_said<T: Sized_>(of: *const T) -> Outcome<usize> {
    if of.is_null() {
        return Err(Failure::argument(format!("the struct {} is null", T::NAME)));
    }
    // SAFETY: not null, so it points to its size; C may have aligned it to less.
    let said = unsafe { of.cast::<usize>().read_unaligned() };
    match (T::FIRST_BYTES..=MOST_BYTES).contains(&said) {
        true => Ok(said),
        false => {
            let text =
                format!("the struct {0} says a size of {said} bytes: set its field `size` to sizeof({0})", T::NAME);
            Err(Failure::argument(text))
        }
    }
}

macro_rules! sized {
    ($($name:ident: $bytes:literal;)*) => {$(
        // SAFETY: it is repr(C) and begins with `size`; its fields are numbers, and pointers that may be null.
        unsafe impl $crate::capi::fields::Sized_ for $name {
            const NAME: &'static str = stringify!($name);
            const FIRST_BYTES: usize = $bytes;
        }
        const _: () = assert!(std::mem::offset_of!($name, size) == 0 && size_of::<$name>() >= $bytes);
    )*};
}
pub(super) use sized;

/// Puts a handle or a number where the caller wants it.
///
/// # Safety
/// `to` is null, or points to a `T` that nobody else uses.
pub(super) unsafe fn put<T>(to: *mut T, name: &str, make: impl FnOnce() -> Outcome<T>) -> Outcome {
    if to.is_null() {
        return Err(Failure::argument(format!("`{name}` is null: it says where to put what is made")));
    }
    let made = make()?;
    // SAFETY: not null, so the caller's promise; C may have aligned it to less.
    unsafe { to.write_unaligned(made) };
    Ok(())
}
