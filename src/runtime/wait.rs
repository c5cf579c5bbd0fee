//! Waiting for a ring: an answer is microseconds away, or it is not.

use std::time::{Duration, Instant};

use super::limit::Limit;
use super::nap::nap;
use super::waker::{Look, Waker};

/// Looks on the calling thread before it gives its core away: a few microseconds. On the host device a block may be
/// waiting for that core.
const SPINS: u32 = 128;
/// Times that it gives its core away before it sleeps.
const YIELDS: u32 = 200;
/// Looks of a future between two yields: about a microsecond.
const LOOKS: u32 = 32;
/// Yields of a future before it parks.
const ROUNDS: u32 = 64;

/// The end of a time limit; `None`, for ever, where that is beyond the clock's end.
pub(super) fn deadline(limit: Duration) -> Option<Instant> {
    Instant::now().checked_add(limit)
}

/// Tries `attempt` until it gives something or the limit is over; on the calling thread.
pub(super) fn blocking<T, E>(
    limit: &mut impl Limit,
    mut attempt: impl FnMut() -> Result<Option<T>, E>,
) -> Result<Option<T>, E> {
    let mut slept_since = None;
    for tries in 0u32.. {
        if let Some(value) = attempt()? {
            return Ok(Some(value));
        }
        if tries < SPINS {
            std::hint::spin_loop();
            // The clock is dearer than a look.
            if tries % 64 != 0 {
                continue;
            }
        } else if tries < SPINS + YIELDS {
            std::thread::yield_now();
        } else {
            let since = *slept_since.get_or_insert_with(Instant::now);
            std::thread::sleep(nap(since.elapsed()).min(limit.left()));
        }
        if limit.left().is_zero() {
            return attempt();
        }
    }
    Ok(None)
}

/// The same as a future. It looks for about a microsecond at a time, yields to its executor in between, and then parks
/// until the waker's thread finds a reason to look. What `attempt` takes it returns in the same poll: a future that is
/// dropped has taken nothing.
pub(super) async fn polling<T, E, L: Look>(
    waker: &Waker<L>,
    mut deadline: Option<Instant>,
    look: impl Fn() -> L,
    mut attempt: impl FnMut() -> Result<Option<T>, E>,
) -> Result<Option<T>, E> {
    loop {
        for _ in 0..ROUNDS {
            for _ in 0..LOOKS {
                if let Some(value) = attempt()? {
                    return Ok(Some(value));
                }
                std::hint::spin_loop();
            }
            if deadline.left().is_zero() {
                return attempt();
            }
            // To the block that works on the answer, if it waits for a core, as much as to other tasks: a worker that spins
            // on the block's core waits for itself.
            std::thread::yield_now();
            tokio::task::yield_now().await;
        }
        waker.park(deadline, look()).await;
    }
}
