//! Numbers of traces, spans and flows.

use std::cell::Cell;
use std::fmt;
use std::hash::{BuildHasher, RandomState};
use std::num::{NonZeroU64, NonZeroU128};

/// The number of a trace, 16 bytes, never zero. Displays as 32 lowercase hexadecimal digits.
#[derive(Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub struct TraceId(NonZeroU128);

/// The number of a span, 8 bytes, never zero. Displays as 16 lowercase hexadecimal digits.
#[derive(Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub struct SpanId(NonZeroU64);

/// The number of a flow, an arrow from record to record across tracks, never zero.
#[derive(Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub struct FlowId(NonZeroU64);

impl TraceId {
    /// Makes a random one.
    pub fn random() -> Self {
        std::iter::repeat_with(|| u128::from(random()) << 64 | u128::from(random()))
            .find_map(Self::new)
            .unwrap_or(Self(NonZeroU128::MIN))
    }

    /// Returns the one with this value; `None` for zero, which W3C forbids.
    pub const fn new(value: u128) -> Option<Self> {
        match NonZeroU128::new(value) {
            Some(value) => Some(TraceId(value)),
            None => None,
        }
    }

    /// Returns its bytes, the most significant first, as OTLP has them.
    pub const fn to_bytes(self) -> [u8; 16] {
        self.0.get().to_be_bytes()
    }
}

impl SpanId {
    /// Makes a random one.
    pub fn random() -> Self {
        SpanId(random_nonzero())
    }

    /// Returns the one with this value; `None` for zero, which W3C forbids.
    pub const fn new(value: u64) -> Option<Self> {
        match NonZeroU64::new(value) {
            Some(value) => Some(SpanId(value)),
            None => None,
        }
    }

    /// Returns its bytes, the most significant first, as OTLP has them.
    pub const fn to_bytes(self) -> [u8; 8] {
        self.0.get().to_be_bytes()
    }
}

impl FlowId {
    /// Makes a random one.
    pub fn random() -> Self {
        FlowId(random_nonzero())
    }

    /// Returns the one with this value; `None` for zero.
    pub const fn new(value: u64) -> Option<Self> {
        match NonZeroU64::new(value) {
            Some(value) => Some(FlowId(value)),
            None => None,
        }
    }
}

impl From<TraceId> for u128 {
    fn from(id: TraceId) -> u128 {
        id.0.get()
    }
}

impl From<SpanId> for u64 {
    fn from(id: SpanId) -> u64 {
        id.0.get()
    }
}

impl From<FlowId> for u64 {
    fn from(id: FlowId) -> u64 {
        id.0.get()
    }
}

impl fmt::Display for TraceId {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{:032x}", self.0)
    }
}

impl fmt::Debug for TraceId {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        fmt::Display::fmt(self, f)
    }
}

impl fmt::Display for SpanId {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{:016x}", self.0)
    }
}

impl fmt::Debug for SpanId {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        fmt::Display::fmt(self, f)
    }
}

impl fmt::Debug for FlowId {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{:x}", self.0)
    }
}

fn random_nonzero() -> NonZeroU64 {
    std::iter::repeat_with(random).find_map(NonZeroU64::new).unwrap_or(NonZeroU64::MIN)
}

/// The next number of this thread's counter through SipHash, with a key that the standard library takes from the operating
/// system: a keyed pseudorandom function, so numbers of other threads and processes are independent of these.
fn random() -> u64 {
    thread_local! {
        static SOURCE: (RandomState, Cell<u64>) = (RandomState::new(), const { Cell::new(0) });
    }
    let next = |(key, counter): &(RandomState, Cell<u64>)| {
        counter.set(counter.get().wrapping_add(1));
        key.hash_one(counter.get())
    };
    // A thread that ends has given its source away: a new key for each number then.
    SOURCE.try_with(next).unwrap_or_else(|_| RandomState::new().hash_one(0_u64))
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::collections::HashSet;

    #[test]
    fn ids_of_all_threads_differ_in_every_bit() {
        let many =
            || (0..10_000).map(|_| (u128::from(TraceId::random()), u64::from(SpanId::random()))).collect::<Vec<_>>();
        let threads: Vec<_> = (0..4).map(|_| std::thread::spawn(many)).collect();
        let all: Vec<_> = threads.into_iter().flat_map(|thread| thread.join().unwrap()).collect();
        assert_eq!(all.iter().map(|(trace, _)| trace).collect::<HashSet<_>>().len(), all.len());
        assert_eq!(all.iter().map(|(_, span)| span).collect::<HashSet<_>>().len(), all.len());
        // Of 40,000 fair bits in each place, half are set: ten standard deviations are 1,000.
        for bit in 0..128 {
            let set = all.iter().filter(|(trace, _)| trace >> bit & 1 == 1).count();
            assert!(set.abs_diff(all.len() / 2) < 1000, "bit {bit}: {set}");
        }
    }

    #[test]
    fn they_display_as_w3c_has_them() {
        assert_eq!(TraceId::new(0xabc).unwrap().to_string(), "00000000000000000000000000000abc");
        assert_eq!(SpanId::new(0xabc).unwrap().to_string(), "0000000000000abc");
        assert_eq!(SpanId::new(0xabc).unwrap().to_bytes(), [0, 0, 0, 0, 0, 0, 0x0a, 0xbc]);
        assert_eq!((TraceId::new(0), SpanId::new(0), FlowId::new(0)), (None, None, None));
    }
}
