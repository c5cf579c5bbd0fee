//! Of which messages a kernel leaves a span.

use std::time::Duration;

use crate::abi::filter::{ERRORS, SAMPLE_BITS, SLOW_BITS};

/// Of which messages a kernel at [`Level::Events`](crate::Level::Events) leaves a span; it decides when they end. What the
/// kernel's author records (events, spans, samples, log lines) is not filtered. The default is of none.
///
/// ```
/// use std::time::Duration;
/// use ringscope::trace::TraceFilter;
///
/// let filter = TraceFilter::none().slow(Duration::from_micros(50)).one_of(64).errors(true);
/// assert_eq!(filter.to_string(), "slower than 50µs, 1 of 64, errors");
/// ```
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct TraceFilter {
    slow: Option<Duration>,
    one_of: Option<u64>,
    errors: bool,
}

/// Why a [`TraceFilter`] was refused.
#[derive(Clone, Debug, thiserror::Error, PartialEq, Eq)]
#[non_exhaustive]
pub enum FilterError {
    /// A limit that the device has no bits for.
    #[error(
        "messages slower than {slow:?}: the limit is 1 ns to 2^48 - 1 ns (78 hours); for all messages say one_of(1)"
    )]
    BadSlow {
        /// What was asked for.
        slow: Duration,
    },
    /// A fraction that the device cannot choose.
    #[error("1 of {one_of} messages: the number is a power of two, 1 to 2^62")]
    BadFraction {
        /// What was asked for.
        one_of: u64,
    },
}

impl TraceFilter {
    /// Makes the filter that no message passes.
    pub const fn none() -> Self {
        TraceFilter { slow: None, one_of: None, errors: false }
    }

    /// Makes the filter that every message passes.
    pub const fn all() -> Self {
        TraceFilter { slow: None, one_of: Some(1), errors: false }
    }

    /// Sets the limit above which a message is slow and passes: 1 ns to 2^48 - 1 ns.
    pub const fn slow(self, slow: Duration) -> Self {
        TraceFilter { slow: Some(slow), ..self }
    }

    /// Sets that one of so many messages passes, chosen by their numbers: a power of two.
    pub const fn one_of(self, messages: u64) -> Self {
        TraceFilter { one_of: Some(messages), ..self }
    }

    /// Sets whether messages that failed pass.
    pub const fn errors(self, errors: bool) -> Self {
        TraceFilter { errors, ..self }
    }

    /// That of a kernel of which nothing else is said: of messages that fail.
    pub(crate) const fn at_launch() -> Self {
        TraceFilter::none().errors(true)
    }

    /// The word that the kernel reads.
    ///
    /// # Errors
    /// [`FilterError`] for the first part that makes no sense.
    pub(crate) fn word(self) -> Result<u64, FilterError> {
        let mut word = if self.errors { ERRORS } else { 0 };
        if let Some(slow) = self.slow {
            let ns = u64::try_from(slow.as_nanos()).ok().filter(|ns| (1..1 << SLOW_BITS).contains(ns));
            word |= ns.ok_or(FilterError::BadSlow { slow })?;
        }
        if let Some(one_of) = self.one_of {
            if !one_of.is_power_of_two() || one_of > 1 << 62 {
                return Err(FilterError::BadFraction { one_of });
            }
            const { assert!(SAMPLE_BITS == 6) };
            word |= u64::from(one_of.trailing_zeros() + 1) << SLOW_BITS;
        }
        Ok(word)
    }
}

impl std::fmt::Display for TraceFilter {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        let slow = self.slow.map(|slow| format!("slower than {slow:?}"));
        let fraction = self.one_of.map(|n| if n == 1 { "all".to_owned() } else { format!("1 of {n}") });
        let errors = self.errors.then(|| "errors".to_owned());
        let parts: Vec<String> = [slow, fraction, errors].into_iter().flatten().collect();
        f.write_str(if parts.is_empty() { "none" } else { "" })?;
        f.write_str(&parts.join(", "))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_filter_is_one_word_and_nonsense_is_refused() {
        assert_eq!(TraceFilter::none().word(), Ok(0));
        assert_eq!(TraceFilter::all().word(), Ok(1 << 48));
        let all = TraceFilter::none().slow(Duration::from_nanos(7)).one_of(1 << 62).errors(true);
        assert_eq!(all.word(), Ok(1 << 54 | 63 << 48 | 7));
        for slow in [Duration::ZERO, Duration::from_nanos(1 << 48), Duration::MAX] {
            assert_eq!(TraceFilter::none().slow(slow).word(), Err(FilterError::BadSlow { slow }));
        }
        for one_of in [0, 3, 1 << 63] {
            assert_eq!(TraceFilter::none().one_of(one_of).word(), Err(FilterError::BadFraction { one_of }));
        }
        assert_eq!(TraceFilter::none().to_string(), "none");
    }
}
