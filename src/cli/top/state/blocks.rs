//! The blocks of one kernel: cells of a map, and what each colour of it means.

use std::time::SystemTime;

use ringscope::snapshot::{BlockState, BlockStatus, Place, RingPlace, WaitsFor};

/// What a block does, as far as a colour can say it.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub enum Doing {
    /// It has not begun.
    NotStarted,
    /// It has returned.
    Ended,
    /// It was told to take no messages.
    Held,
    /// At no waypoint so far.
    Nowhere,
    /// At a place of the ring.
    Ring(RingPlace),
    /// At a waypoint of its author's, of that name and number.
    Waypoint(String, u32),
}

impl Doing {
    fn of(status: &BlockStatus) -> Doing {
        match (status.state, &status.place) {
            (BlockState::NotStarted, _) => Doing::NotStarted,
            (BlockState::Ended, _) => Doing::Ended,
            (_, Place::Waypoint { name, index }) => Doing::Waypoint(name.to_string(), *index),
            (BlockState::Held, _) => Doing::Held,
            (_, Place::Ring(place)) => Doing::Ring(*place),
            _ => Doing::Nowhere,
        }
    }

    /// Returns what it is in words.
    pub fn words(&self) -> String {
        match self {
            Doing::NotStarted => "not begun".to_owned(),
            Doing::Ended => "ended".to_owned(),
            Doing::Held => "held".to_owned(),
            Doing::Nowhere => "at no waypoint".to_owned(),
            Doing::Ring(RingPlace::Message) => "waits for a message".to_owned(),
            Doing::Ring(RingPlace::Handler) => "in the handler".to_owned(),
            Doing::Ring(RingPlace::Room) => "waits for room".to_owned(),
            Doing::Ring(RingPlace::Publish) => "publishes a reply".to_owned(),
            // A place of a newer version.
            Doing::Ring(_) => "in the ring".to_owned(),
            Doing::Waypoint(name, _) => format!("at \"{name}\""),
        }
    }
}

/// One block.
#[derive(Clone, Debug, PartialEq)]
pub struct Cell {
    /// Its number.
    pub block: u32,
    /// The multiprocessor that it is on.
    pub multiprocessor: Option<u32>,
    /// What it does: a place in [`BlockMap::legend`].
    pub doing: usize,
    /// Since when it does that.
    pub since: Option<SystemTime>,
    /// The message in hand.
    pub message: Option<u64>,
    /// What it waits for, in words.
    pub waits_for: Option<String>,
    /// Its last sign of life.
    pub sign_of_life: Option<SystemTime>,
    /// It has been silent for too long.
    pub silent: bool,
}

/// What some blocks do.
#[derive(Clone, Debug, PartialEq)]
pub struct Group {
    /// What they do.
    pub doing: Doing,
    /// How many they are.
    pub blocks: usize,
    /// How many of them have been silent for too long.
    pub silent: usize,
    /// How many of them wait for something that is due.
    pub due: usize,
}

/// All blocks of a kernel.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct BlockMap {
    /// Each block, by number.
    pub cells: Vec<Cell>,
    /// What they do: the places of the ring first, then waypoints by number.
    pub legend: Vec<Group>,
}

impl BlockMap {
    /// Makes the map of these blocks.
    pub fn new(statuses: &[BlockStatus]) -> BlockMap {
        BlockMap::of_cells(statuses.iter().map(|status| (Doing::of(status), cell(status), is_due(status))))
    }

    /// Makes a map of cells whose [`doing`](Cell::doing) is filled in here.
    pub fn of_cells(cells: impl IntoIterator<Item = (Doing, Cell, bool)>) -> BlockMap {
        let all: Vec<(Doing, Cell, bool)> = cells.into_iter().collect();
        let mut doings: Vec<&Doing> = Vec::new();
        for (doing, ..) in &all {
            if !doings.contains(&doing) {
                doings.push(doing);
            }
        }
        doings.sort_by_key(|doing| rank(doing));
        let group = |doing: &&Doing| Group { doing: (*doing).clone(), blocks: 0, silent: 0, due: 0 };
        let mut legend: Vec<Group> = doings.iter().map(group).collect();
        let mut cells = Vec::with_capacity(all.len());
        for (doing, cell, due) in &all {
            let at = doings.iter().position(|known| *known == doing).unwrap_or(0);
            legend[at].blocks += 1;
            legend[at].silent += usize::from(cell.silent);
            legend[at].due += usize::from(*due);
            cells.push(Cell { doing: at, ..cell.clone() });
        }
        BlockMap { cells, legend }
    }
}

fn rank(doing: &Doing) -> u32 {
    match doing {
        Doing::NotStarted => 0,
        Doing::Ended => 1,
        Doing::Held => 2,
        Doing::Nowhere => 3,
        Doing::Ring(place) => 4 + *place as u32,
        Doing::Waypoint(_, index) => index.saturating_add(100),
    }
}

fn is_due(status: &BlockStatus) -> bool {
    matches!(status.waits_for, Some(WaitsFor::Due { .. } | WaitsFor::Something))
}

fn cell(status: &BlockStatus) -> Cell {
    let waits_for = match status.waits_for {
        Some(WaitsFor::Due { resource: 0, expected, seen }) => {
            Some(format!("the value {expected}; it has seen {seen}"))
        }
        Some(WaitsFor::Due { resource, expected, seen }) => {
            Some(format!("the value {expected} of resource {resource}; it has seen {seen}"))
        }
        Some(WaitsFor::Something) => Some("something that is due".to_owned()),
        Some(WaitsFor::Work) => Some("work".to_owned()),
        _ => None,
    };
    Cell {
        block: status.block,
        multiprocessor: status.multiprocessor,
        doing: 0,
        since: status.since,
        message: status.message,
        waits_for,
        sign_of_life: status.last_sign_of_life,
        silent: status.silent,
    }
}
