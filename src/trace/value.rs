//! Names and values of attributes.

use std::borrow::Cow;

/// A name: text of the program, or made at run time.
pub type Name = Cow<'static, str>;

/// One thing that is known of a span, an instant or an event.
#[derive(Clone, Debug, PartialEq)]
#[non_exhaustive]
pub struct Attribute {
    /// What.
    pub name: Name,
    /// How much, or which.
    pub value: Value,
}

impl Attribute {
    /// Makes one.
    pub fn new(name: impl Into<Name>, value: impl Into<Value>) -> Self {
        Attribute { name: name.into(), value: value.into() }
    }
}

/// The value of an attribute. Whole numbers above 2^63 − 1 become text: OpenTelemetry has no type for them.
#[derive(Clone, Debug, PartialEq)]
#[non_exhaustive]
pub enum Value {
    /// Yes or no.
    Bool(bool),
    /// A whole number.
    Int(i64),
    /// Any number.
    Float(f64),
    /// Text.
    Text(Name),
}

impl From<bool> for Value {
    fn from(value: bool) -> Self {
        Value::Bool(value)
    }
}

impl From<u64> for Value {
    fn from(value: u64) -> Self {
        i64::try_from(value).map_or_else(|_| Value::Text(value.to_string().into()), Value::Int)
    }
}

impl From<usize> for Value {
    fn from(value: usize) -> Self {
        Value::from(value as u64)
    }
}

impl From<isize> for Value {
    fn from(value: isize) -> Self {
        Value::Int(value as i64)
    }
}

macro_rules! from_small {
    ($variant:ident: $($small:ty),+) => { $(
        impl From<$small> for Value {
            fn from(value: $small) -> Self {
                Value::$variant(value.into())
            }
        }
    )+ };
}

from_small!(Int: i8, i16, i32, i64, u8, u16, u32);
from_small!(Float: f32, f64);
from_small!(Text: &'static str, String, Name);

impl std::fmt::Display for Value {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        match self {
            Value::Bool(value) => value.fmt(f),
            Value::Int(value) => value.fmt(f),
            Value::Float(value) => value.fmt(f),
            Value::Text(value) => value.fmt(f),
        }
    }
}
