//! Waiting for a ring, politely: an answer is microseconds away, or it is not.

use std::time::{Duration, Instant};

const SPINS: u32 = 2_000;
const YIELDS: u32 = 200;
const NAP: Duration = Duration::from_micros(50);

/// Tries `attempt` until it gives something or `deadline` has passed; on the calling thread.
pub(super) fn blocking<T, E>(
    deadline: Option<Instant>,
    mut attempt: impl FnMut() -> Result<Option<T>, E>,
) -> Result<Option<T>, E> {
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
            std::thread::sleep(NAP);
        }
        if deadline.is_some_and(|d| Instant::now() >= d) {
            return attempt();
        }
    }
    Ok(None)
}

/// The same as a future: yields to the executor while an answer may be near, then sleeps on tokio's timer.
pub(super) async fn polling<T, E>(
    deadline: Option<Instant>,
    mut attempt: impl FnMut() -> Result<Option<T>, E>,
) -> Result<Option<T>, E> {
    const LOOKS: u32 = 64;
    for tries in 0u32.. {
        for _ in 0..LOOKS {
            if let Some(value) = attempt()? {
                return Ok(Some(value));
            }
            std::hint::spin_loop();
        }
        if deadline.is_some_and(|d| Instant::now() >= d) {
            return attempt();
        }
        if tries < YIELDS {
            tokio::task::yield_now().await;
        } else {
            let left = deadline.map_or(Duration::MAX, |d| d.saturating_duration_since(Instant::now()));
            tokio::time::sleep(Duration::from_millis(1).min(left)).await;
        }
    }
    Ok(None)
}
