//! Where the blocks were.

use std::sync::Arc;

use super::coder::Coder;
use crate::abi::{at, wait};
use crate::reader::BlockWords;
use crate::snapshot::{DevicePlaces, KernelPlaces, KernelTelemetry, Places, ReadClock};

const WORDS: usize = 8;

/// Makes of a snapshot's blocks what tells the same in fewer bits: on a clock that reads Unix time, and without the parts of words
/// that only say which of them belong together.
pub(crate) fn canonical(places: &Places) -> Places {
    Places {
        devices: places.devices.iter().map(canonical_device).collect(),
        kernels: Arc::clone(&places.kernels),
        limit_ns: places.limit_ns,
        stalled: places.stalled.clone(),
    }
}

fn canonical_device(places: &DevicePlaces) -> DevicePlaces {
    let clock = &places.clock;
    let unix = |ns: u64| match ns {
        0 => 0,
        ns => clock.time(ns).map_or(1, super::time_word).max(1),
    };
    let canonical = |block: &BlockWords| {
        let BlockWords { state, multiprocessor, at: place, at_ns, message, expected, seen, heartbeat_ns } = *block;
        let waits = place >> (at::TIME_BITS + at::NAME_BITS) == at::WAIT;
        let stamp = |word: u64| word & ((1 << wait::STAMP_BITS) - 1);
        let is_due = [expected, seen].iter().all(|word| stamp(word >> wait::VALUE_BITS) == stamp(place));
        let without = |word: u64| word & !(((1 << wait::STAMP_BITS) - 1) << wait::VALUE_BITS);
        let (expected, seen) = match (waits, is_due) {
            (false, _) => (0, 0),
            (true, true) => (without(expected), without(seen)),
            (true, false) => (1 << wait::VALUE_BITS, 0),
        };
        BlockWords {
            state,
            multiprocessor,
            at: place >> at::TIME_BITS << at::TIME_BITS,
            at_ns: unix(at_ns),
            message,
            expected,
            seen,
            heartbeat_ns: unix(heartbeat_ns),
        }
    };
    DevicePlaces {
        words: places.words.iter().map(canonical).collect(),
        clock: ReadClock {
            device_ns: clock.unix_ns,
            unix_ns: clock.unix_ns,
            certain_ns: unix(clock.certain_ns),
            timeline: None,
        },
    }
}

/// Writes [canonical](canonical()) blocks, or reads them. Which kernels stall, these say themselves.
pub(crate) fn blocks(
    coder: &mut impl Coder,
    before: Option<&Places>,
    now: Option<&Places>,
    kernels: &Arc<[KernelPlaces]>,
    telemetry: &[KernelTelemetry],
) -> Places {
    let nothing = Places::default();
    let before = before.unwrap_or(&nothing);
    let limit_ns = coder.word(before.limit_ns, || now.map_or(0, |now| now.limit_ns));
    let count = coder.count(before.devices.len(), || now.map_or(0, |now| now.devices.len()));
    let one = |i: usize| blocks_of_device(coder, before.devices.get(i), now.and_then(|now| now.devices.get(i)));
    Places {
        devices: (0..count).map(one).collect(),
        kernels: Arc::clone(kernels),
        limit_ns,
        stalled: stalled(kernels, telemetry),
    }
}

fn blocks_of_device(coder: &mut impl Coder, before: Option<&DevicePlaces>, now: Option<&DevicePlaces>) -> DevicePlaces {
    let nothing = DevicePlaces::default();
    let before = before.unwrap_or(&nothing);
    let clock = |p: &DevicePlaces| [p.clock.unix_ns, p.clock.certain_ns];
    let [unix_ns, certain_ns] = coder.words(&clock(before), now.map(clock).as_ref());
    let count = coder.count(before.words.len(), || now.map_or(0, |now| now.words.len()));
    let one = |i: usize| {
        let block = |words: Option<&BlockWords>| block_words(words.copied().unwrap_or_default());
        let now = now.map(|now| block(now.words.get(i)));
        block_of(&coder.words(&block(before.words.get(i)), now.as_ref()))
    };
    DevicePlaces {
        words: (0..count).map(one).collect(),
        clock: ReadClock { device_ns: unix_ns, unix_ns, certain_ns, timeline: None },
    }
}

/// The blocks of a snapshot before, at a later time.
pub(crate) fn blocks_again(
    mut before: Places,
    kernels: &Arc<[KernelPlaces]>,
    telemetry: &[KernelTelemetry],
    unix_ns: u64,
) -> Places {
    for device in &mut before.devices {
        let behind = device.clock.unix_ns.saturating_sub(device.clock.certain_ns);
        let certain_ns = unix_ns.saturating_sub(behind);
        device.clock = ReadClock { device_ns: unix_ns, unix_ns, certain_ns, timeline: None };
    }
    Places { kernels: Arc::clone(kernels), stalled: stalled(kernels, telemetry), ..before }
}

fn stalled(kernels: &[KernelPlaces], telemetry: &[KernelTelemetry]) -> Vec<(usize, Arc<crate::snapshot::Stall>)> {
    let stalls = telemetry.iter().filter_map(|kernel| Some((&kernel.kernel_id, kernel.stall.as_ref()?)));
    let place = |id: &Arc<str>| kernels.iter().position(|kernel| kernel.id == *id);
    stalls.filter_map(|(id, stall)| Some((place(id)?, Arc::clone(stall)))).collect()
}

fn block_words(block: BlockWords) -> [u64; WORDS] {
    // All of the fields, by name: a new one must find its place here.
    let BlockWords { state, multiprocessor, at, at_ns, message, expected, seen, heartbeat_ns } = block;
    [state.into(), multiprocessor.into(), at >> at::TIME_BITS, at_ns, message, expected, seen, heartbeat_ns]
}

fn block_of(w: &[u64; WORDS]) -> BlockWords {
    BlockWords {
        state: w[0] as u32,
        multiprocessor: w[1] as u32,
        at: w[2] << at::TIME_BITS,
        at_ns: w[3],
        message: w[4],
        expected: w[5],
        seen: w[6],
        heartbeat_ns: w[7],
    }
}
