//! How a frame lies in a recording: `length` and `crc32c` of what follows, then a kind and a body; numbers are little-endian.

/// What a recording begins with: the number of the format is the byte before the last.
pub(super) const MARK: [u8; 8] = *b"rs-rec\x02\n";
/// Where the number of the format is.
pub(super) const VERSION_AT: usize = 6;
/// Length and checksum.
pub(super) const HEAD: usize = 8;
/// More than any frame has: whatever says so is damaged.
pub(super) const MOST: usize = 64 << 20;

/// What a frame is.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Kind {
    /// Who records; what follows continues nothing.
    Source,
    /// A whole moment.
    Key,
    /// A moment, as it differs from the one before.
    Delta,
}

impl Kind {
    pub(super) fn from_u8(byte: u8) -> Option<Kind> {
        [Kind::Source, Kind::Key, Kind::Delta].into_iter().find(|kind| *kind as u8 == byte)
    }
}

/// Writes a frame.
pub(super) fn write(kind: Kind, body: &[u8]) -> Vec<u8> {
    let mut frame = Vec::with_capacity(HEAD + 1 + body.len());
    frame.extend_from_slice(&(1 + body.len() as u32).to_le_bytes());
    frame.extend_from_slice(&[0; 4]);
    frame.push(kind as u8);
    frame.extend_from_slice(body);
    let checksum = crc32c::crc32c(&frame[HEAD..]);
    frame[4..HEAD].copy_from_slice(&checksum.to_le_bytes());
    frame
}

/// What the bytes at the begin of a buffer are.
#[derive(Debug, PartialEq, Eq)]
pub(super) enum Found<'a> {
    /// A whole frame, of so many bytes.
    Frame { kind: Kind, body: &'a [u8], bytes: usize },
    /// The begin of one.
    More,
    /// No frame.
    Damaged(&'static str),
}

/// Looks for a frame at the begin of `bytes`.
pub(super) fn find(bytes: &[u8]) -> Found<'_> {
    let Some((head, rest)) = bytes.split_first_chunk::<HEAD>() else { return Found::More };
    let [a, b, c, d, e, f, g, h] = *head;
    let (length, checksum) = (u32::from_le_bytes([a, b, c, d]) as usize, u32::from_le_bytes([e, f, g, h]));
    if length == 0 || length > MOST {
        return Found::Damaged("its length is impossible");
    }
    let Some(content) = rest.get(..length) else { return Found::More };
    if crc32c::crc32c(content) != checksum {
        return Found::Damaged("its checksum is another");
    }
    match content.split_first().and_then(|(kind, body)| Some((Kind::from_u8(*kind)?, body))) {
        Some((kind, body)) => Found::Frame { kind, body, bytes: HEAD + length },
        None => Found::Damaged("its kind is unknown"),
    }
}
