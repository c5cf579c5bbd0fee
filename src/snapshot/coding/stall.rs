//! What a snapshot holds of a kernel that stalls: few do, and it stays the same for long.

use std::sync::Arc;
use std::time::UNIX_EPOCH;

use super::coder::{Coder, time_of, time_word};
use crate::snapshot::{BlockState, BlockStatus, Place, RingPlace, Stall, WaitsFor};

const WORDS: usize = 13;

/// As before, none, or another.
pub(crate) fn stall(
    coder: &mut impl Coder,
    before: Option<&Arc<Stall>>,
    now: Option<&Arc<Stall>>,
) -> Option<Arc<Stall>> {
    let what = coder.word(0, || match now {
        now if now == before => 0,
        None => 1,
        Some(_) => 2,
    });
    match what {
        0 => before.cloned(),
        1 => None,
        _ => {
            let w = coder.words(&[0; WORDS], now.map(|stall| stall_words(stall)).as_ref());
            let name = coder.text(|| now.map(|stall| name(&stall.status.place)).unwrap_or_default());
            Some(Arc::new(stall_of(&w, name)))
        }
    }
}

fn name(place: &Place) -> Arc<str> {
    if let Place::Waypoint { name, .. } = place { Arc::clone(name) } else { Arc::default() }
}

fn stall_words(stall: &Stall) -> [u64; WORDS] {
    // All of the fields, by name: a new one must find its place here.
    let Stall { since, block: _, status } = stall;
    let BlockStatus {
        block,
        state,
        multiprocessor,
        place,
        since: there,
        message,
        waits_for,
        last_sign_of_life,
        silent,
    } = status;
    let (kind, index) = match place {
        Place::Nowhere => (0, 0),
        Place::Waypoint { name: _, index } => (1, u64::from(*index)),
        Place::Ring(RingPlace::Message) => (2, 0),
        Place::Ring(RingPlace::Handler) => (2, 1),
        Place::Ring(RingPlace::Room) => (2, 2),
        Place::Ring(RingPlace::Publish) => (2, 3),
    };
    let (waits, [resource, expected, seen]) = match waits_for {
        None => (0, [0; 3]),
        Some(WaitsFor::Work) => (1, [0; 3]),
        Some(WaitsFor::Something) => (2, [0; 3]),
        Some(WaitsFor::Due { resource, expected, seen }) => (3, [*resource, *expected, *seen]),
    };
    let state = match state {
        BlockState::NotStarted => 0,
        BlockState::Held => 1,
        BlockState::Active => 2,
        BlockState::Ended => 3,
    };
    [
        time_word(*since),
        u64::from(*block),
        state | u64::from(*silent) << 8,
        multiprocessor.map_or(0, |n| u64::from(n) + 1),
        kind,
        index,
        there.map_or(0, time_word),
        message.map_or(0, |n| n.wrapping_add(1)),
        waits,
        resource.into(),
        expected.into(),
        seen.into(),
        last_sign_of_life.map_or(0, time_word),
    ]
}

fn stall_of(w: &[u64; WORDS], name: Arc<str>) -> Stall {
    let status = BlockStatus {
        block: w[1] as u32,
        state: match w[2] & 0xff {
            0 => BlockState::NotStarted,
            1 => BlockState::Held,
            2 => BlockState::Active,
            _ => BlockState::Ended,
        },
        silent: w[2] >> 8 != 0,
        multiprocessor: w[3].checked_sub(1).map(|n| n as u32),
        place: match (w[4], w[5]) {
            (1, index) => Place::Waypoint { name, index: index as u32 },
            (2, 0) => Place::Ring(RingPlace::Message),
            (2, 1) => Place::Ring(RingPlace::Handler),
            (2, 2) => Place::Ring(RingPlace::Room),
            (2, _) => Place::Ring(RingPlace::Publish),
            _ => Place::Nowhere,
        },
        since: time_of(w[6]),
        message: w[7].checked_sub(1),
        waits_for: match w[8] {
            0 => None,
            1 => Some(WaitsFor::Work),
            2 => Some(WaitsFor::Something),
            _ => Some(WaitsFor::Due { resource: w[9] as u32, expected: w[10] as u32, seen: w[11] as u32 }),
        },
        last_sign_of_life: time_of(w[12]),
    };
    Stall::new(time_of(w[0]).unwrap_or(UNIX_EPOCH), status)
}

#[cfg(test)]
mod tests {
    use super::super::varint::{Reader, Writer};
    use super::*;
    use proptest::prelude::*;

    fn written(before: Option<&Arc<Stall>>, now: Option<&Arc<Stall>>) -> Vec<u8> {
        let mut writer = Writer(Vec::new());
        stall(&mut writer, before, now);
        writer.0
    }

    fn any_stall() -> impl Strategy<Value = Option<Arc<Stall>>> {
        let words = prop::array::uniform13(0u64..6);
        prop::option::of((words, "[a-z]{0,5}").prop_map(|(mut w, name)| {
            w[2] &= 3;
            w[4] %= 3;
            w[5] %= 4;
            w[8] %= 4;
            Arc::new(stall_of(&w, name.into()))
        }))
    }

    proptest! {
        #[test]
        fn a_stall_comes_out_as_it_went_in(before in any_stall(), now in any_stall()) {
            let bytes = written(before.as_ref(), now.as_ref());
            prop_assert_eq!(stall(&mut Reader(&bytes), before.as_ref(), None), now.clone());
            prop_assert_eq!(written(now.as_ref(), now.as_ref()).len(), 1, "what stays costs a byte");
        }
    }
}
