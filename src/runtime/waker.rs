//! Wakes futures that wait for a ring, which no interrupt announces: one thread looks for all of a runtime.

use std::panic::{AssertUnwindSafe, catch_unwind};
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, Condvar, Mutex, MutexGuard, PoisonError};
use std::time::{Duration, Instant};

use tokio::sync::Notify;

use super::nap::nap;

/// The handle to the thread, which starts with the first future that parks and ends with the handle. It sleeps without a
/// time limit while nobody waits.
pub(super) struct Waker {
    shared: Arc<Shared>,
}

#[derive(Default)]
struct Shared {
    state: Mutex<State>,
    changed: Condvar,
}

#[derive(Default)]
struct State {
    waiters: Vec<Arc<Waiter>>,
    /// Somebody came since the thread looked last.
    fresh: bool,
    /// The thread sleeps for long, unless it is told of somebody who came.
    asleep: bool,
    running: bool,
    closed: bool,
}

struct Waiter {
    look: Box<dyn Fn() -> bool + Send + Sync>,
    deadline: Option<Instant>,
    woken: AtomicBool,
    notify: Notify,
}

impl Waker {
    pub(super) fn new() -> Self {
        Waker { shared: Arc::default() }
    }

    /// Waits until `look` is true or `deadline` has passed; or less long, where the system gives no thread.
    pub(super) async fn park(&self, deadline: Option<Instant>, look: impl Fn() -> bool + Send + Sync + 'static) {
        let waiter =
            Arc::new(Waiter { look: Box::new(look), deadline, woken: AtomicBool::new(false), notify: Notify::new() });
        if !self.enter(&waiter) {
            // Without a thread the executor is kept busy, which is dear, and better than to sleep on it.
            return tokio::task::yield_now().await;
        }
        let parked = Parked { shared: &self.shared, waiter };
        parked.waiter.notify.notified().await;
    }

    /// Whether there is a thread that looks.
    fn enter(&self, waiter: &Arc<Waiter>) -> bool {
        let mut state = self.shared.state();
        if !state.running {
            let shared = Arc::clone(&self.shared);
            let thread = std::thread::Builder::new().name("ringscope-waker".into());
            state.running = thread.spawn(move || shared.run()).is_ok();
        }
        if state.running {
            state.waiters.push(Arc::clone(waiter));
            state.fresh = true;
            if state.asleep {
                self.shared.changed.notify_one();
            }
        }
        state.running
    }
}

impl Drop for Waker {
    fn drop(&mut self) {
        self.shared.state().closed = true;
        self.shared.changed.notify_one();
    }
}

/// A future that is dropped is not looked for any more.
struct Parked<'a> {
    shared: &'a Shared,
    waiter: Arc<Waiter>,
}

impl Drop for Parked<'_> {
    fn drop(&mut self) {
        let mut state = self.shared.state();
        if let Some(i) = state.waiters.iter().position(|w| Arc::ptr_eq(w, &self.waiter)) {
            state.waiters.swap_remove(i);
        }
    }
}

impl Shared {
    fn state(&self) -> MutexGuard<'_, State> {
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }

    fn run(&self) {
        let mut waiters = Vec::new();
        let mut since = Instant::now();
        while self.next(&mut waiters, &mut since) {
            // Without the lock: a look may ask a device, and who parks or leaves must not wait for that.
            for waiter in waiters.drain(..) {
                if waiter.is_due() {
                    since = Instant::now();
                    waiter.woken.store(true, Ordering::Relaxed);
                    waiter.notify.notify_one();
                }
            }
        }
    }

    /// Sleeps for as long as is right, and tells who waits then; false at the end.
    fn next(&self, waiters: &mut Vec<Arc<Waiter>>, since: &mut Instant) -> bool {
        let mut state = self.state();
        while state.waiters.is_empty() && !state.closed {
            state = self.sleep(state, None);
        }
        if std::mem::take(&mut state.fresh) {
            *since = Instant::now();
        }
        let state = self.sleep(state, Some(nap(since.elapsed())));
        waiters.extend(state.waiters.iter().filter(|w| !w.woken.load(Ordering::Relaxed)).cloned());
        !state.closed
    }

    fn sleep<'a>(&self, mut state: MutexGuard<'a, State>, limit: Option<Duration>) -> MutexGuard<'a, State> {
        if state.closed {
            return state;
        }
        // Who parks ends a long sleep; a short one is not worth the system call.
        state.asleep = limit.is_none_or(|limit| limit > nap(Duration::ZERO));
        let limit = limit.unwrap_or(Duration::MAX);
        state = self.changed.wait_timeout(state, limit).unwrap_or_else(PoisonError::into_inner).0;
        state.asleep = false;
        state
    }
}

impl Waiter {
    fn is_due(&self) -> bool {
        // A look may tell of a kernel's death, and so run a subscriber of the user's. If that panics, its waiter is woken and
        // looks itself, and the looks of the others go on.
        let look = || catch_unwind(AssertUnwindSafe(|| (self.look)())).unwrap_or(true);
        self.deadline.is_some_and(|d| Instant::now() >= d) || look()
    }
}
