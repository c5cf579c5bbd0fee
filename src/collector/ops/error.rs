//! What operations and events refuse.

/// Why an operation could not be begun, or an event not be recorded. Nothing was counted for it.
#[derive(Clone, Debug, thiserror::Error, PartialEq, Eq)]
#[non_exhaustive]
pub enum OperationError {
    /// A text that must not be empty is.
    #[error("the {what} cannot be empty: give it a text")]
    Empty {
        /// Which text: `name`, `kind`, `host`, `label name`, ….
        what: &'static str,
    },
    /// A text is too long.
    #[error("the {what} `{start}…` has {bytes} bytes, at most {limit} are allowed: shorten it")]
    TooLong {
        /// Which text.
        what: &'static str,
        /// How it starts.
        start: String,
        /// Its length in bytes.
        bytes: usize,
        /// The limit.
        limit: usize,
    },
    /// Too many labels, or too many entries of metadata.
    #[error("there are {count} {what}, at most {limit} are allowed: leave some out")]
    TooMany {
        /// `labels` or `entries of metadata`.
        what: &'static str,
        /// How many there are.
        count: usize,
        /// The limit.
        limit: usize,
    },
    /// A label, or an entry of metadata, is there twice.
    #[error("the {what} `{name}` is given twice: leave one out")]
    Twice {
        /// `label` or `entry of metadata`.
        what: &'static str,
        /// Its name.
        name: String,
    },
    /// An event's value is NaN or infinite.
    #[error("the value of event `{event}` is {value}: record finite numbers")]
    NotFinite {
        /// The event's name.
        event: String,
        /// `NaN`, `inf` or `-inf`.
        value: String,
    },
}
