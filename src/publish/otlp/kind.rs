//! What the bytes of a payload are: a spool keeps no more than this number of what is not in them.

use super::settings::OtlpSignal;
use crate::export::otlp::Encoding;

const JSON: u8 = 16;
const GZIP: u8 = 32;

/// Signal, encoding and compression, as one number.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Kind {
    pub(super) signal: OtlpSignal,
    pub(super) encoding: Encoding,
    pub(super) gzip: bool,
}

impl Kind {
    pub(super) fn number(self) -> u8 {
        let json = if self.encoding == Encoding::Json { JSON } else { 0 };
        let gzip = if self.gzip { GZIP } else { 0 };
        self.signal.index() as u8 | json | gzip
    }

    pub(super) fn from_number(number: u8) -> Option<Kind> {
        let signal = *OtlpSignal::ALL.get(usize::from(number & !(JSON | GZIP)))?;
        let encoding = if number & JSON == 0 { Encoding::Protobuf } else { Encoding::Json };
        Some(Kind { signal, encoding, gzip: number & GZIP != 0 })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn each_number_is_one_kind() {
        let known: Vec<u8> =
            (0..=u8::MAX).filter(|n| Kind::from_number(*n).is_some_and(|k| k.number() == *n)).collect();
        assert_eq!(known, [0, 1, 2, 16, 17, 18, 32, 33, 34, 48, 49, 50]);
        assert_eq!((0..=u8::MAX).filter(|n| Kind::from_number(*n).is_some()).count(), known.len());
    }
}
