//! What is shown while a device is opened, which takes a while where the driver compiles the kernels first.

use std::sync::mpsc::{RecvTimeoutError, channel};
use std::time::Duration;

use ringscope::DeviceSpec;

use crate::cli::term::terminal;

/// What takes longer is explained.
const LONG: Duration = Duration::from_secs(1);

/// Opens the device by `work` and shows `doing` meanwhile; after a second, why it takes so long, if that is known.
pub fn opening<T>(spec: DeviceSpec, doing: &str, work: impl FnOnce() -> T) -> T {
    terminal::progress(Some(doing));
    if !terminal::can_redraw() {
        return work();
    }
    let (done, ended) = channel::<()>();
    std::thread::scope(|scope| {
        let explain = move || {
            if ended.recv_timeout(LONG) == Err(RecvTimeoutError::Timeout)
                && let Some(why) = why_long(spec)
            {
                terminal::progress(Some(&format!("{doing}: {why}")));
            }
        };
        // Without a thread there is no explanation.
        let _ = std::thread::Builder::new().name("explain".into()).spawn_scoped(scope, explain);
        let result = work();
        drop(done);
        result
    })
}

#[cfg(feature = "cuda")]
fn why_long(spec: DeviceSpec) -> Option<&'static str> {
    use ringscope::device::{CudaDevice, KernelCode};
    let ordinal = match spec {
        DeviceSpec::Auto => 0,
        DeviceSpec::Cuda(ordinal) => ordinal,
        _ => return None,
    };
    let listed = CudaDevice::list().ok()?;
    let compiles = matches!(listed.get(ordinal)?.kernel_code, Some(KernelCode::Ptx { .. }));
    compiles.then_some("the driver compiles the kernels, which takes some seconds the first time")
}
#[cfg(not(feature = "cuda"))]
fn why_long(_: DeviceSpec) -> Option<&'static str> {
    None
}
