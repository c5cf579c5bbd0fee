//! The functions as C calls them: what they do, and that nothing which C can do wrong is worse than an error.

use std::ffi::{CStr, c_char};
use std::io::{Read as _, Write as _};
use std::net::TcpStream;
use std::ptr::{null, null_mut, without_provenance_mut};
use std::time::{Duration, Instant};

use crate::abi::{KernelRef, MetricRef, metric_kind};
use crate::capi::actor::*;
use crate::capi::collection::*;
use crate::capi::collector::*;
use crate::capi::device::*;
use crate::capi::fields::Sized_;
use crate::capi::host_metric::*;
use crate::capi::kernel::*;
use crate::capi::metric::*;
use crate::capi::result::ringscope_result as R;
use crate::capi::result::*;
use crate::capi::snapshot::*;
use crate::capi::snapshot_fields::*;
use crate::capi::text::ringscope_label;
use crate::capi::write::*;

fn last_error() -> String {
    // SAFETY: the library's text, which lives until the next call.
    unsafe { CStr::from_ptr(ringscope_last_error()) }.to_str().unwrap().to_owned()
}

/// A struct as C sets it up.
macro_rules! options {
    ($name:ident { $($field:ident: $value:expr),* $(,)? }) => {{
        let mut options = $name::zeroed();
        options.size = size_of::<$name>();
        $(options.$field = $value;)*
        options
    }};
}

fn opened(device: ringscope_device) -> *mut ringscope_collector {
    let config = options!(ringscope_config { device: device as u32, max_kernels: 4, max_blocks: 8 });
    let mut collector = null_mut();
    // SAFETY: both are there.
    assert_eq!(unsafe { ringscope_open(C_ABI, &config, &mut collector) }, R::Ok, "{}", last_error());
    collector
}

fn closed(collector: *mut ringscope_collector) {
    assert_eq!(ringscope_close(collector), R::Ok, "{}", last_error());
}

fn taken(collector: *const ringscope_collector) -> *mut ringscope_snapshot {
    let mut snapshot = null_mut();
    // SAFETY: it is there.
    assert_eq!(unsafe { ringscope_snapshot_take(collector, &mut snapshot) }, R::Ok, "{}", last_error());
    snapshot
}

fn kernel_of(snapshot: *const ringscope_snapshot, id: &CStr) -> ringscope_kernel_fields {
    let (mut index, mut fields) = (usize::MAX, options!(ringscope_kernel_fields {}));
    // SAFETY: texts and places that live here.
    unsafe {
        assert_eq!(ringscope_snapshot_find(snapshot, id.as_ptr(), &mut index), R::Ok, "{}", last_error());
        assert_eq!(ringscope_snapshot_kernel(snapshot, index, &mut fields), R::Ok, "{}", last_error());
        assert_eq!(CStr::from_ptr(fields.id), id);
    }
    fields
}

fn metric_of(snapshot: *const ringscope_snapshot, name: &CStr, labels: &[ringscope_label]) -> ringscope_metric_fields {
    let mut fields = options!(ringscope_metric_fields {});
    let (first, count) = (labels.as_ptr(), labels.len());
    // SAFETY: texts and places that live here.
    let result = unsafe { ringscope_snapshot_metric(snapshot, name.as_ptr(), first, count, &mut fields) };
    assert_eq!(result, R::Ok, "{}", last_error());
    fields
}

fn registered(collector: *const ringscope_collector, id: &CStr, shards: u32) -> (R, KernelRef) {
    let kernel = options!(ringscope_kernel { id: id.as_ptr(), shards: shards });
    let mut to = KernelRef::default();
    // SAFETY: texts and places that live here.
    (unsafe { ringscope_register(collector, &kernel, &mut to) }, to)
}

mod counts;
mod devices;

