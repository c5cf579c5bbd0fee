//! Periodic collection, and a server for Prometheus.

use std::ffi::c_char;
use std::time::Duration;

use super::collector::ringscope_collector;
use super::handles::{Handle, handle};
use super::result::{Failure, call, ringscope_result};
use super::text::text;
use crate::publish::{PrometheusPublisher, PrometheusServer};

/// A server for Prometheus. Ended by `ringscope_server_stop`.
pub struct ringscope_server {
    _none: [u8; 0],
}
handle!(ringscope_server: PrometheusServer = "server" until "ringscope_server_stop");

/// Takes a snapshot every `interval_ns` nanoseconds on a thread of its own, until `ringscope_stop_collection` or
/// `ringscope_close`. A second call changes the interval. Less than 100 microseconds count as 100.
///
/// RINGSCOPE_RESULT_BAD_ARGUMENT for 0, RINGSCOPE_RESULT_SYSTEM, RINGSCOPE_RESULT_OFF, RINGSCOPE_RESULT_BAD_HANDLE.
#[unsafe(no_mangle)]
pub extern "C" fn ringscope_start_collection(
    collector: *const ringscope_collector,
    interval_ns: u64,
) -> ringscope_result {
    call(|| {
        let open = ringscope_collector::held(collector)?;
        open.collector.start_collection(Duration::from_nanos(interval_ns)).map_err(Failure::from)
    })
}

/// Stops taking snapshots periodically, after the one in hand; done where none are taken.
///
/// RINGSCOPE_RESULT_BAD_HANDLE.
#[unsafe(no_mangle)]
pub extern "C" fn ringscope_stop_collection(collector: *const ringscope_collector) -> ringscope_result {
    call(|| {
        ringscope_collector::held(collector)?.collector.stop_collection();
        Ok(())
    })
}

/// Serves the collector's telemetry under /metrics at `address`, for Prometheus to scrape: `127.0.0.1:9464` for this
/// machine alone, `0.0.0.0:9464` for all that reach it, who need no password; port 0 is any that is free. Puts the handle
/// at `server`, to be ended by `ringscope_server_stop`, and the port at `port`, which may be null. A scrape is answered
/// by the newest snapshot of periodic collection if it is younger than a second, else the device is read. Two threads do
/// it all. The collector lives as long as the server, whatever becomes of its own handle.
///
/// RINGSCOPE_RESULT_SYSTEM for an address that cannot be listened on, RINGSCOPE_RESULT_BAD_HANDLE,
/// RINGSCOPE_RESULT_BAD_ARGUMENT.
///
/// # Safety
/// `address` ends with a zero byte; `server` points to a pointer, `port` is null or points to a uint16_t.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn ringscope_serve(
    collector: *const ringscope_collector,
    address: *const c_char,
    server: *mut *mut ringscope_server,
    port: *mut u16,
) -> ringscope_result {
    call(|| {
        let open = ringscope_collector::held(collector)?;
        // SAFETY: the caller's promise.
        let address = unsafe { text(address, "address")? };
        if server.is_null() {
            return Err(Failure::argument("`server` is null: it says where to put what is made"));
        }
        let serving = PrometheusPublisher::new(0).listen(address).serve(&open.collector)?;
        let at = serving.address().port();
        // SAFETY: the caller's promise.
        unsafe { server.write_unaligned(ringscope_server::open(serving)) };
        if !port.is_null() {
            // SAFETY: the caller's promise.
            unsafe { port.write_unaligned(at) };
        }
        Ok(())
    })
}

/// Ends a server at once, and with it answers that are under way.
///
/// RINGSCOPE_RESULT_BAD_HANDLE.
#[unsafe(no_mangle)]
pub extern "C" fn ringscope_server_stop(server: *mut ringscope_server) -> ringscope_result {
    call(|| ringscope_server::close(server))
}
