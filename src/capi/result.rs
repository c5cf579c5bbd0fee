//! Results, the text of the last error, and the door that every function goes through.

use std::cell::RefCell;
use std::ffi::{CStr, CString, c_char};
use std::panic::{AssertUnwindSafe, catch_unwind};

use crate::collector::TelemetryError;
use crate::device::DeviceError;
use crate::metrics::MetricError;
use crate::publish::PublishError;

/// What became of a call. Where it is not RINGSCOPE_RESULT_OK nothing was done, no counts are lost, and
/// `ringscope_last_error` says what is wrong and what to do about it.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[repr(i32)]
pub enum ringscope_result {
    /// It was done.
    Ok = 0,
    /// A pointer that must not be null is null, a text is not UTF-8, a number is out of its range, or a struct does not
    /// say its size.
    BadArgument = 1,
    /// The handle was closed or freed, or is of another kind, or was never one.
    BadHandle = 2,
    /// The program was compiled with the header of another version than the library's.
    WrongVersion = 3,
    /// There is no such device here, or the collector has none.
    NoDevice = 4,
    /// The device failed, or a call of its driver. The newest good snapshot stays readable.
    DeviceFailed = 5,
    /// There is no kernel, metric or series of that name, or no snapshot yet.
    Unknown = 6,
    /// The name is taken by something else.
    Taken = 7,
    /// A bound that was set at opening is reached.
    Full = 8,
    /// The collector was opened with telemetry off.
    Off = 9,
    /// The buffer is too small; how many bytes it must have was said.
    TooSmall = 10,
    /// The operating system gave no thread, or cannot listen on the address.
    System = 11,
    /// The collector cannot do that; the text says why.
    Refused = 12,
    /// The library panicked, which is a defect of it: please report the text. What was being done may be half done; the
    /// collector can be used further.
    Panicked = 13,
}

/// Why a call was not done.
#[derive(Debug)]
pub(super) struct Failure {
    pub(super) result: ringscope_result,
    pub(super) text: String,
}

impl Failure {
    pub(super) fn new(result: ringscope_result, text: impl Into<String>) -> Self {
        Failure { result, text: text.into() }
    }

    pub(super) fn argument(text: impl Into<String>) -> Self {
        Failure::new(ringscope_result::BadArgument, text)
    }
}

pub(super) type Outcome<T = ()> = Result<T, Failure>;

thread_local! {
    static LAST_ERROR: RefCell<CString> = RefCell::new(CString::default());
    /// Tests have a call of this thread panic: the one after so many others.
    #[cfg(test)]
    pub(super) static PANICS: std::cell::Cell<Option<usize>> = const { std::cell::Cell::new(None) };
}

/// Does `body`, keeps the text of what went wrong for this thread, and lets no panic out.
pub(super) fn call(body: impl FnOnce() -> Outcome) -> ringscope_result {
    let done = catch_unwind(AssertUnwindSafe(|| {
        #[cfg(test)]
        match PANICS.take() {
            Some(0) => panic!("as a test wants it"),
            Some(calls) => PANICS.set(Some(calls - 1)),
            None => {}
        }
        body()
    }));
    let failure = match done {
        Ok(Ok(())) => return ringscope_result::Ok,
        Ok(Err(failure)) => failure,
        Err(panic) => {
            let said = panic.downcast_ref::<String>().map(String::as_str);
            let said = said.or_else(|| panic.downcast_ref::<&str>().copied()).unwrap_or("it says nothing");
            Failure::new(ringscope_result::Panicked, format!("ringscope panicked, which is a defect of it: {said}"))
        }
    };
    let result = failure.result;
    // A thread that ends may have let go of its text already: then nobody can ask for it either.
    let _ = LAST_ERROR.try_with(|last| {
        if let Ok(mut last) = last.try_borrow_mut() {
            *last = c_string(failure.text);
        }
    });
    result
}

/// The same text for C, which ends a text at its first zero byte.
pub(super) fn c_string(text: impl Into<Vec<u8>>) -> CString {
    CString::new(text).unwrap_or_else(|error| {
        let zero = error.nul_position();
        let mut bytes = error.into_vec();
        bytes.truncate(zero);
        CString::new(bytes).unwrap_or_default()
    })
}

/// Returns what went wrong in the last call of this thread that was not done, in UTF-8, as a sentence that says what to
/// do about it; an empty text before the first. Calls that are done leave it. The library owns the text, which lives
/// until the next call of this thread that fails: copy it to keep it.
#[unsafe(no_mangle)]
pub extern "C" fn ringscope_last_error() -> *const c_char {
    const NOTHING: &CStr = c"";
    LAST_ERROR
        .try_with(|last| last.try_borrow().map_or(NOTHING.as_ptr(), |last| last.as_ptr()))
        .unwrap_or(NOTHING.as_ptr())
}

impl From<TelemetryError> for Failure {
    fn from(error: TelemetryError) -> Self {
        use TelemetryError::*;
        let result = match &error {
            Disabled => ringscope_result::Off,
            UnknownKernel { .. } | UnknownMetric { .. } => ringscope_result::Unknown,
            AlreadyRegistered { .. } => ringscope_result::Taken,
            EmptyId
            | IdTooLong { .. }
            | NoBlocks { .. }
            | BadRoles { .. }
            | DeviceTwice { .. }
            | BadSetting { .. }
            | Name(_)
            | Filter(_) => ringscope_result::BadArgument,
            TooManyKernels { .. } | TooManyBlocks { .. } | NoBuckets { .. } | TooManyHooks { .. } => {
                ringscope_result::Full
            }
            NoDevice | UnknownDevice { .. } => ringscope_result::NoDevice,
            NoThread { .. } => ringscope_result::System,
            Metric(error) => of_metric(error),
            Device(error) => of_device(error),
            _ => ringscope_result::Refused,
        };
        Failure::new(result, error.to_string())
    }
}

impl From<MetricError> for Failure {
    fn from(error: MetricError) -> Self {
        Failure::new(of_metric(&error), error.to_string())
    }
}

impl From<DeviceError> for Failure {
    fn from(error: DeviceError) -> Self {
        Failure::new(of_device(&error), error.to_string())
    }
}

impl From<PublishError> for Failure {
    fn from(error: PublishError) -> Self {
        Failure::new(ringscope_result::System, error.to_string())
    }
}

impl From<serde_json::Error> for Failure {
    fn from(error: serde_json::Error) -> Self {
        Failure::new(ringscope_result::Refused, error.to_string())
    }
}

fn of_device(error: &DeviceError) -> ringscope_result {
    match error {
        DeviceError::CudaUnavailable(_) | DeviceError::NotBuilt { .. } => ringscope_result::NoDevice,
        _ => ringscope_result::DeviceFailed,
    }
}

fn of_metric(error: &MetricError) -> ringscope_result {
    match error {
        MetricError::TooManySeries { .. } | MetricError::DeviceFull { .. } => ringscope_result::Full,
        MetricError::Differs { .. } | MetricError::NameTaken { .. } | MetricError::Owned { .. } => {
            ringscope_result::Taken
        }
        MetricError::NoDevice { .. } => ringscope_result::NoDevice,
        MetricError::Device { error, .. } => of_device(error),
        _ => ringscope_result::BadArgument,
    }
}
