//! What comes out of files that were written, cut, changed, and left behind.

use std::fs;
use std::path::Path;
use std::time::{Duration, SystemTime};

use proptest::prelude::*;

use super::*;

fn spool(path: &Path, limit: u64) -> Spool {
    Spool { path: path.to_owned(), limit, sync: SyncPolicy::AtTheEnd }
}

fn open(path: &Path, limit: u64) -> DiskQueue {
    DiskQueue::open(&spool(path, limit)).expect("a folder of its own")
}

fn entry(number: u64) -> Entry<Payload> {
    let bytes = vec![number as u8; (number % 50) as usize];
    let time = SystemTime::UNIX_EPOCH + Duration::from_nanos(1_700_000_000_123_456_789 + number);
    let payload = Payload::new(number as u8, number, time, bytes);
    Entry { queued: time + Duration::from_secs(1), ..Entry::of_payload(payload) }
}

fn push(queue: &mut DiskQueue, numbers: impl IntoIterator<Item = u64>) {
    numbers.into_iter().for_each(|number| queue.push(entry(number)).expect("there is room on the disk"));
}

/// Takes and settles so many; each is exactly what was written.
fn take(queue: &mut DiskQueue, most: usize) -> Vec<u64> {
    let mut taken = Vec::new();
    while taken.len() < most {
        match queue.take() {
            Taken::Empty => break,
            Taken::Lost(lost, error) => panic!("{lost:?}: {error}"),
            Taken::Entry(one) => {
                let wanted = entry(one.items);
                assert_eq!(
                    (&one.item, one.items, one.bytes, one.queued),
                    (&wanted.item, wanted.items, wanted.bytes, wanted.queued)
                );
                queue.settle();
                taken.push(one.items);
            }
        }
    }
    taken
}

fn files(folder: &Path) -> Vec<PathBuf> {
    let numbers = segment::numbers(folder).expect("the folder");
    numbers.into_iter().map(|number| folder.join(format!("{number:020}.segment"))).collect()
}

#[test]
fn what_was_written_is_there_after_the_end_in_order_and_once() {
    let folder = tempfile::tempdir().expect("a folder");
    let mut queue = open(folder.path(), 1 << 20);
    push(&mut queue, 1..=100);
    assert_eq!(take(&mut queue, 40), (1..=40).collect::<Vec<_>>());
    drop(queue);
    let mut queue = open(folder.path(), 1 << 20);
    assert_eq!(
        (queue.found().waiting.entries, queue.found().waiting.items, queue.found().cut),
        (60, (41..=100).sum::<u64>(), 0)
    );
    // What is in hand at the end was not sent.
    assert!(matches!(queue.take(), Taken::Entry(one) if one.items == 41));
    drop(queue);
    let mut queue = open(folder.path(), 1 << 20);
    push(&mut queue, [101]);
    assert_eq!(take(&mut queue, 1000), (41..=101).collect::<Vec<_>>());
    assert!(files(folder.path()).is_empty(), "what was sent is not on the disk any more");
    drop(queue);
    assert_eq!(open(folder.path(), 1 << 20).found().waiting, Lost::default());
}

#[test]
fn the_oldest_segment_goes_where_there_is_no_room_but_not_what_is_in_hand() {
    let folder = tempfile::tempdir().expect("a folder");
    let mut queue = open(folder.path(), 2000);
    let (mut next, mut lost) = (1, Lost::default());
    while lost.entries == 0 {
        while !queue.fits(&[entry(next).bytes]) {
            lost += queue.drop_oldest().expect("there is something");
        }
        push(&mut queue, [next]);
        next += 1;
    }
    assert!(queue.disk_bytes() <= 2000);
    assert_eq!(lost.items, (1..=lost.entries).sum::<u64>(), "the oldest");
    let Taken::Entry(in_hand) = queue.take() else { panic!("there is something") };
    assert_eq!(in_hand.items, lost.entries + 1);
    let more = queue.drop_oldest().expect("there is something");
    assert_eq!(more.items, (in_hand.items + 1..=in_hand.items + more.entries).sum::<u64>(), "without what is in hand");
    queue.settle();
    assert_eq!(take(&mut queue, 1000), (in_hand.items + more.entries + 1..next).collect::<Vec<_>>());
    assert!(queue.drop_oldest().is_none());
}