/// Every function that returns a result, with nothing in any pointer.
fn with_nulls() -> Vec<(&'static str, R)> {
    macro_rules! calls {
        ($($name:ident($($argument:expr),*);)*) => {
            #[allow(unused_unsafe)]
            // SAFETY: null is allowed everywhere.
            unsafe { vec![$((stringify!($name), $name($($argument),*)),)*] }
        };
    }
    calls! {
        ringscope_open(C_ABI, null(), null_mut());
        ringscope_close(null_mut());
        ringscope_device_read(null(), null_mut());
        ringscope_device_at(null(), 0, null_mut());
        ringscope_register(null(), null(), null_mut());
        ringscope_retire(null(), null());
        ringscope_reset(null(), null());
        ringscope_record_received(null(), null());
        ringscope_record_sent(null(), null());
        ringscope_record_processed(null(), null(), 0);
        ringscope_record_error(null(), null(), null());
        ringscope_device_metric(null(), null(), null_mut());
        ringscope_device_metrics(null(), null(), null_mut(), 0);
        ringscope_host_metric_register(null(), null(), null_mut());
        ringscope_host_metric_add(null(), 0);
        ringscope_host_metric_set(null(), 0.0);
        ringscope_host_metric_observe(null(), 0.0);
        ringscope_host_metric_free(null_mut());
        ringscope_snapshot_take(null(), null_mut());
        ringscope_snapshot_latest(null(), null_mut());
        ringscope_snapshot_free(null_mut());
        ringscope_snapshot_read(null(), null_mut());
        ringscope_snapshot_find(null(), null(), null_mut());
        ringscope_snapshot_kernel(null(), 0, null_mut());
        ringscope_snapshot_device(null(), 0, null_mut());
        ringscope_snapshot_percentile(null(), 0, 0, 0.0, null_mut());
        ringscope_snapshot_metric(null(), null(), null(), 0, null_mut());
        ringscope_snapshot_write(null(), 0, null_mut(), 0, null_mut());
        ringscope_snapshot_text(null(), 0, null_mut());
        ringscope_string_free(null_mut());
        ringscope_start_collection(null(), 0);
        ringscope_stop_collection(null());
        ringscope_serve(null(), null(), null_mut(), null_mut());
        ringscope_server_stop(null_mut());
    }
}

#[test]
fn no_function_takes_a_null_for_something() {
    let calls = with_nulls();
    for (name, result) in &calls {
        let expected: &[R] = if *name == "ringscope_string_free" { &[R::Ok] } else { &[R::BadArgument, R::BadHandle] };
        assert!(expected.contains(result), "{name}: {result:?}");
    }
    // None is left out: the folder has these, and two that cannot fail.
    let folder = std::path::Path::new(env!("CARGO_MANIFEST_DIR")).join("src/capi");
    let files = std::fs::read_dir(folder).unwrap().map(|entry| entry.unwrap().path()).filter(|path| path.is_file());
    let sources = files.map(|path| std::fs::read_to_string(path).unwrap());
    let all: usize = sources.map(|source| source.matches("#[unsafe(no_mangle)]\n").count()).sum();
    assert_eq!(calls.len() + 2, all);
}

#[test]
fn a_panic_is_a_result_of_every_function() {
    for (at, (name, _)) in with_nulls().iter().enumerate() {
        PANICS.set(Some(at));
        let all = with_nulls();
        assert_eq!(all[at].1, R::Panicked, "{name}");
        assert_eq!(all.iter().filter(|(_, result)| *result == R::Panicked).count(), 1);
    }
    // It can be used further.
    let collector = opened(ringscope_device::None);
    PANICS.set(Some(0));
    assert_eq!(ringscope_start_collection(collector, 1), R::Panicked);
    assert_eq!(last_error(), "ringscope panicked, which is a defect of it: as a test wants it");
    closed(collector);
}

