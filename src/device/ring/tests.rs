//! What is published when, of a ring whose other side is the test.

use super::*;
use crate::device::{HostDevice, IdleRing, InputMemory, Memory, RingPlace, RingShape, RingWords};

const SLOTS: u32 = 8;

const KINDS: [InputMemory; 2] = [InputMemory::Mapped, InputMemory::Device];

fn rings(slot_bytes: u32, input: InputMemory) -> IdleRing {
    let device = HostDevice::new();
    let words = RingWords::new(&device, 1).unwrap();
    RingPlace::new(&device, (RingShape { slots: SLOTS, slot_bytes }, input), &words, 0, true).unwrap().open()
}

/// What the blocks look at: the memory that message `n` is in, the place of its slot there, and the tail.
fn seen(ring: &IdleRing, n: u64) -> (&Memory, usize, u64) {
    let rings = &ring.producer.rings;
    let (memory, slot, tail) = match rings.input {
        InputMemory::Mapped => (&ring.place.memory[0], rings.in_slot(n), offset_of!(RingHost, tail)),
        InputMemory::Device => (&ring.place.memory[2], rings.device_slot(n), 0),
    };
    (memory, slot, memory.word(tail).load(Ordering::Relaxed))
}

fn published(ring: &IdleRing) -> [u64; 2] {
    let released = ring.producer.rings.mapped.word(offset_of!(RingHost, out_head)).load(Ordering::Relaxed);
    [seen(ring, 0).2, released]
}

/// The number of a message and its payload, as a block finds them.
fn message(ring: &IdleRing, n: u64) -> (u64, Vec<u8>) {
    let (memory, slot, _) = seen(ring, n);
    let word = |at| memory.word(slot + at).load(Ordering::Relaxed);
    let bytes = word(offset_of!(SlotIn, bytes)) as usize;
    // SAFETY: in bounds by span; nobody writes it.
    let payload = unsafe { std::slice::from_raw_parts(memory.span(slot + SLOT_HEADER, bytes).as_ptr(), bytes) };
    (word(offset_of!(SlotIn, seq)), payload.to_vec())
}

/// Answers that message as a block would.
fn answer(ring: &IdleRing, n: u64, payload: &[u8]) {
    let Rings { mapped, .. } = &ring.producer.rings;
    let slot = ring.producer.rings.out_slot(n);
    for (i, byte) in payload.iter().enumerate() {
        // SAFETY: in bounds by span; nobody else looks at it.
        unsafe { mapped.span(slot + SLOT_HEADER + i, 1).as_ptr().write(*byte) };
    }
    mapped.word(slot + offset_of!(SlotOut, seq)).store(n, Ordering::Relaxed);
    mapped.word(slot + offset_of!(SlotOut, bytes)).store(payload.len() as u64, Ordering::Relaxed);
    mapped.word(slot + offset_of!(SlotOut, ready)).store(n + 1, Ordering::Release);
    mapped.word(ring.producer.rings.done(n)).store(n + 1, Ordering::Release);
}

#[test]
fn a_batch_is_published_once_and_its_replies_are_given_back_once() {
    KINDS.into_iter().for_each(publish_and_give_back);
}

fn publish_and_give_back(input: InputMemory) {
    let mut ring = rings(64, input);
    let mut batch = ring.producer.batch();
    let numbers: Vec<Option<u64>> = (0..=u64::from(SLOTS)).map(|n| batch.put(&n.to_le_bytes())).collect();
    assert_eq!(numbers[..SLOTS as usize], (0..u64::from(SLOTS)).map(Some).collect::<Vec<_>>());
    assert_eq!((numbers[SLOTS as usize], batch.has_room(), batch.next()), (None, false, u64::from(SLOTS)));
    // No destructor: as it stands before the batch ends.
    std::mem::forget(batch);
    assert_eq!(published(&ring), [0, 0], "the kernel is told when the batch ends");
    drop(Batch { producer: &mut ring.producer, bytes: 1, time: None });
    assert_eq!(published(&ring), [u64::from(SLOTS), 0]);

    (0..3).for_each(|n| answer(&ring, n, format!("reply {n}").as_bytes()));
    let mut payloads = Vec::new();
    for n in 0..3 {
        let arrived = ring.consumer.next(false).unwrap();
        assert_eq!((arrived.seq, arrived.status), (n, 0));
        ring.consumer.take(arrived, &mut payloads);
    }
    assert!(ring.consumer.next(false).is_none());
    assert_eq!((payloads.as_slice(), published(&ring)[1]), (b"reply 0reply 1reply 2".as_slice(), 0));
    ring.consumer.release();
    assert_eq!(published(&ring), [u64::from(SLOTS), 3]);
    // As many places as were handled.
    let mut batch = ring.producer.batch();
    assert_eq!([(); 4].map(|()| batch.put(b"")), [Some(8), Some(9), Some(10), None]);
    drop(batch);
    assert_eq!(published(&ring)[0], 11);
}

