//! Texts that come from C, and lists of them.

use std::ffi::{CStr, c_char};

use super::result::{Failure, Outcome};

/// A label of a metric's series. Both texts are the caller's, in UTF-8, and are copied.
#[derive(Clone, Copy)]
#[repr(C)]
pub struct ringscope_label {
    /// Its name: letters, digits and `_`.
    pub name: *const c_char,
    /// Its value.
    pub value: *const c_char,
}

/// The text at `from`, which must be there.
///
/// # Safety
/// `from` is null, or points to bytes of which one is zero, which nobody changes meanwhile.
pub(super) unsafe fn text<'a>(from: *const c_char, name: &str) -> Outcome<&'a str> {
    // SAFETY: the caller's promise.
    unsafe { optional(from, name)? }.ok_or_else(|| Failure::argument(format!("`{name}` is null: give it a text")))
}

/// The text at `from`; `None` for null.
///
/// # Safety
/// As [`text`].
pub(super) unsafe fn optional<'a>(from: *const c_char, name: &str) -> Outcome<Option<&'a str>> {
    if from.is_null() {
        return Ok(None);
    }
    // SAFETY: not null, so the caller's promise.
    let bytes = unsafe { CStr::from_ptr(from) };
    match bytes.to_str() {
        Ok(text) => Ok(Some(text)),
        Err(error) => Err(Failure::argument(format!("`{name}` is not UTF-8 from byte {} on", error.valid_up_to()))),
    }
}

/// More than any list of the interface has a use for.
const MOST_ITEMS: usize = 1 << 20;

/// The `count` things at `from`.
///
/// # Safety
/// `from` is null, or points to `count` of them, if these are at most 2^20, which nobody changes meanwhile.
pub(super) unsafe fn items<'a, T>(from: *const T, count: usize, name: &str) -> Outcome<&'a [T]> {
    match (count, from.is_null()) {
        (0, _) => Ok(&[]),
        (_, true) => Err(Failure::argument(format!("`{name}` is null, and has {count} of them"))),
        (1..=MOST_ITEMS, _) if from.is_aligned() => {
            // SAFETY: neither null nor misaligned, so the caller's promise.
            Ok(unsafe { std::slice::from_raw_parts(from, count) })
        }
        (1..=MOST_ITEMS, _) => Err(Failure::argument(format!("`{name}` is not aligned"))),
        _ => Err(Failure::argument(format!("`{name}` has {count} of them, which are more than {MOST_ITEMS}"))),
    }
}

/// The `count` texts at `from`.
///
/// # Safety
/// As [`items`], and each as [`text`].
pub(super) unsafe fn texts<'a>(from: *const *const c_char, count: usize, name: &str) -> Outcome<Vec<&'a str>> {
    // SAFETY: the caller's promise.
    let pointers = unsafe { items(from, count, name)? };
    // SAFETY: the caller's promise.
    pointers.iter().enumerate().map(|(i, at)| unsafe { text(*at, &format!("{name}[{i}]")) }).collect()
}

/// The `count` labels at `from`.
///
/// # Safety
/// As [`items`], and each text as [`text`].
pub(super) unsafe fn labels<'a>(from: *const ringscope_label, count: usize) -> Outcome<Vec<(&'a str, &'a str)>> {
    // SAFETY: the caller's promise.
    let labels = unsafe { items(from, count, "labels")? };
    // SAFETY: the caller's promise.
    let pair = |(i, label): (usize, &ringscope_label)| unsafe {
        let name = text(label.name, &format!("labels[{i}].name"))?;
        Ok((name, text(label.value, &format!("labels[{i}].value"))?))
    };
    labels.iter().enumerate().map(pair).collect()
}