#[test]
fn another_version_is_refused_and_says_both() {
    for abi in [0, 1, C_ABI + 1, C_ABI + (1 << 16)] {
        let mut collector = null_mut();
        // SAFETY: it is there.
        assert_eq!(unsafe { ringscope_open(abi, null(), &mut collector) }, R::WrongVersion);
        assert!(collector.is_null());
        let said =
            format!("interface {}.{}, and the library has {}.{}", abi >> 16, abi & 0xffff, C_ABI >> 16, C_ABI & 0xffff);
        assert!(last_error().contains(&said), "{}", last_error());
    }
    assert_eq!(ringscope_abi_version(), C_ABI);
}

#[test]
fn a_handle_that_was_ended_or_is_of_another_kind_is_an_error() {
    let collector = opened(ringscope_device::None);
    let snapshot = taken(collector);
    // A snapshot is no collector, whatever C's casts say; nor is a number.
    for wrong in [snapshot.cast(), without_provenance_mut(1), without_provenance_mut(usize::MAX - 15), null_mut()] {
        assert_eq!(ringscope_stop_collection(wrong), R::BadHandle);
    }
    closed(collector);
    assert_eq!(ringscope_close(collector), R::BadHandle);
    assert!(last_error().contains("it was ended by ringscope_close"), "{}", last_error());
    // SAFETY: the text is one.
    assert_eq!(unsafe { ringscope_record_sent(collector, c"a".as_ptr()) }, R::BadHandle);
    // The snapshot outlives its collector, and is another one's never.
    let other = opened(ringscope_device::None);
    assert_ne!(other, collector);
    let mut fields = options!(ringscope_snapshot_fields {});
    // SAFETY: it is there.
    assert_eq!(unsafe { ringscope_snapshot_read(snapshot, &mut fields) }, R::Ok);
    assert_eq!(fields.sequence, 1);
    assert_eq!(ringscope_snapshot_free(snapshot), R::Ok);
    assert_eq!(ringscope_snapshot_free(snapshot), R::BadHandle);
    closed(other);
}

#[test]
fn structs_grow_and_say_their_size() {
    let open = |config: *const ringscope_config| {
        let mut collector = null_mut();
        // SAFETY: both are there.
        let result = unsafe { ringscope_open(C_ABI, config, &mut collector) };
        if result == R::Ok {
            closed(collector);
        }
        result
    };
    for size in [0, 1, ringscope_config::FIRST_BYTES - 1, 4097, usize::MAX] {
        let config = ringscope_config { size, ..options!(ringscope_config { device: 3 }) };
        assert_eq!(open(&config), R::BadArgument, "{size}");
        assert!(last_error().contains("set its field `size` to sizeof(ringscope_config)"), "{}", last_error());
    }
    // Of a header that is newer than the library: what it does not set does not matter, what it sets is refused.
    #[repr(C)]
    struct Newer {
        config: ringscope_config,
        new: u64,
    }
    let mut newer = Newer { config: options!(ringscope_config { device: 3, size: size_of::<Newer>() }), new: 0 };
    assert_eq!(open((&raw const newer).cast()), R::Ok, "{}", last_error());
    newer.new = 1;
    assert_eq!(open((&raw const newer).cast()), R::BadArgument);
    assert!(last_error().contains("sets fields that this library does not have"), "{}", last_error());

    // What is read: no byte behind the size is touched, and what the library does not know is zero.
    #[repr(C)]
    struct NewerFields {
        fields: ringscope_snapshot_fields,
        new: u64,
        behind: u64,
    }
    let collector = opened(ringscope_device::None);
    let snapshot = taken(collector);
    let size = size_of::<ringscope_snapshot_fields>() + 8;
    let mut fields = NewerFields {
        fields: ringscope_snapshot_fields { size, ..ringscope_snapshot_fields::zeroed() },
        new: 7,
        behind: 7,
    };
    // SAFETY: it is there, and has the size that it says.
    assert_eq!(unsafe { ringscope_snapshot_read(snapshot, (&raw mut fields).cast()) }, R::Ok);
    assert_eq!((fields.fields.size, fields.fields.sequence, fields.new, fields.behind), (size, 1, 0, 7));
    assert_eq!(ringscope_snapshot_free(snapshot), R::Ok);
    closed(collector);
}

