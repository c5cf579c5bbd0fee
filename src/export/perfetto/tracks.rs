//! Tracks as the file describes them: the process with its threads; below each device its multiprocessors, below these their
//! blocks; below each of them lanes for what does not nest, and counters.

use std::collections::{BTreeMap, BTreeSet};

use super::messages::{CounterDescriptor, EXPLICIT, ProcessDescriptor, ThreadDescriptor, TrackDescriptor};
use crate::trace::{SmTrack, Source, Track};

/// Describes each track before its first use, and numbers it.
pub(super) struct Tracks<'a> {
    source: &'a Source,
    known: BTreeMap<Track, u64>,
    /// The operating system's numbers that are taken: viewers take threads of one number for one.
    threads: BTreeSet<i32>,
    described: Vec<TrackDescriptor>,
}

impl<'a> Tracks<'a> {
    pub(super) fn new(source: &'a Source) -> Self {
        let mut tracks = Tracks { source, known: BTreeMap::new(), threads: BTreeSet::new(), described: Vec::new() };
        tracks.number(&Track::Process);
        tracks
    }

    /// All that were described so far, parents first.
    pub(super) fn described(self) -> Vec<TrackDescriptor> {
        self.described
    }

    /// The number of a track.
    pub(super) fn number(&mut self, track: &Track) -> u64 {
        if let Some(number) = self.known.get(track) {
            return *number;
        }
        let descriptor = self.describe(track);
        let number = self.add(descriptor);
        self.known.insert(track.clone(), number);
        number
    }

    /// A lane below a track, of the same name.
    pub(super) fn lane(&mut self, track: &Track) -> u64 {
        let parent = self.number(track);
        self.add(TrackDescriptor { name: Some(name(track, self.source)), ..below(parent) })
    }

    /// A counter below a track.
    pub(super) fn counter(&mut self, track: &Track, name: &str, unit: Option<&str>) -> u64 {
        let counter = Some(CounterDescriptor { unit_name: unit.map(str::to_owned) });
        let parent = self.number(track);
        self.add(TrackDescriptor { name: Some(name.to_owned()), counter, ..below(parent) })
    }

    /// Numbers of other processes are others, for files that are put together.
    fn add(&mut self, descriptor: TrackDescriptor) -> u64 {
        let number = u64::from(self.source.pid) << 32 | (self.described.len() as u64 + 1);
        self.described.push(TrackDescriptor { uuid: Some(number), ..descriptor });
        number
    }

    fn describe(&mut self, track: &Track) -> TrackDescriptor {
        let pid = Some(self.source.pid as i32 & i32::MAX);
        let named = Some(name(track, self.source));
        match track {
            Track::Thread(thread) => match i32::try_from(thread.id) {
                Ok(tid) if self.threads.insert(tid) => {
                    let thread = ThreadDescriptor { pid, tid: Some(tid), thread_name: Some(thread.name.clone()) };
                    TrackDescriptor { thread: Some(thread), ..TrackDescriptor::default() }
                }
                _ => TrackDescriptor { name: named, ..below(self.number(&Track::Process)) },
            },
            Track::Device(device) => TrackDescriptor {
                name: named,
                child_ordering: Some(EXPLICIT),
                sibling_order_rank: Some(rank(device.ordinal)),
                ..TrackDescriptor::default()
            },
            Track::Sm(sm) => TrackDescriptor {
                name: named,
                child_ordering: Some(EXPLICIT),
                sibling_order_rank: Some(rank(sm.sm)),
                ..below(self.number(&Track::Device(sm.device.clone())))
            },
            Track::Block(block) => TrackDescriptor {
                name: named,
                sibling_order_rank: Some(rank(block.block)),
                ..below(self.number(&Track::Sm(block.sm.clone())))
            },
            // The process, and what a later version may have.
            _ => {
                let process = ProcessDescriptor { pid, process_name: named };
                TrackDescriptor { process: Some(process), ..TrackDescriptor::default() }
            }
        }
    }
}

fn below(parent: u64) -> TrackDescriptor {
    TrackDescriptor { parent_uuid: Some(parent), ..TrackDescriptor::default() }
}

fn rank(index: u32) -> i32 {
    index.min(i32::MAX as u32) as i32
}

fn name(track: &Track, source: &Source) -> String {
    let sm = |sm: &SmTrack| match sm.sm {
        SmTrack::UNKNOWN => "SM unknown".to_owned(),
        number => format!("SM {number}"),
    };
    match track {
        Track::Thread(thread) if thread.name.is_empty() => format!("thread {}", thread.id),
        Track::Thread(thread) => thread.name.clone(),
        Track::Device(device) => format!("device {}: {}", device.ordinal, device.name),
        Track::Sm(track) => sm(track),
        Track::Block(block) if block.role == 0 => format!("{} block {}", block.kernel, block.block),
        Track::Block(block) => format!("{} block {} role {}", block.kernel, block.block, block.role),
        Track::Process => source.service.to_string(),
    }
}