#[test]
fn large_messages_and_replies_are_published_in_parts() {
    KINDS.into_iter().for_each(publish_in_parts);
}

fn publish_in_parts(input: InputMemory) {
    let large = vec![7; 2 * PART_BYTES / 3];
    let mut ring = rings(large.len() as u32, input);
    let mut batch = ring.producer.batch();
    for _ in 0..3 {
        batch.put(&large).unwrap();
    }
    std::mem::forget(batch);
    assert_eq!(published(&ring), [2, 0], "the first 64 KiB need not wait for the others");
    assert_eq!([0, 1].map(|n| message(&ring, n)), [0, 1].map(|n| (n, large.clone())));
    drop(Batch { producer: &mut ring.producer, bytes: 1, time: None });
    assert_eq!((published(&ring), message(&ring, 2)), ([3, 0], (2, large.clone())));
    (0..3).for_each(|n| answer(&ring, n, &large));
    let mut payloads = Vec::new();
    for _ in 0..3 {
        let arrived = ring.consumer.next(false).unwrap();
        ring.consumer.take(arrived, &mut payloads);
    }
    assert_eq!((payloads.len(), published(&ring)[1]), (3 * large.len(), 2));
}

#[test]
fn messages_of_a_batch_were_sent_at_one_time() {
    let mut ring = rings(64, InputMemory::Mapped);
    let time_of = |ring: &IdleRing, n| {
        let slot = ring.producer.rings.in_slot(n);
        ring.producer.rings.mapped.word(slot + offset_of!(SlotIn, sent_ns)).load(Ordering::Relaxed)
    };
    let before = ring.producer.time.device_now();
    ring.producer.send(b"alone").unwrap();
    let mut batch = ring.producer.batch();
    for _ in 0..3 {
        batch.put(b"together").unwrap();
    }
    drop(batch);
    let after = ring.producer.time.device_now();
    let times = [0, 1, 2, 3].map(|n| time_of(&ring, n));
    assert_eq!((times[1], times[1]), (times[2], times[3]));
    assert!(before <= times[0] && times[0] <= times[1] && times[1] <= after, "{before} {times:?} {after}");
    // Of the same clock as the line that other times are told by, but for what both may be off it.
    let line = ring.producer.time.device_at(ring.producer.time.host_now());
    assert!(line.abs_diff(after) < 1_000_000_000, "{line} {after}");
}

/// Payloads of all lengths, alone and together, over the end of the ring again and again.
#[test]
fn blocks_find_each_message_whole_wherever_it_lies() {
    const LONGEST: u64 = 200;
    for (input, slot_bytes) in KINDS.into_iter().flat_map(|input| [200, 2000].map(|bytes| (input, bytes))) {
        let mut ring = rings(slot_bytes, input);
        let payload = |n: u64| vec![n as u8; (n % (LONGEST + 1)) as usize];
        let mut next = 0;
        for count in (1..=u64::from(SLOTS)).cycle().take(80) {
            let mut batch = ring.producer.batch();
            (next..next + count).for_each(|n| assert_eq!(batch.put(&payload(n)), Some(n)));
            drop(batch);
            assert_eq!(published(&ring)[0], next + count);
            for n in next..next + count {
                assert_eq!(message(&ring, n), (n, payload(n)), "{input:?}, slots of {slot_bytes} bytes");
                answer(&ring, n, &[]);
            }
            next += count;
        }
        assert!(next > LONGEST);
    }
}