#[test]
fn a_folder_is_used_by_one() {
    let folder = tempfile::tempdir().expect("a folder");
    let queue = open(folder.path(), 1000);
    let error = DiskQueue::open(&spool(folder.path(), 1000)).expect_err("somebody uses it");
    assert!(error.to_string().contains("another destination or process uses this spool"), "{error}");
    drop(queue);
    open(folder.path(), 1000);
}

#[test]
fn what_changes_on_the_disk_meanwhile_is_lost_and_counted() {
    let folder = tempfile::tempdir().expect("a folder");
    let mut queue = open(folder.path(), 1 << 20);
    push(&mut queue, 10..20);
    assert_eq!(take(&mut queue, 3), [10, 11, 12]);
    let file = &files(folder.path())[0];
    let mut bytes = fs::read(file).expect("the segment");
    let last = bytes.len() - 1;
    bytes[last] ^= 1;
    fs::write(file, bytes).expect("the segment");
    assert_eq!(take(&mut queue, 6), [13, 14, 15, 16, 17, 18]);
    assert!(matches!(queue.take(), Taken::Lost(Lost { entries: 1, items: 19, .. }, PublishError::File { .. })));
    push(&mut queue, [20]);
    assert_eq!(take(&mut queue, 9), [20]);
}

#[test]
fn a_cursor_that_is_none_is_the_beginning() {
    let folder = tempfile::tempdir().expect("a folder");
    let mut queue = open(folder.path(), 1 << 20);
    push(&mut queue, 1..=5);
    take(&mut queue, 2);
    drop(queue);
    fs::write(folder.path().join("cursor"), [0xff; 20]).expect("the cursor");
    assert_eq!(take(&mut open(folder.path(), 1 << 20), 9), [1, 2, 3, 4, 5], "rather twice than never");
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(300))]

    /// Wherever a file ends, or whatever byte of it is another: what is before it comes out as it was, nothing else does.
    #[test]
    fn a_file_that_was_cut_or_changed_gives_what_is_whole(at in 0.0..1.0_f64, change in prop::option::of(1..=255_u8), sent in 0..10_usize) {
        let folder = tempfile::tempdir().expect("a folder");
        let mut queue = open(folder.path(), 1 << 20);
        push(&mut queue, 1..=20);
        take(&mut queue, sent);
        drop(queue);
        let file = &files(folder.path())[0];
        let mut bytes = fs::read(file).expect("the segment");
        let place = (at * bytes.len() as f64) as usize;
        match change {
            Some(change) => bytes[place] ^= change,
            None => bytes.truncate(place),
        }
        fs::write(file, &bytes).expect("the segment");
        let mut queue = open(folder.path(), 1 << 20);
        let found = queue.found();
        let taken = take(&mut queue, 1000);
        let begin = sent as u64 + 1;
        prop_assert_eq!(&taken, &(begin..begin + taken.len() as u64).collect::<Vec<_>>());
        prop_assert_eq!(found.waiting.entries, taken.len() as u64);
        // Where frame i ends, from 0, the mark.
        let ends: Vec<usize> = (1..=20).scan(8, |end, i| { *end += frame::write(&entry(i))?.len(); Some(*end) }).collect();
        let (is_sent, is_mark) = (sent > 0 && place < ends[sent - 1], place < 8);
        let whole = ends.iter().filter(|end| **end <= place).count();
        let expected = match change {
            Some(_) if is_sent && !is_mark => 20 - sent,
            _ => whole.saturating_sub(sent),
        };
        prop_assert_eq!(taken.len(), expected);
        // Of a file without its mark nobody knows what was in it.
        let at_an_end =
            change.is_none() && ((is_sent && !is_mark) || place == 0 || place == 8 || ends.contains(&place));
        prop_assert_eq!(found.cut, u64::from(!at_an_end && (expected < 20 - sent)));
        // It goes on.
        push(&mut queue, [77]);
        prop_assert_eq!(take(&mut queue, 1000), vec![77]);
    }
}
