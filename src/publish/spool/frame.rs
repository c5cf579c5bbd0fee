//! How a payload lies in a file: `length`, `crc32c` of what follows, `kind`, `items`, `time`, `queued`, payload; numbers are
//! little-endian. Whatever does not agree with its checksum is no frame.

use std::time::{Duration, SystemTime, UNIX_EPOCH};

use crate::publish::publisher::Payload;
use crate::publish::queue::Entry;

/// Length and checksum.
pub(super) const HEAD: usize = 8;
/// Kind, items and two times.
const ABOUT: usize = 1 + 3 * 8;
/// What a frame takes beside its payload.
pub(super) const OVERHEAD: u64 = (HEAD + ABOUT) as u64;

fn nanoseconds(time: SystemTime) -> u64 {
    u64::try_from(time.duration_since(UNIX_EPOCH).unwrap_or_default().as_nanos()).unwrap_or(u64::MAX)
}

fn time(nanoseconds: u64) -> SystemTime {
    UNIX_EPOCH + Duration::from_nanos(nanoseconds)
}

/// Writes a frame; `None` if it is too long for one.
pub(super) fn write(entry: &Entry<Payload>) -> Option<Vec<u8>> {
    let Entry { item, queued, .. } = entry;
    let length = u32::try_from(ABOUT + item.bytes.len()).ok()?;
    let mut frame = Vec::with_capacity(HEAD + length as usize);
    frame.extend_from_slice(&length.to_le_bytes());
    frame.extend_from_slice(&[0; 4]);
    frame.push(item.kind);
    for number in [item.items, nanoseconds(item.time), nanoseconds(*queued)] {
        frame.extend_from_slice(&number.to_le_bytes());
    }
    frame.extend_from_slice(&item.bytes);
    let checksum = crc32c::crc32c(&frame[HEAD..]);
    frame[4..HEAD].copy_from_slice(&checksum.to_le_bytes());
    Some(frame)
}

/// Length of what follows a head, and its checksum.
pub(super) fn head(head: [u8; HEAD]) -> (usize, u32) {
    let [a, b, c, d, e, f, g, h] = head;
    (u32::from_le_bytes([a, b, c, d]) as usize, u32::from_le_bytes([e, f, g, h]))
}

/// Reads what follows a head; `None` if it is not what was written.
pub(super) fn read(body: &[u8], checksum: u32) -> Option<Entry<Payload>> {
    if crc32c::crc32c(body) != checksum {
        return None;
    }
    let (about, bytes) = body.split_at_checked(ABOUT)?;
    let number = |i: usize| Some(u64::from_le_bytes(about.get(1 + 8 * i..9 + 8 * i)?.try_into().ok()?));
    let payload = Payload::new(about[0], number(0)?, time(number(1)?), bytes);
    Some(Entry { queued: time(number(2)?), ..Entry::of_payload(payload) })
}
