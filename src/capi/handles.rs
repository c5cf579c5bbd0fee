//! What handles stand for.
//!
//! A handle is a number in a pointer's clothes, which C's type checker tells from others, and which nobody follows: it is
//! looked up in a table. Numbers are of all tables together and are not used again, so a handle that was closed, of
//! another kind or never one is an error.

use std::collections::HashMap;
use std::ptr;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::sync::{Arc, LazyLock, PoisonError, RwLock, RwLockReadGuard, RwLockWriteGuard};

use super::result::{Failure, Outcome, ringscope_result};

/// Handles of one kind, and what they stand for. A call that runs keeps what its handle stands for alive, even if another
/// thread closes the handle meanwhile.
pub(super) struct Table<Held> {
    held: LazyLock<RwLock<HashMap<usize, Arc<Held>>>>,
}

/// No small number, which a program may pass by mistake; the last digits are a handle's in every debugger.
const FIRST: usize = 0x5249_4e47_0000;
const STEP: usize = 16;
static NEXT: AtomicUsize = AtomicUsize::new(FIRST);

impl<Held> Table<Held> {
    pub(super) const fn new() -> Self {
        Table { held: LazyLock::new(RwLock::default) }
    }

    fn read(&self) -> RwLockReadGuard<'_, HashMap<usize, Arc<Held>>> {
        self.held.read().unwrap_or_else(PoisonError::into_inner)
    }

    fn write(&self) -> RwLockWriteGuard<'_, HashMap<usize, Arc<Held>>> {
        self.held.write().unwrap_or_else(PoisonError::into_inner)
    }
}

/// The type of a handle, which C sees as an incomplete one.
pub(super) trait Handle: Sized + 'static {
    /// What it stands for.
    type Held: Send + Sync + 'static;
    /// What it is called in errors, and what ends it.
    const NAMES: (&'static str, &'static str);

    fn table() -> &'static Table<Self::Held>;

    /// Makes a handle.
    fn open(held: Self::Held) -> *mut Self {
        let number = NEXT.fetch_add(STEP, Ordering::Relaxed);
        Self::table().write().insert(number, Arc::new(held));
        ptr::without_provenance_mut(number)
    }

    /// What it stands for, as long as the returned value lives.
    fn held(handle: *const Self) -> Outcome<Arc<Self::Held>> {
        Self::table().read().get(&handle.addr()).cloned().ok_or_else(|| Self::unknown(handle))
    }

    /// Ends it. What it stood for goes with the last call that uses it, which may be this one.
    fn close(handle: *mut Self) -> Outcome {
        // Dropped when the table is free again: what goes may take its time, and call others.
        let held = Self::table().write().remove(&handle.addr());
        held.map(drop).ok_or_else(|| Self::unknown(handle))
    }

    fn unknown(handle: *const Self) -> Failure {
        let (name, end) = Self::NAMES;
        let text = match handle.is_null() {
            true => format!("the handle of a {name} is null: pass the one that opening it gave"),
            false => {
                format!("there is no {name} of this handle ({handle:p}): it was ended by {end}, or is none of a {name}")
            }
        };
        Failure::new(ringscope_result::BadHandle, text)
    }
}

/// Makes a struct that C sees as an incomplete type a [`Handle`].
macro_rules! handle {
    ($name:ident: $held:ty = $called:literal until $end:literal) => {
        impl $crate::capi::handles::Handle for $name {
            type Held = $held;
            const NAMES: (&'static str, &'static str) = ($called, $end);
            fn table() -> &'static $crate::capi::handles::Table<$held> {
                static TABLE: $crate::capi::handles::Table<$held> = $crate::capi::handles::Table::new();
                &TABLE
            }
        }
    };
}
pub(super) use handle;
