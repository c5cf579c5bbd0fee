//! Named ranges for NVIDIA's profilers: what the host does, on the timeline of Nsight Systems (NVTX).
//!
//! With the feature `nvtx` a reading, a copy from the device, a periodic tick and a launch open ranges in the domain
//! `ringscope`; a program may open its own beside them. Without the feature all of this compiles to nothing. With it,
//! and with no profiler that listens, a range is one look at a word that was settled by the first. `docs/profiling.md`
//! in the repository says how to run a profiler beside a persistent kernel.
//!
//! ```
//! {
//!     let _range = ringscope::nvtx::range("bench: warm-up");
//!     // … what the profiler is to show under this name …
//! } // closed
//! ```

use std::marker::PhantomData;

/// An open range. Dropping it closes it; it stays on the thread that opened it, and ranges of a thread close in the
/// reverse of the order in which they were opened.
#[derive(Debug)]
#[must_use = "a range is closed when it is dropped"]
pub struct Range {
    open: tool::Open,
    _thread: PhantomData<*const ()>,
}

/// Opens a range of that name on this thread. Names are kept for the life of the process where a profiler listens, so
/// let them be few. A name ends at its first NUL.
#[inline]
pub fn range(name: &'static str) -> Range {
    Range { open: tool::push(name), _thread: PhantomData }
}

impl Drop for Range {
    #[inline]
    fn drop(&mut self) {
        tool::pop(&self.open);
    }
}

#[cfg(not(feature = "nvtx"))]
mod tool {
    pub type Open = ();

    #[inline(always)]
    pub fn push(_: &'static str) -> Open {}

    #[inline(always)]
    pub fn pop((): &Open) {}

    const _: () = assert!(size_of::<super::Range>() == 0, "ranges cost something without the feature");
}

/// By the functions of NVTX itself. The crate's own `Domain` makes a string of every name at every range, and looks it
/// up under a lock, also where nobody listens.
#[cfg(feature = "nvtx")]
mod tool {
    use std::ffi::CString;
    use std::sync::{LazyLock, PoisonError, RwLock};

    use ::nvtx::sys;

    /// The domain of a range that a profiler was told of.
    pub type Open = Option<sys::DomainHandle>;

    struct Domain {
        handle: sys::DomainHandle,
        /// Registered, as profilers want names that they are to filter by: Nsight Systems starts a capture
        /// at others only if told to look at them. Few, so a list.
        names: RwLock<Vec<(&'static str, sys::StringHandle)>>,
    }

    /// `None` where no profiler listens: NVTX itself decides that once, at the first call.
    static DOMAIN: LazyLock<Option<Domain>> = LazyLock::new(Domain::create);

    #[inline]
    pub fn push(name: &'static str) -> Open {
        DOMAIN.as_ref().map(|domain| domain.push(name))
    }

    #[inline]
    pub fn pop(open: &Open) {
        if let Some(domain) = *open {
            sys::domain_range_pop(domain);
        }
    }

    impl Domain {
        fn create() -> Option<Self> {
            let handle = sys::domain_create_ascii(c"ringscope");
            // A profiler gives every registered string a handle; with none, NVTX gives null.
            let probe: sys::ffi::nvtxStringHandle_t = sys::domain_register_string_ascii(handle, c"ringscope").into();
            (!probe.is_null()).then(|| Domain { handle, names: RwLock::default() })
        }

        fn push(&self, name: &'static str) -> sys::DomainHandle {
            sys::domain_range_push_ex(self.handle, &attributes(self.registered(name)));
            self.handle
        }

        fn registered(&self, name: &'static str) -> sys::StringHandle {
            let find = |names: &[(&str, sys::StringHandle)]| names.iter().find(|(n, _)| *n == name).map(|(_, h)| *h);
            if let Some(handle) = find(&self.names.read().unwrap_or_else(PoisonError::into_inner)) {
                return handle;
            }
            let mut names = self.names.write().unwrap_or_else(PoisonError::into_inner);
            // Another thread may have been faster.
            find(&names).unwrap_or_else(|| {
                let text = CString::new(name.split('\0').next().unwrap_or_default()).unwrap_or_default();
                let handle = sys::domain_register_string_ascii(self.handle, &text);
                names.push((name, handle));
                handle
            })
        }
    }

    fn attributes(name: sys::StringHandle) -> sys::EventAttributes {
        sys::EventAttributes {
            version: sys::NVTX_VERSION as u16,
            size: sys::NVTX_EVENT_ATTRIBUTES_SIZE as u16,
            category: 0,
            colorType: sys::ColorType::NVTX_COLOR_UNKNOWN.into(),
            color: 0,
            payloadType: sys::PayloadType::NVTX_PAYLOAD_UNKNOWN.into(),
            reserved0: 0,
            payload: sys::PayloadValue { ullValue: 0 },
            messageType: sys::MessageType::NVTX_MESSAGE_TYPE_REGISTERED.into(),
            message: sys::MessageValue { registered: name.into() },
        }
    }
}

#[cfg(test)]
mod tests {
    use super::range;

    #[test]
    fn ranges_without_a_profiler_are_opened_and_closed() {
        for _ in 0..1000 {
            let outer = range("outer");
            let inner = range("inner\0and what follows");
            drop(inner);
            drop(outer);
        }
    }
}