#[test]
fn what_is_zero_in_the_config_is_the_default() {
    use crate::collector::TelemetryConfig;
    let config = options!(ringscope_config {});
    assert_eq!(telemetry_config(Some(&config)).unwrap(), TelemetryConfig::default());
    assert_eq!(telemetry_config(None).unwrap(), TelemetryConfig::default());
    let config = options!(ringscope_config { stall_limit_ns: u64::MAX, buckets_per_octave: 32, max_series: 9 });
    let expected =
        TelemetryConfig { stall_limit: Duration::MAX, scale: 5, max_series: 9, ..TelemetryConfig::default() };
    assert_eq!(telemetry_config(Some(&config)).unwrap(), expected);
}

#[test]
fn bad_numbers_and_texts_are_refused() {
    let open = |config: ringscope_config| {
        let mut collector = null_mut();
        // SAFETY: both are there.
        (unsafe { ringscope_open(C_ABI, &config, &mut collector) }, last_error())
    };
    for (config, said) in [
        (options!(ringscope_config { device: 4 }), "`device` is 4"),
        (options!(ringscope_config { buckets_per_octave: 3 }), "`buckets_per_octave` is 3"),
        (options!(ringscope_config { device: 3, trace_records: 65 }), "`trace_records` is 65"),
    ] {
        let (result, text) = open(config);
        assert_eq!(result, R::BadArgument);
        assert!(text.starts_with(said), "{text}");
    }
    let (result, text) = open(options!(ringscope_config { device: 2, cuda_ordinal: 1 << 20 }));
    assert_eq!(result, R::NoDevice, "{text}");

    let collector = opened(ringscope_device::None);
    let bytes = [b'a', 0xff, 0];
    // SAFETY: it ends with a zero byte.
    assert_eq!(unsafe { ringscope_record_sent(collector, bytes.as_ptr().cast()) }, R::BadArgument);
    assert_eq!(last_error(), "`id` is not UTF-8 from byte 1 on");
    // SAFETY: as above.
    assert_eq!(unsafe { ringscope_record_sent(collector, c"".as_ptr()) }, R::BadArgument);
    assert_eq!(ringscope_start_collection(collector, 0), R::BadArgument);
    assert_eq!(registered(collector, c"k", 1).0, R::NoDevice);
    let snapshot = taken(collector);
    let (mut index, mut ns, mut text) = (0, 0.0, null_mut());
    // SAFETY: texts and places that live here.
    unsafe {
        assert_eq!(ringscope_snapshot_find(snapshot, c"k".as_ptr(), &mut index), R::Unknown);
        assert_eq!(ringscope_snapshot_percentile(snapshot, 0, 0, 50.0, &mut ns), R::Unknown);
        assert_eq!(ringscope_snapshot_text(snapshot, 5, &mut text), R::BadArgument);
        assert_eq!(last_error(), "`format` is 5, and must be a ringscope_format: 0 to 4");
    }
    assert_eq!(ringscope_snapshot_free(snapshot), R::Ok);
    closed(collector);
}

