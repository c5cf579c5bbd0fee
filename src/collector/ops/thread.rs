//! Which thread did something.

use std::sync::Arc;

/// A thread of this process.
#[derive(Clone, Debug, PartialEq, Eq)]
#[cfg_attr(feature = "serde", derive(serde::Serialize))]
#[non_exhaustive]
pub struct ThreadInfo {
    /// The operating system's number of the thread, as `ps -L` and debuggers show it; `None` where `/proc` is not mounted.
    pub id: Option<u32>,
    /// The thread's name, where it has one.
    pub name: Option<Arc<str>>,
}

thread_local! {
    static CURRENT: Arc<ThreadInfo> = Arc::new(ThreadInfo {
        id: own_id(),
        name: std::thread::current().name().map(Into::into),
    });
}

/// The calling thread; one that is just ending is not known any more.
pub(super) fn current() -> Arc<ThreadInfo> {
    CURRENT.try_with(Arc::clone).unwrap_or_else(|_| Arc::new(ThreadInfo { id: own_id(), name: None }))
}

/// `/proc/thread-self` is a link to `<pid>/task/<tid>`.
fn own_id() -> Option<u32> {
    std::fs::read_link("/proc/thread-self").ok()?.file_name()?.to_str()?.parse().ok()
}
