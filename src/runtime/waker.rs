//! Wakes futures that wait for a ring, which no interrupt announces: one thread looks for all of a runtime.

use std::panic::{AssertUnwindSafe, catch_unwind};
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, Condvar, Mutex, MutexGuard, PoisonError};
use std::time::{Duration, Instant};

use tokio::sync::Notify;

use super::nap::nap;

/// The handle to the thread, which starts with the first future that parks and ends with the handle. It sleeps without a
/// time limit while nobody waits.
pub(super) struct Waker<L> {
    shared: Arc<Shared<L>>,
}

/// What a future waits for.
pub(super) trait Look: Send + Sync + 'static {
    /// Whether the future has a reason to look.
    fn look(&self) -> bool;
}

struct Shared<L> {
    state: Mutex<State<L>>,
    changed: Condvar,
}

/// Waiters that nobody uses, at most: a future that parks again and again allocates nothing.
const SPARES: usize = 64;

struct State<L> {
    waiters: Vec<Arc<Waiter<L>>>,
    spares: Vec<Arc<Waiter<L>>>,
    /// Somebody came since the thread looked last.
    fresh: bool,
    /// The thread sleeps for long, unless it is told of somebody who came.
    asleep: bool,
    running: bool,
    closed: bool,
}

struct Waiter<L> {
    /// `None` of a spare one.
    look: Option<L>,
    deadline: Option<Instant>,
    woken: AtomicBool,
    notify: Notify,
}

impl<L: Look> Waker<L> {
    pub(super) fn new() -> Self {
        let state = State {
            waiters: Vec::new(),
            spares: Vec::new(),
            fresh: false,
            asleep: false,
            running: false,
            closed: false,
        };
        Waker { shared: Arc::new(Shared { state: Mutex::new(state), changed: Condvar::new() }) }
    }

    /// Waits until `look` is true or `deadline` has passed; or less long, where the system gives no thread.
    pub(super) async fn park(&self, deadline: Option<Instant>, look: L) {
        let waiter = self.waiter(deadline, look);
        if !self.enter(&waiter) {
            // Without a thread the executor is kept busy, which is dear, and better than to sleep on it.
            return tokio::task::yield_now().await;
        }
        let parked = Parked { shared: &self.shared, waiter: Some(waiter) };
        if let Some(waiter) = &parked.waiter {
            waiter.notify.notified().await;
        }
    }

    fn waiter(&self, deadline: Option<Instant>, look: L) -> Arc<Waiter<L>> {
        let spare = self.shared.state().spares.pop();
        if let Some(mut spare) = spare
            && let Some(waiter) = Arc::get_mut(&mut spare)
        {
            (waiter.look, waiter.deadline) = (Some(look), deadline);
            waiter.woken.store(false, Ordering::Relaxed);
            return spare;
        }
        Arc::new(Waiter { look: Some(look), deadline, woken: AtomicBool::new(false), notify: Notify::new() })
    }

    /// Whether there is a thread that looks.
    fn enter(&self, waiter: &Arc<Waiter<L>>) -> bool {
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

impl<L> Drop for Waker<L> {
    fn drop(&mut self) {
        self.shared.state().closed = true;
        self.shared.changed.notify_one();
    }
}

/// A future that is dropped is not looked for any more.
struct Parked<'a, L> {
    shared: &'a Shared<L>,
    waiter: Option<Arc<Waiter<L>>>,
}

impl<L> Drop for Parked<'_, L> {
    fn drop(&mut self) {
        let Some(waiter) = self.waiter.take() else { return };
        let mut state = self.shared.state();
        if let Some(i) = state.waiters.iter().position(|w| Arc::ptr_eq(w, &waiter)) {
            state.waiters.swap_remove(i);
        }
        drop(state);
        self.shared.spare(waiter);
    }
}

impl<L> Shared<L> {
    fn state(&self) -> MutexGuard<'_, State<L>> {
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Keeps it for the next that parks, if nobody else has it.
    fn spare(&self, mut waiter: Arc<Waiter<L>>) {
        let mut state = self.state();
        let Some(alone) = Arc::get_mut(&mut waiter) else {
            // Under the lock: of two, the second is alone.
            drop(waiter);
            return;
        };
        // Who was told and left before it heard of it leaves that behind.
        alone.notify = Notify::new();
        let look = alone.look.take();
        if state.spares.len() < SPARES {
            state.spares.push(waiter);
        }
        // What it looked at may be the last handle of a kernel, whose end takes the lock.
        drop(state);
        drop(look);
    }
}

impl<L: Look> Shared<L> {
    fn run(&self) {
        let mut waiters: Vec<Arc<Waiter<L>>> = Vec::new();
        let mut since = Instant::now();
        while self.next(&mut waiters, &mut since) {
            // Without the lock: a look may ask a device, and who parks or leaves must not wait for that.
            for waiter in waiters.drain(..) {
                if waiter.is_due() {
                    since = Instant::now();
                    waiter.woken.store(true, Ordering::Relaxed);
                    waiter.notify.notify_one();
                }
                self.spare(waiter);
            }
        }
    }

    /// Sleeps for as long as is right, and tells who waits then; false at the end.
    fn next(&self, waiters: &mut Vec<Arc<Waiter<L>>>, since: &mut Instant) -> bool {
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

    fn sleep<'a>(&self, mut state: MutexGuard<'a, State<L>>, limit: Option<Duration>) -> MutexGuard<'a, State<L>> {
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

impl<L: Look> Waiter<L> {
    fn is_due(&self) -> bool {
        // A look may tell of a kernel's death, and so run a subscriber of the user's. If that panics, its waiter is woken and
        // looks itself, and the looks of the others go on.
        let look = || catch_unwind(AssertUnwindSafe(|| self.look.as_ref().is_none_or(Look::look))).unwrap_or(true);
        self.deadline.is_some_and(|d| Instant::now() >= d) || look()
    }
}