#[test]
fn collection_and_a_server_run_until_they_are_stopped() {
    let collector = opened(ringscope_device::None);
    let mut snapshot = null_mut();
    // SAFETY: it is there.
    assert_eq!(unsafe { ringscope_snapshot_latest(collector, &mut snapshot) }, R::Unknown);
    assert_eq!(ringscope_start_collection(collector, 1_000_000), R::Ok);
    let deadline = Instant::now() + Duration::from_secs(60);
    // SAFETY: as above.
    while unsafe { ringscope_snapshot_latest(collector, &mut snapshot) } != R::Ok {
        assert!(Instant::now() < deadline, "no snapshot was taken");
        std::thread::yield_now();
    }
    assert_eq!(ringscope_snapshot_free(snapshot), R::Ok);
    assert_eq!(ringscope_stop_collection(collector), R::Ok);

    let (mut server, mut port) = (null_mut(), 0);
    // SAFETY: texts and places that live here.
    unsafe {
        assert_eq!(ringscope_serve(collector, c"nonsense".as_ptr(), &mut server, &mut port), R::System);
        let result = ringscope_serve(collector, c"127.0.0.1:0".as_ptr(), &mut server, &mut port);
        assert_eq!(result, R::Ok, "{}", last_error());
        assert_eq!(ringscope_record_received(collector, c"parser".as_ptr()), R::Ok);
    }
    // A snapshot of a moment ago would do for a scrape: this one has the record.
    assert_eq!(ringscope_snapshot_free(taken(collector)), R::Ok);
    closed(collector); // The server keeps what it reads.
    let mut connection = TcpStream::connect(("127.0.0.1", port)).unwrap();
    connection.write_all(b"GET /metrics HTTP/1.1\r\nHost: localhost\r\nConnection: close\r\n\r\n").unwrap();
    let mut page = String::new();
    connection.read_to_string(&mut page).unwrap();
    assert!(page.contains("\nringscope_kernel_messages_received_total{kernel=\"parser\"} 1\n"), "{page}");
    assert_eq!(ringscope_server_stop(server), R::Ok);
    assert_eq!(ringscope_server_stop(server), R::BadHandle);
    assert!(TcpStream::connect(("127.0.0.1", port)).is_err());
}

#[test]
fn a_collector_that_is_off_counts_nothing_and_costs_nothing() {
    let config = options!(ringscope_config { device: ringscope_device::Host as u32, off: 1 });
    let mut collector = null_mut();
    // SAFETY: texts and places that live here.
    unsafe {
        assert_eq!(ringscope_open(C_ABI, &config, &mut collector), R::Ok, "{}", last_error());
        assert_eq!(ringscope_record_sent(collector, c"a".as_ptr()), R::Ok);
        let mut snapshot = null_mut();
        assert_eq!(ringscope_snapshot_take(collector, &mut snapshot), R::Off);
    }
    assert_eq!(registered(collector, c"k", 4), (R::Ok, KernelRef::default()));
    assert_eq!(ringscope_start_collection(collector, 1), R::Off);
    closed(collector);
}

#[test]
fn errors_are_of_the_thread_that_made_them() {
    assert_eq!(ringscope_close(null_mut()), R::BadHandle);
    let here = last_error();
    let there = std::thread::spawn(|| {
        let before = last_error();
        assert_eq!(ringscope_start_collection(without_provenance_mut(1), 1), R::BadHandle);
        (before, last_error())
    });
    let (before, there) = there.join().unwrap();
    assert!(before.is_empty() && there != here, "{before} {there} {here}");
    assert_eq!(last_error(), here);
}

#[test]
fn a_handle_may_be_ended_while_others_use_it() {
    const THREADS: u64 = 4;
    for _ in 0..20 {
        let collector = opened(ringscope_device::None).addr();
        let counts = std::thread::scope(|scope| {
            let count = || {
                let mut done = 0u64;
                // SAFETY: a text that lives for ever.
                while unsafe { ringscope_record_received(without_provenance_mut(collector), c"a".as_ptr()) } == R::Ok {
                    done += 1;
                }
                done
            };
            let threads: Vec<_> = (0..THREADS).map(|_| scope.spawn(count)).collect();
            let collector = without_provenance_mut(collector);
            let counted = loop {
                let snapshot = taken(collector);
                let mut fields = options!(ringscope_kernel_fields {});
                // SAFETY: it is there.
                let found = unsafe { ringscope_snapshot_kernel(snapshot, 0, &mut fields) } == R::Ok;
                assert_eq!(ringscope_snapshot_free(snapshot), R::Ok);
                if found && fields.messages_received > THREADS {
                    break fields.messages_received;
                }
            };
            closed(collector);
            (counted, threads.into_iter().map(|thread| thread.join().unwrap()).sum::<u64>())
        });
        assert!(counts.0 <= counts.1, "{counts:?}");
    }
}
